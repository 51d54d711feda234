//! A private folder for files that programs of the user work on: editors, merge drivers and tools.

use std::path::{Path, PathBuf};

use super::plain::{self, Durability};
use crate::failure::Outcome;

/// What the folder's name starts with.
pub const NAME: &str = "desk.";

/// A private folder; gone at the end.
pub struct Desk {
    folder: PathBuf,
}

impl Desk {
    /// Makes the folder below the state folder, or below the system's own place for temporary files
    /// where there is no state yet.
    pub fn set_up(state: &Path) -> Outcome<Self> {
        let place = if state.is_dir() { state.to_owned() } else { std::env::temp_dir() };
        let folder = place.join(format!("{NAME}{}", std::process::id()));
        plain::make_private(&folder)?;
        Ok(Self { folder })
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
