//! Makes the commits that a plan's tree becomes, and moves the branch to them.
//!
//! History stays one line: the user's own commits are replayed on upstream's tip, and whatever
//! they do not account for becomes one commit on top.

use std::collections::BTreeSet;
use std::path::Path;

use cfgsync_core::path::RepoPath;
use cfgsync_core::time::UnixTime;
use git2::{Commit, Index, ObjectType, Oid, Repository, Signature, Sort, Time, Tree as GitTree};

use super::refs::{self, From, Move};
use super::signing::{Signed, Signer};
use super::worktree::Worktree;
use super::{CommitId, GitError};
use crate::failure::{Code, Failure, Outcome};
use crate::fs::dir::os;
use crate::fs::group::Group;

/// Where tips are kept that the branch left behind when its commits were replayed or overruled.
const REPLACED: &str = "refs/cfgsync/replaced";

/// How many of them.
const MOST_REPLACED: usize = 100;

/// What the branch is made from.
#[derive(Debug, Clone, Copy)]
pub struct Ancestry {
    /// The branch's tip.
    pub head: Option<CommitId>,
    /// Upstream's tip.
    pub upstream: Option<CommitId>,
}

/// What becomes of the user's own commits that upstream does not have.
#[derive(Debug, Clone, Copy)]
pub enum Replay<'a> {
    /// They are replayed. Where one does not fit, the file is what the plan made of it.
    Commits {
        /// Files that wait for a person.
        held: &'a BTreeSet<RepoPath>,
        /// Files that a commit here holds in a version that must not be sent.
        tainted: &'a BTreeSet<RepoPath>,
    },
    /// They are left behind: one side won as a whole.
    None,
}

impl Replay<'_> {
    fn is_tainted(self) -> bool {
        matches!(self, Self::Commits { tainted, .. } if !tainted.is_empty())
    }
}

/// The commits a plan's tree became.
#[derive(Debug, Clone)]
pub struct Made {
    /// The new tip.
    pub tip: CommitId,
    /// Why there is no signature, where one is wanted and that was not said yet.
    pub refused: Option<String>,
    /// Commits of the user that lost their signature, because they were replayed.
    pub unsigned: usize,
}

/// Who commits, when, and what it says.
#[derive(Debug)]
pub struct Message<'a> {
    /// The machine's id, for those who told Git no name.
    pub machine: &'a str,
    /// The moment.
    pub at: UnixTime,
    /// The text.
    pub text: String,
    /// Who signs it; nobody where none is wanted.
    pub signer: Option<Signer>,
}

/// Makes the commits that end in `tree`, and returns the new tip. Moves no ref.
pub fn commit(
    worktree: &Worktree,
    ancestry: Ancestry,
    tree: Oid,
    replay: Replay<'_>,
    message: &Message<'_>,
) -> Outcome<Made> {
    let Some(Parent { tip, extra, unsigned }) = parent(worktree, ancestry, tree, replay)? else {
        let (tip, refused) = create(worktree, tree, &[], message)?;
        return Ok(Made { tip, refused, unsigned: 0 });
    };
    let same_tree = worktree.tree_of(tip)? == tree;
    if same_tree && extra.is_none() {
        return Ok(Made { tip, refused: None, unsigned });
    }
    let parents: Vec<Oid> = [Some(tip), extra].into_iter().flatten().map(|id| id.0).collect();
    let (tip, refused) = create(worktree, tree, &parents, message)?;
    Ok(Made { tip, refused, unsigned })
}

/// What a new commit stands on.
struct Parent {
    tip: CommitId,
    /// The branch as it was, where the user merged by hand.
    extra: Option<CommitId>,
    unsigned: usize,
}

