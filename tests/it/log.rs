//! `cfgsync log`, and the one word of the desktop: what is written down about runs in the background,
//! and when a person is told.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::sandbox::{Machine, Sandbox};

const LOG: &str = "@.sync/log/background.jsonl";

/// Runs in the background to the end, with a desktop that writes down what it was told.
fn run_in_background(machine: &Machine, variables: &[(&str, &str)]) {
    // Due at once.
    machine.remove("@.sync/sync-status");
    let bin = machine.path("bin");
    fs::create_dir_all(&bin).unwrap();
    for name in ["notify-send", "osascript"] {
        let program = bin.join(name);
        fs::write(&program, "#!/bin/sh\necho \"$@\" >>\"$HOME/told\"\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut command = machine.command(env!("CARGO_BIN_EXE_cfgsync"));
    command.args(["sync", "--background", "--wait"]).env("PATH", path);
    let output = command.envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn told(machine: &Machine) -> usize {
    fs::read_to_string(machine.path("told")).unwrap_or_default().lines().count()
}

/// Two machines that disagree about a file.
fn disagreeing(sandbox: &Sandbox) -> (Machine, Machine) {
    let (mac, ec2) = sandbox.pair("one\n");
    disagree(&mac, &ec2, "first");
    (mac, ec2)
}

fn disagree(mac: &Machine, ec2: &Machine, what: &str) {
    mac.write(".conf", format!("{what} of the mac\n"));
    mac.sync();
    ec2.write(".conf", format!("{what} of the other\n"));
}

#[test]
fn what_runs_came_to_is_readable_and_runs_in_a_row_are_one_line() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    let _ = ec2.run(&["log"]).code(0).says(&["No sync ran in the background yet."]);
    for _ in 0..3 {
        run_in_background(&ec2, &[]);
    }
    mac.write(".conf", "two\n");
    mac.sync();
    run_in_background(&ec2, &[]);
    sandbox.unplug();
    run_in_background(&ec2, &[]);
    let shown = ec2.run(&["log"]).code(0).stdout;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 3, "{shown}");
    assert!(lines[0].contains('✗'), "{shown}");
    assert!(lines[1].ends_with("✓ ↓1"), "{shown}");
    assert!(lines[2].ends_with("✓ nothing to do (3 runs)"), "{shown}");
    let _ = ec2.run(&["log", "-v"]).code(0).says(&["edited ~/.conf", "took "]);
    let one = ec2.run(&["log", "-n", "1"]).code(0).stdout;
    assert_eq!(one.lines().count(), 1, "{one}");
    let json = ec2.run(&["log", "--json"]).code(0).stdout;
    assert_eq!(json.matches("\"took\"").count(), 5, "{json}");
    assert!(!ec2.read(LOG).contains("two"), "{}", ec2.read(LOG));
}

#[test]
fn the_log_has_a_limit_and_keeps_what_is_new() {
    let sandbox = Sandbox::new();
    let (_mac, ec2) = sandbox.pair("one\n");
    run_in_background(&ec2, &[]);
    let line = ec2.read(LOG);
    let old = line.replace("\"received\":0", "\"received\":77");
    let many = old.repeat(256 * 1024 / old.len());
    ec2.write(LOG, &many);
    run_in_background(&ec2, &[]);
    let text = ec2.read(LOG);
    assert!(text.len() < many.len() * 2 / 3, "{}", text.len());
    assert!(text.lines().all(|line| line.starts_with('{') && line.ends_with('}')));
    assert!(text.lines().last().unwrap().contains("\"received\":0"), "{text}");
}

#[test]
fn a_person_is_told_once_until_it_is_over() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = disagreeing(&sandbox);
    ec2.run(&["config", "set", "notify", "on"]).done();
    for _ in 0..3 {
        run_in_background(&ec2, &[]);
    }
    assert_eq!(told(&ec2), 1);
    let _ = ec2.run(&["log", "-v"]).code(0).says(&["    held ~/.conf\n"]);
    let said = ec2.read("told");
    assert!(said.contains("1 file waits for you") && !said.contains(".conf"), "{said}");
    ec2.run(&["resolve", ".conf", "--theirs"]).done();
    run_in_background(&ec2, &[]);
    disagree(&mac, &ec2, "second");
    run_in_background(&ec2, &[]);
    assert_eq!(told(&ec2), 2);
}

#[test]
fn nobody_is_told_what_they_read_at_their_terminal() {
    let sandbox = Sandbox::new();
    let (_mac, ec2) = disagreeing(&sandbox);
    ec2.run(&["config", "set", "notify", "on"]).done();
    let _ = ec2.run(&["sync"]).code(4);
    run_in_background(&ec2, &[]);
    assert_eq!(told(&ec2), 0);
}

#[test]
#[cfg(target_os = "linux")]
fn no_desktop_of_a_server_is_asked() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = disagreeing(&sandbox);
    let screen = ("DISPLAY", ":0");
    // A server, even with a screen; no screen; a screen that is far away; told not to.
    run_in_background(&ec2, &[screen]);
    assert_eq!(told(&ec2), 0);
    ec2.write(".conf", "once more\n");
    ec2.run(&["resolve", ".conf", "--ours"]).done();
    mac.write(".conf", "again\n");
    run_in_background(&mac, &[]);
    run_in_background(&mac, &[screen, ("SSH_CONNECTION", "1 2 3 4")]);
    assert_eq!(told(&mac), 0);
    run_in_background(&mac, &[screen]);
    assert_eq!(told(&mac), 1);
}
