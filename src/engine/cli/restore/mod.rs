//! `cfgsync restore`.

mod export;
mod show;
mod when;

use std::collections::BTreeMap;
use std::path::PathBuf;

use cfgsync_core::path::RepoPath;
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::Version;
use serde::Serialize;

use super::unit_path;
use crate::backups::Backups;
use crate::consent;
use crate::context::Context;
use crate::failure::{Code, Failure, Outcome};
use crate::interrupt;
use crate::loosening::lets_go;
use crate::marks;
use crate::moments::{self, Moment};
use crate::picture::Picture;
use crate::restore::{Reach, check, is_shown, refuse_own, restore};
use crate::session::{Mode, Session};
use crate::ui::{Answers, Confirmed, Tone, report};

/// Bring back files as they were
///
/// From archives of `cfgsync backup`, and snapshots that every command takes
/// first. What is here now is kept, files that came since stay, `cfgsync undo`
/// takes it back. The next sync shares the result, as any edit.
///
///   cfgsync restore                           ask which state, and which files
///   cfgsync restore yesterday -- ~/.zshrc     one file, as it was last then
///   cfgsync restore --list -- ~/.zshrc        every version of a file
///   cfgsync restore 12 --to ~/old             into a folder of its own
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct RestoreArgs {
    /// A number of the list, a day or a time: see `cfgsync help recovery`
    #[arg(value_name = "DATE")]
    date: Option<String>,
    /// Only these files and folders, of the home or of the repository
    #[arg(value_name = "PATH", last = true)]
    paths: Vec<PathBuf>,
    /// Show what can be brought back
    #[arg(long, conflicts_with_all = ["here", "to", "dry_run"])]
    list: bool,
    /// With --list: all snapshots, not the newest twenty states
    #[arg(long, requires = "list")]
    all: bool,
    /// With --list: print JSON
    #[arg(long, requires = "list")]
    json: bool,
    /// Do not share the result: the files are held
    #[arg(long, conflicts_with = "to")]
    here: bool,
    /// Write them into this new folder, and nothing else
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
    /// Show what would happen, and change nothing
    #[arg(long, conflicts_with = "to")]
    dry_run: bool,
}

/// States that are listed, unless all are asked for.
const LISTED: usize = 20;

/// What the name of an archive ends with.
const ENDING: &str = ".tar.gz";

/// Digits by which a name may begin: a year at least.
const SHORTEST_PREFIX: usize = 4;

#[derive(Serialize)]
struct Document {
    schema: u32,
    moments: Vec<show::Row>,
}

/// The files of this machine, as Git stores them and as they lie on disk.
pub struct Now {
    stored: BTreeMap<RepoPath, Version>,
    on_disk: BTreeMap<RepoPath, Version>,
}

impl Now {
    fn of(picture: &Picture) -> Self {
        let mut stored = picture.seen.units.clone().into_inner();
        stored.retain(|path, _| is_shown(picture, path));
        let mut on_disk = stored.clone();
        for (path, at) in &picture.observation.local.filtered {
            on_disk.extend(at.live.or(at.stored).map(|version| (path.clone(), version)));
        }
        Self { stored, on_disk }
    }

    /// Returns true when a file is here as a state of this kind has it.
    fn has(&self, kind: &str, path: &RepoPath, version: Version) -> bool {
        let side = if kind == "backup" { &self.on_disk } else { &self.stored };
        side.get(path) == Some(&version)
    }
}

/// Runs it.
pub fn run(context: &Context, args: &RestoreArgs) -> Outcome<()> {
    let session = Session::open(context, Mode::Rehearsal)?;
    let meant: Vec<RepoPath> =
        args.paths.iter().map(|path| unit_path(context, path)).collect::<Outcome<_>>()?;
    let is_meant = |path: &RepoPath| {
        meant.is_empty() || meant.iter().any(|it| it == path || path.is_within(it))
    };
    let picture = marks::picture(&session)?;
    let now = Now::of(&picture);
    let (moments, backups) = moments::all(&session)?;
    if args.list {
        unreadable(&session, &backups);
        return list(&session, &moments, &now, args, &is_meant);
    }
    if let Some(word) = &args.date {
        refuse_unsound(&backups, word)?;
    }
    let moment = match &args.date {
        Some(word) => choose(&session, &moments, word, &is_meant)
            .map_err(|failure| with_unsound(failure, &backups))?,
        None => ask(&session, &moments, &now, args, &is_meant)?,
    };
    let state = moment.state(&session)?;
    let mut wanted = state.units;
    wanted.retain(|path, _| is_meant(path));
    if wanted.is_empty() && !meant.is_empty() {
        let when = report::moment(moment.at.seconds());
        return Err(Failure::error(format!("the state of {when} does not hold what was named"))
            .hint("`cfgsync restore --list -- PATH` shows the states that do."));
    }
    if let Some(folder) = &args.to {
        let manifest = &picture.observation.local.stored.manifest;
        return export::export(&session, moment, &wanted, manifest, folder);
    }
    refuse_own(&context.places, wanted.keys())?;
    let mut wanted = moment.fetch(&session, &wanted)?;
    wanted.retain(|path, version| now.stored.get(path) != Some(version));
    let withheld = consent::withhold(&context.places, &meant, &mut wanted, |_| true)?;
    report::withheld(&context.ui, &withheld);
    let has_kept = keep_rules(&session, &picture, &meant, &mut wanted)?;
    if wanted.is_empty() && (has_kept || !withheld.is_empty()) {
        return Err(Failure::new(Code::Refused, "nothing else differs from then")
            .hint("Nothing was changed."));
    }
    if wanted.is_empty() {
        context.ui.say("Everything is as it was then; nothing to bring back.");
        return Ok(());
    }
    context.ui.say(&format!("As of {} ({}):", report::moment(moment.at.seconds()), moment.reason));
    context.ui.answer(&show::changes(&context.ui, &session, &now.stored, &wanted)?);
    if args.dry_run {
        check(&session, &picture, &wanted)?;
        return Err(Failure::new(
            Code::OutOfSync,
            "this would be brought back; nothing was changed",
        )
        .hint("Run the command again without --dry-run."));
    }
    confirm(&session, &now, &mut wanted)?;
    bring_back(session, moment, (&wanted, &state.folders), args.here)
}

