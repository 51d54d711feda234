//! What differs between two texts: hunks of lines, and the words that changed within a line.
//!
//! Plain data for those who show it. A line that was replaced by one much like it knows that line
//! as its twin, and both know their changed spans; others are simply removed and added.

use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};

use crate::merge::is_binary;

/// What comparing two texts came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison<'a> {
    /// Both are text.
    Text(Diff<'a>),
    /// At least one is not text.
    Binary,
}

/// The difference between two texts; no hunks where they are equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff<'a> {
    /// The places that differ, each with the lines around it.
    pub hunks: Vec<Hunk<'a>>,
    /// How many lines are new.
    pub added: usize,
    /// How many lines are gone.
    pub removed: usize,
}

/// Lines that differ, with those around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk<'a> {
    /// The lines it covers in the text before.
    pub before: Extent,
    /// The lines it covers in the text after.
    pub after: Extent,
    /// Its lines; of a replaced place the removed ones first.
    pub lines: Vec<Line<'a>>,
}

/// Lines of one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The number of the first line, from 1; of no lines, that of the line they would follow.
    pub first: usize,
    /// How many there are.
    pub count: usize,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// It is in both texts.
    Kept,
    /// It is only in the text before.
    Removed,
    /// It is only in the text after.
    Added,
}

/// One line of a hunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// What became of it.
    pub tag: Tag,
    /// Its bytes without the line feed.
    pub text: &'a [u8],
    /// Whether a line feed ends it; only the last line of a text may lack it.
    pub is_ended: bool,
    /// The line of the hunk that replaced it, or that it replaced, where the two are alike.
    pub twin: Option<usize>,
    /// The bytes its twin does not have, in order. Both have as many, so an empty one stands where
    /// only the twin has something.
    pub changed: Vec<Range<usize>>,
}

/// Lines shown around a change, as git does.
const AROUND: usize = 3;

/// How many added lines are looked at for the twin of a removed one.
const LOOKAHEAD: usize = 8;

/// Lines longer than this are not compared by words.
const LONGEST_LINE: usize = 2000;

/// Compares two texts by lines.
pub fn compare<'a>(before: &'a [u8], after: &'a [u8]) -> Comparison<'a> {
    if is_binary(before) || is_binary(after) {
        return Comparison::Binary;
    }
    let lines = [before, after]
        .map(|text| -> Vec<&[u8]> { text.split_inclusive(|byte| *byte == b'\n').collect() });
    let ops = capture_diff_slices(Algorithm::Histogram, &lines[0], &lines[1]);
    let mut diff = Diff::default();
    for group in group_diff_ops(ops, AROUND) {
        let hunk = hunk(&group, &lines);
        let count = |tag| hunk.lines.iter().filter(|line| line.tag == tag).count();
        diff.removed += count(Tag::Removed);
        diff.added += count(Tag::Added);
        diff.hunks.push(hunk);
    }
    Comparison::Text(diff)
}

fn hunk<'a>(group: &[DiffOp], [before, after]: &[Vec<&'a [u8]>; 2]) -> Hunk<'a> {
    let mut lines = Vec::new();
    for block in group.chunk_by(|one, other| !is_equal(one) && !is_equal(other)) {
        let (removed, added) = (cover(block, DiffOp::old_range), cover(block, DiffOp::new_range));
        if block.iter().all(is_equal) {
            lines.extend(before[removed].iter().map(|line| self::line(Tag::Kept, line)));
            continue;
        }
        let start = lines.len();
        let middle = start + removed.len();
        lines.extend(before[removed].iter().map(|line| self::line(Tag::Removed, line)));
        lines.extend(after[added].iter().map(|line| self::line(Tag::Added, line)));
        pair(&mut lines, start, middle);
    }
    Hunk {
        before: extent(cover(group, DiffOp::old_range)),
        after: extent(cover(group, DiffOp::new_range)),
        lines,
    }
}

