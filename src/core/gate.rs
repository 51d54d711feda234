//! What may leave this machine: a unit whose bytes hold a secret waits, and so does one that attributes
//! may cover which are only about to arrive; everything else goes on.

use std::collections::BTreeMap;

use crate::arrival::rules::{Rules, becomes};
use crate::observed::{Finding, Observation};
use crate::path::RepoPath;
use crate::plan::Why;
use crate::tree::Tree;
use crate::unit::Version;
use crate::verdict::Verdict;

/// Returns the rules that upstream changed and this machine is about to take, by themselves or merged with
/// its own changes; `own` are those of the user that lie elsewhere.
pub fn arriving<'a>(
    observation: &'a Observation,
    rules: Rules,
    own: Option<&RepoPath>,
) -> impl Iterator<Item = (&'a RepoPath, &'a Version)> {
    let Observation { agreed, ours, .. } = observation;
    let theirs = observation.upstream().units.iter();
    theirs.filter(move |(path, version)| {
        let is_news = || agreed.units.get(*path) != Some(*version);
        let is_taken = || becomes(observation, path) != ours.units.get(*path).copied();
        is_of(path, rules, own) && is_news() && is_taken()
    })
}

fn is_of(path: &RepoPath, rules: Rules, own: Option<&RepoPath>) -> bool {
    Rules::of(path) == Some(rules) || Some(path) == own
}

/// Lets wait what nobody shared yet, for one round: the ignore rules that arrive in it may keep it here.
/// Returns whether there is any. What a person committed is shared by that.
pub fn hold_what_is_new_here(observation: &mut Observation, head: &Tree) -> bool {
    let trees = [observation.upstream(), &observation.agreed, head];
    let is_new = |path: &&RepoPath| {
        Rules::of(path).is_none() && trees.iter().all(|tree| !tree.units.contains_key(*path))
    };
    let waits: Vec<RepoPath> = observation.ours.units.keys().filter(is_new).cloned().collect();
    let has_any = !waits.is_empty();
    for path in waits {
        observation.local.findings.entry(path).or_insert(Finding::Busy);
    }
    has_any
}

/// Lets everything wait that only this machine has, for one round: the attributes that arrive in it may
/// name a filter for what would be sent as it is. Attributes themselves go on: they may have to merge.
pub fn hold_what_is_only_here(observation: &mut Observation, own: Option<&RepoPath>) {
    let theirs = observation.upstream();
    let is_only_here = |(path, version): &(&RepoPath, &Version)| {
        theirs.units.get(*path) != Some(*version)
            && observation.agreed.units.get(*path) != Some(*version)
            && !is_of(path, Rules::Attributes, own)
    };
    let waits: Vec<RepoPath> =
        observation.ours.units.iter().filter(is_only_here).map(|(path, _)| path.clone()).collect();
    for path in waits {
        observation.local.findings.entry(path).or_insert(Finding::Busy);
    }
}

