//! What a terminal shows and what a shell leaves behind: narrow, with a right prompt, in two windows,
//! and when it is closed at once.

use std::fs;
use std::time::{Duration, Instant};

use cfgsync_core::status::SyncState::{Ahead, Behind, Failed, Held, Paused, Synced, Syncing};
use cfgsync_core::status::{StatusRecord, wire};

use super::background::PATIENT;
use super::due;
use crate::terminal::{Home, PLUGIN, Terminal, bytes, record, wait_until};

/// Runs tmux in the terminal's server and returns what it prints.
pub fn tmux(home: &Home, arguments: &[&str]) -> String {
    let mut command = home.command("tmux");
    let output = command.args(["-L", "it", "-u"]).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Makes the terminal 40 columns wide.
fn narrow(terminal: &Terminal) {
    tmux(terminal.home(), &["resize-window", "-x", "40"]);
    wait_until("40 columns", || {
        tmux(terminal.home(), &["display-message", "-p", "#{pane_width}"]) == "40"
    });
}

/// Returns the names in the folder of the bells, sorted.
pub fn bells(home: &Home) -> Vec<String> {
    let names = fs::read_dir(home.path(".local/state/cfgsync/bells")).into_iter().flatten();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Leaves a bell for a shell to come, as a run does.
fn leave_bell(home: &Home) {
    let spare = home.path(".local/state/cfgsync/bells/spare.0");
    fs::create_dir_all(spare.parent().unwrap()).unwrap();
    assert!(home.command("mkfifo").arg(spare).status().unwrap().success());
}

/// Returns how many cells text takes: all that is shown here takes one, but for `⚡`.
fn cells(text: &str) -> usize {
    text.chars().count() + text.matches('⚡').count()
}

#[test]
fn a_narrow_line_stays_where_it_is_typed() {
    let home = Home::new();
    let mut terminal = Terminal::with_plugin(home, "bindkey -e; RPROMPT='%? ret'");
    narrow(&terminal);
    for state in [Synced, Ahead, Behind, Syncing, Held, Failed, Paused] {
        terminal.home().publish(&bytes(state));
        terminal.fresh_prompt();
        let line = terminal.wait_for("right prompt", |screen| screen.ends_with("0 ret"));
        assert_eq!((line.lines().count(), cells(&line)), (1, 39), "{state:?}: {line}");
        let start = terminal.column();
        let left = line.strip_suffix("0 ret").unwrap().trim_end();
        assert_eq!(start, cells(left) + 1, "{state:?}: {line}");

        terminal.type_keys("bcdefgh");
        terminal.press("C-a");
        terminal.type_keys("a");
        let typed = format!("{left} abcdefgh");
        terminal.wait_for(&typed, |screen| screen.starts_with(&typed));
        wait_until("the cursor behind a", || terminal.column() == start + 1);

        // Over the right prompt, and over the end of the line.
        terminal.press("C-e");
        let long = "0123456789".repeat(4);
        terminal.type_keys(&long);
        let whole = format!("{left} abcdefgh{long}");
        let lines = terminal.wait_for("two lines", |screen| screen.replace('\n', "") == whole);
        assert_eq!(cells(lines.lines().next().unwrap()), 40, "{state:?}: {lines}");
        assert_eq!(terminal.column(), cells(&whole) - 40, "{state:?}: {lines}");
        terminal.press("C-u");
    }
}

#[test]
fn a_theme_of_two_lines_keeps_its_shape_when_narrow() {
    let theme = format!(
        "RPROMPT='%? ret'
         PROMPT=$'╭─%B%F{{green}}somebody@host%f%b %F{{blue}}~/dev%f\\n╰─<$prompts>%B$%b '
         source {PLUGIN}/theme-snippet.zsh
         source {PLUGIN}/configsync.plugin.zsh"
    );
    let mut terminal = Terminal::start(Home::new(), &theme);
    narrow(&terminal);
    for (state, icon) in [(Ahead, "↑"), (Syncing, "⚡"), (Synced, "✓")] {
        terminal.home().publish(&bytes(state));
        let typed = terminal.fresh_prompt().split("0 ret").next().unwrap().trim_end().to_owned();
        assert_eq!(typed, "╰─$");
        terminal.type_keys("print typed");
        let screen = terminal.wait_for("what is typed", |screen| screen.contains("$ print typed"));
        let lines: Vec<&str> = screen.lines().collect();
        assert_eq!(lines[0], format!("╭─{icon} somebody@host ~/dev"));
        assert!(lines[1].ends_with("0 ret") && cells(lines[1]) == 39, "{screen}");
        assert_eq!(lines.len(), 2, "{screen}");
        let before = lines[1].strip_suffix("0 ret").unwrap().trim_end();
        assert_eq!(terminal.column(), cells(before));
        terminal.press("C-u");
    }
}

#[test]
fn a_standing_theme_of_two_lines_is_redrawn_in_place() {
    let theme = format!(
        "PROMPT=$'above\\n╭─somebody\\n╰─<$prompts>$ '
         PROMPT=${{PROMPT#above?}}
         source {PLUGIN}/theme-snippet.zsh
         source {PLUGIN}/configsync.plugin.zsh"
    );
    let home = Home::new();
    home.publish(&due(Synced));
    home.stand_in(PATIENT);
    let terminal = Terminal::start(home, &theme);
    narrow(&terminal);
    wait_until("the sync", || !terminal.home().calls().is_empty());
    terminal.type_keys("half a line");
    terminal.wait_for("half a line", |screen| screen == "╭─✓ somebody\n╰─<1>$ half a line");
    terminal.home().publish(&bytes(Behind));
    fs::write(terminal.home().path("go"), "").unwrap();
    terminal.wait_for("new icon", |screen| screen == "╭─↓ somebody\n╰─<1>$ half a line");
}

#[test]
fn a_shell_that_is_left_at_once_leaves_nothing_behind() {
    let home = Home::new();
    home.publish(&due(Synced));
    home.stand_in(PATIENT);
    let terminal = Terminal::with_plugin(home, "print $$ >$HOME/shell");
    let home = terminal.home();
    tmux(home, &["set-option", "-g", "remain-on-exit", "on"]);
    let ended = home.path("ended");
    for keys in [["exit", "Enter"], ["", "C-d"]] {
        leave_bell(home);
        // The keys are there before the shell is. The status goes to a file: tmux, when it is busy,
        // forgets a child that ended, and then never tells.
        let command = "zsh -d -i; echo $? >$HOME/ended";
        let window = tmux(home, &["new-window", "-d", "-P", "-F", "#{window_id}", command]);
        let press = || tmux(home, &["send-keys", "-t", &window, keys[0], keys[1]]);
        press();
        wait_until("the end of the shell", || {
            // What comes before the line editor does, the kernel reads: its ^D reaches nobody.
            if keys[1] == "C-d" {
                press();
            }
            fs::read_to_string(&ended).is_ok_and(|status| status == "0\n")
        });
        let screen = tmux(home, &["capture-pane", "-p", "-S", "-", "-t", &window]);
        assert!(screen.contains("<1>"), "{screen}");
        for word in ["job", "done", "running", "zsh:", "configsync"] {
            assert!(!screen.contains(word), "{screen}");
        }
        let left = bells(home);
        let shell = fs::read_to_string(home.path("shell")).unwrap();
        assert!(!left.contains(&shell.trim().to_owned()), "{left:?}");
        let _ = fs::remove_file(home.path(".local/state/cfgsync/bells/spare.0"));
        fs::remove_file(&ended).unwrap();
    }
    fs::write(home.path("go"), "").unwrap();
    wait_until("the sync's end", || home.path("done").exists());
}

#[test]
fn a_shell_that_ends_during_a_sync_says_nothing_of_it() {
    let home = Home::new();
    leave_bell(&home);
    home.publish(&due(Synced));
    home.stand_in(PATIENT);
    let settings = "setopt monitor notify check_jobs check_running_jobs hup";
    let terminal = Terminal::with_plugin(home, settings);
    let home = terminal.home();
    let shell = tmux(home, &["display-message", "-p", "#{pane_pid}"]);
    wait_until("the sync", || !home.calls().is_empty());
    wait_until("the bell", || bells(home) == [shell.clone()]);
    tmux(home, &["set-option", "-g", "remain-on-exit", "on"]);
    terminal.type_keys("exit");
    terminal.press("Enter");
    wait_until("the shell's end", || tmux(home, &["display-message", "-p", "#{pane_dead}"]) == "1");
    // tmux scrolls it away when the shell is gone.
    let screen = tmux(home, &["capture-pane", "-p", "-S", "-"]);
    let own: Vec<&str> = screen.lines().filter(|line| !line.contains("Pane is dead")).collect();
    assert_eq!(own.join("\n").trim(), "<1>[✓ ]0 exit");
    assert_eq!(bells(home), [""; 0]);
    fs::write(home.path("go"), "").unwrap();
    wait_until("the sync's end", || home.path("done").exists());
}

#[test]
fn a_bell_that_was_made_too_late_is_taken_down() {
    let home = Home::new();
    home.publish(&wire::encode(&StatusRecord { watched: true, ..record(Synced) }));
    fs::create_dir_all(home.path(".local/state/cfgsync/bells")).unwrap();
    let program = home.path("bin/cfgsync-prompt");
    fs::write(&program, format!("#!/bin/sh\nmkfifo \"$5\"\n{PATIENT}")).unwrap();
    assert!(home.command("chmod").arg("+x").arg(&program).status().unwrap().success());
    let mut terminal = Terminal::with_plugin(home, "");
    terminal.run("true");
    wait_until("the bell", || bells(terminal.home()).len() == 1);
    terminal.type_keys("exit");
    terminal.press("Enter");
    wait_until("no bell", || bells(terminal.home()).is_empty());
    fs::write(terminal.home().path("go"), "").unwrap();
}

#[test]
fn a_bell_of_a_shell_that_was_killed_is_removed_by_the_next_run() {
    let home = crate::light::shared();
    let folder = home.path(".local/state/cfgsync/bells");
    fs::create_dir_all(&folder).unwrap();
    for stale in ["4000000000", "4000000001"] {
        assert!(home.command("mkfifo").arg(folder.join(stale)).status().unwrap().success());
    }
    let mut terminal = Terminal::with_plugin(home, super::living::SETTINGS);
    terminal.run("");
    let home = terminal.home();
    let shell = tmux(home, &["display-message", "-p", "#{pane_pid}"]);
    wait_until("the bell", || bells(home).contains(&shell));
    assert!(bells(home).contains(&"4000000000".to_owned()));
    crate::light::engine(home, &["sync"]);
    let left: Vec<String> =
        bells(home).into_iter().filter(|name| !name.starts_with("spare.")).collect();
    assert_eq!(left, [shell]);
}

#[test]
fn a_sync_in_one_window_shows_in_the_other_at_once() {
    let mut terminal = Terminal::with_plugin(crate::light::shared(), super::living::SETTINGS);
    terminal.run("echo 'set list' >>.vimrc");
    terminal.wait_for("↑", |screen| screen.ends_with("[↑ ]0"));
    let home = terminal.home();
    let shell = tmux(home, &["display-message", "-p", "#{pane_pid}"]);
    wait_until("the bell", || bells(home).contains(&shell));

    let window = tmux(home, &["new-window", "-d", "-P", "-F", "#{window_id}", "exec zsh -d -i"]);
    let other = || tmux(home, &["capture-pane", "-p", "-t", &window]);
    wait_until("the other shell", || other().contains("<1>["));
    tmux(home, &["send-keys", "-t", &window, "cfgsync -q sync", "Enter"]);
    wait_until("the end of the sync", || other().contains("<2>[✓ ]0"));
    let ended = Instant::now();
    terminal.wait_for("✓", |screen| screen.ends_with("[✓ ]0"));
    // Without the bell, it would show a minute later.
    assert!(ended.elapsed() < Duration::from_secs(5), "{:?}", ended.elapsed());
    assert_eq!(terminal.screen().lines().count(), 2, "{}", terminal.screen());
}
