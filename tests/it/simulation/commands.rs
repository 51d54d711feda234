//! The commands of cfgsync that a simulation runs, and what must hold after each.

use std::fs;

use super::world::{HOME_FILES, HOME_FOLDERS, World};
use crate::sandbox::Dice;
use crate::sandbox::Output;

/// An address that leads nowhere.
const NOWHERE: &str = "/nowhere/remote.git";

/// What a person is told when many files would go, and how it is meant after all.
const YES: &str = "cfgsync sync --yes";

impl World {
    /// Cuts a machine off, or connects it.
    pub fn connect(&mut self, at: usize, is_online: bool) {
        let place = &mut self.places[at];
        if place.is_online == is_online {
            return;
        }
        place.is_online = is_online;
        let url = if is_online { place.machine.url() } else { NOWHERE };
        place.machine.git(&["remote", "set-url", "origin", url]);
        self.note(at, if is_online { "goes online" } else { "goes offline" });
    }

    /// Syncs, and returns what was sent; where many files would go, that is meant.
    pub fn sync(&mut self, at: usize) -> Vec<String> {
        let output = self.command(at, &["sync"], &[0, 4, 5, 9]);
        let output = if output.code == 9 { self.agree(at) } else { output };
        sent_lines(&output.stderr)
    }

    fn agree(&mut self, at: usize) -> Output {
        self.command(at, &["sync", "--yes"], &[0, 4, 5])
    }

    /// Takes one side for everything.
    pub fn force(&mut self, at: usize, side: &str) {
        let _ = self.command(at, &["sync", side, "--yes"], &[0, 4, 5, 9]);
    }

    /// Takes the last operation back.
    pub fn undo(&mut self, at: usize) {
        let output = self.command(at, &["undo", "--yes"], &[0, 1, 4, 5, 9]);
        if output.code == 1 {
            let reasons = ["there is no operation", "is left to take back", "changed nothing here"];
            let is_known = reasons.iter().any(|reason| output.stderr.contains(reason));
            assert!(is_known, "{output:?}");
        }
    }

    /// Decides one file, or all, of those that the last sync held.
    pub fn resolve(&mut self, at: usize, dice: &mut Dice) {
        let held = self.places[at].held.clone();
        let Some(one) = dice.pick(&held) else { return };
        let side = if dice.below(2) == 0 { "--ours" } else { "--theirs" };
        let chosen = if dice.below(3) == 0 { std::slice::from_ref(one) } else { &held };
        self.decide_held(at, side, chosen);
    }

    /// Decides every file that the last sync held.
    pub fn resolve_all(&mut self, at: usize, side: &str) {
        let held = self.places[at].held.clone();
        if !held.is_empty() {
            self.decide_held(at, side, &held);
        }
    }

    fn decide_held(&mut self, at: usize, side: &str, held: &[String]) {
        let machine = &self.places[at].machine;
        let typed = |name: &String| match name.strip_prefix("~/") {
            Some(below) => below.to_owned(),
            None => machine.path(format!("@{name}")).display().to_string(),
        };
        let paths: Vec<String> = held.iter().map(typed).collect();
        let arguments: Vec<&str> =
            ["resolve", side].into_iter().chain(paths.iter().map(String::as_str)).collect();
        let output = self.command(at, &arguments, &[0, 1, 4, 5, 9]);
        match output.code {
            // An edit since then may have released it.
            1 => drop(output.says(&["is not held"])),
            9 => drop(self.agree(at)),
            _ => {}
        }
    }

    /// Marks a file of the home, a new one where none is there.
    pub fn mark_file(&mut self, at: usize, dice: &mut Dice) {
        let path = *dice.pick(&HOME_FILES).unwrap();
        self.mark(at, path, path, dice);
    }

    /// Marks a folder of the home, with a new file in it.
    pub fn mark_folder(&mut self, at: usize, dice: &mut Dice) {
        let folder = *dice.pick(&HOME_FOLDERS).unwrap();
        let first = format!("{folder}/f{}", dice.below(6));
        self.mark(at, folder, &first, dice);
    }

    fn mark(&mut self, at: usize, path: &str, file: &str, dice: &mut Dice) {
        if self.places[at].marks().iter().any(|mark| mark == path) {
            return;
        }
        self.create(at, file, dice);
        let _ = self.command(at, &["mark", path], &[0, 4]);
    }

    /// Unmarks a file or folder.
    pub fn unmark(&mut self, at: usize, dice: &mut Dice) {
        let marks = self.places[at].marks();
        if let Some(path) = dice.pick(&marks) {
            let _ = self.command(at, &["unmark", path], &[0]);
        }
    }

    /// Runs cfgsync, and checks what must hold after every command.
    fn command(&mut self, at: usize, arguments: &[&str], expected: &[i32]) -> Output {
        let place = &mut self.places[at];
        let mut marks = place.marks();
        let dirty: Vec<(String, Vec<u8>)> = std::mem::take(&mut place.dirty)
            .into_iter()
            .filter_map(|path| Some((path.clone(), fs::read(place.machine.path(path)).ok()?)))
            .collect();
        let output = place.machine.run(arguments);
        marks.extend(place.marks());
        let is_shared = |path: &str| path.starts_with('@') || is_marked(path, &marks);
        let has_looked = has_looked(arguments, &output);
        for (path, content) in dirty {
            if has_looked && is_shared(&path) {
                self.ledger.saw(content, at, self.step, &path);
            } else {
                place.dirty.insert(path);
            }
        }
        if ["sync", "resolve", "undo"].contains(&arguments[0]) && has_looked {
            place.held = held_lines(&output.stderr);
        }
        self.note(at, &format!("{arguments:?}: {}\n{}", output.code, output.stderr.trim_end()));
        let is_refusal = output.code == 9 && !output.stderr.contains(YES);
        assert!(expected.contains(&output.code) && !is_refusal, "{output:?}");
        self.assert_no_foreign_line(at);
        output
    }

    /// Asserts that files hold whole lines that somebody wrote, and nothing else.
    fn assert_no_foreign_line(&self, at: usize) {
        let place = &self.places[at];
        for path in place.files() {
            let content = fs::read(place.machine.path(&path)).unwrap();
            let foreign = self.ledger.foreign_line(&content);
            assert_eq!(foreign, None, "a line that nobody wrote, in {path} on {at}");
        }
    }
}

/// Returns true when a command got as far as to keep what it saw: one that asks for what is not
/// there ends before, and so does a force without the remote or without a difference.
fn has_looked(arguments: &[&str], output: &Output) -> bool {
    let is_force = arguments.iter().any(|argument| argument.starts_with("--force"));
    let is_idle = output.stdout.starts_with("Nothing is held")
        || output.stderr.contains("there is nothing to force");
    match output.code {
        1 | 2 => false,
        5 => !is_force,
        _ => !is_idle,
    }
}

/// Returns true when a path of the home is marked, or in a marked folder.
pub fn is_marked(path: &str, marks: &[String]) -> bool {
    marks.iter().any(|mark| path == mark || path.starts_with(&format!("{mark}/")))
}

/// Returns the names in the lines that say what is held.
fn held_lines(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.split_once("held     "));
    let names = lines.filter_map(|(_, rest)| rest.split_once(": "));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// Returns the names in the lines that say what went out.
fn sent_lines(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with("  ↑ ") || line.starts_with("  ↕ "));
    lines.filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect()
}
