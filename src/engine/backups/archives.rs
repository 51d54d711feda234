//! What there is when another archive is made, and making it: a draft, read back, that gets its name last.

use std::fs::File;
use std::path::{Path, PathBuf};

use cfgsync_core::inventory::Inventory;
use cfgsync_core::path::RepoPath;

use super::contents::{self, Contents};
use super::rotation::{Known, forget_of};
use super::{Backup, Backups, ENDING, Kept, draft, paths};
use crate::archive::seal::{self, Seals};
use crate::archive::write::{Earlier, Made, Origin, Source, Written};
use crate::archive::{read, verify, write};
use crate::context::Places;
use crate::failure::{Code, Failure, Outcome};
use crate::fs::plain;
use crate::interrupt;
use crate::observe::Purpose;
use crate::sabotage::{self, Break};
use crate::session::Session;
use crate::ui::report::stamp;

/// How often an archive is begun anew because a file changed meanwhile.
const TRIES: u32 = 5;

/// Returns where it is remembered of what the newest archive is made up.
fn members(places: &Places) -> PathBuf {
    places.state.join("members")
}

/// Returns what is known of the archives that were read to their end.
pub fn seals(places: &Places) -> Outcome<Seals> {
    Seals::read(places.state.join("sealed"))
}

/// Returns the state of each archive's file.
fn states(places: &Places) -> Outcome<Vec<Option<String>>> {
    Ok(paths(places)?.iter().map(|path| seal::line(path)).collect())
}

/// A wish for an archive.
pub struct Wish<'a> {
    /// Why it is made.
    pub reason: &'a str,
    /// Whether local files belong into it.
    pub with_local: bool,
    /// What is done before it is written.
    pub first: &'a dyn Fn() -> Outcome<()>,
    /// What it would hold, where the run has seen that already.
    pub seen: Option<Contents>,
}

/// What there is when another one is made.
pub struct Archives {
    all: Backups,
    seals: Seals,
    /// The newest one that is whole, with its list of contents.
    pub newest: Option<(Backup, Inventory)>,
    /// The one that goes when another one is made, with its list of contents, where that is at hand.
    oldest: Option<(PathBuf, Inventory)>,
    /// The state of each file before it was read.
    states: Vec<Option<String>>,
}

impl Archives {
    /// Reads what is needed of them. The lock is held.
    pub fn read(session: &Session<'_>) -> Outcome<Self> {
        let places = &session.context.places;
        plain::make_private(&places.backups())?;
        let states = states(places)?;
        let (all, mut seals) = (Backups::list(places)?, seals(places)?);
        let newest = all.newest(&mut seals).map(|(backup, list)| (backup.clone(), list));
        Ok(Self { all, seals, newest, oldest: None, states })
    }

    /// Reads the same without the lock, and which one goes next where so many stay; none where the newest
    /// one has to be read to its end first.
    pub fn read_ahead(places: &Places, limit: usize) -> Option<Self> {
        let states = states(places).ok()?;
        let (all, seals) = (Backups::list(places).ok()?, seals(places).ok()?);
        let newest = all.sound.last().filter(|it| seals.know(&it.path))?;
        let newest = (newest.clone(), read::inventory(&newest.path).ok()?);
        let count = all.sound.len().checked_sub(limit.max(1));
        let oldest = count
            .and_then(|count| all.sound.get(count))
            .and_then(|oldest| Some((oldest.path.clone(), read::inventory(&oldest.path).ok()?)));
        Some(Self { all, seals, newest: Some(newest), oldest, states })
    }

    /// Returns true while the archives are the very files that were read. The lock is held.
    pub fn stand(&self, places: &Places) -> bool {
        states(places).is_ok_and(|states| states == self.states)
    }

    /// Makes one of what there is now, unless the newest one holds the same.
    pub fn keep(self, session: &Session<'_>, mut wish: Wish<'_>) -> Outcome<Kept> {
        let with_local = wish.with_local;
        let observer = session.observer_for(Purpose::Archive { with_local });
        for round in 0..TRIES {
            let newest = self.newest.as_ref().map(|(_, inventory)| inventory);
            let (contents, has_looked) = match wish.seen.take() {
                Some(seen) => (seen, false),
                None => (contents::look(session, &observer, newest, with_local)?, true),
            };
            if let Some((backup, known)) = &self.newest
                && known.is_same_state(&contents.inventory)
            {
                if has_looked {
                    observer.remember()?;
                }
                self.write_seals()?;
                return Ok(Kept::Same(backup.clone()));
            }
            if round == 0 {
                (wish.first)()?;
            }
            let progress = session.context.ui.progress("Backing up", contents.inventory.size());
            let advance = |bytes| progress.advance(bytes);
            let place = draft(&session.context.places);
            let drafted = self.draft(session, contents, wish.reason, &place, &advance)?;
            drop(progress);
            let Some(drafted) = drafted else { continue };
            if has_looked {
                observer.remember()?;
            }
            return self.add(session, drafted).map(Kept::New);
        }
        plain::remove(&draft(&session.context.places))?;
        Err(Failure::new(Code::Error, "files change faster than they can be backed up")
            .hint("Run the command again when the program that writes them is done."))
    }

