//! Trying a connection to the remote with configuration that is not in force yet.

use std::path::Path;

use cfgsync_core::address::Reached;
use cfgsync_core::path::HomePath;

use super::program::{self, Limits};
use super::remote::Remote;
use super::trouble::failure;
use crate::failure::Outcome;

/// What stands in for the user's own on a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// Git's configuration.
    Git,
    /// The configuration of ssh.
    Ssh,
    /// The hosts that ssh knows.
    KnownHosts,
}

impl Trial {
    /// Returns what a file of the home is to a connection; none where it is nothing, or where a copy
    /// at another place would not mean the same.
    pub fn of(home: &HomePath) -> Option<Self> {
        match home.as_bytes() {
            b".gitconfig" => Some(Self::Git),
            b".ssh/config" => Some(Self::Ssh),
            b".ssh/known_hosts" => Some(Self::KnownHosts),
            _ => None,
        }
    }
}

/// Asks the remote for its branch with a copy in the place of the user's own file. Returns what went
/// wrong; nothing where all went well, or where it does not matter for this remote.
pub fn attempt(remote: &Remote<'_>, trial: Trial, copy: &Path) -> Outcome<Option<String>> {
    let url = remote.worktree.remote_url(remote.name).unwrap_or_default();
    let by_ssh = matches!(Reached::of(&url), Reached::Ssh { .. });
    let is_used = match trial {
        Trial::Git => !matches!(Reached::of(&url), Reached::Folder(_)),
        Trial::Ssh | Trial::KnownHosts => by_ssh,
    };
    let quoted = format!("'{}'", copy.display().to_string().replace('\'', r"'\''"));
    let ssh = match (&remote.ssh, trial) {
        (Some(ssh), Trial::Ssh) if !names_a_file(ssh, "-F") => Some(format!("{ssh} -F {quoted}")),
        (Some(ssh), Trial::KnownHosts) if !names_a_file(ssh, "KnownHosts") => {
            Some(format!("{ssh} -oUserKnownHostsFile={quoted}"))
        }
        (ssh, Trial::Git) => ssh.clone(),
        // Their own command says which file is read, and it is not this one.
        (_, Trial::Ssh | Trial::KnownHosts) => return Ok(None),
    };
    if !is_used {
        return Ok(None);
    }
    let arguments = ["ls-remote", "--end-of-options", remote.name, "HEAD"];
    let limits: Limits = remote.limits;
    let global = (trial == Trial::Git).then_some(copy);
    let answer = program::run_with_global(
        remote.worktree.root(),
        ssh.as_deref(),
        limits,
        remote.scratch,
        global,
        &arguments,
    )?;
    if answer.code == Some(0) {
        return Ok(None);
    }
    Ok(Some(failure("no connection with it", &url, &answer).cause))
}

fn names_a_file(ssh: &str, option: &str) -> bool {
    ssh.split_whitespace().any(|word| word.contains(option))
}
