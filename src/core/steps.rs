//! What must happen on disk so that one unit is as the plan says.

use crate::linking::Tie;
use crate::observed::Live;
use crate::path::{HomePath, RepoPath};
use crate::unit::{Mode, Version};

/// The file in which Git's attributes stand.
const ATTRIBUTES: &[u8] = b".gitattributes";

/// A place on disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the repository's working tree.
    Repo(RepoPath),
    /// Below `$HOME`.
    Home(HomePath),
}

/// What a step expects to find; anything else makes it stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Nothing,
    /// This version.
    Version(Version),
    /// Our link to the stored copy.
    Link,
}

/// One change on disk, with what it expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Copies the live file aside before the first link replaces it.
    KeepOriginal {
        /// The live file.
        home: HomePath,
        /// Its version.
        version: Version,
    },
    /// Makes a place hold a version.
    Write {
        /// Where.
        place: Place,
        /// What stands there.
        expecting: Expected,
        /// What will.
        version: Version,
    },
    /// Makes the live file the stored copy, as the very same inode, and links the home path to it.
    Adopt {
        /// The live file.
        home: HomePath,
        /// What stands at the stored copy's place.
        expecting: Expected,
        /// The version both will be.
        version: Version,
    },
    /// Makes the stored copy itself the live file in place of our link, before it leaves the tree.
    GiveBack {
        /// The home path.
        home: HomePath,
        /// The version it will be.
        version: Version,
    },
    /// Makes the home path a link to the stored copy.
    Link {
        /// The home path.
        home: HomePath,
        /// What stands there.
        expecting: Expected,
    },
    /// Gives a folder of the repository its mode.
    Folder {
        /// The folder.
        path: RepoPath,
        /// Its mode.
        mode: Mode,
    },
    /// Takes a place away.
    Remove {
        /// Where.
        place: Place,
        /// What stands there.
        expecting: Expected,
    },
}

impl Step {
    /// Returns the step's place in the order of a plan: content comes before links, and everything
    /// that is added before anything that is removed; a link goes before what it points to.
    pub fn order(&self) -> u8 {
        match self {
            Self::KeepOriginal { .. } => 0,
            // What attributes say must be known before a file that they speak of is written.
            Self::Write { place: Place::Repo(path), .. } if path.name() == ATTRIBUTES => 0,
            Self::Write { place: Place::Repo(_), .. } => 1,
            Self::Adopt { .. } => 2,
            Self::Link { .. } => 3,
            Self::GiveBack { .. } => 4,
            Self::Write { place: Place::Home(_), .. } => 4,
            Self::Remove { place: Place::Home(_), .. } => 5,
            Self::Remove { place: Place::Repo(_), .. } => 6,
            Self::Folder { .. } => 7,
        }
    }

    /// Returns where the step writes, and where it takes away.
    fn places(&self) -> (Option<Place>, Option<Place>) {
        match self {
            Self::Write { place, .. } => (Some(place.clone()), None),
            Self::Adopt { home, .. } => (Some(Place::Repo(home.stored())), None),
            Self::Link { home, .. } | Self::GiveBack { home, .. } => {
                (Some(Place::Home(home.clone())), None)
            }
            Self::Remove { place, .. } => (None, Some(place.clone())),
            Self::KeepOriginal { .. } | Self::Folder { .. } => (None, None),
        }
    }

    /// Returns the unit the step belongs to.
    pub fn unit(&self) -> RepoPath {
        match self {
            Self::KeepOriginal { home, .. }
            | Self::Adopt { home, .. }
            | Self::GiveBack { home, .. }
            | Self::Link { home, .. } => home.stored(),
            Self::Folder { path, .. } => path.clone(),
            Self::Write { place, .. } | Self::Remove { place, .. } => match place {
                Place::Repo(path) => path.clone(),
                Place::Home(home) => home.stored(),
            },
        }
    }
}

impl Place {
    /// Returns true when one of the two is a folder above the other.
    fn is_in_the_way_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Repo(one), Self::Repo(other)) => one.is_within(other) || other.is_within(one),
            (Self::Home(one), Self::Home(other)) => one.is_within(other) || other.is_within(one),
            (Self::Repo(_), Self::Home(_)) | (Self::Home(_), Self::Repo(_)) => false,
        }
    }
}

/// Puts the steps of a plan in order. Only a removal that stands in the way of something new, a
/// file where a folder is wanted or the other way round, goes before it.
pub fn sort(steps: &mut [Step]) {
    let fresh: Vec<Place> = steps.iter().filter_map(|step| step.places().0).collect();
    steps.sort_by_cached_key(|step| {
        let gone = step.places().1;
        let is_first =
            gone.is_some_and(|gone| fresh.iter().any(|place| gone.is_in_the_way_of(place)));
        (!is_first, step.order())
    });
}

/// Returns the home paths at which steps put a link in place of a file.
pub fn relinked(steps: &[Step]) -> impl Iterator<Item = &HomePath> {
    steps.iter().filter_map(|step| match step {
        Step::Link { home, expecting: Expected::Version(_) } | Step::Adopt { home, .. } => {
            Some(home)
        }
        _ => None,
    })
}

/// One unit on disk.
#[derive(Debug)]
pub struct Target<'a> {
    /// The unit.
    pub path: &'a RepoPath,
    /// How it is tied to `$HOME`.
    pub tie: Tie,
    /// What the working tree holds.
    pub stored: Option<Version>,
    /// What stands at the home path.
    pub live: Live,
    /// What people see of it here.
    pub seen: Option<Version>,
    /// What the working tree held before it was lost as a whole.
    pub lost: Option<Version>,
    /// Whether this machine never agreed on it before.
    pub is_first: bool,
}

