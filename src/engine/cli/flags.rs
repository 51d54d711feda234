//! The flags of the old `sync.sh`, each as the subcommand it means. The one place that knows them.

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
pub fn modern(arguments: Vec<std::ffi::OsString>) -> Vec<std::ffi::OsString> {
    let words = |flag: &std::ffi::OsString| {
        MEANINGS.iter().find(|(name, _)| flag == name).map(|(_, words)| *words)
    };
    // `--dir` is the only option before the command that takes a word of its own.
    let mut at = 1;
    while arguments.get(at).is_some_and(is_global) {
        at += if arguments[at] == "--dir" || arguments[at] == "--color" { 2 } else { 1 };
    }
    let Some(meaning) = arguments.get(at).and_then(words) else { return arguments };
    let mut modern = arguments[..at].to_vec();
    modern.extend(meaning.iter().map(Into::into));
    // A second old flag, as in `--dry-run --force-push`, is an option of the same command.
    modern.extend_from_slice(&arguments[at + 1..]);
    modern
}

fn is_global(word: &std::ffi::OsString) -> bool {
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
