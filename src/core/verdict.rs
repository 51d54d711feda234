//! What becomes of one unit, marks and choices considered.

use std::collections::BTreeSet;

use crate::linking::{Tie, Ties};
use crate::manifest::{Manifest, Mark, Scope};
use crate::observed::{Finding, Observation};
use crate::path::RepoPath;
use crate::plan::{Deed, Flow, Why};
use crate::policy::{Choice, Policy};
use crate::reconcile::{Contest, Decision, decide, pick};
use crate::tree::Tree;
use crate::unit::{BlobId, Mode, Sides, Version};

/// What becomes of one unit.
pub struct Verdict {
    /// Its versions.
    pub sides: Sides,
    /// What the branch will hold.
    pub result: Option<Version>,
    /// What people are told.
    pub change: Option<(Flow, Deed)>,
    /// Why it waits.
    pub held: Option<Why>,
    /// The versions people are shown while it waits; none where another unit is shown instead.
    pub shown: Option<Sides>,
    /// How it is tied to `$HOME`.
    pub tie: Tie,
}

/// Judges one unit.
pub fn judge(
    path: &RepoPath,
    observation: &Observation,
    policy: &Policy,
    ties: &Ties<'_>,
) -> Verdict {
    let tie = ties.of(path);
    let seen = observation.sides(path);
    let verdict = |result, change, held| Verdict {
        sides: seen,
        result,
        change,
        held,
        shown: Some(seen),
        tie,
    };
    if tie == Tie::Unmarked {
        return verdict(None, unmarked_change(seen), None);
    }
    if observation.upstream().opaque.contains_key(path.as_bytes()) {
        return verdict(None, None, Some(Why::UpstreamIsNoFile));
    }
    let overruled = policy.restored.get(path);
    if let Some(overruled) = overruled.filter(|then| seen.theirs == then.made) {
        let sides = Sides { base: overruled.base, ..seen };
        let change = Some((Flow::Out, deed(seen.theirs, overruled.theirs)));
        let held = Some(Why::Contest(Contest::Content));
        return Verdict { sides, result: overruled.theirs, change, held, shown: None, tie };
    }
    let choice = policy.choice(path);
    // Of a live file and a stored copy that were both edited, the live file is this machine's side.
    let is_settled = |finding: &&Finding| match finding {
        Finding::EditedTwice => choice.is_some(),
        Finding::OnlyHere => choice.is_some() || seen.ours == seen.theirs,
        // That everything of this machine's wins was not said of what nobody shares.
        Finding::Ignored => policy.choices.contains_key(path) || choice == Some(Choice::Theirs),
        _ => false,
    };
    let finding = observation.local.findings.get(path);
    if let Some(finding) = finding.filter(|finding| !is_settled(finding)) {
        return verdict(seen.theirs, None, Some(Why::Finding(*finding)));
    }
    if let Some(Choice::Merged(blob)) = choice {
        let result = pinned(path, Some(merged_by_hand(seen, blob)), ties);
        return verdict(result, change_between(seen, result), None);
    }
    let sides = repaired(path, chosen(seen, choice), ties, tie);
    let merged = observation.merged.get(path).copied();
    let decision = decide(sides, merged);
    let result = pinned(path, result_of(decision, sides), ties);
    match decision {
        Decision::Hold(contest) => verdict(seen.theirs, None, Some(Why::Contest(contest))),
        Decision::Settled
        | Decision::Publish
        | Decision::Apply
        | Decision::Revive
        | Decision::Outlive
        | Decision::Combine(_) => verdict(result, change_of(decision, sides), None),
    }
}

/// Returns the units of marked files at whose place upstream has something that is no file.
pub fn without_a_file(upstream: &Tree, marks: &Manifest) -> BTreeSet<RepoPath> {
    let files = marks.marks.iter().filter(|(_, mark)| mark.scope == Scope::File);
    let units = files.map(|(home, _)| home.stored());
    let is_shut =
        |path: &RepoPath| !path.is_local_only() && upstream.opaque.contains_key(path.as_bytes());
    units.filter(is_shut).collect()
}

