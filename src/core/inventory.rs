//! What one archive holds: the first entry of its tar, and what every other entry is checked against.
//!
//! ```text
//! cfgsync archive 1
//! number 12
//! at 1790000000000
//! machine alex@mac
//! reason before a sync
//!
//! 0600 e69de29bb2d1d6434b8b29ae775ad8c2e48c5391 0 1790000000123456789 external/.netrc
//! link 2e65efe2a145dda7ee51d1741299f848e5bf752e 1 1790000000123456789 latest
//! folder 0700 external/.ssh
//! ```
//!
//! A line is mode (or `link`), blob, size in bytes, time of the last change in ns, path; paths are
//! sorted and escaped as in the manifest. An archive may have been made by anybody: whatever cannot be
//! a state of this machine's files is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::along::folders_above;
use crate::escape::{escape, unescape};
use crate::path::{PathError, RepoPath};
use crate::time::UnixTime;
use crate::tree::Tree;
use crate::unit::{BlobId, Kind, Mode, Version};

const HEADING: &str = "cfgsync archive 1";

/// What one archive holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Its number: archives are told apart and forgotten by it, never by a clock.
    pub number: u64,
    /// When it was made.
    pub at: UnixTime,
    /// On which machine.
    pub machine: String,
    /// What it was made for.
    pub reason: String,
    /// Every file.
    pub units: BTreeMap<RepoPath, Item>,
    /// Folders that are not 0755.
    pub folders: BTreeMap<RepoPath, Mode>,
}

/// One file of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Kind, blob and exact mode, that of `chmod u+s` and its like included.
    pub version: Version,
    /// Bytes.
    pub size: u64,
    /// When its bytes last changed, in ns since 1970.
    pub mtime: i64,
}

/// Why a text is no inventory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    /// Another program made it, or a later version of this one.
    #[error("it has no list of contents that this version understands")]
    Heading,
    /// A line has the wrong words.
    #[error("line {0} of its list of contents is damaged")]
    Line(usize),
    /// A path that no file of this machine has.
    #[error("line {line} of its list of contents: {cause}")]
    Path {
        /// The line.
        line: usize,
        /// What is wrong with it.
        cause: PathError,
    },
    /// A mode that shuts the owner out.
    #[error("it gives {0} a mode that no shared file has")]
    Mode(RepoPath),
    /// The same path twice, or paths out of order.
    #[error("it names {0} twice, or out of order")]
    Twice(RepoPath),
    /// A file where another one needs a folder.
    #[error("it has {0} as a file and as a folder")]
    FileAndFolder(RepoPath),
    /// A link below `external/`, or one of cfgsync's own files.
    #[error("it has {0}, which no archive of cfgsync has")]
    Foreign(RepoPath),
}

impl Item {
    /// Returns what comes back of it: no archive lends the owner's rights.
    pub fn shared(&self) -> Version {
        let mode = self.version.mode.and(Mode(0o777));
        Version { mode, ..self.version }
    }

    /// Writes the line of a file.
    pub fn format(&self, path: &RepoPath, text: &mut String) {
        let Self { version, size, mtime } = self;
        let mode = match version.kind {
            Kind::File => version.mode.to_string(),
            Kind::Link => "link".to_owned(),
        };
        let (blob, path) = (version.blob, escape(path.as_bytes()));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{mode} {blob} {size} {mtime} {path}");
    }
}

impl Inventory {
    /// Returns the bytes of all files together.
    pub fn size(&self) -> u64 {
        self.units.values().map(|item| item.size).sum()
    }

    /// Returns true when the very version of a unit is in it.
    pub fn holds(&self, path: &RepoPath, version: Version) -> bool {
        self.units.get(path).is_some_and(|item| item.shared() == version)
    }

    /// Returns true when both hold the same files with the same modes.
    pub fn is_same_state(&self, other: &Self) -> bool {
        let mut both = self.units.iter().zip(&other.units);
        self.folders == other.folders
            && self.units.len() == other.units.len()
            && both.all(|((path, item), (same, twin))| path == same && item.version == twin.version)
    }

    /// Returns what comes back of its files as a tree, without marks.
    pub fn tree(&self) -> Tree {
        let units = self.units.iter().map(|(path, item)| (path.clone(), item.shared()));
        Tree { units: units.collect(), folders: self.folders.clone(), ..Tree::default() }
    }

    /// Writes it.
    pub fn format(&self) -> String {
        let mut text = self.format_head();
        for (path, item) in &self.units {
            item.format(path, &mut text);
        }
        text + &self.format_folders()
    }

    /// Writes all but what is in it.
    pub fn format_head(&self) -> String {
        let Self { number, at, machine, reason, .. } = self;
        format!("{HEADING}\nnumber {number}\nat {}\nmachine {machine}\nreason {reason}\n\n", at.0)
    }

