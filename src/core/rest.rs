//! Units at rest: the same on every side, and on disk as they must be. Nothing is to be decided of
//! them, so a plan looks only at the others, however many files there are.

use std::collections::BTreeSet;

use crate::along::Along;
use crate::linking::{Tie, Ties};
use crate::observed::{Live, Observation};
use crate::path::RepoPath;
use crate::policy::{Names, Policy};
use crate::tree::Units;
use crate::unit::Version;
use crate::verdict::{pinned, without_a_file};

/// What of a plan's units is judged, and what is not.
#[derive(Debug, PartialEq, Eq)]
pub struct Parted {
    /// Units of which something may have to be decided.
    pub judged: BTreeSet<RepoPath>,
    /// Upstream's units, of which those count that are not judged; none where all are.
    pub resting: Units,
}

/// Parts the units at rest from the others. None is left at rest where what a unit at rest is called
/// or holds could matter to another one: where a person chose, where rules arrive, and where a unit
/// comes or goes.
pub fn part(observation: &Observation, policy: &Policy, ties: &Ties<'_>) -> Parted {
    let shut = without_a_file(observation.upstream(), ties.after);
    let is_plain = policy.winner.is_none()
        && policy.choices.is_empty()
        && policy.restored.is_empty()
        && policy.edited.is_empty()
        && policy.names == Names::Exact;
    let is_quiet = observation.local.findings.is_empty()
        && observation.renames.is_empty()
        && observation.loosened.is_empty()
        && observation.bared.is_empty()
        && shut.is_empty();
    let moving = if is_plain && is_quiet { moving(observation, ties) } else { None };
    let Some(judged) = moving else { return Parted::all(observation, policy, shut) };
    Parted { judged, resting: observation.upstream().units.clone() }
}

impl Parted {
    /// Leaves nothing at rest.
    fn all(observation: &Observation, policy: &Policy, shut: BTreeSet<RepoPath>) -> Self {
        let known = observation.paths().into_iter();
        let meant = policy.restored.keys().chain(&policy.edited);
        let judged = known.chain(meant).cloned().chain(shut).collect();
        Self { judged, resting: Units::default() }
    }
}

/// Returns the units that are not at rest; none where one of them does not stand on every side, or
/// not at its home path.
fn moving(observation: &Observation, ties: &Ties<'_>) -> Option<BTreeSet<RepoPath>> {
    let Observation { agreed, ours, local, .. } = observation;
    let theirs = &observation.upstream().units;
    let is_gone = |live: &Live| matches!(live, Live::Absent | Live::FolderGone | Live::Folder);
    if [ours.units.len(), theirs.len()] != [agreed.units.len(); 2]
        || local.live.values().any(is_gone)
    {
        return None;
    }
    let [mut ours, mut theirs, mut stored] =
        [&ours.units, theirs, &local.stored.units].map(|units| Along::new(units));
    let mut live = Along::new(&local.live);
    let mut moving = BTreeSet::new();
    for (path, base) in &agreed.units {
        let sides = [ours.at(path)?, theirs.at(path)?];
        let live = live.at(path).copied();
        if live.is_none() && matches!(ties.of(path), Tie::Link | Tie::Copy) {
            return None;
        }
        let is_same = sides == [base, base] && stored.at(path) == Some(base);
        if !is_same || !lies_as_it_must(path, *base, live, ties) {
            moving.insert(path.clone());
        }
    }
    Some(moving)
}

