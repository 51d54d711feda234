//! The tables: every cell beside the script and beside bare Git, and how it grows.

use std::process::ExitCode;

use crate::lane::Cell;
use crate::measure::Cost;
use crate::world::{Costs, Measured, Transport};

/// Most memory of a sync with 10,000 files.
const MOST_MEMORY: f64 = 80.0 * 1024.0 * 1024.0;

/// Most processes of a sync with nothing to do.
const MOST_PROCESSES: usize = 4;

/// What was measured.
#[derive(Default)]
pub struct Rows {
    sizes: Vec<(Transport, usize, Costs)>,
    broken: Vec<String>,
}

/// Returns the middle one of some costs, by one of their figures.
fn median(costs: &[Cost], figure: fn(&Cost) -> f64) -> f64 {
    let mut figures: Vec<f64> = costs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn number(count: Option<usize>) -> String {
    count.map_or("-".to_owned(), |count| count.to_string())
}

fn wall(cost: &Cost) -> f64 {
    cost.wall
}

impl Rows {
    /// Keeps what was measured, and what it breaks.
    pub fn add(&mut self, transport: Transport, files: usize, costs: Costs) {
        for measured in &costs.cells {
            let what = format!("{}, {files} files, {}", transport.word(), measured.cell.word());
            let (ratio, limit) = limited(transport, measured);
            if limit.is_some_and(|limit| ratio > limit) {
                self.broken.push(format!("{what}: {ratio:.2} × where {limit:?} is allowed"));
            }
            let memory = median(&measured.costs[0], |cost| cost.memory);
            if memory > MOST_MEMORY {
                self.broken.push(format!("{what}: {:.0} MB of memory", memory / 1e6));
            }
            let started = measured.started[0].as_ref().map_or(0, |started| started.processes);
            let is_too_many = transport == Transport::File && started > MOST_PROCESSES;
            if measured.cell == Cell::Nothing && is_too_many {
                self.broken.push(format!("{what}: {started} processes"));
            }
        }
        self.sizes.push((transport, files, costs));
    }

    /// Prints the tables.
    pub fn print(&self) {
        println!(
            "| remote | files | to do | cfgsync | script | fetch/push | × script | × git | at most | \
             CPU | of script | memory | written | of script | processes | of script | connections | \
             of script | fsyncs | of script |"
        );
        println!("| --- | ---: | --- |{}", " ---: |".repeat(17));
        for (transport, files, costs) in &self.sizes {
            costs.cells.iter().for_each(|measured| row(*transport, *files, measured));
        }
        println!();
        for transport in Transport::ALL {
            self.growth(transport);
        }
        self.broken.iter().for_each(|line| println!("- **{line}**"));
    }

    /// Says how a sync with nothing to do grows with the number of files, and how `git status` does.
    fn growth(&self, transport: Transport) {
        let of = |(_, files, costs): &(Transport, usize, Costs)| {
            let nothing = costs.cells.first().map_or(f64::NAN, |it| median(&it.costs[0], wall));
            (*files, nothing, median(&costs.status, wall))
        };
        let sizes: Vec<_> = self.sizes.iter().filter(|(at, ..)| *at == transport).map(of).collect();
        let (Some(first), Some(last)) = (sizes.first(), sizes.last()) else { return };
        if first.0 != last.0 {
            println!(
                "- {}: from {} to {} files a sync with nothing to do grows by {:.1} ms, `git status` \
                 by {:.1} ms.",
                transport.word(),
                first.0,
                last.0,
                (last.1 - first.1) * 1e3,
                (last.2 - first.2) * 1e3,
            );
        }
    }

    /// Returns what the program ends with.
    pub fn outcome(&self) -> ExitCode {
        if self.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Returns the ratio that is limited, and its limit.
fn limited(transport: Transport, measured: &Measured) -> (f64, Option<f64>) {
    let [ours, script, floor] = measured.costs.each_ref().map(|costs| median(costs, wall));
    match (transport, measured.cell) {
        (Transport::File, Cell::Nothing) => (ours / script, Some(0.5)),
        (Transport::File, _) => (ours / script, Some(1.0)),
        (Transport::Ssh, Cell::Both) => (ours / floor, Some(0.65)),
        (Transport::Ssh, _) => (ours / floor, Some(1.1)),
        (Transport::Http, _) => (ours / floor, None),
    }
}

fn row(transport: Transport, files: usize, measured: &Measured) {
    let [ours, script, floor] = measured.costs.each_ref().map(|costs| median(costs, wall));
    let cpu = |at: usize| median(&measured.costs[at], |cost| cost.cpu) * 1e3;
    let written = |at: usize| median(&measured.costs[at], |cost| cost.written) / 1024.0;
    let memory = median(&measured.costs[0], |cost| cost.memory) / 1e6;
    let started = |at: usize| measured.started[at].as_ref();
    let processes = |at: usize| number(started(at).map(|started| started.processes));
    let syncs = |at: usize| number(started(at).map(|started| started.syncs));
    let (ratio, limit) = limited(transport, measured);
    let limit = limit.map_or(String::new(), |limit| {
        let verdict = if ratio > limit { " **more**" } else { " ok" };
        let beside = if transport == Transport::File { "script" } else { "git" };
        format!("{limit} {beside}{verdict}")
    });
    println!(
        "| {} | {files} | {} | {:.1} ms | {:.1} ms | {:.1} ms | {:.2} | {:.2} | {limit} | {:.1} ms | \
         {:.1} ms | {memory:.0} MB | {:.0} KB | {:.0} KB | {} | {} | {} | {} | {} | {} |",
        transport.word(),
        measured.cell.word(),
        ours * 1e3,
        script * 1e3,
        floor * 1e3,
        ours / script,
        ours / floor,
        cpu(0),
        cpu(1),
        written(0),
        written(1),
        processes(0),
        processes(1),
        number(measured.connections[0]),
        number(measured.connections[1]),
        syncs(0),
        syncs(1),
    );
}