fn parent(
    worktree: &Worktree,
    ancestry: Ancestry,
    tree: Oid,
    replay: Replay<'_>,
) -> Outcome<Option<Parent>> {
    let plain = |tip| Ok(Some(Parent { tip, extra: None, unsigned: 0 }));
    let (head, upstream) = match (ancestry.head, ancestry.upstream) {
        (None, None) => return Ok(None),
        // One commit of cfgsync's own takes the place of those that may not be sent.
        (Some(_), None) if replay.is_tainted() => return Ok(None),
        (Some(tip), None) | (None, Some(tip)) => return plain(tip),
        (Some(head), Some(upstream)) => (head, upstream),
    };
    let Replay::Commits { held, tainted } = replay else { return plain(upstream) };
    if worktree.contains(head, upstream)? && tainted.is_empty() {
        return plain(head);
    }
    if worktree.contains(upstream, head)? || worktree.merge_base(head, upstream)?.is_none() {
        return plain(upstream);
    }
    let local = local_commits(worktree.store(), head, upstream)?;
    if local.iter().any(|commit| commit.parent_count() > 1) {
        return Ok(Some(Parent { tip: upstream, extra: Some(head), unsigned: 0 }));
    }
    let is_signed = |commit: &&Commit<'_>| commit.header_field_bytes("gpgsig").is_ok();
    let unsigned = local.iter().filter(is_signed).count();
    let planned = held.union(tainted).cloned().collect();
    let tip = replayed(worktree.store(), &local, upstream, tree, &planned)?;
    Ok(Some(Parent { tip, extra: None, unsigned }))
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

/// Replays commits on upstream's tip, in the object store.
fn replayed(
    repository: &Repository,
    commits: &[Commit<'_>],
    upstream: CommitId,
    planned: Oid,
    held: &BTreeSet<RepoPath>,
) -> Outcome<CommitId> {
    let failed = || GitError::on("replay local commits");
    let planned = repository.find_tree(planned).map_err(failed())?;
    let mut tip = repository.find_commit(upstream.0).map_err(failed())?;
    for commit in commits {
        let mut index = repository.cherrypick_commit(commit, &tip, 0, None).map_err(failed())?;
        settle(&mut index, &planned, held).map_err(failed())?;
        let tree = index.write_tree_to(repository).map_err(failed())?;
        if tree == tip.tree_id() {
            continue;
        }
        let raw = rewritten(commit, tree, tip.id());
        let store = repository.odb().map_err(failed())?;
        let id = store.write(ObjectType::Commit, &raw).map_err(failed())?;
        tip = repository.find_commit(id).map_err(failed())?;
    }
    Ok(CommitId(tip.id()))
}

/// Returns a commit's bytes with another tree and parent; author, date, encoding and message are as
/// they were, to the byte. A signature would not hold any more.
fn rewritten(commit: &Commit<'_>, tree: Oid, parent: Oid) -> Vec<u8> {
    let mut raw = format!("tree {tree}\nparent {parent}\n").into_bytes();
    let mut is_kept = true;
    for line in commit.raw_header_bytes().split_inclusive(|byte| *byte == b'\n') {
        // A line that starts with a blank belongs to the one before it.
        if !line.starts_with(b" ") {
            let dropped: [&[u8]; 4] = [b"tree ", b"parent ", b"gpgsig ", b"gpgsig-sha256 "];
            is_kept = !dropped.iter().any(|start| line.starts_with(start));
        }
        if is_kept {
            raw.extend(line);
        }
    }
    raw.push(b'\n');
    raw.extend(commit.message_raw_bytes());
    raw
}

/// Takes the plan's version of each file that conflicts, waits, or must not be sent as it was: for one
/// that waits, upstream's.
fn settle(
    index: &mut Index,
    planned: &GitTree<'_>,
    held: &BTreeSet<RepoPath>,
) -> Result<(), git2::Error> {
    let mut settled: BTreeSet<Vec<u8>> = held.iter().map(|path| path.as_bytes().to_vec()).collect();
    if index.has_conflicts() {
        for conflict in index.conflicts()? {
            let conflict = conflict?;
            let sides = [conflict.ancestor, conflict.our, conflict.their];
            settled.extend(sides.into_iter().flatten().map(|entry| entry.path));
        }
    }
    settled.iter().try_for_each(|path| put(index, path, planned))
}

/// Makes a path in the index what it is in a tree.
fn put(index: &mut Index, path: &[u8], tree: &GitTree<'_>) -> Result<(), git2::Error> {
    let place = Path::new(os(path));
    index.remove_path(place)?;
    match tree.get_path(place) {
        Ok(entry) if entry.kind() != Some(ObjectType::Tree) => {
            let mode = entry.filemode_raw().unsigned_abs();
            index.add(&super::index::entry(path, entry.id(), mode))
        }
        _ => Ok(()),
    }
}

/// Makes one commit, signed where that is wanted and works; returns why it is not, the first time.
fn create(
    worktree: &Worktree,
    tree: Oid,
    parents: &[Oid],
    message: &Message<'_>,
) -> Outcome<(CommitId, Option<String>)> {
    let repository = worktree.store();
    let failed = || GitError::on("commit");
    let signature = signature(repository, message).map_err(failed())?;
    let mut refused = None;
    if let Some(signer) = &message.signer {
        match signer.commit(worktree, tree, parents, &signature, &message.text)? {
            Signed::Commit(commit) => return Ok((commit, None)),
            Signed::Refused(reason) => refused = Some(reason),
            Signed::Known => {}
        }
    }
    let tree = repository.find_tree(tree).map_err(failed())?;
    let parents: Result<Vec<_>, _> = parents.iter().map(|id| repository.find_commit(*id)).collect();
    let parents = parents.map_err(failed())?;
    let parents: Vec<&Commit<'_>> = parents.iter().collect();
    let made = repository.commit(None, &signature, &signature, &message.text, &tree, &parents);
    Ok((CommitId(made.map_err(failed())?), refused))
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

/// Returns Git's own name for a branch of a remote.
fn shown_as(remote_name: &str, branch: &str) -> String {
    format!("refs/remotes/{remote_name}/{branch}")
}

/// Returns true where Git's own name for upstream's branch stands for this commit, as after a push.
pub fn is_shown(worktree: &Worktree, remote_name: &str, branch: &str, tip: CommitId) -> bool {
    let known = worktree.store().refname_to_id(&shown_as(remote_name, branch));
    known.is_ok_and(|known| known == tip.0)
}

/// Moves the branch, if it still is where it was seen, and shows upstream's commit under Git's own name
/// for it, as `git fetch` would. What is in the group is durable before.
pub fn advance(
    worktree: &Worktree,
    (remote_name, branch): (Option<&str>, &str),
    [from, to]: [Option<CommitId>; 2],
    upstream: Option<CommitId>,
    group: Group,
) -> Outcome<()> {
    let to = to.filter(|_| from != to);
    let own =
        to.map(|to| Move { name: format!("refs/heads/{branch}"), from: From::Seen(from), to });
    let shown = remote_name.zip(upstream).and_then(|(remote_name, to)| {
        let name = shown_as(remote_name, branch);
        (!is_shown(worktree, remote_name, branch, to)).then_some(Move { name, from: From::Any, to })
    });
    let moves: Vec<Move> = own.into_iter().chain(shown).collect();
    refs::advance(worktree, &moves, group)
}

/// Remembers what upstream was pushed to, under cfgsync's own name for it and under Git's.
pub fn show_pushed(
    worktree: &Worktree,
    (remote_name, branch): (&str, &str),
    to: CommitId,
) -> Outcome<()> {
    let shown = Move { name: shown_as(remote_name, branch), from: From::Any, to };
    refs::advance(worktree, &[refs::upstream_at(to), shown], Group::default())
}

/// Keeps a tip that the branch leaves behind under a ref of cfgsync's own.
pub fn keep_replaced(worktree: &Worktree, tip: CommitId) -> Outcome<()> {
    let name = format!("{REPLACED}/{tip}");
    let failed = || GitError::on(format!("write {name}"));
    let store = worktree.store();
    store.reference(&name, tip.0, true, "cfgsync: replaced").map_err(failed())?;
    let refs = store.references_glob(&format!("{REPLACED}/*")).map_err(failed())?;
    let dated = |found: git2::Reference<'_>| {
        Some((found.peel_to_commit().ok()?.time().seconds(), found.name().ok()?.to_owned()))
    };
    let mut kept: Vec<(i64, String)> = refs.flatten().filter_map(dated).collect();
    kept.sort();
    let surplus = kept.len().saturating_sub(MOST_REPLACED);
    for (_, old) in kept.into_iter().filter(|(_, old)| *old != name).take(surplus) {
        store.find_reference(&old).and_then(|mut old| old.delete()).map_err(failed())?;
    }
    Ok(())
}

impl Worktree {
    /// Returns true for what may be the name of a branch.
    pub fn is_branch_name(name: &str) -> bool {
        git2::Branch::name_is_valid(name).unwrap_or(false)
    }

    /// Gives the branch another name, and makes it follow the remote's branch of that name.
    pub fn rename_branch(&self, from: &str, to: &str) -> Outcome<()> {
        let failed = || GitError::on(format!("rename the branch {from} to {to}"));
        let store = self.store();
        let head = store.find_branch(from, git2::BranchType::Local);
        if store.find_branch(to, git2::BranchType::Local).is_ok() {
            return Err(Failure::new(
                Code::Refused,
                format!("there is a branch {to} here already"),
            )
            .hint(format!("Check it out (`git checkout {to}`), then run setup again.")));
        }
        match head {
            Ok(mut branch) => drop(branch.rename(to, false).map_err(failed())?),
            // A branch without a commit has no ref yet.
            Err(_) => store.set_head(&format!("refs/heads/{to}")).map_err(failed())?,
        }
        let mut config = store.config().map_err(failed())?;
        let merge = config.set_str(&format!("branch.{to}.merge"), &format!("refs/heads/{to}"));
        self.forget_settings();
        Ok(merge.map_err(failed())?)
    }
}
