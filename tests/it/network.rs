//! The network cut at every stage: each time the cause is named, nothing is left running, nobody is
//! asked anything, everything local is whole, and the next sync is fine.

pub mod servers;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};
use servers::Server;

/// Limits that a test can wait for; `what_is_documented` shows the real ones.
const LIMITS: [(&str, &str); 2] = [("CFGSYNC_ANSWER_SECONDS", "1"), ("CFGSYNC_STALL_SECONDS", "2")];

/// More than the limits by what a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(12);

/// Two machines in sync; the first has an edit that was not sent, and the other one sent something.
fn pair() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n2\n3\n4\n5\n");
    mac.sync();
    mac.append(".conf", "mine\n");
    (sandbox, mac, ec2)
}

/// Has a machine sync with the remote at this address, or by this stand-in for ssh; it must end with
/// this code, in time, saying these words. Then the remote is as it was, and all is well.
#[track_caller]
fn check(url: Option<&str>, ssh: Option<&str>, code: i32, words: &[&str]) {
    for moves in [false, true] {
        let (sandbox, mac, ec2) = pair();
        if moves {
            // The last sync saw something from upstream, so that this one fetches first.
            mac.sync();
            ec2.sync();
            ec2.write("@other", "other\n".repeat(50_000));
            ec2.sync();
            mac.sync();
            ec2.write("@more", servers::noise());
            ec2.sync();
            mac.append(".conf", "mine, too\n");
        }
        let real = mac.url().to_owned();
        let address = match (url, ssh) {
            (Some(url), _) => url.to_owned(),
            _ => format!("there:{real}"),
        };
        let _ = mac.git(&["remote", "set-url", "origin", &address]);
        if let Some(ssh) = ssh {
            mac.write("dial/ssh", ssh);
            mac.chmod("dial/ssh", 0o755);
            let dial = mac.path("dial/ssh").display().to_string();
            let _ = mac.git(&["config", "core.sshCommand", &dial]);
        }
        let live = mac.read(".conf");
        let start = Instant::now();
        let mut command = mac.command(env!("CARGO_BIN_EXE_cfgsync"));
        let output = command.envs(LIMITS).arg("sync").stdin(Stdio::null()).output().unwrap();
        let took = start.elapsed();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "moves: {moves}, {said}");
        for word in words {
            assert!(said.contains(word), "no {word:?} in {said}");
        }
        assert!(took < PATIENCE, "{took:?}: {said}");
        assert_eq!(left_running(&mac), Vec::<String>::new());
        assert_eq!(mac.read(".conf"), live);
        let _ = mac.git(&["remote", "set-url", "origin", &real]);
        let _ = mac.git(&["fsck", "--strict"]);
        mac.sync();
        ec2.sync();
        mac.sync();
        assert_eq!(ec2.read(".conf"), live);
        assert_converged(&[&mac, &ec2]);
        assert_clean(&sandbox, &[&mac, &ec2]);
    }
}

/// Returns the processes that a machine's commands left behind.
pub fn left_running(machine: &Machine) -> Vec<String> {
    let home = format!("HOME={}\0", machine.home().display());
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let is_of_machine = |path: &std::path::Path| {
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        environment.windows(home.len()).any(|window| window == home.as_bytes())
    };
    let found = processes.flatten().map(|entry| entry.path()).filter(|path| is_of_machine(path));
    let name = |path: std::path::PathBuf| fs::read(path.join("cmdline")).unwrap_or_default();
    let words = |name: Vec<u8>| String::from_utf8_lossy(&name).replace('\0', " ");
    found.map(name).map(words).filter(|it| !it.is_empty()).collect()
}

#[test]
fn a_refused_connection() {
    let url = Server::closed();
    check(Some(&format!("git://{url}/x")), None, 5, &["unable to connect", "kept here"]);
    check(Some(&format!("http://{url}/x")), None, 5, &["http://", "kept here"]);
    check(Some(&format!("ssh://{url}/x")), None, 5, &["refused", "kept here"]);
}

