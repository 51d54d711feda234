//! A tree of the repository with the modes Git cannot keep.
//!
//! In Git a tree is blobs plus two text files that cfgsync writes: the manifest and
//! `.sync/modes.txt`, one `mode path` line for each file that is neither 0644 nor 0755 and for each
//! folder that is not 0755 (a folder ends with `/`), or one that says that there is none. Here those two are already read into place.

use std::collections::{BTreeMap, BTreeSet};

use crate::along::{Along, folders_above};
use crate::escape::{escape, unescape, words};
use crate::manifest::Manifest;
use crate::path::RepoPath;
use crate::shared::Shared;
use crate::unit::{BlobId, Kind, Mode, Version};

/// The place of the exact modes in the repository.
pub const MODES: &str = ".sync/modes.txt";

/// What a list of modes says that has no line: it is there, so nobody lost it.
const NO_MODES: &str = "# no mode that Git does not keep\n";

/// The units of one side.
pub type Units = Shared<BTreeMap<RepoPath, Version>>;

/// Every unit of one side, the exact modes of its folders, and its manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Tree {
    /// Files and links.
    pub units: Units,
    /// Folders that are not 0755.
    pub folders: BTreeMap<RepoPath, Mode>,
    /// The marks.
    pub manifest: Manifest,
    /// Entries that are carried along and never touched on disk, by their raw path.
    pub opaque: BTreeMap<Vec<u8>, Opaque>,
}

/// An entry of a Git tree that is no unit: a submodule, a link below `external/`, a `*.local` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Opaque {
    /// Git's raw file mode.
    pub filemode: i32,
    /// The object.
    pub id: BlobId,
}

impl Tree {
    /// Takes the marks of an older tree where the manifest is gone and stored copies are not: nobody
    /// unmarks by losing the list.
    pub fn keep_lost_manifest(&mut self, older: &Self) {
        let is_stored = |path: &RepoPath| {
            path.home().is_some_and(|home| older.manifest.covering(&home).is_some())
        };
        if self.manifest == Manifest::default() && self.units.keys().any(is_stored) {
            self.manifest.clone_from(&older.manifest);
        }
    }

    /// Keeps the modes of an older tree, as far as they are narrower, where the list of modes is gone:
    /// nobody opens a file by losing the list.
    pub fn keep_lost_modes(&mut self, older: &Self) {
        for (path, version) in &mut self.units {
            let Some(before) = older.units.get(path) else { continue };
            if version.kind != Kind::File || before.kind != Kind::File {
                continue;
            }
            version.mode = if before.mode.in_git() == version.mode {
                before.mode
            } else {
                version.mode.without_what_others_lack(before.mode)
            };
        }
        for folder in self.folder_paths() {
            if let Some(mode) = older.folders.get(&folder) {
                self.folders.insert(folder, *mode);
            }
        }
    }

    /// Takes `*.local` files out of what is shared: one that somebody committed by hand is carried
    /// along, and neither comes to this machine nor goes from it.
    pub fn set_local_aside(&mut self) {
        let local: Vec<RepoPath> =
            self.units.keys().filter(|path| path.is_local_only()).cloned().collect();
        for path in local {
            let Some(Version { kind, mode, blob }) = self.units.remove(&path) else { continue };
            let filemode = match (kind, mode.is_executable()) {
                (Kind::Link, _) => 0o120_000,
                (Kind::File, true) => 0o100_755,
                (Kind::File, false) => 0o100_644,
            };
            self.opaque.insert(path.as_bytes().to_vec(), Opaque { filemode, id: blob });
        }
    }

    /// Takes the units of another tree, as far as they are the same: its paths, and all of it where nothing
    /// differs. What is one is compared at once.
    pub fn share_with(&mut self, other: &Self) {
        if self.units.is(&other.units) {
            return;
        }
        let mut theirs = Along::new(&other.units);
        let (mut same, mut renamed) = (0, false);
        for (path, version) in &self.units {
            let Some((known, theirs)) = theirs.entry(path) else { continue };
            renamed |= !known.is(path);
            same += usize::from(theirs == version);
        }
        if [same, other.units.len()] == [self.units.len(); 2] {
            self.units = other.units.clone();
        } else if renamed {
            let mut theirs = Along::new(&other.units);
            let own = std::mem::take(&mut self.units).into_inner();
            let named = |(path, version): (RepoPath, Version)| {
                (theirs.entry(&path).map_or(path.clone(), |(known, _)| known.clone()), version)
            };
            self.units = own.into_iter().map(named).collect();
        }
    }

