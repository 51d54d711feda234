//! A folder held open, and what can be done by name inside it without ever following a link.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cfgsync_core::unit::Mode;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode as Bits, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};

use super::{FsError, lanes};
use crate::sabotage::{self, Break};

/// A folder held open.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

/// What `lstat` says, as far as it tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Device.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of the bytes, in ns.
    pub mtime: i64,
    /// Time of the last change of the inode, in ns.
    pub ctime: i64,
    /// Permission bits, as far as they are shared.
    pub mode: Mode,
    /// All that `chmod` sets.
    pub exact: Mode,
    /// What it is.
    pub kind: StatKind,
}

/// What kind of thing a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatKind {
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// A folder.
    Folder,
    /// A socket, pipe or device.
    Special,
}

#[expect(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "systems have other types")]
#[cfg_attr(target_os = "macos", expect(clippy::cast_lossless, reason = "Linux has other types"))]
impl From<FileStat> for Stat {
    fn from(raw: FileStat) -> Self {
        let ns = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
        let bits = raw.st_mode as u32;
        let kind = match bits & 0o170_000 {
            0o100_000 => StatKind::File,
            0o120_000 => StatKind::Link,
            0o040_000 => StatKind::Folder,
            _ => StatKind::Special,
        };
        let kept = if kind == StatKind::Folder { 0o3777 } else { 0o777 };
        Self {
            dev: raw.st_dev as u64,
            ino: raw.st_ino as u64,
            size: raw.st_size as u64,
            mtime: ns(raw.st_mtime as i64, raw.st_mtime_nsec as i64),
            ctime: ns(raw.st_ctime as i64, raw.st_ctime_nsec as i64),
            mode: Mode(u16::try_from(bits & kept).unwrap_or(0)),
            exact: Mode(u16::try_from(bits & 0o7777).unwrap_or(0)),
            kind,
        }
    }
}

const FOLDER: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

