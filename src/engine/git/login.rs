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

use super::ear::Ended;
use super::program::{Limits, Manners, SSH_PATIENCE, clean};
use crate::context::{home, variable};
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
    if ssh.starts_with(WAITS) || ssh.starts_with(DIALS) {
        // Git would know ssh by the first word.
        command.env("GIT_SSH_VARIANT", "ssh");
    }
}

/// Returns the user's own ssh command, where it is one that takes OpenSSH's options. `variant` is
/// what Git was told of it.
pub fn user_ssh(configured: Option<String>, variant: Option<&str>) -> Option<String> {
    let variant = variable("GIT_SSH_VARIANT").or(variant.map(str::to_owned));
    if variant.is_some_and(|variant| !matches!(&*variant, "ssh" | "auto")) {
        return None;
    }
    let program = || match variable("GIT_SSH") {
        None => Some("ssh".to_owned()),
        // A program that is called otherwise may not know the options.
        Some(path) => path.ends_with("/ssh").then(|| quoted(&path)),
    };
    variable("GIT_SSH_COMMAND").or(configured).or_else(program)
}

/// Quotes a word for `sh`.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Returns true for plain OpenSSH whose user did not set up sharing.
fn is_ours_to_share(ssh: &str) -> bool {
    let mut words = ssh.split_whitespace();
    let is_ssh =
        words.next().is_some_and(|word| word.trim_matches('\'').rsplit('/').next() == Some("ssh"));
    let sets = |word: &str| {
        word.to_lowercase().contains("control")
            || ["-S", "-M"].iter().any(|it| word.starts_with(it))
    };
    if !is_ssh || ssh.split_whitespace().any(sets) {
        return false;
    }
    let named = ssh.split_whitespace().skip_while(|word| *word != "-F").nth(1);
    let files = match named {
        Some(file) => vec![PathBuf::from(file)],
        None => usual_files(),
    };
    !files.iter().any(|file| shares(file, 0))
}

fn usual_files() -> Vec<PathBuf> {
    let own = home().map(|home| home.join(".ssh/config")).ok();
    own.into_iter().chain([PathBuf::from("/etc/ssh/ssh_config")]).collect()
}

/// Returns true where a configuration, or one that it includes, says how to share.
fn shares(file: &Path, depth: u32) -> bool {
    let Ok(Some(text)) = plain::read_text(file) else { return false };
    text.lines().any(|line| {
        let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
        let key = words.next().unwrap_or_default().to_lowercase();
        if key == "include" && depth == 0 {
            return words.any(|pattern| included(file, pattern).iter().any(|it| shares(it, 1)));
        }
        key.starts_with("control")
    })
}

/// Returns the files that a pattern may mean: all of its folder where it is one.
fn included(file: &Path, pattern: &str) -> Vec<PathBuf> {
    let pattern = pattern.trim_matches('"');
    let below_home = pattern.strip_prefix("~/").and_then(|rest| Some(home().ok()?.join(rest)));
    let folder = file.parent().unwrap_or(Path::new("/"));
    let path = below_home.unwrap_or_else(|| folder.join(pattern));
    if !pattern.contains('*') {
        return vec![path];
    }
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    let names = plain::names(&folder).unwrap_or_default();
    names.iter().map(|name| folder.join(crate::fs::dir::os(name))).collect()
}
