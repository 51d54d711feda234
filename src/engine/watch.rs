//! Writes down what a claim to be in sync depends on, so that a prompt can see whether it still holds
//! (`docs/status-record.md`).
//!
//! Every row comes from the very look that found everything in sync: the state in which a file was
//! read, the folder as it was before its names were read. What was changed so shortly before that
//! look that a later change could have the same time is marked: its bytes decide, each time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cfgsync_core::manifest::MANIFEST;
use cfgsync_core::observed::{Live, Local};
use cfgsync_core::path::RepoPath;
use cfgsync_core::status::watch::{ANY_MODE, Kind, MOST, PAUSES, RACY, Row, Stat};
use cfgsync_core::status::wire::Watch;
use cfgsync_core::time::UnixTime;
use cfgsync_core::unit::{self, BlobId, Version};

use crate::failure::Outcome;
use crate::fs::dir::{self, os};
use crate::fs::look::blob_id;
use crate::fs::plain;
use crate::git::CommitId;
use crate::git::worktree::UPSTREAM;
use crate::observe::Observer;
use crate::session::Session;

/// How far apart two changes are at least that have different times: no kernel ticks slower.
const TICK_NS: i64 = 20_000_000;

/// The same, for file systems that keep whole seconds, or two of them.
const COARSE_NS: i64 = 2_000_000_000;

/// How many looks below a folder are worth opening it: that costs as much as walking to each of so
/// many names through two folders more.
const WORTH_OPENING: usize = 16;

/// What stands in Git's folder while something of the user's, or another Git, is under way.
const UNDER_WAY: [&str; 8] = [
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "BISECT_LOG",
    "rebase-merge",
    "rebase-apply",
    "sequencer",
    "index.lock",
];

/// A path that is watched.
#[derive(Debug, Clone)]
struct Watched {
    path: PathBuf,
    row: Row<()>,
}

/// Where the branch and upstream are.
#[derive(Debug, Clone, Copy)]
pub struct Tips {
    /// The branch.
    pub head: Option<CommitId>,
    /// Upstream, as it was fetched.
    pub upstream: Option<CommitId>,
}

/// Returns what a look that began at `since` depends on; none where it is over already.
pub fn watch(
    session: &Session<'_>,
    observer: &Observer<'_>,
    local: &Local,
    tips: Tips,
    since: UnixTime,
) -> Outcome<Option<Watch>> {
    let since = i64::try_from(since.0).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    let mut list = Rows { paths: Vec::new(), left_out: 0, since };
    let is_as_it_was = list.git(session, tips)? && list.manifest(session, local)?;
    if !is_as_it_was {
        return Ok(None);
    }
    list.live(session, observer, local);
    let is_tied = |unit: &&RepoPath| unit.home().is_some();
    list.stored(session, observer, local, is_tied);
    list.folders(observer);
    list.stored(session, observer, local, |unit| !is_tied(unit));
    let left_out = list.left_out + list.paths.len().saturating_sub(MOST);
    let left_out = u32::try_from(left_out).unwrap_or(u32::MAX);
    list.paths.truncate(MOST);
    let places = &session.context.places;
    // A ref that is packed is looked up below the folder that all refs are in.
    let refs = session.worktree.refs_folder().to_owned();
    let roots = [places.repo.clone(), places.home.clone(), refs];
    Ok(Some(Watch { left_out, ..group(list.paths, &roots, since) }))
}

struct Rows {
    paths: Vec<Watched>,
    /// Files for which there was no room.
    left_out: usize,
    since: i64,
}

impl Rows {
    fn add(&mut self, path: PathBuf, kind: Kind, flags: u8, stat: Option<Stat>, blob: [u8; 20]) {
        let racy = stat.is_none_or(|stat| is_racy(&stat, self.since));
        let flags = if racy && kind != Kind::Absent { flags | RACY } else { flags };
        let stat = stat.unwrap_or_default();
        let row = Row { base: 0, name: (), kind, flags, children: 0, stat, blob, count: 0 };
        self.paths.push(Watched { path, row });
    }

    /// The branch, upstream as it was fetched, and that nothing is under way; false where another
    /// branch is checked out by now.
    fn git(&mut self, session: &Session<'_>, tips: Tips) -> Outcome<bool> {
        let folder = session.worktree.git_folder();
        for name in UNDER_WAY {
            self.add(folder.join(name), Kind::Absent, PAUSES, None, [0; 20]);
        }
        let branch = format!("refs/heads/{}", session.branch);
        let head = folder.join("HEAD");
        let stat = stat_of(&head);
        let text = plain::read_text(&head)?.unwrap_or_default();
        self.add(head, Kind::File, PAUSES | ANY_MODE, stat, blob_id(text.as_bytes()).0);
        for (name, commit) in [(branch.as_str(), tips.head), (UPSTREAM, tips.upstream)] {
            let Some(commit) = commit else { continue };
            let path = session.worktree.refs_folder().join(name);
            let value = commit.0.as_bytes().try_into().unwrap_or_default();
            let stat = stat_of(&path);
            self.add(path, Kind::Ref, 0, stat, value);
        }
        Ok(text.strip_prefix("ref: ").is_some_and(|target| target.trim_end() == branch))
    }

