//! Quotes, and what `$` and a backtick start.

use super::{Dialect, Opener, Script};

impl Script<'_> {
    /// Reads an escape, a quote or an expansion; returns false where there is none.
    pub(super) fn read_quoting(&mut self, byte: u8) -> Option<bool> {
        match byte {
            b'\\' => self.at += 2,
            b'\'' => {
                let inside = self.rest().get(1..)?;
                self.at += inside.iter().position(|byte| *byte == b'\'')? + 2;
            }
            b'"' => self.open(1, Opener::DoubleQuote),
            b'`' => self.skip_escaped(1, b'`')?,
            b'$' => self.read_dollar()?,
            _ => return Some(false),
        }
        Some(true)
    }

    pub(super) fn read_double_quote(&mut self, byte: u8) -> Option<()> {
        match byte {
            b'"' => return self.close(1, Opener::DoubleQuote),
            b'\'' => self.at += 1,
            b'$' if matches!(self.peek(1), Some(b'\'' | b'"')) => self.at += 1,
            _ => return self.read_text(byte),
        }
        Some(())
    }

    pub(super) fn read_parameter(
        &mut self,
        byte: u8,
        within_quotes: bool,
        single_quotes: bool,
    ) -> Option<()> {
        match byte {
            // zsh counts the braces of an unquoted default, as in `${colour:-%F{red}}`.
            b'{' if self.dialect == Dialect::Zsh && !within_quotes => {
                self.top().braces += 1;
                self.at += 1;
            }
            b'}' if self.top().braces > 0 => {
                self.top().braces -= 1;
                self.at += 1;
            }
            b'}' => {
                self.at += 1;
                self.open.pop();
            }
            b'\'' if !single_quotes => self.at += 1,
            _ => return self.read_text(byte),
        }
        Some(())
    }

    pub(super) fn read_group(&mut self, byte: u8) -> Option<()> {
        match byte {
            b'(' => self.open(1, Opener::Group),
            b')' => return self.close(1, Opener::Group),
            _ => return self.read_text(byte),
        }
        Some(())
    }

    /// Reads one byte of text, or a quote or an expansion in it.
    pub(super) fn read_text(&mut self, byte: u8) -> Option<()> {
        if !self.read_quoting(byte)? {
            self.at += 1;
        }
        Some(())
    }

    fn read_dollar(&mut self) -> Option<()> {
        match (self.peek(1), self.peek(2)) {
            (Some(b'('), Some(b'(')) => {
                self.open(2, Opener::Group);
                self.open(1, Opener::Group);
            }
            (Some(b'('), _) => self.open(2, Opener::Subshell),
            (Some(b'{'), _) => self.open_parameter()?,
            (Some(b'\''), _) => self.skip_escaped(2, b'\'')?,
            (Some(b'$' | b'#'), _) => self.at += 2,
            _ => self.at += 1,
        }
        Some(())
    }

    fn open_parameter(&mut self) -> Option<()> {
        let within_quotes = matches!(
            self.top().opener,
            Opener::DoubleQuote | Opener::Parameter { within_quotes: true, .. }
        );
        self.at += 2;
        let single_quotes =
            !within_quotes || (self.dialect == Dialect::Bash && self.takes_pattern());
        if self.peek(0) == Some(b'(') {
            // zsh's flags may hold any quote as a separator.
            self.at += self.rest().iter().position(|byte| *byte == b')')? + 1;
        }
        self.open(0, Opener::Parameter { within_quotes, single_quotes });
        Some(())
    }

    /// Returns true when a pattern follows the name, as in `${name#pattern}`, where quotes count
    /// even within double quotes.
    fn takes_pattern(&self) -> bool {
        let is_name =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@' | b'*');
        let rest = self.rest();
        let rest = rest.strip_prefix(b"!").unwrap_or(rest);
        let name = rest.iter().take_while(|byte| is_name(byte)).count();
        let rest = rest.get(name..).unwrap_or_default();
        let subscript = match rest.first() {
            Some(b'[') => rest.iter().position(|byte| *byte == b']').map_or(0, |end| end + 1),
            _ => 0,
        };
        name > 0 && matches!(rest.get(subscript), Some(b'#' | b'%' | b'/' | b'^' | b','))
    }

    /// Steps over `length` bytes, and to behind the next `end` that no backslash escapes.
    fn skip_escaped(&mut self, length: usize, end: u8) -> Option<()> {
        self.at += length;
        loop {
            match self.peek(0)? {
                b'\\' => self.at += 2,
                byte => {
                    self.at += 1;
                    if byte == end {
                        return Some(());
                    }
                }
            }
        }
    }
}
