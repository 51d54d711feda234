//! The user's pager, chosen as git chooses it.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::context::variable;

/// Shows a text in the pager; none where there is none, or the user wants none.
pub fn show(text: &str) -> Option<()> {
    let named = ["CFGSYNC_PAGER", "GIT_PAGER", "PAGER"].into_iter().find_map(variable);
    let command = named.unwrap_or_else(|| "less".to_owned());
    if command.trim().is_empty() || command == "cat" {
        return None;
    }
    let mut pager = Command::new("sh");
    pager.args(["-c", &command]).stdin(Stdio::piped());
    // As git does: leave when it fits on one screen, keep colours, leave it on the screen.
    if variable("LESS").is_none() {
        pager.env("LESS", "FRX");
    }
    let mut child = pager.spawn().ok()?;
    if let Some(mut input) = child.stdin.take() {
        // A reader that leaves early has seen enough.
        let _ = input.write_all(text.as_bytes());
    }
    // A shell that did not find the pager says 127; then the text is printed plainly.
    (child.wait().ok()?.code() != Some(127)).then_some(())
}