    /// Returns true for a tree that is read from Git exactly as it was written: every mode comes back from
    /// Git or the list of modes, and every mark from the manifest.
    pub fn comes_back(&self) -> bool {
        let unit = |(path, Version { kind, mode, .. }): (&RepoPath, &Version)| match kind {
            Kind::Link => *mode == Mode(0o777) && path.home().is_none(),
            Kind::File => *mode == mode.in_git() || may_be_listed(*mode),
        };
        let folder = |(path, mode): (&RepoPath, &Mode)| {
            *mode != Mode::EXECUTABLE && mode.0 & 0o700 == 0o700 && self.has_folder(path)
        };
        self.opaque.is_empty()
            && self.units.keys().all(|path| !path.is_meta())
            && self.units.iter().all(unit)
            && self.folders.iter().all(folder)
            && Manifest::parse(&self.manifest.format()).is_ok_and(|read| read == self.manifest)
    }

    /// Returns the mode a folder must have.
    pub fn folder_mode(&self, path: &RepoPath) -> Mode {
        self.folders.get(path).copied().unwrap_or(Mode::EXECUTABLE)
    }

    /// Returns every folder that holds a unit.
    pub fn folder_paths(&self) -> BTreeSet<RepoPath> {
        folders_above(self.units.keys()).collect()
    }

    /// Returns true for a folder that holds a unit.
    pub fn has_folder(&self, folder: &RepoPath) -> bool {
        // `a-b` sorts between `a` and `a/b`, so the search is for the first unit below.
        let below = self.units.range(folder..).find(|(path, _)| {
            path.is_within(folder) || !path.as_bytes().starts_with(folder.as_bytes())
        });
        below.is_some_and(|(path, _)| path.is_within(folder))
    }

    /// Returns true for a folder that is there, if only with a mode of its own.
    pub fn stands(&self, folder: &RepoPath) -> bool {
        self.folders.contains_key(folder) || self.has_folder(folder)
    }

    /// Forgets the modes of folders that hold no unit.
    pub fn prune_folders(&mut self) {
        let mut folders = std::mem::take(&mut self.folders);
        folders.retain(|folder, mode| *mode != Mode::EXECUTABLE && self.has_folder(folder));
        self.folders = folders;
    }

    /// Returns true for a text that is a list of modes; one that is missing or empty was lost.
    pub fn is_list_of_modes(text: &str) -> bool {
        !text.trim_ascii().is_empty()
    }

    /// Writes `.sync/modes.txt`. Where Git keeps every mode it says so; without a unit it is nothing.
    pub fn format_modes(&self) -> String {
        let folders = self.folders.iter().map(|(path, mode)| (path, *mode, "/"));
        let files = self
            .units
            .iter()
            .filter(|(_, version)| {
                version.kind == Kind::File && version.mode.in_git() != version.mode
            })
            .map(|(path, version)| (path, version.mode, ""));
        let mut lines: Vec<_> = folders
            .chain(files)
            .map(|(path, mode, end)| format!("{mode} {}{end}\n", escape(path.as_bytes())))
            .collect();
        if lines.is_empty() && !self.units.is_empty() {
            return NO_MODES.to_owned();
        }
        lines.sort_by(|a, b| a[5..].cmp(&b[5..]));
        lines.concat()
    }

    /// Puts the modes of a `.sync/modes.txt` in place. Where Git's own bit says otherwise, somebody
    /// changed the mode through Git, and Git is right. A line that is no mode, or a mode that would
    /// shut the owner out or run as somebody else, is passed over.
    pub fn apply_modes(&mut self, text: &str) {
        for line in text.lines() {
            let [mode, path] = words(line)[..] else { continue };
            let Some((path, mode)) = unescape(path).zip(Mode::parse(mode)) else { continue };
            match path.strip_suffix(b"/") {
                Some(_) if mode.0 & 0o700 != 0o700 => {}
                Some(folder) => {
                    if let Ok(folder) = RepoPath::new(folder) {
                        self.folders.insert(folder, mode);
                    }
                }
                None => self.apply_mode(path, mode),
            }
        }
    }

    fn apply_mode(&mut self, path: Vec<u8>, mode: Mode) {
        let Ok(path) = RepoPath::new(path) else { return };
        if let Some(version) = self.units.get_mut(&path)
            && version.kind == Kind::File
            && version.mode == mode.in_git()
            && may_be_listed(mode)
        {
            version.mode = mode;
        }
    }
}

