//! The folder of displaced files, and when one of them may go.
//!
//! A displaced file stays while a program still has it open, because that program may yet write to
//! it. Once nobody has, and its bytes are in the vault, it goes.

use std::collections::HashSet;
use std::path::Path;

use super::dir::{Dir, Stat};
use super::look::{Found, look};
use crate::sabotage::{self, Break};
use cfgsync_core::time::UnixTime;

/// How long a displaced file stays where the system cannot say whether it is open.
const GRACE_SECONDS: u64 = 24 * 60 * 60;

/// A place where bytes are safe.
pub trait Keeper {
    /// Makes sure that the bytes are kept, durably.
    fn keep(&self, bytes: &[u8]) -> Result<(), crate::failure::Failure>;
}

/// Lets every displaced file go that may.
pub fn settle(
    folder: &Path,
    keeper: &impl Keeper,
    now: UnixTime,
) -> Result<(), crate::failure::Failure> {
    let names = super::plain::names(folder)?;
    if names.is_empty() {
        return Ok(());
    }
    let dir = Dir::open(folder)?;
    let open = open_files();
    for name in names {
        match look(&dir, &name)? {
            Found::File(whole) if may_go(whole.stat, open.as_ref(), now) => {
                if !sabotage::is(Break::NoLateWrites) {
                    keeper.keep(&whole.bytes)?;
                }
                dir.unlink(&name)?;
            }
            Found::Link(_) => dir.unlink(&name)?,
            Found::File(_) | Found::Nothing | Found::Folder | Found::Special | Found::Busy => {}
        }
    }
    Ok(dir.sync()?)
}

fn may_go(stat: Stat, open: Option<&HashSet<(u64, u64)>>, now: UnixTime) -> bool {
    if let Some(open) = open {
        return !open.contains(&(stat.dev, stat.ino));
    }
    let changed = u64::try_from(stat.ctime / 1_000_000).unwrap_or(0);
    now.since(UnixTime(changed)).0 > GRACE_SECONDS
}

/// Returns device and inode of every file that a process of ours has open; none where the system
/// does not tell.
#[cfg(target_os = "linux")]
fn open_files() -> Option<HashSet<(u64, u64)>> {
    use std::os::unix::fs::MetadataExt;
    let mut open = HashSet::new();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Ok(descriptors) = std::fs::read_dir(process.path().join("fd")) else { continue };
        for descriptor in descriptors.flatten() {
            if let Ok(metadata) = std::fs::metadata(descriptor.path()) {
                open.insert((metadata.dev(), metadata.ino()));
            }
        }
    }
    Some(open)
}

/// Returns none: macOS tells only through calls that nix does not wrap.
#[cfg(not(target_os = "linux"))]
fn open_files() -> Option<HashSet<(u64, u64)>> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::dir::StatKind;
    use cfgsync_core::unit::Mode;

    fn stat(ctime_seconds: i64) -> Stat {
        let ctime = ctime_seconds * 1_000_000_000;
        let (mode, exact) = (Mode::FILE, Mode::FILE);
        Stat { dev: 1, ino: 2, size: 0, mtime: 0, ctime, mode, exact, kind: StatKind::File }
    }

    #[test]
    fn an_open_file_stays() {
        let open = HashSet::from([(1, 2)]);
        assert!(!may_go(stat(0), Some(&open), UnixTime(u64::MAX)));
        assert!(may_go(stat(0), Some(&HashSet::new()), UnixTime(0)));
    }

    #[test]
    fn where_nobody_can_tell_a_day_must_pass() {
        assert!(!may_go(stat(0), None, UnixTime(GRACE_SECONDS * 1000)));
        assert!(may_go(stat(0), None, UnixTime(GRACE_SECONDS * 1000 + 1000)));
    }
}
