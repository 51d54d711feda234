//! What leads from one commit to another, and how it comes into a folder that is a remote.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cfgsync_core::arrival::authored;
use cfgsync_core::arrival::listed::Listing;
use git2::{ObjectType, Oid, Repository, Sort, Tree, TreeEntry};

use super::loose::{self, Object};
use super::{CommitId, folder, refs, trees};
use crate::failure::Outcome;
use crate::fs::FsError;
use crate::fs::dir::os;
use crate::fs::group::Group;
use crate::fs::plain;

/// More commits than this are Git's to carry, which shows how far it is.
const MOST_COMMITS: usize = 64;

/// More objects than this are Git's to carry.
const MOST_OBJECTS: usize = 512;

/// More bytes than this are Git's to carry.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// What a draft in a remote begins with: Git removes what is called so and was left behind.
const DRAFT: &str = "tmp_obj_";

/// Objects that a commit needs beside all that another one has, each after those that it names. None where
/// the one does not follow the other, where that is much, and where it is not what Git writes every day.
pub fn between(
    repository: &Repository,
    to: CommitId,
    from: CommitId,
) -> Result<Option<Vec<Object<'static>>>, git2::Error> {
    if !repository.graph_descendant_of(to.0, from.0)? {
        return Ok(None);
    }
    let mut walk = repository.revwalk()?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
    walk.push(to.0)?;
    walk.hide(from.0)?;
    let mut search = Search { repository, found: Vec::new(), bytes: 0 };
    for (number, commit) in walk.enumerate() {
        let commit = repository.find_commit(commit?)?;
        let parents: Vec<Tree<'_>> =
            commit.parents().map(|parent| parent.tree()).collect::<Result<_, _>>()?;
        if number == MOST_COMMITS
            || !search.is_little(commit.tree_id(), ObjectType::Tree)?
            || !search.folder(&commit.tree()?, 1, &parents)?
            || !search.add(commit.id(), ObjectType::Commit)?
        {
            return Ok(None);
        }
    }
    Ok(Some(search.found))
}

struct Search<'a> {
    repository: &'a Repository,
    found: Vec<Object<'static>>,
    bytes: usize,
}

impl Search<'_> {
    /// Adds a folder and what is new in it; false where it is none of those that are carried. What stands in
    /// one of the others is there already.
    fn folder(
        &mut self,
        tree: &Tree<'_>,
        depth: usize,
        others: &[Tree<'_>],
    ) -> Result<bool, git2::Error> {
        if others.iter().any(|other| other.id() == tree.id())
            || self.has(tree.id(), ObjectType::Tree)
        {
            return Ok(true);
        }
        let entries: Vec<TreeEntry<'_>> = tree.iter().collect();
        let listed: Vec<(&[u8], i32)> =
            entries.iter().map(|entry| (entry.name_bytes(), entry.filemode_raw())).collect();
        if Listing::default().check(depth, &listed).is_err()
            || !listed.iter().all(|(_, mode)| KINDS.contains(mode))
            || !self.is_as_written(tree.id(), &entries)?
        {
            return Ok(false);
        }
        for entry in &entries {
            let there: Vec<TreeEntry<'_>> =
                others.iter().filter_map(|it| it.get_name_bytes(entry.name_bytes())).collect();
            if there.iter().any(|it| it.id() == entry.id() && kind(it) == kind(entry)) {
                continue;
            }
            let is_carried = authored::is_plain(entry.name_bytes())
                && if kind(entry) == ObjectType::Tree {
                    let folders = there.iter().filter(|it| kind(it) == ObjectType::Tree);
                    let folders: Vec<Tree<'_>> = folders
                        .map(|it| self.repository.find_tree(it.id()))
                        .collect::<Result<_, _>>()?;
                    self.is_little(entry.id(), ObjectType::Tree)?
                        && self.folder(
                            &self.repository.find_tree(entry.id())?,
                            depth + 1,
                            &folders,
                        )?
                } else {
                    self.has(entry.id(), ObjectType::Blob)
                        || self.add(entry.id(), ObjectType::Blob)?
                };
            if !is_carried {
                return Ok(false);
            }
        }
        self.add(tree.id(), ObjectType::Tree)
    }

    fn has(&self, object: Oid, kind: ObjectType) -> bool {
        self.found.iter().any(|found| found.id == object && found.kind == kind)
    }

    /// Returns whether an object is of this kind and not much, without reading it whole.
    fn is_little(&self, id: Oid, kind: ObjectType) -> Result<bool, git2::Error> {
        let (size, found) = self.repository.odb()?.read_header(id)?;
        Ok(found == kind && self.bytes.saturating_add(size) <= MOST_BYTES)
    }

    /// Returns whether the bytes of a folder are those that Git writes for its entries.
    fn is_as_written(&self, id: Oid, entries: &[TreeEntry<'_>]) -> Result<bool, git2::Error> {
        let entry = |it: &TreeEntry<'_>| {
            let head = format!("{:o} ", it.filemode_raw()).into_bytes();
            [&head, it.name_bytes(), b"\0", it.id().as_bytes()].concat()
        };
        let written: Vec<u8> = entries.iter().flat_map(entry).collect();
        Ok(self.repository.odb()?.read(id)?.data() == written)
    }

    /// Adds an object of this kind; false where it is none, where that is too much, and for a commit that Git
    /// would not write.
    fn add(&mut self, id: Oid, kind: ObjectType) -> Result<bool, git2::Error> {
        if !self.is_little(id, kind)? || self.found.len() == MOST_OBJECTS {
            return Ok(false);
        }
        let store = self.repository.odb()?;
        let object = store.read(id)?;
        if kind == ObjectType::Commit && !authored::is_usual(object.data()) {
            return Ok(false);
        }
        self.bytes = self.bytes.saturating_add(object.len());
        self.found.push(Object { id, kind, bytes: object.data().to_vec().into() });
        Ok(true)
    }
}

