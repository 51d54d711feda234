//! At which places of this machine a person let files in, once and for good: kept in the state folder,
//! because whoever can push could write to the repository.

use std::collections::{BTreeMap, BTreeSet};

use cfgsync_core::arrival::unasked;
use cfgsync_core::escape::{escape, unescape};
use cfgsync_core::path::RepoPath;
use cfgsync_core::plan::{Held, Why};

use crate::context::Places;
use crate::failure::Outcome;
use crate::fs::dir::os;
use crate::fs::plain::{self, Durability};

const CONSENTED: &str = "consented";
const HEADING: &str = "cfgsync consented places 1";

/// Reads the places.
pub fn read(places: &Places) -> Outcome<BTreeSet<RepoPath>> {
    let text = plain::read_text(&places.state.join(CONSENTED))?.unwrap_or_default();
    let mut lines = text.lines();
    if lines.next() != Some(HEADING) {
        return Ok(BTreeSet::new());
    }
    Ok(lines.filter_map(|line| RepoPath::new(unescape(line)?).ok()).collect())
}

/// Adds places, and all in them where they are folders.
pub fn give(places: &Places, given: impl IntoIterator<Item = RepoPath>) -> Outcome<()> {
    let before = read(places)?;
    let mut after = before.clone();
    after.extend(given);
    write(places, &before, &after)
}

/// Takes places away that are no longer shared, with all in them.
pub fn take_back(places: &Places, gone: &[RepoPath]) -> Outcome<()> {
    let before = read(places)?;
    let mut after = before.clone();
    after.retain(|path| !gone.iter().any(|gone| path.is_within(gone)));
    write(places, &before, &after)
}

/// Takes what would come back at a place that programs run, without a file that stands there and
/// without consent, out of units, and returns it with who runs it. What was kept while it waited for
/// consent is thus no way around it. `meant` are places that a person named just now.
pub fn withhold<V>(
    places: &Places,
    meant: &[RepoPath],
    coming: &mut BTreeMap<RepoPath, V>,
    comes: impl Fn(&V) -> bool,
) -> Outcome<BTreeMap<RepoPath, &'static str>> {
    let mut consented = read(places)?;
    consented.extend(meant.iter().cloned());
    let stands = |path: &RepoPath| {
        let home = path.home().map(|home| places.home.join(os(home.as_bytes())));
        home.is_some_and(|home| home.symlink_metadata().is_ok())
    };
    let mut withheld = BTreeMap::new();
    coming.retain(|path, version| {
        let runs = unasked(path, &consented).filter(|_| comes(version) && !stands(path));
        withheld.extend(runs.map(|runs| (path.clone(), runs)));
        runs.is_none()
    });
    Ok(withheld)
}

/// Returns the units of which consent holds for what comes later, too.
pub fn lasting(held: &[Held]) -> impl Iterator<Item = RepoPath> {
    let lasts = |held: &&Held| matches!(held.why, Why::Doubt(doubt) if doubt.is_of_the_place());
    held.iter().filter(lasts).map(|held| held.path.clone())
}

fn write(places: &Places, before: &BTreeSet<RepoPath>, after: &BTreeSet<RepoPath>) -> Outcome<()> {
    if before == after {
        return Ok(());
    }
    let lines = after.iter().map(|path| format!("{}\n", escape(path.as_bytes())));
    let text = format!("{HEADING}\n{}", lines.collect::<String>());
    Ok(plain::publish(&places.state.join(CONSENTED), text.as_bytes(), Durability::Synced)?)
}
