//! Connects for ssh, which then sends each packet at once.
//!
//! Until its login is done, OpenSSH lets a small packet wait for the answer to the one before (Nagle's algorithm,
//! RFC 896), and the far end lets an answer that carries nothing wait for 40 ms: each login stands still for that
//! long. `ProxyUseFdpass` of `ssh_config(5)` takes a connection from a program, and this is the program.

use std::ffi::OsString;
use std::io::{self, IoSlice, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd};
use std::process::ExitCode;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg, setsockopt, sockopt};

/// What ssh calls this by. Nobody types it.
const COMMAND: &str = "connect-for-ssh";

/// How long one address may take, as ssh is told for its own connections.
const PATIENCE: Duration = Duration::from_secs(10);

/// The exit code of ssh where it could not connect.
const NOT_CONNECTED: u8 = 255;

/// Returns the options with which ssh has this connect; none where this program cannot be named to a shell.
pub fn option() -> Option<String> {
    let own = std::env::current_exe().ok()?.into_os_string().into_string().ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    own.chars()
        .all(is_plain)
        .then(|| format!("-oProxyUseFdpass=yes -oProxyCommand='{own} {COMMAND} %h %p'"))
}

/// Connects where that was asked for, and returns how it went; none where something else was.
pub fn asked(arguments: &[OsString]) -> Option<ExitCode> {
    let [_, command, host, port] = arguments else { return None };
    if command != COMMAND {
        return None;
    }
    let (host, port) = (host.to_str()?.to_owned(), port.to_str()?.to_owned());
    Some(match while_wanted(move || connect(&host, &port)) {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(said)) => {
            // Who reads it knows the words of ssh.
            let _ = writeln!(io::stderr(), "ssh: {said}");
            ExitCode::from(NOT_CONNECTED)
        }
        None => ExitCode::from(NOT_CONNECTED),
    })
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

/// Connects, and hands the connection over.
fn connect(host: &str, port: &str) -> Result<(), String> {
    let failed = |error: &io::Error| format!("connect to host {host} port {port}: {error}");
    let number = port.parse::<u16>().map_err(|_| format!("Bad port '{port}'"))?;
    let unknown = |error: io::Error| format!("Could not resolve hostname {host}: {error}");
    let mut last = io::Error::from(io::ErrorKind::HostUnreachable);
    for address in (host, number).to_socket_addrs().map_err(unknown)? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return hand_over_ready(&stream).map_err(|error| failed(&error)),
            Err(error) => last = error,
        }
    }
    Err(failed(&last))
}

fn hand_over_ready(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // As ssh does for its own.
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    hand_over(&io::stdout(), stream)
}

/// Hands an open file over a socket, with the one byte that OpenSSH expects beside it.
pub fn hand_over(socket: &impl AsFd, end: &impl AsFd) -> io::Result<()> {
    let (ends, bytes) = ([end.as_fd().as_raw_fd()], [IoSlice::new(&[0])]);
    let rights = [ControlMessage::ScmRights(&ends)];
    let socket = socket.as_fd().as_raw_fd();
    sendmsg::<()>(socket, &bytes, &rights, MsgFlags::empty(), None)?;
    Ok(())
}
