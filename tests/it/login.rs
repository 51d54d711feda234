//! One login for all of a sync, counted by a real ssh server on this machine.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::network::left_running;
use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};
use crate::terminal::wait_until;

/// A server of one's own, on a port of its own, with keys of its own.
pub struct Server {
    process: Child,
    /// Where its keys are.
    pub folder: PathBuf,
    port: u16,
}

impl Server {
    /// Starts it.
    pub fn start(sandbox: &Sandbox) -> Self {
        Self::start_with(sandbox, "")
    }

    /// Starts it with more lines of configuration.
    fn start_with(sandbox: &Sandbox, more: &str) -> Self {
        let folder = sandbox.path("sshd");
        fs::create_dir(&folder).unwrap();
        for key in ["host", "user"] {
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(key));
            assert!(command.status().unwrap().success());
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = folder.display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nPidFile none\n\
             AuthorizedKeysFile {at}/user.pub\nStrictModes no\nUsePAM no\n\
             ForceCommand exec sh {at}/serve\n{more}"
        );
        let serve = format!(
            "echo \"$SSH_ORIGINAL_COMMAND\" >> {at}/asked\n[ ! -e {at}/first ] || . {at}/first\n\
             exec sh -c \"$SSH_ORIGINAL_COMMAND\"\n"
        );
        fs::write(folder.join("serve"), serve).unwrap();
        fs::write(folder.join("config"), config).unwrap();
        let sshd =
            ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|it| fs::metadata(it).is_ok());
        // The server of an administrator insists on an empty folder, which its service would make. For
        // everybody else it needs none.
        let _ = fs::create_dir("/run/sshd");
        let mut command =
            Command::new(sshd.expect("openssh-server; `scripts/tools.sh all` installs it"));
        command.arg("-D").arg("-f").arg(folder.join("config")).arg("-E").arg(folder.join("log"));
        let process = command.stdin(Stdio::null()).spawn().unwrap();
        let log = folder.join("log");
        let is_there = || fs::read_to_string(&log).is_ok_and(|text| text.contains("listening"));
        wait_until("the server", is_there);
        Self { process, folder, port }
    }

    /// Makes a machine reach the remote through it, with more options of ssh.
    pub fn serve(&self, machine: &Machine, options: &str) {
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap();
        let url = format!("ssh://{}@127.0.0.1:{}{}", user.trim(), self.port, machine.url());
        let _ = machine.git(&["remote", "set-url", "origin", &url]);
        let at = self.folder.display();
        let ssh = format!(
            "ssh -F /dev/null -i {at}/user -oStrictHostKeyChecking=no \
             -oUserKnownHostsFile={at}/known -oIdentitiesOnly=yes {options}"
        );
        let _ = machine.git(&["config", "core.sshCommand", ssh.trim()]);
    }

    /// Returns what was asked of it since this was asked last, in alphabetical order.
    fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("asked")).unwrap_or_default();
        fs::write(self.folder.join("asked"), "").unwrap();
        let mut asked: Vec<String> =
            text.lines().filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect();
        asked.sort();
        asked
    }

    /// Has it do this first, as a shell, whenever it is asked for something.
    fn first(&self, script: &str) {
        fs::write(self.folder.join("first"), script).unwrap();
    }

    /// Returns how many logins there were since this was asked last.
    fn logins(&self) -> usize {
        let log = self.folder.join("log");
        let text = fs::read_to_string(&log).unwrap();
        // The server appends to it.
        fs::write(log, "").unwrap();
        text.matches("Accepted publickey").count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn pair() -> (Sandbox, Machine, Machine, Server) {
    pair_with("")
}

/// Two machines in sync, and a server with more lines of configuration.
fn pair_with(more: &str) -> (Sandbox, Machine, Machine, Server) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n2\n3\n4\n5\n");
    mac.sync();
    let server = Server::start_with(&sandbox, more);
    (sandbox, mac, ec2, server)
}

/// Both sides change, `number` tells the changes apart.
fn change_both(mac: &Machine, ec2: &Machine, number: u32) {
    ec2.edit(".conf", "1\n", &format!("1\ntheirs {number}\n"));
    ec2.sync();
    mac.append(".conf", &format!("mine {number}\n"));
}

