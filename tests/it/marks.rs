//! Marking and unmarking, here and on the other machines.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::sandbox::{Sandbox, assert_clean, assert_converged};

#[test]
fn a_mark_keeps_the_file_itself_and_leaves_a_link() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write(".config/app/conf", "x\n");
    mac.chmod(".config/app/conf", 0o640);
    let inode = fs::metadata(mac.path(".config/app/conf")).unwrap().ino();
    mac.run(&["mark", ".config/app/conf"]).done();
    mac.assert_linked(".config/app/conf");
    assert_eq!(fs::metadata(mac.path("@external/.config/app/conf")).unwrap().ino(), inode);
    assert_eq!(mac.mode("@external/.config/app/conf"), 0o640);
    assert_eq!(
        fs::read_to_string(mac.path("@.sync/external-files/.config/app/conf")).unwrap(),
        "x\n"
    );
    mac.sync();
    let files = sandbox.git(&["ls-tree", "-r", "--name-only", "main"]);
    assert!(
        files.contains("external/.config/app/conf\n") && files.contains(".sync/marked-files.txt\n"),
        "{files}"
    );
    assert!(!files.contains("external-files") && !files.contains("machine-id"), "{files}");
    assert_clean(&sandbox, &[&mac]);
}

#[test]
fn marking_twice_is_fine_and_changes_nothing() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("x\n");
    let before = mac.everything();
    let _ = mac.run(&["mark", ".conf"]).code(0).says(&["marked already"]);
    assert_eq!(mac.everything(), before);
}

#[test]
fn the_folders_above_a_marked_file_keep_their_modes() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write(".gnupg/deep/gpg.conf", "x\n");
    mac.chmod(".gnupg", 0o700);
    mac.chmod(".gnupg/deep", 0o750);
    mac.run(&["mark", ".gnupg/deep/gpg.conf"]).done();
    mac.sync();
    ec2.sync();
    for machine in [&mac, &ec2] {
        assert_eq!((machine.mode(".gnupg"), machine.mode(".gnupg/deep")), (0o700, 0o750));
        assert_eq!(
            (machine.mode("@external/.gnupg"), machine.mode("@external/.gnupg/deep")),
            (0o700, 0o750)
        );
    }
}

#[test]
fn two_machines_mark_different_files_before_either_syncs() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    for (machine, name) in [(&mac, ".one"), (&ec2, ".two")] {
        machine.write(name, name);
        machine.run(&["mark", name]).done();
    }
    mac.sync();
    ec2.sync();
    mac.sync();
    assert_eq!((mac.read(".two"), ec2.read(".one")), (".two".to_owned(), ".one".to_owned()));
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn two_machines_mark_the_same_path_with_equal_content() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    for machine in [&mac, &ec2] {
        machine.write(".same", "same\n");
        machine.run(&["mark", ".same"]).done();
    }
    mac.sync();
    ec2.sync();
    mac.sync();
    mac.assert_linked(".same");
    ec2.assert_linked(".same");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn two_machines_mark_the_same_path_with_different_content() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    for (machine, content) in [(&mac, "mac\n"), (&ec2, "ec2\n")] {
        machine.write(".both", content);
        machine.run(&["mark", ".both"]).done();
    }
    mac.sync();
    ec2.write("@other", "other\n");
    let _ = ec2.run(&["sync"]).code(4).says(&["~/.both"]);
    assert_eq!(ec2.read(".both"), "ec2\n");
    mac.sync();
    assert_eq!((mac.read(".both"), mac.read("@other")), ("mac\n".to_owned(), "other\n".to_owned()));
    ec2.run(&["resolve", ".both", "--ours"]).done();
    mac.sync();
    assert_eq!(mac.read(".both"), "ec2\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_file_below_a_folder_named_local_is_really_committed() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write(".local/bin/tool", "#!/bin/sh\n");
    mac.chmod(".local/bin/tool", 0o755);
    mac.run(&["mark", ".local/bin/tool"]).done();
    mac.sync();
    assert!(sandbox.git(&["ls-tree", "-r", "main"]).contains("external/.local/bin/tool"));
    ec2.let_in(&[".local/bin/tool"]);
    assert_eq!(ec2.mode(".local/bin/tool"), 0o755);
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn unmark_leaves_plain_files_everywhere() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("x\n");
    mac.chmod(".conf", 0o600);
    mac.sync();
    ec2.sync();
    mac.run(&["unmark", ".conf"]).done();
    mac.assert_plain(".conf", "x\n");
    mac.sync();
    ec2.sync();
    for machine in [&mac, &ec2] {
        machine.assert_plain(".conf", "x\n");
        assert_eq!(machine.mode(".conf"), 0o600);
        assert!(!machine.exists("@external/.conf") && !machine.exists("@external"));
        let _ = machine.run(&["list"]).code(0).says(&["Nothing is marked"]);
        assert_eq!(
            machine.git(&["status", "--porcelain"]),
            "",
            "nothing is left in the working tree"
        );
    }
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn unmark_arrives_where_the_file_was_edited() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("x\n");
    mac.run(&["unmark", ".conf"]).done();
    mac.sync();
    ec2.append(".conf", "edited there\n");
    ec2.sync();
    ec2.assert_plain(".conf", "x\nedited there\n");
    mac.sync();
    mac.assert_plain(".conf", "x\n");
    assert!(!mac.exists("@external/.conf") && !ec2.exists("@external/.conf"));
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn unmark_here_meets_an_edit_that_arrives() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("x\n");
    ec2.append(".conf", "edited there\n");
    ec2.sync();
    mac.run(&["unmark", ".conf"]).done();
    mac.sync();
    ec2.sync();
    mac.assert_plain(".conf", "x\n");
    ec2.assert_plain(".conf", "x\nedited there\n");
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn unmark_of_a_file_that_is_gone_says_how_to_have_it_back() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("x\n");
    mac.remove(".conf");
    let output = mac.run(&["unmark", ".conf"]).code(0).says(&["missing", "have it back"]);
    assert!(!mac.exists(".conf"));
    let command =
        output.stderr.lines().find_map(|line| line.split_once("have it back: ")).unwrap().1;
    let status = mac.command("sh").args(["-c", command]).status().unwrap();
    assert!(status.success(), "{command}");
    assert_eq!(mac.read(".conf"), "x\n");
}

