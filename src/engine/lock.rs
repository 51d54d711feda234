//! One run at a time, by a lock that dies with its holder.
//!
//! `flock` on a file that is never removed. No child inherits it: everything local happens in this
//! process, so getting the lock proves that all of the last run is dead.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::failure::{Code, Failure, Outcome};
use crate::fs::FsError;
use crate::sabotage::{self, Break};

/// The lock, while it is held.
#[derive(Debug)]
pub struct Lock {
    _file: File,
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
    /// Takes the lock.
    pub fn take(path: &Path, patience: Patience) -> Outcome<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(FsError::on("open", path))?;
        if sabotage::is(Break::NoLock) {
            return Ok(Self { _file: file });
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
        Ok(Self { _file: file })
    }
}
