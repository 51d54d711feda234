//! What a person does while a sync waits for the remote: the sync must not call that in sync.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use cfgsync_core::status::{SyncState, wire};

use crate::sandbox::{Machine, Sandbox};

/// A machine with files of every kind, whose remote does something in the middle of each push.
fn sandbox() -> (Sandbox, Machine) {
    let (sandbox, machine) = crate::still::sandbox();
    machine.write("configs/notes/two", "two\n");
    machine.sync();
    (sandbox, machine)
}

/// Lets a shell line run in a home while the remote receives a push, once.
fn in_the_middle(sandbox: &Sandbox, machine: &Machine, line: &str) {
    let hook = sandbox.remote().join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    let home = machine.home().display();
    let script = format!("#!/bin/sh\nrm -- \"$0\"\ncd '{home}' && {line}\n");
    fs::write(&hook, script).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Returns what the record says.
fn recorded(machine: &Machine) -> SyncState {
    wire::decode(&fs::read(machine.path("@.sync/sync-status")).unwrap()).unwrap().state
}

#[test]
fn what_changes_during_a_push_is_not_called_in_sync() {
    let (sandbox, machine) = sandbox();
    let changes = [
        ("another file is edited", "echo more >> configs/notes/two"),
        ("the file that is sent is edited again", "echo again >> configs/notes/one"),
        ("a file appears beside others", "echo new > configs/notes/three"),
        ("a file appears in a new folder", "mkdir configs/fresh && echo new > configs/fresh/x"),
        ("a file of a marked folder is edited", "echo more >> .config/app/deep/b.conf"),
        ("a file of a marked folder goes", "rm .config/app/a.conf"),
        ("a file of a marked folder appears", "echo c > .config/app/deep/c.conf"),
        ("an editor replaces a link by a file", "echo x > .v && mv .v .vimrc"),
        ("a mode changes", "chmod 600 configs/notes/two"),
        ("a file is named anew", "mv configs/notes/three configs/notes/four"),
    ];
    for (number, (what, line)) in (1..).zip(changes) {
        machine.append("configs/notes/one", &format!("sent {number}\n"));
        in_the_middle(&sandbox, &machine, line);
        machine.sync();
        assert_eq!(recorded(&machine), SyncState::Ahead, "{what}");
        let edited = machine.read("configs/notes/two");
        assert!(machine.vault_has(&edited), "{what}");
        machine.sync();
        assert_eq!(recorded(&machine), SyncState::Synced, "{what}");
    }
    let other = sandbox.joined("mac-two");
    assert_eq!(other.read("@notes/two"), "two\nmore\n");
    assert!(other.read("@notes/one").contains("again"));
    assert!(other.exists("@notes/four") && other.exists("@fresh/x"));
    assert!(!other.exists(".config/app/a.conf") && other.exists(".config/app/deep/c.conf"));
    assert_eq!(other.read(".vimrc"), "x\n");
}

#[test]
fn a_run_that_only_had_to_agree_is_in_sync_at_once() {
    let (sandbox, _) = sandbox();
    let machine = sandbox.joined("ec2");
    let marks = machine.read("@.sync/marked-files.txt");
    let vimrc = machine.read(".vimrc");
    machine.remove(".vimrc");
    machine.write(".vimrc", &vimrc);
    let _ = machine.git(&["rm", "--quiet", "external/.vimrc"]);
    machine.write("@.sync/marked-files.txt", marks.replace(".vimrc\n", ""));
    let _ = machine.git(&["commit", "--quiet", "--all", "--message", "No longer shared"]);
    let _ = machine.git(&["push", "--quiet", "origin", "HEAD:main"]);
    machine.sync();
    assert_eq!(recorded(&machine), SyncState::Synced);
    machine.assert_plain(".vimrc", &vimrc);
}
