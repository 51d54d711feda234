//! `cfgsync help`, and how every help text looks: groups, one screen, topics, man pages.

use std::path::{Path, PathBuf};

use cfgsync_core::near::nearest;
use clap::{Command, CommandFactory};

use super::Cli;
use crate::failure::{Code, Failure, Outcome};
use crate::fs::plain::{self, Durability};
use crate::ui::{Answers, Color, Loudness, Tone, Ui, wrapped};

/// Show the help of a command, or a page about a topic
#[derive(Debug, clap::Args)]
pub struct HelpArgs {
    /// A command, or a topic
    #[arg(value_name = "COMMAND|TOPIC")]
    words: Vec<String>,
    /// Write the man pages into a folder
    #[arg(long, value_name = "FOLDER", hide = true)]
    man: Option<PathBuf>,
}

/// The commands by what people want.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Every day", &["setup", "sync", "status", "diff", "resolve"]),
    ("What is shared", &["mark", "unmark", "list", "explain", "secrets"]),
    ("Back in time", &["history", "undo", "backup", "restore"]),
    ("In the background", &["log", "pause", "resume", "service"]),
    ("This program", &["config", "doctor", "completions", "help"]),
];

/// Pages that are no command's.
const TOPICS: [(&str, &str); 8] = [
    ("start", include_str!("topics/start.txt")),
    ("light", include_str!("topics/light.txt")),
    ("conflicts", include_str!("topics/conflicts.txt")),
    ("recovery", include_str!("topics/recovery.txt")),
    ("files", include_str!("topics/files.txt")),
    ("options", include_str!("topics/options.txt")),
    ("exit-codes", include_str!("topics/exit-codes.txt")),
    ("old-flags", include_str!("topics/old-flags.txt")),
];

/// What man pages say they come from.
const SOURCE: &str = concat!("cfgsync ", env!("CARGO_PKG_VERSION"));

/// Returns the names of the topics.
pub fn topics() -> impl Iterator<Item = &'static str> {
    TOPICS.iter().map(|(name, _)| *name)
}

/// Runs it.
pub fn run(ui: Ui, args: &HelpArgs) -> Outcome<()> {
    if let Some(folder) = &args.man {
        return man(folder);
    }
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    let page = TOPICS.iter().find(|(name, _)| words == [*name]);
    if let Some((_, page)) = page {
        let (title, rest) = page.split_once('\n').unwrap_or((page, ""));
        ui.page(&ui.fitted(&format!("{}\n{rest}", ui.paint(Tone::Strong, title))));
        return Ok(());
    }
    let mut command = command();
    command.build();
    let mut found = &mut command;
    for word in &words {
        found = match found.find_subcommand_mut(word) {
            Some(inner) => inner,
            None => return Err(unknown(&words)),
        };
    }
    ui.page(&ui.fitted(&text(found)));
    Ok(())
}

fn text(command: &mut Command) -> String {
    command.render_help().to_string()
}

fn unknown(words: &[&str]) -> Failure {
    let typed = words.join(" ");
    let commands = GROUPS.iter().flat_map(|(_, names)| names.iter().copied());
    let hint = match nearest(&typed, commands.chain(topics())) {
        Some(meant) => format!("Did you mean `cfgsync help {meant}`?"),
        None => format!("Topics: {}.", topics().collect::<Vec<_>>().join(", ")),
    };
    Failure::new(Code::Usage, format!("there is no help about `{typed}`")).hint(hint)
}

/// Returns the command line as people see it. What a shell completes, and what man pages say, is the
/// same without the changes that make a help text short.
pub fn command() -> Command {
    shaped(Cli::command(), str::to_owned)
}

/// Returns the same, its list of commands broken where the terminal would break it in mid-word.
pub fn command_on_screen() -> Command {
    let ui = Ui::new(Color::Never, Loudness::Normal, Some(Answers::None));
    shaped(Cli::command(), |listing| ui.fitted(listing))
}

fn shaped(command: Command, fitted: impl Fn(&str) -> String) -> Command {
    let listing = fitted(&listing(&command));
    let template = format!("{{about}}\n\n{{usage-heading}} {{usage}}\n\n{listing}");
    short(command).help_template(template)
}

