//! What a sync sees of this machine's files, from its first look to its last.

use std::collections::BTreeSet;

use cfgsync_core::observed::Local;
use cfgsync_core::path::RepoPath;
use cfgsync_core::time::UnixTime;
use cfgsync_core::tree::Tree;

use super::Sync;
use super::contact::Course;
use super::ending::Ending;
use super::round::Round;
use super::words::paused;
use crate::backups::ahead::Ahead;
use crate::backups::contents;
use crate::context::now;
use crate::failure::Outcome;
use crate::git::CommitId;
use crate::marks;
use crate::observe::{Observer, Scope};
use crate::picture::Picture;
use crate::quiet::Quiet;
use crate::recover::Note;
use crate::still::{self, List, Stood};
use crate::watch::{Tips, watch};

/// From how many seconds on what was seen is too old to make a plan of.
const OLD_SECONDS: u64 = 1;

/// This machine's files as a run knows them to be.
pub struct Sight {
    /// What a plan is made from.
    pub picture: Picture,
    /// When it began to look.
    pub since: UnixTime,
    /// Whether the run's last snapshot keeps all of it.
    pub is_kept: bool,
    /// Whether nothing is left to do, where that is known.
    pub is_done: Option<bool>,
}

/// What a run saw last, and what it did since.
pub struct Last {
    /// What it saw.
    pub picture: Picture,
    /// Units that a round of this run touched since, none where there was no round: one that touches
    /// nothing still changes what is agreed.
    pub touched: Option<BTreeSet<RepoPath>>,
    /// When it began to look.
    pub since: UnixTime,
    /// Whether the run's last snapshot keeps all of it.
    pub is_kept: bool,
    /// Whether nothing is left to do, where that is known.
    pub is_done: Option<bool>,
}

/// When what was seen is put into the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// At once: the remote is waited for anyway.
    Now,
    /// By the round that follows, with what it adds.
    InRound,
}

/// What the first look came to.
pub enum Looked {
    /// Everything stands as the last run left it, with upstream at this commit.
    Quiet { upstream: Option<CommitId>, ending: Ending },
    /// Something changed, or nobody knows; everything is in the vault.
    Whole,
}

