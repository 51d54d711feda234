//! Acts: takes the steps of a plan, one by one. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cfgsync_core::observed::{Local, OnDisk};
use cfgsync_core::path::{HomePath, RepoPath};
use cfgsync_core::steps::{Expected, Place, Step};
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::{Kind, Version};

use crate::failure::{Failure, Outcome};
use crate::fs::dir::{Dir, os};
use crate::fs::exchange::Entry;
use crate::fs::look::{Found, look};
use crate::fs::writer::{Applied, Fresh, Writer};
use crate::fs::{FsError, plain};
use crate::git::filter::Stores;
use crate::observe::live::is_ours;
use crate::sabotage::{self, Break};
use crate::session::Session;

/// What became of the steps.
#[derive(Debug, Default)]
pub struct Execution {
    /// Units that were not what the plan expected; a new plan is due.
    pub stale: BTreeSet<RepoPath>,
    /// Units that could not be done, and why.
    pub failed: BTreeMap<RepoPath, String>,
    /// What could not be kept of a file that was replaced.
    pub warnings: Vec<String>,
}

impl Execution {
    /// Returns every unit that is not as the plan wanted it, and why.
    pub fn undone(&self) -> BTreeMap<RepoPath, String> {
        let stale = self.stale.iter().map(|path| (path, "it changed meanwhile"));
        let failed = self.failed.iter().map(|(path, cause)| (path, cause.as_str()));
        stale.chain(failed).map(|(path, cause)| (path.clone(), cause.to_owned())).collect()
    }
}

/// Takes the steps. A unit whose step fails gets no further ones; all others go on.
pub fn execute(session: &Session<'_>, steps: &[Step], tree: &Tree, local: &Local) -> Execution {
    let executor = Executor { session, writer: session.writer(), tree, local };
    let mut execution = Execution::default();
    for step in in_order(steps) {
        let unit = step.unit();
        if execution.stale.contains(&unit) || execution.failed.contains_key(&unit) {
            continue;
        }
        match executor.on_disk(step).and_then(|step| executor.take(&step)) {
            Ok(Applied::Done) => {}
            Ok(Applied::Stale) => {
                execution.stale.insert(unit);
            }
            Err(failure) => {
                execution.failed.insert(unit, failure.cause);
            }
        }
    }
    if let Err(failure) = session.filters.remember() {
        execution.warnings.push(failure.cause);
    }
    execution.warnings.extend(executor.writer.take_warnings());
    execution
}

/// Returns the steps in the order of the plan.
fn in_order(steps: &[Step]) -> Vec<&Step> {
    let mut steps: Vec<&Step> = steps.iter().collect();
    if sabotage::is(Break::RemovalsFirst) {
        steps.sort_by_key(|step| !matches!(step, Step::Remove { place: Place::Repo(_), .. }));
    }
    steps
}

struct Executor<'a> {
    session: &'a Session<'a>,
    writer: Writer,
    tree: &'a Tree,
    local: &'a Local,
}

