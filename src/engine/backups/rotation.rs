//! Which archives are forgotten: the oldest, but for those that alone hold something.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;

use cfgsync_core::along::Along;
use cfgsync_core::inventory::Inventory;
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::{BlobId, Version};

use super::archives::seals;
use super::{Backup, Backups};
use crate::archive::read;
use crate::archive::seal::Seals;
use crate::context::Places;
use crate::failure::Outcome;
use crate::fs::plain;
use crate::session::Session;

/// What is known of the archives when some may be forgotten.
pub struct Known<'a> {
    sound: Vec<Backup>,
    seals: Seals,
    /// Lists of contents that are at hand.
    lists: Vec<(&'a Path, &'a Inventory)>,
}

impl<'a> Known<'a> {
    /// Takes those that can be read, the oldest first, and lists of contents that are at hand.
    pub fn of(sound: Vec<Backup>, seals: Seals, lists: Vec<(&'a Path, &'a Inventory)>) -> Self {
        Self { sound, seals, lists }
    }

    /// Looks at what there is.
    fn read(places: &Places) -> Outcome<Self> {
        Ok(Self::of(Backups::list(places)?.sound, seals(places)?, Vec::new()))
    }
}

/// Forgets the oldest archives over the limit, but for those that alone hold something. The lock is held.
pub fn forget(session: &Session<'_>, limit: usize) -> Outcome<()> {
    forget_of(session, limit, Known::read(&session.context.places)?)
}

/// The same, of those that are known. What waits for the vault becomes durable with what it keeps of
/// them, before any of them goes.
pub fn forget_of(session: &Session<'_>, limit: usize, known: Known<'_>) -> Outcome<()> {
    let forgettable = forgettable_of(session, limit, known);
    if forgettable.is_empty() {
        return Ok(());
    }
    let vault = &session.vault;
    vault.gather();
    for (backup, alone) in forgettable.iter().filter(|(_, alone)| !alone.units.is_empty()) {
        vault.keep_archived(backup.head.number, alone)?;
    }
    vault.make_durable()?;
    forgettable.iter().try_for_each(|(backup, _)| Ok(plain::remove(&backup.path)?))
}

/// Returns the archives over the limit that can go, with what the vault must keep of each: at least what
/// no other one holds. A damaged one keeps nothing: it counts neither towards the limit nor as a holder.
pub fn forgettable(session: &Session<'_>, limit: usize) -> Outcome<Vec<(Backup, Tree)>> {
    Ok(forgettable_of(session, limit, Known::read(&session.context.places)?))
}

fn forgettable_of(session: &Session<'_>, limit: usize, known: Known<'_>) -> Vec<(Backup, Tree)> {
    let Known { sound: mut backups, mut seals, lists } = known;
    if backups.len() <= limit.max(1) {
        return Vec::new();
    }
    backups.retain(|backup| seals.hold(&backup.path));
    let kept = backups.split_off(backups.len().saturating_sub(limit.max(1)));
    let newest = kept.last().and_then(|newest| list(&lists, newest));
    let mut safe = Safe { blobs: HashSet::new(), unread: kept };
    let is_in_vault = |version: &Version| session.vault.has_on_disk(version.blob);
    let mut forgettable = Vec::new();
    // From the newest on: what stays is a holder for those before it.
    for backup in backups.into_iter().rev() {
        let Some(inventory) = list(&lists, &backup) else { continue };
        let mut alone = apart(&inventory, newest.as_deref());
        // Most often the vault has what the newest one does not hold; then the others need no look.
        if !alone.units.values().all(is_in_vault) {
            safe.read_all(&lists);
            alone.units.retain(|_, version| !safe.blobs.contains(&version.blob));
        }
        if alone.units.values().all(is_in_vault) {
            forgettable.push((backup, alone));
        } else {
            safe.blobs.extend(blobs(&inventory));
        }
    }
    forgettable
}

/// Returns what an archive lists, if it can be read.
fn list<'a>(lists: &[(&Path, &'a Inventory)], backup: &Backup) -> Option<Cow<'a, Inventory>> {
    let known = lists.iter().find(|(path, _)| *path == backup.path);
    match known {
        Some((_, list)) => Some(Cow::Borrowed(*list)),
        None => read::inventory(&backup.path).ok().map(Cow::Owned),
    }
}

/// Returns what comes back of an archive, without the files whose bytes the newest one has at the same path.
fn apart(inventory: &Inventory, newest: Option<&Inventory>) -> Tree {
    let Some(newest) = newest else { return inventory.tree() };
    let mut along = Along::new(&newest.units);
    let units = inventory.units.iter().filter_map(|(path, item)| {
        let is_there = along.at(path).is_some_and(|it| it.version.blob == item.version.blob);
        (!is_there).then(|| (path.clone(), item.shared()))
    });
    Tree { units: units.collect(), folders: inventory.folders.clone(), ..Tree::default() }
}

/// What archives hold that stay.
struct Safe {
    blobs: HashSet<BlobId>,
    /// Those that were not looked into yet.
    unread: Vec<Backup>,
}

impl Safe {
    /// Looks into all of them.
    fn read_all(&mut self, lists: &[(&Path, &Inventory)]) {
        for backup in self.unread.drain(..) {
            self.blobs.extend(list(lists, &backup).iter().flat_map(|it| blobs(it)));
        }
    }
}

fn blobs(inventory: &Inventory) -> impl Iterator<Item = BlobId> {
    inventory.units.values().map(|item| item.version.blob)
}
