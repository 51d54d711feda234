//! How people are talked to. Only this folder prints.

pub mod diff;
mod pager;
pub mod progress;
pub mod report;
mod wrap;

use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::AsFd;

use cfgsync_core::inert::{self, is_hostile};
use serde::Serialize;

pub use self::wrap::wrapped;
use crate::failure::Failure;
use crate::interrupt;

/// When colour is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loudness {
    /// Errors only.
    Quiet,
    /// What happened.
    Normal,
    /// And why.
    Verbose,
    /// And which programs were asked.
    Debug,
}

/// Fits a text to the terminal that it goes to; as it is where that is none.
fn fitted(stream: &(impl IsTerminal + AsFd), text: &str) -> String {
    screen(stream).map_or_else(|| text.to_owned(), |(width, _)| wrap::fit(text, width))
}

/// Returns width and height of the terminal behind a stream; none where it is none, or does not say.
fn screen(stream: &(impl IsTerminal + AsFd)) -> Option<(usize, usize)> {
    let size = terminal_size::terminal_size_of(stream).filter(|_| stream.is_terminal());
    size.map(|(width, height)| (width.0.into(), height.0.into())).filter(|it| it.1 > 0)
}

/// Whether a person can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// At the terminal.
    Asked,
    /// Every question is answered with yes.
    Yes,
    /// Nobody is there; questions get their safe answer.
    None,
}

/// How people are talked to.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    color: bool,
    /// How much is said.
    pub loudness: Loudness,
    /// Whether a person can be asked.
    pub answers: Answers,
}

/// The colours that carry meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// In sync, done.
    Good,
    /// Waits, or flows out.
    Notice,
    /// Flows in.
    Incoming,
    /// Wrong, or held.
    Bad,
    /// Less important.
    Dim,
    /// A heading.
    Strong,
}

impl Ui {
    /// Decides from what was asked for and what the terminal is.
    pub fn new(color: Color, loudness: Loudness, answers: Option<Answers>) -> Self {
        let wanted =
            |name: &str| crate::context::variable(name).is_some_and(|value| !value.is_empty());
        let forced = crate::context::variable("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if wanted("NO_COLOR") => false,
            Color::Auto if forced && wanted("CLICOLOR_FORCE") => true,
            Color::Auto => io::stdout().is_terminal(),
        };
        let is_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
        let present = if is_terminal { Answers::Asked } else { Answers::None };
        Self { color, loudness, answers: answers.unwrap_or(present) }
    }

    /// Returns the same where nobody is asked, and every question gets its safe answer.
    pub fn unasked(self) -> Self {
        Self { answers: Answers::None, ..self }
    }

    /// Returns the same where only failures are told.
    pub fn silent(self) -> Self {
        Self { loudness: Loudness::Quiet, ..self }
    }

    /// Paints a word.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Notice => "33",
            Tone::Incoming => "36",
            Tone::Bad => "31",
            Tone::Dim => "2",
            Tone::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Prints the answer.
    pub fn answer(&self, text: &str) {
        self.raw(&self.harmless(text));
    }

    /// Prints what a program takes, byte for byte.
    #[expect(clippy::unused_self, reason = "whoever prints has to hold the Ui")]
    pub fn raw(&self, text: &str) {
        // A reader that went away wants no more.
        let _ = write!(io::stdout().lock(), "{text}");
    }

    /// Escapes what steers a terminal or is not seen, but for line ends, tabs and our own colours:
    /// whatever a name, a remote or an error holds, nothing of it goes through here.
    fn harmless(&self, text: &str) -> String {
        let mut harmless = String::with_capacity(text.len());
        for (at, c) in text.char_indices() {
            let is_ours = match c {
                '\n' | '\t' => true,
                '\x1b' => self.color && is_color(&text[at..]),
                c => !is_hostile(c),
            };
            if is_ours {
                harmless.push(c);
            } else {
                harmless.extend(c.escape_default());
            }
        }
        harmless
    }

    /// Breaks the lines of an answer that a terminal would break in mid-word.
    #[expect(clippy::unused_self, reason = "whoever prints has to hold the Ui")]
    pub fn fitted(&self, text: &str) -> String {
        fitted(&io::stdout(), text)
    }