#[test]
fn what_is_handed_on_for_ssh_arrives_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let connect = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cfgsync"));
        command.args(["connect-for-ssh", "127.0.0.1", &port]);
        let process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        (process, listener.accept().unwrap().0)
    };
    let sent = servers::noise().into_bytes();
    // Ssh says all it has to say, and is done.
    let (mut process, mut there) = connect();
    let mut stdin = process.stdin.take().unwrap();
    let mut came = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| there.read_to_end(&mut came).unwrap());
        stdin.write_all(&sent).unwrap();
        drop(stdin);
    });
    assert!(came == sent && process.wait().unwrap().success());
    // The far end says all it has to say, and is done; nobody reads what ssh still says.
    let (mut process, mut there) = connect();
    let mut came = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| process.stdout.take().unwrap().read_to_end(&mut came).unwrap());
        there.write_all(&sent).unwrap();
        drop(there);
    });
    assert!(came == sent && process.wait().unwrap().success());
    // Ssh is gone, and the far end neither reads nor ends.
    let (mut process, _there) = connect();
    drop(process.stdout.take());
    assert!(process.wait().unwrap().success());
}

#[test]
fn a_black_hole() {
    let server = Server::black_hole();
    for scheme in ["git", "http", "ssh"] {
        let url = format!("{scheme}://{}/x", server.address);
        check(Some(&url), None, 5, &["kept here"]);
    }
}

#[test]
fn a_server_that_accepts_and_never_answers() {
    let server = Server::silent();
    for scheme in ["git", "http", "ssh"] {
        let url = format!("{scheme}://{}/x", server.address);
        check(Some(&url), None, 5, &["did not answer", "kept here"]);
    }
}

#[test]
fn a_byte_a_second() {
    let page = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    for (scheme, answer) in [("git", &b"00fe"[..]), ("http", page), ("ssh", b"SSH-2.0-x")] {
        let server = Server::dripping(answer);
        let url = format!("{scheme}://{}/x", server.address);
        check(Some(&url), None, 5, &["did not answer", "kept here"]);
    }
}

#[test]
fn a_page_that_wants_you_to_sign_in() {
    let server = Server::page("200 OK", "");
    let url = format!("http://{}/x", server.address);
    check(Some(&url), None, 5, &["none of Git's", "sign in", "kept here"]);
    let sandbox = Sandbox::new();
    let mac = sandbox.machine("mac");
    let _ = mac.run(&["setup", &url]).code(5).says(&["none of Git's"]);
    assert!(!mac.exists("@.git"), "nothing is set up with a page");
}

#[test]
fn a_password_is_wanted() {
    let server = Server::page("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n");
    let url = format!("http://{}/x", server.address);
    check(Some(&url), None, 6, &["http://", "in a terminal"]);
    let ssh =
        "#!/bin/sh\necho 'git@there: Permission denied (publickey,password).' >&2\nexit 255\n";
    check(None, Some(ssh), 6, &["publickey", "in a terminal"]);
}

#[test]
fn another_host_key() {
    let ssh = "#!/bin/sh\ncat >&2 <<'END'
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
Host key verification failed.
END
exit 255
";
    check(None, Some(ssh), 6, &["HAS CHANGED", "ssh-keygen -R"]);
}

