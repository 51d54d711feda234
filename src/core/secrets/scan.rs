//! Looks for secrets in the bytes of one file.

use std::ops::Range;

use super::checks::{bech32, checksum, is_key_below, paired};
use super::random::{is_placeholder, is_reference};
use super::rules::{RULES, Rule, Way};
use super::{Tier, named};

/// How far behind its keyword a match may begin whose pattern may begin before it.
const AHEAD: usize = 400;

/// What was found, and where its value lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The rule.
    pub rule: &'static str,
    /// How sure it is.
    pub tier: Tier,
    /// The line it begins in, from 1.
    pub line: u32,
    /// The value's place in the bytes; empty where the file itself is what must not travel.
    pub at: Range<usize>,
}

/// Finds the secrets in a file of this path, in the order of their places.
pub fn scan(path: &[u8], bytes: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    by_place(path, bytes, &mut found);
    by_content(bytes, &mut found);
    if !is_binary(bytes) {
        named::scan(bytes, &mut found);
    }
    settle(bytes, found)
}

/// A value is reported once: by the first rule that found it, and where it stands first.
fn settle(bytes: &[u8], found: Vec<(&'static str, Tier, Range<usize>)>) -> Vec<Found> {
    let mut kept: Vec<Found> = Vec::new();
    for (rule, tier, at) in found {
        let is_known = kept.iter().any(|known| {
            let overlaps = known.at.start < at.end && at.start < known.at.end;
            overlaps || (known.rule == rule && bytes[known.at.clone()] == bytes[at.clone()])
        });
        if !is_known {
            kept.push(Found { rule, tier, line: 0, at });
        }
    }
    kept.sort_by_key(|found| (found.at.start, found.tier));
    let (mut line, mut from) = (1, 0);
    for found in &mut kept {
        let breaks = bytes[from..found.at.start].split(|byte| *byte == b'\n').count() - 1;
        line += u32::try_from(breaks).unwrap_or(0);
        (found.line, from) = (line, found.at.start);
    }
    kept
}

/// Returns true for bytes that are no text, as Git sees it.
fn is_binary(bytes: &[u8]) -> bool {
    bytes.iter().take(8000).any(|byte| *byte == 0)
}

fn by_place(path: &[u8], bytes: &[u8], found: &mut Vec<(&'static str, Tier, Range<usize>)>) {
    for rule in RULES.all.iter().filter(|rule| rule.is_at(path)) {
        let Some(regex) = rule.regex() else { continue };
        if rule.way == Way::File {
            if regex.is_match(bytes) {
                found.push((rule.name, Tier::Certain, 0..0));
            }
            continue;
        }
        let values = regex.captures_iter(bytes).filter_map(|groups| groups.get(1));
        let literal = values.filter(|value| !is_reference(value.as_bytes()));
        found.extend(literal.map(|value| (rule.name, Tier::Certain, value.range())));
    }
}

fn by_content(bytes: &[u8], found: &mut Vec<(&'static str, Tier, Range<usize>)>) {
    let Some(search) = RULES.keywords.search(bytes) else { return };
    for hit in search.find_overlapping_iter(bytes) {
        let Some(rule) = RULES.owners.get(hit.pattern().as_usize()).map(|at| &RULES.all[*at])
        else {
            continue;
        };
        if let Some(at) = matched(rule, bytes, hit.start())
            && let Some((tier, at)) = judge(rule, bytes, at)
        {
            found.push((rule.name, tier, at));
        }
    }
}

/// Returns where a rule's pattern matches around its keyword, standing alone.
fn matched(rule: &Rule, bytes: &[u8], keyword: usize) -> Option<Range<usize>> {
    let from = keyword.saturating_sub(rule.back);
    let to = if rule.back == 0 { bytes.len() } else { bytes.len().min(keyword + AHEAD) };
    if rule.back == 0 && !begins(bytes, from) {
        return None;
    }
    let found = rule.regex()?.find(&bytes[from..to])?;
    let at = from + found.start()..from + found.end();
    let is_alone = begins(bytes, at.start) && !bytes.get(at.end).is_some_and(|it| is_word(*it));
    is_alone.then_some(at)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Returns true where a word may begin; `\n` and the like in a string end the word before.
fn begins(bytes: &[u8], at: usize) -> bool {
    let before = bytes[..at].last_chunk::<2>();
    match before {
        Some([b'\\', b'n' | b'r' | b't']) => true,
        _ => !at.checked_sub(1).is_some_and(|at| is_word(bytes[at]) && is_word(bytes[at + 1])),
    }
}

fn judge(rule: &Rule, bytes: &[u8], at: Range<usize>) -> Option<(Tier, Range<usize>)> {
    let value = &bytes[at.clone()];
    match rule.way {
        Way::Token if is_placeholder(value) => None,
        Way::Token => Some((Tier::Certain, at)),
        Way::Checked if checksum(value) => Some((Tier::Certain, at)),
        Way::Checked if is_placeholder(value) || !super::random::is_random(&value[4..]) => None,
        Way::Checked => Some((Tier::Likely, at)),
        Way::Bech32 => bech32(value).then_some((Tier::Certain, at)),
        Way::Pem => {
            let length = is_key_below(&bytes[at.end..])?;
            Some((Tier::Certain, at.start..at.end + length))
        }
        Way::Pair if is_placeholder(value) => None,
        Way::Pair => paired(bytes).map(|at| (Tier::Certain, at)),
        Way::Word | Way::File => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules that find something in a text, with their lines.
    fn found(path: &str, text: &str) -> Vec<String> {
        let found = scan(path.as_bytes(), text.as_bytes());
        found.iter().map(|it| format!("{} {} {}", it.rule, it.line, it.tier.word())).collect()
    }

    #[test]
    fn a_finding_names_its_line() {
        let text = format!("a\nb\ntoken = glpat-{}\n", "360a9Y6yNd14tDdO9eGz");
        assert_eq!(found("config", &text), ["gitlab-token 3 certain"]);
    }

    #[test]
    fn a_value_is_reported_once() {
        let line = format!("//registry.npmjs.org/:_authToken=npm_{}\n", "b".repeat(10));
        assert_eq!(found(".npmrc", &line.repeat(3)), ["npmrc-login 1 certain"]);
    }

    #[test]
    fn a_wrong_checksum_is_only_likely() {
        let text = format!("x ghp_{}\n", "Ky9Pf34qY6Nb3wWD25RQ4F5ZR3qa7y3gm1IM");
        assert_eq!(found("x", &text), ["github-token 1 likely"]);
    }

    #[test]
    fn a_token_stands_alone() {
        let token = format!("glpat-{}", "360a9Y6yNd14tDdO9eGz");
        assert_eq!(found("x", &format!("x{token}")), Vec::<String>::new());
        assert_eq!(found("x", &format!("\"a\\n{token}\"")), ["gitlab-token 1 certain"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_searched_for_what_is_certain() {
        let token = format!("\0\0password=Xk29fhQ77zLm glpat-{}", "360a9Y6yNd14tDdO9eGz");
        assert_eq!(found("x", &token), ["gitlab-token 1 certain"]);
    }
}
