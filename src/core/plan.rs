//! Makes the plan of one sync: what the branch will hold, what happens to which file, what waits.
//!
//! The plan is a pure function of the observation and the policy. Steps carry what they expect to
//! find, so that executing a plan never overwrites what was not observed.

use std::collections::{BTreeMap, BTreeSet};

use crate::arrival::modes::{close_arrivals, close_folder};
use crate::arrival::rules::keep_marks;
use crate::arrival::{hold_arrivals, is_left_behind};
use crate::clash::{hold_files_against_folders, hold_same_names};
use crate::doubt::Doubt;
use crate::gate::hold_secrets;
use crate::linking::Ties;
use crate::machine::Kind;
use crate::manifest::Manifest;
use crate::observed::{Finding, Live, Observation, Side};
use crate::operation::Operation;
use crate::path::{HomePath, RepoPath};
use crate::policy::{Names, Overruled, Policy, Winner};
use crate::reconcile::{Contest, folder_mode, pick};
use crate::refusal::{Refusal, refusal};
use crate::renames;
use crate::rest::{Parted, part};
use crate::steps::{Hold, Step, Target, relinked, sort, steps};
use crate::tree::{Opaque, Tree, Units};
use crate::unit::{Mode, Sides, Version};
use crate::verdict::{Verdict, judge};

/// Why a unit waits, or was left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Both sides changed it and the changes do not fit.
    Contest(Contest),
    /// One side has a file where the other has a folder.
    FileAgainstFolder,
    /// It cannot be shared as it stands.
    Finding(Finding),
    /// Another file has the same name on this disk.
    SameName,
    /// Something stands at its home path that cfgsync must not touch.
    InTheWay(Live),
    /// Upstream has a link or a submodule of this name below `external/`.
    UpstreamIsNoFile,
    /// It comes from upstream, and must not arrive unasked.
    Doubt(Doubt),
}

/// A unit that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The unit.
    pub path: RepoPath,
    /// Why it waits.
    pub why: Why,
    /// Its three versions, as they are now; of a renamed unit under each side's own name.
    pub sides: Sides,
    /// What a program said of it, where that is why.
    pub said: Option<String>,
}

/// Which way a change flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flow {
    /// From this machine to upstream.
    Out,
    /// From upstream to this machine.
    In,
    /// Both: the changes of both sides were combined.
    Both,
}

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// The file is new.
    Added,
    /// Its bytes changed.
    Edited,
    /// Only its mode changed.
    Mode,
    /// It is gone.
    Removed,
    /// It was removed on the other side and edited on this one, and stays.
    Kept,
    /// It is no longer shared; every machine keeps its file.
    Unmarked,
}

/// One unit's change, as people are told of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The unit.
    pub path: RepoPath,
    /// Which way it flows.
    pub flow: Flow,
    /// What it does.
    pub deed: Deed,
}

impl Plan {
    /// Returns the paths at which an app replaced our link by a file, and the plan links again:
    /// what was agreed on before had been linked.
    pub fn replaced_links(&self, agreed: &Tree) -> BTreeSet<HomePath> {
        let was_linked = |home: &&HomePath| agreed.units.contains_key(&home.stored());
        relinked(&self.steps).filter(was_linked).cloned().collect()
    }
}

/// What one run will do. Used once, by value.
#[derive(Debug)]
pub struct Plan {
    /// What the branch will hold.
    pub tree: Tree,
    /// What is agreed once the steps are done: upstream's side, but older where a unit is held.
    pub received: Tree,
    /// What is agreed once the branch is pushed, too.
    pub shared: Tree,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// What waits for a person.
    pub held: Vec<Held>,
    /// Every unit that stays as it is, those included that wait because of another one.
    pub waiting: BTreeSet<RepoPath>,
    /// What changes, for people.
    pub changes: Vec<Change>,
    /// Units of which one side's change is overwritten because a person chose the other side.
    pub overwritten: BTreeMap<RepoPath, Side>,
    /// What this machine's files and marks become, and what it overrules upstream.
    pub operation: Operation,
    /// Why nothing is done.
    pub refusal: Option<Refusal>,
}

