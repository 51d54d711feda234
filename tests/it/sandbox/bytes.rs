//! Every byte below a folder, to show that a command changed nothing at all.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Machine, Sandbox};

/// Kind and mode, moment of the last change, and bytes, by path.
pub type Bytes = BTreeMap<PathBuf, (u32, i64, Vec<u8>)>;

impl Sandbox {
    /// Returns every byte of the remote and of all homes, with the moment it was written.
    pub fn bytes(&self) -> Bytes {
        let mut found = Bytes::new();
        collect(&self.root, &|_| true, &mut found);
        found
    }
}

impl Machine {
    /// Returns everything but the list of modes: a sync writes there what it finds.
    pub fn files(&self) -> BTreeMap<OsString, (u32, Vec<u8>)> {
        let mut found = self.everything();
        found.remove(OsStr::new(".sync/modes.txt"));
        found
    }

    /// Returns every byte of Git's folder but what is cfgsync's own: its refs, and objects, which
    /// are only ever added.
    pub fn git_bytes(&self) -> Bytes {
        let git = self.repo().join(".git");
        let own = ["objects", "refs/cfgsync", "logs/refs/cfgsync"].map(|name| git.join(name));
        let mut found = Bytes::new();
        collect(&git, &|path| !own.iter().any(|own| path.starts_with(own)), &mut found);
        found
    }
}

fn collect(folder: &Path, wanted: &dyn Fn(&Path) -> bool, found: &mut Bytes) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !wanted(&path) {
            continue;
        }
        let file = path.symlink_metadata().unwrap();
        let written = file.mtime() * 1_000_000_000 + file.mtime_nsec();
        let (written, bytes) = if file.is_dir() {
            collect(&path, wanted, found);
            (0, vec![])
        } else if file.is_symlink() {
            (written, fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec())
        } else if file.is_file() {
            (written, fs::read(&path).unwrap())
        } else {
            (written, vec![])
        };
        found.insert(path, (file.mode(), written, bytes));
    }
}

/// Asserts that nothing was added, changed or removed between two looks.
#[track_caller]
pub fn assert_same<K: Ord + Debug, V: PartialEq>(
    what: &str,
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
) {
    let paths: BTreeSet<&K> = before.keys().chain(after.keys()).collect();
    let changed: Vec<&K> =
        paths.into_iter().filter(|path| before.get(path) != after.get(path)).collect();
    assert!(changed.is_empty(), "{what} changed {changed:#?}");
}
