//! Whether a claim still holds: every row of the watch list against the disk.
//!
//! A name whose inode, size, times and mode are what they were is what it was. Everything else is
//! decided by its bytes, so an edit that was undone is none.

use core::ffi::CStr;

use sha1_smol::Sha1;

use super::watch::{ANY_MODE, Kind, List, Names, PAUSES, RACY, Row, Stat};

/// How many bytes are read at most to decide; a prompt is not kept waiting by a large file.
const MOST_BYTES: u64 = 4 << 20;

/// Longest line of Git's packed refs that is understood.
const LONGEST_LINE: usize = 512;

const FILE: u16 = 0o100_000;
const LINK: u16 = 0o120_000;
const KIND: u16 = 0o170_000;

/// What is asked of a disk. Nothing is followed, nothing is waited for.
pub trait Disk {
    /// A folder that names are below.
    type Base;

    /// Opens a base.
    fn base(&self, path: &CStr) -> Option<Self::Base>;

    /// Returns the state of a name; none where there is nothing, or nothing to be learned.
    fn stat(&self, base: &Self::Base, name: &CStr) -> Option<Stat>;

    /// Hands out the bytes of a file; false when they could not be read to their end.
    fn read(&self, base: &Self::Base, name: &CStr, take: &mut dyn FnMut(&[u8])) -> bool;

    /// Hands out the target of a link.
    fn target(&self, base: &Self::Base, name: &CStr, take: &mut dyn FnMut(&[u8])) -> bool;

    /// Hands out the names in a folder.
    fn names(&self, base: &Self::Base, name: &CStr, take: &mut dyn FnMut(&[u8])) -> bool;
}

/// What has become of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// Everything stands as it did.
    Holds,
    /// So many things changed.
    Changed(u32),
    /// Something of the user's is under way in the repository.
    Paused,
    /// The list is not one that can be read.
    Unreadable,
}

/// Asks the disk.
pub fn truth<D: Disk>(list: &List<'_>, disk: &D) -> Truth {
    Look { disk, bytes_left: MOST_BYTES, changed: 0, added: 0, differs: false }
        .run(list)
        .unwrap_or(Truth::Unreadable)
}

struct Look<'a, D> {
    disk: &'a D,
    bytes_left: u64,
    changed: u32,
    /// Names there are more of than there were.
    added: u32,
    /// Whether the names of any folder differ.
    differs: bool,
}

