//! The archives of this machine: making one where there is something new, and forgetting the oldest.
//!
//! They are told apart by their numbers. A clock that was wrong names a file oddly and does nothing
//! else. An archive that is the last to hold some content is not forgotten.

pub mod ahead;
mod archives;
pub mod contents;
mod rotation;

use std::path::PathBuf;

use cfgsync_core::inventory::Inventory;
use cfgsync_core::path::RepoPath;
use cfgsync_core::steps::{Expected, Step};
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::Version;

use crate::archive::read;
use crate::archive::seal::Seals;
use crate::context::Places;
use crate::failure::{Failure, Outcome};
use crate::fs::dir::os;
use crate::fs::plain;
use crate::observe::Purpose;
use crate::session::Session;
use ahead::Ahead;
use archives::{Archives, Drafted, Wish, seals};
use contents::Sight;
pub use rotation::{forget, forgettable};

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
        let mut backups = Self::default();
        for path in paths(places)? {
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

/// Returns the paths of whatever is called an archive, sorted.
fn paths(places: &Places) -> Outcome<Vec<PathBuf>> {
    let folder = places.backups();
    let names = plain::names(&folder)?.into_iter().filter(|name| name.ends_with(ENDING.as_bytes()));
    Ok(names.map(|name| folder.join(os(&name))).collect())
}

/// Makes sure that an archive holds what steps are about to replace or remove, with what the run saw
/// already, and what it did ahead, where that is still right. The lock is held.
pub fn before(
    session: &Session<'_>,
    sight: Option<Sight<'_>>,
    (steps, after): (&[Step], &Tree),
    reason: &str,
    mut ahead: Ahead,
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
    let (archives, draft) = ahead.take(session)?;
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

/// Returns what archive would be made; none where the newest one holds the same.
pub fn preview(session: &Session<'_>, with_local: bool) -> Outcome<Option<Inventory>> {
    let observer = session.observer_for(Purpose::Archive { with_local });
    let backups = Backups::list(&session.context.places)?;
    let newest = backups.newest(&mut seals(&session.context.places)?).map(|(_, it)| it);
    let now = contents::look(session, &observer, newest.as_ref(), with_local)?.inventory;
    Ok(Some(now).filter(|now| newest.is_none_or(|newest| !newest.is_same_state(now))))
}
