//! The rows of a list, byte by byte: what is expected of a name, and what a look read there.

use cfgsync_core::status::watch::Names;
use cfgsync_core::unit::{BlobId, Kind, Mode, Version};

use crate::context::Places;
use crate::fs::dir::{Stat, StatKind};
use crate::observe::Listed;

/// Bytes of a row before its name: kind, length, state, what was read, whether that is to be trusted.
const ROW: usize = 1 + 2 + STATE + READ + 1;

/// Bytes of a state.
const STATE: usize = 5 * 8 + 2 + 1;

/// Bytes of what was read: what it is, its mode, a count, a hash.
const READ: usize = 1 + 2 + 4 + 20;

/// The state of a name that is not there.
pub const NOTHING: [u8; STATE] = [0; STATE];

/// What is expected of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
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
    /// A path that ignore rules keep on this machine; nothing is expected of it.
    Ignored,
}

impl Row {
    /// Returns what is expected of a name in this state.
    pub fn of(stat: Option<Stat>) -> Self {
        if stat.is_some() { Self::Name } else { Self::Absent }
    }

    /// Returns what is expected of a folder whose names were read.
    pub fn of_listed(listed: &Listed, places: &Places) -> Self {
        if listed.path == places.repo { Self::Root } else { Self::Folder }
    }

    /// Returns true for a folder.
    pub fn is_folder(self) -> bool {
        matches!(self, Self::Folder | Self::Root | Self::Way)
    }

    const ALL: [Self; 6] =
        [Self::Folder, Self::Root, Self::Way, Self::Name, Self::Absent, Self::Ignored];

    fn number(self) -> u8 {
        Self::ALL.iter().zip(0..).find(|(row, _)| **row == self).map_or(0, |(_, number)| number)
    }
}

/// What a look read at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Nothing.
    Nothing,
    /// The names in a folder.
    Names(Names),
    /// A file, or a link of the repository, which had been quiet or not.
    Version(Version, bool),
    /// A link of ours, with all of its mode and its target, hashed.
    Link(Mode, BlobId),
}

impl Read {
    fn bytes(self) -> [u8; READ] {
        let (what, mode, count, hash) = match self {
            Self::Nothing => (0, Mode(0), 0, [0; 20]),
            Self::Names(names) => (1, Mode(0), names.count, names.blob()),
            Self::Version(Version { kind: Kind::File, mode, blob }, is_quiet) => {
                (2 + u8::from(is_quiet), mode, 0, blob.0)
            }
            Self::Version(Version { kind: Kind::Link, mode, blob }, is_quiet) => {
                (4 + u8::from(is_quiet), mode, 0, blob.0)
            }
            Self::Link(mode, target) => (6, mode, 0, target.0),
        };
        let mut bytes = [0; READ];
        bytes[0] = what;
        bytes[1..3].copy_from_slice(&mode.0.to_le_bytes());
        bytes[3..7].copy_from_slice(&count.to_le_bytes());
        bytes[7..].copy_from_slice(&hash);
        bytes
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let (head, hash) = bytes.split_at_checked(7)?;
        let mode = Mode(u16::from_le_bytes([head[1], head[2]]));
        let blob = BlobId(hash.try_into().ok()?);
        Some(match head[0] {
            0 => Self::Nothing,
            1 => {
                let count = u32::from_le_bytes([head[3], head[4], head[5], head[6]]);
                let sum = u64::from_le_bytes(hash.get(..8)?.try_into().ok()?);
                Self::Names(Names { sum, count })
            }
            what @ (2 | 3) => Self::Version(Version::file(mode, blob), what == 3),
            what @ (4 | 5) => Self::Version(Version::link(blob), what == 5),
            6 => Self::Link(mode, blob),
            _ => return None,
        })
    }
}

