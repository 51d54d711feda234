//! Marking and unmarking: a changed manifest, planned and applied like any sync, for some paths.

use std::collections::{BTreeMap, BTreeSet};

use cfgsync_core::manifest::{MANIFEST, Manifest};
use cfgsync_core::observed::Live;
use cfgsync_core::path::{HomePath, RepoPath};
use cfgsync_core::plan::{Held, Plan, plan};
use cfgsync_core::steps::{Expected, Place, Step};

use crate::backups::{self, ahead::Ahead};
use crate::execute::{execute, partly};
use crate::failure::Outcome;
use crate::fs::plain;
use crate::git::trees;
use crate::picture::Picture;
use crate::record::{self, Done};
use crate::recover::Note;
use crate::session::Session;
use crate::sync::words::paused;

/// What changing the marks came to.
#[derive(Debug, Default)]
pub struct Marked {
    /// Units that wait for a person.
    pub held: Vec<Held>,
    /// Units that could not be done.
    pub failed: BTreeMap<RepoPath, String>,
}

/// When the manifest on disk changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Before the files: a mark that was interrupted is completed by the next sync.
    ManifestFirst,
    /// After the files: an unmark that was interrupted never happened.
    FilesFirst,
}

/// Plans a change of the marks for some paths, and changes nothing. The session is a rehearsal.
pub fn rehearse(
    session: &Session<'_>,
    paths: &BTreeSet<HomePath>,
    edit: impl Fn(&mut Manifest),
) -> Outcome<Plan> {
    let upstream = session.worktree.upstream()?;
    let observer = session.observer();
    let before = session.picture(&observer, upstream)?.observation.local.stored.manifest;
    let mut manifest = before.clone();
    edit(&mut manifest);
    let mut looked_at = before.clone();
    looked_at.marks.extend(manifest.marks.clone());
    let mut picture = session.picture_with(&observer, upstream, &looked_at)?;
    picture.observation.ours.manifest = manifest.clone();
    let mut plan = plan(&picture.observation, &session.policy()?);
    plan.steps.retain(|step| concerns(paths, &step.unit()));
    plan.held.retain(|held| concerns(paths, &held.path));
    plan.changes.retain(|change| concerns(paths, &change.path));
    plan.operation.marks.clear();
    plan.operation.change_marks(&before, &manifest);
    Ok(plan)
}

fn concerns(paths: &BTreeSet<HomePath>, unit: &RepoPath) -> bool {
    unit.home().is_some_and(|home| paths.iter().any(|path| home.is_within(path)))
}

/// Looks at everything, against what was agreed or fetched last.
pub fn picture(session: &Session<'_>) -> Outcome<Picture> {
    let upstream = session.worktree.upstream()?;
    let observer = session.observer();
    session.picture(&observer, upstream)
}

/// Changes the marks, and the files of `paths` with them. The lock is held.
pub fn change(
    session: &Session<'_>,
    paths: &BTreeSet<HomePath>,
    edit: impl Fn(&mut Manifest),
    order: Order,
    command: &str,
) -> Outcome<Marked> {
    if let Some(foreign) = session.worktree.foreign(&session.branch)? {
        return Err(paused(&foreign));
    }
    let note = Note::leave(&session.context.places)?;
    let mut picture = picture(session)?;
    session.snapshot(&picture, "before the marks change")?;
    let before = picture.observation.local.stored.manifest.clone();
    let mut manifest = before.clone();
    edit(&mut manifest);
    if order == Order::ManifestFirst {
        write_manifest(session, &manifest)?;
        picture = self::picture(session)?;
    }
    picture.observation.ours.manifest = manifest.clone();
    let plan = plan(&picture.observation, &session.policy()?);
    let concerns = |unit: &RepoPath| concerns(paths, unit);
    session.snapshot(&picture, "before the marks change")?;
    let steps: Vec<Step> = plan.steps.into_iter().filter(|step| concerns(&step.unit())).collect();
    let planned = (&steps[..], &plan.tree);
    backups::before(session, None, planned, "before the marks change", Ahead::default())?;
    let mut operation = plan.operation;
    operation.units.retain(|path, _| concerns(path));
    operation.marks.clear();
    operation.change_marks(&before, &manifest);
    operation.folders.clear();
    let number = session.vault.keep_operation(None, command, &operation)?;
    let executed = execute(session, &steps, &plan.tree, &picture.observation.local);
    let failed = executed.undone();
    if order == Order::FilesFirst && failed.is_empty() {
        write_manifest(session, &manifest)?;
    }
    session.settle_displaced()?;
    note.withdraw()?;
    let held: Vec<Held> = plan.held.into_iter().filter(|held| concerns(&held.path)).collect();
    let done = Done { number, command, operation: &operation };
    record::history(session.context, &done, &[], held.len())?;
    Ok(Marked { held, failed })
}

/// Writes the manifest into the working tree.
pub fn write_manifest(session: &Session<'_>, manifest: &Manifest) -> Outcome<()> {
    let path = session.context.places.repo.join(MANIFEST);
    let text = manifest.format();
    Ok(plain::publish_with_mode(&path, text.as_bytes(), plain::Durability::Synced, 0o644)?)
}

/// Stops with a clear error where the manifest is of a newer version.
pub fn manifest_on_disk(session: &Session<'_>) -> Outcome<Manifest> {
    let text = plain::read_text(&session.context.places.repo.join(MANIFEST))?;
    trees::parse_manifest(&text.unwrap_or_default())
}

/// Returns the home paths that are links of ours.
pub fn linked(picture: &Picture) -> Vec<HomePath> {
    let live = picture.observation.local.live.iter();
    live.filter(|(_, live)| **live == Live::Linked).filter_map(|(path, _)| path.home()).collect()
}

/// Makes every link of ours a plain file, and leaves marks and repository as they are.
pub fn detach(session: &Session<'_>) -> Outcome<usize> {
    let note = Note::leave(&session.context.places)?;
    let picture = picture(session)?;
    session.snapshot(&picture, "before cfgsync leaves")?;
    let steps: Vec<Step> = linked(&picture)
        .into_iter()
        .filter_map(|home| {
            let version = *picture.seen.units.get(&home.stored())?;
            let place = Place::Home(home);
            Some(Step::Write { place, expecting: Expected::Link, version })
        })
        .collect();
    let executed = execute(session, &steps, &picture.observation.ours, &picture.observation.local);
    session.settle_displaced()?;
    note.withdraw()?;
    let undone = executed.undone();
    if undone.is_empty() { Ok(steps.len()) } else { Err(partly(&undone)) }
}
