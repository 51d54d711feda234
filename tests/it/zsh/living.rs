//! The plugin with the real engine beside it: what it keeps open, options that break others, and a
//! sync in the background from its start to its end.

#[cfg(target_os = "linux")]
use std::collections::BTreeMap;
use std::fs;
#[cfg(target_os = "linux")]
use std::path::PathBuf;

#[cfg(target_os = "linux")]
use super::terminal::{bells, tmux};
use crate::light::{engine, shared};
use crate::terminal::{Home, PLUGIN, Terminal, wait_until};

/// Starts no sync by itself.
pub const SETTINGS: &str = "export CFGSYNC_MACHINE_KIND=ec2; zstyle ':cfgsync:' background no";

/// Starts one when it is due.
const SYNCING: &str = "export CFGSYNC_MACHINE_KIND=ec2; setopt monitor notify";

/// Makes the next sync due, in the record as it stands.
fn make_due(home: &Home) {
    let mut record = fs::read(home.record()).unwrap();
    record[31..41].copy_from_slice(b"0000000001");
    home.publish(&record);
}

/// Returns the file as the remote has it.
fn sent(home: &Home) -> String {
    let mut git = home.command("git");
    git.args(["-C", "remote.git", "show", "main:external/.vimrc"]);
    String::from_utf8(git.output().unwrap().stdout).unwrap()
}

#[test]
fn a_sync_in_the_background_shows_and_says_nothing_else() {
    let home = shared();
    fs::write(home.path(".vimrc"), "set number list\n").unwrap();
    make_due(&home);
    let mut terminal = Terminal::with_plugin(home, SYNCING);
    wait_until("the sync", || sent(terminal.home()) == "set number list\n");
    let letter = || fs::read(terminal.home().record()).unwrap()[9];
    wait_until("the end of the sync", || letter() == b'S');
    terminal.wait_for("✓", |screen| screen == "<1>[✓ ]0");
    terminal.run("jobs; wait");
    assert_eq!(terminal.run(""), "[✓ ]0");
    assert_eq!(terminal.screen(), "<1>[✓ ]0 jobs; wait\n<2>[✓ ]0\n<3>[✓ ]0");
}

#[test]
fn an_edit_is_sent_a_moment_later_with_nobody_typing() {
    let mut terminal = Terminal::with_plugin(shared(), SYNCING);
    terminal.run("echo 'set list' >>.vimrc");
    terminal.wait_for("↑", |screen| screen.ends_with("[↑ ]0"));
    wait_until("the sync", || sent(terminal.home()).ends_with("set list\n"));
    terminal.wait_for("✓", |screen| screen.ends_with("[✓ ]0"));
    terminal.run("configsync_plugin_unload; print left ${#zsh_scheduled_events}");
    assert!(terminal.screen().contains("\nleft 0\n"), "{}", terminal.screen());
}

#[test]
fn a_look_that_is_due_at_a_prompt_keeps_the_exit_status() {
    for options in ["", "TRAPZERR() { print trapped; }", "setopt err_exit"] {
        let mut terminal = Terminal::with_plugin(shared(), &format!("{SETTINGS}; {options}"));
        terminal.run("echo 'set list' >>.vimrc");
        terminal.wait_for("↑", |screen| screen.ends_with("[↑ ]0"));
        let due = "while (( ${zsh_scheduled_events[1]%%:*} > EPOCHSECONDS )) sleep 0.01";
        assert_eq!(terminal.run(&format!("{due}; ! true")), "[↑ ]1", "{options}");
        assert!(!terminal.screen().contains("\ntrapped"), "{}", terminal.screen());
    }
}

/// Returns whether a shell waits for no answer.
#[cfg(target_os = "linux")]
fn is_settled(open: &BTreeMap<String, PathBuf>) -> bool {
    !open.values().any(|path| path.to_string_lossy().starts_with("pipe:"))
}

