//! A store of objects whose fresh ones wait in memory until a ref is to name them; then they are stored
//! for good, all in one go.

use std::cell::Cell;
use std::collections::HashSet;
use std::path::Path;

use git2::{ObjectType, Odb, Oid, Repository};

use super::GitError;
use super::loose::{self, Object};
use super::packing::{WORTH_A_PACK, missing_of, pack};
use crate::failure::Outcome;
use crate::fs::group::Group;

/// Objects kept in memory are preferred to those on disk.
pub const FIRST: i32 = 1000;

/// How many bytes of contents wait in memory at most.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// A store of objects.
pub struct Store {
    /// What is on disk, and what waits.
    whole: Repository,
    /// What is on disk; none where nothing may come onto it.
    disk: Option<Repository>,
    /// How many bytes of contents wait.
    waiting: Cell<usize>,
}

impl Store {
    /// Opens the store in a folder.
    pub fn open(folder: &Path) -> Result<Self, git2::Error> {
        Self::of(Repository::open_bare(folder)?, Repository::open_bare(folder)?)
    }

    /// Makes one of a repository that was opened twice.
    pub fn of(whole: Repository, disk: Repository) -> Result<Self, git2::Error> {
        whole.odb()?.add_new_mempack_backend(FIRST)?;
        Ok(Self { whole, disk: Some(disk), waiting: Cell::new(0) })
    }

    /// Opens the store in a folder so that whatever is written stays in memory, and is gone with it.
    pub fn rehearse(folder: &Path) -> Result<Self, git2::Error> {
        let whole = match Repository::open_bare(folder) {
            Err(error) if error.code() == git2::ErrorCode::NotFound => {
                Repository::from_odb(Odb::new()?)?
            }
            opened => opened?,
        };
        whole.odb()?.add_new_mempack_backend(FIRST)?;
        Ok(Self { whole, disk: None, waiting: Cell::new(0) })
    }

    /// Returns the store as one: what it is told to write waits.
    pub fn whole(&self) -> &Repository {
        &self.whole
    }

    /// Returns what is on disk, where anything may come onto it.
    pub fn disk(&self) -> Option<&Repository> {
        self.disk.as_ref()
    }

    /// Stores contents. What there is no room for in memory is on disk at once.
    pub fn put(&self, kind: ObjectType, bytes: &[u8]) -> Result<Oid, git2::Error> {
        let waiting = self.waiting.get().saturating_add(bytes.len());
        match &self.disk {
            Some(disk) if waiting > MOST_BYTES => disk.odb()?.write(kind, bytes),
            _ => {
                self.waiting.set(waiting);
                self.whole.odb()?.write(kind, bytes)
            }
        }
    }

    /// Takes objects from another store, each after those that it names. Many are a pack on disk at once.
    pub fn take(&self, from: &Repository, objects: &[Oid]) -> Result<(), git2::Error> {
        match &self.disk {
            Some(disk) if objects.len() >= WORTH_A_PACK => pack(from, disk, objects),
            _ => {
                let source = from.odb()?;
                objects.iter().try_for_each(|object| {
                    let object = source.read(*object)?;
                    self.put(object.kind(), object.data()).map(drop)
                })
            }
        }
    }

    /// Stores objects and all that they name for good.
    pub fn keep(&self, objects: &[Oid]) -> Outcome<()> {
        let mut group = Group::default();
        self.keep_with(objects, &mut group)?;
        Ok(group.publish()?)
    }

    /// Adds objects and all that they name to what becomes durable together. Many are a pack at once.
    pub fn keep_with(&self, objects: &[Oid], group: &mut Group) -> Outcome<()> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let failed = || GitError::on("store objects");
        let odb = disk.odb().map_err(failed())?;
        let mut known = HashSet::new();
        let mut lacks = |object: Oid| known.insert(object) && !odb.exists(object);
        let mut found = Vec::new();
        for object in objects {
            missing_of(&self.whole, *object, &mut lacks, &mut found).map_err(failed())?;
        }
        if found.len() >= WORTH_A_PACK {
            return Ok(pack(&self.whole, disk, &found).map_err(failed())?);
        }
        let source = self.whole.odb().map_err(failed())?;
        let read: Result<Vec<_>, _> = found.iter().map(|object| source.read(*object)).collect();
        let read = read.map_err(failed())?;
        let object = |it| {
            let it: &git2::OdbObject<'_> = it;
            Object { id: it.id(), kind: it.kind(), bytes: it.data() }
        };
        loose::add(disk, &read.iter().map(object).collect::<Vec<_>>(), group)
    }
}
