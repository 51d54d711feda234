//! Choices and forces taken back: what they overruled is upstream again.

use super::last;
use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged, assert_same};

const LINES: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
const MAC: &str = "1\nmac\n3\n4\n5\n6\n7\n8\n9\n";
const EC2: &str = "1\nec2\n3\n4\n5\n6\n7\n8\n9\n";
const BOTH: &str = "1\nmac and ec2\n3\n4\n5\n6\n7\n8\n9\n";

/// Two machines that changed the same line; the second holds the file.
fn contested() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.write(".conf", MAC);
    mac.sync();
    ec2.write(".conf", EC2);
    let _ = ec2.run(&["sync"]).code(4);
    (sandbox, mac, ec2)
}

/// Asserts that upstream has its own version again, and that the file is held here again.
#[track_caller]
fn assert_held_again(sandbox: &Sandbox, mac: &Machine, ec2: &Machine) {
    assert_eq!(sandbox.git(&["show", "main:external/.conf"]), MAC, "upstream's is upstream again");
    assert_eq!(ec2.read(".conf"), EC2);
    assert_eq!(ec2.state_word(), "held");
    mac.sync();
    assert_eq!(mac.read(".conf"), MAC);
    let _ = ec2.run(&["sync"]).code(4).says(&["~/.conf"]);
    mac.sync();
    assert_eq!((mac.read(".conf"), ec2.read(".conf")), (MAC.to_owned(), EC2.to_owned()));
    assert_clean(sandbox, &[mac, ec2]);
    sandbox.assert_history();
}

/// Asserts that both machines have this, and are in order.
#[track_caller]
fn assert_agreed(sandbox: &Sandbox, mac: &Machine, ec2: &Machine, content: &str) {
    ec2.sync();
    mac.sync();
    ec2.sync();
    assert_eq!((mac.read(".conf"), ec2.read(".conf")), (content.to_owned(), content.to_owned()));
    assert_eq!(ec2.state_word(), "synced");
    assert_converged(&[mac, ec2]);
    assert_clean(sandbox, &[mac, ec2]);
    sandbox.assert_history();
}

#[test]
fn taking_theirs_is_taken_back_and_ours_is_published() {
    for has_mac_synced in [false, true] {
        let (sandbox, mac, ec2) = contested();
        ec2.run(&["resolve", ".conf", "--theirs"]).done();
        assert_eq!(ec2.read(".conf"), MAC);
        if has_mac_synced {
            mac.sync();
        }
        let _ = ec2.run(&["undo"]).code(0).says(&["resolve"]);
        assert_eq!(ec2.read(".conf"), EC2);
        assert_agreed(&sandbox, &mac, &ec2, EC2);
        ec2.run(&["undo"]).done();
        assert_agreed(&sandbox, &mac, &ec2, MAC);
    }
}

#[test]
fn keeping_ours_is_taken_back_and_the_file_is_held_again() {
    for has_mac_synced in [false, true] {
        let (sandbox, mac, ec2) = contested();
        ec2.run(&["resolve", ".conf", "--ours"]).done();
        if has_mac_synced {
            mac.sync();
            assert_eq!(mac.read(".conf"), EC2);
        }
        let _ = ec2.run(&["undo"]).code(4).says(&["~/.conf"]);
        assert_held_again(&sandbox, &mac, &ec2);
        ec2.run(&["resolve", ".conf", "--theirs"]).done();
        assert_agreed(&sandbox, &mac, &ec2, MAC);
    }
}

#[test]
fn keeping_ours_can_be_taken_back_and_chosen_again() {
    let (sandbox, mac, ec2) = contested();
    ec2.run(&["resolve", ".conf", "--ours"]).done();
    mac.sync();
    let _ = ec2.run(&["undo"]).code(4);
    mac.sync();
    ec2.run(&["resolve", ".conf", "--ours"]).done();
    assert_agreed(&sandbox, &mac, &ec2, EC2);
    let _ = ec2.run(&["undo"]).code(4);
    assert_held_again(&sandbox, &mac, &ec2);
}

#[test]
fn keeping_both_is_taken_back_and_the_copy_goes() {
    let (sandbox, mac, ec2) = contested();
    let before = ec2.files();
    ec2.run(&["resolve", ".conf", "--both"]).done();
    mac.sync();
    assert_eq!(mac.read(".conf"), EC2);
    assert!(ec2.exists("@kept") && mac.exists("@kept"));
    let _ = ec2.run(&["undo"]).code(4);
    assert!(!ec2.exists("@kept"), "the copy beside is gone");
    assert_same("keeping both, and its undo,", &before, &ec2.files());
    assert_held_again(&sandbox, &mac, &ec2);
    assert!(!mac.exists("@kept"));
}

#[test]
fn a_merge_of_a_person_is_taken_back() {
    let (sandbox, mac, ec2) = contested();
    ec2.write("merged", BOTH);
    ec2.run(&["resolve", ".conf", "--merge", "merged"]).done();
    mac.sync();
    assert_eq!(mac.read(".conf"), BOTH);
    let _ = ec2.run(&["undo"]).code(4);
    assert_held_again(&sandbox, &mac, &ec2);
    ec2.run(&["resolve", ".conf", "--ours"]).done();
    assert_agreed(&sandbox, &mac, &ec2, EC2);
}

