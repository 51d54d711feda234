//! How a run sees that no file changed since everything was in sync, without listing a folder,
//! reading a file, or making a picture of either.
//!
//! A look that finds everything in sync writes down every name it depends on: folders whose names it
//! listed, files and links in the state in which it saw them, folders on the way, what decides which
//! files are ignored. While each of them stands so, another look would find the same. Only what had
//! been quiet for two seconds is written down (see [`crate::observe::seen`]); where anything had not,
//! there is no list, and the next run looks. Once a day none is believed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cfgsync_core::manifest::MANIFEST;
use cfgsync_core::observed::{Live, Local};
use cfgsync_core::path::RepoPath;
use cfgsync_core::status::watch::CHECKED;
use cfgsync_core::status::wire::{self, Watch};
use cfgsync_core::time::UnixTime;

use crate::context::Places;
use crate::failure::Outcome;
use crate::fs::dir::{Dir, Stat, StatKind, os};
use crate::fs::plain::{self, Durability};
use crate::observe::Observer;
use crate::session::Session;

const MAGIC: &[u8; 8] = b"cfgstil1";

/// Bytes before the first row: magic, sum, what it holds for, until when.
const HEADER: usize = 8 + 8 + 8 + 8;

/// Bytes of a row before its name: kind, length, state.
const ROW: usize = 1 + 2 + STATE;

/// Bytes of a state.
const STATE: usize = 5 * 8 + 2 + 1;

/// What is expected of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    /// A folder in exactly this state; names that follow are in it.
    Folder,
    /// The same; it may be reached through links.
    Root,
    /// A folder that is this inode, on the way to something.
    Way,
    /// A name of the last folder, in exactly this state.
    Name,
    /// A name of the last folder that is not there.
    Absent,
}

impl Row {
    const ALL: [Self; 5] = [Self::Folder, Self::Root, Self::Way, Self::Name, Self::Absent];

    fn number(self) -> u8 {
        Self::ALL.iter().zip(0..).find(|(row, _)| **row == self).map_or(0, |(_, number)| number)
    }
}

/// Everything that a look depends on.
pub struct List {
    bytes: Vec<u8>,
    /// When the newest of it changed, in ns.
    newest: i64,
}

/// A look that depends on something that cannot be written down.
struct NotStill;

impl List {
    fn add(&mut self, row: Row, name: &[u8], stat: Option<Stat>) -> Result<(), NotStill> {
        let stat = match (row, stat) {
            (Row::Absent, None) => None,
            (Row::Way, Some(stat)) => Some(stat),
            (Row::Folder | Row::Root | Row::Name, Some(stat)) => {
                self.newest = self.newest.max(stat.mtime).max(stat.ctime);
                Some(stat)
            }
            _ => return Err(NotStill),
        };
        self.bytes.push(row.number());
        self.bytes.extend(u16::try_from(name.len()).map_err(|_| NotStill)?.to_le_bytes());
        self.bytes.extend(stat.map_or([0; STATE], state));
        self.bytes.extend(name);
        Ok(())
    }

    /// Returns what a look depends on; none where that cannot be written down.
    pub fn of(session: &Session<'_>, observer: &Observer<'_>, local: &Local) -> Option<Self> {
        let mut list = Self { bytes: Vec::new(), newest: 0 };
        rows(session, observer, local, &mut list).ok()?;
        Some(list)
    }

    /// Returns true when all of it stands as it was seen. A change within the same tick of the clock as
    /// the one before it does not show.
    pub fn stands(&self) -> bool {
        stands(&self.bytes)
    }
}

fn state(stat: Stat) -> [u8; STATE] {
    let mut bytes = [0; STATE];
    let Stat { dev, ino, size, mtime, ctime, mode, kind, .. } = stat;
    let numbers = [dev, ino, size, mtime.cast_unsigned(), ctime.cast_unsigned()];
    for (at, number) in numbers.into_iter().enumerate() {
        bytes[at * 8..][..8].copy_from_slice(&number.to_le_bytes());
    }
    // What bits a link has depends on the system, and means nothing.
    let mode = if kind == StatKind::Link { 0 } else { mode.0 };
    bytes[40..42].copy_from_slice(&mode.to_le_bytes());
    bytes[42] = match kind {
        StatKind::File => 1,
        StatKind::Link => 2,
        StatKind::Folder => 3,
        StatKind::Special => 4,
    };
    bytes
}

