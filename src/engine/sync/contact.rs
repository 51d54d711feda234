//! Whom a sync asks first, so that it makes as few connections as can be.
//!
//! A push carries what it expects of the remote, so a sync that has something to send may send it
//! before it asks: a remote that moved refuses, and is asked then. The order changes how often there
//! is a connection, never what becomes of a file.

use cfgsync_core::status::StatusRecord;

use super::Sync;
use crate::claim;
use crate::context::Places;
use crate::failure::{Failure, Outcome};
use crate::fs::plain::{self, Durability};
use crate::git::CommitId;
use crate::git::program::Running;
use crate::git::remote::{Fetched, Remote};
use crate::recover::Note;

/// How a sync begins to talk to its remote.
pub enum Course {
    /// There is no remote.
    Alone,
    /// A fetch runs beside the first look.
    Fetching {
        /// The fetch.
        fetch: Running,
        /// Whether it is expected to bring something.
        is_awaited: bool,
    },
    /// The remote is a folder, and what its branch holds is here, without a connection.
    Known(CommitId),
    /// Nothing yet: what the first look finds is sent, with the remote expected at this commit.
    Open {
        /// The commit.
        tip: CommitId,
    },
}

/// How things stand with the remote.
pub enum Contact {
    /// It was not asked yet.
    Due,
    /// It answered.
    Made,
    /// It could not be asked.
    Failed(Failure),
}

impl Contact {
    /// Returns why the remote did not take part.
    pub fn failure(self) -> Option<Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            Self::Due | Self::Made => None,
        }
    }
}

impl Course {
    /// Returns where upstream is, where that is known without waiting.
    pub fn known(&self) -> Option<CommitId> {
        match self {
            Self::Known(tip) => Some(*tip),
            _ => None,
        }
    }
}

impl Sync<'_> {
    /// Decides whom to ask first: where the last sync saw nothing new upstream and something
    /// changed here, the remote is best told at once.
    pub fn course(&self, record: Option<&StatusRecord>) -> Outcome<Course> {
        let session = self.session;
        let places = &session.context.places;
        let Some(remote) = &self.remote else { return Ok(Course::Alone) };
        let fetching = |fetch| Course::Fetching { fetch, is_awaited: false };
        let agreed = session.vault.agreed_tip()?;
        let known = agreed.filter(|tip| session.worktree.has(*tip));
        let known = known.filter(|_| self.wishes.are_plain());
        let fetched = session.worktree.upstream()?;
        let known = known.filter(|tip| fetched == Some(*tip));
        let seen = known.and_then(|_| remote.glance());
        if let Some(tip) = known.filter(|tip| seen == Some(*tip)) {
            return Ok(Course::Known(tip));
        }
        if let Some(tip) = self.take(remote)? {
            return Ok(Course::Known(tip));
        }
        let Some(tip) = known else { return remote.start_fetch().map(fetching) };
        let has_come = came(places).exists();
        if !remote.is_folder() && !self.is_still()? && !claim::holds(places, record)? {
            // Whatever is sent, there may be more than one connection.
            remote.share_login();
            if !has_come {
                return Ok(Course::Open { tip });
            }
            remote.expect_push();
        }
        let is_awaited = seen.is_some() || has_come;
        remote.start_fetch().map(|fetch| Course::Fetching { fetch, is_awaited })
    }

    /// Returns whether something is known to come in, or expected to.
    pub fn brings_something(&self, course: &Course) -> Outcome<bool> {
        Ok(match course {
            Course::Known(tip) => self.session.vault.agreed_tip()? != Some(*tip),
            Course::Fetching { is_awaited, .. } => *is_awaited,
            Course::Alone | Course::Open { .. } => false,
        })
    }

    /// Brings the first talk to its end; none without a remote.
    pub fn meet(&self, course: Course) -> Outcome<Option<Outcome<Fetched>>> {
        let Some(remote) = &self.remote else { return Ok(None) };
        let fetched = match course {
            Course::Alone => return Ok(None),
            Course::Known(tip) => return Ok(Some(Ok(Fetched::Tip(tip)))),
            Course::Fetching { fetch, .. } => remote.finish_fetch(fetch),
            Course::Open { .. } => remote.fetch(),
        };
        self.note_whether_it_came(&fetched)?;
        Ok(Some(fetched))
    }

    /// Asks the remote where it is now.
    pub fn ask(&self, remote: &Remote<'_>, upstream: &mut Option<CommitId>) -> Outcome<Contact> {
        let fetched = match self.take(remote)? {
            Some(tip) => Ok(Fetched::Tip(tip)),
            None => remote.fetch(),
        };
        self.note_whether_it_came(&fetched)?;
        let (tip, failure) = self.upstream(Some(fetched))?;
        *upstream = tip;
        self.check_tip(tip, failure.as_ref())?;
        self.check_history(tip)?;
        Ok(failure.map_or(Contact::Made, Contact::Failed))
    }

    /// Under the lock: takes what a remote holds that is a folder of this machine, as far as that needs no
    /// Git.
    fn take(&self, remote: &Remote<'_>) -> Outcome<Option<CommitId>> {
        if !remote.is_folder() {
            return Ok(None);
        }
        let _lock = self.session.lock()?;
        let note = Note::leave(&self.session.context.places)?;
        let taken = remote.take();
        note.withdraw()?;
        Ok(taken)
    }

    /// Remembers whether upstream brought something this time: whoever edits elsewhere does so more
    /// than once.
    fn note_whether_it_came(&self, fetched: &Outcome<Fetched>) -> Outcome<()> {
        let Ok(Fetched::Tip(tip)) = fetched else { return Ok(()) };
        let before = self.session.vault.agreed_tip()?;
        let note = came(&self.session.context.places);
        match (before != Some(*tip), note.exists()) {
            (true, false) => Ok(plain::publish(&note, b"", Durability::Relaxed)?),
            (false, true) => Ok(plain::remove(&note)?),
            (true, true) | (false, false) => Ok(()),
        }
    }
}

/// Is there while the last sync brought something from upstream.
fn came(places: &Places) -> std::path::PathBuf {
    places.state.join("came")
}
