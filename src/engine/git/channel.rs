//! The far end of a call of Git, opened before Git asks for it.
//!
//! What comes before a server says where its branches are may take longer than all the rest of a call: a login,
//! the start of a shell, of Git, a look at rights. It begins before Git is started here, or, for a push, beside
//! the fetch before it. Git calls a few words of shell then where it would call ssh, which hand on what comes
//! and goes, if it calls for the very same; for anything else they call ssh.
//!
//! What the far end of a push says of branches may be old by then; a push carries what it expects, so it is
//! refused then, and tried again in the usual way.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Seek, pipe};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cfgsync_core::address::Reached;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::client::{at_once, is_open_ssh};
use super::dial::{Gate, is_left_open};
use super::login::{Login, manners_of_ssh};
use super::mux::FarEnd;
use super::program::{Manners, clean};

/// How long ssh has to end by itself once its channel is left.
const FAREWELL: Duration = Duration::from_millis(200);

/// How often is looked whether it has.
const POLL: Duration = Duration::from_millis(1);

/// What the next channel of this run is known by.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// What Git wants of a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// What it has.
    Fetch,
    /// That it takes something.
    Push,
}

/// A remote, as Git would have ssh reach it.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The user's ssh command.
    pub ssh: &'a str,
    /// The address.
    pub url: &'a str,
    /// Who may be asked.
    pub manners: Manners,
}

/// A connection that waits for a call of Git. It is closed with this value.
#[derive(Debug)]
pub struct Channel {
    ends: Option<(PipeWriter, PipeReader)>,
    number: u32,
    service: Service,
    /// What Git calls ssh with for it, and for nothing else.
    words: String,
    /// What the far end complains of.
    said: File,
    /// Where it has no login to share.
    own: Option<Child>,
}

impl Service {
    /// The program at the far end.
    fn program(self) -> &'static str {
        match self {
            Self::Fetch => "git-upload-pack",
            Self::Push => "git-receive-pack",
        }
    }

    /// Where the repository says which program is meant instead.
    pub fn setting(self, remote: &str) -> String {
        let key = match self {
            Self::Fetch => "uploadpack",
            Self::Push => "receivepack",
        };
        format!("remote.{remote}.{key}")
    }
}

impl Channel {
    /// Opens it over a login, as soon as that is done, or else by a login of its own. What the far end
    /// complains of goes to a file. None where it is not known what Git would call for.
    pub fn open(
        line: Line<'_>,
        service: Service,
        login: Option<&Login>,
        said: File,
    ) -> Option<Self> {
        let Reached::Ssh { destination, port } = Reached::of(line.url) else { return None };
        if !is_open_ssh(line.ssh) {
            return None;
        }
        let command = format!("{} '{}'", service.program(), path(line.url)?);
        let port = port.map(|port| format!("-p {port} ")).unwrap_or_default();
        let manners = manners_of_ssh(line.manners);
        let options = format!("{manners} {port}{destination}");
        let words = format!("{options} {command}");
        let ((stdin, to), (from, stdout)) = (pipe().ok()?, pipe().ok()?);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let stderr = said.try_clone().ok()?;
        let own = if let Some(login) = login {
            login.ask(number, FarEnd { command, stdin, stdout, stderr });
            None
        } else {
            let mut ssh = clean("sh");
            ssh.arg("-c")
                .arg(format!("exec {} {options} \"$1\"", at_once(line.ssh)))
                .arg("sh")
                .arg(command);
            ssh.stdin(stdin).stdout(stdout).stderr(stderr);
            if line.manners == Manners::Silent {
                ssh.env("SSH_ASKPASS_REQUIRE", "never").process_group(0);
            }
            Some(ssh.spawn().ok()?)
        };
        Some(Self { ends: Some((to, from)), number, service, words, said, own })
    }

    /// Returns what it is for.
    pub fn service(&self) -> Service {
        self.service
    }

    /// Returns true where it was opened, as far as is known by now.
    pub fn was_open(&self, login: Option<&Login>) -> bool {
        self.own.is_some() || login.is_some_and(|login| login.has(self.number))
    }

    /// Returns what the far end complained of.
    pub fn said(&self) -> String {
        let mut bytes = Vec::new();
        // It only explains an error that is known already.
        let _ = (&self.said).rewind().and_then(|()| (&self.said).read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Ends it, whatever it is at.
    pub fn end(&mut self) {
        self.ends = None;
        if let Some(mut own) = self.own.take() {
            // What it started by itself to connect, ends with it.
            let _ = own.kill();
            let _ = own.wait();
        }
    }

    /// Returns a gate that is open, where the channel needs no other; none with a login, which has its own.
    pub fn gate(&self) -> Option<Gate> {
        self.own.as_ref()?;
        let (gate, opener) = Gate::make()?;
        opener.open(&Self::word(self.number));
        Some(gate)
    }

    /// Returns true where Git can still take it.
    pub fn is_there(&self) -> bool {
        let Some((_, from)) = &self.ends else { return false };
        let mut polled = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
        let is_over =
            |it: &PollFd<'_>| it.revents().is_none_or(|it| it.contains(PollFlags::POLLHUP));
        poll(&mut polled, PollTimeout::ZERO).is_ok() && !polled.iter().any(is_over)
    }

    /// Returns what is said at a gate where it may be taken.
    pub fn word(number: u32) -> String {
        format!(":{number}:")
    }

    /// Leaves the ends to what was started, which has inherited them.
    pub fn is_left(&mut self) {
        self.ends = None;
    }

    /// Returns the words of shell that take it, if what is called for is the same; none where no program can
    /// inherit its ends.
    pub fn taking(&self) -> Option<String> {
        let (to, from) = self.ends.as_ref()?;
        if !is_left_open(to) || !is_left_open(from) {
            return None;
        }
        let words = self.words.replace('\'', r"'\''");
        let (to, from) = (to.as_raw_fd(), from.as_raw_fd());
        Some(format!(
            "*{}*' {words}') cat < /dev/fd/{from} & exec > /dev/null; cat > /dev/fd/{to}; wait $!;; ",
            Self::word(self.number)
        ))
    }
}

impl Drop for Channel {
    /// Lets the far end go, and waits until ssh has, for a moment: other connections of the user's may share
    /// its login.
    fn drop(&mut self) {
        self.ends = None;
        let Some(own) = &mut self.own else { return };
        let start = Instant::now();
        while matches!(own.try_wait(), Ok(None)) && start.elapsed() < FAREWELL {
            std::thread::sleep(POLL);
        }
    }
}

/// Returns the path of a remote as Git gives it to a server; none where it would be changed on the way.
fn path(url: &str) -> Option<&str> {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.get(rest.find('/')?..)?,
        None => url.split_once(':')?.1,
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    (!path.is_empty() && path.chars().all(is_plain)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn a_path_is_what_git_calls_for() {
        assert_eq!(path("ssh://me@host:22/srv/x.git"), Some("/srv/x.git"));
        assert_eq!(path("git@host:me/x.git"), Some("me/x.git"));
        for odd in ["ssh://host", "ssh://host/~me/x", "host:it's", "ssh://host/a%20b", "host:a!b"] {
            assert_eq!(path(odd), None, "{odd}");
        }
    }
}