/// Rules of then that would let files leave stay away, unless a person names them.
fn keep_rules(
    session: &Session<'_>,
    picture: &Picture,
    meant: &[RepoPath],
    wanted: &mut BTreeMap<RepoPath, Version>,
) -> Outcome<bool> {
    let changes = wanted.iter().map(|(path, version)| (path.clone(), Some(*version))).collect();
    let mut kept = lets_go(session, &picture.observation, &changes)?;
    kept.retain(|path, _| !meant.contains(path));
    wanted.retain(|path, _| !kept.contains_key(path));
    report::rules_stay(&session.context.ui, &kept);
    Ok(!kept.is_empty())
}

/// Brings back what was confirmed.
fn bring_back(
    looked: Session<'_>,
    moment: &Moment,
    (wanted, folders): (&BTreeMap<RepoPath, Version>, &Tree),
    here: bool,
) -> Outcome<()> {
    let context = looked.context;
    interrupt::hear();
    let real = Session::open(context, Mode::Real)?;
    let reach = if here { Reach::OnlyHere } else { Reach::Everywhere };
    let bring = || {
        let chosen = moment.fetch(&real, wanted)?;
        drop(looked);
        interrupt::check()?;
        restore(&real, &chosen, folders, reach)
    };
    let restored = bring().map_err(|failure| match failure.code {
        Code::Stopped => Failure::new(Code::Stopped, "stopped before anything was brought back")
            .hint("Every file is as it was. Run the command again to bring them back."),
        _ => failure,
    })?;
    told(context, &restored, reach);
    Ok(())
}

/// Says what was done, and what follows.
fn told(context: &Context, restored: &crate::restore::Restored, reach: Reach) {
    let ui = &context.ui;
    let count = report::files(restored.units.len());
    let is_shared = restored.units.len() > restored.beside.len();
    let next = match reach {
        _ if !is_shared => "",
        Reach::Everywhere => " The next sync shares it.",
        Reach::OnlyHere => " It stays on this machine; `cfgsync resolve` decides.",
    };
    ui.say(&format!("{} {count} brought back.{next}", ui.paint(Tone::Good, "✓")));
    for path in &restored.beside {
        let name = report::name(path);
        ui.say(&format!("  {name} is a plain file here, and is not shared."));
        ui.say(&format!("  What stood there is kept: `cfgsync restore --list -- {name}`."));
    }
    if restored.is_undoable {
        ui.say("  `cfgsync undo` takes this back.");
    }
}

/// Says which archives cannot be read.
fn unreadable(session: &Session<'_>, backups: &Backups) {
    for (_, failure) in &backups.unsound {
        session.context.ui.say(&format!("  {}", failure.cause));
    }
}

/// What was asked for may be in an archive that cannot be read.
fn with_unsound(mut failure: Failure, backups: &Backups) -> Failure {
    failure.hints.extend(backups.unsound.iter().map(|(_, unsound)| unsound.cause.clone()));
    failure
}

/// An archive that is named and cannot be read is never taken for another state.
fn refuse_unsound(backups: &Backups, word: &str) -> Outcome<()> {
    let is_named = |path: &std::path::Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        word.len() >= SHORTEST_PREFIX && name.starts_with(word.trim_end_matches(ENDING))
    };
    let named = backups.unsound.iter().find(|(path, _)| is_named(path));
    let is_sound = |backup: &crate::backups::Backup| is_named(&backup.path);
    match named {
        Some((path, _)) if !backups.sound.iter().any(is_sound) => {
            Err(crate::archive::read::head(path)
                .err()
                .unwrap_or_else(|| Failure::error(format!("{} cannot be read", path.display()))))
        }
        _ => Ok(()),
    }
}

