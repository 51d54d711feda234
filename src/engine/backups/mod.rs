//! The archives of this machine: making one where there is something new, and forgetting the oldest.
//!
//! They are told apart by their numbers. A clock that was wrong names a file oddly and does nothing
//! else. An archive that is the last to hold some content is not forgotten.

pub mod ahead;
pub mod contents;
mod rotation;

use std::fs::File;
use std::path::{Path, PathBuf};

use cfgsync_core::inventory::Inventory;
use cfgsync_core::path::RepoPath;
use cfgsync_core::steps::{Expected, Step};
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::Version;

use crate::archive::seal::Seals;
use crate::archive::write::{Earlier, Made, Origin, Source, Written};
use crate::archive::{read, verify, write};
use crate::context::Places;
use crate::failure::{Code, Failure, Outcome};
use crate::fs::dir::os;
use crate::fs::plain;
use crate::interrupt;
use crate::observe::Purpose;
use crate::sabotage::{self, Break};
use crate::session::Session;
use crate::ui::report::stamp;
use ahead::Ahead;
use contents::{Contents, Sight};
pub use rotation::{forget, forgettable};

/// How often an archive is begun anew because a file changed meanwhile.
const TRIES: u32 = 5;

/// What an archive is called until it is whole.
const DRAFT: &str = "archive.new";

const ENDING: &str = ".tar.gz";

/// An archive, and what its head says.
#[derive(Debug, Clone)]
pub struct Backup {
    /// Where it is.
    pub path: PathBuf,
    /// Number, time, machine and reason.
    pub head: Inventory,
    /// Bytes of the file.
    pub packed: u64,
}

/// The archives of a repository.
#[derive(Debug, Default)]
pub struct Backups {
    /// Those that can be read, the oldest first.
    pub sound: Vec<Backup>,
    /// The others, and why not.
    pub unsound: Vec<(PathBuf, Failure)>,
}

/// What became of a wish for an archive.
#[derive(Debug)]
pub enum Kept {
    /// It was made; its head is the whole list of contents.
    New(Backup),
    /// The newest one holds the same already.
    Same(Backup),
}

/// Returns where the draft of an archive lies.
pub fn draft(places: &Places) -> PathBuf {
    places.backups().join(DRAFT)
}

impl Backup {
    /// Returns the name without its ending: the time.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.strip_suffix(ENDING).unwrap_or(&name).to_owned()
    }
}

impl Backups {
    /// Looks at what there is.
    pub fn list(places: &Places) -> Outcome<Self> {
        let folder = places.backups();
        let mut backups = Self::default();
        for name in plain::names(&folder)? {
            if !name.ends_with(ENDING.as_bytes()) {
                continue;
            }
            let path = folder.join(os(&name));
            match read::head(&path) {
                Ok(head) => {
                    let packed = path.symlink_metadata().map_or(0, |file| file.len());
                    backups.sound.push(Backup { path, head, packed });
                }
                Err(reason) => backups.unsound.push((path, reason)),
            }
        }
        backups.sound.sort_by_key(|backup| backup.head.number);
        Ok(backups)
    }

    /// Returns the newest archive that is whole, with its list of contents.
    fn newest(&self, seals: &mut Seals) -> Option<(&Backup, Inventory)> {
        let whole = self.sound.iter().rev().find(|it| seals.hold(&it.path))?;
        Some((whole, read::inventory(&whole.path).ok()?))
    }
}

/// Returns where it is remembered of what the newest archive is made up.
fn members(places: &Places) -> PathBuf {
    places.state.join("members")
}

/// Returns what is known of the archives that were read to their end.
fn seals(places: &Places) -> Outcome<Seals> {
    Seals::read(places.state.join("sealed"))
}

