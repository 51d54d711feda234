//! The bytes of the status record. The only place that names bincode.
//!
//! 128 bytes at fixed offsets; `docs/status-record.md` is the contract. First an ASCII head that a
//! shell reads without decoding, then little-endian numbers for programs.

use bincode::config::{Configuration, Fixint, LittleEndian};

use super::{StatusRecord, SyncState};
use crate::time::UnixTime;

/// Length of a record in bytes.
pub const LENGTH: usize = 128;

/// The magic with the version of the layout.
pub const MAGIC: &[u8; 8] = b"cfgsync1";

const HEAD: usize = 56;
const CHECKED: usize = 120;
const TAIL: [u8; 4] = *b"\0end";
const COUNT_LIMIT: u32 = 9999;
const SECONDS_LIMIT: u64 = 9_999_999_999;

#[derive(bincode::Encode, bincode::Decode)]
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

/// Why bytes are not a record this program can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not 128 bytes.
    #[error("the status record has the wrong length")]
    Length,
    /// Another magic, or another version.
    #[error("the status record has an unknown magic or version")]
    Magic,
    /// The checksum does not fit the bytes.
    #[error("the status record is damaged")]
    Checksum,
    /// A field of the head is not what the layout says.
    #[error("the status record has a field that cannot be read")]
    Field,
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
        tail: TAIL,
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
        "{} {} {:04} {:04} {:04} {:04} {:010} {:010}   \n",
        String::from_utf8_lossy(MAGIC),
        char::from(record.state.letter()),
        count(record.ahead),
        count(record.behind),
        count(record.pending),
        count(record.held),
        seconds(record.due),
        seconds(record.deadline),
    );
    let mut head = [b' '; HEAD];
    head.copy_from_slice(text.as_bytes());
    head
}

/// Reads a record; anything but a whole, undamaged record of this version is an error.
pub fn decode(bytes: &[u8]) -> Result<StatusRecord, RecordError> {
    if bytes.len() != LENGTH {
        return Err(RecordError::Length);
    }
    if !bytes.starts_with(MAGIC) {
        return Err(RecordError::Magic);
    }
    let (wire, read): (Wire, usize) =
        bincode::decode_from_slice(bytes, layout()).map_err(|_| RecordError::Length)?;
    if read != LENGTH || wire.tail != TAIL || wire.crc32 != crc32fast::hash(&bytes[..CHECKED]) {
        return Err(RecordError::Checksum);
    }
    let text = std::str::from_utf8(&wire.head).map_err(|_| RecordError::Field)?;
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, state, ahead, behind, pending, held, due, deadline] = words[..] else {
        return Err(RecordError::Field);
    };
    let count = |word: &str| word.parse::<u32>().map_err(|_| RecordError::Field);
    let time = |word: &str| match word.parse::<u64>() {
        Ok(seconds) => Ok(UnixTime(seconds * 1000)),
        Err(_) => Err(RecordError::Field),
    };
    let [letter] = state.as_bytes() else { return Err(RecordError::Field) };
    Ok(StatusRecord {
        state: SyncState::of_letter(*letter).ok_or(RecordError::Field)?,
        ahead: count(ahead)?,
        behind: count(behind)?,
        pending: count(pending)?,
        held: count(held)?,
        due: time(due)?,
        deadline: time(deadline)?,
        updated: UnixTime(wire.updated_ms),
        contact: UnixTime(wire.contact_ms),
        generation: wire.generation,
        pid: wire.pid,
        pid_start: wire.pid_start,
        boot: wire.boot,
        label: wire.label,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn example() -> StatusRecord {
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
        }
    }

    #[test]
    fn the_bytes_are_golden() {
        let golden = include_bytes!("../../../tests/golden/status-record-1.bin");
        assert_eq!(encode(&example()).as_slice(), golden.as_slice());
        assert_eq!(decode(golden), Ok(example()));
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
    fn the_tail_is_no_line_feed() {
        assert_ne!(encode(&example())[LENGTH - 1], b'\n');
    }
}
