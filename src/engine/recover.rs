//! Cleans up after a run that died: the lock proves that it is dead, the note it left says what it
//! was doing. What the user's own Git left behind is never touched.

use std::fs;
use std::path::{Path, PathBuf};

use crate::context::Places;
use crate::failure::Outcome;
use crate::fs::desk;
use crate::fs::plain::{self, Durability};
use crate::git::program::OUTPUT;
use crate::git::{CommitId, index};
use crate::sabotage::{self, Break};

/// Written before a run changes anything, and removed when it is done.
#[derive(Debug)]
pub struct Note {
    path: PathBuf,
}

impl Note {
    /// Says that a run is about to change things.
    pub fn leave(places: &Places) -> Outcome<Self> {
        let path = path(places);
        if !path.exists() && !sabotage::is(Break::NoNote) {
            plain::publish(&path, b"", Durability::Synced)?;
        }
        Ok(Self { path })
    }

    /// Says to which commits refs are about to move.
    pub fn names(&self, commits: &[CommitId]) -> Outcome<()> {
        if sabotage::is(Break::NoNote) {
            return Ok(());
        }
        let text: Vec<String> = commits.iter().map(|commit| format!("{commit}\n")).collect();
        Ok(plain::publish(&self.path, text.concat().as_bytes(), Durability::Synced)?)
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
    // Git's library does not say when it could not take its own lock away again.
    for name in ["agreed.lock", "latest.lock", "late-writes.lock"] {
        plain::remove(&places.vault().join("refs/cfgsync").join(name))?;
    }
    clear_drafts(places)?;
    let Some(text) = plain::read_text(&path(places))? else { return Ok(()) };
    index::recover(git_folder, &index_draft(places))?;
    // Nobody else writes the vault or this ref.
    remove_locks(&places.vault())?;
    remove_locks(&git_folder.join("refs/cfgsync"))?;
    for lock in [format!("refs/heads/{branch}.lock"), "HEAD.lock".to_owned()] {
        remove_own_ref_lock(&git_folder.join(lock), text.trim())?;
    }
    for name in plain::names(&git_folder.join("refs/remotes"))? {
        let remote = git_folder.join("refs/remotes").join(crate::fs::dir::os(&name));
        remove_own_ref_lock(&remote.join(format!("{branch}.lock")), text.trim())?;
    }
    for store in [places.vault(), git_folder.to_owned()] {
        set_aside_empty_objects(&store.join("objects"))?;
    }
    Ok(plain::remove(&path(places))?)
}

/// Removes the desks of runs that died, what Git told them, and drafts that were never published.
fn clear_drafts(places: &Places) -> Outcome<()> {
    let state = &places.state;
    let draft_of_index = index_draft(places);
    for name in plain::names(state)? {
        let path = state.join(crate::fs::dir::os(&name));
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
    Ok(plain::remove(&crate::backups::draft(places))?)
}

/// Returns whether the process runs whose number is the second part of a name.
fn is_alive(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name).into_owned();
    let pid = name.split('.').nth(1).and_then(|pid| pid.parse().ok());
    pid.is_some_and(crate::host::is_alive)
}

/// A ref lock is ours when it holds a commit we were about to set, or nothing yet.
fn remove_own_ref_lock(lock: &Path, commits: &str) -> Outcome<()> {
    let Some(text) = plain::read_text(lock)? else { return Ok(()) };
    let is_named = commits.lines().any(|commit| commit == text.trim());
    if !commits.is_empty() && (text.is_empty() || is_named) {
        plain::remove(lock)?;
    }
    Ok(())
}

fn remove_locks(folder: &Path) -> Outcome<()> {
    for name in plain::names(folder)? {
        let path = folder.join(crate::fs::dir::os(&name));
        if path.is_dir() && !path.is_symlink() {
            remove_locks(&path)?;
        } else if name.ends_with(b".lock") {
            plain::remove(&path)?;
        }
    }
    Ok(())
}

/// A power cut leaves loose objects of no bytes, which Git takes for damage. They hold nothing, so
/// they can go; a draft of the library's own, of which nobody knows the name, can go too.
fn set_aside_empty_objects(objects: &Path) -> Outcome<()> {
    for folder in plain::names(objects)? {
        let folder_path = objects.join(crate::fs::dir::os(&folder));
        if folder.starts_with(b"tmp_object_git2_") {
            plain::remove(&folder_path)?;
        }
        if folder.len() != 2 {
            continue;
        }
        for name in plain::names(&folder_path)? {
            let path = folder_path.join(crate::fs::dir::os(&name));
            if fs::symlink_metadata(&path).is_ok_and(|file| file.is_file() && file.len() == 0) {
                plain::remove(&path)?;
            }
        }
    }
    Ok(())
}
