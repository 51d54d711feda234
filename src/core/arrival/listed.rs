//! Whether a tree of Git is one at all: names in order, none twice, none that leaves the folder, known
//! kinds, and not endless. Git's own programs write no other trees, so such a one is refused whole.

use std::collections::BTreeSet;

use crate::path::{PathError, RepoPath};

/// Entries of a whole tree that are taken; a tree may name a folder many times over.
const MOST_ENTRIES: usize = 200_000;

/// Folders above one another that are taken.
const DEEPEST: usize = 128;

/// What Git calls a folder.
const FOLDER: i32 = 0o040_000;

/// Why a tree is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A name is none, or leads out of its folder.
    #[error("{0}")]
    Name(PathError),
    /// A name stands there twice, or out of order.
    #[error("the names of its folder are not in order")]
    Order,
    /// Git knows no such kind of entry.
    #[error("git knows no mode {0:o}")]
    Mode(i32),
    /// It has more entries than anybody keeps.
    #[error("the tree has more than {MOST_ENTRIES} entries")]
    Endless,
    /// Its folders lie deeper than anybody keeps them.
    #[error("its folders lie more than {DEEPEST} deep")]
    Deep,
}

/// Looks through one tree, folder by folder.
#[derive(Debug, Default)]
pub struct Listing {
    entries: usize,
}

impl Listing {
    /// Checks the entries of one folder at this depth, in their order.
    pub fn check(&mut self, depth: usize, entries: &[(&[u8], i32)]) -> Result<(), Broken> {
        self.entries += entries.len();
        if self.entries > MOST_ENTRIES {
            return Err(Broken::Endless);
        }
        if depth > DEEPEST {
            return Err(Broken::Deep);
        }
        for (name, mode) in entries {
            if !matches!(*mode, FOLDER | 0o120_000 | 0o160_000 | 0o100_000..=0o100_777) {
                return Err(Broken::Mode(*mode));
            }
            if name.contains(&b'/') {
                return Err(Broken::Name(PathError::Climbs));
            }
            RepoPath::new(*name).map_err(Broken::Name)?;
        }
        // Git sorts a folder as if its name ended with a slash.
        let key = |(name, mode): &(&[u8], i32)| {
            let end: &[u8] = if *mode == FOLDER { b"/" } else { b"" };
            [name, end].concat()
        };
        let is_ordered = entries.windows(2).all(|pair| key(&pair[0]) < key(&pair[1]));
        let names: BTreeSet<&[u8]> = entries.iter().map(|(name, _)| *name).collect();
        if is_ordered && names.len() == entries.len() { Ok(()) } else { Err(Broken::Order) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entries: &[(&str, i32)]) -> Result<(), Broken> {
        let entries: Vec<(&[u8], i32)> =
            entries.iter().map(|(name, mode)| (name.as_bytes(), *mode)).collect();
        Listing::default().check(1, &entries)
    }

    #[test]
    fn what_git_writes_is_a_tree() {
        const FILE: i32 = 0o100_644;
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(
            check(&[("a", FILE), ("a.b", FOLDER), ("b", FOLDER), ("b0", 0o120_000)]),
            Ok(())
        );
        assert_eq!(check(&[("a", 0o100_664), ("b", 0o160_000)]), Ok(()));
    }

    #[test]
    fn what_git_does_not_write_is_none() {
        const FILE: i32 = 0o100_644;
        assert_eq!(check(&[("b", FILE), ("a", FILE)]), Err(Broken::Order));
        assert_eq!(check(&[("a", FILE), ("a", FILE)]), Err(Broken::Order));
        assert_eq!(check(&[("a", FILE), ("a", FOLDER)]), Err(Broken::Order));
        assert_eq!(check(&[("a", FILE), ("a.b", FILE), ("a", FOLDER)]), Err(Broken::Order));
        assert_eq!(check(&[("a", 0o60_644)]), Err(Broken::Mode(0o60_644)));
        for (name, cause) in [
            ("..", PathError::Climbs),
            (".", PathError::Climbs),
            ("", PathError::Empty),
            ("a/b", PathError::Climbs),
            (".GiT", PathError::Git),
            ("git~1", PathError::Git),
        ] {
            assert_eq!(check(&[(name, FILE)]), Err(Broken::Name(cause)), "{name}");
        }
    }

    #[test]
    fn a_tree_that_names_one_folder_over_and_over_ends() {
        let entries: Vec<Vec<u8>> = (0..1000).map(|at| format!("{at:04}").into_bytes()).collect();
        let entries: Vec<(&[u8], i32)> = entries.iter().map(|name| (&name[..], FOLDER)).collect();
        let mut listing = Listing::default();
        let checked = (0..1000).map(|_| listing.check(2, &entries)).find(Result::is_err);
        assert_eq!(checked, Some(Err(Broken::Endless)));
        assert_eq!(listing.check(1, &[]), Err(Broken::Endless));
        assert_eq!(Listing::default().check(DEEPEST + 1, &[]), Err(Broken::Deep));
    }
}