fn is_equal(op: &DiffOp) -> bool {
    matches!(op, DiffOp::Equal { .. })
}

/// Returns the lines of one text that operations in a row cover.
fn cover(ops: &[DiffOp], range: fn(&DiffOp) -> Range<usize>) -> Range<usize> {
    let start = ops.first().map_or(0, |op| range(op).start);
    start..ops.last().map_or(start, |op| range(op).end)
}

fn extent(lines: Range<usize>) -> Extent {
    let first = if lines.is_empty() { lines.start } else { lines.start + 1 };
    Extent { first, count: lines.len() }
}

fn line(tag: Tag, line: &[u8]) -> Line<'_> {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let is_ended = text.len() < line.len();
    Line { tag, text, is_ended, twin: None, changed: Vec::new() }
}

/// Finds the twins of a replaced place: removed lines from `start`, added ones from `middle`.
fn pair(lines: &mut [Line<'_>], start: usize, middle: usize) {
    let mut next = middle;
    for removed in start..middle {
        let candidates = next..lines.len().min(next + LOOKAHEAD);
        let found = candidates
            .into_iter()
            .find_map(|added| Some((added, words(lines[removed].text, lines[added].text)?)));
        let Some((added, changes)) = found else { continue };
        (lines[removed].changed, lines[added].changed) = changes.into_iter().unzip();
        (lines[removed].twin, lines[added].twin) = (Some(added), Some(removed));
        next = added + 1;
    }
}

/// A span of the line before, and the span of the line after that took its place.
type Change = (Range<usize>, Range<usize>);

/// Compares two lines by words; none where too little of them is the same to be worth showing.
fn words(before: &[u8], after: &[u8]) -> Option<Vec<Change>> {
    if before.len().max(after.len()) > LONGEST_LINE {
        return None;
    }
    let words = [before, after].map(split);
    let starts = [starts(&words[0]), starts(&words[1])];
    let mut changes: Vec<Change> = Vec::new();
    let mut same = 0;
    let mut is_joined = false;
    for op in capture_diff_slices(Algorithm::Myers, &words[0], &words[1]) {
        let kept = &words[0][op.old_range()];
        if is_equal(&op) {
            same += weight(&kept.concat());
            is_joined &= kept.iter().all(|word| weight(word) == 0);
            continue;
        }
        let [old, new] = [(&starts[0], op.old_range()), (&starts[1], op.new_range())]
            .map(|(starts, range)| starts[range.start]..starts[range.end]);
        match changes.last_mut().filter(|_| is_joined) {
            Some(last) => (last.0.end, last.1.end) = (old.end, new.end),
            None => changes.push((old, new)),
        }
        is_joined = true;
    }
    let is_alike = same > 0 && 4 * same >= weight(before) + weight(after);
    is_alike.then_some(changes)
}

/// How much a piece of a line counts: its bytes that are no blanks.
fn weight(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| !byte.is_ascii_whitespace()).count()
}

/// Splits a line into words, blanks, and single other characters.
fn split(line: &[u8]) -> Vec<&[u8]> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
    let joins = |one: &u8, other: &u8| {
        let are_blanks = one.is_ascii_whitespace() && other.is_ascii_whitespace();
        are_blanks || (is_word(one) && is_word(other))
    };
    line.chunk_by(joins).collect()
}

