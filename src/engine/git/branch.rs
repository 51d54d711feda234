//! Makes the commits that a plan's tree becomes, and moves the branch to them.
//!
//! History stays one line: the user's own commits are replayed on upstream's tip, and whatever
//! they do not account for becomes one commit on top. Where a replay does not fit, that commit
//! accounts for everything.

use cfgsync_core::time::UnixTime;
use git2::{Commit, Oid, Repository, Signature, Sort, Time};

use super::worktree::Worktree;
use super::{CommitId, GitError, remote};
use crate::failure::{Code, Failure, Outcome};

/// What the branch is made from.
#[derive(Debug, Clone, Copy)]
pub struct Ancestry {
    /// The branch's tip.
    pub head: Option<CommitId>,
    /// Upstream's tip.
    pub upstream: Option<CommitId>,
}

/// Whether the user's own commits may be replayed one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// They may.
    Commits,
    /// A held unit is among what they changed, so they become one commit without it.
    Squash,
}

/// Who commits, when, and what it says.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// The machine's id, for those who told Git no name.
    pub machine: &'a str,
    /// The moment.
    pub at: UnixTime,
    /// The text.
    pub text: String,
}

/// Makes the commits that end in `tree`, and returns the new tip. Moves no ref.
pub fn commit(
    worktree: &Worktree,
    ancestry: Ancestry,
    tree: Oid,
    replay: Replay,
    message: &Message<'_>,
) -> Outcome<CommitId> {
    let repository = worktree.store();
    let parent = parent(worktree, ancestry, replay)?;
    let Some((tip, extra)) = parent else {
        return Ok(CommitId(create(repository, tree, &[], message)?));
    };
    let same_tree = worktree.tree_of(tip)? == tree;
    if same_tree && extra.is_none() {
        return Ok(tip);
    }
    let parents: Vec<Oid> = [Some(tip), extra].into_iter().flatten().map(|id| id.0).collect();
    Ok(CommitId(create(repository, tree, &parents, message)?))
}

/// Returns the commit to build on, and a second parent where the user merged by hand.
fn parent(
    worktree: &Worktree,
    ancestry: Ancestry,
    replay: Replay,
) -> Outcome<Option<(CommitId, Option<CommitId>)>> {
    let (head, upstream) = match (ancestry.head, ancestry.upstream) {
        (None, None) => return Ok(None),
        (Some(tip), None) | (None, Some(tip)) => return Ok(Some((tip, None))),
        (Some(head), Some(upstream)) => (head, upstream),
    };
    if worktree.contains(head, upstream)? {
        return Ok(Some((head, None)));
    }
    if worktree.contains(upstream, head)? {
        return Ok(Some((upstream, None)));
    }
    if worktree.merge_base(head, upstream)?.is_none() {
        return Ok(Some((upstream, None)));
    }
    let local = local_commits(worktree.store(), head, upstream)?;
    if local.iter().any(|commit| commit.parent_count() > 1) {
        return Ok(Some((upstream, Some(head))));
    }
    match replay {
        Replay::Squash => Ok(Some((upstream, None))),
        Replay::Commits => {
            let tip = replayed(worktree.store(), &local, upstream)?;
            Ok(Some((tip.unwrap_or(upstream), None)))
        }
    }
}

/// Returns the commits that upstream does not have, the oldest first.
fn local_commits(
    repository: &Repository,
    head: CommitId,
    upstream: CommitId,
) -> Outcome<Vec<Commit<'_>>> {
    let failed = || GitError::on("list local commits");
    let mut walk = repository.revwalk().map_err(failed())?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE).map_err(failed())?;
    walk.push(head.0).and_then(|()| walk.hide(upstream.0)).map_err(failed())?;
    let commits: Result<Vec<_>, _> =
        walk.map(|id| id.and_then(|id| repository.find_commit(id))).collect();
    Ok(commits.map_err(failed())?)
}

