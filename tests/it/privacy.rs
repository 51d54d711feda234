//! Whether strangers can read the remote: a host on loopback answers them in every way a host can,
//! while the sync itself goes through an ssh of the tests.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::sandbox::{Machine, Sandbox};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cfgsync");

/// How the host answers a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Open,
    Status(u16),
    HangsUp,
    Silent,
}

/// A host on the web.
struct Host {
    port: u16,
    answer: Arc<Mutex<Answer>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Host {
    fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let host = Self { port, answer: Arc::new(Mutex::new(answer)), requests: Arc::default() };
        let (answer, requests) = (Arc::clone(&host.answer), Arc::clone(&host.requests));
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming().flatten() {
                let now = *answer.lock().expect("a lock");
                let asked = serve(&stream, now);
                requests.lock().expect("a lock").push(asked);
                if now == Answer::Silent {
                    silent.push(stream);
                }
            }
        });
        host
    }

    fn answers(&self, answer: Answer) {
        *self.answer.lock().expect("a lock") = answer;
    }

    fn asked(&self) -> Vec<String> {
        self.requests.lock().expect("a lock").clone()
    }
}

/// Reads one request, answers it, and returns it.
fn serve(mut stream: &TcpStream, answer: Answer) -> String {
    let mut lines = Vec::new();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let is_head = lines.first().is_some_and(|line| line.contains("/HEAD"));
    let refs = format!("{}\trefs/heads/main\n", "0123456789".repeat(4));
    let (status, body) = match answer {
        Answer::Open if is_head => ("200 OK".to_owned(), "ref: refs/heads/main\n".to_owned()),
        Answer::Open => ("200 OK".to_owned(), refs),
        Answer::Status(code) => (format!("{code} No"), String::new()),
        Answer::HangsUp | Answer::Silent => return lines.join("\n"),
    };
    let challenge = if answer == Answer::Status(401) { "WWW-Authenticate: Basic\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n{challenge}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all((head + &body).as_bytes());
    lines.join("\n")
}

/// A machine whose remote is at `code.example` over ssh, which is on the web at the host.
struct Member {
    machine: Machine,
    ssh: String,
    url: String,
}

impl Member {
    fn new(sandbox: &Sandbox, host: &Host) -> Self {
        let machine = sandbox.machine("mac");
        let ssh = machine.path("tools/ssh");
        fs::create_dir_all(ssh.parent().expect("a folder")).expect("a folder");
        fs::write(&ssh, "#!/bin/sh\nfor last; do :; done\nexec sh -c \"$last\"\n").expect("a file");
        fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).expect("a mode");
        let web = format!("[web]\n\"code.example\" = \"http://127.0.0.1:{}\"\n", host.port);
        machine.write(".config/cfgsync/config.toml", web);
        // What would tell who asks, if anything of it were read.
        machine.write(".netrc", "machine 127.0.0.1 login me password hunter2\n");
        let helper = format!("!touch {}; echo password=hunter2", machine.path("canary").display());
        let _ = machine
            .command("git")
            .args(["config", "--global", "credential.helper", &helper])
            .status()
            .expect("git");
        let url = format!("ssh://me@code.example{}", sandbox.remote().display());
        Self { machine, ssh: ssh.display().to_string(), url }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.machine.command(PROGRAM);
        command.args(arguments).env("GIT_SSH_COMMAND", &self.ssh);
        command
    }

    /// Runs cfgsync, checks its exit code, and returns all it said.
    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) -> String {
        let output = self.command(arguments).output().expect("cfgsync");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        text
    }

    fn readers(&self) -> String {
        let text = self.run(&["status", "--json"], 0);
        let line = text.lines().find(|line| line.contains("\"readers\"")).unwrap_or_default();
        line.split('"').nth(3).unwrap_or("none").to_owned()
    }
}

#[track_caller]
fn check(answer: Answer, readers: &str, words: &str) {
    let sandbox = Sandbox::new();
    let host = Host::start(answer);
    let member = Member::new(&sandbox, &host);
    let said = member.run(&["setup", &member.url], 0);
    assert_eq!(said.contains("is not known"), !words.is_empty(), "{answer:?}: {said}");
    assert!(said.contains(words), "{answer:?}: {said}");
    assert_eq!(member.readers(), readers, "{answer:?}");
    let asked = host.asked();
    assert!(!asked.is_empty(), "{answer:?}: nobody asked");
    assert!(asked.iter().all(|it| !it.to_lowercase().contains("authorization")), "{asked:?}");
    assert!(!member.machine.exists("canary"), "the credential helper was asked");
    assert!(sandbox.git(&["rev-parse", "main"]).len() > 39, "what is not public is shared with");
}

#[test]
fn a_closed_remote_is_shared_with() {
    check(Answer::Status(401), "members", "");
    check(Answer::Status(403), "members", "");
    check(Answer::Status(404), "members", "");
}

#[test]
fn no_answer_is_called_no_answer() {
    check(Answer::Status(500), "unknown", "there was no answer");
    check(Answer::HangsUp, "unknown", "there was no answer");
    check(Answer::Silent, "unknown", "there was no answer");
}

