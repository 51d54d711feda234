//! What a look notes of what it saw, and of where it looked again.

use std::cell::Ref;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use cfgsync_core::unit::Version;

use super::{Link, Listed, Observer};
use crate::fs::dir::{Dir, Stat};
use crate::fs::look::blob_id;

/// Folders that something was looked at again in, since a look went on from what the last run saw.
pub type Again = BTreeSet<OsString>;

impl Observer<'_> {
    /// Returns size and time of the last change of a file that was just looked at.
    pub fn stamp(&self, path: &Path) -> Option<(u64, i64)> {
        self.after.borrow().stamp(path)
    }

    /// Returns inode, size and both times (in ns) of a file as this look has read it.
    pub fn read_state(&self, path: &Path) -> Option<[u64; 4]> {
        self.after.borrow().read_state(path)
    }

    /// Returns the state in which this look has read a file, as what, and whether it had been quiet.
    pub fn read_at(&self, path: &Path) -> Option<(Stat, Version, bool)> {
        self.after.borrow().read_at(path)
    }

    /// Returns a link of ours as this look has seen it.
    pub fn link(&self, path: &Path) -> Option<Link> {
        self.links.borrow().get(path).copied()
    }

    /// Returns when everything was read last, in Unix seconds.
    pub fn full_read(&self) -> u64 {
        self.after.borrow().full_read()
    }

    /// Returns the folders that this look has listed.
    pub fn listed(&self) -> Ref<'_, Vec<Listed>> {
        self.listed.borrow()
    }

    /// Returns the folders that something was looked at again in, since a look of this run went on from
    /// what the last run saw; none where there was none, or a whole look after it.
    pub fn looked_again_at(&self) -> Option<Ref<'_, Again>> {
        Ref::filter_map(self.again.borrow(), Option::as_ref).ok()
    }

    /// Notes that something in a folder is looked at again.
    pub(super) fn note_again(&self, folder: &Path) {
        let mut again = self.again.borrow_mut();
        // Bytes are faster to compare than paths.
        if let Some(again) = again.as_mut().filter(|it| !it.contains(folder.as_os_str())) {
            again.insert(folder.as_os_str().to_owned());
        }
    }

    /// Notes in which state a file was read, and as what.
    pub(super) fn note_read(&self, dir: &Dir, path: Vec<u8>, stat: Stat, version: Version) {
        self.note_again(dir.path());
        self.after.borrow_mut().remember(path, stat, version, self.now);
    }

    /// Notes a link of ours, and its target.
    pub(super) fn note_link(&self, dir: &Dir, name: &[u8], stat: Stat, target: &[u8]) {
        self.note_again(dir.path());
        let link = Link { stat, target: blob_id(target) };
        self.links.borrow_mut().insert(dir.join(name), link);
    }
}
