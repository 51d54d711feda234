//! Which archives are forgotten, and which never.

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use super::{archives, content, numbers, place};
use crate::sandbox::{Machine, Sandbox};

/// Bytes of a file that is too large to be shared unasked.
const LARGE: usize = 12 * 1024 * 1024;

/// Makes an archive of a new state. The sync puts its files into the vault.
fn archive_round(machine: &Machine, round: u64) {
    machine.write("@round", format!("{round}\n"));
    machine.sync();
    let _ = machine.run(&["backup"]).code(0).says(&[&format!("Backup {round} keeps")]);
}

#[test]
fn the_newest_ten_stay_by_number() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    for round in 1..=13 {
        archive_round(&mac, round);
    }
    assert_eq!(numbers(&mac), (4..=13).collect::<Vec<u64>>());
    for number in 4..=13 {
        assert_eq!(content(&mac, &place(&mac, number), "round"), format!("{number}\n"));
    }
    mac.run(&["backup", "--verify"]).done();
    for round in 1..=3 {
        assert!(mac.vault_has(&format!("{round}\n")), "{round} is nowhere any more");
    }
}

#[test]
fn clocks_and_names_do_not_decide_what_is_oldest() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    for round in 1..=10 {
        archive_round(&mac, round);
    }
    // The newest looks as if it was the oldest, in name and time.
    for number in 1..=10 {
        let from = place(&mac, number);
        let to = from.with_file_name(format!("{}0101T000000Z.tar.gz", 2040 - number));
        fs::rename(&from, &to).unwrap();
        let file = fs::File::open(&to).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(9_000_000 * (99 - number))).unwrap();
    }
    assert_eq!(numbers(&mac), (1..=10).collect::<Vec<u64>>());
    archive_round(&mac, 11);
    archive_round(&mac, 12);
    assert_eq!(numbers(&mac), (3..=12).collect::<Vec<u64>>());
    assert_eq!(content(&mac, &place(&mac, 10), "round"), "10\n");
}

#[test]
fn a_name_that_is_taken_is_not_replaced() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    for round in 1..=4 {
        archive_round(&mac, round);
    }
    assert_eq!(archives(&mac).len(), 4, "four within few seconds");
    assert_eq!(numbers(&mac), [1, 2, 3, 4]);
}

#[test]
fn the_configuration_says_how_many_stay() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    let config = mac.read("@.sync/config.toml");
    assert!(config.contains("backups = 10"), "{config}");
    mac.write("@.sync/config.toml", config.replace("backups = 10", "backups = 3"));
    for round in 1..=5 {
        archive_round(&mac, round);
    }
    assert_eq!(numbers(&mac), [3, 4, 5]);
}

#[test]
fn an_archive_that_alone_holds_a_large_file_is_not_forgotten() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write("@large", vec![b'x'; LARGE]);
    let _ = mac.run(&["sync"]);
    mac.run(&["backup"]).done();
    assert_eq!(content(&mac, &place(&mac, 1), "large").len(), LARGE);
    mac.remove("@large");
    for round in 2..=13 {
        archive_round(&mac, round);
    }
    let kept: Vec<u64> = [1].into_iter().chain(4..=13).collect();
    assert_eq!(numbers(&mac), kept);
    let _ = mac.run(&["backup", "--prune", "--keep", "2"]).code(0);
    assert_eq!(numbers(&mac), [1, 12, 13]);
    assert_eq!(content(&mac, &place(&mac, 1), "large").len(), LARGE);
    mac.run(&["--yes", "restore", "1", "--", "dev/configs/large"]).done();
    assert_eq!(fs::read(mac.path("@large")).unwrap(), vec![b'x'; LARGE]);
}

#[test]
fn an_archive_that_alone_holds_a_local_file_is_not_forgotten() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write("@.gitignore", "/.sync/*\n!/.sync/marked-files.txt\n!/.sync/modes.txt\n");
    mac.write("@mine.local", "only here\n");
    mac.sync();
    mac.run(&["backup", "--include-local"]).done();
    assert_eq!(content(&mac, &place(&mac, 1), "mine.local"), "only here\n");
    mac.remove("@mine.local");
    for round in 2..=13 {
        archive_round(&mac, round);
    }
    let kept: Vec<u64> = [1].into_iter().chain(4..=13).collect();
    assert_eq!(numbers(&mac), kept);
}

#[test]
fn an_edit_that_no_sync_saw_is_not_forgotten() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write("@note", "between two syncs\n");
    mac.run(&["backup"]).done();
    mac.write("@note", "later\n");
    for round in 2..=13 {
        archive_round(&mac, round);
    }
    let is_kept = numbers(&mac).contains(&1) || mac.vault_has("between two syncs\n");
    assert!(is_kept, "the last holder of these bytes is gone");
}

#[test]
fn pruning_keeps_as_many_as_asked_for() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    for round in 1..=5 {
        archive_round(&mac, round);
    }
    let _ = mac.run(&["backup", "--prune"]).code(0).says(&["0 backups forgotten"]);
    assert_eq!(numbers(&mac), [1, 2, 3, 4, 5]);
    let _ = mac.run(&["backup", "--prune", "--keep", "2"]).code(0).says(&["3 backups forgotten"]);
    assert_eq!(numbers(&mac), [4, 5]);
    let _ = mac.run(&["backup", "--prune", "--keep", "0"]).code(2);
    let _ = mac.run(&["backup", "--keep", "2"]).code(2);
    assert_eq!(numbers(&mac), [4, 5]);
}
