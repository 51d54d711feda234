//! Reading the status record. `docs/status-record.md` is the contract; [`super::wire`] writes it.

use core::fmt;

use super::record::{StatusRecord, SyncState};
use crate::time::UnixTime;

/// Length of a record in bytes.
pub const LENGTH: usize = 128;

/// The magic with the version of the layout.
pub const MAGIC: &[u8; 8] = b"cfgsync1";

/// Where the checksum stands, and what it covers.
pub const CHECKED: usize = 120;

/// What the record ends with.
pub const TAIL: &[u8; 4] = b"\0end";

/// What the head says where a watch list belongs to the record.
pub const WATCHED: u8 = b'w';

/// The head's shape: a digit for `0`; the letter and [`WATCHED`] are read on their own.
const SHAPE: &[u8; 56] = b"cfgsync1 S 0000 0000 0000 0000 0000000000 0000000000 w \n";

/// Why bytes are not a record this program can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordError {
    /// Not 128 bytes.
    Length,
    /// Another magic, or another version.
    Magic,
    /// The checksum does not fit the bytes.
    Checksum,
    /// A field of the head is not what the layout says.
    Field,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "the status record has the wrong length",
            Self::Magic => "the status record has an unknown magic or version",
            Self::Checksum => "the status record is damaged",
            Self::Field => "the status record has a field that cannot be read",
        })
    }
}

impl core::error::Error for RecordError {}

/// Reads a record; anything but a whole, undamaged record of this version is an error.
pub fn decode(bytes: &[u8]) -> Result<StatusRecord, RecordError> {
    let bytes: &[u8; LENGTH] = bytes.try_into().map_err(|_| RecordError::Length)?;
    if bytes[..8] != *MAGIC {
        return Err(RecordError::Magic);
    }
    let is_whole = bytes[124..] == *TAIL && u32_at(bytes, CHECKED) == crc32(&bytes[..CHECKED]);
    if !is_whole {
        return Err(RecordError::Checksum);
    }
    if !has_shape(bytes) || !matches!(bytes[53], b' ' | WATCHED) {
        return Err(RecordError::Field);
    }
    let count = |at| u32::try_from(number(&bytes[at..at + 4])).unwrap_or(0);
    let time = |at| UnixTime(number(&bytes[at..at + 10]) * 1000);
    Ok(StatusRecord {
        state: SyncState::of_letter(bytes[9]).ok_or(RecordError::Field)?,
        ahead: count(11),
        behind: count(16),
        pending: count(21),
        held: count(26),
        due: time(31),
        deadline: time(42),
        watched: bytes[53] == WATCHED,
        updated: UnixTime(u64_at(bytes, 56)),
        contact: UnixTime(u64_at(bytes, 64)),
        generation: u64_at(bytes, 72),
        pid: u32_at(bytes, 80),
        pid_start: u64_at(bytes, 84),
        boot: array(bytes, 92),
        label: array(bytes, 100),
    })
}

/// Returns true when the head's digits are digits, and all else is what it must be: eight bytes at a
/// time, because a prompt does little else.
fn has_shape(bytes: &[u8; LENGTH]) -> bool {
    const HIGH: u64 = 0xF0F0_F0F0_F0F0_F0F0;
    const SIX: u64 = 0x0606_0606_0606_0606;
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let all = |wanted: fn(u8) -> bool| {
        SHAPE
            .as_chunks::<8>()
            .0
            .iter()
            .map(move |part| word(&part.map(|byte| if wanted(byte) { 0xFF } else { 0 })))
    };
    let digits = all(|byte| byte == b'0');
    let fixed = all(|byte| !matches!(byte, b'0' | b'S' | b'w'));
    let shape = SHAPE.as_chunks().0.iter().map(word);
    let found = bytes.as_chunks().0.iter().map(word);
    // A digit differs from `0` by 0 to 9 alone: its high half is zero, also with six added.
    found.zip(shape).zip(digits.zip(fixed)).all(|((found, shape), (digits, fixed))| {
        let differs = found ^ shape;
        let digit = differs & digits;
        differs & fixed == 0 && (digit | digit.wrapping_add(SIX)) & HIGH & digits == 0
    })
}

fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit & 15))
}

fn array<const N: usize>(bytes: &[u8; LENGTH], at: usize) -> [u8; N] {
    bytes[at..].first_chunk().copied().unwrap_or([0; N])
}

fn u32_at(bytes: &[u8; LENGTH], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn u64_at(bytes: &[u8; LENGTH], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

/// Tables of CRC-32 as zlib has it, for eight bytes at a time.
static TABLES: [[u32; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let mut at = 0;
    while at < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "it is less than 256")]
        let mut rest = at as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 { 0xEDB8_8320 ^ (rest >> 1) } else { rest >> 1 };
            bit += 1;
        }
        tables[0][at] = rest;
        at += 1;
    }
    let mut step = 1;
    while step < 8 {
        let mut at = 0;
        while at < 256 {
            let before = tables[step - 1][at];
            tables[step][at] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            at += 1;
        }
        step += 1;
    }
    tables
};

/// Returns the CRC-32 of bytes whose number is a multiple of eight.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word) ^ u64::from(sum);
        let at = word.to_le_bytes().map(usize::from);
        // Written out, because a prompt does little else and a loop over both costs half as much again.
        let first = TABLES[7][at[0]] ^ TABLES[6][at[1]] ^ TABLES[5][at[2]] ^ TABLES[4][at[3]];
        first ^ TABLES[3][at[4]] ^ TABLES[2][at[5]] ^ TABLES[1][at[6]] ^ TABLES[0][at[7]]
    };
    !bytes.as_chunks().0.iter().fold(!0, step)
}
