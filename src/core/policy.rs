//! What may happen in one run: the machine's nature, and what a person decided.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::Kind;
use crate::observed::Observation;
use crate::path::{HomePath, RepoPath};
use crate::tree::Tree;
use crate::unit::{BlobId, Version};

/// A person's choice for one unit that does not merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// This machine's version.
    Ours,
    /// Upstream's version.
    Theirs,
    /// A version that a person made of both: these bytes.
    Merged(BlobId),
}

/// A side that wins as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Winner {
    /// This machine: force push.
    Ours,
    /// Upstream: force pull.
    Theirs,
}

/// Upstream's version of a unit, and what was agreed of it, as they were before a choice overruled
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overruled {
    /// Upstream's version then.
    pub theirs: Option<Version>,
    /// The version agreed on then.
    pub base: Option<Version>,
    /// What the choice made of it; where upstream is something else by now, it is left alone.
    pub made: Option<Version>,
}

/// What may happen in one run.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// This kind of machine.
    pub kind: Option<Kind>,
    /// Choices already made.
    pub choices: BTreeMap<RepoPath, Choice>,
    /// The side that wins everywhere, if a person said so.
    pub winner: Option<Winner>,
    /// Units that go back to what they were upstream, while this machine keeps its version.
    pub restored: BTreeMap<RepoPath, Overruled>,
    /// Units that a command changes on this machine: even one that then waits gets its version.
    pub edited: BTreeSet<RepoPath>,
    /// Marked paths that are copies on this machine only.
    pub copies: BTreeSet<HomePath>,
    /// Places at which a person of this machine let files in: files, or folders with all in them.
    pub consented: BTreeSet<RepoPath>,
    /// Whether the disk takes two spellings of a name for one.
    pub names: Names,
    /// Whether an incoming change may remove more than a fifth of everything.
    pub removals: Removals,
}

/// How the disk compares names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    /// Byte by byte.
    #[default]
    Exact,
    /// Without letter case, as macOS does by default.
    Folded,
}

/// How many incoming removals are taken without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Removals {
    /// At most three, or a fifth of everything.
    #[default]
    Few,
    /// Any number: a person was asked.
    Any,
}

impl Policy {
    /// Returns the choice for a unit: its own, that for a file or folder it clashes with, or that of
    /// the winner.
    pub fn choice(&self, path: &RepoPath) -> Option<Choice> {
        let clashing =
            |(chosen, _): &(&RepoPath, &Choice)| chosen.is_within(path) || path.is_within(chosen);
        let winner = self.winner.map(|winner| match winner {
            Winner::Ours => Choice::Ours,
            Winner::Theirs => Choice::Theirs,
        });
        self.choices
            .get(path)
            .or_else(|| self.choices.iter().find(clashing).map(|(_, choice)| choice))
            .copied()
            .or(winner)
    }

    /// Returns what counts as agreed: a winner makes the other side's tree the one to change from.
    pub fn base<'a>(&self, observation: &'a Observation) -> &'a Tree {
        match self.winner {
            Some(Winner::Ours) => observation.upstream(),
            Some(Winner::Theirs) => &observation.ours,
            None => &observation.agreed,
        }
    }
}
