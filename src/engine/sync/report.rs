//! What one sync came to.

use std::collections::BTreeMap;

use cfgsync_core::observed::Side;
use cfgsync_core::path::RepoPath;
use cfgsync_core::plan::{Change, Held};

use super::round::Round;
use super::words;
use crate::execute::partly;
use crate::failure::{Code, Failure};

/// What one sync came to.
#[derive(Debug, Default)]
pub struct Report {
    /// What changed, here and there.
    pub changes: Vec<Change>,
    /// Units of which one side's change was overwritten because a person chose the other side.
    pub overwritten: BTreeMap<RepoPath, Side>,
    /// What waits for a person.
    pub held: Vec<Held>,
    /// What could not be done.
    pub failed: BTreeMap<RepoPath, String>,
    /// What people should know.
    pub notes: Vec<String>,
    /// Commits that wait for the remote.
    pub ahead: u32,
    /// Whether something of it can be taken back.
    pub is_undoable: bool,
    /// How many steps were taken on disk.
    pub steps: usize,
    /// Why the remote did not take part.
    pub remote: Option<Failure>,
}

impl Report {
    /// Adds what one round came to.
    pub fn add(&mut self, round: &Round) {
        self.changes.extend(round.plan.changes.iter().cloned());
        self.overwritten
            .extend(round.plan.overwritten.iter().map(|(path, side)| (path.clone(), *side)));
        self.notes.extend(round.notes.iter().cloned());
        self.held.clone_from(&round.plan.held);
        self.steps += round.plan.steps.len();
        self.failed.clone_from(&round.failed);
    }

    /// Names each change once.
    pub fn settle(&mut self) {
        self.changes.sort();
        self.changes.dedup();
    }

    /// Returns the failure that the exit code tells of, if there is one.
    pub fn failure(self) -> Option<Failure> {
        if !self.failed.is_empty() {
            return Some(partly(&self.failed));
        }
        if let Some(failure) = self.remote {
            return Some(failure);
        }
        let count = self.held.len();
        (count > 0).then(|| {
            let what = if count == 1 { "file waits" } else { "files wait" };
            let cause = format!("{count} {what} for you; everything else is in sync");
            Failure { hints: words::next_steps(&self.held), ..Failure::new(Code::Held, cause) }
        })
    }
}
