//! The states of this machine that can be brought back: its archives, and the snapshots of its vault.

use std::collections::BTreeMap;

use cfgsync_core::inventory::Inventory;
use cfgsync_core::path::RepoPath;
use cfgsync_core::time::UnixTime;
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::{Kind, Version};

use crate::archive::read;
use crate::backups::{Backup, Backups};
use crate::failure::{Code, Failure, Outcome};
use crate::git::filter::Filters;
use crate::git::vault::Snapshot;
use crate::session::Session;

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

/// Takes one file as it lay on disk.
pub type Exported<'a> = dyn FnMut(&RepoPath, Version, Vec<u8>) -> Outcome<()> + 'a;

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
        refuse_links_out(session, &read::verify(&backup.path)?, backup, &is_wanted)?;
        read::read(&backup.path, &is_wanted, &mut |path, item, bytes| {
            let blob = session.vault.put(&bytes)?;
            fetched.insert(path.clone(), clean(session, path, Version { blob, ..item.version })?);
            Ok(())
        })?;
        Ok(fetched)
    }

    /// Hands out these files as they lay on disk.
    pub fn export(
        &self,
        session: &Session<'_>,
        wanted: &BTreeMap<RepoPath, Version>,
        taken: &mut Exported<'_>,
    ) -> Outcome<()> {
        match &self.source {
            Source::Snapshot(_) => wanted.iter().try_for_each(|(path, version)| {
                taken(path, *version, session.vault.bytes(version.blob)?)
            }),
            Source::Archive(backup) => {
                let is_wanted = |path: &RepoPath| wanted.contains_key(path);
                refuse_links_out(session, &read::verify(&backup.path)?, backup, &is_wanted)?;
                let mut each = |path: &RepoPath, item: &cfgsync_core::inventory::Item, bytes| {
                    taken(path, item.version, bytes)
                };
                read::read(&backup.path, &is_wanted, &mut each).map(drop)
            }
        }
    }
}

impl State {
    fn of(tree: Tree) -> Self {
        let units = tree.units.clone();
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
    let is_filtered = version.kind == Kind::File && session.worktree.filter_name(path).is_some();
    if !is_filtered {
        return Ok(version);
    }
    if !Filters::is_set_up(&session.worktree, path) {
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

/// A link that leads out of the repository is brought back only where this machine knew it.
fn refuse_links_out(
    session: &Session<'_>,
    inventory: &Inventory,
    backup: &Backup,
    is_wanted: &dyn Fn(&RepoPath) -> bool,
) -> Outcome<()> {
    let is_new_link = |path: &RepoPath| {
        inventory.units.get(path).is_some_and(|item| {
            item.version.kind == Kind::Link && session.vault.size(item.version.blob).is_none()
        })
    };
    let is_link = |path: &RepoPath| is_wanted(path) && is_new_link(path);
    read::read(&backup.path, &is_link, &mut |path, _, target| {
        if !leads_out(path, &target) {
            return Ok(());
        }
        let cause = format!("{} holds the link {path}, which leads out", backup.path.display());
        Err(Failure::new(Code::Refused, cause).hint("Nothing was written. Name the other files."))
    })
    .map(drop)
}

/// Returns true when a link at `path` leads out of the folder its path starts in.
fn leads_out(path: &RepoPath, target: &[u8]) -> bool {
    let mut depth = path.components().count() - 1;
    if target.starts_with(b"/") {
        return true;
    }
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_leave_are_known() {
        let path = RepoPath::new("a/b/link").unwrap();
        for out in ["/etc", "../../../x", "c/../../../../x"] {
            assert!(leads_out(&path, out.as_bytes()), "{out}");
        }
        for inside in ["x", "../x", "../../x", "c/../x", "./x"] {
            assert!(!leads_out(&path, inside.as_bytes()), "{inside}");
        }
    }
}
