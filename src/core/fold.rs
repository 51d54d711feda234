//! Names as the most forgiving disk compares them: without letter case, however their accents are
//! written, and without what is not seen. Two names that fold to one cannot stand side by side on
//! every machine.
//!
//! Disks differ in what they take for the same, and fold by their own tables. This folds whatever any
//! of them does: a pair too many waits for a person, a pair too few overwrites a file.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::names::is_ignored;

/// The tables, as text.
const TABLES: &str = include_str!("fold.txt");

/// What the tables say.
struct Tables {
    parts: BTreeMap<char, String>,
    marks: Vec<(char, char)>,
}

static KNOWN: LazyLock<Tables> = LazyLock::new(|| parse(TABLES));

/// Returns what a disk that tells few names apart may take a name for.
pub fn fold(name: &[u8]) -> Vec<u8> {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let mut folded = Vec::new();
    for chunk in name.utf8_chunks() {
        folded.extend(fold_text(chunk.valid()).into_bytes());
        folded.extend(chunk.invalid());
    }
    folded
}

fn fold_text(text: &str) -> String {
    let known = &*KNOWN;
    let is_mark = |c: char| known.marks.iter().any(|(first, last)| (*first..=*last).contains(&c));
    let cased = text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    let mut folded: Vec<char> = Vec::new();
    // Where the run of marks began that the last characters are: their order may mean nothing.
    let mut marks = 0;
    for c in cased.filter(|c| !is_ignored(*c)).flat_map(|c| parts(known, c)) {
        if is_mark(c) {
            let at = folded[marks..].partition_point(|other| *other <= c);
            folded.insert(marks + at, c);
        } else {
            folded.push(c);
            marks = folded.len();
        }
    }
    folded.into_iter().collect()
}

/// Returns the characters that one stands for; a syllable of Hangul is made of letters by its number.
fn parts(known: &Tables, c: char) -> Vec<char> {
    const FIRST: u32 = 0xac00;
    const COUNT: u32 = 11_172;
    let number = u32::from(c).wrapping_sub(FIRST);
    if number < COUNT {
        let letters = [0x1100 + number / 588, 0x1161 + number % 588 / 28, 0x11a7 + number % 28];
        let is_there = |letter: &u32| *letter != 0x11a7;
        return letters.into_iter().filter(is_there).filter_map(char::from_u32).collect();
    }
    known.parts.get(&c).map_or_else(|| vec![c], |parts| parts.chars().collect())
}

fn parse(text: &str) -> Tables {
    let mut tables = Tables { parts: BTreeMap::new(), marks: Vec::new() };
    let character = |digits: &str| char::from_u32(u32::from_str_radix(digits, 16).ok()?);
    let words = text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
    for word in words {
        if let Some((whole, parts)) = word.split_once(':') {
            let parts = parts.split('+').filter_map(character).collect();
            tables.parts.extend(character(whole).map(|whole| (whole, parts)));
        } else if let Some((first, last)) = word.split_once('-') {
            tables.marks.extend(character(first).zip(character(last)));
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) {
        assert_eq!(fold(one.as_bytes()), fold(other.as_bytes()), "{one:?} and {other:?}");
    }

    #[test]
    fn names_that_some_disk_takes_for_one_fold_to_one() {
        same("README", "readme");
        same("caf\u{e9}", "CAFE\u{301}");
        same("\u{1ed9}", "o\u{302}\u{323}");
        same("o\u{323}\u{302}", "o\u{302}\u{323}");
        same("stra\u{df}e", "STRASSE");
        same("\u{3c2}", "\u{3a3}");
        same("\u{ac01}", "\u{1100}\u{1161}\u{11a8}");
        same("\u{ac00}", "\u{1100}\u{1161}");
        same("\u{212b}", "\u{e5}");
        same(".z\u{200c}shrc", ".zshrc");
    }

    #[test]
    fn other_names_stay_apart() {
        for (one, other) in [("a", "b"), ("e", "\u{e9}"), ("a.b", "ab"), ("\u{430}", "a")] {
            assert_ne!(fold(one.as_bytes()), fold(other.as_bytes()), "{one:?} and {other:?}");
        }
        assert_ne!(fold(b"a\xff"), fold(b"a\xfe"));
    }
}
