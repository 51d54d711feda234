//! What may arrive on this machine: a unit from upstream that a program would run, or that a disk,
//! Git or a shell could take for something else, waits for a person; everything else goes on.
//!
//! Consent is given once, on this machine, and holds for a place: later versions of it flow. What a
//! version alone makes doubtful (it is broken, it names programs that a sync itself would run) is
//! asked anew.

pub mod authored;
pub mod listed;
pub mod modes;
pub mod readers;
pub mod risky;
pub mod rules;

use std::collections::{BTreeMap, BTreeSet};

use crate::doubt::Doubt;
use crate::fold::fold;
use crate::leads::leads_out;
use crate::linking::Tie;
use crate::observed::{Live, Observation};
use crate::path::{HomePath, RepoPath};
use crate::plan::{Deed, Flow, Why};
use crate::policy::{Choice, Policy};
use crate::unit::{Kind, Sides, Version};
use crate::verdict::Verdict;

/// Longest name that every file system takes, in bytes.
const LONGEST_NAME: usize = 255;

/// Longest path below the repository; with the folders above it, it fits every system.
const LONGEST_PATH: usize = 900;

/// Holds every unit that must not arrive unasked. Its stored copy is written, the home path waits.
pub fn hold_arrivals(
    verdicts: &mut BTreeMap<RepoPath, Verdict>,
    observation: &Observation,
    policy: &Policy,
) {
    let mut judge = Arrivals { observation, policy, twins: BTreeSet::new() };
    judge.twins = judge.find_twins(verdicts);
    for (path, verdict) in verdicts {
        let bared = rules::bared(path, verdict, observation, policy);
        if bared.is_none() && judge.is_declined(path, verdict) {
            verdict.result = None;
            verdict.change = Some((Flow::Out, Deed::Removed));
            verdict.held = None;
            continue;
        }
        let contends = matches!(verdict.held, Some(Why::Contest(_)));
        if contends && verdict.tie != Tie::Unmarked && is_left_behind(observation, path) {
            verdict.result = verdict.sides.theirs;
            verdict.change = Some((Flow::In, Deed::Added));
            verdict.held = None;
        }
        let of_rules = || rules::loosened(path, verdict, observation, policy);
        let doubt = bared.or_else(of_rules).or_else(|| judge.doubt(path, verdict));
        let Some(doubt) = doubt else { continue };
        verdict.result = verdict.sides.theirs;
        verdict.change = None;
        verdict.held = Some(Why::Doubt(doubt));
        verdict.shown = Some(verdict.sides);
        // A stored copy that waits for its home path was not agreed on: later, too, it is new there.
        if judge.is_new(path, verdict) {
            verdict.sides.base = None;
        }
    }
}

/// Returns true where a stored copy may be here, but its home path is empty and always was: to this
/// machine it is as new as what upstream alone has.
pub fn waits_at_home(observation: &Observation, path: &RepoPath) -> bool {
    let live = observation.local.live.get(path).copied();
    matches!(live, Some(Live::Absent | Live::FolderGone)) && !was_tied(observation, path)
}

/// Returns true where the stored copy of a unit that waits is all there is here, and is what upstream had
/// then: a version that came since contends with nobody.
pub fn is_left_behind(observation: &Observation, path: &RepoPath) -> bool {
    let had = observation.last.as_ref().and_then(|last| last.upstream.units.get(path)).copied();
    had.is_some()
        && had == observation.stored(path)
        && had == observation.ours.units.get(path).copied()
        && waits_at_home(observation, path)
}

/// Returns true for a unit that the last run left at a marked path.
fn was_tied(observation: &Observation, path: &RepoPath) -> bool {
    let last = observation.last.as_ref().map(|last| &last.agreed);
    let known = last.filter(|tree| tree.units.contains_key(path)).zip(path.home());
    known.is_some_and(|(tree, home)| tree.manifest.covering(&home).is_some())
}

struct Arrivals<'a> {
    observation: &'a Observation,
    policy: &'a Policy,
    twins: BTreeSet<RepoPath>,
}