impl<D: Disk> Look<'_, D> {
    fn run(&mut self, list: &List<'_>) -> Option<Truth> {
        let (mut number, mut opened) = (None, None);
        let (mut at, mut paused) = (0, false);
        while at < list.len() {
            let row = list.row(at)?;
            at += 1;
            if number != Some(row.base) {
                (number, opened) = (Some(row.base), self.disk.base(list.base(row.base)?));
            }
            let Some(base) = &opened else {
                self.changed += u32::from(row.kind != Kind::Absent);
                continue;
            };
            if self.holds(base, &row) {
                at = at.saturating_add(usize::try_from(row.children).ok()?);
            } else if row.is(PAUSES) {
                paused = true;
            } else if !matches!(row.kind, Kind::Folder | Kind::Guard) {
                self.changed += 1;
            }
        }
        let names = if self.differs && self.changed == 0 { self.added.max(1) } else { self.added };
        Some(match self.changed + names {
            _ if paused => Truth::Paused,
            0 => Truth::Holds,
            changed => Truth::Changed(changed),
        })
    }

    /// Returns true when a name is what it was; a folder, when nothing below it needs a look.
    fn holds(&mut self, base: &D::Base, row: &Row<&CStr>) -> bool {
        let stat = self.disk.stat(base, row.name);
        let is_same = !row.is(RACY) && stat == Some(row.stat);
        match (row.kind, stat) {
            (Kind::Absent, stat) => stat.is_none(),
            (Kind::Folder | Kind::Guard, Some(stat)) if !row.is(RACY) => {
                let seen = |of: &Stat| (of.ino, of.mtime, of.ctime);
                let stands = seen(&stat) == seen(&row.stat);
                if !stands {
                    self.compare_names(base, row);
                }
                stands
            }
            (Kind::Folder | Kind::Guard, _) => {
                self.compare_names(base, row);
                false
            }
            (_, Some(_)) if is_same => true,
            (Kind::File, Some(stat)) => self.is_same_file(base, row, stat),
            (Kind::Link, Some(stat)) => {
                let mut hash = Blob::new(stat.size);
                let read = |look: &Self, take: &mut dyn FnMut(&[u8])| {
                    look.disk.target(base, row.name, take)
                };
                stat.mode & KIND == LINK && read(self, &mut |part| hash.add(part)) && {
                    hash.end() == row.blob
                }
            }
            (Kind::Ref, _) => self.is_same_ref(base, row),
            (Kind::File | Kind::Link, None) => false,
        }
    }

    fn is_same_file(&mut self, base: &D::Base, row: &Row<&CStr>, stat: Stat) -> bool {
        let may_differ = row.is(ANY_MODE) || is_replaced_wider(row.stat, stat);
        let is_same_mode = stat.mode == row.stat.mode || (stat.mode & KIND == FILE && may_differ);
        if !is_same_mode || stat.size != row.stat.size || self.bytes_left < stat.size {
            return false;
        }
        self.bytes_left -= stat.size;
        let mut hash = Blob::new(stat.size);
        self.disk.read(base, row.name, &mut |part| hash.add(part)) && hash.end() == row.blob
    }

    /// A folder's names are compared where they matter.
    fn compare_names(&mut self, base: &D::Base, row: &Row<&CStr>) {
        if row.kind != Kind::Folder {
            return;
        }
        let mut names = Names::default();
        let is_read = self.disk.names(base, row.name, &mut |name| names.add(name));
        if !is_read || names.blob() != row.blob {
            self.differs = true;
            self.added += names.count.saturating_sub(row.count);
        }
    }

    /// A ref is a file of its own, or a line among the packed ones.
    fn is_same_ref(&self, base: &D::Base, row: &Row<&CStr>) -> bool {
        let mut wanted = Line::default();
        row.blob.iter().for_each(|byte| {
            wanted.push(b"0123456789abcdef"[usize::from(byte >> 4)]);
            wanted.push(b"0123456789abcdef"[usize::from(byte & 15)]);
        });
        let mut own = Line::default();
        let take = &mut |part: &[u8]| part.iter().for_each(|byte| own.push(*byte));
        if self.disk.read(base, row.name, take) {
            return own.text().trim_ascii_end() == wanted.text();
        }
        wanted.push(b' ');
        row.name.to_bytes().iter().for_each(|byte| wanted.push(*byte));
        let (mut line, mut is_found) = (Line::default(), false);
        let take = &mut |part: &[u8]| {
            for byte in part {
                if *byte == b'\n' {
                    is_found |= line.text() == wanted.text();
                    line = Line::default();
                } else {
                    line.push(*byte);
                }
            }
        };
        self.disk.read(base, c"packed-refs", take) && is_found
    }
}

/// An editor that replaces a file makes the new one as wide as the umask has it; a sync gives it its
/// old mode, and has nothing to send.
fn is_replaced_wider(before: Stat, now: Stat) -> bool {
    let is_executable = |of: Stat| of.mode & 0o100 != 0;
    now.ino != before.ino
        && is_executable(now) == is_executable(before)
        && now.mode & !before.mode & 0o077 != 0
}

/// Bytes on their way to the name that Git gives them.
struct Blob {
    hash: Sha1,
}

impl Blob {
    fn new(size: u64) -> Self {
        let mut hash = Sha1::new();
        hash.update(b"blob ");
        let (mut digits, mut at, mut rest) = ([0; 20], 20, size);
        while at == 20 || rest != 0 {
            at -= 1;
            digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        hash.update(&digits[at..]);
        hash.update(b"\0");
        Self { hash }
    }

    fn add(&mut self, part: &[u8]) {
        self.hash.update(part);
    }

    fn end(&self) -> [u8; 20] {
        self.hash.digest().bytes()
    }
}

/// A line of limited length; one that is longer equals nothing.
struct Line {
    bytes: [u8; LONGEST_LINE],
    length: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self { bytes: [0; LONGEST_LINE], length: 0 }
    }
}

impl Line {
    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte;
        }
        self.length += 1;
    }

    fn text(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(b"a longer line")
    }
}
