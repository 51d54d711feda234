//! What an operation changed, so that another one can take it back.

pub mod text;

use std::collections::BTreeMap;

use crate::arrival::waits_at_home;
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
    /// Units that changed here since: as the operation left them, as they are, and as they were
    /// before.
    pub edited_here: BTreeMap<RepoPath, Sides>,
    /// The same of units that changed upstream since a choice overruled them.
    pub edited_there: BTreeMap<RepoPath, Sides>,
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

    /// Leaves out the end of marks of which every unit still waits to come to its home path: nothing of them
    /// happened here, and they would end for everybody.
    pub fn leave_out_waiting(&mut self, observation: &Observation) {
        let trees = [&observation.ours, observation.upstream()];
        self.marks.retain(|home, (_, after)| {
            let stored = home.stored();
            let is_below = |path: &&RepoPath| path.is_within(&stored);
            let mut units = trees.iter().flat_map(|tree| tree.units.keys()).filter(is_below);
            let waits = |path: &RepoPath| waits_at_home(observation, path);
            let all_wait = units.next().is_some_and(waits) && units.all(waits);
            after.is_some() || !all_wait
        });
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

    /// Returns what differs between two states of a machine: of these units, and of all marks.
    pub fn between<'a>(
        before: &Tree,
        after: &Tree,
        units: impl IntoIterator<Item = &'a RepoPath>,
    ) -> Self {
        let mut operation = Self::default();
        for path in units {
            let of = |tree: &Tree| tree.units.get(path).copied();
            let turn = (of(before), of(after));
            if turn.0 != turn.1 {
                operation.units.insert(path.clone(), turn);
            }
        }
        operation.change_folders(before, after);
        operation.change_marks(&before.manifest, &after.manifest);
        operation
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
                undo.edited_here.insert(path.clone(), sides);
            }
        }
        undo.edit.folders =
            self.folders.iter().map(|(path, turn)| (path.clone(), back(turn))).collect();
        undo.edit.marks =
            self.marks.iter().map(|(path, turn)| (path.clone(), back(turn))).collect();
        for (path, then) in &self.overruled {
            let now = upstream.units.get(path).copied();
            if now == then.made {
                undo.edit.overruled.insert(path.clone(), *then);
            } else if now != then.theirs {
                let sides = Sides { base: then.made, ours: now, theirs: then.theirs };
                undo.edited_there.insert(path.clone(), sides);
            }
        }
        undo
    }

    /// Makes the change on this machine's side, wherever it finds what it must. What both sides have
    /// alike is agreed on, whether or not a run lived to say so.
    pub fn apply(&self, observation: &mut Observation) {
        for (path, (from, to)) in &self.units {
            let now = observation.ours.units.get(path).copied();
            if now == observation.upstream().units.get(path).copied() {
                match now {
                    Some(version) => observation.agreed.units.insert(path.clone(), version),
                    None => observation.agreed.units.remove(path),
                };
            }
            let ours = &mut observation.ours;
            if now == *from {
                match to {
                    Some(version) => ours.units.insert(path.clone(), *version),
                    None => ours.units.remove(path),
                };
            }
        }
        let ours = &mut observation.ours;
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
