//! Who else is at work during a run: a person who saves a file, a program that has one open, another
//! sync of the same machine, another machine.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::faults::Mode;
use super::place::{Machine, Place, run};
use super::scenarios::{Healing, Scenario};

/// The file that is edited.
pub const FILE: &str = ".zshrc";

/// The file that another machine adds, as this machine has it.
pub const NEW: &str = "configs/meanwhile.txt";

/// The same, upstream.
pub const NEW_THERE: &str = "meanwhile.txt";

/// What is typed.
const WORD: &str = "typed meanwhile";

/// How long another sync is waited for that neither ends nor waits for a lock.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who else is at work.
#[derive(Debug)]
pub struct Company {
    ec2: Machine,
    mac: Machine,
    open: Option<File>,
    rival: Option<Child>,
    /// How the other sync ended, where it did not have to wait.
    code: Option<i32>,
    /// Whether the other machine could not send what it has, as the remote's branch was locked.
    is_early: bool,
}

impl Company {
    /// Prepares what has to begin before the run.
    pub fn new(place: &Place, mode: Mode) -> Self {
        let (ec2, mac) = (place.ec2(), place.mac());
        let open = if mode == Mode::Late { appending(&ec2) } else { None };
        Self { ec2, mac, open, rival: None, code: None, is_early: false }
    }

    /// Returns true when a mode makes sense for a command.
    pub fn suits(mode: Mode, scenario: &Scenario) -> bool {
        // Where a person says which side counts, another sync may have decided otherwise before.
        let is_sync = scenario.healing == Healing::Done;
        // There, the remote is away, or is not as the other machine left it.
        let is_apart = ["sync-offline", "sync-refused"].contains(&scenario.name);
        match mode {
            Mode::Edit | Mode::Late => scenario.healing != Healing::Again,
            Mode::Rival => is_sync,
            Mode::Meanwhile => is_sync && !is_apart,
            _ => true,
        }
    }

    /// Does it. Every other edit replaces the file, as most editors do.
    pub fn work(&mut self, mode: Mode, point: usize) {
        match mode {
            Mode::Edit if point.is_multiple_of(2) => {
                let text = fs::read_to_string(self.ec2.path(FILE)).unwrap_or_default();
                self.ec2.replace(FILE, &format!("{text}{WORD}\n"));
            }
            Mode::Edit => type_into(appending(&self.ec2).as_mut()),
            Mode::Late => type_into(self.open.as_mut()),
            Mode::Meanwhile => {
                let there = NEW_THERE;
                self.mac.write(&format!("@{there}"), WORD);
                self.is_early = self.mac.run(&["sync"]).0 != 0;
            }
            Mode::Rival => {
                let mut rival = self.ec2.cfgsync(&["sync"]).spawn().unwrap();
                self.code = ended_or_waiting(&mut rival);
                self.rival = Some(rival);
            }
            _ => {}
        }
    }

    /// Ends what is still under way, and returns how another sync ended that ended before this run.
    pub fn leave(&mut self) -> Option<i32> {
        drop(self.open.take());
        if self.is_early {
            // Its next sync sends it.
            self.mac.run(&["sync"]);
        }
        if let Some(mut rival) = self.rival.take() {
            // The tracer may have seen its end already.
            let _ = rival.wait();
        }
        self.code
    }
}

/// Lets another sync go as far as it can while this one stands still: to its end, or to a lock.
fn ended_or_waiting(rival: &mut Child) -> Option<i32> {
    let waiting = format!(" {} ", rival.id());
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(status) = rival.try_wait().unwrap() {
            return status.code();
        }
        // A line with an arrow is somebody who waits.
        let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
        if locks.lines().any(|line| line.contains("->") && line.contains(&waiting)) {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

fn appending(machine: &Machine) -> Option<File> {
    File::options().append(true).open(machine.path(FILE)).ok()
}

fn type_into(file: Option<&mut File>) {
    if let Some(file) = file {
        writeln!(file, "{WORD}").unwrap();
    }
}

/// Returns true when what was typed is in the live file.
pub fn is_live(place: &Place) -> bool {
    fs::read_to_string(place.ec2().path(FILE)).is_ok_and(|text| text.contains(WORD))
}

/// Returns true when what was typed is in the vault, where a ref leads to it.
pub fn is_kept(place: &Place) -> bool {
    let Some(state) = place.ec2().state() else { return false };
    let mut search = Command::new("sh");
    search
        .args([
            "-c",
            "git rev-list --objects --all | cut -d' ' -f1 | git cat-file --batch | grep -aq \"$0\"",
            WORD,
        ])
        .current_dir(state.join("vault"))
        .env("GIT_DIR", ".")
        .stdin(Stdio::null());
    run(search).0 == 0
}
