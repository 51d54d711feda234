//! Tells whether a shell script ends complete: whatever opens closes again, in the right order.
//!
//! This is no parser. It knows words, quotes, expansions, here-documents and compound commands of
//! sh, bash and zsh, and lets everything else pass. The shells disagree about when a brace is a
//! word of its own; a script is complete when one of the two readings is.

mod command;
mod expansion;
mod heredoc;

use heredoc::HereDocument;

/// Returns true when nothing in the script is left open.
pub fn is_complete(text: &[u8]) -> bool {
    [Dialect::Bash, Dialect::Zsh]
        .into_iter()
        .any(|dialect| Script::new(text, dialect).read().is_some())
}

/// Whose rules for braces and for single quotes inside `"${…}"` hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Bash,
    Zsh,
}

/// What is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opener {
    /// The script itself.
    Script,
    /// `( … )`, `$( … )` and `<( … )`, with commands inside.
    Subshell,
    /// `{ … }`.
    Brace,
    /// `if … fi`.
    If,
    /// zsh's `if [[ … ]] { … } else { … }`, which has no `fi`.
    BracedIf,
    /// `do … done`.
    Do,
    /// `case … esac`.
    Case(CasePart),
    /// `[[ … ]]`.
    Test,
    /// The `( … )` of an array: words and comments.
    List,
    /// The `( … )` of a pattern or of arithmetic: text.
    Group,
    /// `" … "`.
    DoubleQuote,
    /// `${ … }`; within double quotes, `'` is mostly a plain character.
    Parameter { within_quotes: bool, single_quotes: bool },
}

/// How far a `case` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CasePart {
    /// Before the word that is compared.
    Subject,
    /// Before `in`.
    In,
    /// Before a pattern, or `esac`.
    Between,
    /// Behind a `( … )` that may be the whole pattern, or its first part only.
    Leading,
    /// Within a pattern.
    Pattern,
    /// Within the commands of a pattern.
    Body,
}

/// What the next word of a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A command, or a reserved word.
    Command,
    /// The same, right behind a test: the place where zsh lets `{` stand for `then`.
    Tested,
    /// An argument.
    Argument,
    /// A part of what follows `for`, up to `in`.
    For,
    /// A name of a function.
    Function,
    /// The count of zsh's `repeat`.
    Count,
}

/// Something open, and how far its own words are.
#[derive(Debug)]
struct Frame {
    opener: Opener,
    place: Place,
    in_word: bool,
    /// True between a redirection and its target.
    redirects: bool,
    /// Braces open within the word.
    braces: usize,
}

/// A script while it is read. A step that returns none has found what cannot be complete.
struct Script<'a> {
    text: &'a [u8],
    at: usize,
    dialect: Dialect,
    outermost: Frame,
    open: Vec<Frame>,
    here_documents: Vec<HereDocument>,
}

impl<'a> Script<'a> {
    fn new(text: &'a [u8], dialect: Dialect) -> Self {
        let outermost = Frame::new(Opener::Script);
        Self { text, at: 0, dialect, outermost, open: Vec::new(), here_documents: Vec::new() }
    }

    fn read(mut self) -> Option<()> {
        while let Some(byte) = self.peek(0) {
            match self.top().opener {
                Opener::DoubleQuote => self.read_double_quote(byte)?,
                Opener::Parameter { within_quotes, single_quotes } => {
                    self.read_parameter(byte, within_quotes, single_quotes)?;
                }
                Opener::Group => self.read_group(byte)?,
                Opener::List | Opener::Test => self.read_list(byte)?,
                Opener::Case(part) if part != CasePart::Body => self.read_case(byte, part)?,
                _ => self.read_command(byte)?,
            }
        }
        (self.open.is_empty() && self.here_documents.is_empty()).then_some(())
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn top(&mut self) -> &mut Frame {
        self.open.last_mut().unwrap_or(&mut self.outermost)
    }

    /// Steps over `length` bytes and opens a frame behind them.
    fn open(&mut self, length: usize, opener: Opener) {
        self.at += length;
        self.open.push(Frame::new(opener));
    }

    /// Steps over `length` bytes and closes the frame, which must be of this kind.
    fn close(&mut self, length: usize, opener: Opener) -> Option<()> {
        self.at += length;
        (self.open.pop()?.opener == opener).then_some(())
    }

    /// Returns the word that starts here, when no part of it is quoted or expanded.
    fn plain_word(&self) -> Option<&'a [u8]> {
        let rest = self.rest();
        let end = rest.iter().position(|byte| ends_plain(*byte)).unwrap_or(rest.len());
        let word = rest.get(..end)?;
        let whole = rest.get(end).is_none_or(|byte| is_delimiter(*byte));
        (whole && !word.is_empty()).then_some(word)
    }

