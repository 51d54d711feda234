//! What a person asked of one sync; a background one asks nothing.

use std::collections::BTreeMap;

use cfgsync_core::observed::Observation;
use cfgsync_core::operation::Operation;
use cfgsync_core::path::RepoPath;
use cfgsync_core::policy::{Choice, Removals, Winner};
use cfgsync_core::unit::Sides;

use crate::git::CommitId;

/// What a person asked of one sync.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// What the history calls it.
    pub command: Command,
    /// Choices for units that do not merge.
    pub choices: BTreeMap<RepoPath, Choice>,
    /// The versions a person saw when choosing; a choice counts for no others.
    pub seen: BTreeMap<RepoPath, Sides>,
    /// Whether many removals are fine.
    pub removals: Removals,
    /// The side that wins everywhere.
    pub winner: Option<Winner>,
    /// Where upstream was when the person agreed.
    pub expecting: Tip,
    /// A change of this machine's side; what it overrules goes back upstream.
    pub edit: Operation,
}

/// What a sync is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Command {
    /// `sync`.
    #[default]
    Sync,
    /// `sync --force-push`.
    ForcePush,
    /// `sync --force-pull`.
    ForcePull,
    /// `resolve`.
    Resolve,
    /// `undo`.
    Undo,
}

impl Command {
    /// Returns the word for the history.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::ForcePush => "force-push",
            Self::ForcePull => "force-pull",
            Self::Resolve => "resolve",
            Self::Undo => "undo",
        }
    }

    /// Returns what an archive made for it says.
    pub fn occasion(self) -> &'static str {
        match self {
            Self::Sync => "before a sync",
            Self::ForcePush => "before a force push",
            Self::ForcePull => "before a force pull",
            Self::Resolve => "before a choice",
            Self::Undo => "before an undo",
        }
    }
}

/// Where upstream may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tip {
    /// Anywhere.
    #[default]
    Any,
    /// Only where the person saw it.
    Exactly(Option<CommitId>),
}

impl Wishes {
    /// Returns the choices that still count: neither side changed since the person looked.
    pub fn choices(&self, observation: &Observation) -> BTreeMap<RepoPath, Choice> {
        let now = |path: &RepoPath| {
            let rename = observation.renames.iter().find(|it| it.from == *path || it.to == *path);
            rename.map_or_else(|| observation.sides(path), |rename| rename.sides(observation))
        };
        let counts = |path: &RepoPath| {
            self.seen.get(path).is_none_or(|seen| {
                let now = now(path);
                (seen.ours, seen.theirs) == (now.ours, now.theirs)
            })
        };
        let choices = self.choices.iter().filter(|(path, _)| counts(path));
        choices.map(|(path, choice)| (path.clone(), *choice)).collect()
    }

    /// Returns true when nothing is asked but to sync.
    pub fn are_plain(&self) -> bool {
        self.command == Command::Sync && self.choices.is_empty()
    }
}
