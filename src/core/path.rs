//! Paths as the engine means them: below the repository, or below `$HOME`.
//!
//! A path is a list of name bytes joined by `/`. It never starts with `/`, never has an empty, `.`
//! or `..` component, never holds NUL, and never names git's own folder, so a path that exists can
//! be joined to its root without leaving it. Names are bytes, because a file name on Linux is.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use crate::inert::display;
use crate::names::is_ignored;

/// The folder of the repository that holds stored copies.
pub const EXTERNAL: &str = "external";

/// The folder of the repository that holds cfgsync's own files.
pub const META: &str = ".sync";

/// Why bytes are not a path below a root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing is left of the path.
    #[error("the path is empty")]
    Empty,
    /// The path starts at the file system's root.
    #[error("the path is absolute")]
    Absolute,
    /// A component is `.`, `..` or empty.
    #[error("the path has a `.`, `..` or empty component")]
    Climbs,
    /// The path holds a NUL byte.
    #[error("the path holds a NUL byte")]
    Nul,
    /// A component is git's own folder, in one of its spellings.
    #[error("the path goes through a `.git` folder")]
    Git,
}

/// A path below a root: one type for each root, so that two of them cannot be mixed up.
#[derive(Clone)]
pub struct PathBelow<Root> {
    // Every tree of a run names the same paths; they share the bytes.
    bytes: Arc<[u8]>,
    root: PhantomData<Root>,
}

impl<Root> PartialEq for PathBelow<Root> {
    fn eq(&self, other: &Self) -> bool {
        self.is(other) || self.bytes == other.bytes
    }
}

impl<Root> Eq for PathBelow<Root> {}

impl<Root> PartialOrd for PathBelow<Root> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<Root> Ord for PathBelow<Root> {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.is(other) { Ordering::Equal } else { self.bytes.cmp(&other.bytes) }
    }
}

impl<Root> Hash for PathBelow<Root> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

/// The root of the repository's working tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Repository {}

/// The root of `$HOME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Home {}

/// A path below the repository's working tree.
pub type RepoPath = PathBelow<Repository>;

/// A path below `$HOME`.
pub type HomePath = PathBelow<Home>;

impl<Root> PathBelow<Root> {
    /// Reads bytes as a path below the root.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, PathError> {
        let bytes = bytes.as_ref();
        validate(bytes)?;
        Ok(Self::of(bytes))
    }

    /// Takes bytes that are known to be a path below the root.
    fn of(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { bytes: bytes.into(), root: PhantomData }
    }

    /// Returns the bytes, without a leading or trailing slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the names from the root down.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.bytes.split(|byte| *byte == b'/')
    }

    /// Returns the last name.
    pub fn name(&self) -> &[u8] {
        self.components().next_back().unwrap_or_default()
    }

    /// Returns the folder that holds this path, none at the top.
    pub fn parent(&self) -> Option<Self> {
        let cut = self.bytes.iter().rposition(|byte| *byte == b'/')?;
        Some(Self::of(&self.bytes[..cut]))
    }

    /// Returns every folder above this path, the nearest first.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// Returns every folder above this path that is not above the other one.
    pub fn ancestors_apart<'a>(&'a self, other: Option<&Self>) -> impl Iterator<Item = Self> + 'a {
        let other = other.map_or(&[][..], Self::as_bytes);
        let shared = self.bytes.iter().zip(other).take_while(|(byte, same)| byte == same).count();
        let is_end = |at: &usize| self.bytes[*at] == b'/';
        (shared..self.bytes.len()).filter(is_end).map(|end| Self::of(&self.bytes[..end]))
    }

    /// Returns true where both are the same bytes, and not merely equal ones.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bytes, &other.bytes)
    }

    /// Returns true when `self` is `folder` or lies below it.
    pub fn is_within(&self, folder: &Self) -> bool {
        within(&self.bytes, &folder.bytes)
    }
}

impl RepoPath {
    /// Returns the home path this is the stored copy of.
    pub fn home(&self) -> Option<HomePath> {
        let rest = self.bytes.strip_prefix(EXTERNAL.as_bytes())?.strip_prefix(b"/")?;
        Some(HomePath::of(rest))
    }

