//! `cfgsync doctor`.

use std::path::{Path, PathBuf};

use cfgsync_core::observed::{Finding, Live};
use cfgsync_core::path::HomePath;
use cfgsync_core::plan::{Why, plan};
use cfgsync_core::privacy::Readers;
use cfgsync_core::status::watch::{List, MOST};
use cfgsync_core::steps::Expected;
use cfgsync_core::unit::Version;

use crate::archive::read;
use crate::backups::Backups;
use crate::context::Context;
use crate::failure::{Code, Failure, Outcome};
use crate::fs::dir::{Dir, os};
use crate::fs::exchange::Entry;
use crate::fs::look::blob_id;
use crate::fs::plain;
use crate::fs::writer::{Applied, Fresh};
use crate::marks;
use crate::observe::Purpose;
use crate::privacy;
use crate::record;
use crate::session::{Mode, Session};
use crate::ui::{Tone, report};

/// Look for what is wrong, and say how to mend it
///
///   cfgsync doctor          look
///   cfgsync doctor --fix    mend links that lead to another place of the repository
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct DoctorArgs {
    /// Mend what can be mended without a decision of yours
    #[arg(long)]
    fix: bool,
    /// With --fix: only say what would be mended
    #[arg(long)]
    dry_run: bool,
}

/// A link that leads to the stored copy's old place: the repository was moved.
struct Moved {
    home: HomePath,
    target: Vec<u8>,
}

/// Runs it.
pub fn run(context: &Context, args: &DoctorArgs) -> Outcome<()> {
    let is_fixing = args.fix && !args.dry_run;
    let mode = if is_fixing { Mode::Real } else { Mode::Rehearsal };
    let session = Session::open(context, mode)?;
    let mut problems = Vec::new();
    let moved = moved_links(&session)?;
    if is_fixing {
        let _lock = session.lock()?;
        for link in &moved {
            retarget(&session, link)?;
            context.ui.say(&format!(
                "  {} {} leads here again",
                context.ui.paint(Tone::Good, "✓"),
                link.home
            ));
        }
    } else {
        problems.extend(moved.iter().map(|link| {
            format!(
                "{} leads to where the repository was before; `cfgsync doctor --fix` mends it",
                link.home
            )
        }));
    }
    if let Some(foreign) = session.worktree.foreign(&session.branch)? {
        problems.push(format!("{}. {}", foreign.what, foreign.hint));
    }
    if std::process::Command::new("git").arg("--version").output().is_err() {
        problems.push("the `git` program is missing; install it".to_owned());
    }
    problems.extend(backup_problems(context)?);
    show_vault(&session)?;
    let displaced = plain::names(&context.places.displaced())?.len();
    context.ui.answer(&format!("  displaced  {displaced} files\n"));
    if let Some(paused) = super::pause::described(context)? {
        context.ui.answer(&format!("  paused     {paused}\n"));
    }
    say_what_the_light_leaves_out(context)?;
    for program in ["cfgsync", "cfgsync-prompt"].into_iter().filter(|name| !is_on_path(name)) {
        context.ui.answer(&format!(
            "  prompt     {program} is no program on your PATH; the zsh plugin does without it\n"
        ));
    }
    say_secrets(&session)?;
    say_readers(&session)?;
    if problems.is_empty() {
        context.ui.answer(&format!("{} Nothing is wrong.\n", context.ui.paint(Tone::Good, "✓")));
        return Ok(());
    }
    problems.iter().for_each(|line| {
        context.ui.answer(&format!("  {} {line}\n", context.ui.paint(Tone::Bad, "✗")));
    });
    Err(Failure::new(Code::Error, "something needs mending"))
}

/// Says where the vault is, how large it has grown, and how far back it goes.
fn show_vault(session: &Session<'_>) -> Outcome<()> {
    let vault = session.context.places.vault();
    let snapshots = session.vault.snapshots()?;
    let since = snapshots.first().map_or_else(String::new, |oldest| {
        format!(", {} snapshots since {}", snapshots.len(), report::moment(oldest.at.seconds()))
    });
    let size = report::size(folder_size(&vault));
    session.context.ui.answer(&format!("  vault      {} ({size}{since})\n", vault.display()));
    Ok(())
}

/// Says who can read the remote.
fn say_readers(session: &Session<'_>) -> Outcome<()> {
    if let Some(folder) = privacy::open_folder(session) {
        let what = format!("every user of this machine can read {folder}");
        session.context.ui.answer(&format!("  remote     {what}\n"));
    }
    let Some((who, at)) = privacy::last(session)? else { return Ok(()) };
    let what = match who {
        Readers::Everybody => "everybody can read it",
        Readers::Members => "strangers cannot read it",
        Readers::Unknown => "whether strangers can read it is not known",
    };
    let at = at.map_or(String::new(), |at| format!(", asked {}", report::moment(at.seconds())));
    session.context.ui.answer(&format!("  remote     {what}{at}\n"));
    Ok(())
}

