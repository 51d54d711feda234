//! The configs repository: its branch, its refs, its rules, and whether it is ours to touch.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cfgsync_core::inert::shown;
use cfgsync_core::path::RepoPath;
use cfgsync_core::time::UnixTime;
use cfgsync_core::tree::{MODES, Tree};
use cfgsync_core::unit::BlobId;
use git2::{
    ErrorCode, Oid, Repository, RepositoryInitOptions, RepositoryOpenFlags, RepositoryState,
};

use super::refs;
use super::settings::Settings;
use super::store::Store;
use super::{CommitId, GitError, ref_target, remote, staged};
use crate::failure::{Code, Failure, Outcome};
use crate::fs::dir::os;
use crate::fs::group::Group;
use crate::fs::plain;

/// Where fetched commits are kept: a ref only cfgsync writes.
pub const UPSTREAM: &str = "refs/cfgsync/upstream";

/// The configs repository.
pub struct Worktree {
    objects: Store,
    /// What its configuration said, since that was last forgotten.
    pub(super) settings: RefCell<Settings>,
    root: PathBuf,
}

impl std::fmt::Debug for Worktree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Worktree").field(&self.root).finish()
    }
}

/// Something of the user's that is under way in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// What it is, as a person calls it.
    pub what: String,
    /// How it ends.
    pub hint: &'static str,
}

impl Worktree {
    /// Opens the repository at exactly this folder.
    pub fn open(root: &Path) -> Outcome<Self> {
        let objects = open(root).and_then(Store::of).map_err(|error| {
            let hint = match error.code() {
                ErrorCode::NotFound => "Run `cfgsync setup` to make it, or name it with --dir.",
                ErrorCode::Owner => "Check who owns the folder; cfgsync only touches your own.",
                _ => "`git status` in the folder says more. Nothing was changed.",
            };
            Failure::new(
                Code::Error,
                format!("could not open the repository {}: {}", root.display(), error.message()),
            )
            .hint(hint)
        })?;
        Ok(Self { objects, settings: RefCell::default(), root: root.to_owned() })
    }

    /// Makes a repository with its remote. It is whole before it has its name, so that one that was
    /// interrupted is simply made again.
    pub fn create(root: &Path, branch: &str, url: Option<&str>) -> Outcome<Self> {
        let draft = Self::draft(root);
        plain::remove_draft(&draft)?;
        let mut options = RepositoryInitOptions::new();
        options.external_template(false).mkpath(true).initial_head(branch);
        let repository = Repository::init_opts(&draft, &options)
            .map_err(GitError::on(format!("make a repository in {}", root.display())))?;
        drop(repository);
        if let Some(url) = url {
            Self::open(&draft)?.add_origin(url, branch)?;
        }
        // The library does not say when it could not take a lock of its own away again.
        super::locks::remove_all(&draft)?;
        plain::close(&draft.join(".git"))?;
        plain::install_draft(&draft.join(".git"), &root.join(".git"))?;
        plain::remove_draft(&draft)?;
        Self::open(root)
    }

    /// Returns where a repository is made.
    pub fn draft(root: &Path) -> PathBuf {
        root.join(".git.cfgsync-new")
    }

    /// Returns true when the repository has this blob.
    pub fn has_blob(&self, blob: BlobId) -> bool {
        self.store().find_blob(super::trees::oid(blob)).is_ok()
    }

    /// Reads objects from another folder too, as long as this is open.
    pub fn read_also(&self, objects: &Path) -> Outcome<()> {
        let failed = || GitError::on(format!("read objects of {}", objects.display()));
        let store = self.store().odb().map_err(failed())?;
        Ok(store.add_disk_alternate(&objects.to_string_lossy()).map_err(failed())?)
    }

    /// Returns the folder of the working tree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns Git's own folder.
    pub fn git_folder(&self) -> &Path {
        self.store().path()
    }

    /// Returns the folder that refs are below.
    pub fn refs_folder(&self) -> &Path {
        self.store().commondir()
    }

    /// Returns the store itself, for objects and commits. What it is told to write is on disk once it is
    /// kept.
    pub fn store(&self) -> &Repository {
        self.objects.whole()
    }

    /// Returns the store of objects, for those that are given to it.
    pub fn objects(&self) -> &Store {
        &self.objects
    }

    /// Returns the branch that HEAD names, none when it is detached.
    pub fn branch(&self) -> Outcome<Option<String>> {
        let head = self.store().find_reference("HEAD").map_err(GitError::on("read HEAD"))?;
        let target = head.symbolic_target().ok().flatten();
        Ok(target.and_then(|name| name.strip_prefix("refs/heads/")).map(str::to_owned))
    }

    /// Returns the tip of a branch, none before its first commit.
    pub fn tip(&self, branch: &str) -> Outcome<Option<CommitId>> {
        Ok(ref_target(self.store(), &format!("refs/heads/{branch}"))?)
    }

