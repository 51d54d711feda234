//! Whether what the status record says of the files here still holds: the prompt's own question
//! (`docs/status-record.md`), asked before a run is started that may not be needed.

use std::ffi::{CStr, OsStr};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cfgsync_core::status::truth::{Disk, Truth, truth};
use cfgsync_core::status::watch::{List, Stat};
use cfgsync_core::status::{StatusRecord, SyncState};
use nix::fcntl::OFlag;

use crate::context::Places;
use crate::failure::Outcome;
use crate::fs::plain;
use crate::watch::stat_of;

/// Asks the disk about a record; one that claims nothing about files holds.
pub fn of(places: &Places, record: Option<&StatusRecord>) -> Outcome<Truth> {
    let claims = |record: &&StatusRecord| {
        record.watched && matches!(record.state, SyncState::Synced | SyncState::Offline)
    };
    let Some(record) = record.filter(claims) else { return Ok(Truth::Holds) };
    let bytes = plain::read(&places.watch())?.unwrap_or_default();
    let list = List::read(&bytes).filter(|list| list.generation == record.generation);
    Ok(list.map_or(Truth::Unreadable, |list| truth(&list, &Here)))
}

/// Returns true where a record claims that all is in sync, of every file, and that still holds.
pub fn holds(places: &Places, record: Option<&StatusRecord>) -> Outcome<bool> {
    let Some(record) = record.filter(|record| record.watched) else { return Ok(false) };
    let bytes = plain::read(&places.watch())?.unwrap_or_default();
    let list = List::read(&bytes).filter(|list| list.generation == record.generation);
    let list = list.filter(|list| list.left_out == 0 && record.state == SyncState::Synced);
    Ok(list.is_some_and(|list| truth(&list, &Here) == Truth::Holds))
}

/// This computer.
struct Here;

fn path(base: &Path, name: &CStr) -> PathBuf {
    base.join(OsStr::from_bytes(name.to_bytes()))
}

/// Opens a regular file; nothing else is waited for.
fn open(path: &Path) -> Option<File> {
    let flags = OFlag::O_NONBLOCK.bits();
    let file = File::options().read(true).custom_flags(flags).open(path).ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

impl Disk for Here {
    type Base = PathBuf;

    fn base(&self, name: &CStr) -> Option<PathBuf> {
        Some(path(Path::new(""), name)).filter(|base| base.is_dir())
    }

    fn stat(&self, base: &PathBuf, name: &CStr) -> Option<Stat> {
        stat_of(&path(base, name))
    }

    fn read(&self, base: &PathBuf, name: &CStr, take: &mut dyn FnMut(&[u8])) -> bool {
        let mut bytes = Vec::new();
        let file = open(&path(base, name));
        let is_read = file.is_some_and(|mut file| file.read_to_end(&mut bytes).is_ok());
        take(&bytes);
        is_read
    }

    fn target(&self, base: &PathBuf, name: &CStr, take: &mut dyn FnMut(&[u8])) -> bool {
        let target = fs::read_link(path(base, name));
        target.map(|target| take(target.as_os_str().as_bytes())).is_ok()
    }

    fn names(&self, base: &PathBuf, name: &CStr, take: &mut dyn FnMut(&[u8])) -> bool {
        let names = fs::read_dir(path(base, name)).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let Ok(names) = names else { return false };
        names.iter().for_each(|entry| take(entry.file_name().as_bytes()));
        true
    }
}
