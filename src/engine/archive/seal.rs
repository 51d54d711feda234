//! Which archives were read to their end, and have not been touched since.
//!
//! Reading hundreds of megabytes before each sync would be too much; trusting whatever lies there
//! would be too little. An archive whose file is in the very state in which it was checked is taken
//! to be whole; any other is read again. `cfgsync backup --verify` reads in any case.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cfgsync_core::escape::escape;

use super::read;
use crate::failure::Outcome;
use crate::fs::dir::Dir;
use crate::fs::plain::{self, Durability};

/// Archives that were read to their end.
#[derive(Debug)]
pub struct Seals {
    path: PathBuf,
    lines: BTreeSet<String>,
}

impl Seals {
    /// Reads which ones were; a missing list only costs reading.
    pub fn read(path: PathBuf) -> Outcome<Self> {
        let text = plain::read_text(&path)?.unwrap_or_default();
        Ok(Self { lines: text.lines().map(str::to_owned).collect(), path })
    }

    /// Returns true for an archive that is whole: it is as it was when it was checked, or is checked
    /// now.
    pub fn hold(&mut self, archive: &Path) -> bool {
        let Some(line) = line(archive) else { return false };
        if self.lines.contains(&line) {
            return true;
        }
        let is_whole = read::verify(archive).is_ok();
        if is_whole {
            self.lines.insert(line);
        }
        is_whole
    }

    /// Returns true for an archive that is as it was when it was checked.
    pub fn know(&self, archive: &Path) -> bool {
        line(archive).is_some_and(|line| self.lines.contains(&line))
    }

    /// Notes an archive that was just checked.
    pub fn add(&mut self, archive: &Path) {
        self.lines.extend(line(archive));
    }

    /// Writes down those that are among these archives.
    pub fn write(&self, archives: impl Iterator<Item = PathBuf>) -> Outcome<()> {
        let there: BTreeSet<String> = archives.filter_map(|archive| line(&archive)).collect();
        let text =
            self.lines.intersection(&there).map(|line| line.clone() + "\n").collect::<String>();
        if plain::read_text(&self.path)?.as_deref() == Some(&text) {
            return Ok(());
        }
        Ok(plain::publish(&self.path, text.as_bytes(), Durability::Relaxed)?)
    }
}

/// Returns the state of a file as one line.
pub fn line(archive: &Path) -> Option<String> {
    let name = archive.file_name()?.as_encoded_bytes();
    let stat = Dir::open(archive.parent()?).ok()?.stat(name).ok()??;
    let (size, mtime, ctime) = (stat.size, stat.mtime, stat.ctime);
    Some(format!("{} {} {size} {mtime} {ctime} {}", stat.dev, stat.ino, escape(name)))
}
