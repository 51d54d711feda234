//! How the files of an archive are grouped, so that most groups are the same in the next archive.
//!
//! Where a group ends is told by the path of its last file, and by how much came together since the
//! group began, not by a count from the start. So a file that comes, goes or changes makes another
//! group of its own one, and seldom of a few behind it.

use crate::inventory::{Inventory, Item};
use crate::path::RepoPath;

/// One path in so many ends a group.
const ONE_IN: u32 = 32;

/// Most files of a group.
const MOST_FILES: usize = 128;

/// Bytes of files after which a group ends.
const ENOUGH: u64 = 1024 * 1024;

/// Files that are packed together, in order.
pub type Portion<'a> = Vec<(&'a RepoPath, &'a Item)>;

/// Groups the files of an archive.
pub fn portions(inventory: &Inventory) -> Vec<Portion<'_>> {
    let mut portions = Vec::new();
    let (mut portion, mut bytes) = (Portion::new(), 0u64);
    for (path, item) in &inventory.units {
        portion.push((path, item));
        bytes = bytes.saturating_add(item.size);
        if ends_one(path) || portion.len() >= MOST_FILES || bytes >= ENOUGH {
            portions.push(std::mem::take(&mut portion));
            bytes = 0;
        }
    }
    if !portion.is_empty() {
        portions.push(portion);
    }
    portions
}

/// Decides by the path alone, the same in every version: an FNV hash of its bytes.
fn ends_one(path: &RepoPath) -> bool {
    let hash = path
        .as_bytes()
        .iter()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    (hash >> 16).is_multiple_of(ONE_IN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::{BlobId, Mode, Version};

    fn inventory(count: u64, size: u64) -> Inventory {
        let unit = |number| {
            let version = Version::file(Mode::FILE, BlobId([7; 20]));
            let path = RepoPath::new(format!("folder-{}/file-{number}", number / 20)).unwrap();
            (path, Item { version, size, mtime: 5 })
        };
        Inventory { units: (0..count).map(unit).collect(), ..Inventory::default() }
    }

    #[test]
    fn every_file_is_in_one_group_in_order() {
        for (count, size) in [(0, 1), (1, 1), (1000, 1), (300, ENOUGH / 3)] {
            let inventory = inventory(count, size);
            let portions = portions(&inventory);
            assert!(portions.iter().flatten().copied().eq(inventory.units.iter()));
            assert!(portions.iter().all(|it| (1..=MOST_FILES).contains(&it.len())));
        }
    }

    #[test]
    fn groups_are_neither_few_nor_many() {
        let count = portions(&inventory(10_000, 300)).len();
        assert!((100..600).contains(&count), "{count}");
        assert!(portions(&inventory(10, ENOUGH)).iter().all(|it| it.len() == 1));
    }

    #[test]
    fn one_file_more_makes_few_other_groups() {
        let before = inventory(2000, 300);
        let mut after = before.clone();
        let path = RepoPath::new("folder-5/file-100x").unwrap();
        after.units.insert(path, *before.units.values().next().unwrap());
        let (before, after) = (portions(&before), portions(&after));
        let others = after.iter().filter(|it| !before.contains(it)).count();
        assert!((1..=3).contains(&others), "{others}");
    }
}
