//! A shell in a terminal of its own, typed at as a person does.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

const PATIENCE_MS: i32 = 20_000;

/// What every prompt of a benchmark ends with.
pub const PROMPT_END: &[u8] = "»".as_bytes();

/// A running shell.
pub struct Pty {
    child: Child,
    terminal: File,
    unread: Vec<u8>,
}

impl Pty {
    /// Starts a command in a new terminal.
    pub fn start(command: &mut Command) -> Self {
        let size = Winsize { ws_row: 50, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None).expect("a terminal");
        let terminal = File::from(pair.master);
        let own = terminal.as_raw_fd();
        let slave = || pair.slave.try_clone().expect("a descriptor");
        command.stdin(slave()).stdout(slave()).stderr(slave());
        // SAFETY: both calls are allowed between fork and exec.
        unsafe {
            command.pre_exec(move || {
                libc::close(own);
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY as _, 0);
                Ok(())
            });
        }
        let child = command.spawn().expect("a shell");
        // The command keeps what it was given; a terminal ends when nobody has it.
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        Self { child, terminal, unread: Vec::new() }
    }

    /// Returns the shell's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types.
    pub fn type_keys(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).expect("a terminal");
    }

    /// Reads on to what is awaited; what was before it is forgotten.
    pub fn wait_for(&mut self, awaited: &[u8]) {
        loop {
            let at = self.unread.windows(awaited.len()).position(|bytes| bytes == awaited);
            if let Some(at) = at {
                self.unread.drain(..at + awaited.len());
                return;
            }
            self.read(awaited);
        }
    }

    /// Reads the text up to `end`.
    pub fn text_to(&mut self, end: u8) -> String {
        loop {
            if let Some(at) = self.unread.iter().position(|byte| *byte == end) {
                let text: Vec<u8> = self.unread.drain(..=at).collect();
                return String::from_utf8_lossy(&text[..at]).into_owned();
            }
            self.read(&[end]);
        }
    }

    /// Forgets what was shown by now.
    pub fn forget(&mut self) {
        while self.is_readable(0) {
            self.read(b"");
        }
        self.unread.clear();
    }

    /// Types `exit`, and returns how long the shell took to end.
    pub fn leave(mut self) -> f64 {
        self.type_keys("exit\r");
        let start = Instant::now();
        self.child.wait().expect("a shell");
        start.elapsed().as_secs_f64()
    }

    fn is_readable(&self, patience: i32) -> bool {
        let fd = self.terminal.as_raw_fd();
        let mut look = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: there is one entry, and it is said that there is one.
        unsafe { libc::poll(&raw mut look, 1, patience) == 1 }
    }

    fn read(&mut self, awaited: &[u8]) {
        let mut part = [0; 4096];
        let is_alive = self.is_readable(PATIENCE_MS);
        let length = if is_alive { self.terminal.read(&mut part).unwrap_or(0) } else { 0 };
        assert!(
            length != 0,
            "no {} after {}",
            String::from_utf8_lossy(awaited),
            String::from_utf8_lossy(&self.unread)
        );
        self.unread.extend_from_slice(&part[..length]);
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns how long a process has been on a processor, in seconds; none where it is not told.
pub fn work_of(pid: u32) -> Option<f64> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    let ns: u64 = line.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(ns).as_secs_f64())
}
