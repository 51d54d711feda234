//! The zsh plugin in a living shell: what the prompt shows, and that the shell stays as it was.

mod background;
mod guest;
mod living;
mod settings;
mod terminal;
mod theme;
mod traced;

use std::fs;
use std::process::Output;

use cfgsync_core::status::SyncState::{
    Ahead, Behind, Failed, Held, Offline, Paused, Synced, Syncing,
};
use cfgsync_core::status::{StatusRecord, SyncState, wire};
use cfgsync_core::time::UnixTime;

use crate::terminal::{Home, PLUGIN, Terminal, bytes, damaged, now, record, wait_until};

/// Returns a record whose next sync is due.
fn due(state: SyncState) -> [u8; wire::LENGTH] {
    wire::encode(&StatusRecord { due: now(), ..record(state) })
}

/// Returns a record whose claim is too old, and whose next sync is due.
fn expired(state: SyncState) -> [u8; wire::LENGTH] {
    let earlier = UnixTime(now().0 - 2000);
    wire::encode(&StatusRecord { due: earlier, deadline: earlier, ..record(state) })
}

/// Returns a script with the plugin's path in place of `PLUGIN`.
fn with_path(script: &str) -> String {
    script.replace("PLUGIN", &format!("{PLUGIN}/configsync.plugin.zsh"))
}

/// Runs a script in an interactive zsh without a terminal.
fn interactive(home: &Home, script: &str) -> Output {
    home.command("zsh")
        .args(["-f", "-i", "-c", &with_path(script)])
        .output()
        .expect("these tests need zsh")
}

