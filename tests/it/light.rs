//! The light, with the real engine in a real shell: every state a person causes, seen at the prompt.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use crate::terminal::{Home, Terminal, wait_until};

const ENGINE: &str = env!("CARGO_BIN_EXE_cfgsync");

const PROMPT: &str = env!("CARGO_BIN_EXE_cfgsync-prompt");

/// Returns a machine that shares `~/.vimrc`, in sync, with the programs on its `PATH`.
pub fn shared() -> Home {
    let home = Home::new();
    symlink(ENGINE, home.path("bin/cfgsync")).unwrap();
    symlink(PROMPT, home.path("bin/cfgsync-prompt")).unwrap();
    done(home.command("git").args(["init", "--quiet", "--bare", "-b", "main", "remote.git"]));
    fs::write(home.path(".vimrc"), "set number\n").unwrap();
    engine(&home, &["setup", home.path("remote.git").to_str().unwrap()]);
    engine(&home, &["mark", ".vimrc"]);
    engine(&home, &["sync"]);
    home
}

/// Returns a shell there.
fn synced() -> Terminal {
    let settings = "export CFGSYNC_MACHINE_KIND=ec2; zstyle ':cfgsync:' background no";
    Terminal::with_plugin(shared(), settings)
}

/// Runs the engine there, which must succeed.
pub fn engine(home: &Home, arguments: &[&str]) {
    done(home.command(ENGINE).env("CFGSYNC_MACHINE_KIND", "ec2").arg("-q").args(arguments));
}

