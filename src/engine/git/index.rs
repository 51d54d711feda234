//! The index, moved to a plan's tree path by path, with what the user staged left alone.
//!
//! The new index is written in the state folder and linked to `index.lock`: a lock left behind by
//! a killed run is provably ours, because it is the same inode.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cfgsync_core::local::differing;
use cfgsync_core::names::stays_here;
use cfgsync_core::path::RepoPath;
use cfgsync_core::tree::Tree;
use git2::{Index, IndexEntry, IndexEntryExtendedFlag, IndexEntryFlag, IndexTime};

use super::worktree::Worktree;
use super::{GitError, trees};
use crate::failure::{Code, Failure, Outcome};
use crate::fs::dir::os;
use crate::fs::group::Group;
use crate::fs::{FsError, plain};

/// The trees between which the index moves.
#[derive(Debug, Clone, Copy)]
pub struct Move<'a> {
    /// What the branch held.
    pub from: &'a Tree,
    /// What it will hold.
    pub to: &'a Tree,
    /// What the working tree holds, whose staged twin is no partial staging.
    pub ours: &'a Tree,
}

/// A new index that waits for its place. Without one it is gone with this.
#[must_use]
pub struct Draft {
    written: PathBuf,
    place: PathBuf,
    /// The index that it was made of.
    made_of: Option<Identity>,
}

/// What became of a draft that was to have its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installed {
    /// It is the index.
    Yes,
    /// Another Git wrote the index since the draft was made.
    Stale,
}

/// Tells one index from another: Git never writes into one that is there.
type Identity = (u64, u64, u64, [i64; 4]);

fn identity(file: &fs::Metadata) -> Identity {
    let times = [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()];
    (file.dev(), file.ino(), file.len(), times)
}

/// Makes the new index, durable with the group; none where it is as it was.
pub fn draft(
    worktree: &Worktree,
    draft: &Path,
    trees: Move<'_>,
    group: &mut Group,
) -> Outcome<Option<Draft>> {
    let place = worktree.git_folder().join("index");
    let made_of = prepare(&place, draft)?;
    let failed = || GitError::on(format!("write {}", draft.display()));
    let mut index = Index::open(draft).map_err(GitError::on("read the index"))?;
    if edit(&mut index, trees).map_err(failed())? == Edit::None {
        plain::remove(draft)?;
        return Ok(None);
    }
    index.write().map_err(failed())?;
    drop(index);
    group.also(draft.to_owned())?;
    Ok(Some(Draft { written: draft.to_owned(), place, made_of }))
}

impl Draft {
    /// Gives the new index its place, which becomes durable with the group.
    pub fn install(&self, group: &mut Group) -> Outcome<Installed> {
        let installed = install(self)?;
        if installed == Installed::Yes {
            self.place.parent().map_or(Ok(()), |folder| group.also(folder.to_owned()))?;
        }
        Ok(installed)
    }

    /// Says that its place is durable. Until then, a lock that a power cut leaves is known by the draft.
    pub fn let_go(self) -> Outcome<()> {
        Ok(plain::remove(&self.written)?)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // A lock that could not be taken away is known by it.
        if inode(&lock_of(&self.place)).is_none_or(|lock| Some(lock) != inode(&self.written)) {
            // Only tidying: the error that led here is the one that counts.
            let _ = plain::remove(&self.written);
        }
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    None,
    Some,
}

/// Copies the index aside, and returns which one it was. The draft may share its inode with the index, so
/// it is removed first.
fn prepare(place: &Path, draft: &Path) -> Outcome<Option<Identity>> {
    plain::remove(draft)?;
    let mut file = match fs::File::open(place) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(FsError::on("open", place))?,
    };
    let made_of = identity(&file.metadata().map_err(FsError::on("look at", place))?);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(FsError::on("read", place))?;
    if !bytes.is_empty() {
        plain::publish(draft, &bytes, plain::Durability::Relaxed)?;
    }
    Ok(Some(made_of))
}

fn edit(index: &mut Index, trees: Move<'_>) -> Result<Edit, git2::Error> {
    // What all three have alike is either in the index already, or the user's own doing.
    let moving: BTreeSet<&RepoPath> = differing(trees.from, trees.to)
        .into_iter()
        .chain(differing(trees.to, trees.ours))
        .collect();
    let [from, to, ours] =
        [trees.from, trees.to, trees.ours].map(|tree| trees::entries(tree, &moving));
    let mut edited = Edit::None;
    let mut paths: Vec<&Vec<u8>> = from.keys().chain(to.keys()).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        let staged = index.get_path(Path::new(os(path)), 0);
        let staged = staged.map(|entry| (entry.id, entry.mode));
        let wanted = to.get(path).copied();
        let is_users_own = staged != from.get(path).copied()
            && staged != ours.get(path).copied()
            && staged != wanted;
        if is_users_own || staged == wanted {
            continue;
        }
        edited = Edit::Some;
        match wanted {
            Some((id, mode)) if stays_here(path) => {
                index.add(&unseen(path, id, mode))?;
            }
            Some((id, mode)) => index.add(&entry(path, id, mode))?,
            None => index.remove(Path::new(os(path)), 0)?,
        }
    }
    Ok(edited)
}