#[test]
fn whatever_changed_there_is_one_login() {
    let (sandbox, mac, ec2, server) = pair();
    server.serve(&mac, "");
    mac.sync();
    assert_eq!(server.logins(), 1, "nothing to do");
    for number in 0..2 {
        change_both(&mac, &ec2, number);
        mac.sync();
        assert_eq!(server.logins(), 1, "both sides changed, the {number}. time");
        assert_eq!(left_running(&mac), Vec::<String>::new());
        ec2.sync();
    }
    mac.sync();
    let _ = server.logins();
    mac.append(".conf", "mine\n");
    mac.sync();
    assert_eq!(server.logins(), 1, "a change here");
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

const FETCH: &str = "git-upload-pack";
const PUSH: &str = "git-receive-pack";

/// Two machines, of which the first expects more from the other one, and has something to send.
fn expecting() -> (Sandbox, Machine, Machine, Server) {
    let (sandbox, mac, ec2, server) = pair();
    server.serve(&mac, "");
    change_both(&mac, &ec2, 0);
    mac.sync();
    ec2.sync();
    let _ = (server.logins(), server.asked());
    change_both(&mac, &ec2, 1);
    (sandbox, mac, ec2, server)
}

#[test]
fn the_far_end_of_a_push_is_opened_beside_the_fetch() {
    let (sandbox, mac, ec2, server) = expecting();
    // A fetch is answered once the far end of the push is there; one after the other would be for ever.
    let asked = server.folder.join("asked");
    server.first(&format!(
        "case $SSH_ORIGINAL_COMMAND in {FETCH}*)\n\
         until grep -q {PUSH} {0}; do sleep 0.05; done\nesac\n",
        asked.display()
    ));
    mac.sync();
    assert_eq!((server.logins(), server.asked()), (1, vec![PUSH.into(), FETCH.into()]));
    assert_eq!(left_running(&mac), Vec::<String>::new());
    // Where nothing is to be sent after all, it is closed.
    ec2.sync();
    ec2.append(".conf", "the same\n");
    ec2.sync();
    mac.append(".conf", "the same\n");
    mac.sync();
    assert_eq!((server.logins(), server.asked()), (1, vec![PUSH.into(), FETCH.into()]));
    assert_eq!(left_running(&mac), Vec::<String>::new());
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_far_end_that_is_of_no_use_costs_another_try() {
    let (sandbox, mac, ec2, server) = expecting();
    let failed = server.folder.join("failed");
    for (number, fails) in [(1, ""), (2, "sh -c \"$SSH_ORIGINAL_COMMAND\" < /dev/null; sleep 2;")] {
        server.first(&format!(
            "case $SSH_ORIGINAL_COMMAND in {PUSH}*) [ -e {0} ] || {{ : > {0}; {fails} exit 1; }};; esac\n",
            failed.display()
        ));
        let start = Instant::now();
        mac.sync();
        assert!(
            start.elapsed() < Duration::from_secs(15),
            "nobody waits for a far end that is gone"
        );
        assert_eq!(server.asked(), [PUSH, PUSH, FETCH], "it said nothing, or no more: {number}");
        ec2.sync();
        assert_converged(&[&mac, &ec2]);
        fs::remove_file(&failed).unwrap();
        change_both(&mac, &ec2, number + 1);
    }
    server.first("");
    mac.sync();
    ec2.sync();
    let _ = server.asked();
    // What it says of the branch is older than what the fetch brings.
    let before = sandbox.git(&["rev-parse", "main"]).trim().to_owned();
    change_both(&mac, &ec2, 4);
    let after = sandbox.git(&["rev-parse", "main"]).trim().to_owned();
    let remote = sandbox.remote();
    let set = |to: &str| format!("git -C '{}' update-ref refs/heads/main {to}", remote.display());
    assert!(Command::new("sh").args(["-c", &set(&before)]).status().unwrap().success());
    server.first(&format!(
        "case $SSH_ORIGINAL_COMMAND in {FETCH}*)\n\
         until grep -q {PUSH} {}; do sleep 0.05; done; sleep 0.5\n{}\nesac\n",
        server.folder.join("asked").display(),
        set(&after)
    ));
    mac.sync();
    assert_eq!(server.asked(), [PUSH, PUSH, FETCH], "it was old");
    fs::remove_file(server.folder.join("first")).unwrap();
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn sharing_that_is_the_user_s_own_is_left_alone() {
    let (sandbox, mac, ec2, server) = pair();
    server.serve(&mac, "-oControlMaster=no");
    mac.sync();
    let _ = server.logins();
    change_both(&mac, &ec2, 0);
    mac.sync();
    assert!(server.logins() > 1);
    fs::write(server.folder.join("client"), "Host other\n  ControlPath none\n").unwrap();
    server.serve(&mac, &format!("-F {}/client", server.folder.display()));
    change_both(&mac, &ec2, 1);
    mac.sync();
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_server_that_allows_one_session_a_login_is_asked_again() {
    let (sandbox, mac, ec2, server) = pair_with("MaxSessions 1\n");
    server.serve(&mac, "");
    for number in 0..3 {
        change_both(&mac, &ec2, number);
        mac.sync();
        ec2.sync();
        assert_eq!(left_running(&mac), Vec::<String>::new());
    }
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[cfg(target_os = "linux")]
#[test]
fn ssh_is_connected_at_once_unless_its_user_says_how_to_connect() {
    let (_sandbox, mac, _ec2, server) = pair();
    mac.write("dial/ssh", "#!/bin/sh\necho \"$*\" >> \"$HOME/dialled\"\nexec ssh \"$@\"\n");
    mac.chmod("dial/ssh", 0o755);
    let dialled = || {
        mac.append(".conf", "mine\n");
        mac.sync();
        let text = mac.read("dialled");
        mac.remove("dialled");
        text.matches("-oProxyCommand=").count()
    };
    server.serve(&mac, "");
    let by_path = |more: &str| {
        let ssh = mac.git(&["config", "core.sshCommand"]).trim().to_owned();
        let (_, options) = ssh.split_once(' ').unwrap();
        let dial = format!("{} {options} {more}", mac.path("dial/ssh").display());
        let _ = mac.git(&["config", "core.sshCommand", dial.trim()]);
    };
    by_path("");
    assert_ne!(dialled(), 0, "the login of a push");
    mac.sync();
    assert_eq!(mac.read("dialled").matches("-oProxyCommand=").count(), 1, "a fetch");
    mac.remove("dialled");
    by_path("-4");
    assert_eq!(dialled(), 0);
    assert_eq!(left_running(&mac), Vec::<String>::new());
}

#[test]
fn whoever_may_start_no_shell_connects_all_the_same() {
    let (sandbox, mac, ec2, server) = pair();
    server.serve(&mac, "");
    for (number, shell) in [(0, "/bin/false"), (1, "/not/there")] {
        change_both(&mac, &ec2, number);
        let mut command = mac.command(env!("CARGO_BIN_EXE_cfgsync"));
        assert!(command.env("SHELL", shell).arg("sync").status().unwrap().success(), "{shell}");
        ec2.sync();
    }
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_branch_that_is_gone_leaves_nobody_waiting() {
    let (sandbox, mac, _ec2, server) = pair();
    server.serve(&mac, "");
    mac.sync();
    let _ = sandbox.git(&["branch", "-m", "main", "other"]);
    for _ in 0..2 {
        let output = mac.run(&["sync"]);
        assert_ne!(output.code, 0, "{}", output.stderr);
        wait_until("the end of all", || left_running(&mac).is_empty());
    }
    let _ = sandbox.git(&["branch", "-m", "other", "main"]);
    mac.sync();
}

#[test]
fn a_hook_that_sends_files_by_ssh_can() {
    let (sandbox, mac, ec2, server) = pair();
    server.serve(&mac, "");
    let _ = mac.git(&["config", "--global", "filter.lfs.process", "git-lfs filter-process"]);
    // What Git LFS starts inherits nothing but its input and output.
    let hook = r#"#!/usr/bin/env bash
for end in {3..60}; do eval "exec $end>&-"; done
there=$(echo "$2" | sed 's,\(ssh://[^/]*\)/.*,\1,')
sh -c "$GIT_SSH_COMMAND \"\$@\"" ssh "$there" 'git-lfs-authenticate x'
: > "$HOME/ran"
"#;
    mac.write("@.git/hooks/pre-push", hook);
    mac.chmod("@.git/hooks/pre-push", 0o755);
    mac.write("@.gitattributes", "*.large filter=lfs\n");
    for number in 0..2 {
        change_both(&mac, &ec2, number);
        let _ = (server.logins(), server.asked());
        mac.sync();
        assert!(mac.exists("ran"));
        mac.remove("ran");
        assert!(server.asked().contains(&"git-lfs-authenticate".to_owned()));
        ec2.sync();
    }
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_login_ends_with_its_sync_however_that_ends() {
    let (_sandbox, mac, ec2, server) = pair();
    server.serve(&mac, "");
    let started = mac.path("started");
    let hook = mac.path(".hook");
    let script = format!("#!/bin/sh\n: > '{}'\nexec sleep 1000\n", started.display());
    fs::write(&hook, script).unwrap();
    mac.chmod(".hook", 0o755);
    let target = PathBuf::from(mac.url()).join("hooks/pre-receive");
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::rename(&hook, &target).unwrap();
    mac.append(".conf", "mine\n");
    let mut run = mac.command(env!("CARGO_BIN_EXE_cfgsync")).arg("sync").spawn().unwrap();
    wait_until("the push", || started.exists());
    let masters =
        || left_running(&mac).iter().filter(|it| it.contains("ControlMaster=yes")).count();
    assert_ne!(masters(), 0, "this sees a login");
    run.kill().unwrap();
    let _ = run.wait().unwrap();
    wait_until("the end of the login", || masters() == 0);
    wait_until("the end of what used it", || left_running(&mac).is_empty());
    fs::remove_file(&target).unwrap();
    mac.sync();
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
}
