//! One sync, in the order of `docs/sync-model.md`.
//!
//! Everything local happens under the lock and is short; everything on the network happens outside
//! it. There is no stash, no checkout and no journal: after a crash, the next sync is the recovery,
//! because changes that are already done count as agreed.

mod advance;
mod agreement;
mod attempts;
mod contact;
mod ending;
pub mod rehearsal;
mod report;
mod round;
mod sight;
mod trial;
mod unfiltered;
pub mod wishes;
pub mod words;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cfgsync_core::operation::Operation;
use cfgsync_core::path::HomePath;
use cfgsync_core::plan::{Plan, Why, plan};
use cfgsync_core::policy::{Policy, Winner};
use cfgsync_core::status::SyncState;

use crate::backups::ahead::Ahead;
use crate::failure::{Code, Failure, Outcome};
use crate::git::CommitId;
use crate::git::client::user_ssh;
use crate::git::program::Manners;
use crate::git::push::Pushed;
use crate::git::remote::{Fetched, Remote, limits};
use crate::git::worktree::Worktree;
use crate::interrupt;
use crate::lights::Pulse;
use crate::lock::Lock;
use crate::observe::Observer;
use crate::picture::Picture;
use crate::privacy;
use crate::record::{self, Standing};
use crate::secrets;
use crate::session::Session;
use crate::still::{self, Rules, Stood};
use attempts::Attempts;
use contact::{Contact, Course};
pub use report::Report;
use sight::{Keep, Last, Looked};
pub use wishes::{Command, Tip, Wishes};
use words::{History, busy, moved, rewritten, vanished};

/// Syncs, and publishes what came of it whether it went well or not.
pub fn sync(
    session: &Session<'_>,
    wishes: &Wishes,
    manners: Manners,
    running: Lock,
) -> Outcome<Report> {
    let context = session.context;
    let _running = running.and(&session.worktree.git_folder().join("cfgsync-running"))?;
    interrupt::hear();
    let _pulse = Pulse::begin(&context.places);
    record::announce(&context.places)?;
    let (sync, observer) = (Sync::new(session, wishes, manners), session.observer());
    let result = sync.run(&observer);
    match &result {
        Err(failure) => record::publish_failure(context, failure)?,
        // The process ends soon, and takes the name of each file with it; one by one that takes its time.
        Ok(_) => std::mem::forget((observer, sync.last.take())),
    }
    result
}

/// Returns the remote a session syncs with.
fn remote<'a>(session: &'a Session<'_>, manners: Manners, scratch: &'a Path) -> Option<Remote<'a>> {
    let name = session.remote.as_deref()?;
    let variant = session.worktree.setting("ssh.variant");
    let ssh = user_ssh(session.worktree.setting("core.sshCommand"), variant.as_deref());
    let url = session.worktree.remote_url(name).unwrap_or_default();
    let limits = limits(&url, manners, session.context.ui);
    Some(Remote::new(&session.worktree, name, &session.branch, ssh, limits, scratch))
}

/// Fetches, and does nothing else; none without a remote.
pub fn fetch(session: &Session<'_>, manners: Manners) -> Option<Outcome<Fetched>> {
    let remote = remote(session, manners, &session.context.places.state)?;
    Some(remote.fetch())
}

struct Sync<'a> {
    session: &'a Session<'a>,
    wishes: &'a Wishes,
    /// Whom this run talks to; nobody where the repository has no remote.
    remote: Option<Remote<'a>>,
    /// What this run changed so far, under its number.
    operation: RefCell<Option<(u64, Operation)>>,
    /// Whether what a choice had overruled is upstream again; from then on both sides just meet.
    is_returned: Cell<bool>,
    /// What says what is ignored and filtered, as it was before the run looked.
    rules: Rules,
    /// What stands as it was left, once that was asked.
    stood: OnceCell<Stood>,
    /// What this run saw last.
    last: RefCell<Option<Last>>,
    /// What was done for an archive ahead.
    ahead: RefCell<Ahead>,
}

impl<'a> Sync<'a> {
    fn new(session: &'a Session<'a>, wishes: &'a Wishes, manners: Manners) -> Self {
        let (operation, is_returned) = (RefCell::default(), Cell::default());
        let remote = remote(session, manners, &session.context.places.state);
        let rules = still::rules(session);
        let (stood, last, ahead) = Default::default();
        Self { session, wishes, remote, operation, is_returned, rules, stood, last, ahead }
    }