    /// The list of marks; false where it is not the one that was looked at.
    fn manifest(&mut self, session: &Session<'_>, local: &Local) -> Outcome<bool> {
        let path = session.context.places.repo.join(MANIFEST);
        let stat = stat_of(&path);
        let Some(text) = plain::read_text(&path)? else {
            self.add(path, Kind::Absent, 0, None, [0; 20]);
            return Ok(local.stored.manifest.marks.is_empty());
        };
        let is_same = crate::git::trees::parse_manifest(&text)? == local.stored.manifest;
        self.add(path, Kind::File, ANY_MODE, stat, blob_id(text.as_bytes()).0);
        Ok(is_same)
    }

    /// The live files of what is marked.
    fn live(&mut self, session: &Session<'_>, observer: &Observer<'_>, local: &Local) {
        let places = &session.context.places;
        for (unit, live) in &local.live {
            let Some(home) = unit.home() else { continue };
            let path = places.home.join(os(home.as_bytes()));
            match live {
                Live::Absent | Live::FolderGone => {
                    self.add(path, Kind::Absent, 0, None, [0; 20]);
                }
                Live::File(version) => {
                    let on_disk = local.filtered.get(unit).and_then(|at| at.live);
                    self.file(observer, path, on_disk.unwrap_or(*version));
                }
                // Where a folder above it is the link, the stored copy says it all.
                Live::Linked => {
                    let Some(link) = observer.link(&path) else { continue };
                    self.add(path, Kind::Link, 0, Some(link_state(link.stat)), link.target.0);
                }
                Live::Moved(_)
                | Live::LinkedElsewhere
                | Live::Folder
                | Live::Special
                | Live::Unreachable => {}
            }
        }
    }

    /// Files of the working tree.
    fn stored(
        &mut self,
        session: &Session<'_>,
        observer: &Observer<'_>,
        local: &Local,
        wanted: impl Fn(&&RepoPath) -> bool,
    ) {
        let units = local.stored.units.iter().filter(|(unit, _)| wanted(unit));
        for (unit, version) in units {
            if MOST <= self.paths.len() {
                self.left_out += 1;
                continue;
            }
            let path = session.context.places.repo.join(os(unit.as_bytes()));
            let on_disk = local.filtered.get(unit).and_then(|at| at.stored);
            self.file(observer, path, on_disk.unwrap_or(*version));
        }
    }

    /// A file, or a link of the repository, in the state in which it was read.
    fn file(&mut self, observer: &Observer<'_>, path: PathBuf, version: Version) {
        let (kind, mode) = match version.kind {
            unit::Kind::File => (Kind::File, Some(0o100_000 | version.mode.0)),
            unit::Kind::Link => (Kind::Link, stat_of(&path).map(|stat| stat.mode)),
        };
        let read = observer.read_state(&path).zip(mode);
        let stat = read.map(|([ino, size, mtime, ctime], mode)| Stat {
            ino,
            size,
            mtime: mtime.cast_signed(),
            ctime: ctime.cast_signed(),
            mode,
        });
        let BlobId(blob) = version.blob;
        self.add(path, kind, 0, stat, blob);
    }

    /// Folders whose names matter.
    fn folders(&mut self, observer: &Observer<'_>) {
        for listed in observer.listed().iter() {
            let dir::Stat { ino, size, mtime, ctime, .. } = listed.stat;
            let stat = Stat { ino, size, mtime, ctime, mode: 0 };
            self.add(listed.path.clone(), Kind::Folder, 0, Some(stat), listed.names.blob());
            if let Some(last) = self.paths.last_mut() {
                last.row.count = listed.names.count;
            }
        }
    }
}

/// Gives every row a base. Links and absent names need no look while their folder stands as it was, so
/// it comes first.
fn group(paths: Vec<Watched>, roots: &[PathBuf], since: i64) -> Watch {
    let mut listed: BTreeMap<PathBuf, Watched> = BTreeMap::new();
    // Paths are slow to compare, and hashed name by name: bytes are not.
    let mut parents: HashMap<OsString, Vec<Watched>> = HashMap::new();
    for watched in paths {
        if watched.row.kind == Kind::Folder {
            listed.insert(watched.path.clone(), watched);
            continue;
        }
        let parent = watched.path.parent().unwrap_or(Path::new("")).as_os_str();
        match parents.get_mut(parent) {
            Some(rows) => rows.push(watched),
            None => drop(parents.insert(parent.to_owned(), vec![watched])),
        }
    }
    let parents = parents.into_iter().map(|(folder, rows)| (PathBuf::from(folder), rows));
    let mut folders: BTreeMap<PathBuf, Vec<Watched>> = parents.collect();
    for folder in listed.keys() {
        folders.entry(folder.clone()).or_default();
    }
    for (folder, rows) in &mut folders {
        rows.sort_by_key(|watched| !is_guarded(watched.row.kind));
        let guarded = rows.iter().filter(|watched| is_guarded(watched.row.kind)).count();
        let guard = listed.remove(folder).or_else(|| guard(folder, guarded, since));
        if let Some(mut guard) = guard {
            guard.row.children = u32::try_from(guarded).unwrap_or(0);
            rows.insert(0, guard);
        }
    }
    let opened = opened(&folders, roots);
    let mut bases: BTreeMap<PathBuf, Vec<Row<Vec<u8>>>> = BTreeMap::new();
    for (folder, rows) in folders {
        let base = base_of(&folder, &rows, &opened, roots);
        let rows = rows.into_iter().map(|watched| named(watched, &base)).collect::<Vec<_>>();
        bases.entry(base).or_default().extend(rows);
    }
    let mut watch = Watch::default();
    for ((folder, rows), base) in bases.into_iter().zip(0..=u16::MAX) {
        watch.bases.push(folder.into_os_string().into_encoded_bytes());
        watch.rows.extend(rows.into_iter().map(|row| Row { base, ..row }));
    }
    watch
}

