//! Whose hooks run at a push: those that Git LFS needs to send its files, and never what lies in the working
//! tree, where it comes from the remote.

use std::path::{Path, PathBuf};

use cfgsync_core::path::EXTERNAL;

use super::program::Hooks;
use super::worktree::Worktree;
use crate::failure::{Code, Failure, Outcome};
use crate::fs::plain;

/// The hooks that a push runs: Git LFS sends its files from the first.
const AT_PUSH: [&str; 2] = ["pre-push", "reference-transaction"];

impl Worktree {
    /// Returns whether hooks run: where Git LFS needs one. Without it, its files would stay here, so a
    /// hook that must not run is an error.
    pub fn hooks(&self) -> Outcome<Hooks> {
        if self.setting("filter.lfs.process").is_none() {
            return Ok(Hooks::Off);
        }
        let places =
            [self.root().join(".gitattributes"), self.git_folder().join("info/attributes")];
        let mut has_files = false;
        for place in places {
            has_files |= plain::read_text(&place)?.is_some_and(|text| text.contains("filter=lfs"));
        }
        if !has_files {
            return Ok(Hooks::Off);
        }
        match self.shared_hook() {
            None => Ok(Hooks::Own),
            Some(place) => Err(Failure::new(
                Code::Refused,
                format!(
                    "git would run {} for Git LFS, which comes from the remote; nothing was sent",
                    place.display()
                ),
            )
            .hint(
                "Set `core.hooksPath` to a folder that is not shared, then run `git lfs install`.",
            )),
        }
    }

    /// Returns what comes from the remote of the hooks that a push runs. What is marked is none of it: a
    /// hook there was let in on this machine.
    fn shared_hook(&self) -> Option<PathBuf> {
        let folder = self.hooks_folder();
        let marked = self.root().join(EXTERNAL);
        if self.is_in_tree(&folder) {
            return Some(folder);
        }
        let mut hooks = AT_PUSH.iter().map(|name| folder.join(name));
        hooks.find(|hook| self.is_in_tree(hook) && !real(hook).starts_with(real(&marked)))
    }

    /// Returns the folder from which Git runs hooks.
    pub fn hooks_folder(&self) -> PathBuf {
        let Some(named) = self.setting("core.hooksPath") else {
            return self.refs_folder().join("hooks");
        };
        match named.strip_prefix("~/") {
            Some(below) => crate::context::home().unwrap_or_default().join(below),
            None => self.root().join(named),
        }
    }

    /// Returns true for what lies among the files that are shared, also by way of links.
    fn is_in_tree(&self, place: &Path) -> bool {
        let is_gits = [self.git_folder(), self.refs_folder()];
        let place = real(place);
        place.starts_with(real(self.root()))
            && !is_gits.iter().any(|own| place.starts_with(real(own)))
    }
}

fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
