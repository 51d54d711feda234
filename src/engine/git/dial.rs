//! What Git calls where it would call ssh.

use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::login::manners_of_ssh;
use super::program::Manners;

/// What the command begins with that is a function which calls ssh, or does not.
const DIALS: &str = "dial()";

/// How often Git may call for ssh in one call of its own.
const CALLS: usize = 64;

/// What a program waits at until it is known how to connect: the end of a pipe that it inherits. To be kept
/// until it is started.
#[derive(Debug)]
pub struct Gate(PipeReader);

/// The other end of a gate. Who waits at one that is left without being opened gives up.
#[derive(Debug)]
pub struct Opener(PipeWriter);

impl Gate {
    /// Makes a gate; none where a shell could not name it.
    pub fn make() -> Option<(Self, Opener)> {
        let (reader, writer) = pipe().ok()?;
        let is_named = Path::new("/dev/fd").join(reader.as_raw_fd().to_string()).exists();
        (is_named && is_left_open(&reader)).then_some((Self(reader), Opener(writer)))
    }
}

impl Opener {
    /// Lets whoever waits go on. The first one hears this word; Git may call more than once.
    pub fn open(mut self, word: &str) {
        let text = format!("{word}\n{}", "\n".repeat(CALLS));
        // Whoever waited there may be gone.
        let _ = self.0.write_all(text.as_bytes());
    }
}

/// Returns the words that wait at a gate and call ssh then. What is taken instead is a case of shell, which
/// looks at the word that was heard and at what Git calls for.
pub fn dial(ssh: &str, gate: &Gate, taken: &str) -> String {
    let waits = format!("read -r go < /dev/fd/{} || return 255", gate.0.as_raw_fd());
    format!("{DIALS} {{ {waits}; case \"$go $*\" in {taken}*) {ssh} \"$@\";; esac; }}; dial")
}

/// Makes Git connect by this ssh command.
pub fn connect_by(command: &mut Command, ssh: &str, manners: Manners) {
    command.env("GIT_SSH_COMMAND", format!("{ssh} {}", manners_of_ssh(manners)));
    if ssh.starts_with(DIALS) {
        // Git would know ssh by the first word.
        command.env("GIT_SSH_VARIANT", "ssh");
    }
}

/// Lets programs inherit an end; false where it cannot be.
pub fn is_left_open(end: &impl AsFd) -> bool {
    fcntl(end, FcntlArg::F_SETFD(FdFlag::empty())).is_ok()
}