/// Says which files wait because of a secret.
fn say_secrets(session: &Session<'_>) -> Outcome<()> {
    let picture = marks::picture(session)?;
    for held in plan(&picture.observation, &session.policy()?).held {
        let Why::Finding(Finding::Secret(secret)) = held.why else { continue };
        let (path, line) = (record::name(&held.path), secret.line);
        session.context.ui.answer(&format!(
            "  secret     {path}, line {line}: {}; see `cfgsync secrets list`\n",
            secret.rule
        ));
    }
    Ok(())
}

/// Returns whether a shell finds a program.
fn is_on_path(name: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let path = crate::context::variable("PATH").unwrap_or_default();
    let is_program = |file: PathBuf| {
        file.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&path).any(|folder| is_program(folder.join(name)))
}

fn say_what_the_light_leaves_out(context: &Context) -> Outcome<()> {
    let left_out = left_out_of_the_light(context)?;
    if 0 < left_out {
        context.ui.answer(&format!(
            "  light      watches {MOST} paths; {left_out} more found no room, and what changes \
             there shows after the next sync\n"
        ));
    }
    Ok(())
}

/// Returns how many paths the light depends on and does not look at: it is to be fast with any number.
fn left_out_of_the_light(context: &Context) -> Outcome<u32> {
    let record = record::read(&context.places)?.filter(|record| record.watched);
    let bytes = plain::read(&context.places.watch())?.unwrap_or_default();
    let list = List::read(&bytes).zip(record);
    let own = list.filter(|(list, record)| list.generation == record.generation);
    Ok(own.map_or(0, |(list, _)| list.left_out))
}

/// Finds archives that cannot be read, and notices where all of them are gone. The newest one is read
/// to its end.
fn backup_problems(context: &Context) -> Outcome<Vec<String>> {
    let backups = Backups::list(&context.places)?;
    let mut problems: Vec<String> =
        backups.unsound.iter().map(|(_, failure)| failure.cause.clone()).collect();
    let folder = context.places.backups();
    if let Some(reason) = plain::why_closed(&folder) {
        problems.push(format!(
            "no backup can be made in {}: {reason}; `chmod 700` it, or make room elsewhere",
            folder.display()
        ));
    }
    if let Some((newest, older)) = backups.sound.split_last() {
        let damaged = older.iter().filter_map(|it| read::inventory(&it.path).err());
        problems.extend(damaged.map(|failure| failure.cause));
        problems.extend(read::verify(&newest.path).err().map(|failure| failure.cause));
    } else if (Purpose::Archive { with_local: false }).memory(&context.places).exists() {
        problems.push(format!(
            "the backups in {} are gone; `cfgsync backup` makes a new one, and `cfgsync restore` \
             still offers the snapshots of the vault",
            folder.display()
        ));
    }
    let size: u64 = backups.sound.iter().map(|backup| backup.packed).sum();
    let count = report::backups(backups.sound.len());
    context.ui.answer(&format!("  backups    {count} ({})\n", report::size(size)));
    Ok(problems)
}

/// Finds links whose target ends as ours does, below a folder that no longer holds the stored copy.
fn moved_links(session: &Session<'_>) -> Outcome<Vec<Moved>> {
    use std::os::unix::ffi::OsStrExt;
    let picture = marks::picture(session)?;
    let mut moved = Vec::new();
    for (path, live) in &picture.observation.local.live {
        let (Live::LinkedElsewhere, Some(home)) = (live, path.home()) else { continue };
        let link = session.context.places.home.join(os(home.as_bytes()));
        let Ok(target) = std::fs::read_link(&link) else { continue };
        let is_stored_copy = target.ends_with(Path::new(os(path.as_bytes())));
        if is_stored_copy && target.symlink_metadata().is_err() {
            moved.push(Moved { home, target: target.as_os_str().as_bytes().to_vec() });
        }
    }
    Ok(moved)
}

fn retarget(session: &Session<'_>, moved: &Moved) -> Outcome<()> {
    let writer = session.writer();
    let folder: Vec<&[u8]> = moved.home.components().collect();
    let (name, folders) = folder.split_last().map_or((&b""[..], &[][..]), |(n, f)| (*n, f));
    let dir = Dir::open(&session.context.places.home)?.descend(folders.iter().copied())?;
    let Some(dir) = dir else { return Ok(()) };
    let target = writer.link_target(&moved.home);
    let expecting = Expected::Version(Version::link(blob_id(&moved.target)));
    let at = Entry { dir: &dir, name };
    match writer.write(at, Fresh::Link(&target), expecting, &|_| false)? {
        Applied::Done => Ok(()),
        Applied::Stale => Err(Failure::error(format!("{} changed meanwhile", moved.home))
            .hint("Run `cfgsync doctor --fix` again.")),
    }
}

fn folder_size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |path: PathBuf| match path.symlink_metadata() {
        Ok(entry) if entry.is_dir() => folder_size(&path),
        Ok(entry) => entry.len(),
        Err(_) => 0,
    };
    entries.map(|entry| size(entry.path())).sum()
}
