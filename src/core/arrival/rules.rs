//! Ignore files and attributes that come from upstream: what they keep on this machine, or under a
//! filter, must not leave it because a line is gone from them.

use crate::doubt::Doubt;
use crate::fold::fold;
use crate::linking::Tie;
use crate::manifest::Manifest;
use crate::observed::Observation;
use crate::path::RepoPath;
use crate::policy::{Choice, Policy, Winner};
use crate::reconcile::{Decision, decide};
use crate::unit::Version;
use crate::verdict::{Verdict, result_of};

/// What a file decides about others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rules {
    /// What stays on this machine.
    Ignore,
    /// Which filter covers them.
    Attributes,
}

impl Rules {
    /// Returns what Git takes from a file of this name, wherever in the repository it lies. Some disks
    /// take another spelling for it.
    pub fn of(path: &RepoPath) -> Option<Self> {
        let name = path.name();
        let folded = if name.is_ascii() { name.to_ascii_lowercase() } else { fold(name) };
        match &folded[..] {
            b".gitignore" => Some(Self::Ignore),
            b".gitattributes" => Some(Self::Attributes),
            _ => None,
        }
    }

    /// Returns why rules wait that keep less than those here.
    pub fn doubt(self) -> Doubt {
        match self {
            Self::Ignore => Doubt::Unignores,
            Self::Attributes => Doubt::Unfilters,
        }
    }
}

/// Returns what a unit becomes on this machine where nothing but its own sides makes it wait.
pub fn becomes(observation: &Observation, path: &RepoPath) -> Option<Version> {
    let sides = observation.sides(path);
    match decide(sides, observation.merged.get(path).copied()) {
        Decision::Hold(_) => sides.ours,
        decision => result_of(decision, sides),
    }
}

/// Returns why a unit waits because of rules that arrive. What this machine itself changed in them is
/// a person's doing, and so is a choice.
pub fn loosened(
    path: &RepoPath,
    verdict: &Verdict,
    observation: &Observation,
    policy: &Policy,
) -> Option<Doubt> {
    let doubt = observation.loosened.get(path)?.doubt;
    let arrives = verdict.result != verdict.sides.ours;
    let waits = match doubt {
        // Sent or taken, it would stand under other attributes than those it was made with.
        Doubt::AwaitsAttributes => arrives || verdict.result != verdict.sides.theirs,
        _ => arrives && !is_let_in(path, policy),
    };
    (verdict.held.is_none() && waits).then_some(doubt)
}

/// Returns why a unit waits where a person lets this machine's attributes win over those that upstream
/// has anew: what upstream's would cover must not leave in the clear, and they themselves stay.
pub fn bared(
    path: &RepoPath,
    verdict: &Verdict,
    observation: &Observation,
    policy: &Policy,
) -> Option<Doubt> {
    let doubt = observation.bared.get(path)?.doubt;
    let overrules = |path: &RepoPath| policy.choice(path) == Some(Choice::Ours);
    let mut attributes =
        observation.bared.iter().filter(|(_, bared)| bared.doubt == Doubt::Filters);
    let (result, theirs) = (verdict.result, verdict.sides.theirs);
    let waits = if doubt == Doubt::Filters {
        overrules(path) && result != theirs
    } else {
        let is_sent = result.is_some_and(|it| theirs.map(|it| it.blob) != Some(it.blob));
        is_sent && attributes.any(|(path, _)| overrules(path))
    };
    // What is unmarked is not sent.
    let is_free = verdict.held.is_none() && verdict.tie != Tie::Unmarked;
    (is_free && waits).then_some(doubt)
}

/// Gives upstream's attributes that must stay the marks back that a force takes away from them.
pub fn keep_marks(mut marks: Manifest, observation: &Observation, policy: &Policy) -> Manifest {
    let attributes = observation.bared.iter().filter(|(_, bared)| bared.doubt == Doubt::Filters);
    for home in attributes.filter_map(|(path, _)| path.home()) {
        let known = observation.upstream().manifest.covering(&home);
        if let Some((place, mark)) = known.filter(|_| policy.winner == Some(Winner::Ours))
            && marks.covering(&home).is_none()
        {
            marks.marks.insert(place.clone(), mark.clone());
        }
    }
    marks
}

