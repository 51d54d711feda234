//! A sync up to its plan, with upstream as it is now, that changes nothing anywhere: what every dry
//! run and every preview shows is the very plan that would be executed.

use cfgsync_core::plan::Plan;

use super::words::{paused, refused};
use super::{Sync, Wishes, remote};
use crate::failure::{Code, Failure, Outcome};
use crate::fs::desk::Desk;
use crate::git::CommitId;
use crate::git::program::Manners;
use crate::picture::Picture;
use crate::secrets;
use crate::session::Session;

/// What a sync would do.
pub struct Rehearsal {
    /// The plan.
    pub plan: Plan,
    /// What it was made from.
    pub picture: Picture,
    /// Where upstream is, as far as is known.
    pub upstream: Option<CommitId>,
    /// Why upstream could not be asked; then it is taken to be where it was last.
    pub offline: Option<Failure>,
    /// Holds what was fetched for this.
    _desk: Desk,
}

/// Plans a sync. The session must be a rehearsal too, so that nothing it stores stays.
pub fn rehearse(session: &Session<'_>, wishes: &Wishes, manners: Manners) -> Outcome<Rehearsal> {
    if let Some(foreign) = session.worktree.foreign(&session.branch)? {
        return Err(paused(&foreign));
    }
    let desk = Desk::set_up(&session.scratch)?;
    let sync = Sync::new(session, wishes, manners);
    let fetched = remote(session, manners, desk.folder()).map(|remote| remote.peek(desk.folder()));
    let (upstream, offline) = sync.upstream(fetched)?;
    if let Some(failure) = offline.as_ref().filter(|failure| failure.code != Code::Offline) {
        return Err(Failure {
            hints: failure.hints.clone(),
            ..Failure::new(failure.code, &failure.cause)
        });
    }
    sync.check_history(upstream)?;
    let observer = session.observer();
    let mut picture = session.picture(&observer, upstream)?;
    if let Some(marks) = sync.added_marks(&picture) {
        picture = session.picture_with(&observer, upstream, &marks)?;
    }
    wishes.edit.apply(&mut picture.observation);
    session.find_only_here(&mut picture.observation)?;
    secrets::find(session, &mut picture.observation, &wishes.choices)?;
    let plan = sync.plan(&picture, session.policy()?.copies)?;
    match plan.refusal {
        Some(refusal) => Err(refused(refusal)),
        None => Ok(Rehearsal { plan, picture, upstream, offline, _desk: desk }),
    }
}