/// Shows what can be brought back. Of a file that is asked for, each version is shown once.
fn list(
    session: &Session<'_>,
    moments: &[Moment],
    now: &Now,
    args: &RestoreArgs,
    is_meant: &dyn Fn(&RepoPath) -> bool,
) -> Outcome<()> {
    let ui = &session.context.ui;
    let mut rows = Vec::new();
    let mut before = None;
    for moment in moments {
        let mut units = match moment.state(session) {
            Ok(state) => state.units,
            Err(failure) => {
                ui.say(&format!("  {}", failure.cause));
                continue;
            }
        };
        units.retain(|path, _| is_meant(path));
        if units.is_empty() {
            continue;
        }
        if args.paths.is_empty() || before.as_ref() != Some(&units) {
            rows.push(show::row(session, moment, now, is_meant)?);
        }
        before = Some(units);
        if !args.all && rows.len() == LISTED {
            break;
        }
    }
    if args.json {
        let document = Document { schema: 1, moments: rows };
        ui.answer(&crate::ui::document(&document));
        return Ok(());
    }
    if rows.is_empty() {
        ui.answer("Nothing was kept yet. `cfgsync backup` keeps everything now.\n");
    }
    let lines: Vec<String> = rows.iter().map(|row| show::line(ui, row)).collect();
    ui.page(&lines.concat());
    Ok(())
}

/// Finds the state that a person means. A date means the newest one by then that holds what is meant.
fn choose<'a>(
    session: &Session<'_>,
    moments: &'a [Moment],
    word: &str,
    is_meant: &dyn Fn(&RepoPath) -> bool,
) -> Outcome<&'a Moment> {
    let context = session.context;
    if let Some(moment) = moments.iter().find(|moment| moment.id == word) {
        return Ok(moment);
    }
    let begins = |moment: &&Moment| {
        moment.file_name().is_some_and(|name| name.starts_with(word.trim_end_matches(ENDING)))
    };
    if word.len() >= SHORTEST_PREFIX
        && let Some(moment) = moments.iter().find(begins)
    {
        return Ok(moment);
    }
    let Some(end) = when::parse(word, context.now) else {
        let mut failure =
            Failure::new(Code::Usage, format!("`{word}` names no state that is kept"))
                .hint("`cfgsync restore --list` shows what there is; a day is written 2026-11-20.");
        if context.places.home.join(word).exists() || word.contains('/') {
            failure = failure.hint(format!("A file comes after --: `cfgsync restore -- {word}`"));
        }
        return Err(failure);
    };
    let holds = |moment: &&Moment| {
        moment.state(session).is_ok_and(|state| state.units.keys().any(is_meant))
    };
    let holding = || moments.iter().filter(holds);
    holding().find(|moment| moment.at <= end).ok_or_else(|| {
        let oldest = holding().next_back().map(|moment| report::moment(moment.at.seconds()));
        let hint = oldest.map_or_else(
            || "Nothing was kept yet.".to_owned(),
            |oldest| format!("The oldest state is of {oldest}."),
        );
        Failure::error(format!("nothing that was asked for was kept by {word}")).hint(hint)
    })
}

/// Asks which state; where nobody can be asked, says how to name one.
fn ask<'a>(
    session: &Session<'_>,
    moments: &'a [Moment],
    now: &Now,
    args: &RestoreArgs,
    is_meant: &dyn Fn(&RepoPath) -> bool,
) -> Outcome<&'a Moment> {
    let ui = &session.context.ui;
    list(session, moments, now, args, is_meant)?;
    let unnamed = || {
        Failure::new(Code::Usage, "no state was named")
            .hint("Name one: `cfgsync restore ID`, or a day as `cfgsync restore yesterday`.")
    };
    if ui.answers != Answers::Asked || moments.is_empty() {
        return Err(unnamed());
    }
    let word = ui.line("Which one?").ok_or_else(unnamed)?;
    choose(session, moments, &word, is_meant)
}

/// Asks whether it shall be, and for which files; shows the difference where that is asked for.
fn confirm(
    session: &Session<'_>,
    now: &Now,
    wanted: &mut BTreeMap<RepoPath, Version>,
) -> Outcome<()> {
    let ui = &session.context.ui;
    let nothing = || Failure::new(Code::Refused, "nothing was brought back");
    if ui.answers == Answers::None {
        return Err(nothing().hint("Without a terminal, --yes says that you mean it."));
    }
    loop {
        let question = format!("Bring {} back? (yes, no, diff, some)", report::files(wanted.len()));
        match if ui.answers == Answers::Yes { Some('y') } else { ui.choose(&question, "nyds") } {
            Some('y') => return Ok(()),
            Some('d') => ui.page(&show::difference(ui, session, &now.stored, wanted)?),
            Some('s') => wanted.retain(|path, _| {
                ui.confirm(&format!("  {}?", report::name(path)), Confirmed::No) == Confirmed::Yes
            }),
            _ => return Err(nothing()),
        }
        if wanted.is_empty() {
            return Err(nothing());
        }
    }
}