    /// Steps over white space, comments and escaped line ends; returns false where there is none.
    fn skip_blank(&mut self, byte: u8) -> Option<bool> {
        match byte {
            b'\n' => {
                self.at += 1;
                self.skip_here_documents()?;
                self.top().in_word = false;
            }
            b' ' | b'\t' => {
                self.at += 1;
                self.top().in_word = false;
            }
            b'#' if !self.top().in_word => {
                let rest = self.rest();
                self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            }
            b'\\' if self.peek(1) == Some(b'\n') => self.at += 2,
            _ => return Some(false),
        }
        Some(true)
    }
}

impl Frame {
    fn new(opener: Opener) -> Self {
        Self { opener, place: Place::Command, in_word: false, redirects: false, braces: 0 }
    }
}

/// Returns true for a byte that ends a word.
fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')')
}

fn ends_plain(byte: u8) -> bool {
    is_delimiter(byte) || matches!(byte, b'\'' | b'"' | b'`' | b'$' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: bool, scripts: &[&str]) {
        for script in scripts {
            assert_eq!(is_complete(script.as_bytes()), expected, "{script}");
        }
    }

    #[test]
    fn quotes_and_expansions_close() {
        check(
            true,
            &[
                r#"a='it' b="x $(echo "y ${z:-"}"}") '" c=$'\'' d=`echo '"'`"#,
                r#"echo it\'s a#b $# ${#x} ${x#\#} "${x:-it's}" "${y//'"'/}" # don't"#,
                "echo $((1 << 2)) $(( (a) )) \"$(( 16#ff ))\"\n",
                "x=(a 'b' # it's\n c) y=*(N.) ${(s:':)z} ${z//$'\\n'/}",
            ],
        );
        check(
            false,
            &[
                "a='",
                "a=\"$(b\"",
                "a=\"b",
                "a=$'\\'",
                "a=`b",
                "${a:-b",
                "$(a",
                "x=(a",
                "a)",
                "$((1)",
            ],
        );
    }

    #[test]
    fn here_documents_end() {
        check(
            true,
            &[
                "cat <<EOF\nit's (\nEOF\n",
                "cat <<-'E F' >x\n\t`\n\tE F",
                "a <<A <<\\B\nx\nA\n'\nB\necho $(cat <<C\n)\nC\n)",
                "cat <<<'x'\n(( a << 2 ))",
            ],
        );
        check(false, &["cat <<EOF\nx\n", "cat <<EOF\n EOF\n", "cat <<A <<B\nA\n"]);
    }

    #[test]
    fn compound_commands_balance() {
        check(
            true,
            &[
                "if a; then { b; } fi; echo if then do { }\n",
                "for x do\n y; done; for ((i=0;i<3;i++)); do z; done <f\n",
                "case $x in (a|b) c;; *'d')e;; f) esac; case x in\n# it's\nesac",
                "f() { case a in b) if c; then d; fi ;; esac; }\nfunction g { h; }",
                "[[ $x =~ ^(a|b)$ && ( a < b ) ]] && ((x > 2)) || (cd a; b)",
                "while read x; do :; done < <(a | b) >&2",
            ],
        );
        check(
            false,
            &[
                "if a; then b",
                "a\nfi",
                "if a; then b; }",
                "while a; do b",
                "a; done",
                "f() {\n a",
                "a\n}\n",
                "case a in b) c;;",
                "a;; b",
                "[[ -n a",
                "(a; b",
                "{ (a }; )",
                "if a; then for b; do c; fi; done",
            ],
        );
    }

    #[test]
    fn short_forms_of_zsh_are_known() {
        check(
            true,
            &[
                "f() { print a }; g() {b}; () { c } d\n",
                "for x (a b) { print $x }\nfor x (*(N)) source $x\nrepeat 3 { a }",
                "if [[ a ]] { b } elif ((c)) { d } else { e }\nf",
                "case x in (a|b)*) c;; (#i)d) e;| f) g;; (0) ((h));; ((i)j) k;; esac",
                "{ a } always { b }\nf() { a=${b:-%F{red}} \"${c:-{}\" }",
                "print \"${x//'/}\" \"${(j:':)y}\"",
            ],
        );
        check(false, &["f() { print a ", "if [[ a ]] { b", "if [[ a ]] { b } else { c"]);
    }
}
