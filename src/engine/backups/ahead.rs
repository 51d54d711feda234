//! What a sync does for an archive before it knows whether it needs one.
//!
//! Where something comes in, a thread reads what the archives hold while the run looks at the files. While
//! the remote is waited for, the archive itself is made: until something is about to be replaced it lies
//! beside the others as a draft, whole, durable and read back, but without a name; where nothing is, or it
//! is not of what is replaced, it goes again. So no archive is made that would not be made without it.

use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use super::archives::{Archives, Drafted};
use super::contents::{self, Sight};
use crate::archive::seal;
use crate::context::{Context, Places};
use crate::failure::Outcome;
use crate::session::Session;

/// What it is called. Only a sync makes one, and there is one sync at a time.
const DRAFT: &str = "ahead.new";

/// Up to how many bytes of files one is made ahead: the remote may be through sooner than more, and may
/// have brought nothing.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// What was done ahead. A draft that has no name is gone with this value, and no thread outlives it.
#[derive(Default)]
pub struct Ahead {
    reading: Option<JoinHandle<Option<Archives>>>,
    archives: Option<Archives>,
    draft: Option<Draft>,
}

/// An archive that has no name yet.
struct Draft {
    drafted: Drafted,
    /// The state of its file when it was read back.
    state: String,
}

/// Returns where one lies.
pub fn place(places: &Places) -> PathBuf {
    places.backups().join(DRAFT)
}

impl Ahead {
    /// Begins to read what the archives hold.
    pub fn begin(context: &Context) -> Self {
        let (places, limit) = (context.places.clone(), context.settings.backups);
        let read = move || Archives::read_ahead(&places, limit);
        // Where there can be no thread, they are read when they are needed.
        let reading = thread::Builder::new().spawn(read).ok();
        Self { reading, archives: None, draft: None }
    }

    /// Makes an archive of what a run saw; none where the newest one holds the same, where much would be
    /// packed, or where an archive sees files otherwise than a plan. The lock is held.
    pub fn make(&mut self, session: &Session<'_>, sight: Sight<'_>, reason: &str) -> Outcome<()> {
        let context = session.context;
        if context.settings.backup_local {
            return Ok(());
        }
        let archives = match self.read(session) {
            Some(archives) => archives,
            None => Archives::read(session)?,
        };
        let archives = self.archives.insert(archives);
        // What did not change since the one before is copied, which is what makes it cheap.
        let Some((_, newest)) = &archives.newest else { return Ok(()) };
        let Some(contents) = contents::of_sight(session, sight, Some(newest)) else {
            return Ok(());
        };
        let now = &contents.inventory;
        if newest.is_same_state(now) || now.size() > MOST_BYTES {
            return Ok(());
        }
        let draft = place(&context.places);
        let made = archives.draft(session, contents, reason, &draft, &|_| ())?;
        let made = made.zip(seal::line(&draft));
        self.draft = made.map(|(drafted, state)| Draft { drafted, state });
        Ok(())
    }

    /// Returns the archives, and the one that was made ahead. That is none where its file is not as it was
    /// read back: whoever had the lock since, and may have made an archive, removed it. The lock is held.
    pub(super) fn take(&mut self, session: &Session<'_>) -> Outcome<(Archives, Option<Drafted>)> {
        let Some(archives) = self.read(session) else {
            return Ok((Archives::read(session)?, None));
        };
        let as_it_was = |Draft { drafted, state }: Draft| {
            seal::line(&drafted.place).is_some_and(|now| now == state).then_some(drafted)
        };
        Ok((archives, self.draft.take().and_then(as_it_was)))
    }

    /// Returns what was read ahead, where it still stands.
    fn read(&mut self, session: &Session<'_>) -> Option<Archives> {
        let read = self.wait().or(self.archives.take());
        read.filter(|archives| archives.stand(&session.context.places))
    }

    fn wait(&mut self) -> Option<Archives> {
        self.reading.take()?.join().ok().flatten()
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.wait();
    }
}
