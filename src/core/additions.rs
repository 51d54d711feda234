//! Lines that both sides added at the same place.

use std::collections::BTreeSet;

use crate::lines::Lines;

/// Combines lines that both sides added: theirs, then ours, and equal lines once where a line means
/// the same wherever it stands. An addition that goes on with what stood before comes before one
/// that begins something new; none where both do both.
pub fn added<'a>(ours: &Lines<'a>, theirs: &Lines<'a>) -> Option<Lines<'a>> {
    if holds(theirs, ours) {
        return Some(theirs.clone());
    }
    if holds(ours, theirs) {
        return Some(ours.clone());
    }
    if !cuts_off(theirs, ours) {
        return Some(joined(theirs, ours));
    }
    (!cuts_off(ours, theirs)).then(|| joined(ours, theirs))
}

/// Puts one addition after the other. Of lists of entries equal lines come once; elsewhere only
/// those where the first ends as the second begins.
fn joined<'a>(first: &Lines<'a>, second: &Lines<'a>) -> Lines<'a> {
    let known: BTreeSet<&[u8]> = first.iter().copied().collect();
    let is_list = first.iter().chain(second).all(|line| is_entry(line));
    let shared = (1..=first.len().min(second.len()))
        .rev()
        .find(|count| first[first.len() - count..] == second[..*count])
        .unwrap_or(0);
    let rest = second.iter().skip(shared);
    let fresh = rest.filter(|line| !(is_list && known.contains(*line)));
    first.iter().chain(fresh).copied().collect()
}

/// Returns true when one text holds the other's lines in one piece.
fn holds(text: &Lines<'_>, piece: &Lines<'_>) -> bool {
    text.windows(piece.len()).any(|window| window == piece)
}

/// Returns true when `second`, put behind `first`, would come into a section or out of a block that
/// it was not added to.
fn cuts_off(first: &Lines<'_>, second: &Lines<'_>) -> bool {
    let is_text = |line: &&&[u8]| line.iter().any(|byte| !byte.is_ascii_whitespace());
    let Some(start) = second.iter().find(is_text) else { return false };
    let leaves = |line: &&[u8]| opens_section(line) || indent(line) < indent(start);
    !opens_section(start) && first.iter().filter(is_text).any(leaves)
}

/// Returns true for a line that begins a section: of an INI-like file, or of ssh's configuration.
fn opens_section(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    let word = line.split(|byte| byte.is_ascii_whitespace() || *byte == b'=').next();
    let is_host =
        |word: &[u8]| [&b"host"[..], b"match"].iter().any(|it| word.eq_ignore_ascii_case(it));
    line.starts_with(b"[") || word.is_some_and(is_host)
}

fn indent(line: &[u8]) -> usize {
    line.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Words that stand alone on a line and belong to a block.
const BLOCK_WORDS: [&[u8]; 9] =
    [b"then", b"else", b"fi", b"do", b"done", b"esac", b"end", b"endif", b"endfunction"];

/// Commands of shells and editors whose lines mean the same wherever they stand.
const COMMANDS: [&[u8]; 14] = [
    b"alias",
    b"unalias",
    b"export",
    b"set",
    b"setopt",
    b"unsetopt",
    b"source",
    b"bindkey",
    b"bind",
    b"autoload",
    b"zstyle",
    b"abbr",
    b"map",
    b"nmap",
];

/// Returns true for a line that is an entry of its own: a setting, a command, or one plain word such
/// as a path or a pattern. Anything else may be a part of something larger.
fn is_entry(line: &[u8]) -> bool {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let Some(first) = words.next().filter(|_| indent(line) == 0) else { return false };
    let is_alone = words.next().is_none();
    let goes_on = line.last().is_some_and(|byte| b"{([,;\\:>|&".contains(byte));
    if opens_section(line) || BLOCK_WORDS.contains(&first) || goes_on {
        return false;
    }
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    let is_plain =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._/*~-".contains(byte);
    let name: Vec<u8> = line.iter().copied().take_while(is_name).collect();
    let rest = line[name.len()..].trim_ascii_start();
    let is_setting = !name.is_empty() && rest.starts_with(b"=");
    is_setting || COMMANDS.contains(&first) || (is_alone && line.iter().all(is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(theirs: &str, ours: &str, expected: Option<&str>) {
        fn lines(text: &str) -> Lines<'_> {
            text.split('|').map(str::as_bytes).collect()
        }
        assert_eq!(added(&lines(ours), &lines(theirs)), expected.map(lines), "{theirs} + {ours}");
    }

    #[test]
    fn equal_entries_come_once() {
        check("alias a=b|alias c=d", "alias c=d|alias e=f", Some("alias a=b|alias c=d|alias e=f"));
        check("A=1|B=2", "A=1|C=3", Some("A=1|B=2|C=3"));
        check("one line|same line", "same line|last line", Some("one line|same line|last line"));
    }

    #[test]
    fn what_is_part_of_a_record_is_never_dropped() {
        let pem = |name: &str| format!("-----BEGIN X-----|{name}|-----END X-----");
        for (theirs, ours) in [
            (pem("aGVs"), pem("bG8h")),
            ("machine a|login me".into(), "machine b|login me".into()),
            ("cat >a <<EOF|one|EOF".into(), "cat >b <<EOF|two|EOF".into()),
            ("augroup a|au x|augroup END".into(), "augroup b|au y|augroup END".into()),
            ("host a|user me|port 22".into(), "host b|user me|port 22".into()),
        ] {
            check(&theirs, &ours, Some(&format!("{theirs}|{ours}")));
        }
    }

    #[test]
    fn no_line_comes_into_a_section_it_was_not_added_to() {
        check(
            "Host evil|  ForwardAgent yes",
            "  ForwardAgent no",
            Some("  ForwardAgent no|Host evil|  ForwardAgent yes"),
        );
        check("[core]|\teditor = vi", "\temail = me", Some("\temail = me|[core]|\teditor = vi"));
        check("c:|  d: 2", "  e: 3", Some("  e: 3|c:|  d: 2"));
        check("[a]|k = 1", "[b]|k = 1", Some("[a]|k = 1|[b]|k = 1"));
        check("k = 1|[a]", "l = 1|[b]", None);
    }
}
