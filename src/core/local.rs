//! This machine's side of every unit, from its live file and its stored copy.

use std::collections::{BTreeMap, BTreeSet};

use crate::along::Along;
use crate::linking::Tie;
use crate::manifest::{Manifest, Scope};
use crate::observed::{Finding, Live, Local};
use crate::path::RepoPath;
use crate::tree::Tree;
use crate::unit::Version;

/// The trees in which a stored copy counts as known, and not as an edit.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// What both sides last agreed on.
    pub agreed: &'a Tree,
    /// What the last run said they agreed on: older where a step of it failed.
    pub remembered: Option<&'a Tree>,
    /// Where the branch and upstream part.
    pub common: Option<&'a Tree>,
    /// Upstream's tree.
    pub theirs: Option<&'a Tree>,
}

/// Returns what people see on this machine: the live file where it is a file of its own, else the
/// stored copy. A mark is a declaration, so a live file or stored copy that vanished comes back;
/// only in a marked folder that still stands is a vanished file a deletion.
pub fn overlay(local: &Local, marks: &Manifest, last: Option<&Tree>) -> Tree {
    let mut seen = local.stored.clone();
    for (path, version) in &local.lost {
        seen.units.entry(path.clone()).or_insert(*version);
    }
    for (path, live) in &local.live {
        if let (Live::Moved(_), Some(from)) = (live, local.moved.get(path)) {
            // The link still leads to what the file was called before.
            if let Some(version) = local.stored.units.get(from) {
                seen.units.insert(path.clone(), *version);
            }
            continue;
        }
        let remembered = last.and_then(|tree| tree.units.get(path)).copied();
        let stored = seen.units.get(path).copied();
        match visible(path, *live, stored, remembered, marks) {
            visible if visible == stored => {}
            Some(version) => drop(seen.units.insert(path.clone(), version)),
            None => drop(seen.units.remove(path)),
        }
    }
    seen
}

fn visible(
    path: &RepoPath,
    live: Live,
    stored: Option<Version>,
    remembered: Option<Version>,
    marks: &Manifest,
) -> Option<Version> {
    match live {
        Live::File(version) => Some(version),
        // A folder in a file's place is the person's doing too.
        Live::Absent | Live::Folder
            if remembered.is_some() && scope(path, marks) == Some(Scope::Folder) =>
        {
            None
        }
        Live::Absent
        | Live::FolderGone
        | Live::Linked
        | Live::Moved(_)
        | Live::LinkedElsewhere
        | Live::Folder
        | Live::Special
        | Live::Unreachable => stored.or(remembered),
    }
}

fn scope(path: &RepoPath, marks: &Manifest) -> Option<Scope> {
    marks.covering(&path.home()?).map(|(_, mark)| mark.scope)
}

/// Returns this machine's side, and the units of which both the live file and the stored copy were
/// edited. An edit of the stored copy alone counts as the edit of its live file; where a link was
/// replaced by a file, the file is simply the newest content.
pub fn ours(
    local: &Local,
    seen: Tree,
    known: Known<'_>,
    tie_of: impl Fn(&RepoPath) -> Tie,
) -> (Tree, BTreeMap<RepoPath, Finding>) {
    let mut ours = seen;
    let mut twice = BTreeMap::new();
    for (path, live) in &local.live {
        let Live::File(live) = live else { continue };
        let Some(stored) = local.stored.units.get(path) else { continue };
        let trees = [Some(known.agreed), known.remembered, known.common, known.theirs];
        let is_known = trees.iter().flatten().any(|tree| tree.units.get(path) == Some(stored));
        if live == stored || is_known {
            continue;
        }
        if known.agreed.units.get(path) == Some(live) {
            ours.units.insert(path.clone(), *stored);
        } else if tie_of(path) == Tie::Copy {
            twice.insert(path.clone(), Finding::EditedTwice);
        }
    }
    (ours, twice)
}

