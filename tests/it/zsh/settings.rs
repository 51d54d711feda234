//! Each setting, in a living shell.

use std::fs;

use cfgsync_core::status::SyncState::{Behind, Synced};

use super::due;
use crate::terminal::{Home, Terminal, bytes, now, wait_until};

/// Returns the text of a file that a line at the prompt writes.
fn told(terminal: &mut Terminal, word: &str) -> String {
    terminal.run(&format!("print -r -- {word} >told"));
    fs::read_to_string(terminal.home().path("told")).unwrap().trim().to_owned()
}

/// Returns a shell with a stand-in, and this record.
fn shell(settings: &str, record: &[u8]) -> Terminal {
    let home = Home::new();
    home.stand_in("");
    home.publish(record);
    Terminal::with_plugin(home, settings)
}

#[test]
fn switched_off_nothing_is_shown_and_nothing_started() {
    let mut terminal = shell("zstyle ':cfgsync:' enabled no", &due(Synced));
    assert_eq!(terminal.run(""), "[]0");
    assert_eq!(terminal.run("print -r -- $_CONFIGSYNC_NEXT"), "[]0");
    assert_eq!(terminal.screen(), "<1>[]0\n<2>[]0 print -r -- $_CONFIGSYNC_NEXT\n0\n<3>[]0");
    assert_eq!(terminal.home().calls(), "");
    terminal.run("zstyle ':cfgsync:' enabled yes");
    terminal.home().publish(&due(Behind));
    assert_eq!(terminal.run(""), "[↓ ]0");
    wait_until("the sync", || terminal.home().calls() == "sync --background\n");
}

#[test]
fn without_background_the_light_shows_and_nothing_is_started() {
    let mut terminal = shell("zstyle ':cfgsync:' background no", &due(Synced));
    assert_eq!(terminal.run(""), "[✓ ]0");
    assert_eq!(told(&mut terminal, "$_CONFIGSYNC_NEXT"), "0");
    assert_eq!(terminal.home().calls(), "");
    terminal.run("zstyle ':cfgsync:' background yes");
    terminal.home().publish(&due(Behind));
    terminal.run("");
    wait_until("the sync", || terminal.home().calls() == "sync --background\n");
}

#[test]
fn the_segment_shows_below_a_folder_only() {
    let settings =
        "zstyle ':cfgsync:' only-below '~/with blank'; mkdir -p 'with blank/deep' 'with blanks'";
    let mut terminal = shell(settings, &bytes(Synced));
    let mut check = |line: &str, prompt: &str| assert_eq!(terminal.run(line), prompt, "{line}");
    check("", "[]0");
    check("cd 'with blank'", "[✓ ]0");
    check("cd deep", "[✓ ]0");
    check("cd '../../with blanks'", "[]0");
    check("cd '../with blank/deep'", "[✓ ]0");
    check("cd", "[]0");
    check("zstyle ':cfgsync:' only-below $HOME/with\\ blanks/", "[]0");
    check("cd 'with blanks'", "[✓ ]0");
    check("zstyle ':cfgsync:' only-below /; cd /", "[✓ ]0");
}

#[test]
fn the_interval_is_what_a_person_says() {
    let check = |interval: &str, seconds: u64| {
        let setting = format!("zstyle ':cfgsync:' interval {interval}");
        let before = now().seconds();
        let mut terminal = shell(&setting, &due(Synced));
        wait_until("the sync", || terminal.home().calls() == "sync --background\n");
        let after = now().seconds();
        let next: u64 = told(&mut terminal, "$_CONFIGSYNC_NEXT").parse().unwrap();
        let wanted = before + seconds..=after + seconds;
        assert!(wanted.contains(&next), "{interval}: {next} is not in {wanted:?}");
    };
    check("3600", 3600);
    check("7", 7);
    check("0", 60);
    check("-5", 60);
}

#[test]
fn an_interval_of_a_second_is_over_after_one() {
    let mut terminal = shell("zstyle ':cfgsync:' interval 1", &due(Synced));
    let mut calls = || {
        terminal.home().publish(&due(Synced));
        terminal.home().publish(&due(Behind));
        terminal.run("");
        terminal.home().calls().lines().count()
    };
    wait_until("a third sync", || calls() >= 3);
}