/// What of a unit waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Nothing.
    None,
    /// What people see of it.
    Live,
    /// Its stored copy too: both hold edits.
    Both,
    /// The home path alone: a stored copy that is not there yet is written.
    Home,
    /// The home path alone: its stored copy follows upstream.
    Follow,
}

/// Returns the steps that make a unit be `result`, and what stands in the way of its link.
///
/// A held unit keeps its live file as it is. Where that is a file of its own, the stored copy
/// beside it takes upstream's version; where it is the stored copy itself, nothing is touched, but
/// for one that is missing, as after the repository was cloned again: it comes back as people saw it.
pub fn steps(
    target: &Target<'_>,
    result: Option<Version>,
    hold: Hold,
) -> (Vec<Step>, Option<Live>) {
    let lost =
        (hold != Hold::None && target.stored.is_none()).then(|| stored_step(target, target.lost));
    let Some(home) = target.path.home().filter(|_| target.tie != Tie::None) else {
        let step = if hold == Hold::None { stored_step(target, result) } else { lost.flatten() };
        return (step.into_iter().collect(), None);
    };
    let is_written = hold == Hold::Follow || (hold == Hold::Home && target.stored.is_none());
    if is_written && target.live != Live::Linked {
        return (stored_step(target, result).into_iter().collect(), None);
    }
    if let (Some(lost), Live::Linked | Live::Absent) = (lost, target.live) {
        return (lost.into_iter().collect(), None);
    }
    if hold != Hold::None {
        let is_beside = matches!(target.live, Live::File(_)) && result.is_some();
        let beside = is_beside && hold != Hold::Both;
        let step = if beside { stored_step(target, result) } else { None };
        return (step.into_iter().collect(), None);
    }
    match (target.tie, result) {
        (Tie::Unmarked, _) => (unmark(target, &home), None),
        (_, None) => (remove(target, &home), None),
        (Tie::Copy, Some(version)) => {
            place(target, &home, version, |live| copy(&home, live, version))
        }
        (Tie::Link | Tie::None, Some(version)) => match target.live {
            Live::File(live) if live == version && target.stored != result => {
                let expecting = expected(target.stored);
                let adopt = Step::Adopt { home: home.clone(), expecting, version };
                (original(target, &home).into_iter().chain([adopt]).collect(), None)
            }
            _ => place(target, &home, version, |live| link(&home, live)),
        },
    }
}

/// The stored copy, then the home path, or what is in the way of it.
fn place(
    target: &Target<'_>,
    home: &HomePath,
    version: Version,
    home_step: impl FnOnce(Live) -> Option<Step>,
) -> (Vec<Step>, Option<Live>) {
    let stored = stored_step(target, Some(version));
    match target.live {
        Live::LinkedElsewhere | Live::Folder | Live::Special | Live::Unreachable => {
            (stored.into_iter().collect(), Some(target.live))
        }
        Live::Absent | Live::FolderGone | Live::Linked | Live::Moved(_) | Live::File(_) => {
            let tie = home_step(target.live);
            let original = tie.as_ref().and_then(|_| original(target, home));
            (original.into_iter().chain(stored).chain(tie).collect(), None)
        }
    }
}

/// What stood at a path before it was first tied is kept.
fn original(target: &Target<'_>, home: &HomePath) -> Option<Step> {
    match target.live {
        Live::File(version) if target.is_first => {
            Some(Step::KeepOriginal { home: home.clone(), version })
        }
        _ => None,
    }
}

fn link(home: &HomePath, live: Live) -> Option<Step> {
    let expecting = match live {
        Live::Linked => return None,
        Live::File(version) | Live::Moved(version) => Expected::Version(version),
        _ => Expected::Nothing,
    };
    Some(Step::Link { home: home.clone(), expecting })
}

fn copy(home: &HomePath, live: Live, version: Version) -> Option<Step> {
    let expecting = match live {
        Live::File(live) if live == version => return None,
        Live::File(live) | Live::Moved(live) => Expected::Version(live),
        Live::Linked => Expected::Link,
        _ => Expected::Nothing,
    };
    Some(Step::Write { place: Place::Home(home.clone()), expecting, version })
}

fn expected(version: Option<Version>) -> Expected {
    version.map_or(Expected::Nothing, Expected::Version)
}

fn stored_step(target: &Target<'_>, result: Option<Version>) -> Option<Step> {
    let place = Place::Repo(target.path.clone());
    match (target.stored, result) {
        (stored, result) if stored == result => None,
        (Some(stored), None) => Some(Step::Remove { place, expecting: Expected::Version(stored) }),
        (stored, Some(version)) => {
            Some(Step::Write { place, expecting: expected(stored), version })
        }
        (None, None) => None,
    }
}

/// The home path becomes a plain file before the stored copy goes.
fn unmark(target: &Target<'_>, home: &HomePath) -> Vec<Step> {
    let plain = match (target.live, target.seen) {
        (Live::Linked, Some(version)) => Some(Step::GiveBack { home: home.clone(), version }),
        (Live::Moved(link), Some(version)) => Some(Step::Write {
            place: Place::Home(home.clone()),
            expecting: Expected::Version(link),
            version,
        }),
        (Live::Linked, None) => {
            Some(Step::Remove { place: Place::Home(home.clone()), expecting: Expected::Link })
        }
        _ => None,
    };
    plain.into_iter().chain(stored_step(target, None)).collect()
}

fn remove(target: &Target<'_>, home: &HomePath) -> Vec<Step> {
    let expecting = match target.live {
        Live::Linked => Some(Expected::Link),
        Live::File(version) | Live::Moved(version) => Some(Expected::Version(version)),
        _ => None,
    };
    let place = Place::Home(home.clone());
    let live = expecting.map(|expecting| Step::Remove { place, expecting });
    live.into_iter().chain(stored_step(target, None)).collect()
}
