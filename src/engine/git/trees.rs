//! Trees between Git's objects and plain data.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use cfgsync_core::arrival::listed::Listing;
use cfgsync_core::manifest::{MANIFEST, Manifest};
use cfgsync_core::path::{EXTERNAL, RepoPath};
use cfgsync_core::tree::{MODES, Opaque, Tree};
use cfgsync_core::unit::{BlobId, Kind, Mode, Version};
use git2::{ObjectType, Odb, Oid, Repository, TreeEntry};

use super::store::is_at_hand;
use super::{GitError, remember};
use crate::failure::{Code, Failure, Outcome};

pub(super) const FILE: i32 = 0o100_644;
pub(super) const EXECUTABLE: i32 = 0o100_755;
pub(super) const LINK: i32 = 0o120_000;
pub(super) const FOLDER: i32 = 0o040_000;
const SUBMODULE: i32 = 0o160_000;

/// Returns the library's name of a blob.
pub fn oid(blob: BlobId) -> Oid {
    Oid::from_bytes(&blob.0).unwrap_or(Oid::ZERO_SHA1)
}

/// Returns our name of a blob.
pub fn blob_id(oid: Oid) -> BlobId {
    BlobId(oid.as_bytes().try_into().unwrap_or_default())
}

/// Returns the bytes of a blob.
pub fn read_blob(repository: &Repository, blob: BlobId) -> Result<Vec<u8>, GitError> {
    let blob =
        repository.find_blob(oid(blob)).map_err(GitError::on(format!("read blob {blob}")))?;
    Ok(blob.content().to_vec())
}

/// Reads a tree. A path that could not lie on any disk is refused: such a tree is no accident. `base` is
/// another that was read: folders that both have alike are taken from that.
pub fn read(repository: &Repository, tree: Oid, base: Option<(Oid, &Tree)>) -> Outcome<Tree> {
    let mut result = Tree::default();
    // What is carried along belongs to no unit.
    let base = base.filter(|(_, base)| base.opaque.is_empty());
    let mut reading = Reading { base: base.map(|(_, base)| base), ..Reading::default() };
    let base = base.map(|(name, _)| name);
    read_folder(repository, (tree, base), &[], &mut result, &mut reading)?;
    result.units = std::mem::take(&mut reading.units).into_iter().collect();
    let own_files = reading.own_files;
    let text = |blob: Option<Oid>| -> Outcome<String> {
        let Some(blob) = blob else { return Ok(String::new()) };
        let bytes = read_blob(repository, blob_id(blob))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    result.apply_modes(&text(own_files.modes)?);
    result.manifest = parse_manifest(&text(own_files.manifest)?)?;
    Ok(result)
}

/// Reads a manifest's text.
pub fn parse_manifest(text: &str) -> Outcome<Manifest> {
    Manifest::parse(text).map_err(|error| {
        Failure::new(Code::Refused, format!("could not read {MANIFEST}: {error}"))
            .hint("Mend the line, or update cfgsync on this machine.")
    })
}

#[derive(Default)]
struct OwnFiles {
    manifest: Option<Oid>,
    modes: Option<Oid>,
}

/// What is found on the way through a tree.
#[derive(Default)]
struct Reading<'a> {
    listing: Listing,
    /// In the order of Git, which is that of whole paths.
    units: Vec<(RepoPath, Version)>,
    /// Another tree that was read.
    base: Option<&'a Tree>,
    own_files: OwnFiles,
}

/// How much of a folder's path is shown; one that is too deep has much of it.
const LONGEST_SHOWN: usize = 80;

/// Says that a tree is none that Git would write.
fn broken(folder: &[u8], cause: &impl std::fmt::Display) -> Failure {
    let shown: String = cfgsync_core::inert::shown(folder).chars().take(LONGEST_SHOWN).collect();
    let place = if shown.is_empty() { "its top folder".to_owned() } else { shown };
    Failure::new(Code::Refused, format!("upstream's tree is broken, in {place}: {cause}"))
        .hint("Look at the remote: such a tree is no accident. Nothing was changed here.")
}

impl Reading<'_> {
    /// Takes the units of a folder from the other tree, with the modes that Git itself keeps; false where
    /// that cannot be done.
    fn takes(&mut self, folder: &[u8]) -> bool {
        let start = RepoPath::new([folder, b"\x01"].concat()).ok();
        let Some((base, start)) = self.base.zip(start) else { return false };
        let units = base.units.range(start..);
        let inside = units.take_while(|(path, _)| path.as_bytes().starts_with(folder));
        self.units.extend(inside.map(|(path, version)| {
            let mode = match version.kind {
                Kind::File => version.mode.in_git(),
                Kind::Link => version.mode,
            };
            (path.clone(), Version { mode, ..*version })
        }));
        true
    }
}

