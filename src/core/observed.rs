//! What a run sees, as plain data: the picture that plans are made from.

use std::collections::{BTreeMap, BTreeSet};

use crate::agree::LastRun;
use crate::doubt::Doubt;
use crate::path::{HomePath, RepoPath};
use crate::reconcile::Merged;
use crate::secrets::Secret;
use crate::tree::Tree;
use crate::unit::{BlobId, Sides, Version};

/// What stands at the home path of a marked file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Live {
    /// Nothing.
    Absent,
    /// Nothing, and the marked folder itself is not there.
    FolderGone,
    /// Our link: the live file is the stored copy.
    Linked,
    /// A regular file of its own: a copy, or a link that an app replaced.
    File(Version),
    /// A link to the stored copy of another file of the same folder, as it is after that file was
    /// renamed; the version is the link itself.
    Moved(Version),
    /// A link to somewhere else.
    LinkedElsewhere,
    /// A folder.
    Folder,
    /// A socket, a pipe or a device.
    Special,
    /// A folder above it is a link or a file, so nothing below it is ours to touch.
    Unreachable,
}

/// Why a unit of this machine cannot be shared as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// It changed while it was read.
    Busy,
    /// It became empty since it was last seen, as a file does in the middle of being saved.
    Emptied,
    /// It is over the size limit, in bytes.
    TooLarge(u64),
    /// It may not be read.
    Unreadable,
    /// A clean or smudge filter covers it, and its bytes must not travel unfiltered.
    Filtered,
    /// Its live file and its stored copy were both edited, differently.
    EditedTwice,
    /// It was restored for this machine only.
    OnlyHere,
    /// Ignore rules keep it on this machine, which never shared it, and upstream has another file of its
    /// name.
    Ignored,
    /// Its link and that of another file were swapped.
    Swapped,
    /// It holds a secret that nobody let travel.
    Secret(Secret),
}

/// What lies on disk of a unit that a Git filter covers; everything else speaks of what Git stores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OnDisk {
    /// At the stored copy's place.
    pub stored: Option<Version>,
    /// At the home path, where it is a file of its own.
    pub live: Option<Version>,
}

/// This machine's files.
#[derive(Debug, Clone, Default)]
pub struct Local {
    /// The working tree of the repository: units, exact folder modes, manifest.
    pub stored: Tree,
    /// The live files of marked units.
    pub live: BTreeMap<RepoPath, Live>,
    /// Units that cannot be shared as they stand.
    pub findings: BTreeMap<RepoPath, Finding>,
    /// What the working tree held when it was seen last, where it is a new one since: nobody removed
    /// those files.
    pub lost: BTreeMap<RepoPath, Version>,
    /// Units whose link was moved here, with the unit it came from.
    pub moved: BTreeMap<RepoPath, RepoPath>,
    /// Units that a filter covers, as they lie on disk.
    pub filtered: BTreeMap<RepoPath, OnDisk>,
    /// Units that a filter sends as they are, to a store of its own: those of Git LFS.
    pub sent_aside: BTreeSet<RepoPath>,
    /// Units whose file is another inode than the last run saw.
    pub replaced: BTreeSet<RepoPath>,
    /// What ignore rules keep on this machine: files, and folders that are not looked into.
    pub ignored: BTreeSet<RepoPath>,
}

/// Everything one plan is made from.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// What the last run left behind; none on a machine that never synced.
    pub last: Option<LastRun>,
    /// What both sides last agreed on.
    pub agreed: Tree,
    /// This machine's files.
    pub local: Local,
    /// This machine's side, from [`crate::local::ours`].
    pub ours: Tree,
    /// Upstream's side; none without a remote, or while the remote holds nothing.
    pub theirs: Option<Tree>,
    /// What merging the bytes of contested units came to.
    pub merged: BTreeMap<RepoPath, Merged>,
    /// Secrets in the bytes that units may be shared with, by unit and bytes, that nobody let travel.
    pub secrets: BTreeMap<(RepoPath, BlobId), Secret>,
    /// Units that one side renamed while the other changed them.
    pub renames: Vec<Rename>,
    /// Places of the repository that links of the user's in `$HOME` lead to.
    pub reached: Vec<(RepoPath, HomePath)>,
    /// Where links of upstream's lead, by their bytes.
    pub targets: BTreeMap<BlobId, Vec<u8>>,
    /// What makes bytes doubtful that would arrive, by unit and bytes.
    pub doubts: BTreeMap<(RepoPath, BlobId), Doubt>,
    /// What the program said that takes such bytes for broken.
    pub complaints: BTreeMap<(RepoPath, BlobId), String>,
    /// Rules from upstream that would let files leave, and units that wait with them.
    pub loosened: BTreeMap<RepoPath, Loosened>,
    /// Attributes that upstream has anew and that give a filter to units which this machine would send in
    /// the clear, and those units: they wait where a person lets this machine's attributes win.
    pub bared: BTreeMap<RepoPath, Loosened>,
}

/// Why a unit waits because of rules, and what is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loosened {
    /// Why.
    pub doubt: Doubt,
    /// Some of the files that it is about.
    pub said: Option<String>,
}

/// Which side did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// This machine.
    Ours,
    /// Upstream.
    Theirs,
}

/// A unit that one side renamed while the other changed it under its old name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// Who renamed it.
    pub by: Side,
    /// The old name.
    pub from: RepoPath,
    /// The new name.
    pub to: RepoPath,
}

impl Observation {
    /// Returns the stored copy, or the repository file, as it lies in the working tree.
    pub fn stored(&self, path: &RepoPath) -> Option<Version> {
        self.local.stored.units.get(path).copied()
    }

    /// Returns every unit that a side has or had. A file that is gone here counts too: where a step of
    /// the last run failed, only its stored copy is still there.
    pub fn paths(&self) -> BTreeSet<&RepoPath> {
        let is_gone = |live: &Live| matches!(live, Live::Absent | Live::Folder);
        let gone = self.local.live.iter().filter(|(_, live)| is_gone(live)).map(|(path, _)| path);
        [&self.agreed, &self.ours, self.upstream()]
            .into_iter()
            .flat_map(|tree| tree.units.keys())
            .chain(self.local.findings.keys())
            .chain(gone)
            .collect()
    }

    /// Returns the versions of a unit.
    pub fn sides(&self, path: &RepoPath) -> Sides {
        let of = |tree: &Tree| tree.units.get(path).copied();
        Sides { base: of(&self.agreed), ours: of(&self.ours), theirs: of(self.upstream()) }
    }

    /// Returns upstream's tree; where there is none, nothing has changed there.
    pub fn upstream(&self) -> &Tree {
        self.theirs.as_ref().unwrap_or(&self.agreed)
    }
}
