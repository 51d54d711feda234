//! An ssh server of our own on loopback, with its own keys, for whoever runs the benchmark.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A server that is ended with this value.
pub struct Ssh {
    server: Child,
    port: u16,
    folder: PathBuf,
}

impl Ssh {
    /// Starts a server; none where none is installed, or it does not come up.
    pub fn start(folder: &Path) -> Option<Self> {
        let program = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/opt/homebrew/sbin/sshd"];
        let program = program.into_iter().find(|path| Path::new(path).exists())?;
        let folder = folder.join("ssh");
        fs::create_dir_all(folder.join("home")).ok()?;
        for key in ["host", "user"] {
            let mut make = Command::new("ssh-keygen");
            make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(key));
            make.status().ok().filter(std::process::ExitStatus::success)?;
        }
        fs::copy(folder.join("user.pub"), folder.join("authorized")).ok()?;
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let host = fs::read_to_string(folder.join("host.pub")).ok()?;
        fs::write(folder.join("known"), format!("[127.0.0.1]:{port} {host}")).ok()?;
        let at = folder.display();
        // What the shell of whoever runs this does at every login is not what is measured.
        let settings = format!(
            "SetEnv HOME={at}/home\nListenAddress 127.0.0.1:{port}\nHostKey {at}/host\nAuthorizedKeysFile {at}/authorized\n\
             PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nLogLevel VERBOSE\nMaxStartups 1000\n"
        );
        fs::write(folder.join("settings"), settings).ok()?;
        // The server of an administrator insists on an empty folder, which its service would make.
        if nix_is_root() {
            fs::create_dir_all("/run/sshd").ok()?;
        }
        let mut server = Command::new(program);
        server.args(["-D", "-f"]).arg(folder.join("settings")).arg("-E").arg(folder.join("log"));
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = server.spawn().ok()?;
        let ssh = Self { server, port, folder };
        let is_up = (0..100).any(|_| {
            thread::sleep(Duration::from_millis(50));
            TcpStream::connect(("127.0.0.1", ssh.port)).is_ok()
        });
        is_up.then_some(ssh)
    }

    /// Returns the address of a repository on this machine.
    pub fn url(&self, repository: &Path) -> String {
        let user = Command::new("id").arg("-un").output().expect("a user").stdout;
        let user = String::from_utf8_lossy(&user).trim().to_owned();
        format!("ssh://{user}@127.0.0.1:{}{}", self.port, repository.display())
    }

    /// Returns the ssh command that reaches this server, and asks nobody.
    pub fn command(&self) -> String {
        let at = self.folder.display();
        format!(
            "ssh -F /dev/null -i {at}/user -oIdentitiesOnly=yes -oIdentityAgent=none \
             -oUserKnownHostsFile={at}/known -oStrictHostKeyChecking=yes -oBatchMode=yes"
        )
    }

    /// Returns how many connections came in so far.
    pub fn connections(&self) -> usize {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        log.lines().filter(|line| line.starts_with("Accepted publickey")).count()
    }
}

fn nix_is_root() -> bool {
    // SAFETY: asks for a number and changes nothing.
    unsafe { libc::geteuid() == 0 }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
