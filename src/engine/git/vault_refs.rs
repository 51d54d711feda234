//! The refs of the vault, several of them in one go: first all that they name, then they themselves.
//!
//! Nobody else writes them, and whoever does holds the lock; so their drafts have fixed names.

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeSet, HashMap};

use git2::{ErrorCode, Oid};

use super::vault::Vault;
use super::{CommitId, GitError, ref_target};
use crate::failure::Outcome;
use crate::fs::group::Group;
use crate::fs::plain;

/// What is to become of refs, in this order; none where they are not to wait.
pub type Refs = RefCell<Option<Vec<(String, Option<Oid>)>>>;

/// Where refs are, as far as that was asked since nobody else could move them.
pub type Known = RefCell<HashMap<String, Option<CommitId>>>;

impl Vault {
    /// Lets refs wait until [`Self::make_durable`], so that the disk is waited for once. Whoever changes
    /// anything else first calls that.
    pub fn gather(&self) {
        self.refs.borrow_mut().get_or_insert_default();
    }

    /// Stores what the waiting refs name, then the refs; from now on none waits.
    pub fn make_durable(&self) -> Outcome<()> {
        let gathered = self.refs.take().unwrap_or_default();
        let (soon, beside) = (self.soon.take(), self.beside.take());
        let moved: Vec<(&str, Oid)> = gathered
            .iter()
            .filter_map(|(name, target)| Some((name.as_str(), (*target)?)))
            .collect();
        self.move_all(&moved, soon, beside)?;
        gathered
            .iter()
            .filter(|(_, target)| target.is_none())
            .try_for_each(|(name, _)| self.remove(name))
    }

    /// Lets go of what waits, as if it had never been told.
    pub fn let_go(&self) {
        self.refs.take();
        self.soon.take();
        self.beside.take();
    }

    /// Returns what is not the vault's, and becomes durable with what waits, before a ref moves.
    pub fn beside(&self) -> RefMut<'_, Group> {
        self.beside.borrow_mut()
    }

    pub(super) fn set(&self, name: &str, commit: Oid) -> Outcome<()> {
        if self.wait(name, Some(commit)) {
            Ok(())
        } else {
            self.move_all(&[(name, commit)], Vec::new(), Group::default())
        }
    }

    pub(super) fn unset(&self, name: &str) -> Outcome<()> {
        if self.wait(name, None) { Ok(()) } else { self.remove(name) }
    }

    pub(super) fn target(&self, name: &str) -> Outcome<Option<CommitId>> {
        let gathered = self.refs.borrow();
        let waits = gathered.iter().flatten().find(|(known, _)| known == name);
        if let Some((_, target)) = waits {
            return Ok(target.map(CommitId));
        }
        if let Some(known) = self.known.borrow().get(name) {
            return Ok(*known);
        }
        let target = ref_target(self.store(), name)?;
        self.known.borrow_mut().insert(name.to_owned(), target);
        Ok(target)
    }

    /// Forgets where refs are: somebody else may have moved them.
    pub fn forget_refs(&self) {
        self.known.borrow_mut().clear();
    }

    pub(super) fn refs_below(&self, prefix: &str) -> Outcome<Vec<String>> {
        let failed = || GitError::on(format!("list {prefix}"));
        let refs = self.store().references_glob(&format!("{prefix}/*")).map_err(failed())?;
        let names = refs.flatten().filter_map(|found| found.name().ok().map(str::to_owned));
        let mut names: Vec<String> = names.collect();
        let below = format!("{prefix}/");
        for (name, target) in self.refs.borrow().iter().flatten() {
            if name.starts_with(&below) {
                names.retain(|known| known != name);
                names.extend(target.map(|_| name.clone()));
            }
        }
        Ok(names)
    }

    /// Returns the last parts of the names of refs right below a folder of refs, in no order. None of
    /// them is read.
    pub(super) fn names_below(&self, prefix: &str) -> Outcome<Vec<String>> {
        let folder = self.objects.folder();
        let is_name = |name: &[u8]| !name.ends_with(b".lock");
        let loose = plain::names(&folder.join(prefix))?.into_iter().filter(|name| is_name(name));
        let mut names: BTreeSet<String> =
            loose.map(|name| String::from_utf8_lossy(&name).into_owned()).collect();
        let packed = plain::read_text(&folder.join("packed-refs"))?.unwrap_or_default();
        let gathered = self.refs.borrow();
        let waiting = gathered.iter().flatten().map(|(name, target)| (&**name, target.is_some()));
        let packed = packed.lines().filter_map(|line| Some((line.split_once(' ')?.1, true)));
        for (name, is_there) in packed.chain(waiting) {
            let below = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
            match (below, is_there) {
                (Some(name), true) => drop(names.insert(name.to_owned())),
                (Some(name), false) => drop(names.remove(name)),
                (None, _) => {}
            }
        }
        Ok(names.into_iter().collect())
    }

    /// Returns true where the change of a ref waits.
    fn wait(&self, name: &str, target: Option<Oid>) -> bool {
        let mut gathered = self.refs.borrow_mut();
        let Some(gathered) = &mut *gathered else { return false };
        gathered.retain(|(known, _)| known != name);
        gathered.push((name.to_owned(), target));
        true
    }

    /// Stores what refs name, and what others will name soon, with what is in the group; then the refs.
    fn move_all(&self, refs: &[(&str, Oid)], soon: Vec<Oid>, mut group: Group) -> Outcome<()> {
        if (refs.is_empty() && group.is_empty()) || self.objects.disk().is_none() {
            return Ok(());
        }
        self.forget_refs();
        let folder = self.store().path();
        let commits: Vec<Oid> = refs.iter().map(|(_, commit)| *commit).chain(soon).collect();
        self.objects.keep_with(&commits, &mut group)?;
        if !group.is_empty() {
            group.then();
        }
        for (name, commit) in refs {
            let place = folder.join(name);
            let mut above: Vec<_> =
                place.ancestors().skip(1).take_while(|above| *above != folder).collect();
            above.reverse();
            above.into_iter().try_for_each(|folder| group.make_folder(folder))?;
            let draft = folder.join(format!("{name}.lock"));
            group.add(place, draft, format!("{commit}\n").as_bytes(), 0o600)?;
        }
        group.publish()?;
        let moved = refs.iter().map(|(name, commit)| ((*name).to_owned(), Some(CommitId(*commit))));
        self.known.borrow_mut().extend(moved);
        Ok(())
    }

    fn remove(&self, name: &str) -> Outcome<()> {
        self.forget_refs();
        let removed = self.store().find_reference(name).and_then(|mut found| found.delete());
        // One that was moved and removed while it waited never was there.
        if let Err(error) = removed
            && error.code() != ErrorCode::NotFound
        {
            return Err(GitError::on(format!("remove {name}"))(error).into());
        }
        // Git's library does not say when it could not take its own lock away again.
        Ok(plain::remove(&self.store().path().join(format!("{name}.lock")))?)
    }
}
