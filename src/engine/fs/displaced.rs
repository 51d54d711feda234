//! The folder of displaced files, and when one of them may go.
//!
//! A displaced file stays while a program still has it open, because that program may yet write to
//! it. Once nobody has, and its bytes are in the vault, it goes.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::path::Path;

use super::dir::{Dir, Stat, StatKind};
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
    let open = OnceCell::new();
    for name in names {
        let Some(stat) = dir.stat(&name)? else { continue };
        // This is asked before its bytes are read: who has it open may write until then.
        let may_go = stat.kind == StatKind::File
            && (is_ours_alone(&dir, &name)
                || may_go(stat, open.get_or_init(open_files).as_ref(), now));
        match look(&dir, &name)? {
            Found::File(whole) if may_go => {
                if !sabotage::is(Break::NoLateWrites) {
                    keeper.keep(&whole.bytes)?;
                }
                dir.unlink(&name)?;
            }
            Found::Link(_) => dir.unlink(&name)?,
            Found::File(_) | Found::Nothing | Found::Folder | Found::Special | Found::Busy => {}
        }
    }
    // One that a power cut brings back goes the next time.
    Ok(())
}

fn may_go(stat: Stat, open: Option<&HashSet<(u64, u64)>>, now: UnixTime) -> bool {
    if let Some(open) = open {
        return !open.contains(&(stat.dev, stat.ino));
    }
    let changed = u64::try_from(stat.ctime / 1_000_000).unwrap_or(0);
    now.since(UnixTime(changed)).0 > GRACE_SECONDS
}

/// Says which signal tells of a lease that somebody waits for; libc has no name for it.
#[cfg(target_os = "linux")]
const F_SETSIG: libc::c_int = 10;

/// Returns true where the system grants a lease for writing, which it does only on a file that nobody
/// else has open or mapped, whoever that is. A refusal says nothing: not every file system knows leases.
#[cfg(target_os = "linux")]
fn is_ours_alone(dir: &Dir, name: &[u8]) -> bool {
    use std::os::fd::AsRawFd;
    let Ok(file) = dir.open_file(name) else { return false };
    #[expect(unsafe_code, reason = "nix does not wrap leases")]
    let ask = |command, argument: libc::c_int| {
        // SAFETY: these commands of fcntl(2) take one int each, and the descriptor is open.
        unsafe { libc::fcntl(file.as_raw_fd(), command, argument) == 0 }
    };
    // Who opens it this very moment makes the system send a signal: one that does nothing.
    ask(F_SETSIG, libc::SIGURG)
        && ask(libc::F_SETLEASE, libc::F_WRLCK)
        && ask(libc::F_SETLEASE, libc::F_UNLCK)
}

/// Returns false: macOS has no leases.
#[cfg(not(target_os = "linux"))]
fn is_ours_alone(_dir: &Dir, _name: &[u8]) -> bool {
    false
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
    use cfgsync_core::unit::Mode;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_lease_tells_who_has_a_file_open() {
        use crate::fs::plain;
        let folder = std::env::temp_dir().join(format!("cfgsync-lease-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        plain::publish(&folder.join("file"), b"x", plain::Durability::Relaxed).unwrap();
        let dir = Dir::open(&folder).unwrap();
        let reader = std::fs::File::open(folder.join("file")).unwrap();
        assert!(!is_ours_alone(&dir, b"file"));
        let writer = std::fs::File::options().append(true).open(folder.join("file")).unwrap();
        drop(reader);
        assert!(!is_ours_alone(&dir, b"file"));
        drop(writer);
        assert!(is_ours_alone(&dir, b"file"));
        assert!(is_ours_alone(&dir, b"file"), "no lease is left behind");
        plain::remove_draft(&folder).unwrap();
    }

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