fn read_folder(
    repository: &Repository,
    (tree, base): (Oid, Option<Oid>),
    prefix: &[u8],
    result: &mut Tree,
    reading: &mut Reading<'_>,
) -> Outcome<()> {
    let base = base.and_then(|base| repository.find_tree(base).ok());
    let tree = repository.find_tree(tree).map_err(GitError::on(format!("read tree {tree}")))?;
    let entries: Vec<TreeEntry<'_>> = tree.iter().collect();
    let listed: Vec<(&[u8], i32)> =
        entries.iter().map(|entry| (entry.name_bytes(), entry.filemode_raw())).collect();
    let depth = prefix.split(|byte| *byte == b'/').count();
    reading.listing.check(depth, &listed).map_err(|cause| broken(prefix, &cause))?;
    for entry in &entries {
        let raw = [prefix, entry.name_bytes()].concat();
        let path = RepoPath::new(raw.clone()).map_err(|cause| broken(prefix, &cause))?;
        let filemode = entry.filemode_raw();
        let is_external = raw.starts_with(EXTERNAL.as_bytes()) && path.home().is_some();
        match filemode {
            FOLDER => {
                let folder = [raw.as_slice(), b"/"].concat();
                let known = base.as_ref().and_then(|base| base.get_name_bytes(entry.name_bytes()));
                let known = known.filter(|known| known.filemode_raw() == FOLDER);
                let known = known.map(|known| known.id());
                // In cfgsync's own folder are files that are no units.
                let is_same = known == Some(entry.id()) && !path.is_meta();
                if !is_same || !reading.takes(&folder) {
                    read_folder(repository, (entry.id(), known), &folder, result, reading)?;
                }
            }
            _ if raw == MANIFEST.as_bytes() => reading.own_files.manifest = Some(entry.id()),
            _ if raw == MODES.as_bytes() => reading.own_files.modes = Some(entry.id()),
            // Nothing else below `.sync/` travels; what is there is carried along untouched.
            _ if path.is_meta() => {
                result.opaque.insert(raw, Opaque { filemode, id: blob_id(entry.id()) });
            }
            LINK if !is_external => {
                reading.units.push((path, Version::link(blob_id(entry.id()))));
            }
            0o100_000..=0o100_777 => {
                let mode = if filemode & 0o100 != 0 { Mode::EXECUTABLE } else { Mode::FILE };
                reading.units.push((path, Version::file(mode, blob_id(entry.id()))));
            }
            _ => {
                result.opaque.insert(raw, Opaque { filemode, id: blob_id(entry.id()) });
            }
        }
    }
    Ok(())
}

/// One folder on its way into a Git tree.
#[derive(Default)]
struct Folder {
    entries: BTreeMap<Vec<u8>, (Oid, i32)>,
    folders: BTreeMap<Vec<u8>, Folder>,
}

impl Folder {
    fn insert(&mut self, path: &[u8], id: Oid, filemode: i32) {
        match path.iter().position(|byte| *byte == b'/') {
            Some(cut) => {
                let folder = self.folders.entry(path[..cut].to_vec()).or_default();
                folder.insert(&path[cut + 1..], id, filemode);
            }
            None => {
                self.entries.insert(path.to_vec(), (id, filemode));
            }
        }
    }

    /// Writes the trees of a folder that are not there yet, the inner ones first.
    fn write(&self, store: &Odb<'_>, known: &mut HashSet<Oid>) -> Result<Oid, git2::Error> {
        let mut entries: Vec<(&[u8], Oid, i32)> = self
            .entries
            .iter()
            .map(|(name, (id, filemode))| (name.as_slice(), *id, *filemode))
            .collect();
        for (name, folder) in &self.folders {
            entries.push((name, folder.write(store, known)?, FOLDER));
        }
        write_folder(store, entries, |_| true, known)
    }
}

