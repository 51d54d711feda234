//! Looking at this machine's files: the working tree, and the live files of what is marked.

mod again;
mod filtered;
pub mod live;
mod notes;
pub mod resumed;
mod scope;
pub mod seen;
pub mod stored;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use cfgsync_core::manifest::{MANIFEST, Manifest, Mark};
use cfgsync_core::observed::{Finding, Local};
use cfgsync_core::path::{HomePath, RepoPath};
use cfgsync_core::shared::Shared;
use cfgsync_core::status::watch::Names;
use cfgsync_core::time::UnixTime;
use cfgsync_core::unit::{BlobId, Version};

use crate::context::Places;
use crate::failure::Outcome;
use crate::fs::dir::{Dir, Stat};
use crate::fs::look::{Found, blob_id, look};
use crate::fs::{hash, plain};
use crate::git::filter::{Filters, Stores};
use crate::git::trees::parse_manifest;
use crate::git::vault::Vault;
use crate::git::worktree::Worktree;
use crate::settings::LARGEST;
use crate::ui::Ui;
use crate::ui::progress::Progress;
use notes::Again;
pub use scope::Scope;
use scope::{Size, below, marks};
use seen::{Recall, Seen};

/// What a look at the files is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A plan: whatever is read goes to the vault, and is compared as Git stores it.
    Plan,
    /// An archive: files are only named, as they lie on disk, whatever their size.
    Archive {
        /// Whether `*.local` files are looked at too.
        with_local: bool,
    },
}

impl Purpose {
    /// Returns where it is remembered what was read: each purpose trusts what it kept itself.
    pub fn memory(self, places: &Places) -> PathBuf {
        places.state.join(match self {
            Self::Plan => "seen",
            Self::Archive { .. } => "archived",
        })
    }
}

/// Looks at files for one run.
pub struct Observer<'a> {
    /// Where everything lies.
    pub places: &'a Places,
    /// The repository, for its ignore rules and attributes.
    pub worktree: &'a Worktree,
    /// Where contents go.
    pub vault: &'a Vault,
    /// When the run started.
    pub now: UnixTime,
    /// The filters of the repository.
    pub filters: &'a Filters,
    purpose: Purpose,
    before: OnceCell<Seen>,
    after: RefCell<Seen>,
    listed: RefCell<Vec<Listed>>,
    links: RefCell<HashMap<PathBuf, Link>>,
    asked: RefCell<Asked>,
    again: RefCell<Option<Again>>,
    /// Whether ignore rules speak of a folder, as far as a look asked.
    ignored_folders: RefCell<BTreeMap<RepoPath, bool>>,
    met_a_repository: Cell<bool>,
    /// Whether this look met what an archive holds otherwise.
    met_an_exception: Cell<bool>,
    ui: Option<Ui>,
    /// How much of what it has to read a look has read.
    reading: RefCell<Option<Progress>>,
}

/// A link of ours, as a look has seen it.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// Its state.
    pub stat: Stat,
    /// Its target, hashed.
    pub target: BlobId,
}

/// What a look was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    known: Shared<BTreeSet<RepoPath>>,
    marks: BTreeMap<HomePath, Mark>,
}

/// A folder whose names a look has read.
#[derive(Debug)]
pub struct Listed {
    /// Where it is.
    pub path: PathBuf,
    /// Its state before its names were read.
    pub stat: Stat,
    /// The names that matter.
    pub names: Names,
}

/// One file on disk, as it was read.
enum Reading {
    Version(Version, Inode),
    Finding(Finding),
    Nothing,
}

/// Whether a file is the inode that was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inode {
    Same,
    Replaced,
}

impl<'a> Observer<'a> {
    /// An observer that remembers what the last run saw.
    pub fn new(
        places: &'a Places,
        worktree: &'a Worktree,
        vault: &'a Vault,
        filters: &'a Filters,
        now: UnixTime,
        purpose: Purpose,
    ) -> Self {
        let (before, after, listed) = (OnceCell::new(), RefCell::default(), RefCell::default());
        let (links, asked, met_a_repository, met_an_exception, ui, reading) = Default::default();
        let (again, ignored_folders) = Default::default();
        Self {
            places,
            worktree,
            vault,
            now,
            filters,
            purpose,
            before,
            after,
            listed,
            links,
            asked,
            again,
            ignored_folders,
            met_a_repository,
            met_an_exception,
            ui,
            reading,
        }
    }

