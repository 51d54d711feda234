//! The `git` program: how it is started, bounded, and heard.
//!
//! Whatever goes over the network goes through it, because it alone knows the user's ssh, proxies
//! and credentials. It can never ask anybody anything from the background, never starts a
//! background job of its own, and never outlives its deadline.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::ear::{Ear, Ended, REPORT, Silence, is_answered, moved, without_reports};
use super::global;
use super::heard;
use super::login::connect_by;
use crate::failure::{Failure, Outcome};
use crate::fs::FsError;
use crate::interrupt;
use crate::ui::Ui;

/// Options of every call: nothing in the background, no fsmonitor, no other repository, slow
/// transfers end.
const OPTIONS: [&str; 11] = [
    "gc.auto=0",
    "maintenance.auto=false",
    "core.fsmonitor=false",
    "core.fsync=all",
    "fetch.writeCommitGraph=false",
    "submodule.recurse=false",
    "protocol.ext.allow=never",
    "transfer.fsckObjects=true",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=15",
    "core.quotePath=true",
];

/// Variables that would point Git at another repository or another configuration.
const FOREIGN: [&str; 17] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CEILING_DIRECTORIES",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG",
    "GIT_COMMON_DIR",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
];

/// Appended to the user's own ssh command.
pub const SSH_PATIENCE: &str =
    "-oConnectTimeout=10 -oServerAliveInterval=5 -oServerAliveCountMax=3";

/// How often a call is listened to.
const TICK: Duration = Duration::from_millis(100);

/// From how many ticks on a person is shown how far it is.
const WORTH_SHOWING: u32 = 5;

/// How long a call has to end once it was asked to.
const MERCY: Duration = Duration::from_secs(2);

/// Who may be asked for a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// A person at the terminal.
    Ask,
    /// Nobody.
    Silent,
}

/// Whether hooks of the user's run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hooks {
    /// None does.
    Off,
    /// The repository's own do: Git LFS sends its files from one.
    Own,
}

/// How a call of the program is bounded.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Who may be asked.
    pub manners: Manners,
    /// When the call and its children are ended.
    pub deadline: Duration,
    /// How long it may be silent; none for a call that talks to nobody.
    pub silence: Option<Silence>,
    /// Who is shown how far it is.
    pub shown: Option<Ui>,
    /// Whether hooks run.
    pub hooks: Hooks,
}

impl Limits {
    /// A program that works on this machine, and asks nobody.
    pub fn local(deadline: Duration) -> Self {
        Self { manners: Manners::Silent, deadline, silence: None, shown: None, hooks: Hooks::Off }
    }
}

/// Where objects go that a call fetches, beside the repository's own.
#[derive(Debug, Clone, Copy)]
pub struct Aside<'a> {
    /// The folder for new objects.
    pub objects: &'a Path,
    /// The folders of objects that are known already.
    pub known: &'a [&'a Path],
}

/// What the program said.
#[derive(Debug)]
pub struct Answer {
    /// Its exit code; none when it was ended by a signal.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained about.
    pub stderr: String,
    /// Whether a Git server said anything.
    pub is_answered: bool,
    /// Why it was ended before its own end.
    pub ended: Option<Ended>,
}

