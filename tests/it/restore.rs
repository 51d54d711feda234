//! `cfgsync restore`: what comes back, and that it is an edit like any other.

mod asked;
mod choosing;
mod here;
mod recovery;
mod refused;

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::sandbox::{Bytes, Machine, Sandbox, assert_clean, assert_converged, assert_same};

const LINES: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

/// Two machines that share files of every kind, with an archive of them on the first.
fn kept() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    for name in [".conf", "app/one", "app/sub/two", ".copied", "@dir/file", "@note"] {
        mac.write(name, LINES);
    }
    mac.chmod(".conf", 0o640);
    mac.chmod("app/one", 0o755);
    mac.chmod(".copied", 0o600);
    mac.run(&["--yes", "mark", ".conf", "app"]).done();
    mac.run(&["mark", "--link", "copy", ".copied"]).done();
    mac.chmod("@dir", 0o700);
    mac.link("@latest", "dir/file");
    mac.sync();
    let ec2 = sandbox.joined("ec2");
    mac.sync();
    assert_converged(&[&mac, &ec2]);
    let _ = mac.run(&["backup"]).code(0).says(&["Backup 1 keeps"]);
    (sandbox, mac, ec2)
}

/// Changes everything that [`kept`] made, and syncs it.
fn change_everything(mac: &Machine) {
    for name in [".conf", "app/one", ".copied", "@note"] {
        mac.write(name, "changed\n");
        mac.chmod(name, 0o644);
    }
    fs::remove_dir_all(mac.path("app/sub")).unwrap();
    fs::remove_dir_all(mac.path("@dir")).unwrap();
    mac.remove("@latest");
    mac.link("@latest", "note");
    mac.write("@since", "since\n");
    mac.write("app/since", "since\n");
    mac.sync();
}

/// Asserts that everything is as [`kept`] made it.
#[track_caller]
fn assert_as_kept(machine: &Machine) {
    for (name, mode) in [
        (".conf", 0o640),
        ("app/one", 0o755),
        ("app/sub/two", 0o644),
        (".copied", 0o600),
        ("@dir/file", 0o644),
        ("@note", 0o644),
    ] {
        assert_eq!(machine.read(name), LINES, "{name}");
        assert_eq!(machine.mode(name), mode, "the mode of {name}");
    }
    assert_eq!(machine.mode("@dir"), 0o700);
    assert_eq!(machine.target("@latest").unwrap().to_str(), Some("dir/file"));
    for name in [".conf", "app/one", "app/sub/two"] {
        machine.assert_linked(name);
    }
    machine.assert_plain(".copied", LINES);
    assert_eq!(machine.read("@external/.copied"), LINES, "both sides of a copy");
}

/// Returns every byte of all machines, but who had the lock last. Git notes at an object when it was last
/// asked for.
fn bytes(sandbox: &Sandbox) -> Bytes {
    let mut bytes = sandbox.bytes();
    bytes.retain(|path, _| !path.ends_with("lock"));
    for (path, (_, written, _)) in &mut bytes {
        if path.components().any(|part| part.as_os_str() == "vault") {
            *written = 0;
        }
    }
    bytes
}

/// Syncs all, and asserts that nothing is left to do.
#[track_caller]
fn assert_settled(sandbox: &Sandbox, mac: &Machine, ec2: &Machine) {
    mac.sync();
    ec2.sync();
    mac.sync();
    assert_converged(&[mac, ec2]);
    assert_eq!((mac.state_word(), ec2.state_word()), ("synced".to_owned(), "synced".to_owned()));
    assert_clean(sandbox, &[mac, ec2]);
    sandbox.assert_history();
}

#[test]
fn a_whole_archive_comes_back_and_is_shared_by_the_next_sync() {
    let (sandbox, mac, ec2) = kept();
    change_everything(&mac);
    ec2.sync();
    let theirs = sandbox.git(&["rev-parse", "main"]);
    let _ = mac.run(&["--yes", "restore", "1"]).code(0).says(&["brought back", "next sync shares"]);
    assert_as_kept(&mac);
    for name in ["@since", "app/since"] {
        assert_eq!(mac.read(name), "since\n", "what came since stays");
    }
    assert_eq!(sandbox.git(&["rev-parse", "main"]), theirs, "a restore publishes nothing itself");
    assert_eq!(mac.state_word(), "ahead");
    assert_settled(&sandbox, &mac, &ec2);
    assert_as_kept(&ec2);
    assert_eq!(ec2.read("@since"), "since\n");
    let _ = mac.run(&["restore", "1", "--yes"]).code(0).says(&["nothing to bring back"]);
}

