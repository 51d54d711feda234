//! What must hold of machines after a test: equal files, clean repositories, nothing left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use cfgsync_core::manifest::Manifest;

use super::{Machine, Sandbox, git};

/// Mode and bytes by name.
type Files = BTreeMap<OsString, (u32, Vec<u8>)>;

impl Machine {
    /// Returns every file of the repository and every live file of a mark, as it is on disk.
    pub fn everything(&self) -> Files {
        let mut found = Files::new();
        collect(&self.repo(), &self.repo(), &|path| !is_internal(path), &mut found);
        let text = fs::read_to_string(self.path("@.sync/marked-files.txt")).unwrap_or_default();
        for home in Manifest::parse(&text).unwrap().marks.keys() {
            let path = self.path(OsStr::from_bytes(home.as_bytes()));
            if path.is_dir() {
                collect(&path, &self.home, &|_| true, &mut found);
            } else {
                let name = [b"~/", home.as_bytes()].concat();
                found.insert(OsStr::from_bytes(&name).to_owned(), through_links(&path));
            }
        }
        found
    }
}

fn is_internal(path: &Path) -> bool {
    let kept = ["", "marked-files.txt", "modes.txt"];
    path.starts_with(".git")
        || path
            .strip_prefix(".sync")
            .is_ok_and(|rest| kept.iter().all(|name| rest != Path::new(name)))
}

/// Mode and bytes of what a path leads to.
fn through_links(path: &Path) -> (u32, Vec<u8>) {
    match (fs::metadata(path), fs::read(path)) {
        (Ok(file), Ok(bytes)) => (file.mode() & 0o7777, bytes),
        (_, result) => (0, format!("{result:?}").into_bytes()),
    }
}

fn collect(folder: &Path, root: &Path, wanted: &dyn Fn(&Path) -> bool, found: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_owned();
        if !wanted(&name) {
            continue;
        }
        let file = path.symlink_metadata().unwrap();
        let is_our_link = name.starts_with("external") || root != folder;
        let content = if file.is_dir() {
            collect(&path, root, wanted, found);
            // `.sync` is each machine's own; only two files of it travel.
            let mode = if name == Path::new(".sync") { 0o700 } else { file.mode() & 0o7777 };
            (mode, b"folder".to_vec())
        } else if file.is_symlink() && !is_our_link {
            (0o777, fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec())
        } else if file.is_symlink() && fs::metadata(&path).is_err() {
            (0o777, b"dead link".to_vec())
        } else {
            through_links(&path)
        };
        found.insert(name.into_os_string(), content);
    }
}

/// Asserts that all machines hold the same files with the same modes, in repository and home.
#[track_caller]
pub fn assert_converged(machines: &[&Machine]) {
    let first = machines[0].everything();
    for machine in &machines[1..] {
        let other = machine.everything();
        let names: BTreeSet<_> = first.keys().chain(other.keys()).collect();
        for name in names {
            let show = |side: Option<&(u32, Vec<u8>)>| {
                side.map(|(mode, bytes)| format!("{mode:04o} {}", String::from_utf8_lossy(bytes)))
            };
            let (one, two) = (show(first.get(name)), show(other.get(name)));
            assert_eq!(one, two, "{} in {}", name.display(), machine.home.display());
        }
    }
}

/// Asserts that nothing is left behind: intact stores, no locks, no temporary files, no markers.
#[track_caller]
pub fn assert_clean(sandbox: &Sandbox, machines: &[&Machine]) {
    assert_intact(&sandbox.root, &sandbox.remote());
    for machine in machines {
        let state = machine.state();
        assert_intact(&machine.home, &machine.repo());
        assert_intact(&machine.home, &state.join("vault"));
        for folder in [state.join("displaced"), machine.path("@.sync/displaced")] {
            let left: Vec<_> =
                fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!(left.is_empty(), "displaced files stay: {left:?}");
        }
        assert_only(
            &state,
            &[
                "allowed-secrets",
                "archived",
                "sealed",
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
                "secrets.key",
                "seen",
                "still",
                "unreached",
                "unsigned",
                "vault",
            ],
        );
        walk(&machine.home, &mut |path| {
            let name = path.file_name().unwrap().as_bytes();
            // A user may well own a file of that name; Git's folders and ours may not.
            let is_internal = path
                .components()
                .any(|part| matches!(part.as_os_str().as_bytes(), b".git" | b".sync" | b"vault"));
            let is_left = (is_internal && name.ends_with(b".lock"))
                || name.starts_with(b".cfgsync-")
                || name == b"unfinished";
            assert!(!is_left, "left behind: {}", path.display());
            // Reading a pipe would wait for whoever writes to it.
            let bytes = if path.is_file() { fs::read(path).unwrap() } else { Vec::new() };
            let has_markers = bytes.windows(8).any(|window| window == b"<<<<<<< ");
            assert!(!has_markers, "conflict markers in {}", path.display());
        });
    }
}

/// Asserts that a folder holds nothing but what belongs there.
#[track_caller]
fn assert_only(folder: &Path, known: &[&str]) {
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(
            known.iter().any(|known| name == *known),
            "{} in {}",
            name.display(),
            folder.display()
        );
    }
}

#[track_caller]
fn assert_intact(home: &Path, store: &Path) {
    git(home, store, &["fsck", "--strict", "--no-progress"]);
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.symlink_metadata().unwrap();
        if file.is_dir() {
            walk(&path, visit);
        } else {
            visit(&path);
        }
    }
}
