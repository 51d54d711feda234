//! Makes a list: every name that a look depends on, folder by folder.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use cfgsync_core::manifest::MANIFEST;
use cfgsync_core::observed::{Live, Local};
use cfgsync_core::path::RepoPath;

use super::compare::compare;
use super::rows::{Read, Row, add};
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
struct NotStill;

impl List {
    fn add(
        &mut self,
        row: Row,
        name: &[u8],
        stat: Option<Stat>,
        read: Read,
    ) -> Result<(), NotStill> {
        if let Some(stat) = stat.filter(|_| row != Row::Way) {
            self.newest = self.newest.max(stat.mtime).max(stat.ctime);
        }
        add(&mut self.bytes, row, name, stat, read).ok_or(NotStill)
    }

    /// Returns what a look depends on; none where that cannot be written down.
    pub fn of(session: &Session<'_>, observer: &Observer<'_>, local: &Local) -> Option<Self> {
        let can_go_on = observer.can_go_on(local);
        let tree = agreed(session, local).filter(|_| can_go_on);
        let mut list = Self { bytes: Vec::new(), newest: 0, can_go_on, tree };
        rows(session, observer, local, &mut list).ok()?;
        Some(list)
    }

    /// Returns true when all of it stands as it was seen. A change within the same tick of the clock as
    /// the one before it does not show.
    pub fn stands(&self) -> bool {
        compare(&self.bytes, 0).is_some()
    }
}

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
    fn expect(
        &mut self,
        root: &Path,
        path: &Path,
        (stat, read): (Option<Stat>, Read),
    ) -> Result<(), NotStill> {
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

/// Writes every row, or learns that it cannot be done.
fn rows(
    session: &Session<'_>,
    observer: &Observer<'_>,
    local: &Local,
    list: &mut List,
) -> Result<(), NotStill> {
    let places = &session.context.places;
    let is_plain = local.findings.is_empty() && local.moved.is_empty() && local.filtered.is_empty();
    if !is_plain || observer.met_a_repository() {
        return Err(NotStill);
    }
    let mut folders = Folders::default();
    for listed in observer.listed().iter() {
        let row = if listed.path == places.repo { Row::Root } else { Row::Folder };
        let (stat, read) = (listed.stat, Read::Names(listed.names));
        folders.add(&listed.path, Folder { row, stat, read, names: Vec::new() });
    }
    for path in local.stored.units.keys() {
        let path = places.repo.join(os(path.as_bytes()));
        let seen = seen(observer, &path)?;
        folders.expect(&places.repo, &path, seen)?;
    }
    let (path, stat) = manifest(places, local)?;
    folders.expect(&places.repo, &path, (stat, Read::Nothing))?;
    for (unit, live) in &local.live {
        let (path, seen) = self::live(places, observer, unit, *live)?;
        folders.expect(&places.home, &path, seen)?;
    }
    for (path, at) in &folders.places {
        let folder = &folders.all[*at];
        list.add(folder.row, path.as_encoded_bytes(), Some(folder.stat), folder.read)?;
        for (name, stat, read) in &folder.names {
            let row = if stat.is_some() { Row::Name } else { Row::Absent };
            list.add(row, name, *stat, *read)?;
        }
    }
    for path in local.ignored.iter().filter(|_| list.can_go_on) {
        add(&mut list.bytes, Row::Ignored, path.as_bytes(), None, Read::Nothing).ok_or(NotStill)?;
    }
    Ok(())
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
fn live(
    places: &Places,
    observer: &Observer<'_>,
    unit: &RepoPath,
    live: Live,
) -> Result<(PathBuf, (Option<Stat>, Read)), NotStill> {
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
fn seen(observer: &Observer<'_>, path: &Path) -> Result<(Option<Stat>, Read), NotStill> {
    let (stat, version, is_quiet) = observer.read_at(path).ok_or(NotStill)?;
    Ok((Some(stat), Read::Version(version, is_quiet)))
}
