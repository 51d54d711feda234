//! Where things lie: room on the disks, and the clock. What differs by system is in this file.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use cfgsync_core::checkup::judge::{self, Moment, Room};
use cfgsync_core::time::UnixTime;
use nix::sys::statvfs::{FsFlags, statvfs};

use super::Finding;
use crate::context::{Context, now};
use crate::failure::Outcome;
use crate::record;
use crate::session::Session;
use crate::ui::report;

/// Looks at the disks of home, repository and state.
pub fn disk(context: &Context) -> Vec<Finding> {
    let places = &context.places;
    let mut found: Vec<Finding> = Vec::new();
    let mut known = Vec::new();
    for (what, folder) in [
        ("the repository", &places.repo),
        ("your home", &places.home),
        ("the state", &places.state),
    ] {
        let Some(folder) = folder.ancestors().find(|folder| folder.exists()) else { continue };
        let device = folder.metadata().map_or(0, |entry| entry.dev());
        if known.contains(&device) {
            continue;
        }
        known.push(device);
        let Some(room) = room(folder) else { continue };
        found.push(judge::room(what, room, &report::size(room.bytes)).into());
    }
    found
}

/// Asks the disk of a folder.
#[expect(clippy::useless_conversion, reason = "the types differ by system")]
fn room(folder: &Path) -> Option<Room> {
    let disk = statvfs(folder).ok()?;
    let files = u64::from(disk.files());
    Some(Room {
        bytes: u64::from(disk.blocks_available()).saturating_mul(u64::from(disk.fragment_size())),
        // Some disks make room for names as they come.
        files: (files > 0).then(|| u64::from(disk.files_available())),
        is_writable: !disk.flags().contains(FsFlags::ST_RDONLY),
        is_remote: is_remote(folder),
    })
}

/// Returns true for a disk of another machine.
#[cfg(target_os = "linux")]
fn is_remote(folder: &Path) -> bool {
    use nix::sys::statfs::{FsType, NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, statfs};
    const CIFS: FsType = FsType(0xff53_4d42);
    let remote = [NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS];
    statfs(folder).is_ok_and(|disk| remote.contains(&disk.filesystem_type()))
}

/// Returns true for a disk of another machine.
#[cfg(not(target_os = "linux"))]
fn is_remote(folder: &Path) -> bool {
    use nix::sys::statfs::statfs;
    let remote = ["nfs", "smbfs", "afpfs", "webdav"];
    statfs(folder).is_ok_and(|disk| remote.contains(&disk.filesystem_type_name()))
}

/// Compares the clock with what was written down by this machine, its disk and the others.
pub fn clock(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let context = session.context;
    let mut moments = Vec::new();
    let mut add = |of: &str, at: UnixTime| moments.push(Moment { of: of.to_owned(), at });
    if let Some(record) = record::read(&context.places)? {
        add("the last sync", record.updated);
    }
    for (of, tip) in [
        ("the newest commit here", session.worktree.tip(&session.branch)?),
        ("the newest commit of the remote", session.worktree.upstream()?),
    ] {
        if let Some(at) = tip.and_then(|tip| session.worktree.committed_at(tip)) {
            add(of, at);
        }
    }
    let files = [context.places.lock(), context.places.repo.join(".git/HEAD")];
    for file in files.iter().filter_map(|path| path.metadata().ok()) {
        let seconds = u64::try_from(file.mtime()).unwrap_or(0);
        add("a file that cfgsync wrote", UnixTime(0).after_seconds(seconds));
    }
    Ok(vec![judge::clock(now(), &moments).into()])
}
