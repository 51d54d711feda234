//! A person wants no syncs in the background.

use std::process::Command;

use cfgsync_core::status::{SyncState, wire};

use crate::sandbox::{Machine, Sandbox};
use crate::terminal::{now, wait_until};

fn background(machine: &Machine) {
    let mut command: Command = machine.command(env!("CARGO_BIN_EXE_cfgsync"));
    let output = command.args(["sync", "--background", "--wait"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

fn light(machine: &Machine) -> String {
    let output = machine.command(env!("CARGO_BIN_EXE_cfgsync-prompt")).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn sent(sandbox: &Sandbox) -> String {
    sandbox.git(&["show", "main:external/.conf"])
}

#[test]
fn a_paused_machine_syncs_when_a_person_says_so_and_not_otherwise() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("one\n");
    mac.run(&["pause"]).says(&["paused until `cfgsync resume`"]).done();
    assert_eq!(light(&mac), "‖");
    mac.append(".conf", "two\n");
    background(&mac);
    assert_eq!(sent(&sandbox), "one\n");
    assert_eq!(light(&mac), "‖");
    let status =
        ["\"state\": \"ahead\"", "\"background\": {\n    \"paused\": true,\n    \"until\": null"];
    mac.run(&["status", "--json"]).says(&status).done();
    mac.run(&["doctor"]).says(&["background syncs are paused until `cfgsync resume`"]).done();
    mac.run(&["sync"])
        .says(&["✓ In sync", "This was one sync; background syncs are paused"])
        .done();
    assert_eq!(sent(&sandbox), "one\ntwo\n");
    assert_eq!(light(&mac), "‖");
    assert_eq!(mac.state_word(), "synced");

    mac.append(".conf", "three\n");
    mac.run(&["resume"]).says(&["go on"]).done();
    wait_until("the sync that resume starts", || sent(&sandbox) == "one\ntwo\nthree\n");
    wait_until("the light", || light(&mac) == "✓");
    mac.run(&["resume"]).says(&["are not paused"]).done();
}

#[test]
fn a_pause_for_a_time_ends_by_itself() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("one\n");
    mac.run(&["pause", "1h30m"]).says(&["paused for 1 hour 30 minutes"]).done();
    mac.run(&["status"]).says(&["background syncs are paused for 1 hour more, until 20"]).done();
    mac.append(".conf", "two\n");
    mac.run(&["pause", "2s"]).done();
    let record = wire::decode(&std::fs::read(mac.path("@.sync/sync-status")).unwrap()).unwrap();
    assert_eq!(record.state, SyncState::Paused);
    background(&mac);
    assert_eq!(sent(&sandbox), "one\n");
    // The light tells when: the plugin starts a sync then.
    assert!(record.due <= now().after_seconds(3));
    wait_until("its end", || now() > record.due.after_seconds(1));
    background(&mac);
    assert_eq!(sent(&sandbox), "one\ntwo\n");
    assert_eq!(light(&mac), "✓");
    assert!(!mac.run(&["status"]).code(0).stdout.contains("paused"));
}

#[test]
fn a_dry_run_pauses_nothing() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("one\n");
    mac.run(&["pause", "--dry-run", "2h"]).says(&["would be paused for 2 hours"]).done();
    assert_eq!(light(&mac), "✓");
    mac.run(&["pause"]).done();
    mac.run(&["resume", "--dry-run"]).says(&["would go on"]).done();
    assert_eq!(light(&mac), "‖");
    let _ = mac.run(&["pause", "soon"]).code(2).says(&["write it as 30m, 2h"]);
}
