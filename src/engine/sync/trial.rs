//! Configuration that is about to arrive and that a connection depends on: it is tried before it is
//! applied, so that no sync takes away what the next one needs. Nothing is done under the lock here
//! that waits for the network.

use cfgsync_core::path::RepoPath;
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::{BlobId, Kind};

use super::Sync;
use super::contact::Contact;
use crate::failure::Outcome;
use crate::fs::desk::Desk;
use crate::git::CommitId;
use crate::git::trial::{Trial, attempt};
use crate::lockout::{self, Refused};

/// A file that arrives, and that a connection depends on.
struct Candidate {
    key: (RepoPath, BlobId),
    trial: Trial,
    bytes: Vec<u8>,
}

impl Sync<'_> {
    /// Tries the connection with each file that arrives and that it depends on, and remembers those
    /// with which there is none. Only where the remote just answered: else nobody could tell why.
    pub fn try_arrivals(&self, upstream: Option<CommitId>, contact: &Contact) -> Outcome<()> {
        let (Some(remote), Some(tip), Contact::Made) = (&self.remote, upstream, contact) else {
            return Ok(());
        };
        if remote.is_folder() {
            return Ok(());
        }
        let places = &self.session.context.places;
        let before = lockout::refused(places)?;
        let known = self.session.vault.agreed_tip()?;
        if known == upstream && before.is_empty() {
            return Ok(());
        }
        let lock = self.session.lock()?;
        let candidates = self.candidates(tip)?;
        drop(lock);
        let mut refused = Refused::new();
        for Candidate { key, trial, bytes } in candidates {
            let desk = Desk::set_up(&self.session.scratch)?;
            let copy = desk.put("copy", &bytes)?;
            if let Some(said) = attempt(remote, trial, &copy)? {
                refused.insert(key, said);
            }
        }
        if refused == before { Ok(()) } else { lockout::refuse(places, &refused) }
    }

    /// Returns the files that a connection depends on and that upstream has anew.
    fn candidates(&self, tip: CommitId) -> Outcome<Vec<Candidate>> {
        let session = self.session;
        let theirs = session.tree(tip)?;
        let memory = session.vault.memory()?;
        let agreed = memory.map_or_else(Tree::default, |memory| memory.run.agreed);
        let mut candidates = Vec::new();
        for (path, version) in &theirs.units {
            let Some(home) = path.home() else { continue };
            let Some(trial) = Trial::of(&home) else { continue };
            let is_new = agreed.units.get(path).map(|it| it.blob) != Some(version.blob);
            let is_marked = theirs.manifest.covering(&home).is_some();
            let is_chosen = self.wishes.choices.contains_key(path);
            let is_due = version.kind == Kind::File && is_new && is_marked && !is_chosen;
            if is_due && session.filter_name(path)?.is_none() {
                let bytes = session.vault.bytes(version.blob)?;
                let key = (path.clone(), version.blob);
                candidates.push(Candidate { key, trial, bytes });
            }
        }
        Ok(candidates)
    }
}
