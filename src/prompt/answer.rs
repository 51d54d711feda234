//! From the record and the watch list to the segment.

use core::ffi::CStr;

use crate::request::{Request, Variables};
use crate::status::read::{LENGTH, decode};
use crate::status::record::{Present, StatusRecord, SyncState};
use crate::status::segment::{Format, Light, Text, light, segment};
use crate::status::truth::{Disk, Truth, truth};
use crate::status::watch::List;
use crate::time::UnixTime;

/// Room for nearly every path, and for the longest that a system takes. Clearing the room is a good
/// part of what a prompt does.
const USUAL: usize = 192;
const LONGEST: usize = 4096;

/// Where a process's start time stands behind its name, which is the last thing in parentheses.
const START_BEHIND_NAME: usize = 19;

/// What is asked of the system, beside the disk. What is missing is none, never an error.
pub trait System: Disk {
    /// Returns a regular file of a record's length.
    fn record(&self, path: &CStr) -> Option<[u8; LENGTH]>;

    /// Shows a regular file, mapped; none where there is no such file.
    fn map<T>(&self, path: &CStr, show: impl FnOnce(&[u8]) -> T) -> Option<T>;

    /// Returns the time.
    fn now(&self) -> Option<UnixTime>;

    /// Reads the beginning of a small file.
    fn small<'a>(&self, path: &CStr, room: &'a mut [u8]) -> Option<&'a [u8]>;
}

/// Writes the segment that is asked for; nothing where nothing is known.
pub fn answer<'a>(
    system: &impl System,
    request: &Request<'_>,
    variables: impl FnOnce() -> Variables<'a>,
    text: &mut Text,
) {
    let named = request.record.map(|path| (path, &b""[..]));
    let found = named.or_else(|| variables().record_path());
    let shown = found.and_then(|(path, behind)| match behind {
        b"" => look(system, path),
        _ => with_path(&[path.to_bytes(), behind], |path| look(system, path))?,
    });
    segment(shown, request.format.unwrap_or(Format::Plain), &request.style, text);
}

fn look(system: &impl System, path: &CStr) -> Option<Light> {
    let record = decode(&system.record(path)?).ok()?;
    let mut present = Present { now: system.now()?, boot: None, writer_alive: None };
    if record.state == SyncState::Syncing {
        present.boot = boot(system);
        present.writer_alive = runs(system, record.pid, record.pid_start, present.boot.is_some());
    }
    let is_claim = matches!(record.state, SyncState::Synced | SyncState::Offline);
    let truth = if record.watched && is_claim {
        ask(system, &record, path).unwrap_or(Truth::Unreadable)
    } else {
        Truth::Holds
    };
    light(&record, record.shown(present), truth)
}

/// Returns the running boot: the first eight hex digits of the kernel's id for it. Only Linux tells;
/// elsewhere a record's deadline decides alone.
fn boot(system: &impl System) -> Option<[u8; 8]> {
    let mut room = [0; 64];
    system.small(c"/proc/sys/kernel/random/boot_id", &mut room)?.first_chunk().copied()
}

/// Returns whether the process `pid` that started at `start` still runs. Another process that got
/// its number started at another time.
fn runs(system: &impl System, pid: u32, start: u64, is_told: bool) -> Option<bool> {
    let (mut digits, mut at, mut rest) = ([0; 10], 10, pid);
    while at == 10 || rest != 0 {
        at -= 1;
        digits[at] = b'0' + (rest % 10).to_le_bytes()[0];
        rest /= 10;
    }
    with_path(&[b"/proc/", &digits[at..], b"/stat"], |path| {
        match system.small(path, &mut [0; 512]) {
            Some(line) => Some(started(line)? == start && !is_dead(line)),
            None => is_told.then_some(false),
        }
    })?
}

/// Returns the start time in a `/proc/PID/stat` line. The name may hold any byte.
fn started(line: &[u8]) -> Option<u64> {
    let name_end = line.iter().rposition(|byte| *byte == b')')?;
    let behind = line.get(name_end + 2..)?;
    let digits = behind.split(|byte| *byte == b' ').nth(START_BEHIND_NAME)?;
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

/// Returns whether a process is over, and only waits for its parent to notice.
fn is_dead(line: &[u8]) -> bool {
    let name_end = line.iter().rposition(|byte| *byte == b')');
    name_end.and_then(|at| line.get(at + 2)).is_some_and(|state| matches!(state, b'Z' | b'X'))
}

/// Asks the watch list beside a record; none where there is none that belongs to it.
fn ask(system: &impl System, record: &StatusRecord, path: &CStr) -> Option<Truth> {
    let path = path.to_bytes();
    let folder = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let truth = |bytes: &[u8]| {
        let list = List::read(bytes).filter(|list| list.generation == record.generation)?;
        Some(truth(&list, system))
    };
    with_path(&[&path[..folder], b"watch"], |path| system.map(path, truth))??
}

/// Joins parts to a path as the system takes it; none when it is too long for any system.
fn with_path<T>(parts: &[&[u8]], act: impl FnOnce(&CStr) -> T) -> Option<T> {
    fn join<'a>(parts: &[&[u8]], room: &'a mut [u8]) -> Option<&'a CStr> {
        let mut length: usize = 0;
        for part in parts {
            let end = length.checked_add(part.len())?;
            room.get_mut(length..end)?.copy_from_slice(part);
            length = end;
        }
        CStr::from_bytes_with_nul(room.get(..=length)?).ok()
    }
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if length < USUAL {
        Some(act(join(parts, &mut [0; USUAL])?))
    } else {
        Some(act(join(parts, &mut [0; LONGEST])?))
    }
}
