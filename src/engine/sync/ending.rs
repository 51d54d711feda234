//! How a sync ends: a last look, the record, the history.

use cfgsync_core::status::SyncState;
use cfgsync_core::status::wire::Watch;

use super::agreement::AFTER;
use super::sight::Sight;
use super::{Report, Sync, ahead_behind};
use crate::context::now;
use crate::failure::{Code, Failure, Outcome};
use crate::git;
use crate::git::CommitId;
use crate::observe::Observer;
use crate::pause;
use crate::quiet::Quiet;
use crate::record::{self, Basis, Done, Standing};
use crate::recover::Note;
use crate::retention;
use crate::still::{self};
use crate::watch::{Tips, watch};

/// How a sync left things.
#[derive(Debug)]
pub enum Ending {
    /// In sync, as was seen, for as long as this stands.
    Known(Watch),
    /// In sync as before, with all that the last list says.
    Still,
    /// So many changes came up meanwhile, or wait.
    Pending(usize),
}

impl Sync<'_> {
    /// Looks once more at what was left behind: only what is seen to be in sync is called so.
    pub fn settle(&self, observer: &Observer<'_>, upstream: Option<CommitId>) -> Outcome<Ending> {
        let session = self.session;
        // Nobody connects any more.
        if let Some(remote) = &self.remote {
            remote.leave();
            remote.forget_push()?;
        }
        let _lock = self.session.lock()?;
        let (Sight { picture, since, is_kept, is_done }, list) =
            self.look_after(observer, upstream)?;
        observer.remember()?;
        session.gate.remember()?;
        // Most often the round has kept it already.
        if !is_kept {
            let note = Note::leave(&session.context.places)?;
            session.vault.gather();
            session.snapshot(&picture, AFTER)?;
            session.vault.make_durable()?;
            note.withdraw()?;
        }
        let is_sent = session.remote.is_none() || picture.head == upstream;
        if !is_sent || !is_done.map_or_else(|| self.is_done(&picture), Ok)? {
            // A file that was found emptied is known to be empty from now on, and waits no more.
            still::forget(session)?;
            let plan = self.plan(&picture, session.policy()?.copies)?;
            return Ok(Ending::Pending(plan.changes.len()));
        }
        let local = &picture.observation.local;
        Quiet::write(session, [upstream, picture.head], local)?;
        let tips = Tips { head: picture.head, upstream: session.worktree.upstream()? };
        // What is over already, somebody changed just now.
        let Some(watch) = watch(session, observer, local, tips, since)? else {
            still::forget(session)?;
            return Ok(Ending::Pending(1));
        };
        let beside = (&self.rules, picture.head);
        still::write(session, observer, list.as_ref(), (&watch, since), beside)?;
        Ok(Ending::Known(watch))
    }

    /// Publishes the record and the history.
    pub fn finish(
        &self,
        mut report: Report,
        upstream: Option<CommitId>,
        failure: Option<Failure>,
        ending: Ending,
    ) -> Outcome<Report> {
        let session = self.session;
        let context = session.context;
        let (ahead, behind) = ahead_behind(&session.worktree, &session.branch, upstream)?;
        let ahead = if session.remote.is_some() { ahead } else { 0 };
        let contact = (session.remote.is_some() && failure.is_none()).then(now);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let held = count(report.held.len() + report.failed.len());
        let pending = match &ending {
            Ending::Known(_) | Ending::Still => 0,
            Ending::Pending(changes) => count(*changes),
        };
        let state = match &failure {
            _ if held > 0 => SyncState::Held,
            Some(failure) if !matches!(failure.code, Code::Offline | Code::Stopped) => {
                SyncState::Failed
            }
            _ if ahead > 0 || pending > 0 => SyncState::Ahead,
            _ if behind > 0 => SyncState::Behind,
            Some(_) => SyncState::Offline,
            None => SyncState::Synced,
        };
        let basis = match &ending {
            Ending::Known(watch) => Basis::List(watch),
            Ending::Still => Basis::LastList,
            Ending::Pending(_) => Basis::Nothing,
        };
        let trouble = failure.as_ref().and_then(pause::trouble);
        let standing = Standing { ahead, behind, pending, held, contact, trouble };
        record::publish_watched(context, state, standing, basis)?;
        if let Some(at) = contact {
            record::contact(&context.places, at)?;
        }
        if let Some((number, operation)) = &*self.operation.borrow() {
            let done = Done { number: *number, command: self.wishes.command.word(), operation };
            record::history(context, &done, &report.changes, report.held.len())?;
            report.is_undoable = !operation.is_empty();
        }
        // Nobody waits for this, and nothing depends on it.
        if let Err(failure) = retention::tend(session) {
            report.notes.push(format!("The vault was not tidied up: {}", failure.cause));
        }
        if let Some(trouble) = git::global::trouble() {
            let note = "your Git configuration is broken, and the sync went on without it";
            report.notes.push(format!("{note}: {trouble}"));
        }
        report.ahead = ahead;
        report.remote = failure;
        Ok(report)
    }
}
