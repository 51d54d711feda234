//! Bringing back what was: an ordinary change of this machine, which the next sync shares.

use std::collections::{BTreeMap, BTreeSet};

use cfgsync_core::linking::{Tie, Ties};
use cfgsync_core::observed::Live;
use cfgsync_core::operation::Operation;
use cfgsync_core::path::{HomePath, RepoPath};
use cfgsync_core::plan::{Change, Deed, Flow};
use cfgsync_core::status::SyncState;
use cfgsync_core::steps::{Expected, Hold, Place, Step, Target, sort, steps};
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::{BlobId, Version};

use crate::backups;
use crate::context::{Places, real};
use crate::execute::{execute, partly};
use crate::failure::{Code, Failure, Outcome};
use crate::fs::dir::{Dir, os};
use crate::fs::look::{Found, look};
use crate::marks;
use crate::observe::live::is_ours;
use crate::picture::Picture;
use crate::record::{self, Done, Standing};
use crate::recover::Note;
use crate::session::Session;
use crate::settings::OnlyHere;
use crate::sync::words::paused;

/// Whether the next sync shares what was brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It does.
    Everywhere,
    /// It does not: it waits until a person decides.
    OnlyHere,
}

/// What was brought back.
#[derive(Debug)]
pub struct Restored {
    /// Units that changed.
    pub units: BTreeSet<RepoPath>,
    /// Those of them that are not shared.
    pub beside: BTreeSet<RepoPath>,
    /// Whether an undo finds something to take back.
    pub is_undoable: bool,
}

/// Brings units back. The vault has their bytes.
pub fn restore(
    session: &Session<'_>,
    wanted: &BTreeMap<RepoPath, Version>,
    folders: &Tree,
    reach: Reach,
) -> Outcome<Restored> {
    let places = &session.context.places;
    let _lock = session.lock()?;
    if let Some(foreign) = session.worktree.foreign(&session.branch)? {
        return Err(paused(&foreign));
    }
    let mut picture = marks::picture(session)?;
    let Restoration { mut steps, units, operation, beside, found } =
        prepare(session, &picture, wanted)?;
    let note = Note::leave(places)?;
    found.iter().try_for_each(|blob| session.vault.keep_late(*blob))?;
    // What takes no part in syncing is in no other snapshot.
    picture.seen.units.extend(beside.iter().filter_map(|(path, it)| Some((path.clone(), (*it)?))));
    session.snapshot(&picture, "before a restore")?;
    backups::keep(session, "before a restore", session.context.settings.backup_local)?;
    sort(&mut steps);
    let number = session.vault.keep_operation(None, "restore", &operation)?;
    let mut only_here = OnlyHere::read(places)?;
    only_here.forget(|path| operation.units.contains_key(path));
    if reach == Reach::OnlyHere {
        let restored = operation.units.keys().map(|path| (path.clone(), wanted[path].blob));
        only_here.add(restored);
    }
    only_here.write(places)?;
    let tree = Tree { folders: with_known(folders, &picture), ..picture.observation.ours.clone() };
    let executed = execute(session, &steps, &tree, &picture.observation.local);
    let failed = executed.undone();
    session.settle_displaced()?;
    // The new files are known from now on: their modes are meant.
    let observer = session.observer();
    session.picture(&observer, picture.upstream)?;
    observer.remember()?;
    note.withdraw()?;
    executed.warnings.iter().for_each(|warning| session.context.ui.say(&format!("  {warning}")));
    let units: BTreeSet<RepoPath> =
        units.into_iter().filter(|path| !failed.contains_key(path)).collect();
    let change =
        |path: &RepoPath| Change { path: path.clone(), flow: Flow::In, deed: Deed::Edited };
    let changes: Vec<Change> = units.iter().map(change).collect();
    let done = Done { number, command: "restore", operation: &operation };
    record::history(session.context, &done, &changes, 0)?;
    publish(session, reach, units.len())?;
    if !failed.is_empty() {
        let hint = "Everything else came back. Remove the cause, then restore again.".to_owned();
        return Err(Failure { hints: vec![hint], ..partly(&failed) });
    }
    let is_undoable = !operation.is_empty();
    Ok(Restored { units, beside: beside.into_keys().collect(), is_undoable })
}

