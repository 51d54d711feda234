//! Units that cannot stand beside one another on one disk.

use std::collections::{BTreeMap, BTreeSet};

use crate::fold::fold;
use crate::observed::Observation;
use crate::path::RepoPath;
use crate::plan::Why;
use crate::verdict::Verdict;

/// Where a file and a folder of one name meet, upstream's side stands and this machine's waits.
pub fn hold_files_against_folders(verdicts: &mut BTreeMap<RepoPath, Verdict>) {
    let standing: BTreeSet<RepoPath> = verdicts
        .iter()
        .filter(|(_, verdict)| {
            let is_held = verdict.held.is_some() && verdict.shown.is_some();
            verdict.result.is_some() || is_held
        })
        .map(|(path, _)| path.clone())
        .collect();
    let mut clashing = BTreeSet::new();
    for path in &standing {
        for folder in path.ancestors().filter(|folder| standing.contains(folder)) {
            clashing.insert(path.clone());
            clashing.insert(folder);
        }
    }
    for path in clashing {
        if let Some(verdict) = verdicts.get_mut(&path) {
            verdict.result = verdict.sides.theirs;
            verdict.change = None;
            verdict.held = Some(Why::FileAgainstFolder);
        }
    }
}

/// Of two names this disk takes for one, the file that is already here stays; the other waits.
pub fn hold_same_names(verdicts: &mut BTreeMap<RepoPath, Verdict>, observation: &Observation) {
    let mut by_name: BTreeMap<Vec<u8>, Vec<RepoPath>> = BTreeMap::new();
    for (path, verdict) in verdicts.iter() {
        if verdict.result.is_some() {
            by_name.entry(fold(path.as_bytes())).or_default().push(path.clone());
        }
    }
    for twins in by_name.into_values().filter(|twins| twins.len() > 1) {
        let here = twins.iter().find(|path| observation.stored(path).is_some()).cloned();
        let stays = here.unwrap_or_else(|| twins[0].clone());
        for path in twins.into_iter().filter(|path| *path != stays) {
            if let Some(verdict) = verdicts.get_mut(&path) {
                verdict.result = verdict.sides.theirs;
                verdict.change = None;
                verdict.held = Some(Why::SameName);
            }
        }
    }
}
