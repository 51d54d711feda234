//! A store of objects whose fresh ones wait in memory until a ref is to name them; then they are stored
//! for good, all in one go.

use std::cell::Cell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Odb, OdbLookupFlags, Oid, Repository};

use super::loose::{self, DRAFT, Object};
use super::packing::{WORTH_A_PACK, locks_of_packs, missing_of, pack};
use super::{GitError, objects_in, remember};
use crate::failure::Outcome;
use crate::fs::group::Group;
use crate::fs::plain;

/// Objects kept in memory are preferred to those on disk.
pub const FIRST: i32 = 1000;

/// How many bytes of contents wait in memory at most.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// A store of objects.
pub struct Store {
    /// What is on disk, and what waits.
    whole: Repository,
    /// What is on disk; none where nothing may come onto it.
    disk: Option<Disk>,
    /// How many bytes of contents wait.
    waiting: Cell<usize>,
    /// Where it lies, with its refs.
    folder: PathBuf,
}

/// The objects on disk, without those that wait.
pub struct Disk {
    /// The objects.
    pub objects: Odb<'static>,
    /// The folder that they lie in.
    pub folder: PathBuf,
}

impl Disk {
    fn of(repository: &Repository) -> Result<Self, git2::Error> {
        let folder = repository.commondir().join("objects");
        Ok(Self { objects: objects_in(&folder)?, folder })
    }
}

impl Store {
    /// Opens the store in a folder.
    pub fn open(folder: &Path) -> Result<Self, git2::Error> {
        Self::of(Repository::open_bare(folder)?)
    }

    /// Makes one of a repository.
    pub fn of(whole: Repository) -> Result<Self, git2::Error> {
        whole.odb()?.add_new_mempack_backend(FIRST)?;
        let (disk, folder) = (Some(Disk::of(&whole)?), whole.commondir().to_owned());
        Ok(Self { whole, disk, waiting: Cell::new(0), folder })
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
        Ok(Self { whole, disk: None, waiting: Cell::new(0), folder: folder.to_owned() })
    }

    /// Returns the store as one: what it is told to write waits.
    pub fn whole(&self) -> &Repository {
        &self.whole
    }

    /// Returns where it lies, with its refs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns what is on disk, where anything may come onto it.
    pub fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// Stores contents. What there is no room for in memory is on disk at once.
    pub fn put(&self, kind: ObjectType, bytes: &[u8]) -> Result<Oid, git2::Error> {
        let waiting = self.waiting.get().saturating_add(bytes.len());
        match &self.disk {
            Some(disk) if waiting > MOST_BYTES => disk.objects.write(kind, bytes),
            _ => {
                self.waiting.set(waiting);
                remember(&self.whole.odb()?, kind, bytes)
            }
        }
    }

    /// Takes objects from another store, each after those that it names. Many are a pack on disk at once.
    pub fn take(&self, from: &Repository, objects: &[Oid]) -> Result<(), git2::Error> {
        match &self.disk {
            Some(disk) if objects.len() >= WORTH_A_PACK => self.pack(disk, from, objects),
            _ => {
                let source = from.odb()?;
                objects.iter().try_for_each(|object| {
                    let object = source.read(*object)?;
                    self.put(object.kind(), object.data()).map(drop)
                })
            }
        }
    }

    /// Stores objects as one pack, which whoever asks next finds.
    fn pack(&self, disk: &Disk, from: &Repository, objects: &[Oid]) -> Result<(), git2::Error> {
        let packs = disk.folder.join("pack");
        let before = locks_of_packs(&packs);
        pack(from, &disk.objects, objects)?;
        // The library does not say when it could not take a lock of its own away again.
        for lock in locks_of_packs(&packs).difference(&before) {
            // Only tidying: one that stays is in nobody's way.
            let _ = plain::remove(lock);
        }
        disk.objects.refresh()?;
        self.whole.odb()?.refresh()
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
        let mut known = HashSet::new();
        let mut lacks = |object: Oid| known.insert(object) && !is_at_hand(&disk.objects, object);
        let mut lacking = Vec::new();
        for object in objects {
            missing_of(&self.whole, *object, &mut lacks, &mut lacking).map_err(failed())?;
        }
        if lacking.len() >= WORTH_A_PACK {
            return Ok(self.pack(disk, &self.whole, &lacking).map_err(failed())?);
        }
        let source = self.whole.odb().map_err(failed())?;
        let read: Result<Vec<_>, _> = lacking.iter().map(|object| source.read(*object)).collect();
        let read = read.map_err(failed())?;
        let object = |it| {
            let it: &git2::OdbObject<'_> = it;
            Object { id: it.id(), kind: it.kind(), bytes: it.data().into() }
        };
        let objects: Vec<Object<'_>> = read.iter().map(object).collect();
        loose::add(&disk.folder, DRAFT, &objects, group)
    }
}

/// Returns whether an object is there, without listing all packs anew where it is not: one that came
/// with a pack since they were listed is stored once more, which harms nobody.
pub fn is_at_hand(objects: &Odb<'_>, object: Oid) -> bool {
    objects.exists_ext(object, OdbLookupFlags::NO_REFRESH)
}