fn done(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_happened_before_a_shell_was_there_is_seen_before_its_first_command() {
    let home = shared();
    // As an app saves that knows no links, at a moment that the clock of files tells from the sync's.
    let changed = |path: &str| fs::metadata(home.path(path)).unwrap().modified().unwrap();
    wait_until("a later moment", || {
        fs::write(home.path("draft"), "set list\n").unwrap();
        changed("draft") > changed(".local/state/cfgsync/record")
    });
    fs::rename(home.path("draft"), home.path(".vimrc")).unwrap();
    let settings = "export CFGSYNC_MACHINE_KIND=ec2; zstyle ':cfgsync:' background no";
    let terminal = Terminal::with_plugin(home, settings);
    terminal.wait_for("the edit", |screen| screen.contains("[↑ ]0"));
}

#[test]
fn an_edit_synced_offline_waits_and_then_is_in_sync() {
    let mut terminal = synced();
    assert_eq!(terminal.run(""), "[✓ ]0");
    terminal.run("mv remote.git away.git; echo 'set list' >>.vimrc");
    assert_eq!(terminal.run("cfgsync -q sync 2>/dev/null"), "[↑ ]5");
    terminal.run("mv away.git remote.git");
    assert_eq!(terminal.run("cfgsync -q sync"), "[✓ ]0");
}

#[test]
fn a_held_file_is_a_cross_until_it_is_decided() {
    let mut terminal = synced();
    let other = terminal.home().path("other");
    let remote = terminal.home().path("remote.git");
    fs::create_dir(&other).unwrap();
    let on_other = |arguments: &[&str]| {
        let mut command = terminal.home().command(ENGINE);
        command.env("HOME", &other).env("CFGSYNC_MACHINE_KIND", "mac");
        done(command.arg("-q").args(arguments));
    };
    on_other(&["setup", remote.to_str().unwrap()]);
    fs::write(other.join(".vimrc"), "set nonumber\n").unwrap();
    on_other(&["sync"]);
    terminal.run("echo 'set relativenumber' >.vimrc");
    assert_eq!(terminal.run("cfgsync -q sync 2>/dev/null"), "[✗ ]4");
    assert_eq!(terminal.run("cfgsync -q resolve .vimrc --ours"), "[✓ ]0");
}

#[test]
fn leaving_the_branch_pauses_it() {
    let mut terminal = synced();
    terminal.run("git -C configs checkout -q --detach");
    assert_eq!(terminal.run("cfgsync -q sync 2>/dev/null"), "[‖ ]8");
    terminal.run("git -C configs checkout -q main");
    assert_eq!(terminal.run("cfgsync -q sync"), "[✓ ]0");
}

/// Waits until the standing prompt ends like this; nobody presses a key.
fn stands(terminal: &Terminal, prompt: &str) {
    terminal.wait_for(prompt, |screen| screen.ends_with(prompt));
}

#[test]
fn an_edit_shows_after_the_command_and_its_undoing_too() {
    let mut terminal = synced();
    terminal.run("cp .vimrc before; echo 'set list' >>.vimrc");
    stands(&terminal, "[↑ ]0");
    terminal.run("cat before >.vimrc");
    stands(&terminal, "[✓ ]0");
    terminal.run("rm .vimrc");
    stands(&terminal, "[↑ ]0");
}

#[test]
fn an_edit_from_elsewhere_shows_at_an_empty_line() {
    let mut terminal = synced();
    fs::write(terminal.home().path(".vimrc"), "set number list\n").unwrap();
    terminal.run("");
    stands(&terminal, "[↑ ]0");
}

#[test]
fn an_edit_among_many_empty_lines_shows_too() {
    let mut terminal = synced();
    // After a command the shell has its bell, and lets its hook rest between empty lines.
    terminal.run(":");
    for round in 0..3 {
        terminal.run("");
        fs::write(terminal.home().path(".vimrc"), format!("set number {round}\n")).unwrap();
        for _ in 0..20 {
            terminal.run("");
        }
        stands(&terminal, "[↑ ]0");
        engine(terminal.home(), &["sync"]);
        stands(&terminal, "[✓ ]0");
    }
}

#[test]
fn a_sync_elsewhere_ends_in_every_standing_prompt() {
    let mut terminal = synced();
    terminal.run("echo 'set list' >>.vimrc");
    stands(&terminal, "[↑ ]0");
    terminal.type_keys("half a line");
    terminal.wait_for("half a line", |screen| screen.ends_with("[↑ ]0 half a line"));
    engine(terminal.home(), &["sync"]);
    terminal.wait_for("✓", |screen| screen.ends_with("[✓ ]0 half a line"));
}

#[test]
fn a_merge_by_hand_pauses_the_light() {
    let mut terminal = synced();
    terminal.run("git -C configs rev-parse HEAD >configs/.git/MERGE_HEAD");
    stands(&terminal, "[‖ ]0");
    terminal.run("rm configs/.git/MERGE_HEAD");
    stands(&terminal, "[✓ ]0");
}

#[test]
fn a_run_that_is_killed_is_not_shown_as_running() {
    let mut terminal = synced();
    // A remote that never answers keeps it going until it is killed.
    let ssh = terminal.home().path("bin/ssh");
    fs::write(&ssh, "#!/bin/sh\nwhile [ -d \"$HOME\" ]; do sleep 0.01; done\n").unwrap();
    fs::set_permissions(&ssh, Permissions::from_mode(0o755)).unwrap();
    terminal.run("git -C configs remote set-url origin ssh://nowhere/configs.git");
    let mut run = terminal.home().command(ENGINE);
    let mut run = run.env("CFGSYNC_MACHINE_KIND", "ec2").args(["-q", "sync"]).spawn().unwrap();
    wait_until("the run", || terminal.run("") == "[⚡ ]0");
    terminal.type_keys("half");
    terminal.wait_for("half a line", |screen| screen.ends_with("[⚡ ]0 half"));
    run.kill().unwrap();
    terminal.wait_for("✗", |screen| screen.ends_with("[✗ ]0 half"));
    run.wait().unwrap();
    terminal.press("C-u");
    assert_eq!(terminal.run(""), "[✗ ]0");
}

#[test]
fn the_prompt_program_carries_neither_git_nor_a_parser() {
    let program = fs::read(env!("CARGO_BIN_EXE_cfgsync-prompt")).unwrap();
    let holds = |words: &[u8]| program.windows(words.len()).any(|window| window == words);
    for words in ["git_repository_open", "clap_builder", "libgit2"] {
        assert!(!holds(words.as_bytes()), "{words}");
    }
    let engine = fs::read(ENGINE).unwrap();
    let words = b"git_repository_open";
    assert!(engine.windows(words.len()).any(|window| window == words), "the search must find");
}
