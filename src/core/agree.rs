//! What both sides last agreed on, unit by unit.
//!
//! cfgsync remembers the agreed tree of its own last run. Between two runs a person may have pulled
//! or committed by hand, or the memory may be gone with an old machine; then Git's own common
//! ancestor says more.

use std::collections::{BTreeMap, BTreeSet};

use crate::along::Along;
use crate::manifest::Manifest;
use crate::path::RepoPath;
use crate::tree::{Tree, Units};
use crate::unit::{BlobId, Version};

/// What the last run left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    /// The tree both sides agreed on; older than `upstream` where a unit is held.
    pub agreed: Tree,
    /// Upstream's tree as it was then.
    pub upstream: Tree,
}

/// The trees from which the agreed one is found.
#[derive(Debug, Clone, Copy)]
pub struct Memories<'a> {
    /// Of the last run; none on a machine that never synced.
    pub last: Option<&'a LastRun>,
    /// Of the commit where the branch and upstream part; none without common history.
    pub common: Option<&'a Tree>,
    /// Of the branch's tip; none before the first commit.
    pub head: Option<&'a Tree>,
    /// Of Git's index: the blobs the working tree's files were last taken from. It may be none unless
    /// [`asks_index`] says otherwise.
    pub index: Option<&'a BTreeMap<RepoPath, BlobId>>,
}

/// Returns true where what is agreed may depend on Git's index: the common ancestor is not what the last run
/// left on both sides.
pub fn asks_index(last: Option<&LastRun>, common: Option<&Tree>) -> bool {
    last.zip(common).is_some_and(|(last, common)| !are_one(last, common))
}

fn are_one(last: &LastRun, common: &Tree) -> bool {
    common.units.is(&last.upstream.units) && common.units.is(&last.agreed.units)
}

/// Returns the tree both sides last agreed on.
pub fn agreed(memories: Memories<'_>, ours: &Tree) -> Tree {
    let empty = Tree::default();
    let Some(last) = memories.last else {
        return memories.common.cloned().unwrap_or_default();
    };
    let Some(common) = memories.common else {
        return last.agreed.clone();
    };
    let pulled = common.manifest != last.upstream.manifest;
    let source = if pulled { common } else { &last.agreed };
    let units = if are_one(last, common) {
        last.agreed.units.clone()
    } else {
        let head = memories.head.unwrap_or(&empty);
        agreed_units([&last.agreed, &last.upstream, common, head, ours], memories.index)
    };
    let manifest: Manifest = source.manifest.clone();
    Tree { units, folders: source.folders.clone(), manifest, opaque: source.opaque.clone() }
}

/// Returns what is agreed of each unit, from the trees in the order of [`agreed_unit`].
fn agreed_units(trees: [&Tree; 5], index: Option<&BTreeMap<RepoPath, BlobId>>) -> Units {
    let [remembered, _, common, ..] = trees;
    let paths: BTreeSet<&RepoPath> =
        [remembered, common].into_iter().flat_map(|tree| tree.units.keys()).collect();
    let mut trees = trees.map(|tree| Along::new(&tree.units));
    let mut index = index.map(Along::new);
    let unit = |path: &RepoPath| {
        let versions = trees.each_mut().map(|tree| tree.at(path).copied());
        let staged = index.as_mut().and_then(|index| index.at(path));
        let version = agreed_unit(versions, staged.copied())?;
        Some((path.clone(), version))
    };
    paths.into_iter().filter_map(unit).collect()
}

/// A unit that upstream did not change since the last run keeps what that run agreed on. One that
/// was pulled by hand takes the common ancestor's version, unless the file on disk did not follow
/// (`git reset --soft`): then the last run still knows better what the file was made from.
///
/// The versions are those that run agreed on and upstream had then, of the common ancestor, of `HEAD`
/// and of this machine.
fn agreed_unit(
    [remembered, upstream, common, head, ours]: [Option<Version>; 5],
    staged: Option<BlobId>,
) -> Option<Version> {
    if common == upstream {
        // A run that took upstream's version, and could not do all that belongs to it, did not say so:
        // what lies here is no edit all the same.
        return if ours == upstream { upstream } else { remembered };
    }
    // A held unit never was what upstream had; the disk still carries the older agreement.
    if remembered != upstream && ours != common {
        return remembered;
    }
    let is_staged_before = staged.is_some() && staged == remembered.map(|version| version.blob);
    let not_followed = head != ours && head != remembered;
    if not_followed && (ours == remembered || is_staged_before) { remembered } else { common }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::Mode;

    /// One file `f`, whose version is a letter; `-` is absent.
    fn tree(letter: char) -> Tree {
        let version = Version::file(Mode::FILE, BlobId([letter as u8; 20]));
        let units = (letter != '-').then(|| (RepoPath::new("f").unwrap(), version));
        Tree { units: units.into_iter().collect(), ..Tree::default() }
    }

    /// The versions of the last agreement, upstream then, the common ancestor, HEAD, the index and
    /// the disk, and the one that is agreed.
    fn check(versions: &str, expected: char) {
        let letters: Vec<char> = versions.chars().filter(|letter| *letter != ' ').collect();
        let [agreed_then, upstream_then, common, head, index, ours] = letters[..] else {
            panic!("six versions")
        };
        let last = LastRun { agreed: tree(agreed_then), upstream: tree(upstream_then) };
        let index = tree(index).units.into_iter().map(|(path, unit)| (path, unit.blob)).collect();
        let (common, head) = (tree(common), tree(head));
        let memories = Memories {
            last: Some(&last),
            common: Some(&common),
            head: Some(&head),
            index: Some(&index),
        };
        assert_eq!(agreed(memories, &tree(ours)).units, tree(expected).units);
    }

    #[test]
    fn a_unit_nobody_pulled_keeps_the_memory() {
        check("a a a a a a", 'a');
        check("a b b b b x", 'a'); // held: older than upstream
        check("a b c c c x", 'a'); // held, then the branch was moved without the files
    }

    #[test]
    fn what_was_taken_and_not_said_is_no_edit() {
        check("a b b b b b", 'b');
        check("a - - - - -", '-');
        check("- b b b b b", 'b');
    }

    #[test]
    fn a_pull_by_hand_moves_the_base() {
        check("a a b b b b", 'b');
        check("a a b b b x", 'b');
    }

    #[test]
    fn a_revert_committed_by_hand_is_an_edit() {
        check("a a b a a a", 'b');
    }

    #[test]
    fn a_branch_that_moved_without_the_files_reverts_nothing() {
        check("a a b b b a", 'a');
        check("a a b b a x", 'a'); // reset --soft, then an edit
    }

    #[test]
    fn the_index_is_asked_where_somebody_moved_the_branch() {
        let one = tree('a');
        let last = LastRun { agreed: one.clone(), upstream: one.clone() };
        assert!(!asks_index(Some(&last), Some(&one)));
        assert!(!asks_index(None, Some(&one)) && !asks_index(Some(&last), None));
        assert!(asks_index(Some(&last), Some(&tree('b'))));
        let held = LastRun { agreed: tree('b'), ..last };
        assert!(asks_index(Some(&held), Some(&one)));
    }

    #[test]
    fn without_memory_the_common_ancestor_counts() {
        let common = tree('c');
        let memories = Memories { last: None, common: Some(&common), head: None, index: None };
        assert_eq!(agreed(memories, &tree('x')).units, common.units);
        let nothing = Memories { common: None, ..memories };
        assert_eq!(agreed(nothing, &tree('x')).units, tree('-').units);
    }
}
