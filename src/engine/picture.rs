//! The picture a plan is made from: this machine's files, the branch, upstream, and what was agreed.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use cfgsync_core::agree::{LastRun, Memories, agreed, asks_index};
use cfgsync_core::linking::Ties;
use cfgsync_core::local::{self, Known, Memory, overlay, settle_modes};
use cfgsync_core::manifest::Manifest;
use cfgsync_core::observed::{Finding, Live, Local, Observation};
use cfgsync_core::path::RepoPath;
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::BlobId;

use crate::arrivals;
use crate::failure::Outcome;
use crate::fs::dir::os;
use crate::git::worktree::Worktree;
use crate::git::{CommitId, trees, vault};
use crate::loosening;
use crate::merges;
use crate::observe::{Observer, Scope};
use crate::secrets;
use crate::session::Session;
use crate::settings::OnlyHere;

/// What a plan is made from, and what came with it.
pub struct Picture {
    /// The observation.
    pub observation: Observation,
    /// What people see on this machine.
    pub seen: Tree,
    /// The branch's tip.
    pub head: Option<CommitId>,
    /// The branch's tree.
    pub head_tree: Tree,
    /// Upstream's tip.
    pub upstream: Option<CommitId>,
    staged: OnceCell<Staged>,
}

/// The blobs of Git's index.
pub type Staged = BTreeMap<RepoPath, BlobId>;

impl Picture {
    /// Returns the blobs of Git's index as they are when that is first asked: most often nobody does, and
    /// of many files it takes long to read.
    pub fn staged(&self, worktree: &Worktree) -> Outcome<&Staged> {
        if let Some(known) = self.staged.get() {
            return Ok(known);
        }
        let staged = worktree.staged()?;
        Ok(self.staged.get_or_init(|| staged))
    }
}

/// How this machine's files are looked at.
enum View<'a> {
    /// All of them.
    Whole,
    /// All of them, as if these were the marks on disk.
    As(&'a Manifest),
    /// As this run saw them, but for what it touched since.
    Again { local: Box<Local>, touched: &'a BTreeSet<RepoPath> },
}

impl View<'_> {
    /// Looks, and names what is seen as the tree that is remembered does.
    fn look(
        self,
        observer: &Observer<'_>,
        scope: Scope<'_>,
        remembered: Option<&Tree>,
    ) -> Outcome<Local> {
        let mut local = match self {
            Self::Whole => observer.look(&scope)?,
            Self::As(marks) => observer.look(&Scope { instead: Some(marks), ..scope })?,
            Self::Again { local, touched } => match observer.look_again(&scope, *local, touched)? {
                Some(local) => local,
                None => observer.look(&scope)?,
            },
        };
        remembered.into_iter().for_each(|tree| local.stored.share_with(tree));
        Ok(local)
    }
}