impl Executor<'_> {
    /// Returns the step as the disk has it: a plan speaks of what Git stores, and where a filter
    /// covers a file, something else lies there.
    fn on_disk(&self, step: &Step) -> Outcome<Step> {
        let unit = step.unit();
        let at = self.local.filtered.get(&unit).copied();
        if at.is_none() && self.session.filter_name(&unit)?.is_none() {
            return Ok(step.clone());
        }
        let OnDisk { stored, live } = at.unwrap_or_default();
        let fresh = |version: Version| self.smudged(&unit, version);
        let found = |expecting, there: Option<Version>| match (expecting, there) {
            (Expected::Version(_), Some(there)) => Expected::Version(there),
            _ => expecting,
        };
        Ok(match step.clone() {
            Step::KeepOriginal { home, version } => {
                Step::KeepOriginal { home, version: live.unwrap_or(version) }
            }
            Step::Write { place, expecting, version } => {
                let there = if matches!(place, Place::Repo(_)) { stored } else { live };
                Step::Write { place, expecting: found(expecting, there), version: fresh(version)? }
            }
            Step::Adopt { home, expecting, version } => {
                let version = live.unwrap_or(version);
                Step::Adopt { home, expecting: found(expecting, stored), version }
            }
            Step::GiveBack { home, version } => Step::GiveBack { home, version: fresh(version)? },
            Step::Link { home, expecting } => {
                Step::Link { home, expecting: found(expecting, live) }
            }
            Step::Remove { place, expecting } => {
                let there = if matches!(place, Place::Repo(_)) { stored } else { live };
                Step::Remove { place, expecting: found(expecting, there) }
            }
            Step::Folder { path, mode } => Step::Folder { path, mode },
        })
    }

    /// Returns what a filter makes of a version on its way to the disk.
    fn smudged(&self, unit: &RepoPath, version: Version) -> Outcome<Version> {
        if version.kind == Kind::Link {
            return Ok(version);
        }
        let Session { worktree, vault, filters, .. } = self.session;
        let raw = filters.smudge(Stores { worktree, vault }, unit, version.blob)?;
        let blob = raw.ok_or_else(|| {
            Failure::error("a git filter covers it, and is not set up here or fails")
        })?;
        Ok(Version { blob, ..version })
    }

    fn take(&self, step: &Step) -> Outcome<Applied> {
        match step {
            Step::KeepOriginal { home, version } => self.keep_original(home, *version),
            Step::Write { place, expecting, version } => self.write(place, *expecting, *version),
            Step::Adopt { home, expecting, version } => self.adopt(home, *expecting, *version),
            Step::GiveBack { home, version } => self.give_back(home, *version),
            Step::Link { home, expecting } => self.link(home, *expecting),
            Step::Remove { place, expecting } => self.remove(place, *expecting),
            Step::Folder { path, mode } => {
                let (dir, name) = self.parent(&Place::Repo(path.clone()))?;
                dir.chmod_folder(&name, *mode)?;
                Ok(Applied::Done)
            }
        }
    }

    fn parent(&self, place: &Place) -> Result<(Dir, Vec<u8>), FsError> {
        let name = match place {
            Place::Repo(path) => path.name().to_vec(),
            Place::Home(home) => home.name().to_vec(),
        };
        Ok((self.writer.parent(place, &|path| self.tree.folder_mode(path))?, name))
    }

    fn put(
        &self,
        place: &Place,
        fresh: Fresh<'_>,
        expecting: Expected,
    ) -> Result<Applied, FsError> {
        let (dir, name) = self.parent(place)?;
        let at = Entry { dir: &dir, name: &name };
        self.writer.write(at, fresh, expecting, &self.recognizer(place))
    }

    /// Returns what knows our link at a place.
    fn recognizer(&self, place: &Place) -> impl Fn(&[u8]) -> bool {
        let repo = self.session.context.places.repo.clone();
        let home = match place {
            Place::Repo(path) => path.home(),
            Place::Home(home) => Some(home.clone()),
        };
        move |target| home.as_ref().is_some_and(|home| is_ours(&repo, home, target))
    }

    fn write(&self, place: &Place, expecting: Expected, version: Version) -> Outcome<Applied> {
        let bytes = self.session.vault.bytes(version.blob)?;
        let fresh = match version.kind {
            Kind::File => Fresh::File(&bytes, version.mode),
            Kind::Link => Fresh::Link(&bytes),
        };
        Ok(self.put(place, fresh, expecting)?)
    }

    /// Puts the stored copy itself at the home path, so that a program that has it open goes on
    /// writing to the live file; an equal file where that is not possible.
    fn give_back(&self, home: &HomePath, version: Version) -> Outcome<Applied> {
        let live = Place::Home(home.clone());
        let (dir, name) = self.parent(&Place::Repo(home.stored()))?;
        let is_same = matches!(look(&dir, &name)?, Found::File(whole) if whole.version == version);
        if is_same {
            let same = Fresh::Same(Entry { dir: &dir, name: &name });
            match self.put(&live, same, Expected::Link) {
                Err(error) if error.is(std::io::ErrorKind::CrossesDevices) => {}
                result => return Ok(result?),
            }
        }
        self.write(&live, Expected::Link, version)
    }

    /// The live file becomes the stored copy, the same inode where the file system allows; then the
    /// home path becomes a link to it. At every instant the home path leads to the same bytes.
    fn adopt(&self, home: &HomePath, expecting: Expected, version: Version) -> Outcome<Applied> {
        let live = Place::Home(home.clone());
        let stored = Place::Repo(home.stored());
        let (dir, name) = self.parent(&live)?;
        let same = Fresh::Same(Entry { dir: &dir, name: &name });
        let stored_is_done = match self.put(&stored, same, expecting) {
            Err(error) if error.is(std::io::ErrorKind::CrossesDevices) => {
                self.write(&stored, expecting, version)?
            }
            result => result?,
        };
        match stored_is_done {
            Applied::Stale => Ok(Applied::Stale),
            Applied::Done => self.link(home, Expected::Version(version)),
        }
    }

    fn link(&self, home: &HomePath, expecting: Expected) -> Outcome<Applied> {
        let target = self.writer.link_target(home);
        Ok(self.put(&Place::Home(home.clone()), Fresh::Link(&target), expecting)?)
    }

    fn remove(&self, place: &Place, expecting: Expected) -> Outcome<Applied> {
        let (dir, name) = self.parent(place)?;
        let at = Entry { dir: &dir, name: &name };
        let applied = self.writer.remove(at, expecting, &self.recognizer(place))?;
        if let (Applied::Done, Place::Repo(path)) = (applied, place) {
            self.remove_empty_folders(path)?;
        }
        if let (Applied::Done, Place::Home(home)) = (applied, place) {
            self.remove_empty_home_folders(home)?;
        }
        Ok(applied)
    }

    /// Git keeps no empty folder, so none stays behind in the working tree.
    fn remove_empty_folders(&self, path: &RepoPath) -> Outcome<()> {
        for folder in path.ancestors() {
            let root = Dir::open(&self.session.context.places.repo)?;
            let above: Vec<RepoPath> = folder.parent().into_iter().collect();
            let names = above.iter().flat_map(RepoPath::components);
            if let Some(dir) = root.descend(names)? {
                dir.remove_empty(folder.name());
            }
        }
        Ok(())
    }

    /// Folders of a marked folder that hold nothing any more go, the marked one itself excepted.
    fn remove_empty_home_folders(&self, home: &HomePath) -> Outcome<()> {
        let Some((top, _)) = self.tree.manifest.covering(home) else { return Ok(()) };
        let is_inside = |folder: &HomePath| folder != top && folder.is_within(top);
        for folder in home.ancestors().filter(is_inside) {
            let root = Dir::open(&self.session.context.places.home)?;
            let above: Vec<HomePath> = folder.parent().into_iter().collect();
            if let Some(dir) = root.descend(above.iter().flat_map(HomePath::components))? {
                dir.remove_empty(folder.name());
            }
        }
        Ok(())
    }

    /// Keeps what stood at a path before cfgsync first linked it.
    fn keep_original(&self, home: &HomePath, version: Version) -> Outcome<Applied> {
        let kept =
            self.session.context.places.meta.join("external-files").join(os(home.as_bytes()));
        if kept.symlink_metadata().is_ok() {
            return Ok(Applied::Done);
        }
        // Where another original has the name of this one's folder, the vault alone keeps this one.
        let is_taken = |folder: &Path| folder.symlink_metadata().is_ok() && !folder.is_dir();
        if kept.ancestors().skip(1).any(is_taken) {
            return Ok(Applied::Done);
        }
        if let Some(folder) = kept.parent() {
            plain::make_private(folder)?;
        }
        let bytes = self.session.vault.bytes(version.blob)?;
        plain::publish(&kept, &bytes, plain::Durability::Synced)?;
        Ok(Applied::Done)
    }
}

/// Says what could not be done, unit by unit.
pub fn partly(failed: &BTreeMap<RepoPath, String>) -> Failure {
    let causes: Vec<String> =
        failed.iter().map(|(path, cause)| format!("\n  {path}: {cause}")).collect();
    Failure::new(
        crate::failure::Code::Partly,
        format!("{} of the files could not be done:{}", failed.len(), causes.concat()),
    )
    .hint("Everything else is in sync. Remove the cause, then run `cfgsync sync` again.")
}