#[test]
fn a_transfer_that_is_cut_or_stands_still() {
    // A fetch breaks in mid-pack, a push before anything is answered. What stands in for ssh shares
    // no login, which would stand still before the transfer does.
    let cut = "#!/bin/sh\nfor last; do :; done\nsh -c \"$last\" | dd bs=1 count=20000 2>&-\n";
    let stalled = "#!/bin/sh\ncase $* in *ControlMaster=yes*) exit 255;; esac
for last; do :; done
{ sh -c \"$last\" | dd bs=1 count=20000 2>&-; exec sleep 1000; }\n";
    let (sandbox, mac, ec2) = pair();
    mac.sync();
    ec2.sync();
    for (ssh, words) in [(cut, "kept here"), (stalled, "stopped answering")] {
        ec2.write("@more", servers::noise());
        ec2.sync();
        mac.write("dial/ssh", ssh);
        mac.chmod("dial/ssh", 0o755);
        let real = mac.url().to_owned();
        let _ = mac.git(&["remote", "set-url", "origin", &format!("there:{real}")]);
        let dial = mac.path("dial/ssh").display().to_string();
        let _ = mac.git(&["config", "core.sshCommand", &dial]);
        let mut command = mac.command(env!("CARGO_BIN_EXE_cfgsync"));
        command.env("CFGSYNC_STALL_SECONDS", "3").arg("sync");
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(5), "{said}");
        assert!(said.contains(words), "{said}");
        assert_eq!(left_running(&mac), Vec::<String>::new());
        let _ = mac.git(&["remote", "set-url", "origin", &real]);
        mac.sync();
        assert_eq!(mac.read("@more"), ec2.read("@more"));
        assert_converged(&[&mac, &ec2]);
        assert_clean(&sandbox, &[&mac, &ec2]);
    }
}

#[test]
fn a_server_that_is_full() {
    let (sandbox, mac, ec2) = pair();
    mac.write("@large", servers::noise());
    let full = "#!/bin/sh\nfor last; do :; done\nulimit -f 8\nexec sh -c \"$last\"\n";
    mac.write("dial/ssh", full);
    mac.chmod("dial/ssh", 0o755);
    let real = mac.url().to_owned();
    let _ = mac.git(&["remote", "set-url", "origin", &format!("there:{real}")]);
    let dial = mac.path("dial/ssh").display().to_string();
    let _ = mac.git(&["config", "core.sshCommand", &dial]);
    let _ = mac.run(&["sync"]).code(1).says(&["unpack", "Free some there"]);
    let _ = mac.git(&["remote", "set-url", "origin", &real]);
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read("@large"), mac.read("@large"));
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_hook_of_the_server_that_declines() {
    let (sandbox, mac, ec2) = pair();
    let hook = sandbox.remote().join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\necho Not on a Thursday.\nexit 1\n").unwrap();
    let _ = std::process::Command::new("chmod").arg("+x").arg(&hook).status().unwrap();
    let _ = mac.run(&["sync"]).code(1).says(&["Not on a Thursday.", "own rules"]);
    fs::remove_file(&hook).unwrap();
    mac.sync();
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn what_the_user_told_ssh_is_kept_and_batch_mode_comes_on_top() {
    let (_sandbox, mac, _) = pair();
    mac.write("dial/ssh", "#!/bin/sh\necho \"$@\" >> \"$HOME/dialled\"\nexit 255\n");
    mac.chmod("dial/ssh", 0o755);
    let dial = mac.path("dial/ssh").display().to_string();
    let _ = mac.git(&["remote", "set-url", "origin", "there:x"]);
    let check = |name: &str, value: &str, expected: &[&str]| {
        let mut command = mac.command(env!("CARGO_BIN_EXE_cfgsync"));
        let output = command.env(name, value).arg("sync").output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{output:?}");
        let told = mac.read("dialled");
        mac.remove("dialled");
        for word in expected {
            assert!(told.contains(word), "{name}={value}: no {word} in {told}");
        }
    };
    let usual = ["-oBatchMode=yes", "-oConnectTimeout=10", "-oServerAliveInterval=5"];
    check("GIT_SSH_COMMAND", &format!("{dial} -p 77"), &["-p 77", usual[0], usual[1], usual[2]]);
    check("GIT_SSH", &dial, &usual);
    let _ = mac.git(&["config", "core.sshCommand", &format!("{dial} -i mine")]);
    check("NOTHING", "", &["-i mine", usual[0], usual[1], usual[2]]);
}