impl Answer {
    /// Returns what it printed, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// A call under way.
#[derive(Debug)]
pub struct Running {
    child: Child,
    manners: Manners,
    stdout: File,
    stderr: File,
    done: mpsc::Sender<()>,
    watchdog: JoinHandle<Option<Ended>>,
    /// How a person would type it, where one wants to hear of it; and since when it runs.
    heard: (Option<String>, Instant),
}

/// Runs `git` in a repository, to its end.
pub fn run(
    folder: &Path,
    ssh: Option<&str>,
    limits: Limits,
    scratch: &Path,
    arguments: &[&str],
) -> Outcome<Answer> {
    let answer = start(folder, ssh, limits, scratch, arguments)?.finish()?;
    if global::is_to_blame(&answer) {
        return start(folder, ssh, limits, scratch, arguments)?.finish();
    }
    Ok(answer)
}

/// Starts `git` in a repository.
pub fn start(
    folder: &Path,
    ssh: Option<&str>,
    limits: Limits,
    scratch: &Path,
    arguments: &[&str],
) -> Outcome<Running> {
    bounded(git(folder, ssh, limits, arguments), limits, scratch)
}

/// Runs `git` in a repository, to its end, with this file for the user's configuration.
pub fn run_with_global(
    folder: &Path,
    ssh: Option<&str>,
    limits: Limits,
    scratch: &Path,
    global: Option<&Path>,
    arguments: &[&str],
) -> Outcome<Answer> {
    let mut command = git(folder, ssh, limits, arguments);
    if let Some(global) = global {
        command.env("GIT_CONFIG_GLOBAL", global);
    }
    bounded(command, limits, scratch)?.finish()
}

/// Runs `git` in a repository, to its end, with new objects put aside.
pub fn run_aside(
    folder: &Path,
    ssh: Option<&str>,
    limits: Limits,
    scratch: &Path,
    aside: Aside<'_>,
    arguments: &[&str],
) -> Outcome<Answer> {
    let mut command = git(folder, ssh, limits, arguments);
    command.env("GIT_OBJECT_DIRECTORY", aside.objects);
    let known: Vec<&OsStr> = aside.known.iter().map(|folder| folder.as_os_str()).collect();
    command.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", known.join(OsStr::new(":")));
    bounded(command, limits, scratch)?.finish()
}

/// The program in a repository, not yet started.
pub(super) fn git(folder: &Path, ssh: Option<&str>, limits: Limits, arguments: &[&str]) -> Command {
    let mut command = command("git");
    command.arg("-C").arg(folder);
    for option in OPTIONS {
        command.args(["-c", option]);
    }
    if limits.hooks == Hooks::Off {
        command.args(["-c", "core.hooksPath=/dev/null"]);
    }
    if global::trouble().is_some() {
        command.env("GIT_CONFIG_GLOBAL", "/dev/null");
    }
    if let Some(ssh) = ssh {
        connect_by(&mut command, ssh, limits.manners);
    }
    if limits.manners == Manners::Silent {
        command
            .args(["-c", "credential.interactive=false"])
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "")
            .env("SSH_ASKPASS_REQUIRE", "never")
            .env("GCM_INTERACTIVE", "never")
            .process_group(0);
    }
    if limits.silence.is_some() {
        command.env(REPORT.0, REPORT.1);
    }
    command.args(arguments);
    command
}

/// Runs a command line of the user's own configuration, to its end.
pub fn shell(folder: &Path, limits: Limits, scratch: &Path, line: &str) -> Outcome<Answer> {
    let mut command = command("sh");
    command.arg("-c").arg(line).current_dir(folder);
    if limits.manners == Manners::Silent {
        command.process_group(0);
    }
    bounded(command, limits, scratch)?.finish()
}

/// A program that knows of no other repository. Git works among files that come from the remote, so a
/// folder of programs that is named from where it works is none.
pub fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", crate::context::programs());
    for name in FOREIGN {
        command.env_remove(name);
    }
    command
}

/// A program that knows of no other repository, and asks nobody by itself.
fn command(program: &str) -> Command {
    let mut command = clean(program);
    command.env("LC_ALL", "C").env("GIT_PAGER", "cat").env("GIT_EDITOR", "false");
    command.stdin(Stdio::null());
    command
}

/// Output goes to files: a helper that outlives Git may keep a pipe open for ever.
pub(super) fn bounded(mut command: Command, limits: Limits, scratch: &Path) -> Outcome<Running> {
    let (stdout, stderr) = (scratch_file(scratch)?, scratch_file(scratch)?);
    command.stdout(copy_of(&stdout, scratch)?).stderr(copy_of(&stderr, scratch)?);
    let name = command.get_program().to_string_lossy().into_owned();
    let heard = (heard::line(&command), Instant::now());
    let child = command.spawn().map_err(|error| {
        Failure::error(format!("could not start `{name}`: {error}"))
            .hint("Install git, or put it on PATH.")
    })?;
    let target = i32::try_from(child.id()).map_or(Pid::this(), Pid::from_raw);
    let (done, waiting) = mpsc::channel();
    let said = copy_of(&stderr, scratch)?;
    let watchdog = std::thread::spawn(move || watch(&waiting, target, limits, said));
    Ok(Running { child, manners: limits.manners, stdout, stderr, done, watchdog, heard })
}

