//! One login by ssh for all connections of a sync, where a sync is likely to make more than one.
//!
//! OpenSSH shares a connection by a socket. Ours is private, is there only while the sync runs, and
//! its keeper is a shell that waits for the end of its input: whatever becomes of this process, even
//! if it is killed, its end of that pipe closes, and the shell ends the connection. Who shares
//! connections by a configuration of their own is left alone.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::channel::Channel;
use super::client::{at_once, is_ours_to_share};
use super::dial::{Gate, Opener};
use super::ear::Ended;
use super::mux::{Asked, FarEnd, Session};
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
    /// The gates at which programs wait for that.
    waiting: Vec<Opener>,
    /// The channels that are to be opened then.
    asked: Vec<(u32, FarEnd)>,
    /// Those that are open.
    open: Vec<(u32, Session)>,
}

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
    /// Starts to log in; none where it is not ours to share.
    pub fn start(
        ssh: &str,
        (destination, port): (&str, Option<u16>),
        limits: Limits,
        scratch: &Path,
    ) -> Option<Self> {
        if !is_ours_to_share(ssh) {
            return None;
        }
        let usual = scratch.join("ssh");
        let is_short = usual.as_os_str().len() <= LONGEST_SOCKET;
        let desk = if is_short { None } else { Some(Desk::set_up(&std::env::temp_dir()).ok()?) };
        let socket = desk.as_ref().map_or(usual, |desk| desk.folder().join("s"));
        plain::remove(&socket).ok()?;
        let (ssh, manners) = (at_once(ssh), manners_of_ssh(limits.manners));
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
        std::thread::spawn(move || watched.open(watch(&over, &at, limits), &at));
        Some(Self { keeper, door, socket, _desk: desk })
    }

    /// Returns what it came to; none while it is under way.
    pub fn reached(&self) -> Option<Reached> {
        self.door.state().reached
    }

    /// Opens a channel over it as soon as it is done; where that is not possible, its ends are closed.
    pub fn ask(&self, number: u32, far: FarEnd) {
        let mut state = self.door.state();
        match state.reached {
            None => state.asked.push((number, far)),
            Some(Reached::Yes) => state.open.extend(sessions(&self.socket, vec![(number, far)])),
            Some(Reached::No | Reached::Never(_)) => {}
        }
    }

    /// Returns true where a channel was opened over it.
    pub fn has(&self, channel: u32) -> bool {
        self.door.state().open.iter().any(|(number, _)| *number == channel)
    }

    /// Waits until it is done, or is not going to be.
    pub fn wait(&self) {
        self.door.wait(self.door.state());
    }

    /// Returns the ssh command that shares it. What cannot be shared, connects by itself.
    pub fn shared(&self, ssh: &str) -> String {
        format!("{ssh} {}", self.options())
    }

    /// Returns a gate that opens once it is done, and says which channels are there.
    pub fn gate(&self) -> Option<Gate> {
        let (gate, opener) = Gate::make()?;
        let mut state = self.door.state();
        match state.reached {
            None => state.waiting.push(opener),
            Some(reached) => state.let_go_on(reached, opener),
        }
        Some(gate)
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
    fn open(&self, reached: Reached, socket: &Path) {
        let asked = std::mem::take(&mut self.state().asked);
        let open = if reached == Reached::Yes { sessions(socket, asked) } else { Vec::new() };
        let mut state = self.state();
        state.reached = Some(reached);
        state.open.extend(open);
        // What was asked for meanwhile is opened by those who want it.
        state.asked.clear();
        for opener in std::mem::take(&mut state.waiting) {
            state.let_go_on(reached, opener);
        }
        self.opened.notify_all();
    }
}

impl State {
    fn let_go_on(&self, reached: Reached, opener: Opener) {
        if !matches!(reached, Reached::Never(_)) {
            opener.open(
                &self.open.iter().map(|(number, _)| Channel::word(*number)).collect::<String>(),
            );
        }
    }
}

/// Opens channels over a login that is done, those that can be.
fn sessions(socket: &Path, asked: Vec<(u32, FarEnd)>) -> Vec<(u32, Session)> {
    let asked = asked.into_iter().map(|(number, far)| (number, Asked::of(socket, &far)));
    // Each is asked for before any is waited for.
    let asked: Vec<_> = asked.collect();
    let open = |(number, asked): (u32, std::io::Result<Asked>)| {
        Some((number, asked.and_then(Asked::opened).ok()?))
    };
    asked.into_iter().filter_map(open).collect()
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
