//! What may reach a terminal: characters that steer it, or that nobody sees, are escaped.

use std::fmt;

/// Unicode's formats, line and paragraph separators (general categories Cf, Zl and Zp of Unicode
/// 16.0), with what is not assigned between them.
const UNSEEN: [(char, char); 20] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e001f}'),
    ('\u{e0020}', '\u{e007f}'),
];

/// Returns true for a character that steers the terminal, or hides what is written.
pub fn is_hostile(c: char) -> bool {
    c.is_control() || UNSEEN.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// Writes bytes for a person: hostile characters, and bytes that are no text, are escaped.
pub fn display(bytes: &[u8], out: &mut impl fmt::Write) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_hostile(c) {
                write!(out, "{}", c.escape_default())?;
            } else {
                out.write_char(c)?;
            }
        }
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

/// Returns bytes as [`display`] writes them.
pub fn shown(bytes: impl AsRef<[u8]>) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = display(bytes.as_ref(), &mut text);
    text
}

/// Returns JSON that does nothing to a terminal. Hostile characters stand only within its strings, so
/// it says the same as before.
pub fn json(text: &str) -> String {
    let mut quiet = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || !is_hostile(c) {
            quiet.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            quiet.push_str(&format!("\\u{unit:04x}"));
        }
    }
    quiet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_stays() {
        let seen = "grün ✓ 日本 e\u{301} ‖ ⚡ \\ \" 'a\u{a0}b'";
        assert_eq!(shown(seen), seen);
        assert_eq!(json(seen), seen);
    }

    #[test]
    fn what_steers_or_hides_is_escaped() {
        let unseen =
            "\u{ad}\u{600}\u{61c}\u{180e}\u{200b}\u{200d}\u{200f}\u{2028}\u{2029}\u{202e}\u{2066}";
        let tags = "\u{feff}\u{fffb}\u{110bd}\u{1343f}\u{1bca0}\u{1d17a}\u{e0001}\u{e007f}";
        for c in
            unseen.chars().chain(tags.chars()).chain('\0'..='\u{1f}').chain('\u{7f}'..='\u{9f}')
        {
            let shown = shown(c.to_string());
            assert!(shown.starts_with('\\') && shown.is_ascii(), "{shown:?}");
        }
        assert_eq!(shown(b"a\x1b[31m\n\xff"), "a\\u{1b}[31m\\n\\xff");
        assert_eq!(json("\"\u{9b}\u{e0041}\"\n"), "\"\\u009b\\udb40\\udc41\"\n");
    }
}
