//! A remote that is a folder of this machine, talked to without starting Git.
//!
//! Git starts three processes to carry four objects to a folder next door. Here they are read and written
//! where they lie, by Git's own rules: objects first and for good, then the ref, under its lock and from
//! the value that was seen. It is done for the plainest kind of repository only. Where Git would do more
//! than that (hooks, checks, logs, collecting garbage), where anything is unusual, where there is much to
//! carry, and where anything fails, Git itself is asked; it says what is wrong.

use std::path::{Path, PathBuf};

use cfgsync_core::address::Reached;
use git2::{Repository, RepositoryOpenFlags};
use nix::unistd::geteuid;
use std::os::unix::fs::MetadataExt;

use super::CommitId;
use super::loose;
use super::parcel::{self, Parcel, between};
use super::program::Hooks;
use super::remote::Remote;
use crate::context::variable;
use crate::fs::group::Group;
use crate::fs::plain;

/// What in a bare repository means that Git does more there than to keep objects and refs.
const UNUSUAL: [&str; 6] =
    ["commondir", "shallow", "logs", "worktrees", "objects/info/alternates", "info/grafts"];

/// What in the repository here means that a commit may lead to less than it names.
const CUT_OFF: [&str; 2] = ["shallow", "info/grafts"];

/// Keys of the configuration by which Git does more, or something else, when it fetches or pushes.
const RULES: [&str; 13] = [
    "core.hookspath",
    "core.logallrefupdates",
    "core.sharedrepository",
    "core.worktree",
    "extensions.",
    "fetch.fsckobjects",
    "hook.",
    "includeif.hasconfig:",
    "protocol.",
    "push.gpgsign",
    "receive.",
    "transfer.",
    "uploadpack.",
];

/// Keys of the repository here by which Git does, beside what cfgsync always asks of it.
const RULES_HERE: [&str; 5] =
    ["fetch.fsck", "includeif.hasconfig:", "protocol.", "push.gpgsign", "transfer."];

