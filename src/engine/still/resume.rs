//! What a list says a look saw, put back together.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cfgsync_core::observed::{Live, Local};
use cfgsync_core::path::{HomePath, RepoPath};
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::{BlobId, Mode};

use super::compare::Touch;
use super::rows::{Entry, Read, Row};
use super::{HEADER, Kept, word};
use crate::context::Places;
use crate::fs::dir::os;
use crate::git::trees::oid;
use crate::observe::resumed::Resumed;
use crate::observe::seen::DAY;
use crate::observe::{Link, Listed};

/// Bytes of a row with a name of usual length; only how much room is made depends on it.
const USUAL_ROW: usize = 96;

/// The folder whose names are read.
struct Folder<'a> {
    path: &'a Path,
    /// Its path in the repository, or of the stored copies of what is in it.
    unit: Vec<u8>,
    is_stored: bool,
}

impl<'a> Folder<'a> {
    fn of(places: &Places, path: &'a Path) -> Option<Self> {
        let bytes = |path: &Path| path.as_os_str().as_encoded_bytes().to_vec();
        if let Ok(below) = path.strip_prefix(&places.repo) {
            return Some(Self { path, unit: bytes(below), is_stored: true });
        }
        let below = bytes(path.strip_prefix(&places.home).ok()?);
        // The home itself has no path in it.
        let stored = HomePath::new(below).map(|home| home.stored());
        let unit = stored.map_or(b"external".to_vec(), |unit| unit.as_bytes().to_vec());
        Some(Self { path, unit, is_stored: false })
    }

    fn unit(&self, name: &[u8]) -> Option<RepoPath> {
        let slash: &[u8] = if self.unit.is_empty() { b"" } else { b"/" };
        RepoPath::new([&self.unit, slash, name].concat()).ok()
    }
}

impl Kept {
    /// Returns what the look saw that wrote the list; none where a look cannot go on from that.
    pub fn resumed(&self, places: &Places) -> Option<Resumed> {
        if word(&self.bytes, 32) != Some(1) || places.home.starts_with(&places.repo) {
            return None;
        }
        let read_at = word(&self.bytes, 24)?.checked_sub(DAY)?;
        let mut resumed = Resumed::starting(read_at, self.bytes.len() / USUAL_ROW);
        let tree = BlobId(*self.bytes.get(48..)?.first_chunk()?);
        let digest = word(&self.bytes, 40)?;
        resumed.tree = (tree != BlobId([0; 20])).then(|| (digest, oid(tree)));
        let mut rows = self.bytes.get(HEADER..)?;
        let (mut folder, mut units, mut live) = (None, Vec::new(), Vec::new());
        while let Some((entry, rest)) = Entry::split(rows) {
            rows = rest;
            match entry.row {
                Row::Folder | Row::Root | Row::Way => {
                    let here = Folder::of(places, Path::new(os(entry.name)))?;
                    resumed.add_folder(&entry, &here)?;
                    folder = Some(here);
                }
                Row::Name => {
                    let here = folder.as_ref()?;
                    let (path, stat) = (here.path.join(os(entry.name)), entry.stat()?);
                    match entry.read()? {
                        Read::Version(version, is_quiet) => {
                            let unit = here.unit(entry.name)?;
                            if here.is_stored {
                                units.push((unit, version));
                            } else {
                                live.push((unit, Live::File(version)));
                            }
                            resumed.seen.put(path, stat, version, is_quiet);
                        }
                        Read::Link(_, target) => {
                            live.push((here.unit(entry.name)?, Live::Linked));
                            resumed.links.insert(path, Link { stat, target });
                        }
                        Read::Nothing | Read::Names(_) => {}
                    }
                }
                Row::Absent => {}
                Row::Ignored => {
                    resumed.local.ignored.insert(RepoPath::new(entry.name).ok()?);
                }
            }
        }
        resumed.local.stored.units = units.into_iter().collect();
        resumed.local.live = live.into_iter().collect();
        for touch in &self.touched {
            resumed.add_touch(places, touch)?;
        }
        Some(resumed)
    }
}

impl Resumed {
    fn starting(read_at: u64, room: usize) -> Self {
        let (listed, links) = Default::default();
        let (units, folders) = (BTreeSet::new(), BTreeSet::new());
        let local = Local { stored: Tree::default(), ..Local::default() };
        let seen = crate::observe::seen::Seen::starting(read_at, room);
        Self { seen, listed, links, local, tree: None, units, folders }
    }

    fn add_folder(&mut self, entry: &Entry<'_>, here: &Folder<'_>) -> Option<()> {
        let Read::Names(names) = entry.read()? else { return Some(()) };
        let stat = entry.stat()?;
        if here.is_stored && !here.unit.is_empty() && stat.mode != Mode::EXECUTABLE {
            let folder = RepoPath::new(here.unit.clone()).ok()?;
            self.local.stored.folders.insert(folder, stat.mode);
        }
        self.listed.push(Listed { path: here.path.to_owned(), stat, names });
        Some(())
    }

    /// Adds what has to be looked at again: units, and folders by the paths of what is stored of them.
    fn add_touch(&mut self, places: &Places, touch: &Touch) -> Option<()> {
        match touch {
            Touch::Folder(path) => {
                let unit = Folder::of(places, path)?.unit;
                let folder = if unit.is_empty() { None } else { Some(RepoPath::new(unit).ok()?) };
                self.folders.insert((path.clone(), folder));
            }
            Touch::Name(path) => {
                let folder: PathBuf = path.parent()?.to_owned();
                let name = path.file_name()?.as_encoded_bytes();
                let unit = Folder::of(places, &folder)?.unit(name)?;
                // The list of marks decides about everything.
                if unit.is_meta() {
                    return None;
                }
                self.units.insert(unit);
            }
        }
        Some(())
    }
}