/// Makes the plan.
pub fn plan(observation: &Observation, policy: &Policy) -> Plan {
    let policy = &renames::choose(policy, observation);
    let upstream = observation.upstream();
    let (agreed, ours) = (&observation.agreed, &observation.ours);
    let base = policy.base(observation);
    let marks = Manifest::merge(&base.manifest, &ours.manifest, &upstream.manifest);
    let marks = keep_marks(marks, observation, policy);
    let ties = Ties {
        after: &marks,
        before: [agreed, &observation.local.stored, upstream]
            .into_iter()
            .chain(observation.last.as_ref().map(|last| &last.agreed))
            .map(|tree| &tree.manifest)
            .collect(),
        kind: policy.kind.unwrap_or(Kind::Linux),
        copies: &policy.copies,
    };
    let Parted { judged, resting } = part(observation, policy, &ties);
    let judge = |path| {
        let verdict = judge(&path, observation, policy, &ties);
        (path, verdict)
    };
    let mut verdicts: BTreeMap<RepoPath, Verdict> = judged.into_iter().map(judge).collect();
    renames::follow(&mut verdicts, observation, policy);
    close_arrivals(&mut verdicts);
    hold_arrivals(&mut verdicts, observation, policy);
    hold_secrets(&mut verdicts, observation);
    hold_files_against_folders(&mut verdicts);
    if policy.names == Names::Folded {
        hold_same_names(&mut verdicts, observation);
    }
    assemble(resting, verdicts, observation, policy, marks)
}

fn assemble(
    resting: Units,
    verdicts: BTreeMap<RepoPath, Verdict>,
    observation: &Observation,
    policy: &Policy,
    marks: Manifest,
) -> Plan {
    let (upstream, base) = (observation.upstream(), policy.base(observation));
    let mut plan = Plan {
        tree: Tree {
            folders: merged_folders(observation, base),
            manifest: marks,
            opaque: merged_opaque(observation, base),
            units: resting.clone(),
        },
        received: Tree {
            units: resting,
            folders: upstream.folders.clone(),
            manifest: upstream.manifest.clone(),
            opaque: upstream.opaque.clone(),
        },
        shared: Tree::default(),
        steps: Vec::new(),
        held: Vec::new(),
        waiting: BTreeSet::new(),
        changes: Vec::new(),
        overwritten: BTreeMap::new(),
        operation: Operation::default(),
        refusal: refusal(&verdicts, observation, policy),
    };
    // What waits is agreed as it was.
    let mut as_before = Vec::new();
    for (path, verdict) in verdicts {
        note(&mut plan, &path, &verdict, observation, policy);
        let base = verdict.sides.base;
        if settle(&mut plan, path.clone(), &verdict, observation, policy) == Settled::Waits {
            as_before.push((path, base));
        }
    }
    plan.shared = plan.tree.clone();
    as_before.iter().for_each(|(path, base)| put(&mut plan.shared, path, *base));
    plan.tree.prune_folders();
    plan.shared.prune_folders();
    plan.operation.change_folders(&observation.local.stored, &plan.tree);
    plan.operation.change_marks(&observation.ours.manifest, &plan.tree.manifest);
    if policy.winner == Some(Winner::Ours) {
        plan.operation.change_marks(&upstream.manifest, &plan.tree.manifest);
    }
    plan.steps.extend(folder_steps(&plan.tree, &observation.local.stored));
    sort(&mut plan.steps);
    plan
}

/// Notes what a verdict changes on this machine, and which change upstream a choice overrules.
fn note(
    plan: &mut Plan,
    path: &RepoPath,
    verdict: &Verdict,
    observation: &Observation,
    policy: &Policy,
) {
    let Sides { base, ours, theirs } = observation.sides(path);
    if verdict.held.is_none() && ours != verdict.result {
        plan.operation.units.insert(path.clone(), (ours, verdict.result));
    }
    let is_restored = policy.restored.contains_key(path);
    let is_chosen = policy.choice(path).is_some();
    if (is_restored || (is_chosen && theirs != base)) && verdict.result != theirs {
        plan.operation
            .overruled
            .insert(path.clone(), Overruled { theirs, base, made: verdict.result });
        plan.overwritten.insert(path.clone(), Side::Theirs);
    } else if is_chosen && ours != base && verdict.result != ours {
        plan.overwritten.insert(path.clone(), Side::Ours);
    }
}

/// Whether a unit waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    Done,
    Waits,
}