#[test]
fn an_unmarked_file_can_be_marked_again() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("x\n");
    mac.run(&["unmark", ".conf"]).done();
    mac.sync();
    ec2.sync();
    mac.append(".conf", "y\n");
    mac.run(&["mark", ".conf"]).done();
    mac.sync();
    ec2.sync();
    ec2.assert_linked(".conf");
    assert_eq!(
        ec2.read(".conf"),
        "x\ny\n",
        "an old version of what is shared is simply out of date"
    );
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_folder_is_shared_file_by_file_with_those_that_appear_later() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    for name in ["app/a", "app/sub/b", "app/sub/deeper/c"] {
        mac.write(name, name);
    }
    mac.write("app/cache.local", "local\n");
    let _ = mac.run(&["--yes", "mark", "app"]).code(0).says(&["3 files", "cache.local"]);
    mac.assert_linked("app/sub/deeper/c");
    mac.write("app/later", "later\n");
    mac.sync();
    mac.assert_linked("app/later");
    ec2.sync();
    assert_eq!(ec2.read("app/later"), "later\n");
    assert!(!ec2.exists("app/cache.local"));
    ec2.write("app/sub/from-ec2", "from ec2\n");
    ec2.remove("app/a");
    ec2.sync();
    mac.sync();
    assert_eq!(mac.read("app/sub/from-ec2"), "from ec2\n");
    assert!(!mac.exists("app/a") && !mac.exists("@external/app/a"));
    mac.remove("app/cache.local");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    mac.run(&["unmark", "app"]).done();
    mac.sync();
    ec2.sync();
    ec2.assert_plain("app/sub/deeper/c", "app/sub/deeper/c");
    ec2.assert_plain("app/later", "later\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_folder_leaves_out_what_must_not_travel() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write("app/good", "good\n");
    mac.write("app/nested/.git/HEAD", "ref: refs/heads/main\n");
    mac.write("app/nested/file", "not ours\n");
    let big = fs::File::create(mac.path("app/cache")).unwrap();
    big.set_len(300 * 1024 * 1024).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(mac.path("app/socket")).unwrap();
    mac.link("app/link", "good");
    let words = ["1 file,", "app/nested", "app/cache", "app/socket", "app/link"];
    let _ = mac.run(&["mark", "--dry-run", "app"]).code(0).says(&words);
    assert!(!mac.exists("@external"), "a preview changes nothing");
    mac.run(&["--yes", "mark", "app"]).done();
    let _ = mac.run(&["sync"]);
    let files = sandbox.git(&["ls-tree", "-r", "--name-only", "main", "external"]);
    assert_eq!(files, "external/app/good\n");
    assert_clean(&sandbox, &[&mac]);
}

