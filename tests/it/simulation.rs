//! Three machines and a remote, simulated: random but replayable edits, marks, modes, renames and
//! syncs, with machines that come and go. Whatever happened, all end equal and nothing is lost.
//!
//! A failure prints its seed and its last steps, and leaves its sandbox behind. To replay it:
//! `CFGSYNC_SIM_SEED=7 CFGSYNC_SIM_STEPS=120 cargo test --test it simulation::many`. The dice of a
//! step depend on the seed and its number alone, so `CFGSYNC_SIM_ONLY=3,17,40` replays a few steps:
//! remove numbers until the failure goes away to find what it takes.

mod commands;
mod ending;
mod files;
mod ledger;
mod world;

use crate::sandbox::Dice;
use world::World;

/// Seed and steps of each machine of the long life.
const LONG: (u64, usize) = (20_260_101, 2000);

/// Seeds of the short lives.
const SHORT: [u64; 8] = [2, 8, 16, 19, 25, 28, 34, 36];

/// Steps of each machine of a short life.
const SHORT_STEPS: usize = 120;

/// What can happen on a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Append,
    ChangeLine,
    Insert,
    ReplaceWhole,
    MakeBinary,
    AddFile,
    AddInFolder,
    DeleteFile,
    DeleteInFolder,
    Rename,
    RenameAndEdit,
    Chmod,
    MarkFile,
    MarkFolder,
    Unmark,
    GoOffline,
    GoOnline,
    Resolve,
    Sync,
    ForcePull,
    ForcePush,
    Undo,
}

/// How often each happens, in relation to the others.
const OPERATIONS: &[(usize, Operation)] = &[
    (14, Operation::Append),
    (18, Operation::ChangeLine),
    (16, Operation::Insert),
    (5, Operation::ReplaceWhole),
    (1, Operation::MakeBinary),
    (6, Operation::AddFile),
    (4, Operation::AddInFolder),
    (3, Operation::DeleteFile),
    (2, Operation::DeleteInFolder),
    (3, Operation::Rename),
    (2, Operation::RenameAndEdit),
    (5, Operation::Chmod),
    (1, Operation::MarkFile),
    (1, Operation::MarkFolder),
    (1, Operation::Unmark),
    (1, Operation::GoOffline),
    (4, Operation::GoOnline),
    (3, Operation::Resolve),
    (10, Operation::Sync),
    (1, Operation::ForcePull),
    (1, Operation::ForcePush),
    (1, Operation::Undo),
];

/// Reads a setting of a replay.
fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Lives one life, and sees how it ends.
fn live(seed: u64, steps: usize) {
    let steps = setting("CFGSYNC_SIM_STEPS").unwrap_or(steps);
    let only =
        setting("CFGSYNC_SIM_ONLY").filter(|text: &String| !text.is_empty()).map(|text: String| {
            text.split(',').map(|step| step.parse().unwrap()).collect::<Vec<usize>>()
        });
    let mut world = World::new(seed);
    for step in 0..steps * world.places.len() {
        if only.as_ref().is_none_or(|only| only.contains(&step)) {
            world.step(step, Dice::of(seed, step));
        }
    }
    world.end();
}

#[test]
fn three_machines_of_two_thousand_operations_each() {
    live(setting("CFGSYNC_SIM_SEED").unwrap_or(LONG.0), LONG.1);
}

#[test]
fn many_short_lives() {
    let seeds = setting("CFGSYNC_SIM_SEED").map_or(SHORT.to_vec(), |seed| vec![seed]);
    for seed in seeds {
        live(seed, SHORT_STEPS);
    }
}
