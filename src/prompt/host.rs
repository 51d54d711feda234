//! What only the kernel knows: which boot this is, and whether a process still runs.
//!
//! Linux tells both under `/proc`. Elsewhere both are unknown, and a record's deadline decides
//! alone.

use std::fs;
use std::io::ErrorKind;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Where a process's start time stands behind its name, which is the last thing in parentheses.
const START_BEHIND_NAME: usize = 19;

/// Returns the running boot: the first eight hex digits of the kernel's id for it.
pub fn boot() -> Option<[u8; 8]> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    fs::read(BOOT_ID).ok()?.first_chunk().copied()
}

/// Returns whether the process `pid` that started at `start` still runs. Another process that got
/// its number started at another time.
pub fn runs(pid: u32, start: u64) -> Option<bool> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    match fs::read(format!("/proc/{pid}/stat")) {
        Ok(line) => Some(started(&line)? == start),
        Err(error) if error.kind() == ErrorKind::NotFound && boot().is_some() => Some(false),
        Err(_) => None,
    }
}

/// Returns the start time in a `/proc/PID/stat` line. The name may hold any byte.
fn started(line: &[u8]) -> Option<u64> {
    let name_end = line.iter().rposition(|byte| *byte == b')')?;
    let numbers = std::str::from_utf8(&line[name_end + 1..]).ok()?;
    numbers.split_ascii_whitespace().nth(START_BEHIND_NAME)?.parse().ok()
}
