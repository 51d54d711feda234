//! Bringing back what was: an ordinary change of this machine, which the next sync shares.

use std::collections::{BTreeMap, BTreeSet};

use cfgsync_core::linking::{Tie, Ties};
use cfgsync_core::observed::Live;
use cfgsync_core::operation::Operation;
use cfgsync_core::path::RepoPath;
use cfgsync_core::plan::{Change, Deed, Flow};
use cfgsync_core::status::SyncState;
use cfgsync_core::steps::{Expected, Hold, Place, Step, Target, sort, steps};
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::Version;

use crate::backups;
use crate::execute::{execute, partly};
use crate::failure::{Code, Failure, Outcome};
use crate::fs::dir::Dir;
use crate::fs::displaced::Keeper;
use crate::fs::look::{Found, look};
use crate::marks;
use crate::record::{self, Done, Standing};
use crate::recover::Note;
use crate::session::{Picture, Session};
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
}

/// Brings units back. The vault has their bytes.
pub fn restore(
    session: &Session<'_>,
    wanted: &BTreeMap<RepoPath, Version>,
    folders: &Tree,
    reach: Reach,
) -> Outcome<Restored> {
    let _lock = session.lock()?;
    if let Some(foreign) = session.worktree.foreign(&session.branch)? {
        return Err(paused(&foreign));
    }
    let note = Note::leave(&session.context.places)?;
    let picture = marks::picture(session)?;
    session.snapshot(&picture, "before a restore")?;
    backups::keep(session, "before a restore", session.context.settings.backup_local)?;
    let Restoration { mut steps, operation, beside } = prepare(session, &picture, wanted)?;
    sort(&mut steps);
    let number = session.vault.keep_operation(None, "restore", &operation)?;
    if reach == Reach::OnlyHere {
        OnlyHere::read(&session.context.places)?
            .with(operation.units.keys().cloned())
            .write(&session.context.places)?;
    }
    let tree = Tree { folders: with_known(folders, &picture), ..picture.observation.ours.clone() };
    let executed = execute(session, &steps, &tree, &picture.observation.local);
    let failed = executed.undone();
    session.settle_displaced()?;
    note.withdraw()?;
    executed.warnings.iter().for_each(|warning| session.context.ui.say(&format!("  {warning}")));
    let flow = Flow::In;
    let all = operation.units.keys().chain(&beside);
    let units: BTreeSet<RepoPath> =
        all.filter(|path| !failed.contains_key(*path)).cloned().collect();
    let change = |path: &RepoPath| Change { path: path.clone(), flow, deed: Deed::Edited };
    let changes: Vec<Change> = units.iter().map(change).collect();
    let done = Done { number, command: "restore", operation: &operation };
    record::history(session.context, &done, &changes, 0)?;
    publish(session, reach, units.len())?;
    if failed.is_empty() { Ok(Restored { units, beside }) } else { Err(partly(&failed)) }
}

/// What is to be done.
struct Restoration {
    steps: Vec<Step>,
    operation: Operation,
    beside: BTreeSet<RepoPath>,
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
    let (mut all, mut operation) = (Vec::new(), Operation::default());
    let mut beside = BTreeSet::new();
    for (path, version) in wanted {
        let tie = ties.of(path);
        if path.is_local_only() || (tie == Tie::None && path.home().is_some()) {
            if let Some(step) = beside_step(session, path, *version)? {
                all.push(step);
                beside.insert(path.clone());
            }
            continue;
        }
        let ours = picture.seen.units.get(path).copied();
        let target = Target {
            path,
            tie,
            stored: observation.stored(path),
            live: observation.local.live.get(path).copied().unwrap_or(Live::Absent),
            seen: ours,
            lost: None,
            is_first: false,
        };
        let (steps, blocked) = steps(&target, Some(*version), Hold::None);
        if let Some(live) = blocked {
            let why = crate::ui::report::in_the_way(live);
            let name = record::name(path);
            return Err(Failure::new(Code::Refused, format!("{name} cannot be restored: {why}"))
                .hint("Move it away, or name the other files. Nothing was changed."));
        }
        if ours != Some(*version) {
            operation.units.insert(path.clone(), (ours, Some(*version)));
            all.extend(steps);
        }
    }
    Ok(Restoration { steps: all, operation, beside })
}

/// The step for a file that takes no part in syncing: one that is not marked any more, or stays on
/// this machine. None when it is as wanted.
fn beside_step(session: &Session<'_>, path: &RepoPath, version: Version) -> Outcome<Option<Step>> {
    let places = &session.context.places;
    let (root, place, names) = match path.home() {
        Some(home) => (&places.home, Place::Home(home.clone()), split(home.as_bytes())),
        None => (&places.repo, Place::Repo(path.clone()), split(path.as_bytes())),
    };
    let (name, above) =
        names.split_last().map_or((&[][..], &[][..]), |(name, above)| (&name[..], above));
    let dir = Dir::open(root)?.descend(above.iter().map(Vec::as_slice))?;
    let found = dir.map(|dir| look(&dir, name)).transpose()?.unwrap_or(Found::Nothing);
    let expecting = match found {
        Found::Nothing => Expected::Nothing,
        Found::File(whole) if whole.version == version => return Ok(None),
        Found::File(whole) => {
            session.vault.keep(&whole.bytes)?;
            Expected::Version(whole.version)
        }
        Found::Link(_) | Found::Folder | Found::Special | Found::Busy => {
            let name = record::name(path);
            return Err(Failure::new(
                Code::Refused,
                format!("{name} cannot be restored: something else stands in its place"),
            )
            .hint("Move it away, or name the other files. Nothing was changed."));
        }
    };
    Ok(Some(Step::Write { place, expecting, version }))
}

fn split(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect()
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
