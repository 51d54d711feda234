//! One repository at work: its parts opened together, and the picture a plan is made from.

use cfgsync_core::along::Along;
use cfgsync_core::observed::OnDisk;
use cfgsync_core::path::RepoPath;
use cfgsync_core::policy::{Names, Policy};
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::{BlobId, Mode as FileMode, Version};
use std::path::PathBuf;

use crate::consent;
use crate::context::{Context, now};
use crate::failure::{Code, Failure, Outcome};
use crate::fs::displaced;
use crate::fs::writer::Writer;
use crate::git::filter::{Filters, Stores};
use crate::git::vault::Vault;
use crate::git::worktree::Worktree;
use crate::git::{TreeId, trees};
use crate::host;
use crate::lock::{Lock, Patience};
use crate::lockout::Asked;
use crate::observe::{Observer, Purpose};
use crate::picture::Picture;
use crate::recover::{recover, recover_shared};
use crate::secrets::gate::Gate;
use crate::settings::ReplacedLinks;

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

    /// Takes the lock of everything local, and cleans up after a run that died. What this run knew before
    /// it stands if nobody else had the lock meanwhile; else it is asked anew.
    pub fn lock(&self) -> Outcome<Lock> {
        let places = &self.context.places;
        let lock = Lock::take(&places.lock(), Patience::Wait)?
            .and(&self.worktree.git_folder().join("cfgsync-lock"))?;
        self.worktree.forget_settings();
        if lock.is_unbroken() {
            recover_shared(places, self.worktree.git_folder())?;
        } else {
            self.vault.forget_refs();
            recover(places, self.worktree.git_folder(), &self.branch)?;
        }
        Ok(lock)
    }

    /// Returns the name of the filter that must see a file's bytes.
    pub fn filter_name(&self, path: &RepoPath) -> Outcome<Option<String>> {
        self.worktree.filter_name(path, &self.scratch)
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
        let places = &context.places;
        Observer::new(places, worktree, vault, filters, context.now, purpose).showing(context.ui)
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
            (!tree.units.is_empty()).then(|| self.vault.write_apart(&tree)).transpose()
        };
        Ok([tree(|at| at.live)?, tree(|at| at.stored)?])
    }

    /// Returns a tree of what is staged and is neither on disk nor committed; it exists nowhere else.
    fn staged_alone(&self, picture: &Picture) -> Outcome<Option<TreeId>> {
        let trees = [&picture.seen, &picture.head_tree, &picture.observation.local.stored];
        let mut trees = trees.map(|tree| Along::new(&tree.units));
        let is_alone = |(path, staged): &(&RepoPath, &BlobId)| {
            let blobs = trees.each_mut().map(|tree| tree.at(path).map(|unit| unit.blob));
            blobs.iter().all(|blob| *blob != Some(**staged))
        };
        let mut alone = Tree::default();
        for (path, staged) in picture.staged(&self.worktree)?.iter().filter(is_alone) {
            // Submodules and the manifest are no files of the user's making.
            if path.is_meta() || !self.worktree.has_blob(*staged) {
                continue;
            }
            self.vault.put(&trees::read_blob(self.worktree.store(), *staged)?)?;
            alone.units.insert(path.clone(), Version::file(FileMode::FILE, *staged));
        }
        if alone.units.is_empty() { Ok(None) } else { self.vault.write_apart(&alone).map(Some) }
    }
}