/// An entry whose file, if there is one, is this machine's own: Git does not compare the two.
fn unseen(path: &[u8], id: git2::Oid, mode: u32) -> IndexEntry {
    IndexEntry {
        flags: IndexEntryFlag::EXTENDED.bits(),
        flags_extended: IndexEntryExtendedFlag::SKIP_WORKTREE.bits(),
        ..entry(path, id, mode)
    }
}

/// An entry that claims nothing about the state of its file, so that Git looks at the file itself.
pub fn entry(path: &[u8], id: git2::Oid, mode: u32) -> IndexEntry {
    IndexEntry {
        ctime: IndexTime::new(0, 0),
        mtime: IndexTime::new(0, 0),
        dev: 0,
        ino: 0,
        mode,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.to_vec(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "Git's own way of replacing its index, lock included"
)]
fn install(Draft { written, place, made_of }: &Draft) -> Outcome<Installed> {
    let lock = lock_of(place);
    let linked = fs::hard_link(written, &lock).or_else(|error| match error.kind() {
        std::io::ErrorKind::CrossesDevices => copy_new(written, &lock),
        _ => Err(error),
    });
    linked.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::new(Code::Foreign, format!("another git holds {}", lock.display()))
                .hint("Run `cfgsync sync` again when it is done.")
        }
        _ => FsError::on("create", &lock)(error).into(),
    })?;
    // From here on nobody else writes it.
    if fs::metadata(place).ok().as_ref().map(identity) != *made_of {
        plain::remove(&lock)?;
        return Ok(Installed::Stale);
    }
    let replaced = fs::rename(&lock, place).map_err(FsError::on("replace", place));
    // Whatever is wrong with the disk, the lock is not to stay in anybody's way.
    replaced.inspect_err(|_| drop(plain::remove(&lock)))?;
    Ok(Installed::Yes)
}

fn copy_new(draft: &Path, lock: &Path) -> std::io::Result<()> {
    let mut target = fs::File::create_new(lock)?;
    std::io::copy(&mut fs::File::open(draft)?, &mut target)?;
    target.sync_all()
}

fn lock_of(place: &Path) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Removes an index lock that a killed run of ours left behind, and only such a one.
pub fn recover(git_folder: &Path, draft: &Path) -> Outcome<()> {
    let lock = git_folder.join("index.lock");
    if let (Some(lock_inode), Some(draft_inode)) = (inode(&lock), inode(draft))
        && lock_inode == draft_inode
    {
        plain::remove(&lock)?;
    }
    Ok(plain::remove(draft)?)
}

/// Removes the lock of the draft, which Git's library leaves behind where it could not remove it, and
/// says nothing of it.
pub fn clear_lock_of_draft(draft: &Path) -> Outcome<()> {
    Ok(plain::remove(&lock_of(draft))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cfgsync_core::unit::{Kind, Mode, Version};
    use std::process::Command;

    #[test]
    fn what_another_git_staged_meanwhile_is_not_overwritten() {
        let root = std::env::temp_dir().join(format!("cfgsync-index-{}", std::process::id()));
        let written = root.with_extension("new");
        fs::create_dir_all(&root).unwrap();
        let git = |arguments: &[&str]| {
            let run = Command::new("git").arg("-C").arg(&root).args(arguments).output().unwrap();
            assert!(run.status.success(), "{run:?}");
            String::from_utf8(run.stdout).unwrap()
        };
        git(&["init", "-q"]);
        plain::publish(&root.join("one"), b"1\n", plain::Durability::Relaxed).unwrap();
        plain::publish(&root.join("two"), b"2\n", plain::Durability::Relaxed).unwrap();
        git(&["add", "one"]);
        let worktree = Worktree::open(&root).unwrap();
        let blob = trees::blob_id(git2::Oid::hash_object(git2::ObjectType::Blob, b"3\n").unwrap());
        let version = Version { kind: Kind::File, mode: Mode(0o644), blob };
        let mut to = Tree::default();
        to.units.insert(RepoPath::new(b"three").unwrap(), version);
        let before = Tree::default();
        let turn = Move { from: &before, to: &to, ours: &before };
        let prepared = || {
            let mut group = Group::default();
            let prepared = draft(&worktree, &written, turn, &mut group).unwrap().unwrap();
            group.publish().unwrap();
            prepared
        };
        let stale = prepared();
        git(&["add", "two"]);
        assert_eq!(stale.install(&mut Group::default()).unwrap(), Installed::Stale);
        drop(stale);
        assert!(!written.exists() && !root.join(".git/index.lock").exists());
        assert_eq!(git(&["ls-files"]), "one\ntwo\n");
        let fresh = prepared();
        assert_eq!(fresh.install(&mut Group::default()).unwrap(), Installed::Yes);
        fresh.let_go().unwrap();
        assert_eq!(git(&["ls-files", "one", "two", "three"]), "one\nthree\ntwo\n");
        plain::remove_draft(&root).unwrap();
    }
}
