//! What a person has typed so far: words of a shell's command line, their quotes taken off.

use std::path::{Path, PathBuf};

use crate::context::{absolute, variable};

/// The command line up to the cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    /// The whole words before the one at the cursor, without their quotes.
    pub before: Vec<String>,
    /// The word at the cursor, up to the cursor.
    pub current: String,
    /// The same with its quotes.
    pub raw: String,
}

impl Typed {
    /// Takes words as a shell split them; the last one is at the cursor.
    pub fn of_words(words: &[String]) -> Self {
        let Some((raw, before)) = words.split_last() else { return Self::default() };
        let before = before.iter().map(|word| unquoted(word)).collect();
        Self { before, current: unquoted(raw), raw: raw.clone() }
    }

    /// Splits a line into its words.
    pub fn of_line(line: &str) -> Self {
        Self::of_words(&split(line))
    }

    /// Returns the repository that is named on the line.
    pub fn dir(&self) -> Option<PathBuf> {
        let at =
            self.before.iter().rposition(|word| word == "--dir" || word.starts_with("--dir="))?;
        let named = self.before[at]
            .strip_prefix("--dir=")
            .or_else(|| self.before.get(at + 1).map(String::as_str))?;
        Some(expanded(named))
    }

    /// Returns true behind a `--`, where paths follow.
    pub fn is_behind_dashes(&self) -> bool {
        self.before.iter().any(|word| word == "--")
    }
}

/// Returns the path that a word means, as a shell would make it of `~` and `$HOME`.
pub fn expanded(word: &str) -> PathBuf {
    let home = variable("HOME").unwrap_or_default();
    for beginning in ["~", "$HOME", "${HOME}"] {
        match word.strip_prefix(beginning) {
            Some("") => return PathBuf::from(home),
            Some(rest) if rest.starts_with('/') => {
                return Path::new(&home).join(rest.trim_start_matches('/'));
            }
            _ => {}
        }
    }
    absolute(Path::new(word))
}

/// Splits a line at blanks that are not quoted; the last word is at the end, and may be empty.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut is_escaped) = (String::new(), None, false);
    for c in line.chars() {
        let is_blank = c.is_ascii_whitespace() && quote.is_none() && !is_escaped;
        if is_blank {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            continue;
        }
        word.push(c);
        (quote, is_escaped) = after(c, quote, is_escaped);
    }
    words.push(word);
    words
}

/// Returns the quote that is open behind a character, and whether the next one is escaped.
fn after(c: char, quote: Option<char>, is_escaped: bool) -> (Option<char>, bool) {
    match (c, quote) {
        _ if is_escaped => (quote, false),
        ('\\', None | Some('"')) => (quote, true),
        ('\'' | '"', None) => (Some(c), false),
        (_, Some(open)) if open == c => (None, false),
        _ => (quote, false),
    }
}

/// Returns a word without its quotes. Nothing in it is run or looked up.
fn unquoted(raw: &str) -> String {
    let (mut word, mut quote, mut is_escaped) = (String::new(), None, false);
    for c in raw.chars() {
        let before = (quote, is_escaped);
        (quote, is_escaped) = after(c, quote, is_escaped);
        let is_mark = quote != before.0 || is_escaped;
        // Between double quotes a backslash stands for itself before most characters.
        if before == (Some('"'), true) && !matches!(c, '"' | '\\' | '$' | '`') {
            word.push('\\');
        }
        if !is_mark {
            word.push(c);
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_come_off_and_nothing_is_run() {
        for (raw, word) in [
            ("~/.zshrc", "~/.zshrc"),
            (r"a\ b\'c", "a b'c"),
            ("'a b'\\''c'", "a b'c"),
            (r#""a \"b\" \x $(d)"#, r#"a "b" \x $(d)"#),
            ("'open", "open"),
            ("$HOME/a", "$HOME/a"),
        ] {
            assert_eq!(unquoted(raw), word, "{raw}");
        }
    }

    #[test]
    fn a_line_is_words_and_the_one_at_the_cursor() {
        let typed = Typed::of_line(r#"cfgsync --dir "/a b" unmark 'x y' ~/q\ r"#);
        assert_eq!(typed.before, ["cfgsync", "--dir", "/a b", "unmark", "x y"]);
        assert_eq!((typed.current.as_str(), typed.raw.as_str()), ("~/q r", r"~/q\ r"));
        assert_eq!(typed.dir(), Some(PathBuf::from("/a b")));
        assert!(!typed.is_behind_dashes());
        let typed = Typed::of_line("cfgsync --dir=/c restore -- ");
        assert_eq!((typed.current.as_str(), typed.dir()), ("", Some(PathBuf::from("/c"))));
        assert!(typed.is_behind_dashes());
    }
}