/// One row of a list.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// What is expected.
    pub row: Row,
    /// In which state.
    pub state: &'a [u8],
    /// Whether it changed too shortly before it was seen to be trusted.
    pub is_racy: bool,
    /// The path of a folder, or the name in it.
    pub name: &'a [u8],
    read: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Splits the first row off from what follows.
    pub fn split(rows: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (head, rest) = rows.split_at_checked(ROW)?;
        let row = *Row::ALL.get(usize::from(head[0]))?;
        let length = usize::from(u16::from_le_bytes([head[1], head[2]]));
        let (name, rest) = rest.split_at_checked(length)?;
        let (state, read) = head[3..ROW - 1].split_at(STATE);
        Some((Self { row, state, is_racy: head[ROW - 1] != 0, name, read }, rest))
    }

    /// Returns what the look read there.
    pub fn read(&self) -> Option<Read> {
        Read::of(self.read)
    }

    /// Returns the state in which the look saw it.
    pub fn stat(&self) -> Option<Stat> {
        let kind = match self.state.get(42)? {
            1 => StatKind::File,
            2 => StatKind::Link,
            3 => StatKind::Folder,
            _ => return None,
        };
        let mode = Mode(u16::from_le_bytes(self.state.get(40..42)?.try_into().ok()?));
        let mode = if let Read::Link(mode, _) = self.read()? { mode } else { mode };
        Some(Stat {
            dev: self.number(0)?.cast_unsigned(),
            ino: self.number(1)?.cast_unsigned(),
            size: self.number(2)?.cast_unsigned(),
            mtime: self.number(3)?,
            ctime: self.number(4)?,
            mode,
            exact: mode,
            kind,
        })
    }

    fn number(&self, at: usize) -> Option<i64> {
        Some(i64::from_le_bytes(self.state.get(at * 8..)?.first_chunk().copied()?))
    }

    /// Returns true for a state with the mode that it had.
    pub fn has_mode_of(&self, found: &[u8; STATE]) -> bool {
        self.state[40..42] == found[40..42]
    }

    /// Returns true for the folder that it was, whatever is in it.
    pub fn is_same_folder(&self, found: &[u8; STATE]) -> bool {
        self.state[..16] == found[..16] && self.state[42..] == found[42..]
    }
}

/// Adds a row. A name that is too long for one is none.
pub fn add(
    bytes: &mut Vec<u8>,
    row: Row,
    name: &[u8],
    stat: Option<Stat>,
    read: Read,
) -> Option<()> {
    bytes.push(row.number());
    bytes.extend(u16::try_from(name.len()).ok()?.to_le_bytes());
    let state = stat.map_or(NOTHING, state);
    // What else is in a folder on the way is of no interest, so that is not in its state.
    bytes.extend(if row == Row::Way { folder_alone(state) } else { state });
    bytes.extend(read.bytes());
    bytes.push(0);
    bytes.extend(name);
    Some(())
}

/// Returns the state of a folder as far as it says which folder it is.
fn folder_alone(state: [u8; STATE]) -> [u8; STATE] {
    let mut alone = NOTHING;
    alone[..16].copy_from_slice(&state[..16]);
    alone[42..].copy_from_slice(&state[42..]);
    alone
}

/// Returns when the newest of what rows expect changed, in ns.
pub fn newest(mut bytes: &[u8]) -> i64 {
    let mut newest = 0;
    while let Some((entry, rest)) = Entry::split(bytes) {
        newest = newest.max(entry.changed().unwrap_or_default());
        bytes = rest;
    }
    newest
}

/// Marks each row that changed at `quiet` or later, in ns, as one that is not to be trusted.
pub fn mark_racy(bytes: &mut [u8], quiet: i64) {
    let mut at = 0;
    while let Some((entry, rest)) = Entry::split(&bytes[at..]) {
        let (length, is_new) = (bytes.len() - at - rest.len(), entry.is_newer_than(quiet));
        bytes[at + ROW - 1] = u8::from(is_new);
        at += length;
    }
}

impl Entry<'_> {
    /// Returns when what is expected changed, in ns; none where that does not count.
    fn changed(&self) -> Option<i64> {
        let counts = matches!(self.row, Row::Folder | Row::Root | Row::Name);
        let [mtime, ctime] = [3, 4].map(|at| self.number(at));
        Some(mtime?.max(ctime?)).filter(|_| counts)
    }

    fn is_newer_than(&self, quiet: i64) -> bool {
        self.changed().is_some_and(|changed| changed >= quiet)
    }
}

/// Returns a state as a row has it.
pub fn state(stat: Stat) -> [u8; STATE] {
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
