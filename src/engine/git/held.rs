//! The versions of held units in the vault: what both sides hold stays while a person decides.

use cfgsync_core::path::RepoPath;
use cfgsync_core::plan::Held;
use cfgsync_core::unit::{Kind, Version};
use git2::Oid;

use super::vault::Vault;
use super::{GitError, trees};
use crate::failure::Outcome;

const HELD: &str = "refs/cfgsync/held";

impl Vault {
    /// Keeps the versions of the units that are held, and lets go of those that no longer are.
    pub fn keep_held(&self, held: &[Held]) -> Outcome<()> {
        let name = |path: &RepoPath| {
            let id = crate::fs::look::blob_id(path.as_bytes());
            format!("{HELD}/{id}")
        };
        let wanted: Vec<String> = held.iter().map(|held| name(&held.path)).collect();
        for known in self.refs_below(HELD)? {
            if !wanted.contains(&known) {
                self.unset(&known)?;
            }
        }
        for (held, name) in held.iter().zip(&wanted) {
            let tree = self.sides_tree(held)?;
            let known = self.target(name)?.map(|commit| self.store().find_commit(commit.0));
            if !known.is_some_and(|commit| commit.is_ok_and(|commit| commit.tree_id() == tree)) {
                let commit = self.commit(tree, &format!("held {}\n", held.path), &[])?;
                self.set(name, commit)?;
            }
        }
        Ok(())
    }

    /// Returns the units that were held when the last run ended; of names with control characters, none.
    pub fn held(&self) -> Outcome<Vec<RepoPath>> {
        let mut held = Vec::new();
        for name in self.refs_below(HELD)? {
            let Some(commit) = self.target(&name)? else { continue };
            let commit = self.store().find_commit(commit.0).map_err(GitError::on(&*name))?;
            let path = commit.message_bytes().strip_prefix(b"held ").unwrap_or_default();
            held.extend(RepoPath::new(path.trim_ascii_end()));
        }
        Ok(held)
    }

    fn sides_tree(&self, held: &Held) -> Outcome<Oid> {
        let failed = || GitError::on(format!("keep the versions of {}", held.path));
        let mut builder = self.store().treebuilder(None).map_err(failed())?;
        let sides =
            [("base", held.sides.base), ("ours", held.sides.ours), ("theirs", held.sides.theirs)];
        for (name, version) in sides {
            let Some(Version { kind, mode, blob }) = version else { continue };
            let filemode = match (kind, mode.is_executable()) {
                (Kind::Link, _) => 0o120_000,
                (Kind::File, true) => 0o100_755,
                (Kind::File, false) => 0o100_644,
            };
            builder.insert(name, trees::oid(blob), filemode).map_err(failed())?;
        }
        Ok(builder.write().map_err(failed())?)
    }
}
