//! One way of keeping a folder and its remote the same, on a machine of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::ENGINE;
use crate::measure::{Cost, measure};

/// What people write.
const SCRIPT: &str = "git pull --quiet --rebase --autostash && git add -A && \
                      git commit --quiet -m sync && git push --quiet";

/// How files are kept the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `cfgsync sync`.
    Cfgsync,
    /// The script people write.
    Script,
    /// Bare `git fetch` and `git push`; all else is done outside of the measured time.
    Floor,
}

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    Nothing,
    Local,
    Remote,
    Both,
}

impl Cell {
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Local, Self::Remote, Self::Both];

    pub fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Both => "both",
        }
    }
}

/// A home with a repository, and a remote that nobody else uses.
pub struct Lane {
    pub way: Way,
    home: PathBuf,
    remote: PathBuf,
    url: String,
    ssh: Option<String>,
    edits: usize,
}

impl Lane {
    /// Takes a remote that is there, and makes a home beside it.
    pub fn new(way: Way, remote: &Path, url: String, ssh: Option<String>) -> Self {
        let home = remote.with_extension("home");
        fs::create_dir_all(&home).expect("a home");
        let lane = Self { way, home, remote: remote.to_owned(), url, ssh, edits: 0 };
        let settings = "[user]\nname = Bench\nemail = bench@localhost\n\
                        [init]\ndefaultBranch = main\n[gc]\nauto = 0\n[maintenance]\nauto = false\n";
        fs::write(lane.home.join(".gitconfig"), settings).expect("settings");
        match way {
            Way::Cfgsync => {
                lane.done("cfgsync", &["--quiet", "setup", "--no-input", &lane.url]);
                lane.done("cfgsync", &["--quiet", "sync"]);
            }
            Way::Script | Way::Floor => {
                lane.done("git", &["clone", "--quiet", &lane.url, &lane.repository_name()]);
            }
        }
        lane
    }

    fn repository(&self) -> PathBuf {
        self.home.join("configs")
    }

    fn repository_name(&self) -> String {
        self.repository().to_string_lossy().into_owned()
    }

    /// Returns a command that sees this home and nothing of the real one.
    pub fn command(&self, program: &str) -> Command {
        let path = std::env::var("PATH").expect("PATH");
        let mut command = Command::new(if program == "cfgsync" { ENGINE } else { program });
        let repository = self.repository();
        let folder = if repository.is_dir() { &repository } else { &self.home };
        command.env_clear().current_dir(folder).stdin(Stdio::null());
        command.env("PATH", path).env("HOME", &self.home).env("LC_ALL", "C.UTF-8");
        command.env("CFGSYNC_MACHINE_KIND", "ec2").env("TERM", "dumb");
        if let Some(ssh) = &self.ssh {
            command.env("GIT_SSH_COMMAND", ssh);
        }
        command
    }

    /// Runs something that is not measured.
    pub fn done(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program).args(arguments).output().expect("a program");
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    }

    fn git(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("git");
        command.args(arguments);
        command
    }

    /// Makes what there is to do.
    pub fn prepare(&mut self, cell: Cell) {
        self.edits += 1;
        if matches!(cell, Cell::Local | Cell::Both) {
            let file = self.repository().join("folder-0/file-1");
            fs::write(file, format!("here {}\n", self.edits)).expect("an edit");
            if self.way == Way::Floor {
                self.done("git", &["commit", "--quiet", "-am", "sync"]);
            }
        }
        if matches!(cell, Cell::Remote | Cell::Both) {
            self.edit_upstream();
        }
    }

    /// Puts a commit into the remote that changes one file, as another machine would.
    fn edit_upstream(&self) {
        let line = format!(
            "cd '{}' && export GIT_INDEX_FILE=peer GIT_AUTHOR_NAME=peer GIT_AUTHOR_EMAIL=p@localhost \
             GIT_COMMITTER_NAME=peer GIT_COMMITTER_EMAIL=p@localhost && git read-tree main && \
             blob=$(echo there {} | git hash-object -w --stdin) && \
             git update-index --cacheinfo 100644,$blob,folder-0/file-2 && \
             commit=$(git commit-tree -p main -m peer $(git write-tree)) && \
             git update-ref refs/heads/main $commit",
            self.remote.display(),
            self.edits,
        );
        self.done("sh", &["-c", &line]);
    }

    /// Does what there is to do, and says what it cost.
    pub fn run(&self, cell: Cell) -> Cost {
        match self.way {
            Way::Cfgsync => measure(self.main(), false),
            Way::Script => measure(self.main(), cell == Cell::Nothing || cell == Cell::Remote),
            Way::Floor => self.floor(cell),
        }
    }

    /// Returns the command that a person would give.
    pub fn main(&self) -> Command {
        if self.way == Way::Cfgsync {
            let mut command = self.command("cfgsync");
            command.args(["--quiet", "sync"]);
            return command;
        }
        let mut command = self.command("sh");
        command.args(["-c", SCRIPT]);
        command
    }

    fn floor(&self, cell: Cell) -> Cost {
        let fetch = || measure(self.git(&["fetch", "--quiet"]), false);
        let push = || measure(self.git(&["push", "--quiet"]), false);
        match cell {
            Cell::Nothing => fetch(),
            Cell::Local => push(),
            Cell::Remote => {
                let cost = fetch();
                self.done("git", &["merge", "--quiet", "--ff-only", "origin/main"]);
                cost
            }
            Cell::Both => {
                let fetched = fetch();
                self.done("git", &["rebase", "--quiet", "origin/main"]);
                let pushed = push();
                Cost {
                    wall: fetched.wall + pushed.wall,
                    cpu: fetched.cpu + pushed.cpu,
                    memory: fetched.memory.max(pushed.memory),
                    written: fetched.written + pushed.written,
                }
            }
        }
    }

    /// Returns how long `git status` takes here.
    pub fn status(&self) -> Cost {
        measure(self.git(&["status", "--porcelain=v2"]), false)
    }
}