    /// Returns true for a file that never leaves the machine: `*.local`, and what is cfgsync's own.
    pub fn is_local_only(&self) -> bool {
        crate::names::stays_here(&self.bytes)
    }

    /// Returns true below `.sync/`, where cfgsync keeps its own files.
    pub fn is_meta(&self) -> bool {
        self.components().next() == Some(META.as_bytes())
    }
}

impl HomePath {
    /// Returns the place of its stored copy, `external/<path>`.
    pub fn stored(&self) -> RepoPath {
        RepoPath::of([EXTERNAL.as_bytes(), b"/", &self.bytes].concat())
    }
}

fn within(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

fn validate(bytes: &[u8]) -> Result<(), PathError> {
    if bytes.is_empty() {
        return Err(PathError::Empty);
    }
    if bytes.starts_with(b"/") {
        return Err(PathError::Absolute);
    }
    if bytes.contains(&0) {
        return Err(PathError::Nul);
    }
    for name in bytes.split(|byte| *byte == b'/') {
        if matches!(name, b"" | b"." | b"..") {
            return Err(PathError::Climbs);
        }
        if is_git_folder(name) {
            return Err(PathError::Git);
        }
    }
    Ok(())
}

/// Returns true for `.git` as any file system may spell it: letter case, the trailing dots and
/// spaces NTFS drops, its short name, and the code points HFS+ ignores (CVE-2014-9390,
/// CVE-2019-1352, CVE-2019-1353).
pub fn is_git_folder(name: &[u8]) -> bool {
    // What HFS+ ignores starts with 0xe2 or 0xef in UTF-8; no other first byte leads to `.git`.
    if !matches!(name.first(), Some(b'.' | b'g' | b'G' | 0xe2 | 0xef)) {
        return false;
    }
    let visible: String =
        String::from_utf8_lossy(name).chars().filter(|c| !is_ignored(*c)).collect();
    let lower = visible.to_ascii_lowercase();
    let stem = lower.split([':', '\\']).next().unwrap_or_default().trim_end_matches(['.', ' ']);
    stem == ".git" || stem == "git~1"
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(&self.bytes, f)
    }
}

impl fmt::Display for HomePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("~/")?;
        display(&self.bytes, f)
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}

impl fmt::Debug for HomePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leaves_its_root() {
        for bad in ["", "/etc/passwd", "..", "a/../b", "a//b", "a/", "./a", "a\0b"] {
            assert!(RepoPath::new(bad).is_err(), "{bad:?}");
            assert!(HomePath::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn git_is_refused_in_every_spelling() {
        let spellings =
            [".git", "a/.GIT/config", ".git.", ".git ", "git~1", ".g\u{200c}it", ".git::$I"];
        for bad in spellings.into_iter().chain([".git\\x", "GIT~1/x", ".git . ..", "\u{feff}.git"])
        {
            assert_eq!(RepoPath::new(bad), Err(PathError::Git), "{bad:?}");
        }
        for good in [".gitconfig", ".gitignore", "git", ".github/x"] {
            assert!(RepoPath::new(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn stored_copies_keep_the_home_path() {
        let home = HomePath::new(b".config/a b\n-\xff").unwrap();
        assert_eq!(home.stored().home(), Some(home.clone()));
        assert_eq!(RepoPath::new("externals/x").unwrap().home(), None);
    }

    #[test]
    fn local_files_are_told_from_local_folders() {
        let local = |path: &str| RepoPath::new(path).unwrap().is_local_only();
        assert!(local(".zshrc.local"));
        assert!(local("a/.local"));
        assert!(local("a/b.LoCal") && local("a/b.lo\u{200c}cal"), "as a disk may take it");
        assert!(!local("external/.local/bin/tool"));
        assert!(local("external/.config/cfgsync/config.toml"));
        assert!(local("external/.local/state/cfgsync/0123/vault/HEAD"));
        assert!(!local("external/.local/state/cfgsync2/x"));
        assert!(!local("external/.config/cfgsync/config.toml.bak"));
        assert!(!local(".config/cfgsync/config.toml"));
    }

    #[test]
    fn hostile_names_are_shown_inert() {
        let path = RepoPath::new(b"a\x1b[31m\n\xff").unwrap();
        assert_eq!(path.to_string(), "a\\u{1b}[31m\\n\\xff");
    }
}
