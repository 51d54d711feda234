//! How a difference between two versions is shown: as git shows one, with the words that changed.
//!
//! Whatever the bytes hold, nothing of them steers the terminal: see [`inert`].

use std::ops::Range;

use cfgsync_core::diff::{Comparison, Diff, Extent, Hunk, Line, Tag, compare};
use cfgsync_core::inert::is_hostile;
use cfgsync_core::unit::Mode;

use super::{Tone, Ui, report};

/// One version, and what it is called.
#[derive(Debug, Clone, Copy)]
pub struct Labelled<'a> {
    /// What it is called.
    pub label: &'a str,
    /// Its bytes; none where it is absent.
    pub bytes: Option<&'a [u8]>,
    /// Its mode, where that means something.
    pub mode: Option<Mode>,
}

/// How lines that were replaced are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// One below the other.
    #[default]
    Lines,
    /// As one line, with what went and what came within it.
    Words,
}

/// Shows the difference between two versions, line by line; nothing where there is none.
pub fn text(ui: &Ui, before: Labelled<'_>, after: Labelled<'_>) -> String {
    styled(ui, Style::Lines, before, after)
}

/// Shows the difference between two versions in a style; nothing where there is none.
pub fn styled(ui: &Ui, style: Style, before: Labelled<'_>, after: Labelled<'_>) -> String {
    let is_equal = (before.bytes, before.mode) == (after.bytes, after.mode);
    if is_equal {
        return String::new();
    }
    let mut text = String::new();
    for (sign, side) in [("---", before), ("+++", after)] {
        let label = if side.bytes.is_some() { inert(side.label.as_bytes()) } else { NONE.into() };
        text.push_str(&(ui.paint(Tone::Strong, &format!("{sign} {label}")) + "\n"));
    }
    for (what, mode) in modes(before, after) {
        text.push_str(&(ui.paint(Tone::Strong, &format!("{what} {mode}")) + "\n"));
    }
    let [one, other] = [before, after].map(|side| side.bytes.unwrap_or_default());
    match compare(one, other) {
        Comparison::Text(diff) => text.push_str(&hunks(ui, style, &diff)),
        Comparison::Binary if one == other => {}
        Comparison::Binary => {
            let size = |bytes: &[u8]| report::size(bytes.len() as u64);
            text.push_str(&format!("Binary versions differ: {} → {}\n", size(one), size(other)));
        }
    }
    text
}

/// What stands for a version that is absent.
const NONE: &str = "/dev/null";

/// Returns what there is to tell of the modes.
fn modes(before: Labelled<'_>, after: Labelled<'_>) -> Vec<(&'static str, Mode)> {
    match (before.bytes.and(before.mode), after.bytes.and(after.mode)) {
        (Some(old), Some(new)) if old != new => vec![("old mode", old), ("new mode", new)],
        (None, Some(new)) if before.bytes.is_none() => vec![("new file mode", new)],
        (Some(old), None) if after.bytes.is_none() => vec![("deleted file mode", old)],
        _ => Vec::new(),
    }
}

fn hunks(ui: &Ui, style: Style, diff: &Diff<'_>) -> String {
    let mut text = String::new();
    for hunk in &diff.hunks {
        let head = format!("@@ -{} +{} @@", extent(hunk.before), extent(hunk.after));
        text.push_str(&(ui.paint(Tone::Incoming, &head) + "\n"));
        match style {
            Style::Lines => hunk.lines.iter().for_each(|line| text.push_str(&whole(ui, line))),
            Style::Words => text.push_str(&by_words(ui, hunk)),
        }
    }
    text
}

/// Spells lines as git does: the count is told only where it is not one.
fn extent(lines: Extent) -> String {
    match lines.count {
        1 => lines.first.to_string(),
        count => format!("{},{count}", lines.first),
    }
}