impl Session<'_> {
    /// Looks at everything, with upstream at this commit.
    pub fn picture(&self, observer: &Observer<'_>, upstream: Option<CommitId>) -> Outcome<Picture> {
        self.picture_of(observer, upstream, View::Whole)
    }

    /// Looks at everything as if these were the marks on disk.
    pub fn picture_with(
        &self,
        observer: &Observer<'_>,
        upstream: Option<CommitId>,
        marks: &Manifest,
    ) -> Outcome<Picture> {
        self.picture_of(observer, upstream, View::As(marks))
    }

    /// Returns the picture with upstream at this commit, where this run saw `local` and since then
    /// touched nothing but these units.
    pub fn picture_again(
        &self,
        observer: &Observer<'_>,
        upstream: Option<CommitId>,
        local: Local,
        touched: &BTreeSet<RepoPath>,
    ) -> Outcome<Picture> {
        self.picture_of(observer, upstream, View::Again { local: Box::new(local), touched })
    }

    fn picture_of(
        &self,
        observer: &Observer<'_>,
        upstream: Option<CommitId>,
        view: View<'_>,
    ) -> Outcome<Picture> {
        let memory = self.memory(upstream)?;
        let head = self.worktree.tip(&self.branch)?;
        let tree =
            |tip| self.tree_with_modes(tip, memory.as_ref().map(|memory| &memory.run.agreed));
        let mut theirs = upstream.map(tree).transpose()?;
        let head_tree = head.map(tree).transpose()?.unwrap_or_default();
        let common = self.common(head, upstream)?.map(tree).transpose()?;
        let last = memory.as_ref().map(|memory| &memory.run);
        if let (Some(theirs), Some(last)) = (&mut theirs, last) {
            theirs.keep_lost_manifest(&last.agreed);
        }
        let remembered = last.map(|last| &last.agreed);
        let trees: Vec<&Tree> =
            [remembered, theirs.as_ref(), Some(&head_tree)].into_iter().flatten().collect();
        let listed = listed(head.map(|_| &head_tree), remembered);
        let scope = Scope::of(&trees, Some(&listed));
        let mut local = view.look(observer, scope, remembered)?;
        if head.is_none() && last.is_some() {
            self.find_lost(&mut local)?;
        }
        let marks = marks(&local, remembered, theirs.as_ref());
        let seen = overlay(&local, &marks, remembered);
        let (common, upstream_tree) = (common.as_ref(), theirs.as_ref());
        let staged = self.staged_for(last, common)?;
        let memories = Memories { last, common, head: Some(&head_tree), index: staged.get() };
        let mut agreed = agreed(memories, &seen);
        forget_untied(&mut agreed, &local, remembered);
        let known = Known { agreed: &agreed, remembered, common, theirs: upstream_tree };
        let policy = self.policy()?;
        let ties = Ties {
            after: &marks,
            before: Vec::new(),
            kind: self.context.machine.kind,
            copies: &policy.copies,
        };
        let (mut ours, twice) = local::ours(&local, seen.clone(), known, |path| ties.of(path));
        local.findings.extend(twice);
        let contested = self.find_ignored(&mut ours, &mut local, known, &head_tree)?;
        if !contested.is_empty() {
            agreed.units.retain(|path, _| !contested.contains(path));
        }
        let kind = last.map_or(Memory::None, |_| Memory::OfLastRun);
        settle_modes(&mut ours, &agreed, &local.replaced, kind);
        ours.opaque.clone_from(&head_tree.opaque);
        let mut observation = Observation {
            last: last.cloned(),
            agreed: Tree::default(),
            local,
            ours,
            theirs,
            ..Observation::default()
        };
        if let Some(tip) = upstream {
            self.adopt_stale_copies(&observation, &mut agreed, tip)?;
        }
        observation.agreed = agreed;
        self.look_closer(&mut observation)?;
        Ok(Picture { observation, seen, head, head_tree, upstream, staged })
    }

    /// Returns the blobs of Git's index where they decide about what is agreed.
    fn staged_for(
        &self,
        last: Option<&LastRun>,
        common: Option<&Tree>,
    ) -> Outcome<OnceCell<Staged>> {
        let is_asked = asks_index(last, common);
        Ok(if is_asked { self.worktree.staged()?.into() } else { OnceCell::new() })
    }

    /// Adds what both sides come to together, and what must not leave or arrive as it is.
    fn look_closer(&self, observation: &mut Observation) -> Outcome<()> {
        self.find_only_here(observation)?;
        merges::rehearse(self, observation)?;
        secrets::find(self, observation, &BTreeMap::new())?;
        loosening::find(self, observation)?;
        arrivals::find(self, observation)
    }

    /// Finds what was restored for this machine only, unless upstream has it too by now.
    pub fn find_only_here(&self, observation: &mut Observation) -> Outcome<()> {
        let only_here = OnlyHere::read(&self.context.places)?;
        let waits = only_here.waiting(&observation.ours.units).filter(|path| {
            let sides = observation.sides(path);
            sides.ours != sides.theirs
        });
        let waits: Vec<_> = waits.map(|path| (path.clone(), Finding::OnlyHere)).collect();
        observation.local.findings.extend(waits);
        Ok(())
    }

    /// Finds what ignore rules keep here although upstream has, or just had, a file of its name: whoever
    /// knows the name must not get at the bytes by that. Returns what upstream has: nobody agreed on it.
    fn find_ignored(
        &self,
        ours: &mut Tree,
        local: &mut Local,
        known: Known<'_>,
        head: &Tree,
    ) -> Outcome<BTreeSet<RepoPath>> {
        let mut contested = BTreeSet::new();
        let unshared: Vec<RepoPath> = local::unshared(ours, local, known, head).cloned().collect();
        for path in unshared {
            let marks = &local.stored.manifest;
            if !self.worktree.is_ignored(&path)? && !self.is_of_a_repository(&path, marks) {
                continue;
            }
            if known.theirs.is_some_and(|theirs| theirs.units.contains_key(&path)) {
                local.findings.insert(path.clone(), Finding::Ignored);
                contested.insert(path);
                continue;
            }
            ours.units.remove(&path);
            local.stored.units.remove(&path);
            local.live.remove(&path);
            local.ignored.insert(path);
        }
        Ok(contested)
    }

    /// Returns true for what lies in a repository of its own, here or in a marked folder.
    fn is_of_a_repository(&self, path: &RepoPath, marks: &Manifest) -> bool {
        let places = &self.context.places;
        path.ancestors().any(|folder| {
            let live = folder.home().filter(|home| {
                let top = marks.covering(home).map(|(top, _)| top);
                top.is_some_and(|top| top != home)
            });
            let live = live.map(|home| places.home.join(os(home.as_bytes())));
            let stored = places.repo.join(os(folder.as_bytes()));
            [Some(stored), live].into_iter().flatten().any(|place| place.join(".git").exists())
        })
    }

    /// A branch without a commit, where there was more: the repository was made anew.
    fn find_lost(&self, local: &mut Local) -> Outcome<()> {
        local.lost = self.vault.last_state()?;
        local.lost.retain(|path, _| !local.stored.units.contains_key(path));
        Ok(())
    }

    /// Returns the commit where the branch and upstream part.
    fn common(
        &self,
        head: Option<CommitId>,
        upstream: Option<CommitId>,
    ) -> Outcome<Option<CommitId>> {
        match (head, upstream) {
            (Some(head), Some(upstream)) => self.worktree.merge_base(head, upstream),
            _ => Ok(None),
        }
    }

    /// Returns a commit's tree, with the modes that were agreed on last where the commit lost the list.
    fn tree_with_modes(&self, commit: CommitId, agreed: Option<&Tree>) -> Outcome<Tree> {
        let mut tree = self.tree(commit)?;
        if let Some(agreed) = agreed
            && !self.worktree.lists_modes(commit)?
        {
            tree.keep_lost_modes(agreed);
        }
        Ok(tree)
    }

    /// What was agreed with nobody is no memory once there is somebody.
    fn memory(&self, upstream: Option<CommitId>) -> Outcome<Option<vault::Memory>> {
        let memory = self.vault.memory()?;
        Ok(memory.filter(|memory| memory.upstream.is_some() || upstream.is_none()))
    }

    /// Returns a commit's tree, with all of its contents in the vault.
    pub fn tree(&self, commit: CommitId) -> Outcome<Tree> {
        let tree = self.worktree.tree_of(commit)?;
        self.vault.take(self.worktree.store(), tree)?;
        self.vault.read_shared(tree)
    }

    /// A file that stood at a marked path before it was ever linked, and that is an old version of
    /// what is shared, is simply out of date.
    fn adopt_stale_copies(
        &self,
        observation: &Observation,
        agreed: &mut Tree,
        tip: CommitId,
    ) -> Outcome<()> {
        for (path, live) in &observation.local.live {
            let (Live::File(live), None) = (live, agreed.units.get(path)) else { continue };
            let Some(theirs) = observation.upstream().units.get(path) else { continue };
            let is_same = live.blob == theirs.blob;
            if !is_same && self.worktree.had_version(tip, path, trees::oid(live.blob))? {
                agreed.units.insert(path.clone(), *live);
            }
        }
        Ok(())
    }
}