/// Returns where each word starts, and where the last one ends.
fn starts(words: &[&[u8]]) -> Vec<usize> {
    let mut at = 0;
    let ends = words.iter().map(|word| {
        at += word.len();
        at
    });
    std::iter::once(0).chain(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff<'a>(before: &'a str, after: &'a str) -> Diff<'a> {
        match compare(before.as_bytes(), after.as_bytes()) {
            Comparison::Text(diff) => diff,
            Comparison::Binary => panic!("{before:?} and {after:?} are text"),
        }
    }

    /// One character a line; a blank ends a line, `|` stands between hunks.
    fn check(before: &str, after: &str, expected: &str) {
        let spell = |text: &str| text.replace(' ', "\n");
        let (before, after) = (spell(before), spell(after));
        let shown: Vec<String> = diff(&before, &after).hunks.iter().map(show).collect();
        assert_eq!(shown.join(" | "), expected);
    }

    fn show(hunk: &Hunk<'_>) -> String {
        let (before, after) = (hunk.before, hunk.after);
        let head = format!("{},{} {},{}", before.first, before.count, after.first, after.count);
        let line = |line: &Line<'_>| {
            let sign = match line.tag {
                Tag::Kept => "",
                Tag::Removed => "-",
                Tag::Added => "+",
            };
            let end = if line.is_ended { "" } else { "!" };
            format!(" {sign}{}{end}", String::from_utf8_lossy(line.text))
        };
        head + ":" + &hunk.lines.iter().map(line).collect::<String>()
    }

    #[test]
    fn lines_that_differ_are_shown_with_those_around_them() {
        check("a b ", "a b ", "");
        check("", "a b ", "0,0 1,2: +a +b");
        check("a b ", "", "1,2 0,0: -a -b");
        check("a b c d e f g h i ", "a b c d X f g h i ", "2,7 2,7: b c d -e +X f g h");
        check("a b c ", "a X Y c ", "1,3 1,4: a -b +X +Y c");
        check(
            "a 1 2 3 4 5 6 7 8 b ",
            "A 1 2 3 4 5 6 7 8 B ",
            "1,4 1,4: -a +A 1 2 3 | 7,4 7,4: 6 7 8 -b +B",
        );
    }

    #[test]
    fn the_last_line_feed_is_content() {
        check("a b", "a b ", "1,2 1,2: a -b! +b");
        check("a", "a b", "1,1 1,2: -a! +a +b!");
    }

    #[test]
    fn lines_are_counted() {
        let diff = diff("a\nb\nc\n", "a\nX\nY\nc\nd\n");
        assert_eq!((diff.removed, diff.added), (1, 3));
    }

    #[test]
    fn bytes_that_are_no_text_are_not_compared_by_lines() {
        assert_eq!(compare(b"a\0", b"b"), Comparison::Binary);
        assert_eq!(compare(b"a", b"\0"), Comparison::Binary);
    }

    /// Changed spans stand in brackets; lines without a twin have none.
    fn check_words(before: &str, after: &str, expected: &[&str]) {
        let (before, after) = (format!("{before}\n"), format!("{after}\n"));
        let diff = diff(&before, &after);
        let mark = |line: &Line<'_>| {
            let mut text = String::from_utf8_lossy(line.text).into_owned();
            for span in line.changed.iter().rev() {
                text.insert(span.end, ']');
                text.insert(span.start, '[');
            }
            text
        };
        let lines: Vec<String> = diff.hunks[0].lines.iter().map(mark).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn of_lines_much_alike_the_words_are_told() {
        check_words("set x = 1", "set x = 2", &["set x = [1]", "set x = [2]"]);
        check_words("ls -l file", "ls -l --all file", &["ls -l []file", "ls -l [--all ]file"]);
        check_words(
            "keep a b c keep",
            "keep d e f keep",
            &["keep [a b c] keep", "keep [d e f] keep"],
        );
        check_words("naïve = süß", "naïve = süßer", &["naïve = [süß]", "naïve = [süßer]"]);
        check_words("one", "two", &["one", "two"]);
        check_words(
            "a long line of words",
            "nothing at all like it",
            &["a long line of words", "nothing at all like it"],
        );
    }

    #[test]
    fn a_replaced_line_finds_its_twin_among_new_ones() {
        let before = "alias ll='ls -l'\n";
        let after = "# lists\nalias ll='ls -la'\n";
        let diff = diff(before, after);
        let twins: Vec<Option<usize>> = diff.hunks[0].lines.iter().map(|line| line.twin).collect();
        assert_eq!(twins, [Some(2), None, Some(0)]);
    }
}
