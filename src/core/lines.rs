//! A text as lines, apart from how its lines end: that is a property of the whole text, and merges
//! as one.

use crate::reconcile::pick;

/// Lines of one text, without their ends.
pub type Lines<'a> = Vec<&'a [u8]>;

/// How the lines of a text end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// With a line feed.
    Unix,
    /// With a carriage return and a line feed.
    Dos,
    /// Some so, some so; then the carriage return is content.
    Mixed,
}

/// How a text ends its lines, and whether it ends the last one. None where it has too few lines to
/// say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    ending: Option<Ending>,
    ends_last: Option<bool>,
}

impl Shape {
    /// Reads the shape of a text.
    pub fn of(text: &[u8]) -> Self {
        let ended =
            text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let mut kinds = ended.map(|line| line.ends_with(b"\r\n"));
        let ending = kinds.next().map(|first| match (first, kinds.all(|kind| kind == first)) {
            (true, true) => Ending::Dos,
            (false, true) => Ending::Unix,
            (_, false) => Ending::Mixed,
        });
        Self { ending, ends_last: text.last().map(|byte| *byte == b'\n') }
    }

    /// Merges three shapes: the side that changed it wins.
    pub fn merge(base: Self, ours: Self, theirs: Self) -> Self {
        Self {
            ending: merge_one([base.ending, ours.ending, theirs.ending]),
            ends_last: merge_one([base.ends_last, ours.ends_last, theirs.ends_last]),
        }
    }

    /// Returns true where a carriage return at the end of a line is content.
    pub fn is_mixed(self) -> bool {
        self.ending == Some(Ending::Mixed)
    }

    /// Puts lines together in this shape.
    pub fn join(self, lines: &[&[u8]]) -> Vec<u8> {
        let ending: &[u8] = if self.ending == Some(Ending::Dos) { b"\r\n" } else { b"\n" };
        let mut text = lines.join(ending);
        if self.ends_last != Some(false) && !lines.is_empty() {
            text.extend(ending);
        }
        text
    }
}

/// A side that cannot say is taken to agree with the one that can.
fn merge_one<T: PartialEq + Copy>([base, ours, theirs]: [Option<T>; 3]) -> Option<T> {
    let base = base.or(ours).or(theirs)?;
    let (ours, theirs) = (ours.unwrap_or(base), theirs.unwrap_or(base));
    pick(base, ours, theirs).or(Some(ours))
}

/// Splits a text into lines without their ends.
pub fn split(text: &[u8], keeps_return: bool) -> Lines<'_> {
    text.split_inclusive(|byte| *byte == b'\n')
        .map(|line| {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            if keeps_return { line } else { line.strip_suffix(b"\r").unwrap_or(line) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(base: &str, ours: &str, theirs: &str) -> String {
        let [base, ours, theirs] = [base, ours, theirs].map(|text| Shape::of(text.as_bytes()));
        let text = Shape::merge(base, ours, theirs).join(&[b"x", b"y"]);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_side_that_changed_the_shape_wins() {
        assert_eq!(merged("a\n", "a\n", "a\r\n"), "x\r\ny\r\n");
        assert_eq!(merged("a\r\n", "a\n", "a\r\n"), "x\ny\n");
        assert_eq!(merged("a\nb", "a\nb\n", "a\nb"), "x\ny\n");
        assert_eq!(merged("a\nb\n", "a\nb\n", "a\nb"), "x\ny");
        assert_eq!(merged("", "a\r\n", "b"), "x\r\ny");
        assert_eq!(merged("", "", ""), "x\ny\n");
    }
}
