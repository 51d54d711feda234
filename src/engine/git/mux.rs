//! A session over a shared login, asked for in OpenSSH's own words (`PROTOCOL.mux` in its sources).
//!
//! The client of OpenSSH that would ask for it takes longer to start than a small fetch takes in all. What
//! cannot be had in this way is left to that client.

use std::fs::File;
use std::io::{self, IoSlice, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

/// The version of the protocol, the same since OpenSSH 5.1.
const VERSION: u32 = 4;

const HELLO: u32 = 0x1;
const NEW_SESSION: u32 = 0x1000_0002;
const SESSION_OPENED: u32 = 0x8000_0006;

/// No key of a terminal means anything.
const NO_ESCAPE: u32 = u32::MAX;

/// Longest message that is read. Those that are expected have a few dozen bytes.
const LONGEST: u32 = 4096;

/// How long a session may take to be opened: it waits for the far end, once.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to run at the far end, and what it reads and writes here.
#[derive(Debug)]
pub struct FarEnd {
    /// The command, for a shell.
    pub command: String,
    /// What it reads.
    pub stdin: PipeReader,
    /// What it writes.
    pub stdout: PipeWriter,
    /// What it complains of.
    pub stderr: File,
}

/// A session that was asked for.
#[derive(Debug)]
pub struct Asked(UnixStream);

/// A session. It ends with this value.
#[derive(Debug)]
pub struct Session(#[expect(dead_code, reason = "held open")] UnixStream);

impl Asked {
    /// Asks the login behind a socket for a session. It holds the ends from then on.
    pub fn of(socket: &Path, far: &FarEnd) -> io::Result<Self> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&message(&[HELLO, VERSION], &[]))?;
        if read(&mut stream)?.get(..2) != Some(&[HELLO, VERSION]) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "another version"));
        }
        let (request, reserved, terminal) = (0, 0, "");
        let [is_tty, wants_x11, wants_agent, is_subsystem] = [0; 4];
        let numbers = [
            NEW_SESSION,
            request,
            reserved,
            is_tty,
            wants_x11,
            wants_agent,
            is_subsystem,
            NO_ESCAPE,
        ];
        stream.write_all(&message(&numbers, &[terminal, &far.command]))?;
        for end in [far.stdin.as_raw_fd(), far.stdout.as_raw_fd(), far.stderr.as_raw_fd()] {
            hand_over(&stream, end)?;
        }
        Ok(Self(stream))
    }

    /// Waits until the far end runs the command, or does not.
    pub fn opened(mut self) -> io::Result<Session> {
        match read(&mut self.0)?.first() {
            Some(&SESSION_OPENED) => Ok(Session(self.0)),
            _ => Err(io::Error::new(io::ErrorKind::ConnectionRefused, "no session")),
        }
    }
}

/// Returns a message: its length, numbers, and texts with their lengths.
fn message(numbers: &[u32], texts: &[&str]) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut body: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    for text in texts {
        body.extend(length(text.as_bytes()));
        body.extend(text.as_bytes());
    }
    [&length(&body)[..], &body].concat()
}

/// Reads a message, as numbers; what it says in texts is not of interest.
fn read(stream: &mut UnixStream) -> io::Result<Vec<u32>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "too long"));
    }
    let mut body = vec![0; usize::try_from(length).unwrap_or(0)];
    stream.read_exact(&mut body)?;
    let (numbers, _) = body.as_chunks();
    Ok(numbers.iter().map(|bytes| u32::from_be_bytes(*bytes)).collect())
}

/// Hands an open file over, with the one byte that OpenSSH expects beside it.
fn hand_over(stream: &UnixStream, end: RawFd) -> io::Result<()> {
    let (ends, bytes) = ([end], [IoSlice::new(&[0])]);
    let rights = [ControlMessage::ScmRights(&ends)];
    sendmsg::<()>(stream.as_raw_fd(), &bytes, &rights, MsgFlags::empty(), None)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_how_long_it_is() {
        let expected = [0, 0, 0, 11, 0, 0, 0, 1, 0, 0, 0, 3, b'g', b'i', b't'];
        assert_eq!(message(&[1], &["git"]), expected);
    }
}
