//! Sections of keys: `[section]`, `key = value`, `key: value`, a bare key, comments.
//!
//! The rules are those of Python's `configparser`, the strictest of the readers: a line that is
//! indented deeper than its key goes on with the value, and neither a section nor a key of one
//! section comes twice. Keys before the first section are fine, because `EditorConfig` has one.

use std::collections::HashSet;

/// Returns true when every line is one of these, and none says something a second time.
pub fn parses(text: &[u8]) -> bool {
    let mut sections = HashSet::new();
    let mut keys = HashSet::new();
    let mut key_indent = None;
    for line in text.split(|byte| *byte == b'\n') {
        let content = line.trim_ascii();
        let indent = line.len() - line.trim_ascii_start().len();
        if content.is_empty() || matches!(content.first(), Some(b'#' | b';')) {
            continue;
        }
        if key_indent.is_some_and(|key_indent| indent > key_indent) {
            continue;
        }
        let fits = if let Some(rest) = content.strip_prefix(b"[") {
            keys.clear();
            key_indent = None;
            section(rest).is_some_and(|section| sections.insert(section))
        } else {
            key_indent = Some(indent);
            let end = content.iter().position(|byte| matches!(byte, b'=' | b':'));
            let key = content.get(..end.unwrap_or(content.len())).unwrap_or_default();
            !key.is_empty() && keys.insert(key.trim_ascii_end())
        };
        if !fits {
            return false;
        }
    }
    true
}

/// Reads the name up to the last bracket: a section of `EditorConfig` may hold brackets itself.
fn section(rest: &[u8]) -> Option<&[u8]> {
    let end = rest.iter().rposition(|byte| *byte == b']').filter(|end| *end > 0)?;
    let behind = rest.get(end + 1..)?.trim_ascii_start();
    let ends = matches!(behind.first(), None | Some(b'#' | b';'));
    rest.get(..end).filter(|_| ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_kind_are_whole() {
        for text in [
            "",
            "root = true\n[*.{js,py}]\nindent_size = 4\n[[ab]*]\nindent_size = 2\n",
            "; a\n[a]\nb = 1\nc: 2\nd\n[e] # f\r\nb = 1\r\n",
            "[a]\nb =\n  c = 1\n\n  c = 1\nd = 2\n",
            "[a]\n  b = 1\n  c = 2\n",
            "[Desktop Entry]\nName=A\nName[de]=B\n",
        ] {
            assert!(parses(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_second_time_is_not() {
        for text in
            ["[a]\nb=1\nb: 2\n", "a\na\n", "[a]\n[b]\n[a]\n", "[a\n", "[]\n", "=1\n", "[a]b"]
        {
            assert!(!parses(text.as_bytes()), "{text}");
        }
    }
}
