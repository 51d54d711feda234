//! `cfgsync backup`.

use serde::Serialize;

use crate::archive::read;
use crate::backups::{self, Backup, Backups, Kept};
use crate::context::Context;
use crate::failure::{Code, Failure, Outcome};
use crate::interrupt;
use crate::recover::Note;
use crate::session::{Mode, Session};
use crate::ui::{Tone, Ui, report};

/// Keep all files of this machine in an archive
///
/// An archive is a tar.gz in .sync/backups of the repository: every file with
/// its exact mode and time, marked files with their contents. A sync makes one
/// by itself before it replaces or removes anything that the newest one does
/// not hold. `cfgsync restore` brings back what an archive holds.
///
///   cfgsync backup                 make one now, if anything changed
///   cfgsync backup --list          show what there is
///   cfgsync backup --verify        read every archive to its end
///   cfgsync backup --prune         forget the oldest ones over the limit
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct BackupArgs {
    /// Show the archives
    #[arg(long, group = "what")]
    list: bool,
    /// Check every byte of all archives, or of these
    #[arg(long, value_name = "ID", num_args = 0.., group = "what")]
    verify: Option<Vec<u64>>,
    /// Forget the oldest archives that others make up for
    #[arg(long, group = "what")]
    prune: bool,
    /// With --prune: how many stay [default: `backups` of the configuration, 10]
    #[arg(long, value_name = "NUMBER", requires = "prune", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Keep *.local files too
    #[arg(long, conflicts_with = "what")]
    include_local: bool,
    /// Print JSON, with --list
    #[arg(long, requires = "list")]
    json: bool,
    /// Show what would happen, and change nothing
    #[arg(long, conflicts_with_all = ["list", "verify"])]
    dry_run: bool,
}

#[derive(Serialize)]
struct Row {
    id: u64,
    at: u64,
    machine: String,
    reason: String,
    files: Option<usize>,
    /// Bytes of what it holds.
    bytes: Option<u64>,
    /// Bytes of the archive itself.
    packed: u64,
    file: String,
}

#[derive(Serialize)]
struct Document {
    schema: u32,
    backups: Vec<Row>,
    unreadable: Vec<String>,
}

/// Runs it.
pub fn run(context: &Context, args: &BackupArgs) -> Outcome<()> {
    if args.list {
        return list(context, args.json);
    }
    if let Some(ids) = &args.verify {
        interrupt::hear();
        return verify(context, ids);
    }
    let limit = args.keep.map_or(context.settings.backups, |keep| keep as usize);
    let mode = if args.dry_run { Mode::Rehearsal } else { Mode::Real };
    let session = Session::open(context, mode)?;
    if args.prune {
        return prune(&session, limit, args.dry_run);
    }
    let with_local = args.include_local || context.settings.backup_local;
    if args.dry_run {
        return preview(&session, with_local);
    }
    interrupt::hear();
    make(&session, with_local).map_err(|failure| match failure.code {
        Code::Stopped => Failure::new(Code::Stopped, "stopped before the backup was whole")
            .hint("Nothing of it is left; those of before are as they were."),
        _ => failure,
    })
}

/// Makes one, unless the newest one holds the same.
fn make(session: &Session<'_>, with_local: bool) -> Outcome<()> {
    let context = session.context;
    let _lock = session.lock()?;
    // Archives lie in the repository; what they hold must outlive it.
    let into_the_vault = || {
        let note = Note::leave(&context.places)?;
        let observer = session.observer();
        let picture = session.picture(&observer, session.worktree.upstream()?)?;
        session.snapshot(&picture, "before a backup")?;
        observer.remember()?;
        note.withdraw()
    };
    match backups::keep_after(session, "asked for", with_local, &into_the_vault)? {
        Kept::New(backup) => {
            let (files, size) = (backup.head.units.len(), report::size(backup.head.size()));
            let packed = report::size(backup.packed);
            context.ui.say(&format!(
                "{} Backup {} keeps {} ({size}, {packed} packed).",
                context.ui.paint(Tone::Good, "✓"),
                backup.head.number,
                report::files(files),
            ));
            context.ui.raw(&format!("{}\n", backup.path.display()));
        }
        Kept::Same(backup) => {
            let (number, at) = (backup.head.number, report::moment(backup.head.at.seconds()));
            context.ui.say(&format!("Nothing changed since backup {number} of {at}."));
        }
    }
    Ok(())
}

