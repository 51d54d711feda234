//! Makes a list: every name that a look depends on, folder by folder.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use cfgsync_core::manifest::MANIFEST;
use cfgsync_core::observed::{Live, Local};
use cfgsync_core::path::RepoPath;

use super::Stood;
use super::compare::compare;
use super::onward;
use super::rows::{self, Read, Row, add};
use crate::context::Places;
use crate::fs::dir::{Dir, Stat, os};
use crate::fs::look::blob_id;
use crate::fs::plain;
use crate::git::TreeId;
use crate::observe::resumed::digest;
use crate::observe::{Link, Observer};
use crate::session::Session;

/// Everything that a look depends on.
pub struct List {
    pub(super) bytes: Vec<u8>,
    /// When the newest of it changed, in ns.
    pub(super) newest: i64,
    /// Whether a look can go on from it.
    pub(super) can_go_on: bool,
    /// What is agreed, where that is the working tree to its last mode.
    pub(super) tree: Option<(u64, TreeId)>,
}

/// A look that depends on something that cannot be written down.
pub(super) struct NotStill;

/// What a list is made of.
#[derive(Clone, Copy)]
pub(super) struct Looked<'a> {
    pub(super) places: &'a Places,
    pub(super) observer: &'a Observer<'a>,
    pub(super) local: &'a Local,
    /// Where the list of marks is, and in which state.
    pub(super) manifest: (&'a Path, Option<Stat>),
}

impl List {
    /// Returns what a look depends on; none where that cannot be written down. Where the look went on from
    /// what the last run saw, what still stands is taken from its list.
    pub fn of(
        session: &Session<'_>,
        observer: &Observer<'_>,
        local: &Local,
        stood: Option<&Stood>,
    ) -> Option<Self> {
        let is_plain =
            local.findings.is_empty() && local.moved.is_empty() && local.filtered.is_empty();
        if !is_plain || observer.met_a_repository() {
            return None;
        }
        let places = &session.context.places;
        let (path, stat) = manifest(places, local).ok()?;
        let looked = Looked { places, observer, local, manifest: (&path, stat) };
        let can_go_on = observer.can_go_on(local);
        let kept = stood.and_then(Stood::kept).filter(|_| can_go_on);
        let onward = kept.and_then(|kept| onward::rows(looked, kept));
        debug_assert!(onward.as_ref().is_none_or(|onward| is_right(looked, onward)));
        let mut bytes = onward.or_else(|| folder_rows(looked).ok())?;
        let newest = rows::newest(&bytes);
        for path in local.ignored.iter().filter(|_| can_go_on) {
            add(&mut bytes, Row::Ignored, path.as_bytes(), None, Read::Nothing)?;
        }
        let tree = agreed(session, local).filter(|_| can_go_on);
        Some(Self { bytes, newest, can_go_on, tree })
    }

    /// Returns true when all of it stands as it was seen. A change within the same tick of the clock as
    /// the one before it does not show.
    pub fn stands(&self) -> bool {
        compare(&self.bytes, 0).is_some()
    }
}

/// The state in which a name is expected, and what was read there.
pub(super) type Expected = (Option<Stat>, Read);

/// One folder of a list, and what is expected in it.
struct Folder {
    row: Row,
    stat: Stat,
    read: Read,
    names: Vec<(Vec<u8>, Option<Stat>, Read)>,
}

/// Folders by their paths.
#[derive(Default)]
struct Folders {
    all: Vec<Folder>,
    /// Where each of them is among all.
    places: BTreeMap<OsString, usize>,
    /// The folder of the last name, to which every folder on the way is there.
    last: Option<(PathBuf, usize)>,
}

impl Folders {
    fn add(&mut self, path: &Path, folder: Folder) -> usize {
        self.places.insert(path.as_os_str().to_owned(), self.all.len());
        self.all.push(folder);
        self.all.len() - 1
    }

    /// Adds what is expected of a name, and every folder on the way to it from a root.
    fn expect(&mut self, root: &Path, path: &Path, (stat, read): Expected) -> Result<(), NotStill> {
        // Paths are slow to take apart and to compare: bytes are not.
        let bytes = path.as_os_str().as_encoded_bytes();
        let cut = bytes.iter().rposition(|byte| *byte == b'/').ok_or(NotStill)?;
        let (above, name) = (Path::new(os(&bytes[..cut])), bytes[cut + 1..].to_vec());
        let is_last = |(last, _): &&(PathBuf, usize)| last.as_os_str() == above.as_os_str();
        let at = if let Some((_, at)) = self.last.as_ref().filter(is_last) {
            *at
        } else {
            if !self.lead(root, above)? {
                // Nothing is here, nor below.
                return if stat.is_none() { Ok(()) } else { Err(NotStill) };
            }
            let at = self.way(above)?;
            self.last = Some((above.to_owned(), at));
            at
        };
        self.all[at].names.push((name, stat, read));
        Ok(())
    }