fn unmarked_change(sides: Sides) -> Option<(Flow, Deed)> {
    match (sides.ours, sides.theirs) {
        (None, Some(_)) => Some((Flow::Out, Deed::Unmarked)),
        // Upstream never had it.
        (Some(_), None) if sides.base.is_none() => Some((Flow::Out, Deed::Unmarked)),
        (Some(_), None) => Some((Flow::In, Deed::Unmarked)),
        (Some(_), Some(_)) => Some((Flow::Out, Deed::Unmarked)),
        (None, None) => None,
    }
}

/// A choice makes the other side's version the one that was agreed.
fn chosen(sides: Sides, choice: Option<Choice>) -> Sides {
    match choice {
        Some(Choice::Ours) => Sides { base: sides.theirs, ..sides },
        Some(Choice::Theirs) => Sides { base: sides.ours, ..sides },
        Some(Choice::Merged(_)) | None => sides,
    }
}

/// The bytes a person made, with the mode that merges or else this machine's.
fn merged_by_hand(sides: Sides, blob: BlobId) -> Version {
    let mode = |version: Option<Version>| version.map(|version| version.mode);
    let [base, ours, theirs] = [sides.base, sides.ours, sides.theirs].map(mode);
    let merged = pick(base, ours, theirs).flatten();
    Version::file(merged.or(ours).or(theirs).unwrap_or(Mode::FILE), blob)
}

/// A stored copy removed behind the back of a mark that still stands was not meant to go.
fn repaired(path: &RepoPath, sides: Sides, ties: &Ties<'_>, tie: Tie) -> Sides {
    let scope = path.home().and_then(|home| ties.after.covering(&home).map(|(_, mark)| mark.scope));
    if matches!(tie, Tie::Link | Tie::Copy) && scope == Some(Scope::File) && sides.theirs.is_none()
    {
        return Sides { base: None, ..sides };
    }
    sides
}

/// Gives a version the mode that its mark asks for.
pub fn pinned(path: &RepoPath, version: Option<Version>, ties: &Ties<'_>) -> Option<Version> {
    let mark = path.home().and_then(|home| ties.after.marks.get(&home));
    match (version, mark.and_then(Mark::pinned_mode)) {
        (Some(version), Some(mode)) => Some(Version { mode, ..version }),
        (version, _) => version,
    }
}

/// Returns the version a decision comes to.
pub fn result_of(decision: Decision, sides: Sides) -> Option<Version> {
    match decision {
        Decision::Settled | Decision::Publish | Decision::Outlive => sides.ours,
        Decision::Apply | Decision::Revive | Decision::Hold(_) => sides.theirs,
        Decision::Combine(version) => Some(version),
    }
}

fn change_of(decision: Decision, sides: Sides) -> Option<(Flow, Deed)> {
    match decision {
        Decision::Settled | Decision::Hold(_) => None,
        Decision::Publish => Some((Flow::Out, deed(sides.theirs, sides.ours))),
        Decision::Apply => Some((Flow::In, deed(sides.ours, sides.theirs))),
        Decision::Revive => Some((Flow::In, Deed::Kept)),
        Decision::Outlive => Some((Flow::Out, Deed::Kept)),
        Decision::Combine(_) => Some((Flow::Both, Deed::Edited)),
    }
}

/// Returns what a result changes, on whichever side it does.
pub fn change_between(sides: Sides, result: Option<Version>) -> Option<(Flow, Deed)> {
    let Sides { ours, theirs, .. } = sides;
    match (result == ours, result == theirs) {
        (true, true) => None,
        (true, false) => Some((Flow::Out, deed(theirs, result))),
        (false, true) => Some((Flow::In, deed(ours, result))),
        (false, false) => Some((Flow::Both, deed(ours.or(theirs), result))),
    }
}

/// Returns what turns one version into another.
pub fn deed(before: Option<Version>, after: Option<Version>) -> Deed {
    match (before, after) {
        (None, _) => Deed::Added,
        (_, None) => Deed::Removed,
        (Some(before), Some(after)) if before.blob == after.blob => Deed::Mode,
        (Some(_), Some(_)) => Deed::Edited,
    }
}
