//! The machines of a simulation, and one step of it.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use cfgsync_core::manifest::Manifest;

use super::ledger::Ledger;
use super::{OPERATIONS, Operation};
use crate::sandbox::Dice;
use crate::sandbox::{Machine, Sandbox};

/// Files of a home that may be marked: none that a program runs or reads at a risky place, which would wait
/// for a person.
pub const HOME_FILES: [&str; 8] = [
    ".rc-0",
    ".rc-1",
    ".rc-2",
    ".rc-3",
    ".config/one",
    ".config/deep/two",
    ".private/config",
    "tools/tool",
];

/// Folders of a home that may be marked.
pub const HOME_FOLDERS: [&str; 3] = [".config/app", ".config/editor", ".vim"];

/// What belongs to Git or to cfgsync.
const UNTOUCHED: [&str; 4] = [".git", ".gitignore", ".sync", "sync.sh"];

/// Last steps that a failure shows.
const SHOWN: usize = 40;

/// A machine in the simulation.
pub struct Place {
    /// The machine.
    pub machine: Machine,
    /// Whether it reaches the remote.
    pub is_online: bool,
    /// What its last sync held.
    pub held: Vec<String>,
    /// Files that were written since a command last looked.
    pub dirty: BTreeSet<String>,
}

/// Three machines, a remote, and what is known about them.
pub struct World {
    /// The remote, and the folder of it all.
    pub sandbox: Sandbox,
    /// The machines.
    pub places: Vec<Place>,
    /// Every content there was.
    pub ledger: Ledger,
    /// Every rename there was, from and to.
    pub renames: Vec<(String, String)>,
    /// The step that runs.
    pub step: usize,
    /// Texts written in this step.
    pub written: usize,
    seed: u64,
    trace: VecDeque<String>,
}

impl World {
    /// Makes three machines that share an empty remote.
    pub fn new(seed: u64) -> Self {
        let sandbox = Sandbox::new();
        let names = ["mac", "mac2", "ec2"];
        let place = |name| Place {
            machine: sandbox.joined(name),
            is_online: true,
            held: Vec::new(),
            dirty: BTreeSet::new(),
        };
        let places = names.into_iter().map(place).collect();
        Self {
            sandbox,
            places,
            ledger: Ledger::default(),
            renames: Vec::new(),
            step: 0,
            written: 0,
            seed,
            trace: VecDeque::new(),
        }
    }

    /// Lets one thing happen on one machine.
    pub fn step(&mut self, step: usize, mut dice: Dice) {
        self.step = step;
        self.written = 0;
        let at = dice.below(self.places.len());
        let operation = dice.weighted(OPERATIONS);
        match operation {
            Operation::GoOffline => self.connect(at, false),
            Operation::GoOnline => self.connect(at, true),
            Operation::Resolve => self.resolve(at, &mut dice),
            Operation::Sync => drop(self.sync(at)),
            Operation::MarkFile => self.mark_file(at, &mut dice),
            Operation::MarkFolder => self.mark_folder(at, &mut dice),
            Operation::Unmark => self.unmark(at, &mut dice),
            Operation::ForcePull => self.force(at, "--force-pull"),
            Operation::ForcePush => self.force(at, "--force-push"),
            Operation::Undo => self.undo(at),
            _ => self.change(at, operation, &mut dice),
        }
    }

    /// Notes what happens, for the message of a failure.
    pub fn note(&mut self, at: usize, what: &str) {
        if self.trace.len() == SHOWN {
            self.trace.pop_front();
        }
        self.trace.push_back(format!("{} on {at}: {what}", self.step));
    }
}

impl Drop for World {
    #[expect(clippy::print_stdout, reason = "shown when the test fails")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let trace: Vec<&str> = self.trace.iter().map(String::as_str).collect();
            println!("{}", trace.join("\n"));
            println!("CFGSYNC_SIM_SEED={}, step {}", self.seed, self.step);
            println!("{}", self.sandbox.path("").display());
        }
    }
}

impl Place {
    /// Returns the marks on this machine.
    pub fn marks(&self) -> Vec<String> {
        let path = self.machine.path("@.sync/marked-files.txt");
        let manifest = Manifest::parse(&fs::read_to_string(path).unwrap_or_default()).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        manifest.marks.keys().map(|home| text(home.as_bytes())).collect()
    }

    /// Returns the files of the repository, but for stored copies.
    pub fn repository_files(&self) -> Vec<String> {
        let mut found = Vec::new();
        list(&self.machine.repo(), "@", &mut found);
        found.retain(|path| !path.starts_with("@external/"));
        found
    }

    /// Returns the stored copies.
    pub fn stored_copies(&self) -> Vec<String> {
        let mut found = Vec::new();
        list(&self.machine.path("@external"), "@external/", &mut found);
        found
    }

    /// Returns the files of the home that are, were or could be marked.
    pub fn home_files(&self) -> Vec<String> {
        let mut found: Vec<String> = HOME_FILES.map(str::to_owned).to_vec();
        found.retain(|path| self.machine.path(path).is_file());
        for folder in HOME_FOLDERS {
            list(&self.machine.path(folder), &format!("{folder}/"), &mut found);
        }
        found
    }

    /// Returns every file of repository and home.
    pub fn files(&self) -> Vec<String> {
        [self.repository_files(), self.stored_copies(), self.home_files()].concat()
    }
}

/// Lists the files below a folder, through links, without what is Git's or ours.
fn list(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !UNTOUCHED.contains(&name.as_str()));
    names.sort();
    for name in names {
        let path = folder.join(&name);
        if path.is_dir() {
            list(&path, &format!("{prefix}{name}/"), found);
        } else if path.is_file() {
            found.push(format!("{prefix}{name}"));
        }
    }
}
