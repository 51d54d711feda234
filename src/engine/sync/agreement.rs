//! What both sides agree on: written before anything is done, so that the disk is not waited for again, and
//! remembered once it is.

use std::collections::BTreeMap;

use cfgsync_core::path::RepoPath;
use cfgsync_core::plan::Plan;
use cfgsync_core::tree::Tree;

use super::Sync;
use super::round::Round;
use crate::failure::Outcome;
use crate::fs::group::Group;
use crate::git::{CommitId, TreeId, branch, refs};
use crate::picture::Picture;
use crate::recover::Note;
use crate::session::Session;

/// What a state is kept for that a sync left.
pub(super) const AFTER: &str = "after a sync";

/// What a plan comes to, as Git trees in the vault.
#[derive(Clone, Copy)]
pub(super) struct Trees {
    /// What the branch is to hold.
    pub planned: TreeId,
    /// What is agreed once the plan is done.
    pub received: TreeId,
    /// What is agreed once the branch is pushed.
    pub shared: TreeId,
    /// What upstream holds; none without one.
    pub theirs: Option<TreeId>,
    /// The commit that says what is agreed once the plan is done.
    pub agreement: Option<CommitId>,
    /// Whether the plan leaves on disk what the branch is to hold, and something else than before.
    pub is_live: bool,
}

impl Sync<'_> {
    /// Writes what the plan comes to; what will be kept of it becomes durable with what waits.
    pub(super) fn foresee(&self, picture: &Picture, plan: &Plan) -> Outcome<Trees> {
        let vault = &self.session.vault;
        let [planned, received, shared] =
            [&plan.tree, &plan.received, &plan.shared].map(|tree| vault.write(tree));
        let (planned, received, shared) = (planned?, received?, shared?);
        let theirs =
            picture.upstream.map(|_| vault.write(picture.observation.upstream())).transpose()?;
        let agreement = match theirs {
            Some(theirs) => vault.foresee_agreement(received, theirs, picture.upstream)?,
            None => vault.foresee_agreement(shared, shared, None)?,
        };
        let is_plain = vault.latest()?.is_some_and(|(seen, beside)| {
            seen != planned && beside.is_empty() && plan.held.is_empty()
        });
        let is_live = is_plain && !plan.steps.is_empty();
        if is_live {
            vault.foresee_snapshot(planned, AFTER)?;
        }
        Ok(Trees { planned, received, shared, theirs, agreement, is_live })
    }

    /// Remembers what is agreed now, and returns what will be once the branch is pushed. Units that
    /// could not be done stay as they were agreed before, their marks included.
    pub(super) fn agree(
        &self,
        picture: &Picture,
        plan: &Plan,
        trees: Trees,
        failed: &BTreeMap<RepoPath, String>,
    ) -> Outcome<TreeId> {
        let session = self.session;
        let before = &picture.observation.agreed;
        let without_failed = |tree: &Tree| {
            let mut tree = tree.clone();
            for path in failed.keys() {
                match before.units.get(path) {
                    Some(version) => tree.units.insert(path.clone(), *version),
                    None => tree.units.remove(path),
                };
                let mark = path.home().and_then(|home| {
                    before.manifest.covering(&home).map(|(path, mark)| (path.clone(), mark.clone()))
                });
                if let Some((path, mark)) = mark {
                    tree.manifest.marks.entry(path).or_insert(mark);
                }
            }
            session.vault.write(&tree)
        };
        let (received, shared) = if failed.is_empty() {
            (trees.received, trees.shared)
        } else {
            (without_failed(&plan.received)?, without_failed(&plan.shared)?)
        };
        session.vault.gather();
        // What came in is live from now on, so it can be brought back even when the next edit comes before
        // the next look.
        if trees.is_live {
            session.vault.snapshot(trees.planned, &[], AFTER)?;
        }
        match trees.theirs {
            Some(theirs) => session.vault.agree(received, theirs, picture.upstream)?,
            None => session.vault.agree(shared, shared, None)?,
        }
        session.vault.make_durable()?;
        Ok(shared)
    }

    /// Remembers that upstream has the branch's tip.
    pub fn agree_on(&self, round: &Round, tip: CommitId) -> Outcome<()> {
        let note = Note::leave(&self.session.context.places)?;
        let Session { worktree, vault, branch, remote, .. } = self.session;
        vault.gather();
        vault.agree(round.shared, round.tree, Some(tip))?;
        let is_known = worktree.upstream()? == Some(tip);
        let moves: Vec<_> = (!is_known).then(|| refs::upstream_at(tip)).into_iter().collect();
        // Upstream's ref first: an agreement beyond it would look as if the remote had been rolled back.
        let locked = refs::lock(worktree, &moves, &mut vault.beside());
        let locked = locked.inspect_err(|_| vault.let_go())?;
        vault.make_durable()?;
        locked.log(worktree);
        let is_shown = |name: &String| branch::is_shown(worktree, name, branch, tip);
        if !remote.as_ref().is_none_or(is_shown) {
            let mut group = Group::default();
            note.names(&[tip], &mut group)?;
            group.publish()?;
            self.move_refs([None; 2], Some(tip), Group::default())?;
        }
        note.withdraw()
    }
}
