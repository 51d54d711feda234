//! `cfgsync sync --force-push` and `--force-pull`: one side wins as a whole, after a preview.

use cfgsync_core::plan::Plan;
use cfgsync_core::policy::{Removals, Winner};

use super::sync::dry_run;
use crate::context::Context;
use crate::failure::{Code, Failure, Outcome};
use crate::lock::Patience;
use crate::session::{Mode, Session};
use crate::sync::rehearsal::{Rehearsal, rehearse};
use crate::sync::words::next_steps;
use crate::sync::{Command, Tip, Wishes, sync};
use crate::ui::{Answers, Confirmed, report};

/// Runs it.
pub fn run(context: &Context, winner: Winner, is_dry: bool) -> Outcome<()> {
    let command = match winner {
        Winner::Ours => Command::ForcePush,
        Winner::Theirs => Command::ForcePull,
    };
    let wishes =
        Wishes { command, removals: Removals::Any, winner: Some(winner), ..Wishes::default() };
    if is_dry {
        context.ui.say(promise(winner));
        return dry_run(context, &wishes);
    }
    let Some(seen) = preview(context, &wishes, winner)? else {
        context.ui.say("Both sides are the same; there is nothing to force.");
        return Ok(());
    };
    if context.ui.confirm(question(winner), Confirmed::No) == Confirmed::No {
        let refused = Failure::new(Code::Refused, "nothing was done");
        return Err(match context.ui.answers {
            Answers::None => refused.hint("Without a terminal, --yes says that you mean it."),
            Answers::Asked | Answers::Yes => refused,
        });
    }
    let session = Session::open(context, Mode::Real)?;
    let wishes = Wishes { expecting: seen, ..wishes };
    let mut done = match sync(&session, &wishes, context.manners(), session.turn(Patience::Wait)?) {
        Err(failure) if Tip::Exactly(session.worktree.upstream()?) != seen => {
            preview(context, &wishes, winner)?;
            return Err(failure);
        }
        done => done?,
    };
    // The preview has named every change.
    done.changes.clear();
    report::synced(&context.ui, &done);
    report::undo_line(&context.ui, &done);
    done.failure().map_or(Ok(()), Err)
}

/// Shows what would be overwritten, and returns where upstream is; none when nothing would change.
fn preview(context: &Context, wishes: &Wishes, winner: Winner) -> Outcome<Option<Tip>> {
    let session = Session::open(context, Mode::Rehearsal)?;
    if session.remote.is_none() {
        return Err(Failure::error("there is no remote to force anything with")
            .hint("`cfgsync setup <URL>` adds one."));
    }
    let wishes = Wishes { expecting: Tip::Any, ..wishes.clone() };
    let Rehearsal { plan, picture, upstream, offline, .. } =
        rehearse(&session, &wishes, context.manners())?;
    if let Some(offline) = offline {
        return Err(offline);
    }
    let is_same = plan.changes.is_empty() && plan.steps.is_empty() && plan.operation.is_empty();
    if is_same && picture.head == upstream {
        return if plan.held.is_empty() { Ok(None) } else { Err(only_held(context, &plan)) };
    }
    context.ui.say(promise(winner));
    report::preview(&context.ui, &plan);
    Ok(Some(Tip::Exactly(upstream)))
}

/// Shows what waits where nothing but that differs: for what a force does not decide.
fn only_held(context: &Context, plan: &Plan) -> Failure {
    report::preview(&context.ui, plan);
    let waits = if plan.held.len() == 1 { "file waits" } else { "files wait" };
    let cause = format!("{} {waits} for you; there is nothing to force", plan.held.len());
    Failure { hints: next_steps(&plan.held), ..Failure::new(Code::Held, cause) }
}

fn promise(winner: Winner) -> &'static str {
    match winner {
        Winner::Ours => {
            "This machine's side wins: the remote gets one commit more, its history stays."
        }
        Winner::Theirs => "The remote's side wins: what is here is kept in the vault first.",
    }
}

fn question(winner: Winner) -> &'static str {
    match winner {
        Winner::Ours => "Make the remote like this machine?",
        Winner::Theirs => "Make this machine like the remote?",
    }
}
