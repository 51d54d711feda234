//! A machine as it was, so that each hostile thing meets the same one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::{Machine, Sandbox};

/// A copy of a machine's home.
pub struct Aside(PathBuf);

impl Aside {
    /// Copies a home aside.
    pub fn put(sandbox: &Sandbox, machine: &Machine) -> Self {
        let aside = sandbox.path("aside");
        copy(machine.home(), &aside);
        Self(aside)
    }

    /// Makes the home what it was.
    pub fn put_back(&self, machine: &Machine) {
        fs::remove_dir_all(machine.home()).unwrap();
        copy(&self.0, machine.home());
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// Everything in a home that is neither Git's nor cfgsync's own, with its bytes.
pub fn look(machine: &Machine) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let own = [machine.path("@.git"), machine.path("@.sync"), machine.path(".local/state/cfgsync")];
    collect(machine.home(), &own, &mut found);
    found
}

fn collect(folder: &Path, own: &[PathBuf], found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if own.contains(&path) {
            continue;
        }
        let kind = entry.file_type().unwrap();
        let bytes = if kind.is_dir() {
            collect(&path, own, found);
            Vec::new()
        } else if kind.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else {
            fs::read(&path).unwrap()
        };
        found.insert(path, bytes);
    }
}
