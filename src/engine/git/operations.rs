//! Operations in the vault, each under a number of its own, with every version it names.

use std::collections::BTreeMap;

use cfgsync_core::operation::{Operation, text};
use cfgsync_core::path::RepoPath;
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::Version;

use super::trees::{FILE, FOLDER};
use super::vault::Vault;
use super::{GitError, trees};
use crate::failure::Outcome;

const OPERATIONS: &str = "refs/cfgsync/operations";

/// How many operations can be taken back.
const KEPT: u64 = 500;

/// The name of the text in an operation's tree.
const TEXT: &str = "operation";

impl Vault {
    /// Keeps an operation under its number, or under the next one.
    pub fn keep_operation(
        &self,
        number: Option<u64>,
        title: &str,
        operation: &Operation,
    ) -> Outcome<u64> {
        let number = match number {
            Some(number) => number,
            None => self.operations()?.last().map_or(1, |last| last + 1),
        };
        let failed = || GitError::on("keep what an operation changes");
        let text = trees::oid(self.put(text::format(operation).as_bytes())?);
        let mut entries = vec![(TEXT.as_bytes(), text, FILE)];
        for (name, side) in sides(operation) {
            entries.push((name.as_bytes(), self.write_apart(&side)?, FOLDER));
        }
        let tree = self.write_folder(entries).map_err(failed())?;
        let commit = self.commit(tree, &format!("{title}\n"), &[])?;
        self.set(&name(number), commit)?;
        if number > KEPT && self.target(&name(number - KEPT))?.is_some() {
            self.unset(&name(number - KEPT))?;
        }
        Ok(number)
    }

    /// Returns an operation, none when it is not kept, or not understood.
    pub fn operation(&self, number: u64) -> Outcome<Option<Operation>> {
        let Some(commit) = self.target(&name(number))? else { return Ok(None) };
        let failed = || GitError::on(format!("read operation {number}"));
        let tree = self.store().find_commit(commit.0).and_then(|commit| commit.tree());
        let tree = tree.map_err(failed())?;
        let Some(blob) = tree.get_name(TEXT).map(|entry| trees::blob_id(entry.id())) else {
            return Ok(None);
        };
        Ok(text::parse(&String::from_utf8_lossy(&self.bytes(blob)?)))
    }

    /// Returns the units of this machine as the last run left them: those of the newest snapshot,
    /// with what the last operation made of them after it.
    pub fn last_state(&self) -> Outcome<BTreeMap<RepoPath, Version>> {
        let Some((latest, _)) = self.latest()? else { return Ok(BTreeMap::new()) };
        let mut units = self.read(latest)?.units.into_inner();
        let last = self.operations()?.last().copied();
        let operation = last.map(|number| self.operation(number)).transpose()?.flatten();
        for (path, (before, after)) in operation.unwrap_or_default().units {
            if units.get(&path).copied() == before {
                match after {
                    Some(version) => units.insert(path, version),
                    None => units.remove(&path),
                };
            }
        }
        Ok(units)
    }

    /// Returns the numbers of the operations that are kept, the oldest first.
    pub fn operations(&self) -> Outcome<Vec<u64>> {
        let mut numbers: Vec<u64> =
            self.names_below(OPERATIONS)?.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

fn name(number: u64) -> String {
    format!("{OPERATIONS}/{number:09}")
}

/// The versions an operation names, as trees that keep them.
fn sides(operation: &Operation) -> [(&'static str, Tree); 4] {
    let tree = |units: Vec<(&RepoPath, Option<Version>)>| {
        let units = units.into_iter().filter_map(|(path, unit)| Some((path.clone(), unit?)));
        Tree { units: units.collect(), ..Tree::default() }
    };
    let (units, overruled) = (&operation.units, &operation.overruled);
    [
        ("before", tree(units.iter().map(|(path, turn)| (path, turn.0)).collect())),
        ("after", tree(units.iter().map(|(path, turn)| (path, turn.1)).collect())),
        ("theirs", tree(overruled.iter().map(|(path, then)| (path, then.theirs)).collect())),
        ("base", tree(overruled.iter().map(|(path, then)| (path, then.base)).collect())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use cfgsync_core::time::UnixTime;
    use std::process::Command;

    #[test]
    fn the_next_number_follows_refs_that_are_packed_loose_or_waiting() {
        let path = std::env::temp_dir().join(format!("cfgsync-operations-{}", std::process::id()));
        let vault = Vault::open(&path, UnixTime(0)).unwrap();
        let keep = || vault.keep_operation(None, "sync", &Operation::default()).unwrap();
        assert_eq!([keep(), keep()], [1, 2]);
        let packed = Command::new("git").arg("-C").arg(&path).args(["pack-refs", "--all"]).status();
        assert!(packed.unwrap().success());
        assert_eq!(keep(), 3);
        vault.gather();
        assert_eq!([keep(), keep()], [4, 5]);
        vault.unset(&name(4)).unwrap();
        assert_eq!(vault.operations().unwrap(), [1, 2, 3, 5]);
        vault.make_durable().unwrap();
        assert_eq!(vault.operations().unwrap(), [1, 2, 3, 5]);
        crate::fs::plain::remove_draft(&path).unwrap();
    }
}
