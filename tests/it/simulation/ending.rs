//! How a simulation must end: everyone equal, everything kept.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::commands::is_marked;
use super::ledger::assert_nothing_is_lost;
use super::world::{Place, World};
use crate::sandbox::assert_clean;

/// Rounds in which every machine syncs once, that are enough for whatever no person must decide.
const ROUNDS: usize = 2;

/// Further rounds, at most. Two things can be sent in the second round, for what a later machine
/// sent in the first: a held file that is released (the other side removed it, say, and the held
/// edit wins), and this machine's own files in a folder that was marked there. They reach the
/// machines before it a round later, and may release another file there.
const ROUNDS_FOR_LATE: usize = 3;

/// Rounds in which whatever is held is decided. A decision can hold the file on the next machine,
/// and the first one hears of that machine's decision in the next round.
const DECISIONS: usize = 3;

/// Mode and bytes by name.
type Files = BTreeMap<OsString, (u32, Vec<u8>)>;

impl World {
    /// Brings everyone together, and asserts that they are equal and that nothing is lost.
    pub fn end(mut self) {
        self.step += 1;
        for at in 0..self.places.len() {
            self.connect(at, true);
        }
        for at in 0..self.places.len() {
            self.sync(at);
        }
        for round in 1.. {
            let is_late = self.round();
            assert!(round < ROUNDS + ROUNDS_FOR_LATE, "the machines do not come to rest");
            if !is_late && round + 1 >= ROUNDS {
                break;
            }
        }
        self.assert_equal();
        assert_nothing_is_lost(&self);
        self.decide();
        self.assert_equal();
        assert_nothing_is_lost(&self);
        let machines: Vec<_> = self.places.iter().map(|place| &place.machine).collect();
        assert_clean(&self.sandbox, &machines);
        self.sandbox.assert_history();
        let before: Vec<_> = self.places.iter().map(|place| place.machine.commits()).collect();
        self.round();
        let after: Vec<_> = self.places.iter().map(|place| place.machine.commits()).collect();
        assert!(before == after, "a sync without changes commits nothing");
    }

    /// Syncs every machine once more, and returns true when one sent something after all.
    fn round(&mut self) -> bool {
        let mut is_late = false;
        for at in 0..self.places.len() {
            let (held, marks) = (self.places[at].held.clone(), self.places[at].marks());
            let sent = self.sync(at);
            is_late |= !sent.is_empty();
            let is_new = |path: &str| path.starts_with("~/") && !is_marked(&path[2..], &marks);
            let stray = sent.iter().find(|path| !held.contains(path) && !is_new(path));
            assert_eq!(stray, None, "sent in a quiet round, and neither held nor unmarked before");
        }
        is_late
    }

    /// Lets a person decide whatever waits, until nothing does.
    fn decide(&mut self) {
        for _ in 0..DECISIONS {
            for at in 0..self.places.len() {
                self.sync(at);
                self.resolve_all(at, "--ours");
            }
        }
        for place in &self.places {
            assert!(place.held.is_empty(), "still held: {:?}", place.held);
        }
    }

    /// Returns what waits for a person. A file that one side renamed waits under one of its names,
    /// and differs under both.
    fn held_with_other_names(&self) -> BTreeSet<String> {
        let mut held: BTreeSet<String> = self.places.iter().flat_map(Place::held_now).collect();
        for (from, to) in self.renames.iter().rev().chain(&self.renames) {
            if held.contains(to) || held.contains(from) {
                held.extend([to.clone(), from.clone()]);
            }
        }
        held
    }

    /// Asserts that all machines hold the same, but for what waits for a person on any of them.
    fn assert_equal(&self) {
        let held = self.held_with_other_names();
        let all: Vec<Files> = self.places.iter().map(Place::files_that_travel).collect();
        let names: BTreeSet<&OsString> = all.iter().flat_map(BTreeMap::keys).collect();
        for name in names {
            let text = name.to_str().unwrap();
            if held.iter().any(|held| is_touched(text, held)) {
                continue;
            }
            let show = |files: &Files| {
                let file = files.get(name);
                file.map(|(mode, bytes)| format!("{mode:04o} {}", String::from_utf8_lossy(bytes)))
            };
            let first = show(&all[0]);
            for (at, other) in all.iter().enumerate() {
                assert_eq!(first, show(other), "{text} on 0 and on {at}; held: {held:?}");
            }
        }
    }
}

/// Returns true when a path is a held one, above it or below it.
fn is_touched(path: &str, held: &str) -> bool {
    let path = path.strip_prefix("external/").unwrap_or(path);
    let (path, held) = (path.trim_start_matches("~/"), held.trim_start_matches("~/"));
    let is_within = |one: &str, other: &str| one.starts_with(&format!("{other}/"));
    path == held || is_within(path, held) || is_within(held, path)
}

impl Place {
    /// Returns every file and every folder that has one. Git keeps no empty folder: one that a
    /// person emptied stays on that machine alone.
    fn files_that_travel(&self) -> Files {
        let mut files = self.machine.everything();
        let is_folder = |content: &(u32, Vec<u8>)| content.1 == b"folder";
        let full: BTreeSet<PathBuf> = files
            .iter()
            .filter(|(_, content)| !is_folder(content))
            .flat_map(|(name, _)| Path::new(name).ancestors().map(Path::to_owned))
            .collect();
        files.retain(|name, (mode, _)| *mode != 0 && full.contains(Path::new(name)));
        files
    }

    /// Returns what waits for a person, as `status` tells it.
    fn held_now(&self) -> Vec<String> {
        let status = self.machine.run(&["status", "--json"]).code(0).stdout;
        let (_, held) = status.split_once("\"held\": [").unwrap();
        let (held, _) = held.split_once(']').unwrap();
        let paths = held.split("\"path\": \"").skip(1);
        paths.map(|rest| rest.split_once('"').unwrap().0.to_owned()).collect()
    }
}