/// What is to be done.
#[derive(Default)]
struct Restoration {
    steps: Vec<Step>,
    /// Every unit that comes back.
    units: BTreeSet<RepoPath>,
    operation: Operation,
    /// Units that take no part in syncing, and what stood in their place.
    beside: BTreeMap<RepoPath, Option<Version>>,
    /// What stands in the place of units, and no look at the shared files saw.
    found: Vec<BlobId>,
}

/// Refuses what a restore would refuse, and changes nothing.
pub fn check(
    session: &Session<'_>,
    picture: &Picture,
    wanted: &BTreeMap<RepoPath, Version>,
) -> Outcome<()> {
    if let Some(foreign) = session.worktree.foreign(&session.branch)? {
        return Err(paused(&foreign));
    }
    prepare(session, picture, wanted).map(drop)
}

/// Returns true where a person finds a unit at its home path; of one that is not marked, in the
/// repository.
pub fn is_shown(picture: &Picture, path: &RepoPath) -> bool {
    match picture.observation.local.live.get(path) {
        None | Some(Live::Linked | Live::Moved(_) | Live::File(_)) => true,
        Some(
            Live::Absent
            | Live::FolderGone
            | Live::LinkedElsewhere
            | Live::Folder
            | Live::Special
            | Live::Unreachable,
        ) => false,
    }
}

/// Finds the steps that make units be what is wanted.
fn prepare(
    session: &Session<'_>,
    picture: &Picture,
    wanted: &BTreeMap<RepoPath, Version>,
) -> Outcome<Restoration> {
    let observation = &picture.observation;
    let copies = session.policy()?.copies;
    let manifest = &observation.local.stored.manifest;
    let kind = session.context.machine.kind;
    let ties = Ties { after: manifest, before: Vec::new(), kind, copies: &copies };
    let mut restoration = Restoration::default();
    for (path, version) in wanted {
        let tie = ties.of(path);
        if path.is_local_only() || (tie == Tie::None && path.home().is_some()) {
            let place = path.home().map_or_else(|| Place::Repo(path.clone()), Place::Home);
            let there = file_at(session, &place, &mut restoration.found)?;
            if there != Some(*version) {
                let expecting = there.map_or(Expected::Nothing, Expected::Version);
                restoration.steps.push(Step::Write { place, expecting, version: *version });
                restoration.units.insert(path.clone());
                restoration.beside.insert(path.clone(), there);
            }
            continue;
        }
        let ours = picture.seen.units.get(path).copied();
        if ours == Some(*version) && is_shown(picture, path) {
            continue;
        }
        let stored = match observation.stored(path) {
            None => file_at(session, &Place::Repo(path.clone()), &mut restoration.found)?,
            known => known,
        };
        let live = match (observation.local.live.get(path), path.home()) {
            (None, Some(home)) => live_at(session, home, &mut restoration.found)?,
            (known, _) => known.copied().unwrap_or(Live::Absent),
        };
        let is_first = false;
        let target = Target { path, tie, stored, live, seen: ours, lost: None, is_first };
        let (steps, blocked) = steps(&target, Some(*version), Hold::None);
        if let Some(live) = blocked {
            return Err(in_the_way(path, live));
        }
        if ours != Some(*version) {
            restoration.operation.units.insert(path.clone(), (ours, Some(*version)));
        }
        restoration.units.insert(path.clone());
        restoration.steps.extend(steps);
    }
    Ok(restoration)
}

/// An archive may have been made by anybody. What the repository or cfgsync has for itself is reached
/// by no path of the home.
pub fn refuse_own<'a>(
    places: &Places,
    wanted: impl IntoIterator<Item = &'a RepoPath>,
) -> Outcome<()> {
    let stored = real(&places.repo.join("external"));
    let is_own = |path: &&RepoPath| {
        let Some(home) = path.home() else { return false };
        let here = places.home.join(os(home.as_bytes()));
        let above = real(here.parent().unwrap_or(&places.home));
        // A marked folder is a link to its stored copy, and what is in it may come back.
        places.has(&here) || (places.has(&above) && !above.starts_with(&stored))
    };
    let Some(path) = wanted.into_iter().find(is_own) else { return Ok(()) };
    let name = record::name(path);
    Err(Failure::new(Code::Refused, format!("{name} cannot be restored: it is cfgsync's own"))
        .hint("No backup of cfgsync holds such a file. Name the other files. Nothing was changed."))
}

