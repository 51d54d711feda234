//! Every operation is taken back by one that can itself be taken back.

mod choices;
#[cfg(target_os = "linux")]
mod crash;
mod history;

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged, assert_same};

const LINES: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

type Files = BTreeMap<OsString, (u32, Vec<u8>)>;

/// Asserts that after syncs on both machines all hold these files, and are in order.
#[track_caller]
fn assert_settled(sandbox: &Sandbox, mac: &Machine, ec2: &Machine, files: &Files) {
    ec2.sync();
    mac.sync();
    ec2.sync();
    assert_same("syncing", files, &ec2.files());
    assert_converged(&[mac, ec2]);
    assert_eq!((mac.state_word(), ec2.state_word()), ("synced".to_owned(), "synced".to_owned()));
    assert_clean(sandbox, &[mac, ec2]);
    sandbox.assert_history();
}

/// Two machines that share a marked file, a marked folder, a copy, and files of the repository.
fn pair() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    for name in [".conf", "app/one", "app/two", ".copied"] {
        mac.write(name, LINES);
    }
    mac.run(&["--yes", "mark", ".conf", "app"]).done();
    mac.run(&["mark", "--link", "copy", ".copied"]).done();
    mac.write("@dir/file", LINES);
    mac.write("@dir/other", LINES);
    mac.link("@link", "dir/file");
    mac.sync();
    let ec2 = sandbox.joined("ec2");
    mac.sync();
    assert_converged(&[&mac, &ec2]);
    (sandbox, mac, ec2)
}

/// Takes back what a sync brought, does it again, takes it back for good; both machines follow.
#[track_caller]
fn check_incoming(what: &str, there: impl Fn(&Machine), here: impl Fn(&Machine)) {
    let (sandbox, mac, ec2) = pair();
    there(&mac);
    mac.sync();
    here(&ec2);
    let before = ec2.files();
    ec2.sync();
    let after = ec2.files();
    assert_ne!(before, after, "{what}: nothing came in");
    let _ = ec2.run(&["undo"]).code(0).says(&["Taking back", "sync", "cfgsync undo"]);
    assert_same(&format!("{what}, and its undo,"), &before, &ec2.files());
    assert_settled(&sandbox, &mac, &ec2, &before);
    let _ = ec2.run(&["undo"]).code(0).says(&["undo"]);
    assert_same(&format!("{what}, done again,"), &after, &ec2.files());
    assert_settled(&sandbox, &mac, &ec2, &after);
    ec2.run(&["undo"]).done();
    assert_same(&format!("{what}, taken back for good,"), &before, &ec2.files());
    assert_settled(&sandbox, &mac, &ec2, &before);
}

fn nothing(_: &Machine) {}

#[test]
fn an_incoming_edit_is_taken_back() {
    check_incoming("an edit", |mac| mac.append(".conf", "10\n"), nothing);
    check_incoming("an edit of a copy", |mac| mac.append(".copied", "10\n"), nothing);
    check_incoming("an edit in a folder", |mac| mac.append("app/one", "10\n"), nothing);
    check_incoming("an edit of the repository", |mac| mac.append("@dir/file", "10\n"), nothing);
}

#[test]
fn incoming_files_are_taken_back() {
    check_incoming("a new file", |mac| mac.write("@new/file", "new\n"), nothing);
    check_incoming("a new file in a marked folder", |mac| mac.write("app/new", "new\n"), nothing);
    check_incoming("a removal", |mac| mac.remove("@dir/file"), nothing);
    check_incoming("a removal in a marked folder", |mac| mac.remove("app/two"), nothing);
    let turn = |mac: &Machine| {
        mac.remove("@dir/file");
        mac.write("@dir/file/inside", "inside\n");
    };
    check_incoming("a file that became a folder", turn, nothing);
}

#[test]
fn incoming_modes_are_taken_back() {
    check_incoming("a mode", |mac| mac.chmod(".conf", 0o600), nothing);
    check_incoming("an exec bit", |mac| mac.chmod("@dir/file", 0o755), nothing);
    check_incoming("the mode of a folder", |mac| mac.chmod("@dir", 0o700), nothing);
    let both = |mac: &Machine| {
        mac.append("app/one", "10\n");
        mac.chmod("app/one", 0o700);
        mac.chmod("app", 0o700);
    };
    check_incoming("the modes of a marked folder", both, nothing);
    let private = |mac: &Machine| {
        mac.write("@new/file", "new\n");
        mac.chmod("@new", 0o700);
    };
    check_incoming("a new folder with a mode", private, nothing);
}