/// Shows one line, with what changed in it made to stand out.
fn whole(ui: &Ui, line: &Line<'_>) -> String {
    let (sign, tone) = match line.tag {
        Tag::Kept => (" ", None),
        Tag::Removed => ("-", Some(Tone::Bad)),
        Tag::Added => ("+", Some(Tone::Good)),
    };
    let Some(tone) = tone else { return format!(" {}\n{}", inert(line.text), end(ui, line)) };
    let mut text = String::new();
    let mut plain = sign.to_owned();
    let mut done = 0;
    for span in line.changed.iter().filter(|span| !span.is_empty()) {
        plain.push_str(&inert(&line.text[done..span.start]));
        text.push_str(&ui.paint(tone, &plain));
        text.push_str(&emphasized(ui, tone, &inert(&line.text[span.clone()])));
        plain.clear();
        done = span.end;
    }
    plain.push_str(&inert(&line.text[done..]));
    if !plain.is_empty() {
        text.push_str(&ui.paint(tone, &plain));
    }
    format!("{text}\n{}", end(ui, line))
}

/// Paints words so that they stand out from others of their colour.
fn emphasized(ui: &Ui, tone: Tone, text: &str) -> String {
    if ui.color { ui.paint(tone, &format!("\x1b[7m{text}")) } else { text.to_owned() }
}

/// Says that no line feed ends a line.
fn end(ui: &Ui, line: &Line<'_>) -> String {
    if line.is_ended {
        return String::new();
    }
    ui.paint(Tone::Dim, "\\ No newline at end of file") + "\n"
}

/// Shows a hunk with twins as one line each.
fn by_words(ui: &Ui, hunk: &Hunk<'_>) -> String {
    let mut text = String::new();
    let mut lines = hunk.lines.as_slice();
    while let Some(first) = lines.first() {
        if first.tag == Tag::Kept {
            text.push_str(&format!("{}\n{}", inert(first.text), end(ui, first)));
            lines = &lines[1..];
            continue;
        }
        let block = lines.iter().take_while(|line| line.tag != Tag::Kept).count();
        let (block, rest) = lines.split_at(block);
        let (removed, added) =
            block.split_at(block.partition_point(|line| line.tag == Tag::Removed));
        text.push_str(&replaced(ui, hunk, removed, added));
        lines = rest;
    }
    text
}

/// Shows a replaced place: twins as one line, in the order of the text after.
fn replaced(ui: &Ui, hunk: &Hunk<'_>, removed: &[Line<'_>], added: &[Line<'_>]) -> String {
    let mut text = String::new();
    let mut added = added.iter();
    let come = |line: &Line<'_>| format!("{}\n{}", came(ui, line.text), end(ui, line));
    for line in removed {
        let twin = line.twin.and_then(|twin| hunk.lines.get(twin));
        let Some(twin) = twin.filter(|twin| twin.is_ended == line.is_ended) else {
            text.push_str(&format!("{}\n{}", went(ui, line.text), end(ui, line)));
            continue;
        };
        added.by_ref().take_while(|line| *line != twin).for_each(|line| text.push_str(&come(line)));
        text.push_str(&format!("{}\n{}", merged(ui, line, twin), end(ui, twin)));
    }
    added.for_each(|line| text.push_str(&come(line)));
    text
}

/// Shows two twins as one line.
fn merged(ui: &Ui, before: &Line<'_>, after: &Line<'_>) -> String {
    let mut text = String::new();
    let mut done = 0;
    for (old, new) in before.changed.iter().zip(&after.changed) {
        text.push_str(&inert(&after.text[done..new.start]));
        let piece = |line: &Line<'_>, span: &Range<usize>| line.text[span.clone()].to_vec();
        text.push_str(&went(ui, &piece(before, old)));
        text.push_str(&came(ui, &piece(after, new)));
        done = new.end;
    }
    text + &inert(&after.text[done..])
}

fn went(ui: &Ui, bytes: &[u8]) -> String {
    word(ui, bytes, Tone::Bad, ["[-", "-]"])
}

fn came(ui: &Ui, bytes: &[u8]) -> String {
    word(ui, bytes, Tone::Good, ["{+", "+}"])
}

