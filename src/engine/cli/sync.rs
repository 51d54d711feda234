//! `cfgsync sync`.

use cfgsync_core::policy::{Removals, Winner};

use super::{attach, force, pause};
use crate::background::{self, Part, Stay};
use crate::context::Context;
use crate::failure::{Code, Failure, Outcome};
use crate::lock::Patience;
use crate::notices;
use crate::session::{Mode, Session};
use crate::sync::rehearsal::rehearse;
use crate::sync::{Wishes, ahead_behind, sync};
use crate::ui::{Answers, report};

/// Bring this machine and the remote to the same state
///
/// Edits from here go out, edits from elsewhere come in, and edits of both
/// sides to different places of one file are combined. A file both sides
/// changed in the same place is held: your version stays as it is, and
/// everything else goes on.
///
///   cfgsync sync                 now, with every change named
///   cfgsync sync --dry-run       what it would do, without doing it
///   cfgsync sync --background    as the prompt does it: when due, silent
///   cfgsync sync --force-push    this machine's side wins everywhere
///   cfgsync sync --force-pull    the remote's side wins here
#[derive(Debug, Default, clap::Args)]
#[command(verbatim_doc_comment)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct SyncArgs {
    /// Show what would happen, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Only if one is due; detached, asking nobody
    #[arg(long, conflicts_with = "dry_run")]
    background: bool,
    /// With --background: stay until it has ended
    #[arg(long, requires = "background")]
    wait: bool,
    #[arg(long, hide = true, requires = "background", value_parser = part)]
    part: Option<Part>,
    /// Leave with exit code 7 when another run is at work
    #[arg(long)]
    no_wait: bool,
    /// Make the remote take this machine's side; its history stays, and `undo` takes it back
    #[arg(long, conflicts_with_all = ["background", "force_pull"])]
    force_push: bool,
    /// Make this machine take the remote's side; what is here is kept, and `undo` brings it back
    #[arg(long, conflicts_with = "background")]
    force_pull: bool,
}

fn part(word: &str) -> Result<Part, &'static str> {
    Part::of(word).ok_or("it is for cfgsync's own processes")
}

/// Runs it.
pub fn run(context: &Context, args: &SyncArgs) -> Outcome<()> {
    if let Some(part) = args.part {
        return background::take_part(context, part);
    }
    if args.background {
        return background::start(context, if args.wait { Stay::Yes } else { Stay::No });
    }
    let winner = match (args.force_push, args.force_pull) {
        (true, _) => Some(Winner::Ours),
        (_, true) => Some(Winner::Theirs),
        (false, false) => None,
    };
    if let Some(winner) = winner {
        return force::run(context, winner, args.dry_run);
    }
    let manners = context.manners();
    let removals = match context.ui.answers {
        Answers::Yes => Removals::Any,
        Answers::Asked | Answers::None => Removals::Few,
    };
    let wishes = Wishes { removals, ..Wishes::default() };
    if args.dry_run {
        return dry_run(context, &wishes);
    }
    let session = Session::open(context, Mode::Real)?;
    let running = match removals {
        _ if args.no_wait => session.turn(Patience::Leave)?,
        // What a person agreed to, nobody else's sync did.
        Removals::Any => session.turn(Patience::Wait)?,
        Removals::Few => match attach::turn(&session)? {
            attach::Turn::Ours(running) => running,
            attach::Turn::Served => return Ok(()),
        },
    };
    let done = sync(&session, &wishes, manners, running)?;
    background::start_if_asked(context)?;
    report::synced(&context.ui, &done);
    notices::was_read(context)?;
    if let Some(paused) = pause::described(context)? {
        context.ui.say(&format!("This was one sync; {paused}."));
    }
    // It holds no lock and no file of ours, only what was read: the end of the process frees that at once.
    std::mem::forget(session);
    done.failure().map_or(Ok(()), Err)
}

/// Shows the very plan a sync would execute, with the remote as it is now, and writes nothing.
pub fn dry_run(context: &Context, wishes: &Wishes) -> Outcome<()> {
    let session = Session::open(context, Mode::Rehearsal)?;
    let mut rehearsal = rehearse(&session, wishes, context.manners())?;
    if let Some(offline) = rehearsal.offline.take_if(|_| wishes.winner.is_some()) {
        return Err(offline);
    }
    let plan = &rehearsal.plan;
    report::preview(&context.ui, plan);
    if let Some(offline) = &rehearsal.offline {
        context.ui.say(&format!("{}; this is against what was fetched last.", offline.cause));
    }
    let is_still = plan.changes.is_empty() && plan.steps.is_empty() && plan.operation.is_empty();
    if is_still && !plan.held.is_empty() {
        return Err(Failure::new(Code::Held, "files wait for you, and nothing else would change")
            .hint("`cfgsync status` shows them."));
    }
    let (ahead, behind) = ahead_behind(&session.worktree, &session.branch, rehearsal.upstream)?;
    let waits = session.remote.is_some() && ahead + behind > 0;
    if is_still && !waits {
        return Ok(());
    }
    Err(Failure::new(Code::OutOfSync, "a run would change this; nothing was changed")
        .hint("Run the command again without --dry-run."))
}
