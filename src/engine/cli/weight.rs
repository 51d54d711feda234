//! How much a mark weighs: the size of what is shared under it, and how often that changes.

use std::collections::BTreeMap;

use cfgsync_core::path::RepoPath;

use crate::context::Context;
use crate::failure::Outcome;
use crate::fs::dir::os;
use crate::picture::Picture;
use crate::record::{self, name};

/// The days over which changes are counted.
pub const DAYS: u64 = 30;

/// What is known of one mark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weight {
    /// Bytes of its files, as they lie on this disk.
    pub bytes: u64,
    /// Changes of its files, here or from elsewhere, that this machine saw in the last days.
    pub changes: usize,
}

/// Changes of the last days, by the name of the file.
pub struct Churn(BTreeMap<String, usize>);

impl Churn {
    /// Counts what the history of this machine tells.
    pub fn read(context: &Context) -> Outcome<Self> {
        let since = context.now.seconds().saturating_sub(DAYS * 24 * 60 * 60);
        let mut counts = BTreeMap::new();
        let lines = record::read_history(&context.places)?;
        for path in lines.iter().filter(|line| line.at >= since).flat_map(|line| &line.paths) {
            let change = path.split_once(' ').filter(|(deed, _)| !deed.ends_with("marked"));
            if let Some((_, name)) = change {
                *counts.entry(name.to_owned()).or_insert(0) += 1;
            }
        }
        Ok(Self(counts))
    }

    /// Weighs what is shared below a path.
    pub fn weigh(&self, context: &Context, picture: &Picture, top: &RepoPath) -> Weight {
        let mut weight = Weight::default();
        let units = picture.observation.local.stored.units.keys();
        for unit in units.filter(|unit| unit.is_within(top)) {
            let file = context.places.repo.join(os(unit.as_bytes()));
            weight.bytes += std::fs::symlink_metadata(file).map_or(0, |file| file.len());
            weight.changes += self.0.get(&name(unit)).copied().unwrap_or(0);
        }
        weight
    }
}
