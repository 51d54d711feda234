//! Folders that are another kind of repository than they seem, or that Git takes for another folder.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::{changed, is_left_to_git};
use crate::sandbox::{Machine, Sandbox, assert_converged};

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// Asserts that what Git refuses to push to is not pushed to, and that it goes on once that is over.
#[track_caller]
fn is_refused(sandbox: &Sandbox, mac: &Machine, what: &str) {
    let before = sandbox.git(&["rev-parse", "main"]);
    let output = mac.run(&["sync"]);
    assert_ne!(output.code, 0, "{what}: {output:?}");
    assert_eq!(sandbox.git(&["rev-parse", "main"]), before, "{what}");
}

#[test]
fn a_branch_that_is_checked_out_beside_a_bare_repository_is_not_moved() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = changed(&sandbox);
    let beside = sandbox.path("beside");
    let _ = sandbox.git(&["worktree", "add", beside.to_str().unwrap(), "main"]);
    let _ = fs::remove_dir_all(sandbox.remote().join("logs"));
    is_refused(&sandbox, &mac, "a worktree");
    let _ = sandbox.git(&["worktree", "remove", beside.to_str().unwrap()]);
    mac.sync();
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn a_branch_that_is_checked_out_is_not_moved() {
    for key in ["core.bare", "core.worktree"] {
        let sandbox = Sandbox::new();
        let (mac, _ec2) = changed(&sandbox);
        let _ = sandbox.git(&["config", "core.bare", "false"]);
        if key == "core.worktree" {
            let files = sandbox.path("files");
            fs::create_dir(&files).unwrap();
            let _ = sandbox.git(&["config", key, files.to_str().unwrap()]);
        }
        is_refused(&sandbox, &mac, key);
    }
}

#[test]
fn all_addresses_of_a_remote_are_pushed_to_and_the_first_one_is_fetched_from() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = changed(&sandbox);
    let mirror = sandbox.path("mirror.git");
    let copied =
        std::process::Command::new("cp").arg("-a").args([&sandbox.remote(), &mirror]).status();
    assert!(copied.unwrap().success());
    let _ = mac.git(&["config", "--add", "remote.origin.url", mirror.to_str().unwrap()]);
    mac.sync();
    let tip = |folder: &Path| {
        let output = mac.command("git").arg("-C").arg(folder).args(["rev-parse", "main"]).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert_eq!(tip(&mirror), tip(&sandbox.remote()));
    ec2.append(".conf", "5\n");
    ec2.sync();
    mac.sync();
    assert_converged(&[&mac, &ec2]);
    assert_eq!(mac.read(".conf"), ec2.read(".conf"));
}

#[test]
fn an_address_is_the_folder_that_git_takes_it_for() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = changed(&sandbox);
    let place = sandbox.path("remote%2egit");
    copy(&sandbox.remote(), &place);
    let _ = mac.git(&["remote", "set-url", "origin", &format!("file://{}", place.display())]);
    mac.sync();
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
    // Git takes a repository in a folder for the one that is meant.
    let inner = sandbox.path("other.git/.git");
    copy(&sandbox.remote(), &sandbox.path("other.git"));
    fs::rename(sandbox.remote(), &inner).unwrap();
    let _ = mac.git(&["remote", "set-url", "origin", sandbox.path("other.git").to_str().unwrap()]);
    mac.write("@again", "again\n");
    mac.sync();
    fs::rename(&inner, sandbox.remote()).unwrap();
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
    // A home is not below the repository.
    fs::create_dir(mac.path("@~")).unwrap();
    copy(&sandbox.remote(), &mac.path("@~/remote.git"));
    fs::write(mac.path("@.git/info/exclude"), "~\n").unwrap();
    symlink(sandbox.remote(), mac.path("remote.git")).unwrap();
    let _ = mac.git(&["remote", "set-url", "origin", "~/remote.git"]);
    mac.write("@again", "and again\n");
    mac.sync();
    fs::remove_dir_all(mac.path("@~")).unwrap();
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn rules_of_the_repository_itself_are_followed() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = changed(&sandbox);
    let _ = mac.git(&["config", "protocol.file.allow", "never"]);
    is_refused(&sandbox, &mac, "protocol.file.allow of the repository");
    is_left_to_git("push.gpgSign of the repository", |_, mac| {
        let _ = mac.git(&["config", "push.gpgSign", "if-asked"]);
    });
    is_left_to_git("hooks by configuration", |sandbox, _| {
        let _ = sandbox.git(&["config", "hook.x.command", "true"]);
    });
    is_left_to_git("an unusual condition", |sandbox, mac| {
        let rules = sandbox.path("rules");
        fs::write(&rules, "[receive]\n\tfsckObjects = true\n").unwrap();
        let key = "includeIf.hasconfig:remote.*.url:x.path";
        let _ = mac.git(&["config", "--global", key, rules.to_str().unwrap()]);
    });
}

#[test]
fn variables_that_mean_something_to_git_are_heard() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = changed(&sandbox);
    let rules = sandbox.path("rules");
    fs::write(&rules, "[protocol \"file\"]\n\tallow = never\n[user]\n\tname = a\n\temail = a@b\n")
        .unwrap();
    let rules = rules.to_str().unwrap();
    for (name, value) in [
        ("GIT_ALLOW_PROTOCOL", "https"),
        ("GIT_PROTOCOL_FROM_USER", "0"),
        ("GIT_CONFIG_GLOBAL", rules),
        ("GIT_CONFIG_SYSTEM", rules),
    ] {
        let before = sandbox.git(&["rev-parse", "main"]);
        let mut command = mac.command(env!("CARGO_BIN_EXE_cfgsync"));
        let output = command.args(["sync"]).env(name, value).output().unwrap();
        assert_ne!(output.status.code(), Some(0), "{name}: {output:?}");
        assert_eq!(sandbox.git(&["rev-parse", "main"]), before, "{name}");
    }
}

#[test]
fn a_history_that_is_cut_off_here_is_left_to_git() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n");
    for number in 0..3 {
        mac.write("@file", format!("{number}\n"));
        mac.write(format!("@old{number}"), "old\n");
        mac.sync();
    }
    ec2.sync();
    // As `git clone --depth 1` leaves it.
    let tip = ec2.git(&["rev-parse", "main"]);
    fs::write(ec2.path("@.git/shallow"), &tip).unwrap();
    let _ = ec2.git(&["reflog", "expire", "--expire=now", "--all"]);
    let _ = ec2.git(&["gc", "--quiet", "--prune=now"]);
    // A branch that began before that is merged by hand.
    let _ = mac.git(&["checkout", "-q", "-b", "side", "main~3"]);
    mac.write("@side", "side\n");
    let _ = mac.git(&["add", "side"]);
    let _ = mac.git(&["commit", "-q", "-m", "side"]);
    let _ = mac.git(&["checkout", "-q", "main"]);
    let _ = mac.git(&["merge", "-q", "--no-edit", "side"]);
    let _ = mac.git(&["push", "-q", "origin", "main"]);
    ec2.sync();
    let _ = ec2.git(&["fsck", "--connectivity-only", "--no-dangling"]);
    assert_eq!(ec2.read("@side"), "side\n");
}
