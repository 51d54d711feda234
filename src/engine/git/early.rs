//! The far end of a push, opened over a shared login while a fetch is still under way.
//!
//! What a server does before it says where its branches are may take longer than all the rest of a push:
//! the start of a shell, of Git, a look at rights. It is done beside the fetch. `git push` calls a few words
//! of shell then where it would call ssh, which hand on what comes and goes, if it calls for the very same.
//! What the far end says of branches may be old by then; a push carries what it expects, so it is refused
//! then, and tried again in the usual way, as is one that failed: what went wrong is told by that.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use cfgsync_core::address::Reached;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::login::{DIALS, Login, manners_of_ssh};
use super::program::{Manners, clean};

/// A connection that waits for a push. It is closed with this value.
#[derive(Debug)]
pub struct Early {
    child: Child,
    /// What Git calls ssh with for it, and for nothing else.
    words: String,
}

/// The ends of a connection that a push is about to inherit.
#[derive(Debug)]
pub struct Ends {
    early: Early,
    to: ChildStdin,
    from: ChildStdout,
}

impl Early {
    /// Opens it once the login is done; none where it is not known what Git would call for.
    pub fn open(login: &Login, ssh: &str, url: &str, manners: Manners) -> Option<Self> {
        let Reached::Ssh { destination, port } = Reached::of(url) else { return None };
        let path = path(url)?;
        let service = format!("git-receive-pack '{path}'");
        let port = port.map(|port| format!("-p {port} ")).unwrap_or_default();
        let (ssh, gate) = login.shared(ssh)?;
        let mut command = clean("sh");
        // Who would have to ask anybody has no login to share.
        let script = format!("{ssh} -oBatchMode=yes {port}\"$@\"");
        command.arg("-c").arg(script).args(["sh", destination, &service]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        if manners == Manners::Silent {
            command.env("SSH_ASKPASS_REQUIRE", "never").process_group(0);
        }
        let child = command.spawn().ok()?;
        drop(gate);
        let words = format!("{} {port}{destination} {service}", manners_of_ssh(manners));
        Some(Self { child, words })
    }

    /// Returns what a push inherits; none where the connection is over already.
    pub fn take(mut self) -> Option<Ends> {
        let is_over = !matches!(self.child.try_wait(), Ok(None));
        let (to, from) = (self.child.stdin.take()?, self.child.stdout.take()?);
        let is_ready = !is_over && is_left_open(&to) && is_left_open(&from);
        is_ready.then_some(Ends { early: self, to, from })
    }
}

impl Ends {
    /// Returns what Git is to call for a push that goes over this connection. `ssh` is called for anything else.
    pub fn command(&self, ssh: &str) -> String {
        let words = self.early.words.replace('\'', r"'\''");
        let (to, from) = (self.to.as_raw_fd(), self.from.as_raw_fd());
        format!(
            "{DIALS} {{ case \"$*\" in '{words}') cat < /dev/fd/{from} & exec > /dev/null; \
             cat > /dev/fd/{to}; wait $!;; \
             *) {ssh} \"$@\";; esac; }}; dial"
        )
    }

    /// Leaves the ends to whoever inherited them.
    pub fn left(self) -> Early {
        self.early
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets programs inherit an end; false where it cannot be.
fn is_left_open(end: &impl AsFd) -> bool {
    fcntl(end, FcntlArg::F_SETFD(FdFlag::empty())).is_ok()
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
