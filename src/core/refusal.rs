//! When nothing at all is done: too much would go.

use std::collections::{BTreeMap, BTreeSet};

use crate::along::Along;
use crate::linking::Tie;
use crate::observed::Observation;
use crate::path::RepoPath;
use crate::plan::Flow;
use crate::policy::{Policy, Removals};
use crate::unit::{BlobId, Version};
use crate::verdict::Verdict;

/// Why nothing at all is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Upstream holds nothing any more.
    Emptied {
        /// Units there are.
        of: usize,
    },
    /// Upstream removes or empties more than a fifth of everything.
    MassRemoval {
        /// Units that would go.
        removed: usize,
        /// Units there are.
        of: usize,
    },
}

/// Returns true when so many of the units go that a person should be asked: more than three, and
/// more than a fifth.
pub fn is_mass_removal(removed: usize, of: usize) -> bool {
    removed > 3 && removed * 5 > of
}

/// Returns why nothing is done, where too much would go.
pub fn refusal(
    verdicts: &BTreeMap<RepoPath, Verdict>,
    observation: &Observation,
    policy: &Policy,
) -> Option<Refusal> {
    let of = observation.agreed.units.len();
    let mut agreed = Along::new(&observation.agreed.units);
    let is_new = |(path, _): &(&RepoPath, &Version)| agreed.at(path).is_none();
    let fresh = observation.upstream().units.iter().filter(is_new);
    let there: BTreeSet<BlobId> = fresh.map(|(_, version)| version.blob).collect();
    let has_bytes =
        |version: Option<Version>| version.is_some_and(|version| version.blob != BlobId::EMPTY);
    let is_lost = |verdict: &&Verdict| {
        let is_incoming = matches!(verdict.change, Some((Flow::In, _)));
        let is_emptied = has_bytes(verdict.sides.ours) && !has_bytes(verdict.result);
        // What upstream has under a new name was renamed.
        let is_elsewhere = verdict.sides.ours.is_some_and(|ours| there.contains(&ours.blob));
        !is_elsewhere && is_incoming && verdict.tie != Tie::Unmarked && is_emptied
    };
    let is_emptied =
        of > 0 && observation.theirs.as_ref().is_some_and(|tree| tree.units.is_empty());
    if is_emptied && policy.removals == Removals::Few {
        return Some(Refusal::Emptied { of });
    }
    let removed = verdicts.values().filter(is_lost).count();
    let is_mass = is_mass_removal(removed, of);
    (is_mass && policy.removals == Removals::Few).then_some(Refusal::MassRemoval { removed, of })
}
