//! What the branch becomes: its commit and the index are made with everything that is secured, and get their
//! places when the files have theirs.

use std::collections::BTreeSet;

use cfgsync_core::path::RepoPath;
use cfgsync_core::plan::Plan;
use cfgsync_core::policy::Winner;
use cfgsync_core::tree::Tree;

use super::Sync;
use super::agreement::Trees;
use super::words::message;
use crate::context::Context;
use crate::failure::{Code, Failure, Outcome};
use crate::fs::group::Group;
use crate::git::CommitId;
use crate::git::branch::{self, Ancestry, Made, Message, Replay};
use crate::git::index::{self, Draft, Installed, Move};
use crate::git::signing::{Signer, author};
use crate::picture::Picture;
use crate::recover::{Note, index_draft};
use crate::session::Session;

/// How often a new index is made again because another Git wrote one meanwhile.
const TRIES: u32 = 5;

/// What the branch is made of.
#[derive(Clone, Copy)]
pub(super) struct Planned<'a> {
    pub picture: &'a Picture,
    pub plan: &'a Plan,
    /// Paths at which commits of this machine hold what must not be sent.
    pub tainted: &'a BTreeSet<RepoPath>,
}

/// What the branch and the index move to once the files are there.
pub(super) struct Coming {
    made: Made,
    /// None where the index is right already.
    index: Option<Draft>,
}

impl Planned<'_> {
    /// Returns where the index moves.
    fn turn(&self) -> Move<'_> {
        let Self { picture, plan, .. } = self;
        Move { from: &picture.head_tree, to: &plan.tree, ours: &picture.observation.local.stored }
    }

    /// Returns true where the branch stays where it is.
    fn is_at(&self, tip: CommitId) -> bool {
        self.picture.head == Some(tip)
    }
}

impl Sync<'_> {
    /// Makes the commits and the index that the branch is to have, durable with what waits; none where there
    /// is nothing to commit. Moves no ref.
    pub(super) fn prepare(
        &self,
        planned: Planned<'_>,
        trees: Trees,
        note: &Note,
    ) -> Outcome<Option<Coming>> {
        let Planned { picture, plan, tainted } = planned;
        let Session { worktree, vault, context, .. } = self.session;
        if picture.head.is_none() && picture.upstream.is_none() && plan.tree == Tree::default() {
            return Ok(None);
        }
        vault.give(worktree.objects(), trees.planned)?;
        let ancestry = Ancestry { head: picture.head, upstream: picture.upstream };
        // A force push on top of upstream needs no commit of the user left behind.
        let is_on_top = match (picture.head, picture.upstream) {
            (Some(head), Some(upstream)) => worktree.contains(head, upstream)?,
            _ => true,
        };
        let replay = match self.wishes.winner {
            Some(Winner::Ours) if is_on_top => Replay::Commits { held: &plan.waiting, tainted },
            Some(Winner::Ours | Winner::Theirs) => Replay::None,
            None => Replay::Commits { held: &plan.waiting, tainted },
        };
        let text = message(&context.machine.id, &plan.changes);
        let Context { places, machine, now, .. } = context;
        let signer = Signer::of(worktree, &places.state, context.manners());
        let message = Message { machine: &machine.id, at: *now, text, signer };
        let made = branch::commit(worktree, ancestry, trees.planned, replay, &message)?;
        let tip = made.tip;
        if planned.is_at(tip) {
            return Ok(Some(Coming { made, index: None }));
        }
        if self.session.remote.is_some() && picture.upstream != Some(tip) {
            vault.foresee(trees.shared, trees.planned, Some(tip), trees.agreement)?;
        }
        let mut group = vault.beside();
        worktree.objects().keep_with(&[tip.0], &mut group)?;
        let named = [Some(tip), picture.upstream];
        note.names(&named.into_iter().flatten().collect::<Vec<_>>(), &mut group)?;
        let index = index::draft(worktree, &index_draft(places), planned.turn(), &mut group)?;
        Ok(Some(Coming { made, index }))
    }

    /// Makes the commits again where configuration arrived with the files by which they are made otherwise.
    pub(super) fn prepare_again(
        &self,
        planned: Planned<'_>,
        (trees, coming): (Trees, Option<Coming>),
        note: &Note,
    ) -> Outcome<Option<Coming>> {
        let Session { worktree, vault, .. } = self.session;
        let before = author(worktree);
        worktree.forget_settings();
        if coming.is_none() || author(worktree) == before {
            return Ok(coming);
        }
        drop(coming);
        let again = self.prepare(planned, trees, note)?;
        vault.make_durable()?;
        Ok(again)
    }

    /// Index, then branch: the other way round, a crash in between would publish upstream's change
    /// reversed.
    pub(super) fn advance(&self, planned: Planned<'_>, coming: Coming) -> Outcome<Made> {
        let Coming { made, index } = coming;
        let Picture { head, upstream, .. } = *planned.picture;
        let worktree = &self.session.worktree;
        if planned.is_at(made.tip) {
            return Ok(made);
        }
        if let Some(head) = head
            && !worktree.contains(made.tip, head)?
        {
            branch::keep_replaced(worktree, head)?;
        }
        let mut group = Group::default();
        if let Some(remote) = &self.remote
            && upstream != Some(made.tip)
        {
            remote.foresee_push(made.tip, &mut group)?;
        }
        let installed = index.map(|draft| self.install(draft, planned, &mut group)).transpose()?;
        self.move_refs([head, Some(made.tip)], upstream, group)?;
        installed.flatten().map_or(Ok(()), Draft::let_go)?;
        Ok(made)
    }

    /// Gives the index its place, made again where another Git wrote one meanwhile; none where that one
    /// is right already.
    fn install(
        &self,
        mut draft: Draft,
        planned: Planned<'_>,
        group: &mut Group,
    ) -> Outcome<Option<Draft>> {
        let Session { worktree, context, .. } = self.session;
        for _ in 0..TRIES {
            if draft.install(group)? == Installed::Yes {
                return Ok(Some(draft));
            }
            drop(draft);
            let mut alone = Group::default();
            let place = index_draft(&context.places);
            match index::draft(worktree, &place, planned.turn(), &mut alone)? {
                None => return Ok(None),
                Some(again) => draft = again,
            }
            alone.publish()?;
        }
        Err(Failure::new(Code::Foreign, "another git keeps writing the index")
            .hint("Run `cfgsync sync` again when it is done."))
    }

    /// Moves the branch, and Git's own name for upstream's.
    pub(super) fn move_refs(
        &self,
        turn: [Option<CommitId>; 2],
        upstream: Option<CommitId>,
        group: Group,
    ) -> Outcome<()> {
        let Session { worktree, branch, remote, .. } = self.session;
        branch::advance(worktree, (remote.as_deref(), branch), turn, upstream, group)
    }
}