impl Dir {
    /// Opens a root. The root itself may be reached through links; nothing below it is.
    pub fn open(path: &Path) -> Result<Self, FsError> {
        let fd =
            nix::fcntl::open(path, FOLDER, Bits::empty()).map_err(FsError::on("open", path))?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Opens a folder that is no link itself.
    pub fn open_itself(path: &Path) -> Result<Self, FsError> {
        let fd = nix::fcntl::open(path, FOLDER | OFlag::O_NOFOLLOW, Bits::empty())
            .map_err(FsError::on("open", path))?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Opens a folder inside. A link is an error.
    pub fn child(&self, name: &[u8]) -> Result<Self, FsError> {
        let path = self.join(name);
        let fd = openat(&self.fd, os(name), FOLDER | OFlag::O_NOFOLLOW, Bits::empty())
            .map_err(FsError::on("open", &path))?;
        Ok(Self { fd, path })
    }

    /// Opens a folder inside, and makes it with this mode where it is missing.
    pub fn child_or_make(&self, name: &[u8], mode: Mode) -> Result<Self, FsError> {
        let path = self.join(name);
        match mkdirat(&self.fd, os(name), bits(mode)) {
            // The umask may have cut it. What is changed is the folder that is held open, whatever
            // stands at its name by then.
            Ok(()) => {
                let folder = self.child(name)?;
                nix::sys::stat::fchmod(&folder.fd, bits(mode))
                    .map_err(FsError::on("chmod", &path))?;
                self.sync()?;
                Ok(folder)
            }
            Err(Errno::EEXIST) => self.child(name),
            Err(errno) => Err(FsError::on("create", &path)(errno)),
        }
    }

    /// Returns the path, for messages and for calls that take one.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of a name inside.
    pub fn join(&self, name: &[u8]) -> PathBuf {
        self.path.join(os(name))
    }

    /// Returns the folder's own state.
    pub fn own_stat(&self) -> Result<Stat, FsError> {
        fstat(&self.fd).map(Stat::from).map_err(FsError::on("stat", &self.path))
    }

    /// Returns the state of a name, none when there is no such name.
    pub fn stat(&self, name: &[u8]) -> Result<Option<Stat>, FsError> {
        match fstatat(&self.fd, os(name), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(raw) => Ok(Some(raw.into())),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(FsError::on("stat", &self.join(name))(errno)),
        }
    }

    /// Returns the target of a link.
    pub fn read_link(&self, name: &[u8]) -> Result<Vec<u8>, FsError> {
        let target = nix::fcntl::readlinkat(&self.fd, os(name))
            .map_err(FsError::on("read the link", &self.join(name)))?;
        Ok(target.as_bytes().to_vec())
    }

    /// Opens a regular file for reading; never waits on a pipe.
    pub fn open_file(&self, name: &[u8]) -> Result<File, FsError> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let fd = openat(&self.fd, os(name), flags, Bits::empty())
            .map_err(FsError::on("read", &self.join(name)))?;
        Ok(File::from(fd))
    }

    /// Creates a file that nobody else can read.
    pub fn create_file(&self, name: &[u8]) -> Result<File, FsError> {
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut mode = Bits::S_IRUSR | Bits::S_IWUSR;
        if sabotage::is(Break::WideMode) {
            mode |= Bits::S_IRGRP | Bits::S_IROTH;
        }
        let fd = openat(&self.fd, os(name), flags, mode)
            .map_err(FsError::on("create", &self.join(name)))?;
        Ok(File::from(fd))
    }

    /// Creates a link.
    pub fn create_link(&self, name: &[u8], target: &[u8]) -> Result<(), FsError> {
        symlinkat(os(target), &self.fd, os(name))
            .map_err(FsError::on("create the link", &self.join(name)))
    }

    /// Gives `name` inside this folder to a file of another folder, as a second name.
    pub fn link_from(&self, name: &[u8], from: &Self, from_name: &[u8]) -> Result<(), FsError> {
        nix::unistd::linkat(&from.fd, os(from_name), &self.fd, os(name), AtFlags::empty())
            .map_err(FsError::on("link", &self.join(name)))
    }

    /// Takes a name away; one that is not there is fine.
    pub fn unlink(&self, name: &[u8]) -> Result<(), FsError> {
        match unlinkat(&self.fd, os(name), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(FsError::on("remove", &self.join(name))(errno)),
        }
    }

    /// Takes an empty folder away; one that is not empty stays.
    pub fn remove_empty(&self, name: &[u8]) {
        // Only tidying: whatever stops it is no failure of the sync.
        let _ = unlinkat(&self.fd, os(name), UnlinkatFlags::RemoveDir);
    }

    /// Sets the mode of a folder inside.
    pub fn chmod_folder(&self, name: &[u8], mode: Mode) -> Result<(), FsError> {
        let folder = self.child(name)?;
        nix::sys::stat::fchmod(&folder.fd, bits(mode)).map_err(FsError::on("chmod", &folder.path))
    }

    /// Makes the names in this folder durable.
    pub fn sync(&self) -> Result<(), FsError> {
        if sabotage::is(Break::NoSync) {
            return Ok(());
        }
        nix::unistd::fsync(&self.fd).map_err(FsError::on("sync", &self.path))
    }

    /// Makes the names in this folder and in another one durable, side by side.
    pub fn sync_with(&self, other: &Self) -> Result<(), FsError> {
        let file = |dir: &Self| {
            let fd = dir.fd.try_clone().map_err(FsError::on("open", &dir.path))?;
            Ok((File::from(fd), dir.path.clone()))
        };
        lanes::sync_all(vec![file(self)?, file(other)?])
    }

    /// Walks down without following links. None when a folder on the way is missing.
    pub fn descend<'a>(
        self,
        names: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<Self>, FsError> {
        let mut dir = self;
        for name in names {
            dir = match dir.child(name) {
                Ok(child) => child,
                Err(error) if error.is(io::ErrorKind::NotFound) => return Ok(None),
                Err(error) => return Err(error),
            };
        }
        Ok(Some(dir))
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Returns name bytes as the system takes them.
pub fn os(name: &[u8]) -> &OsStr {
    OsStr::from_bytes(name)
}

/// Returns a mode as the system takes it.
#[cfg_attr(
    target_os = "macos",
    expect(clippy::useless_conversion, reason = "Linux has a wider one")
)]
pub fn bits(mode: Mode) -> Bits {
    Bits::from_bits_truncate(mode.0.into())
}
