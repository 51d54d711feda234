//! Files and folders: reading what is there, and the one writer of what people own.

pub mod desk;
pub mod dir;
pub mod displaced;
pub mod exchange;
pub mod group;
pub mod hash;
mod lanes;
pub mod look;
pub mod plain;
pub mod writer;

use std::io;
use std::path::{Path, PathBuf};

use crate::failure::{Code, Failure};

/// A call on the file system that failed, with its path.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} {}: {source}", path.display())]
pub struct FsError {
    /// What was tried, as a verb.
    pub action: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl FsError {
    /// Returns a closure that adds action and path to an error.
    pub fn on<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source: source.into() }
    }

    /// Returns true when the error is of this kind.
    pub fn is(&self, kind: io::ErrorKind) -> bool {
        self.source.kind() == kind
    }
}

impl From<FsError> for Failure {
    fn from(error: FsError) -> Self {
        let hint = match error.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "Free some space, then run `cfgsync sync`; nothing was lost."
            }
            io::ErrorKind::PermissionDenied => "Check who owns the path and its permissions.",
            io::ErrorKind::ReadOnlyFilesystem => "Mount the file system writable, then try again.",
            _ => "Run the command again once the cause is gone; nothing was lost.",
        };
        Self::new(Code::Error, &error).hint(hint)
    }
}
