//! Looking at the live files of what is marked.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use cfgsync_core::manifest::{Mark, Scope as MarkScope};
use cfgsync_core::names::is_dropping;
use cfgsync_core::observed::{Finding, Live, Local};
use cfgsync_core::path::{HomePath, RepoPath};
use cfgsync_core::unit::{Mode, Version};
use nix::errno::Errno;

use super::{Inode, Observer, Reading, Scope, below, stored};
use crate::failure::Outcome;
use crate::fs::FsError;
use crate::fs::dir::{Dir, Stat, StatKind, os};
use crate::fs::look::blob_id;

/// Looks at every live file of the marks of this machine, and of the trees that are known.
pub fn look(
    observer: &Observer<'_>,
    scope: &Scope<'_>,
    marks: &BTreeMap<HomePath, Mark>,
    local: &mut Local,
) -> Outcome<()> {
    for (home, mark) in marks {
        match mark.scope {
            MarkScope::File => look_one(observer, scope, home, local)?,
            MarkScope::Folder => look_folder(observer, scope, home, local)?,
        }
    }
    Ok(())
}

fn look_folder(
    observer: &Observer<'_>,
    scope: &Scope<'_>,
    home: &HomePath,
    local: &mut Local,
) -> Outcome<()> {
    let top = home.stored();
    let stored = local.stored.units.range(below(&top)..).map(|(path, _)| path);
    let stored = stored.take_while(|path| path.is_within(&top));
    let known: BTreeSet<RepoPath> = scope.below(&top).chain(stored).cloned().collect();
    match reach(observer, home.components())? {
        Reach::Folder(dir) => {
            let mut below = |dir: &Dir, folder: &HomePath, local: &mut Local| {
                walk_child(observer, scope, dir, [folder, home], local)
            };
            walk(observer, scope, &dir, [home, home], local, &mut below)?;
        }
        Reach::Missing => {
            local.live.extend(known.into_iter().map(|path| (path, Live::FolderGone)));
            return Ok(());
        }
        Reach::Blocked => {}
    }
    for home in known.iter().filter_map(RepoPath::home) {
        if !local.live.contains_key(&home.stored()) {
            look_one(observer, scope, &home, local)?;
        }
    }
    Ok(())
}

/// What is done with a folder that is met: folder above, its path.
pub type Below<'a> = dyn FnMut(&Dir, &HomePath, &mut Local) -> Outcome<()> + 'a;

/// Finds the files of one folder of a marked folder `top`, those that appeared since included, and
/// leaves the folders in it to `below`.
pub fn walk(
    observer: &Observer<'_>,
    scope: &Scope<'_>,
    dir: &Dir,
    [folder, top]: [&HomePath; 2],
    local: &mut Local,
    below: &mut Below<'_>,
) -> Outcome<()> {
    if observer.places.never_shares(&observer.places.home.join(os(folder.as_bytes()))) {
        return Ok(());
    }
    for name in observer.names(dir)? {
        let Ok(home) = HomePath::new([folder.as_bytes(), b"/", &name].concat()) else { continue };
        let Some(stat) = dir.stat(&name)? else { continue };
        match stat.kind {
            StatKind::Folder => below(dir, &home, local)?,
            StatKind::File | StatKind::Link => {
                let unit = home.stored();
                let is_known = scope.knows(&unit) || local.stored.units.contains_key(&unit);
                let is_link = stat.kind == StatKind::Link;
                let target = if is_link { dir.read_link(&name)? } else { Vec::new() };
                if is_link && look_moved(observer, scope, &target, [&home, top], local) {
                    continue;
                }
                if is_known || (!is_link && is_wanted(observer, local, &home, &unit)?) {
                    keep_folder_modes(observer, scope, &unit, local)?;
                    look_at(observer, scope, At { dir, home: &home, stat }, local)?;
                }
            }
            StatKind::Special => {}
        }
    }
    Ok(())
}

