//! Many objects at once: the disk is waited for two or three times, not twice for each object.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use cfgsync_core::unit::BlobId;
use git2::{ObjectType, Odb, Oid, Repository};

use super::store::{FIRST, Store, is_at_hand};
use super::vault::Vault;
use super::{GitError, trees};
use crate::failure::Outcome;
use crate::fs::dir::os;
use crate::fs::plain;

/// From how many objects on a pack is worth its files.
pub const WORTH_A_PACK: usize = 32;

/// How many bytes wait in memory at most.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Blobs that wait in memory until there are enough of them.
#[derive(Default)]
pub struct Waiting(RefCell<Option<Batch>>);

struct Batch {
    store: Repository,
    objects: Vec<Oid>,
    bytes: usize,
}

impl Waiting {
    /// Takes a blob for a store. It is there once [`Self::settle`] returned.
    pub fn put(&self, store: &Store, bytes: &[u8]) -> Result<BlobId, git2::Error> {
        let mut waiting = self.0.borrow_mut();
        let batch = match &mut *waiting {
            Some(batch) => batch,
            none => none.insert(Batch::new()?),
        };
        let id = batch.store.blob(bytes)?;
        batch.objects.push(id);
        batch.bytes += bytes.len();
        if batch.bytes > MOST_BYTES {
            drop(waiting);
            self.settle(store)?;
        }
        Ok(trees::blob_id(id))
    }

    /// Gives what waits to the store.
    pub fn settle(&self, store: &Store) -> Result<(), git2::Error> {
        match self.0.take() {
            Some(batch) => store.take(&batch.store, &batch.objects),
            None => Ok(()),
        }
    }
}

impl Batch {
    fn new() -> Result<Self, git2::Error> {
        let store = Repository::from_odb(Odb::new()?)?;
        store.odb()?.add_new_mempack_backend(FIRST)?;
        Ok(Self { store, objects: Vec::new(), bytes: 0 })
    }
}

impl Vault {
    /// Stores bytes together with others; they are there once [`Self::settle`] returned.
    pub fn put_soon(&self, bytes: &[u8]) -> Outcome<()> {
        if self.objects.disk().is_none() {
            return self.put(bytes).map(drop);
        }
        let taken = self.waiting.put(&self.objects, bytes);
        Ok(taken.map(drop).map_err(GitError::on("store files in the vault"))?)
    }

    /// Stores what was to be stored soon.
    pub fn settle(&self) -> Outcome<()> {
        let settled = self.waiting.settle(&self.objects);
        Ok(settled.map_err(GitError::on("store files in the vault"))?)
    }

    /// Copies a tree and its contents from another store into the vault.
    pub fn take(&self, from: &Repository, tree: Oid) -> Outcome<()> {
        let copied =
            missing(from, self.store(), tree).and_then(|objects| self.objects.take(from, &objects));
        Ok(copied.map_err(GitError::on(format!("copy tree {tree}")))?)
    }

    /// Copies a tree and its contents from the vault into another store.
    pub fn give(&self, to: &Store, tree: Oid) -> Outcome<()> {
        let copied = missing(self.store(), to.whole(), tree)
            .and_then(|objects| to.take(self.store(), &objects));
        Ok(copied.map_err(GitError::on(format!("copy tree {tree}")))?)
    }
}

/// Copies objects from one store to another as one pack, for good.
pub fn pack(from: &Repository, to: &Odb<'_>, objects: &[Oid]) -> Result<(), git2::Error> {
    let mut builder = from.packbuilder()?;
    builder.set_threads(1);
    for object in objects {
        builder.insert_object(*object, None)?;
    }
    let mut pack = to.packwriter()?;
    builder.foreach(|bytes| pack.write_all(bytes).is_ok())?;
    pack.commit()?;
    Ok(())
}

/// Returns the locks that the library has beside packs; it alone names them so.
pub fn locks_of_packs(packs: &Path) -> BTreeSet<PathBuf> {
    let names = plain::names(packs).unwrap_or_default().into_iter();
    let is_lock = |name: &Vec<u8>| name.starts_with(b"pack_git2_") && name.ends_with(b".idx.lock");
    names.filter(is_lock).map(|name| packs.join(os(&name))).collect()
}

/// Returns a tree and everything below it that the other store does not have, contents first. A tree
/// that is there has all of its contents, because contents are never written after it.
pub fn missing(from: &Repository, to: &Repository, tree: Oid) -> Result<Vec<Oid>, git2::Error> {
    let mut found = Vec::new();
    let mut known = std::collections::HashSet::new();
    let target = to.odb()?;
    let mut lacks = |object: Oid| known.insert(object) && !is_at_hand(&target, object);
    collect(from, tree, &mut lacks, &mut found)?;
    Ok(found)
}

/// Collects an object and everything it names that is lacking, contents first.
pub fn missing_of(
    from: &Repository,
    object: Oid,
    lacks: &mut impl FnMut(Oid) -> bool,
    found: &mut Vec<Oid>,
) -> Result<(), git2::Error> {
    match from.odb()?.read_header(object)?.1 {
        ObjectType::Tree => collect(from, object, lacks, found),
        ObjectType::Commit => collect_history(from, object, lacks, found),
        _ => {
            found.extend(lacks(object).then_some(object));
            Ok(())
        }
    }
}

/// Collects commits, each after its parents: a history may be longer than a stack is deep.
fn collect_history(
    from: &Repository,
    tip: Oid,
    lacks: &mut impl FnMut(Oid) -> bool,
    found: &mut Vec<Oid>,
) -> Result<(), git2::Error> {
    let mut open = vec![(tip, false)];
    while let Some((id, are_parents_done)) = open.pop() {
        if !are_parents_done && !lacks(id) {
            continue;
        }
        let commit = from.find_commit(id)?;
        if are_parents_done {
            collect(from, commit.tree_id(), lacks, found)?;
            found.push(id);
        } else {
            open.push((id, true));
            let parents: Vec<Oid> = commit.parent_ids().collect();
            open.extend(parents.into_iter().rev().map(|parent| (parent, false)));
        }
    }
    Ok(())
}

fn collect(
    from: &Repository,
    tree: Oid,
    lacks: &mut impl FnMut(Oid) -> bool,
    found: &mut Vec<Oid>,
) -> Result<(), git2::Error> {
    if !lacks(tree) {
        return Ok(());
    }
    for entry in &from.find_tree(tree)? {
        match entry.kind() {
            Some(ObjectType::Tree) => collect(from, entry.id(), lacks, found)?,
            Some(ObjectType::Blob) if lacks(entry.id()) => found.push(entry.id()),
            _ => {}
        }
    }
    found.push(tree);
    Ok(())
}