/// Whether the home path of a unit, if it has one, is tied to it as it must be, with the mode it must
/// have.
fn lies_as_it_must(path: &RepoPath, version: Version, live: Option<Live>, ties: &Ties<'_>) -> bool {
    let is_tied = match live {
        None => return path.home().is_none(),
        Some(Live::Linked) => ties.of(path) == Tie::Link,
        Some(Live::File(live)) => live == version && ties.of(path) == Tie::Copy,
        Some(_) => false,
    };
    is_tied && pinned(path, Some(version), ties) == Some(version)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::Manifest;
    use crate::observed::Local;
    use crate::plan::plan;
    use crate::tree::Tree;
    use crate::unit::{BlobId, Mode};

    /// Where the units of a case lie: in the repository, and below marks of each kind.
    const PLACES: [&str; 6] =
        ["a", "b/c", "external/d/e", "external/d/f/g", "external/copied", "external/pinned"];
    const MARKS: &str = "copied link=copy\nd/\npinned mode=0600\n";

    fn version(letter: u8) -> Version {
        Version::file(if letter == 3 { Mode(0o600) } else { Mode::FILE }, BlobId([letter; 20]))
    }

    /// One unit: its versions when it was agreed, here, upstream and in the working tree, and its live
    /// file.
    type Unit = ([Option<u8>; 4], Option<Live>);

    fn live() -> impl Strategy<Value = Option<Live>> {
        let all = [
            None,
            Some(Live::Linked),
            Some(Live::File(version(1))),
            Some(Live::File(version(2))),
            Some(Live::Absent),
            Some(Live::LinkedElsewhere),
            Some(Live::Moved(version(1))),
        ];
        prop_oneof![3 => Just(Some(Live::Linked)), 1 => proptest::sample::select(all.to_vec())]
    }

    fn unit() -> impl Strategy<Value = Unit> {
        let side = || prop_oneof![6 => Just(Some(1)), 2 => Just(Some(2)), 1 => Just(Some(3)), 1 => Just(None)];
        let rests = Just([Some(1); 4]);
        let moves = (side(), side(), side(), side()).prop_map(|(a, b, c, d)| [a, b, c, d]);
        let left = Just([None, None, None, Some(1)]);
        (prop_oneof![6 => rests, 2 => moves, 1 => left], live())
    }

    fn observation(units: &[Unit]) -> Observation {
        let manifest = Manifest::parse(MARKS).unwrap();
        let path = |at: usize| RepoPath::new(PLACES[at]).unwrap();
        let tree = |side: usize| {
            let of = |(at, unit): (usize, &Unit)| Some((path(at), version(unit.0[side]?)));
            let units = units.iter().enumerate().filter_map(of).collect();
            Tree { units, manifest: manifest.clone(), ..Tree::default() }
        };
        let lives = units.iter().enumerate().filter(|(at, _)| path(*at).home().is_some());
        let live = lives.filter_map(|(at, unit)| Some((path(at), unit.1?))).collect();
        let local = Local { stored: tree(3), live, ..Local::default() };
        let (agreed, ours, theirs) = (tree(0), tree(1), Some(tree(2)));
        Observation { agreed, local, ours, theirs, ..Observation::default() }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_plan_that_leaves_units_at_rest_is_the_same(units in proptest::collection::vec(unit(), PLACES.len())) {
            let observation = observation(&units);
            // Where names are folded, nothing is left at rest; no two of these fold to one.
            let all = Policy { names: Names::Folded, ..Policy::default() };
            let quick = plan(&observation, &Policy::default());
            prop_assert_eq!(format!("{quick:?}"), format!("{:?}", plan(&observation, &all)));
        }
    }

    #[test]
    fn only_what_moves_is_judged() {
        let rests = ([Some(1); 4], Some(Live::Linked));
        let mut units = vec![rests; PLACES.len()];
        (units[4].1, units[5]) = (Some(Live::File(version(1))), ([Some(3); 4], rests.1));
        let judged = |units: &[Unit]| {
            let observation = observation(units);
            let marks = &observation.agreed.manifest;
            let copies = BTreeSet::new();
            let kind = crate::machine::Kind::Linux;
            let ties = Ties { after: marks, before: Vec::new(), kind, copies: &copies };
            part(&observation, &Policy::default(), &ties).judged.len()
        };
        assert_eq!(judged(&units), 0);
        units[1].0[2] = Some(2);
        assert_eq!(judged(&units), 1);
        units[1].0[2] = None;
        assert_eq!(judged(&units), PLACES.len(), "one goes");
    }
}