/// Returns what a script prints; it may print no error.
fn printed(home: &Home, script: &str) -> String {
    let output = interactive(home, script);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_state_shows_at_the_next_prompt() {
    let home = Home::new();
    let mut terminal = Terminal::with_plugin(home, "");
    let mut check = |state, prompt: &str, colour: &str| {
        terminal.home().publish(&bytes(state));
        assert_eq!(terminal.fresh_prompt(), prompt);
        assert!(terminal.colours().contains(colour), "{state:?}: {:?}", terminal.colours());
    };
    check(Synced, "[✓ ]0", "\x1b[32m✓");
    check(Ahead, "[↑ ]0", "\x1b[33m↑");
    check(Behind, "[↓ ]0", "\x1b[36m↓");
    check(Syncing, "[⚡ ]0", "\x1b[34m⚡");
    check(Held, "[✗ ]0", "\x1b[31m✗");
    check(Synced, "[✓ ]0", "\x1b[32m✓");
    check(Failed, "[✗ ]0", "\x1b[31m✗");
    check(Paused, "[‖ ]0", "\x1b[33m‖");
    check(Offline, "[]0", "[]");
}

#[test]
fn the_first_prompt_shows_the_record() {
    let home = Home::new();
    home.publish(include_bytes!("../golden/status-record-1.bin"));
    let terminal = Terminal::with_plugin(home, "");
    assert_eq!(terminal.screen(), "<1>[↑ ]0");
}

#[test]
fn the_first_prompt_shows_a_record_with_a_watch_list() {
    let home = Home::new();
    home.publish(include_bytes!("../golden/status-record-1-watched.bin"));
    let terminal = Terminal::with_plugin(home, "");
    assert_eq!(terminal.screen(), "<1>[↑ ]0");
}

#[test]
fn no_record_shows_nothing() {
    let mut terminal = Terminal::with_plugin(Home::new(), "");
    terminal.fresh_prompt();
    assert_eq!(terminal.screen(), "<2>[]0");
}

#[test]
fn a_claim_ends_at_its_deadline() {
    let mut terminal = Terminal::with_plugin(Home::new(), "zstyle ':cfgsync:' background no");
    let mut check = |state, prompt: &str| {
        terminal.home().publish(&expired(state));
        assert_eq!(terminal.fresh_prompt(), prompt);
    };
    check(Syncing, "[✗ ]0");
    check(Synced, "[]0");
    check(Ahead, "[↑ ]0");
    check(Held, "[✗ ]0");
}

#[test]
fn the_same_bytes_are_judged_again_when_their_time_passes() {
    let mut terminal = Terminal::with_plugin(Home::new(), "");
    terminal.home().publish(&wire::encode(&StatusRecord {
        deadline: now().after_seconds(2),
        ..record(Synced)
    }));
    assert_eq!(terminal.fresh_prompt(), "[✓ ]0");
    let deadline = now().after_seconds(3);
    wait_until("the deadline", || now() > deadline);
    assert_eq!(terminal.fresh_prompt(), "[]0");
}

#[test]
fn damage_shows_nothing_and_says_nothing() {
    let mut terminal = Terminal::with_plugin(Home::new(), "zstyle ':cfgsync:' background no");
    for (what, damaged) in damaged() {
        terminal.home().publish(&bytes(Synced));
        assert_eq!(terminal.fresh_prompt(), "[✓ ]0");
        terminal.home().publish(&damaged);
        assert_eq!(terminal.fresh_prompt(), "[]0", "{what}");
        assert_eq!(terminal.screen().lines().count(), 1, "{what}: {}", terminal.screen());
    }
    let evil = terminal.home().path("evil");
    assert!(!evil.exists());
}

#[test]
fn what_is_no_regular_file_shows_nothing() {
    let home = Home::new();
    assert!(home.command("mkfifo").arg(home.path("fifo")).status().unwrap().success());
    let mut terminal = Terminal::with_plugin(home, "");
    for target in ["fifo", "bin", "gone"] {
        terminal.home().link_record(&terminal.home().path(target));
        assert_eq!(terminal.fresh_prompt(), "[]0", "{target}");
        assert_eq!(terminal.screen().lines().count(), 1, "{target}");
    }
}

#[test]
fn every_icon_has_the_width_zsh_thinks_it_has() {
    let mut terminal = Terminal::with_plugin(Home::new(), "RPROMPT='|'");
    for state in [Synced, Ahead, Behind, Syncing, Held, Failed, Paused] {
        terminal.home().publish(&bytes(state));
        terminal.fresh_prompt();
        let wide = usize::from(state == Syncing);
        let line = terminal.wait_for("right prompt", |screen| screen.ends_with('|'));
        assert_eq!(line.chars().count() + wide, 79, "{state:?}: {line}");
        let left = line.trim_end_matches('|').trim_end().chars().count() + wide + 1;
        assert_eq!(terminal.column(), left, "{state:?}: {line}");
    }
}

#[test]
fn settings_change_icon_colour_and_count() {
    let settings = "
        zstyle ':cfgsync:' show-counts yes
        zstyle ':cfgsync:synced' icon ''
        zstyle ':cfgsync:ahead' icon 'up'
        zstyle ':cfgsync:behind' color 208
        CFGSYNC_RECORD=$HOME/elsewhere";
    let mut terminal = Terminal::with_plugin(Home::new(), settings);
    let mut check = |record: StatusRecord, prompt: &str| {
        fs::write(terminal.home().path("elsewhere"), wire::encode(&record)).unwrap();
        assert_eq!(terminal.fresh_prompt(), prompt);
    };
    check(record(Synced), "[]0");
    check(record(Ahead), "[up4 ]0");
    check(StatusRecord { pending: 0, ..record(Ahead) }, "[up2 ]0");
    check(record(Held), "[✗5 ]0");
    check(StatusRecord { behind: 0, ..record(Behind) }, "[↓ ]0");
    check(record(Behind), "[↓3 ]0");
    assert!(terminal.colours().contains("\x1b[38;5;208m↓3"), "{:?}", terminal.colours());
}

#[test]
#[cfg(target_os = "linux")]
fn a_prompt_starts_no_process() {
    let home = Home::new();
    home.publish(&bytes(Ahead));
    // The kernel adds up the page faults of the children a process waited for; a child has some.
    let script = "
        source PLUGIN
        integer before faults
        faults() { local stat=$(</proc/self/stat); faults=${${=stat##*\\)}[9]} }
        faults; before=$faults
        repeat 10; do _configsync_precmd; _CONFIGSYNC_UNTIL=0; done
        faults; print -r -- $(( faults - before )) $CFGSYNC_SEGMENT
        : $(:); faults; (( faults > before )) && print counted";
    assert_eq!(printed(&home, script), "0 %F{yellow}↑%f \ncounted\n");
}

#[test]
fn whoever_types_goes_first() {
    let home = Home::new();
    home.publish(&bytes(Synced));
    assert!(home.command("mkfifo").arg(home.path("keys")).status().unwrap().success());
    // In place of the terminal, a FIFO: a key that waits puts off what takes a moment, and stays.
    let script = "
        source PLUGIN
        zle() { : }
        _configsync_look() { print -r -- looked }
        exec {keys}<>$HOME/keys
        print -nu $keys k
        _CONFIGSYNC_WAITS=EPOCHREALTIME; _configsync_idle 0 <&$keys
        (( _CONFIGSYNC_WAITS )) && print -r -- put off
        sysread -i $keys key; print -r -- $key
        _configsync_idle 0 <&$keys; print -r -- $(( _CONFIGSYNC_WAITS )) ${+REPLY}
        print -nu $keys k
        _CONFIGSYNC_WAITS=EPOCHREALTIME; while (( _CONFIGSYNC_WAITS )) _configsync_idle 0 <&$keys";
    assert_eq!(printed(&home, script), "put off\nk\nlooked\n0. 0\nlooked\n");
}

#[test]
fn a_look_at_watched_files_keeps_what_is_known_of_commands() {
    let home = Home::new();
    home.publish(&wire::encode(&StatusRecord { watched: true, ..record(Synced) }));
    fs::write(home.path(".local/state/cfgsync/watched"), "\0/nowhere\0/nowhere/else").unwrap();
    let script = "
        source PLUGIN
        hash learnt=/bin/true
        _configsync_precmd; _configsync_verify 0
        print -r -- $#_configsync_watched $commands[learnt]";
    assert_eq!(printed(&home, script), "2 /bin/true\n");
}

#[test]
fn a_hook_that_rests_keeps_its_place() {
    let script = "
        before() { print -r -- before }; after() { print -r -- after }
        precmd_functions=(before); source PLUGIN; precmd_functions+=(after)
        _CONFIGSYNC_BELL=1 _CONFIGSYNC_UNTIL=9000000000
        _configsync_rest; print -r -- $precmd_functions
        for hook in $precmd_functions; do $hook; done
        source PLUGIN; print -r -- $precmd_functions; _CONFIGSYNC_UNTIL=9000000000
        _configsync_rest; print -r -- $precmd_functions; _configsync_preexec; print -r -- $precmd_functions
        _configsync_rest; _CONFIGSYNC_BELL=0; configsync_plugin_unload
        print -r -- $precmd_functions, $zsh_scheduled_events";
    let told = "before : after\nbefore\nafter\nbefore after _configsync_precmd\n\
                before after :\nbefore after _configsync_precmd\nbefore after,\n";
    assert_eq!(printed(&Home::new(), script), told);
}

#[test]
fn hostile_options_and_aliases_are_harmless_and_kept() {
    let hostile = "
        setopt ksh_arrays sh_word_split no_unset err_return sh_glob no_brace_expand
        setopt warn_create_global posix_identifiers no_multi_os octal_zeroes
        for word in command builtin local typeset emulate zstyle print return setopt exec zle; do
          alias $word='print -r hostile'
        done
        alias -g -- --='hostile'
        kept() { \\setopt; \\alias; \\whence -f precmd; }
        kept >|$HOME/before
        source PLUGIN
        kept >|$HOME/after";
    let home = Home::new();
    home.stand_in("printf '%s\\n' \"$#\"; exit 7");
    home.publish(&due(Synced));
    let mut terminal = Terminal::start(home, &with_path(hostile));
    assert_eq!(terminal.screen(), "<1>[✓ ]0");
    wait_until("the sync", || terminal.home().calls() == "sync --background\n");
    terminal.home().publish(&bytes(Ahead));
    assert_eq!(terminal.run(""), "[↑ ]0");
    assert_eq!(
        fs::read_to_string(terminal.home().path("before")).unwrap(),
        fs::read_to_string(terminal.home().path("after")).unwrap()
    );
    assert_eq!(terminal.run("sync-status 'a b' 'c d'"), "[↑ ]7");
    terminal.wait_for("count of arguments", |screen| screen.contains("\n3\n"));
    assert_eq!(terminal.run("configsync_plugin_unload; \\whence sync-configs"), "[]1");
    assert!(!terminal.screen().contains("print -r hostile"), "{}", terminal.screen());
}

#[test]
fn the_commands_hand_on_arguments_and_exit_status() {
    let home = Home::new();
    home.publish(&bytes(Paused));
    home.stand_in("exit 3");
    let script = "
        source PLUGIN
        sync-configs --dry-run 'a b'; print $?
        sync-status --json; print $?
        _configsync_precmd; sync_indicator";
    assert_eq!(printed(&home, script), "3\n3\n%F{yellow}‖%f ");
    assert_eq!(home.calls(), "sync --dry-run a b\nstatus --json\n");
}

#[test]
fn loading_twice_is_loading_once() {
    let script = "
        autoload -Uz add-zsh-hook
        theirs() { : }
        add-zsh-hook precmd theirs
        source PLUGIN && source PLUGIN && print -r -- $precmd_functions";
    assert_eq!(printed(&Home::new(), script), "theirs _configsync_precmd\n");
}

#[test]
fn a_shell_without_a_person_gets_nothing() {
    let home = Home::new();
    home.publish(&due(Synced));
    home.stand_in("");
    let script = format!(
        "source {PLUGIN}/configsync.plugin.zsh
         print -r -- ${{+functions[sync-status]}} ${{+CFGSYNC_SEGMENT}} $precmd_functions"
    );
    let output = home.command("zsh").args(["-f", "-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0 0\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");

    let silent = "source PLUGIN; _configsync_precmd; ( _configsync_precmd ); zle -FL";
    assert_eq!(printed(&home, silent), "");
    assert_eq!(home.calls(), "");
}

#[test]
fn unloading_leaves_the_shell_as_it_was() {
    let home = Home::new();
    home.publish(&due(Synced));
    home.stand_in(background::PATIENT);
    let zshrc = "
        zmodload zsh/datetime zsh/system zsh/parameter zsh/zleparameter
        autoload -Uz add-zsh-hook
        theirs() { : }
        add-zsh-hook precmd theirs
        state() {
          emulate -L zsh -o extended_glob
          print -rl -- ${(kv)parameters[(I)^(LINENO|_)]} ${(ok)functions} ${(okv)aliases}
          print -rl -- ${(kv)options} $precmd_functions $fpath ${(ok)widgets} /dev/fd/*(N)
          zle -FL
          zstyle -L
        }";
    let mut terminal = Terminal::start(home, zshrc);
    let state = |terminal: &mut Terminal, name: &str| {
        terminal.run(&format!("state >|$HOME/{name}"));
        fs::read_to_string(terminal.home().path(name)).unwrap()
    };
    state(&mut terminal, "warm");
    let before = state(&mut terminal, "before");
    terminal.run(&format!("source {PLUGIN}/configsync.plugin.zsh"));
    wait_until("the sync", || !terminal.home().calls().is_empty());
    let loaded = state(&mut terminal, "loaded");
    for word in ["sync-status", "CFGSYNC_SEGMENT", "_configsync_precmd", "_configsync_ended"] {
        assert!(loaded.contains(word), "{word}");
    }
    assert!(!loaded.contains("_configsync_load") && !loaded.contains("_configsync_options"));
    terminal.run("configsync_plugin_unload");
    assert_eq!(before, state(&mut terminal, "after"));
    terminal.fresh_prompt();
    assert_eq!(terminal.screen().lines().count(), 1, "{}", terminal.screen());
}
