//! An archive that a sync makes while it waits for its remote, before it knows whether it needs one.
//!
//! Until something is about to be replaced it lies beside the others as a draft, whole, durable and read
//! back, but without a name; where nothing is, or it is not of what is replaced, it goes again. So no
//! archive is made that would not be made without it.

use std::path::PathBuf;

use super::contents::{self, Sight};
use super::{Archives, Drafted};
use crate::archive::seal;
use crate::context::Places;
use crate::failure::Outcome;
use crate::session::Session;

/// What it is called. Only a sync makes one, and there is one sync at a time.
const DRAFT: &str = "ahead.new";

/// Up to how many bytes of files one is made ahead: the remote may be through sooner than more, and may
/// have brought nothing.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// An archive that has no name yet. It is gone with this value.
pub struct Ahead {
    archives: Archives,
    draft: Drafted,
    /// The state of its file when it was read back.
    state: String,
}

/// Returns where one lies.
pub fn place(places: &Places) -> PathBuf {
    places.backups().join(DRAFT)
}

/// Makes one of what a run saw; none where the newest archive holds the same, where much would be packed,
/// or where an archive sees files otherwise than a plan. The lock is held.
pub fn make(session: &Session<'_>, sight: Sight<'_>, reason: &str) -> Outcome<Option<Ahead>> {
    let context = session.context;
    if context.settings.backup_local {
        return Ok(None);
    }
    let archives = Archives::read(session)?;
    // What did not change since the one before is copied, which is what makes it cheap.
    let Some((_, newest)) = &archives.newest else { return Ok(None) };
    let Some(contents) = contents::of_sight(session, sight, Some(newest)) else { return Ok(None) };
    let now = &contents.inventory;
    if newest.is_same_state(now) || now.size() > MOST_BYTES {
        return Ok(None);
    }
    let draft = place(&context.places);
    let made = archives.draft(session, contents, reason, &draft, &|_| ())?;
    let made = made.zip(seal::line(&draft));
    Ok(made.map(|(draft, state)| Ahead { archives, draft, state }))
}

impl Ahead {
    /// Returns it with the archives beside it, where its file is as it was read back. Whoever had the lock
    /// since, and may have made an archive, removed it.
    pub(super) fn check(self) -> Option<(Archives, Drafted)> {
        let Self { archives, draft, state } = self;
        let is_as_it_was = seal::line(&draft.place).is_some_and(|now| now == state);
        is_as_it_was.then_some((archives, draft))
    }
}
