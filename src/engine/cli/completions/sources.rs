//! Where the values of arguments come from.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cfgsync_core::inert::shown;
use cfgsync_core::path::RepoPath;
use cfgsync_core::setting::KEYS;
use clap::CommandFactory;
use clap_complete::{ArgValueCompleter, CompletionCandidate};

use super::super::help::topics;
use super::typed::{Typed, expanded};
use crate::backups::Backups;
use crate::cli::Cli;
use crate::context::{Context, variable};
use crate::failure::Outcome;
use crate::fs::dir::os;
use crate::moments::{self, Moment};
use crate::session::{Mode, Session};
use crate::ui::{Answers, Color, Loudness, Ui, report};
use crate::{marks, record};

/// States and operations that are offered, the newest ones.
const MOST: usize = 30;

/// States whose files are offered to be brought back, unless one is named.
const LOOKED_AT: usize = 3;

/// Paths that are offered in full.
const MANY: usize = 100;

/// What a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A word.
    Word,
    /// A path.
    Path,
    /// None itself: the shell is to offer files.
    Files,
    /// None itself: the shell is to offer folders.
    Folders,
    /// None itself: there is nothing to offer here, and options are no substitute.
    Nothing,
}

impl Kind {
    /// Returns what scripts of shells call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Word => "word",
            Self::Path => "path",
            Self::Files => "files",
            Self::Folders => "folders",
            Self::Nothing => "nothing",
        }
    }

    /// Returns the kind of a candidate.
    pub fn of(candidate: &CompletionCandidate) -> Self {
        let tag = candidate.get_tag().map(ToString::to_string).unwrap_or_default();
        let kinds = [Self::Path, Self::Files, Self::Folders, Self::Nothing];
        kinds.into_iter().find(|kind| kind.word() == tag).unwrap_or(Self::Word)
    }

    fn candidate(self, value: &str) -> CompletionCandidate {
        CompletionCandidate::new(value).tag(Some(self.word().into()))
    }
}

/// Where the values of one argument come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Files,
    Folders,
    Marked,
    Held,
    Known,
    Kept,
    Moments,
    Operations,
    Backups,
    Keys,
    Topics,
}

/// The commands, their arguments, and where values come from.
const SOURCES: [(&str, &str, Source); 18] = [
    ("mark", "paths", Source::Files),
    ("unmark", "paths", Source::Marked),
    ("resolve", "paths", Source::Held),
    ("resolve", "merge", Source::Files),
    ("diff", "paths", Source::Known),
    ("explain", "path", Source::Files),
    ("restore", "date", Source::Moments),
    ("restore", "paths", Source::Kept),
    ("restore", "to", Source::Folders),
    ("undo", "id", Source::Operations),
    ("backup", "verify", Source::Backups),
    ("config get", "key", Source::Keys),
    ("config set", "key", Source::Keys),
    ("config unset", "key", Source::Keys),
    ("help", "words", Source::Topics),
    ("help", "man", Source::Folders),
    ("secrets allow", "paths", Source::Files),
    ("secrets scan", "paths", Source::Files),
];

/// Adds to the command line where its values come from.
pub fn with_sources(mut command: clap::Command, typed: &Typed) -> clap::Command {
    let typed = Arc::new(typed.clone());
    let completer = |source: Source| {
        let typed = Arc::clone(&typed);
        ArgValueCompleter::new(move |current: &OsStr| {
            source.candidates(&typed, &current.to_string_lossy())
        })
    };
    for (name, argument, source) in SOURCES {
        let with_source =
            |it: clap::Command| it.mut_arg(argument, |arg| arg.add(completer(source)));
        command = match name.split_once(' ') {
            Some((outer, inner)) => {
                command.mut_subcommand(outer, |it| it.mut_subcommand(inner, with_source))
            }
            None => command.mut_subcommand(name, with_source),
        };
    }
    command.mut_arg("dir", |arg| arg.add(completer(Source::Folders)))
}

