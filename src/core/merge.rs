//! Merges three texts by lines, in memory.
//!
//! Changes of both sides that touch no common line and no neighbouring line are combined; equal
//! changes count once. Lines that both sides only added at the same place are combined too, theirs
//! first. Anything else overlaps. The result never holds markers, because an overlapping merge has
//! no result. How lines end, and whether the last one does, merges apart from the lines.

use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::additions::added;
use crate::lines::{Lines, Shape, split};

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

/// What becomes of changes at the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// They overlap, whatever they are.
    Strict,
    /// Lines that both sides only added are combined.
    Additions,
    /// The lines of both sides are kept, as Git's `merge=union` does.
    Union,
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
pub fn merge(base: &[u8], ours: &[u8], theirs: &[u8], rule: Rule) -> TextMerge {
    let texts = [base, ours, theirs];
    if texts.iter().any(|text| is_binary(text)) {
        return TextMerge::Binary;
    }
    let merged = merge_lines(texts, |place| settle(place, rule));
    merged.map_or(TextMerge::Overlapping, TextMerge::Clean)
}

/// Merges like [`merge`], for a person to finish: where both sides changed the same place, all three
/// versions stand between markers, as `git merge-file --diff3` writes them. Never for a live file.
pub fn with_markers(base: &[u8], ours: &[u8], theirs: &[u8], names: [&str; 3]) -> Vec<u8> {
    let marker = |sign: &str, name: &str| format!("{} {name}", sign.repeat(7)).into_bytes();
    let [of_base, of_ours, of_theirs] = names;
    let (start, old, end) = (marker("<", of_ours), marker("|", of_base), marker(">", of_theirs));
    let merged = merge_lines([base, ours, theirs], |place| {
        let settled = settle(place, Rule::Additions);
        Some(settled.unwrap_or_else(|| {
            let mut lines: Lines<'_> = vec![&start];
            lines.extend(&place.ours);
            lines.push(&old);
            lines.extend(&place.base);
            lines.push(b"=======");
            lines.extend(&place.theirs);
            lines.push(&end);
            lines
        }))
    });
    merged.unwrap_or_default()
}

/// Returns true when a text that a person made holds a conflict marker that none of its sides held.
pub fn has_markers(text: &[u8], sides: [&[u8]; 3]) -> bool {
    let lines = |text| split(text, false);
    let known = sides.map(lines);
    let count = |lines: &Lines<'_>, line: &[u8]| lines.iter().filter(|it| **it == line).count();
    let merged = lines(text);
    merged.iter().any(|line| {
        let is_marker = [&b"<<<<<<< "[..], b"||||||| ", b">>>>>>> "]
            .iter()
            .any(|start| line.starts_with(start));
        let there = known.iter().map(|side| count(side, line));
        (is_marker && there.clone().sum::<usize>() == 0)
            || (*line == b"=======" && count(&merged, line) > there.sum())
    })
}

/// Returns true when git would not show these bytes as text.
pub fn is_binary(bytes: &[u8]) -> bool {
    bytes.iter().take(TEXT_PROBE).any(|byte| *byte == 0)
}

/// A place that both sides changed, as each of them has it.
struct Place<'a> {
    base: Lines<'a>,
    ours: Lines<'a>,
    theirs: Lines<'a>,
}