    /// Writes one that has no name yet, durably, and reads it back; none where a file changed meanwhile.
    pub fn draft(
        &self,
        session: &Session<'_>,
        contents: Contents,
        reason: &str,
        place: &Path,
        advance: &dyn Fn(u64),
    ) -> Outcome<Option<Drafted>> {
        let places = &session.context.places;
        let last = self.all.sound.last();
        let now = Inventory {
            number: last.map_or(1, |last| last.head.number.saturating_add(1)),
            at: session.context.now,
            machine: session.context.machine.id.clone(),
            reason: reason.to_owned(),
            ..contents.inventory
        };
        let advance = |bytes| {
            advance(bytes);
            interrupt::check()
        };
        let place_of = |path: &RepoPath| contents::place(places, &contents.at_home, path);
        let source = Source { inventory: &now, place_of: &place_of, advance: &advance };
        let tidy = |_: &Failure| drop(plain::remove(place));
        let mut written = write::write(place, &source, self.earlier(places)?.as_ref());
        if matches!(written, Ok(Written::Damaged)) {
            written = write::write(place, &source, None);
        }
        let Written::Whole(made) = written.inspect_err(tidy)? else { return Ok(None) };
        let drafted = Drafted { place: place.to_owned(), head: now, made };
        drafted.check()?;
        Ok(Some(drafted))
    }

    /// Gives a draft its name, and forgets what is too old then.
    pub fn add(mut self, session: &Session<'_>, mut draft: Drafted) -> Outcome<Backup> {
        let places = &session.context.places;
        let path = draft.publish(places)?;
        self.seals.add(&path);
        verify::remember(&members(places), &path, &draft.made)?;
        let packed = path.symlink_metadata().map_or(0, |file| file.len());
        let made = Backup { path, head: std::mem::take(&mut draft.head), packed };
        // Its list of contents is at hand.
        let head = Inventory { number: made.head.number, ..Inventory::default() };
        self.all.sound.push(Backup { path: made.path.clone(), head, packed });
        self.write_seals()?;
        let oldest = self.oldest.as_ref().map(|(path, list)| (path.as_path(), list));
        let lists = [Some((made.path.as_path(), &made.head)), oldest].into_iter().flatten();
        let known = Known::of(self.all.sound, self.seals, lists.collect());
        forget_of(session, session.context.settings.backups, known)?;
        Ok(made)
    }

    /// Opens the newest one, where it is known of what it is made up.
    fn earlier(&self, places: &Places) -> Outcome<Option<Earlier<'_>>> {
        let Some((backup, inventory)) = &self.newest else { return Ok(None) };
        let members = verify::recall(&members(places), &backup.path)?;
        let opened = members.zip(File::open(&backup.path).ok());
        Ok(opened.map(|(members, file)| Earlier { file, inventory, members }))
    }

    fn write_seals(&self) -> Outcome<()> {
        self.seals.write(self.all.sound.iter().map(|it| it.path.clone()))
    }
}

/// An archive that is whole and durable, but has no name yet; one that gets none is gone with this.
pub struct Drafted {
    /// Where it lies.
    pub place: PathBuf,
    /// Number, time, machine, reason, and what is in it.
    head: Inventory,
    made: Vec<Made>,
}

impl Drafted {
    /// Returns whether this is what it would hold now, with the very times.
    pub fn is_of(&self, contents: &Contents) -> bool {
        self.head.units == contents.inventory.units
            && self.head.folders == contents.inventory.folders
    }

    /// Reads it back, to its last byte.
    fn check(&self) -> Outcome<()> {
        let Self { place, head, made } = self;
        let is_copied = made.iter().any(|made| matches!(made.from, Origin::Earlier(_)));
        let is_whole = if sabotage::is(Break::Unverified) {
            true
        } else if is_copied {
            verify::verify(place, head, made)?;
            true
        } else {
            read::verify(place)? == *head
        };
        if is_whole {
            return Ok(());
        }
        Err(Failure::error(format!("{} was not written as it should be", place.display()))
            .hint("The disk may be failing; nothing was replaced."))
    }

    /// Gives it its name.
    fn publish(&self, places: &Places) -> Outcome<PathBuf> {
        // A name that is taken, as after a clock was set back, is no reason to replace an archive.
        let mut at = self.head.at;
        let mut path = places.backups().join(stamp(at) + ENDING);
        while path.symlink_metadata().is_ok() {
            at = at.after_seconds(1);
            path = places.backups().join(stamp(at) + ENDING);
        }
        plain::name_draft(&self.place, &path)?;
        Ok(path)
    }
}

impl Drop for Drafted {
    fn drop(&mut self) {
        // A run that dies leaves it to the next one.
        let _ = plain::remove(&self.place);
    }
}