/// Holds every unit that would be sent with a secret. Whose bytes upstream has already, or who takes
/// upstream's, sends nothing.
pub fn hold_secrets(verdicts: &mut BTreeMap<RepoPath, Verdict>, observation: &Observation) {
    if observation.secrets.is_empty() {
        return;
    }
    for (path, verdict) in verdicts {
        let theirs = verdict.sides.theirs;
        let Some(result) = verdict.result.filter(|_| verdict.held.is_none()) else { continue };
        let is_sent = theirs.is_none_or(|theirs| theirs.blob != result.blob);
        let secret = observation.secrets.get(&(path.clone(), result.blob)).filter(|_| is_sent);
        if let Some(secret) = secret {
            verdict.result = theirs;
            verdict.change = None;
            verdict.held = Some(Why::Finding(Finding::Secret(*secret)));
            verdict.shown = Some(verdict.sides);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{arriving, hold_what_is_new_here, hold_what_is_only_here};
    use crate::arrival::rules::Rules;
    use crate::manifest::Manifest;
    use crate::observed::{Finding, Observation};
    use crate::path::RepoPath;
    use crate::plan::{Why, plan};
    use crate::policy::{Choice, Policy, Winner};
    use crate::reconcile::Merged;
    use crate::secrets::{Secret, Tier};
    use crate::tree::Tree;
    use crate::unit::{BlobId, Mode, Version};

    const SECRET: Secret = Secret { rule: "rule", tier: Tier::Certain, line: 3 };

    #[test]
    fn what_attributes_that_arrive_may_cover_waits() {
        let version = |letter: u8| Version::file(Mode::FILE, BlobId([letter; 20]));
        let tree = |units: &[(&str, u8)]| {
            let unit =
                |(path, letter): &(&str, u8)| (RepoPath::new(*path).unwrap(), version(*letter));
            Tree { units: units.iter().map(unit).collect(), ..Tree::default() }
        };
        let observe = |agreed: &[_], ours: &[_], theirs: &[_]| Observation {
            agreed: tree(agreed),
            ours: tree(ours),
            theirs: Some(tree(theirs)),
            ..Observation::default()
        };
        let name = "a/.gitattributes";
        let count = |agreed: &[_], ours: &[_], theirs: &[_]| {
            arriving(&observe(agreed, ours, theirs), Rules::Attributes, None).count()
        };
        assert_eq!(count(&[], &[], &[(name, b't')]), 1);
        assert_eq!(count(&[(name, b'a')], &[(name, b'a')], &[(name, b't')]), 1);
        assert_eq!(count(&[], &[(name, b't')], &[(name, b't')]), 0, "it is here");
        assert_eq!(count(&[], &[(name, b'o')], &[(name, b't')]), 0, "a person decides");
        let mut merged = observe(&[(name, b'a')], &[(name, b'o')], &[(name, b't')]);
        let path = RepoPath::new(name).unwrap();
        merged.merged.insert(path, Merged::Clean(BlobId([b'm'; 20])));
        assert_eq!(arriving(&merged, Rules::Attributes, None).count(), 1, "both changed it");
        let elsewhere = observe(&[], &[], &[("x", b't')]);
        assert_eq!(arriving(&elsewhere, Rules::Attributes, None).count(), 0);
        let own = RepoPath::new("x").unwrap();
        assert_eq!(arriving(&elsewhere, Rules::Attributes, Some(&own)).count(), 1);
        let same = [("both", b'b'), ("same", b's')];
        let mut observation = observe(
            &same,
            &[("both", b'o'), ("same", b's'), ("new", b'n'), ("equal", b'e'), (name, b'o')],
            &[("both", b't'), ("same", b's'), ("equal", b'e')],
        );
        hold_what_is_only_here(&mut observation, None);
        let waits: Vec<String> =
            observation.local.findings.keys().map(ToString::to_string).collect();
        assert_eq!(waits, ["both", "new"]);
        observation.local.findings.clear();
        assert!(hold_what_is_new_here(&mut observation, &tree(&[])));
        let waits: Vec<String> =
            observation.local.findings.keys().map(ToString::to_string).collect();
        assert_eq!(waits, ["new"], "it alone was shared by nobody");
        assert!(!hold_what_is_new_here(&mut observation, &tree(&[("new", b'n')])), "committed");
    }

    /// Plans one file of the repository from base, ours, theirs (`-` is absent), where `s` holds a
    /// secret; returns what the branch gets, and a `!` where it waits for the secret.
    fn check(sides: &str, policy: &Policy, wanted: &str) {
        let path = RepoPath::new("file").unwrap();
        let blob = |word: &str| BlobId([word.as_bytes()[0]; 20]);
        let tree = |word: &str| {
            let version = (word != "-").then(|| Version::file(Mode::FILE, blob(word)));
            let units = version.into_iter().map(|version| (path.clone(), version)).collect();
            Tree { units, manifest: Manifest::default(), ..Tree::default() }
        };
        let words: Vec<&str> = sides.split(' ').collect();
        let [base, ours, theirs] = [tree(words[0]), tree(words[1]), tree(words[2])];
        let mut observation = Observation {
            agreed: base,
            ours: ours.clone(),
            theirs: Some(theirs),
            ..Observation::default()
        };
        observation.local.stored = ours;
        observation.secrets.insert((path.clone(), blob("s")), SECRET);
        let plan = plan(&observation, policy);
        let result = plan
            .tree
            .units
            .get(&path)
            .map_or("-".to_owned(), |version| char::from(version.blob.0[0]).to_string());
        let is_held = plan.held.iter().any(|it| it.why == Why::Finding(Finding::Secret(SECRET)));
        let mark = if is_held { "!" } else { "" };
        assert_eq!(format!("{result}{mark}"), wanted, "{sides}");
    }

    #[test]
    fn what_would_be_sent_waits() {
        let plain = Policy::default();
        check("- s -", &plain, "-!");
        check("a s a", &plain, "a!");
        check("a s -", &plain, "-!");
        // What upstream has, or changes, is not sent.
        check("s s s", &plain, "s");
        check("s s b", &plain, "b");
        check("s b s", &plain, "b");
        check("- s s", &plain, "s");
        check("a a s", &plain, "s");
    }

    #[test]
    fn no_word_of_a_person_sends_it_by_the_way() {
        let force = Policy { winner: Some(Winner::Ours), ..Policy::default() };
        check("s s b", &force, "b!");
        let mut choice = Policy::default();
        choice.choices.insert(RepoPath::new("file").unwrap(), Choice::Ours);
        check("a s b", &choice, "b!");
        choice.choices.insert(RepoPath::new("file").unwrap(), Choice::Theirs);
        check("a s b", &choice, "b");
    }
}
