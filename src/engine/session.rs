//! One repository at work: its parts opened together, and the picture a plan is made from.

use cfgsync_core::agree::{Memories, agreed};
use cfgsync_core::linking::Ties;
use cfgsync_core::local::{self, Known, Memory, overlay, settle_modes};
use cfgsync_core::manifest::Manifest;
use cfgsync_core::observed::{Finding, Live, Local, Observation, OnDisk};
use cfgsync_core::path::RepoPath;
use cfgsync_core::policy::{Names, Policy};
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::{BlobId, Mode as FileMode, Version};
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::arrivals;
use crate::consent;
use crate::context::{Context, now};
use crate::failure::{Code, Failure, Outcome};
use crate::fs::displaced;
use crate::fs::writer::Writer;
use crate::git::filter::{Filters, Stores};
use crate::git::vault::{self, Vault};
use crate::git::worktree::Worktree;
use crate::git::{CommitId, TreeId, trees};
use crate::host;
use crate::lock::{Lock, Patience};
use crate::lockout::Asked;
use crate::merges;
use crate::observe::{Observer, Purpose, Scope};
use crate::recover::recover;
use crate::secrets::{self, gate::Gate};
use crate::settings::{OnlyHere, ReplacedLinks};

/// One repository at work.
pub struct Session<'a> {
    /// What surrounds it.
    pub context: &'a Context,
    /// The repository.
    pub worktree: Worktree,
    /// The vault.
    pub vault: Vault,
    /// The repository's filters.
    pub filters: Filters,
    /// What is known of secrets.
    pub gate: Gate,
    /// What readers of configuration said in this run.
    pub asked: Asked,
    /// Where desks are set up: a rehearsal leaves the state folder alone.
    pub scratch: PathBuf,
    /// The branch that is synced.
    pub branch: String,
    /// The remote that is synced with; none for a repository of this machine alone.
    pub remote: Option<String>,
}

/// Whether what is written to the vault stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It stays.
    Real,
    /// It is gone with the process: for looking only.
    Rehearsal,
}

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
    /// The blobs of Git's index.
    pub staged: BTreeMap<RepoPath, BlobId>,
}

impl<'a> Session<'a> {
    /// Opens the repository and its vault. For real, whoever calls this does not hold the lock: what
    /// is made the first time is made under it.
    pub fn open(context: &'a Context, mode: Mode) -> Outcome<Self> {
        let worktree = Worktree::open(&context.places.repo)?;
        let path = context.places.vault();
        let vault = match mode {
            Mode::Real if !context.settings.enabled => {
                return Err(Failure::new(Code::Refused, "cfgsync was taken off this machine")
                    .hint("`cfgsync setup` puts it back."));
            }
            Mode::Real => {
                crate::context::make_folders(&context.places)?;
                crate::identity::read_or_create(&context.places)?;
                let is_first = !path.exists();
                let making = || Lock::take(&context.places.lock(), Patience::Wait);
                let _lock = is_first.then(making).transpose()?;
                Vault::open(&path, context.now)?
            }
            Mode::Rehearsal => Vault::rehearse(&path, context.now)?,
        };
        let branch = match &context.settings.branch {
            Some(branch) => branch.clone(),
            None => worktree.branch()?.ok_or_else(|| {
                Failure::new(Code::Foreign, "HEAD is detached, so there is no branch to sync")
                    .hint("Check out the branch to sync, then run the command again.")
            })?,
        };
        let remote = worktree.remote_name(&branch)?;
        let scratch = match mode {
            Mode::Real => context.places.state.clone(),
            Mode::Rehearsal => std::env::temp_dir(),
        };
        let filters = Filters::open(&context.places.state, &scratch)?;
        let gate = Gate::new(&context.places.state, mode == Mode::Real);
        let asked = Asked::default();
        Ok(Self { context, worktree, vault, filters, gate, asked, scratch, branch, remote })
    }

    /// Takes the lock of a whole sync.
    pub fn turn(&self, patience: Patience) -> Outcome<Lock> {
        Lock::take(&self.context.places.running(), patience)
    }

    /// Takes the lock of everything local, and cleans up after a run that died.
    pub fn lock(&self) -> Outcome<Lock> {
        let places = &self.context.places;
        let lock = Lock::take(&places.lock(), Patience::Wait)?
            .and(&self.worktree.git_folder().join("cfgsync-lock"))?;
        recover(places, self.worktree.git_folder(), &self.branch)?;
        Ok(lock)
    }