    fn run(&self, observer: &Observer<'_>) -> Outcome<Report> {
        let session = self.session;
        let lock = self.session.lock()?;
        session.settle_displaced()?;
        drop(lock);
        let record = record::read(&session.context.places)?;
        let course = self.course(record.as_ref())?;
        let standing = Standing::of(record.as_ref());
        let published = record::publish(session.context, SyncState::Syncing, standing);
        self.read_archives_ahead(&course);
        let is_next = matches!(course, Course::Open { .. } | Course::Known(_));
        let keep = if is_next { Keep::InRound } else { Keep::Now };
        let looked = self.look_first(observer, course.known(), keep);
        if let (Course::Open { tip }, Ok(Looked::Whole), Ok(())) = (&course, &looked, &published) {
            return self.rounds(observer, Some(*tip), Contact::Due);
        }
        // What comes in will be compared with all that is here, so that is looked at meanwhile.
        let is_awaited = matches!(course, Course::Fetching { is_awaited: true, .. });
        let ahead = match &looked {
            Ok(Looked::Quiet { .. }) if is_awaited => {
                Some(self.look_whole(observer, (None, None), Keep::InRound))
            }
            _ => None,
        };
        if is_awaited {
            self.archive_ahead(observer);
        }
        // Whatever the first look came to, a fetch under way has to be waited for.
        let fetched = self.meet(course)?;
        published?;
        let looked = looked?;
        let (upstream, mut failure) = self.upstream(fetched)?;
        self.check_tip(upstream, failure.as_ref())?;
        // What was last known of the remote is not what a person agreed to.
        if let Some(failure) = failure.take_if(|_| self.wishes.winner.is_some()) {
            return Err(failure.hint("A force needs the remote; nothing was changed."));
        }
        if let Some(failure) = failure.take_if(|_| !self.wishes.edit.overruled.is_empty()) {
            return Err(failure.hint("What was overruled is at the remote; it has to answer."));
        }
        if let Looked::Quiet { upstream: known, ending } = looked {
            if known == upstream && failure.is_none() {
                return self.finish(Report::default(), upstream, None, ending);
            }
            ahead.unwrap_or_else(|| self.look_whole(observer, (None, None), Keep::InRound))?;
        }
        self.check_history(upstream)?;
        self.rounds(observer, upstream, failure.map_or(Contact::Made, Contact::Failed))
    }

    /// Returns upstream's tip, and why it could not be asked.
    fn upstream(
        &self,
        fetched: Option<Outcome<Fetched>>,
    ) -> Outcome<(Option<CommitId>, Option<Failure>)> {
        let worktree = &self.session.worktree;
        match fetched {
            None => Ok((None, None)),
            Some(Ok(Fetched::Tip(tip))) => Ok((Some(tip), None)),
            // A force push puts a branch that is gone back.
            Some(Ok(Fetched::NoBranch)) if self.wishes.winner == Some(Winner::Ours) => {
                Ok((None, None))
            }
            Some(Ok(Fetched::NoBranch)) => match worktree.upstream()? {
                None => Ok((None, None)),
                Some(_) => Err(self.vanished()),
            },
            Some(Err(failure)) if failure.code == Code::Stopped => Err(failure),
            Some(Err(failure)) => Ok((worktree.upstream()?, Some(failure))),
        }
    }

    /// Says which branch is gone, and which ones are there.
    fn vanished(&self) -> Failure {
        let others =
            self.remote.as_ref().and_then(|remote| remote.branches().ok()).unwrap_or_default();
        vanished(&self.session.branch, &others)
    }

    /// A person agreed to what upstream was then, and to nothing else.
    fn check_tip(&self, upstream: Option<CommitId>, failure: Option<&Failure>) -> Outcome<()> {
        match (self.wishes.expecting, failure) {
            (Tip::Exactly(tip), None) if tip != upstream => Err(moved()),
            _ => Ok(()),
        }
    }

    /// History that does not contain what was there before was rewritten, rolled back or replaced;
    /// which of both sides stays is a person's to say.
    fn check_history(&self, upstream: Option<CommitId>) -> Outcome<()> {
        let session = self.session;
        let Some(tip) = upstream.filter(|_| self.wishes.winner.is_none()) else { return Ok(()) };
        let seen = session.vault.agreed_tip()?;
        if let Some(seen) = seen {
            return match session.worktree.contains(tip, seen) {
                Ok(true) => Ok(()),
                _ if session.worktree.contains(seen, tip).unwrap_or(false) => {
                    Err(rewritten(History::RolledBack))
                }
                _ => Err(rewritten(History::Rewritten)),
            };
        }
        match session.worktree.tip(&session.branch)? {
            // What cfgsync itself committed before there was a remote is no history of a person.
            Some(head)
                if session.worktree.merge_base(head, tip)?.is_none()
                    && !session.worktree.is_only_ours(head, &session.context.machine.id)? =>
            {
                Err(rewritten(History::Unrelated))
            }
            _ => Ok(()),
        }
    }