/// Kinds of entries that are carried.
const KINDS: [i32; 4] = [trees::FOLDER, trees::FILE, trees::EXECUTABLE, trees::LINK];

/// Returns what an entry says that its object is.
fn kind(entry: &TreeEntry<'_>) -> ObjectType {
    if entry.filemode_raw() == trees::FOLDER { ObjectType::Tree } else { ObjectType::Blob }
}

/// What became of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The branch is at the commit.
    Done,
    /// Somebody else was faster, or is at it.
    Refused,
}

/// A commit with all that its remote lacks.
pub struct Parcel {
    folder: PathBuf,
    branch: String,
    seen: CommitId,
    commit: CommitId,
    objects: Vec<Object<'static>>,
}

impl Parcel {
    /// A commit for a branch of a folder, which was seen at the first of both.
    pub fn new(
        folder: PathBuf,
        branch: &str,
        [seen, commit]: [CommitId; 2],
        objects: Vec<Object<'static>>,
    ) -> Self {
        Self { folder, branch: branch.to_owned(), seen, commit, objects }
    }

    /// Stores the objects for good, then moves the branch, if it still is where it was seen. Whatever fails
    /// leaves the branch as it was, or where it was to go.
    pub fn send(self) -> Outcome<Sent> {
        let is_there = || folder::tip(&self.folder, &self.branch) == Some(self.seen);
        if !is_there() {
            return Ok(Sent::Refused);
        }
        let objects = self.folder.join("objects");
        let (start, moved) = (draft(self.commit), moved(&self.folder, self.commit));
        let mut group = Group::default();
        loose::add(&objects, &start, &self.objects, &mut group)?;
        let text = format!("{}\n", self.commit);
        group.add(moved.clone(), objects.join(start + "new"), text.as_bytes(), refs::MODE)?;
        group.publish()?;
        let sent = self.advance(&moved, &is_there);
        plain::remove(&moved)?;
        Ok(sent?)
    }

    /// Moves the branch as Git does. Its lock is a link to a draft of its own, so that a lock that a killed
    /// run leaves is known to be its own.
    #[expect(clippy::disallowed_methods, reason = "a ref of a remote, moved as Git moves it")]
    fn advance(&self, moved: &Path, is_there: &dyn Fn() -> bool) -> Result<Sent, FsError> {
        let place = self.folder.join("refs/heads").join(&self.branch);
        let lock = lock(&self.folder, &self.branch);
        match fs::hard_link(moved, &lock) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Sent::Refused),
            linked => linked.map_err(FsError::on("create", &lock))?,
        }
        if !is_there() {
            plain::remove(&lock)?;
            return Ok(Sent::Refused);
        }
        let renamed = fs::rename(&lock, &place).map_err(FsError::on("replace", &place));
        if renamed.is_err() {
            plain::remove(&lock)?;
        }
        renamed?;
        let above = place.parent().unwrap_or(&place);
        plain::sync_folder(above)?;
        Ok(Sent::Done)
    }
}

fn draft(commit: CommitId) -> String {
    format!("{DRAFT}{commit}_")
}

/// Returns what the branch's lock is a link to.
fn moved(folder: &Path, commit: CommitId) -> PathBuf {
    folder.join("objects").join(draft(commit) + "ref")
}

/// Returns the lock of a branch, as Git names it.
pub fn lock(folder: &Path, branch: &str) -> PathBuf {
    folder.join("refs/heads").join(format!("{branch}.lock"))
}

/// Removes what a run left in a folder when it died while it sent a commit. Its lock goes before the draft that
/// proves whose it is: another Git may be about to move the branch to the same commit.
pub fn recover(folder: &Path, branch: &str, commit: CommitId) -> Outcome<()> {
    let lock = lock(folder, branch);
    let file = |path: &Path| path.symlink_metadata().map(|it| (it.dev(), it.ino())).ok();
    let own = file(&moved(folder, commit));
    if own.is_some() && file(&lock) == own {
        plain::remove(&lock)?;
    }
    let (objects, start) = (folder.join("objects"), draft(commit));
    for name in plain::names(&objects)? {
        if name.starts_with(start.as_bytes()) {
            plain::remove(&objects.join(os(&name)))?;
        }
    }
    Ok(())
}
