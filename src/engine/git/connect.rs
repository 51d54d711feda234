//! Connects for ssh, so that no packet waits for a timer.
//!
//! Until its login is done, OpenSSH lets a small packet wait for the answer to the one before (Nagle's algorithm,
//! RFC 896), the far end does the same, and both let an answer that carries nothing wait for 40 ms (RFC 1122,
//! 4.2.3.2): half of a login to a machine nearby is standing still. This is a `ProxyCommand` of `ssh_config(5)`,
//! which sends at once and answers at once. Ssh starts it by `/bin/sh`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// What ssh calls this by. Nobody types it.
const COMMAND: &str = "connect-for-ssh";

/// How long all addresses may take together: ssh waits for ten seconds.
const PATIENCE: Duration = Duration::from_secs(9);

/// How long each may take after which there are others.
const PATIENCE_WITH_MORE: Duration = Duration::from_secs(2);

/// The exit code of ssh where it could not connect.
const NOT_CONNECTED: u8 = 255;

/// How long there is to end for what is under way when ssh is gone.
const FAREWELL: Duration = Duration::from_millis(100);

/// How many bytes are handed on at once.
const PIECE: usize = 64 * 1024;

/// Returns the option with which ssh has this connect; none where this program cannot be named to a shell, and
/// on a system on which nobody has seen it yet.
pub fn option() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let own = std::env::current_exe().ok()?.into_os_string().into_string().ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    own.chars().all(is_plain).then(|| format!("-oProxyCommand='{own} {COMMAND} %h %p'"))
}

/// Connects where that was asked for, hands on what comes and goes to the end, and returns how it went; none
/// where something else was asked for.
pub fn asked(arguments: &[OsString]) -> Option<ExitCode> {
    let [_, command, host, port] = arguments else { return None };
    if command != COMMAND {
        return None;
    }
    let (host, port) = (host.to_str()?.to_owned(), port.to_str()?.to_owned());
    let connected = while_wanted(Duration::ZERO, move || connect(&host, &port));
    let went = match connected {
        Some(Ok(stream)) => while_wanted(FAREWELL, move || hand_on(&stream)),
        Some(Err(said)) => Some(Err(said)),
        None => None,
    };
    let Some(Err(said)) = went else { return Some(ExitCode::SUCCESS) };
    // Who reads it knows the words of ssh.
    let _ = writeln!(io::stderr(), "ssh: {said}");
    Some(ExitCode::from(NOT_CONNECTED))
}

/// Does something until it is done, or until ssh is gone, which waits for it: then it has this long to end.
fn while_wanted<T: Send + 'static>(
    farewell: Duration,
    act: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let Ok((over, at_end)) = io::pipe() else { return Some(act()) };
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let _at_end = at_end;
        // Nobody listens any more where ssh is gone.
        let _ = tell.send(act());
    });
    let ssh = io::stdout();
    let mut polled = [
        PollFd::new(over.as_fd(), PollFlags::POLLIN),
        PollFd::new(ssh.as_fd(), PollFlags::empty()),
    ];
    while poll(&mut polled, PollTimeout::NONE) == Err(Errno::EINTR) {}
    told.recv_timeout(farewell).ok()
}

fn connect(host: &str, port: &str) -> Result<TcpStream, String> {
    let number = port.parse::<u16>().map_err(|_| format!("Bad port '{port}'"))?;
    let mut last = Errno::EHOSTUNREACH.desc().to_owned();
    let start = Instant::now();
    let mut addresses = addresses(host, number)?.into_iter().peekable();
    while let Some(address) = addresses.next() {
        let rest = PATIENCE.saturating_sub(start.elapsed()).max(Duration::from_millis(1));
        let is_last = addresses.peek().is_none();
        let patience = if is_last { rest } else { rest.min(PATIENCE_WITH_MORE) };
        match TcpStream::connect_timeout(&address, patience) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = words(&error),
        }
    }
    Err(format!("connect to host {host} port {port}: {last}"))
}

/// Returns where a host is. A static program knows the hosts file and DNS only; the system knows more.
fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    match (host, port).to_socket_addrs() {
        Ok(found) => Ok(found.collect()),
        Err(error) => match known_to_system(host) {
            found if found.is_empty() => {
                Err(format!("Could not resolve hostname {host}: {}", words(&error)))
            }
            found => Ok(found.into_iter().map(|address| (address, port).into()).collect()),
        },
    }
}

/// Asks the system's own program; nothing where there is none, or it does not know either.
fn known_to_system(host: &str) -> Vec<IpAddr> {
    let answer = Command::new("getent").args(["ahosts", host]).stdin(Stdio::null()).output();
    let text = answer.map(|answer| answer.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut found = Vec::new();
    for address in text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

/// Returns what went wrong in the words of the system, without its number.
fn words(error: &io::Error) -> String {
    let known = error.raw_os_error().map(|number| Errno::from_raw(number).desc().to_owned());
    known.unwrap_or_else(|| error.to_string())
}

/// Hands on what comes and goes, until ssh has nothing more to say or the far end is done.
fn hand_on(stream: &TcpStream) -> Result<(), String> {
    let ready = || -> io::Result<_> {
        stream.set_nodelay(true)?;
        let from_ssh = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let to_ssh = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok((from_ssh, to_ssh, stream.try_clone()?, stream.try_clone()?))
    };
    let (from_ssh, to_ssh, out, back) = ready().map_err(|error| words(&error))?;
    let (over, one) = mpsc::channel();
    let other = over.clone();
    std::thread::spawn(move || {
        // What cannot be sent any more is no end yet: something may still come.
        if copy(&from_ssh, &out, |_| ()) == Ended::Said {
            let _ = over.send(Ok(()));
        }
    });
    std::thread::spawn(move || {
        let ended = copy(&back, &to_ssh, answer_at_once);
        let _ = other.send(match ended {
            Ended::Cut(said) => Err(said),
            Ended::Said | Ended::Deaf => Ok(()),
        });
    });
    one.recv().unwrap_or(Ok(()))
}

/// How handing on ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// All was said.
    Said,
    /// No more could be read, for this reason.
    Cut(String),
    /// Nobody takes it any more.
    Deaf,
}

/// Hands on what can be read. What was read from is told of each time.
fn copy<R: Read>(mut from: R, mut to: impl Write, heard: impl Fn(&R)) -> Ended {
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ended::Said,
            Ok(length) => {
                heard(&from);
                if to.write_all(&piece[..length]).is_err() {
                    return Ended::Deaf;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Ended::Cut(words(&error)),
        }
    }
}

/// Has the system tell the far end at once that something came. It forgets that by itself.
#[cfg(target_os = "linux")]
fn answer_at_once(stream: &&TcpStream) {
    use std::os::linux::net::TcpStreamExt;
    // Without it, the far end hears a little later.
    let _ = stream.set_quickack(true);
}

/// There is no such wish here.
#[cfg(not(target_os = "linux"))]
fn answer_at_once(_: &&TcpStream) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_asked_for_a_host() {
        let found = known_to_system("localhost");
        assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback), "{found:?}");
        assert_eq!(known_to_system("nobody.invalid"), Vec::<IpAddr>::new());
        assert!(addresses("nobody.invalid", 22).is_err());
    }
}
