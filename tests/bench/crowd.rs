//! A hundred machines on one remote: each edits a file of its own, then each adds a line to one and
//! the same file, and all sync at once. Says how long it takes and how often each pushes; fails when
//! an edit is lost, a sync fails, or more than two rounds are needed after the last edit.
//!
//! `CFGSYNC_CROWD` says how many machines; a temporary folder in memory (`TMPDIR=/dev/shm`) keeps the
//! disk, which real machines do not share, out of it.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program of the developers' own"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::thread;
use std::time::Instant;

const ENGINE: &str = env!("CARGO_BIN_EXE_cfgsync");

/// How many rounds may be needed after the last edit.
const MOST_ROUNDS: usize = 2;

/// The machines, below one folder.
struct Crowd {
    folder: PathBuf,
    number: usize,
}

impl Crowd {
    fn new(number: usize) -> Self {
        let folder = std::env::temp_dir().join(format!("cfgsync-crowd-{}", std::process::id()));
        fs::create_dir_all(folder.join("bin")).expect("a folder");
        let crowd = Self { folder: folder.canonicalize().expect("a folder"), number };
        crowd.count_pushes();
        let remote = crowd.remote();
        let init = ["init", "--quiet", "--bare", "--initial-branch=main"];
        assert!(Command::new("git").args(init).arg(&remote).status().expect("git").success());
        fs::create_dir_all(crowd.home(0)).expect("a home");
        let url = remote.to_string_lossy().into_owned();
        crowd.done(0, &["setup", "--no-input", &url]);
        fs::write(crowd.home(0).join("configs/all"), "top\n").expect("a file");
        crowd.done(0, &["sync"]);
        crowd.each(|at| {
            if 0 < at {
                fs::create_dir_all(crowd.home(at)).expect("a home");
                crowd.done(at, &["setup", "--no-input", &url]);
            }
        });
        crowd
    }

    fn remote(&self) -> PathBuf {
        self.folder.join("remote.git")
    }

    fn home(&self, at: usize) -> PathBuf {
        self.folder.join(format!("machine-{at}"))
    }

    fn log(&self) -> PathBuf {
        self.folder.join("pushes")
    }

    /// Gives the remote a rule of its own, so that Git talks to it, as to one over the network.
    fn leave_to_git(&self) {
        let mut git = Command::new("git");
        git.arg("-C").arg(self.remote()).args(["config", "receive.denyDeletes", "true"]);
        assert!(git.status().expect("git").success());
    }

    /// Puts a `git` in front of the real one that notes every push.
    fn count_pushes(&self) {
        let found = Command::new("sh").args(["-c", "command -v git"]).output().expect("a shell");
        let real = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        let text = format!(
            "#!/bin/sh\ncase \" $* \" in *' push '*) echo >>'{}' ;; esac\nexec '{real}' \"$@\"\n",
            self.log().display()
        );
        let program = self.folder.join("bin/git");
        fs::write(&program, text).expect("a program");
        fs::set_permissions(program, PermissionsExt::from_mode(0o755)).expect("a program");
    }

    fn run(&self, at: usize, arguments: &[&str]) -> Output {
        let path = std::env::var("PATH").expect("PATH");
        let mut command = Command::new(ENGINE);
        command.env_clear().env("HOME", self.home(at)).env("LC_ALL", "C.UTF-8");
        command.env("PATH", format!("{}:{path}", self.folder.join("bin").display()));
        command.env("CFGSYNC_MACHINE_KIND", "ec2").current_dir(self.home(at)).stdin(Stdio::null());
        command.arg("--quiet").args(arguments).output().expect("the program")
    }

    fn done(&self, at: usize, arguments: &[&str]) {
        let output = self.run(at, arguments);
        assert!(output.status.success(), "machine {at}: {arguments:?}: {output:?}");
    }

    /// Does something on all machines at once.
    fn each(&self, act: impl Fn(usize) + Sync) {
        let act = &act;
        thread::scope(|scope| (0..self.number).for_each(|at| drop(scope.spawn(move || act(at)))));
    }

    fn commit_of(repository: &Path) -> String {
        let mut git = Command::new("git");
        let output = git.arg("-C").arg(repository).args(["rev-parse", "main"]).output();
        String::from_utf8_lossy(&output.expect("git").stdout).trim().to_owned()
    }

    fn has_converged(&self) -> bool {
        let tip = Self::commit_of(&self.remote());
        (0..self.number).all(|at| Self::commit_of(&self.home(at).join("configs")) == tip)
    }

    /// Lets all machines sync at once until they are the same, and says what that took.
    fn measure(&self, what: &str) -> bool {
        let _ = fs::remove_file(self.log());
        let start = Instant::now();
        let mut rounds = 0;
        let mut failures = 0;
        let mut first = 0.0;
        while rounds == 0 || (!self.has_converged() && rounds < 5) {
            let failed = std::sync::atomic::AtomicUsize::new(0);
            self.each(|at| {
                let output = self.run(at, &["sync"]);
                if !output.status.success() {
                    failed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    println!("<!-- machine {at}: {output:?} -->");
                }
            });
            failures += failed.into_inner();
            rounds += 1;
            if rounds == 1 {
                first = start.elapsed().as_secs_f64();
            }
        }
        // A plain folder needs no Git, and nobody notes how often it is tried.
        let pushes = fs::read_to_string(self.log())
            .map_or_else(|_| String::new(), |log| log.lines().count().to_string());
        println!(
            "| {} machines, {what} | {rounds} | {first:.1} s | {:.1} s | {pushes} | {failures} |",
            self.number,
            start.elapsed().as_secs_f64(),
        );
        failures == 0 && rounds <= MOST_ROUNDS && self.has_converged()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn main() -> ExitCode {
    let number = std::env::var("CFGSYNC_CROWD").ok().and_then(|number| number.parse().ok());
    let crowd = Crowd::new(number.unwrap_or(100));
    let file = |at: usize, name: &str| crowd.home(at).join("configs").join(name);
    println!("| what | rounds | the first | in all | pushes | failed |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let mut is_well = true;
    for (time, how) in ["", ", by Git"].into_iter().enumerate() {
        crowd.each(|at| {
            fs::write(file(at, &format!("of-{at}-{time}")), "mine\n").expect("an edit");
        });
        is_well &= crowd.measure(&format!("each its own file{how}"));
        crowd.each(|at| {
            let known = fs::read_to_string(file(at, "all")).expect("a file");
            fs::write(file(at, "all"), format!("{known}line {time} of {at}\n")).expect("an edit");
        });
        is_well &= crowd.measure(&format!("each a line of one file{how}"));
        crowd.leave_to_git();
    }
    let of_all = || (0..2 * crowd.number).map(|number| (number / 2, number % 2));
    for at in 0..crowd.number {
        let text = fs::read_to_string(file(at, "all")).expect("a file");
        let has_all = of_all().all(|(other, time)| {
            let wanted = format!("line {time} of {other}");
            text.lines().filter(|line| *line == wanted).count() == 1
        });
        let is_there =
            |(other, time): &(usize, usize)| file(at, &format!("of-{other}-{time}")).exists();
        if !has_all || !of_all().all(|it| is_there(&it)) {
            println!("<!-- machine {at} lacks something -->");
            is_well = false;
        }
    }
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
