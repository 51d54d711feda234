//! When a command makes an archive by itself, and when it does not.

use std::fs;

use super::{archives, content, contents, numbers};
use crate::sandbox::{Sandbox, assert_clean, assert_converged, assert_same};

const LINES: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

#[test]
fn a_sync_that_replaces_or_removes_a_file_keeps_the_old_bytes_first() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.write("@gone", "gone\n");
    mac.sync();
    ec2.sync();
    assert_eq!(numbers(&ec2), [0u64; 0], "a new file endangers nothing");
    mac.append(".conf", "10\n");
    mac.sync();
    ec2.sync();
    let first = archives(&ec2);
    assert_eq!(first.len(), 1);
    assert_eq!(content(&ec2, &first[0], "external/.conf"), LINES);
    assert_eq!(content(&ec2, &first[0], "gone"), "gone\n");
    mac.remove("@gone");
    mac.sync();
    ec2.sync();
    assert!(!ec2.exists("@gone"));
    assert_eq!(archives(&ec2), first, "the newest archive holds it already");
    ec2.write("@made-here", "made here\n");
    ec2.sync();
    mac.sync();
    mac.remove("@made-here");
    mac.sync();
    ec2.sync();
    let second = archives(&ec2);
    assert_eq!(second.len(), 2);
    assert!(!contents(&ec2, &first[0]).contains("made-here"));
    assert_eq!(content(&ec2, &second[1], "made-here"), "made here\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_merge_and_a_mode_keep_what_was_here() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.edit(".conf", "1\n", "mac\n");
    mac.sync();
    ec2.edit(".conf", "9\n", "ec2\n");
    let here = ec2.read(".conf");
    ec2.sync();
    assert_eq!(ec2.read(".conf"), "mac\n2\n3\n4\n5\n6\n7\n8\nec2\n");
    assert_eq!(content(&ec2, &archives(&ec2)[0], "external/.conf"), here);
}

#[test]
fn quiet_syncs_make_none() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    for _ in 0..50 {
        ec2.sync();
    }
    assert_eq!((archives(&mac).len(), archives(&ec2).len()), (0, 0));
}

#[test]
fn a_sync_that_only_sends_makes_none() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    ec2.append(".conf", "10\n");
    ec2.write("@new", "new\n");
    ec2.sync();
    ec2.remove("@new");
    ec2.chmod(".conf", 0o600);
    ec2.sync();
    assert_eq!(archives(&ec2).len(), 0);
    mac.sync();
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn what_was_overwritten_once_is_offered_after_fifty_more_syncs() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("precious\n");
    mac.write("@other", "0\n");
    mac.sync();
    ec2.sync();
    mac.write(".conf", "overwritten\n");
    mac.sync();
    ec2.sync();
    for round in 1..=50 {
        mac.write("@other", format!("{round}\n"));
        mac.sync();
        ec2.sync();
        assert_eq!(ec2.read("@other"), format!("{round}\n"));
    }
    let count = archives(&ec2).len();
    assert!((1..=10).contains(&count), "{count} archives");
    let list = ec2.run(&["restore", "--list", "--", ".conf"]).code(0).stdout;
    let line = list.lines().rfind(|line| line.contains("1 differ"));
    let id = line.unwrap_or_else(|| panic!("the overwritten version is not offered:\n{list}"));
    let id = id.split_whitespace().next().unwrap();
    ec2.run(&["--yes", "restore", id, "--", ".conf"]).done();
    assert_eq!(ec2.read(".conf"), "precious\n");
    assert_eq!(ec2.read("@other"), "50\n", "only the file that was named");
    ec2.sync();
    mac.sync();
    assert_eq!(mac.read(".conf"), "precious\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn every_version_that_was_overwritten_stays_on_offer() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("0\n");
    for round in 1..=30 {
        mac.write(".conf", format!("{round}\n"));
        mac.sync();
        ec2.sync();
    }
    let list = ec2.run(&["restore", "--list", "--all", "--", ".conf"]).code(0).stdout;
    let mut offered: Vec<u32> = Vec::new();
    for (at, line) in list.lines().enumerate() {
        let id = line.split_whitespace().next().unwrap();
        let folder = format!("out-{at}");
        ec2.run(&["restore", id, "--to", &folder, "--", ".conf"]).done();
        offered.push(ec2.read(format!("{folder}/external/.conf")).trim().parse().unwrap());
    }
    offered.sort_unstable();
    offered.dedup();
    let known: Vec<u32> = offered.iter().copied().filter(|it| *it < 30).collect();
    assert_eq!(known, (0..30).collect::<Vec<u32>>(), "{list}");
}

