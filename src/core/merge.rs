//! Merges three texts by lines, in memory.
//!
//! Changes of both sides that touch no common line and no neighbouring line are combined; equal
//! changes count once; anything else overlaps. The result never holds markers, because an
//! overlapping merge has no result.

use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// What merging three texts came to.
#[derive(Debug, PartialEq, Eq)]
pub enum TextMerge {
    /// Every change of both sides is in these bytes.
    Clean(Vec<u8>),
    /// Both sides changed the same place.
    Overlapping,
    /// At least one side is not text.
    Binary,
}

/// How far git looks for a NUL byte before it calls a file text (`FIRST_FEW_BYTES`, git's
/// `xdiff-interface.c`).
const TEXT_PROBE: usize = 8000;

/// A change of one side: lines `base` of the base became lines `side` of that side.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    base: Range<usize>,
    side: Range<usize>,
}

/// Merges the changes from `base` to `ours` and from `base` to `theirs`.
pub fn merge(base: &[u8], ours: &[u8], theirs: &[u8]) -> TextMerge {
    if [base, ours, theirs].iter().any(|text| is_binary(text)) {
        return TextMerge::Binary;
    }
    let (base, ours, theirs) = (lines(base), lines(ours), lines(theirs));
    let mut ours_left = changes(&base, &ours).into_iter().peekable();
    let mut theirs_left = changes(&base, &theirs).into_iter().peekable();
    let mut merged = Vec::new();
    let mut done = 0;
    loop {
        let (change, text) = match (ours_left.peek(), theirs_left.peek()) {
            (None, None) => break,
            (Some(_), None) => (ours_left.next(), &ours),
            (None, Some(_)) => (theirs_left.next(), &theirs),
            (Some(mine), Some(other)) => {
                if same_change(mine, &ours, other, &theirs) {
                    theirs_left.next();
                    (ours_left.next(), &ours)
                } else if touches(mine, other) {
                    return TextMerge::Overlapping;
                } else if mine.base.start < other.base.start {
                    (ours_left.next(), &ours)
                } else {
                    (theirs_left.next(), &theirs)
                }
            }
        };
        let Some(change) = change else { break };
        merged.extend(base[done..change.base.start].iter().copied().flatten());
        merged.extend(text[change.side].iter().copied().flatten());
        done = change.base.end;
    }
    merged.extend(base[done..].iter().copied().flatten());
    TextMerge::Clean(merged)
}

/// Returns true when git would not show these bytes as text.
pub fn is_binary(bytes: &[u8]) -> bool {
    bytes.iter().take(TEXT_PROBE).any(|byte| *byte == 0)
}

/// Splits after each line feed, so that the end of a line is part of the line.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

fn changes(base: &[&[u8]], side: &[&[u8]]) -> Vec<Change> {
    capture_diff_slices(Algorithm::Histogram, base, side)
        .into_iter()
        .filter(|op| !matches!(op, DiffOp::Equal { .. }))
        .map(|op| Change { base: op.old_range(), side: op.new_range() })
        .collect::<Vec<_>>()
        .into_iter()
        .fold(Vec::new(), join)
}

/// Joins changes that follow one another without an unchanged line between them.
fn join(mut joined: Vec<Change>, next: Change) -> Vec<Change> {
    match joined.last_mut() {
        Some(last) if last.base.end == next.base.start && last.side.end == next.side.start => {
            last.base.end = next.base.end;
            last.side.end = next.side.end;
        }
        _ => joined.push(next),
    }
    joined
}

fn same_change(mine: &Change, ours: &[&[u8]], other: &Change, theirs: &[&[u8]]) -> bool {
    mine.base == other.base && ours[mine.side.clone()] == theirs[other.side.clone()]
}

/// Returns true when two changes share a line of the base, or stand side by side.
fn touches(mine: &Change, other: &Change) -> bool {
    mine.base.start <= other.base.end && other.base.start <= mine.base.end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &str, ours: &str, theirs: &str, expected: Option<&str>) {
        let spell = |text: &str| text.replace(' ', "\n").into_bytes();
        let expected = match expected {
            Some(text) => TextMerge::Clean(spell(text)),
            None => TextMerge::Overlapping,
        };
        let (base, ours, theirs) = (spell(base), spell(ours), spell(theirs));
        assert_eq!(merge(&base, &ours, &theirs), expected);
        if matches!(expected, TextMerge::Overlapping) {
            assert_eq!(merge(&base, &theirs, &ours), TextMerge::Overlapping);
        }
    }

    #[test]
    fn changes_apart_combine() {
        check("a b c d e ", "A b c d e ", "a b c d E ", Some("A b c d E "));
        check("a b c d e ", "b c d e ", "a b c d e f ", Some("b c d e f "));
        check("a b c ", "a b c ", "a b c x ", Some("a b c x "));
    }

    #[test]
    fn equal_changes_count_once() {
        check("a b c ", "a X c ", "a X c ", Some("a X c "));
        check("a b c d e ", "X b c d Y ", "X b c d e ", Some("X b c d Y "));
    }

    #[test]
    fn the_same_place_overlaps() {
        check("a b c ", "a X c ", "a Y c ", None);
        check("a b c ", "a X c ", "a c ", None);
        check("a b c ", "A b c ", "a B c ", None);
        check("a ", "a x ", "a y ", None);
    }

    #[test]
    fn the_last_line_feed_is_content() {
        check("a b c d", "A b c d", "a b c d ", Some("A b c d "));
        check("a b c d ", "a b c d", "A b c d ", Some("A b c d"));
    }

    #[test]
    fn bytes_that_are_no_text_are_not_merged() {
        assert_eq!(merge(b"a\0", b"b\0", b"c\0"), TextMerge::Binary);
    }
}
