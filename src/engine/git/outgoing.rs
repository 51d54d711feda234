//! What a push would send: the blobs that commits bring which upstream does not have.

use std::collections::BTreeSet;

use cfgsync_core::unit::BlobId;
use git2::{Commit, ObjectType, Oid, Repository, Sort, Tree};

use super::worktree::Worktree;
use super::{CommitId, GitError, trees};
use crate::failure::Outcome;

/// A blob, and the first commit that brings it to a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// The commit.
    pub commit: CommitId,
    /// The path below the repository.
    pub path: Vec<u8>,
    /// The blob.
    pub blob: BlobId,
}

/// Returns what upstream would get with a commit, the oldest first; everything where it has nothing.
pub fn outgoing(
    worktree: &Worktree,
    tip: CommitId,
    upstream: Option<CommitId>,
) -> Outcome<Vec<Brought>> {
    if Some(tip) == upstream {
        return Ok(Vec::new());
    }
    let failed = || GitError::on("read what would be sent");
    let repository = worktree.store();
    let mut walk = repository.revwalk().map_err(failed())?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE).map_err(failed())?;
    walk.push(tip.0).map_err(failed())?;
    if let Some(upstream) = upstream {
        walk.hide(upstream.0).map_err(failed())?;
    }
    let mut search = Search { repository, seen: BTreeSet::new(), brought: Vec::new() };
    for commit in walk {
        let commit = commit.and_then(|id| repository.find_commit(id)).map_err(failed())?;
        search.commit(&commit).map_err(failed())?;
    }
    Ok(search.brought)
}

/// Returns true where a person merged by hand in what upstream does not have.
pub fn has_merges(worktree: &Worktree, tip: CommitId, upstream: CommitId) -> Outcome<bool> {
    let failed = || GitError::on("read what would be sent");
    let repository = worktree.store();
    let mut walk = repository.revwalk().map_err(failed())?;
    walk.push(tip.0).and_then(|()| walk.hide(upstream.0)).map_err(failed())?;
    for commit in walk {
        let commit = commit.and_then(|id| repository.find_commit(id)).map_err(failed())?;
        if commit.parent_count() > 1 {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Search<'a> {
    repository: &'a Repository,
    seen: BTreeSet<(Vec<u8>, Oid)>,
    brought: Vec<Brought>,
}

impl Search<'_> {
    fn commit(&mut self, commit: &Commit<'_>) -> Result<(), git2::Error> {
        let parents: Result<Vec<Tree<'_>>, _> =
            commit.parents().map(|parent| parent.tree()).collect();
        self.folder(CommitId(commit.id()), &[], &commit.tree()?, &parents?)
    }

    /// What stands in one of the parents was brought by an earlier commit, or is upstream.
    fn folder(
        &mut self,
        commit: CommitId,
        prefix: &[u8],
        tree: &Tree<'_>,
        parents: &[Tree<'_>],
    ) -> Result<(), git2::Error> {
        for entry in tree {
            let before: Vec<_> = parents
                .iter()
                .filter_map(|parent| parent.get_name_bytes(entry.name_bytes()))
                .collect();
            if before.iter().any(|known| known.id() == entry.id()) {
                continue;
            }
            let path = [prefix, entry.name_bytes()].concat();
            match entry.kind() {
                Some(ObjectType::Tree) => {
                    let folders = before.iter().filter(|it| it.kind() == Some(ObjectType::Tree));
                    let folders: Result<Vec<_>, _> =
                        folders.map(|it| self.repository.find_tree(it.id())).collect();
                    let tree = self.repository.find_tree(entry.id())?;
                    self.folder(commit, &[&path, &b"/"[..]].concat(), &tree, &folders?)?;
                }
                Some(ObjectType::Blob) if self.seen.insert((path.clone(), entry.id())) => {
                    self.brought.push(Brought { commit, path, blob: trees::blob_id(entry.id()) });
                }
                _ => {}
            }
        }
        Ok(())
    }
}
