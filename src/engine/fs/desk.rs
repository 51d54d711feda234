//! A private folder for files that programs of the user work on: editors, merge drivers and tools.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::FsError;
use super::plain::{self, Durability};
use crate::failure::Outcome;

/// What the folder's name starts with; the number of its process follows.
pub const NAME: &str = "cfgsync-desk.";

/// The same where a user's own files are.
const HIDDEN: &str = ".cfgsync-desk.";

/// How many names are tried.
const TRIES: u32 = 1000;

/// A private folder; gone at the end.
#[derive(Debug)]
pub struct Desk {
    folder: PathBuf,
}

impl Desk {
    /// Makes the folder in another one: anew, so that nobody else can have prepared it.
    pub fn set_up(place: &Path) -> Outcome<Self> {
        Self::named(place, NAME)
    }

    /// The same under a name that no sync takes for one of the user's.
    pub fn hidden(place: &Path) -> Outcome<Self> {
        Self::named(place, HIDDEN)
    }

    fn named(place: &Path, name: &str) -> Outcome<Self> {
        let mut number = 0;
        loop {
            let folder = place.join(format!("{name}{}.{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => return Ok(Self { folder }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < TRIES => {
                    number += 1;
                }
                Err(error) => return Err(FsError::on("create", &folder)(error).into()),
            }
        }
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts a file on the desk.
    pub fn put(&self, name: impl AsRef<Path>, bytes: &[u8]) -> Outcome<PathBuf> {
        let path = self.folder.join(name);
        plain::publish(&path, bytes, Durability::Relaxed)?;
        Ok(path)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // What cannot be removed here is removed by the next run that cleans up.
        let _ = plain::remove_draft(&self.folder);
    }
}
