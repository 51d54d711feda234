//! Which contents there were, and whether each can still be had.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write;
use std::fs;

use super::world::World;

/// Where a content was first seen by a command.
struct Origin {
    machine: usize,
    step: usize,
    path: String,
}

/// Everything that was on a disk, under the care of cfgsync, when one of its commands started.
#[derive(Default)]
pub struct Ledger {
    contents: BTreeMap<Vec<u8>, Origin>,
    lines: BTreeSet<String>,
}

impl Ledger {
    /// Notes a content that a command has seen.
    pub fn saw(&mut self, content: Vec<u8>, machine: usize, step: usize, path: &str) {
        let origin = || Origin { machine, step, path: path.to_owned() };
        self.contents.entry(content).or_insert_with(origin);
    }

    /// Notes a line that a person wrote.
    pub fn wrote(&mut self, line: &str) {
        self.lines.insert(line.to_owned());
    }

    /// Returns the first line of a file that nobody wrote: a marker, or half of a line.
    pub fn foreign_line(&self, content: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(content).into_owned();
        let foreign = text.lines().find(|line| !self.lines.contains(*line));
        foreign.map(str::to_owned)
    }
}

/// Asserts that every content is on some disk, or in a store and kept there by a ref.
pub fn assert_nothing_is_lost(world: &World) {
    let mut on_disk = HashSet::new();
    for place in &world.places {
        let files = place.files();
        on_disk.extend(files.iter().map(|path| fs::read(place.machine.path(path)).unwrap()));
    }
    let wanted: Vec<(&Vec<u8>, &Origin)> =
        world.ledger.contents.iter().filter(|(content, _)| !on_disk.contains(*content)).collect();
    let contents: Vec<&[u8]> = wanted.iter().map(|(content, _)| content.as_slice()).collect();
    let ids = ids(world, &contents);
    let kept = kept(world);
    let lost: Vec<String> = ids
        .iter()
        .zip(&wanted)
        .filter(|(id, _)| !kept.contains(*id))
        .map(|(id, (content, Origin { machine, step, path }))| {
            let text = String::from_utf8_lossy(content);
            format!("{id}, {path} on {machine} at step {step}:\n{text}")
        })
        .collect();
    assert!(lost.is_empty(), "{} contents are lost:\n{}", lost.len(), lost.join("\n"));
}

/// Returns the names git gives to contents.
fn ids(world: &World, contents: &[&[u8]]) -> Vec<String> {
    let folder = world.sandbox.path("contents");
    fs::create_dir_all(&folder).unwrap();
    let mut list = String::new();
    for (at, content) in contents.iter().enumerate() {
        let path = folder.join(at.to_string());
        fs::write(&path, content).unwrap();
        writeln!(list, "{}", path.display()).unwrap();
    }
    let list_file = world.sandbox.path("contents.txt");
    fs::write(&list_file, list).unwrap();
    let mut command = world.places[0].machine.command("git");
    command.args(["hash-object", "--no-filters", "--stdin-paths"]);
    let output = command.stdin(fs::File::open(list_file).unwrap()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Returns every object that a ref of any store keeps.
fn kept(world: &World) -> HashSet<String> {
    let mut stores = vec![world.sandbox.remote()];
    for place in &world.places {
        stores.extend([place.machine.repo(), place.machine.state().join("vault")]);
    }
    let mut kept = HashSet::new();
    for store in stores {
        let mut command = world.places[0].machine.command("git");
        command.current_dir(store).args(["rev-list", "--objects", "--no-object-names", "--all"]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        kept.extend(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned));
    }
    kept
}
