//! Cleans up after a run that died: the lock proves that it is dead, the note it left says what it
//! was doing. What the user's own Git left behind is never touched.

use std::fs;
use std::path::{Path, PathBuf};

use crate::backups;
use crate::context::Places;
use crate::failure::Outcome;
use crate::fs::desk;
use crate::fs::dir::os;
use crate::fs::group::Group;
use crate::fs::plain::{self, Durability};
use crate::git::loose::DRAFT;
use crate::git::program::OUTPUT;
use crate::git::push::{Noted, PUSHING};
use crate::git::worktree::Worktree;
use crate::git::{CommitId, index, locks};
use crate::sabotage::{self, Break};

/// Written before a run changes anything, and removed when it is done.
#[derive(Debug)]
pub struct Note {
    path: PathBuf,
}

impl Note {
    /// Says that a run is about to change things. Until it names commits, only what is cfgsync's own
    /// changes, which a power cut may leave as it likes: nothing of it is in anybody's way.
    pub fn leave(places: &Places) -> Outcome<Self> {
        let path = path(places);
        if !path.exists() && !sabotage::is(Break::NoNote) {
            plain::publish(&path, b"", Durability::Relaxed)?;
        }
        Ok(Self { path })
    }

    /// Says to which commits refs are about to move, once the group is durable.
    pub fn names(&self, commits: &[CommitId], group: &mut Group) -> Outcome<()> {
        if sabotage::is(Break::NoNote) {
            return Ok(());
        }
        let text: Vec<String> = commits.iter().map(|commit| format!("{commit}\n")).collect();
        let draft = self.path.with_extension("new");
        Ok(group.add(self.path.clone(), draft, text.concat().as_bytes(), 0o600)?)
    }

    /// Says that all is done.
    pub fn withdraw(self) -> Outcome<()> {
        Ok(plain::remove(&self.path)?)
    }
}

fn path(places: &Places) -> PathBuf {
    places.state.join("unfinished")
}

/// Returns the path of the draft of a new index.
pub fn index_draft(places: &Places) -> PathBuf {
    places.state.join("index.new")
}

/// Cleans up after the last run, if it died.
pub fn recover(places: &Places, git_folder: &Path, branch: &str) -> Outcome<()> {
    recover_shared(places, git_folder)?;
    // Git's library does not say when it could not take its own lock away again.
    for name in ["agreed.lock", "latest.lock", "late-writes.lock"] {
        plain::remove(&places.vault().join("refs/cfgsync").join(name))?;
    }
    clear_drafts(places)?;
    index::clear_lock_of_draft(&index_draft(places))?;
    recover_push(places, git_folder, branch)?;
    let Some(text) = plain::read_text(&path(places))? else { return Ok(()) };
    index::recover(git_folder, &index_draft(places))?;
    // Nobody else writes the vault or this ref.
    locks::remove_all(&places.vault())?;
    locks::remove_all(&git_folder.join("refs/cfgsync"))?;
    for lock in [format!("refs/heads/{branch}.lock"), "HEAD.lock".to_owned()] {
        locks::remove_own(&git_folder.join(lock), text.trim())?;
    }
    locks::remove_of_remotes(git_folder, branch, text.trim())?;
    for store in [places.vault(), git_folder.to_owned()] {
        set_aside_empty_objects(&store.join("objects"))?;
        clear_drafts_of_packs(&store.join("objects/pack"))?;
    }
    Ok(plain::remove(&path(places))?)
}

/// Cleans up after a run that died in another home with the same repository, and says nothing to this one.
pub fn recover_shared(places: &Places, git_folder: &Path) -> Outcome<()> {
    // Unlike the rest of `refs/cfgsync`, these are only written under the lock.
    locks::remove_all(&git_folder.join("refs/cfgsync/replaced"))?;
    Ok(plain::remove_draft(&Worktree::draft(&places.repo))?)
}

/// Cleans up after a push whose run died: Git notes on its own where the remote's branch is.
fn recover_push(places: &Places, git_folder: &Path, branch: &str) -> Outcome<()> {
    let note = places.state.join(PUSHING);
    let Some(noted) = Noted::read(&note)?.filter(|noted| !noted.is_alive) else { return Ok(()) };
    locks::remove_all(&git_folder.join("refs/cfgsync"))?;
    locks::remove_of_remotes(git_folder, branch, &noted.commit)?;
    noted.tidy(branch);
    Ok(plain::remove(&note)?)
}

/// Removes the desks of runs that died, what Git told them, and drafts that were never published.
fn clear_drafts(places: &Places) -> Outcome<()> {
    let state = &places.state;
    let draft_of_index = index_draft(places);
    for name in plain::names(state)? {
        let path = state.join(os(&name));
        if name.starts_with(desk::NAME.as_bytes()) {
            if !is_alive(&name) {
                plain::remove_draft(&path)?;
            }
        } else if name.starts_with(OUTPUT.as_bytes()) {
            if !is_alive(&name) {
                plain::remove(&path)?;
            }
        } else if name.ends_with(b".new") && path != draft_of_index && !path.is_dir() {
            // Whoever publishes in here holds the lock.
            plain::remove(&path)?;
        }
    }
    plain::remove(&backups::ahead::place(places))?;
    Ok(plain::remove(&backups::draft(places))?)
}

/// Returns whether the process runs whose number is the second part of a name.
fn is_alive(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name).into_owned();
    let pid = name.split('.').nth(1).and_then(|pid| pid.parse().ok());
    pid.is_some_and(crate::host::is_alive)
}

/// Removes what the library was writing when its run died: it alone names drafts so, and gives an
/// index its name before its pack.
fn clear_drafts_of_packs(packs: &Path) -> Outcome<()> {
    for name in plain::names(packs)? {
        let path = packs.join(os(&name));
        let is_alone = name.ends_with(b".idx") && !path.with_extension("pack").exists();
        if name.starts_with(b"pack_git2_") || name.ends_with(b".idx.lock") || is_alone {
            plain::remove(&path)?;
        }
    }
    Ok(())
}

/// A power cut leaves loose objects of no bytes, which Git takes for damage. They hold nothing, so
/// they can go; a draft of the library's own, of which nobody knows the name, can go too.
fn set_aside_empty_objects(objects: &Path) -> Outcome<()> {
    for folder in plain::names(objects)? {
        let folder_path = objects.join(os(&folder));
        if folder.starts_with(DRAFT.as_bytes()) {
            plain::remove(&folder_path)?;
        }
        if folder.len() != 2 {
            continue;
        }
        for name in plain::names(&folder_path)? {
            let path = folder_path.join(os(&name));
            if fs::symlink_metadata(&path).is_ok_and(|file| file.is_file() && file.len() == 0) {
                plain::remove(&path)?;
            }
        }
    }
    Ok(())
}
