//! Commands: words, operators, reserved words, and what these open and close.

use super::{CasePart, Dialect, Opener, Place, Script};

impl Script<'_> {
    pub(super) fn read_command(&mut self, byte: u8) -> Option<()> {
        if self.skip_blank(byte)? {
            if byte == b'\n' {
                self.end_command(0);
            }
            return Some(());
        }
        match (byte, self.peek(1)) {
            (b';', Some(b';' | b'&' | b'|')) => self.end_case_body(),
            (b'<' | b'>', _) => self.read_redirection(byte),
            (b'(', _) => self.read_parenthesis(),
            (b')', _) => self.close(1, Opener::Subshell),
            (b'&', Some(b'>')) => {
                self.redirect(2);
                Some(())
            }
            (b';' | b'&' | b'|', _) => {
                self.end_command(1);
                Some(())
            }
            _ => self.read_word(byte),
        }
    }

    /// Reads the words of an array or of a test.
    pub(super) fn read_list(&mut self, byte: u8) -> Option<()> {
        if self.skip_blank(byte)? {
            return Some(());
        }
        let opener = self.top().opener;
        let starts = !std::mem::replace(&mut self.top().in_word, true);
        match byte {
            b')' if opener == Opener::List => self.close(1, opener),
            b']' if starts && opener == Opener::Test && self.plain_word() == Some(b"]]") => {
                self.close(2, opener)
            }
            _ => self.read_group_or_text(byte),
        }
    }

    /// Reads a `case` up to the commands of a pattern.
    pub(super) fn read_case(&mut self, byte: u8, part: CasePart) -> Option<()> {
        if part == CasePart::Leading {
            let next = self.rest().iter().find(|byte| !matches!(byte, b' ' | b'\t'));
            let ends =
                matches!(byte, b' ' | b'\t' | b'\n' | b';') && !matches!(next, Some(b'|' | b')'));
            self.top().opener = Opener::Case(if ends { CasePart::Body } else { CasePart::Pattern });
            self.top().in_word = !ends;
            return Some(());
        }
        if self.skip_blank(byte)? {
            return Some(());
        }
        let starts = !std::mem::replace(&mut self.top().in_word, true);
        let turn = |script: &mut Self, length, part| {
            script.at += length;
            script.top().opener = Opener::Case(part);
            script.top().in_word = false;
            Some(())
        };
        match (part, byte) {
            (CasePart::Between, _) if self.plain_word() == Some(b"esac") => {
                self.close(4, Opener::Case(part))
            }
            (CasePart::Between, b'(') => {
                turn(self, 0, CasePart::Leading)?;
                self.open(1, Opener::Group);
                Some(())
            }
            (CasePart::Between, _) => turn(self, 0, CasePart::Pattern),
            (CasePart::In, _) if starts => {
                let keyword = self.plain_word().filter(|word| *word == b"in")?;
                turn(self, keyword.len(), CasePart::Between)
            }
            (CasePart::Pattern, b')') => turn(self, 1, CasePart::Body),
            _ => {
                if part == CasePart::Subject {
                    self.top().opener = Opener::Case(CasePart::In);
                }
                self.read_group_or_text(byte)
            }
        }
    }

    fn read_group_or_text(&mut self, byte: u8) -> Option<()> {
        if byte != b'(' {
            return self.read_text(byte);
        }
        self.open(1, Opener::Group);
        Some(())
    }

    fn end_command(&mut self, length: usize) {
        self.at += length;
        let top = self.top();
        top.place = Place::Command;
        top.in_word = false;
        top.redirects = false;
    }

    /// Reads `;;` and its kin.
    fn end_case_body(&mut self) -> Option<()> {
        let long = self.rest().starts_with(b";;&") || self.rest().starts_with(b";;|");
        self.end_command(if long { 3 } else { 2 });
        let top = self.top();
        (top.opener == Opener::Case(CasePart::Body)).then(|| {
            top.opener = Opener::Case(CasePart::Between);
        })
    }

    fn redirect(&mut self, length: usize) {
        self.at += length;
        let top = self.top();
        top.redirects = true;
        top.in_word = false;
    }

    fn read_redirection(&mut self, byte: u8) -> Option<()> {
        match (byte, self.peek(1), self.peek(2)) {
            (b'<', Some(b'<'), Some(b'<')) => self.redirect(3),
            (b'<', Some(b'<'), _) => self.announce_here_document()?,
            (_, Some(b'('), _) => {
                self.start_word();
                self.open(2, Opener::Subshell);
            }
            (_, Some(b'<' | b'>' | b'&' | b'|'), _) => self.redirect(2),
            _ => self.redirect(1),
        }
        Some(())
    }

    fn read_parenthesis(&mut self) -> Option<()> {
        let before = self.at.checked_sub(1).and_then(|at| self.text.get(at)).copied();
        let inside = self.rest().get(1..)?;
        let blanks = inside.iter().take_while(|byte| **byte == b' ').count();
        let double = inside.first() == Some(&b'(');
        let top = self.top();
        let place = top.place;
        if inside.get(blanks) == Some(&b')') && before != Some(b'=') {
            // `name()`, and zsh's functions without a name.
            self.end_command(blanks + 2);
            return Some(());
        }
        if top.in_word {
            self.open(1, if before == Some(b'=') { Opener::List } else { Opener::Group });
            return Some(());
        }
        match place {
            Place::Command | Place::Tested => top.place = Place::Tested,
            Place::For => top.place = Place::Command,
            _ => top.in_word = true,
        }
        match place {
            Place::Command | Place::Tested if !double => self.open(1, Opener::Subshell),
            Place::For if !double => self.open(1, Opener::List),
            _ => self.open(1, Opener::Group),
        }
        Some(())
    }

    fn read_word(&mut self, byte: u8) -> Option<()> {
        let zsh = self.dialect == Dialect::Zsh;
        let top = self.top();
        let (in_word, place, redirects) = (top.in_word, top.place, top.redirects);
        if zsh && byte == b'}' && (!in_word || top.braces == 0) {
            return self.close_brace();
        }
        if !in_word {
            let takes_brace = !matches!(place, Place::Argument | Place::Count) && !redirects;
            let plain = match byte {
                b'{' if zsh && takes_brace => Some(&b"{"[..]),
                _ => self.plain_word(),
            };
            self.top().braces = 0;
            if !redirects && self.read_reserved(plain.unwrap_or_default(), place)? {
                return Some(());
            }
            self.start_word();
        }
        let top = self.top();
        match byte {
            b'{' => top.braces += 1,
            b'}' => top.braces = top.braces.saturating_sub(1),
            _ => {}
        }
        self.read_text(byte)
    }

    /// Starts a word that is not reserved, and says what the next one is.
    fn start_word(&mut self) {
        let top = self.top();
        if !top.in_word && !top.redirects {
            top.place = match top.place {
                Place::Count => Place::Command,
                place @ (Place::For | Place::Function) => place,
                _ => Place::Argument,
            };
        }
        top.redirects = false;
        top.in_word = true;
    }

    /// Reads a reserved word; returns false for any other word.
    fn read_reserved(&mut self, word: &[u8], place: Place) -> Option<bool> {
        let next = match (place, word) {
            (Place::For, b"in") => Some(Place::Argument),
            (Place::For, b"do" | b"{") | (Place::Function, b"{") => None,
            (Place::Command | Place::Tested, _) => match word {
                b"while" | b"until" | b"!" | b"time" | b"coproc" | b"always" | b"nocorrect" => {
                    Some(Place::Command)
                }
                b"for" | b"select" => Some(Place::For),
                b"function" => Some(Place::Function),
                b"repeat" => Some(Place::Count),
                _ => None,
            },
            _ => return Some(false),
        };
        match next {
            Some(next) => {
                self.at += word.len();
                self.top().place = next;
                Some(true)
            }
            None => self.read_compound(word, place),
        }
    }

    /// Reads a word that opens, divides or closes a compound command.
    fn read_compound(&mut self, word: &[u8], place: Place) -> Option<bool> {
        let length = word.len();
        let opener = match word {
            b"if" => Opener::If,
            b"do" => Opener::Do,
            b"case" => Opener::Case(CasePart::Subject),
            b"{" => Opener::Brace,
            b"[[" => Opener::Test,
            b"then" | b"elif" | b"else" => {
                self.end_command(length);
                return (self.top().opener == Opener::If).then_some(true);
            }
            b"fi" => return self.close(length, Opener::If).map(|()| true),
            b"done" => return self.close(length, Opener::Do).map(|()| true),
            b"esac" => return self.close(length, Opener::Case(CasePart::Body)).map(|()| true),
            b"}" => return self.close_brace().map(|()| true),
            _ => return Some(false),
        };
        let zsh = self.dialect == Dialect::Zsh;
        let top = self.top();
        if zsh && opener == Opener::Brace && top.opener == Opener::If && place == Place::Tested {
            top.opener = Opener::BracedIf;
        }
        top.place = if opener == Opener::Test { Place::Tested } else { Place::Command };
        self.open(length, opener);
        Some(true)
    }

    fn close_brace(&mut self) -> Option<()> {
        self.close(1, Opener::Brace)?;
        if self.top().opener != Opener::BracedIf {
            self.top().in_word = false;
            return Some(());
        }
        while matches!(self.peek(0), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        match self.plain_word() {
            Some(b"else") => self.end_command(4),
            Some(b"elif") => {
                self.top().opener = Opener::If;
                self.end_command(4);
            }
            _ => self.close(0, Opener::BracedIf)?,
        }
        Some(())
    }
}