/// Puts the changes of both sides together; what becomes of a place that both changed is for
/// `resolve` to say.
fn merge_lines<'a>(
    texts: [&'a [u8]; 3],
    resolve: impl Fn(&Place<'a>) -> Option<Lines<'a>>,
) -> Option<Vec<u8>> {
    let [base_shape, ours_shape, theirs_shape] = texts.map(Shape::of);
    let shape = Shape::merge(base_shape, ours_shape, theirs_shape);
    let keeps_return = [base_shape, ours_shape, theirs_shape].iter().any(|it| it.is_mixed());
    let [base, ours, theirs] = &texts.map(|text| split(text, keeps_return));
    let mut mine = changes(base, ours).into_iter().peekable();
    let mut others = changes(base, theirs).into_iter().peekable();
    let mut merged = Vec::new();
    let mut done = 0;
    loop {
        let side = match (mine.peek(), others.peek()) {
            (None, None) => break,
            (Some(_), None) => Side::Ours,
            (None, Some(_)) => Side::Theirs,
            (Some(one), Some(other)) if touches(one, other) => Side::Both,
            (Some(one), Some(other)) if one.base.start < other.base.start => Side::Ours,
            (Some(_), Some(_)) => Side::Theirs,
        };
        let (range, lines) = match side {
            Side::Ours => take(mine.next()?, ours),
            Side::Theirs => take(others.next()?, theirs),
            Side::Both => {
                let (range, [ours, theirs]) =
                    contested(base, [ours, theirs], &mut mine, &mut others);
                let place = Place { base: base[range.clone()].to_vec(), ours, theirs };
                (range, resolve(&place)?)
            }
        };
        merged.extend(&base[done..range.start]);
        merged.extend(lines);
        done = range.end;
    }
    merged.extend(&base[done..]);
    Some(shape.join(&merged))
}

/// Whose change comes next.
enum Side {
    Ours,
    Theirs,
    Both,
}

fn take<'a>(change: Change, side: &Lines<'a>) -> (Range<usize>, Lines<'a>) {
    (change.base, side[change.side].to_vec())
}

type Changes = std::iter::Peekable<std::vec::IntoIter<Change>>;

/// Takes every change that touches another one, and returns the lines of the base they cover with
/// what each side made of them.
fn contested<'a>(
    base: &Lines<'a>,
    sides: [&Lines<'a>; 2],
    mine: &mut Changes,
    others: &mut Changes,
) -> (Range<usize>, [Lines<'a>; 2]) {
    let mut taken = [Vec::new(), Vec::new()];
    let mut place: Option<Range<usize>> = None;
    loop {
        let mut grew = false;
        for (changes, taken) in [&mut *mine, &mut *others].into_iter().zip(&mut taken) {
            let is_near = |change: &Change| {
                place.as_ref().is_none_or(|place| {
                    change.base.start <= place.end && place.start <= change.base.end
                })
            };
            if let Some(change) = changes.next_if(is_near) {
                let (start, end) = (change.base.start, change.base.end);
                place = Some(match place.take() {
                    None => start..end,
                    Some(place) => place.start.min(start)..place.end.max(end),
                });
                taken.push(change);
                grew = true;
            }
        }
        if !grew {
            break;
        }
    }
    let place = place.unwrap_or_default();
    let [one, other] = sides;
    let texts = [(one, &taken[0]), (other, &taken[1])].map(|(side, changes)| {
        let mut lines = Vec::new();
        let mut done = place.start;
        for change in changes {
            lines.extend(&base[done..change.base.start]);
            lines.extend(&side[change.side.clone()]);
            done = change.base.end;
        }
        lines.extend(&base[done..place.end]);
        lines
    });
    (place, texts)
}

/// Returns what becomes of a place that both sides changed; none where a person must say.
fn settle<'a>(Place { base, ours, theirs }: &Place<'a>, rule: Rule) -> Option<Lines<'a>> {
    if ours == theirs {
        return Some(ours.clone());
    }
    match rule {
        Rule::Additions if base.is_empty() => added(ours, theirs),
        Rule::Strict | Rule::Additions => None,
        Rule::Union => Some(union(ours, theirs)),
    }
}

/// Keeps the lines of both sides, equal ones once, theirs first.
fn union<'a>(ours: &Lines<'a>, theirs: &Lines<'a>) -> Lines<'a> {
    let mut lines = Vec::new();
    for op in capture_diff_slices(Algorithm::Histogram, theirs, ours) {
        lines.extend(&theirs[op.old_range()]);
        if !matches!(op, DiffOp::Equal { .. }) {
            lines.extend(&ours[op.new_range()]);
        }
    }
    lines
}

