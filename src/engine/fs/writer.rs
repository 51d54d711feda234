//! The only writer of user files.
//!
//! A file is prepared under another name, complete and durable, and then trades places with the
//! one it replaces in a single step. What was displaced is looked at afterwards: had somebody
//! written in between, the two trade back and the step is stale. Nothing is ever written through a
//! link, and nothing is ever truncated.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::path::{Path, PathBuf};

use cfgsync_core::path::{HomePath, RepoPath};
use cfgsync_core::steps::{Expected, Place};
use cfgsync_core::unit::Mode;
use nix::errno::Errno;
use xattr::FileExt;

use super::FsError;
use super::dir::{Dir, bits, os};
use super::exchange::{Entry, exchange, rename_new};
use super::look::{look, matches};
use crate::sabotage::{self, Break};

/// What a name will hold.
#[derive(Debug, Clone, Copy)]
pub enum Fresh<'a> {
    /// A new file with these bytes.
    File(&'a [u8], Mode),
    /// A link with this target.
    Link(&'a [u8]),
    /// The very file that another name stands for.
    Same(Entry<'a>),
}

/// Whether a step found what it expected.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It did, and is done.
    Done,
    /// It did not, and nothing changed.
    Stale,
}

/// The roots a writer may write below, and where displaced files go.
#[derive(Debug)]
pub struct Writer {
    repo: PathBuf,
    home: PathBuf,
    /// Folders for displaced files, the preferred one first.
    displaced: Vec<PathBuf>,
    next: Cell<u32>,
    warnings: RefCell<Vec<String>>,
}

impl Writer {
    /// A writer for one repository and one home.
    pub fn new(repo: &Path, home: &Path, displaced: Vec<PathBuf>) -> Self {
        let (repo, home) = (repo.to_owned(), home.to_owned());
        Self { repo, home, displaced, next: Cell::new(0), warnings: RefCell::default() }
    }

    /// Takes what could not be kept of the files written so far.
    pub fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    /// Returns the target of our link at a home path.
    pub fn link_target(&self, home: &HomePath) -> Vec<u8> {
        let path = self.repo.join(os(home.stored().as_bytes()));
        path.into_os_string().into_encoded_bytes()
    }

    /// Opens the folder that holds a place; folders on the way are made with the mode `mode_of`
    /// gives, named by their place in the repository.
    pub fn parent(
        &self,
        place: &Place,
        mode_of: &dyn Fn(&RepoPath) -> Mode,
    ) -> Result<Dir, FsError> {
        let (root, path) = match place {
            Place::Repo(path) => (&self.repo, path.clone()),
            Place::Home(home) => (&self.home, home.stored()),
        };
        let skipped = usize::from(matches!(place, Place::Home(_)));
        let mut folders: Vec<RepoPath> = path.ancestors().collect();
        folders.reverse();
        let mut dir = Dir::open(root)?;
        for folder in folders.iter().skip(skipped) {
            dir = dir.child_or_make(folder.name(), mode_of(folder))?;
        }
        Ok(dir)
    }

    /// Makes a name hold something fresh, if it holds what is expected.
    pub fn write(
        &self,
        at: Entry<'_>,
        fresh: Fresh<'_>,
        expecting: Expected,
        is_ours: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Applied, FsError> {
        if !matches(&look(at.dir, at.name)?, expecting, is_ours) {
            return Ok(Applied::Stale);
        }
        if let (true, Fresh::File(bytes, _)) = (sabotage::is(Break::InPlace), fresh) {
            return in_place(at, bytes);
        }
        let staging = self.staging(at.dir)?;
        let name = self.stage(&staging, at, fresh)?;
        let staged = Entry { dir: &staging, name: &name };
        let path = at.dir.join(at.name);
        let is_link = matches!(fresh, Fresh::Link(_));
        if is_link && sabotage::is(Break::UnlinkFirst) {
            at.dir.unlink(at.name)?;
            rename_new(staged, at).map_err(FsError::on("replace", &path))?;
            return Ok(Applied::Done);
        }
        let moved = match expecting {
            Expected::Nothing => rename_new(staged, at),
            Expected::Version(_) | Expected::Link => exchange(staged, at),
        };
        match moved {
            Ok(()) => {}
            Err(Errno::EEXIST | Errno::ENOENT) => {
                staging.unlink(&name)?;
                return Ok(Applied::Stale);
            }
            Err(errno) => {
                staging.unlink(&name)?;
                return Err(FsError::on("replace", &path)(errno));
            }
        }
        if expecting != Expected::Nothing {
            let is_trusted = sabotage::is(Break::NoRecheck);
            if !is_trusted && !matches(&look(&staging, &name)?, expecting, is_ours) {
                exchange(staged, at).map_err(FsError::on("put back", &path))?;
                return Ok(Applied::Stale);
            }
            Self::tidy(&staging, at.dir, &name)?;
        }
        staging.sync_with(at.dir)?;
        Ok(Applied::Done)
    }

    /// Takes a name away, if it holds what is expected. What it held is displaced, not destroyed.
    pub fn remove(
        &self,
        at: Entry<'_>,
        expecting: Expected,
        is_ours: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Applied, FsError> {
        let staging = self.staging(at.dir)?;
        let path = at.dir.join(at.name);
        if !matches(&look(at.dir, at.name)?, expecting, is_ours) {
            return Ok(Applied::Stale);
        }
        let name = self.unused(&staging)?;
        let gone = Entry { dir: &staging, name: &name };
        match rename_new(at, gone) {
            Ok(()) => {}
            Err(Errno::ENOENT) => return Ok(Applied::Stale),
            Err(errno) => return Err(FsError::on("remove", &path)(errno)),
        }
        if !matches(&look(&staging, &name)?, expecting, is_ours) {
            rename_new(gone, at).map_err(FsError::on("put back", &path))?;
            return Ok(Applied::Stale);
        }
        Self::tidy(&staging, at.dir, &name)?;
        staging.sync_with(at.dir)?;
        Ok(Applied::Done)
    }

    /// Opens the folder for displaced files on the same file system, else the folder itself.
    fn staging(&self, near: &Dir) -> Result<Dir, FsError> {
        let device = near.own_stat()?.dev;
        for path in &self.displaced {
            let dir = Dir::open(path)?;
            if dir.own_stat()?.dev == device {
                return Ok(dir);
            }
        }
        Dir::open(near.path())
    }

    /// Where no folder for displaced files is on this file system, the displaced file (whose bytes
    /// are in the vault) does not stay beside the live one.
    fn tidy(staging: &Dir, near: &Dir, name: &[u8]) -> Result<(), FsError> {
        if staging.path() == near.path() { staging.unlink(name) } else { Ok(()) }
    }

    fn unused(&self, staging: &Dir) -> Result<Vec<u8>, FsError> {
        loop {
            let number = self.next.get();
            self.next.set(number.wrapping_add(1));
            let name = format!(".cfgsync-{}-{number}", std::process::id()).into_bytes();
            if staging.stat(&name)?.is_none() {
                return Ok(name);
            }
        }
    }

    /// Prepares the fresh file under an unused name.
    fn stage(&self, staging: &Dir, at: Entry<'_>, fresh: Fresh<'_>) -> Result<Vec<u8>, FsError> {
        let name = self.unused(staging)?;
        match fresh {
            Fresh::Link(target) => staging.create_link(&name, target)?,
            Fresh::Same(entry) => staging.link_from(&name, entry.dir, entry.name)?,
            Fresh::File(bytes, mode) => {
                let path = staging.join(&name);
                let mut file = staging.create_file(&name)?;
                let written = file.write_all(bytes).map_err(FsError::on("write", &path));
                let kept = written.and_then(|()| {
                    self.keep_attributes(at, &file);
                    if !sabotage::is(Break::WideMode) {
                        nix::sys::stat::fchmod(&file, bits(mode))
                            .map_err(FsError::on("chmod", &path))?;
                    }
                    if sabotage::is(Break::NoSync) {
                        return Ok(());
                    }
                    file.sync_all().map_err(FsError::on("sync", &path))
                });
                if let Err(error) = kept {
                    staging.unlink(&name)?;
                    return Err(error);
                }
            }
        }
        Ok(name)
    }

    /// Copies extended attributes (ACLs among them) of the file that will be displaced.
    fn keep_attributes(&self, at: Entry<'_>, fresh: &std::fs::File) {
        let Ok(old) = at.dir.open_file(at.name) else { return };
        let Ok(names) = old.list_xattr() else { return };
        for name in names.filter(|name| !name.as_encoded_bytes().starts_with(b"security.")) {
            let Ok(Some(value)) = old.get_xattr(&name) else { continue };
            if let Err(error) = fresh.set_xattr(&name, &value) {
                let path = at.dir.join(at.name);
                let warning = format!(
                    "could not keep attribute {} of {}: {error}",
                    name.display(),
                    path.display()
                );
                self.warnings.borrow_mut().push(warning);
            }
        }
    }
}

/// What nobody may do: see [`Break::InPlace`].
#[expect(clippy::disallowed_methods, reason = "broken on purpose, to see that it is noticed")]
fn in_place(at: Entry<'_>, bytes: &[u8]) -> Result<Applied, FsError> {
    let path = at.dir.join(at.name);
    std::fs::write(&path, bytes).map_err(FsError::on("write", &path))?;
    Ok(Applied::Done)
}
