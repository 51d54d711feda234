//! Looking again within one run, at no more than what may have become another: the folders of what the
//! run itself changed, and of what upstream made known or unknown since.
//!
//! Whatever else changed meanwhile is not seen here. A plan may be made of such a look, because each
//! of its steps checks what it replaces; a claim to be in sync needs every row of it compared with
//! the disk once more ([`crate::still::List::stands`]).

use std::collections::BTreeSet;
use std::path::Path;

use cfgsync_core::manifest::Scope as MarkScope;
use cfgsync_core::observed::Local;
use cfgsync_core::path::{HomePath, RepoPath};

use super::{Asked, Observer, Purpose, Scope, live, marks, stored};
use crate::failure::Outcome;
use crate::fs::dir::{Dir, os};

/// Files that decide about others.
pub(super) const DECIDING: [&[u8]; 2] = [b".gitignore", b".gitattributes"];

impl Observer<'_> {
    /// Looks again, after a look of this run that saw `before`, at the folders of these units. None
    /// where only a whole look can tell.
    pub fn look_again(
        &self,
        scope: &Scope<'_>,
        before: Local,
        touched: &BTreeSet<RepoPath>,
    ) -> Outcome<Option<Local>> {
        let manifest = self.manifest(scope)?;
        let marks = marks(scope, &manifest);
        let mut units = touched.clone();
        {
            let asked = self.asked.borrow();
            if !asked.known.is(&scope.known) {
                units.extend(asked.known.symmetric_difference(&scope.known).cloned());
            }
            if manifest != before.stored.manifest || marks != asked.marks {
                return Ok(None);
            }
        }
        self.look_on(scope, before, &units, BTreeSet::new())
    }

    /// Looks again at the folders of these units, and at these folders, by the paths of what is stored of
    /// them. None where only a whole look can tell.
    pub(super) fn look_on(
        &self,
        scope: &Scope<'_>,
        before: Local,
        units: &BTreeSet<RepoPath>,
        mut folders: BTreeSet<Option<RepoPath>>,
    ) -> Outcome<Option<Local>> {
        if !is_plain(&before) || self.needs_a_whole_look(&before, units) {
            return Ok(None);
        }
        let marks = marks(scope, &before.stored.manifest);
        let mut local = before;
        folders.extend(units.iter().map(RepoPath::parent));
        for folder in &folders {
            if !self.look_at_stored(scope, folder.as_ref(), &mut local)? {
                return Ok(None);
            }
        }
        local.stored.prune_folders();
        for folder in folders.iter().flatten().filter_map(RepoPath::home) {
            let mark = marks
                .iter()
                .find(|(top, mark)| mark.scope == MarkScope::Folder && folder.is_within(top));
            if let Some((top, _)) = mark
                && !self.look_at_live(scope, [&folder, top], &mut local)?
            {
                return Ok(None);
            }
        }
        for home in units.iter().filter_map(RepoPath::home) {
            if marks.get(&home).is_some_and(|mark| mark.scope == MarkScope::File) {
                let unit = home.stored();
                let place = self.places.home.join(os(home.as_bytes()));
                place.parent().into_iter().for_each(|folder| self.note_again(folder));
                local.live.remove(&unit);
                live::look_one(self, scope, &home, &mut local)?;
            }
        }
        self.asked.replace(Asked { known: scope.known.clone(), marks });
        self.vault.settle()?;
        Ok(is_plain(&local).then_some(local))
    }

    /// Returns true where one file may decide about many others.
    fn needs_a_whole_look(&self, before: &Local, units: &BTreeSet<RepoPath>) -> bool {
        let decides = |path: &RepoPath| DECIDING.contains(&path.name());
        let filters = |path: &RepoPath| path.name() == DECIDING[1];
        self.purpose != Purpose::Plan
            || self.met_a_repository.get()
            || units.iter().any(decides)
            || before.stored.units.keys().any(filters)
            || self.worktree.has_own_attributes()
    }

    /// Looks again at one folder of the working tree; false where folders came or went.
    fn look_at_stored(
        &self,
        scope: &Scope<'_>,
        folder: Option<&RepoPath>,
        local: &mut Local,
    ) -> Outcome<bool> {
        let below = folder.map_or(&b""[..], RepoPath::as_bytes);
        let root = Dir::open(&self.places.repo)?;
        let names = folder.into_iter().flat_map(RepoPath::components);
        let Ok(Some(dir)) = root.descend(names) else { return Ok(false) };
        let Some(mut folders) = self.forget_listed(dir.path()) else { return Ok(false) };
        self.note_modes(folder, local)?;
        local.stored.units.retain(|path, _| !is_in(path.as_bytes(), below));
        local.replaced.retain(|path| !is_in(path.as_bytes(), below));
        local.ignored.retain(|path| !is_in(path.as_bytes(), below));
        let mut is_new = false;
        stored::look_folder(self, scope, &dir, folder, local, &mut |above, path, stat, local| {
            if stored::is_left_out(self, scope, path)? {
                local.ignored.insert(path.clone());
                return Ok(());
            }
            is_new |= !folders.remove(path.name());
            local.stored.folders.insert(path.clone(), stat.mode);
            let child = above.child(path.name())?;
            is_new |= self.is_repository(&child)?;
            Ok(())
        })?;
        Ok(!is_new && folders.is_empty())
    }

    /// Notes the modes of a folder of the working tree and of those above it: as long as nothing was in
    /// them, nobody asked.
    fn note_modes(&self, folder: Option<&RepoPath>, local: &mut Local) -> Outcome<()> {
        let Some(folder) = folder else { return Ok(()) };
        for path in folder.ancestors().chain([folder.clone()]) {
            let place = self.places.repo.join(os(path.as_bytes()));
            local.stored.folders.insert(path, Dir::open_itself(&place)?.own_stat()?.mode);
        }
        Ok(())
    }

    /// Looks again at one folder of a marked folder `top`; false where folders came or went.
    fn look_at_live(
        &self,
        scope: &Scope<'_>,
        [folder, top]: [&HomePath; 2],
        local: &mut Local,
    ) -> Outcome<bool> {
        let root = Dir::open(&self.places.home)?;
        let Ok(Some(dir)) = root.descend(folder.components()) else { return Ok(false) };
        let Some(mut folders) = self.forget_listed(dir.path()) else { return Ok(false) };
        let unit = folder.stored();
        local.live.retain(|path, _| !is_in(path.as_bytes(), unit.as_bytes()));
        let mut is_new = false;
        live::walk(self, scope, &dir, [folder, top], local, &mut |above, path, _| {
            is_new |= !folders.remove(path.name());
            is_new |= self.is_repository(&above.child(path.name())?)?;
            Ok(())
        })?;
        let stored = local.stored.units.keys().chain(scope.known.iter());
        let missing: BTreeSet<RepoPath> = stored
            .filter(|path| is_in(path.as_bytes(), unit.as_bytes()))
            .filter(|path| !local.live.contains_key(*path))
            .cloned()
            .collect();
        for home in missing.iter().filter_map(RepoPath::home) {
            live::look_one(self, scope, &home, local)?;
        }
        Ok(!is_new && folders.is_empty())
    }

    /// Forgets that a folder was listed, and returns the names of the folders in it that were; none
    /// where it was not.
    fn forget_listed(&self, path: &Path) -> Option<BTreeSet<Vec<u8>>> {
        self.note_again(path);
        let mut listed = self.listed.borrow_mut();
        let at = listed.iter().position(|listed| listed.path == path)?;
        listed.remove(at);
        let inside = listed.iter().filter(|listed| listed.path.parent() == Some(path));
        let names = inside.filter_map(|listed| listed.path.file_name());
        Some(names.map(|name| name.as_encoded_bytes().to_vec()).collect())
    }
}

/// Returns true for a path that lies in a folder itself, and not below another one in it.
fn is_in(path: &[u8], folder: &[u8]) -> bool {
    let name = match folder {
        b"" => Some(path),
        folder => path.strip_prefix(folder).and_then(|rest| rest.strip_prefix(b"/")),
    };
    name.is_some_and(|name| !name.contains(&b'/'))
}

/// Returns true where each file says everything about itself.
fn is_plain(local: &Local) -> bool {
    local.findings.is_empty()
        && local.moved.is_empty()
        && local.filtered.is_empty()
        && local.lost.is_empty()
}
