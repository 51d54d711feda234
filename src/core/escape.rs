//! One word per path: how cfgsync's text files spell a path that may hold any byte.
//!
//! A blank, a line end, a backslash, a control character and a byte that is no UTF-8 are written
//! with a backslash; everything else stands for itself. `unescape(escape(x)) == x` for all bytes.

/// Spells bytes as one word.
pub fn escape(bytes: &[u8]) -> String {
    let mut word = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => word.push_str("\\\\"),
                ' ' => word.push_str("\\ "),
                '\n' => word.push_str("\\n"),
                '\t' => word.push_str("\\t"),
                '#' if word.is_empty() => word.push_str("\\#"),
                c if c.is_ascii_control() => word.push_str(&format!("\\x{:02x}", u32::from(c))),
                c => word.push(c),
            }
        }
        for byte in chunk.invalid() {
            word.push_str(&format!("\\x{byte:02x}"));
        }
    }
    word
}

/// Reads a word written by [`escape`]; none when an escape is not complete.
pub fn unescape(word: &str) -> Option<Vec<u8>> {
    if !word.contains('\\') {
        return Some(word.into());
    }
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'n' => b'\n',
            b't' => b'\t',
            b'x' => 16 * digit(rest.next()?)? + digit(rest.next()?)?,
            other => other,
        });
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Splits a line into words at blanks that are not escaped.
pub fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = None;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        let blank = matches!(c, ' ' | '\t') && !escaped;
        escaped = c == '\\' && !escaped;
        match (blank, start) {
            (true, Some(from)) => {
                words.push(&line[from..at]);
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    words.extend(start.map(|from| &line[from..]));
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blanks_and_line_ends_stay_in_one_word() {
        assert_eq!(escape(b"a b\nc"), "a\\ b\\nc");
        assert_eq!(words("a\\ b link=copy"), ["a\\ b", "link=copy"]);
        assert_eq!(escape(b"#x"), "\\#x");
        assert_eq!(unescape("\\x4"), None);
    }

    proptest! {
        #[test]
        fn every_name_comes_back(bytes in proptest::collection::vec(any::<u8>(), 1..40)) {
            let word = escape(&bytes);
            prop_assert_eq!(words(&word).len(), 1);
            prop_assert!(!word.contains('\n') && !word.starts_with('#'));
            prop_assert_eq!(unescape(&word), Some(bytes));
        }
    }
}
