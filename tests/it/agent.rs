//! Due syncs that the system itself starts. The system is a stand-in that notes what it is told.

use std::fs;
use std::process::{Command, Output};

use crate::sandbox::{Machine, Sandbox};

const UNIT: &str = ".config/systemd/user/cfgsync.service";
const TIMER: &str = ".config/systemd/user/cfgsync.timer";

fn joined() -> (Sandbox, Machine) {
    let sandbox = Sandbox::new();
    let machine = sandbox.joined("mac");
    machine.write("bin/systemctl", "#!/bin/sh\necho \"$*\" >>\"$HOME/told\"\n");
    machine.chmod("bin/systemctl", 0o755);
    (sandbox, machine)
}

fn agent(machine: &Machine, arguments: &[&str]) -> Output {
    let mut command: Command = machine.command(env!("CARGO_BIN_EXE_cfgsync"));
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", machine.path("bin").display()));
    let output = command.arg("service").args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

fn told(machine: &Machine) -> String {
    fs::read_to_string(machine.path("told")).unwrap_or_default()
}

#[test]
fn it_is_off_until_it_is_installed_and_leaves_nothing() {
    let (_sandbox, mac) = joined();
    assert!(!mac.exists(".config/systemd"));
    assert_eq!(agent(&mac, &["status"]).stdout, b"The service is not installed.\n");
    agent(&mac, &["install", "--dry-run"]);
    assert!(!mac.exists(".config/systemd") && told(&mac).is_empty());

    agent(&mac, &["install"]);
    assert_eq!(told(&mac), "--user daemon-reload\n--user enable --now cfgsync.timer\n");
    assert_eq!(agent(&mac, &["status"]).stdout, b"The service is installed.\n");
    let before = (mac.read(UNIT), mac.read(TIMER));
    agent(&mac, &["install"]);
    assert_eq!((mac.read(UNIT), mac.read(TIMER)), before);

    agent(&mac, &["remove", "--dry-run"]);
    assert!(mac.exists(UNIT) && mac.exists(TIMER));
    agent(&mac, &["remove"]);
    assert!(!mac.exists(UNIT) && !mac.exists(TIMER));
    assert!(told(&mac).ends_with("--user disable --now cfgsync.timer\n"));
    agent(&mac, &["remove"]);
}

#[test]
fn taking_cfgsync_off_takes_it_too() {
    let (_sandbox, mac) = joined();
    let undo = || {
        let mut command = mac.command(env!("CARGO_BIN_EXE_cfgsync"));
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", mac.path("bin").display()));
        assert!(command.args(["--yes", "setup", "--undo"]).status().unwrap().success());
    };
    agent(&mac, &["install"]);
    mac.edit(UNIT, "dev/configs", "another/repository");
    undo();
    assert!(mac.exists(UNIT) && mac.exists(TIMER), "it is another repository's");
    mac.run(&["setup"]).done();
    agent(&mac, &["install"]);
    undo();
    assert!(!mac.exists(UNIT) && !mac.exists(TIMER));
    assert!(told(&mac).ends_with("--user disable --now cfgsync.timer\n"));
}

#[test]
fn its_command_syncs_what_is_due() {
    let (sandbox, mac) = joined();
    mac.write("@work", "work\n");
    agent(&mac, &["install"]);
    let unit = mac.read(UNIT);
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    // Quoted as a shell quotes, as long as no name is odd.
    assert!(mac.command("sh").args(["-c", line]).status().unwrap().success());
    assert_eq!(sandbox.git(&["show", "main:work"]), "work\n");
    // Where it is there, the system's own check has the last word.
    let checked =
        mac.command("systemd-analyze").args(["--user", "verify"]).arg(mac.path(TIMER)).output();
    if let Ok(checked) = checked {
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(!said.contains("cfgsync."), "{said}");
    }
}