impl Source {
    /// Returns the values. What goes wrong leaves none.
    fn candidates(self, typed: &Typed, current: &str) -> Vec<CompletionCandidate> {
        match self {
            Self::Files => vec![Kind::Files.candidate("")],
            Self::Folders => vec![Kind::Folders.candidate("")],
            Self::Topics => {
                let command = Cli::command();
                let about = |it: &clap::Command| it.get_about().map(ToString::to_string);
                let commands = command.get_subcommands();
                let commands =
                    commands.map(|it| word(it.get_name(), &about(it).unwrap_or_default()));
                commands.chain(topics().map(|name| word(name, "a topic"))).collect()
            }
            Self::Keys => KEYS.iter().map(|key| word(key.name, key.meaning)).collect(),
            _ => match self.looked_up(typed, current) {
                Ok(found) if !found.is_empty() => found,
                _ => vec![Kind::Nothing.candidate("")],
            },
        }
    }

    fn looked_up(self, typed: &Typed, current: &str) -> Outcome<Vec<CompletionCandidate>> {
        let ui = Ui::new(Color::Never, Loudness::Quiet, Some(Answers::None));
        let context = Context::open(typed.dir().as_deref(), ui)?;
        if self == Self::Backups {
            return Ok(backups(&Backups::list(&context.places)?));
        }
        let session = Session::open(&context, Mode::Rehearsal)?;
        let units: BTreeSet<RepoPath> = match self {
            Self::Moments if !typed.is_behind_dashes() => {
                return Ok(moments(&moments::all(&session)?.0));
            }
            Self::Operations => return operations(&session),
            Self::Marked => marked(&session)?,
            Self::Held => session.vault.held()?.into_iter().collect(),
            Self::Known => known(&session)?.chain(marked(&session)?).collect(),
            _ => known(&session)?.chain(kept(&session, typed)?).collect(),
        };
        let places = &context.places;
        let full = |unit: RepoPath| match unit.home() {
            Some(home) => places.home.join(os(home.as_bytes())),
            None => places.repo.join(os(unit.as_bytes())),
        };
        Ok(paths(units.into_iter().map(full), &places.home, current))
    }
}

fn marked(session: &Session<'_>) -> Outcome<BTreeSet<RepoPath>> {
    let manifest = marks::manifest_on_disk(session)?;
    Ok(manifest.marks.keys().map(cfgsync_core::path::HomePath::stored).collect())
}

/// Returns what the repository holds.
fn known(session: &Session<'_>) -> Outcome<impl Iterator<Item = RepoPath>> {
    Ok(session.worktree.staged()?.into_keys().filter(|path| !path.is_meta()))
}

/// Returns what the state that is named on the line holds, or the newest ones: what is gone by now
/// is wanted most.
fn kept(session: &Session<'_>, typed: &Typed) -> Outcome<BTreeSet<RepoPath>> {
    let (moments, _) = moments::all(session)?;
    let named = moments.iter().find(|moment| typed.before.contains(&moment.id));
    let looked_at = if named.is_some() { 1 } else { LOOKED_AT };
    let mut units = marked(session)?;
    for moment in named.into_iter().chain(&moments).take(looked_at) {
        // One that cannot be read takes nothing from the others.
        units.extend(moment.state(session).into_iter().flat_map(|state| state.units.into_keys()));
    }
    units.retain(|path| !path.is_meta());
    Ok(units)
}

/// Returns states, the newest first, and the days they are of.
fn moments(moments: &[Moment]) -> Vec<CompletionCandidate> {
    let newest = &moments[..moments.len().min(MOST)];
    let states = newest.iter().map(|moment| {
        let when = report::moment(moment.at.seconds());
        word(&moment.id, &format!("{when}  {}", moment.reason))
    });
    let mut days: Vec<String> = newest.iter().map(|it| day(it.at.seconds())).collect();
    days.dedup();
    states.chain(days.iter().map(|day| word(day, "as it was at the end of that day"))).collect()
}

fn day(seconds: u64) -> String {
    report::moment(seconds).chars().take_while(|c| *c != ' ').collect()
}

fn backups(backups: &Backups) -> Vec<CompletionCandidate> {
    let newest = backups.sound.iter().rev().take(MOST);
    let word = |it: &crate::backups::Backup| {
        let when = report::moment(it.head.at.seconds());
        word(&it.head.number.to_string(), &format!("{when}  {}", it.head.reason))
    };
    newest.map(word).collect()
}

