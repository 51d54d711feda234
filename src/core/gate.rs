//! What may leave this machine: a unit whose bytes hold a secret waits, everything else goes on.

use std::collections::BTreeMap;

use crate::observed::{Finding, Observation};
use crate::path::RepoPath;
use crate::plan::Why;
use crate::verdict::Verdict;

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
    use crate::manifest::Manifest;
    use crate::observed::{Finding, Observation};
    use crate::path::RepoPath;
    use crate::plan::{Why, plan};
    use crate::policy::{Choice, Policy, Winner};
    use crate::secrets::{Secret, Tier};
    use crate::tree::Tree;
    use crate::unit::{BlobId, Mode, Version};

    const SECRET: Secret = Secret { rule: "rule", tier: Tier::Certain, line: 3 };

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
