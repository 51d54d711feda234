//! After a disaster: what was live once is still there.

use std::collections::BTreeSet;
use std::fs;

use super::{LINES, assert_as_kept, assert_settled, change_everything, kept};
use crate::sandbox::{Machine, assert_converged};

#[test]
fn a_clean_of_everything_git_does_not_know_is_survived() {
    let (sandbox, mac, ec2) = kept();
    change_everything(&mac);
    mac.write("@note", "never committed\n");
    mac.write("@new", "never committed either\n");
    let _ = mac.run(&["--yes", "restore", "1", "--", ".conf"]).code(0);
    let _ = mac.git(&["reset", "--quiet", "--hard"]);
    let _ = mac.git(&["clean", "-fdxq"]);
    assert!(!mac.exists("@.sync/backups") && !mac.exists("@new"));
    let list = mac.run(&["restore", "--list", "--all"]).code(0).stdout;
    let ids: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let id = ids.iter().find(|id| {
        let folder = format!("out-{id}");
        mac.run(&["restore", id, "--to", &folder]).done();
        let note = fs::read_to_string(mac.path(folder).join("note"));
        note.is_ok_and(|note| note == "never committed\n")
    });
    let id = id.unwrap_or_else(|| panic!("no snapshot holds what was never committed:\n{list}"));
    mac.run(&["--yes", "restore", id]).done();
    assert_eq!(mac.read("@note"), "never committed\n");
    assert_eq!(mac.read("@new"), "never committed either\n");
    ids.iter().for_each(|id| drop(fs::remove_dir_all(mac.path(format!("out-{id}")))));
    mac.sync();
    ec2.sync();
    assert_settled(&sandbox, &mac, &ec2);
}

/// Returns every version of a file that some state holds.
fn versions(machine: &Machine, path: &str, stored: &str) -> BTreeSet<String> {
    let list = machine.run(&["restore", "--list", "--all", "--", path]).code(0).stdout;
    let mut found = BTreeSet::new();
    for line in list.lines() {
        let id = line.split_whitespace().next().unwrap();
        let folder = format!("versions-{id}");
        machine.run(&["restore", id, "--to", &folder, "--", path]).done();
        found.insert(machine.read(format!("{folder}/{stored}")));
        fs::remove_dir_all(machine.path(folder)).unwrap();
    }
    found
}

#[test]
fn everything_that_was_ever_live_survives_the_loss_of_the_repository() {
    let (_sandbox, mac, ec2) = kept();
    let mut live = BTreeSet::from([LINES.to_owned()]);
    for round in 0..6 {
        let content = format!("mac {round}\n");
        mac.write(".conf", &content);
        mac.sync();
        live.insert(content);
        ec2.sync();
        let content = format!("ec2 {round}\n");
        ec2.write(".conf", &content);
        ec2.sync();
        mac.sync();
        live.insert(content);
        assert_converged(&[&mac, &ec2]);
    }
    mac.write(".conf", "an edit that only a backup saw\n");
    mac.run(&["backup"]).done();
    live.insert("an edit that only a backup saw\n".to_owned());
    mac.write(".conf", "an edit that only a restore saw\n");
    mac.run(&["--yes", "restore", "1", "--", ".conf"]).done();
    live.insert("an edit that only a restore saw\n".to_owned());
    let found = versions(&mac, ".conf", "external/.conf");
    let lost: Vec<&String> = live.difference(&found).collect();
    assert!(lost.is_empty(), "these were live, and no state offers them: {lost:?}");
    fs::remove_dir_all(mac.repo()).unwrap();
    mac.run(&["setup", mac.url()]).done();
    let vault = mac.state().join("vault");
    let collected =
        mac.command("git").arg("-C").arg(&vault).args(["gc", "-q", "--prune=now"]).status();
    assert!(collected.unwrap().success());
    let _ = mac.git(&["gc", "-q", "--prune=now"]);
    let found = versions(&mac, ".conf", "external/.conf");
    let lost: Vec<&String> = live.difference(&found).collect();
    assert!(lost.is_empty(), "these were live, and are lost: {lost:?}");
}

#[test]
fn files_come_back_after_the_loss_of_the_repository() {
    let (sandbox, mac, ec2) = kept();
    change_everything(&mac);
    let archive = fs::read_dir(mac.path("@.sync/backups")).unwrap().next().unwrap().unwrap().path();
    let saved = mac.path("saved.tar.gz");
    fs::rename(archive, &saved).unwrap();
    fs::remove_dir_all(mac.repo()).unwrap();
    mac.run(&["--yes", "setup", mac.url()]).done();
    mac.sync();
    fs::create_dir_all(mac.path("@.sync/backups")).unwrap();
    fs::rename(saved, mac.path("@.sync/backups/saved.tar.gz")).unwrap();
    mac.run(&["--yes", "restore", "saved"]).done();
    assert_as_kept(&mac);
    assert_settled(&sandbox, &mac, &ec2);
    assert_as_kept(&ec2);
}

#[test]
fn an_archive_brings_back_files_on_a_vault_that_is_new() {
    let (_sandbox, mac, _ec2) = kept();
    change_everything(&mac);
    fs::remove_dir_all(mac.state()).unwrap();
    mac.run(&["--yes", "restore", "1"]).done();
    assert_as_kept(&mac);
}
