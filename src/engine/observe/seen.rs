//! What the last look saw: a stat cache, so that files that did not change are not read again.
//!
//! An entry is trusted only when device, inode, size, mtime, ctime and mode all agree, and when the
//! file had been quiet for two seconds as it was read (Git's "racily clean" rule, made stricter): a
//! later change cannot hide behind an equal timestamp. Once a day, and by `doctor`, nothing is trusted.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use cfgsync_core::time::UnixTime;
use cfgsync_core::unit::{BlobId, Kind, Mode, Version};

use crate::failure::Outcome;
use crate::fs::dir::{Stat, StatKind, os};
use crate::fs::look::blob_id;
use crate::fs::plain::{self, Durability};

const MAGIC: &[u8; 8] = b"cfgseen2";
/// Bytes before the first row: magic, sum, when everything was read.
const HEADER: usize = 3 * 8;
/// Bytes of a row before its path: state, what it is and whether it was quiet, mode, blob, length.
const ROW: usize = 5 * 8 + 1 + 2 + 20 + 2;
/// About how long a row is.
const ROW_BYTES: usize = ROW + 60;
/// How long a file had to be quiet, in ms.
pub const QUIET_MS: u64 = 2_000;
const QUIET_NS: i64 = 2_000_000_000;
/// For how many seconds what was seen is believed.
pub const DAY: u64 = 24 * 60 * 60;

/// One file as it was last read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    state: [u64; 5],
    version: Version,
    is_quiet: bool,
}

/// Every file as it was last read, by absolute path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    entries: HashMap<Vec<u8>, Entry>,
    is_full_read_due: bool,
    read_at: u64,
}

/// What the cache knows about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recall {
    /// It has not changed, and this is its version.
    Same(Version),
    /// It was this version, as another inode or the same one.
    Before {
        /// The version it had.
        version: Version,
        /// Whether it is another file now.
        is_replaced: bool,
    },
    /// It was never seen.
    Never,
}

impl Recall {
    /// Returns true where there were bytes. An editor that truncates and writes leaves an empty file for
    /// a moment; such a file waits one round, as the next run has seen it empty.
    pub fn was_full(self) -> bool {
        match self {
            Self::Before { version, .. } | Self::Same(version) => version.blob != blob_id(b""),
            Self::Never => false,
        }
    }
}

impl Seen {
    /// Reads the cache; anything that is no cache of ours is an empty one.
    pub fn read(path: &Path, now: UnixTime) -> Outcome<Self> {
        let bytes = plain::read(path)?.unwrap_or_default();
        let Some((entries, read_at)) = parse(&bytes) else {
            return Ok(Self { is_full_read_due: true, read_at: now.seconds(), ..Self::default() });
        };
        let is_full_read_due = now.seconds().abs_diff(read_at) > DAY;
        let read_at = if is_full_read_due { now.seconds() } else { read_at };
        Ok(Self { entries, is_full_read_due, read_at })
    }

    /// Returns an empty cache that goes on counting from this one's last full read.
    pub fn renewed(&self, now: UnixTime) -> Self {
        let read_at = if self.read_at == 0 { now.seconds() } else { self.read_at };
        let entries = HashMap::with_capacity(self.entries.len());
        Self { entries, read_at, ..Self::default() }
    }

    /// Writes the cache.
    pub fn write(&self, path: &Path) -> Outcome<()> {
        Ok(plain::publish(path, &self.format(), Durability::Relaxed)?)
    }

    fn format(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.entries.len() * ROW_BYTES);
        bytes.extend(MAGIC);
        bytes.extend([0; 8]);
        bytes.extend(self.read_at.to_le_bytes());
        self.entries.iter().for_each(|(name, entry)| add_row(name, entry, &mut bytes));
        let sum = sum(&bytes[16..]);
        bytes[8..16].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Returns size and time of the last change of a file as it was read.
    pub fn stamp(&self, path: &Path) -> Option<(u64, i64)> {
        let [_, _, size, mtime, _] = self.entries.get(path.as_os_str().as_encoded_bytes())?.state;
        Some((size, mtime.cast_signed()))
    }