/// Returns what the shell of a terminal has open, and under which number.
#[cfg(target_os = "linux")]
fn open_files(terminal: &Terminal) -> BTreeMap<String, PathBuf> {
    let shell = tmux(terminal.home(), &["display-message", "-p", "#{pane_pid}"]);
    let number = |entry: &fs::DirEntry| entry.file_name().into_string().unwrap();
    fs::read_dir(format!("/proc/{shell}/fd"))
        .unwrap()
        .filter_map(Result::ok)
        .filter_map(|entry| Some((number(&entry), fs::read_link(entry.path()).ok()?)))
        .collect()
}

#[test]
#[cfg(target_os = "linux")]
fn unloading_closes_all_that_was_opened() {
    let settings = format!(
        "{SYNCING}; zmodload zsh/datetime zsh/system zsh/zutil zsh/files
        autoload -Uz +X add-zsh-hook"
    );
    let home = shared();
    // Written long before it is run: a program that a process of another test has open for writing,
    // in the moment between its fork and its exec, is not run.
    let ssh = home.path("bin/ssh");
    fs::write(
        &ssh,
        "#!/bin/sh\nwhile [ -d \"$HOME\" ] && ! [ -e \"$HOME/go\" ]; do sleep 0.01; done\n",
    )
    .unwrap();
    assert!(home.command("chmod").arg("+x").arg(&ssh).status().unwrap().success());
    let mut terminal = Terminal::start(home, &settings);
    terminal.run("");
    let before = open_files(&terminal);

    terminal.run(&format!("source {PLUGIN}/configsync.plugin.zsh"));
    terminal.run("echo 'set list' >>.vimrc");
    terminal.wait_for("↑", |screen| screen.ends_with("[↑ ]0"));
    wait_until("the bell", || bells(terminal.home()).iter().any(|name| !name.starts_with("spare")));
    wait_until("the open bell", || open_files(&terminal).len() > before.len());
    // A sync that never ends, of which the shell holds the pulse and the pipe.
    terminal.run("git -C configs remote set-url origin ssh://nowhere/configs.git");
    make_due(terminal.home());
    terminal.run("_CONFIGSYNC_NEXT=0");
    wait_until("the sync", || terminal.run("").contains('⚡'));
    wait_until("three open files more", || open_files(&terminal).len() >= before.len() + 3);

    terminal.run("configsync_plugin_unload");
    terminal.run("");
    wait_until("what was open before", || open_files(&terminal) == before);
    assert!(bells(terminal.home()).iter().all(|name| name.starts_with("spare")));
    fs::write(terminal.home().path("go"), "").unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn sourcing_again_opens_nothing_more() {
    let mut terminal = Terminal::with_plugin(shared(), SETTINGS);
    terminal.run("echo 'set list' >>.vimrc");
    terminal.wait_for("↑", |screen| screen.ends_with("[↑ ]0"));
    let shell = tmux(terminal.home(), &["display-message", "-p", "#{pane_pid}"]);
    wait_until("the bell", || bells(terminal.home()).contains(&shell));
    terminal.run("");
    wait_until("the answers to all questions", || is_settled(&open_files(&terminal)));
    let before = open_files(&terminal);
    for _ in 0..3 {
        terminal.run(&format!("source {PLUGIN}/configsync.plugin.zsh"));
    }
    terminal.wait_for("↑", |screen| screen.ends_with("[↑ ]0"));
    terminal.run("print -r -- ${#${(M)precmd_functions:#_configsync*}} >hooks");
    assert_eq!(fs::read_to_string(terminal.home().path("hooks")).unwrap(), "1\n");
    wait_until("the same open files", || open_files(&terminal) == before);
    engine(terminal.home(), &["sync"]);
    terminal.wait_for("✓", |screen| screen.ends_with("[✓ ]0"));
}

/// Options that change what zsh's words mean.
const HOSTILE: &str = "
    setopt ksh_arrays sh_word_split no_unset err_return glob_subst
    setopt no_clobber rc_quotes null_glob no_bare_glob_qual bsd_echo ksh_glob no_equals
    for word in command builtin local typeset emulate zstyle print return setopt exec zle; do
      \\alias $word='print -r hostile'
    done";

#[test]
fn the_light_changes_under_hostile_options() {
    for (what, zshrc) in [
        ("before", format!("{HOSTILE}\nsource {PLUGIN}/configsync.plugin.zsh")),
        ("behind", format!("source {PLUGIN}/configsync.plugin.zsh\n{HOSTILE}")),
    ] {
        let home = shared();
        let settings = "export CFGSYNC_MACHINE_KIND=ec2";
        let mut terminal = Terminal::start(home, &format!("{settings}\n{zshrc}"));
        terminal.run("echo 'set list' >>.vimrc");
        terminal.wait_for(&format!("↑ {what}"), |screen| screen.ends_with("[↑ ]0"));
        engine(terminal.home(), &["sync"]);
        terminal.wait_for(&format!("✓ {what}"), |screen| screen.ends_with("[✓ ]0"));
        make_due(terminal.home());
        fs::write(terminal.home().path(".vimrc"), "set number list\n").unwrap();
        terminal.run("");
        wait_until("the sync", || sent(terminal.home()) == "set number list\n");
        terminal.wait_for(&format!("✓ {what}"), |screen| screen.ends_with("[✓ ]0"));
        assert_eq!(terminal.run("configsync_plugin_unload"), "[]0");
        assert!(!terminal.screen().contains("hostile"), "{what}: {}", terminal.screen());
        assert_eq!(terminal.screen().lines().count(), 4, "{what}: {}", terminal.screen());
    }
}

#[test]
fn a_shell_that_ends_at_the_first_failure_lives_on() {
    let settings = format!("{SETTINGS}; setopt err_exit");
    let mut terminal = Terminal::with_plugin(shared(), &settings);
    terminal.run("echo 'set list' >>.vimrc");
    terminal.wait_for("↑", |screen| screen.ends_with("[↑ ]0"));
    engine(terminal.home(), &["sync"]);
    terminal.wait_for("✓", |screen| screen.ends_with("[✓ ]0"));
    assert_eq!(terminal.run(""), "[✓ ]0");
}

/// Asserts which programs `doctor` does not find; each is a hint of one line.
fn missed_by_doctor(home: &Home, programs: &[&str]) {
    let mut doctor = home.command(env!("CARGO_BIN_EXE_cfgsync"));
    let output = doctor.env("CFGSYNC_MACHINE_KIND", "ec2").arg("doctor").output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let is_missed = |line: &&str| line.contains(" is no program on your PATH");
    let hints = output.lines().filter(is_missed);
    let missed: Vec<&str> = hints.filter_map(|hint| hint.split_whitespace().nth(1)).collect();
    assert_eq!(missed, programs, "{output}");
}

#[test]
fn programs_that_may_not_be_run_are_missed_in_silence() {
    let home = shared();
    make_due(&home);
    missed_by_doctor(&home, &[]);
    for program in ["cfgsync", "cfgsync-prompt"] {
        let path = home.path("bin").join(program);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "no program\n").unwrap();
    }
    missed_by_doctor(&home, &["cfgsync", "prompt"]);
    let mut terminal = Terminal::with_plugin(home, SYNCING);
    assert_eq!(terminal.run("echo 'set list' >>.vimrc"), "[✓ ]0");
    assert_eq!(terminal.run(""), "[✓ ]0");
    let lines = "<1>[✓ ]0 echo 'set list' >>.vimrc\n<2>[✓ ]0\n<3>[✓ ]0";
    assert_eq!(terminal.screen(), lines);
}

#[test]
fn programs_that_are_gone_are_missed_in_silence() {
    let home = shared();
    make_due(&home);
    fs::remove_file(home.path("bin/cfgsync")).unwrap();
    fs::remove_file(home.path("bin/cfgsync-prompt")).unwrap();
    missed_by_doctor(&home, &["cfgsync", "prompt"]);
    let mut terminal = Terminal::with_plugin(home, SYNCING);
    assert_eq!(terminal.run("echo 'set list' >>.vimrc"), "[✓ ]0");
    assert_eq!(terminal.run(""), "[✓ ]0");
    let lines = "<1>[✓ ]0 echo 'set list' >>.vimrc\n<2>[✓ ]0\n<3>[✓ ]0";
    assert_eq!(terminal.screen(), lines);
}
