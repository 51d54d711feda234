//! Files that a Git filter covers: what was read of them is what lies on disk, and what is compared
//! and shared is what Git stores.

use std::collections::BTreeSet;

use cfgsync_core::observed::{Finding, Live, Local, OnDisk};
use cfgsync_core::path::RepoPath;
use cfgsync_core::unit::{Kind, Version};

use super::{Observer, Scope};
use crate::failure::Outcome;
use crate::git::filter::Filters;

/// Puts the filters' clean side in place of what was read. Where a filter is not there or fails, the
/// unit waits: its bytes must not travel as they are.
pub fn look(observer: &Observer<'_>, scope: &Scope<'_>, local: &mut Local) -> Outcome<()> {
    let paths: BTreeSet<RepoPath> =
        local.stored.units.keys().chain(local.live.keys()).chain(&scope.known).cloned().collect();
    let has_attributes = paths.iter().any(|path| path.name() == b".gitattributes")
        || observer.worktree.has_own_attributes();
    if !has_attributes {
        return Ok(());
    }
    for path in paths {
        if observer.worktree.filter_name(&path).is_some() {
            look_one(observer, &path, local)?;
        }
    }
    Ok(())
}

fn look_one(observer: &Observer<'_>, path: &RepoPath, local: &mut Local) -> Outcome<()> {
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
    if sides == [None, None] && !Filters::is_set_up(observer.worktree, path) {
        local.findings.insert(path.clone(), Finding::Filtered);
        return Ok(());
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