/// Returns the marks that both sides come to.
fn marks(local: &Local, remembered: Option<&Tree>, theirs: Option<&Tree>) -> Manifest {
    let of = |tree: Option<&Tree>| tree.map(|tree| tree.manifest.clone()).unwrap_or_default();
    Manifest::merge(&of(remembered), &local.stored.manifest, &of(theirs.or(remembered)))
}

/// Returns the marks for when the manifest is missing on disk: those of the branch. A pull by hand
/// may have brought that nothing is marked any more; a list that was merely lost unmarks nothing.
fn listed(head: Option<&Tree>, remembered: Option<&Tree>) -> Manifest {
    let Some(mut head) = head.cloned() else {
        return remembered.map(|tree| tree.manifest.clone()).unwrap_or_default();
    };
    if let Some(remembered) = remembered {
        head.keep_lost_manifest(remembered);
    }
    head.manifest
}

/// A file that stands where this machine never tied one was never agreed on, whatever a clone or a
/// pull by hand brought beside it.
fn forget_untied(agreed: &mut Tree, local: &Local, remembered: Option<&Tree>) {
    for (path, live) in &local.live {
        let was_tied = || remembered.is_some_and(|tree| tree.units.contains_key(path));
        if matches!(live, Live::File(_)) && !was_tied() && agreed.units.contains_key(path) {
            agreed.units.remove(path);
        }
    }
}
