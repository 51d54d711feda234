//! The sweep itself: what is asked of it, which faults that means, and the two workers.

mod bench;
mod breaks;
mod calls;
mod checks;
mod company;
mod cut;
mod faults;
mod look;
mod place;
mod plain_git;
mod report;
mod scenarios;
mod trace;
mod wanted;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bench::{Bench, Depth};
use cut::Disk;
use faults::{MODES, Mode};
use place::Place;
use report::{Report, Tally};
use scenarios::{SCENARIOS, Scenario};
use wanted::Wanted;

/// How many runs go on at once.
const WORKERS: usize = 2;

/// Every how many points the costly looks are taken.
const DEEP: usize = 8;

/// Does what is asked.
pub fn run() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wanted = match Wanted::read(&arguments) {
        Ok(Some(wanted)) => wanted,
        Ok(None) => return ExitCode::SUCCESS,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    println!("{wanted}");
    if let Wanted::Breaks { only } = &wanted {
        return breaks::run(only.as_deref());
    }
    let started = Instant::now();
    let report = Report::default();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (report, next, wanted) = (&report, &next, &wanted);
            scope.spawn(move || work(worker, next, wanted, report));
        }
    });
    report.show(started.elapsed());
    if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Takes one scenario after the other, until none is left. The comparison comes last.
fn work(worker: usize, next: &AtomicUsize, wanted: &Wanted, report: &Report) {
    let place = Place::new(worker);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(scenario) = SCENARIOS.get(number) else {
            if number == SCENARIOS.len() && wanted.compares() {
                report.compare(plain_git::measure(&place, wanted));
            }
            return;
        };
        if !wanted.takes(scenario) {
            continue;
        }
        let swept = catch_unwind(AssertUnwindSafe(|| sweep(&place, scenario, wanted, report)));
        if swept.is_err() {
            report.broke(scenario.name);
        }
    }
}

/// Sweeps one scenario in every mode that is wanted.
fn sweep(place: &Place, scenario: &'static Scenario, wanted: &Wanted, report: &Report) {
    let bench = Bench::new(place, scenario);
    for (mode, _) in MODES {
        let points = wanted.points(&bench, mode);
        if points.is_empty() {
            continue;
        }
        let started = Instant::now();
        let disk = match disk(&bench, mode) {
            Ok(disk) => disk,
            Err(cause) => {
                println!("skipped: power cut needs root and loop devices ({cause})");
                continue;
            }
        };
        let mut tally = Tally::default();
        for (at, point) in points.into_iter().enumerate() {
            let is_deep = at % DEEP == 0;
            let depth = if is_deep { Depth::Deep } else { Depth::Quick };
            let finding = bench.strike(mode, point, disk.as_ref(), depth);
            tally.count(scenario.name, mode, point, &finding);
            if wanted.is_single() {
                println!("{finding:#?}");
                place.leave(disk.as_ref());
            }
        }
        report.take(scenario.name, mode, tally, started.elapsed());
    }
}

/// Only a power cut needs a disk of its own.
fn disk(bench: &Bench<'_>, mode: Mode) -> Result<Option<Disk>, String> {
    if mode == Mode::PowerCut { bench.disk().map(Some) } else { Ok(None) }
}
