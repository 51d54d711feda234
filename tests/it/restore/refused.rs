//! When a restore does nothing, or writes elsewhere: a dry run, no answer, `--to`, a rebase.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::{LINES, assert_as_kept, bytes, change_everything, kept};
use crate::sandbox::{Machine, assert_same};

#[test]
fn a_dry_run_tells_and_changes_nothing() {
    let (sandbox, mac, _ec2) = kept();
    change_everything(&mac);
    mac.write("@note", "not synced\n");
    let before = bytes(&sandbox);
    for arguments in [
        &["restore", "1", "--dry-run"][..],
        &["--yes", "restore", "1", "--dry-run"],
        &["restore", "1", "--here", "--dry-run"],
    ] {
        let output = mac.run(arguments).code(3).says(&["~/.conf", "nothing was changed"]);
        assert!(output.stdout.contains("app/sub/two  comes back"), "{output:?}");
        assert!(!output.stdout.contains("since"), "{output:?}");
        assert_same(&format!("{arguments:?}"), &before, &bytes(&sandbox));
    }
    mac.run(&["--yes", "restore", "1"]).done();
    let before = bytes(&sandbox);
    mac.run(&["restore", "1", "--dry-run"]).done();
    assert_same("a dry run with nothing to do", &before, &bytes(&sandbox));
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_done() {
    let (sandbox, mac, _ec2) = kept();
    change_everything(&mac);
    let before = bytes(&sandbox);
    for arguments in [&["restore", "1"][..], &["--no-input", "restore", "1", "--", ".conf"]] {
        let _ = mac.run(arguments).code(9).says(&["~/.conf", "--yes"]);
        assert_same(&format!("{arguments:?}"), &before, &bytes(&sandbox));
    }
    let _ = mac.run(&["restore"]).code(2).says(&["cfgsync restore ID"]);
    let _ = mac.run(&["restore", "--list"]).code(0);
    assert_same("a list", &before, &bytes(&sandbox));
}

/// Returns the mode of a file below the home, without following links.
fn mode(machine: &Machine, below: &str) -> u32 {
    machine.path(below).symlink_metadata().unwrap().mode() & 0o7777
}

#[test]
fn files_are_written_to_a_folder_of_their_own() {
    for id in ["1", "snapshot"] {
        let (sandbox, mac, _ec2) = kept();
        change_everything(&mac);
        let list = mac.run(&["restore", "--list", "--all"]).code(0).stdout;
        let newest = list.split_whitespace().find(|word| word.starts_with('s'));
        let id = if id == "1" { id } else { newest.unwrap() };
        let before = bytes(&sandbox);
        let _ = mac.run(&["restore", id, "--to", "out/old"]).code(0).says(&["out/old"]);
        let mut after = bytes(&sandbox);
        after.retain(|path, _| !path.starts_with(mac.path("out")));
        assert_same("writing to a folder", &before, &after);
        if id == "1" {
            for (name, bits) in [
                ("external/.conf", 0o640),
                ("external/app/one", 0o755),
                ("external/.copied", 0o600),
                ("dir/file", 0o644),
            ] {
                assert_eq!(mac.read(format!("out/old/{name}")), LINES, "{name}");
                assert_eq!(mode(&mac, &format!("out/old/{name}")), bits, "{name}");
            }
            assert_eq!(mac.target("out/old/latest").unwrap().to_str(), Some("dir/file"));
            assert!(!mac.exists("out/old/since"));
        }
        assert_eq!(mode(&mac, "out/old"), 0o700);
        let before = bytes(&sandbox);
        for taken in ["out/old", "out", ".gitconfig"] {
            let _ = mac.run(&["--yes", "restore", id, "--to", taken]).code(9).says(&["not empty"]);
            assert_same("a folder that is taken", &before, &bytes(&sandbox));
        }
        fs::create_dir(mac.path("empty")).unwrap();
        mac.run(&["restore", id, "--to", "empty", "--", ".conf"]).done();
        let names = fs::read_dir(mac.path("empty")).unwrap();
        assert_eq!(names.map(|it| it.unwrap().file_name()).collect::<Vec<_>>(), ["external"]);
    }
}

#[test]
fn a_folder_that_is_a_link_is_not_written_through() {
    let (sandbox, mac, _ec2) = kept();
    fs::create_dir(mac.path("elsewhere")).unwrap();
    mac.link("out", "elsewhere");
    let before = bytes(&sandbox);
    let _ = mac.run(&["restore", "1", "--to", "out"]).code(9);
    assert_same("a link as a folder", &before, &bytes(&sandbox));
}

#[test]
fn a_repository_in_a_rebase_is_left_alone() {
    let (sandbox, mac, _ec2) = kept();
    change_everything(&mac);
    let _ = mac.try_git(&["rebase", "--exec", "false", "HEAD~1"]).code(1);
    assert!(mac.exists("@.git/rebase-merge"));
    let before = bytes(&sandbox);
    for arguments in [&["--yes", "restore", "1"][..], &["--yes", "restore", "1", "--here"]] {
        let _ = mac.run(arguments).code(8).says(&["rebase"]);
        assert_same("a restore in a rebase", &before, &bytes(&sandbox));
    }
    let _ = mac.git(&["rebase", "--abort"]);
    mac.run(&["--yes", "restore", "1"]).done();
    assert_as_kept(&mac);
}

#[test]
fn what_stands_in_the_way_is_not_replaced_and_nothing_else_is_either() {
    let (_sandbox, mac, _ec2) = kept();
    change_everything(&mac);
    mac.write("app/sub/two/inside", "in the way\n");
    let before = mac.files();
    let _ =
        mac.run(&["--yes", "restore", "1"]).code(9).says(&["app/sub/two", "cannot be restored"]);
    assert_same("a restore with something in the way", &before, &mac.files());
    mac.run(&["--yes", "restore", "1", "--", ".conf"]).done();
    assert_eq!(mac.read(".conf"), LINES);
}

#[test]
fn a_dry_run_promises_nothing_that_is_refused_later() {
    let (sandbox, mac, _ec2) = kept();
    change_everything(&mac);
    mac.write("app/sub/two/inside", "in the way\n");
    let before = bytes(&sandbox);
    let refused = ["app/sub/two", "cannot be restored", "a folder stands in its place"];
    let _ = mac.run(&["restore", "1", "--dry-run"]).code(9).says(&refused);
    assert_same("a dry run with something in the way", &before, &bytes(&sandbox));
    let _ = mac.run(&["restore", "1", "--dry-run", "--", ".conf"]).code(3);
}

#[test]
fn a_file_where_a_folder_was_is_told_of() {
    let (sandbox, mac, _ec2) = kept();
    for folder in ["app/sub", "@dir"] {
        fs::remove_dir_all(mac.path(folder)).unwrap();
        mac.write(folder, "a file now\n");
    }
    let _ = mac.run(&["sync"]).code(4);
    let refused = ["cannot be restored", "a folder above it is a link or a file"];
    for path in ["app/sub", "app/sub/two", "dev/configs/dir"] {
        let before = bytes(&sandbox);
        for ending in [&["--dry-run"][..], &[]] {
            let arguments = [&["--yes", "restore", "1"], ending, &["--", path]].concat();
            let _ = mac.run(&arguments).code(9).says(&refused);
        }
        let changed = bytes(&sandbox);
        assert_eq!(before.len(), changed.len(), "{path}: nothing was changed");
    }
    assert_eq!(
        (mac.read("app/sub"), mac.read("@dir")),
        ("a file now\n".into(), "a file now\n".into())
    );
}

#[test]
fn a_live_file_that_is_gone_comes_back() {
    let (sandbox, mac, ec2) = kept();
    mac.remove(".conf");
    let _ = mac.run(&["restore", "1", "--dry-run", "--", ".conf"]).code(3).says(&["comes back"]);
    mac.run(&["--yes", "restore", "1", "--", ".conf"]).done();
    mac.assert_linked(".conf");
    assert_as_kept(&mac);
    super::assert_settled(&sandbox, &mac, &ec2);
}

#[test]
fn times_come_along_to_a_folder_of_their_own_and_not_in_place() {
    let (_sandbox, mac, _ec2) = kept();
    let then = std::time::UNIX_EPOCH + std::time::Duration::new(1_234_567_890, 123_456_789);
    let file = fs::File::options().write(true).open(mac.path("@note")).unwrap();
    file.set_modified(then).unwrap();
    mac.append(".conf", "more\n");
    mac.run(&["backup"]).done();
    mac.run(&["restore", "2", "--to", "out"]).done();
    let modified = |below: &str| mac.path(below).metadata().unwrap().modified().unwrap();
    assert_eq!(modified("out/note"), then);
    mac.write("@note", "changed\n");
    mac.run(&["--yes", "restore", "2"]).done();
    assert_eq!(mac.read("@note"), LINES);
    assert!(modified("@note") > then, "programs that watch the file see that it changed");
}