#[test]
fn only_the_paths_that_are_named_come_back() {
    let (sandbox, mac, ec2) = kept();
    change_everything(&mac);
    let dir = mac.path("@dir");
    mac.run(&["--yes", "restore", "1", "--", ".conf", "app/sub", dir.to_str().unwrap()]).done();
    for name in [".conf", "app/sub/two", "@dir/file"] {
        assert_eq!(mac.read(name), LINES, "{name}");
    }
    for name in ["app/one", ".copied", "@note"] {
        assert_eq!(mac.read(name), "changed\n", "{name} was not named");
    }
    assert_eq!((mac.mode(".conf"), mac.mode("@dir")), (0o640, 0o700));
    let stored = mac.path("@external/.copied");
    mac.run(&["--yes", "restore", "1", "--", stored.to_str().unwrap()]).done();
    mac.assert_plain(".copied", LINES);
    assert_eq!(mac.mode(".copied"), 0o600);
    let home = mac.path("app");
    mac.run(&["--yes", "restore", "1", "--", home.to_str().unwrap()]).done();
    assert_eq!((mac.read("app/one"), mac.mode("app/one")), (LINES.to_owned(), 0o755));
    assert_eq!(mac.read("@note"), "changed\n");
    assert_settled(&sandbox, &mac, &ec2);
}

#[test]
fn a_copy_changed_on_one_side_only_comes_back_on_both() {
    let (sandbox, mac, ec2) = kept();
    mac.write(".copied", "changed here only\n");
    mac.run(&["--yes", "restore", "1", "--", ".copied"]).done();
    mac.assert_plain(".copied", LINES);
    assert_eq!(mac.read("@external/.copied"), LINES);
    assert!(mac.vault_has("changed here only\n"));
    assert_settled(&sandbox, &mac, &ec2);
}

#[test]
fn the_state_before_is_archived_and_in_the_vault() {
    let (_sandbox, mac, _ec2) = kept();
    change_everything(&mac);
    mac.write("@note", "never synced\n");
    mac.write(".conf", "never synced either\n");
    mac.run(&["--yes", "restore", "1"]).done();
    assert_eq!(mac.read("@note"), LINES);
    assert!(mac.vault_has("never synced\n") && mac.vault_has("never synced either\n"));
    let list = mac.run(&["restore", "--list"]).code(0).says(&["before a restore"]).stdout;
    assert!(list.lines().any(|line| line.trim_start().starts_with("2 ")), "{list}");
    mac.run(&["restore", "2", "--to", "before"]).done();
    assert_eq!(mac.read("before/note"), "never synced\n");
    assert_eq!(mac.read("before/external/.conf"), "never synced either\n");
    mac.run(&["--yes", "restore", "2"]).done();
    assert_eq!(mac.read("@note"), "never synced\n");
}

#[test]
fn a_mode_alone_comes_back() {
    let (sandbox, mac, ec2) = kept();
    mac.chmod(".conf", 0o600);
    mac.chmod("@note", 0o755);
    mac.sync();
    let _ = mac.run(&["restore", "1", "--dry-run"]).code(3).says(&["mode 0600 -> 0640"]);
    mac.run(&["--yes", "restore", "1"]).done();
    assert_as_kept(&mac);
    assert_settled(&sandbox, &mac, &ec2);
    assert_eq!((ec2.mode(".conf"), ec2.mode("@note")), (0o640, 0o644));
}

#[test]
fn a_restore_is_taken_back_and_done_again() {
    let (sandbox, mac, ec2) = kept();
    change_everything(&mac);
    for is_shared in [false, true] {
        let before = mac.files();
        mac.run(&["--yes", "restore", "1"]).done();
        let after = mac.files();
        assert_ne!(before, after);
        if is_shared {
            mac.sync();
            ec2.sync();
        }
        let number = mac.run(&["history"]).code(0).stdout;
        let is_restore = |line: &&str| line.contains(" restore ");
        let number = number.lines().find(is_restore).unwrap().split_whitespace().next().unwrap();
        let _ = mac.run(&["undo", number]).code(0).says(&["restore"]);
        assert_same("a restore, and its undo,", &before, &mac.files());
        mac.run(&["undo"]).done();
        assert_same("a restore, done again,", &after, &mac.files());
        assert_settled(&sandbox, &mac, &ec2);
        mac.run(&["undo"]).done();
        assert_same("a restore, taken back for good,", &before, &mac.files());
        assert_settled(&sandbox, &mac, &ec2);
    }
}

