//! Which archives are forgotten: the oldest, but for those that alone hold something.

use std::collections::HashSet;

use cfgsync_core::inventory::Inventory;
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::{BlobId, Version};

use super::{Backup, Backups, seals};
use crate::archive::read;
use crate::failure::Outcome;
use crate::fs::plain;
use crate::session::Session;

/// Forgets the oldest archives over the limit, but for those that alone hold something. The lock is
/// held. What waits for the vault becomes durable with what it keeps of them, before any of them goes.
/// `known` is an archive whose list of contents is at hand.
pub fn forget(session: &Session<'_>, limit: usize, known: Option<&Backup>) -> Outcome<()> {
    let forgettable = forgettable(session, limit, known)?;
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
pub fn forgettable(
    session: &Session<'_>,
    limit: usize,
    known: Option<&Backup>,
) -> Outcome<Vec<(Backup, Tree)>> {
    let places = &session.context.places;
    let mut backups = Backups::list(places)?.sound;
    if backups.len() <= limit.max(1) {
        return Ok(Vec::new());
    }
    let mut seals = seals(places)?;
    backups.retain(|backup| seals.hold(&backup.path));
    let kept = backups.split_off(backups.len().saturating_sub(limit.max(1)));
    let mut safe = Safe { blobs: HashSet::new(), unread: kept, known };
    safe.read(1);
    let is_in_vault = |version: &Version| session.vault.has_on_disk(version.blob);
    let mut forgettable = Vec::new();
    // From the newest on: what stays is a holder for those before it.
    for backup in backups.into_iter().rev() {
        let Ok(inventory) = read::inventory(&backup.path) else { continue };
        let mut alone = inventory.tree();
        alone.units.retain(|_, version| !safe.blobs.contains(&version.blob));
        // Most often the vault has what the newest one does not hold; then the others need no look.
        if !alone.units.values().all(is_in_vault) {
            safe.read(usize::MAX);
            alone.units.retain(|_, version| !safe.blobs.contains(&version.blob));
        }
        if alone.units.values().all(is_in_vault) {
            forgettable.push((backup, alone));
        } else {
            safe.blobs.extend(blobs(&inventory));
        }
    }
    Ok(forgettable)
}

/// What archives hold that stay.
struct Safe<'a> {
    blobs: HashSet<BlobId>,
    /// Those that were not looked into yet, the oldest first.
    unread: Vec<Backup>,
    /// One whose list of contents is at hand.
    known: Option<&'a Backup>,
}

impl Safe<'_> {
    /// Looks into so many more of them.
    fn read(&mut self, count: usize) {
        for backup in self.unread.drain(self.unread.len().saturating_sub(count)..) {
            match self.known.filter(|known| known.path == backup.path) {
                Some(known) => self.blobs.extend(blobs(&known.head)),
                None => self.blobs.extend(read::inventory(&backup.path).iter().flat_map(blobs)),
            }
        }
    }
}

fn blobs(inventory: &Inventory) -> impl Iterator<Item = BlobId> {
    inventory.units.values().map(|item| item.version.blob)
}
