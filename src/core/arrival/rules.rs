//! Ignore files and attributes that come from upstream: what they keep on this machine, or under a
//! filter, must not leave it because a line is gone from them.

use crate::doubt::Doubt;
use crate::fold::fold;
use crate::observed::Observation;
use crate::path::RepoPath;
use crate::policy::{Choice, Policy};
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
