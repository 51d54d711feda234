//! The rules of `rules.txt`, read once. A pattern is compiled when it is tried for the first time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{LazyLock, OnceLock};

use regex::bytes::{Regex, RegexBuilder};

use super::named;
use super::words::{Case, Words};

const TEXT: &str = include_str!("rules.txt");

/// What is asked of a match beyond its pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// It stands alone, and is no placeholder.
    #[default]
    Token,
    /// Its last six characters are the checksum of what is before them; one that is wrong leaves it
    /// only likely.
    Checked,
    /// The heading of a key, with a key below it.
    Pem,
    /// Its checksum is right, as Bech32 has it.
    Bech32,
    /// The secret that belongs to it stands in the same file.
    Pair,
    /// A value that is there, and is no reference to another place.
    Word,
    /// The file itself, whatever it holds.
    File,
}

/// One rule.
#[derive(Debug, Default)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// What people call what it finds.
    pub what: &'static str,
    /// What a secret of this kind contains; none for a rule of places.
    pub keywords: Vec<&'static str>,
    /// The ends of the paths of the files it is for.
    pub places: Vec<&'static str>,
    /// How many bytes before a keyword a match may begin.
    pub back: usize,
    /// What else is asked.
    pub way: Way,
    /// Its pattern.
    pub pattern: &'static str,
    /// Examples that are secrets.
    pub yes: Vec<&'static str>,
    /// Examples that are none.
    pub no: Vec<&'static str>,
    compiled: OnceLock<Option<Regex>>,
}

/// All rules, and the search for their keywords.
pub struct Rules {
    /// The rules.
    pub all: Vec<Rule>,
    /// Every keyword.
    pub keywords: Words,
    /// The rule of each keyword.
    pub owners: Vec<usize>,
}

/// The rules of this build.
pub static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::of(parse(TEXT)));

impl Rule {
    /// Returns the pattern, ready to search; it starts where a keyword stands, unless it may begin
    /// before it or is for a whole file. Bytes are bytes: `\w` is ASCII.
    pub fn regex(&self) -> Option<&Regex> {
        let compile = || {
            let is_anchored = self.back == 0 && self.places.is_empty();
            let anchor = if is_anchored { r"\A" } else { "" };
            let pattern = format!("{anchor}(?:{})", self.pattern);
            RegexBuilder::new(&pattern).unicode(false).build().ok()
        };
        self.compiled.get_or_init(compile).as_ref()
    }

    /// Returns true for a file this rule is for.
    pub fn is_at(&self, path: &[u8]) -> bool {
        self.places.iter().any(|end| {
            let before = path.strip_suffix(end.as_bytes());
            before.is_some_and(|before| before.is_empty() || before.ends_with(b"/"))
        })
    }
}

impl Rules {
    fn of(all: Vec<Rule>) -> Self {
        let mut keywords: Vec<&'static str> = Vec::new();
        let mut owners = Vec::new();
        for (number, rule) in all.iter().enumerate() {
            keywords.extend(&rule.keywords);
            owners.extend(rule.keywords.iter().map(|_| number));
        }
        Self { all, keywords: Words::new(keywords, Case::Exact), owners }
    }
}

/// Returns what people call what a rule finds.
pub fn what(rule: &str) -> &'static str {
    let known = RULES.all.iter().find(|known| known.name == rule);
    known.map_or(named::WHAT, |known| known.what)
}

/// Returns the name of a rule of this build.
pub fn known(rule: &str) -> Option<&'static str> {
    let named = named::NAMES.into_iter().find(|known| *known == rule);
    named.or_else(|| RULES.all.iter().find(|known| known.name == rule).map(|known| known.name))
}

/// Returns a number that differs when the rules do: what an older edition found means nothing. It
/// may also differ between builds, which only costs looking again.
pub fn edition() -> u64 {
    let mut hasher = DefaultHasher::new();
    (TEXT, env!("CARGO_PKG_VERSION"), named::EDITION).hash(&mut hasher);
    hasher.finish()
}

fn parse(text: &'static str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some((name, what)) = line.split_once(": ").filter(|_| !line.starts_with(' ')) {
            rules.push(Rule { name, what, ..Rule::default() });
            continue;
        }
        let Some(rule) = rules.last_mut() else { continue };
        let (word, rest) = line.trim_start().split_once(' ').unwrap_or((line.trim_start(), ""));
        let rest = rest.trim_start();
        match word {
            "on" => rule.keywords = rest.split(' ').collect(),
            "at" => rule.places = rest.split(' ').collect(),
            "back" => rule.back = rest.parse().unwrap_or_default(),
            "by" => rule.way = way(rest),
            "re" => rule.pattern = rest,
            "+" => rule.yes.push(rest),
            "-" => rule.no.push(rest),
            _ => {}
        }
    }
    rules
}

fn way(word: &str) -> Way {
    match word {
        "checked" => Way::Checked,
        "pem" => Way::Pem,
        "bech32" => Way::Bech32,
        "pair" => Way::Pair,
        "word" => Way::Word,
        "file" => Way::File,
        _ => Way::Token,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{Tier, scan};
    use super::*;

    /// What an example says, without what keeps it from being taken for real.
    fn plain(example: &str) -> Vec<u8> {
        example.replace('¦', "").replace('⏎', "\n").into_bytes()
    }

    /// The file an example stands in.
    fn file(rule: &Rule, example: &str) -> (Vec<u8>, Vec<u8>) {
        match example.split_once(' ').filter(|_| !rule.places.is_empty()) {
            Some((path, content)) => (format!("external/{path}").into_bytes(), plain(content)),
            None if rule.places.is_empty() => (b"notes".to_vec(), plain(example)),
            None => (format!("external/{example}").into_bytes(), Vec::new()),
        }
    }

    #[test]
    fn every_rule_is_whole() {
        assert!(RULES.all.len() > 100, "{}", RULES.all.len());
        let names: BTreeSet<&str> = RULES.all.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), RULES.all.len(), "two rules of one name");
        for rule in &RULES.all {
            let name = rule.name;
            assert!(rule.regex().is_some(), "{name}: {:?} is no pattern", rule.pattern);
            assert!(rule.keywords.is_empty() != rule.places.is_empty(), "{name}: on or at");
            assert!(!rule.yes.is_empty() && !rule.no.is_empty(), "{name} has no examples");
            assert!(!rule.what.is_empty() && !rule.pattern.is_empty(), "{name}");
        }
        assert!(RULES.keywords.search(b"").is_some());
    }

    /// Tries examples, and fails with every one that is not as it should be.
    fn check(
        examples: fn(&Rule) -> &[&'static str],
        is_right: fn(&Rule, &[super::super::Found]) -> bool,
    ) {
        let mut wrong = Vec::new();
        for rule in &RULES.all {
            for example in examples(rule) {
                let (path, bytes) = file(rule, example);
                let found = scan(&path, &bytes);
                if !is_right(rule, &found) {
                    wrong.push(format!("{}: {example}: {found:?}", rule.name));
                }
            }
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    }

    #[test]
    fn every_true_example_is_found() {
        check(
            |rule| &rule.yes,
            |rule, found| found.iter().any(|it| it.rule == rule.name && it.tier == Tier::Certain),
        );
    }

    #[test]
    fn no_false_example_is_certain() {
        check(|rule| &rule.no, |_, found| found.iter().all(|it| it.tier != Tier::Certain));
    }
}