    /// Returns inode, size and both times (in ns) of a file as it was read.
    pub fn read_state(&self, path: &Path) -> Option<[u64; 4]> {
        let [_, rest @ ..] = self.entries.get(path.as_os_str().as_encoded_bytes())?.state;
        Some(rest)
    }

    /// Returns when everything was read last, in Unix seconds.
    pub fn full_read(&self) -> u64 {
        self.read_at
    }

    /// Returns a cache that holds nothing yet, with room for so many, and of which everything was read then, in
    /// Unix seconds.
    pub fn starting(read_at: u64, room: usize) -> Self {
        Self { entries: HashMap::with_capacity(room), read_at, ..Self::default() }
    }

    /// Puts what was read once back.
    pub fn put(&mut self, path: PathBuf, stat: Stat, version: Version, is_quiet: bool) {
        let path = path.into_os_string().into_encoded_bytes();
        self.entries.insert(path, Entry { state: state(stat), version, is_quiet });
    }

    /// Returns the whole state of a file or link as it was read, as what it was read, and whether it had
    /// been quiet; the mode of a link means nothing.
    pub fn read_at(&self, path: &Path) -> Option<(Stat, Version, bool)> {
        let entry = self.entries.get(path.as_os_str().as_encoded_bytes())?;
        let [dev, ino, size, mtime, ctime] = entry.state;
        let kind = match entry.version.kind {
            Kind::File => StatKind::File,
            Kind::Link => StatKind::Link,
        };
        let [mtime, ctime] = [mtime, ctime].map(u64::cast_signed);
        let mode = entry.version.mode;
        let stat = Stat { dev, ino, size, mtime, ctime, mode, exact: mode, kind };
        Some((stat, entry.version, entry.is_quiet))
    }

    /// Returns what is known about a file in this state.
    pub fn recall(&self, path: &[u8], stat: Stat) -> Recall {
        match self.entries.get(path) {
            Some(entry) if self.is_trusted(entry, stat) => Recall::Same(entry.version),
            Some(entry) => {
                let is_replaced = entry.state[..2] != state(stat)[..2];
                Recall::Before { version: entry.version, is_replaced }
            }
            None => Recall::Never,
        }
    }

    fn is_trusted(&self, entry: &Entry, stat: Stat) -> bool {
        // A plan knows the mode that is shared, an archive the exact one.
        entry.is_quiet
            && !self.is_full_read_due
            && entry.state == state(stat)
            && ([stat.mode, stat.exact].contains(&entry.version.mode)
                || entry.version.kind == Kind::Link)
    }

    /// Trusts nothing from here on, as once a day.
    pub fn distrust(&mut self) {
        self.is_full_read_due = true;
    }

    /// Returns the files that had other bytes when they were read anew, and would have been trusted.
    pub fn deceived(&self, anew: &Self) -> Vec<PathBuf> {
        let deceives = |(path, entry): &(&Vec<u8>, &Entry)| {
            let read = anew.entries.get(*path).filter(|read| read.state == entry.state);
            entry.is_quiet && read.is_some_and(|read| read.version.blob != entry.version.blob)
        };
        let paths = self.entries.iter().filter(deceives);
        let mut paths: Vec<PathBuf> = paths.map(|(path, _)| os(path).into()).collect();
        paths.sort();
        paths
    }

    /// Keeps what was read.
    pub fn remember(&mut self, path: Vec<u8>, stat: Stat, version: Version, now: UnixTime) {
        let now = i64::try_from(now.0).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        let times = [stat.mtime, stat.ctime];
        // A change after the run began is of this moment too.
        let is_quiet = times.iter().all(|time| now.saturating_sub(*time) > QUIET_NS);
        self.entries.insert(path, Entry { state: state(stat), version, is_quiet });
    }
}

fn state(stat: Stat) -> [u64; 5] {
    [stat.dev, stat.ino, stat.size, stat.mtime.cast_unsigned(), stat.ctime.cast_unsigned()]
}

