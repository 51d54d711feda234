//! `cfgsync sync`.

use cfgsync_core::plan::plan;
use cfgsync_core::policy::Removals;

use super::not_yet;
use crate::background;
use crate::context::Context;
use crate::failure::{Code, Failure, Outcome};
use crate::lock::Patience;
use crate::session::{Mode, Session};
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
///   cfgsync sync --background    as the prompt does it: silent, detached
#[derive(Debug, Default, clap::Args)]
#[command(verbatim_doc_comment)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct SyncArgs {
    /// Show what would happen, and change nothing (exit code 3 when something would)
    #[arg(long)]
    dry_run: bool,
    /// Run detached from this terminal, asking nobody
    #[arg(long, conflicts_with = "dry_run")]
    background: bool,
    /// Leave with exit code 7 when another run is at work, instead of waiting
    #[arg(long)]
    no_wait: bool,
    /// Make the remote take this machine's side (not available yet)
    #[arg(long, hide = true)]
    force_push: bool,
    /// Make this machine take the remote's side (not available yet)
    #[arg(long, hide = true)]
    force_pull: bool,
}

/// Runs it.
pub fn run(context: &Context, args: &SyncArgs) -> Outcome<()> {
    if args.force_push {
        return Err(not_yet("sync --force-push"));
    }
    if args.force_pull {
        return Err(not_yet("sync --force-pull"));
    }
    if args.dry_run {
        return dry_run(context);
    }
    if args.background {
        return background::run(context);
    }
    let patience = if args.no_wait { Patience::Leave } else { Patience::Wait };
    let manners = context.manners();
    let removals = match context.ui.answers {
        Answers::Yes => Removals::Any,
        Answers::Asked | Answers::None => Removals::Few,
    };
    let session = Session::open(context, Mode::Real)?;
    let wishes = Wishes { removals, ..Wishes::default() };
    let done = sync(&session, &wishes, manners, patience)?;
    report::synced(&context.ui, &done);
    match done.failure() {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

/// Shows the very plan a sync would execute with what was fetched last. Asks the remote nothing
/// and writes nothing: what planning stores stays in memory.
fn dry_run(context: &Context) -> Outcome<()> {
    let session = Session::open(context, Mode::Rehearsal)?;
    let observer = session.observer()?;
    let upstream = session.worktree.upstream()?;
    let picture = session.picture(&observer, upstream)?;
    let plan = plan(&picture.observation, &session.policy()?);
    report::preview(&context.ui, &plan);
    if session.remote.is_some() {
        context.ui.say("This is against what was fetched last; the remote was not asked.");
    }
    if plan.changes.is_empty() && plan.steps.is_empty() && !plan.held.is_empty() {
        return Err(Failure::new(Code::Held, "files wait for you, and nothing else would change")
            .hint("`cfgsync status` shows them."));
    }
    let (ahead, _) = ahead_behind(&session.worktree, &session.branch, upstream)?;
    let waits = session.remote.is_some() && ahead > 0;
    if plan.changes.is_empty() && plan.steps.is_empty() && plan.held.is_empty() && !waits {
        return Ok(());
    }
    Err(Failure::new(Code::OutOfSync, "a sync would change something").hint("Run `cfgsync sync`."))
}