#[test]
fn a_private_folder_that_was_removed_is_private_again() {
    let (sandbox, mac, ec2) = pair();
    mac.write("@private/file", "private\n");
    mac.chmod("@private", 0o700);
    mac.sync();
    ec2.sync();
    std::fs::remove_dir_all(mac.path("@private")).unwrap();
    mac.sync();
    let before = ec2.files();
    ec2.sync();
    ec2.run(&["undo"]).done();
    assert_eq!(ec2.mode("@private"), 0o700);
    assert_settled(&sandbox, &mac, &ec2, &before);
}

#[test]
fn incoming_links_are_taken_back() {
    let point = |mac: &Machine| {
        mac.remove("@link");
        mac.link("@link", "dir/other");
    };
    check_incoming("a link that leads elsewhere", point, nothing);
    check_incoming("a new link", |mac| mac.link("@fresh", "nowhere"), nothing);
    check_incoming("a removed link", |mac| mac.remove("@link"), nothing);
    let turn = |mac: &Machine| {
        mac.remove("@link");
        mac.write("@link", "a file now\n");
    };
    check_incoming("a link that became a file", turn, nothing);
}

#[test]
fn a_combined_file_becomes_what_it_was_here() {
    let there = |mac: &Machine| {
        mac.edit(".conf", "1\n", "mac\n");
        mac.write("@new", "new\n");
        mac.remove("app/two");
    };
    let here = |ec2: &Machine| {
        ec2.edit(".conf", "9\n", "ec2\n");
        ec2.write("@here", "here\n");
    };
    check_incoming("a combination", there, here);
}

#[test]
fn marks_are_taken_back() {
    for (path, is_published) in
        [(".mine", false), (".mine", true), ("folder", false), ("folder", true)]
    {
        let (sandbox, mac, ec2) = pair();
        ec2.write(".mine", "mine\n");
        ec2.chmod(".mine", 0o600);
        ec2.write("folder/sub/file", "file\n");
        let before = ec2.files();
        ec2.run(&["--yes", "mark", path]).done();
        let number = last(&ec2);
        let after = ec2.files();
        assert!(ec2.read("@.sync/marked-files.txt").contains(path));
        if is_published {
            ec2.sync();
            mac.sync();
        }
        ec2.run(&["undo", &number]).done();
        assert_same(&format!("marking {path}, and its undo,"), &before, &ec2.files());
        ec2.assert_plain(".mine", "mine\n");
        assert_eq!(ec2.mode(".mine"), 0o600);
        ec2.assert_plain("folder/sub/file", "file\n");
        assert_settled(&sandbox, &mac, &ec2, &before);
        assert_eq!(mac.exists(path), is_published, "a machine keeps what it has");
        ec2.run(&["undo"]).done();
        assert_same(&format!("marking {path} again"), &after, &ec2.files());
        assert_settled(&sandbox, &mac, &ec2, &after);
        assert!(mac.exists(path));
    }
}

#[test]
fn unmarks_are_taken_back() {
    for (path, is_published) in
        [(".conf", false), (".conf", true), ("app", false), ("app", true), (".copied", true)]
    {
        let (sandbox, mac, ec2) = pair();
        let before = ec2.files();
        ec2.run(&["unmark", path]).done();
        let number = last(&ec2);
        if is_published {
            ec2.sync();
            mac.sync();
            assert_eq!(mac.target(".conf").is_none(), path == ".conf");
        }
        ec2.run(&["undo", &number]).done();
        assert_same(&format!("unmarking {path}, and its undo,"), &before, &ec2.files());
        assert_settled(&sandbox, &mac, &ec2, &before);
        for machine in [&mac, &ec2] {
            machine.assert_linked(".conf");
            machine.assert_linked("app/one");
            assert_eq!(machine.target(".copied"), None);
        }
        ec2.run(&["undo"]).done();
        assert!(!ec2.read("@.sync/marked-files.txt").contains(path));
        let unmarked = ec2.files();
        assert_settled(&sandbox, &mac, &ec2, &unmarked);
    }
}