    /// Writes the lines of its folders, which come last.
    pub fn format_folders(&self) -> String {
        let mut text = String::new();
        for (path, mode) in &self.folders {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "folder {mode} {}", escape(path.as_bytes()));
        }
        text
    }

    /// Reads the head of an inventory: all but what is in it.
    pub fn parse_head(text: &str) -> Result<Self, InventoryError> {
        let mut lines = text.split_terminator('\n');
        if lines.next() != Some(HEADING) {
            return Err(InventoryError::Heading);
        }
        let mut field = |name: &str| {
            let line = lines.next()?.strip_prefix(name)?;
            line.strip_prefix(' ').map(str::to_owned)
        };
        let number = field("number").and_then(|word| word.parse().ok());
        let at = field("at").and_then(|word| word.parse().ok()).map(UnixTime);
        let (machine, reason) = (field("machine"), field("reason"));
        match (number, at, machine, reason) {
            (Some(number), Some(at), Some(machine), Some(reason)) => {
                Ok(Self { number, at, machine, reason, ..Self::default() })
            }
            _ => Err(InventoryError::Heading),
        }
    }

    /// Reads an inventory.
    pub fn parse(text: &str) -> Result<Self, InventoryError> {
        let mut inventory = Self::parse_head(text)?;
        let mut lists = Lists::default();
        // Heading, four fields and an empty line come first.
        for (at, line) in text.split_terminator('\n').enumerate().skip(6) {
            lists.add(at + 1, line)?;
        }
        // What is sorted becomes a map at once, which is cheaper than one by one.
        inventory.units = lists.units.into_iter().collect();
        inventory.folders = lists.folders.into_iter().collect();
        match inventory.files_and_folders().into_iter().next() {
            Some(path) => Err(InventoryError::FileAndFolder(path)),
            None => Ok(inventory),
        }
    }

    /// Returns every path that is a file and a folder at once, which no disk has.
    fn files_and_folders(&self) -> BTreeSet<RepoPath> {
        let above = folders_above(self.units.keys()).chain(folders_above(self.folders.keys()));
        let folders = above.chain(self.folders.keys().cloned());
        folders.filter(|folder| self.units.contains_key(folder)).collect()
    }

    /// Leaves out what a look at a changing disk saw of a path as a file and as a folder.
    pub fn leave_out_torn(&mut self) {
        let torn = self.files_and_folders();
        if torn.is_empty() {
            return;
        }
        let is_torn = |path: &RepoPath| torn.iter().any(|folder| path.is_within(folder));
        self.units.retain(|path, _| !is_torn(path));
        self.folders.retain(|path, _| !is_torn(path));
    }
}

/// The lines of an inventory, as they are read.
#[derive(Default)]
struct Lists {
    units: Vec<(RepoPath, Item)>,
    folders: Vec<(RepoPath, Mode)>,
}

impl Lists {
    fn add(&mut self, line: usize, text: &str) -> Result<(), InventoryError> {
        let damaged = || InventoryError::Line(line);
        let (first, rest) = text.split_once(' ').ok_or_else(damaged)?;
        let path = |word: &str| {
            let bytes = unescape(word).ok_or_else(damaged)?;
            RepoPath::new(bytes).map_err(|cause| InventoryError::Path { line, cause })
        };
        if first == "folder" {
            let (mode, word) = rest.split_once(' ').ok_or_else(damaged)?;
            let (path, mode) = (path(word)?, Mode::parse(mode).ok_or_else(damaged)?);
            if mode.0 & 0o700 != 0o700 || path.is_meta() {
                return Err(InventoryError::Mode(path));
            }
            return insert(&mut self.folders, path, mode);
        }
        let mut words = rest.splitn(4, ' ');
        let mut word = || words.next().ok_or_else(damaged);
        let (blob, size, mtime, word) = (word()?, word()?, word()?, word()?);
        let path = path(word)?;
        let blob = BlobId::parse(blob).ok_or_else(damaged)?;
        let version = match first {
            "link" if path.home().is_some() => return Err(InventoryError::Foreign(path)),
            "link" => Version::link(blob),
            mode => {
                let mode = Mode::parse(mode).ok_or_else(damaged)?;
                if mode.0 & 0o400 == 0 {
                    return Err(InventoryError::Mode(path));
                }
                Version::file(mode, blob)
            }
        };
        if path.is_meta() {
            return Err(InventoryError::Foreign(path));
        }
        let size = size.parse().map_err(|_| damaged())?;
        let mtime = mtime.parse().map_err(|_| damaged())?;
        insert(&mut self.units, path, Item { version, size, mtime })
    }
}

