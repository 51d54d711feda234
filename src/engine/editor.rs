//! The user's editor, chosen as git chooses it.

use std::path::Path;
use std::process::Command;

use crate::context::variable;
use crate::failure::{Failure, Outcome};

/// Lets a person edit a file, and returns whether the editor ended well. `configured` is what Git's
/// own configuration names.
pub fn open(file: &Path, configured: impl FnOnce() -> Option<String>) -> Outcome<bool> {
    let named = ["GIT_EDITOR", "VISUAL", "EDITOR"].into_iter().find_map(variable);
    let editor = named.or_else(configured).unwrap_or_else(|| "vi".to_owned());
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{editor} \"$@\"")).arg(&editor).arg(file);
    let status = command.status().map_err(|error| {
        Failure::error(format!("could not start the editor `{editor}`: {error}"))
            .hint("Set EDITOR to one that is installed.")
    })?;
    Ok(status.success())
}
