//! One scenario at work: its fixture, what it comes to undisturbed, and one fault at a time.

use std::fs;

use super::calls::Call;
use super::checks::{self, Before, End};
use super::company::{self, Company};
use super::cut::Disk;
use super::faults::{Census, Mode, Planned};
use super::look::{self, Files};
use super::place::Place;
use super::scenarios::{Healing, Scenario};
use super::trace::{Traced, trace};

/// Under which name the state is kept that every fault starts from.
const PRISTINE: &str = "pristine";

/// Which looks are taken after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The quick ones.
    Quick,
    /// The stores are checked too, and a second sync.
    Deep,
}

/// What was wrong after one fault.
#[derive(Debug, Default)]
pub struct Finding {
    /// The call that was struck; none when the run ended before.
    pub struck: Option<String>,
    /// Bytes that are nowhere.
    pub lost: Vec<String>,
    /// Live files that are neither old nor new.
    pub bad: Vec<String>,
    /// What one undisturbed sync did not mend.
    pub unhealed: Vec<String>,
    /// What lies around afterwards.
    pub left: Vec<String>,
    /// What the commands said, for a person.
    pub said: String,
}

impl Finding {
    /// Returns true when nothing was wrong.
    pub fn is_clean(&self) -> bool {
        [&self.lost, &self.bad, &self.unhealed, &self.left].iter().all(|list| list.is_empty())
    }
}

/// A scenario with everything its faults are measured by.
#[derive(Debug)]
pub struct Bench<'a> {
    place: &'a Place,
    /// The command.
    pub scenario: &'static Scenario,
    /// The calls of a run that nothing disturbed.
    pub calls: Vec<Call>,
    before: Before,
    after: Vec<Files>,
    ends: Vec<End>,
}

impl<'a> Bench<'a> {
    /// Builds the fixture, and lets the command run undisturbed, with and without a remote: one
    /// whose `git fetch` dies may go on as one that is offline does.
    pub fn new(place: &'a Place, scenario: &'static Scenario) -> Self {
        (scenario.prepare)(place);
        place.keep(PRISTINE);
        // A state that was put back costs more calls than one that just came about.
        place.restore(PRISTINE);
        let before = Before::of(place);
        let mut census = Census::default();
        let command = place.ec2().cfgsync(&scenario.arguments(place));
        let traced = trace(command, &mut census);
        let is_known = traced.code.is_some_and(|code| scenario.codes.contains(&code));
        assert!(is_known, "{} undisturbed: {traced:?}", scenario.name);
        let mut after = vec![look::files(&place.ec2())];
        let mut ends = vec![Self::undisturbed(place, scenario)];
        place.restore(PRISTINE);
        if place.unplug() {
            place.ec2().run(&scenario.arguments(place));
            after.push(look::files(&place.ec2()));
            place.plug();
        }
        if scenario.healing == Healing::DoneOrNot {
            ends.push(Self::undisturbed(place, scenario));
            place.restore(PRISTINE);
            ends.push(Self::undisturbed(place, scenario));
        }
        Self { place, scenario, calls: census.calls, before, after, ends }
    }

    fn undisturbed(place: &Place, scenario: &Scenario) -> End {
        let (end, said) = End::reached(place, scenario);
        let left = look::left_over(place);
        let is_good = [0, 4].contains(&end.code()) && left.is_empty();
        assert!(is_good, "{} undisturbed: {} {left:?}\n{said}", scenario.name, end.code());
        end
    }

    /// Returns a disk for power cuts, or why there can be none.
    pub fn disk(&self) -> Result<Disk, String> {
        self.place.restore(PRISTINE);
        Disk::new(self.place)
    }