/// Variables by which Git takes another configuration than the library, or does less.
const VARIABLES: [&str; 4] =
    ["GIT_ALLOW_PROTOCOL", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_PROTOCOL_FROM_USER"];

/// A key of those that says nothing of how objects come in; who collects garbage is decided by
/// [`Folder::is_crowded`].
const HARMLESS: &str = "receive.autogc";

/// Keys of a remote that Git needs to know where it is, and what its branches are called here.
const ADDRESS: [&str; 2] = ["url", "fetch"];

/// From how many objects in one of 256 folders on it is time for Git to collect garbage, which it does after
/// a push. Git's own limit is 27, of 6,700 objects in all.
const CROWDED: usize = 24;

/// A bare repository of the plainest kind, of our own.
pub struct Folder {
    path: PathBuf,
    repository: Repository,
}

impl Folder {
    /// Opens a folder; none where only Git can tell what is to be done there.
    fn open(path: PathBuf) -> Option<Self> {
        let nowhere: [&Path; 0] = [];
        let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::BARE;
        let repository = Repository::open_ext(&path, flags, nowhere).ok()?;
        let folder = Self { path, repository };
        folder.is_plain().then_some(folder)
    }

    fn is_plain(&self) -> bool {
        let is_usual = UNUSUAL.iter().all(|name| !self.path.join(name).exists());
        let hooks = plain::names(&self.path.join("hooks"));
        let has_no_hook =
            hooks.is_ok_and(|names| names.iter().all(|name| name.ends_with(b".sample")));
        is_usual && has_no_hook && self.follows_no_rule() == Some(true)
    }

    /// Returns whether neither its own configuration nor the user's tells Git to do more; none where that
    /// cannot be read.
    fn follows_no_rule(&self) -> Option<bool> {
        let config = self.repository.config().ok()?.snapshot().ok()?;
        // Where files stand beside it, its branch may be checked out.
        if !config.get_bool("core.bare").ok()? {
            return Some(false);
        }
        let mut entries = config.entries(None).ok()?;
        while let Some(entry) = entries.next() {
            let entry = entry.ok()?;
            let key = entry.name().ok()?.to_ascii_lowercase();
            if key != HARMLESS && RULES.iter().any(|rule| key.starts_with(rule)) {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Returns whether so many objects lie about that Git should be the one who pushes.
    fn is_crowded(&self) -> bool {
        plain::names(&self.path.join("objects/17")).is_ok_and(|names| names.len() > CROWDED)
    }
}

/// Returns what a file of a branch says in the simplest kind of remote: a bare repository of our own. To
/// open it as one takes fifty calls of the system.
pub(super) fn tip(folder: &Path, branch: &str) -> Option<CommitId> {
    let is_bare = folder.join("HEAD").is_file() && folder.join("objects").is_dir();
    // Git would take that one for the repository.
    let is_itself = !folder.join(".git").exists();
    let is_ours = folder.metadata().is_ok_and(|it| it.uid() == geteuid().as_raw());
    if !is_bare || !is_itself || !is_ours {
        return None;
    }
    let place = folder.join("refs/heads").join(branch);
    // A link is Git's to follow, and a FIFO would be waited for.
    place.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
    CommitId::parse(&std::fs::read_to_string(place).ok()?)
}

impl Remote<'_> {
    /// Returns where the remote is, where it is one folder of this machine, and plainly named.
    pub(super) fn place(&self) -> Option<PathBuf> {
        let url = self.worktree.remote_url(self.name)?;
        let Reached::Folder(folder) = Reached::of(&url) else { return None };
        // Git takes the first one for a home, and the second one, in a URL, for the number of a byte.
        let means_more = folder.starts_with('~') || url != folder && folder.contains('%');
        let own = format!("remote.{}.url", self.name);
        let addresses = self.worktree.keys().into_iter().filter(|key| *key == own);
        (!means_more && addresses.count() == 1).then(|| self.worktree.root().join(folder))
    }

    /// Returns the lock of the branch, where the remote is a folder and somebody holds it.
    pub fn held_lock(&self) -> Option<PathBuf> {
        let lock = parcel::lock(&self.place()?, self.branch);
        lock.exists().then_some(lock)
    }

    /// Opens the remote as a plain folder; none where it is none, or the user wants more of Git than that.
    fn folder(&self) -> Option<Folder> {
        let address = self.worktree.remote_url(self.name)?;
        let section = format!("remote.{}.", self.name.to_ascii_lowercase());
        let is_usual = |key: &String| {
            let key = key.to_ascii_lowercase();
            key.strip_prefix(&section).is_none_or(|name| ADDRESS.contains(&name))
                && !RULES_HERE.iter().any(|rule| key.starts_with(rule))
        };
        let own = self.worktree.refs_folder();
        let is_plain = self.worktree.keys().iter().all(is_usual)
            && self.worktree.push_url(self.name)? == address
            && VARIABLES.iter().all(|name| variable(name).is_none())
            && !CUT_OFF.iter().any(|name| own.join(name).exists());
        let place = self.place().filter(|_| is_plain)?;
        tip(&place, self.branch)?;
        Folder::open(place)
    }

    /// Takes what the branch holds by now into the repository, and into the ref of cfgsync's own; none where
    /// only Git can.
    pub fn take(&self) -> Option<CommitId> {
        let known = self.worktree.upstream().ok()??;
        let folder = self.folder()?;
        let tip = tip(&folder.path, self.branch)?;
        if tip == known {
            return Some(tip);
        }
        let objects = between(&folder.repository, tip, known).ok()??;
        let mut group = Group::default();
        loose::add(&self.worktree.objects().disk()?.folder, loose::DRAFT, &objects, &mut group)
            .ok()?;
        group.then();
        self.worktree.set_upstream(tip, group).ok()?;
        Some(tip)
    }

    /// Returns what a push of a commit carries to a plain folder; none where Git pushes.
    pub(super) fn parcel(&self, commit: CommitId, seen: CommitId, hooks: Hooks) -> Option<Parcel> {
        let folder = self.folder().filter(|folder| hooks == Hooks::Off && !folder.is_crowded())?;
        let objects = between(self.worktree.store(), commit, seen).ok()??;
        Some(Parcel::new(folder.path, self.branch, [seen, commit], objects))
    }
}
