//! Looking things up along a sorted walk, where one look-up after the other starts at the top.

use std::collections::btree_map::{BTreeMap, Iter};
use std::iter::Peekable;

use crate::path::RepoPath;

/// A map that is asked for one key after the other, in their order, for each once.
pub struct Along<'a, V> {
    rest: Peekable<Iter<'a, RepoPath, V>>,
}

impl<'a, V> Along<'a, V> {
    /// Starts at the first key.
    pub fn new(map: &'a BTreeMap<RepoPath, V>) -> Self {
        Self { rest: map.iter().peekable() }
    }

    /// Returns the key of the map that equals this one, with its value. This one comes after the last one
    /// that was asked for.
    pub fn entry(&mut self, path: &RepoPath) -> Option<(&'a RepoPath, &'a V)> {
        while self.rest.next_if(|(here, _)| *here < path).is_some() {}
        self.rest.next_if(|(here, _)| *here == path)
    }

    /// Returns the value at a key, which comes after the last one that was asked for.
    pub fn at(&mut self, path: &RepoPath) -> Option<&'a V> {
        self.entry(path).map(|(_, value)| value)
    }
}

/// Returns every folder above sorted paths, each once.
pub fn folders_above<'a>(
    paths: impl Iterator<Item = &'a RepoPath>,
) -> impl Iterator<Item = RepoPath> {
    let mut last = None;
    // What lies in one folder is sorted side by side, so one above the last path was returned there.
    paths.flat_map(move |path| path.ancestors_apart(last.replace(path)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_is_found_and_no_other() {
        let path = |name: &str| RepoPath::new(name).unwrap();
        let map: BTreeMap<RepoPath, u8> =
            [("a", 1), ("a/b", 2), ("a-b", 3), ("c", 4)].map(|(at, n)| (path(at), n)).into();
        let asked: Vec<RepoPath> =
            ["0", "a", "a-a", "a-b", "a/b", "b", "c", "d"].map(path).to_vec();
        let mut along = Along::new(&map);
        for path in &asked {
            assert_eq!(along.at(path), map.get(path), "{path}");
        }
    }

    #[test]
    fn every_folder_is_named_once() {
        let all = ["a", "a-b/c", "a/b", "a/b/c/d", "a/b/c/e", "a/bc/d", "aa/b/c", "b/a/b"];
        let paths: BTreeSet<RepoPath> =
            all.into_iter().map(|name| RepoPath::new(name).unwrap()).collect();
        let mut above: Vec<RepoPath> = paths.iter().flat_map(RepoPath::ancestors).collect();
        above.sort();
        above.dedup();
        let mut named: Vec<RepoPath> = folders_above(paths.iter()).collect();
        named.sort();
        assert_eq!(named, above);
    }
}
