//! Properties of the planner, over random base, ours and theirs: nothing is dropped, a plan is done
//! once it is done, and both machines come to the same tree.

use std::collections::BTreeSet;

use cfgsync_core::doubt::Doubt;
use cfgsync_core::manifest::{Mark, Scope};
use cfgsync_core::observed::{Live, Observation};
use cfgsync_core::path::{HomePath, RepoPath};
use cfgsync_core::plan::{Plan, Why, plan};
use cfgsync_core::policy::{Names, Policy, Removals, Winner};
use cfgsync_core::refusal::Refusal;
use cfgsync_core::steps::{Expected, Place, Step};
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::{BlobId, Mode, Version};
use proptest::prelude::*;

/// How many random trees one run tries for each property, and how many units each has.
const CASES: u32 = 4_000;
const UNITS: std::ops::Range<usize> = 50..60;

/// Every property holds for that many random triples at least.
const _: () = assert!(CASES as usize * UNITS.start >= 200_000);

/// One unit of each side; equal numbers are equal bytes, none is absent.
type Triple = [Option<(u8, u16)>; 3];

fn version((content, mode): (u8, u16)) -> Version {
    Version::file(Mode(mode), BlobId([content; 20]))
}

/// Sides that are correlated, as real ones are: most units equal the base.
fn triple() -> impl Strategy<Value = Triple> {
    let mode = prop_oneof![4 => Just(0o644), 1 => Just(0o600), 1 => Just(0o755)];
    let side = proptest::option::weighted(0.8, (0..4u8, mode));
    (side.clone(), side.clone(), side, 0..6u8).prop_map(|(base, ours, theirs, like)| match like {
        0 | 1 => [base, base, theirs],
        2 | 3 => [base, ours, base],
        4 => [base, ours, ours],
        _ => [base, ours, theirs],
    })
}

fn observation(triples: &[Triple]) -> Observation {
    let tree = |side: usize| {
        let unit = |(at, triple): (usize, &Triple)| {
            let path = RepoPath::new(format!("f{at}")).expect("a plain name");
            triple[side].map(|unit| (path, version(unit)))
        };
        let units = triples.iter().enumerate().filter_map(unit).collect();
        Tree { units, ..Tree::default() }
    };
    with_sides(tree(0), tree(1), tree(2))
}

fn with_sides(agreed: Tree, ours: Tree, theirs: Tree) -> Observation {
    let mut observation =
        Observation { agreed, ours: ours.clone(), theirs: Some(theirs), ..Observation::default() };
    observation.local.stored = ours;
    observation
}

fn planned(observation: &Observation) -> Plan {
    plan(observation, &Policy { removals: Removals::Any, ..Policy::default() })
}

/// What this machine holds after the plan: the tree, but its own version where a unit is held.
fn after(plan: &Plan) -> Tree {
    let mut tree = plan.tree.clone();
    for held in &plan.held {
        match held.sides.ours {
            Some(version) => tree.units.insert(held.path.clone(), version),
            None => tree.units.remove(&held.path),
        };
    }
    tree
}

fn blobs(tree: &Tree) -> BTreeSet<BlobId> {
    tree.units.values().map(|version| version.blob).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn a_plan_that_is_done_is_done(triples in proptest::collection::vec(triple(), UNITS)) {
        let plan = planned(&observation(&triples));
        let again = planned(&with_sides(plan.shared.clone(), after(&plan), plan.tree.clone()));
        prop_assert!(again.changes.is_empty(), "{:?}", again.changes);
        prop_assert!(again.steps.is_empty(), "{:?}", again.steps);
        prop_assert_eq!(again.tree, plan.tree);
        prop_assert_eq!(again.held.len(), plan.held.len());
    }

    #[test]
    fn the_same_sides_make_the_same_plan(triples in proptest::collection::vec(triple(), UNITS)) {
        let observation = observation(&triples);
        let (one, other) = (planned(&observation), planned(&observation));
        prop_assert_eq!(format!("{one:?}"), format!("{other:?}"));
        let sides = [&observation.agreed, &observation.ours, observation.upstream()];
        let paths: BTreeSet<&RepoPath> = sides.into_iter().flat_map(|tree| tree.units.keys()).collect();
        for path in one.tree.units.keys() {
            prop_assert!(paths.contains(path), "{path} comes from nowhere");
        }
    }

    #[test]
    fn a_winner_wins_and_can_be_taken_back(triples in proptest::collection::vec(triple(), UNITS)) {
        let observation = observation(&triples);
        for winner in [Winner::Ours, Winner::Theirs] {
            let policy = Policy { removals: Removals::Any, winner: Some(winner), ..Policy::default() };
            let plan = plan(&observation, &policy);
            let won = if winner == Winner::Ours { &observation.ours } else { observation.upstream() };
            prop_assert_eq!(&plan.tree.units, &won.units);
            prop_assert!(plan.held.is_empty());
            // This machine's files become what they were.
            let done = with_sides(plan.tree.clone(), plan.tree.clone(), plan.tree.clone());
            let mut undone = done.clone();
            plan.operation.undo(&done).edit.apply(&mut undone);
            prop_assert_eq!(&undone.ours.units, &observation.ours.units);
            // Upstream's changes that lost are named with what both sides had agreed on.
            for (path, then) in &plan.operation.overruled {
                prop_assert_eq!(then.theirs, observation.upstream().units.get(path).copied());
                prop_assert_eq!(then.base, observation.agreed.units.get(path).copied());
            }
        }
    }

    #[test]
    fn an_edit_of_either_side_survives(triples in proptest::collection::vec(triple(), UNITS)) {
        let observation = observation(&triples);
        let plan = planned(&observation);
        let kept: BTreeSet<BlobId> = blobs(&plan.tree).union(&blobs(&after(&plan))).copied().collect();
        for triple in &triples {
            let [base, ours, theirs] = triple.map(|unit| unit.map(|(content, _)| content));
            for edit in [(ours, theirs), (theirs, ours)] {
                // The other side did not touch it, or changed it differently: it must be somewhere.
                if let (Some(content), other) = edit
                    && Some(content) != base
                {
                    prop_assert!(kept.contains(&BlobId([content; 20])), "{triple:?} {other:?}");
                }
            }
        }
    }

    #[test]
    fn both_machines_come_to_the_same(triples in proptest::collection::vec(triple(), UNITS)) {
        let here = planned(&observation(&triples));
        let swapped: Vec<Triple> = triples.iter().map(|[base, ours, theirs]| [*base, *theirs, *ours]).collect();
        let there = planned(&observation(&swapped));
        let held: BTreeSet<&RepoPath> = here.held.iter().map(|held| &held.path).collect();
        prop_assert_eq!(&held, &there.held.iter().map(|held| &held.path).collect());
        for (path, version) in here.tree.units.iter().filter(|(path, _)| !held.contains(path)) {
            prop_assert_eq!(Some(version), there.tree.units.get(path));
        }
    }

    #[test]
    fn what_upstream_changed_alone_is_never_reversed(triples in proptest::collection::vec(triple(), UNITS)) {
        let plan = planned(&observation(&triples));
        for (at, [base, ours, theirs]) in triples.iter().enumerate() {
            if ours == base {
                let path = RepoPath::new(format!("f{at}")).expect("a plain name");
                prop_assert_eq!(plan.tree.units.get(&path).copied(), theirs.map(version));
            }
        }
    }
}