#[test]
fn a_file_that_is_no_longer_marked_comes_back_as_a_plain_file() {
    let (sandbox, mac, ec2) = kept();
    mac.run(&["unmark", ".conf", "app"]).done();
    mac.sync();
    mac.write(".conf", "on its own now\n");
    mac.remove("app/one");
    let _ = mac.run(&["--yes", "restore", "1"]).code(0).says(&["plain file"]);
    for name in [".conf", "app/one", "app/sub/two"] {
        mac.assert_plain(name, LINES);
    }
    assert_eq!((mac.mode(".conf"), mac.mode("app/one")), (0o640, 0o755));
    assert!(!mac.exists("@external/.conf") && !mac.exists("@external/app"));
    assert!(mac.vault_has("on its own now\n"), "what stood there is nowhere any more");
    mac.write(".conf", "mine\n");
    mac.sync();
    mac.assert_plain(".conf", "mine\n");
    assert_settled(&sandbox, &mac, &ec2);
}

#[test]
fn what_was_replaced_beside_the_marks_can_itself_be_brought_back() {
    let (_sandbox, mac, _ec2) = kept();
    mac.run(&["unmark", ".conf"]).done();
    mac.sync();
    mac.write(".conf", "on its own now\n");
    let before = mac.files();
    mac.run(&["--yes", "restore", "1", "--", ".conf"]).done();
    mac.assert_plain(".conf", LINES);
    let listed = mac.run(&["restore", "--list", "--", ".conf"]).code(0).stdout;
    let kept = listed.lines().find(|line| line.contains("before a restore")).unwrap();
    let id = kept.split_whitespace().next().unwrap();
    mac.run(&["--yes", "restore", id, "--", ".conf"]).done();
    mac.assert_plain(".conf", "on its own now\n");
    assert_same("an unmarked file that was restored, and brought back,", &before, &mac.files());
}

#[test]
fn a_snapshot_comes_back_like_an_archive() {
    let (sandbox, mac, ec2) = kept();
    change_everything(&mac);
    fs::remove_dir_all(mac.path("@.sync/backups")).unwrap();
    mac.write("@note", "after\n");
    mac.sync();
    let list = mac.run(&["restore", "--list"]).code(0).stdout;
    let ids: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(ids.iter().all(|id| id.starts_with('s')), "{list}");
    let out = |id: &str| format!("out-{id}");
    for id in &ids {
        mac.run(&["restore", id, "--to", &out(id)]).done();
    }
    let id = ids.iter().find(|id| {
        fs::read_to_string(mac.path(out(id)).join("external/.copied")).ok().as_deref()
            == Some(LINES)
    });
    mac.run(&["--yes", "restore", id.unwrap()]).done();
    assert_as_kept(&mac);
    ids.iter().for_each(|id| fs::remove_dir_all(mac.path(out(id))).unwrap());
    assert_settled(&sandbox, &mac, &ec2);
    assert_as_kept(&ec2);
}

#[test]
fn the_inode_of_a_file_that_is_the_same_is_kept() {
    let (_sandbox, mac, _ec2) = kept();
    mac.write("@note", "changed\n");
    let inode = |name: &str| fs::metadata(mac.path(name)).unwrap().ino();
    let before = inode("@dir/file");
    mac.run(&["--yes", "restore", "1"]).done();
    assert_eq!(inode("@dir/file"), before, "a file that is as it was is not written");
}

#[test]
fn nothing_is_written_out_into_the_repository_or_what_is_marked() {
    let (sandbox, mac, _) = kept();
    let before = sandbox.bytes();
    for folder in ["dev/configs/old", "dev/configs/.git/old", "dev/configs/.sync/old", "app/old"] {
        let output =
            mac.run(&["restore", "1", "--to", folder]).says(&["is shared, or cfgsync's own"]);
        assert_eq!(output.code, 9, "{folder}: {output:?}");
        assert_same(folder, &before, &sandbox.bytes());
    }
}
