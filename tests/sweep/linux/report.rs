//! What the sweep says: a line for each scenario and mode, each failure with the command that
//! repeats it, and a table.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use super::bench::Finding;
use super::faults::{Mode, Sort};

/// How many failures of one scenario and mode are told in full; of all others, two lines are.
const TOLD: usize = 5;

/// How much of a finding is told.
const LONGEST_LINE: usize = 240;

/// How many points there were, and after how many of them something was wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Faults that struck.
    pub points: usize,
    /// Bytes were nowhere.
    pub lost: usize,
    /// A live file was neither old nor new.
    pub bad: usize,
    /// The next sync did not mend it.
    pub unhealed: usize,
    /// Something lay around.
    pub left: usize,
    failures: usize,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.points += other.points;
        self.lost += other.lost;
        self.bad += other.bad;
        self.unhealed += other.unhealed;
        self.left += other.left;
    }

    fn is_clean(&self) -> bool {
        self.lost + self.bad + self.unhealed + self.left == 0
    }

    /// Counts one fault, and tells of it when something was wrong.
    pub fn count(&mut self, scenario: &str, mode: Mode, point: usize, finding: &Finding) {
        let Some(struck) = &finding.struck else { return };
        self.points += 1;
        self.lost += usize::from(!finding.lost.is_empty());
        self.bad += usize::from(!finding.bad.is_empty());
        self.unhealed += usize::from(!finding.unhealed.is_empty());
        self.left += usize::from(!finding.left.is_empty());
        if finding.is_clean() {
            return;
        }
        self.failures += 1;
        let text = told(scenario, mode, point, struck, finding);
        let lines = if self.failures <= TOLD { usize::MAX } else { 2 };
        text.lines().take(lines).for_each(|line| eprintln!("{line}"));
    }
}

/// What `git pull --rebase --autostash` comes to when it is killed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Comparison {
    /// Kills that struck.
    pub points: usize,
    /// An edit was not in its file any more.
    pub missing: usize,
    /// A lock lay around.
    pub locked: usize,
    /// Two more runs did not mend it.
    pub unhealed: usize,
}

/// Returns one failure in full.
fn told(scenario: &str, mode: Mode, point: usize, struck: &str, finding: &Finding) -> String {
    let mut text = format!("FAILED {scenario} {} at {struck}\n", mode.name());
    for (what, list) in [
        ("lost", &finding.lost),
        ("bad live", &finding.bad),
        ("not healed", &finding.unhealed),
        ("left over", &finding.left),
    ] {
        for line in list {
            text += &format!("    {what}: {}\n", short(line));
        }
    }
    for line in finding.said.lines() {
        text += &format!("    said: {line}\n");
    }
    let mode = mode.name();
    text + &format!(
        "    again: cargo test --test sweep -- --scenario {scenario} --mode {mode} --point {point}"
    )
}

/// Texts of whole files are cut; `--point` shows them.
fn short(line: &str) -> String {
    line.chars().take(LONGEST_LINE).collect()
}

/// What all workers found together.
#[derive(Debug, Default)]
pub struct Report {
    git: Mutex<Option<Comparison>>,
    tallies: Mutex<BTreeMap<(&'static str, Mode), Tally>>,
    broken: Mutex<Vec<String>>,
}

impl Report {
    /// Takes what one mode of a scenario came to, and says it.
    pub fn take(&self, scenario: &'static str, mode: Mode, tally: Tally, took: Duration) {
        let Tally { points, lost, bad, unhealed, left, .. } = tally;
        println!(
            "{scenario:15} {:14} {points:5} points  {lost} lost  {bad} bad live  \
             {unhealed} not healed  {left} left over  {:.1} s",
            mode.name(),
            took.as_secs_f64()
        );
        self.tallies.lock().unwrap().insert((scenario, mode), tally);
    }

    /// Takes what plain git came to. It fails nothing.
    pub fn compare(&self, comparison: Comparison) {
        *self.git.lock().unwrap() = Some(comparison);
    }

    /// Takes note of a scenario that could not be run.
    pub fn broke(&self, scenario: &str) {
        self.broken.lock().unwrap().push(scenario.to_owned());
    }

    /// Returns true when nothing was wrong anywhere.
    pub fn is_clean(&self) -> bool {
        self.broken.lock().unwrap().is_empty()
            && self.tallies.lock().unwrap().values().all(Tally::is_clean)
    }

    /// Says it all in a table.
    pub fn show(&self, took: Duration) {
        let tallies = self.tallies.lock().unwrap();
        let mut rows: BTreeMap<&str, (Tally, BTreeMap<Mode, usize>)> = BTreeMap::new();
        let (mut all, mut kills, mut errors, mut others) = (Tally::default(), 0, 0, 0);
        for ((scenario, mode), tally) in tallies.iter() {
            let (sum, points) = rows.entry(scenario).or_default();
            sum.add(*tally);
            points.insert(*mode, tally.points);
            all.add(*tally);
            *match mode.sort() {
                Sort::Kill => &mut kills,
                Sort::Failure => &mut errors,
                Sort::Company => &mut others,
            } += tally.points;
        }
        let modes = super::faults::MODES;
        println!(
            "\n| command |{} lost | bad live | not healed | left over |",
            modes.map(|(_, name)| format!(" {name} |")).concat()
        );
        println!("|---|{}", "---|".repeat(modes.len() + 4));
        let row = |name: &str, points: &dyn Fn(Mode) -> usize, tally: Tally| {
            println!(
                "| {name} |{} {} | {} | {} | {} |",
                modes.map(|(mode, _)| format!(" {} |", points(mode))).concat(),
                tally.lost,
                tally.bad,
                tally.unhealed,
                tally.left
            );
        };
        for (scenario, (sum, points)) in &rows {
            row(scenario, &|mode| points.get(&mode).copied().unwrap_or(0), *sum);
        }
        let sum_of = |mode| rows.values().filter_map(|(_, points)| points.get(&mode)).sum();
        row("all", &sum_of, all);
        println!(
            "\n{kills} kills, {errors} failed calls and {others} runs with company in {:.0} s",
            took.as_secs_f64()
        );
        if let Some(Comparison { points, missing, locked, unhealed }) = *self.git.lock().unwrap() {
            println!(
                "\n| for comparison | kills | edit not in its file | lock left | wrong after two more runs |"
            );
            println!("|---|---|---|---|---|");
            println!(
                "| `git pull --rebase --autostash` | {points} | {missing} | {locked} | {unhealed} |"
            );
        }
        for scenario in self.broken.lock().unwrap().iter() {
            println!("BROKEN: {scenario} could not be run");
        }
    }
}
