//! Writing the status record and the watch list. The only place that names bincode; [`super::read`]
//! and [`super::watch`] read them.
//!
//! 128 bytes at fixed offsets; `docs/status-record.md` is the contract. First an ASCII head that a
//! shell reads without decoding, then little-endian numbers for programs.

use std::collections::BTreeMap;

use bincode::config::{Configuration, Fixint, LittleEndian};

use super::StatusRecord;
use super::read::{CHECKED, TAIL, WATCHED};
pub use super::read::{LENGTH, MAGIC, RecordError, decode};
use super::watch::{self, Kind, Row, checksum};
use crate::time::UnixTime;

const HEAD: usize = 56;
const COUNT_LIMIT: u32 = 9999;
const SECONDS_LIMIT: u64 = 9_999_999_999;

#[derive(bincode::Encode)]
struct Wire {
    head: [u8; HEAD],
    updated_ms: u64,
    contact_ms: u64,
    generation: u64,
    pid: u32,
    pid_start: u64,
    boot: [u8; 8],
    label: [u8; 20],
    crc32: u32,
    tail: [u8; 4],
}

/// Returns the layout's encoding: little-endian, fixed width.
fn layout() -> Configuration<LittleEndian, Fixint> {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding()
}

/// Writes a record. Counts over 9,999 read as 9,999.
pub fn encode(record: &StatusRecord) -> [u8; LENGTH] {
    let mut wire = Wire {
        head: head(record),
        updated_ms: record.updated.0,
        contact_ms: record.contact.0,
        generation: record.generation,
        pid: record.pid,
        pid_start: record.pid_start,
        boot: record.boot,
        label: record.label,
        crc32: 0,
        tail: *TAIL,
    };
    let mut bytes = bytes_of(&wire);
    wire.crc32 = crc32fast::hash(&bytes[..CHECKED]);
    bytes = bytes_of(&wire);
    bytes
}

fn bytes_of(wire: &Wire) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let written = bincode::encode_into_slice(wire, &mut bytes, layout());
    debug_assert!(matches!(written, Ok(LENGTH)), "the layout is {LENGTH} bytes");
    bytes
}

fn head(record: &StatusRecord) -> [u8; HEAD] {
    let count = |count: u32| count.min(COUNT_LIMIT);
    let seconds = |time: UnixTime| time.seconds().min(SECONDS_LIMIT);
    let text = format!(
        "{} {} {:04} {:04} {:04} {:04} {:010} {:010} {} \n",
        String::from_utf8_lossy(MAGIC),
        char::from(record.state.letter()),
        count(record.ahead),
        count(record.behind),
        count(record.pending),
        count(record.held),
        seconds(record.due),
        seconds(record.deadline),
        if record.watched { char::from(WATCHED) } else { ' ' },
    );
    let mut head = [b' '; HEAD];
    head.copy_from_slice(text.as_bytes());
    head
}

/// What a claim depends on, ready to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    /// The folders that names are below.
    pub bases: Vec<Vec<u8>>,
    /// The names.
    pub rows: Vec<Row<Vec<u8>>>,
    /// How many paths found no room.
    pub left_out: u32,
}

impl Watch {
    /// Returns the paths of files and folders that are newer once they changed, each behind a zero
    /// byte. A shell compares their times with the record's, through links: one that leads to a file of
    /// the list stands for it, since whatever takes the link's place is newer, too. `named` is Git's name
    /// for bytes.
    pub fn paths(&self, named: impl Fn(&[u8]) -> [u8; 20]) -> Vec<u8> {
        let links = self.rows.iter().filter(|row| row.kind == Kind::Link);
        let links: BTreeMap<[u8; 20], Option<Vec<u8>>> =
            links.map(|row| (row.blob, self.path(row))).collect();
        let mut paths = Vec::new();
        for row in &self.rows {
            let Some(path) = self.path(row) else { continue };
            let link = links.get(&named(&path)).filter(|_| row.kind == Kind::File);
            if matches!(row.kind, Kind::File | Kind::Folder | Kind::Ref) {
                paths.push(0);
                paths.extend(link.cloned().flatten().unwrap_or(path));
            }
        }
        paths
    }

    fn path(&self, row: &Row<Vec<u8>>) -> Option<Vec<u8>> {
        let base = self.bases.get(usize::from(row.base))?;
        Some([base, &b"/"[..], &row.name].concat())
    }
}

#[derive(bincode::Encode)]
struct Header {
    magic: [u8; 8],
    generation: u64,
    checksum: u64,
    bases: u32,
    rows: u32,
    left_out: u32,
    unused: u32,
}

#[derive(bincode::Encode)]
struct WireRow {
    name: u32,
    length: u16,
    base: u16,
    kind: u8,
    flags: u8,
    mode: u16,
    children: u32,
    ino: u64,
    size: u64,
    mtime: i64,
    ctime: i64,
    blob: [u8; 20],
    count: u32,
}

