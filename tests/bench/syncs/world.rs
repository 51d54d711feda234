//! Remotes and homes in a throw-away folder, and the rounds in which they are measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::http::Http;
use crate::lane::{Cell, Lane, Way};
use crate::measure::{Cost, Started, started};
use crate::ssh::Ssh;

/// How often each cell is measured.
const ROUNDS: usize = 9;

/// Files in a folder of the repository.
const FILES_IN_A_FOLDER: usize = 20;

/// One file of so many is marked: it lives in the home, and its stored copy in the repository.
const ONE_MARKED_OF: usize = 10;

const WAYS: [Way; 3] = [Way::Cfgsync, Way::Script, Way::Floor];

/// How a remote is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    File,
    Ssh,
    Http,
}

impl Transport {
    pub const ALL: [Self; 3] = [Self::File, Self::Ssh, Self::Http];

    pub fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Ssh => "ssh",
            Self::Http => "http",
        }
    }
}

/// What was measured of one cell: the costs of each way, and what one run of each started.
pub struct Measured {
    pub cell: Cell,
    pub costs: [Vec<Cost>; 3],
    pub started: [Option<Started>; 2],
    pub connections: [Option<usize>; 2],
}

/// What was measured with so many files.
pub struct Costs {
    pub cells: Vec<Measured>,
    pub status: Vec<Cost>,
}

/// The folder of one run, with its servers. Nothing in it is removed before the end: ext4 passes over every
/// inode that was freed within minutes whenever it looks for a new one, which is not what is measured.
pub struct World {
    folder: PathBuf,
    ssh: Option<Ssh>,
    http: Http,
}

impl World {
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("cfgsync-syncs-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let folder = folder.canonicalize().expect("a folder");
        let (ssh, http) = (Ssh::start(&folder), Http::start(&folder));
        Self { folder, ssh, http }
    }

    /// Measures every cell with so many files; none where the transport has no server.
    pub fn measure(&self, transport: Transport, files: usize) -> Option<Costs> {
        if transport == Transport::Ssh && self.ssh.is_none() {
            return None;
        }
        let folder = self.folder.join(format!("{}-{files}", transport.word()));
        fs::create_dir_all(&folder).expect("a folder");
        let first = folder.join("first.git");
        fill(&first, files);
        let mut lanes = WAYS.map(|way| {
            let remote = folder.join(format!("{way:?}.git"));
            let mut copy = Command::new("cp");
            done(copy.arg("-R").arg(&first).arg(&remote));
            self.lane(way, transport, &remote)
        });
        // Whatever was written within the last two seconds could still change unseen.
        thread::sleep(Duration::from_millis(2_100));
        lanes[0].run(Cell::Nothing);
        let status = (0..ROUNDS).map(|_| lanes[1].status()).collect();
        let cells = Cell::ALL.map(|cell| self.cell(transport, cell, &mut lanes));
        Some(Costs { cells: cells.into(), status })
    }

    fn lane(&self, way: Way, transport: Transport, remote: &Path) -> Lane {
        let (url, ssh) = match (transport, &self.ssh) {
            (Transport::Ssh, Some(ssh)) => (ssh.url(remote), Some(ssh.command())),
            (Transport::Http, _) => (self.http.url(remote), None),
            _ => (remote.to_string_lossy().into_owned(), None),
        };
        Lane::new(way, remote, url, ssh)
    }

    fn cell(&self, transport: Transport, cell: Cell, lanes: &mut [Lane; 3]) -> Measured {
        let mut costs = [const { Vec::new() }; 3];
        for round in 0..ROUNDS {
            lanes.iter_mut().for_each(|lane| lane.prepare(cell));
            for turn in 0..lanes.len() {
                let at = (round + turn) % lanes.len();
                costs[at].push(lanes[at].run(cell));
            }
        }
        let mut counts = [None, None];
        let mut starts = [None, None];
        for at in 0..2 {
            lanes[at].prepare(cell);
            let before = self.connections(transport);
            let began = started(&lanes[at].main(), &self.folder);
            counts[at] = match transport {
                Transport::File => began.as_ref().map(|started| started.servers),
                Transport::Ssh | Transport::Http => Some(self.connections(transport) - before),
            };
            starts[at] = began;
        }
        lanes[2].prepare(cell);
        lanes[2].run(cell);
        Measured { cell, costs, started: starts, connections: counts }
    }

    fn connections(&self, transport: Transport) -> usize {
        match (transport, &self.ssh) {
            (Transport::Ssh, Some(ssh)) => ssh.connections(),
            (Transport::Http, _) => self.http.connections(),
            _ => 0,
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Makes a remote with so many files, one in ten of them marked.
fn fill(remote: &Path, files: usize) {
    let init = ["init", "--quiet", "--bare", "--initial-branch=main"];
    done(Command::new("git").args(init).arg(remote));
    done(Command::new("git").arg("-C").arg(remote).args(["config", "http.receivepack", "true"]));
    let lane = Lane::new(Way::Cfgsync, remote, remote.to_string_lossy().into_owned(), None);
    let home = remote.with_extension("home");
    for number in 0..files {
        let folder = number / FILES_IN_A_FOLDER;
        let folder = if number % ONE_MARKED_OF == 0 {
            home.join(format!(".config/apps/app-{folder}"))
        } else {
            home.join(format!("configs/folder-{folder}"))
        };
        fs::create_dir_all(&folder).expect("a folder");
        let text = format!("setting = {number}\n").repeat(20);
        fs::write(folder.join(format!("file-{number}")), text).expect("a file");
    }
    let folder = home.join(".config/apps");
    lane.done("cfgsync", &["--quiet", "mark", "--yes", &folder.to_string_lossy()]);
    lane.done("cfgsync", &["--quiet", "sync"]);
    done(Command::new("git").arg("-C").arg(remote).args(["gc", "--quiet"]));
}

fn done(command: &mut Command) {
    let output = command.output().expect("a program");
    assert!(output.status.success(), "{command:?}: {output:?}");
}