impl Sync<'_> {
    /// Under the lock: looks whether the repository is ours to touch, and whether anything happened
    /// since the last run left everything in sync.
    pub fn look_first(
        &self,
        observer: &Observer<'_>,
        upstream: Option<CommitId>,
        keep: Keep,
    ) -> Outcome<Looked> {
        let session = self.session;
        let known = session.vault.agreed_tip()?;
        let is_still = self.is_still()?;
        // What came in is compared with everything that is here.
        if upstream.is_some() && upstream != known {
            self.look_whole(observer, (None, upstream), keep)?;
            return Ok(Looked::Whole);
        }
        if is_still {
            return Ok(Looked::Quiet { upstream: known, ending: Ending::Still });
        }
        let quiet = Quiet::read(&session.context.places)?;
        let mut seen = None;
        if let Some(quiet) = quiet.filter(|_| self.wishes.are_plain()) {
            let _lock = self.session.lock()?;
            let (local, since) = if let Some(seen) = self.look_on(observer)? {
                seen
            } else {
                let scope = Scope { known: quiet.known(), ..Scope::default() };
                let since = now();
                (observer.look(&scope)?, since)
            };
            let is_ours = || session.worktree.foreign(&session.branch);
            let head = session.worktree.tip(&session.branch)?;
            if quiet.holds(session, [known, head], &local)? && is_ours()?.is_none() {
                observer.remember()?;
                let tips = Tips { head, upstream: session.worktree.upstream()? };
                if let Some(watch) = watch(session, observer, &local, tips, since)? {
                    let list = List::of(session, observer, &local, self.stood.get());
                    let beside = (&self.rules, head);
                    still::write(session, observer, list.as_ref(), (&watch, since), beside)?;
                    return Ok(Looked::Quiet { upstream: known, ending: Ending::Known(watch) });
                }
            }
            seen = Some((local, since));
        }
        self.look_whole(observer, (seen, None), keep)?;
        Ok(Looked::Whole)
    }

    /// Under the lock: asks whether all stands exactly as it was left, without looking into it.
    pub fn is_still(&self) -> Outcome<bool> {
        Ok(self.stood()?.is_exact())
    }

    fn stood(&self) -> Outcome<&Stood> {
        let session = self.session;
        if let Some(known) = self.stood.get() {
            return Ok(known);
        }
        let stood = if self.wishes.are_plain() {
            let _lock = self.session.lock()?;
            let is_ours = session.worktree.foreign(&session.branch)?.is_none();
            if is_ours { still::stood(session, now())? } else { Stood::Unknown }
        } else {
            Stood::Unknown
        };
        Ok(self.stood.get_or_init(|| stood))
    }

    /// Looks on from what the last run left, with what of it does not stand; returns since when. None
    /// where only a whole look can tell.
    fn look_on(&self, observer: &Observer<'_>) -> Outcome<Option<(Local, UnixTime)>> {
        let Some(Stood::But(kept)) = self.stood.get() else { return Ok(None) };
        if OLD_SECONDS <= now().since(kept.since).0 {
            return Ok(None);
        }
        let Some(resumed) = kept.resumed(&self.session.context.places) else { return Ok(None) };
        Ok(observer.resume(resumed)?.map(|local| (local, kept.since)))
    }

    /// Under the lock: looks at everything, whoever is at work in the repository. `seen` is what this
    /// run saw just now, and since when; upstream is where it was agreed on last, unless it is known better.
    pub fn look_whole(
        &self,
        observer: &Observer<'_>,
        (seen, upstream): (Option<(Local, UnixTime)>, Option<CommitId>),
        keep: Keep,
    ) -> Outcome<()> {
        let session = self.session;
        let _lock = self.session.lock()?;
        let known = session.vault.agreed_tip()?;
        let note = Note::leave(&session.context.places)?;
        let known = upstream.or(known).filter(|tip| session.worktree.has(*tip));
        let seen = match seen {
            None if self.wishes.are_plain() => self.look_on(observer)?,
            seen => seen,
        };
        let since = seen.as_ref().map_or_else(now, |(_, since)| *since);
        let picture = match seen {
            Some((local, _)) => session.picture_again(observer, known, local, &BTreeSet::new())?,
            None => session.picture(observer, known)?,
        };
        let foreign = session.worktree.foreign(&session.branch)?;
        let is_kept = keep == Keep::Now || foreign.is_some();
        if is_kept {
            session.snapshot(&picture, "before a sync")?;
        }
        note.withdraw()?;
        if self.wishes.are_plain() {
            self.last.replace(Some(Last { picture, touched: None, since, is_kept, is_done: None }));
        }
        match foreign {
            Some(foreign) => Err(paused(&foreign)),
            None => Ok(()),
        }
    }

    /// Where something comes in: begins to read what the archives hold, beside the look that follows.
    pub fn read_archives_ahead(&self, course: &Course) {
        // Names are compared by two threads already. Whatever it is that failed, the look meets it again.
        if self.brings_something(course).unwrap_or(false) && self.is_still().is_ok() {
            self.ahead.replace(Ahead::begin(self.session.context));
        }
    }

    /// While the remote is waited for: makes the archive that will be wanted where something comes in.
    pub fn archive_ahead(&self, observer: &Observer<'_>) {
        let make = || {
            let _lock = self.session.lock()?;
            let last = self.last.borrow();
            let Some(Last { picture, .. }) = &*last else { return Ok(()) };
            let sight = contents::Sight { observer, picture };
            self.ahead.borrow_mut().make(self.session, sight, self.wishes.command.occasion())
        };
        // Whatever it is that failed, the archive that is made before something is replaced meets it again.
        let _: Outcome<()> = make();
    }

    /// Looks for a round, and returns this machine's side as it was before marks come back.
    pub fn see(
        &self,
        observer: &Observer<'_>,
        upstream: Option<CommitId>,
    ) -> Outcome<(Sight, Tree)> {
        // Who waited long for the remote had time for an edit.
        let is_old = |last: &mut Last| OLD_SECONDS <= now().since(last.since).0;
        drop(self.last.borrow_mut().take_if(is_old));
        let mut sight = self.look(observer, upstream)?;
        let before = sight.picture.observation.ours.clone();
        // Marks come before what is at their paths, as in `mark`: an interruption leaves a mark that
        // the next sync completes.
        let Some(marks) = self.added_marks(&sight.picture) else { return Ok((sight, before)) };
        marks::write_manifest(self.session, &marks)?;
        sight.picture = self.session.picture(observer, upstream)?;
        sight.is_kept = false;
        let units = sight.picture.observation.ours.units.clone();
        Ok((sight, Tree { units, ..before }))
    }

    /// Returns what this run saw, as it is now as far as this run knows. Whoever acts on it compares
    /// what it replaces.
    pub fn look(&self, observer: &Observer<'_>, upstream: Option<CommitId>) -> Outcome<Sight> {
        let Some(Last { picture, touched, since, is_kept, is_done }) = self.last.take() else {
            let since = now();
            let picture = self.session.picture(observer, upstream)?;
            return Ok(Sight { picture, since, is_kept: false, is_done: None });
        };
        let is_moved = picture.head != self.session.worktree.tip(&self.session.branch)?;
        if picture.upstream == upstream && touched.is_none() && !is_moved {
            return Ok(Sight { picture, since, is_kept, is_done });
        }
        let touched = touched.unwrap_or_default();
        let (local, before) = (picture.observation.local, picture.seen);
        let picture = self.session.picture_again(observer, upstream, local, &touched)?;
        let is_kept = is_kept && touched.is_empty() && picture.seen == before;
        Ok(Sight { picture, since, is_kept, is_done: None })
    }

    /// While a push is under way: looks as if the remote had taken it, so that only what changed
    /// meanwhile is left to be seen at the end.
    pub fn look_ahead(&self, observer: &Observer<'_>, round: &Round, tip: CommitId) {
        if self.last.borrow().is_none() {
            return;
        }
        let looked = || {
            let _lock = self.session.lock()?;
            let vault = &self.session.vault;
            vault.gather();
            let sight = vault
                .agree(round.shared, round.tree, Some(tip))
                .and_then(|()| self.look(observer, Some(tip)));
            vault.let_go();
            let Sight { picture, since, is_kept, .. } = sight?;
            let is_done = Some(self.is_done(&picture)?);
            let last = Last { picture, touched: None, since, is_kept, is_done };
            Outcome::Ok(self.last.replace(Some(last)))
        };
        // Whatever it is that failed, the look at the end meets it again.
        let _ = looked();
    }

    /// Looks at what was left behind: at all of it, unless what this run saw and did still stands
    /// exactly so.
    pub fn look_after(
        &self,
        observer: &Observer<'_>,
        upstream: Option<CommitId>,
    ) -> Outcome<(Sight, Option<List>)> {
        let session = self.session;
        let list = |picture: &Picture| {
            List::of(session, observer, &picture.observation.local, self.stood.get())
        };
        if self.last.borrow().is_some() {
            let sight = self.look(observer, upstream)?;
            let list = list(&sight.picture).filter(List::stands);
            if list.is_some() {
                return Ok((sight, list));
            }
        }
        let sight = self.look(observer, upstream)?;
        let list = list(&sight.picture);
        Ok((sight, list))
    }
}