fn named(names: &[&str]) -> Tree {
    let unit = |name: &&str| (RepoPath::new(*name).expect("a plain name"), version((1, 0o644)));
    Tree { units: names.iter().map(unit).collect(), ..Tree::default() }
}

#[test]
fn of_two_names_that_are_one_here_the_one_that_stands_stays() {
    let observation = with_sides(named(&["Foo"]), named(&["Foo"]), named(&["Foo", "foo"]));
    let folded = Policy { names: Names::Folded, ..Policy::default() };
    let plan = plan(&observation, &folded);
    assert!(plan.steps.is_empty(), "{:?}", plan.steps);
    assert_eq!(plan.tree, named(&["Foo", "foo"]), "both stay in the repository");
    assert_eq!(plan.held.iter().map(|held| held.why).collect::<Vec<_>>(), [Why::SameName]);
    let again = with_sides(plan.shared, named(&["Foo"]), plan.tree);
    let held: Vec<Why> = planned(&again).held.iter().map(|held| held.why).collect();
    assert_eq!(held, [Why::Doubt(Doubt::Twin)], "and elsewhere the new one is asked about");
    let consented = [RepoPath::new("foo").expect("a plain name")].into();
    let policy = Policy { consented, ..Policy::default() };
    assert!(cfgsync_core::plan::plan(&again, &policy).held.is_empty());
}

#[test]
fn a_mass_removal_is_refused_until_a_person_was_asked() {
    let all: Vec<String> = (0..10).map(|number| format!("f{number}")).collect();
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    let few = Policy::default();
    let removed = |left: &[&str]| with_sides(named(&names), named(&names), named(left));
    assert_eq!(plan(&removed(&names[3..]), &few).refusal, None);
    let refusal = Refusal::MassRemoval { removed: 4, of: 10 };
    assert_eq!(plan(&removed(&names[4..]), &few).refusal, Some(refusal));
    assert_eq!(planned(&removed(&[])).refusal, None);
}

#[test]
fn a_removal_goes_first_only_where_it_is_in_the_way() {
    let observation = with_sides(named(&["a", "z"]), named(&["a", "z"]), named(&["a/b", "c"]));
    let steps = planned(&observation).steps;
    let shown: Vec<String> = steps
        .iter()
        .map(|step| match step {
            Step::Remove { .. } => format!("remove {}", step.unit()),
            _ => format!("write {}", step.unit()),
        })
        .collect();
    assert_eq!(shown, ["remove a", "write a/b", "write c", "remove z"]);
}

#[test]
fn a_stored_copy_whose_file_is_gone_goes_too() {
    // What a step that failed leaves: the file is removed on both sides, its stored copy still stands.
    let path = RepoPath::new("external/d/f").expect("a plain name");
    let mut left = with_sides(Tree::default(), Tree::default(), Tree::default());
    let home = HomePath::new("d").expect("a plain name");
    left.ours.manifest.marks.insert(home, Mark::new(Scope::Folder));
    left.local.stored.units.insert(path.clone(), version((1, 0o644)));
    left.local.live.insert(path.clone(), Live::Absent);
    let expecting = Expected::Version(version((1, 0o644)));
    let steps = planned(&left).steps;
    assert_eq!(steps, [Step::Remove { place: Place::Repo(path), expecting }]);
}