/// Returns the number of the last operation.
fn last(machine: &Machine) -> String {
    let output = machine.run(&["history", "--json", "-n", "1"]).code(0);
    let lines: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    lines[0]["id"].to_string()
}

#[test]
fn an_older_operation_is_taken_back_alone() {
    let (sandbox, mac, ec2) = pair();
    let original = ec2.files();
    mac.edit(".conf", "1\n", "first\n");
    mac.sync();
    ec2.sync();
    let first = last(&ec2);
    mac.edit(".conf", "9\n", "second\n");
    mac.append("@dir/file", "second\n");
    mac.sync();
    ec2.sync();
    ec2.run(&["undo", &first]).done();
    assert_eq!(ec2.read(".conf"), LINES.replace("9\n", "second\n"), "merged, as an edit since");
    assert_eq!(ec2.read("@dir/file"), format!("{LINES}second\n"));
    let files = ec2.files();
    assert_settled(&sandbox, &mac, &ec2, &files);
    assert_ne!(files, original);
}

#[test]
fn edits_made_since_are_kept() {
    let (sandbox, mac, ec2) = pair();
    mac.edit(".conf", "2\n", "mac\n");
    mac.edit("app/one", "2\n", "mac\n");
    mac.edit("app/two", "2\n", "mac\n");
    mac.remove("@dir/other");
    mac.sync();
    ec2.sync();
    ec2.edit(".conf", "8\n", "since\n");
    ec2.edit("app/one", "mac\n", "since\n");
    ec2.write("@dir/other", "made anew\n");
    let output = ec2.run(&["undo"]).code(0).says(&["~/app/one was edited since", "left as it is"]);
    assert!(!output.stderr.contains("~/.conf was edited"), "{output:?}");
    assert_eq!(ec2.read(".conf"), LINES.replace("8\n", "since\n"), "elsewhere in the file");
    assert_eq!(ec2.read("app/one"), LINES.replace("2\n", "since\n"), "in the same line");
    assert_eq!(ec2.read("app/two"), LINES);
    assert_eq!(ec2.read("@dir/other"), "made anew\n");
    let files = ec2.files();
    assert_settled(&sandbox, &mac, &ec2, &files);
}

#[test]
fn where_all_was_edited_since_nothing_is_done_and_it_says_so() {
    let (sandbox, mac, ec2) = pair();
    mac.edit(".conf", "2\n", "mac\n");
    mac.sync();
    ec2.sync();
    ec2.edit(".conf", "mac\n", "since\n");
    let before = sandbox.bytes();
    let _ = ec2.run(&["undo", "--dry-run"]).code(1).says(&["~/.conf was edited since"]);
    assert_same("a dry run", &before, &sandbox.bytes());
    let (files, tip) = (ec2.files(), sandbox.git(&["rev-parse", "main"]));
    let _ = ec2.run(&["undo"]).code(1).says(&["~/.conf was edited since", "nothing of"]);
    assert_same("an undo of nothing", &files, &ec2.files());
    assert_eq!(sandbox.git(&["rev-parse", "main"]), tip);
}

#[test]
fn a_dry_run_of_an_undo_is_its_plan() {
    let (sandbox, mac, ec2) = pair();
    mac.append(".conf", "10\n");
    mac.write("@new", "new\n");
    mac.sync();
    ec2.sync();
    let before = sandbox.bytes();
    let words = ["Taking back", "edited   ~/.conf", "removed  new", "nothing was changed"];
    let _ = ec2.run(&["undo", "--dry-run"]).code(3).says(&words);
    assert_same("a dry run", &before, &sandbox.bytes());
}

#[test]
fn offline_an_ordinary_operation_is_taken_back_and_sent_later() {
    let (sandbox, mac, ec2) = pair();
    let before = ec2.files();
    mac.append(".conf", "10\n");
    mac.write("@new", "new\n");
    mac.sync();
    ec2.sync();
    sandbox.unplug();
    let _ = ec2.run(&["undo"]).code(5);
    assert_same("a sync, and its undo offline,", &before, &ec2.files());
    assert_eq!(ec2.state_word(), "ahead");
    sandbox.plug();
    assert_settled(&sandbox, &mac, &ec2, &before);
}
