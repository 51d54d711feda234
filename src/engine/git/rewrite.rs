//! Writes a tree as the change of another that is in the store already: only the folders on the way to
//! what differs are written.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

use cfgsync_core::local;
use cfgsync_core::tree::Tree;
use git2::{Oid, Repository};

use super::GitError;
use super::trees::{self, Entry, FOLDER};

/// What becomes of a path: an entry, or nothing.
type Change<'a> = (&'a [u8], Option<Entry>);

/// Writes a tree. `base` is one that the store holds under this name.
pub fn rewrite(
    repository: &Repository,
    (name, base): (Oid, &Tree),
    tree: &Tree,
    known: &mut HashSet<Oid>,
) -> Result<Oid, GitError> {
    // What people wrote into cfgsync's own files by hand is written as cfgsync writes it.
    let own = trees::write_own_files(repository, tree)?;
    let mut changes = if base.opaque.is_empty() && tree.opaque.is_empty() {
        let units = local::differing(base, tree).into_iter();
        units.map(|path| (path.as_bytes(), tree.units.get(path).map(trees::entry))).collect()
    } else {
        differing(&trees::sorted(base), &trees::sorted(tree))
    };
    changes.extend(own.iter().map(|(path, blob)| (path.as_bytes(), *blob)));
    let written = folder(repository, Some(name), &changes, known);
    let written = written.map_err(GitError::on("write a tree"))?;
    match written {
        Some(tree) => Ok(tree),
        None => trees::write(repository, tree, known),
    }
}

/// Returns what differs between two lists in the order of their paths.
fn differing<'a>(before: &[(&'a [u8], Entry)], after: &[(&'a [u8], Entry)]) -> Vec<Change<'a>> {
    let mut changes = Vec::new();
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let order = match (before.peek(), after.peek()) {
            (Some((old, _)), Some((new, _))) => old.cmp(new),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return changes,
        };
        let old = before.next_if(|_| order != Ordering::Greater);
        let new = after.next_if(|_| order != Ordering::Less);
        match (old, new) {
            (Some((_, old)), Some((_, new))) if old == new => {}
            (_, Some((path, new))) => changes.push((path, Some(*new))),
            (Some((path, _)), None) => changes.push((path, None)),
            (None, None) => return changes,
        }
    }
}

/// Writes one folder with what changes in it; none where nothing is left of it.
fn folder(
    repository: &Repository,
    base: Option<Oid>,
    changes: &[Change<'_>],
    known: &mut HashSet<Oid>,
) -> Result<Option<Oid>, git2::Error> {
    let mut entries: BTreeMap<Vec<u8>, Entry> = BTreeMap::new();
    if let Some(base) = base {
        for entry in &repository.find_tree(base)? {
            entries.insert(entry.name_bytes().to_vec(), (entry.id(), entry.filemode_raw()));
        }
    }
    let mut inside: BTreeMap<&[u8], Vec<Change<'_>>> = BTreeMap::new();
    let mut files = Vec::new();
    for (path, change) in changes {
        match path.iter().position(|byte| *byte == b'/') {
            Some(cut) => inside.entry(&path[..cut]).or_default().push((&path[cut + 1..], *change)),
            None => files.push((*path, *change)),
        }
    }
    // A file may make room for a folder, and a folder for a file.
    for (name, _) in files.iter().filter(|(_, change)| change.is_none()) {
        entries.remove(*name);
    }
    for (name, changes) in inside {
        let base = entries.get(name).filter(|(_, filemode)| *filemode == FOLDER);
        match folder(repository, base.map(|(id, _)| *id), &changes, known)? {
            Some(id) => drop(entries.insert(name.to_vec(), (id, FOLDER))),
            None if base.is_some() => drop(entries.remove(name)),
            None => {}
        }
    }
    for (name, entry) in files.iter().filter_map(|(name, change)| Some((name, (*change)?))) {
        entries.insert(name.to_vec(), entry);
    }
    if entries.is_empty() {
        return Ok(None);
    }
    let fresh: HashSet<Oid> = files.iter().filter_map(|(_, change)| Some((*change)?.0)).collect();
    let entries = entries.iter().map(|(name, (id, filemode))| (name.as_slice(), *id, *filemode));
    let store = repository.odb()?;
    trees::write_folder(&store, entries.collect(), |id| fresh.contains(&id), known).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cfgsync_core::path::RepoPath;
    use cfgsync_core::unit::{Mode, Version};

    fn in_memory() -> Repository {
        let store = git2::Odb::new().unwrap();
        store.add_new_mempack_backend(1).unwrap();
        Repository::from_odb(store).unwrap()
    }

    fn tree(repository: &Repository, files: &str) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files.split_whitespace().filter_map(|file| file.split_once('=')) {
            let blob = trees::blob_id(repository.blob(text.as_bytes()).unwrap());
            let mode = if text.ends_with('!') { Mode(0o600) } else { Mode::FILE };
            tree.units.insert(RepoPath::new(path).unwrap(), Version::file(mode, blob));
        }
        tree
    }

    const FILES: [&str; 7] = [
        "",
        "a=1",
        "a=1 b/c=2 b/d=3 b-c=4",
        "a/x=1 b=2",
        "a/x/y=1 b/c=2! e/f/g=7",
        "a/x/y=1 b/c=2 e/f/g=7 e/f/h=8",
        "e/f/g=7 e/f.x=9 e/f-x=9",
    ];

    #[test]
    fn a_tree_that_is_read_beside_another_is_as_it_is_alone() {
        let repository = in_memory();
        let trees = FILES.map(|files| tree(&repository, files));
        let write = |tree| trees::write(&repository, tree, &mut HashSet::new()).unwrap();
        for base in &trees {
            let known = trees::read(&repository, write(base), None).unwrap();
            for tree in &trees {
                let read = |base| trees::read(&repository, write(tree), base).unwrap();
                assert_eq!(read(Some((write(base), &known))), read(None));
                assert_eq!(&read(None), tree);
            }
        }
    }

    #[test]
    fn a_change_of_a_tree_is_the_tree_written_anew() {
        let repository = in_memory();
        let trees = FILES.map(|files| tree(&repository, files));
        for base in &trees {
            for tree in &trees {
                let name = trees::write(&repository, base, &mut HashSet::new()).unwrap();
                let anew = trees::write(&repository, tree, &mut HashSet::new()).unwrap();
                let known = &mut HashSet::new();
                assert_eq!(rewrite(&repository, (name, base), tree, known).unwrap(), anew);
            }
        }
    }

    #[test]
    fn a_blob_that_is_not_there_is_noticed() {
        let repository = in_memory();
        let base = tree(&repository, "a=1");
        let name = trees::write(&repository, &base, &mut HashSet::new()).unwrap();
        let mut tree = base.clone();
        let gone = Version::file(Mode::FILE, cfgsync_core::unit::BlobId([7; 20]));
        tree.units.insert(RepoPath::new("b/c").unwrap(), gone);
        assert!(rewrite(&repository, (name, &base), &tree, &mut HashSet::new()).is_err());
    }
}