    /// Returns the upstream commit that was fetched last.
    pub fn upstream(&self) -> Outcome<Option<CommitId>> {
        Ok(ref_target(self.store(), UPSTREAM)?)
    }

    /// Remembers that upstream is at this commit, once what is in the group is durable.
    pub fn set_upstream(&self, commit: CommitId, group: Group) -> Outcome<()> {
        refs::advance(self, &[refs::upstream_at(commit)], group)
    }

    /// Returns what of the user's is under way, if anything. `branch` is the one that is synced.
    pub fn foreign(&self, branch: &str) -> Outcome<Option<Foreign>> {
        let found = |what: String, hint| Ok(Some(Foreign { what, hint }));
        let state = match self.store().state() {
            RepositoryState::Clean => None,
            RepositoryState::Merge => Some("a merge"),
            RepositoryState::Revert | RepositoryState::RevertSequence => Some("a revert"),
            RepositoryState::CherryPick | RepositoryState::CherryPickSequence => {
                Some("a cherry-pick")
            }
            RepositoryState::Bisect => Some("a bisect"),
            RepositoryState::Rebase
            | RepositoryState::RebaseInteractive
            | RepositoryState::RebaseMerge
            | RepositoryState::ApplyMailbox
            | RepositoryState::ApplyMailboxOrRebase => Some("a rebase"),
        };
        if let Some(state) = state {
            return found(format!("{state} is under way"), "Finish or abort it, then sync again.");
        }
        match self.branch()? {
            None => {
                return found("HEAD is detached".to_owned(), "Check out the synced branch again.");
            }
            Some(current) if current != branch => {
                return found(
                    format!(
                        "the branch {} is checked out, and {} is the synced one",
                        shown(&current),
                        shown(branch)
                    ),
                    "Check out the synced branch again.",
                );
            }
            Some(_) => {}
        }
        if self.git_folder().join("index.lock").exists() {
            let hint = "Wait for the other git to end; if none runs, remove .git/index.lock.";
            return found("another git holds index.lock".to_owned(), hint);
        }
        Ok(None)
    }

    /// Returns the blobs of Git's index.
    pub fn staged(&self) -> Outcome<BTreeMap<RepoPath, BlobId>> {
        let bytes = plain::read(&self.git_folder().join("index"))?;
        if let Some(blobs) = bytes.as_deref().and_then(staged::parse) {
            return Ok(blobs);
        }
        let failed = || GitError::on("read the index");
        let mut index = self.store().index().map_err(failed())?;
        // The library goes on showing what it has read once, whoever wrote the index since.
        index.read(false).map_err(failed())?;
        let blob = |entry: git2::IndexEntry| {
            Some((RepoPath::new(entry.path).ok()?, super::trees::blob_id(entry.id)))
        };
        Ok(index.iter().filter_map(blob).collect())
    }

