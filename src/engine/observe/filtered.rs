//! Files that a Git filter covers: what was read of them is what lies on disk, and what is compared
//! and shared is what Git stores.

use std::collections::BTreeSet;

use cfgsync_core::arrival::rules::Rules;
use cfgsync_core::observed::{Finding, Live, Local, OnDisk};
use cfgsync_core::path::RepoPath;
use cfgsync_core::unit::{Kind, Version};

use super::{Observer, Scope};
use crate::failure::Outcome;
use crate::git::filter::Filters;

/// The filter of Git LFS, whose clean side only names what its own hook sends.
const LFS: &str = "lfs";

/// Puts the filters' clean side in place of what was read. Where a filter is not there or fails, the
/// unit waits: its bytes must not travel as they are.
pub fn look(observer: &Observer<'_>, scope: &Scope<'_>, local: &mut Local) -> Outcome<()> {
    // Attributes count where they are ignored themselves, too.
    let ignored = local.ignored.iter().filter(|path| Rules::of(path).is_some());
    let units = local.stored.units.keys().chain(local.live.keys()).chain(scope.known.iter());
    let paths = units.chain(ignored);
    let attributes = |path: &&RepoPath| Rules::of(path) == Some(Rules::Attributes);
    if !observer.worktree.may_filter(paths.clone().filter(attributes)) {
        return Ok(());
    }
    let paths: BTreeSet<RepoPath> = paths.cloned().collect();
    let mut filters = observer.filters.of(observer.worktree, &paths)?;
    filters.retain(|path, _| !local.ignored.contains(path));
    for (path, name) in filters {
        look_one(observer, &path, &name, local)?;
    }
    Ok(())
}

fn look_one(
    observer: &Observer<'_>,
    path: &RepoPath,
    name: &str,
    local: &mut Local,
) -> Outcome<()> {
    let stored = local.stored.units.get(path).copied();
    let live = match local.live.get(path) {
        Some(Live::File(version)) => Some(*version),
        _ => None,
    };
    let sides = [stored, live].map(|side| side.filter(|version| version.kind == Kind::File));
    let mut clean = [None, None];
    for (side, clean) in sides.into_iter().zip(&mut clean) {
        let Some(version) = side else { continue };
        let Some(blob) = observer.filters.clean(observer.stores(), path, version.blob)? else {
            local.findings.insert(path.clone(), Finding::Filtered);
            return Ok(());
        };
        *clean = Some(Version { blob, ..version });
    }
    if sides == [None, None] && !Filters::is_configured(observer.worktree, name) {
        local.findings.insert(path.clone(), Finding::Filtered);
        return Ok(());
    }
    if name == LFS {
        local.sent_aside.insert(path.clone());
    }
    let [stored, live] = sides;
    local.filtered.insert(path.clone(), OnDisk { stored, live });
    if let Some(version) = clean[0] {
        local.stored.units.insert(path.clone(), version);
    }
    if let Some(version) = clean[1] {
        local.live.insert(path.clone(), Live::File(version));
    }
    Ok(())
}
