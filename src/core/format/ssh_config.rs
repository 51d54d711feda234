//! What `ssh` reads: a keyword and its value on each line.

/// Returns true when every line is empty, a comment, or a keyword with a value.
pub fn parses(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .all(|line| matches!(line.first(), None | Some(b'#')) || directive(line).is_some())
}

fn directive(line: &[u8]) -> Option<()> {
    let end = line.iter().position(|byte| !byte.is_ascii_alphanumeric())?;
    let (keyword, rest) = line.split_at_checked(end)?;
    let value = rest.trim_ascii_start();
    let value = value.strip_prefix(b"=").unwrap_or(value);
    let parted = value.len() < rest.len();
    let whole = keyword.first()?.is_ascii_alphabetic() && parted;
    // A command is handed to a shell as it stands.
    let is_command = keyword.to_ascii_lowercase().ends_with(b"command");
    (whole && !value.trim_ascii().is_empty() && (is_command || quotes_close(value))).then_some(())
}

fn quotes_close(value: &[u8]) -> bool {
    let mut quote = None;
    let mut escaped = false;
    for byte in value {
        match (quote, byte) {
            _ if escaped => escaped = false,
            (_, b'\\') => escaped = true,
            (Some(open), _) if open == byte => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'#') => break,
            _ => {}
        }
    }
    quote.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_with_values_are_whole() {
        for text in [
            "",
            "# it's\nHost *\n\tUser me\n  Port=22\nIdentityFile = \"~/.ssh/a b\"\n",
            "Match exec \"test -f \\\"a\\\"\" host a # it's\nPKCS11Provider /a\n",
            "ProxyCommand sh -c 'it\n",
        ] {
            assert!(parses(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn other_lines_are_not() {
        for text in
            ["Host\n", "Port=\n", "Host \"a\n", "<<<<<<< a\n", "= a\n", "Host-a b\n", "User 'a\n"]
        {
            assert!(!parses(text.as_bytes()), "{text}");
        }
    }
}
