//! What an archive would hold now: by a look of its own, or by what a run has seen just now.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cfgsync_core::along::Along;
use cfgsync_core::inventory::{Inventory, Item};
use cfgsync_core::manifest::MANIFEST;
use cfgsync_core::observed::{Live, Local};
use cfgsync_core::path::RepoPath;
use cfgsync_core::unit::{Kind, Version};

use crate::context::Places;
use crate::failure::Outcome;
use crate::fs::dir::{Dir, os};
use crate::observe::{Observer, Scope};
use crate::picture::Picture;
use crate::session::Session;

/// What an archive would hold.
pub struct Contents {
    /// Its list, without a head.
    pub inventory: Inventory,
    /// Units whose live file is a file of its own: what people see of them is there.
    pub at_home: BTreeSet<RepoPath>,
}

impl Contents {
    /// Returns true while a unit has the size and the time with which it was seen.
    pub fn stands(&self, session: &Session<'_>, path: &RepoPath) -> bool {
        let place = place(&session.context.places, &self.at_home, path);
        let now = place.parent().zip(place.file_name()).and_then(|(folder, name)| {
            Dir::open(folder).ok()?.stat(name.as_encoded_bytes()).ok()?
        });
        let item = self.inventory.units.get(path);
        now.zip(item).is_some_and(|(now, item)| (now.size, now.mtime) == (item.size, item.mtime))
    }
}

/// What a run has seen just now.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    /// What it looked with.
    pub observer: &'a Observer<'a>,
    /// What came of it.
    pub picture: &'a Picture,
}

/// Returns where a unit lies on disk.
pub fn place(places: &Places, at_home: &BTreeSet<RepoPath>, path: &RepoPath) -> PathBuf {
    match path.home().filter(|_| at_home.contains(path)) {
        Some(home) => places.home.join(os(home.as_bytes())),
        None => places.repo.join(os(path.as_bytes())),
    }
}

/// Looks at every file, as it lies on disk.
pub fn look(
    session: &Session<'_>,
    observer: &Observer<'_>,
    newest: Option<&Inventory>,
    with_local: bool,
) -> Outcome<Contents> {
    let places = &session.context.places;
    let mut known: BTreeSet<RepoPath> = session.worktree.staged()?.into_keys().collect();
    // Both are sorted, so this is one walk over the two.
    let archived = newest.into_iter().flat_map(|it| it.units.keys().cloned());
    known.append(&mut archived.filter(|path| with_local || !path.is_local_only()).collect());
    let is_lost = !places.repo.join(MANIFEST).exists() && places.repo.join("external").exists();
    let memory = if is_lost { session.vault.memory()? } else { None };
    let fallback = memory.as_ref().map(|memory| &memory.run.agreed.manifest);
    let local = observer.look(&Scope { known: known.into(), fallback, ..Scope::default() })?;
    Ok(of(places, &local, &|path| observer.stamp(path)))
}

/// Returns the same from what a run has seen; none where a plan sees files otherwise than an archive.
pub fn of_sight(
    session: &Session<'_>,
    sight: Sight<'_>,
    newest: Option<&Inventory>,
) -> Option<Contents> {
    let places = &session.context.places;
    let local = &sight.picture.observation.local;
    let is_plain = local.findings.is_empty()
        && local.moved.is_empty()
        && local.filtered.is_empty()
        && local.lost.is_empty();
    if !is_plain || sight.observer.met_an_exception() {
        return None;
    }
    let contents = of(places, local, &|path| sight.observer.stamp(path));
    // What no plan knows of stays in archives for as long as it stands.
    let is_missed = |path: &RepoPath| {
        let marks = &local.stored.manifest;
        let home = path.home().filter(|home| marks.covering(home).is_some());
        let home = home.map(|home| places.home.join(os(home.as_bytes())));
        let stored = places.repo.join(os(path.as_bytes()));
        [Some(stored), home].iter().flatten().any(|place| place.symlink_metadata().is_ok())
    };
    let units = &contents.inventory.units;
    let others = |paths: &mut dyn Iterator<Item = &RepoPath>| {
        let mut known = Along::new(units);
        let mut others = paths.filter(|path| known.at(path).is_none());
        others.any(|path| !path.is_meta() && !path.is_local_only() && is_missed(path))
    };
    let mut archived = newest.into_iter().flat_map(|newest| newest.units.keys());
    let staged = sight.picture.staged(&session.worktree).ok()?;
    let is_whole = !others(&mut staged.keys()) && !others(&mut archived);
    is_whole.then_some(contents)
}

fn of(places: &Places, local: &Local, stamp: &dyn Fn(&Path) -> Option<(u64, i64)>) -> Contents {
    let live = local.live.iter().filter_map(|(path, live)| match live {
        Live::File(version) => Some((path, version)),
        _ => None,
    });
    let at_home: BTreeSet<RepoPath> = live.clone().map(|(path, _)| path.clone()).collect();
    let mut inventory = Inventory { folders: local.stored.folders.clone(), ..Inventory::default() };
    let item = |path: &RepoPath, version: &Version, place: &Path| {
        // A file that its owner may not read, and root could, is in no archive: nobody could unpack it.
        let is_readable = version.kind == Kind::Link || version.mode.0 & 0o400 != 0;
        let (size, mtime) = stamp(place).filter(|_| is_readable)?;
        Some((path.clone(), Item { version: *version, size, mtime }))
    };
    // Along both, as looking each one up would take most of the time.
    let mut lives = Along::new(&local.live);
    let stored = local.stored.units.iter().filter_map(|(path, version)| {
        let is_at_home = matches!(lives.at(path), Some(Live::File(_)));
        let place = (!is_at_home).then(|| places.repo.join(os(path.as_bytes())))?;
        item(path, version, &place)
    });
    let live = live.filter_map(|(path, version)| {
        item(path, version, &places.home.join(os(path.home()?.as_bytes())))
    });
    // What is sorted becomes a map at once, which is cheaper than one by one.
    inventory.units = stored.chain(live).collect();
    inventory.folders.retain(|_, mode| mode.0 & 0o700 == 0o700);
    inventory.leave_out_torn();
    Contents { inventory, at_home }
}