/// Makes a help text of what is told at length, and leaves out what every command has.
fn short(command: Command) -> Command {
    let about = command.get_long_about().or(command.get_about()).cloned().unwrap_or_default();
    let names: Vec<String> =
        command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
    let command = command.mut_args(|arg| {
        if arg.is_global_set() { arg.hide_short_help(true).hide_long_help(true) } else { arg }
    });
    names.iter().fold(command.about(about).max_term_width(80), |command, name| {
        command.mut_subcommand(name, short)
    })
}

/// Returns the commands in their groups.
fn listing(command: &Command) -> String {
    let mut text = String::new();
    for (title, names) in &GROUPS {
        text.push_str(&format!("{title}\n"));
        for name in *names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("  {name:<12} {about}\n"));
        }
    }
    let topics = topics().collect::<Vec<_>>().join(", ");
    let about = format!("`cfgsync help COMMAND` has examples. Topics: {topics}.");
    text + &format!(
        "\n{}\n\
         -v says why, -vv names git calls, -q only errors; `cfgsync help options`.\n\
         `cfgsync` alone means `cfgsync sync`.\n",
        wrapped(&about, 78).join("\n")
    )
}

/// Writes a man page for the program, and one for each command.
fn man(folder: &Path) -> Outcome<()> {
    let mut command = Cli::command();
    command.build();
    let inner = command.get_subcommands().filter(|it| !it.is_hide_set()).cloned();
    let inner = inner.map(|it| {
        let name = format!("cfgsync-{}", it.get_name());
        it.display_name(name)
    });
    for command in std::iter::once(command.clone()).chain(inner.collect::<Vec<_>>()) {
        let name = command.get_display_name().unwrap_or("cfgsync").to_owned();
        let path = folder.join(format!("{name}.1"));
        let mut page = Vec::new();
        // It is written to memory, which takes everything.
        let _ = clap_mangen::Man::new(command).date("").source(SOURCE).render(&mut page);
        plain::publish_with_mode(&path, &page, Durability::Relaxed, 0o644)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines that the help of a command may have: the smallest terminal in use.
    const SCREEN: usize = 24;
    /// Lines of the list of all commands, and of a topic: a terminal of usual size.
    const LONG: usize = 40;

    fn check(command: &mut Command, path: &str) {
        let text = text(command);
        let lines = text.lines().count();
        let most = if path == "cfgsync" { LONG } else { SCREEN };
        assert!(lines <= most, "`{path} --help` has {lines} lines:\n{text}");
        let wide = text.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "`{path} --help`");
        let names: Vec<String> =
            command.get_subcommands().map(|it| it.get_name().to_owned()).collect();
        for name in names {
            let inner = command.find_subcommand_mut(&name).unwrap();
            check(inner, &format!("{path} {name}"));
        }
    }

    #[test]
    fn every_help_fits_on_a_screen() {
        let mut command = command();
        command.build();
        check(&mut command, "cfgsync");
        for (name, page) in TOPICS {
            assert!(page.lines().count() <= LONG, "{name}");
            assert!(page.lines().all(|line| line.chars().count() <= 80), "{name}");
        }
    }

    #[test]
    fn every_command_is_in_one_group() {
        let command = Cli::command();
        let grouped: Vec<&str> =
            GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        for name in command.get_subcommands().map(Command::get_name) {
            assert_eq!(grouped.iter().filter(|it| **it == name).count(), 1, "{name}");
        }
        assert_eq!(grouped.len(), command.get_subcommands().count());
        for inner in command.get_subcommands() {
            let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(about.chars().count() <= 64, "{}: {about}", inner.get_name());
        }
    }

    #[test]
    fn the_topic_of_the_old_flags_has_them_all() {
        let (_, page) = TOPICS.iter().find(|(name, _)| *name == "old-flags").unwrap();
        for (flag, meaning) in super::super::flags::old() {
            let is_there = page.lines().any(|line| line.contains(flag) && line.contains(&meaning));
            assert!(is_there, "{flag} means {meaning}");
        }
    }
}
