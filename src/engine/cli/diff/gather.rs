//! Finds what there is to show: each unit that differs, by side, with the bytes of both versions.

use std::borrow::Cow;
use std::collections::BTreeSet;

use cfgsync_core::manifest::{MANIFEST, Manifest};
use cfgsync_core::observed::{Finding, Observation};
use cfgsync_core::path::RepoPath;
use cfgsync_core::plan::{Deed, Held, Why};
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::{Kind, Mode, Sides, Version};

use super::entry::{Between, Content, Entry, Side};
use crate::failure::Outcome;
use crate::fs::look::blob_id;
use crate::picture::Picture;
use crate::session::Session;
use crate::sync::rehearsal::Rehearsal;
use crate::ui::report;

/// What is asked for.
pub struct Wanted {
    /// The sides.
    pub sides: Vec<Side>,
    /// The files, and the folders above them; none for everything.
    pub below: Option<Vec<RepoPath>>,
}

impl Wanted {
    fn holds(&self, path: &RepoPath) -> bool {
        self.below.as_ref().is_none_or(|below| below.iter().any(|limit| path.is_within(limit)))
    }
}

/// Returns upstream's side. A remote that holds nothing yet gets everything.
pub fn upstream<'a>(session: &Session<'_>, picture: &'a Picture) -> Cow<'a, Tree> {
    let observation = &picture.observation;
    match &observation.theirs {
        None if session.remote.is_some() => Cow::Owned(Tree::default()),
        _ => Cow::Borrowed(observation.upstream()),
    }
}

/// Finds everything that is asked for.
pub fn gather(
    session: &Session<'_>,
    rehearsal: &Rehearsal,
    wanted: &Wanted,
) -> Outcome<Vec<Entry>> {
    let mut entries = Vec::new();
    for side in &wanted.sides {
        let upstream = upstream(session, &rehearsal.picture);
        match side {
            Side::Here => {
                let ours = &rehearsal.picture.observation.ours;
                entries.extend(changed(session, rehearsal, wanted, (Side::Here, ours))?);
            }
            Side::There => {
                entries.extend(changed(session, rehearsal, wanted, (Side::There, &upstream))?);
            }
            Side::Held => {
                for held in rehearsal.plan.held.iter().filter(|held| wanted.holds(&held.path)) {
                    entries.extend(waiting(session, &rehearsal.picture.observation, held)?);
                }
            }
        }
    }
    Ok(entries)
}

/// Finds what the plan changes on one side.
fn changed(
    session: &Session<'_>,
    rehearsal: &Rehearsal,
    wanted: &Wanted,
    (side, before): (Side, &Tree),
) -> Outcome<Vec<Entry>> {
    let plan = &rehearsal.plan;
    let after = &plan.tree;
    let paths: BTreeSet<&RepoPath> = before.units.keys().chain(after.units.keys()).collect();
    let mut entries = Vec::new();
    for path in paths {
        let versions = [before, after].map(|tree| tree.units.get(path).copied());
        if versions[0] == versions[1] || plan.waiting.contains(path) || !wanted.holds(path) {
            continue;
        }
        let is_unmarked = |change: &cfgsync_core::plan::Change| {
            change.path == *path && change.deed == Deed::Unmarked
        };
        let why = plan.changes.iter().any(is_unmarked).then(|| UNMARKED.to_owned());
        let [before, after] = contents(session, versions)?;
        entries.push(Entry { name: report::name(path), side, between: None, why, before, after });
    }
    entries.extend(marks(side, [&before.manifest, &after.manifest], wanted));
    entries.extend(folders(side, [before, after], wanted));
    Ok(entries)
}

const UNMARKED: &str = "it is no longer shared, and every machine keeps its file";

/// Tells of the list of marks, which is a file of the repository too.
fn marks(side: Side, [before, after]: [&Manifest; 2], wanted: &Wanted) -> Option<Entry> {
    let path = RepoPath::new(MANIFEST).ok().filter(|path| wanted.holds(path))?;
    let content = |manifest: &Manifest| {
        let bytes = manifest.format().into_bytes();
        let blob = Some(blob_id(&bytes));
        let is_empty = *manifest == Manifest::default();
        (!is_empty).then_some(Content { bytes, mode: None, blob, is_link: false })
    };
    let (before, after) = (content(before), content(after));
    let entry = Entry { name: report::name(&path), side, between: None, why: None, before, after };
    (entry.before != entry.after).then_some(entry)
}

