//! Snapshots in the vault: the states this machine's files were in, each under a ref of its own.

use cfgsync_core::time::UnixTime;
use cfgsync_core::unit::BlobId;
use git2::Oid;

use super::GitError;
use super::vault::{LATEST, SNAPSHOTS, Vault};
use crate::failure::Outcome;

/// A state of this machine's files that was kept before a command changed it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its number.
    pub number: u64,
    /// When it was kept.
    pub at: UnixTime,
    /// What it was kept for.
    pub reason: String,
    /// What people saw of the files.
    pub tree: Oid,
}

impl Vault {
    /// Returns the tree of the newest snapshot, and those beside it.
    pub fn latest(&self) -> Outcome<Option<(Oid, Vec<Oid>)>> {
        self.snapshot_at(LATEST)
    }

    fn snapshot_at(&self, name: &str) -> Outcome<Option<(Oid, Vec<Oid>)>> {
        let Some(commit) = self.target(name)? else { return Ok(None) };
        let failed = || GitError::on("read the newest snapshot");
        let commit = self.store().find_commit(commit.0).map_err(failed())?;
        let beside = commit.parents().map(|parent| parent.tree_id()).collect();
        Ok(Some((commit.tree_id(), beside)))
    }

    /// Keeps a state of this machine's files for good. `beside` are the working tree where it
    /// differs from what people see, and what is only staged.
    pub fn snapshot(&self, seen: Oid, beside: &[Oid], reason: &str) -> Outcome<()> {
        let (number, commit) = self.snapshot_of(seen, beside, reason)?;
        self.set(&format!("{SNAPSHOTS}/{number:09}"), commit)?;
        self.set(LATEST, commit)
    }

    /// Lets what [`Self::snapshot`] is going to store become durable with what waits, where it is the next
    /// one.
    pub fn foresee_snapshot(&self, seen: Oid, reason: &str) -> Outcome<()> {
        let (_, commit) = self.snapshot_of(seen, &[], reason)?;
        self.soon.borrow_mut().push(commit);
        Ok(())
    }

    fn snapshot_of(&self, seen: Oid, beside: &[Oid], reason: &str) -> Outcome<(u64, Oid)> {
        let parents: Outcome<Vec<Oid>> =
            beside.iter().map(|tree| self.commit(*tree, "beside it", &[])).collect();
        let number = self.newest_number()? + 1;
        let message = format!("{reason}\n\nnumber {number}\nat {}\n", self.at.0);
        Ok((number, self.commit(seen, &message, &parents?)?))
    }

    /// Returns every snapshot, the oldest first.
    pub fn snapshots(&self) -> Outcome<Vec<Snapshot>> {
        let mut snapshots = Vec::new();
        for name in self.refs_below(SNAPSHOTS)? {
            let Some(number) = name.rsplit('/').next().and_then(|it| it.parse().ok()) else {
                continue;
            };
            let Some(commit) = self.target(&name)? else { continue };
            let commit = self.store().find_commit(commit.0).map_err(GitError::on(&*name))?;
            let seconds = u64::try_from(commit.time().seconds()).unwrap_or(0);
            let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
            let reason = message.lines().next().unwrap_or_default().to_owned();
            let exact = message.lines().find_map(|line| line.strip_prefix("at ")?.parse().ok());
            let at = exact.map_or_else(|| UnixTime(0).after_seconds(seconds), UnixTime);
            snapshots.push(Snapshot { number, at, reason, tree: commit.tree_id() });
        }
        snapshots.sort_by_key(|snapshot| snapshot.number);
        Ok(snapshots)
    }

    /// Returns the number of the newest snapshot, zero where there is none.
    pub fn newest_number(&self) -> Outcome<u64> {
        let Some(commit) = self.target(LATEST)? else { return Ok(0) };
        let commit =
            self.store().find_commit(commit.0).map_err(GitError::on("read the newest snapshot"))?;
        let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
        let number = message.lines().find_map(|line| line.strip_prefix("number ")?.parse().ok());
        Ok(number.unwrap_or(0))
    }

    /// Returns whether one of the newest two holds a blob: that of before a sync, or that of after it.
    pub(super) fn is_in_newest(&self, blob: BlobId) -> Outcome<bool> {
        let before = self.newest_number()?.saturating_sub(1);
        for name in [LATEST, &format!("{SNAPSHOTS}/{before:09}")] {
            let (seen, beside) = self.snapshot_at(name)?.unzip();
            for tree in seen.into_iter().chain(beside.into_iter().flatten()) {
                if self.read(tree)?.units.values().any(|version| version.blob == blob) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
