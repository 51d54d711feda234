//! A sync with nothing to do looks into nothing, and any change at all makes it look.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::sandbox::{Machine, Sandbox};

/// Returns a file of the state folder.
fn state(machine: &Machine, name: &str) -> PathBuf {
    machine.state().join(name)
}

/// Syncs until all has been quiet for long enough to be taken as it stands. Afterwards nothing
/// remembers what was read, so that only a sync that did not look leaves it so.
fn settle(machine: &Machine) {
    let is_still = (0..2000).any(|_| {
        let _ = fs::remove_file(state(machine, "seen"));
        machine.sync();
        !looked(machine)
    });
    assert!(is_still, "it never became still");
}

fn looked(machine: &Machine) -> bool {
    state(machine, "seen").exists()
}

/// A machine with files of every kind, in sync.
pub fn sandbox() -> (Sandbox, Machine) {
    let sandbox = Sandbox::new();
    let machine = sandbox.joined("ec2-one");
    machine.write(".vimrc", "set nu\n");
    machine.write(".config/app/a.conf", "a = 1\n");
    machine.write(".config/app/deep/b.conf", "b = 1\n");
    machine.write("configs/notes/one", "one\n");
    machine.write("configs/.gitignore", "*.tmp\n");
    machine.run(&["mark", "--yes", ".vimrc", ".config/app"]).done();
    machine.sync();
    (sandbox, machine)
}

#[test]
fn any_change_is_seen_by_a_machine_that_was_still() {
    let (_sandbox, machine) = sandbox();
    let at = |path: &str| machine.path(path);
    let write = |path: &str, text: &str| machine.write(path, text);
    let steps: [(&str, &dyn Fn()); 18] = [
        ("a file is edited", &|| write("configs/notes/one", "two\n")),
        ("bytes change under an old time and the same size", &|| {
            let path = at("configs/notes/one");
            let time = fs::metadata(&path).unwrap().modified().unwrap();
            fs::write(&path, "six\n").unwrap();
            File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
        }),
        ("a mode changes", &|| {
            fs::set_permissions(at("configs/notes/one"), PermissionsExt::from_mode(0o600)).unwrap();
        }),
        ("a file is new in the repository", &|| write("configs/notes/new", "new\n")),
        ("a file is new in a marked folder", &|| write(".config/app/deep/c.conf", "c\n")),
        ("a live file is edited through its link", &|| write(".vimrc", "set nonu\n")),
        ("a link is replaced by a file", &|| {
            fs::remove_file(at(".vimrc")).unwrap();
            write(".vimrc", "by an app\n");
        }),
        ("a folder is new", &|| write("configs/notes/more/file", "more\n")),
        ("a file is new that is ignored", &|| write("configs/notes/more/file.tmp", "aside\n")),
        ("rules are new in a folder", &|| {
            write("configs/notes/more/.gitignore", "!*.tmp\n");
        }),
        ("a folder becomes a repository of its own", &|| {
            fs::create_dir(at("configs/notes/more/.git")).unwrap();
        }),
        ("it is none any more", &|| fs::remove_dir(at("configs/notes/more/.git")).unwrap()),
        ("a live file goes", &|| fs::remove_file(at(".config/app/deep/c.conf")).unwrap()),
        ("a file goes", &|| fs::remove_file(at("configs/notes/new")).unwrap()),
        ("a folder's mode changes", &|| {
            fs::set_permissions(at("configs/notes"), PermissionsExt::from_mode(0o700)).unwrap();
        }),
        ("what is ignored changes outside of the files", &|| {
            write("configs/.git/info/exclude", "*.other\n");
        }),
        ("a folder on the way becomes a link", &|| {
            fs::rename(at(".config"), at(".elsewhere")).unwrap();
            symlink(at(".elsewhere"), at(".config")).unwrap();
        }),
        ("the folder on the way is itself again", &|| {
            fs::remove_file(at(".config")).unwrap();
            fs::rename(at(".elsewhere"), at(".config")).unwrap();
        }),
    ];
    for (what, step) in steps {
        // Neither is ever still.
        if !at(".config").is_symlink() && !at("configs/notes/more/.git").exists() {
            settle(&machine);
        }
        step();
        let _ = machine.run(&["sync"]);
        assert!(looked(&machine), "not seen: {what}");
        assert_whole(&machine, what);
    }
}