#[test]
fn a_marked_folder_that_is_gone_comes_back_and_deletes_nothing() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    for name in ["app/a", "app/b", "app/c", "app/d"] {
        mac.write(name, name);
    }
    mac.run(&["--yes", "mark", "app"]).done();
    mac.sync();
    ec2.sync();
    fs::remove_dir_all(ec2.path("app")).unwrap();
    ec2.sync();
    assert_eq!(ec2.read("app/a"), "app/a");
    mac.sync();
    assert_eq!(mac.read("app/d"), "app/d");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_mark_that_was_interrupted_is_completed() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write(".conf", "x\n");
    // As a kill leaves it: the manifest written, the stored copy there or not, the link not made.
    mac.write("@.sync/marked-files.txt", "# cfgsync manifest v1\n.conf\n");
    mac.write("@external/.conf", "x\n");
    mac.sync();
    mac.assert_linked(".conf");
    ec2.sync();
    assert_eq!(ec2.read(".conf"), "x\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn everything_can_be_unmarked_and_setup_undone() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("x\n");
    mac.write(".two", "two\n");
    mac.run(&["mark", ".two"]).done();
    mac.sync();
    ec2.sync();
    ec2.run(&["setup", "--undo"]).done();
    ec2.assert_plain(".conf", "x\n");
    ec2.assert_plain(".two", "two\n");
    mac.run(&["unmark", "--all"]).done();
    mac.assert_plain(".conf", "x\n");
    mac.assert_plain(".two", "two\n");
    mac.sync();
    assert_clean(&sandbox, &[&mac]);
}

#[test]
fn a_pinned_mode_is_the_mode_everywhere() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("x\n");
    mac.edit("@.sync/marked-files.txt", ".conf", ".conf mode=0600");
    mac.sync();
    ec2.sync();
    assert_eq!((mac.mode(".conf"), ec2.mode(".conf")), (0o600, 0o600));
    ec2.chmod(".conf", 0o644);
    ec2.sync();
    mac.sync();
    assert_eq!((mac.mode(".conf"), ec2.mode(".conf")), (0o600, 0o600));
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn comments_and_unknown_attributes_of_the_manifest_stay() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("x\n");
    mac.edit("@.sync/marked-files.txt", ".conf", "# my note\n.conf future=thing");
    mac.sync();
    ec2.write(".two", "two\n");
    ec2.run(&["mark", ".two"]).done();
    ec2.sync();
    mac.sync();
    for machine in [&mac, &ec2] {
        let text = machine.read("@.sync/marked-files.txt");
        assert!(text.contains("# my note\n.conf future=thing\n.two\n"), "{text}");
    }
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn what_is_set_for_one_machine_stays_there_when_all_settings_are_shared() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    let own = ".config/cfgsync/config.toml";
    mac.write(".config/app/settings", "a = 1\n");
    for machine in [&mac, &ec2] {
        machine.write(own, format!("dir = \"{}\"\n", machine.repo().display()));
    }
    let _ = mac.run(&["mark", own]).code(9).says(&["cfgsync's own"]);
    let _ = mac.run(&["--yes", "mark", ".config"]).code(0).says(&["1 file", "config.toml"]);
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read(".config/app/settings"), "a = 1\n");
    for machine in [&mac, &ec2] {
        machine.assert_plain(own, &format!("dir = \"{}\"\n", machine.repo().display()));
    }
    // An older cfgsync may have shared it.
    mac.write("@external/.config/cfgsync/config.toml", "dir = \"/elsewhere\"\n");
    mac.git(&["add", "external"]);
    mac.git(&["commit", "--quiet", "-m", "shared before"]);
    mac.sync();
    ec2.sync();
    for machine in [&mac, &ec2] {
        machine.assert_plain(own, &format!("dir = \"{}\"\n", machine.repo().display()));
    }
    // Nor does a line that somebody wrote by hand share the state.
    mac.append("@.sync/marked-files.txt", ".local/\n");
    mac.write(".local/bin/tool", "#!/bin/sh\n");
    mac.sync();
    let shared = sandbox.git(&["ls-tree", "-r", "--name-only", "main"]);
    assert!(shared.contains("external/.local/bin/tool"), "{shared}");
    assert!(!shared.contains("external/.local/state"), "{shared}");
}
