//! The vault: a Git store outside the repository that only cfgsync writes.
//!
//! It holds a snapshot of every state this machine's files were in when a command changed them,
//! what both sides last agreed on, the three versions of every held unit, and late writes to
//! displaced files. Deleting or damaging the repository does not touch it.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use cfgsync_core::agree::LastRun;
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::BlobId;
use git2::{ErrorCode, ObjectType, Oid, Repository, RepositoryInitOptions, Signature, Time};

use super::packing::Waiting;
use super::rewrite::rewrite;
use super::store::{Store, is_at_hand};
use super::trees::FOLDER;
use super::vault_refs::{Known, Refs};
use super::{CommitId, GitError, remember, trees};
use crate::failure::Outcome;
use crate::fs::group::Group;
use crate::fs::plain;
use cfgsync_core::time::UnixTime;

pub(super) const AGREED: &str = "refs/cfgsync/agreed";
pub(super) const LATEST: &str = "refs/cfgsync/latest";
pub(super) const SNAPSHOTS: &str = "refs/cfgsync/snapshots";
pub(super) const ARCHIVED: &str = "refs/cfgsync/archived";
pub(super) const LATE: &str = "refs/cfgsync/late-writes";

/// Makes a vault under another name, and gives it its own when it is whole.
fn make(path: &Path) -> Outcome<()> {
    let draft = path.with_extension("new");
    plain::remove_draft(&draft)?;
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false);
    Repository::init_opts(&draft, &options)
        .map_err(GitError::on(format!("make the vault {}", path.display())))?;
    super::locks::remove_all(&draft)?;
    plain::close(&draft)?;
    Ok(plain::install_draft(&draft, path)?)
}

/// The vault.
pub struct Vault {
    pub(super) objects: Store,
    pub(super) refs: Refs,
    pub(super) known: Known,
    trees: RefCell<HashMap<Oid, Tree>>,
    /// The same without what only this machine has.
    shared: RefCell<HashMap<Oid, Tree>>,
    /// The tree that was read or written last: the next one is mostly like it.
    newest: RefCell<Option<(Oid, Tree)>>,
    /// The trees that this run wrote, which it would write so again.
    made: RefCell<Vec<(Oid, Tree)>>,
    written: RefCell<HashSet<Oid>>,
    /// What refs are going to name that move later than those that wait now.
    pub(super) soon: RefCell<Vec<Oid>>,
    /// What becomes durable with what waits.
    pub(super) beside: RefCell<Group>,
    pub(super) waiting: Waiting,
    pub(super) at: UnixTime,
}

/// What the last run left behind, with the commit of upstream it saw.
#[derive(Debug, Clone)]
pub struct Memory {
    /// The trees.
    pub run: LastRun,
    /// Upstream's tip then; none without a remote.
    pub upstream: Option<CommitId>,
}

impl Vault {
    /// Opens the vault, and makes it where it is missing.
    pub fn open(path: &Path, at: UnixTime) -> Outcome<Self> {
        let failed = || GitError::on(format!("open the vault {}", path.display()));
        let objects = match Store::open(path) {
            Err(error) if error.code() == ErrorCode::NotFound => {
                make(path)?;
                Store::open(path).map_err(failed())?
            }
            opened => opened.map_err(failed())?,
        };
        Ok(Self::of(objects, at))
    }

    fn of(objects: Store, at: UnixTime) -> Self {
        let (refs, known, trees, shared, newest, made, written) = Default::default();
        let (soon, beside, waiting) = Default::default();
        Self {
            objects,
            refs,
            known,
            trees,
            shared,
            newest,
            made,
            written,
            soon,
            beside,
            waiting,
            at,
        }
    }

    /// Opens the vault so that whatever is written stays in memory and is gone with it.
    pub fn rehearse(path: &Path, at: UnixTime) -> Outcome<Self> {
        let objects = Store::rehearse(path).map_err(GitError::on("open the vault for looking"))?;
        Ok(Self::of(objects, at))
    }

    /// Returns the store itself. What it is told to write is on disk once a ref names it.
    pub fn store(&self) -> &Repository {
        self.objects.whole()
    }

    /// Stores bytes.
    pub fn put(&self, bytes: &[u8]) -> Outcome<BlobId> {
        let id = self.objects.put(ObjectType::Blob, bytes);
        Ok(trees::blob_id(id.map_err(GitError::on("store a file in the vault"))?))
    }

    /// Makes sure that a blob is on disk, for programs that read it there.
    pub fn lay_down(&self, blob: BlobId) -> Outcome<()> {
        self.objects.keep(&[trees::oid(blob)])
    }

    /// Returns true when a blob is on disk.
    pub fn has_on_disk(&self, blob: BlobId) -> bool {
        self.objects.disk().is_some_and(|disk| disk.objects.exists(trees::oid(blob)))
    }

