//! Renames: a unit that one side moved while the other side changed it, so that the change follows
//! to the new name or waits for a person, and is never dropped.

use std::collections::BTreeMap;

use crate::along::Along;
use crate::arrival::rules::Rules;
use crate::observed::{Observation, Rename, Side};
use crate::path::RepoPath;
use crate::plan::Why;
use crate::policy::{Choice, Policy};
use crate::reconcile::{Decision, decide};
use crate::tree::Tree;
use crate::unit::{BlobId, Kind, Sides, Version};
use crate::verdict::{Verdict, change_between, result_of};

/// How much of a file must have stayed for its move to count as one, in percent: git's own
/// threshold (`--find-renames`).
pub const SIMILAR: u32 = 50;

/// Most new files that one missing file is compared with.
const CANDIDATES: usize = 50;

/// A file that may have been renamed, and the new files it may have become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who may have renamed it.
    pub by: Side,
    /// The old name and what stood there.
    pub from: (RepoPath, Version),
    /// The new names and what stands there, the likeliest first.
    pub to: Vec<(RepoPath, Version)>,
}

/// Finds the files that one side removed and the other changed, with every file of the same reach
/// that the removing side added: in the repository itself, or below the same mark.
pub fn candidates(observation: &Observation) -> Vec<Candidate> {
    let (ours, theirs) = (&observation.ours, observation.upstream());
    let mut found = Vec::new();
    for (by, mover, other) in [(Side::Ours, ours, theirs), (Side::Theirs, theirs, ours)] {
        let (mut moved, mut changed) = (Along::new(&mover.units), Along::new(&other.units));
        for (path, base) in &observation.agreed.units {
            let is_changed = changed.at(path).is_some_and(|version| version != base);
            let is_gone = moved.at(path).is_none();
            // Files that hold nothing are all alike.
            if !is_gone || !is_changed || base.kind != Kind::File || base.blob == BlobId::EMPTY {
                continue;
            }
            // Rules of another name are none.
            if Rules::of(path).is_some() {
                continue;
            }
            let mut to = fresh(observation, path, mover, other);
            to.sort_by_key(|(name, version)| {
                (version.blob != base.blob, name.name() != path.name(), name.clone())
            });
            to.truncate(CANDIDATES);
            if !to.is_empty() {
                found.push(Candidate { by, from: (path.clone(), *base), to });
            }
        }
    }
    found
}

fn fresh(
    observation: &Observation,
    path: &RepoPath,
    mover: &Tree,
    other: &Tree,
) -> Vec<(RepoPath, Version)> {
    let mark_of = |tree: &Tree, path: &RepoPath| {
        path.home().map(|home| tree.manifest.covering(&home).map(|(mark, _)| mark.clone()))
    };
    let reach = mark_of(&observation.agreed, path);
    let is_fresh = |name: &RepoPath, version: &Version| {
        version.kind == Kind::File
            && !observation.agreed.units.contains_key(name)
            && !other.units.contains_key(name)
            && mark_of(mover, name) == reach
            && Rules::of(name).is_none()
    };
    mover
        .units
        .iter()
        .filter(|(name, version)| is_fresh(name, version))
        .map(|(name, version)| (name.clone(), *version))
        .collect()
}

/// Returns how much of two texts is the same, in percent of the longer one, line by line.
pub fn similarity(one: &[u8], other: &[u8]) -> u32 {
    let mut lines: BTreeMap<&[u8], usize> = BTreeMap::new();
    one.split_inclusive(|byte| *byte == b'\n')
        .for_each(|line| *lines.entry(line).or_default() += 1);
    let mut common = 0;
    for line in other.split_inclusive(|byte| *byte == b'\n') {
        if let Some(left) = lines.get_mut(line).filter(|left| **left > 0) {
            *left -= 1;
            common += line.len();
        }
    }
    let percent = (common * 100).checked_div(one.len().max(other.len()));
    percent.and_then(|percent| u32::try_from(percent).ok()).unwrap_or(100)
}

impl Rename {
    /// Returns the unit's versions, each under the name it has on its side.
    pub fn sides(&self, observation: &Observation) -> Sides {
        let name = |side| if side == self.by { &self.to } else { &self.from };
        let of = |tree: &Tree, path: &RepoPath| tree.units.get(path).copied();
        Sides {
            base: of(&observation.agreed, &self.from),
            ours: of(&observation.ours, name(Side::Ours)),
            theirs: of(observation.upstream(), name(Side::Theirs)),
        }
    }

    /// Returns the name the unit has on this machine.
    fn name_here(&self) -> &RepoPath {
        if self.by == Side::Ours { &self.to } else { &self.from }
    }
}

/// Lets a choice for one name of a renamed unit count for both.
pub fn choose(policy: &Policy, observation: &Observation) -> Policy {
    let mut policy = policy.clone();
    for rename in &observation.renames {
        let named =
            [&rename.to, &rename.from].into_iter().find_map(|name| policy.choices.get(name));
        let Some(choice) = named.copied() else { continue };
        // Bytes made of both belong to the new name; the old one is gone, as the mover has it.
        let of_old = match (choice, rename.by) {
            (Choice::Merged(_), Side::Ours) => Choice::Ours,
            (Choice::Merged(_), Side::Theirs) => Choice::Theirs,
            _ => choice,
        };
        policy.choices.insert(rename.to.clone(), choice);
        policy.choices.insert(rename.from.clone(), of_old);
    }
    policy
}

/// Lets the changes follow the renames. Where they do not fit, both names wait as one, and where a
/// person chose, each name is decided alone.
pub fn follow(
    verdicts: &mut BTreeMap<RepoPath, Verdict>,
    observation: &Observation,
    policy: &Policy,
) {
    for rename in &observation.renames {
        let names = [&rename.from, &rename.to];
        let is_decided = names.into_iter().any(|name| {
            let is_held = verdicts.get(name).is_none_or(|verdict| verdict.held.is_some());
            is_held || policy.choice(name).is_some()
        });
        if is_decided {
            continue;
        }
        let sides = rename.sides(observation);
        let decision = decide(sides, observation.merged.get(&rename.to).copied());
        for name in names {
            let Some(verdict) = verdicts.get_mut(name) else { continue };
            if let Decision::Hold(contest) = decision {
                verdict.result = verdict.sides.theirs;
                verdict.change = None;
                verdict.held = Some(Why::Contest(contest));
                verdict.shown = (name == rename.name_here()).then_some(sides);
            } else {
                verdict.result = result_of(decision, sides).filter(|_| *name == rename.to);
                verdict.change = change_between(verdict.sides, verdict.result);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarity_counts_common_lines() {
        assert_eq!(similarity(b"a\nb\nc\nd\n", b"a\nb\nc\nX\n"), 75);
        assert_eq!(similarity(b"a\n", b"b\n"), 0);
        assert_eq!(similarity(b"a\na\n", b"a\nb\n"), 50);
        assert_eq!(similarity(b"", b""), 100);
    }
}