/// Ends the call when its time is over, and says why it did.
fn watch(waiting: &mpsc::Receiver<()>, target: Pid, limits: Limits, said: File) -> Option<Ended> {
    let is_group = limits.manners == Manners::Silent;
    let start = Instant::now();
    let mut bar = None;
    let mut ticks = 0;
    let mut ear = limits.silence.map(|silence| Ear::new(said, silence));
    let ended = loop {
        if waiting.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout) {
            return None;
        }
        ticks += 1;
        if interrupt::is_wanted() {
            break Ended::Stopped;
        }
        if let Some(ended) = ear.as_mut().and_then(Ear::listen) {
            break ended;
        }
        if limits.deadline <= start.elapsed() {
            break Ended::Late;
        }
        if let (Some(ui), Some(ear)) = (limits.shown, &ear)
            && WORTH_SHOWING <= ticks
            && let Some(moved) = moved(&ear.tail())
        {
            bar.get_or_insert_with(|| ui.transfer()).show(&moved.what, moved.done, &moved.amount);
        }
    };
    end(target, is_group, Signal::SIGTERM);
    if waiting.recv_timeout(MERCY) == Err(RecvTimeoutError::Timeout) {
        end(target, is_group, Signal::SIGKILL);
    }
    Some(ended)
}

impl Running {
    /// Waits for the end, and hears what was said.
    pub fn finish(mut self) -> Outcome<Answer> {
        let status = self.child.wait().map_err(|error| {
            Failure::error(format!("could not wait for the `git` program: {error}"))
        })?;
        heard::said(self.heard.0.as_deref(), self.heard.1.elapsed(), status.code());
        drop(self.done);
        let ended = self.watchdog.join().unwrap_or(None);
        let stdout = bytes_of(&mut self.stdout)?;
        let said = bytes_of(&mut self.stderr)?;
        let said = String::from_utf8_lossy(&said);
        let (stderr, is_answered) = (without_reports(&said), is_answered(&said));
        // Ctrl-C reaches what Git started as soon as it reaches this process.
        let has_failed = ended.is_none() && status.code() != Some(0);
        let is_near = self.manners == Manners::Ask;
        let is_stopped = has_failed && is_near && interrupt::is_wanted_by_now();
        let ended = if is_stopped { Some(Ended::Stopped) } else { ended };
        Ok(Answer { code: status.code(), stdout, stderr, is_answered, ended })
    }
}

fn end(target: Pid, is_group: bool, signal: Signal) {
    // It may have ended a moment ago; then there is nobody to hear the signal.
    let _ = if is_group { killpg(target, signal) } else { nix::sys::signal::kill(target, signal) };
}

/// What the name of a file begins with that Git writes to, until it has none.
pub const OUTPUT: &str = "git-output.";

/// How many names are tried.
const TRIES: u32 = 1000;

/// Opens a file without a name. It is made anew and for nobody else: in the temporary folder, another
/// user may have put something in the place of its name.
#[expect(clippy::disallowed_methods, reason = "the file is ours, and held open without its name")]
fn scratch_file(folder: &Path) -> Outcome<File> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut tries = 0;
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{OUTPUT}{}.{number}", std::process::id()));
        let mut options = File::options();
        match options.read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => {
                std::fs::remove_file(&path).map_err(FsError::on("remove", &path))?;
                return Ok(file);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists && tries < TRIES => tries += 1,
            Err(error) => return Err(FsError::on("create", &path)(error).into()),
        }
    }
}

fn copy_of(file: &File, folder: &Path) -> Outcome<File> {
    Ok(file.try_clone().map_err(FsError::on("share", folder))?)
}

fn bytes_of(file: &mut File) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
    read.map_err(|error| Failure::error(format!("could not read what git printed: {error}")))?;
    Ok(bytes)
}