    /// Adds every folder on the way from a root to this one; false where one is missing, which is then
    /// expected.
    fn lead(&mut self, root: &Path, to: &Path) -> Result<bool, NotStill> {
        let below = to.strip_prefix(root).map_err(|_| NotStill)?;
        let mut folder = root.to_owned();
        self.way(&folder)?;
        for name in below {
            let child = folder.join(name);
            let is_folder = self.places.contains_key(child.as_os_str()) || child.is_dir();
            if !is_folder {
                let name = name.as_encoded_bytes().to_vec();
                let at = self.way(&folder)?;
                self.all[at].names.push((name, None, Read::Nothing));
                return Ok(false);
            }
            self.way(&child)?;
            folder = child;
        }
        Ok(true)
    }

    /// Returns where a folder is, which is on the way to something.
    fn way(&mut self, path: &Path) -> Result<usize, NotStill> {
        if let Some(at) = self.places.get(path.as_os_str()) {
            return Ok(*at);
        }
        let stat = Dir::open(path).and_then(|dir| dir.own_stat()).map_err(|_| NotStill)?;
        Ok(self.add(path, Folder { row: Row::Way, stat, read: Read::Nothing, names: Vec::new() }))
    }
}

/// Returns the rows of every folder and of what is in it, or learns that it cannot be done.
fn folder_rows(looked: Looked<'_>) -> Result<Vec<u8>, NotStill> {
    let Looked { places, observer, local, manifest: (path, stat) } = looked;
    let mut folders = Folders::default();
    for listed in observer.listed().iter() {
        let row = Row::of_listed(listed, places);
        let (stat, read) = (listed.stat, Read::Names(listed.names));
        folders.add(&listed.path, Folder { row, stat, read, names: Vec::new() });
    }
    for path in local.stored.units.keys() {
        let path = places.repo.join(os(path.as_bytes()));
        let seen = seen(observer, &path)?;
        folders.expect(&places.repo, &path, seen)?;
    }
    folders.expect(&places.repo, path, (stat, Read::Nothing))?;
    for (unit, live) in &local.live {
        let (path, seen) = self::live(places, observer, unit, *live)?;
        folders.expect(&places.home, &path, seen)?;
    }
    let mut bytes = Vec::new();
    for (path, at) in &folders.places {
        let folder = &folders.all[*at];
        let (stat, name) = (Some(folder.stat), path.as_encoded_bytes());
        add(&mut bytes, folder.row, name, stat, folder.read).ok_or(NotStill)?;
        for (name, stat, read) in &folder.names {
            add(&mut bytes, Row::of(*stat), name, *stat, *read).ok_or(NotStill)?;
        }
    }
    Ok(bytes)
}

/// Returns true where rows are those that are made without an older list, as far as that can be told.
fn is_right(looked: Looked<'_>, onward: &[u8]) -> bool {
    folder_rows(looked).map_or(true, |rows| rows == onward)
}

/// Returns what is agreed, where it is this working tree, with its digest.
fn agreed(session: &Session<'_>, local: &Local) -> Option<(u64, TreeId)> {
    let (agreed, ..) = session.vault.agreed_trees().ok()??;
    let tree = session.vault.read(agreed).ok()?;
    (tree == local.stored).then(|| (digest(&tree), agreed))
}

/// The list of marks, if it is the one that was looked at.
fn manifest(places: &Places, local: &Local) -> Result<(PathBuf, Option<Stat>), NotStill> {
    let path = places.repo.join(MANIFEST);
    let folder = Dir::open(&places.meta).map_err(|_| NotStill)?;
    let name = path.file_name().ok_or(NotStill)?.as_encoded_bytes();
    let stat = folder.stat(name).map_err(|_| NotStill)?;
    let text = plain::read_text(&path).map_err(|_| NotStill)?.unwrap_or_default();
    let marks = crate::git::trees::parse_manifest(&text).map_err(|_| NotStill)?;
    if marks == local.stored.manifest { Ok((path, stat)) } else { Err(NotStill) }
}

/// A live file, in the state in which it was seen.
pub(super) fn live(
    places: &Places,
    observer: &Observer<'_>,
    unit: &RepoPath,
    live: Live,
) -> Result<(PathBuf, Expected), NotStill> {
    let home = unit.home().ok_or(NotStill)?;
    let path = places.home.join(os(home.as_bytes()));
    let seen = match live {
        Live::Absent | Live::FolderGone => (None, Read::Nothing),
        Live::File(_) => seen(observer, &path)?,
        Live::Linked => {
            let Link { stat, target } = observer.link(&path).ok_or(NotStill)?;
            // One that is spelled otherwise leads over links that are in no row.
            let stored = places.repo.join(os(unit.as_bytes()));
            if target != blob_id(stored.as_os_str().as_encoded_bytes()) {
                return Err(NotStill);
            }
            (Some(stat), Read::Link(stat.exact, target))
        }
        Live::Moved(_)
        | Live::LinkedElsewhere
        | Live::Folder
        | Live::Special
        | Live::Unreachable => return Err(NotStill),
    };
    Ok((path, seen))
}

/// Returns the state in which a file was read, and as what.
pub(super) fn seen(observer: &Observer<'_>, path: &Path) -> Result<Expected, NotStill> {
    let (stat, version, is_quiet) = observer.read_at(path).ok_or(NotStill)?;
    Ok((Some(stat), Read::Version(version, is_quiet)))
}