#[test]
fn a_dry_run_changes_nothing() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    for _ in 0..3 {
        ec2.append(".conf", "more\n");
        ec2.sync();
        ec2.run(&["backup"]).done();
    }
    ec2.append(".conf", "and more\n");
    let before = sandbox.bytes();
    let _ = ec2.run(&["backup", "--dry-run"]).code(0).says(&["would keep"]);
    assert_same("a dry run", &before, &sandbox.bytes());
    let _ = ec2.run(&["backup", "--prune", "--keep", "1", "--dry-run"]).code(0).says(&["would be"]);
    assert_same("a dry run of pruning", &before, &sandbox.bytes());
    let _ = ec2.run(&["backup", "--list"]).code(0);
    let _ = ec2.run(&["backup", "--verify"]).code(0);
    assert_same("looking", &before, &sandbox.bytes());
    drop(mac);
}

#[test]
fn a_plain_backup_after_one_with_local_files_leaves_them_out_again() {
    let sandbox = Sandbox::new();
    let (mac, _) = sandbox.pair(LINES);
    mac.write("@secret.local", "here only\n");
    mac.run(&["backup"]).done();
    mac.run(&["backup", "--include-local"]).done();
    mac.run(&["backup"]).done();
    let all = archives(&mac);
    assert!(contents(&mac, &all[1]).contains("secret.local"));
    assert!(!contents(&mac, &all[2]).contains("secret.local"));
}

#[test]
fn a_file_that_its_owner_may_not_read_stops_nothing_else() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.write("@closed", "closed\n");
    mac.chmod("@closed", 0o200);
    mac.append(".conf", "10\n");
    ec2.append(".conf", "11\n");
    ec2.sync();
    let _ = mac.run(&["sync"]);
    let _ = mac.run(&["backup"]).code(0);
    let held = contents(&mac, archives(&mac).last().unwrap());
    assert!(held.contains("external/.conf"), "{held:?}");
    assert!(!mac.exists("@.sync/backups/archive.new"));
    mac.chmod("@closed", 0o600);
    assert_eq!(mac.read("@closed"), "closed\n");
}

#[test]
fn exact_modes_are_kept_and_no_rights_are_lent_on_the_way_back() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    for (name, mode) in [("@tool", 0o4755), ("@group", 0o2750), ("@sticky", 0o1644)] {
        mac.write(name, LINES);
        mac.chmod(name, mode);
    }
    mac.run(&["backup"]).done();
    let unpacked = mac.command("tar").arg("-tvzf").arg(&archives(&mac)[0]).output().unwrap();
    let list = String::from_utf8_lossy(&unpacked.stdout).into_owned();
    for bits in ["-rwsr-xr-x", "-rwxr-s---", "-rw-r--r-T"] {
        assert!(list.contains(bits), "{bits} is not in\n{list}");
    }
    mac.run(&["backup", "--verify"]).done();
    let _ = mac.run(&["backup"]).code(0).says(&["Nothing changed since backup 1"]);
    mac.sync();
    ["@tool", "@group", "@sticky"].iter().for_each(|name| mac.remove(name));
    mac.run(&["--yes", "restore", "1"]).done();
    mac.run(&["restore", "1", "--to", "out"]).done();
    for (name, mode) in [("tool", 0o755), ("group", 0o750), ("sticky", 0o644)] {
        assert_eq!(mac.mode(&format!("@{name}")), mode, "{name}");
        assert_eq!(mac.mode(&format!("out/{name}")), mode, "{name}");
    }
}

/// Bytes of a file that is too large to be shared unasked.
const LARGE: usize = 12 * 1024 * 1024;

