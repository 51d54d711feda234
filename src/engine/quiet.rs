//! How a run knows that nothing happened since the last one, without reading any tree.
//!
//! A run that leaves everything in sync writes down where the branch, upstream and the agreement
//! stood, and a digest of everything it saw on disk. When the next look comes to the same, there is
//! nothing to do. A missing or foreign note only costs a longer look.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use cfgsync_core::escape::{escape, unescape};
use cfgsync_core::observed::Local;
use cfgsync_core::path::RepoPath;
use cfgsync_core::shared::Shared;

use crate::context::Places;
use crate::failure::Outcome;
use crate::fs::plain::{self, Durability};
use crate::git::CommitId;
use crate::session::Session;

const HEADING: &str = "cfgsync quiet 1";

/// What the last run that left everything in sync wrote down.
#[derive(Debug, Default)]
pub struct Quiet {
    key: String,
    text: String,
}

impl Quiet {
    /// Reads the note; none where there is none of ours.
    pub fn read(places: &Places) -> Outcome<Option<Self>> {
        let Some(text) = plain::read_text(&path(places))? else { return Ok(None) };
        let mut lines = text.lines();
        let key = lines.next().and_then(|line| line.strip_prefix(HEADING));
        let Some(key) = key.map(|key| key.trim().to_owned()) else { return Ok(None) };
        Ok(Some(Self { key, text }))
    }

    /// Returns the units there were.
    pub fn known(&self) -> Shared<BTreeSet<RepoPath>> {
        let lines = self.text.lines().skip(1);
        lines.filter_map(|line| RepoPath::new(unescape(line)?).ok()).collect()
    }

    /// Returns true when everything stands as it was written down, with upstream and the branch there.
    pub fn holds(
        &self,
        session: &Session<'_>,
        tips: [Option<CommitId>; 2],
        local: &Local,
    ) -> Outcome<bool> {
        Ok(local.findings.is_empty() && self.key == key(session, tips, local)?)
    }

    /// Writes the note, of a look that found upstream and the branch there.
    pub fn write(session: &Session<'_>, tips: [Option<CommitId>; 2], local: &Local) -> Outcome<()> {
        let mut text = format!("{HEADING} {}\n", key(session, tips, local)?);
        let units: BTreeSet<&RepoPath> =
            local.stored.units.keys().chain(local.live.keys()).collect();
        for unit in units {
            text.push_str(&escape(unit.as_bytes()));
            text.push('\n');
        }
        let places = &session.context.places;
        Ok(plain::publish(&path(places), text.as_bytes(), Durability::Relaxed)?)
    }
}

fn path(places: &Places) -> std::path::PathBuf {
    places.state.join("quiet")
}

/// Everything a sync depends on, in one word. The hash may differ between builds of this program,
/// which costs one longer look.
fn key(session: &Session<'_>, tips: [Option<CommitId>; 2], local: &Local) -> Outcome<String> {
    let mut hasher = DefaultHasher::new();
    format!("{:?}", (&session.branch, &session.remote, session.policy()?)).hash(&mut hasher);
    (tips, session.vault.agreement()?).hash(&mut hasher);
    (&local.stored, &local.live).hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish()))
}