/// Puts one verdict into the plan.
fn settle(
    plan: &mut Plan,
    path: RepoPath,
    verdict: &Verdict,
    observation: &Observation,
    policy: &Policy,
) -> Settled {
    let live = observation.local.live.get(&path).copied();
    let target = Target {
        path: &path,
        tie: verdict.tie,
        stored: observation.stored(&path),
        live: live.unwrap_or(Live::Absent),
        seen: verdict.sides.ours.or(verdict.sides.base),
        lost: observation.local.lost.get(&path).copied(),
        is_first: verdict.sides.base.is_none(),
    };
    let kept = match verdict.held {
        None => Hold::None,
        Some(Why::Finding(Finding::EditedTwice | Finding::Ignored)) => Hold::Both,
        // Rules count where they lie in the repository, so nothing of them is written.
        Some(Why::Doubt(Doubt::Filters | Doubt::AwaitsAttributes)) => Hold::Both,
        Some(Why::Doubt(_)) if observation.loosened.contains_key(&path) => Hold::Both,
        Some(Why::Doubt(_)) if is_left_behind(observation, &path) => Hold::Follow,
        Some(Why::Doubt(_)) => Hold::Home,
        Some(_) => Hold::Live,
    };
    let (steps, in_the_way) = if verdict.held.is_some() && policy.edited.contains(&path) {
        steps(&target, verdict.sides.ours, Hold::None)
    } else {
        steps(&target, verdict.result, kept)
    };
    plan.steps.extend(steps);
    let held = verdict.held.or(in_the_way.map(Why::InTheWay));
    let agreed = |version| if held.is_some() { verdict.sides.base } else { version };
    put(&mut plan.tree, &path, verdict.result);
    put(&mut plan.received, &path, agreed(verdict.sides.theirs));
    if let Some((flow, deed)) = verdict.change {
        plan.changes.push(Change { path: path.clone(), flow, deed });
    }
    if held.is_some() {
        plan.waiting.insert(path.clone());
    }
    if let (Some(why), Some(sides)) = (held, verdict.shown) {
        let bytes = verdict.result.map(|version| (path.clone(), version.blob));
        let said = bytes.and_then(|bytes| observation.complaints.get(&bytes).cloned());
        let of_rules = match why {
            Why::Doubt(Doubt::Filters) => &observation.bared,
            _ => &observation.loosened,
        };
        let said = said.or_else(|| of_rules.get(&path)?.said.clone());
        plan.held.push(Held { path, why, sides, said });
    }
    if held.is_some() { Settled::Waits } else { Settled::Done }
}

/// Makes a unit of a tree this version; a tree that has it so stays the one it is.
fn put(tree: &mut Tree, path: &RepoPath, version: Option<Version>) {
    match version {
        version if tree.units.get(path) == version.as_ref() => {}
        Some(version) => drop(tree.units.insert(path.clone(), version)),
        None => drop(tree.units.remove(path)),
    }
}

fn merged_folders(observation: &Observation, agreed: &Tree) -> BTreeMap<RepoPath, Mode> {
    let (ours, theirs) = (&observation.ours, observation.upstream());
    let paths: BTreeSet<&RepoPath> =
        [agreed, ours, theirs].into_iter().flat_map(|tree| tree.folders.keys()).collect();
    let stored = &observation.local.stored;
    paths
        .into_iter()
        .map(|path| {
            // A folder that is not here yet has no mode of its own to defend.
            let is_meant = stored.stands(path) || ours.folders.contains_key(path);
            let ours = if is_meant { ours.folder_mode(path) } else { agreed.folder_mode(path) };
            let mode = folder_mode(agreed.folder_mode(path), ours, theirs.folder_mode(path));
            (path.clone(), close_folder(path, mode, ours))
        })
        .collect()
}

/// Folders that stand in the working tree with another mode than they must have.
fn folder_steps(tree: &Tree, stored: &Tree) -> Vec<Step> {
    let paths: BTreeSet<&RepoPath> = tree.folders.keys().chain(stored.folders.keys()).collect();
    paths
        .into_iter()
        .filter(|path| tree.has_folder(path) && stored.stands(path))
        .map(|path| (path, tree.folder_mode(path)))
        .filter(|(path, mode)| *mode != stored.folder_mode(path))
        .map(|(path, mode)| Step::Folder { path: path.clone(), mode })
        .collect()
}

fn merged_opaque(observation: &Observation, agreed: &Tree) -> BTreeMap<Vec<u8>, Opaque> {
    let (ours, theirs) = (&observation.ours, observation.upstream());
    let paths: BTreeSet<&Vec<u8>> =
        [agreed, ours, theirs].into_iter().flat_map(|tree| tree.opaque.keys()).collect();
    paths
        .into_iter()
        .filter_map(|path| {
            let [agreed, ours, theirs] = [agreed, ours, theirs].map(|tree| tree.opaque.get(path));
            // A local file never leaves, and what upstream has of that name is not this machine's.
            let is_local = RepoPath::new(path.as_slice()).is_ok_and(|path| path.is_local_only());
            let picked = if is_local { None } else { pick(agreed, ours, theirs) };
            let entry = picked.unwrap_or(theirs)?;
            Some((path.clone(), *entry))
        })
        .collect()
}
