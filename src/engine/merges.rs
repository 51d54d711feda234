//! Merges the bytes of every unit that both sides changed, before a plan is made. Whatever comes of
//! it goes to the vault; nothing on disk changes.

use cfgsync_core::format::survives;
use cfgsync_core::local;
use cfgsync_core::merge::{Rule, TextMerge, merge};
use cfgsync_core::observed::{Observation, Rename};
use cfgsync_core::path::RepoPath;
use cfgsync_core::reconcile::{Merged, needs_merge};
use cfgsync_core::renames::{Candidate, SIMILAR, candidates, similarity};
use cfgsync_core::unit::{Sides, Version};

use crate::failure::Outcome;
use crate::git::attributes::Means;
use crate::git::driver;
use crate::session::Session;

/// Adds to an observation what its units' bytes say: which files were renamed, and how the contested
/// ones merge.
pub fn rehearse(session: &Session<'_>, observation: &mut Observation) -> Outcome<()> {
    let Some(theirs) = &observation.theirs else { return Ok(()) };
    let mut contested: Vec<(RepoPath, Sides)> = local::differing(&observation.ours, theirs)
        .into_iter()
        .map(|path| (path.clone(), observation.sides(path)))
        .collect();
    observation.renames = renames(session, observation)?;
    let renamed = observation.renames.iter();
    contested.extend(renamed.map(|rename| (rename.to.clone(), rename.sides(observation))));
    for (path, sides) in contested {
        if let Some(merged) = merge_unit(session, &path, sides)? {
            observation.merged.insert(path, merged);
        }
    }
    Ok(())
}

/// Of the files a missing one may have become, the first that is the same or alike enough.
fn renames(session: &Session<'_>, observation: &Observation) -> Outcome<Vec<Rename>> {
    let mut found: Vec<Rename> = Vec::new();
    for Candidate { by, from, to } in candidates(observation) {
        let is_taken = |name: &RepoPath| found.iter().any(|rename| rename.to == *name);
        let free = to.into_iter().filter(|(name, _)| !is_taken(name));
        let mut best: Option<(u32, RepoPath)> = None;
        let old = session.vault.bytes(from.1.blob)?;
        for (name, version) in free {
            let alike = if version.blob == from.1.blob {
                100
            } else {
                similarity(&old, &session.vault.bytes(version.blob)?)
            };
            if alike >= SIMILAR && best.as_ref().is_none_or(|(most, _)| alike > *most) {
                best = Some((alike, name));
            }
        }
        if let Some((_, to)) = best {
            found.push(Rename { by, from: from.0, to });
        }
    }
    Ok(found)
}

/// Merges one unit, where deciding needs it.
fn merge_unit(session: &Session<'_>, path: &RepoPath, sides: Sides) -> Outcome<Option<Merged>> {
    let means = || session.worktree.means(path);
    match sides {
        Sides { base, ours: Some(ours), theirs: Some(theirs) } if needs_merge(sides) => {
            merge_by(session, path, means(), base, [ours, theirs]).map(Some)
        }
        _ => Ok(None),
    }
}

fn merge_by(
    session: &Session<'_>,
    path: &RepoPath,
    means: Means,
    base: Option<Version>,
    [ours, theirs]: [Version; 2],
) -> Outcome<Merged> {
    let bytes = |version: Version| session.vault.bytes(version.blob);
    let texts = [base.map(bytes).transpose()?.unwrap_or_default(), bytes(ours)?, bytes(theirs)?];
    let (repo, scratch) = (&session.context.places.repo, &session.scratch);
    match means {
        Means::Choice => Ok(Merged::Forbidden),
        Means::Driver(command) => {
            keep(session, driver::run(repo, scratch, &command, path, &texts)?)
        }
        Means::Lines(rule) if base.is_some() || rule == Rule::Union => {
            by_lines(session, path, rule, &texts)
        }
        // Two files that merely have one name are no change of one another.
        Means::Lines(_) => Ok(Merged::Overlapping),
    }
}

/// Merges by lines; what no longer parses where both sides do is left to a person.
fn by_lines(
    session: &Session<'_>,
    path: &RepoPath,
    rule: Rule,
    [base, ours, theirs]: &[Vec<u8>; 3],
) -> Outcome<Merged> {
    match merge(base, ours, theirs, rule) {
        TextMerge::Clean(merged) if !survives(path, [ours, theirs], &merged) => Ok(Merged::Broken),
        merged => keep(session, merged),
    }
}

/// Puts what came out into the vault.
fn keep(session: &Session<'_>, merged: TextMerge) -> Outcome<Merged> {
    Ok(match merged {
        TextMerge::Clean(bytes) => Merged::Clean(session.vault.put(&bytes)?),
        TextMerge::Overlapping => Merged::Overlapping,
        TextMerge::Binary => Merged::Binary,
    })
}
