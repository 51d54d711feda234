//! What is asked of the sweep, and which faults that means.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use super::bench::Bench;
use super::company::Company;
use super::faults::{MODES, Mode};
use super::scenarios::{SCENARIOS, Scenario};

/// How often a mode is tried: in a sample of each scenario, and every how many points otherwise.
const OFTEN: [(Mode, usize, usize); 11] = [
    (Mode::KillTree, 10, 1),
    (Mode::KillOne, 4, 6),
    (Mode::Torn, 4, 2),
    (Mode::ErrnoOnce, 6, 5),
    (Mode::ErrnoForever, 4, 11),
    (Mode::PowerCut, 3, 11),
    (Mode::LostWrite, 2, 1),
    (Mode::Edit, 4, 5),
    (Mode::Late, 2, 11),
    (Mode::Rival, 2, 13),
    (Mode::Meanwhile, 2, 13),
];

/// What is asked.
#[derive(Debug)]
pub enum Wanted {
    /// A few points of everything.
    Sample { seed: u64 },
    /// Every point, or every so many.
    All { every: usize },
    /// Promises broken on purpose, one after the other: every one, or the one of this name.
    Breaks { only: Option<String> },
    /// One scenario, perhaps one mode of it, perhaps one point of that.
    One { scenario: String, mode: Option<Mode>, point: Option<usize> },
}

impl Wanted {
    /// Reads the arguments; none when they are a filter for tests of other names.
    pub fn read(arguments: &[String]) -> Result<Option<Self>, String> {
        let value = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name)?;
            Some(arguments.get(at + 1).cloned().unwrap_or_default())
        };
        let known = ["--all", "--breaks", "--scenario", "--mode", "--point"];
        let Some(first) = arguments.first() else {
            return Ok(Some(Self::Sample { seed: seed() }));
        };
        if !known.contains(&first.as_str()) {
            println!("skipped: {first:?} asks for no sweep");
            return Ok(None);
        }
        if first == "--breaks" {
            return Ok(Some(Self::Breaks { only: value("--breaks").filter(|it| !it.is_empty()) }));
        }
        if first == "--all" {
            let every = value("--every").map_or(Some(1), |every| every.parse().ok());
            let every = every.filter(|every| 0 < *every).ok_or_else(usage)?;
            return Ok(Some(Self::All { every }));
        }
        let scenario = value("--scenario").unwrap_or_default();
        let mode = value("--mode");
        let point = value("--point");
        let wanted = Self::One {
            mode: mode.as_deref().and_then(Mode::of),
            point: point.as_deref().and_then(|point| point.parse().ok()),
            scenario: scenario.clone(),
        };
        let Self::One { mode: read_mode, point: read_point, .. } = &wanted else { unreachable!() };
        let is_known = SCENARIOS.iter().any(|known| known.name == scenario)
            && read_mode.is_some() == mode.is_some()
            && read_point.is_some() == point.is_some()
            && (mode.is_some() || point.is_none());
        if is_known { Ok(Some(wanted)) } else { Err(usage()) }
    }

    /// Returns true when a scenario is to be run.
    pub fn takes(&self, scenario: &Scenario) -> bool {
        match self {
            Self::Sample { .. } | Self::All { .. } | Self::Breaks { .. } => true,
            Self::One { scenario: name, .. } => scenario.name == name,
        }
    }

    /// Returns true when plain git is measured as well.
    pub fn compares(&self) -> bool {
        !matches!(self, Self::One { .. })
    }

    /// Returns true when one fault is asked for.
    pub fn is_single(&self) -> bool {
        matches!(self, Self::One { point: Some(_), .. })
    }

    /// Returns the points of a scenario at which a mode is tried.
    pub fn points(&self, bench: &Bench<'_>, mode: Mode) -> Vec<usize> {
        let (_, few, step) = OFTEN.into_iter().find(|(known, ..)| *known == mode).unwrap();
        let points = if Company::suits(mode, bench.scenario) {
            mode.points(&bench.calls)
        } else {
            Vec::new()
        };
        match self {
            Self::Sample { seed } => pick(points, few, seed ^ hash(bench.scenario.name, mode)),
            Self::All { every } => points.into_iter().step_by(step * every).collect(),
            Self::Breaks { .. } => points,
            Self::One { mode: Some(only), .. } if *only != mode => Vec::new(),
            Self::One { point: Some(point), .. } => vec![*point],
            Self::One { .. } => points,
        }
    }

    /// Returns some points of plain git, or all.
    pub fn points_of_git(&self, calls: usize) -> Vec<usize> {
        match self {
            Self::Sample { seed } => pick((1..=calls).collect(), 12, *seed),
            Self::All { every } => (1..=calls).step_by(*every).collect(),
            Self::Breaks { .. } | Self::One { .. } => Vec::new(),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sample { seed } => {
                write!(to, "A sample; CFGSYNC_SWEEP_SEED={seed} takes it again.")
            }
            Self::All { every: 1 } => write!(to, "Every call that changes a file."),
            Self::All { every } => write!(to, "One call in {every} of those that change a file."),
            Self::Breaks { .. } => write!(to, "Promises broken on purpose."),
            Self::One { scenario, .. } => write!(to, "{scenario} alone."),
        }
    }
}

fn usage() -> String {
    let scenarios: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    let scenarios = scenarios.join(" ");
    let modes = MODES.map(|(_, name)| name).join(" ");
    format!(
        "usage: sweep [--all [--every N] | --breaks [NAME] | --scenario NAME [--mode MODE [--point N]]]\n\
         scenarios: {scenarios}\nmodes: {modes}"
    )
}

/// Another sample each time, unless one is asked for.
fn seed() -> u64 {
    let asked = std::env::var("CFGSYNC_SWEEP_SEED").ok().and_then(|seed| seed.parse().ok());
    asked.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

fn hash(scenario: &str, mode: Mode) -> u64 {
    let name = [scenario, mode.name()].concat();
    name.bytes().fold(0, |hash: u64, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)))
}

/// Picks one point from each of several stretches of equal length.
fn pick(points: Vec<usize>, few: usize, seed: u64) -> Vec<usize> {
    let mut roll = seed;
    let stretch = points.len().div_ceil(few).max(1);
    let mut dice = |limit: usize| {
        roll = roll.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (roll ^ (roll >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap() % limit
    };
    points.chunks(stretch).map(|chunk| chunk[dice(chunk.len())]).collect()
}
