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

#[cfg(test)]
mod tests {
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
}