/// Returns the files of this machine that it never shared, as far as is known: where ignore rules speak of
/// one, its bytes stay here, also those that upstream has by chance. What commits of this machine brought
/// is shared by a person's word, and so is a file that is marked by its name, was put beside the stored
/// copies of a marked folder, or is there as upstream has it.
pub fn unshared<'a>(
    ours: &'a Tree,
    local: &'a Local,
    known: Known<'a>,
    head: &'a Tree,
) -> impl Iterator<Item = &'a RepoPath> {
    let has = |tree: Option<&Tree>, path: &RepoPath| {
        tree.is_some_and(|tree| tree.units.contains_key(path))
    };
    let mut remembered = Along::new(&known.remembered.unwrap_or(known.agreed).units);
    let is_unshared = move |(path, version): &(&RepoPath, &Version)| {
        if remembered.at(path).is_some() {
            return false;
        }
        let is_same = || known.theirs.is_some_and(|tree| tree.units.get(*path) == Some(version));
        let is_committed = has(Some(head), path) && !has(known.common, path);
        let is_asked_for = match scope(path, &local.stored.manifest) {
            Some(Scope::File) => true,
            Some(Scope::Folder) => {
                !matches!(local.live.get(*path), Some(Live::File(_))) || is_same()
            }
            None => false,
        };
        !is_committed && !is_asked_for
    };
    ours.units.iter().filter(is_unshared).map(|(path, _)| path)
}

/// Takes back modes that nobody chose: on a machine without memory, those Git's checkout gave by
/// umask; later, those of a file that some program replaced by one that grants more. A `chmod` of
/// the file itself keeps the inode, and is an edit.
pub fn settle_modes(ours: &mut Tree, agreed: &Tree, replaced: &BTreeSet<RepoPath>, memory: Memory) {
    let mut then = Along::new(&agreed.units);
    let mut taken_back = Vec::new();
    let is_any = memory == Memory::None || !replaced.is_empty();
    for (path, version) in ours.units.iter().filter(|_| is_any) {
        let Some(before) = then.at(path) else { continue };
        if before.kind != version.kind
            || before.mode.is_executable() != version.mode.is_executable()
        {
            continue;
        }
        let widened = replaced.contains(path) && version.mode.is_wider_than(before.mode);
        if widened || memory == Memory::None {
            taken_back.push((path.clone(), Version { mode: before.mode, ..*version }));
        }
    }
    for (path, version) in taken_back {
        ours.units.insert(path, version);
    }
    if memory == Memory::None {
        for folder in agreed.folder_paths() {
            match agreed.folders.get(&folder) {
                Some(mode) => ours.folders.insert(folder, *mode),
                None => ours.folders.remove(&folder),
            };
        }
    }
}

/// Whether this machine remembers an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// It never synced, or its memory is gone.
    None,
    /// It knows what its last run left behind.
    OfLastRun,
}

