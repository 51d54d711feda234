//! Many objects at once, as one pack: the disk is waited for three times, not twice for each object.

use std::cell::RefCell;
use std::io::Write;
use std::path::Path;

use cfgsync_core::unit::BlobId;
use git2::{ObjectType, Oid, Repository};

use super::vault::{Keeping, Vault};
use super::{GitError, trees};
use crate::failure::Outcome;

/// From how many objects on a pack is worth its files.
const WORTH_A_PACK: usize = 32;

/// How many bytes wait in memory at most.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Objects kept in memory are preferred to those on disk.
const FIRST: i32 = 1000;

/// Blobs that wait in memory until there are enough of them.
#[derive(Default)]
pub struct Waiting(RefCell<Option<Batch>>);

struct Batch {
    store: Repository,
    objects: Vec<Oid>,
    bytes: usize,
}

impl Waiting {
    /// Takes a blob for the store in this folder. It is there once [`Self::settle`] returned.
    pub fn put(&self, store: &Repository, bytes: &[u8]) -> Result<BlobId, git2::Error> {
        let mut waiting = self.0.borrow_mut();
        let batch = match &mut *waiting {
            Some(batch) => batch,
            none => none.insert(Batch::new(store.path())?),
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

    /// Stores what waits, for good.
    pub fn settle(&self, store: &Repository) -> Result<(), git2::Error> {
        match self.0.take() {
            Some(batch) => copy(&batch.store, store, &batch.objects),
            None => Ok(()),
        }
    }
}

impl Batch {
    fn new(folder: &Path) -> Result<Self, git2::Error> {
        let store = Repository::open_bare(folder)?;
        store.odb()?.add_new_mempack_backend(FIRST)?;
        Ok(Self { store, objects: Vec::new(), bytes: 0 })
    }
}

impl Vault {
    /// Stores bytes together with others; they are there once [`Self::settle`] returned.
    pub fn put_soon(&self, bytes: &[u8]) -> Outcome<()> {
        if self.keeping == Keeping::InMemory {
            return self.put(bytes).map(drop);
        }
        let taken = self.waiting.put(self.store(), bytes);
        Ok(taken.map(drop).map_err(GitError::on("store files in the vault"))?)
    }

    /// Stores what was to be stored soon.
    pub fn settle(&self) -> Outcome<()> {
        let settled = self.waiting.settle(self.store());
        Ok(settled.map_err(GitError::on("store files in the vault"))?)
    }

    /// Copies a tree and its contents from another store into the vault.
    pub fn take(&self, from: &Repository, tree: Oid) -> Outcome<()> {
        let copied = missing(from, self.store(), tree).and_then(|objects| match self.keeping {
            Keeping::OnDisk => copy(from, self.store(), &objects),
            Keeping::InMemory => copy_each(from, self.store(), &objects),
        });
        Ok(copied.map_err(GitError::on(format!("copy tree {tree}")))?)
    }

    /// Copies a tree and its contents from the vault into another store.
    pub fn give(&self, to: &Repository, tree: Oid) -> Outcome<()> {
        let copied =
            missing(self.store(), to, tree).and_then(|objects| copy(self.store(), to, &objects));
        Ok(copied.map_err(GitError::on(format!("copy tree {tree}")))?)
    }
}

/// Copies objects from one store to another, each after those before it.
pub fn copy(from: &Repository, to: &Repository, objects: &[Oid]) -> Result<(), git2::Error> {
    if objects.len() < WORTH_A_PACK {
        return copy_each(from, to, objects);
    }
    let mut builder = from.packbuilder()?;
    builder.set_threads(1);
    for object in objects {
        builder.insert_object(*object, None)?;
    }
    let store = to.odb()?;
    let mut pack = store.packwriter()?;
    builder.foreach(|bytes| pack.write_all(bytes).is_ok())?;
    pack.commit()?;
    Ok(())
}

/// Copies objects one by one: for a few, and where nothing may come onto the disk.
pub fn copy_each(from: &Repository, to: &Repository, objects: &[Oid]) -> Result<(), git2::Error> {
    let (source, target) = (from.odb()?, to.odb()?);
    for object in objects {
        let object = source.read(*object)?;
        target.write(object.kind(), object.data())?;
    }
    Ok(())
}

/// Returns a tree and everything below it that the other store does not have, contents first. A tree
/// that is there has all of its contents, because contents are never written after it.
pub fn missing(from: &Repository, to: &Repository, tree: Oid) -> Result<Vec<Oid>, git2::Error> {
    let mut found = Vec::new();
    let mut known = std::collections::HashSet::new();
    let target = to.odb()?;
    let mut lacks = |object: Oid| known.insert(object) && !target.exists(object);
    collect(from, tree, &mut lacks, &mut found)?;
    Ok(found)
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