fn changes(base: &Lines<'_>, side: &Lines<'_>) -> Vec<Change> {
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
        assert_eq!(merge(&base, &ours, &theirs, Rule::Additions), expected);
        if matches!(expected, TextMerge::Overlapping) {
            assert_eq!(merge(&base, &theirs, &ours, Rule::Additions), TextMerge::Overlapping);
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
        check("a b c d ", "A b C d ", "a X Y d ", None);
    }

    #[test]
    fn the_last_line_feed_is_content() {
        check("a b c d", "A b c d", "a b c d ", Some("A b c d "));
        check("a b c d ", "a b c d", "A b c d ", Some("A b c d"));
    }

    #[test]
    fn bytes_that_are_no_text_are_not_merged() {
        assert_eq!(merge(b"a\0", b"b\0", b"c\0", Rule::Union), TextMerge::Binary);
    }

    #[test]
    fn lines_both_sides_added_are_combined() {
        check("a ", "a x ", "a y ", Some("a y x "));
        check("", "x ", "y ", Some("y x "));
        check("a b ", "a x b ", "a y b ", Some("a y x b "));
        check("a", "a x", "a y", Some("a y x"));
        check("a b ", "a k x b ", "a y k b ", Some("a y k x b "));
        check("a ", "a x ", "a y x z ", Some("a y x z "));
    }

    #[test]
    fn a_line_inside_a_block_is_never_dropped() {
        let block = |name: &str| format!("{name}() {{\n  x\n}}\n");
        let merged = merge(b"", block("f").as_bytes(), block("g").as_bytes(), Rule::Additions);
        assert_eq!(merged, TextMerge::Clean((block("g") + &block("f")).into_bytes()));
        let host = |name: &str| format!("Host {name}\nUser me\n");
        let merged = merge(b"", host("a").as_bytes(), host("b").as_bytes(), Rule::Additions);
        assert_eq!(merged, TextMerge::Clean((host("b") + &host("a")).into_bytes()));
    }

    #[test]
    fn a_rule_says_what_becomes_of_one_place() {
        let of = |rule| merge(b"a\nb\n", b"a\nX\n", b"a\nY\n", rule);
        assert_eq!(of(Rule::Union), TextMerge::Clean(b"a\nY\nX\n".to_vec()));
        assert_eq!(of(Rule::Additions), TextMerge::Overlapping);
        assert_eq!(merge(b"", b"x\n", b"y\n", Rule::Strict), TextMerge::Overlapping);
    }

    #[test]
    fn how_lines_end_merges_apart_from_the_lines() {
        let merged = merge(b"a\nb\nc\n", b"a\r\nb\r\nc\r\n", b"A\nb\nc\n", Rule::Strict);
        assert_eq!(merged, TextMerge::Clean(b"A\r\nb\r\nc\r\n".to_vec()));
        let merged = merge(b"a\nb", b"a\nb\nc", b"A\nb", Rule::Strict);
        assert_eq!(merged, TextMerge::Clean(b"A\nb\nc".to_vec()));
    }

    #[test]
    fn markers_are_for_a_person_and_must_go() {
        let (base, ours, theirs) = (b"a\nb\n", b"a\nO\n", b"a\nT\n");
        let text = with_markers(base, ours, theirs, ["base", "mine", "theirs"]);
        let expected = "a\n<<<<<<< mine\nO\n||||||| base\nb\n=======\nT\n>>>>>>> theirs\n";
        assert_eq!(String::from_utf8(text.clone()).unwrap(), expected);
        assert!(has_markers(&text, [base, ours, theirs]));
        assert!(has_markers(b"a\n=======\n", [base, ours, theirs]));
        assert!(!has_markers(b"a\nO\n", [base, ours, theirs]));
        let own = &text[..];
        assert!(!has_markers(own, [own, own, theirs]), "a file may hold such lines");
    }
}