/// Returns true for the mode of a file that a list of modes may give it.
fn may_be_listed(mode: Mode) -> bool {
    mode.0 & !0o777 == 0 && mode.0 & 0o400 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, u16)]) -> Tree {
        let version = |mode| Version::file(Mode(mode), BlobId([1; 20]));
        let unit = |(path, mode): &(&str, u16)| (RepoPath::new(*path).unwrap(), version(*mode));
        Tree { units: files.iter().map(unit).collect(), ..Tree::default() }
    }

    #[test]
    fn only_modes_git_cannot_keep_are_written() {
        let mut tree = tree(&[("a", 0o644), ("b c", 0o600), ("x/d", 0o755), ("x/e", 0o640)]);
        tree.folders.insert(RepoPath::new("x").unwrap(), Mode(0o700));
        assert_eq!(tree.format_modes(), "0600 b\\ c\n0700 x/\n0640 x/e\n");
    }

    #[test]
    fn modes_come_back_unless_git_changed_the_bit() {
        let mut read = tree(&[("a", 0o644), ("b", 0o755)]);
        read.apply_modes("0600 a\n0600 b\nnonsense\n0700 gone\n");
        assert_eq!(read.units, tree(&[("a", 0o600), ("b", 0o755)]).units);
    }

    #[test]
    fn a_list_of_modes_that_is_lost_opens_nothing() {
        let mut older =
            tree(&[("a", 0o600), ("b", 0o644), ("c", 0o600), ("d", 0o750), ("x/e", 0o400)]);
        older.folders.insert(RepoPath::new("x").unwrap(), Mode(0o700));
        let mut now =
            tree(&[("a", 0o644), ("b", 0o644), ("c", 0o755), ("d", 0o644), ("x/e", 0o644)]);
        now.units.extend(tree(&[("new", 0o644)]).units);
        now.keep_lost_modes(&older);
        let expected = [("a", 0o600), ("b", 0o644), ("c", 0o700), ("d", 0o640), ("x/e", 0o400)];
        let mut wanted = tree(&expected);
        wanted.units.extend(tree(&[("new", 0o644)]).units);
        wanted.folders.insert(RepoPath::new("x").unwrap(), Mode(0o700));
        assert_eq!(now, wanted);
        assert!(!Tree::is_list_of_modes("") && !Tree::is_list_of_modes("\n"));
        assert!(Tree::is_list_of_modes(&tree(&[("a", 0o644)]).format_modes()));
        assert_eq!(Tree::default().format_modes(), "");
    }

    #[test]
    fn local_files_are_no_units() {
        let mut tree = tree(&[("a", 0o644), ("x/b.local", 0o755)]);
        tree.set_local_aside();
        assert_eq!(tree.units.len(), 1);
        assert_eq!(tree.opaque[&b"x/b.local"[..]].filemode, 0o100_755);
    }

    #[test]
    fn what_is_equal_becomes_one() {
        let known = tree(&[("a", 0o644), ("b", 0o644), ("c", 0o644)]);
        let mut equal = tree(&[("a", 0o644), ("b", 0o644), ("c", 0o644)]);
        equal.share_with(&known);
        assert!(equal.units.is(&known.units));
        for files in
            [&[("a", 0o600), ("b", 0o644)][..], &[("0", 0o644), ("a", 0o644), ("d", 0o644)]]
        {
            let (mut other, as_it_was) = (tree(files), tree(files));
            other.share_with(&known);
            assert_eq!(other, as_it_was);
            let is_known = |path: &RepoPath| known.units.keys().any(|known| known.is(path));
            assert!(
                other.units.keys().all(|path| is_known(path) || !known.units.contains_key(path))
            );
        }
    }

    #[test]
    fn a_tree_that_does_not_come_back_is_known() {
        let mut good = tree(&[("a", 0o644), ("x/b", 0o600), ("x/c", 0o755)]);
        good.folders.insert(RepoPath::new("x").unwrap(), Mode(0o700));
        assert!(good.comes_back());
        let path = |path| RepoPath::new(path).unwrap();
        let spoil: [fn(&mut Tree, RepoPath); 4] = [
            |tree, _| tree.folders.extend([(RepoPath::new("x").unwrap(), Mode(0o500))]),
            |tree, path| tree.units.extend([(path, Version::file(Mode(0o200), BlobId([1; 20])))]),
            |tree, path| tree.folders.extend([(path, Mode(0o700))]),
            |tree, path| {
                let local = Opaque { filemode: 0o100_644, id: BlobId([1; 20]) };
                tree.opaque.insert(path.as_bytes().to_vec(), local);
            },
        ];
        for spoil in spoil {
            let mut tree = good.clone();
            spoil(&mut tree, path("y.local"));
            assert!(!tree.comes_back());
        }
    }

    #[test]
    fn folders_without_units_are_forgotten() {
        let mut tree = tree(&[("x/a", 0o644)]);
        tree.folders.insert(RepoPath::new("x").unwrap(), Mode(0o700));
        tree.folders.insert(RepoPath::new("y").unwrap(), Mode(0o700));
        tree.units.extend(self::tree(&[("x-1", 0o644), ("y-1", 0o644)]).units);
        tree.prune_folders();
        assert_eq!(tree.folders.len(), 1);
    }
}
