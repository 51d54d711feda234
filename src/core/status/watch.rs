//! The watch list: what a claim to be in sync depends on, path by path, as it was when the claim was
//! made. `docs/status-record.md` is the contract; [`super::wire`] writes it, [`super::truth`] asks.

use core::ffi::CStr;

/// The magic with the version of the layout.
pub const MAGIC: &[u8; 8] = b"cfgswch1";

/// Bytes before the first base.
pub const HEADER: usize = 40;

/// Where what the checksum covers begins.
pub const CHECKED: usize = 24;

/// Bytes of one base.
pub const BASE: usize = 8;

/// Bytes of one row.
pub const ROW: usize = 72;

/// How many paths a list has at most; it has a guard row more for some of their folders.
pub const MOST: usize = 1000;

/// What the disk says of one name, without following a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stat {
    /// Inode.
    pub ino: u64,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of the bytes, in ns since 1970.
    pub mtime: i64,
    /// Time of the last change of the inode, in ns since 1970.
    pub ctime: i64,
    /// The kind and the permission bits, as in `st_mode`.
    pub mode: u16,
}

/// What is expected at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file of these bytes.
    File,
    /// A link with this target.
    Link,
    /// Nothing.
    Absent,
    /// A folder with these names.
    Folder,
    /// A folder that is only looked at to save looking at what follows it.
    Guard,
    /// A Git ref of this value, in a file of its own or packed.
    Ref,
}

impl Kind {
    /// Every kind; its place is its number.
    const ALL: [Self; 6] =
        [Self::File, Self::Link, Self::Absent, Self::Folder, Self::Guard, Self::Ref];

    /// Returns the kind's number.
    pub fn number(self) -> u8 {
        Self::ALL.iter().zip(0..).find(|(kind, _)| **kind == self).map_or(0, |(_, number)| number)
    }
}

/// Nothing about the file was sure when it was looked at: its bytes decide.
pub const RACY: u8 = 1;

/// Only the bytes matter, whatever the mode.
pub const ANY_MODE: u8 = 2;

/// What changes here pauses syncing, and is nothing to send.
pub const PAUSES: u8 = 4;

/// One name, as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<T> {
    /// Which base the name is below.
    pub base: u16,
    /// The name, or several with slashes between them.
    pub name: T,
    /// What is expected there.
    pub kind: Kind,
    /// [`RACY`], [`ANY_MODE`], [`PAUSES`].
    pub flags: u8,
    /// How many rows after this one need no look while this folder stands as it was.
    pub children: u32,
    /// The state it was in.
    pub stat: Stat,
    /// The bytes as Git names them; the value of a ref; for a folder, the sum of its names.
    pub blob: [u8; 20],
    /// For a folder, how many names it has.
    pub count: u32,
}

impl<T> Row<T> {
    /// Returns true when a flag is set.
    pub fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Names of a folder, summed up in whatever order they come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Names {
    /// The sum of the hashes of the names.
    pub sum: u64,
    /// How many there are.
    pub count: u32,
}

impl Names {
    /// Adds a name, unless it [is aside](crate::names::is_aside).
    pub fn add(&mut self, name: &[u8]) {
        if crate::names::is_aside(name) {
            return;
        }
        // FNV-1a, with its bits spread once more so that sums do not meet.
        let hash = name.iter().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
        });
        let spread = (hash ^ (hash >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.sum = self.sum.wrapping_add(spread ^ (spread >> 29));
        self.count = self.count.saturating_add(1);
    }

    /// Returns the names in the form a row has them.
    pub fn blob(self) -> [u8; 20] {
        let mut blob = [0; 20];
        blob[..8].copy_from_slice(&self.sum.to_le_bytes());
        blob
    }
}

/// A whole watch list in the layout's bytes.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    bases: &'a [[u8; BASE]],
    rows: &'a [[u8; ROW]],
    names: &'a [u8],
    /// The generation of the record it belongs to.
    pub generation: u64,
    /// How many paths a claim depends on that are not in the list.
    pub left_out: u32,
}

impl<'a> List<'a> {
    /// Reads a list; none where it is not a whole, undamaged list of this version.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
        if header[..8] != *MAGIC || u64_at(header, 16) != checksum(&bytes[CHECKED..]) {
            return None;
        }
        let count = |at| usize::try_from(u32_at(header, at)).ok();
        let (bases, rest) = rest.split_at_checked(count(24)?.checked_mul(BASE)?)?;
        let (rows, names) = rest.split_at_checked(count(28)?.checked_mul(ROW)?)?;
        Some(Self {
            bases: bases.as_chunks().0,
            rows: rows.as_chunks().0,
            names,
            generation: u64_at(header, 8),
            left_out: u32_at(header, 32),
        })
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns true when nothing is watched.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the folder that the names of a base are below.
    pub fn base(&self, number: u16) -> Option<&'a CStr> {
        let base = self.bases.get(usize::from(number))?;
        self.name(u32_at(base, 0), usize::try_from(u32_at(base, 4)).ok()?)
    }

    /// Returns a row.
    pub fn row(&self, number: usize) -> Option<Row<&'a CStr>> {
        let row = self.rows.get(number)?;
        Some(Row {
            base: u16_at(row, 6),
            name: self.name(u32_at(row, 0), usize::from(u16_at(row, 4)))?,
            kind: *Kind::ALL.get(usize::from(row[8]))?,
            flags: row[9],
            children: u32_at(row, 12),
            stat: Stat {
                mode: u16_at(row, 10),
                ino: u64_at(row, 16),
                size: u64_at(row, 24),
                mtime: u64_at(row, 32).cast_signed(),
                ctime: u64_at(row, 40).cast_signed(),
            },
            blob: chunk(row, 48),
            count: u32_at(row, 68),
        })
    }

    fn name(&self, at: u32, length: usize) -> Option<&'a CStr> {
        let at = usize::try_from(at).ok()?;
        let name = self.names.get(at..at.checked_add(length)?.checked_add(1)?)?;
        CStr::from_bytes_with_nul(name).ok()
    }
}

fn chunk<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(chunk(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(chunk(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(chunk(bytes, at))
}

/// Returns the checksum: eight bytes at a time, because a list is as long as it is; it is against
/// damage, not against an enemy.
pub fn checksum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    words.iter().chain([&last]).fold(0, |sum: u64, word| {
        (sum.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(0x517C_C1B7_2722_0A95)
    })
}
