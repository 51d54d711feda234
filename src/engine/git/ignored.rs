//! What ignore rules keep on this machine, as Git takes them: what lies in a folder that is ignored is
//! ignored, whatever another rule takes back. The library takes it back.

use std::path::Path;

use cfgsync_core::path::RepoPath;

use super::GitError;
use super::worktree::Worktree;
use crate::failure::Outcome;
use crate::fs::dir::os;

impl Worktree {
    /// Returns true for a path the user's ignore rules exclude.
    pub fn is_ignored(&self, path: &RepoPath) -> Outcome<bool> {
        for folder in path.ancestors() {
            if self.is_ignored_folder(&folder)? {
                return Ok(true);
            }
        }
        self.is_ignored_itself(path)
    }

    /// Returns the same of a path above which no folder is ignored.
    pub fn is_ignored_itself(&self, path: &RepoPath) -> Outcome<bool> {
        self.is_excluded(path, path.as_bytes())
    }

    /// Returns true for a folder that the rules exclude, whether or not it is there.
    pub fn is_ignored_folder(&self, path: &RepoPath) -> Outcome<bool> {
        self.is_excluded(path, &[path.as_bytes(), b"/"].concat())
    }

    fn is_excluded(&self, path: &RepoPath, name: &[u8]) -> Outcome<bool> {
        let ignored = self.store().is_path_ignored(Path::new(os(name)));
        Ok(ignored.map_err(GitError::on(format!("read the ignore rules for {path}")))?)
    }
}