fn list(context: &Context, is_json: bool) -> Outcome<()> {
    let backups = Backups::list(&context.places)?;
    let rows: Vec<Row> = backups.sound.iter().rev().map(row).collect();
    if is_json {
        let unreadable = backups.unsound.iter().map(|(path, _)| path.display().to_string());
        let document = Document { schema: 1, backups: rows, unreadable: unreadable.collect() };
        context.ui.answer(&crate::ui::document(&document));
        return Ok(());
    }
    let ui = &context.ui;
    if rows.is_empty() {
        ui.answer("There is no backup yet. `cfgsync backup` makes one.\n");
    }
    let mut lines: Vec<String> = rows.iter().map(|row| line(ui, row)).collect();
    for (_, failure) in &backups.unsound {
        lines.push(format!("    {} {}\n", ui.paint(Tone::Bad, "✗"), failure.cause));
    }
    ui.page(&lines.concat());
    Ok(())
}

fn line(ui: &Ui, row: &Row) -> String {
    let files = row.files.map_or_else(|| "unreadable".to_owned(), report::files);
    let size = report::size(row.bytes.unwrap_or_default());
    let (at, machine) = (report::moment(row.at / 1000), ui.paint(Tone::Dim, &row.machine));
    format!("{:>5}  {at}  {files:>10}  {size:>9}  {}  {machine}\n", row.id, row.reason)
}

fn row(backup: &Backup) -> Row {
    let inventory = read::inventory(&backup.path).ok();
    Row {
        id: backup.head.number,
        at: backup.head.at.0,
        machine: backup.head.machine.clone(),
        reason: backup.head.reason.clone(),
        files: inventory.as_ref().map(|it| it.units.len()),
        bytes: inventory.as_ref().map(cfgsync_core::inventory::Inventory::size),
        packed: backup.packed,
        file: backup.path.display().to_string(),
    }
}

fn verify(context: &Context, ids: &[u64]) -> Outcome<()> {
    let backups = Backups::list(&context.places)?;
    if let Some(id) = ids.iter().find(|id| !backups.sound.iter().any(|it| it.head.number == **id)) {
        return Err(Failure::error(format!("there is no backup {id} that can be read"))
            .hint("`cfgsync backup --list` shows what there is."));
    }
    let mut damaged: Vec<Failure> = Vec::new();
    let chosen = backups.sound.iter().filter(|it| ids.is_empty() || ids.contains(&it.head.number));
    for backup in chosen {
        match read::verify(&backup.path) {
            Ok(inventory) => context.ui.answer(&format!(
                "{} {:>4}  {}  {}\n",
                context.ui.paint(Tone::Good, "✓"),
                backup.head.number,
                report::moment(backup.head.at.seconds()),
                report::files(inventory.units.len()),
            )),
            Err(failure) if failure.code == Code::Stopped => return Err(failure),
            Err(failure) => damaged.push(failure),
        }
    }
    if ids.is_empty() {
        damaged.extend(backups.unsound.into_iter().map(|(_, failure)| failure));
    }
    for failure in &damaged {
        context.ui.answer(&format!("{} {}\n", context.ui.paint(Tone::Bad, "✗"), failure.cause));
    }
    match damaged.len() {
        0 => Ok(()),
        count => Err(Failure::error(format!("{} cannot be read", report::backups(count)))
            .hint("Move such a file away, then `cfgsync backup` makes a new one.")),
    }
}

fn prune(session: &Session<'_>, limit: usize, is_dry: bool) -> Outcome<()> {
    let ui = &session.context.ui;
    let forgettable = backups::forgettable(session, limit)?;
    for (backup, _) in &forgettable {
        ui.answer(&format!("{:>5}  {}\n", backup.head.number, backup.path.display()));
    }
    if !is_dry {
        let _lock = session.lock()?;
        backups::forget(session, limit)?;
    }
    let verb = if is_dry { "would be forgotten" } else { "forgotten" };
    ui.say(&format!("{} {verb}.", report::backups(forgettable.len())));
    Ok(())
}

fn preview(session: &Session<'_>, with_local: bool) -> Outcome<()> {
    let ui = &session.context.ui;
    match backups::preview(session, with_local)? {
        Some(inventory) => {
            let (files, size) =
                (report::files(inventory.units.len()), report::size(inventory.size()));
            ui.answer(&format!("A backup would keep {files} ({size}).\n"));
        }
        None => ui.answer("Nothing changed since the newest backup; none would be made.\n"),
    }
    Ok(())
}