    /// Returns the bytes of a version.
    pub fn bytes(&self, blob: BlobId) -> Outcome<Vec<u8>> {
        Ok(trees::read_blob(self.store(), blob)?)
    }

    /// Returns true when a blob is in the vault, as far as this run knows: it may still be stored again.
    pub fn has(&self, blob: BlobId) -> bool {
        self.store().odb().is_ok_and(|objects| is_at_hand(&objects, trees::oid(blob)))
    }

    /// Returns the size of a blob, none when the vault does not have it.
    pub fn size(&self, blob: BlobId) -> Option<usize> {
        let store = self.store().odb().ok()?;
        store.read_header(trees::oid(blob)).ok().map(|(size, _)| size)
    }

    /// Writes a tree whose blobs are in the vault.
    pub fn write(&self, tree: &Tree) -> Outcome<Oid> {
        let is_same = |(_, made): &&(Oid, Tree)| made.units.is(&tree.units) && made == tree;
        if let Some((made, _)) = self.made.borrow().iter().find(is_same) {
            return Ok(*made);
        }
        let mut newest = self.newest.borrow_mut();
        let mut known = self.written.borrow_mut();
        let written = match &*newest {
            Some((name, base)) => rewrite(self.store(), (*name, base), tree, &mut known)?,
            None => trees::write(self.store(), tree, &mut known)?,
        };
        *newest = Some((written, tree.clone()));
        self.made.borrow_mut().push((written, tree.clone()));
        if tree.comes_back() {
            self.trees.borrow_mut().insert(written, tree.clone());
        }
        Ok(written)
    }

    /// Writes a tree that is not like those around it: a few units of one.
    pub fn write_apart(&self, tree: &Tree) -> Outcome<Oid> {
        Ok(trees::write(self.store(), tree, &mut self.written.borrow_mut())?)
    }

    /// Writes a folder of what is in the vault already.
    pub(super) fn write_folder(&self, entries: Vec<(&[u8], Oid, i32)>) -> Result<Oid, git2::Error> {
        let known = &mut self.written.borrow_mut();
        trees::write_folder(&self.store().odb()?, entries, |_| false, known)
    }

    /// Reads a tree of the vault. The sides of a run are often one and the same tree, so each is
    /// read once.
    pub fn read(&self, tree: Oid) -> Outcome<Tree> {
        if let Some(known) = self.trees.borrow().get(&tree) {
            return Ok(known.clone());
        }
        let mut newest = self.newest.borrow_mut();
        let mut trees = self.trees.borrow_mut();
        let known = newest.as_ref().filter(|(name, _)| trees.contains_key(name));
        let base = known.map(|(name, tree)| (*name, tree));
        let mut read = trees::read(self.store(), tree, base)?;
        let (_, base) = newest.get_or_insert_with(|| (tree, read.clone()));
        read.share_with(base);
        trees.insert(tree, read.clone());
        Ok(read)
    }

    /// Takes a tree of the vault for read. Nothing of it is only this machine's.
    pub fn know(&self, name: Oid, tree: &Tree) {
        self.newest.borrow_mut().get_or_insert_with(|| (name, tree.clone()));
        self.trees.borrow_mut().insert(name, tree.clone());
        self.shared.borrow_mut().insert(name, tree.clone());
    }

    /// Reads a tree of the vault, without what only this machine has.
    pub fn read_shared(&self, tree: Oid) -> Outcome<Tree> {
        if let Some(known) = self.shared.borrow().get(&tree) {
            return Ok(known.clone());
        }
        let mut read = self.read(tree)?;
        read.set_local_aside();
        self.shared.borrow_mut().insert(tree, read.clone());
        Ok(read)
    }

    /// Keeps what an archive alone held that is about to be forgotten.
    pub fn keep_archived(&self, number: u64, alone: &Tree) -> Outcome<()> {
        let commit = self.commit(self.write_apart(alone)?, "from a backup\n", &[])?;
        self.set(&format!("{ARCHIVED}/{number:09}-{commit}"), commit)
    }

    /// Returns what the last run left behind, without what only this machine has.
    pub fn memory(&self) -> Outcome<Option<Memory>> {
        let Some((agreed, upstream, tip)) = self.agreed_trees()? else { return Ok(None) };
        let [agreed, upstream] = [self.read_shared(agreed)?, self.read_shared(upstream)?];
        let run = LastRun { agreed, upstream };
        Ok(Some(Memory { run, upstream: tip }))
    }

    /// Returns the commit that says what is agreed.
    pub fn agreement(&self) -> Outcome<Option<CommitId>> {
        self.target(AGREED)
    }

