//! When the plugin starts a sync, how, and what the prompt shows when it ends. The sync is a shell
//! script that ends when the test says so.

use std::fs;
use std::os::unix::fs::chown;

use cfgsync_core::status::SyncState::{Ahead, Behind, Synced, Syncing};

use super::{due, expired};
use crate::terminal::{Home, Terminal, bytes, damaged, wait_until};

/// Ends when the test says so or is gone, and says that it did.
pub const PATIENT: &str = r#"
while [ -d "$HOME" ] && ! [ -e "$HOME/go" ]; do sleep 0.01; done
echo >"$HOME/done""#;

/// Returns a shell that has just started a sync.
fn with_sync(settings: &str, script: &str) -> Terminal {
    let home = Home::new();
    home.publish(&due(Synced));
    home.stand_in(script);
    let terminal = Terminal::with_plugin(home, settings);
    wait_until("the sync", || !terminal.home().calls().is_empty());
    terminal
}

/// Lets the sync end, and waits for that.
fn finish(home: &Home) {
    fs::write(home.path("go"), "").unwrap();
    wait_until("the sync's end", || home.path("done").exists());
}

#[test]
fn a_due_sync_is_started_without_a_word() {
    let noise = r#"read -r word && echo input >>"$HOME/calls"; echo out; echo error >&2"#;
    let mut terminal = with_sync("", &format!("{noise}; {PATIENT}"));
    terminal.type_keys("half");
    terminal.wait_for("half a line", |screen| screen == "<1>[✓ ]0 half");
    assert_eq!(terminal.interrupt(), "[✓ ]130");
    assert_eq!(terminal.run("wait; jobs"), "[✓ ]0");
    finish(terminal.home());
    assert_eq!(terminal.run(""), "[✓ ]0");
    assert_eq!(terminal.screen(), "<1>[✓ ]0 half\n<2>[✓ ]130 wait; jobs\n<3>[✓ ]0\n<4>[✓ ]0");
    assert_eq!(terminal.home().calls(), "sync --background\n");
}

#[test]
fn a_second_sync_waits_a_minute() {
    let mut terminal = with_sync("", PATIENT);
    finish(terminal.home());
    for state in [Behind, Ahead, Behind] {
        terminal.home().publish(&due(state));
        terminal.run("");
    }
    assert_eq!(terminal.home().calls(), "sync --background\n");
    terminal.run("_CONFIGSYNC_NEXT=0 _CONFIGSYNC_UNTIL=0");
    wait_until("the next sync", || terminal.home().calls().lines().count() == 2);
}

#[test]
fn only_the_last_sync_is_waited_for() {
    let mut terminal = with_sync("", PATIENT);
    terminal.run("_CONFIGSYNC_NEXT=0 _CONFIGSYNC_UNTIL=0");
    wait_until("the second sync", || terminal.home().calls().lines().count() == 2);
    terminal.run("print waiting for $(zle -FL | grep -c _configsync)");
    assert!(terminal.screen().contains("\nwaiting for 1\n"), "{}", terminal.screen());
    finish(terminal.home());
}

#[test]
fn a_started_sync_leaves_the_exit_status() {
    let home = Home::new();
    home.stand_in(PATIENT);
    let mut terminal = Terminal::with_plugin(home, "");
    terminal.home().publish(&due(Synced));
    assert_eq!(terminal.run("(exit 7)"), "[✓ ]7");
    wait_until("the sync", || !terminal.home().calls().is_empty());
    terminal.home().publish(&bytes(Behind));
    finish(terminal.home());
    terminal.wait_for("the same status", |screen| screen.ends_with("[↓ ]7"));
    terminal.run("print status $?");
    assert!(terminal.screen().contains("\nstatus 7\n"), "{}", terminal.screen());
}

#[test]
fn a_started_sync_outlives_its_terminal() {
    let terminal = with_sync("print $$ >$HOME/shell", PATIENT);
    let shell = fs::read_to_string(terminal.home().path("shell")).unwrap();
    terminal.hang_up();
    let alive = || terminal.home().command("kill").args(["-0", shell.trim()]).output();
    wait_until("the shell's end", || !alive().unwrap().status.success());
    finish(terminal.home());
}

#[test]
fn nothing_is_started_when_it_is_not_due_or_not_ours_to_start() {
    let check = |what: &str, settings: &str, record: &[u8]| {
        let home = Home::new();
        home.publish(record);
        home.stand_in("");
        let mut terminal = Terminal::with_plugin(home, settings);
        terminal.run("zle -FL; print next $_CONFIGSYNC_NEXT");
        assert!(terminal.screen().contains("\nnext 0\n"), "{what}: {}", terminal.screen());
        assert_eq!(terminal.home().calls(), "", "{what}");
    };
    check("not due", "", &bytes(Synced));
    check("running", "", &due(Syncing));
    check("switched off", "zstyle ':cfgsync:' background no", &due(Synced));
    check("no line editor", "unsetopt zle", &due(Synced));
    check("a command line", "ZSH_EXECUTION_STRING=x", &due(Synced));
}