/// Adds to what is sorted already.
fn insert<T>(
    list: &mut Vec<(RepoPath, T)>,
    path: RepoPath,
    value: T,
) -> Result<(), InventoryError> {
    if list.last().is_some_and(|(last, _)| *last >= path) {
        return Err(InventoryError::Twice(path));
    }
    list.push((path, value));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Inventory {
        let path = |path: &[u8]| RepoPath::new(path).unwrap();
        let item = |version, size| Item { version, size, mtime: 5 };
        Inventory {
            number: 12,
            at: UnixTime(1_790_000_000_000),
            machine: "alex@mac".to_owned(),
            reason: "before a sync".to_owned(),
            units: BTreeMap::from([
                (path(b"a b\n\xff"), item(Version::file(Mode(0o600), BlobId::EMPTY), 0)),
                (path(b"latest"), item(Version::link(BlobId([7; 20])), 3)),
            ]),
            folders: BTreeMap::from([(path(b"external/.ssh"), Mode(0o700))]),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Inventory::parse(&inventory().format()), Ok(inventory()));
        assert_eq!(Inventory::parse_head(&inventory().format()).map(|head| head.number), Ok(12));
    }

    #[test]
    fn a_carriage_return_is_no_line_end() {
        let odd = Inventory { reason: "odd\r\r".to_owned(), ..inventory() };
        assert_eq!(Inventory::parse(&odd.format()), Ok(odd));
    }

    #[test]
    fn what_no_machine_has_is_refused() {
        let id = BlobId::EMPTY;
        let head = "cfgsync archive 1\nnumber 1\nat 1\nmachine m\nreason r\n\n";
        let refused = [
            format!("0644 {id} 0 0 /etc/passwd"),
            format!("0644 {id} 0 0 ../x"),
            format!("0644 {id} 0 0 a/../../x"),
            format!("0644 {id} 0 0 .git/config"),
            format!("0644 {id} 0 0 a/.GIT/hooks/post-merge"),
            format!("0644 {id} 0 0 .sync/config.toml"),
            format!("0000 {id} 0 0 a"),
            format!("link {id} 0 0 external/.ssh"),
            format!("0644 {id} 0 0 a\n0644 {id} 0 0 a"),
            format!("0644 {id} 0 0 b\n0644 {id} 0 0 a"),
            format!("0644 {id} 0 0 a\n0644 {id} 0 0 a/b"),
            format!("link {id} 0 0 a\n0644 {id} 0 0 a/b"),
            format!("0644 {id} 0 0 a\nfolder 0700 a"),
            format!("0644 {id} -1 0 a"),
            format!("0644 {id} 18446744073709551616 0 a"),
            "folder 0000 a".to_owned(),
            "folder 0700 .sync".to_owned(),
            "0644 xyz 0 0 a".to_owned(),
            "nonsense".to_owned(),
            String::new(),
        ];
        for text in refused {
            assert!(Inventory::parse(&format!("{head}{text}\n")).is_err(), "{text:?}");
        }
        for text in ["", "cfgsync archive 2\n", "cfgsync archive 1\nnumber x\n"] {
            assert_eq!(Inventory::parse(text), Err(InventoryError::Heading), "{text:?}");
        }
    }

    #[test]
    fn the_exact_mode_is_kept_and_no_rights_are_lent() {
        let path = RepoPath::new("a").unwrap();
        let mut exact = inventory();
        let version = Version::file(Mode(0o4755), BlobId::EMPTY);
        exact.units.insert(path.clone(), Item { version, size: 0, mtime: 5 });
        let read = Inventory::parse(&exact.format()).unwrap();
        assert_eq!(read.units[&path].version.mode, Mode(0o4755));
        assert_eq!(read.tree().units[&path].mode, Mode(0o755));
        assert!(read.holds(&path, Version::file(Mode(0o755), BlobId::EMPTY)));
    }

    #[test]
    fn what_is_seen_as_file_and_folder_is_left_out() {
        let mut torn = inventory();
        let path = |path: &str| RepoPath::new(path).unwrap();
        torn.units.insert(path("latest/x"), torn.units[&path("latest")]);
        torn.units.insert(path("external/.ssh/config"), torn.units[&path("latest")]);
        torn.leave_out_torn();
        assert_eq!(torn.units.len(), 2);
        torn.folders.insert(path("external/.ssh/config/x"), Mode(0o700));
        torn.leave_out_torn();
        assert_eq!((torn.units.len(), torn.folders.len()), (1, 1));
    }

    #[test]
    fn times_do_not_make_another_state() {
        let mut later = Inventory { number: 13, at: UnixTime(9), ..inventory() };
        later.units.values_mut().for_each(|item| item.mtime += 1);
        assert!(later.is_same_state(&inventory()));
        later.folders.clear();
        assert!(!later.is_same_state(&inventory()));
    }
}