/// Returns true where a person let rules in that keep less.
pub fn is_let_in(path: &RepoPath, policy: &Policy) -> bool {
    matches!(policy.choices.get(path), Some(Choice::Theirs | Choice::Merged(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::Loosened;
    use crate::plan::{Why, plan};
    use crate::tree::Tree;
    use crate::unit::{BlobId, Mode};

    fn tree(path: &RepoPath, letter: char) -> Tree {
        let version = Version::file(Mode::FILE, BlobId([letter as u8; 20]));
        let units = (letter != '-').then(|| (path.clone(), version));
        Tree { units: units.into_iter().collect(), ..Tree::default() }
    }

    /// Plans one unit that rules make doubtful; returns whether it waits for that.
    fn waits(doubt: Doubt, sides: [char; 3], choice: Option<Choice>) -> bool {
        let path = RepoPath::new(".gitignore").unwrap();
        let [agreed, ours, theirs] = sides.map(|letter| tree(&path, letter));
        let mut observation =
            Observation { agreed, ours: ours.clone(), theirs: Some(theirs), ..Default::default() };
        observation.local.stored = ours;
        observation.loosened.insert(path.clone(), Loosened { doubt, said: None });
        let mut policy = Policy::default();
        policy.choices.extend(choice.map(|choice| (path.clone(), choice)));
        let plan = plan(&observation, &policy);
        let is_held = plan.held.iter().any(|held| held.why == Why::Doubt(doubt));
        assert!(!is_held || plan.steps.is_empty(), "nothing of it is written");
        is_held
    }

    #[test]
    fn rules_that_keep_less_wait_where_upstream_made_them() {
        for doubt in [Doubt::Unignores, Doubt::Unfilters] {
            let waits = |sides, choice| waits(doubt, sides, choice);
            assert!(waits(['a', 'a', 't'], None));
            assert!(waits(['a', 'a', '-'], None), "none are the least");
            assert!(waits(['-', '-', 't'], None));
            assert!(!waits(['a', 'o', 'a'], None), "a person of this machine edited them");
            assert!(!waits(['a', 't', 't'], None), "they stand here");
            assert!(!waits(['a', 'a', 't'], Some(Choice::Theirs)));
            assert!(!waits(['a', 'a', 't'], Some(Choice::Ours)), "what stands here goes back");
            assert!(!waits(['a', 'a', '-'], Some(Choice::Theirs)));
        }
    }

    #[test]
    fn what_attributes_cover_that_wait_neither_comes_nor_goes() {
        let waits = |sides, choice| waits(Doubt::AwaitsAttributes, sides, choice);
        assert!(waits(['a', 'a', 't'], None));
        assert!(waits(['a', 'o', 'a'], None));
        assert!(waits(['-', 'o', '-'], None));
        assert!(waits(['a', 'a', 't'], Some(Choice::Theirs)), "it is no choice of its own");
        assert!(!waits(['a', 'a', 'a'], None));
    }

    #[test]
    fn what_upstream_covers_waits_where_the_attributes_here_win() {
        let path = |name: &str| RepoPath::new(name).unwrap();
        let (rules, key) = (path(".gitattributes"), path("new.key"));
        let plan = |doubt: Doubt, sides: [char; 3], policy: &Policy| {
            let [agreed, ours, theirs] = sides.map(|letter| {
                if doubt == Doubt::Filters {
                    return tree(&rules, letter);
                }
                let mut both = tree(&key, letter);
                both.units.extend(tree(&rules, 'r').units);
                both
            });
            let mut observation = Observation {
                agreed,
                ours: ours.clone(),
                theirs: Some(theirs),
                ..Default::default()
            };
            observation.local.stored = ours;
            for (path, doubt) in [(&rules, Doubt::Filters), (&key, Doubt::AwaitsAttributes)] {
                observation.bared.insert(path.clone(), Loosened { doubt, said: None });
            }
            let plan = plan(&observation, policy);
            let waits = plan.held.iter().any(|held| held.why == Why::Doubt(doubt));
            assert!(!waits || plan.steps.is_empty(), "nothing of it is written");
            assert!(!waits || plan.tree.units == observation.upstream().units, "nothing is sent");
            waits
        };
        let ours = Policy { winner: Some(Winner::Ours), ..Policy::default() };
        let theirs = Policy { winner: Some(Winner::Theirs), ..Policy::default() };
        let choose = |choice| {
            let choices = [(rules.clone(), choice)].into();
            Policy { choices, ..Policy::default() }
        };
        let merged = choose(Choice::Merged(BlobId([b'm'; 20])));
        for sides in [['-', '-', 't'], ['a', 'o', 't'], ['a', 'a', '-']] {
            let waits = |policy: &Policy| plan(Doubt::Filters, sides, policy);
            assert!(waits(&ours) && waits(&choose(Choice::Ours)), "{sides:?}");
            assert!(!waits(&theirs) && !waits(&choose(Choice::Theirs)), "{sides:?}");
            assert!(!waits(&merged), "a person wrote them");
            assert!(!waits(&Policy::default()), "they arrive, or wait as they are");
        }
        for (sides, sent) in
            [(['-', 'o', '-'], true), (['a', 'o', 'a'], true), (['a', '-', 'a'], false)]
        {
            let waits = |policy: &Policy| plan(Doubt::AwaitsAttributes, sides, policy);
            assert_eq!([waits(&ours), waits(&choose(Choice::Ours))], [sent; 2], "{sides:?}");
            assert!(!waits(&theirs) && !waits(&Policy::default()), "{sides:?}");
        }
    }

    #[test]
    fn files_of_rules_are_known_by_name_wherever_they_lie() {
        for (name, rules) in [
            (".gitignore", Some(Rules::Ignore)),
            ("external/a/.GitIgnore", Some(Rules::Ignore)),
            ("a/.gitattributes", Some(Rules::Attributes)),
            ("gitignore", None),
            (".gitignore/a", None),
        ] {
            assert_eq!(Rules::of(&RepoPath::new(name).unwrap()), rules, "{name}");
        }
    }
}