#[test]
fn nothing_is_started_in_a_subshell_or_off_the_terminal() {
    let subshell = "(_configsync_precmd; print next $_CONFIGSYNC_NEXT)";
    let off_the_terminal = "_configsync_precmd </dev/null; print next $_CONFIGSYNC_NEXT";
    for line in [subshell, off_the_terminal] {
        let home = Home::new();
        home.stand_in("");
        let mut terminal = Terminal::with_plugin(home, "");
        terminal.home().publish(&due(Synced));
        assert_eq!(terminal.run(&format!("{line}; configsync_plugin_unload")), "[]0");
        assert!(terminal.screen().contains("\nnext 0\n"), "{line}: {}", terminal.screen());
        assert_eq!(terminal.home().calls(), "");
    }
}

#[test]
fn nothing_is_started_for_another_owner() {
    let home = Home::new();
    home.publish(&due(Synced));
    home.stand_in("");
    if chown(home.record(), Some(65534), None).is_err() {
        home.link_record("/etc/passwd".as_ref());
    }
    let mut terminal = Terminal::with_plugin(home, "");
    terminal.run("zle -FL; print next $_CONFIGSYNC_NEXT");
    assert!(terminal.screen().contains("\nnext 0\n"), "{}", terminal.screen());
    assert_eq!(terminal.home().calls(), "");
}

#[test]
fn a_run_that_died_and_a_broken_record_are_due() {
    let check = |what: &str, record: &[u8]| {
        let home = Home::new();
        home.publish(record);
        home.stand_in("");
        let terminal = Terminal::with_plugin(home, "");
        wait_until(what, || terminal.home().calls() == "sync --background\n");
    };
    check("the run after one that died", &expired(Syncing));
    for (what, damaged) in damaged() {
        check(&what, &damaged);
    }
}

#[test]
fn a_missing_program_is_silent() {
    let home = Home::new();
    home.publish(&due(Synced));
    let mut terminal = Terminal::with_plugin(home, "path=($HOME/bin)");
    assert_eq!(terminal.run("print $_CONFIGSYNC_FD"), "[✓ ]0");
    assert_eq!(terminal.screen(), "<1>[✓ ]0 print $_CONFIGSYNC_FD\n0\n<2>[✓ ]0");
}

#[test]
fn the_standing_prompt_shows_the_end_of_a_sync() {
    let terminal = with_sync("", PATIENT);
    terminal.type_keys("half a line");
    terminal.wait_for("half a line", |screen| screen == "<1>[✓ ]0 half a line");
    terminal.home().publish(&bytes(Behind));
    finish(terminal.home());
    terminal.wait_for("new icon", |screen| screen == "<1>[↓ ]0 half a line");
}

#[test]
fn the_standing_prompt_does_not_become_one_of_a_running_sync() {
    let mut terminal = with_sync("", PATIENT);
    terminal.home().publish(&bytes(Syncing));
    finish(terminal.home());
    terminal.type_keys("half a line");
    terminal.wait_for("half a line", |screen| screen == "<1>[✓ ]0 half a line");
    terminal.press("C-u");
    assert_eq!(terminal.run(""), "[⚡ ]0");
}

#[test]
fn a_second_line_of_input_is_not_redrawn() {
    let mut terminal = with_sync("PS2='${CFGSYNC_SEGMENT}more '", PATIENT);
    terminal.type_keys("print 'one");
    terminal.press("Enter");
    terminal.wait_for("second line", |screen| screen.ends_with("✓ more"));
    terminal.home().publish(&bytes(Behind));
    finish(terminal.home());
    assert_eq!(terminal.run("two'"), "[↓ ]0");
    assert_eq!(terminal.screen(), "<1>[✓ ]0 print 'one\n✓ more two'\none\ntwo\n<2>[↓ ]0");
}

#[test]
fn a_completion_menu_keeps_its_entries() {
    let settings = "
        autoload -Uz compinit && compinit -D -u
        zstyle ':completion:*' menu select
        mkdir menu && touch menu/one menu/two";
    let mut terminal = with_sync(settings, PATIENT);
    terminal.type_keys(": menu/");
    terminal.press("Tab");
    terminal.wait_for("list", |screen| screen.ends_with("one  two"));
    terminal.press("Tab");
    terminal.wait_for("selection", |screen| screen.starts_with("<1>[✓ ]0 : menu/one"));
    terminal.home().publish(&bytes(Behind));
    finish(terminal.home());
    terminal.press("Right");
    terminal.wait_for("menu", |screen| screen == "<1>[✓ ]0 : menu/two\none  two");
    terminal.press("Enter");
    assert_eq!(terminal.run(""), "[↓ ]0");
}
