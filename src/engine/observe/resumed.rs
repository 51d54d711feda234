//! Looking on from what the last run saw: at the folders of what does not stand as it did, and at nothing
//! else.
//!
//! A run that left everything in sync wrote down what it saw, and each name of that was compared with the
//! disk just now ([`crate::still`]). So what is here and is not looked at is as if it were.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use cfgsync_core::observed::{Live, Local};
use cfgsync_core::path::RepoPath;
use cfgsync_core::tree::Tree;

use super::again::DECIDING;
use super::notes::Again;
use super::seen::Seen;
use super::{Asked, Link, Listed, Observer, Purpose, Scope};
use crate::failure::Outcome;
use crate::git::TreeId;

/// What the last run saw, and what of it has to be looked at again.
pub struct Resumed {
    /// Files as they were read.
    pub seen: Seen,
    /// Folders whose names were read.
    pub listed: Vec<Listed>,
    /// Links of ours.
    pub links: HashMap<PathBuf, Link>,
    /// This machine's files, but for the marks.
    pub local: Local,
    /// The tree of the vault that its working tree was, with its digest.
    pub tree: Option<(u64, TreeId)>,
    /// Units that changed.
    pub units: BTreeSet<RepoPath>,
    /// Folders that changed: where they are, and the path of what is stored of each; none at the top.
    pub folders: BTreeSet<(PathBuf, Option<RepoPath>)>,
}

impl Observer<'_> {
    /// Returns whether what this look saw can be written down so that another one goes on from there.
    pub fn can_go_on(&self, local: &Local) -> bool {
        let asked = self.asked.borrow();
        let is_here = |(unit, live): (&RepoPath, &Live)| {
            matches!(live, Live::File(_) | Live::Linked) && local.stored.units.contains_key(unit)
        };
        self.purpose == Purpose::Plan
            && !self.met_an_exception.get()
            && local.lost.is_empty()
            && local.sent_aside.is_empty()
            && asked.marks == local.stored.manifest.marks
            && asked.known.iter().eq(local.stored.units.keys())
            && local.live.iter().all(is_here)
            // Rules that are ignored themselves are nowhere in the list.
            && !local.ignored.iter().any(|path| DECIDING.contains(&path.name()))
    }

    /// Looks on from what the last run saw; none where only a whole look can tell.
    pub fn resume(&self, resumed: Resumed) -> Outcome<Option<Local>> {
        // Without a snapshot the vault may not hold what was read.
        if self.before.get().is_some() || self.vault.latest()?.is_none() {
            return Ok(None);
        }
        let scope = Scope::default();
        let manifest = self.manifest(&scope)?;
        let Resumed { seen, listed, links, mut local, tree, units, folders } = resumed;
        if brings_rules(&local, &folders) {
            return Ok(None);
        }
        let known = local.stored.units.keys().cloned().collect();
        let marks = manifest.marks.clone();
        local.stored.manifest = manifest;
        local.stored.prune_folders();
        if let Some((_, tree)) = tree.filter(|(known, _)| *known == digest(&local.stored)) {
            self.vault.know(tree, &local.stored);
        }
        self.after.replace(seen.clone());
        let _ = self.before.set(seen);
        self.listed.replace(listed);
        self.links.replace(links);
        self.again.replace(Some(Again::new()));
        let scope = Scope { known, ..scope };
        self.asked.replace(Asked { known: scope.known.clone(), marks });
        let folders = folders.into_iter().map(|(_, folder)| folder).collect();
        self.look_on(&scope, local, &units, folders)
    }
}

/// Returns a tree in one word.
pub fn digest(tree: &Tree) -> u64 {
    let mut hasher = DefaultHasher::new();
    tree.hash(&mut hasher);
    hasher.finish()
}

/// Returns true where rules may have come to a folder that changed, or it is a repository by now.
fn brings_rules(local: &Local, folders: &BTreeSet<(PathBuf, Option<RepoPath>)>) -> bool {
    folders.iter().any(|(path, folder)| {
        let comes = |name: &[u8]| {
            let unit = match folder {
                Some(folder) => [folder.as_bytes(), b"/", name].concat(),
                None => name.to_vec(),
            };
            let unit = RepoPath::new(unit);
            let is_known = unit.is_ok_and(|unit| local.stored.units.contains_key(&unit));
            !is_known && path.join(crate::fs::dir::os(name)).symlink_metadata().is_ok()
        };
        DECIDING.into_iter().any(comes) || (folder.is_some() && path.join(".git").exists())
    })
}
