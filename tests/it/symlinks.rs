//! Links: what stands at a marked path, and what becomes of it when somebody else changes that.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use crate::sandbox::{Sandbox, assert_clean, assert_converged};

const LINES: &str = "one\ntwo\nthree\nfour\nfive\n";

#[test]
fn a_link_that_an_app_replaced_is_absorbed_and_put_back() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    ec2.replace(".conf", "saved by an app\n");
    ec2.sync();
    ec2.assert_linked(".conf");
    assert_eq!(ec2.read(".conf"), "saved by an app\n");
    mac.sync();
    assert_eq!(mac.read(".conf"), "saved by an app\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn an_edit_in_place_and_then_a_replaced_link_are_one_edit() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    ec2.edit(".conf", "one", "ONE");
    ec2.replace(".conf", LINES.replace("one", "ONE").replace("five", "FIVE"));
    ec2.sync();
    ec2.assert_linked(".conf");
    mac.sync();
    assert_eq!(mac.read(".conf"), "ONE\ntwo\nthree\nfour\nFIVE\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_replaced_link_and_a_change_upstream_are_merged_with_the_recorded_base() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.edit(".conf", "one", "ONE");
    mac.sync();
    ec2.replace(".conf", LINES.replace("five", "FIVE"));
    ec2.sync();
    mac.sync();
    assert_eq!(mac.read(".conf"), "ONE\ntwo\nthree\nfour\nFIVE\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_replaced_link_that_does_not_merge_is_held_as_it_is() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.edit(".conf", "one", "mac");
    mac.sync();
    let saved = LINES.replace("one", "ec2");
    ec2.replace(".conf", &saved);
    let _ = ec2.run(&["sync"]).code(4);
    let _ = ec2.run(&["sync"]).code(4);
    ec2.assert_plain(".conf", &saved);
    ec2.run(&["resolve", ".conf", "--ours"]).done();
    ec2.assert_linked(".conf");
    mac.sync();
    assert_eq!(mac.read(".conf"), saved);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_link_replaced_twice_becomes_a_copy_with_one_notice() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    let mut notices = 0;
    for round in 1..=4 {
        let text = format!("save {round}\n");
        ec2.replace(".conf", &text);
        let output = ec2.run(&["sync"]).code(0);
        notices += usize::from(output.stderr.contains("copy on this machine"));
        mac.sync();
        assert_eq!((mac.read(".conf"), ec2.read(".conf")), (text.clone(), text), "round {round}");
    }
    assert_eq!(notices, 1);
    ec2.assert_plain(".conf", "save 4\n");
    mac.assert_linked(".conf");
    let _ = ec2.run(&["list"]).code(0).says(&["copy", "~/.conf"]);
    mac.write(".conf", "from the mac\n");
    mac.sync();
    ec2.sync();
    ec2.assert_plain(".conf", "from the mac\n");
    ec2.append(".conf", "and back\n");
    ec2.sync();
    mac.sync();
    assert_eq!(mac.read(".conf"), "from the mac\nand back\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_copy_follows_both_ways_and_comes_back_when_it_is_deleted() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write("app.conf", LINES);
    mac.run(&["mark", "--link", "copy", "app.conf"]).done();
    mac.sync();
    ec2.sync();
    ec2.assert_plain("app.conf", LINES);
    ec2.edit("app.conf", "one", "ONE");
    mac.edit("app.conf", "five", "FIVE");
    ec2.sync();
    mac.sync();
    ec2.sync();
    mac.assert_plain("app.conf", "ONE\ntwo\nthree\nfour\nFIVE\n");
    assert_converged(&[&mac, &ec2]);
    mac.remove("app.conf");
    mac.sync();
    mac.assert_plain("app.conf", "ONE\ntwo\nthree\nfour\nFIVE\n");
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_copy_whose_stored_copy_was_edited_too_is_held_and_nothing_is_lost() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write("app.conf", LINES);
    mac.run(&["mark", "--link", "copy", "app.conf"]).done();
    mac.sync();
    mac.write("app.conf", "live\n");
    mac.write("@external/app.conf", "stored\n");
    let _ = mac.run(&["sync"]).code(4).says(&["app.conf", "both edited"]);
    let _ = mac.run(&["sync"]).code(4);
    assert_eq!(
        (mac.read("app.conf"), mac.read("@external/app.conf")),
        ("live\n".into(), "stored\n".into())
    );
    mac.run(&["resolve", "app.conf", "--ours"]).done();
    mac.assert_plain("app.conf", "live\n");
    assert_eq!(mac.read("@external/app.conf"), "live\n");
    assert!(mac.vault_has("stored\n"));
}

#[test]
fn a_link_that_is_gone_comes_back() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    ec2.remove(".conf");
    ec2.sync();
    ec2.assert_linked(".conf");
    assert_eq!(ec2.read(".conf"), LINES);
    mac.sync();
    mac.assert_linked(".conf");
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn a_stored_copy_removed_by_hand_is_repaired() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    let _ = ec2.git(&["rm", "--quiet", "external/.conf"]);
    assert!(fs::metadata(ec2.path(".conf")).is_err(), "the link is dead now");
    ec2.sync();
    ec2.assert_linked(".conf");
    assert_eq!(ec2.read(".conf"), LINES);
    mac.sync();
    assert_eq!(mac.read(".conf"), LINES);
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_link_of_another_tool_is_never_replaced() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    ec2.write("stow/conf", "of another tool\n");
    ec2.remove(".conf");
    ec2.link(".conf", ec2.path("stow/conf"));
    mac.append(".conf", "six\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["~/.conf", "link to somewhere else"]);
    assert_eq!(ec2.target(".conf"), Some(ec2.path("stow/conf")));
    assert_eq!(ec2.read("stow/conf"), "of another tool\n");
    assert_eq!(ec2.read("@external/.conf"), format!("{LINES}six\n"));
    mac.sync();
    assert_eq!(mac.read(".conf"), format!("{LINES}six\n"), "the other machines do not notice");
}

#[test]
fn a_folder_in_the_place_of_a_marked_file_is_never_replaced() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    ec2.remove(".conf");
    ec2.write(".conf/inside", "mine\n");
    mac.append(".conf", "six\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["~/.conf", "folder"]);
    assert_eq!(ec2.read(".conf/inside"), "mine\n");
}

#[test]
fn a_moved_repository_gets_its_links_back() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    ec2.write("dir/file", "x\n");
    ec2.run(&["--yes", "mark", "dir"]).done();
    ec2.sync();
    let moved = ec2.path("elsewhere/configs");
    fs::create_dir_all(ec2.path("elsewhere")).unwrap();
    fs::rename(ec2.repo(), &moved).unwrap();
    let dir = moved.to_str().unwrap();
    let _ = ec2.run(&["--dir", dir, "doctor"]).code(1).says(&["~/.conf", "doctor --fix"]);
    ec2.run(&["--dir", dir, "doctor", "--fix"]).done();
    assert_eq!(ec2.target(".conf"), Some(moved.join("external/.conf")));
    assert_eq!(ec2.target("dir/file"), Some(moved.join("external/dir/file")));
    assert_eq!((ec2.read(".conf"), ec2.read("dir/file")), (LINES.to_owned(), "x\n".to_owned()));
    mac.append(".conf", "six\n");
    mac.sync();
    ec2.run(&["--dir", dir, "sync"]).done();
    assert_eq!(ec2.read(".conf"), format!("{LINES}six\n"));
}

#[test]
fn a_parent_that_is_a_link_into_the_repository_writes_no_file_onto_itself() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write("app/conf", LINES);
    mac.run(&["mark", "app/conf"]).done();
    mac.sync();
    ec2.sync();
    fs::remove_dir_all(ec2.path("app")).unwrap();
    symlink(ec2.path("@external/app"), ec2.path("app")).unwrap();
    assert_eq!(ec2.read("app/conf"), LINES);
    mac.append("app/conf", "six\n");
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read("app/conf"), format!("{LINES}six\n"));
    assert!(fs::symlink_metadata(ec2.path("@external/app/conf")).unwrap().is_file());
    ec2.append("app/conf", "seven\n");
    ec2.sync();
    mac.sync();
    assert_eq!(mac.read("app/conf"), format!("{LINES}six\nseven\n"));
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_parent_that_is_a_link_elsewhere_is_never_written_through() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    fs::create_dir_all(ec2.path("elsewhere")).unwrap();
    ec2.link("app", ec2.path("elsewhere"));
    mac.write("app/conf", LINES);
    mac.run(&["mark", "app/conf"]).done();
    mac.write("@other", "other\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["~/app/conf"]);
    assert_eq!(fs::read_dir(ec2.path("elsewhere")).unwrap().count(), 0);
    assert_eq!(ec2.read("@other"), "other\n");
}

#[test]
fn links_of_the_repository_travel_as_links_and_are_never_followed() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write("@target", "target\n");
    for (name, target) in
        [("@inside", "target"), ("@dead", "nowhere"), ("@loop", "loop"), ("@out", "/etc/hostname")]
    {
        mac.link(name, target);
    }
    mac.sync();
    let outward = ["@loop", "@out"].map(|name| ec2.path(name));
    ec2.let_in(&outward);
    assert_eq!(ec2.target("@out"), Some("/etc/hostname".into()));
    assert_eq!(ec2.target("@loop"), Some("loop".into()));
    ec2.remove("@inside");
    ec2.link("@inside", "elsewhere");
    ec2.sync();
    mac.sync();
    assert_eq!(mac.target("@inside"), Some("elsewhere".into()));
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_link_planted_under_external_is_not_followed() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.link("@external/planted", "/etc/passwd");
    mac.write(
        "@.sync/marked-files.txt",
        format!("{}planted\n", mac.read("@.sync/marked-files.txt")),
    );
    let _ = mac.git(&["add", "--force", "."]);
    let _ = mac.git(&["commit", "--quiet", "-m", "plant"]);
    let _ = mac.git(&["push", "--quiet", "origin", "main"]);
    let output = ec2.run(&["sync"]);
    assert_ne!(output.code, 1, "{output:?}");
    assert_eq!(ec2.target("planted"), None);
    assert!(!ec2.exists("planted"), "nothing is linked to a stored copy that is no file");
    assert!(!ec2.vault_has(&fs::read_to_string("/etc/passwd").unwrap()));
}

