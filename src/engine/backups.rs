//! The archives of this machine: making one where there is something new, and forgetting the oldest.
//!
//! They are told apart by their numbers. A clock that was wrong names a file oddly and does nothing
//! else. An archive that is the last to hold some content is not forgotten.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cfgsync_core::inventory::{Inventory, Item};
use cfgsync_core::manifest::MANIFEST;
use cfgsync_core::observed::{Live, Local};
use cfgsync_core::path::RepoPath;
use cfgsync_core::steps::{Expected, Step};
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::{BlobId, Kind, Version};

use crate::archive::seal::Seals;
use crate::archive::write::Written;
use crate::archive::{read, write};
use crate::context::Places;
use crate::failure::{Code, Failure, Outcome};
use crate::fs::dir::os;
use crate::fs::plain;
use crate::interrupt;
use crate::observe::{Observer, Purpose, Scope};
use crate::sabotage::{self, Break};
use crate::session::Session;
use crate::ui::report::stamp;

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

/// Returns what is known of the archives that were read to their end.
fn seals(places: &Places) -> Outcome<Seals> {
    Seals::read(places.state.join("sealed"))
}

/// Makes sure that an archive holds what steps are about to replace or remove. The lock is held.
pub fn before(session: &Session<'_>, steps: &[Step], after: &Tree, reason: &str) -> Outcome<()> {
    // What a link takes the place of is often its very stored copy.
    let goes = |(path, version): &(RepoPath, Version)| {
        after.units.get(path).is_none_or(|there| there.blob != version.blob)
    };
    let endangered: Vec<(RepoPath, Version)> =
        steps.iter().filter_map(endangered).filter(goes).collect();
    if endangered.is_empty() {
        return Ok(());
    }
    let places = &session.context.places;
    let backups = Backups::list(places)?;
    let is_held = backups.newest(&mut seals(places)?).is_some_and(|(_, inventory)| {
        endangered.iter().all(|(path, version)| inventory.holds(path, *version))
    });
    if !is_held {
        keep(session, reason, session.context.settings.backup_local)?;
    }
    Ok(())
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
    let places = &session.context.places;
    plain::make_private(&places.backups())?;
    let observer = session.observer_for(Purpose::Archive { with_local });
    let backups = Backups::list(places)?;
    let mut seals = seals(places)?;
    let newest = backups.newest(&mut seals);
    for round in 0..TRIES {
        let (now, place_of) =
            look(session, &observer, newest.as_ref().map(|(_, it)| it), with_local)?;
        if let Some((backup, _)) = newest.as_ref().filter(|(_, known)| known.is_same_state(&now)) {
            observer.remember()?;
            seals.write(backups.sound.iter().map(|it| it.path.clone()))?;
            return Ok(Kept::Same((*backup).clone()));
        }
        if round == 0 {
            first()?;
        }
        let now = Inventory {
            number: backups.sound.last().map_or(1, |last| last.head.number.saturating_add(1)),
            at: session.context.now,
            machine: session.context.machine.id.clone(),
            reason: reason.to_owned(),
            ..now
        };
        let draft = draft(places);
        let progress = session.context.ui.progress("Backing up", now.size());
        let advance = |bytes| {
            progress.advance(bytes);
            interrupt::check()
        };
        let written = write::write(&draft, &now, &place_of, &advance);
        match written.inspect_err(|_| drop(plain::remove(&draft)))? {
            Written::Whole => {}
            Written::Changed(_) => continue,
        }
        drop(progress);
        let path = publish(places, &draft, &now).inspect_err(|_| drop(plain::remove(&draft)))?;
        seals.add(&path);
        let all = backups.sound.iter().map(|it| it.path.clone()).chain([path.clone()]);
        seals.write(all)?;
        observer.remember()?;
        forget(session, session.context.settings.backups)?;
        let packed = path.symlink_metadata().map_or(0, |file| file.len());
        return Ok(Kept::New(Backup { path, head: now, packed }));
    }
    plain::remove(&draft(places))?;
    Err(Failure::new(Code::Error, "files change faster than they can be backed up")
        .hint("Run the command again when the program that writes them is done."))
}

/// Gives a draft its name, once every byte was read back.
fn publish(places: &Places, draft: &Path, inventory: &Inventory) -> Outcome<PathBuf> {
    if !sabotage::is(Break::Unverified) && read::verify(draft)? != *inventory {
        return Err(Failure::error(format!("{} was not written as it should be", draft.display()))
            .hint("The disk may be failing; nothing was replaced."));
    }
    // A name that is taken, as after a clock was set back, is no reason to replace an archive.
    let mut at = inventory.at;
    let mut path = places.backups().join(stamp(at) + ENDING);
    while path.symlink_metadata().is_ok() {
        at = at.after_seconds(1);
        path = places.backups().join(stamp(at) + ENDING);
    }
    plain::install_draft(draft, &path)?;
    Ok(path)
}