    /// Hurts one run, lets the machine heal, and looks.
    pub fn strike(&self, mode: Mode, point: usize, disk: Option<&Disk>, depth: Depth) -> Finding {
        let place = self.place;
        match disk {
            Some(disk) => place.restore_around(PRISTINE, disk),
            None => place.restore(PRISTINE),
        }
        if mode == Mode::Meanwhile {
            place.restore_mac(PRISTINE);
        }
        let mut planned = Planned::new(mode, point, disk, Company::new(place, mode));
        let mut command = place.ec2().cfgsync(&self.scenario.arguments(place));
        let said = place.folder().join("said");
        let to = fs::File::create(&said).unwrap();
        command.stdout(to.try_clone().unwrap()).stderr(to);
        let traced = trace(command, &mut planned);
        let rival = planned.company.leave();
        let struck = planned.struck.take();
        if struck.is_none() {
            return Finding::default();
        }
        if let Some(disk) = disk {
            disk.start_again();
        }
        let mut finding = match mode {
            Mode::Edit | Mode::Late | Mode::Meanwhile => self.look_around(mode),
            _ => self.look(depth),
        };
        if mode == Mode::LostWrite {
            finding.left.extend(checks::false_archives(place));
        }
        let first = fs::read_to_string(said).unwrap_or_default();
        finding.said = format!("{first}(exit code {:?})\n{}", traced.code, finding.said);
        finding.struck = struck;
        finding.unhealed.extend(hangs(&traced));
        if mode == Mode::Rival {
            let codes = [traced.code, rival];
            finding.unhealed.extend(codes.into_iter().flatten().filter_map(|it| self.gave_up(it)));
        }
        finding
    }

    /// Sees that what somebody else did meanwhile is there, and nothing is lost.
    fn look_around(&self, mode: Mode) -> Finding {
        let place = self.place;
        // Where a person says which version counts, what was typed meanwhile may have lost to it.
        let must_live = self.scenario.healing == Healing::Done;
        let mut finding = Finding::default();
        let mut lost = self.before.lost(place);
        // What the company itself replaced was not cfgsync's to keep.
        lost.retain(|it| !it.contains(company::FILE));
        if mode == Mode::Edit && must_live && !company::is_live(place) {
            finding.bad.push("what was typed meanwhile is not in the live file".to_owned());
        }
        let (mut end, mut said) = End::reached(place, self.scenario);
        if mode == Mode::Late && !look::left_over(place).is_empty() {
            // A process that the other worker had just started still had the file open, as every
            // new process has until it becomes its program: the next sync finds it closed.
            (end, said) = End::reached(place, self.scenario);
        }
        if ![0, 4].contains(&end.code()) {
            finding.unhealed.push(format!("exit code {}", end.code()));
        }
        let is_there = match mode {
            Mode::Meanwhile => end.has_file(company::NEW) && end.has_upstream(company::NEW_THERE),
            Mode::Edit if must_live => company::is_live(place),
            _ => company::is_live(place) || company::is_kept(place),
        };
        if !is_there {
            lost.push("what was written meanwhile is nowhere".to_owned());
        }
        Finding { lost, left: look::left_over(place), said, ..finding }
    }

    /// Two runs at once both do what they were asked to.
    fn gave_up(&self, code: i32) -> Option<String> {
        let is_known = code == 0 || self.scenario.codes.contains(&code);
        (!is_known).then(|| format!("one of two runs gave up with exit code {code}"))
    }

    fn look(&self, depth: Depth) -> Finding {
        let place = self.place;
        let bad = self.before.bad(&self.after, &look::files(&place.ec2()));
        let mut lost = self.before.lost(place);
        let (end, said) = End::reached(place, self.scenario);
        let known: Vec<&End> = self.ends.iter().collect();
        let mut unhealed = end.differs(&known);
        let mut left = look::left_over(place);
        let after_healing = self.before.lost(place);
        lost.extend(after_healing.iter().map(|it| format!("{it} after the next sync")));
        if depth == Depth::Deep {
            let (damaged, restless) = checks::deeper(place, &end);
            left.extend(damaged);
            unhealed.extend(restless);
        }
        Finding { struck: None, lost, bad, unhealed, left, said }
    }
}

fn hangs(traced: &Traced) -> Option<String> {
    traced.is_late.then(|| "the command hangs".to_owned())
}
