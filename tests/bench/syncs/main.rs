//! Measures a sync beside bare `git fetch` and `git push`, and beside the script people write, in
//! turn in one run: 100, 1,000 and 10,000 files; a remote in a folder, over ssh and over http on
//! loopback; nothing to do, a change here, a change there, both. Fails when a promise is broken.
//!
//! By default 10,000 files are measured on a folder alone; `CFGSYNC_BENCH=all` measures everything,
//! `CFGSYNC_BENCH="file ssh http 100 1000 10000"` what is named.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    unsafe_code,
    reason = "a program of the developers' own"
)]

mod http;
mod lane;
mod measure;
mod rows;
mod ssh;
mod world;

use std::process::ExitCode;

use rows::Rows;
use world::{Transport, World};

/// The engine.
pub const ENGINE: &str = env!("CARGO_BIN_EXE_cfgsync");

const SIZES: [usize; 3] = [100, 1_000, 10_000];

/// Returns what is to be measured.
fn wanted() -> Vec<(Transport, usize)> {
    let words = std::env::var("CFGSYNC_BENCH").unwrap_or_default();
    let words: Vec<&str> = words.split_whitespace().collect();
    let pairs = Transport::ALL.into_iter().flat_map(|at| SIZES.map(|files| (at, files)));
    let is_named = |(transport, files): &(Transport, usize)| {
        let named = |text: &str| words.contains(&text);
        let sizes = SIZES.iter().any(|size| named(&size.to_string()));
        let transports = Transport::ALL.iter().any(|at| named(at.word()));
        (!sizes || named(&files.to_string())) && (!transports || named(transport.word()))
    };
    match words[..] {
        [] => pairs.filter(|(at, files)| *at == Transport::File || *files <= 1_000).collect(),
        ["all"] => pairs.collect(),
        _ => pairs.filter(is_named).collect(),
    }
}

fn main() -> ExitCode {
    let mut rows = Rows::default();
    let world = World::new();
    for (transport, files) in wanted() {
        match world.measure(transport, files) {
            Some(costs) => rows.add(transport, files, costs),
            None => println!("<!-- {}: not measured, no server -->", transport.word()),
        }
    }
    rows.print();
    rows.outcome()
}
