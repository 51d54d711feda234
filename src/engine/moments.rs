//! The states of this machine that can be brought back: its archives, and the snapshots of its vault.

use std::collections::{BTreeMap, BTreeSet};

use cfgsync_core::inventory::Inventory;
use cfgsync_core::leads::leads_out;
use cfgsync_core::path::RepoPath;
use cfgsync_core::time::UnixTime;
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::{Kind, Version};

use crate::archive::read;
use crate::backups::{Backup, Backups};
use crate::failure::{Code, Failure, Outcome};
use crate::fs::dir::os;
use crate::git::filter::Filters;
use crate::git::snapshots::Snapshot;
use crate::session::Session;
use crate::ui::progress::Progress;

/// A state that can be brought back.
#[derive(Debug, Clone)]
pub struct Moment {
    /// What people call it: a number, for a snapshot after an `s`.
    pub id: String,
    /// When it was kept.
    pub at: UnixTime,
    /// What it was kept for.
    pub reason: String,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Archive(Backup),
    Snapshot(Snapshot),
}

/// What a moment holds.
#[derive(Debug)]
pub struct State {
    /// Every file.
    pub units: BTreeMap<RepoPath, Version>,
    /// The exact modes of its folders.
    pub folders: Tree,
    /// Bytes, where they are known without reading all.
    pub size: Option<u64>,
}

/// A file as it lay on disk.
#[derive(Debug)]
pub struct Exported {
    /// Kind, mode and blob.
    pub version: Version,
    /// When its bytes last changed, in ns since 1970; a snapshot does not know.
    pub mtime: Option<i64>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Takes one file as it lay on disk.
pub type Taking<'a> = dyn FnMut(&RepoPath, Exported) -> Outcome<()> + 'a;

impl Moment {
    /// Returns the name of its file, without the ending; nothing for a snapshot.
    pub fn file_name(&self) -> Option<String> {
        match &self.source {
            Source::Archive(backup) => Some(backup.name()),
            Source::Snapshot(_) => None,
        }
    }

    /// Returns the machine it was kept on, where it is known.
    pub fn machine<'a>(&'a self, session: &'a Session<'_>) -> &'a str {
        match &self.source {
            Source::Archive(backup) => &backup.head.machine,
            // No other machine writes this vault.
            Source::Snapshot(_) => &session.context.machine.id,
        }
    }

    /// Returns what it holds.
    pub fn state(&self, session: &Session<'_>) -> Outcome<State> {
        match &self.source {
            Source::Archive(backup) => {
                let inventory = read::inventory(&backup.path)?;
                Ok(State { size: Some(inventory.size()), ..State::of(inventory.tree()) })
            }
            Source::Snapshot(snapshot) => Ok(State::of(session.vault.read(snapshot.tree)?)),
        }
    }

    /// Makes sure that the vault has these files as they were, and returns them as Git stores them.
    /// An archive is read to its end and checked first.
    pub fn fetch(
        &self,
        session: &Session<'_>,
        wanted: &BTreeMap<RepoPath, Version>,
    ) -> Outcome<BTreeMap<RepoPath, Version>> {
        let Source::Archive(backup) = &self.source else { return Ok(wanted.clone()) };
        let mut fetched = BTreeMap::new();
        let is_wanted = |path: &RepoPath| wanted.contains_key(path);
        let progress = progress(session, &read::inventory(&backup.path)?, &is_wanted);
        let inventory = read::verify(&backup.path)?;
        refuse_links_out(session, &inventory, backup, &is_wanted)?;
        read::read(&backup.path, &is_wanted, &mut |path, item, bytes| {
            progress.advance(item.size);
            let blob = session.vault.put(&bytes)?;
            fetched.insert(path.clone(), clean(session, path, Version { blob, ..item.shared() })?);
            Ok(())
        })?;
        Ok(fetched)
    }

    /// Hands out these files as they lay on disk.
    pub fn export(
        &self,
        session: &Session<'_>,
        wanted: &BTreeMap<RepoPath, Version>,
        taken: &mut Taking<'_>,
    ) -> Outcome<()> {
        match &self.source {
            Source::Snapshot(_) => wanted.iter().try_for_each(|(path, version)| {
                let bytes = session.vault.bytes(version.blob)?;
                taken(path, Exported { version: *version, mtime: None, bytes })
            }),
            Source::Archive(backup) => {
                let is_wanted = |path: &RepoPath| wanted.contains_key(path);
                let progress = progress(session, &read::inventory(&backup.path)?, &is_wanted);
                let inventory = read::verify(&backup.path)?;
                refuse_links_out(session, &inventory, backup, &is_wanted)?;
                let mut each = |path: &RepoPath, item: &cfgsync_core::inventory::Item, bytes| {
                    progress.advance(item.size);
                    let (version, mtime) = (item.shared(), Some(item.mtime));
                    taken(path, Exported { version, mtime, bytes })
                };
                read::read(&backup.path, &is_wanted, &mut each).map(drop)
            }
        }
    }
}