#[test]
fn a_force_push_is_taken_back() {
    let (sandbox, mac, ec2) = contested();
    mac.write("@there", "there\n");
    mac.sync();
    ec2.write("@here", "here\n");
    ec2.run(&["--yes", "sync", "--force-push"]).done();
    mac.sync();
    assert_eq!(mac.read(".conf"), EC2);
    assert!(!mac.exists("@there"));
    let _ = ec2.run(&["undo"]).code(4).says(&["~/.conf", "force-push"]);
    assert_held_again(&sandbox, &mac, &ec2);
    assert_eq!((mac.read("@there"), ec2.read("@there")), ("there\n".into(), "there\n".into()));
    ec2.run(&["resolve", ".conf", "--theirs"]).done();
    assert_agreed(&sandbox, &mac, &ec2, MAC);
    assert_eq!(mac.read("@here"), "here\n", "what only this machine had is nobody's loss");
}

#[test]
fn a_force_pull_is_taken_back_and_done_again() {
    let (sandbox, mac, ec2) = contested();
    ec2.write("@here", "here\n");
    ec2.chmod("@here", 0o600);
    let before = ec2.files();
    ec2.run(&["--yes", "sync", "--force-pull"]).done();
    let after = ec2.files();
    let _ = ec2.run(&["undo"]).code(0).says(&["force-pull"]);
    assert_same("a force pull, and its undo,", &before, &ec2.files());
    assert_agreed(&sandbox, &mac, &ec2, EC2);
    ec2.run(&["undo"]).done();
    assert_same("a force pull, done again,", &after, &ec2.files());
    assert_agreed(&sandbox, &mac, &ec2, MAC);
    assert!(!mac.exists("@here"));
}

#[test]
fn offline_a_choice_is_not_taken_back() {
    let (sandbox, mac, ec2) = contested();
    ec2.run(&["resolve", ".conf", "--ours"]).done();
    sandbox.unplug();
    let (files, commits) = (ec2.files(), ec2.commits());
    let _ = ec2.run(&["undo"]).code(5).says(&["overruled", "remote"]);
    assert_same("a refused undo", &files, &ec2.files());
    assert_eq!(ec2.commits(), commits);
    sandbox.plug();
    let _ = ec2.run(&["undo"]).code(4);
    assert_held_again(&sandbox, &mac, &ec2);
}

#[test]
fn what_another_machine_did_since_is_kept() {
    for is_known_here in [false, true] {
        let (sandbox, mac, ec2) = contested();
        ec2.run(&["resolve", ".conf", "--ours"]).done();
        let choice = last(&ec2);
        mac.sync();
        mac.edit(".conf", "9\n", "since\n");
        mac.sync();
        if is_known_here {
            ec2.sync();
        }
        let _ = ec2.run(&["undo", &choice]).code(4);
        mac.sync();
        let upstream = sandbox.git(&["show", "main:external/.conf"]);
        assert!(upstream.contains("since\n"), "the edit made since is reversed: {upstream:?}");
        assert!(mac.read(".conf").contains("since\n"));
        assert_clean(&sandbox, &[&mac, &ec2]);
    }
}

#[test]
fn a_force_push_that_only_removed_is_taken_back() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.write("@there", "there\n");
    mac.write(".theirs", "theirs\n");
    mac.run(&["mark", ".theirs"]).done();
    mac.sync();
    ec2.run(&["--yes", "sync", "--force-push"]).done();
    mac.sync();
    assert!(!mac.exists("@there"));
    ec2.run(&["undo"]).done();
    mac.sync();
    assert_eq!((mac.read("@there"), ec2.read("@there")), ("there\n".into(), "there\n".into()));
    assert_eq!(ec2.read(".theirs"), "theirs\n");
    assert_agreed(&sandbox, &mac, &ec2, LINES);
}

#[test]
fn what_is_taken_back_and_meets_a_newer_edit_is_held_as_it_was() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.write(".conf", MAC);
    mac.sync();
    ec2.sync();
    mac.write(".conf", BOTH);
    mac.sync();
    let _ = ec2.run(&["undo"]).code(4).says(&["~/.conf"]);
    assert_eq!(ec2.read(".conf"), LINES, "this machine's side is what the undo made it");
    let _ = ec2.run(&["sync"]).code(4);
    assert_eq!(ec2.read(".conf"), LINES);
    ec2.run(&["resolve", ".conf", "--ours"]).done();
    assert_agreed(&sandbox, &mac, &ec2, LINES);
}

#[test]
fn a_choice_that_was_taken_back_is_made_again_by_another_undo() {
    for way in ["--ours", "--both"] {
        let (sandbox, mac, ec2) = contested();
        ec2.run(&["resolve", ".conf", way]).done();
        let _ = ec2.run(&["undo"]).code(4);
        assert_held_again(&sandbox, &mac, &ec2);
        ec2.run(&["undo"]).done();
        mac.sync();
        assert_eq!(
            (mac.read(".conf"), ec2.read(".conf")),
            (EC2.to_owned(), EC2.to_owned()),
            "{way}"
        );
        assert_converged(&[&mac, &ec2]);
        assert_clean(&sandbox, &[&mac, &ec2]);
    }
}
