//! Lines that both sides added at the same place.

use std::collections::BTreeSet;

use crate::lines::Lines;

/// Combines lines that both sides added: theirs, then ours, and equal lines once where a line means
/// the same wherever it stands.
pub fn added<'a>(ours: &Lines<'a>, theirs: &Lines<'a>) -> Lines<'a> {
    if holds(theirs, ours) {
        return theirs.clone();
    }
    if holds(ours, theirs) {
        return ours.clone();
    }
    let stands_alone = ours.iter().chain(theirs).all(|line| stands_alone(line));
    let known: BTreeSet<&[u8]> = theirs.iter().copied().collect();
    let fresh = ours.iter().filter(|line| !(stands_alone && known.contains(*line)));
    theirs.iter().chain(fresh).copied().collect()
}

/// Returns true when one text holds the other's lines in one piece.
fn holds(text: &Lines<'_>, piece: &Lines<'_>) -> bool {
    text.windows(piece.len()).any(|window| window == piece)
}

/// Words that open or close a block in some shell or config language.
const BLOCK_WORDS: [&[u8]; 12] = [
    b"then",
    b"else",
    b"fi",
    b"do",
    b"done",
    b"esac",
    b"end",
    b"endif",
    b"endfunction",
    b"in",
    b"Host",
    b"Match",
];

/// Returns true for a line that is an entry of its own: not blank, not indented, and neither the
/// beginning, the end nor the inside of a block.
fn stands_alone(line: &[u8]) -> bool {
    let has_word = line.iter().any(u8::is_ascii_alphanumeric);
    let is_indented = line.first().is_some_and(u8::is_ascii_whitespace);
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let is_block = [words.next(), words.next_back()]
        .into_iter()
        .flatten()
        .any(|word| BLOCK_WORDS.contains(&word));
    let opens = line.first().is_some_and(|byte| b"[<{(".contains(byte));
    let goes_on = line.last().is_some_and(|byte| b"{([,;\\:>".contains(byte));
    has_word && !is_indented && !is_block && !opens && !goes_on
}
