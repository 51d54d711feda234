//! `cfgsync undo`.

use cfgsync_core::merge::{Rule, TextMerge, merge};
use cfgsync_core::operation::{Operation, Undo};
use cfgsync_core::path::RepoPath;
use cfgsync_core::policy::{Overruled, Removals};
use cfgsync_core::refusal::is_mass_removal;
use cfgsync_core::unit::{Sides, Version};

use super::sync::dry_run;
use crate::consent;
use crate::context::{Context, now};
use crate::failure::{Code, Failure, Outcome};
use crate::lock::Patience;
use crate::loosening::lets_go;
use crate::marks;
use crate::picture::Picture;
use crate::record;
use crate::recover::Note;
use crate::session::{Mode, Session};
use crate::sync::rehearsal::rehearse;
use crate::sync::{Command, Wishes, fetch, sync};
use crate::ui::{Confirmed, Tone, report};
use cfgsync_core::time::UnixTime;

/// Take an operation back: a sync, a mark, a choice, a force
///
/// Files, modes and marks become what they were before it. That is an operation
/// of its own, so a second `undo` does the first thing again. What you edited
/// since is kept: an edit elsewhere in the file stays in it, and a file whose
/// same lines you changed is left as it is.
///
///   cfgsync undo              the last operation
///   cfgsync undo 12           the one of that number, see `cfgsync history`
///   cfgsync undo --dry-run    what it would do
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct UndoArgs {
    /// Number of the operation [default: the last one]
    #[arg(value_name = "ID")]
    id: Option<u64>,
    /// Show what would happen, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
pub fn run(context: &Context, args: &UndoArgs) -> Outcome<()> {
    let mode = if args.dry_run { Mode::Rehearsal } else { Mode::Real };
    let session = Session::open(context, mode)?;
    if !args.dry_run {
        // Whatever becomes of the undo, what is on disk now is kept.
        let _lock = session.lock()?;
        let note = Note::leave(&context.places)?;
        session.snapshot(&marks::picture(&session)?, "before an undo")?;
        note.withdraw()?;
    }
    let (number, operation) = find(&session, args.id)?;
    let picture = picture(&session, args, &operation)?;
    let Undo { mut edit, edited_here, edited_there } = operation.undo(&picture.observation);
    edit.leave_out_waiting(&picture.observation);
    let mut left = Vec::new();
    for (path, sides) in edited_here {
        match merged(&session, sides)? {
            Some(version) => {
                edit.units.insert(path, (sides.ours, Some(version)));
            }
            None => left.push(path),
        }
    }
    for (path, sides) in edited_there {
        match (merged(&session, sides)?, operation.overruled.get(&path)) {
            (Some(version), Some(then)) => {
                let overruled = Overruled { theirs: Some(version), made: sides.ours, ..*then };
                edit.overruled.insert(path, overruled);
            }
            _ => left.push(path),
        }
    }
    let name = describe(context, number)?;
    say_left(context, &left);
    withhold(context, &mut edit)?;
    keep_rules(&session, &picture, &mut edit)?;
    if edit.is_empty() {
        return Err(Failure::error(format!("nothing of {name} is left to take back"))
            .hint("`cfgsync history` lists what can be."));
    }
    context.ui.say(&format!("Taking back {name}."));
    if !args.dry_run {
        refuse_mass_removal(context, &edit, &picture)?;
    }
    if !edit.overruled.is_empty() {
        context.ui.say(
            "What was overruled goes back upstream, where it meets this machine's version again.",
        );
    }
    let wishes =
        Wishes { command: Command::Undo, removals: Removals::Any, edit, ..Wishes::default() };
    if args.dry_run {
        drop(session);
        return dry_run(context, &wishes);
    }
    let done = sync(&session, &wishes, context.manners(), session.turn(Patience::Wait)?)?;
    report::synced(&context.ui, &done);
    if done.is_undoable {
        context.ui.say("  `cfgsync undo` again brings it back.");
    }
    done.failure().map_or(Ok(()), Err)
}

/// Looks at everything. What a choice overruled is taken back upstream, so that has to be known as it
/// is now.
fn picture(session: &Session<'_>, args: &UndoArgs, operation: &Operation) -> Outcome<Picture> {
    let manners = session.context.manners();
    if operation.overruled.is_empty() {
        return marks::picture(session);
    }
    if args.dry_run {
        return Ok(rehearse(session, &Wishes::default(), manners)?.picture);
    }
    let fetched = fetch(session, manners).transpose();
    fetched.map_err(|failure| {
        failure.hint("What was overruled is at the remote; it has to answer.")
    })?;
    marks::picture(session)
}

/// Returns an operation and its number.
fn find(session: &Session<'_>, id: Option<u64>) -> Outcome<(u64, Operation)> {
    let known = session.vault.operations()?;
    let Some(number) = id.or(known.last().copied()) else {
        return Err(Failure::error("there is no operation to take back")
            .hint("`cfgsync history` lists what was done on this machine."));
    };
    let unknown = || {
        Failure::new(Code::Usage, format!("there is no operation {number} to take back"))
            .hint("`cfgsync history` lists what was done on this machine.")
    };
    let operation = session.vault.operation(number)?.ok_or_else(unknown)?;
    if !operation.is_empty() {
        return Ok((number, operation));
    }
    let failure = Failure::error(nothing_of(session, number)?);
    let mut earlier = known.into_iter().rev().filter(|earlier| *earlier < number);
    let last = earlier.find(|earlier| {
        session.vault.operation(*earlier).is_ok_and(|found| found.is_some_and(|op| !op.is_empty()))
    });
    Err(match last {
        Some(last) => failure.hint(format!("`cfgsync undo {last}` takes back the one before it.")),
        None => failure.hint("`cfgsync history` lists what was done on this machine."),
    })
}

/// Says why there is nothing of an operation to take back.
fn nothing_of(session: &Session<'_>, number: u64) -> Outcome<String> {
    let history = record::read_history(&session.context.places)?;
    let line = history.iter().rfind(|line| line.id == Some(number));
    Ok(match line.map(|line| line.command.as_str()) {
        Some("restore") => format!(
            "operation {number} brought back only files that are not shared, which no undo reaches; \
             `cfgsync restore --list -- PATH` shows what stood there"
        ),
        _ => format!(
            "operation {number} changed nothing here: it only sent this machine's own edits"
        ),
    })
}

/// Takes an operation out of a file that was edited since, where the edit stands elsewhere.
fn merged(session: &Session<'_>, sides: Sides) -> Outcome<Option<Version>> {
    let Sides { base: Some(base), ours: Some(ours), theirs: Some(theirs) } = sides else {
        return Ok(None);
    };
    let bytes = |version: Version| session.vault.bytes(version.blob);
    let (after, now, before) = (bytes(base)?, bytes(ours)?, bytes(theirs)?);
    Ok(match merge(&after, &now, &before, Rule::Strict) {
        TextMerge::Clean(bytes) => {
            Some(Version { blob: session.vault.put(&bytes)?, mode: ours.mode, ..theirs })
        }
        TextMerge::Overlapping | TextMerge::Binary => None,
    })
}

/// To take back what brought most of the files, as the first sync of a machine did, would remove them
/// everywhere: that is asked about.
fn refuse_mass_removal(context: &Context, edit: &Operation, picture: &Picture) -> Outcome<()> {
    let of = picture.observation.upstream().units.len();
    let removed = edit.units.values().filter(|(_, to)| to.is_none()).count();
    let is_everything = removed > 0 && removed >= of;
    if !is_mass_removal(removed, of) && !is_everything {
        return Ok(());
    }
    let question =
        format!("This removes or unmarks {removed} of {of} files, on every machine. Go on?");
    if context.ui.confirm(&question, Confirmed::No) == Confirmed::Yes {
        return Ok(());
    }
    Err(Failure::new(
        Code::Refused,
        format!("{removed} of {of} files would be removed or unmarked everywhere"),
    )
    .hint("`cfgsync undo --dry-run` shows them; with --yes it is done all the same.")
    .hint("To take only this machine off, run `cfgsync setup --undo`."))
}

/// What waits for consent here does not come back by an undo, nor does its mark.
fn withhold(context: &Context, edit: &mut Operation) -> Outcome<()> {
    let comes = |(_, to): &(Option<Version>, Option<Version>)| to.is_some();
    let withheld = consent::withhold(&context.places, &[], &mut edit.units, comes)?;
    for path in withheld.keys().filter_map(RepoPath::home) {
        edit.marks.retain(|home, (_, mark)| *home != path || mark.is_none());
    }
    report::withheld(&context.ui, &withheld);
    Ok(())
}

/// Rules that came with what is taken back keep files here, and who takes it back did not think of them.
fn keep_rules(session: &Session<'_>, picture: &Picture, edit: &mut Operation) -> Outcome<()> {
    let changes = edit.units.iter().map(|(path, (_, to))| (path.clone(), *to)).collect();
    let kept = lets_go(session, &picture.observation, &changes)?;
    edit.units.retain(|path, _| !kept.contains_key(path));
    report::rules_stay(&session.context.ui, &kept);
    Ok(())
}

fn say_left(context: &Context, left: &[RepoPath]) {
    let mark = context.ui.paint(Tone::Notice, "!");
    for path in left {
        let name = report::name(path);
        context.ui.say(&format!(
            "  {mark} {name} was edited since in the same place; it is left as it is."
        ));
    }
}

/// Names an operation as people know it.
fn describe(context: &Context, number: u64) -> Outcome<String> {
    let history = record::read_history(&context.places)?;
    let line = history.into_iter().rfind(|line| line.id == Some(number));
    Ok(line.map_or_else(
        || format!("operation {number}"),
        |line| {
            let age = now().since(UnixTime(line.at.saturating_mul(1000)));
            format!("operation {number} ({}, {age} ago)", line.command)
        },
    ))
}
