//! Says at `-vv` which calls of other programs were made, without passwords.

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::remote::without_password;
use crate::ui::{Loudness, Tone, Ui};

/// Who wants to hear of it.
static HEARER: OnceLock<Ui> = OnceLock::new();

/// Remembers how a person is talked to.
pub fn heard_by(ui: Ui) {
    if ui.loudness >= Loudness::Debug {
        // The first one stays; there is one person.
        let _ = HEARER.set(ui);
    }
}

/// Returns a call as a person would type it, where anybody wants to hear of it.
pub fn line(command: &Command) -> Option<String> {
    HEARER.get()?;
    let program = command.get_program().to_string_lossy().into_owned();
    let mut words = vec![program];
    let mut arguments = command.get_args().map(|it| without_password(&it.to_string_lossy()));
    while let Some(word) = arguments.next() {
        // Options of every call, and its folder, tell nothing.
        if word == "-c" || word == "-C" {
            arguments.next();
        } else {
            words.push(word);
        }
    }
    Some(words.join(" "))
}

/// Says what a call came to.
pub fn said(line: Option<&str>, took: Duration, code: Option<i32>) {
    let Some((ui, line)) = HEARER.get().zip(line) else { return };
    let end = match code {
        Some(0) => String::new(),
        Some(code) => format!(", exit {code}"),
        None => ", ended".to_owned(),
    };
    ui.say(&ui.paint(Tone::Dim, &format!("  $ {line}  ({} ms{end})", took.as_millis())));
}
