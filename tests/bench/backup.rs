//! Measures `cfgsync backup` of 10,000 files beside `tar | gzip -6` of the same files, read back by
//! `gzip -t` as cfgsync reads its archive back; and what it costs where nothing changed.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program of the developers' own"
)]
#![allow(dead_code, reason = "the kit has more than this one needs")]

use std::fs;
use std::process::{Command, ExitCode};
use std::time::Instant;

use kit::machine::{ENGINE, Machine};
use kit::table::{Beside, Table};

mod kit {
    pub mod machine;
    pub mod table;
}

const FILES: usize = 10_000;
const LINES: usize = 400;
const ROUNDS: usize = 3;
const QUIET_ROUNDS: usize = 15;

/// How many times as long as `tar | gzip -6` and `gzip -t` an archive may take.
const LIMIT: f64 = 1.3;

/// Seconds of processor time that a backup may take where nothing changed.
const UNCHANGED: f64 = 0.060;

/// Packs the same files as a person would, and reads the result back.
const TAR: &str = "tar --exclude=.git --exclude=.sync -cf - -C configs . | gzip -6 >by-hand.tar.gz \
                   && gzip -t by-hand.tar.gz";

/// Fills the repository with files as configurations are: lines that are alike, and not the same.
fn fill(machine: &Machine) {
    let mut dice: u64 = 7;
    for number in 0..FILES {
        let folder = machine.home().join(format!("configs/many/{:03}", number / 100));
        fs::create_dir_all(&folder).expect("a folder");
        let mut text = String::new();
        for line in 0..LINES {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            text += &format!("setting.{line} = {dice:016x} # of file {number}\n");
        }
        fs::write(folder.join(format!("{number}.conf")), text).expect("a file");
    }
}

fn seconds(command: &mut Command) -> f64 {
    let start = Instant::now();
    let output = command.output().expect("a program");
    assert!(output.status.success(), "{command:?}: {output:?}");
    start.elapsed().as_secs_f64()
}

/// Returns the processor time of a backup.
fn cpu(machine: &Machine) -> f64 {
    let script = "TIMEFORMAT='%U %S'; time \"$0\" backup >/dev/null 2>&1";
    let output = machine.command("bash").args(["-c", script, ENGINE]).output().expect("bash");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.split_whitespace().map(|word| word.parse::<f64>().expect("seconds")).sum()
}

fn main() -> ExitCode {
    let machine = Machine::new(8);
    fill(&machine);
    let (mut ours, mut by_hand) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let file = machine.home().join("configs/many/changed");
        fs::write(file, format!("{round}\n")).expect("a file");
        ours.push(seconds(machine.command(ENGINE).args(["--quiet", "backup"])));
        by_hand.push(seconds(machine.command("sh").args(["-c", TAR])));
    }
    // What was written a moment ago is read again once; after that nothing is.
    let settled = Instant::now();
    while settled.elapsed().as_secs() < 3 {
        let _ = cpu(&machine);
    }
    let unchanged: Vec<f64> = (0..QUIET_ROUNDS).map(|_| cpu(&machine)).collect();
    let mut table = Table::default();
    let beside = Beside {
        name: "`tar`, `gzip -6`, `gzip -t`",
        times: &by_hand,
        again: None,
        limit: Some(LIMIT),
    };
    table.compare("a backup of 10,000 files", &ours, &beside);
    let beside =
        Beside { name: "60 ms of CPU", times: &[UNCHANGED], again: None, limit: Some(1.0) };
    table.compare("a backup of the same, unchanged", &unchanged, &beside);
    table.outcome()
}
