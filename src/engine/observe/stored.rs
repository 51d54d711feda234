//! Looking at the working tree: every file that is not excluded, links as links.

use cfgsync_core::names::is_dropping;
use cfgsync_core::observed::Local;
use cfgsync_core::path::RepoPath;
use cfgsync_core::unit::Mode;

use super::{Inode, Observer, Reading, Scope};
use crate::failure::Outcome;
use crate::fs::dir::{Dir, Stat, StatKind};

/// Looks at every folder of the working tree.
pub fn look(observer: &Observer<'_>, scope: &Scope<'_>, local: &mut Local) -> Outcome<()> {
    let root = Dir::open(&observer.places.repo)?;
    let mut below = |dir: &Dir, path: &RepoPath, stat: Stat, local: &mut Local| {
        look_child(observer, scope, dir, path, stat, local)
    };
    look_folder(observer, scope, &root, None, local, &mut below)?;
    local.stored.prune_folders();
    Ok(())
}

/// What is done with a folder that is met: folder above, its path, its state.
pub type Below<'a> = dyn FnMut(&Dir, &RepoPath, Stat, &mut Local) -> Outcome<()> + 'a;

/// Looks at the files of one folder, and leaves the folders in it to `below`.
pub fn look_folder(
    observer: &Observer<'_>,
    scope: &Scope<'_>,
    dir: &Dir,
    folder: Option<&RepoPath>,
    local: &mut Local,
    below: &mut Below<'_>,
) -> Outcome<()> {
    for name in observer.names(dir)? {
        let raw = match folder {
            Some(folder) => [folder.as_bytes(), b"/", &name].concat(),
            None => name.clone(),
        };
        // A name that cannot travel (git's own folder) is none of ours.
        let Ok(path) = RepoPath::new(raw) else { continue };
        if path.is_meta() {
            continue;
        }
        let Some(stat) = dir.stat(&name)? else { continue };
        match stat.kind {
            StatKind::Folder => below(dir, &path, stat, local)?,
            StatKind::File => look_file(observer, scope, dir, &path, stat, local)?,
            StatKind::Link
                if path.home().is_none() && is_wanted(observer, scope, local, &path)? =>
            {
                local.stored.units.insert(path, observer.read_link(dir, &name, stat)?);
            }
            StatKind::Link | StatKind::Special => {}
        }
    }
    Ok(())
}

fn look_child(
    observer: &Observer<'_>,
    scope: &Scope<'_>,
    dir: &Dir,
    path: &RepoPath,
    stat: Stat,
    local: &mut Local,
) -> Outcome<()> {
    if is_left_out(observer, scope, path)? {
        local.ignored.insert(path.clone());
        return Ok(());
    }
    let child = dir.child(path.name())?;
    // A repository inside the repository is somebody else's.
    if observer.is_repository(&child)? {
        return Ok(());
    }
    if stat.mode != Mode::EXECUTABLE {
        local.stored.folders.insert(path.clone(), stat.mode);
    }
    let mut below = |dir: &Dir, path: &RepoPath, stat: Stat, local: &mut Local| {
        look_child(observer, scope, dir, path, stat, local)
    };
    look_folder(observer, scope, &child, Some(path), local, &mut below)
}

/// Returns true for a folder of which nothing takes part in syncing.
pub fn is_left_out(observer: &Observer<'_>, scope: &Scope<'_>, path: &RepoPath) -> Outcome<bool> {
    let is_known =
        scope.knows_below(path) || path.as_bytes() == b"external" || path.home().is_some();
    Ok(!is_known && observer.worktree.is_ignored(path)?)
}

fn look_file(
    observer: &Observer<'_>,
    scope: &Scope<'_>,
    dir: &Dir,
    path: &RepoPath,
    stat: Stat,
    local: &mut Local,
) -> Outcome<()> {
    if !is_wanted(observer, scope, local, path)? {
        return Ok(());
    }
    let size = scope.size_of(path, &local.stored.manifest);
    match observer.read(dir, path.name(), stat, size)? {
        Reading::Version(version, inode) => {
            if inode == Inode::Replaced {
                local.replaced.insert(path.clone());
            }
            local.stored.units.insert(path.clone(), version);
        }
        Reading::Finding(finding) => {
            local.findings.insert(path.clone(), finding);
        }
        Reading::Nothing => {}
    }
    Ok(())
}

/// Returns true for a file that takes part in syncing.
fn is_wanted(
    observer: &Observer<'_>,
    scope: &Scope<'_>,
    local: &mut Local,
    path: &RepoPath,
) -> Outcome<bool> {
    if path.is_local_only() {
        return Ok(!observer.leaves_out(path));
    }
    let is_marked = path.home().is_some_and(|home| local.stored.manifest.covering(&home).is_some());
    if is_marked || scope.knows(path) {
        return Ok(true);
    }
    Ok(!is_dropping(path.name()) && !is_ignored(observer, local, path)?)
}

/// Returns true for what ignore rules keep on this machine, and notes it.
pub fn is_ignored(observer: &Observer<'_>, local: &mut Local, path: &RepoPath) -> Outcome<bool> {
    let is_ignored =
        is_below_ignored(observer, path)? || observer.worktree.is_ignored_itself(path)?;
    if is_ignored {
        local.ignored.insert(path.clone());
    }
    Ok(is_ignored)
}

/// Returns true for what lies below a folder that ignore rules keep on this machine. A look goes into such
/// a folder where something in it is known.
fn is_below_ignored(observer: &Observer<'_>, path: &RepoPath) -> Outcome<bool> {
    for folder in path.ancestors() {
        let known = observer.ignored_folders.borrow().get(&folder).copied();
        let is_ignored = match known {
            Some(known) => known,
            None => observer.worktree.is_ignored_folder(&folder)?,
        };
        observer.ignored_folders.borrow_mut().insert(folder, is_ignored);
        if is_ignored {
            return Ok(true);
        }
    }
    Ok(false)
}