    /// Prints an answer, through the user's pager where it is longer than the terminal: some pagers want
    /// a key for the shortest text (`more`; `less` with the options that oh-my-zsh gives it).
    pub fn page(&self, text: &str) {
        let text = self.harmless(text);
        let fits =
            screen(&io::stdout()).is_none_or(|(width, height)| wrap::rows(&text, width) < height);
        if fits || pager::show(&text).is_none() {
            self.raw(&text);
        }
    }

    /// Says what happened.
    pub fn say(&self, text: &str) {
        if self.loudness > Loudness::Quiet {
            let text = fitted(&io::stderr(), &self.harmless(text));
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// Says what a person at a terminal waits for.
    pub fn say_at_terminal(&self, text: &str) {
        if io::stderr().is_terminal() {
            self.say(text);
        }
    }

    /// Says why a command failed, and what to do next.
    pub fn failure(&self, failure: &Failure) {
        let mut text = format!("{} {}\n", self.paint(Tone::Bad, "cfgsync:"), failure.cause);
        for hint in &failure.hints {
            text.push_str(&format!("  {hint}\n"));
        }
        let text = fitted(&io::stderr(), &self.harmless(&text));
        let _ = write!(io::stderr().lock(), "{text}");
    }

    /// Asks for one of some letters; the first is the answer of those who only press Enter.
    pub fn choose(&self, question: &str, letters: &str) -> Option<char> {
        self.ask(question, letters, letters.chars().next())
    }

    /// Asks for one of some letters, of which one is `usual`.
    fn ask(&self, question: &str, letters: &str, usual: Option<char>) -> Option<char> {
        match self.answers {
            Answers::Yes => usual,
            Answers::None => None,
            Answers::Asked => loop {
                let shown: Vec<String> = letters
                    .chars()
                    .map(|letter| {
                        let letter = letter.to_string();
                        if letter.chars().next() == usual { letter.to_uppercase() } else { letter }
                    })
                    .collect();
                let question = format!("{} [{}]", self.harmless(question), shown.join("/"));
                let _ = write!(io::stderr().lock(), "{} ", fitted(&io::stderr(), &question));
                let mut line = String::new();
                let read = interrupt::asking(|| io::stdin().lock().read_line(&mut line));
                if read.unwrap_or(0) == 0 {
                    return None;
                }
                match line.trim().chars().next() {
                    None => return usual,
                    Some(letter) if letters.contains(letter) => return Some(letter),
                    Some(_) => {}
                }
            },
        }
    }

    /// Asks for a word; none where nobody answers.
    pub fn line(&self, question: &str) -> Option<String> {
        if self.answers != Answers::Asked {
            return None;
        }
        let _ = write!(io::stderr().lock(), "{} ", self.harmless(question));
        let mut line = String::new();
        interrupt::asking(|| io::stdin().lock().read_line(&mut line)).ok()?;
        Some(line.trim().to_owned()).filter(|line| !line.is_empty())
    }

    /// Asks yes or no; `otherwise` is the answer of those who only press Enter, and of nobody.
    pub fn confirm(&self, question: &str, otherwise: Confirmed) -> Confirmed {
        if self.answers == Answers::Yes {
            return Confirmed::Yes;
        }
        let usual = if otherwise == Confirmed::Yes { 'y' } else { 'n' };
        match self.ask(question, "yn", Some(usual)) {
            Some('y') => Confirmed::Yes,
            Some(_) => Confirmed::No,
            None if self.answers == Answers::None => otherwise,
            None => Confirmed::No,
        }
    }
}

/// Returns an object or list of JSON as an answer.
pub fn document(value: &(impl Serialize + ?Sized)) -> String {
    inert::json(&serde_json::to_string_pretty(value).unwrap_or_default()) + "\n"
}

/// Returns true for text that begins with a colour of ours.
fn is_color(text: &str) -> bool {
    let end = text.strip_prefix("\x1b[").and_then(|rest| rest.split_once('m'));
    end.is_some_and(|(code, _)| code.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What a person answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// Yes.
    Yes,
    /// No.
    No,
}