    /// Returns true when nothing is left to do here: every step is done, every link stands, and the
    /// branch holds what is on disk.
    fn is_done(&self, picture: &Picture) -> Outcome<bool> {
        let plan = self.plan(picture, self.session.policy()?.copies)?;
        let is_quiet = plan.steps.is_empty() && plan.held.is_empty() && plan.changes.is_empty();
        Ok(is_quiet && plan.tree == picture.head_tree)
    }

    fn plan(&self, picture: &Picture, copies: BTreeSet<HomePath>) -> Outcome<Plan> {
        let policy = Policy {
            choices: self.wishes.choices(&picture.observation),
            removals: self.wishes.removals,
            winner: self.wishes.winner,
            restored: if self.is_returned.get() {
                BTreeMap::new()
            } else {
                self.wishes.edit.overruled.clone()
            },
            edited: self.wishes.edit.units.keys().cloned().collect(),
            copies,
            ..self.session.machine_policy()?
        };
        Ok(plan(&picture.observation, &policy))
    }

    /// Plans and acts until nothing is stale and the remote took it.
    fn rounds(
        &self,
        observer: &Observer<'_>,
        mut upstream: Option<CommitId>,
        mut contact: Contact,
    ) -> Outcome<Report> {
        let mut report = Report::default();
        let mut attempts = Attempts::default();
        loop {
            interrupt::check()?;
            self.try_arrivals(upstream, &contact)?;
            let lock = self.session.lock()?;
            let done = self.round(observer, upstream)?;
            drop(lock);
            report.add(&done);
            // What stood in the way may be gone by what was just done.
            let is_freed = !done.plan.steps.is_empty()
                && done.plan.held.iter().any(|held| matches!(held.why, Why::InTheWay(_)));
            if (done.is_stale || is_freed) && attempts.plans_again() {
                continue;
            }
            let (Some(remote), Some(tip)) = (&self.remote, done.tip) else { break };
            let is_new = Some(tip) != upstream;
            match contact {
                Contact::Failed(_) => break,
                Contact::Made if !is_new => break,
                // Nothing is there to send after all, so the remote is only asked.
                Contact::Due if !is_new => {
                    contact = self.ask(remote, &mut upstream)?;
                    if Some(tip) == upstream {
                        break;
                    }
                    continue;
                }
                Contact::Made | Contact::Due => {}
            }
            let checked = privacy::check(self.session)
                .and_then(|()| secrets::check(self.session, tip, upstream));
            let meanwhile = || self.look_ahead(observer, &done, tip);
            let pushed = checked.and_then(|()| remote.push(tip, upstream, meanwhile));
            contact = match pushed {
                Ok(Pushed::Done) => {
                    let _lock = self.session.lock()?;
                    self.agree_on(&done, tip)?;
                    upstream = Some(tip);
                    contact = Contact::Made;
                    if self.wishes.edit.overruled.is_empty() || self.is_returned.replace(true) {
                        break;
                    }
                    contact
                }
                // A push that was only a guess is no race that was lost.
                Ok(Pushed::Refused) if matches!(contact, Contact::Due) => {
                    self.ask(remote, &mut upstream)?
                }
                Ok(Pushed::Refused) if !attempts.wait_for_its_turn()? => {
                    Contact::Failed(busy(remote))
                }
                Ok(Pushed::Refused) => self.ask(remote, &mut upstream)?,
                Err(error) => Contact::Failed(error),
            };
            if matches!(contact, Contact::Failed(_)) {
                break;
            }
        }
        report.settle();
        let ending = self.settle(observer, upstream)?;
        self.finish(report, upstream, contact.failure(), ending)
    }
}

/// Returns how far the branch and upstream are apart.
pub fn ahead_behind(
    worktree: &Worktree,
    branch: &str,
    upstream: Option<CommitId>,
) -> Outcome<(u32, u32)> {
    match (worktree.tip(branch)?, upstream) {
        (Some(head), Some(upstream)) => worktree.ahead_behind(head, upstream),
        (Some(head), None) => Ok((worktree.count(head)?, 0)),
        (None, Some(upstream)) => Ok((0, worktree.count(upstream)?)),
        (None, None) => Ok((0, 0)),
    }
}
