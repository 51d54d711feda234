//! `cfgsync completions`, and what a shell asks when somebody presses Tab.
//!
//! A script of the shell calls the program with `COMPLETE=SHELL` and the words before the cursor, and
//! gets one candidate a line. Nothing here locks, writes, asks the network or says a word.

mod quote;
mod sources;
mod typed;

use std::ffi::OsString;

use clap::{CommandFactory, ValueEnum};
use clap_complete::CompletionCandidate;
use clap_complete::engine::complete;

use self::sources::{Kind, with_sources};
use self::typed::Typed;
use super::{Cli, flags};
use crate::context::variable;
use crate::ui::Ui;

/// Print the completions of a shell
///
///   zsh    cfgsync completions zsh >FOLDER/_cfgsync, a folder of $fpath
///   bash   eval "$(cfgsync completions bash)", in ~/.bashrc
///   fish   cfgsync completions fish >~/.config/fish/completions/cfgsync.fish
///
/// `make install` has put them in place already.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shell {
    Zsh,
    Bash,
    Fish,
}

impl Shell {
    fn script(self) -> &'static str {
        match self {
            Self::Zsh => include_str!("../../../../zsh/_cfgsync"),
            Self::Bash => include_str!("../../../../completions/cfgsync.bash"),
            Self::Fish => include_str!("../../../../completions/cfgsync.fish"),
        }
    }
}

/// Runs it.
pub fn run(ui: Ui, args: &CompletionsArgs) {
    ui.raw(args.shell.script());
}

/// Returns the answer to a shell that asks for completions; none for a command of a person. The
/// variable alone takes nothing from anybody: a command in the same line is run as ever.
pub fn asked(arguments: &[OsString]) -> Option<String> {
    let shell = Shell::from_str(&variable("COMPLETE")?, false).ok()?;
    let typed = match arguments {
        [_] => return Some(shell.script().to_owned()),
        [_, mark, typed @ ..] if mark == "--" => typed,
        _ => return None,
    };
    let typed: Vec<String> = typed.iter().map(|it| it.to_string_lossy().into_owned()).collect();
    Some(match shell {
        Shell::Bash => {
            let (line, word) = (typed.first()?, typed.get(1)?);
            let typed = Typed::of_line(line);
            for_bash(&typed, word, &candidates(&typed))
        }
        Shell::Zsh | Shell::Fish => {
            let typed = Typed::of_words(&typed);
            candidates(&typed).iter().map(described).collect()
        }
    })
}

/// Returns what may stand where the cursor is. What goes wrong on the way leaves nothing to offer.
fn candidates(typed: &Typed) -> Vec<CompletionCandidate> {
    let before: Vec<OsString> = typed.before.iter().map(OsString::from).collect();
    let mut words = flags::modern(before.clone());
    let at = words.len();
    words.push(typed.current.clone().into());
    let mut command = with_sources(Cli::command(), typed);
    let mut found = complete(&mut command, words, at, None).unwrap_or_default();
    if typed.current.is_empty() {
        // Options are for those who type a dash, unless there is nothing else.
        let is_option =
            |it: &CompletionCandidate| it.get_value().to_string_lossy().starts_with('-');
        if !found.iter().all(is_option) {
            found.retain(|it| !is_option(it));
        }
    }
    found.retain(|it| Kind::of(it) != Kind::Nothing);
    if typed.current.starts_with("--") && flags::may_follow(&before) {
        let is_new = |name: &&(&str, String)| !found.iter().any(|it| it.get_value() == name.0);
        let old: Vec<_> = flags::old().filter(|it| is_new(&it)).collect();
        let begins = old.into_iter().filter(|(name, _)| name.starts_with(&typed.current));
        found.extend(begins.map(|(name, means)| {
            CompletionCandidate::new(name).help(Some(format!("the same as `{means}`").into()))
        }));
    }
    found
}

/// One candidate a line: its kind, itself, and what it is.
fn described(candidate: &CompletionCandidate) -> String {
    let value = candidate.get_value().to_string_lossy();
    let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
    let help = help.lines().next().unwrap_or_default();
    format!("{}\t{value}\t{help}\n", Kind::of(candidate).word())
}

/// One candidate a line: its kind, and what the line editor puts in place of `word`, which is what it
/// takes for the word before the cursor.
fn for_bash(typed: &Typed, word: &str, candidates: &[CompletionCandidate]) -> String {
    let mut lines = String::new();
    for candidate in candidates {
        let kind = Kind::of(candidate);
        let value = candidate.get_value().to_string_lossy();
        if matches!(kind, Kind::Files | Kind::Folders) {
            lines.push_str(&format!("{}\t\n", kind.word()));
        } else if value.starts_with(&typed.current)
            && let Some(text) = quote::for_bash(&value, &typed.raw, word)
        {
            lines.push_str(&format!("{}\t{text}\n", kind.word()));
        }
    }
    lines
}