impl Arrivals<'_> {
    /// Returns the units that share a folded name with another one, or lie below a file's; none where
    /// nothing is new. A stored copy that waits is as new as it was when it came.
    fn find_twins(&self, verdicts: &BTreeMap<RepoPath, Verdict>) -> BTreeSet<RepoPath> {
        let standing = || verdicts.iter().filter(|(_, verdict)| verdict.result.is_some());
        if !standing().any(|(path, verdict)| self.is_new(path, verdict)) {
            return BTreeSet::new();
        }
        let mut by_name: BTreeMap<Vec<u8>, Vec<&RepoPath>> = BTreeMap::new();
        for (path, _) in standing() {
            by_name.entry(fold(path.as_bytes())).or_default().push(path);
        }
        let mut twins = BTreeSet::new();
        for (path, _) in standing() {
            let is_twin = by_name.get(&fold(path.as_bytes())).is_some_and(|same| same.len() > 1);
            let is_below_a_file = path.ancestors().any(|folder| {
                by_name.get(&fold(folder.as_bytes())).is_some_and(|same| !same.contains(&&folder))
            });
            if is_twin || is_below_a_file {
                twins.insert(path.clone());
            }
        }
        twins
    }

    fn doubt(&self, path: &RepoPath, verdict: &Verdict) -> Option<Doubt> {
        let result = verdict.result?;
        let is_chosen =
            matches!(self.policy.choices.get(path), Some(Choice::Theirs | Choice::Merged(_)));
        // What a command makes of a file is decided, what upstream brings beside it is not.
        let is_made_here = verdict.result == verdict.sides.ours;
        let is_decided = is_chosen || (is_made_here && self.policy.edited.contains(path));
        if verdict.tie == Tie::Unmarked || verdict.sides.theirs.is_none() {
            return None;
        }
        let is_new = self.is_new(path, verdict);
        // A stored copy that waits for its home path is no side of anybody's.
        let is_free = match verdict.held {
            None => true,
            Some(why) => is_new && matches!(why, Why::Contest(_)),
        };
        let of_place = self.of_place(path, verdict, result, is_new).filter(|_| is_free);
        let is_allowed = |doubt: &Doubt| {
            doubt.is_decidable() && (is_decided || is_consented(path, &self.policy.consented))
        };
        if let Some(doubt) = of_place.filter(|doubt| !is_allowed(doubt)) {
            return Some(doubt);
        }
        // The stored copy that an earlier run left of it lets nothing in.
        let differs = is_new || verdict.sides.ours.map(|it| it.blob) != Some(result.blob);
        let arrives = verdict.held.is_none() && differs;
        let of_bytes = self.observation.doubts.get(&(path.clone(), result.blob)).copied();
        of_bytes.filter(|doubt| arrives && !(is_decided && doubt.is_decidable()))
    }

    /// A person chose this machine's side of a file that is not let in: that there is none.
    fn is_declined(&self, path: &RepoPath, verdict: &Verdict) -> bool {
        let is_ours = self.policy.choices.get(path) == Some(&Choice::Ours);
        let Sides { ours, theirs, .. } = verdict.sides;
        let is_only_stored =
            verdict.tie != Tie::None && ours.is_none_or(|ours| Some(ours) == theirs);
        let waits = |result: Version| {
            let of_place = self.of_place(path, verdict, result, true);
            let of_bytes = self.observation.doubts.get(&(path.clone(), result.blob));
            (of_place.is_some() && !is_consented(path, &self.policy.consented))
                || of_bytes.is_some_and(|doubt| doubt.is_decidable())
        };
        is_ours && is_only_stored && self.is_new(path, verdict) && verdict.result.is_some_and(waits)
    }

    /// What the place and the kind of an arrival make doubtful.
    fn of_place(
        &self,
        path: &RepoPath,
        verdict: &Verdict,
        result: Version,
        is_new: bool,
    ) -> Option<Doubt> {
        let ours = verdict.sides.ours;
        let becomes_link = result.kind == Kind::Link && ours.is_none_or(|it| it.kind == Kind::File);
        let becomes_command = result.kind == Kind::File
            && result.mode.is_executable()
            && ours.is_some_and(|it| !it.mode.is_executable());
        let moved_link = result.kind == Kind::Link && ours.is_some_and(|it| it.blob != result.blob);
        if is_new {
            if path.as_bytes().len() > LONGEST_PATH
                || path.components().any(|name| name.len() > LONGEST_NAME)
            {
                return Some(Doubt::LongName);
            }
            if has_control(path) {
                return Some(Doubt::ControlCharacters);
            }
            if self.twins.contains(path) {
                return Some(Doubt::Twin);
            }
        }
        if (is_new || becomes_link || moved_link) && result.kind == Kind::Link {
            if git_reads(path) {
                return Some(Doubt::GitReadsIt);
            }
            if self.leads_out(path, result) {
                return Some(Doubt::LeadsOut);
            }
        }
        let is_run = is_new || becomes_link || becomes_command;
        let place = place(path, verdict.tie, &self.observation.reached);
        place.filter(|_| is_run).and_then(|place| risky::runs(&place)).map(Doubt::Runs)
    }

    /// A marked path is new where nothing stands at it, and never did by cfgsync's doing.
    fn is_new(&self, path: &RepoPath, verdict: &Verdict) -> bool {
        match verdict.tie {
            Tie::Unmarked => false,
            Tie::None => {
                let last = self.observation.last.as_ref();
                let is_known = last.is_some_and(|last| last.agreed.units.contains_key(path));
                verdict.sides.ours.is_none() && !is_known
            }
            Tie::Link | Tie::Copy => {
                let live = self.observation.local.live.get(path).copied();
                matches!(live, None | Some(Live::Absent | Live::FolderGone))
                    && !was_tied(self.observation, path)
            }
        }
    }

    fn leads_out(&self, path: &RepoPath, link: Version) -> bool {
        let targets = &self.observation.targets;
        let Some(target) = targets.get(&link.blob) else { return true };
        leads_out(path, target, |place| {
            let path = RepoPath::new(place).ok()?;
            let version = self.observation.upstream().units.get(&path)?;
            (version.kind == Kind::Link).then(|| targets.get(&version.blob).cloned()).flatten()
        })
    }
}

