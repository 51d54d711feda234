//! Connects for ssh, so that no packet waits for a timer.
//!
//! Until its login is done, OpenSSH lets a small packet wait for the answer to the one before (Nagle's algorithm,
//! RFC 896), the far end does the same, and both let an answer that carries nothing wait for 40 ms (RFC 1122,
//! 4.2.3.2): half of a login to a machine nearby is standing still. This is a `ProxyCommand` of `ssh_config(5)`,
//! which sends at once and answers at once.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};

/// What ssh calls this by. Nobody types it.
const COMMAND: &str = "connect-for-ssh";

/// How long one address may take, as ssh is told for its own connections.
const PATIENCE: Duration = Duration::from_secs(10);

/// The exit code of ssh where it could not connect.
const NOT_CONNECTED: u8 = 255;

/// How many bytes are handed on at once.
const PIECE: usize = 64 * 1024;

/// Returns the option with which ssh has this connect; none where this program cannot be named to a shell.
pub fn option() -> Option<String> {
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
    let failed = ExitCode::from(NOT_CONNECTED);
    let Some(connected) = while_wanted(move || connect(&host, &port)) else { return Some(failed) };
    let said = match connected.map(|stream| hand_on(&stream)) {
        Ok(Ok(())) => return Some(ExitCode::SUCCESS),
        Ok(Err(error)) => error.to_string(),
        Err(said) => said,
    };
    // Who reads it knows the words of ssh.
    let _ = writeln!(io::stderr(), "ssh: {said}");
    Some(failed)
}

/// Does something until it is done, or until ssh, which waits for it, is gone.
fn while_wanted<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (over, at_end) = io::pipe().ok()?;
    let acting = std::thread::spawn(move || {
        let _at_end = at_end;
        act()
    });
    let ssh = io::stdout();
    let mut polled = [
        PollFd::new(over.as_fd(), PollFlags::POLLIN),
        PollFd::new(ssh.as_fd(), PollFlags::empty()),
    ];
    while poll(&mut polled, PollTimeout::NONE) == Err(Errno::EINTR) {}
    let is_over = polled[0].any().unwrap_or(false);
    if is_over { acting.join().ok() } else { None }
}

fn connect(host: &str, port: &str) -> Result<TcpStream, String> {
    let number = port.parse::<u16>().map_err(|_| format!("Bad port '{port}'"))?;
    let unknown = |error: io::Error| format!("Could not resolve hostname {host}: {error}");
    let mut last = io::Error::from(io::ErrorKind::HostUnreachable);
    for address in (host, number).to_socket_addrs().map_err(unknown)? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(format!("connect to host {host} port {port}: {last}"))
}

/// Hands on what comes and goes, until one side is done.
fn hand_on(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // As ssh does for a connection of its own.
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    let from_ssh = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let to_ssh = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let (over, one) = mpsc::channel();
    let (out, other) = (stream.try_clone()?, over.clone());
    std::thread::spawn(move || {
        // An end is an end, whatever it came by: ssh says what it means.
        let _ = copy(&from_ssh, &out, |_| ());
        let _ = over.send(());
    });
    let back = stream.try_clone()?;
    std::thread::spawn(move || {
        let _ = copy(&back, &to_ssh, answer_at_once);
        let _ = other.send(());
    });
    let _ = one.recv();
    Ok(())
}

/// Hands on what can be read. What was read from is told of each time.
fn copy<R>(mut from: R, mut to: impl Write, heard: impl Fn(&R)) -> io::Result<()>
where
    R: Read,
{
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                heard(&from);
                to.write_all(&piece[..length])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
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
