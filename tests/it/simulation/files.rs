//! What people and programs do to files.

use std::fs;

use super::Operation;
use super::world::{HOME_FOLDERS, Place, World};
use crate::sandbox::Dice;

/// Names of files of the repository. Few, so that machines meet; a file may meet a folder.
const NAMES: usize = 40;

/// Lines of a new file.
const LINES: usize = 12;

const MODES: [u32; 3] = [0o600, 0o644, 0o755];

impl World {
    /// Changes a file of one machine.
    pub fn change(&mut self, at: usize, operation: Operation, dice: &mut Dice) {
        match operation {
            Operation::AddFile => self.add(at, dice),
            Operation::AddInFolder => self.add_in_folder(at, dice),
            Operation::DeleteFile => self.delete_file(at, dice),
            Operation::DeleteInFolder => self.delete_in_folder(at, dice),
            Operation::Rename => drop(self.rename(at, dice)),
            Operation::RenameAndEdit => {
                if let Some(path) = self.rename(at, dice) {
                    self.edit(at, &path, Operation::ChangeLine, dice);
                }
            }
            _ => {
                let place = &self.places[at];
                let paths = [place.repository_files(), place.home_files()].concat();
                let Some(path) = dice.pick(&paths) else { return };
                self.edit(at, path, operation, dice);
            }
        }
    }

    fn edit(&mut self, at: usize, path: &str, operation: Operation, dice: &mut Dice) {
        if operation == Operation::Chmod {
            let mode = *dice.pick(&MODES).unwrap();
            self.note(at, &format!("chmod {mode:o} {path}"));
            self.places[at].machine.chmod(path, mode);
            return;
        }
        let bytes = fs::read(self.places[at].machine.path(path)).unwrap();
        let is_binary = bytes.contains(&0);
        if operation == Operation::MakeBinary || is_binary && operation != Operation::ReplaceWhole {
            let line = format!("\0{}", self.line(at));
            self.ledger.wrote(&line);
            return self.write(at, path, line.as_bytes(), dice);
        }
        let text = String::from_utf8(bytes).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        match operation {
            Operation::Append => lines.push(self.line(at)),
            Operation::Insert => lines.insert(dice.below(lines.len() + 1), self.line(at)),
            Operation::ReplaceWhole => lines = self.lines(at),
            _ => {
                let which = dice.below(lines.len());
                lines[which] = self.line(at);
            }
        }
        self.write(at, path, (lines.join("\n") + "\n").as_bytes(), dice);
    }

    /// Returns a line that no other step writes.
    fn line(&mut self, at: usize) -> String {
        let line = format!("line {} of step {} on {at}", self.written, self.step);
        self.written += 1;
        self.ledger.wrote(&line);
        line
    }

    fn lines(&mut self, at: usize) -> Vec<String> {
        (0..LINES).map(|_| self.line(at)).collect()
    }

    /// Writes a file in place, or replaces it by another as most editors do.
    fn write(&mut self, at: usize, path: &str, content: &[u8], dice: &mut Dice) {
        let machine = &self.places[at].machine;
        let by_rename = machine.path(path).is_file() && dice.below(3) == 0;
        if by_rename {
            let mode = machine.mode(path);
            machine.replace(path, content);
            machine.chmod(path, mode);
        } else {
            machine.write(path, content);
        }
        let how = if by_rename { "replaces" } else { "writes" };
        self.note(at, &format!("{how} {path}: {:?}", String::from_utf8_lossy(content)));
        self.places[at].dirty.insert(path.to_owned());
    }

    /// Writes a new file where nothing stands.
    pub fn create(&mut self, at: usize, path: &str, dice: &mut Dice) -> bool {
        if !self.places[at].is_free(path) {
            return false;
        }
        let text = self.lines(at).join("\n") + "\n";
        self.write(at, path, text.as_bytes(), dice);
        true
    }

    fn add(&mut self, at: usize, dice: &mut Dice) {
        let path = name(dice);
        self.create(at, &path, dice);
    }

    fn add_in_folder(&mut self, at: usize, dice: &mut Dice) {
        let folder = dice.pick(&HOME_FOLDERS).unwrap();
        let number = dice.below(8);
        let below = if number < 6 { format!("f{number}") } else { format!("sub/f{number}") };
        if self.places[at].machine.path(folder).is_dir() {
            self.create(at, &format!("{folder}/{below}"), dice);
        }
    }

    fn delete_file(&mut self, at: usize, dice: &mut Dice) {
        let paths = self.places[at].repository_files();
        let Some(path) = dice.pick(&paths) else { return };
        self.note(at, &format!("removes {path}"));
        self.places[at].remove(path);
    }

    fn delete_in_folder(&mut self, at: usize, dice: &mut Dice) {
        let place = &self.places[at];
        let marks = place.marks();
        let mut paths = place.home_files();
        paths.retain(|path| marks.iter().any(|mark| path.starts_with(&format!("{mark}/"))));
        let Some(path) = dice.pick(&paths) else { return };
        self.note(at, &format!("removes {path}"));
        self.places[at].machine.remove(path);
        self.places[at].dirty.remove(path);
    }

    fn rename(&mut self, at: usize, dice: &mut Dice) -> Option<String> {
        let place = &mut self.places[at];
        let paths = place.repository_files();
        let (from, to) = (dice.pick(&paths)?, name(dice));
        if !place.is_free(&to) {
            return None;
        }
        let path = place.machine.path(&to);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::rename(place.machine.path(from), path).unwrap();
        place.remove_empty_folders(from);
        if place.dirty.remove(from) {
            place.dirty.insert(to.clone());
        }
        self.renames.push((from[1..].to_owned(), to[1..].to_owned()));
        self.note(at, &format!("renames {from} to {to}"));
        Some(to)
    }
}

impl Place {
    /// Returns true when nothing stands at a path, nor a file above it.
    fn is_free(&self, path: &str) -> bool {
        let full = self.machine.path(path);
        let above = full.ancestors().skip(1).find_map(|path| path.metadata().ok());
        full.symlink_metadata().is_err() && above.is_some_and(|found| found.is_dir())
    }

    fn remove(&mut self, path: &str) {
        self.machine.remove(path);
        self.dirty.remove(path);
        self.remove_empty_folders(path);
    }

    /// Git keeps no empty folder, so neither do these people.
    fn remove_empty_folders(&self, path: &str) {
        let (full, repo) = (self.machine.path(path), self.machine.repo());
        for folder in full.ancestors().skip(1).take_while(|folder| **folder != repo) {
            if fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }
}

fn name(dice: &mut Dice) -> String {
    let number = dice.below(NAMES);
    match number % 8 {
        0 => format!("@top-{number}"),
        1..=3 => format!("@notes/{number}"),
        4 => format!("@scripts/deep/{number}"),
        5 => "@thing".to_owned(),
        6 => format!("@thing/{number}"),
        _ => format!("@scripts/{number}"),
    }
}
