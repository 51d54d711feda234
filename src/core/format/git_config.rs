//! What `git config` reads, by the grammar of git-config(1) and git's own `config.c`.

/// Returns true when every section header, key and value is whole; keys may come many times.
pub fn parses(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let unix: Vec<u8> = text
        .iter()
        .enumerate()
        .filter(|(at, byte)| **byte != b'\r' || text.get(at + 1) != Some(&b'\n'))
        .map(|(_, byte)| *byte)
        .collect();
    read(&unix).is_some()
}

fn read(mut rest: &[u8]) -> Option<()> {
    let mut has_section = false;
    loop {
        rest = rest.trim_ascii_start();
        rest = match rest.first() {
            None => return Some(()),
            Some(b'#' | b';') => behind_line(rest),
            Some(b'[') => {
                has_section = true;
                header(rest.get(1..)?)?
            }
            Some(byte) if has_section && byte.is_ascii_alphabetic() => variable(rest)?,
            Some(_) => return None,
        };
    }
}

fn behind_line(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    text.get(end..).unwrap_or_default()
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

/// Reads `section]` or `section "subsection"]`, and returns what stands behind it.
fn header(text: &[u8]) -> Option<&[u8]> {
    let end =
        text.iter().position(|byte| !is_name(*byte) && *byte != b'.').filter(|end| *end > 0)?;
    let rest = text.get(end..)?;
    if let Some(rest) = rest.strip_prefix(b"]") {
        return Some(rest);
    }
    let quoted =
        rest.trim_ascii_start().strip_prefix(b"\"").filter(|_| !rest.starts_with(b"\""))?;
    let mut bytes = quoted.iter().enumerate();
    loop {
        match bytes.next()? {
            (_, b'\n') => return None,
            (_, b'\\') => drop(bytes.next().filter(|(_, byte)| **byte != b'\n')?),
            (at, b'"') => return quoted.get(at + 1..)?.strip_prefix(b"]"),
            _ => {}
        }
    }
}

/// Reads `key` or `key = value`, and returns what stands behind it.
fn variable(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().position(|byte| !is_name(*byte)).unwrap_or(text.len());
    let rest = text.get(end..)?;
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let rest = rest.get(blanks..)?;
    match rest.first() {
        None | Some(b'\n') => Some(rest),
        Some(b'=') => value(rest.get(1..)?),
        Some(_) => None,
    }
}

/// Reads a value with its quotes, escapes and continued lines.
fn value(text: &[u8]) -> Option<&[u8]> {
    let mut quoted = false;
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' => {
                let (_, escaped) = bytes.next()?;
                matches!(escaped, b'\n' | b't' | b'b' | b'n' | b'\\' | b'"').then_some(())?;
            }
            b'\n' | b'#' | b';' if !quoted => return text.get(at..).map(behind_line),
            b'\n' => return None,
            _ => {}
        }
    }
    (!quoted).then_some(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_reads_is_whole() {
        for text in [
            "",
            "# a\n[user]\n\tname = A \"B\" # it\"s\n\temail=a@b\n[core] bare\n",
            "[remote \"a \\\"b\\\" ]\"]\n\tfetch = +refs/*\n\tfetch = +refs/*\n[a.b] c = d\n",
            "[alias]\r\n\ta = \"!f() { \\\r\n b; }; f\"\r\n\tx-1 =\r\n",
            "\u{feff}[a]\nb",
        ] {
            assert!(parses(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_git_refuses_is_not() {
        for text in [
            "a = b\n",
            "[a\nb = c\n",
            "[a \"b]\n",
            "[a b]\n",
            "[a\"b\"]\n",
            "[]\n",
            "[a]\nb = \"c\n",
            "[a]\nb = \\q\n",
            "[a]\nb c\n",
            "[a]\n1b = c\n",
            "[a]\n<<<<<<< b\n",
        ] {
            assert!(!parses(text.as_bytes()), "{text}");
        }
    }
}