/// Asserts that a whole look finds nothing that the last sync did not see.
fn assert_whole(machine: &Machine, what: &str) {
    let head = || machine.git(&["rev-parse", "HEAD"]);
    let before = head();
    for name in ["still", "quiet", "seen"] {
        let _ = fs::remove_file(state(machine, name));
    }
    let _ = machine.run(&["sync"]);
    assert_eq!(head(), before, "seen by a whole look alone: {what}");
}

#[test]
fn a_commit_and_a_list_that_is_damaged_are_looked_at() {
    let (_sandbox, machine) = sandbox();
    settle(&machine);
    machine.git(&["commit", "--quiet", "--allow-empty", "-m", "mine"]);
    machine.sync();
    assert!(looked(&machine), "a commit of the user's own was not seen");
    settle(&machine);
    let mut bytes = fs::read(state(&machine, "still")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(state(&machine, "still"), bytes).unwrap();
    machine.sync();
    assert!(looked(&machine), "a damaged list was believed");
}

#[test]
fn what_upstream_has_arrives_on_a_machine_that_was_still() {
    let (sandbox, machine) = sandbox();
    settle(&machine);
    let other = sandbox.joined("ec2-two");
    other.write("configs/notes/one", "from there\n");
    other.sync();
    machine.sync();
    assert_eq!(machine.read("configs/notes/one"), "from there\n");
}

#[test]
fn a_folder_that_was_empty_and_private_is_private_once_something_is_in_it() {
    let (_sandbox, machine) = sandbox();
    let secret = machine.path("configs/secret");
    fs::create_dir_all(secret.join("inner")).unwrap();
    for folder in [&secret.join("inner"), &secret] {
        fs::set_permissions(folder, PermissionsExt::from_mode(0o700)).unwrap();
    }
    settle(&machine);
    machine.write("configs/secret/inner/key", "mine\n");
    machine.sync();
    let modes = machine.git(&["show", "HEAD:.sync/modes.txt"]);
    assert!(modes.contains("0700 secret/\n0700 secret/inner/\n"), "{modes}");
    assert_whole(&machine, "the modes of folders");
}

#[test]
fn a_rule_that_changes_while_a_sync_is_under_way_is_seen_by_the_next_one() {
    let (sandbox, machine) = sandbox();
    machine.write("configs/.git/info/exclude", "aside\n");
    machine.write("configs/notes/aside", "mine\n");
    settle(&machine);
    let hook = sandbox.remote().join("hooks/post-receive");
    let rules = machine.path("configs/.git/info/exclude");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, format!("#!/bin/sh\n: > '{}'\n", rules.display())).unwrap();
    fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    // Whatever is looked at again is not where the rule matters.
    machine.write(".vimrc", "set nonu\n");
    machine.sync();
    assert_eq!(machine.read("configs/.git/info/exclude"), "");
    machine.sync();
    assert_eq!(machine.git(&["show", "HEAD:notes/aside"]), "mine\n");
}

#[test]
fn a_file_that_was_emptied_waits_for_one_sync_and_no_longer() {
    let (_sandbox, machine) = sandbox();
    settle(&machine);
    machine.write("configs/notes/one", "");
    let _ = machine.run(&["sync"]).code(4).says(&["just became empty"]);
    machine.sync();
    assert_eq!(machine.git(&["show", "HEAD:notes/one"]), "");
}

#[test]
fn a_link_that_leads_over_another_one_is_followed_each_time() {
    let (_sandbox, machine) = sandbox();
    let at = |path: &str| machine.path(path);
    machine.write("elsewhere/external/.vimrc", "other\n");
    machine.link("way", at("configs"));
    machine.remove(".vimrc");
    machine.link(".vimrc", at("way/external/.vimrc"));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        machine.sync();
    }
    machine.remove("way");
    machine.link("way", at("elsewhere"));
    fs::remove_file(state(&machine, "seen")).unwrap();
    let _ = machine.run(&["sync"]);
    assert!(looked(&machine), "a link that leads elsewhere by now was taken for one of ours");
}
