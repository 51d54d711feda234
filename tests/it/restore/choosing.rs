//! How a state is named: by number, day, time, or the name of an archive.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{bytes, kept};
use crate::archives::forge::sound;
use crate::sandbox::{Machine, Sandbox, assert_same};

/// Noon of 5 May 2020 in UTC, in ms: that day almost everywhere.
const MAY: u64 = 1_588_680_000_000;

const DAY: u64 = 24 * 60 * 60 * 1000;

/// A machine with archives of other times. The clocks went wrong once: numbers do not follow them.
fn long_kept() -> (Sandbox, Machine) {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write("@note", "now\n");
    mac.sync();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let yesterday = u64::try_from(now).unwrap() - DAY;
    for (number, name, at, content) in [
        (101, "20200505T120000Z", MAY, "may\n"),
        (102, "20200520T120000Z", MAY + 15 * DAY, "later in may\n"),
        (103, "anything", yesterday, "yesterday\n"),
    ] {
        let bytes = sound(number, at, &[("note", content)]);
        mac.write(format!("@.sync/backups/{name}.tar.gz"), bytes);
    }
    mac.run(&["backup", "--verify"]).done();
    (sandbox, mac)
}

/// Asserts that a word names the state in which the note was this.
#[track_caller]
fn assert_names(mac: &Machine, word: &str, content: &str) {
    mac.write("@note", "before\n");
    mac.run(&["--yes", "restore", word, "--", "dev/configs/note"]).done();
    assert_eq!(mac.read("@note"), content, "{word}");
}

#[test]
fn a_state_is_named_by_number_day_time_and_name() {
    let (_sandbox, mac) = long_kept();
    for (word, content) in [
        ("101", "may\n"),
        ("102", "later in may\n"),
        ("103", "yesterday\n"),
        ("2020-05-06", "may\n"),
        ("2020-05-19", "may\n"),
        ("2020-05-22", "later in may\n"),
        ("2024-02-29", "later in may\n"),
        ("2020-05-05T12:00:00Z", "may\n"),
        ("2020-05-20T11:59:59Z", "may\n"),
        ("2020-05-20T12:00:00Z", "later in may\n"),
        ("2020-05-10 08:30", "may\n"),
        ("yesterday", "yesterday\n"),
        ("20 hours ago", "yesterday\n"),
        ("3 days ago", "later in may\n"),
        ("20200505T120000Z", "may\n"),
        ("20200505T120000Z.tar.gz", "may\n"),
        ("20200505", "may\n"),
        ("20200520T12", "later in may\n"),
        ("anyt", "yesterday\n"),
    ] {
        assert_names(&mac, word, content);
    }
}

#[test]
fn a_word_that_names_nothing_is_a_wrong_command_line() {
    let (sandbox, mac) = long_kept();
    mac.write("@note", "before\n");
    let before = bytes(&sandbox);
    for word in ["nonsense", "99", "s99", "any", "2020-13-01", "", "note", "/tmp", "../x"] {
        let _ = mac.run(&["--yes", "restore", word]).code(2);
        assert_same(word, &before, &bytes(&sandbox));
    }
    let _ = mac.run(&["restore", "dev/configs/note"]).code(2).says(&["-- dev/configs/note"]);
    let _ = mac.run(&["--yes", "restore"]).code(2).says(&["no state was named"]);
    let _ = mac.run(&["--yes", "restore", "101", "102"]).code(2);
    let _ = mac.run(&["--yes", "restore", "101", "--here", "--to", "x"]).code(2);
    assert_same("a wrong command line", &before, &bytes(&sandbox));
}

#[test]
fn a_day_by_which_nothing_was_kept_is_an_error() {
    let (sandbox, mac) = long_kept();
    let before = bytes(&sandbox);
    for word in ["2020-05-01", "1999-12-31", "2020-05-05T11:59:59Z"] {
        let _ = mac.run(&["--yes", "restore", word]).code(1).says(&["was kept by", "2020-05-05"]);
    }
    let missing = ["--yes", "restore", "101", "--", "never-was"];
    let _ = mac.run(&missing).code(1).says(&["does not hold"]);
    assert_same("nothing kept by then", &before, &bytes(&sandbox));
}

#[test]
fn the_list_shows_what_is_there_and_each_version_once() {
    let (_sandbox, mac) = long_kept();
    mac.run(&["backup"]).done();
    let list = mac.run(&["restore", "--list"]).code(0).stdout;
    for word in ["  101 ", "  102 ", "  103 ", "by hand", "you@elsewhere", "1 differ", "as now"] {
        assert!(list.contains(word), "no {word:?} in\n{list}");
    }
    let list = mac.run(&["restore", "--list", "--json", "--", "dev/configs/note"]).code(0).stdout;
    assert_eq!(list.matches("\"reason\": \"by hand\"").count(), 3, "{list}");
    let list = mac.run(&["restore", "--list", "--", "dev/configs/never-was"]).code(0).stdout;
    assert!(list.contains("Nothing was kept"), "{list}");
}

#[test]
fn the_numbers_go_on_where_those_of_other_archives_end() {
    let (_sandbox, mac) = long_kept();
    let _ = mac.run(&["backup"]).code(0).says(&["Backup 104 keeps"]);
}

#[test]
fn a_time_that_summer_time_left_out_is_a_time_all_the_same() {
    let (_sandbox, mac, _ec2) = kept();
    let restore = |zone: &str, word: &str| {
        let mut command = mac.command(env!("CARGO_BIN_EXE_cfgsync"));
        let output = command.env("TZ", zone).args(["restore", word, "--dry-run"]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for word in ["2035-03-25 02:30", "2035-03-25 02:30:10", "2035-10-28 02:30", "2035-03-25"] {
        let (code, text) = restore("CET-1CEST,M3.5.0,M10.5.0/3", word);
        assert_eq!(code, Some(0), "{word}: {text}");
    }
    let (code, text) = restore("CET-1CEST,M3.5.0,M10.5.0/3", "2035-03-25 25:30");
    assert_eq!(code, Some(2), "{text}");
    // Midnight itself is left out here.
    let (code, text) = restore("XXX3YYY,M3.5.0/0,M10.5.0/0", "2035-03-25 00:10");
    assert_eq!(code, Some(0), "{text}");
}