/// Replays commits on upstream's tip, in the object store. None where one does not fit.
fn replayed(
    repository: &Repository,
    commits: &[Commit<'_>],
    upstream: CommitId,
) -> Outcome<Option<CommitId>> {
    let failed = || GitError::on("replay local commits");
    let mut tip = repository.find_commit(upstream.0).map_err(failed())?;
    for commit in commits {
        let mut index = repository.cherrypick_commit(commit, &tip, 0, None).map_err(failed())?;
        if index.has_conflicts() {
            return Ok(None);
        }
        let tree = index.write_tree_to(repository).map_err(failed())?;
        if tree == tip.tree_id() {
            continue;
        }
        let tree = repository.find_tree(tree).map_err(failed())?;
        let text = String::from_utf8_lossy(commit.message_bytes()).into_owned();
        let id = repository
            .commit(None, &commit.author(), &commit.committer(), &text, &tree, &[&tip])
            .map_err(failed())?;
        tip = repository.find_commit(id).map_err(failed())?;
    }
    Ok(Some(CommitId(tip.id())))
}

fn create(
    repository: &Repository,
    tree: Oid,
    parents: &[Oid],
    message: &Message<'_>,
) -> Result<Oid, GitError> {
    let failed = || GitError::on("commit");
    let signature = signature(repository, message).map_err(failed())?;
    let tree = repository.find_tree(tree).map_err(failed())?;
    let parents: Result<Vec<_>, _> = parents.iter().map(|id| repository.find_commit(*id)).collect();
    let parents = parents.map_err(failed())?;
    let parents: Vec<&Commit<'_>> = parents.iter().collect();
    repository
        .commit(None, &signature, &signature, &message.text, &tree, &parents)
        .map_err(failed())
}

/// The user's own name, or the machine's where Git was told none.
fn signature(
    repository: &Repository,
    message: &Message<'_>,
) -> Result<Signature<'static>, git2::Error> {
    let seconds = i64::try_from(message.at.seconds()).unwrap_or(0);
    let time = Time::new(seconds, 0);
    match repository.signature() {
        Ok(known) => Signature::new(
            known.name().unwrap_or(message.machine),
            known.email().unwrap_or(message.machine),
            &time,
        ),
        Err(_) => Signature::new(message.machine, message.machine, &time),
    }
}

/// Moves the branch, if it still is where it was seen.
pub fn advance(
    worktree: &Worktree,
    branch: &str,
    expecting: Option<CommitId>,
    to: CommitId,
) -> Outcome<()> {
    if expecting == Some(to) {
        return Ok(());
    }
    let name = format!("refs/heads/{branch}");
    let repository = worktree.store();
    let moved = match expecting {
        Some(old) => repository.reference_matching(&name, to.0, true, old.0, "cfgsync: sync"),
        None => repository.reference(&name, to.0, false, "cfgsync: sync"),
    };
    moved.map(drop).map_err(|error| match error.code() {
        git2::ErrorCode::Modified | git2::ErrorCode::Exists | git2::ErrorCode::Locked => {
            Failure::new(Code::Foreign, format!("{name} moved while cfgsync was at work"))
                .hint("Run `cfgsync sync` again.")
        }
        _ => GitError::on(format!("move {name}"))(error).into(),
    })
}

/// Shows upstream's commit under Git's own name for it, as `git fetch` would.
pub fn show_upstream(
    worktree: &Worktree,
    remote_name: &str,
    branch: &str,
    tip: CommitId,
) -> Outcome<()> {
    let name = format!("refs/remotes/{remote_name}/{branch}");
    let repository = worktree.store();
    if repository.refname_to_id(&name).is_ok_and(|known| known == tip.0) {
        return Ok(());
    }
    let moved = repository.reference(&name, tip.0, true, "cfgsync: fetch");
    Ok(moved.map(drop).map_err(remote::remote_error(remote_name))?)
}
