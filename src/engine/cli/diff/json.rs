//! What differs, for programs: see `docs/diff-json.md`.

use cfgsync_core::diff::{Comparison, Diff, Extent, Hunk, Line, Tag};
use serde::Serialize;

use super::entry::{Between, Content, Entry};

/// The document. Fields are only ever added within a schema.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    changes: Vec<Change<'a>>,
}

#[derive(Debug, Serialize)]
struct Change<'a> {
    path: &'a str,
    side: &'static str,
    between: Option<&'static str>,
    why: Option<&'a str>,
    before: Option<Version>,
    after: Option<Version>,
    binary: bool,
    added: usize,
    removed: usize,
    hunks: Vec<Place>,
}

#[derive(Debug, Serialize)]
struct Version {
    kind: &'static str,
    mode: Option<String>,
    blob: Option<String>,
}

#[derive(Debug, Serialize)]
struct Place {
    before: Lines,
    after: Lines,
    lines: Vec<Piece>,
}

#[derive(Debug, Serialize)]
struct Lines {
    first: usize,
    count: usize,
}

#[derive(Debug, Serialize)]
struct Piece {
    tag: &'static str,
    text: String,
    /// Whether a line feed ends it.
    ended: bool,
    /// Bytes of `text` that changed, from and to.
    changed: Vec<[usize; 2]>,
}

/// Returns the document.
pub fn document(entries: &[Entry]) -> String {
    let document = Document { schema: 1, changes: entries.iter().map(change).collect() };
    crate::ui::document(&document)
}

fn change(entry: &Entry) -> Change<'_> {
    let (binary, diff) = match entry.comparison() {
        Comparison::Text(diff) => (false, diff),
        Comparison::Binary => (true, Diff::default()),
    };
    Change {
        path: &entry.name,
        side: entry.side.word(),
        between: entry.between.map(Between::word),
        why: entry.why.as_deref(),
        before: entry.before.as_ref().map(version),
        after: entry.after.as_ref().map(version),
        binary,
        added: diff.added,
        removed: diff.removed,
        hunks: diff.hunks.iter().map(place).collect(),
    }
}

fn version(content: &Content) -> Version {
    let kind = match (content.is_link, content.blob) {
        (true, _) => "link",
        (false, Some(_)) => "file",
        (false, None) => "folder",
    };
    Version {
        kind,
        mode: content.mode.map(|mode| mode.to_string()),
        blob: content.blob.map(|blob| blob.to_string()),
    }
}

fn place(hunk: &Hunk<'_>) -> Place {
    Place {
        before: lines(hunk.before),
        after: lines(hunk.after),
        lines: hunk.lines.iter().map(piece).collect(),
    }
}

fn lines(extent: Extent) -> Lines {
    Lines { first: extent.first, count: extent.count }
}

fn piece(line: &Line<'_>) -> Piece {
    let tag = match line.tag {
        Tag::Kept => "kept",
        Tag::Removed => "removed",
        Tag::Added => "added",
    };
    let text = String::from_utf8_lossy(line.text).into_owned();
    // Where bytes had to be replaced, places in the text are other places than in the bytes.
    let is_exact = text.as_bytes() == line.text;
    let spans = line.changed.iter().filter(|span| is_exact && !span.is_empty());
    let changed = spans.map(|span| [span.start, span.end]).collect();
    Piece { tag, text, ended: line.is_ended, changed }
}