/// Writes the watch list of a record.
pub fn encode_watch(watch: &Watch, generation: u64) -> Vec<u8> {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let mut names = Vec::new();
    let mut place = |name: &[u8]| {
        let at = number(names.len());
        names.extend_from_slice(name);
        names.push(0);
        at
    };
    let mut body = Vec::new();
    for base in &watch.bases {
        body.extend(vec_of(&(place(base), number(base.len()))));
    }
    for row in &watch.rows {
        body.extend(vec_of(&WireRow {
            name: place(&row.name),
            // The system takes no name that is longer; one that is would show as changed.
            length: u16::try_from(row.name.len()).unwrap_or(u16::MAX),
            base: row.base,
            kind: row.kind.number(),
            flags: row.flags,
            mode: row.stat.mode,
            children: row.children,
            ino: row.stat.ino,
            size: row.stat.size,
            mtime: row.stat.mtime,
            ctime: row.stat.ctime,
            blob: row.blob,
            count: row.count,
        }));
    }
    body.extend(names);
    let mut header = Header {
        magic: *watch::MAGIC,
        generation,
        checksum: 0,
        bases: number(watch.bases.len()),
        rows: number(watch.rows.len()),
        left_out: watch.left_out,
        unused: 0,
    };
    let whole = |header: &Header| [vec_of(header), body.clone()].concat();
    header.checksum = checksum(&whole(&header)[watch::CHECKED..]);
    whole(&header)
}

/// Gives an encoded list another generation: what it says stands, for a record that is newer.
pub fn renew_watch(list: &mut [u8], generation: u64) {
    let place = watch::MAGIC.len();
    if let Some(bytes) = list.get_mut(place..place + 8) {
        bytes.copy_from_slice(&generation.to_le_bytes());
    }
}