#[test]
fn odd_names_make_the_round_trip() {
    let names: [&[u8]; 8] = [
        b"with space",
        b"new\nline",
        b"-dash",
        b"st*r?[x]",
        b"tab\there",
        b"quote'\"",
        b"caf\xc3\xa9",
        b"latin-\xe9",
    ];
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    for name in names {
        let name = OsStr::from_bytes(name);
        mac.write(name, name.as_bytes());
        mac.run(&["mark".as_ref(), "--".as_ref(), name]).done();
    }
    mac.sync();
    ec2.let_in(&["new\nline", "tab\there"]);
    for name in names {
        let name = OsStr::from_bytes(name);
        assert_eq!(fs::read(ec2.path(name)).unwrap(), name.as_bytes(), "{name:?}");
        assert_eq!(ec2.target(name), Some(ec2.path("@external").join(name)), "{name:?}");
    }
    assert_converged(&[&mac, &ec2]);
    let _ = ec2.run(&["status"]).code(0);
    for name in names {
        ec2.run(&["unmark".as_ref(), "--".as_ref(), OsStr::from_bytes(name)]).done();
    }
    ec2.sync();
    mac.sync();
    for name in names {
        let name = OsStr::from_bytes(name);
        assert_eq!((mac.target(name), ec2.target(name)), (None, None), "{name:?}");
        assert_eq!(fs::read(mac.path(name)).unwrap(), name.as_bytes(), "{name:?}");
    }
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn preference_files_of_a_mac_are_copies_with_a_reason() {
    let sandbox = Sandbox::new();
    let (mac, other) = (sandbox.joined("mac"), sandbox.joined("mac2"));
    let path = "Library/Preferences/com.example.plist";
    mac.write(path, "plist\n");
    let _ = mac.run(&["mark", path]).code(0).says(&["copy", "macOS"]);
    mac.sync();
    other.sync();
    mac.assert_plain(path, "plist\n");
    other.assert_plain(path, "plist\n");
    assert_converged(&[&mac, &other]);
    assert_clean(&sandbox, &[&mac, &other]);
}
