//! What an operation changed, so that another one can take it back.

pub mod text;

use std::collections::BTreeMap;

use crate::manifest::{Manifest, Mark};
use crate::observed::Observation;
use crate::path::{HomePath, RepoPath};
use crate::policy::Overruled;
use crate::tree::Tree;
use crate::unit::{Mode, Sides, Version};

/// Something before and after.
pub type Turn<T> = (T, T);

/// What an operation changed, or what one is to change: from what it must find to what it wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operation {
    /// Units on this machine.
    pub units: BTreeMap<RepoPath, Turn<Option<Version>>>,
    /// Modes of folders.
    pub folders: BTreeMap<RepoPath, Turn<Mode>>,
    /// Marks.
    pub marks: BTreeMap<HomePath, Turn<Option<Mark>>>,
    /// Units whose change upstream a choice overruled.
    pub overruled: BTreeMap<RepoPath, Overruled>,
}

/// How an operation is taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Undo {
    /// What changes here; what it overrules goes back upstream, while this machine keeps its own.
    pub edit: Operation,
    /// Units that changed since: as the operation left them, as they are, and as they were before.
    pub edited_since: BTreeMap<RepoPath, Sides>,
}

impl Operation {
    /// Returns true when there is nothing to take back.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the marks that differ.
    pub fn change_marks(&mut self, before: &Manifest, after: &Manifest) {
        for path in before.marks.keys().chain(after.marks.keys()) {
            let turn = (before.marks.get(path).cloned(), after.marks.get(path).cloned());
            if turn.0 != turn.1 {
                self.marks.insert(path.clone(), turn);
            }
        }
    }

    /// Adds the modes of folders that differ.
    pub fn change_folders(&mut self, before: &Tree, after: &Tree) {
        for path in before.folders.keys().chain(after.folders.keys()) {
            let turn = (before.folder_mode(path), after.folder_mode(path));
            if turn.0 != turn.1 {
                self.folders.insert(path.clone(), turn);
            }
        }
    }

    /// Adds what a later part of the same operation changed.
    pub fn extend(&mut self, later: Self) {
        extend(&mut self.units, later.units);
        extend(&mut self.folders, later.folders);
        extend(&mut self.marks, later.marks);
        for (path, overruled) in later.overruled {
            self.overruled.entry(path).or_insert(overruled);
        }
    }

    /// Returns how to take it back, as things are now. What changed since is left to a merge.
    pub fn undo(&self, observation: &Observation) -> Undo {
        let (ours, upstream) = (&observation.ours, observation.upstream());
        let mut undo = Undo::default();
        for (path, (before, after)) in &self.units {
            let now = ours.units.get(path).copied();
            if now == *after {
                undo.edit.units.insert(path.clone(), (*after, *before));
            } else if now != *before {
                let sides = Sides { base: *after, ours: now, theirs: *before };
                undo.edited_since.insert(path.clone(), sides);
            }
        }
        undo.edit.folders =
            self.folders.iter().map(|(path, turn)| (path.clone(), back(turn))).collect();
        undo.edit.marks =
            self.marks.iter().map(|(path, turn)| (path.clone(), back(turn))).collect();
        let is_gone = |(path, overruled): &(&RepoPath, &Overruled)| {
            upstream.units.get(*path).copied() != overruled.theirs
        };
        let overruled = self.overruled.iter().filter(is_gone);
        undo.edit.overruled = overruled.map(|(path, then)| (path.clone(), *then)).collect();
        undo
    }

    /// Makes the change on this machine's side, wherever it finds what it must.
    pub fn apply(&self, ours: &mut Tree) {
        for (path, (from, to)) in &self.units {
            if ours.units.get(path) == from.as_ref() {
                match to {
                    Some(version) => ours.units.insert(path.clone(), *version),
                    None => ours.units.remove(path),
                };
            }
        }
        for (path, (from, to)) in &self.folders {
            if ours.folder_mode(path) == *from {
                ours.folders.insert(path.clone(), *to);
            }
        }
        self.apply_marks(&mut ours.manifest);
    }

    /// Makes the change of the marks.
    pub fn apply_marks(&self, manifest: &mut Manifest) {
        for (path, (from, to)) in &self.marks {
            if manifest.marks.get(path) == from.as_ref() {
                match to {
                    Some(mark) => manifest.marks.insert(path.clone(), mark.clone()),
                    None => manifest.marks.remove(path),
                };
            }
        }
    }
}

fn back<T: Clone>((before, after): &Turn<T>) -> Turn<T> {
    (after.clone(), before.clone())
}

/// What comes first knows how it was; what comes last, how it became.
fn extend<K: Ord, T: PartialEq>(turns: &mut BTreeMap<K, Turn<T>>, later: BTreeMap<K, Turn<T>>) {
    for (key, (before, after)) in later {
        match turns.remove(&key) {
            Some((first, _)) => turns.insert(key, (first, after)),
            None => turns.insert(key, (before, after)),
        };
    }
    turns.retain(|_, (before, after)| before != after);
}