#[test]
fn an_archive_of_a_sync_holds_what_is_not_shared_and_the_exact_modes() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    let change = |line: &str| {
        mac.append(".conf", line);
        mac.sync();
        ec2.sync();
        archives(&ec2).pop().unwrap()
    };
    ec2.write("app/one", "one\n");
    ec2.run(&["--yes", "mark", "app"]).done();
    ec2.sync();
    mac.sync();
    ec2.write("app/large", vec![b'x'; LARGE]);
    let archive = change("10\n");
    assert_eq!(content(&ec2, &archive, "external/app/large").len(), LARGE);
    ec2.remove("app/large");
    ec2.write("@run", "run\n");
    ec2.chmod("@run", 0o4755);
    let archive = change("11\n");
    let listed = super::tar(&ec2, &["tvzf", archive.to_str().unwrap(), "run"]);
    assert!(listed.starts_with("-rwsr-xr-x"), "{listed}");
    ec2.chmod("@run", 0o755);
    // What was archived once stays in archives, also where it is ignored from then on.
    ec2.write("@odd", "odd\n");
    ec2.run(&["backup"]).done();
    ec2.write("@.git/info/exclude", "odd\n");
    let archive = change("12\n");
    assert_eq!(content(&ec2, &archive, "odd"), "odd\n");
}

#[test]
fn archives_that_share_most_of_their_bytes_are_whole_each() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    let name = |number: u32| format!("@many/{}/file-{number}", number % 7);
    for number in 0..300 {
        mac.write(name(number), format!("{number}\n").repeat(40));
    }
    mac.sync();
    ec2.sync();
    for round in 0..6 {
        // One is changed, one goes, one comes, and from the third on one has another mode.
        mac.write(name(round * 11), format!("round {round}\n"));
        mac.remove(&name(round * 11 + 100));
        mac.write(format!("@many/0/new-{round}"), format!("{round}\n"));
        if round > 1 {
            mac.chmod(&name(round * 3 + 200), 0o755);
        }
        mac.sync();
        ec2.sync();
    }
    let known = ec2.state().join("members");
    ec2.run(&["backup", "--verify"]).done();
    for (round, archive) in archives(&ec2).iter().enumerate() {
        let path = archive.to_str().unwrap();
        assert!(ec2.command("gzip").args(["-t", path]).status().unwrap().success());
        let unpacked = sandbox.path(&format!("unpacked-{round}"));
        fs::create_dir(&unpacked).unwrap();
        super::tar(&ec2, &["xzf", path, "-C", unpacked.to_str().unwrap()]);
        for number in (0..300).filter(|it| it % 11 != 0 && it % 11 != 1) {
            let (name, bytes) = (name(number), format!("{number}\n").repeat(40));
            assert_eq!(fs::read_to_string(unpacked.join(&name[1..])).unwrap(), bytes, "{name}");
        }
    }
    // No part of one is whole without the rest.
    let text = fs::read_to_string(&known).unwrap();
    let newest = archives(&ec2).pop().unwrap();
    let whole = fs::read(&newest).unwrap();
    let mut length = 0;
    for member in text.lines().skip(2).map(|line| line.split(' ').next().unwrap()) {
        fs::write(&newest, &whole[..length]).unwrap();
        let _ = ec2.run(&["backup", "--verify"]).code(1).says(&["no sound archive"]);
        length += member.parse::<usize>().unwrap();
    }
    assert_eq!(length, whole.len());
    fs::write(&newest, &whole).unwrap();
    mac.append(".conf", "9\n");
    mac.sync();
    ec2.sync();
    // What is written down of the newest is no more than a shortcut: a lie costs a longer way.
    let text = fs::read_to_string(&known).unwrap();
    let lies: Vec<String> =
        text.lines().map(|line| line.strip_suffix('1').unwrap_or(line).to_owned() + "1").collect();
    let heading: Vec<&str> = text.lines().take(2).collect();
    fs::write(&known, format!("{}\n{}\n", heading.join("\n"), lies[2..].join("\n"))).unwrap();
    mac.append(".conf", "10\n");
    mac.sync();
    ec2.sync();
    ec2.run(&["backup", "--verify"]).done();
    assert_clean(&sandbox, &[&mac, &ec2]);
}