fn in_the_way(path: &RepoPath, live: Live) -> Failure {
    let why = crate::ui::report::in_the_way(live);
    let name = record::name(path);
    Failure::new(Code::Refused, format!("{name} cannot be restored: {why}"))
        .hint("Move it away, or name the other files. Nothing was changed.")
}

/// Looks at a home path that was not looked at, because nobody knew of a file there.
fn live_at(session: &Session<'_>, home: HomePath, found: &mut Vec<BlobId>) -> Outcome<Live> {
    let place = Place::Home(home.clone());
    Ok(match found_at(session, &place)? {
        None => Live::Unreachable,
        Some(Found::Nothing) => Live::Absent,
        Some(Found::File(whole)) => {
            found.push(session.vault.put(&whole.bytes)?);
            Live::File(whole.version)
        }
        Some(Found::Link(target)) if is_ours(&session.context.places.repo, &home, &target) => {
            Live::Linked
        }
        Some(Found::Link(_)) => Live::LinkedElsewhere,
        Some(Found::Folder) => Live::Folder,
        Some(Found::Special | Found::Busy) => Live::Special,
    })
}

/// Returns the file at a place, with its bytes in the vault; none where nothing is there. Anything
/// else is in the way.
fn file_at(
    session: &Session<'_>,
    place: &Place,
    found: &mut Vec<BlobId>,
) -> Outcome<Option<Version>> {
    let live = match found_at(session, place)? {
        None => Live::Unreachable,
        Some(Found::Nothing) => return Ok(None),
        Some(Found::File(whole)) => {
            found.push(session.vault.put(&whole.bytes)?);
            return Ok(Some(whole.version));
        }
        Some(Found::Folder) => Live::Folder,
        Some(Found::Link(_)) => Live::LinkedElsewhere,
        Some(Found::Special | Found::Busy) => Live::Special,
    };
    let path = match place {
        Place::Home(home) => home.stored(),
        Place::Repo(path) => path.clone(),
    };
    Err(in_the_way(&path, live))
}

/// Looks at a place; none where a file or a link stands in place of a folder above it.
fn found_at(session: &Session<'_>, place: &Place) -> Outcome<Option<Found>> {
    let places = &session.context.places;
    let (root, bytes) = match place {
        Place::Home(home) => (&places.home, home.as_bytes()),
        Place::Repo(path) => (&places.repo, path.as_bytes()),
    };
    let names: Vec<&[u8]> = bytes.split(|byte| *byte == b'/').collect();
    let (name, above) =
        names.split_last().map_or((&b""[..], &[][..]), |(name, rest)| (*name, rest));
    match Dir::open(root)?.descend(above.iter().copied()) {
        Ok(Some(dir)) => Ok(Some(look(&dir, name)?)),
        Ok(None) => Ok(Some(Found::Nothing)),
        Err(error) if !error.is(std::io::ErrorKind::PermissionDenied) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Folders that are missing come back with the modes they had; those that are there keep theirs.
fn with_known(then: &Tree, picture: &Picture) -> BTreeMap<RepoPath, cfgsync_core::unit::Mode> {
    let mut folders = then.folders.clone();
    folders.extend(picture.observation.ours.folders.clone());
    folders
}

/// The light says what waits for the next sync.
fn publish(session: &Session<'_>, reach: Reach, count: usize) -> Outcome<()> {
    let before = record::read(&session.context.places)?;
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let mut standing = Standing::of(before.as_ref());
    let state = match (reach, before.map(|before| before.state)) {
        _ if count == 0 => return Ok(()),
        (Reach::OnlyHere, _) => {
            standing.held += count;
            SyncState::Held
        }
        (Reach::Everywhere, Some(state @ (SyncState::Held | SyncState::Failed))) => {
            standing.pending += count;
            state
        }
        (Reach::Everywhere, _) => {
            standing.pending += count;
            SyncState::Ahead
        }
    };
    record::publish(session.context, state, standing)
}
