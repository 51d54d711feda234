//! The entries of an archive, each checked against the list.

use std::io::{self, Read};
use std::path::Path;

use cfgsync_core::inventory::Item;
use cfgsync_core::path::RepoPath;
use cfgsync_core::unit::{Kind, Mode};
use tar::{Entry, EntryType};

use super::unsound;
use crate::failure::Outcome;
use crate::fs::dir::os;
use crate::fs::hash::{self, BlobHasher};

/// Longest name of an entry in bytes: more than any path has.
pub const LONGEST_NAME: u64 = 16 * 1024;

/// Entries that have to come as they are listed.
pub struct Listed<'a, I> {
    path: &'a Path,
    entries: I,
}

impl<'a, 'b, R: Read + 'b, I: Iterator<Item = io::Result<Entry<'b, R>>>> Listed<'a, I> {
    /// Takes the entries of an archive.
    pub fn new(path: &'a Path, entries: I) -> Self {
        Self { path, entries }
    }

    /// The next entry has to be this folder.
    pub fn folder(&mut self, folder: &RepoPath, mode: Mode) -> Outcome<()> {
        let (entry, name) = self.next()?;
        check(self.path, (&entry, &name), (folder, EntryType::Directory, 0, mode))
    }

    /// The next entry has to be this file, to the last byte. Returns its bytes where they are wanted.
    pub fn file(&mut self, unit: &RepoPath, item: &Item, is_wanted: bool) -> Outcome<Vec<u8>> {
        let path = self.path;
        let mode = if item.version.kind == Kind::Link { Mode::FILE } else { item.version.mode };
        let (mut entry, name) = self.next()?;
        check(path, (&entry, &name), (unit, EntryType::Regular, item.size, mode))?;
        let mut bytes = Vec::new();
        let mut hasher = BlobHasher::new(item.size);
        let count = hash::copy(&mut entry, |chunk| {
            hasher.update(chunk);
            if is_wanted {
                bytes.extend_from_slice(chunk);
            }
            Ok(())
        });
        let count = count.map_err(|error| unsound(path, error))?;
        if count != item.size || hasher.finish() != item.version.blob {
            return Err(unsound(path, format!("the bytes of {unit} are not those it lists")));
        }
        Ok(bytes)
    }

    /// No entry may follow.
    pub fn end(mut self) -> Outcome<()> {
        match self.entries.next() {
            Some(_) => Err(unsound(self.path, "it holds more than it lists")),
            None => Ok(()),
        }
    }

    fn next(&mut self) -> Outcome<(Entry<'b, R>, Vec<u8>)> {
        let first = self.read()?;
        if first.header().entry_type() != EntryType::GNULongName {
            let name = first.header().path_bytes().into_owned();
            return Ok((first, name));
        }
        let name = long_name(self.path, first)?;
        Ok((self.read()?, name))
    }

    fn read(&mut self) -> Outcome<Entry<'b, R>> {
        let entry = self.entries.next().ok_or_else(|| unsound(self.path, "it ends too early"))?;
        entry.map_err(|error| unsound(self.path, error))
    }
}

/// Reads the name that does not fit into the header of the entry behind it. It ends with a zero.
fn long_name<R: Read>(path: &Path, entry: Entry<'_, R>) -> Outcome<Vec<u8>> {
    let size = entry.size();
    if size > LONGEST_NAME {
        return Err(unsound(path, "it has a name that no file has"));
    }
    let mut name = Vec::new();
    entry.take(LONGEST_NAME).read_to_end(&mut name).map_err(|error| unsound(path, error))?;
    if name.len() as u64 != size || name.pop() != Some(0) {
        return Err(unsound(path, "it has a name that no file has"));
    }
    Ok(name)
}

/// Checks that an entry is the one that the list names.
fn check<R: Read>(
    path: &Path,
    (entry, name): (&Entry<'_, R>, &[u8]),
    (unit, kind, size, mode): (&RepoPath, EntryType, u64, Mode),
) -> Outcome<()> {
    let header = entry.header();
    let name = name.strip_suffix(b"/").filter(|_| kind == EntryType::Directory).unwrap_or(name);
    if os(name) != os(unit.as_bytes()) {
        return Err(unsound(path, format!("it does not hold {unit} where it says")));
    }
    let is_mode = header.mode().is_ok_and(|bits| bits == u32::from(mode.0));
    if header.entry_type() != kind || entry.size() != size || !is_mode {
        return Err(unsound(path, format!("{unit} is not what it lists")));
    }
    Ok(())
}
