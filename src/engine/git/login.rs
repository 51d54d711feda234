//! One login by ssh for all connections of a sync, where a sync is likely to make more than one.
//!
//! OpenSSH shares a connection by a socket. Ours is private, is there only while the sync runs, and
//! its keeper is a shell that waits for the end of its input: whatever becomes of this process, even
//! if it is killed, its end of that pipe closes, and the shell ends the connection. Who shares
//! connections by a configuration of their own is left alone.

use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::client::BY_SHELL;
use super::ear::Ended;
use super::program::{Limits, Manners, SSH_PATIENCE, clean};
use crate::fs::desk::Desk;
use crate::fs::plain;
use crate::interrupt;

/// Longest path of a socket that every system takes, with what ssh adds for a moment.
const LONGEST_SOCKET: usize = 80;

/// How often is looked whether the login is done.
const POLL: Duration = Duration::from_millis(1);

/// A login that failed later than this is not tried again without sharing.
const QUICK: Duration = Duration::from_secs(2);

/// How long a person may take to type a password.
const TYPING: Duration = Duration::from_secs(120);

/// What the command begins with that waits at a gate before it calls ssh.
const WAITS: &str = "read -r go < /dev/fd/";

/// What the command begins with that is a function which calls ssh, or does not.
pub const DIALS: &str = "dial()";

/// What is said there where the login is shared.
const SHARED: &str = "shared";

/// A login under way, or done. Ended with it.
#[derive(Debug)]
pub struct Login {
    keeper: Child,
    door: Arc<Door>,
    socket: PathBuf,
    /// Holds the socket where the state folder's path is too long.
    _desk: Option<Desk>,
}

/// Where whoever wants to share a login waits until it is done.
#[derive(Debug, Default)]
struct Door {
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What the login came to; none while it is under way.
    reached: Option<Reached>,
    /// The ends of the pipes at which programs wait for that.
    waiting: Vec<PipeWriter>,
}

/// What a program waits at that was started before the login was done: the end of a pipe that it
/// inherits. To be kept until it is started.
#[derive(Debug)]
pub struct Gate(#[expect(dead_code, reason = "held open")] PipeReader);

/// What a login came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// It can be shared.
    Yes,
    /// It cannot; whoever connects, connects by itself.
    No,
    /// The remote does not answer, so nobody needs to try.
    Never(Ended),
}

impl Login {
    /// Starts to log in by an ssh command; none where there is no place for its socket.
    pub fn start(
        ssh: &str,
        (destination, port): (&str, Option<u16>),
        limits: Limits,
        scratch: &Path,
    ) -> Option<Self> {
        let usual = scratch.join("ssh");
        let is_short = usual.as_os_str().len() <= LONGEST_SOCKET;
        let desk = if is_short { None } else { Some(Desk::set_up(&std::env::temp_dir()).ok()?) };
        let socket = desk.as_ref().map_or(usual, |desk| desk.folder().join("s"));
        plain::remove(&socket).ok()?;
        let manners = manners_of_ssh(limits.manners);
        let port = port.map(|port| format!("-p {port} ")).unwrap_or_default();
        let script = format!(
            "trap '' INT HUP QUIT; {ssh} {manners} -oControlMaster=yes \
             -oControlPersist=no -S \"$1\" -N {port}{destination} & p=$!; exec 2>/dev/null; \
             read x; kill $p; wait $p; [ ! -e \"$1\" ] || rm -f \"$1\"; \
             [ -z \"$2\" ] || rmdir \"$2\""
        );
        let mut command = clean("sh");
        command.arg("-c").arg(script).arg("sh").arg(&socket);
        command.arg(desk.as_ref().map_or(Path::new(""), Desk::folder));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        if limits.manners == Manners::Silent {
            command.env("SSH_ASKPASS_REQUIRE", "never").process_group(0);
        }
        let mut keeper = command.spawn().ok()?;
        let mut said = keeper.stderr.take()?;
        let (tell, over) = mpsc::channel();
        std::thread::spawn(move || {
            // Ssh keeps this open to its end; what it says, whoever connects next is told too.
            let _ = std::io::copy(&mut said, &mut std::io::sink());
            let _ = tell.send(());
        });
        let door = Arc::new(Door::default());
        let (watched, at) = (Arc::clone(&door), socket.clone());
        std::thread::spawn(move || watched.open(watch(&over, &at, limits)));
        Some(Self { keeper, door, socket, _desk: desk })
    }