/// Looks at every file, as it lies on disk; with it comes where each one is.
fn look<'a>(
    session: &'a Session<'_>,
    observer: &Observer<'a>,
    newest: Option<&Inventory>,
    with_local: bool,
) -> Outcome<(Inventory, impl Fn(&RepoPath) -> PathBuf + use<'a>)> {
    let places = &session.context.places;
    let mut known: BTreeSet<RepoPath> = session.worktree.staged()?.into_keys().collect();
    // Both are sorted, so this is one walk over the two.
    let archived = newest.into_iter().flat_map(|it| it.units.keys().cloned());
    known.append(&mut archived.filter(|path| with_local || !path.is_local_only()).collect());
    let is_lost = !places.repo.join(MANIFEST).exists() && places.repo.join("external").exists();
    let memory = if is_lost { session.vault.memory()? } else { None };
    let fallback = memory.as_ref().map(|memory| &memory.run.agreed.manifest);
    let local = observer.look(&Scope { known, fallback, ..Scope::default() })?;
    let at_home = at_home(&local);
    let place_of = move |path: &RepoPath| match path.home().filter(|_| at_home.contains(path)) {
        Some(home) => places.home.join(os(home.as_bytes())),
        None => places.repo.join(os(path.as_bytes())),
    };
    let mut inventory = Inventory { folders: local.stored.folders.clone(), ..Inventory::default() };
    let live = local.live.iter().filter_map(|(path, live)| match live {
        Live::File(version) => Some((path, version)),
        _ => None,
    });
    let item = |(path, version): (&RepoPath, &Version)| {
        // A file that its owner may not read, and root could, is in no archive: nobody could unpack it.
        let is_readable = version.kind == Kind::Link || version.mode.0 & 0o400 != 0;
        let (size, mtime) = observer.stamp(&place_of(path)).filter(|_| is_readable)?;
        Some((path.clone(), Item { version: *version, size, mtime }))
    };
    // What is sorted becomes a map at once, which is cheaper than one by one; of two the last counts.
    inventory.units = local.stored.units.iter().chain(live).filter_map(item).collect();
    inventory.folders.retain(|_, mode| mode.0 & 0o700 == 0o700);
    inventory.leave_out_torn();
    Ok((inventory, place_of))
}

/// Units whose live file is a file of its own: what people see of them is there.
fn at_home(local: &Local) -> BTreeSet<RepoPath> {
    let live = local.live.iter().filter(|(_, live)| matches!(live, Live::File(_)));
    live.map(|(path, _)| path.clone()).collect()
}

/// Returns what archive would be made; none where the newest one holds the same.
pub fn preview(session: &Session<'_>, with_local: bool) -> Outcome<Option<Inventory>> {
    let observer = session.observer_for(Purpose::Archive { with_local });
    let backups = Backups::list(&session.context.places)?;
    let newest = backups.newest(&mut seals(&session.context.places)?).map(|(_, it)| it);
    let (now, _) = look(session, &observer, newest.as_ref(), with_local)?;
    Ok(Some(now).filter(|now| newest.is_none_or(|newest| !newest.is_same_state(now))))
}

/// Forgets the oldest archives over the limit, but for those that alone hold something. The lock is
/// held.
pub fn forget(session: &Session<'_>, limit: usize) -> Outcome<()> {
    for (backup, alone) in forgettable(session, limit)? {
        if !alone.units.is_empty() {
            session.vault.keep_archived(backup.head.number, &alone)?;
        }
        session.vault.make_durable()?;
        plain::remove(&backup.path)?;
    }
    Ok(())
}

/// Returns the archives over the limit that can go, with what the vault must keep of each. A damaged
/// one keeps nothing: it counts neither towards the limit nor as a holder.
pub fn forgettable(session: &Session<'_>, limit: usize) -> Outcome<Vec<(Backup, Tree)>> {
    let places = &session.context.places;
    let mut backups = Backups::list(places)?.sound;
    if backups.len() <= limit.max(1) {
        return Ok(Vec::new());
    }
    let mut seals = seals(places)?;
    backups.retain(|backup| seals.hold(&backup.path));
    let kept = backups.split_off(backups.len().saturating_sub(limit.max(1)));
    let mut safe: BTreeSet<BlobId> = BTreeSet::new();
    for backup in &kept {
        safe.extend(read::inventory(&backup.path).iter().flat_map(blobs));
    }
    let mut forgettable = Vec::new();
    // From the newest on: what stays is a holder for those before it.
    for backup in backups.into_iter().rev() {
        let Ok(inventory) = read::inventory(&backup.path) else { continue };
        let mut alone = inventory.tree();
        alone.units.retain(|_, version| !safe.contains(&version.blob));
        let is_in_vault = |version: &Version| session.vault.has_on_disk(version.blob);
        if alone.units.values().all(is_in_vault) {
            forgettable.push((backup, alone));
        } else {
            safe.extend(blobs(&inventory));
        }
    }
    Ok(forgettable)
}

fn blobs(inventory: &Inventory) -> impl Iterator<Item = BlobId> {
    inventory.units.values().map(|item| item.version.blob)
}
