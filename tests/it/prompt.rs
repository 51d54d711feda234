//! `cfgsync-prompt` as a prompt runs it: what it prints for each record, and that nothing but a
//! whole record makes it print anything.

use std::os::unix::net::UnixListener;
use std::process::Output;
use std::{fs, str};

use cfgsync_core::status::SyncState::{
    Ahead, Behind, Failed, Held, Offline, Paused, Synced, Syncing,
};
use cfgsync_core::status::{StatusRecord, wire};

use crate::terminal::{Home, bytes, damaged, eventually, now, record};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cfgsync-prompt");
const GOLDEN: &[u8] = include_bytes!("../golden/status-record-1.bin");

fn run(home: &Home, arguments: &[&str]) -> Output {
    home.command(PROGRAM).args(arguments).output().unwrap()
}

/// Returns what a prompt gets; there is never an error, nor a word about one.
fn shown(home: &Home, arguments: &[&str]) -> String {
    let output = run(home, arguments);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(str::from_utf8(&output.stderr), Ok(""));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_state_has_its_icon_in_both_formats() {
    let home = Home::new();
    let check = |state, plain, zsh| {
        home.publish(&bytes(state));
        assert_eq!(shown(&home, &[]), plain);
        assert_eq!(shown(&home, &["plain"]), plain);
        assert_eq!(shown(&home, &["zsh"]), zsh);
    };
    check(Synced, "✓", "%F{green}✓%f");
    check(Ahead, "↑", "%F{yellow}↑%f");
    check(Behind, "↓", "%F{cyan}↓%f");
    check(Syncing, "⚡", "%F{blue}%{⚡%2G%}%f");
    check(Held, "✗", "%F{red}✗%f");
    check(Failed, "✗", "%F{red}✗%f");
    check(Paused, "‖", "%F{yellow}‖%f");
    check(Offline, "", "");
}

#[test]
fn the_golden_record_is_read() {
    let home = Home::new();
    home.publish(GOLDEN);
    assert_eq!(shown(&home, &["zsh"]), "%F{yellow}↑%f");
}

#[test]
fn a_run_that_died_is_shown_as_failed() {
    let home = Home::new();
    let check = |died: StatusRecord| {
        home.publish(&wire::encode(&died));
        assert_eq!(shown(&home, &[]), "✗", "{died:?}");
    };
    let running = record(Syncing);
    check(StatusRecord { deadline: now(), ..running.clone() });
    if cfg!(target_os = "linux") {
        check(StatusRecord { boot: *b"01234567", ..running.clone() });
        check(StatusRecord { pid_start: running.pid_start + 1, ..running.clone() });
        check(StatusRecord { pid: u32::MAX, ..running });
    }
}

#[test]
fn a_claim_is_shown_until_its_deadline() {
    let home = Home::new();
    home.publish(&wire::encode(&StatusRecord { deadline: now(), ..record(Synced) }));
    assert_eq!(shown(&home, &[]), "");
    home.publish(&wire::encode(&StatusRecord { deadline: now(), ..record(Ahead) }));
    assert_eq!(shown(&home, &[]), "↑");
}

#[test]
fn damage_shows_nothing() {
    let home = Home::new();
    for (what, damaged) in damaged() {
        home.publish(&damaged);
        assert_eq!(shown(&home, &["zsh"]), "", "{what}");
    }
    for at in 0..wire::LENGTH {
        let mut damaged = bytes(Synced);
        damaged[at] ^= 0x10;
        home.publish(&damaged);
        assert_eq!(shown(&home, &[]), "", "byte {at}");
    }
}

#[test]
fn what_is_no_regular_file_shows_nothing() {
    let home = Home::new();
    let check = |what| assert_eq!(shown(&home, &[]), "", "{what}");
    check("no record");
    home.link_record(&home.path("gone"));
    check("a dangling link");
    home.link_record(&home.path("bin"));
    check("a folder");
    let _socket = UnixListener::bind(home.path("socket")).unwrap();
    home.link_record(&home.path("socket"));
    check("a socket");
    home.link_record("/dev/zero".as_ref());
    check("a device");
    home.link_record(&home.path("closed"));
    fs::write(home.path("closed"), bytes(Synced)).unwrap();
    assert_eq!(shown(&home, &[]), "✓", "a link to a record");
}

#[test]
fn a_fifo_is_not_waited_for() {
    let home = Home::new();
    assert!(home.command("mkfifo").arg(home.path("fifo")).status().unwrap().success());
    home.link_record(&home.path("fifo"));
    let mut child = home.command(PROGRAM).spawn().unwrap();
    let ended = eventually(|| child.try_wait().unwrap().is_some());
    child.kill().unwrap();
    assert!(ended);
}

#[test]
fn the_record_is_where_the_nearest_word_says() {
    let home = Home::new();
    let put = |path: &str, state| {
        fs::create_dir_all(home.path(path).parent().unwrap()).unwrap();
        fs::write(home.path(path), bytes(state)).unwrap();
    };
    home.publish(&bytes(Synced));
    put("state/cfgsync/record", Ahead);
    put("named", Behind);
    put("argument", Paused);
    let check = |variables: &[(&str, &str)], arguments: &[&str], icon| {
        let variables = variables.iter().map(|(name, path)| (*name, home.path(path)));
        let output = home.command(PROGRAM).args(arguments).envs(variables).output().unwrap();
        assert_eq!(str::from_utf8(&output.stdout), Ok(icon));
    };
    check(&[], &[], "✓");
    check(&[("XDG_STATE_HOME", "state")], &[], "↑");
    check(&[("XDG_STATE_HOME", "state"), ("CFGSYNC_RECORD", "named")], &[], "↓");
    check(&[("CFGSYNC_RECORD", "named")], &["--record", "argument", "plain"], "‖");
    check(&[("CFGSYNC_RECORD", "gone")], &[], "");

    let output = home.command(PROGRAM).env_remove("HOME").output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty());
    let empty = home.command(PROGRAM).env("CFGSYNC_RECORD", "").env("XDG_STATE_HOME", "").output();
    assert_eq!(str::from_utf8(&empty.unwrap().stdout), Ok("✓"));
}

#[test]
fn misuse_is_told_in_one_line() {
    let home = Home::new();
    let check = |arguments: &[&str]| {
        let output = run(&home, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
        assert_eq!(str::from_utf8(&output.stderr).unwrap().lines().count(), 1);
    };
    check(&["csh"]);
    check(&["zsh", "plain"]);
    check(&["--record"]);
    check(&["--record", "one", "--record", "two"]);
    check(&["--unknown"]);
    check(&[""]);
}

#[test]
fn help_and_version_answer() {
    let home = Home::new();
    assert!(shown(&home, &["--help"]).contains("usage: cfgsync-prompt ["));
    assert_eq!(
        shown(&home, &["--version"]),
        concat!("cfgsync-prompt ", env!("CARGO_PKG_VERSION"), "\n")
    );
}
