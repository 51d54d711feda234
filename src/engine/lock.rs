//! One run at a time, by a lock that dies with its holder.
//!
//! `flock` on a file that is never removed. No child inherits it: everything local happens in this
//! process, so getting the lock proves that all of the last run is dead. Only a run in the background
//! is handed its lock by whoever started it, as standard input, and gives it to none but its own.
//!
//! Whoever takes it writes a word of its own into it. So a run that takes it again knows whether anybody
//! else had it meanwhile: where nobody had, there is nothing to clean up, and what is under the lock
//! stands as it was left.
//!
//! Two homes that share one repository have a state folder each, and meet at locks of the repository
//! itself, in Git's folder. Those are taken last, so nobody waits for the other in a circle.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;

use nix::errno::Errno;

use crate::context::dice;
use crate::failure::{Code, Failure, Outcome};
use crate::fs::FsError;
use crate::sabotage::{self, Break};

/// The lock, while it is held.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// Whether this process was the last to hold it.
    is_ours: bool,
    /// The repository's own, where this is held beside it.
    _beside: Option<File>,
}

/// What to do when another run holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Wait for it to end.
    Wait,
    /// Leave at once.
    Leave,
}

impl Lock {
    /// Returns the lock that whoever started this process holds and handed over; none where standard
    /// input is something else.
    pub fn inherited(path: &Path) -> Option<Self> {
        let file = File::from(std::io::stdin().as_fd().try_clone_to_owned().ok()?);
        let (found, wanted) = (file.metadata().ok()?, path.symlink_metadata().ok()?);
        let is_same = (found.dev(), found.ino()) == (wanted.dev(), wanted.ino());
        // It succeeds for whoever holds it already.
        if !is_same || file.try_lock().is_err() {
            return None;
        }
        // Whoever waits for the end of this process must not meet the lock any more.
        let nothing = File::open("/dev/null").ok()?;
        nix::unistd::dup2_stdin(nothing).ok()?;
        Some(Self { file, is_ours: false, _beside: None })
    }

    /// Lets a process about to be started hold the lock too, as its standard input.
    pub fn share(&self) -> Outcome<Stdio> {
        let file = self.file.try_clone();
        file.map(Stdio::from)
            .map_err(|error| Failure::error(format!("could not share the lock: {error}")))
    }

    /// Hands the lock over to a process about to be started, as its standard input.
    pub fn hand_over(self) -> Stdio {
        Stdio::from(self.file)
    }

    /// Takes the lock.
    pub fn take(path: &Path, patience: Patience) -> Outcome<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(FsError::on("open", path))?;
        if sabotage::is(Break::NoLock) {
            return Ok(Self { file, is_ours: false, _beside: None });
        }
        match (file.try_lock(), patience) {
            (Ok(()), _) => {}
            (Err(TryLockError::WouldBlock), Patience::Wait) => {
                file.lock().map_err(FsError::on("lock", path))?;
            }
            (Err(TryLockError::WouldBlock), Patience::Leave) => {
                return Err(Failure::new(Code::Busy, "another cfgsync is at work")
                    .hint("Run the command again when it is done."));
            }
            (Err(TryLockError::Error(error)), _) => {
                return Err(FsError::on("lock", path)(error).into());
            }
        }
        let is_ours = sign(&file);
        Ok(Self { file, is_ours, _beside: None })
    }

    /// Returns true when nobody else held it since this process held it last.
    pub fn is_unbroken(&self) -> bool {
        self.is_ours
    }

    /// Takes a lock of the repository itself too, once whoever holds it lets go. Where the disk knows no
    /// locks, one home is taken to be alone there.
    pub fn and(self, path: &Path) -> Outcome<Self> {
        // Whoever may read it may lock it: another home may be another user's.
        let mut options = OpenOptions::new();
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                options.write(true).create(true).truncate(false).mode(0o644).open(path)
            }
            opened => opened,
        };
        let file = file.map_err(FsError::on("open", path))?;
        if sabotage::is(Break::NoLock) {
            return Ok(self);
        }
        match file.lock() {
            Err(error) if !knows_no_locks(&error) => Err(FsError::on("lock", path)(error).into()),
            _ => Ok(Self { _beside: Some(file), ..self }),
        }
    }
}

/// Writes into a lock who holds it, and returns whether this process was the last to do so.
fn sign(file: &File) -> bool {
    static OWN: OnceLock<[u8; 16]> = OnceLock::new();
    let own = OWN
        .get_or_init(|| (u128::from(dice()) << 64 | u128::from(std::process::id())).to_le_bytes());
    let mut last = [0; 16];
    let is_known = file.read_exact_at(&mut last, 0).is_ok() && last == *own;
    if !is_known {
        // What cannot be written is not there next time, as if somebody else had held it.
        let _ = file.write_all_at(own, 0);
    }
    is_known
}

fn knows_no_locks(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::ENOLCK | Errno::ENOSYS | Errno::EOPNOTSUPP))
}
