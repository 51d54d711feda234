//! What ignore files and attributes would say, were they others: a repository on a desk that holds
//! nothing but them. It is asked as the real one is, and nothing of it is ever written elsewhere.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cfgsync_core::arrival::rules::Rules;
use cfgsync_core::path::RepoPath;

use super::GitError;
use super::worktree::Worktree;
use crate::failure::Outcome;
use crate::fs::desk::Desk;
use crate::fs::dir::os;
use crate::fs::plain::{self, Durability};

/// Git's own files in a repository that say what is ignored, and what attributes there are.
const OWN: [&str; 2] = ["info/exclude", "info/attributes"];

/// Settings of the repository's own that change what a rule means.
const MEANING: [&str; 2] = ["core.ignoreCase", "core.precomposeUnicode"];

/// Ignore files and attributes without the files that they speak of.
pub struct Rulebook {
    worktree: Worktree,
    desk: Desk,
}

impl Rulebook {
    /// Opens one that holds nothing but what lies in Git's own folder of a repository.
    pub fn open(of: &Worktree, desk: Desk) -> Outcome<Self> {
        let worktree = Worktree::create(&desk.folder().join("rules"), "rules", None)?;
        plain::make_private(&worktree.git_folder().join("info"))?;
        for name in OWN {
            if let Some(bytes) = plain::read(&of.git_folder().join(name))? {
                plain::publish(&worktree.git_folder().join(name), &bytes, Durability::Relaxed)?;
            }
        }
        let book = Self { worktree, desk };
        for key in MEANING {
            if let Some(value) = of.setting(key) {
                book.set(key, &value)?;
            }
        }
        Ok(book)
    }

    /// Puts a file of rules where it lies in the repository.
    pub fn put(&self, path: &RepoPath, bytes: &[u8]) -> Outcome<()> {
        let place = self.place(path);
        if let Some(above) = place.parent() {
            plain::make_private(above)?;
        }
        Ok(plain::publish(&place, bytes, Durability::Relaxed)?)
    }

    /// Takes these bytes for the user's own rules outside the repository.
    pub fn put_of_user(&self, rules: Rules, bytes: &[u8]) -> Outcome<()> {
        let (name, key) = match rules {
            Rules::Ignore => ("ignore-of-user", "core.excludesFile"),
            Rules::Attributes => ("attributes-of-user", "core.attributesFile"),
        };
        let place = self.worktree.git_folder().join(name);
        plain::publish(&place, bytes, Durability::Relaxed)?;
        self.set(key, &place.to_string_lossy())
    }

    /// Returns true for a file that the rules keep on this machine.
    pub fn ignores(&self, path: &RepoPath) -> Outcome<bool> {
        self.worktree.is_ignored(path)
    }

    /// Returns true for a folder that the rules keep on this machine.
    pub fn ignores_folder(&self, path: &RepoPath) -> Outcome<bool> {
        self.worktree.is_ignored_folder(path)
    }

    /// Returns the filters that the attributes give these files.
    pub fn filters<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a RepoPath>,
    ) -> Outcome<BTreeMap<RepoPath, String>> {
        self.worktree.filters(paths, self.desk.folder())
    }

    fn place(&self, path: &RepoPath) -> PathBuf {
        self.worktree.root().join(os(path.as_bytes()))
    }

    fn set(&self, key: &str, value: &str) -> Outcome<()> {
        let config = self.worktree.store().config();
        let set = config.and_then(|mut config| config.set_str(key, value));
        self.worktree.forget_settings();
        Ok(set.map_err(GitError::on(format!("set {key} on a desk")))?)
    }
}