    /// Shows a person how much is read, where that takes its time.
    pub fn showing(self, ui: Ui) -> Self {
        Self { ui: Some(ui), ..self }
    }

    /// Returns what the last run saw; it is read when it is first asked for.
    fn before(&self) -> Outcome<&Seen> {
        if let Some(known) = self.before.get() {
            return Ok(known);
        }
        // Without a snapshot the vault may not hold what the cache speaks of.
        let is_kept =
            matches!(self.purpose, Purpose::Archive { .. }) || self.vault.latest()?.is_some();
        let seen = if is_kept {
            Seen::read(&self.purpose.memory(self.places), self.now)?
        } else {
            Seen::default()
        };
        Ok(self.before.get_or_init(|| seen))
    }

    /// Trusts nothing of what the last run saw: every file is read.
    pub fn distrusting(mut self) -> Outcome<Self> {
        self.before()?;
        self.before.get_mut().into_iter().for_each(Seen::distrust);
        Ok(self)
    }

    /// Returns the files whose bytes changed and whose state did not, where this look read all.
    pub fn deceived(&self) -> Outcome<Vec<PathBuf>> {
        Ok(self.before()?.deceived(&self.after.borrow()))
    }

    /// Returns where the sides of filters are.
    fn stores(&self) -> Stores<'a> {
        Stores { worktree: self.worktree, vault: self.vault }
    }

    /// Looks at the working tree and at every live file of the marks, those of `scope` included.
    pub fn look(&self, scope: &Scope<'_>) -> Outcome<Local> {
        self.reading.replace(self.ui.map(|ui| ui.open_progress("Reading files")));
        let local = self.look_through(scope);
        self.reading.take();
        local
    }

    fn look_through(&self, scope: &Scope<'_>) -> Outcome<Local> {
        let manifest = self.manifest(scope)?;
        self.after.replace(self.before()?.renewed(self.now));
        self.again.take();
        self.listed.borrow_mut().clear();
        self.links.borrow_mut().clear();
        self.ignored_folders.borrow_mut().clear();
        self.met_a_repository.set(false);
        self.met_an_exception.set(false);
        let mut local = Local::default();
        local.stored.manifest = manifest;
        let marks = marks(scope, &local.stored.manifest);
        stored::look(self, scope, &mut local)?;
        live::look(self, scope, &marks, &mut local)?;
        self.asked.replace(Asked { known: scope.known.clone(), marks });
        self.vault.settle()?;
        if self.purpose == Purpose::Plan {
            filtered::look(self, scope, &mut local)?;
        }
        Ok(local)
    }

    /// Returns whether this look left out a folder because it is a repository of somebody's own.
    pub fn met_a_repository(&self) -> bool {
        self.met_a_repository.get()
    }

    /// Returns true for a folder that is a repository of somebody's own.
    fn is_repository(&self, folder: &Dir) -> Outcome<bool> {
        let is_one = folder.stat(b".git")?.is_some();
        self.met_a_repository.set(is_one || self.met_a_repository.get());
        Ok(is_one)
    }

    /// Returns the names in a folder whose names matter.
    fn names(&self, dir: &Dir) -> Outcome<Vec<Vec<u8>>> {
        let stat = dir.own_stat()?;
        let found = plain::names(dir.path())?;
        let mut names = Names::default();
        found.iter().for_each(|name| names.add(name));
        self.note_again(dir.path());
        self.listed.borrow_mut().push(Listed { path: dir.path().to_owned(), stat, names });
        Ok(found)
    }

    /// Returns true for a file that stays on this machine and is not looked at.
    fn leaves_out(&self, path: &RepoPath) -> bool {
        path.is_local_only() && self.purpose != Purpose::Archive { with_local: true }
    }

    /// Writes down what was seen, for the next run.
    pub fn remember(&self) -> Outcome<()> {
        self.filters.remember()?;
        let after = self.after.borrow();
        let place = self.purpose.memory(self.places);
        if *after == *self.before()? && place.exists() { Ok(()) } else { after.write(&place) }
    }

    fn manifest(&self, scope: &Scope<'_>) -> Outcome<Manifest> {
        if let Some(manifest) = scope.instead {
            return Ok(manifest.clone());
        }
        match plain::read_text(&self.places.repo.join(MANIFEST))? {
            Some(text) => parse_manifest(&text),
            None => Ok(scope.fallback.cloned().unwrap_or_default()),
        }
    }

    /// Reads one regular file, from memory where it has not changed.
    fn read(&self, dir: &Dir, name: &[u8], stat: Stat, size: Size) -> Outcome<Reading> {
        let path = dir.join(name).into_os_string().into_encoded_bytes();
        let recall = self.before()?.recall(&path, stat);
        if stat.exact != stat.mode {
            self.met_an_exception.set(true);
        }
        if let Recall::Same(version) = recall {
            self.note_read(dir, path, stat, version);
            return Ok(Reading::Version(version, Inode::Same));
        }
        if matches!(self.purpose, Purpose::Archive { .. }) {
            return self.name(dir, name, path);
        }
        if stat.size > LARGEST && size == Size::Limited {
            self.met_an_exception.set(true);
            return Ok(Reading::Finding(Finding::TooLarge(stat.size)));
        }
        let whole = match look(dir, name) {
            Ok(Found::File(whole)) => whole,
            Ok(Found::Busy) => return Ok(Reading::Finding(Finding::Busy)),
            Ok(_) => return Ok(Reading::Nothing),
            Err(error) if error.is(std::io::ErrorKind::PermissionDenied) => {
                return Ok(Reading::Finding(Finding::Unreadable));
            }
            Err(error) => return Err(error.into()),
        };
        self.advance(whole.stat);
        self.keep(&whole.bytes)?;
        self.note_read(dir, path, whole.stat, whole.version);
        if whole.bytes.is_empty() && recall.was_full() {
            return Ok(Reading::Finding(Finding::Emptied));
        }
        let inode = match recall {
            Recall::Before { is_replaced: false, .. } | Recall::Same(_) => Inode::Same,
            Recall::Before { is_replaced: true, .. } | Recall::Never => Inode::Replaced,
        };
        Ok(Reading::Version(whole.version, inode))
    }

    /// Names one regular file without keeping it.
    fn name(&self, dir: &Dir, name: &[u8], path: Vec<u8>) -> Outcome<Reading> {
        let mut file = match dir.open_file(name) {
            Ok(file) => file,
            Err(error) if error.is(std::io::ErrorKind::PermissionDenied) => {
                return Ok(Reading::Finding(Finding::Unreadable));
            }
            Err(error) if error.is(std::io::ErrorKind::NotFound) => return Ok(Reading::Nothing),
            Err(error) => return Err(error.into()),
        };
        let Some((version, stat)) = hash::name(&mut file, &dir.join(name))? else {
            return Ok(Reading::Finding(Finding::Busy));
        };
        self.advance(stat);
        let version = Version { mode: stat.exact, ..version };
        self.note_read(dir, path, stat, version);
        Ok(Reading::Version(version, Inode::Same))
    }

    /// Reads one link, from memory where it has not changed.
    fn read_link(&self, dir: &Dir, name: &[u8], stat: Stat) -> Outcome<Version> {
        let path = dir.join(name).into_os_string().into_encoded_bytes();
        let version = match self.before()?.recall(&path, stat) {
            Recall::Same(version) => version,
            Recall::Before { .. } | Recall::Never => {
                let target = dir.read_link(name)?;
                self.keep(&target)?;
                Version::link(blob_id(&target))
            }
        };
        self.note_read(dir, path, stat, version);
        Ok(version)
    }

    fn advance(&self, read: Stat) {
        if let Some(reading) = &*self.reading.borrow() {
            reading.advance(read.size);
        }
    }

    fn keep(&self, bytes: &[u8]) -> Outcome<()> {
        if self.purpose == Purpose::Plan && !self.vault.has(blob_id(bytes)) {
            self.vault.put_soon(bytes)?;
        }
        Ok(())
    }
}