/// Returns the operations that are kept, the newest first.
fn operations(session: &Session<'_>) -> Outcome<Vec<CompletionCandidate>> {
    let history = record::read_history(&session.context.places)?;
    let numbers = session.vault.operations()?;
    let describe = |number: &u64| {
        let line = history.iter().rfind(|line| line.id == Some(*number));
        let what = line.map(|it| {
            let paths: Vec<&str> = it.paths.iter().take(2).map(String::as_str).collect();
            format!("{}  {}  {}", report::moment(it.at), it.command, paths.join(", "))
        });
        word(&number.to_string(), &what.unwrap_or_default())
    };
    Ok(numbers.iter().rev().take(MOST).map(describe).collect())
}

/// A word with what is said about it, which may come from anybody.
fn word(value: &str, help: &str) -> CompletionCandidate {
    CompletionCandidate::new(value).help(Some(shown(help.trim()).into()))
}

/// Returns paths as the person has begun to type them. Many are offered folder by folder.
fn paths(
    paths: impl Iterator<Item = PathBuf>,
    home: &Path,
    current: &str,
) -> Vec<CompletionCandidate> {
    let folder = if current.is_empty() || current == "~" {
        "~/"
    } else {
        current.rfind('/').map_or("", |at| &current[..=at])
    };
    let bases = bases(folder, home);
    let written = |path: PathBuf| {
        let below = bases.iter().find_map(|base| path.strip_prefix(base).ok());
        let below = below.map(Path::as_os_str);
        let (folder, below) = match below {
            Some(below) => (folder, below.as_bytes().to_vec()),
            // The repository need not be below the home.
            None if current.is_empty() => ("", path.as_os_str().as_bytes().to_vec()),
            None => return None,
        };
        let below = String::from_utf8(below).ok().filter(|it| is_plain(it) && !it.is_empty())?;
        // Without a folder before it, it would be an option or a person's home.
        let folder = if folder.is_empty() && below.starts_with(['-', '~']) { "./" } else { folder };
        Some((folder, below))
    };
    let all: Vec<(&str, String)> = paths.filter_map(written).collect();
    let is_short = all.len() <= MANY;
    let shown = |(folder, below): &(&str, String)| {
        let end =
            below.find('/').filter(|at| !is_short && *at > 0).map_or(below.len(), |at| at + 1);
        format!("{folder}{}", &below[..end])
    };
    let shown: BTreeSet<String> = all.iter().map(shown).collect();
    shown.iter().map(|path| Kind::Path.candidate(path)).collect()
}

/// Returns the paths of a folder that was typed: below the home as cfgsync knows it, and the real one.
fn bases(folder: &str, home: &Path) -> Vec<PathBuf> {
    let folder = expanded(if folder.is_empty() { "." } else { folder });
    let typed = variable("HOME").map(PathBuf::from);
    let below = typed.and_then(|typed| folder.strip_prefix(typed).ok().map(|it| home.join(it)));
    let folder = below.unwrap_or(folder);
    let real = std::fs::canonicalize(&folder).ok();
    std::iter::once(folder).chain(real).collect()
}

/// Returns true where a name is shown as it is: text, and no control character in it.
fn is_plain(name: &str) -> bool {
    shown(name) == name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arguments that nobody can be helped with.
    const FREE: [(&str, &str); 7] = [
        ("setup", "url"),
        ("setup", "branch"),
        ("pause", "duration"),
        ("history", "number"),
        ("log", "number"),
        ("backup", "keep"),
        ("set", "value"),
    ];

    #[test]
    fn every_argument_with_a_value_has_a_source_or_needs_none() {
        let mut command = with_sources(Cli::command(), &Typed::default());
        command.build();
        let outer = command.get_subcommands().filter(|it| it.get_name() != "help");
        for subcommand in outer.flat_map(|it| it.get_subcommands().chain([it])) {
            for argument in subcommand.get_arguments().filter(|it| !it.is_hide_set()) {
                let takes_value = argument.get_num_args().is_some_and(|it| it.takes_values());
                let is_known = argument.get::<ArgValueCompleter>().is_some()
                    || !argument.get_possible_values().is_empty();
                let at = (subcommand.get_name(), argument.get_id().as_str());
                assert!(!takes_value || is_known || FREE.contains(&at), "{at:?}");
            }
        }
    }
}
