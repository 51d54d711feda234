//! Runs killed at a chosen call, and what the next one makes of it. Each case is a crash that once
//! lost an edit or left a lock that a person had to remove.
//!
//! The kill is a real one, at the very call, by strace; it exists on Linux only.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

const LINES: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

/// Runs cfgsync and kills it at its first rename or link that names a path.
pub fn kill(machine: &Machine, at: &Path, arguments: &[&str]) {
    let output = machine
        .command("strace")
        .args(["-f", "-o", "/dev/null", "-e", "trace=link,rename", "-P"])
        .arg(at)
        .args(["-e", "inject=link,rename:signal=SIGKILL"])
        .arg(env!("CARGO_BIN_EXE_cfgsync"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(!output.status.success(), "the run was not killed at {}", at.display());
}

/// Two machines that changed line 2 differently and other lines each; the first has synced.
fn contested() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.edit(".conf", "2\n", "mac\n");
    mac.sync();
    ec2.edit(".conf", "2\n", "ec2\n");
    (sandbox, mac, ec2)
}

#[test]
fn a_held_edit_stays_held_when_the_run_dies_before_it_agreed() {
    let (sandbox, mac, ec2) = contested();
    kill(&ec2, &ec2.state().join("vault/refs/cfgsync/agreed.lock"), &["sync"]);
    let _ = ec2.run(&["sync"]).code(4);
    mac.sync();
    assert!(mac.read(".conf").contains("mac\n"), "{}", mac.read(".conf"));
    assert!(ec2.read(".conf").contains("ec2\n"), "{}", ec2.read(".conf"));
    assert_clean(&sandbox, &[&mac, &ec2]);
}

/// Kills a sync that sends an edit, and sees the next one send it and leave nothing behind.
fn check(place: impl Fn(&Machine) -> PathBuf) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.append(".conf", "10\n");
    mac.sync();
    ec2.edit(".conf", "1\n", "one\n");
    kill(&ec2, &place(&ec2), &["sync"]);
    ec2.sync();
    ec2.sync();
    mac.sync();
    assert_eq!(mac.read(".conf"), "one\n2\n3\n4\n5\n6\n7\n8\n9\n10\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn a_run_that_died_in_its_snapshot_is_recovered() {
    check(|machine| machine.state().join("vault/refs/cfgsync/latest.lock"));
}

#[test]
fn a_run_that_died_before_it_agreed_is_recovered() {
    check(|machine| machine.state().join("vault/refs/cfgsync/agreed.lock"));
}

#[test]
fn a_run_that_died_in_its_index_is_recovered() {
    check(|machine| machine.state().join("index.new.lock"));
    check(|machine| machine.repo().join(".git/index.lock"));
}

#[test]
fn a_disk_that_does_not_take_the_index_leaves_no_lock() {
    let sandbox = Sandbox::new();
    let (mac, _) = sandbox.pair("one\n");
    mac.append(".conf", "two\n");
    let lock = mac.repo().join(".git/index.lock");
    let mut failing = mac.command("strace");
    failing.args([
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "inject=rename,renameat,renameat2:error=EIO",
    ]);
    failing.arg("-P").arg(&lock).arg(env!("CARGO_BIN_EXE_cfgsync")).arg("sync");
    assert_eq!(failing.output().unwrap().status.code(), Some(1));
    assert!(!lock.exists());
    mac.sync();
}

#[test]
fn a_run_that_died_on_the_branch_is_recovered() {
    check(|machine| machine.repo().join(".git/refs/heads/main.lock"));
    check(|machine| machine.repo().join(".git/refs/remotes/origin/main.lock"));
}

#[test]
fn a_setup_that_died_while_it_made_the_repository_goes_on() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write(".conf", LINES);
    mac.run(&["mark", ".conf"]).done();
    mac.sync();
    let other = sandbox.machine("mac-2");
    let place = other.repo().join(".git.cfgsync-new/.git/config.lock");
    kill(&other, &place, &["setup", other.url()]);
    assert!(!other.exists("@.git"), "a repository that is not whole must not have its name");
    other.run(&["setup", other.url()]).done();
    assert_converged(&[&mac, &other]);
    assert_clean(&sandbox, &[&mac, &other]);
}

#[test]
fn a_lock_that_stayed_behind_in_the_vault_stops_nothing() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    for name in ["agreed.lock", "latest.lock"] {
        fs::write(ec2.state().join("vault/refs/cfgsync").join(name), "").unwrap();
    }
    ec2.append(".conf", "10\n");
    ec2.sync();
    mac.sync();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_staged_version_that_was_never_committed_is_in_the_vault() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write("@note", "staged\n");
    mac.git(&["add", "note"]);
    mac.write("@note", "edited since\n");
    mac.sync();
    fs::remove_dir_all(mac.repo().join(".git")).unwrap();
    assert!(mac.vault_has("staged\n") && mac.vault_has("edited since\n"));
}
