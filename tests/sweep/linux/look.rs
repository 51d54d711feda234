//! What is on disk: every file of a machine under the name its user knows, and what was left there
//! that nobody should ever see.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cfgsync_core::status::wire::decode;

use super::place::{Machine, Place};

/// One file, through whatever link leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Where the link leads, where there is one.
    pub link: Option<PathBuf>,
    /// Its permission bits.
    pub mode: u32,
    /// Its bytes; none when the link leads nowhere.
    pub bytes: Option<Vec<u8>>,
}

/// The files of a machine, by their path below the home.
pub type Files = BTreeMap<PathBuf, Live>;

/// Folders that are cfgsync's or Git's own.
const INTERNAL: [&str; 5] =
    [".local", ".config/cfgsync", "configs/.git", "configs/.sync", "configs/.git.cfgsync-new"];

/// What belongs into the state folder.
const STATE: [&str; 19] = [
    "allowed-secrets",
    "archived",
    "came",
    "consented",
    "displaced",
    "filtered",
    "lock",
    "members",
    "privacy",
    "quiet",
    "refused",
    "running",
    "scanned",
    "sealed",
    "secrets.key",
    "seen",
    "still",
    "unreached",
    "vault",
];

/// Returns every file of a machine. What is being written under a name of cfgsync's own is no file
/// of the user's.
pub fn files(machine: &Machine) -> Files {
    let mut found = Files::new();
    let internal: Vec<PathBuf> = INTERNAL.iter().map(|name| machine.home.join(name)).collect();
    walk(&machine.home, &mut |path| {
        if internal.iter().any(|folder| path.starts_with(folder)) || is_temporary(path) {
            return false;
        }
        let file = path.symlink_metadata().unwrap();
        if !file.is_dir() {
            let mode = fs::metadata(path).map_or(0, |file| file.mode() & 0o7777);
            let live = Live { link: fs::read_link(path).ok(), mode, bytes: fs::read(path).ok() };
            found.insert(path.strip_prefix(&machine.home).unwrap().to_owned(), live);
        }
        true
    });
    found
}

fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().starts_with(b".cfgsync-"))
}

/// Visits everything below a folder; a folder that is refused is not entered.
fn walk(folder: &Path, visit: &mut dyn FnMut(&Path) -> bool) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_folder = path.symlink_metadata().is_ok_and(|file| file.is_dir());
        if visit(&path) && is_folder {
            walk(&path, visit);
        }
    }
}

/// Returns the bytes of every file in a folder and below.
pub fn contents(folder: &Path) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    walk(folder, &mut |path| {
        if path.symlink_metadata().is_ok_and(|file| file.is_file()) {
            found.extend(fs::read(path));
        }
        true
    });
    found
}

/// Returns the folders of displaced files.
pub fn displaced(machine: &Machine) -> Vec<PathBuf> {
    let state = machine.state().into_iter();
    state.chain([machine.repo().join(".sync")]).map(|above| above.join("displaced")).collect()
}

/// Returns what a whole run leaves nothing of: locks, notes, drafts, displaced files.
pub fn left_over(place: &Place) -> Vec<String> {
    let machine = place.ec2();
    let mut found = Vec::new();
    let mut seen = |path: &Path| {
        let name = path.file_name().unwrap_or_default().as_bytes();
        let is_internal = path
            .components()
            .any(|part| matches!(part.as_os_str().as_bytes(), b".git" | b".sync" | b"vault"));
        let is_left = (is_internal && name.ends_with(b".lock"))
            || is_temporary(path)
            || name.starts_with(b"cfgsync-desk.")
            || [b"unfinished".as_slice(), b"index.new", b".git.cfgsync-new"].contains(&name);
        if is_left {
            found.push(format!("{} is left", path.display()));
        }
        true
    };
    walk(&machine.home, &mut seen);
    for folder in displaced(&machine) {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            found.push(format!("{} stays displaced", entry.path().display()));
        }
    }
    let state = machine.state().and_then(|state| fs::read_dir(state).ok());
    for entry in state.into_iter().flatten().flatten() {
        if !STATE.iter().any(|known| entry.file_name() == *known) {
            found.push(format!("{} does not belong there", entry.path().display()));
        }
    }
    walk(&place.remote(), &mut |path| {
        if path.extension().is_some_and(|ending| ending == "lock") {
            found.push(format!("{} is left in the remote", path.display()));
        }
        true
    });
    found
}

/// Returns the word of the status record.
pub fn record(machine: &Machine) -> String {
    match fs::read(machine.repo().join(".sync/sync-status")).map(|bytes| decode(&bytes)) {
        Ok(Ok(record)) => record.state.word().to_owned(),
        Ok(Err(error)) => format!("{error:?}"),
        Err(error) => error.to_string(),
    }
}
