//! A machine of its own: a throw-away home, a bare remote in it, and files that the real program
//! marked and synced.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use cfgsync_core::status::StatusRecord;
use cfgsync_core::status::wire::{decode, encode};

/// The engine.
pub const ENGINE: &str = env!("CARGO_BIN_EXE_cfgsync");

const FILES_IN_A_FOLDER: usize = 8;

/// A home, removed at the end.
pub struct Machine(PathBuf);

impl Machine {
    /// Makes a machine on which so many marked files are in sync.
    pub fn new(files: usize) -> Self {
        let name = format!("cfgsync-bench-{}-{files}", std::process::id());
        let machine = Self(std::env::temp_dir().join(name));
        let home = machine.home();
        for number in 0..files {
            let folder = home.join(format!(".config/app-{:03}", number / FILES_IN_A_FOLDER));
            fs::create_dir_all(&folder).expect("a folder");
            let file = folder.join(format!("settings-{number:04}.conf"));
            fs::write(file, format!("setting = {number}\n")).expect("a file");
        }
        let remote = home.join("remote.git");
        let init = ["init", "--quiet", "--bare", "--initial-branch=main"];
        done(machine.command("git").args(init).arg(&remote));
        machine.engine(&["setup", "--no-input", &remote.to_string_lossy()]);
        machine.engine(&["mark", "--yes", &home.join(".config").to_string_lossy()]);
        machine.engine(&["sync"]);
        // What was just written could change within the same tick: the next look finds it settled.
        thread::sleep(Duration::from_millis(100));
        machine.engine(&["sync"]);
        machine
    }

    /// Returns the folder.
    pub fn home(&self) -> &Path {
        &self.0
    }

    /// Returns where the record is.
    pub fn record(&self) -> PathBuf {
        self.0.join(".local/state/cfgsync/record")
    }

    /// Publishes the record anew, with something in it changed.
    pub fn publish(&self, change: impl FnOnce(&mut StatusRecord)) {
        let path = self.record().canonicalize().expect("a record");
        let mut record = decode(&fs::read(&path).expect("a record")).expect("a record");
        change(&mut record);
        let draft = path.with_extension("bench");
        fs::write(&draft, encode(&record)).expect("a draft");
        fs::rename(draft, path).expect("a record");
    }

    /// Returns a command that sees this machine and nothing of the real one.
    pub fn command(&self, program: &str) -> Command {
        let programs = Path::new(ENGINE).parent().expect("a folder").display();
        let path = std::env::var("PATH").expect("PATH");
        let mut command = Command::new(program);
        command.env_clear().current_dir(&self.0).stdin(Stdio::null());
        command.env("PATH", format!("{programs}:{path}")).env("HOME", &self.0);
        command.env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color");
        command.env("CFGSYNC_MACHINE_KIND", "ec2");
        command
    }

    fn engine(&self, arguments: &[&str]) {
        done(self.command(ENGINE).arg("--quiet").args(arguments));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn done(command: &mut Command) {
    let output = command.output().expect("a program");
    assert!(output.status.success(), "{command:?}: {output:?}");
}
