//! cfgsync's own files: read whole, written whole, private.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use nix::unistd::{AccessFlags, access};

use super::FsError;
use crate::sabotage::{self, Break};

/// Makes a private folder, and those above it.
pub fn make_private(path: &Path) -> Result<(), FsError> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(FsError::on("create", path))
}

/// Makes a folder that others may read and nobody else may write, and those above it.
pub fn make_shared(path: &Path) -> Result<(), FsError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        make_shared(above)?;
    }
    let made = DirBuilder::new().mode(0o755).create(path);
    let made = made.and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o755)));
    made.map_err(FsError::on("create", path))
}

/// Returns the names in a folder, sorted; none when it is missing.
pub fn names(folder: &Path) -> Result<Vec<Vec<u8>>, FsError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(FsError::on("list", folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(FsError::on("list", folder))?;
        names.push(entry.file_name().as_bytes().to_vec());
    }
    names.sort();
    Ok(names)
}

/// Reads a file, none when it is missing.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, FsError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FsError::on("read", path)(error)),
    }
}

/// Reads a text file, none when it is missing.
pub fn read_text(path: &Path) -> Result<Option<String>, FsError> {
    Ok(read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// How hard a published file must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It survives a power cut.
    Synced,
    /// It can be made anew.
    Relaxed,
}

/// Publishes a private file: a reader sees the old bytes or the new ones, never a mix.
pub fn publish(path: &Path, bytes: &[u8], durability: Durability) -> Result<(), FsError> {
    publish_with_mode(path, bytes, durability, 0o600)
}

/// Publishes a file with a mode of its own.
#[expect(clippy::disallowed_methods, reason = "this is the one writer of cfgsync's own files")]
pub fn publish_with_mode(
    path: &Path,
    bytes: &[u8],
    durability: Durability,
    mode: u32,
) -> Result<(), FsError> {
    let draft = draft_of(path);
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&draft)
        .map_err(FsError::on("create", &draft))?;
    file.write_all(bytes).map_err(FsError::on("write", &draft))?;
    // The umask cut the mode at creation, and a draft that was there kept its own.
    file.set_permissions(Permissions::from_mode(mode)).map_err(FsError::on("chmod", &draft))?;
    if durability == Durability::Synced && !sabotage::is(Break::NoSync) {
        file.sync_all().map_err(FsError::on("sync", &draft))?;
    }
    fs::rename(&draft, path).map_err(FsError::on("replace", path))?;
    match (durability, path.parent()) {
        (Durability::Synced, Some(folder)) => sync_folder(folder),
        _ => Ok(()),
    }
}

/// Says when the bytes of a file last changed, in ns since 1970.
pub fn set_mtime(path: &Path, ns: i64) -> Result<(), FsError> {
    let distance = Duration::from_nanos(ns.unsigned_abs());
    let time = if ns < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance };
    let set = File::open(path).and_then(|file| file.set_modified(time));
    set.map_err(FsError::on("set the time of", path))
}

/// Makes an empty private file in place of whatever a killed run left there.
pub fn create_private(path: &Path) -> Result<File, FsError> {
    remove(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path).map_err(FsError::on("create", path))
}

/// Removes a file of cfgsync's own; one that is missing is fine.
#[expect(clippy::disallowed_methods, reason = "cfgsync's own files hold nothing of the user's")]
pub fn remove(path: &Path) -> Result<(), FsError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FsError::on("remove", path)(error)),
    }
}

/// Opens what is ours, be it a folder or a FIFO; a link is an error, and nothing is waited for.
pub fn open_itself(path: &Path) -> Result<File, FsError> {
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path);
    file.map_err(FsError::on("open", path))
}

/// Closes a folder to everybody else: what it holds may be private, whatever its files' modes say.
pub fn close(path: &Path) -> Result<(), FsError> {
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(FsError::on("chmod", path))
}

/// Closes a folder of cfgsync's own, where group or others have any part in it.
pub fn close_if_open(path: &Path) -> Result<(), FsError> {
    let mode = fs::metadata(path).map_err(FsError::on("stat", path))?.permissions().mode();
    if mode.trailing_zeros() >= 6 { Ok(()) } else { close(path) }
}

/// Returns why nothing can be made in a folder of cfgsync's own; nothing where it can, or where there is
/// no folder yet.
pub fn why_closed(folder: &Path) -> Option<String> {
    let mode = fs::metadata(folder).ok()?.permissions().mode();
    if mode & 0o300 != 0o300 {
        return Some(format!("its mode is {:04o}", mode & 0o7777));
    }
    let may_write = AccessFlags::W_OK | AccessFlags::X_OK;
    access(folder, may_write).err().map(|errno| errno.desc().to_owned())
}

/// Removes a folder that a killed run of ours was about to make.
#[expect(clippy::disallowed_methods, reason = "a draft of cfgsync's own, which nobody else names")]
pub fn remove_draft(path: &Path) -> Result<(), FsError> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FsError::on("remove", path)(error)),
    }
}

/// Makes a draft durable, with all that is in it.
fn sync_draft(draft: &Path) -> Result<(), FsError> {
    if draft.is_symlink() {
        return Ok(());
    }
    if draft.is_dir() {
        for name in names(draft)? {
            sync_draft(&draft.join(super::dir::os(&name)))?;
        }
    }
    sync_folder(draft)
}

/// Gives a draft its name, in one step, once all of it is durable.
pub fn install_draft(draft: &Path, path: &Path) -> Result<(), FsError> {
    sync_draft(draft)?;
    name_draft(draft, path)
}

/// Gives a draft that is durable its name, in one step.
#[expect(clippy::disallowed_methods, reason = "a draft of cfgsync's own, where nothing stands yet")]
pub fn name_draft(draft: &Path, path: &Path) -> Result<(), FsError> {
    fs::rename(draft, path).map_err(FsError::on("make", path))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes the names in a folder durable.
pub fn sync_folder(folder: &Path) -> Result<(), FsError> {
    if sabotage::is(Break::NoSync) {
        return Ok(());
    }
    File::open(folder).and_then(|file| file.sync_all()).map_err(FsError::on("sync", folder))
}

/// The draft of a file of ours has one fixed name: only the holder of the lock writes it, so one
/// left behind by a killed run is simply written over.
fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}