/// Writes one folder, unless it is there already. Contents that are `fresh` have to be there.
pub(super) fn write_folder(
    store: &Odb<'_>,
    mut entries: Vec<(&[u8], Oid, i32)>,
    is_fresh: impl Fn(Oid) -> bool,
    known: &mut HashSet<Oid>,
) -> Result<Oid, git2::Error> {
    // Git sorts a folder as if its name ended with a slash.
    entries.sort_by_cached_key(|(name, _, filemode)| {
        let end: &[u8] = if *filemode == FOLDER { b"/" } else { b"" };
        [name, end].concat()
    });
    let mut raw = Vec::new();
    for (name, id, filemode) in &entries {
        raw.extend(format!("{filemode:o} ").into_bytes());
        raw.extend([name, &b"\0"[..], id.as_bytes()].concat());
    }
    let tree = Oid::hash_object(ObjectType::Tree, &raw)?;
    if known.contains(&tree) || is_at_hand(store, tree) {
        known.insert(tree);
        return Ok(tree);
    }
    // A tree that was written before was checked then.
    let is_missing = |(_, id, filemode): &&(&[u8], Oid, i32)| {
        ![FOLDER, SUBMODULE].contains(filemode) && is_fresh(*id) && !store.exists(*id)
    };
    if let Some((name, id, _)) = entries.iter().find(is_missing) {
        let name = String::from_utf8_lossy(name);
        return Err(git2::Error::from_str(&format!("{name} ({id}) is not in the store")));
    }
    remember(store, ObjectType::Tree, &raw)?;
    known.insert(tree);
    Ok(tree)
}

/// Writes a tree, its manifest and its modes. The blobs of its units must be there already.
/// `known` are trees that were seen there.
pub fn write(
    repository: &Repository,
    tree: &Tree,
    known: &mut HashSet<Oid>,
) -> Result<Oid, GitError> {
    let mut root = Folder::default();
    for (path, (id, filemode)) in sorted(tree) {
        root.insert(path, id, filemode);
    }
    for (place, entry) in write_own_files(repository, tree)? {
        if let Some((id, filemode)) = entry {
            root.insert(place.as_bytes(), id, filemode);
        }
    }
    let store = repository.odb().map_err(GitError::on("write a tree"))?;
    root.write(&store, known).map_err(GitError::on("write a tree"))
}

/// An object in a folder, with its file mode.
pub(super) type Entry = (Oid, i32);

pub(super) fn entry(version: &Version) -> Entry {
    let filemode = match (version.kind, version.mode.is_executable()) {
        (Kind::Link, _) => LINK,
        (Kind::File, true) => EXECUTABLE,
        (Kind::File, false) => FILE,
    };
    (oid(version.blob), filemode)
}

/// Returns what a tree holds beside cfgsync's own files, in the order of paths.
pub(super) fn sorted(tree: &Tree) -> Vec<(&[u8], Entry)> {
    let units = tree.units.iter().map(|(path, version)| (path.as_bytes(), entry(version)));
    let opaque = tree.opaque.iter().map(|(path, it)| (path.as_slice(), (oid(it.id), it.filemode)));
    let mut entries: Vec<(&[u8], Entry)> = units.collect();
    if !tree.opaque.is_empty() {
        entries.extend(opaque);
        entries.sort_by_key(|(path, _)| *path);
    }
    entries
}

/// Stores the committed files of cfgsync's own, and returns what belongs at each of their places.
pub(super) fn write_own_files(
    repository: &Repository,
    tree: &Tree,
) -> Result<[(&'static str, Option<Entry>); 2], GitError> {
    let mut places = [(MANIFEST, None), (MODES, None)];
    let store = repository.odb().map_err(GitError::on("write a tree"))?;
    for (place, text) in own_files(tree) {
        let blob = remember(&store, ObjectType::Blob, text.as_bytes());
        let blob = blob.map_err(GitError::on(format!("store {place}")))?;
        let wanted = places.iter_mut().filter(|(known, _)| *known == place);
        wanted.for_each(|(_, entry)| *entry = Some((blob, FILE)));
    }
    Ok(places)
}

/// Returns the committed files of cfgsync's own, with their text. A manifest without marks and
/// modes that Git keeps need no file.
pub fn own_files(tree: &Tree) -> Vec<(&'static str, String)> {
    let mut files = Vec::new();
    if tree.manifest != Manifest::default() {
        files.push((MANIFEST, tree.manifest.format()));
    }
    let modes = tree.format_modes();
    if !modes.is_empty() {
        files.push((MODES, modes));
    }
    files
}

/// Returns the entries of a Git tree with their raw path, mode and object: of its units these alone.
pub fn entries(tree: &Tree, units: &BTreeSet<&RepoPath>) -> HashMap<Vec<u8>, (Oid, u32)> {
    let own = own_files(tree).into_iter().map(|(place, text)| {
        let id = oid(crate::fs::look::blob_id(text.as_bytes()));
        (place.as_bytes().to_vec(), (id, FILE))
    });
    let versions = units.iter().filter_map(|path| Some((path, tree.units.get(*path)?)));
    let entries = versions.map(|(path, version)| (path.as_bytes().to_vec(), entry(version)));
    let opaque = tree.opaque.iter().map(|(path, it)| (path.clone(), (oid(it.id), it.filemode)));
    let all = entries.chain(opaque).chain(own);
    all.map(|(path, (id, mode))| (path, (id, mode.unsigned_abs()))).collect()
}