    /// Returns what it came to; none while it is under way.
    pub fn reached(&self) -> Option<Reached> {
        self.door.state().reached
    }

    /// Returns the ssh command for a program that is started now, while the login may be under way, and
    /// what has to be held until it is started. What cannot be shared then, connects by itself.
    pub fn command(&self, ssh: &str) -> (String, Option<Gate>) {
        let ssh = format!("{ssh} {}", self.options());
        let mut state = self.door.state();
        if state.reached.is_none()
            && let Some((reader, writer)) = gate()
        {
            state.waiting.push(writer);
            return (format!("{WAITS}{} && {ssh}", reader.as_raw_fd()), Some(Gate(reader)));
        }
        self.door.wait(state);
        (ssh, None)
    }

    /// Returns the same for a program that is to run only where the login is shared; none where it is not
    /// under way.
    pub fn shared(&self, ssh: &str) -> Option<(String, Gate)> {
        let (command, gate) = self.command(ssh);
        let command = command.replacen(" && ", &format!(" && [ \"$go\" = {SHARED} ] && exec "), 1);
        Some((command, gate?))
    }

    /// Begins to end it. This waits for nothing.
    pub fn leave(&mut self) {
        drop(self.keeper.stdin.take());
    }

    /// Returns the options with which ssh shares it.
    fn options(&self) -> String {
        let socket = self.socket.to_string_lossy().replace('\'', r"'\''").replace('%', "%%");
        format!("-oControlMaster=no -S '{socket}'")
    }
}

impl Door {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the login is done, or is not going to be.
    fn wait(&self, mut state: MutexGuard<'_, State>) {
        while state.reached.is_none() {
            state = self.opened.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says what the login came to. Where there is nobody to talk to, nobody tries.
    fn open(&self, reached: Reached) {
        let mut state = self.state();
        state.reached = Some(reached);
        for mut waiting in state.waiting.drain(..) {
            let word = match reached {
                Reached::Yes => format!("{SHARED}\n"),
                Reached::No => "\n".to_owned(),
                Reached::Never(_) => continue,
            };
            // Whoever waited there may be gone.
            let _ = waiting.write_all(word.as_bytes());
        }
        self.opened.notify_all();
    }
}

/// Makes a gate, whose one end is inherited by what is started; none where a shell could not name it.
fn gate() -> Option<(PipeReader, PipeWriter)> {
    let (reader, writer) = pipe().ok()?;
    fcntl(&reader, FcntlArg::F_SETFD(FdFlag::empty())).ok()?;
    let is_named = Path::new("/dev/fd").join(reader.as_raw_fd().to_string()).exists();
    is_named.then_some((reader, writer))
}

/// Watches a login until it is done, or is not going to be.
fn watch(over: &mpsc::Receiver<()>, socket: &Path, limits: Limits) -> Reached {
    let start = Instant::now();
    let limit = limits.silence.and_then(|silence| silence.answer).unwrap_or(TYPING);
    loop {
        if socket.exists() {
            return Reached::Yes;
        }
        if over.recv_timeout(POLL) != Err(RecvTimeoutError::Timeout) {
            let is_late = QUICK < start.elapsed();
            let asks = limits.manners == Manners::Ask;
            // At a terminal, what a person was asked is no reason not to ask again.
            return if is_late && !asks { Reached::Never(Ended::Silent) } else { Reached::No };
        }
        if interrupt::is_wanted() {
            return Reached::Never(Ended::Stopped);
        }
        if limit < start.elapsed() {
            return Reached::Never(Ended::Silent);
        }
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        self.leave();
        // It ends ssh and itself.
        let _ = self.keeper.wait();
    }
}

/// Returns what is appended to an ssh command.
pub fn manners_of_ssh(manners: Manners) -> String {
    let batch = if manners == Manners::Silent { "-oBatchMode=yes " } else { "" };
    format!("{batch}{SSH_PATIENCE}")
}

/// Makes Git connect by this ssh command.
pub fn connect_by(command: &mut Command, ssh: &str, manners: Manners) {
    command.env("GIT_SSH_COMMAND", format!("{ssh} {}", manners_of_ssh(manners)));
    if [WAITS, DIALS, BY_SHELL].iter().any(|it| ssh.starts_with(it)) {
        // Git would know ssh by the first word.
        command.env("GIT_SSH_VARIANT", "ssh");
    }
}
