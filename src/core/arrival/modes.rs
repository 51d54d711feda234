//! Modes that do not arrive: nobody else may write where a program refuses to read what others may
//! write, or where every stored copy lies.

use std::collections::BTreeMap;

use crate::path::{EXTERNAL, RepoPath};
use crate::unit::{Kind, Mode, Version};
use crate::verdict::Verdict;

/// What group and others may write.
const OTHERS_WRITE: u16 = 0o022;

/// Folders of the home whose programs refuse files that others may write.
const REFUSING: [&str; 2] = [".ssh", ".gnupg"];

/// Takes what others may write from units that come from upstream to such a place, unless they may
/// here already.
pub fn close_arrivals(verdicts: &mut BTreeMap<RepoPath, Verdict>) {
    for (_, verdict) in verdicts.iter_mut().filter(|(path, _)| is_guarded(path)) {
        let here = verdict.sides.ours.map_or(Mode(0), |ours| ours.mode);
        if let Some(Version { kind: Kind::File, mode, .. }) = &mut verdict.result {
            *mode = closed(*mode, here);
        }
    }
}

/// Returns the mode of a folder that comes from upstream, where it has this one here.
pub fn close_folder(path: &RepoPath, mode: Mode, here: Mode) -> Mode {
    if path.as_bytes() == EXTERNAL.as_bytes() || is_guarded(path) {
        closed(mode, here)
    } else {
        mode
    }
}

fn closed(mode: Mode, here: Mode) -> Mode {
    Mode(mode.0 & !(OTHERS_WRITE & !here.0))
}

fn is_guarded(path: &RepoPath) -> bool {
    let Some(home) = path.home() else { return false };
    home.components().next().is_some_and(|top| REFUSING.iter().any(|it| it.as_bytes() == top))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> RepoPath {
        RepoPath::new(path).unwrap()
    }

    #[test]
    fn no_folder_that_ssh_reads_is_opened_to_others() {
        let check = |at: &str, mode, here, expected| {
            assert_eq!(close_folder(&path(at), Mode(mode), Mode(here)), Mode(expected), "{at}");
        };
        check("external", 0o777, 0o755, 0o755);
        check("external/.ssh", 0o777, 0o700, 0o755);
        check("external/.gnupg/private", 0o770, 0o755, 0o750);
        check("external/.ssh", 0o775, 0o775, 0o775);
        check("external/.config", 0o775, 0o755, 0o775);
        check("notes", 0o777, 0o755, 0o777);
    }

    #[test]
    fn only_what_lies_there_is_guarded() {
        for (at, expected) in [
            ("external/.ssh/config", true),
            ("external/.gnupg/a/b", true),
            ("external/.sshrc", false),
            (".ssh/config", false),
            ("external/x/.ssh", false),
        ] {
            assert_eq!(is_guarded(&path(at)), expected, "{at}");
        }
    }
}
