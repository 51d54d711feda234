//! A merge driver of the user's own, run as git runs it (gitattributes(5), "Defining a custom merge
//! driver"): from the top of the working tree, on three files of its own, never on a live one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cfgsync_core::merge::TextMerge;
use cfgsync_core::path::RepoPath;

use super::program::{self, Limits};
use crate::failure::Outcome;
use crate::fs::desk::Desk;
use crate::fs::dir::os;
use crate::fs::plain;

/// How long a driver may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Length of conflict markers that a driver is told (`conflict-marker-size`).
const MARKER_SIZE: &str = "7";

/// Runs a driver on base, ours and theirs.
pub fn run(
    worktree: &Path,
    scratch: &Path,
    command: &str,
    path: &RepoPath,
    texts: &[Vec<u8>; 3],
) -> Outcome<TextMerge> {
    let desk = Desk::set_up(scratch)?;
    let mut files = Vec::new();
    for (name, text) in ["base", "ours", "theirs"].into_iter().zip(texts) {
        files.push(desk.put(name, text)?);
    }
    let line = expand(command, path, &files);
    let limits = Limits::local(DEADLINE);
    let answer = program::shell(worktree, limits, desk.folder(), &line)?;
    if answer.code != Some(0) {
        return Ok(TextMerge::Overlapping);
    }
    Ok(plain::read(&files[1])?.map_or(TextMerge::Overlapping, TextMerge::Clean))
}

/// Puts the names of the files, quoted, in place of `%O %A %B %L %P %S %X %Y`.
fn expand(command: &str, path: &RepoPath, files: &[PathBuf]) -> String {
    let file = |at: usize| quoted(files[at].as_os_str().as_encoded_bytes());
    let mut line = String::new();
    let mut letters = command.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            line.push(letter);
            continue;
        }
        match letters.next() {
            Some('O') => line.push_str(&file(0)),
            Some('A') => line.push_str(&file(1)),
            Some('B') => line.push_str(&file(2)),
            Some('L') => line.push_str(MARKER_SIZE),
            Some('P') => line.push_str(&quoted(path.as_bytes())),
            Some('S') => line.push_str("base"),
            Some('X') => line.push_str("ours"),
            Some('Y') => line.push_str("theirs"),
            Some('%') => line.push('%'),
            Some(other) => line.extend(['%', other]),
            None => line.push('%'),
        }
    }
    line
}

/// Quotes a name for `sh`.
fn quoted(name: &[u8]) -> String {
    format!("'{}'", os(name).to_string_lossy().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_become_quoted_names() {
        let files = ["/d/base", "/d/it's", "/d/theirs"].map(PathBuf::from);
        let path = RepoPath::new("a b; rm -rf").unwrap();
        let line = expand("x %O %A %B %P 100%% %z", &path, &files);
        assert_eq!(line, r"x '/d/base' '/d/it'\''s' '/d/theirs' 'a b; rm -rf' 100% %z");
    }
}