/// Makes sure that an archive holds what steps are about to replace or remove, with what the run saw
/// already, and the archive that it made ahead, where that is still right. The lock is held.
pub fn before(
    session: &Session<'_>,
    sight: Option<Sight<'_>>,
    (steps, after): (&[Step], &Tree),
    reason: &str,
    ahead: Option<Ahead>,
) -> Outcome<()> {
    // What a link takes the place of is often its very stored copy.
    let goes = |(path, version): &(RepoPath, Version)| {
        after.units.get(path).is_none_or(|there| there.blob != version.blob)
    };
    let endangered: Vec<(RepoPath, Version)> =
        steps.iter().filter_map(endangered).filter(goes).collect();
    if endangered.is_empty() {
        return Ok(());
    }
    let (mut archives, draft) = match ahead.and_then(Ahead::check) {
        Some((archives, draft)) => (archives, Some(draft)),
        None => (Archives::read(session)?, None),
    };
    let is_held = archives.newest.as_ref().is_some_and(|(_, inventory)| {
        endangered.iter().all(|(path, version)| inventory.holds(path, *version))
    });
    if is_held {
        return Ok(());
    }
    let with_local = session.context.settings.backup_local;
    let mut wish = Wish { reason, with_local, first: &|| Ok(()), seen: None };
    if let Some(sight) = sight.filter(|_| !with_local) {
        let newest = archives.newest.as_ref().map(|(_, inventory)| inventory);
        wish.seen = contents::of_sight(session, sight, newest);
    }
    let is_of_this = |draft: &Drafted| {
        wish.seen.as_ref().is_some_and(|seen| {
            // Who edited one of these since wants that kept.
            draft.is_of(seen) && endangered.iter().all(|(path, _)| seen.stands(session, path))
        })
    };
    match draft.filter(is_of_this) {
        Some(draft) => archives.add(session, draft).map(drop),
        None => archives.keep(session, wish).map(drop),
    }
}

/// Returns the version a step takes from its place; none where nothing goes.
fn endangered(step: &Step) -> Option<(RepoPath, Version)> {
    let expecting = match step {
        Step::Write { expecting, .. }
        | Step::Adopt { expecting, .. }
        | Step::Link { expecting, .. }
        | Step::Remove { expecting, .. } => *expecting,
        Step::KeepOriginal { .. } | Step::GiveBack { .. } | Step::Folder { .. } => return None,
    };
    // A link of ours at the home path holds nothing, and its stored copy is a step of its own.
    let Expected::Version(version) = expecting else { return None };
    Some((step.unit(), version))
}

/// Makes an archive of everything, unless the newest one holds the same. The lock is held.
pub fn keep(session: &Session<'_>, reason: &str, with_local: bool) -> Outcome<Kept> {
    keep_after(session, reason, with_local, &|| Ok(()))
}

/// The same; where there is something new, `first` is done before it is written.
pub fn keep_after(
    session: &Session<'_>,
    reason: &str,
    with_local: bool,
    first: &dyn Fn() -> Outcome<()>,
) -> Outcome<Kept> {
    Archives::read(session)?.keep(session, Wish { reason, with_local, first, seen: None })
}

/// A wish for an archive.
struct Wish<'a> {
    reason: &'a str,
    with_local: bool,
    /// What is done before it is written.
    first: &'a dyn Fn() -> Outcome<()>,
    /// What it would hold, where the run has seen that already.
    seen: Option<Contents>,
}

/// What there is when another one is made.
struct Archives {
    all: Backups,
    seals: Seals,
    /// The newest one that is whole, with its list of contents.
    newest: Option<(Backup, Inventory)>,
}

impl Archives {
    fn read(session: &Session<'_>) -> Outcome<Self> {
        let places = &session.context.places;
        plain::make_private(&places.backups())?;
        let (all, mut seals) = (Backups::list(places)?, seals(places)?);
        let newest = all.newest(&mut seals).map(|(backup, list)| (backup.clone(), list));
        Ok(Self { all, seals, newest })
    }

    fn keep(mut self, session: &Session<'_>, mut wish: Wish<'_>) -> Outcome<Kept> {
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
    fn draft(
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
    fn add(&mut self, session: &Session<'_>, mut draft: Drafted) -> Outcome<Backup> {
        let places = &session.context.places;
        let path = draft.publish(places)?;
        self.seals.add(&path);
        verify::remember(&members(places), &path, &draft.made)?;
        let packed = path.symlink_metadata().map_or(0, |file| file.len());
        let made = Backup { path, head: std::mem::take(&mut draft.head), packed };
        self.all.sound.push(made.clone());
        self.write_seals()?;
        forget(session, session.context.settings.backups, Some(&made))?;
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
struct Drafted {
    place: PathBuf,
    /// Number, time, machine, reason, and what is in it.
    head: Inventory,
    made: Vec<Made>,
}

impl Drafted {
    /// Returns whether this is what it would hold now, with the very times.
    fn is_of(&self, contents: &Contents) -> bool {
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

/// Returns what archive would be made; none where the newest one holds the same.
pub fn preview(session: &Session<'_>, with_local: bool) -> Outcome<Option<Inventory>> {
    let observer = session.observer_for(Purpose::Archive { with_local });
    let backups = Backups::list(&session.context.places)?;
    let newest = backups.newest(&mut seals(&session.context.places)?).map(|(_, it)| it);
    let now = contents::look(session, &observer, newest.as_ref(), with_local)?.inventory;
    Ok(Some(now).filter(|now| newest.is_none_or(|newest| !newest.is_same_state(now))))
}