/// Returns what runs a file that comes back to the home where nobody let it in: it was never live
/// here, or nobody remembers that it was.
pub fn unasked(path: &RepoPath, consented: &BTreeSet<RepoPath>) -> Option<&'static str> {
    let runs = path.home().and_then(|home| risky::runs(&home));
    runs.filter(|_| !is_consented(path, consented))
}

/// Consent for a folder counts for what is in it, where it is such a place itself: who marked all
/// of `~/.config` did not think of what starts at login.
fn is_consented(path: &RepoPath, consented: &BTreeSet<RepoPath>) -> bool {
    let is_meant = |consent: &RepoPath| {
        let is_risky = || consent.home().is_some_and(|home| risky::runs(&home).is_some());
        consent == path || (path.is_within(consent) && is_risky())
    };
    consented.iter().any(is_meant)
}

/// Returns where a unit is found below `$HOME`. `reached` are places of the repository, stored copies
/// among them, that links or `PATH` of the user's lead to.
pub fn place(path: &RepoPath, tie: Tie, reached: &[(RepoPath, HomePath)]) -> Option<HomePath> {
    let own = path.home().filter(|_| matches!(tie, Tie::Link | Tie::Copy));
    if own.as_ref().is_some_and(|home| risky::runs(home).is_some()) {
        return own;
    }
    let led =
        reached.iter().find(|(inside, _)| path.is_within(inside)).and_then(|(inside, home)| {
            let rest = &path.as_bytes()[inside.as_bytes().len()..];
            HomePath::new([home.as_bytes(), rest].concat()).ok()
        });
    led.or(own)
}

fn has_control(path: &RepoPath) -> bool {
    let text = String::from_utf8_lossy(path.as_bytes());
    text.chars().any(char::is_control)
}

/// Git takes attributes, rules and submodules from files of these names, wherever they lie.
fn git_reads(path: &RepoPath) -> bool {
    let name = fold(path.name());
    [&b".gitattributes"[..], b".gitignore", b".gitmodules", b".mailmap"].contains(&&name[..])
}

#[cfg(test)]
mod tests;