    /// Returns true when every commit up to this one was made by cfgsync on this machine.
    pub fn is_only_ours(&self, tip: CommitId, machine: &str) -> Outcome<bool> {
        let failed = || GitError::on("read the history");
        let mut walk = self.store().revwalk().map_err(failed())?;
        walk.push(tip.0).map_err(failed())?;
        let start = format!("{machine}: ");
        for commit in walk {
            let commit = commit.and_then(|id| self.store().find_commit(id)).map_err(failed())?;
            if !commit.message_bytes().starts_with(start.as_bytes()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns true when the commit is in this repository.
    pub fn has(&self, commit: CommitId) -> bool {
        self.store().find_commit(commit.0).is_ok()
    }

    /// Returns when a commit was made, as its machine's clock told.
    pub fn committed_at(&self, commit: CommitId) -> Option<UnixTime> {
        let seconds = self.store().find_commit(commit.0).ok()?.time().seconds();
        Some(UnixTime(0).after_seconds(u64::try_from(seconds).ok()?))
    }

    /// Returns the commit where two histories part, none when they are unrelated.
    pub fn merge_base(&self, one: CommitId, other: CommitId) -> Outcome<Option<CommitId>> {
        match self.store().merge_base(one.0, other.0) {
            Ok(base) => Ok(Some(CommitId(base))),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(GitError::on("find the common ancestor")(error).into()),
        }
    }

    /// Returns true when `ancestor` is in the history of `commit`.
    pub fn contains(&self, commit: CommitId, ancestor: CommitId) -> Outcome<bool> {
        if commit == ancestor {
            return Ok(true);
        }
        let found = self.store().graph_descendant_of(commit.0, ancestor.0);
        Ok(found.map_err(GitError::on("read the history"))?)
    }

    /// Returns how many commits each side has that the other does not.
    pub fn ahead_behind(&self, ours: CommitId, theirs: CommitId) -> Outcome<(u32, u32)> {
        let counts = self.store().graph_ahead_behind(ours.0, theirs.0);
        let (ahead, behind) = counts.map_err(GitError::on("count commits"))?;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Ok((count(ahead), count(behind)))
    }

    /// Returns how many commits lead to one.
    pub fn count(&self, tip: CommitId) -> Outcome<u32> {
        let failed = || GitError::on("count commits");
        let mut walk = self.store().revwalk().map_err(failed())?;
        walk.push(tip.0).map_err(failed())?;
        Ok(u32::try_from(walk.count()).unwrap_or(u32::MAX))
    }

    /// Returns the Git tree of a commit.
    pub fn tree_of(&self, commit: CommitId) -> Outcome<Oid> {
        let commit = self.store().find_commit(commit.0);
        Ok(commit.map_err(GitError::on("read a commit"))?.tree_id())
    }

    /// Returns true when a commit holds the list of modes that Git cannot keep.
    pub fn lists_modes(&self, commit: CommitId) -> Outcome<bool> {
        let failed = || GitError::on("read a commit");
        let tree = self.store().find_commit(commit.0).and_then(|commit| commit.tree());
        let Ok(entry) = tree.map_err(failed())?.get_path(Path::new(MODES)) else {
            return Ok(false);
        };
        let blob = self.store().find_blob(entry.id());
        let is_list =
            |blob: git2::Blob<'_>| Tree::is_list_of_modes(&String::from_utf8_lossy(blob.content()));
        Ok(blob.is_ok_and(is_list))
    }

    /// Returns the remote that is synced with: the branch's own, else `origin`, else the only one.
    pub fn remote_name(&self, branch: &str) -> Outcome<Option<String>> {
        let configured = self.setting(&format!("branch.{branch}.remote"));
        let remotes = self.store().remotes().map_err(GitError::on("list the remotes"))?;
        let names: Vec<&str> = remotes.iter().flatten().flatten().collect();
        let own = configured.as_deref().filter(|name| names.contains(name));
        let origin = names.iter().find(|name| **name == "origin").copied();
        match (own.or(origin), &names[..]) {
            (Some(name), _) | (None, &[name]) => Ok(Some(name.to_owned())),
            (None, []) => Ok(None),
            (None, [one, other, ..]) => {
                let choose = |name: &str| format!("`git config branch.{branch}.remote {name}`");
                Err(Failure::error(format!(
                    "the repository has several remotes ({}), and none is chosen",
                    names.join(", ")
                ))
                .hint(format!(
                    "Choose one in the repository: {} or {}.",
                    choose(one),
                    choose(other)
                )))
            }
        }
    }

    /// Adds the remote `origin`, and makes the branch follow it.
    pub fn add_origin(&self, url: &str, branch: &str) -> Outcome<()> {
        self.store().remote("origin", url).map_err(remote::remote_error("origin"))?;
        let mut config = self.store().config().map_err(remote::remote_error("origin"))?;
        let follow = config.set_str(&format!("branch.{branch}.remote"), "origin").and_then(|()| {
            config.set_str(&format!("branch.{branch}.merge"), &format!("refs/heads/{branch}"))
        });
        self.forget_settings();
        Ok(follow.map_err(remote::remote_error("origin"))?)
    }

    /// Changes the address of the remote `origin`.
    pub fn set_origin(&self, url: &str) -> Outcome<()> {
        let set = self.store().remote_set_url("origin", url);
        self.forget_settings();
        Ok(set.map_err(remote::remote_error("origin"))?)
    }

    /// Returns true when the bytes were a version of this path somewhere in a commit's history.
    pub fn had_version(&self, tip: CommitId, path: &RepoPath, blob: Oid) -> Outcome<bool> {
        let failed = || GitError::on(format!("read the history of {path}"));
        let mut walk = self.store().revwalk().map_err(failed())?;
        walk.push(tip.0).map_err(failed())?;
        for commit in walk {
            let tree = commit.and_then(|id| self.store().find_commit(id)?.tree());
            let tree = tree.map_err(failed())?;
            let entry = tree.get_path(Path::new(os(path.as_bytes())));
            if entry.is_ok_and(|entry| entry.id() == blob) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Opens a repository with this folder for its working tree, whatever a configuration says: Git takes
/// `core.worktree` and `core.bare` from the repository's own alone, the library from the user's too,
/// and would read the ignore rules of another folder then.
fn open(root: &Path) -> Result<Repository, git2::Error> {
    let nowhere: [&Path; 0] = [];
    let flags = RepositoryOpenFlags::NO_SEARCH;
    let own = root.join(".git");
    if !own.is_dir() {
        return Repository::open_ext(root, flags, nowhere);
    }
    let repository = Repository::open_ext(own, flags | RepositoryOpenFlags::BARE, nowhere)?;
    repository.set_workdir(root, false)?;
    Ok(repository)
}
