//! Who changed a file last, and when: what a person asks first about a file that waits.

use std::path::Path;

use cfgsync_core::inert::shown;
use cfgsync_core::machine::is_id;
use cfgsync_core::path::RepoPath;
use cfgsync_core::time::UnixTime;
use git2::{Commit, Oid};

use super::worktree::Worktree;
use super::{CommitId, GitError};
use crate::failure::Outcome;
use crate::fs::dir::os;

/// How many commits are looked at before nobody is named.
const DEPTH: usize = 5000;

/// Who changed a file, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorship {
    /// The machine that cfgsync committed it on, or the name of who did, fit for a terminal.
    pub who: String,
    /// When it was committed.
    pub at: UnixTime,
}

impl Worktree {
    /// Returns who changed a file last, on the way to a commit; none where nobody is found.
    pub fn last_change(&self, tip: CommitId, path: &RepoPath) -> Outcome<Option<Authorship>> {
        let failed = || GitError::on(format!("read the history of {path}"));
        let place = Path::new(os(path.as_bytes()));
        let blob = |commit: &Commit<'_>| -> Option<Oid> {
            commit.tree().ok()?.get_path(place).ok().map(|entry| entry.id())
        };
        let mut commit = self.store().find_commit(tip.0).map_err(failed())?;
        for _ in 0..DEPTH {
            let Ok(parent) = commit.parent(0) else { break };
            if blob(&parent) != blob(&commit) {
                return Ok(Some(authorship(&commit)));
            }
            commit = parent;
        }
        Ok(blob(&commit).map(|_| authorship(&commit)))
    }
}

fn authorship(commit: &Commit<'_>) -> Authorship {
    let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
    let machine = message.split_once(": ").map(|(start, _)| start.to_owned());
    let machine = machine.filter(|machine| is_id(machine) && machine.contains('@'));
    let author = || shown(commit.author().name_bytes());
    let seconds = u64::try_from(commit.author().when().seconds()).unwrap_or(0);
    Authorship { who: machine.unwrap_or_else(author), at: UnixTime(seconds.saturating_mul(1000)) }
}
