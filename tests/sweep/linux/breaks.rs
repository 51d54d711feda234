//! Sensitivity: promises that are broken on purpose, and the sweep that must notice each of them.
//!
//! `cfgsync` has the breaks behind the feature `sabotage` (`src/engine/sabotage.rs`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::bench::{Bench, Depth, Finding};
use super::faults::Mode;
use super::place::Place;
use super::scenarios::SCENARIOS;
use super::{WORKERS, disk};

/// Each break, and the sweep that is to notice it.
const BREAKS: [(&str, &str, Mode); 13] = [
    ("no-sync", "sync-merge", Mode::PowerCut),
    ("in-place", "sync-incoming", Mode::KillTree),
    ("unlink-first", "mark-file", Mode::KillTree),
    ("no-recheck", "sync-merge", Mode::Edit),
    ("wide-mode", "setup-fresh", Mode::KillTree),
    ("removals-first", "sync-unmark", Mode::KillTree),
    ("branch-first", "sync-merge", Mode::KillTree),
    ("agreement-last", "sync-held", Mode::KillTree),
    ("no-note", "sync-merge", Mode::KillTree),
    ("no-lock", "sync-merge", Mode::Rival),
    ("no-late-writes", "sync-merge", Mode::Late),
    ("unverified", "backup", Mode::LostWrite),
    ("blind-push", "sync-outgoing", Mode::Meanwhile),
];

/// One line of the table.
type Row = (&'static str, String);

/// Breaks every promise, or the one of a name, and says what noticed it.
pub fn run(only: Option<&str>) -> ExitCode {
    if !cfg!(feature = "sabotage") {
        eprintln!("the breaks need --features sabotage: see `make sweep`");
        return ExitCode::from(2);
    }
    let wanted = |(word, ..): &&(&str, &str, Mode)| only.is_none_or(|only| only == *word);
    let wanted: Vec<_> = BREAKS.iter().filter(wanted).collect();
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (next, rows, wanted) = (&next, &rows, &wanted);
            scope.spawn(move || {
                let place = Place::new(worker);
                while let Some(of) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let noticed = catch_unwind(AssertUnwindSafe(|| notice(&place, of)));
                    place.sabotage(None);
                    rows.lock().unwrap().push((of.0, noticed.unwrap_or_default()));
                }
            });
        }
    });
    show(rows.into_inner().unwrap(), wanted.len())
}

/// Sweeps until something is seen, and returns what; nothing when nothing was.
fn notice(place: &Place, (word, scenario, mode): &(&'static str, &str, Mode)) -> String {
    let scenario = SCENARIOS.iter().find(|known| known.name == *scenario).unwrap();
    let bench = Bench::new(place, scenario);
    let disk = disk(&bench, *mode).unwrap();
    place.sabotage(Some(word));
    let mut faults = 0;
    for point in mode.points(&bench.calls) {
        let finding = bench.strike(*mode, point, disk.as_ref(), Depth::Quick);
        faults += usize::from(finding.struck.is_some());
        if let (false, Some(struck)) = (finding.is_clean(), &finding.struck) {
            let struck: String = struck.chars().take_while(|it| *it != '(').collect();
            let (scenario, mode) = (scenario.name, mode.name());
            return format!("{scenario} | {mode} | {faults} | {struck} | {}", first(&finding));
        }
    }
    String::new()
}

/// Returns the first thing that was wrong.
fn first(finding: &Finding) -> String {
    let lists = [
        ("lost", &finding.lost),
        ("bad live file", &finding.bad),
        ("not healed", &finding.unhealed),
        ("left over", &finding.left),
    ];
    let found = lists.iter().find_map(|(what, list)| Some((what, list.first()?)));
    let (what, text) = found.unwrap();
    let text: String = text.chars().filter(|it| !it.is_control() && *it != '|').take(60).collect();
    format!("{what}: {text}")
}

fn show(mut rows: Vec<Row>, of: usize) -> ExitCode {
    rows.sort_by_key(|(word, _)| BREAKS.iter().position(|(known, ..)| known == word));
    println!("| break | command | mode | faults until then | at | seen |");
    println!("|---|---|---|---|---|---|");
    for (word, noticed) in &rows {
        let noticed = if noticed.is_empty() { "**not noticed** | | | |" } else { noticed };
        println!("| {word} | {noticed} |");
    }
    let red = rows.iter().filter(|(_, noticed)| !noticed.is_empty()).count();
    println!("\n{red} of {of} breaks turn red");
    if 0 < of && red == of { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