    /// Returns the Git trees of what the last run left behind, and upstream's tip then.
    pub fn agreed_trees(&self) -> Outcome<Option<(Oid, Oid, Option<CommitId>)>> {
        let Some(commit) = self.agreement()? else { return Ok(None) };
        let failed = || GitError::on("read what was agreed last");
        let commit = self.store().find_commit(commit.0).map_err(failed())?;
        let tree = commit.tree().map_err(failed())?;
        let side = |name: &str| tree.get_name(name).map(|entry| entry.id());
        let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
        let tip = message.lines().find_map(|line| CommitId::parse(line.strip_prefix("upstream ")?));
        Ok(side("agreed").zip(side("upstream")).map(|(agreed, upstream)| (agreed, upstream, tip)))
    }

    /// Returns where upstream was when both sides last agreed; none without one.
    pub fn agreed_tip(&self) -> Outcome<Option<CommitId>> {
        Ok(self.agreed_trees()?.and_then(|(_, _, tip)| tip))
    }

    /// Remembers what both sides agree on.
    pub fn agree(&self, agreed: Oid, upstream: Oid, tip: Option<CommitId>) -> Outcome<()> {
        if self.agreed_trees()? == Some((agreed, upstream, tip)) {
            return Ok(());
        }
        let before = self.agreement()?;
        self.set(AGREED, self.agreement_on(agreed, upstream, tip, before)?)
    }

    /// Lets what [`Self::agree`] is going to store become durable with what waits, and returns it.
    pub fn foresee_agreement(
        &self,
        agreed: Oid,
        upstream: Oid,
        tip: Option<CommitId>,
    ) -> Outcome<Option<CommitId>> {
        if self.agreed_trees()? == Some((agreed, upstream, tip)) {
            return self.agreement();
        }
        self.foresee(agreed, upstream, tip, self.agreement()?).map(Some)
    }

    /// The same for what will be agreed after another agreement.
    pub fn foresee(
        &self,
        agreed: Oid,
        upstream: Oid,
        tip: Option<CommitId>,
        before: Option<CommitId>,
    ) -> Outcome<CommitId> {
        let commit = self.agreement_on(agreed, upstream, tip, before)?;
        self.soon.borrow_mut().push(commit);
        Ok(CommitId(commit))
    }

    fn agreement_on(
        &self,
        agreed: Oid,
        upstream: Oid,
        tip: Option<CommitId>,
        before: Option<CommitId>,
    ) -> Outcome<Oid> {
        let failed = || GitError::on("remember what was agreed");
        let sides = vec![(&b"agreed"[..], agreed, FOLDER), (b"upstream", upstream, FOLDER)];
        let tree = self.write_folder(sides).map_err(failed())?;
        let tip = tip.map_or_else(|| "none".to_owned(), |tip| tip.to_string());
        // Every agreement keeps the one before it, and with it every upstream tree that was seen.
        let parent: Vec<Oid> = before.into_iter().map(|commit| commit.0).collect();
        self.commit(tree, &format!("agreed\n\nupstream {tip}\n"), &parent)
    }

    pub(super) fn commit(&self, tree: Oid, message: &str, parents: &[Oid]) -> Outcome<Oid> {
        let failed = || GitError::on("write to the vault");
        let seconds = i64::try_from(self.at.seconds()).unwrap_or(0);
        let signature = Signature::new("cfgsync", "cfgsync@localhost", &Time::new(seconds, 0));
        let signature = signature.map_err(failed())?;
        let tree = self.store().find_tree(tree).map_err(failed())?;
        let parents: Result<Vec<_>, _> =
            parents.iter().map(|parent| self.store().find_commit(*parent)).collect();
        let parents = parents.map_err(failed())?;
        let parents: Vec<_> = parents.iter().collect();
        let store = self.store();
        let commit = store.commit_create_buffer(&signature, &signature, message, &tree, &parents);
        let commit = commit.map_err(failed())?;
        // It waits in memory: one on disk is taken to have all that it names there.
        let objects = store.odb().map_err(failed())?;
        Ok(remember(&objects, ObjectType::Commit, &commit).map_err(failed())?)
    }

    /// Keeps bytes that a program wrote to a file that was displaced, or that no look had seen, unless
    /// one of the newest two snapshots does: that of before a sync, and that of after it.
    pub fn keep_late(&self, blob: BlobId) -> Outcome<()> {
        if self.is_in_newest(blob)? {
            return Ok(());
        }
        let failed = || GitError::on("keep a late write");
        let mut builder = self.store().treebuilder(None).map_err(failed())?;
        builder.insert(blob.to_string(), trees::oid(blob), 0o100_644).map_err(failed())?;
        let tree = builder.write().map_err(failed())?;
        let parent: Vec<Oid> = self.target(LATE)?.into_iter().map(|commit| commit.0).collect();
        let commit = self.commit(tree, "late write\n", &parent)?;
        self.set(LATE, commit)
    }
}

impl crate::fs::displaced::Keeper for Vault {
    fn keep(&self, bytes: &[u8]) -> Outcome<()> {
        self.keep_late(self.put(bytes)?)
    }
}