fn walk_child(
    observer: &Observer<'_>,
    scope: &Scope<'_>,
    dir: &Dir,
    [folder, top]: [&HomePath; 2],
    local: &mut Local,
) -> Outcome<()> {
    let child = dir.child(folder.name())?;
    if observer.is_repository(&child)? {
        return Ok(());
    }
    let mut below = |dir: &Dir, folder: &HomePath, local: &mut Local| {
        walk_child(observer, scope, dir, [folder, top], local)
    };
    walk(observer, scope, &child, [folder, top], local, &mut below)
}

/// A person who renames a file of a marked folder moves our link, which goes on leading to the stored
/// copy of the old name: that is what the file is now.
fn look_moved(
    observer: &Observer<'_>,
    scope: &Scope<'_>,
    target: &[u8],
    [home, top]: [&HomePath; 2],
    local: &mut Local,
) -> bool {
    let stored = std::path::Path::new(os(target)).strip_prefix(&observer.places.repo).ok();
    let from = stored.and_then(|path| RepoPath::new(path.as_os_str().as_encoded_bytes()).ok());
    let Some(from) = from.filter(|from| *from != home.stored()) else { return false };
    let is_below = from.home().is_some_and(|home| home.is_within(top));
    if !is_below || !local.stored.units.contains_key(&from) {
        return false;
    }
    // A name that is taken already was swapped with another one. Both files stay exactly as they
    // are: writing either stored copy would show in the other's live file.
    if scope.knows(&home.stored()) {
        local.live.insert(home.stored(), Live::LinkedElsewhere);
        local.findings.insert(home.stored(), Finding::Swapped);
        local.findings.insert(from, Finding::Swapped);
        return true;
    }
    let link = Version::link(blob_id(target));
    local.live.insert(home.stored(), Live::Moved(link));
    local.moved.insert(home.stored(), from);
    true
}

fn is_wanted(
    observer: &Observer<'_>,
    local: &mut Local,
    home: &HomePath,
    unit: &RepoPath,
) -> Outcome<bool> {
    // What cfgsync has of its own on this machine, wherever that was put.
    if observer.places.are_at(&observer.places.home.join(os(home.as_bytes()))) {
        return Ok(false);
    }
    if unit.is_local_only() {
        return Ok(!observer.leaves_out(unit));
    }
    let is_excluded = is_dropping(unit.name());
    Ok(!is_excluded && !stored::is_ignored(observer, local, unit)?)
}

/// Looks at one home path.
pub fn look_one(
    observer: &Observer<'_>,
    scope: &Scope<'_>,
    home: &HomePath,
    local: &mut Local,
) -> Outcome<()> {
    let unit = home.stored();
    // What is cfgsync's own is nobody's to share, whatever a manifest says.
    if observer.places.never_shares(&observer.places.home.join(os(home.as_bytes()))) {
        local.live.insert(unit, Live::Unreachable);
        return Ok(());
    }
    let folders: Vec<&[u8]> = home.components().collect();
    let (name, folders) = folders.split_last().map_or((&b""[..], &[][..]), |(n, f)| (*n, f));
    let dir = match reach(observer, folders.iter().copied())? {
        Reach::Folder(dir) => {
            keep_folder_modes(observer, scope, &unit, local)?;
            dir
        }
        Reach::Missing => {
            local.live.insert(unit, Live::Absent);
            return Ok(());
        }
        Reach::Blocked => {
            let live = if is_same_file(observer, home) { Live::Linked } else { Live::Unreachable };
            local.live.insert(unit, live);
            return Ok(());
        }
    };
    if let Some(stat) = dir.stat(name)? {
        return look_at(observer, scope, At { dir: &dir, home, stat }, local);
    }
    local.live.insert(unit, Live::Absent);
    Ok(())
}

/// What stands at a home path.
struct At<'a> {
    dir: &'a Dir,
    home: &'a HomePath,
    stat: Stat,
}

