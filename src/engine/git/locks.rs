//! Locks of refs that a run left behind when it died, and which of them are ours to remove.

use std::path::Path;

use crate::failure::Outcome;
use crate::fs::dir::os;
use crate::fs::plain;

/// Removes the locks of remote-tracking branches that were about to move to these commits.
pub fn remove_of_remotes(git_folder: &Path, branch: &str, commits: &str) -> Outcome<()> {
    for name in plain::names(&git_folder.join("refs/remotes"))? {
        let remote = git_folder.join("refs/remotes").join(os(&name));
        remove_own(&remote.join(format!("{branch}.lock")), commits)?;
    }
    Ok(())
}

/// A ref lock of a run that died is ours when it holds a commit that run was about to set, or the
/// beginning of one.
pub fn remove_own(lock: &Path, commits: &str) -> Outcome<()> {
    let Some(text) = plain::read_text(lock)? else { return Ok(()) };
    let is_named = commits.lines().any(|commit| commit.starts_with(text.trim()));
    if is_named { Ok(plain::remove(lock)?) } else { Ok(()) }
}

/// Removes every lock below a folder that nobody but cfgsync writes.
pub fn remove_all(folder: &Path) -> Outcome<()> {
    for name in plain::names(folder)? {
        let path = folder.join(os(&name));
        if path.is_dir() && !path.is_symlink() {
            remove_all(&path)?;
        } else if name.ends_with(b".lock") {
            plain::remove(&path)?;
        }
    }
    Ok(())
}