/// Begins to bring back what is wanted of an archive. It is read once before anything counts.
fn progress(
    session: &Session<'_>,
    inventory: &Inventory,
    is_wanted: &dyn Fn(&RepoPath) -> bool,
) -> Progress {
    let wanted = inventory.units.iter().filter(|(path, _)| is_wanted(path));
    session.context.ui.progress("Bringing back", wanted.map(|(_, item)| item.size).sum())
}

impl State {
    fn of(tree: Tree) -> Self {
        let units = tree.units.into_inner();
        Self { units, folders: Tree { folders: tree.folders, ..Tree::default() }, size: None }
    }
}

/// Returns every state that can be brought back, the newest first; an archive goes before the
/// snapshots of its time. Archives that cannot be read are told of.
pub fn all(session: &Session<'_>) -> Outcome<(Vec<Moment>, Backups)> {
    let backups = Backups::list(&session.context.places)?;
    let archive = |backup: &Backup| Moment {
        id: backup.head.number.to_string(),
        at: backup.head.at,
        reason: backup.head.reason.clone(),
        source: Source::Archive(backup.clone()),
    };
    let snapshot = |snapshot: Snapshot| Moment {
        id: format!("s{}", snapshot.number),
        at: snapshot.at,
        reason: snapshot.reason.clone(),
        source: Source::Snapshot(snapshot),
    };
    let mut moments: Vec<Moment> = backups.sound.iter().rev().map(archive).collect();
    moments.extend(session.vault.snapshots()?.into_iter().rev().map(snapshot));
    moments.sort_by_key(|moment| std::cmp::Reverse(moment.at));
    Ok((moments, backups))
}

/// What an archive holds lay on disk; what is compared and shared is what Git stores.
fn clean(session: &Session<'_>, path: &RepoPath, version: Version) -> Outcome<Version> {
    let filter = if version.kind == Kind::File { session.filter_name(path)? } else { None };
    let Some(filter) = filter else { return Ok(version) };
    if !Filters::is_configured(&session.worktree, &filter) {
        return Err(Failure::error(format!("a git filter covers {path}, and is not set up here"))
            .hint(
                "Set the filter up, or take the file out with `cfgsync restore … --to FOLDER`.",
            ));
    }
    let blob = session.filters.clean(session.stores(), path, version.blob)?;
    let blob = blob.ok_or_else(|| {
        Failure::error(format!("the git filter of {path} fails on what the backup holds"))
            .hint("Take the file out with `cfgsync restore … --to FOLDER`, and look at it.")
    })?;
    Ok(Version { blob, ..version })
}

/// A link that leads out of the repository, by itself or through other links, is brought back only
/// where this machine had it.
fn refuse_links_out(
    session: &Session<'_>,
    inventory: &Inventory,
    backup: &Backup,
    is_wanted: &dyn Fn(&RepoPath) -> bool,
) -> Outcome<()> {
    let is_link = |path: &RepoPath| {
        let item = inventory.units.get(path);
        is_wanted(path) && item.is_some_and(|item| item.version.kind == Kind::Link)
    };
    let mut links = BTreeMap::new();
    read::read(&backup.path, &is_link, &mut |path, item, target| {
        links.insert(path.clone(), (item.version, target));
        Ok(())
    })?;
    let repo = &session.context.places.repo;
    let link_at = |place: &[u8]| {
        let path = RepoPath::new(place).ok()?;
        match links.get(&path) {
            Some((_, target)) => Some(target.clone()),
            None => std::fs::read_link(repo.join(os(place)))
                .ok()
                .map(|target| target.into_os_string().into_encoded_bytes()),
        }
    };
    let out = links.iter().filter(|(path, (_, target))| leads_out(path, target, link_at));
    let mut out = out.map(|(path, (version, _))| (path, *version)).peekable();
    if out.peek().is_none() {
        return Ok(());
    }
    let known = known_links(session)?;
    let Some((path, _)) = out.find(|(path, version)| !known.contains(&((*path).clone(), *version)))
    else {
        return Ok(());
    };
    let cause = format!("{} holds the link {path}, which leads out", backup.path.display());
    Err(Failure::new(Code::Refused, cause).hint("Nothing was written. Name the other files."))
}

/// Returns every link that a snapshot of this machine has, with its place.
fn known_links(session: &Session<'_>) -> Outcome<BTreeSet<(RepoPath, Version)>> {
    let mut known = BTreeSet::new();
    for snapshot in session.vault.snapshots()? {
        let units = session.vault.read(snapshot.tree)?.units;
        known.extend(units.into_iter().filter(|(_, version)| version.kind == Kind::Link));
    }
    Ok(known)
}