fn word(ui: &Ui, bytes: &[u8], tone: Tone, [open, close]: [&str; 2]) -> String {
    match inert(bytes) {
        text if text.is_empty() => text,
        text if ui.color => ui.paint(tone, &text),
        text => format!("{open}{text}{close}"),
    }
}

/// Returns bytes as text that does nothing to a terminal: control characters, what turns the
/// direction of writing or is not seen at all, and bytes that are no text are escaped. A tab stays.
pub fn inert(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match u32::from(c) {
                _ if c == '\t' || !is_hostile(c) => text.push(c),
                _ if c == '\r' => text.push_str("\\r"),
                code @ ..=0xff => text.push_str(&format!("\\x{code:02x}")),
                code => text.push_str(&format!("\\u{{{code:x}}}")),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::{Color, Loudness};

    fn check(color: Color, style: Style, before: &[u8], after: &[u8], expected: &[&str]) {
        let ui = Ui::new(color, Loudness::Normal, None);
        let of = |label, bytes| Labelled { label, bytes: Some(bytes), mode: Some(Mode::FILE) };
        let shown = styled(&ui, style, of("old", before), of("new", after));
        assert_eq!(shown.lines().skip(3).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn lines_and_words_are_shown_as_git_shows_them() {
        let (before, after) = (b"k\nset x = 1\nold\n".as_slice(), b"k\nset x = 2\nnew".as_slice());
        let end = "\\ No newline at end of file";
        let lines = [" k", "-set x = 1", "-old", "+set x = 2", "+new", end];
        check(Color::Never, Style::Lines, before, after, &lines);
        let words = ["k", "set x = [-1-]{+2+}", "[-old-]", "{+new+}", end];
        check(Color::Never, Style::Words, before, after, &words);
    }

    #[test]
    fn words_that_changed_stand_out_in_colour() {
        let (before, after) = (b"set x = 1\n".as_slice(), b"set x = 2\n".as_slice());
        let lines = [
            "\x1b[31m-set x = \x1b[0m\x1b[31m\x1b[7m1\x1b[0m",
            "\x1b[32m+set x = \x1b[0m\x1b[32m\x1b[7m2\x1b[0m",
        ];
        check(Color::Always, Style::Lines, before, after, &lines);
        let words = ["set x = \x1b[31m1\x1b[0m\x1b[32m2\x1b[0m"];
        check(Color::Always, Style::Words, before, after, &words);
    }

    #[test]
    fn absence_modes_and_bytes_that_are_no_text_are_told() {
        let ui = Ui::new(Color::Never, Loudness::Normal, None);
        let of = |bytes, mode| Labelled { label: "a", bytes, mode: Some(Mode(mode)) };
        let (empty, bytes) = (Some(b"".as_slice()), Some(b"\0".as_slice()));
        let check = |before, after, expected: &str| assert_eq!(text(&ui, before, after), expected);
        check(of(empty, 0o644), of(empty, 0o644), "");
        check(of(None, 0), of(empty, 0o600), "--- /dev/null\n+++ a\nnew file mode 0600\n");
        check(of(empty, 0o600), of(None, 0), "--- a\n+++ /dev/null\ndeleted file mode 0600\n");
        check(of(bytes, 0o644), of(bytes, 0o755), "--- a\n+++ a\nold mode 0644\nnew mode 0755\n");
        let differ = "--- a\n+++ a\nBinary versions differ: 0 B → 1 B\n";
        check(of(empty, 0o644), of(bytes, 0o644), differ);
    }

    #[test]
    fn hostile_bytes_are_inert() {
        let hostile = "a\tb\x1b[31m\u{9b}\u{202e}\u{200b}\r\x07".as_bytes();
        let shown = "a\tb\\x1b[31m\\x9b\\u{202e}\\u{200b}\\r\\x07";
        assert_eq!(inert(hostile), shown);
        assert_eq!(inert(b"\xff\xc3"), "\\xff\\xc3");
        assert_eq!(inert("grün ✓ 日本".as_bytes()), "grün ✓ 日本");
    }
}