/// Tells of folders that get another mode, or come with one of their own.
fn folders(side: Side, [before, after]: [&Tree; 2], wanted: &Wanted) -> Vec<Entry> {
    let was_there = before.folder_paths();
    let changed = |path: &&RepoPath| {
        before.folder_mode(path) != after.folder_mode(path) && wanted.holds(path)
    };
    let content =
        |mode: Mode| Content { bytes: Vec::new(), mode: Some(mode), blob: None, is_link: false };
    let entry = |path: &RepoPath| Entry {
        name: format!("{}/", report::name(path)),
        side,
        between: None,
        why: None,
        before: was_there.contains(path).then(|| content(before.folder_mode(path))),
        after: Some(content(after.folder_mode(path))),
    };
    after.folder_paths().iter().filter(changed).map(entry).collect()
}

/// Tells of a unit that waits: what each side made of it.
fn waiting(session: &Session<'_>, observation: &Observation, held: &Held) -> Outcome<Vec<Entry>> {
    let Sides { base, ours, theirs } = held.sides;
    // What could not be read, or is not there to be read, is not gone.
    let is_unseen = matches!(held.why, Why::Finding(_) | Why::InTheWay(_)) && ours.is_none();
    let stored = observation.stored(&held.path);
    let mut pairs = match (held.why, base) {
        (Why::Finding(Finding::EditedTwice), _) => {
            vec![(Between::Copies, [stored, ours]), (Between::Upstream, [base, theirs])]
        }
        (_, Some(_)) => vec![(Between::Here, [base, ours]), (Between::Upstream, [base, theirs])],
        (_, None) => vec![(Between::Both, [ours, theirs])],
    };
    let is_told = |between: Between| !is_unseen || between == Between::Upstream;
    pairs.retain(|(between, [before, after])| before != after && is_told(*between));
    // Once its branch moved, both sides have it, and still nothing of it is live: all of it is new.
    if pairs.is_empty() && matches!(held.why, Why::Doubt(_)) && theirs.is_some() {
        pairs.push((Between::Both, [None, theirs]));
    }
    let entry = |between, before, after| Entry {
        name: report::name(&held.path),
        side: Side::Held,
        between,
        why: Some(report::reason_of(held)),
        before,
        after,
    };
    // The reason names the line; what stands there is shown by no command.
    let is_secret = matches!(held.why, Why::Finding(Finding::Secret(_)));
    if pairs.is_empty() || is_secret {
        return Ok(vec![entry(None, None, None)]);
    }
    // One that waits for another reason may hold one, too.
    let holds_secret =
        |it: &Version| observation.secrets.contains_key(&(held.path.clone(), it.blob));
    let mut entries = Vec::new();
    for (between, versions) in pairs {
        if versions.iter().flatten().any(holds_secret) {
            let why = format!(
                "{}; a secret is in it, so its lines are not shown",
                report::reason_of(held)
            );
            entries.push(Entry { why: Some(why), ..entry(None, None, None) });
            continue;
        }
        let [before, after] = contents(session, versions)?;
        entries.push(entry(Some(between), before, after));
    }
    Ok(entries)
}

fn contents(
    session: &Session<'_>,
    [before, after]: [Option<Version>; 2],
) -> Outcome<[Option<Content>; 2]> {
    let content = |version: Version| -> Outcome<Content> {
        let mut bytes = session.vault.bytes(version.blob)?;
        let is_link = version.kind == Kind::Link;
        if is_link {
            bytes.push(b'\n');
        }
        let mode = Some(version.mode).filter(|_| !is_link);
        Ok(Content { bytes, mode, blob: Some(version.blob), is_link })
    };
    Ok([before.map(content).transpose()?, after.map(content).transpose()?])
}