/// What of a folder says that it is the same one, whatever is in it.
fn identity(state: &[u8]) -> (&[u8], &[u8]) {
    (&state[..16], &state[42..STATE])
}

fn path(places: &Places) -> PathBuf {
    places.state.join("still")
}

/// Everything beside files that a look depends on, and the list that the light was given for it.
fn key(session: &Session<'_>, watch: &[u8]) -> Outcome<u64> {
    let mut hasher = DefaultHasher::new();
    let version = env!("CARGO_PKG_VERSION");
    format!("{version} {:?}", (&session.branch, &session.remote, session.policy()?))
        .hash(&mut hasher);
    let upstream = session.vault.agreed_trees()?.and_then(|(_, _, tip)| tip);
    (upstream, session.worktree.tip(&session.branch)?, session.vault.agreement()?)
        .hash(&mut hasher);
    rules(session).hash(&mut hasher);
    watch.get(CHECKED..).hash(&mut hasher);
    Ok(hasher.finish())
}

/// Returns the states of the files beside the repository's own that say what is ignored and filtered.
fn rules(session: &Session<'_>) -> Vec<Option<[i64; 4]>> {
    let folder = session.worktree.refs_folder();
    let mut files: Vec<PathBuf> = ["config", "config.worktree", "info/exclude", "info/attributes"]
        .map(|at| folder.join(at))
        .into();
    files.extend(session.worktree.user_rules());
    let state = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some([found.ino().cast_signed(), found.mtime(), found.mtime_nsec(), found.ctime_nsec()])
    };
    files.iter().map(state).collect()
}

/// Returns true when nothing changed since a run left everything in sync.
pub fn holds(session: &Session<'_>, now: UnixTime) -> Outcome<bool> {
    let places = &session.context.places;
    let Some(list) = plain::read(&path(places))? else { return Ok(false) };
    let Some(watch) = plain::read(&places.watch())? else { return Ok(false) };
    let word = |at: usize| -> Option<u64> {
        Some(u64::from_le_bytes(list.get(at..at + 8)?.try_into().ok()?))
    };
    if !list.starts_with(MAGIC)
        || word(8) != Some(sum(list.get(16..).unwrap_or_default()))
        || word(16) != Some(key(session, &watch)?)
    {
        return Ok(false);
    }
    let until = word(24).unwrap_or(0);
    // A clock that was set back must not make a list last longer.
    let is_fresh = now.seconds() < until && until - now.seconds() <= crate::observe::seen::DAY;
    Ok(is_fresh && stands(list.get(HEADER..).unwrap_or_default()))
}