#[test]
fn an_open_remote_gets_nothing_until_it_is_allowed() {
    let sandbox = Sandbox::new();
    let host = Host::start(Answer::Open);
    let member = Member::new(&sandbox, &host);
    let said = member.run(&["setup", &member.url], 9);
    assert!(said.contains("everybody can read") && said.contains("allow --remote"), "{said}");
    assert_eq!(sandbox.git(&["for-each-ref"]), "", "nothing was sent");
    assert_eq!(member.readers(), "everybody");
    member.run(&["secrets", "allow", "--remote"], 0);
    member.run(&["setup", &member.url], 0);
    assert!(sandbox.git(&["rev-parse", "main"]).len() > 39);
    // What was allowed can be taken back.
    member.run(&["secrets", "allow", "--remote", "--revoke"], 0);
    member.machine.write(".zshrc", "a\n");
    let said = member.run(&["mark", ".zshrc"], 9);
    assert!(said.contains("everybody can read"), "{said}");
    assert!(!member.machine.exists("@external/.zshrc"));
}

#[test]
fn a_remote_that_was_opened_is_noticed_within_a_day() {
    let sandbox = Sandbox::new();
    let host = Host::start(Answer::Status(404));
    let member = Member::new(&sandbox, &host);
    member.run(&["setup", &member.url], 0);
    let before = host.asked().len();
    // A run in the background is always due.
    member.machine.edit("@.sync/config.toml", "interval = 300", "interval = 0");
    member.run(&["sync"], 0);
    let background = || {
        let mut command = member.command(&["sync", "--background"]);
        let output = command.env("CFGSYNC_HOLD_STDOUT", "1").output().expect("cfgsync");
        assert!(output.status.success(), "{output:?}");
    };
    background();
    member.run(&["sync"], 0);
    assert_eq!(host.asked().len(), before, "asked again on the same day");
    // A day goes by.
    let known = member.machine.state().join("privacy");
    let text = fs::read_to_string(&known).expect("what is known");
    let old: Vec<&str> = text.lines().collect();
    fs::write(&known, format!("{}\nmembers 1000\n{}\n", old[0], old[2])).expect("a file");
    host.answers(Answer::Open);
    background();
    assert_eq!(member.readers(), "everybody");
    let tip = sandbox.git(&["rev-parse", "main"]);
    member.machine.write("@more", "x\n");
    let said = member.run(&["sync"], 9);
    assert!(said.contains("everybody can read"), "{said}");
    assert_eq!(sandbox.git(&["rev-parse", "main"]), tip, "nothing was sent");
    // Once it is closed, the next sync goes on by itself.
    host.answers(Answer::Status(404));
    member.run(&["sync"], 0);
    assert_ne!(sandbox.git(&["rev-parse", "main"]), tip);
}

#[test]
fn an_address_that_nobody_asked_about_is_asked_before_anything_is_sent_there() {
    let closed = Host::start(Answer::Status(404));
    let open = Host::start(Answer::Open);
    for way in ["set-url", "set-url --push", "pushInsteadOf"] {
        let sandbox = Sandbox::new();
        let member = Member::new(&sandbox, &closed);
        let web = member.machine.read(".config/cfgsync/config.toml");
        let other = format!("{web}\"open.example\" = \"http://127.0.0.1:{}\"\n", open.port);
        member.machine.write(".config/cfgsync/config.toml", other);
        member.run(&["setup", &member.url], 0);
        let tip = sandbox.git(&["rev-parse", "main"]);
        let moved = member.url.replace("code.example", "open.example");
        let mut line: Vec<&str> = match way {
            "pushInsteadOf" => vec![
                "config",
                "--global",
                "url.ssh://me@open.example/.pushInsteadOf",
                "ssh://me@code.example/",
            ],
            _ => std::iter::once("remote").chain(way.split(' ')).collect(),
        };
        line.extend((line[0] == "remote").then_some(["origin", &moved]).into_iter().flatten());
        member.machine.git(&line);
        member.machine.write("@more", "x\n");
        let said = member.run(&["sync"], 9);
        assert!(said.contains("everybody can read"), "{way}: {said}");
        assert_eq!(sandbox.git(&["rev-parse", "main"]), tip, "{way}: nothing was sent");
        member.run(&["secrets", "allow", "--remote"], 0);
        member.run(&["sync"], 0);
        assert_ne!(sandbox.git(&["rev-parse", "main"]), tip);
    }
}

#[test]
fn a_folder_that_all_users_can_read_is_told_of() {
    let sandbox = Sandbox::new();
    let machine = sandbox.machine("mac");
    let is_reached = sandbox
        .remote()
        .ancestors()
        .skip(1)
        .all(|folder| folder.metadata().is_ok_and(|it| it.permissions().mode() & 0o001 != 0));
    for (mode, is_told) in [(0o755, is_reached), (0o700, false)] {
        fs::set_permissions(sandbox.remote(), fs::Permissions::from_mode(mode)).expect("a mode");
        let output = machine.run(&["setup", machine.url()]).code(0);
        assert_eq!(output.stderr.contains("Every user"), is_told, "{mode:o}: {output:?}");
    }
}