fn vec_of(value: &impl bincode::Encode) -> Vec<u8> {
    // Writing plain numbers to memory cannot fail.
    bincode::encode_to_vec(value, layout()).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::ffi::CStr;

    use super::*;
    use crate::status::SyncState;
    use crate::status::watch::{List, Names, Stat};

    pub fn example() -> StatusRecord {
        StatusRecord {
            state: SyncState::Ahead,
            ahead: 2,
            behind: 0,
            pending: 3,
            held: 1,
            due: UnixTime(1_790_000_300_000),
            deadline: UnixTime(1_790_000_360_000),
            updated: UnixTime(1_790_000_000_123),
            contact: UnixTime(1_789_999_999_456),
            generation: 7,
            pid: 4242,
            pid_start: 99,
            boot: *b"bootboot",
            label: *b"anna@laptop-mac\0\0\0\0\0",
            watched: false,
        }
    }

    #[test]
    fn the_bytes_are_golden() {
        let golden = include_bytes!("../../../tests/golden/status-record-1.bin");
        assert_eq!(encode(&example()).as_slice(), golden.as_slice());
        assert_eq!(decode(golden), Ok(example()));
    }

    #[test]
    fn the_bytes_with_a_watch_list_are_golden() {
        let golden = include_bytes!("../../../tests/golden/status-record-1-watched.bin");
        let watched = StatusRecord { watched: true, ..example() };
        assert_eq!(encode(&watched).as_slice(), golden.as_slice());
        assert_eq!(decode(golden), Ok(watched));
    }

    /// Returns a list with a row of every kind.
    fn example_watch() -> Watch {
        let number = |at: u8| std::array::from_fn(|n| at + u8::try_from(n).unwrap_or(0));
        let time = |ns: i64| 1_790_000_000_000_000_000 + ns;
        let stat =
            |ino, size, ns, mode| Stat { ino, size, mtime: time(ns), ctime: time(ns + 1), mode };
        let row = |base, name: &str, kind, flags, stat: Stat, blob| Row {
            base,
            name: name.as_bytes().to_vec(),
            kind,
            flags,
            children: u32::from(matches!(kind, Kind::Folder | Kind::Guard)),
            stat,
            blob,
            count: if kind == Kind::Folder { 3 } else { 0 },
        };
        let names = Names { sum: 0x0123_4567_89AB_CDEF, count: 3 }.blob();
        let early = Stat { mtime: -1, ..stat(13, 11, 5, 0o100_644) };
        let (racy, paused) = (watch::RACY, watch::PAUSES);
        Watch {
            bases: vec![b"/home/anna".to_vec(), b"/home/anna/configs/.git".to_vec()],
            rows: vec![
                row(0, ".config/app", Kind::Folder, 0, stat(11, 4096, 1, 0o040_755), names),
                row(0, ".config/app/link", Kind::Link, 0, stat(12, 24, 3, 0o120_777), number(0)),
                row(0, ".vimrc", Kind::File, racy, early, number(20)),
                row(1, ".", Kind::Guard, 0, stat(14, 4096, 7, 0o040_755), [0; 20]),
                row(1, "MERGE_HEAD", Kind::Absent, paused, Stat::default(), [0; 20]),
                row(
                    1,
                    "HEAD",
                    Kind::File,
                    paused | watch::ANY_MODE,
                    stat(15, 21, 9, 0o100_644),
                    number(40),
                ),
                row(1, "refs/heads/main", Kind::Ref, 0, stat(16, 41, 11, 0o100_644), number(60)),
            ],
            left_out: 5,
        }
    }

    #[test]
    fn the_bytes_of_a_watch_list_are_golden() {
        let golden = include_bytes!("../../../tests/golden/watch-list-1.bin");
        let example = example_watch();
        assert_eq!(encode_watch(&example, 7).as_slice(), golden.as_slice());
        let list = List::read(golden).unwrap();
        assert_eq!((list.generation, list.left_out, list.len()), (7, 5, example.rows.len()));
        for (base, number) in example.bases.iter().zip(0..) {
            assert_eq!(list.base(number).map(CStr::to_bytes), Some(base.as_slice()));
        }
        for (at, wanted) in example.rows.into_iter().enumerate() {
            let Row { base, name, kind, flags, children, stat, blob, count } =
                list.row(at).unwrap();
            let name = name.to_bytes().to_vec();
            assert_eq!(Row { base, name, kind, flags, children, stat, blob, count }, wanted);
        }
    }

    #[test]
    fn a_watch_list_is_renewed_without_being_made_anew() {
        let mut list = encode_watch(&example_watch(), 7);
        renew_watch(&mut list, 8);
        assert_eq!(list, encode_watch(&example_watch(), 8));
        renew_watch(&mut [1, 2, 3], 9);
    }

    #[test]
    fn a_watch_list_of_another_length_says_the_same_or_nothing() {
        let good = include_bytes!("../../../tests/golden/watch-list-1.bin");
        let told = |bytes: &[u8]| {
            let list = List::read(bytes)?;
            let rows: Option<Vec<_>> = (0..list.len()).map(|at| list.row(at)).collect();
            rows.map(|rows| format!("{rows:?}"))
        };
        let whole = told(good);
        assert!(whole.is_some());
        for length in 0..good.len() {
            assert_eq!(told(&good[..length]), None, "{length}");
        }
        for more in 1..=16 {
            assert_eq!(told(&[&good[..], &vec![0; more]].concat()).or(whole.clone()), whole);
        }
    }

    #[test]
    fn a_damaged_watch_list_is_never_read() {
        let good = include_bytes!("../../../tests/golden/watch-list-1.bin");
        for length in 0..good.len() {
            // The last zero byte is in no sum; without it the last name cannot be read.
            let list = List::read(&good[..length]);
            let is_whole = list.is_some_and(|list| (0..7).all(|at| list.row(at).is_some()));
            assert!(!is_whole, "{length} bytes");
        }
        for at in (0..good.len()).filter(|at| !(8..16).contains(at)) {
            let mut damaged = *good;
            damaged[at] ^= 0x10;
            assert!(List::read(&damaged).is_none(), "byte {at}");
        }
    }

    #[test]
    fn damage_is_never_read() {
        let good = encode(&example());
        assert_eq!(decode(&good[..127]), Err(RecordError::Length));
        assert_eq!(decode(&[]), Err(RecordError::Length));
        let mut newer = good;
        newer[7] = b'2';
        assert_eq!(decode(&newer), Err(RecordError::Magic));
        for at in 0..LENGTH {
            let mut damaged = good;
            damaged[at] ^= 0x10;
            assert!(decode(&damaged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_head_that_is_spelled_otherwise_is_refused() {
        for text in [
            "cfgsync1 Y 0000 000000 00 0000 1795479784 17179547984  \n",
            "cfgsync1 Y 0 0 0 0 1795479784 99999999999999999999      \n",
            "cfgsync1 Y 0 0 0 0 1795479784 18446744073709551615      \n",
            "cfgsync1 Y +000 0000 0000 0000 1795479784 1795479784   \n",
        ] {
            let mut odd = encode(&example());
            odd[..HEAD].copy_from_slice(&text.as_bytes()[..HEAD]);
            let sum = crc32fast::hash(&odd[..CHECKED]);
            odd[CHECKED..CHECKED + 4].copy_from_slice(&sum.to_le_bytes());
            assert_eq!(decode(&odd), Err(RecordError::Field), "{text:?}");
        }
    }

    #[test]
    fn the_tail_is_no_line_feed() {
        assert_ne!(encode(&example())[LENGTH - 1], b'\n');
    }
}
