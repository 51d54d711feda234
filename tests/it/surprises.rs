//! What comes from outside and was not meant, or not meant well: each once went wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

/// A clone of the remote in which somebody does by hand what the closure says, and pushes it.
fn by_hand(sandbox: &Sandbox, machine: &Machine, change: impl Fn(&dyn Fn(&[&str]))) {
    let clone = sandbox.path("by-hand");
    let git = |arguments: &[&str]| {
        let output = machine.command("git").current_dir(&clone).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    fs::create_dir(&clone).unwrap();
    git(&["clone", "-q", machine.url(), "."]);
    change(&git);
    git(&["add", "-A"]);
    git(&["commit", "-qm", "by hand"]);
    git(&["push", "-q"]);
}

#[test]
fn a_file_that_stands_where_a_clone_brought_a_mark_is_not_shared_unasked() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("shared\n");
    let other = sandbox.machine("mac-2");
    other.write(".conf", "other\n");
    fs::create_dir_all(other.repo().parent().unwrap()).unwrap();
    let repo = other.repo().display().to_string();
    let clone = other.command("git").args(["clone", "-q", other.url(), &repo]).status().unwrap();
    assert!(clone.success());
    let _ = other.run(&["setup", "--no-input"]).code(4);
    assert_eq!(other.read(".conf"), "other\n");
    mac.sync();
    assert_eq!(mac.read(".conf"), "shared\n");
    other.run(&["resolve", ".conf", "--theirs"]).done();
    assert_eq!(other.read("@.sync/external-files/.conf"), "other\n");
    assert_converged(&[&mac, &ec2, &other]);
}

#[test]
fn a_pull_by_hand_after_an_unmark_leaves_a_plain_file() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("content\n");
    mac.run(&["unmark", ".conf"]).done();
    mac.sync();
    ec2.git(&["pull", "-q"]);
    ec2.sync();
    ec2.assert_plain(".conf", "content\n");
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn an_emptied_upstream_is_refused() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("content\n");
    by_hand(&sandbox, &mac, |git| git(&["rm", "-rq", "."]));
    for machine in [&mac, &ec2] {
        let _ = machine.run(&["sync"]).code(9).says(&["--yes"]);
        assert_eq!(machine.read(".conf"), "content\n");
    }
}

#[test]
fn a_lost_manifest_unmarks_nothing() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("content\n");
    by_hand(&sandbox, &mac, |git| git(&["rm", "-q", ".sync/marked-files.txt"]));
    ec2.sync();
    mac.sync();
    mac.assert_linked(".conf");
    ec2.assert_linked(".conf");
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn a_lost_list_of_modes_opens_nothing() {
    let modes = ".sync/modes.txt";
    for way in 0..4 {
        let sandbox = Sandbox::new();
        let (mac, ec2) = sandbox.pair("content\n");
        mac.write(".private", "one\n");
        mac.write(".folder/open", "one\n");
        mac.chmod(".private", 0o600);
        mac.chmod(".folder", 0o700);
        mac.run(&["mark", ".private", ".folder"]).done();
        mac.sync();
        ec2.sync();
        match way {
            0 => by_hand(&sandbox, &mac, |git| git(&["rm", "-q", modes])),
            1 => by_hand(&sandbox, &mac, |_| {
                fs::write(sandbox.path("by-hand").join(modes), "").unwrap();
                fs::write(sandbox.path("by-hand/external/.private"), "two\n").unwrap();
            }),
            // Here: the file alone, and with a commit by hand.
            2 => {
                mac.remove("@.sync/modes.txt");
                mac.append(".private", "two\n");
            }
            _ => {
                mac.git(&["rm", "-q", modes]);
                mac.git(&["commit", "-q", "-m", "lose the list"]);
            }
        }
        mac.sync();
        ec2.sync();
        mac.sync();
        for machine in [&mac, &ec2] {
            assert_eq!(machine.mode(".private"), 0o600, "{way}");
            assert_eq!(machine.mode("@external/.folder"), 0o700, "{way}");
        }
        assert!(sandbox.git(&["show", "main:.sync/modes.txt"]).contains("0600 external/.private"));
        assert_converged(&[&mac, &ec2]);
        assert_clean(&sandbox, &[&mac, &ec2]);
        // Who opens a file means it, also the last one.
        mac.chmod(".private", 0o644);
        mac.chmod("@external/.folder", 0o755);
        mac.sync();
        ec2.sync();
        assert_eq!(ec2.mode(".private"), 0o644, "{way}");
        assert_eq!(ec2.mode("@external/.folder"), 0o755, "{way}");
    }
}

#[test]
fn modes_that_shut_the_owner_out_or_run_as_somebody_else_are_ignored() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("content\n");
    let modes = sandbox.path("by-hand/.sync/modes.txt");
    by_hand(&sandbox, &mac, |_| {
        fs::write(&modes, "0000 external/.conf\n4777 sync.sh\n0000 external/\n").unwrap();
    });
    ec2.sync();
    assert_eq!(ec2.mode("@external/.conf"), 0o644);
    assert_eq!(ec2.mode("@sync.sh"), 0o755);
    assert_eq!(ec2.mode("@external"), 0o755);
}

#[test]
fn a_stored_copy_that_became_a_link_upstream_is_held() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("content\n");
    let stored = sandbox.path("by-hand/external/.conf");
    by_hand(&sandbox, &mac, |_| {
        fs::remove_file(&stored).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &stored).unwrap();
    });
    let _ = ec2.run(&["sync"]).code(4);
    assert_eq!(ec2.read(".conf"), "content\n");
}

#[test]
fn a_server_that_declines_is_no_lost_network() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("content\n");
    let hook = sandbox.remote().join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\necho not on a Sunday >&2\nexit 1\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    mac.append(".conf", "more\n");
    let _ = mac.run(&["sync"]).code(1).says(&["not on a Sunday"]);
    assert_eq!(mac.state_word(), "failed");
}

#[test]
fn a_machine_that_was_taken_off_stays_off() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("content\n");
    let _ = ec2.run(&["setup", "--undo"]).code(0).says(&["1 link became a plain file."]);
    ec2.assert_plain(".conf", "content\n");
    let _ = ec2.run(&["sync"]).code(9).says(&["cfgsync setup"]);
    ec2.assert_plain(".conf", "content\n");
    ec2.run(&["setup"]).done();
    ec2.assert_linked(".conf");
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn what_is_private_here_is_private_in_the_repository_too() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    assert_eq!(mac.mode("@.git"), 0o700);
    let vault = fs::metadata(mac.state().join("vault")).unwrap();
    assert_eq!(vault.permissions().mode() & 0o777, 0o700);
}