/// Returns a row that saves looks at the names in a folder, where it saves any.
fn guard(folder: &Path, guarded: usize, since: i64) -> Option<Watched> {
    let stat = stat_of(folder).filter(|_| 1 < guarded)?;
    let flags = if is_racy(&stat, since) { RACY } else { 0 };
    let (kind, blob) = (Kind::Guard, [0; 20]);
    let row = Row { base: 0, name: (), kind, flags, children: 0, stat, blob, count: 0 };
    Some(Watched { path: folder.to_owned(), row })
}

/// Returns the folders that are worth opening, by the number of looks below each while nothing has
/// changed; those below a deeper one that is opened do not count.
fn opened(folders: &BTreeMap<PathBuf, Vec<Watched>>, roots: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut looks: BTreeMap<&Path, usize> = BTreeMap::new();
    for (folder, rows) in folders {
        let skipped = rows.first().map_or(0, |first| first.row.children);
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        looks.insert(folder, rows.len().saturating_sub(skipped));
    }
    let mut opened = BTreeSet::new();
    // What is deeper comes later in the order of paths.
    while let Some((folder, made)) = looks.pop_last() {
        if roots.iter().any(|root| root == folder) {
            continue;
        }
        if WORTH_OPENING <= made {
            opened.insert(folder.to_owned());
        } else if let Some(above) = folder.parent() {
            *looks.entry(above).or_default() += made;
        }
    }
    opened
}

/// Returns the base of the rows of a folder: the nearest folder that is opened. What is packed of a ref
/// lies in a root, so a ref has that.
fn base_of(
    folder: &Path,
    rows: &[Watched],
    opened: &BTreeSet<PathBuf>,
    roots: &[PathBuf],
) -> PathBuf {
    if rows.iter().any(|watched| watched.row.kind == Kind::Ref) {
        return root_of(folder, roots);
    }
    let nearest = folder.ancestors().find(|above| opened.contains(*above));
    let root = root_of(folder, roots);
    nearest.filter(|nearest| nearest.starts_with(&root)).map_or(root, Path::to_path_buf)
}

fn is_guarded(kind: Kind) -> bool {
    matches!(kind, Kind::Link | Kind::Absent)
}

fn root_of(folder: &Path, roots: &[PathBuf]) -> PathBuf {
    let above = roots.iter().filter(|root| folder.starts_with(root));
    above.max_by_key(|root| root.as_os_str().len()).cloned().unwrap_or_else(|| "/".into())
}

fn named(watched: Watched, base: &Path) -> Row<Vec<u8>> {
    let Row { base: number, kind, flags, children, stat, blob, count, .. } = watched.row;
    let relative = watched.path.strip_prefix(base).unwrap_or(&watched.path);
    let name = relative.as_os_str().as_encoded_bytes().to_vec();
    let name = if name.is_empty() { b".".to_vec() } else { name };
    Row { base: number, name, kind, flags, children, stat, blob, count }
}

/// A change of the same instant would show no other time. Only what the kernel itself sets counts: a
/// person may give a file any time of change of its bytes.
fn is_racy(stat: &Stat, since: i64) -> bool {
    let is_coarse = stat.ctime % 1_000_000_000 == 0;
    let tick = if is_coarse { COARSE_NS } else { TICK_NS };
    since.saturating_sub(tick) <= stat.ctime
}

/// Returns the state of a link as a prompt sees it.
fn link_state(stat: dir::Stat) -> Stat {
    let dir::Stat { ino, size, mtime, ctime, exact, .. } = stat;
    Stat { ino, size, mtime, ctime, mode: 0o120_000 | exact.0 }
}

/// Returns the state of a name as a prompt sees it.
pub fn stat_of(path: &Path) -> Option<Stat> {
    let found = std::fs::symlink_metadata(path).ok()?;
    let ns = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
    Some(Stat {
        ino: found.ino(),
        size: found.size(),
        mtime: ns(found.mtime(), found.mtime_nsec()),
        ctime: ns(found.ctime(), found.ctime_nsec()),
        mode: u16::try_from(found.mode() & 0xFFFF).unwrap_or(0),
    })
}