/// Adds a row. A path that is too long for one is read anew each time.
fn add_row(name: &[u8], entry: &Entry, bytes: &mut Vec<u8>) {
    let Ok(length) = u16::try_from(name.len()) else { return };
    entry.state.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    let Version { kind, mode, blob } = entry.version;
    bytes.push(u8::from(kind == Kind::Link) * 2 + u8::from(entry.is_quiet));
    bytes.extend(mode.0.to_le_bytes());
    bytes.extend(blob.0);
    bytes.extend(length.to_le_bytes());
    bytes.extend(name);
}

/// Returns what a cache of ours holds, and when everything was read.
fn parse(bytes: &[u8]) -> Option<(HashMap<Vec<u8>, Entry>, u64)> {
    let word = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    if !bytes.starts_with(MAGIC) || word(8)? != sum(bytes.get(16..)?) {
        return None;
    }
    let mut entries = HashMap::with_capacity(bytes.len() / ROW_BYTES);
    let mut rest = bytes.get(HEADER..)?;
    while let Some((row, following)) = rest.split_at_checked(ROW) {
        let length = usize::from(u16::from_le_bytes([row[ROW - 2], row[ROW - 1]]));
        let (name, following) = following.split_at_checked(length)?;
        rest = following;
        entries.insert(name.to_vec(), entry(row)?);
    }
    rest.is_empty().then_some((entries, word(16)?))
}

fn entry(row: &[u8]) -> Option<Entry> {
    let mut state = [0; 5];
    for (at, field) in state.iter_mut().enumerate() {
        *field = u64::from_le_bytes(*row.get(at * 8..)?.first_chunk()?);
    }
    let mode = Mode(u16::from_le_bytes([row[41], row[42]]));
    let blob = BlobId(*row.get(43..)?.first_chunk()?);
    let version = if row[40] & 2 == 0 { Version::file(mode, blob) } else { Version::link(blob) };
    Some(Entry { state, version, is_quiet: row[40] & 1 != 0 })
}

fn sum(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_790_000_000_000);

    fn stat(seconds_ago: i64) -> Stat {
        let time = NOW.0.cast_signed() * 1_000_000 - seconds_ago * 1_000_000_000;
        Stat {
            dev: 1,
            ino: 2,
            size: 3,
            mtime: time,
            ctime: time,
            mode: Mode::FILE,
            exact: Mode::FILE,
            kind: StatKind::File,
        }
    }

    fn seen(stat: Stat) -> Seen {
        let mut seen = Seen { read_at: NOW.seconds(), ..Seen::default() };
        seen.remember(b"/a b".to_vec(), stat, Version::file(stat.mode, BlobId([7; 20])), NOW);
        seen
    }

    #[test]
    fn a_quiet_file_is_not_read_again() {
        assert!(matches!(seen(stat(10)).recall(b"/a b", stat(10)), Recall::Same(_)));
    }

    #[test]
    fn a_file_changed_just_now_is_read_again() {
        assert!(matches!(seen(stat(1)).recall(b"/a b", stat(1)), Recall::Before { .. }));
    }

    #[test]
    fn any_difference_counts() {
        let seen = seen(stat(10));
        let changed = [
            Stat { ino: 9, ..stat(10) },
            Stat { size: 9, ..stat(10) },
            Stat { ctime: 9, ..stat(10) },
            Stat { mode: Mode(0o600), exact: Mode(0o600), ..stat(10) },
        ];
        for other in changed {
            assert!(matches!(seen.recall(b"/a b", other), Recall::Before { .. }), "{other:?}");
        }
    }

    #[test]
    fn what_was_written_comes_back_and_nothing_else_does() {
        let mut seen = seen(stat(10));
        seen.remember(b"/l".to_vec(), stat(1), Version::link(BlobId([9; 20])), NOW);
        let bytes = seen.format();
        assert_eq!(parse(&bytes), Some((seen.entries, NOW.seconds())));
        for torn in 0..bytes.len() {
            assert_eq!(parse(&bytes[..torn]), None, "{torn}");
        }
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_eq!(parse(&other), None, "{at}");
        }
        assert_eq!(parse(b"cfgsync seen 1 1790000000\n1 2 3 4 5 1 0644"), None);
    }
}