/// Returns the paths on which two trees differ.
pub fn differing<'a>(one: &'a Tree, other: &'a Tree) -> BTreeSet<&'a RepoPath> {
    if one.units.is(&other.units) {
        return BTreeSet::new();
    }
    let strays = |these: &'a Tree, those: &'a Tree| {
        let mut those = Along::new(&those.units);
        these.units.iter().filter(move |(path, version)| those.at(path) != Some(*version))
    };
    strays(one, other).chain(strays(other, one)).map(|(path, _)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::{BlobId, Mode};

    fn path(folder: bool) -> RepoPath {
        RepoPath::new(if folder { "external/d/f" } else { "external/f" }).unwrap()
    }

    fn version(letter: char) -> Option<Version> {
        (letter != '-').then(|| Version::file(Mode::FILE, BlobId([letter as u8; 20])))
    }

    fn tree(path: &RepoPath, letter: char) -> Tree {
        let units = version(letter).map(|version| (path.clone(), version));
        Tree { units: units.into_iter().collect(), ..Tree::default() }
    }

    fn local(path: &RepoPath, stored: char, live: Live) -> Local {
        let live = BTreeMap::from([(path.clone(), live)]);
        Local { stored: tree(path, stored), live, ..Local::default() }
    }

    fn check_overlay(folder: bool, stored: char, live: Live, remembered: char, expected: char) {
        let path = path(folder);
        let marks = Manifest::parse("d/\nf\n").unwrap();
        let last = tree(&path, remembered);
        let seen = overlay(&local(&path, stored, live), &marks, Some(&last));
        assert_eq!(seen.units.get(&path).copied(), version(expected));
    }

    #[test]
    fn the_live_file_is_what_people_see() {
        check_overlay(false, 'a', Live::Linked, 'a', 'a');
        check_overlay(false, 'a', Live::File(version('b').unwrap()), 'a', 'b');
    }

    #[test]
    fn a_mark_brings_back_what_vanished() {
        check_overlay(false, 'a', Live::Absent, 'a', 'a');
        check_overlay(false, '-', Live::Linked, 'a', 'a');
        check_overlay(true, 'a', Live::FolderGone, 'a', 'a');
    }

    #[test]
    fn a_file_deleted_from_a_marked_folder_is_deleted() {
        check_overlay(true, 'a', Live::Absent, 'a', '-');
        check_overlay(true, 'a', Live::Absent, '-', 'a');
    }

    #[test]
    fn a_mode_nobody_chose_is_taken_back() {
        let path = path(false);
        let with_mode = |mode| {
            let mut tree = tree(&path, 'a');
            tree.units.values_mut().for_each(|version| version.mode = Mode(mode));
            tree
        };
        let check = |ours, agreed, replaced: bool, memory, expected| {
            let mut ours = with_mode(ours);
            let replaced = replaced.then(|| path.clone()).into_iter().collect();
            settle_modes(&mut ours, &with_mode(agreed), &replaced, memory);
            assert_eq!(ours.units[&path].mode, Mode(expected));
        };
        check(0o664, 0o644, false, Memory::None, 0o644);
        check(0o755, 0o644, false, Memory::None, 0o755);
        check(0o644, 0o600, true, Memory::OfLastRun, 0o600);
        check(0o644, 0o600, false, Memory::OfLastRun, 0o644);
        check(0o600, 0o644, true, Memory::OfLastRun, 0o600);
    }

    #[test]
    fn a_folder_nobody_else_knows_keeps_its_mode() {
        let path = path(true);
        let folder = path.parent().unwrap();
        let check = |agreed: Tree, expected: Option<Mode>| {
            let mut ours = tree(&path, 'a');
            ours.folders.insert(folder.clone(), Mode(0o700));
            settle_modes(&mut ours, &agreed, &BTreeSet::new(), Memory::None);
            assert_eq!(ours.folders.get(&folder).copied(), expected);
        };
        check(Tree::default(), Some(Mode(0o700)));
        check(tree(&path, 'a'), None);
    }

    fn check_ours([live, stored, agreed, theirs]: [char; 4], tie: Tie) -> (Option<Version>, bool) {
        let path = path(false);
        let local = local(&path, stored, Live::File(version(live).unwrap()));
        let (agreed, theirs) = (tree(&path, agreed), tree(&path, theirs));
        let remembered = tree(&path, 'r');
        let known = Known {
            agreed: &agreed,
            remembered: Some(&remembered),
            common: None,
            theirs: Some(&theirs),
        };
        let (ours, twice) = ours(&local, tree(&path, live), known, |_| tie);
        (ours.units.get(&path).copied(), !twice.is_empty())
    }

    #[test]
    fn a_stored_copy_edited_by_hand_counts() {
        assert_eq!(check_ours(['a', 'x', 'a', 'a'], Tie::Copy), (version('x'), false));
        assert_eq!(check_ours(['b', 'a', 'a', 'a'], Tie::Copy), (version('b'), false));
        assert_eq!(check_ours(['b', 't', 'a', 't'], Tie::Copy), (version('b'), false));
        assert_eq!(check_ours(['b', 'x', 'a', 'a'], Tie::Copy), (version('b'), true));
        assert_eq!(check_ours(['b', 'x', 'a', 'a'], Tie::Link), (version('b'), false));
    }

    #[test]
    fn a_stored_copy_that_a_failed_step_left_old_is_no_edit() {
        assert_eq!(check_ours(['b', 'r', 'b', 'b'], Tie::Link), (version('b'), false));
        assert_eq!(check_ours(['b', 'r', 'b', 'b'], Tie::Copy), (version('b'), false));
    }

    #[test]
    fn what_was_never_shared_is_known() {
        let check = |[ours, agreed, theirs, common, head]: [char; 5], expected| {
            for path in [RepoPath::new("f").unwrap(), RepoPath::new("external/d/f").unwrap()] {
                let tree = |letter| tree(&path, letter);
                let (agreed, common, theirs) = (tree(agreed), tree(common), tree(theirs));
                let known = Known {
                    agreed: &agreed,
                    remembered: None,
                    common: Some(&common),
                    theirs: Some(&theirs),
                };
                let live = version(ours).map_or(Live::Absent, Live::File);
                let mut local = local(&path, '-', live);
                local.stored.manifest = Manifest::parse("d/\n").unwrap();
                let (ours, head) = (tree(ours), tree(head));
                let found = unshared(&ours, &local, known, &head).count();
                assert_eq!(found, usize::from(expected), "{path}");
            }
        };
        check(['a', '-', '-', '-', '-'], true);
        check(['a', '-', 't', 't', 't'], true);
        check(['a', '-', '-', 't', 't'], true);
        check(['a', 'a', 'a', 'a', 'a'], false);
        check(['b', 'a', 'a', 'a', 'a'], false);
        check(['a', '-', '-', '-', 'a'], false);
    }
}
