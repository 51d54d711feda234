//! The user's own merge tool, started by `git mergetool` in a throw-away repository: git knows every
//! tool, and no live file is ever part of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use cfgsync_core::path::RepoPath;
use git2::{Repository, RepositoryInitOptions};

use super::program::clean;
use super::worktree::Worktree;
use super::{GitError, index};
use crate::failure::{Failure, Outcome};
use crate::fs::desk::Desk;
use crate::fs::dir::os;
use crate::fs::plain::{self, Durability};

/// Lets a person merge in the tool; none where the tool was left without a result.
pub fn run(
    worktree: &Worktree,
    desk: &Desk,
    path: &RepoPath,
    [base, ours, theirs]: [&[u8]; 3],
    marked: &[u8],
) -> Outcome<Option<Vec<u8>>> {
    let failed = || GitError::on("prepare the merge tool");
    let root = desk.folder().join("mergetool");
    let mut options = RepositoryInitOptions::new();
    options.external_template(false);
    let repository = Repository::init_opts(&root, &options).map_err(failed())?;
    let name = path.name();
    let mut unmerged = repository.index().map_err(failed())?;
    for (stage, bytes) in (1u16..).zip([base, ours, theirs]) {
        let id = repository.blob(bytes).map_err(failed())?;
        let mut entry = index::entry(name, id, 0o100_644);
        // Bits 12 and 13 are the stage (git's index format).
        entry.flags = stage << 12;
        unmerged.add(&entry).map_err(failed())?;
    }
    unmerged.write().map_err(failed())?;
    let file = root.join(os(name));
    plain::publish(&file, marked, Durability::Relaxed)?;
    let status = command(worktree, &root, &file).status().map_err(|error| {
        Failure::error(format!("could not start `git mergetool`: {error}"))
            .hint("Install git, or put it on PATH.")
    })?;
    Ok(if status.success() { plain::read(&file)? } else { None })
}

fn command(worktree: &Worktree, root: &Path, file: &PathBuf) -> Command {
    let mut command = clean("git");
    command.arg("-C").arg(root).args(["-c", "mergetool.keepBackup=false"]);
    for (key, value) in worktree.settings("^merge(\\.tool|tool\\.)") {
        command.arg("-c").arg(format!("{key}={value}"));
    }
    command.args(["mergetool", "--no-prompt", "--"]).arg(file);
    command
}
