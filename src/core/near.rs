//! Which known word a person meant who typed one that is not known.

/// Returns the known word that is most like this one; none where none is like it.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let slips = |other: &&str| slips(word.as_bytes(), other.to_lowercase().as_bytes());
    let nearest = known.into_iter().min_by_key(slips)?;
    // One slip in a short word, and one more for every three letters.
    (slips(&nearest) <= 1 + word.len() / 4).then_some(nearest)
}

/// Counts the letters to add, drop, change or swap to make one word the other.
fn slips(one: &[u8], other: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut now = vec![row + 1];
        for (column, wanted) in other.iter().enumerate() {
            let change = last[column] + usize::from(letter != wanted);
            let mut fewest = change.min(last[column + 1] + 1).min(now[column] + 1);
            let is_swap =
                row > 0 && column > 0 && one[row - 1] == *wanted && other[column - 1] == *letter;
            if is_swap {
                fewest = fewest.min(before[column - 1] + 1);
            }
            now.push(fewest);
        }
        before = std::mem::replace(&mut last, now);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word() {
        let known = ["interval", "deadline", "backups", "dir", "web"];
        for (typed, meant) in [
            ("intervall", Some("interval")),
            ("intreval", Some("interval")),
            ("Interval", Some("interval")),
            ("bakups", Some("backups")),
            ("dri", Some("dir")),
            ("wbe", Some("web")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
    }

    #[test]
    fn slips_are_counted() {
        for (one, other, count) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(slips(one.as_bytes(), other.as_bytes()), count, "{one} {other}");
        }
    }
}