    /// Returns where the two sides of filters are.
    pub fn stores(&self) -> Stores<'_> {
        Stores { worktree: &self.worktree, vault: &self.vault }
    }

    /// Returns the writer of this repository's files.
    pub fn writer(&self) -> Writer {
        let places = &self.context.places;
        let displaced = vec![places.displaced(), places.displaced_in_repo()];
        Writer::new(&places.repo, &places.home, displaced)
    }

    /// Returns an observer of this repository's files.
    pub fn observer(&self) -> Observer<'_> {
        self.observer_for(Purpose::Plan)
    }

    /// Returns an observer that looks for this purpose.
    pub fn observer_for(&self, purpose: Purpose) -> Observer<'_> {
        let Self { worktree, vault, filters, context, .. } = self;
        Observer::new(&context.places, worktree, vault, filters, context.now, purpose)
    }

    /// Returns what may happen, before any choice of a person.
    pub fn policy(&self) -> Outcome<Policy> {
        let copies = ReplacedLinks::read(&self.context.places)?.copies();
        Ok(Policy { copies, ..self.machine_policy()? })
    }

    /// Returns what follows from the machine alone, and from what was let in on it.
    pub fn machine_policy(&self) -> Outcome<Policy> {
        let folds = host::folds_names(self.worktree.git_folder());
        Ok(Policy {
            consented: consent::read(&self.context.places)?,
            kind: Some(self.context.machine.kind),
            names: if folds { Names::Folded } else { Names::Exact },
            ..Policy::default()
        })
    }

    /// Looks at everything, with upstream at this commit.
    pub fn picture(&self, observer: &Observer<'_>, upstream: Option<CommitId>) -> Outcome<Picture> {
        self.picture_with(observer, upstream, None)
    }

    /// Looks at everything as if these were the marks on disk.
    pub fn picture_with(
        &self,
        observer: &Observer<'_>,
        upstream: Option<CommitId>,
        marks: Option<&Manifest>,
    ) -> Outcome<Picture> {
        let memory = self.memory(upstream)?;
        let head = self.worktree.tip(&self.branch)?;
        let mut theirs = upstream.map(|tip| self.tree(tip)).transpose()?;
        if let (Some(theirs), Some(memory)) = (&mut theirs, &memory) {
            theirs.keep_lost_manifest(&memory.run.agreed);
        }
        let head_tree = head.map(|tip| self.tree(tip)).transpose()?.unwrap_or_default();
        let common = self.common(head, upstream)?;
        let last = memory.as_ref().map(|memory| &memory.run);
        let remembered = last.map(|last| &last.agreed);
        let trees: Vec<&Tree> =
            [remembered, theirs.as_ref(), Some(&head_tree)].into_iter().flatten().collect();
        let listed = listed(head.map(|_| &head_tree), remembered);
        let scope = Scope { instead: marks, ..Scope::of(&trees, Some(&listed)) };
        let mut local = observer.look(&scope)?;
        if head.is_none() && last.is_some() {
            // A branch without a commit, where there was more: the repository was made anew.
            local.lost = self.vault.last_state()?;
            local.lost.retain(|path, _| !local.stored.units.contains_key(path));
        }
        let empty = Tree::default();
        let marks = Manifest::merge(
            remembered.map_or(&empty.manifest, |tree| &tree.manifest),
            &local.stored.manifest,
            theirs.as_ref().or(remembered).map_or(&empty.manifest, |tree| &tree.manifest),
        );
        let seen = overlay(&local, &marks, remembered);
        let staged = self.worktree.staged()?;
        let memories =
            Memories { last, common: common.as_ref(), head: Some(&head_tree), index: &staged };
        let mut agreed = agreed(memories, &seen);
        forget_untied(&mut agreed, &local, remembered);
        let known = Known { agreed: &agreed, common: common.as_ref(), theirs: theirs.as_ref() };
        let policy = self.policy()?;
        let ties = Ties {
            after: &marks,
            before: Vec::new(),
            kind: self.context.machine.kind,
            copies: &policy.copies,
        };
        let (mut ours, twice) = local::ours(&local, seen.clone(), known, |path| ties.of(path));
        local.findings.extend(twice);
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

    /// Adds what both sides come to together, and what must not leave or arrive as it is.
    fn look_closer(&self, observation: &mut Observation) -> Outcome<()> {
        self.find_only_here(observation)?;
        merges::rehearse(self, observation)?;
        secrets::find(self, observation, &BTreeMap::new())?;
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

    /// Returns the tree where the branch and upstream part.
    fn common(&self, head: Option<CommitId>, upstream: Option<CommitId>) -> Outcome<Option<Tree>> {
        let base = match (head, upstream) {
            (Some(head), Some(upstream)) => self.worktree.merge_base(head, upstream)?,
            _ => None,
        };
        base.map(|base| self.tree(base)).transpose()
    }

    /// What was agreed with nobody is no memory once there is somebody.
    fn memory(&self, upstream: Option<CommitId>) -> Outcome<Option<vault::Memory>> {
        let memory = self.vault.memory()?;
        let mut memory = memory.filter(|memory| memory.upstream.is_some() || upstream.is_none());
        if let Some(memory) = &mut memory {
            memory.run.agreed.set_local_aside();
            memory.run.upstream.set_local_aside();
        }
        Ok(memory)
    }

    /// Returns a commit's tree, with all of its contents in the vault.
    pub fn tree(&self, commit: CommitId) -> Outcome<Tree> {
        let tree = self.worktree.tree_of(commit)?;
        self.vault.take(self.worktree.store(), tree)?;
        let mut tree = self.vault.read(tree)?;
        tree.set_local_aside();
        Ok(tree)
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

    /// Lets displaced files go that nobody has open any more.
    pub fn settle_displaced(&self) -> Outcome<()> {
        let places = &self.context.places;
        for folder in [places.displaced(), places.displaced_in_repo()] {
            displaced::settle(&folder, &self.vault, now())?;
        }
        Ok(())
    }

    /// Makes sure that everything on disk is in the vault, for good, before anything changes.
    pub fn snapshot(&self, picture: &Picture, reason: &str) -> Outcome<()> {
        let seen = self.vault.write(&picture.seen)?;
        let stored = self.vault.write(&picture.observation.local.stored)?;
        let staged = self.staged_alone(picture)?;
        let on_disk = self.on_disk(picture)?;
        let [live, copies] = on_disk;
        let beside = [(stored != seen).then_some(stored), staged, live, copies];
        let beside: Vec<TreeId> = beside.into_iter().flatten().collect();
        if self.vault.latest()? == Some((seen, beside.clone())) {
            return Ok(());
        }
        self.vault.snapshot(seen, &beside, reason)
    }

    /// Returns trees of what filters left on disk, which is nowhere else: home paths, stored copies.
    fn on_disk(&self, picture: &Picture) -> Outcome<[Option<TreeId>; 2]> {
        let filtered = &picture.observation.local.filtered;
        let tree = |side: fn(&OnDisk) -> Option<Version>| {
            let units = filtered.iter().filter_map(|(path, at)| Some((path.clone(), side(at)?)));
            let tree = Tree { units: units.collect(), ..Tree::default() };
            (!tree.units.is_empty()).then(|| self.vault.write(&tree)).transpose()
        };
        Ok([tree(|at| at.live)?, tree(|at| at.stored)?])
    }

    /// Returns a tree of what is staged and is neither on disk nor committed; it exists nowhere else.
    fn staged_alone(&self, picture: &Picture) -> Outcome<Option<TreeId>> {
        let blob = |tree: &Tree, path: &RepoPath| tree.units.get(path).map(|unit| unit.blob);
        let is_alone = |(path, staged): &(&RepoPath, &BlobId)| {
            [&picture.seen, &picture.head_tree, &picture.observation.local.stored]
                .into_iter()
                .all(|tree| blob(tree, path) != Some(**staged))
        };
        let mut alone = Tree::default();
        for (path, staged) in picture.staged.iter().filter(is_alone) {
            // Submodules and the manifest are no files of the user's making.
            if path.is_meta() || !self.worktree.has_blob(*staged) {
                continue;
            }
            self.vault.put(&trees::read_blob(self.worktree.store(), *staged)?)?;
            alone.units.insert(path.clone(), Version::file(FileMode::FILE, *staged));
        }
        if alone.units.is_empty() { Ok(None) } else { self.vault.write(&alone).map(Some) }
    }
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
        let was_tied = remembered.is_some_and(|tree| tree.units.contains_key(path));
        if matches!(live, Live::File(_)) && !was_tied {
            agreed.units.remove(path);
        }
    }
}
