//! An operation as text, one change a line, for the vault.
//!
//! ```text
//! unit PATH BEFORE AFTER         a version is `-`, or kind:mode:blob
//! folder PATH MODE MODE
//! mark PATH BEFORE AFTER         a mark is `-`, or its line of a manifest
//! overruled PATH THEIRS BASE MADE
//! ```

use std::collections::BTreeMap;

use super::Operation;
use crate::escape::{escape, unescape, words};
use crate::manifest::{Manifest, Mark};
use crate::path::{HomePath, RepoPath};
use crate::policy::Overruled;
use crate::unit::{BlobId, Kind, Mode, Version};

/// Writes an operation.
pub fn format(operation: &Operation) -> String {
    let mut lines = Vec::new();
    for (path, (before, after)) in &operation.units {
        lines.push(line("unit", path.as_bytes(), &version(*before), &version(*after)));
    }
    for (path, (before, after)) in &operation.folders {
        lines.push(line("folder", path.as_bytes(), &before.to_string(), &after.to_string()));
    }
    for (path, (before, after)) in &operation.marks {
        let of = |side: &Option<Mark>| mark(path, side.as_ref());
        lines.push(line("mark", path.as_bytes(), &of(before), &of(after)));
    }
    for (path, Overruled { theirs, base, made }) in &operation.overruled {
        let made = format!("{} {}", version(*base), version(*made));
        lines.push(line("overruled", path.as_bytes(), &version(*theirs), &made));
    }
    lines.concat()
}

/// Reads an operation; none where a line is not understood.
pub fn parse(text: &str) -> Option<Operation> {
    let mut operation = Operation::default();
    for line in text.lines() {
        let words = words(line);
        let (&[what, path, before, after], rest) = words.split_first_chunk()?;
        let path = unescape(path)?;
        match what {
            "unit" => {
                let turn = (parse_version(before)?.0, parse_version(after)?.0);
                operation.units.insert(RepoPath::new(path).ok()?, turn);
            }
            "folder" => {
                let turn = (Mode::parse(before)?, Mode::parse(after)?);
                operation.folders.insert(RepoPath::new(path).ok()?, turn);
            }
            "mark" => {
                let path = HomePath::new(path).ok()?;
                let turn = (parse_mark(&path, before)?.0, parse_mark(&path, after)?.0);
                operation.marks.insert(path, turn);
            }
            "overruled" => {
                let (theirs, base) = (parse_version(before)?.0, parse_version(after)?.0);
                let made = parse_version(rest.first()?)?.0;
                let overruled = Overruled { theirs, base, made };
                operation.overruled.insert(RepoPath::new(path).ok()?, overruled);
            }
            _ => return None,
        }
    }
    Some(operation)
}

fn line(what: &str, path: &[u8], before: &str, after: &str) -> String {
    format!("{what} {} {before} {after}\n", escape(path))
}

fn version(version: Option<Version>) -> String {
    version.map_or_else(
        || "-".to_owned(),
        |Version { kind, mode, blob }| {
            let kind = if kind == Kind::Link { "link" } else { "file" };
            format!("{kind}:{mode}:{blob}")
        },
    )
}

/// What stands on one side of a change: nothing, or something.
struct Stands<T>(Option<T>);

fn parse_version(word: &str) -> Option<Stands<Version>> {
    if word == "-" {
        return Some(Stands(None));
    }
    let mut parts = word.splitn(3, ':');
    let (kind, mode, blob) =
        (parts.next()?, Mode::parse(parts.next()?)?, BlobId::parse(parts.next()?)?);
    match kind {
        "file" => Some(Stands(Some(Version::file(mode, blob)))),
        "link" => Some(Stands(Some(Version::link(blob)))),
        _ => None,
    }
}

fn mark(path: &HomePath, mark: Option<&Mark>) -> String {
    let Some(mark) = mark else { return "-".to_owned() };
    let manifest =
        Manifest { marks: BTreeMap::from([(path.clone(), mark.clone())]), ..Manifest::default() };
    escape(manifest.format().as_bytes())
}

fn parse_mark(path: &HomePath, word: &str) -> Option<Stands<Mark>> {
    if word == "-" {
        return Some(Stands(None));
    }
    let text = String::from_utf8(unescape(word)?).ok()?;
    Manifest::parse(&text).ok()?.marks.remove(path).map(|mark| Stands(Some(mark)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let path = RepoPath::new("external/a b").unwrap();
        let home = HomePath::new("a b").unwrap();
        let one = Some(Version::file(Mode(0o600), BlobId([1; 20])));
        let mark = Manifest::parse("# why\na\\ b mode=0600\n").unwrap().marks[&home].clone();
        let operation = Operation {
            units: BTreeMap::from([(path.clone(), (None, one))]),
            folders: BTreeMap::from([(path.clone(), (Mode(0o755), Mode(0o700)))]),
            marks: BTreeMap::from([(home, (None, Some(mark)))]),
            overruled: BTreeMap::from([(path, Overruled { theirs: one, base: None, made: one })]),
        };
        assert_eq!(parse(&format(&operation)), Some(operation));
        assert_eq!(parse("unit a b\n"), None);
    }
}
