//! The command line: what can be typed, and which command it means.

pub mod agent;
pub mod attach;
pub mod backup;
pub mod completions;
pub mod config;
pub mod diff;
pub mod doctor;
pub mod explain;
pub mod flags;
pub mod force;
pub mod help;
pub mod history;
pub mod list;
pub mod log;
pub mod mark;
pub mod pause;
pub mod resolve;
pub mod restore;
pub mod secrets;
pub mod setup;
pub mod status;
pub mod sync;
pub mod undo;
pub mod unmark;
pub mod weight;

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use clap::{ArgAction, Args, FromArgMatches, Parser, Subcommand};

use crate::context::Context;
use crate::failure::{Code, Failure, Outcome};
use crate::ui::{Answers, Color, Loudness, Ui};

/// Keep your config files the same on all of your machines
///
/// Files of the configs repository, and files anywhere in your home that you mark, travel through
/// one private Git remote. Nothing is ever lost: before a file changes, what it held is kept.
#[derive(Debug, Parser)]
#[command(name = "cfgsync", version, disable_help_flag = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// The configs repository [default: your config, then the machine's usual place]
    #[arg(long, global = true, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Say why; twice, also which git calls were made
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,
    /// Answer every question with yes
    #[arg(long, global = true, conflicts_with = "no_input")]
    yes: bool,
    /// Ask nothing; questions get their safe answer
    #[arg(long, global = true)]
    no_input: bool,
    /// Print help
    #[arg(short, long, global = true, action = ArgAction::HelpShort)]
    help: Option<bool>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Setup(setup::SetupArgs),
    Sync(sync::SyncArgs),
    Status(status::StatusArgs),
    Diff(diff::DiffArgs),
    Mark(mark::MarkArgs),
    Unmark(unmark::UnmarkArgs),
    List(list::ListArgs),
    Explain(explain::ExplainArgs),
    Resolve(resolve::ResolveArgs),
    History(history::HistoryArgs),
    Log(log::LogArgs),
    Undo(undo::UndoArgs),
    Backup(backup::BackupArgs),
    Restore(restore::RestoreArgs),
    Pause(pause::PauseArgs),
    Resume(pause::ResumeArgs),
    #[command(name = "service")]
    Agent(agent::AgentArgs),
    Config(config::ConfigArgs),
    Doctor(doctor::DoctorArgs),
    Secrets(secrets::SecretsArgs),
    Completions(completions::CompletionsArgs),
    Help(help::HelpArgs),
}

impl Cli {
    /// Reads what was typed. Where it cannot be understood, or asks for help, the process ends here.
    pub fn typed(arguments: Vec<OsString>) -> Self {
        let matches = help::command_on_screen().get_matches_from(arguments);
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Returns how people are talked to.
    pub fn ui(&self) -> Ui {
        let loudness = match (self.global.quiet, self.global.verbose) {
            (true, _) => Loudness::Quiet,
            (false, 2..) => Loudness::Debug,
            (false, 1) => Loudness::Verbose,
            (false, 0) => Loudness::Normal,
        };
        let answers = match (self.global.yes, self.global.no_input) {
            (true, _) => Some(Answers::Yes),
            (false, true) => Some(Answers::None),
            (false, false) => None,
        };
        Ui::new(self.global.color, loudness, answers)
    }

    /// Runs the command.
    pub fn run(self, ui: Ui) -> Outcome<()> {
        let dir = self.global.dir.as_deref();
        let open = || Context::open(dir, ui);
        match self.command {
            None => sync::run(&open()?, &sync::SyncArgs::default()),
            Some(Command::Sync(args)) => sync::run(&open()?, &args),
            Some(Command::Setup(args)) => setup::run(dir, ui, &args),
            Some(Command::Status(args)) => status::run(&open()?, &args),
            Some(Command::Diff(args)) => diff::run(&open()?, &args),
            Some(Command::Mark(args)) => mark::run(&open()?, &args),
            Some(Command::Unmark(args)) => unmark::run(&open()?, &args),
            Some(Command::Explain(args)) => explain::run(&open()?, &args),
            Some(Command::List(args)) => list::run(&open()?, &args),
            Some(Command::Resolve(args)) => resolve::run(&open()?, &args),
            Some(Command::History(args)) => history::run(&open()?, &args),
            Some(Command::Log(args)) => log::run(&open()?, &args),
            Some(Command::Undo(args)) => undo::run(&open()?, &args),
            Some(Command::Backup(args)) => backup::run(&open()?, &args),
            Some(Command::Restore(args)) => restore::run(&open()?, &args),
            Some(Command::Pause(args)) => pause::pause(&open()?, &args),
            Some(Command::Resume(args)) => pause::resume(&open()?, &args),
            Some(Command::Agent(args)) => agent::run(&open()?, &args),
            Some(Command::Config(args)) => config::run(dir, ui, &args),
            Some(Command::Doctor(args)) => doctor::run(dir, ui, &args),
            Some(Command::Secrets(args)) => secrets::run(&open()?, &args),
            Some(Command::Help(args)) => help::run(ui, &args),
            Some(Command::Completions(args)) => {
                completions::run(ui, &args);
                Ok(())
            }
        }
    }
}

/// Returns a path below `$HOME` as a person types it.
pub fn home_path(context: &Context, path: &Path) -> Outcome<cfgsync_core::path::HomePath> {
    use std::os::unix::ffi::OsStrExt;
    let home = &context.places.home;
    let absolute = crate::context::absolute(path);
    let real = absolute.parent().and_then(|parent| std::fs::canonicalize(parent).ok());
    let real = real.zip(absolute.file_name()).map(|(parent, name)| parent.join(name));
    // `..` means what the disk says, not what the text says.
    let climbs = absolute.components().any(|part| part == Component::ParentDir);
    let absolute = if climbs { real.clone().unwrap_or(absolute) } else { absolute };
    let typed_home = crate::context::variable("HOME").map(PathBuf::from);
    let below = [Some(home), typed_home.as_ref()]
        .into_iter()
        .flatten()
        .find_map(|home| absolute.strip_prefix(home).ok().map(Path::to_path_buf))
        .or_else(|| real.and_then(|real| real.strip_prefix(home).ok().map(Path::to_path_buf)));
    let Some(below) = below else {
        return Err(Failure::new(
            Code::Refused,
            format!("{} is outside your home", path.display()),
        )
        .hint("Only files below your home can be marked; put others into the repository itself."));
    };
    if below.as_os_str().is_empty() {
        return Err(Failure::new(Code::Refused, format!("{} is your home itself", path.display()))
            .hint("Mark the files and folders inside it that you want to share."));
    }
    cfgsync_core::path::HomePath::new(below.as_os_str().as_bytes()).map_err(|cause| {
        Failure::new(Code::Refused, format!("{} cannot be marked: {cause}", path.display()))
            .hint("Mark a file or folder below your home, by its plain path.")
    })
}

/// Returns the unit a person means: a file of the repository, or a marked one of the home.
pub fn unit_path(context: &Context, path: &Path) -> Outcome<cfgsync_core::path::RepoPath> {
    use std::os::unix::ffi::OsStrExt;
    let full = crate::context::absolute(path);
    if let Ok(below) = full.strip_prefix(&context.places.repo) {
        return cfgsync_core::path::RepoPath::new(below.as_os_str().as_bytes()).map_err(|cause| {
            Failure::new(
                Code::Usage,
                format!("{} is no file of the repository: {cause}", path.display()),
            )
        });
    }
    Ok(home_path(context, path)?.stored())
}
