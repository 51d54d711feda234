//! The flags of the old `sync.sh`, each as the subcommand it means. The one place that knows them.

use std::ffi::OsString;

/// A flag, and the words it stands for.
const MEANINGS: [(&str, &[&str]); 11] = [
    ("--setup", &["setup"]),
    ("--status", &["status"]),
    ("--mark", &["mark"]),
    ("--unmark", &["unmark"]),
    ("--list-marked", &["list"]),
    ("--dry-run", &["sync", "--dry-run"]),
    ("--force-push", &["sync", "--force-push"]),
    ("--force-pull", &["sync", "--force-pull"]),
    ("--backup-only", &["backup"]),
    ("--restore", &["restore"]),
    ("--background", &["sync", "--background"]),
];

/// Puts the subcommand where an old flag stands first, and leaves everything else as it is.
pub fn modern(arguments: Vec<OsString>) -> Vec<OsString> {
    let words =
        |flag: &OsString| MEANINGS.iter().find(|(name, _)| flag == name).map(|(_, words)| *words);
    let at = command_at(&arguments);
    let Some(meaning) = arguments.get(at).and_then(words) else { return arguments };
    let mut modern = arguments[..at].to_vec();
    modern.extend(meaning.iter().map(Into::into));
    // A second old flag, as in `--dry-run --force-push`, is an option of the same command.
    modern.extend_from_slice(&arguments[at + 1..]);
    modern
}

/// Returns true where an old flag may follow these words: no command stands there yet.
pub fn may_follow(arguments: &[OsString]) -> bool {
    !arguments.is_empty() && command_at(arguments) == arguments.len()
}

/// Returns the old flags, each with the command it means.
pub fn old() -> impl Iterator<Item = (&'static str, String)> {
    MEANINGS.iter().map(|(name, words)| (*name, format!("cfgsync {}", words.join(" "))))
}

/// Returns where the command stands, or would.
fn command_at(arguments: &[OsString]) -> usize {
    // Of the options before the command, these two take a word of their own.
    let mut at = 1;
    while arguments.get(at).is_some_and(is_global) {
        at += if arguments[at] == "--dir" || arguments[at] == "--color" { 2 } else { 1 };
    }
    at
}

fn is_global(word: &OsString) -> bool {
    let word = word.to_string_lossy();
    let plain = ["--dir", "--color", "-v", "--verbose", "-q", "--quiet", "--yes", "--no-input"];
    plain.contains(&word.as_ref()) || word.starts_with("--dir=") || word.starts_with("--color=")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &str, meant: &str) {
        let words = |line: &str| line.split(' ').map(Into::into).collect::<Vec<_>>();
        assert_eq!(modern(words(typed)), words(meant));
    }

    #[test]
    fn every_old_flag_has_its_command() {
        check("cfgsync --mark a b", "cfgsync mark a b");
        check("cfgsync --list-marked", "cfgsync list");
        check("cfgsync --restore 2026-11-20", "cfgsync restore 2026-11-20");
        check("cfgsync --backup-only", "cfgsync backup");
        check("cfgsync --background", "cfgsync sync --background");
        check("cfgsync --dry-run --force-push", "cfgsync sync --dry-run --force-push");
    }

    #[test]
    fn new_commands_are_left_alone() {
        check("cfgsync sync --dry-run", "cfgsync sync --dry-run");
        check("cfgsync --dir x --status", "cfgsync --dir x status");
        check("cfgsync", "cfgsync");
    }
}