fn sum(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// Returns true when every row stands as it was.
fn stands(mut rows: &[u8]) -> bool {
    let mut folder: Option<Dir> = None;
    while let Some((row, [state, name, rest])) = split(rows) {
        rows = rest;
        let is_same = match row {
            Row::Folder | Row::Root | Row::Way => {
                folder = open(Path::new(os(name)), row);
                let found = folder.as_ref().and_then(|dir| dir.own_stat().ok()).map(self::state);
                found.is_some_and(|found| {
                    found == state || (row == Row::Way && identity(&found) == identity(state))
                })
            }
            Row::Name | Row::Absent => {
                let Some(Ok(found)) = folder.as_ref().map(|dir| dir.stat(name)) else {
                    return false;
                };
                found.map_or([0; STATE], self::state) == state
            }
        };
        if !is_same {
            return false;
        }
    }
    rows.is_empty()
}

fn open(path: &Path, row: Row) -> Option<Dir> {
    if row == Row::Root { Dir::open(path) } else { Dir::open_itself(path) }.ok()
}

/// Splits the first row off, with its state and name, from what follows.
fn split(rows: &[u8]) -> Option<(Row, [&[u8]; 3])> {
    let (head, rest) = rows.split_at_checked(ROW)?;
    let row = *Row::ALL.get(usize::from(head[0]))?;
    let length = usize::from(u16::from_le_bytes([head[1], head[2]]));
    let (name, rest) = rest.split_at_checked(length)?;
    Some((row, [&head[3..], name, rest]))
}

/// Writes down what a look that began at `since` and found everything in sync depends on, where that
/// can be done; `watch` is what the light is given for it.
pub fn write(
    session: &Session<'_>,
    observer: &Observer<'_>,
    list: Option<&List>,
    watch: &Watch,
    since: UnixTime,
) -> Outcome<()> {
    let watch = wire::encode_watch(watch, 0);
    let places = &session.context.places;
    let quiet = since.0.saturating_sub(crate::observe::seen::QUIET_MS);
    let quiet = i64::try_from(quiet).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    let Some(list) = list.filter(|list| list.newest < quiet) else {
        return Ok(plain::remove(&path(places))?);
    };
    let mut bytes = [&MAGIC[..], &[0; 8]].concat();
    bytes.extend(key(session, &watch)?.to_le_bytes());
    bytes.extend((observer.full_read() + crate::observe::seen::DAY).to_le_bytes());
    bytes.extend(&list.bytes);
    let sum = sum(&bytes[16..]);
    bytes[8..16].copy_from_slice(&sum.to_le_bytes());
    if plain::read(&path(places))?.is_some_and(|known| known == bytes) {
        return Ok(());
    }
    Ok(plain::publish(&path(places), &bytes, Durability::Relaxed)?)
}

/// One folder of a list, and what is expected in it.
struct Folder {
    row: Row,
    stat: Stat,
    names: Vec<(Vec<u8>, Option<Stat>)>,
}

/// Folders by their paths.
#[derive(Default)]
struct Folders {
    all: BTreeMap<OsString, Folder>,
    /// The folder of the last name, to which every folder on the way is there.
    last: PathBuf,
}

impl Folders {
    /// Adds what is expected of a name, and every folder on the way to it from a root.
    fn expect(&mut self, root: &Path, path: &Path, stat: Option<Stat>) -> Result<(), NotStill> {
        let above = path.parent().ok_or(NotStill)?;
        // Paths compare name by name.
        if above.as_os_str() != self.last.as_os_str() {
            if !self.lead(root, above)? {
                // Nothing is here, nor below.
                return if stat.is_none() { Ok(()) } else { Err(NotStill) };
            }
            above.clone_into(&mut self.last);
        }
        let name = path.file_name().ok_or(NotStill)?.as_encoded_bytes().to_vec();
        self.way(above)?.names.push((name, stat));
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
            let is_folder = self.all.contains_key(child.as_os_str()) || child.is_dir();
            if !is_folder {
                let name = name.as_encoded_bytes().to_vec();
                self.way(&folder)?.names.push((name, None));
                return Ok(false);
            }
            self.way(&child)?;
            folder = child;
        }
        Ok(true)
    }

    fn way(&mut self, path: &Path) -> Result<&mut Folder, NotStill> {
        if !self.all.contains_key(path.as_os_str()) {
            let stat = Dir::open(path).and_then(|dir| dir.own_stat()).map_err(|_| NotStill)?;
            let way = Folder { row: Row::Way, stat, names: Vec::new() };
            self.all.insert(path.as_os_str().to_owned(), way);
        }
        self.all.get_mut(path.as_os_str()).ok_or(NotStill)
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
        let folder = Folder { row, stat: listed.stat, names: Vec::new() };
        folders.all.insert(listed.path.as_os_str().to_owned(), folder);
    }
    for path in local.stored.units.keys() {
        let path = places.repo.join(os(path.as_bytes()));
        let stat = observer.stat(&path).ok_or(NotStill)?;
        folders.expect(&places.repo, &path, Some(stat))?;
    }
    let (path, stat) = manifest(places, local)?;
    folders.expect(&places.repo, &path, stat)?;
    for (unit, live) in &local.live {
        let (path, stat) = self::live(places, observer, unit, *live)?;
        folders.expect(&places.home, &path, stat)?;
    }
    for (path, folder) in &folders.all {
        list.add(folder.row, path.as_encoded_bytes(), Some(folder.stat))?;
        for (name, stat) in &folder.names {
            let row = if stat.is_some() { Row::Name } else { Row::Absent };
            list.add(row, name, *stat)?;
        }
    }
    Ok(())
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
) -> Result<(PathBuf, Option<Stat>), NotStill> {
    let home = unit.home().ok_or(NotStill)?;
    let path = places.home.join(os(home.as_bytes()));
    let stat = match live {
        Live::Absent | Live::FolderGone => None,
        Live::File(_) => Some(observer.stat(&path).ok_or(NotStill)?),
        Live::Linked => Some(observer.link(&path).ok_or(NotStill)?.stat),
        Live::Moved(_)
        | Live::LinkedElsewhere
        | Live::Folder
        | Live::Special
        | Live::Unreachable => return Err(NotStill),
    };
    Ok((path, stat))
}