/// Looks at what stands at a home path.
fn look_at(
    observer: &Observer<'_>,
    scope: &Scope<'_>,
    At { dir, home, stat }: At<'_>,
    local: &mut Local,
) -> Outcome<()> {
    let (unit, name) = (home.stored(), home.name());
    let size = scope.size_of(&unit, &local.stored.manifest);
    let is_in_folder = !local.stored.manifest.marks.contains_key(home);
    let live = match stat.kind {
        StatKind::Folder => Live::Folder,
        StatKind::Special => Live::Special,
        StatKind::Link => {
            let target = dir.read_link(name)?;
            if is_ours(&observer.places.repo, home, &target) {
                observer.note_link(dir, name, stat, &target);
                Live::Linked
            } else {
                Live::LinkedElsewhere
            }
        }
        StatKind::File => match observer.read(dir, name, stat, size)? {
            Reading::Version(version, inode) => {
                if inode == Inode::Replaced {
                    local.replaced.insert(unit.clone());
                }
                Live::File(version)
            }
            Reading::Nothing => Live::Absent,
            // A large file in a marked folder is left out, as the preview said.
            Reading::Finding(Finding::TooLarge(_)) if is_in_folder => return Ok(()),
            Reading::Finding(finding) => {
                local.findings.insert(unit, finding);
                return Ok(());
            }
        },
    };
    local.live.insert(unit, live);
    Ok(())
}

/// The folders of a file that is not stored yet get the modes they have in `$HOME`, unless they were
/// shared before: then their modes are known.
fn keep_folder_modes(
    observer: &Observer<'_>,
    scope: &Scope<'_>,
    unit: &RepoPath,
    local: &mut Local,
) -> Outcome<()> {
    if local.stored.units.contains_key(unit) {
        return Ok(());
    }
    for folder in unit.ancestors() {
        let is_stored = observer.places.repo.join(os(folder.as_bytes())).is_dir();
        let is_known = is_stored || scope.knows_below(&folder);
        let Some(home) = folder.home().filter(|_| !is_known) else { continue };
        let names: Vec<&[u8]> = home.components().collect();
        if let Some(dir) = Dir::open(&observer.places.home)?.descend(names)? {
            let mode = dir.own_stat()?.mode;
            if mode != Mode::EXECUTABLE {
                local.stored.folders.insert(folder, mode);
            }
        }
    }
    Ok(())
}

/// Where walking down from `$HOME` led.
enum Reach {
    Folder(Dir),
    Missing,
    Blocked,
}

fn reach<'a>(
    observer: &Observer<'_>,
    names: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Reach, FsError> {
    match Dir::open(&observer.places.home)?.descend(names) {
        Ok(Some(dir)) => Ok(Reach::Folder(dir)),
        Ok(None) => Ok(Reach::Missing),
        Err(error) if is_blocked(&error.source) => Ok(Reach::Blocked),
        Err(error) => Err(error),
    }
}

/// A link, or a file, where a folder was expected.
fn is_blocked(error: &io::Error) -> bool {
    let codes = [Errno::ELOOP, Errno::ENOTDIR, Errno::EMLINK].map(|errno| errno as i32);
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

/// A folder above may itself be a link into the repository: then the live file is the stored copy.
fn is_same_file(observer: &Observer<'_>, home: &HomePath) -> bool {
    let live = std::fs::canonicalize(observer.places.home.join(os(home.as_bytes())));
    let stored = observer.places.repo.join(os(home.stored().as_bytes()));
    live.is_ok_and(|live| live == stored)
}

/// Returns true for a link that leads to the stored copy, however it is spelled.
pub fn is_ours(repo: &std::path::Path, home: &HomePath, target: &[u8]) -> bool {
    let stored = repo.join(os(home.stored().as_bytes()));
    let target = std::path::Path::new(os(target));
    if target == stored {
        return true;
    }
    let same = |one: &std::path::Path| std::fs::canonicalize(one).is_ok_and(|path| path == stored);
    target.is_absolute() && same(target)
}
