//! What Tab offers: in a living zsh, in bash through its registered function, in fish where it is
//! installed. The program is the real one; so are its repository and what is held in it.

mod hostile;
mod installed;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::terminal::{Home, PLUGIN, Terminal, eventually};

/// The usual start of completion, with the plugin's folder where compinit finds it.
const COMPINIT: &str = "
fpath=(PLUGIN $fpath)
autoload -Uz compinit && compinit -D -u
unsetopt list_ambiguous
export CFGSYNC_MACHINE_KIND=ec2
";

fn compinit() -> String {
    COMPINIT.replace("PLUGIN", PLUGIN)
}

/// Runs a program in a home, which must go well.
#[track_caller]
fn run(home: &Home, program: &str, arguments: &[&str]) -> String {
    let output = command(home, program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn command(home: &Home, program: &str) -> Command {
    let mut command = home.command(program);
    command.env("CFGSYNC_MACHINE_KIND", "ec2");
    command
}

/// A home with the program on `PATH`, and no repository.
fn bare() -> Home {
    let home = Home::new();
    symlink(env!("CARGO_BIN_EXE_cfgsync"), home.path("bin/cfgsync")).unwrap();
    fs::write(home.path(".gitconfig"), "[user]\n\tname = a\n\temail = a@example.com\n").unwrap();
    home
}

/// A home that shares two files and a folder, and has a backup.
fn shared() -> Home {
    let home = bare();
    run(&home, "git", &["init", "--quiet", "--bare", "-b", "main", "remote.git"]);
    run(&home, "cfgsync", &["setup", home.path("remote.git").to_str().unwrap()]);
    fs::create_dir_all(home.path(".config/nvim")).unwrap();
    for file in [".conf", ".vimrc", ".config/nvim/init.lua"] {
        fs::write(home.path(file), "a\nb\nc\n").unwrap();
    }
    run(&home, "cfgsync", &["mark", "--yes", ".conf", ".vimrc", ".config/nvim"]);
    run(&home, "cfgsync", &["sync"]);
    run(&home, "cfgsync", &["backup"]);
    home
}

/// The same, with `~/.conf` held: another clone changed the same line.
fn contested() -> Home {
    let home = shared();
    run(&home, "git", &["clone", "--quiet", "remote.git", "other"]);
    fs::write(home.path("other/external/.conf"), "a\nother\nc\n").unwrap();
    run(&home, "git", &["-C", "other", "commit", "--quiet", "-a", "-m", "other"]);
    run(&home, "git", &["-C", "other", "push", "--quiet"]);
    fs::write(home.path(".conf"), "a\nhere\nc\n").unwrap();
    let sync = command(&home, "cfgsync").arg("sync").output().unwrap();
    assert_eq!(sync.status.code(), Some(4), "{sync:?}");
    home
}

/// Returns the candidates that the program gives a shell, one a line: kind, value, description.
fn answer(home: &Home, words: &[&str]) -> String {
    let output =
        command(home, "cfgsync").env("COMPLETE", "zsh").arg("--").args(words).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Returns their values alone.
fn values(home: &Home, words: &[&str]) -> Vec<String> {
    let value = |line: &str| line.split('\t').nth(1).unwrap().to_owned();
    answer(home, words).lines().map(value).collect()
}

/// Presses Tab behind a line, and returns what stands on the screen when all of it is there.
#[track_caller]
fn tab(terminal: &mut Terminal, line: &str, wanted: &[&str]) -> String {
    // No ^C: as a signal, it could hit the completion before.
    terminal.press("C-u");
    terminal.fresh_prompt();
    terminal.type_keys(line);
    terminal.press("Tab");
    terminal.wait_for(&format!("{wanted:?} behind {line:?}"), |screen| {
        wanted.iter().all(|it| screen.contains(it))
    })
}

#[test]
fn zsh_offers_what_there_is() {
    let mut terminal = Terminal::start(contested(), &compinit());
    let screen = tab(&mut terminal, "cfgsync ", &["unmark", "Stop sharing", "restore", "sync"]);
    assert!(!screen.contains("--verbose"), "{screen}");
    tab(&mut terminal, "cfgsync unmark ", &["~/.conf", "~/.vimrc", "~/.config/nvim"]);
    tab(&mut terminal, "cfgsync unmark ~/.v", &["unmark ~/.vimrc"]);
    tab(&mut terminal, "cfgsync unmark $HOME/.v", &["unmark $HOME/.vimrc"]);
    tab(&mut terminal, "cfgsync unmark .v", &["unmark .vimrc"]);
    tab(&mut terminal, "cfgsync --unmark ~/.v", &["--unmark ~/.vimrc"]);
    tab(&mut terminal, "cfgsync --unm", &["cfgsync --unmark"]);
    tab(&mut terminal, "cfgsync restore ", &["1  ", "asked for", "s1  "]);
    tab(&mut terminal, "cfgsync restore s1 -- ~/.v", &["-- ~/.vimrc"]);
    tab(&mut terminal, "cfgsync resolve ", &["resolve ~/.conf"]);
    tab(&mut terminal, "cfgsync mark rem", &["mark remote.git/"]);
    tab(&mut terminal, "cfgsync --dir=rem", &["--dir=remote.git/"]);
    tab(&mut terminal, "cfgsync undo ", &["added ~/.conf", "mark"]);
    tab(&mut terminal, "cfgsync backup --inc", &["backup --include-local"]);
}

#[test]
fn zsh_completes_the_words_of_the_plugin() {
    let zshrc = format!("{}\nsource {PLUGIN}/configsync.plugin.zsh", compinit());
    let mut terminal = Terminal::start(shared(), &zshrc);
    tab(&mut terminal, "sync-configs --dr", &["sync-configs --dry-run"]);
    tab(&mut terminal, "sync-status --ex", &["sync-status --exit-code"]);
    let screen = tab(&mut terminal, "sync-configs --", &["--force-push", "--no-wait"]);
    assert!(!screen.contains("--exit-code") && !screen.contains("--unmark"), "{screen}");
}

#[test]
fn zsh_completes_under_hostile_options() {
    // Not `builtin`: compsys itself evaluates one under the aliases of the shell.
    let hostile = "
        setopt ksh_arrays sh_word_split no_unset err_return sh_glob no_brace_expand
        alias command='print hostile' compset='print hostile' _describe='print hostile'
        alias compadd='print hostile' _cfgsync='print hostile'";
    let mut terminal = Terminal::start(shared(), &format!("{}\n{hostile}", compinit()));
    tab(&mut terminal, "cfgsync unmark ~/.v", &["unmark ~/.vimrc"]);
    let screen = tab(&mut terminal, "cfgsync --dry", &["cfgsync --dry-run"]);
    assert!(!screen.contains("hostile"), "{screen}");
}

#[test]
fn zsh_starts_nothing_before_tab_and_says_nothing_without_the_program() {
    let home = Home::new();
    home.stand_in("");
    let mut terminal = Terminal::start(home, &compinit());
    assert_eq!(terminal.home().calls(), "");
    tab(&mut terminal, "cfgsync unmark ", &["unmark"]);
    crate::terminal::wait_until("the question", || {
        terminal.home().calls() == "-- cfgsync unmark \n"
    });
    fs::remove_file(terminal.home().path("bin/cfgsync")).unwrap();
    terminal.press("C-u");
    terminal.run("rehash");
    let before = tab(&mut terminal, "cfgsync unmark ", &["unmark"]);
    terminal.type_keys("end");
    terminal.wait_for("nothing but the line", |screen| screen == format!("{before} end"));
}

/// Returns what the registered function of bash gives behind a line, one candidate a line.
fn bash(home: &Home, line: &str, word: &str) -> Vec<String> {
    let script = r#"
        set -u
        eval "$(cfgsync completions bash)"
        registered=$(complete -p cfgsync) registered=${registered#*-F }
        COMP_LINE=$1 COMP_POINT=${#1}
        "${registered%% *}" cfgsync "$2" ""
        printf '%s\n' ${COMPREPLY[@]+"${COMPREPLY[@]}"}"#;
    let output = command(home, "bash").args(["-c", script, "bash", line, word]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_offers_what_there_is() {
    let home = contested();
    let marked = ["~/.conf", "~/.config/nvim", "~/.vimrc"];
    assert_eq!(bash(&home, "cfgsync unmark ", ""), marked);
    assert_eq!(bash(&home, "cfgsync unmark ~/.v", "~/.v"), ["~/.vimrc"]);
    assert_eq!(bash(&home, "cfgsync unmark '~/.v", "~/.v"), ["~/.vimrc"]);
    assert_eq!(bash(&home, "cfgsync resolve ", ""), ["~/.conf"]);
    assert_eq!(bash(&home, "cfgsync --dr", "--dr"), ["--dry-run"]);
    assert_eq!(bash(&home, "cfgsync --unm", "--unm"), ["--unmark"]);
    assert!(bash(&home, "cfgsync restore ", "").contains(&"1".to_owned()));
    assert!(bash(&home, "cfgsync ", "").contains(&"unmark".to_owned()));
    // What stands before a `=` is no part of the word there.
    assert_eq!(bash(&home, "cfgsync --color=al", "al"), ["always"]);
    assert_eq!(bash(&bare(), "cfgsync unmark ", ""), [""; 0]);
}

/// Returns what fish offers behind a line; nothing where it is not installed.
fn fish(home: &Home, line: &str) -> Option<String> {
    let script = "cfgsync completions fish | source; complete --do-complete=$argv[1]";
    let mut fish = command(home, "fish");
    let output = fish.args(["--no-config", "-c", script, line]).output().ok()?;
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn fish_offers_what_there_is() {
    let home = contested();
    let Some(marked) = fish(&home, "cfgsync unmark ") else { return };
    let values: Vec<&str> = marked.lines().map(str::trim_end).collect();
    assert_eq!(values, ["~/.conf", "~/.config/nvim", "~/.vimrc"]);
    let check = |line: &str, wanted: &str| {
        let offered = fish(&home, line).unwrap();
        assert!(offered.contains(wanted), "{line}: {offered}");
    };
    check("cfgsync --unmark ~/.v", "~/.vimrc");
    check("cfgsync resolve ", "~/.conf");
    check("cfgsync restore ", "asked for");
    check("cfgsync sync --dr", "--dry-run\tShow what would happen");
    check("cfgsync mark rem", "remote.git/");
    check("cfgsync --dir=rem", "--dir=remote.git/");
}

#[test]
fn states_are_offered_newest_first_and_files_that_are_gone_too() {
    let home = shared();
    let offered = answer(&home, &["cfgsync", "restore", ""]);
    assert!(offered.starts_with("word\t1\t"), "{offered}");
    let at = |id: &str| offered.find(&format!("\t{id}\t")).unwrap_or_else(|| panic!("{id}"));
    assert!(at("s2") < at("s1"), "{offered}");
    fs::write(home.path("configs/gone"), "x").unwrap();
    run(&home, "cfgsync", &["sync"]);
    fs::remove_file(home.path("configs/gone")).unwrap();
    run(&home, "cfgsync", &["sync", "--yes"]);
    let paths = values(&home, &["cfgsync", "restore", "--", ""]);
    assert!(paths.contains(&"~/configs/gone".to_owned()), "{paths:?}");
    let named = values(&home, &["cfgsync", "restore", "1", "--", ""]);
    assert!(named.contains(&"~/.vimrc".to_owned()), "{named:?}");
    let known = values(&home, &["cfgsync", "diff", ""]);
    assert!(!known.contains(&"~/configs/gone".to_owned()), "{known:?}");
}

#[test]
fn many_paths_are_offered_folder_by_folder() {
    let home = shared();
    fs::create_dir_all(home.path("configs/deep/er")).unwrap();
    for number in 0..120 {
        fs::write(home.path(&format!("configs/deep/er/{number}")), "x").unwrap();
    }
    run(&home, "cfgsync", &["sync"]);
    assert_eq!(
        values(&home, &["cfgsync", "diff", ""]),
        ["~/.conf", "~/.config/", "~/.vimrc", "~/configs/"]
    );
    let mut terminal = Terminal::start(home, &compinit());
    tab(&mut terminal, "cfgsync diff ~/co", &["diff ~/configs/"]);
    terminal.type_keys("de");
    terminal.press("Tab");
    terminal.wait_for("the next folder", |screen| screen.contains("diff ~/configs/deep/"));
    terminal.type_keys("er/7");
    terminal.press("Tab");
    terminal.wait_for("files", |screen| screen.contains("er/79"));
}

#[test]
fn the_repository_on_the_line_is_the_one_that_is_asked() {
    let home = shared();
    fs::rename(home.path("configs"), home.path("elsewhere")).unwrap();
    assert_eq!(values(&home, &["cfgsync", "unmark", ""]), [""; 0]);
    for dir in ["--dir=~/elsewhere", "--dir=$HOME/elsewhere", "--dir=elsewhere"] {
        assert_eq!(values(&home, &["cfgsync", dir, "unmark", ""]).len(), 3, "{dir}");
    }
}

/// Every path below a folder with its bytes and its time of change.
fn everything(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, entry) = (entry.path(), entry.path().symlink_metadata().unwrap());
        found.push(format!("{} {:?}", path.display(), entry.modified().unwrap()));
        if entry.is_dir() {
            found.extend(everything(&path));
        }
    }
    found.sort();
    found
}

#[test]
fn an_answer_needs_no_network_takes_no_lock_and_leaves_no_trace() {
    let home = contested();
    fs::rename(home.path("remote.git"), home.path("unplugged.git")).unwrap();
    let state = home.path(".local/state/cfgsync");
    let mut folders = fs::read_dir(state).unwrap().map(|it| it.unwrap().path());
    let state = folders.find(|it| it.join("vault").exists()).unwrap();
    for name in ["lock", "running"] {
        // Whoever wants the lock waits until the test is over.
        let lock = fs::File::options().create(true).append(true).open(state.join(name)).unwrap();
        lock.lock().unwrap();
        std::mem::forget(lock);
    }
    // Whatever opens the vault to write makes this first.
    fs::remove_dir(home.path("configs/.sync/displaced")).unwrap();
    let before = everything(&home.path(""));
    for line in ["unmark", "restore", "resolve", "diff", "undo", "mark", "backup --verify"] {
        let words: Vec<&str> = ["cfgsync"].into_iter().chain(line.split(' ')).chain([""]).collect();
        let mut asked = command(&home, "cfgsync");
        asked.env("COMPLETE", "zsh").arg("--").args(words).stdout(Stdio::piped());
        let mut asked = asked.spawn().unwrap();
        let has_ended = eventually(|| asked.try_wait().unwrap().is_some());
        // One that waits for the lock would wait for ever.
        let _ = asked.kill();
        assert!(has_ended, "{line}");
        assert_ne!(asked.wait_with_output().unwrap().stdout, b"", "{line}");
    }
    assert_eq!(everything(&home.path("")), before);
}

#[test]
fn damage_offers_nothing_and_says_nothing() {
    let home = shared();
    fs::write(home.path("configs/.sync/config.toml"), "interval = [").unwrap();
    assert_eq!(answer(&home, &["cfgsync", "unmark", ""]), "");
    assert_eq!(answer(&bare(), &["cfgsync", "restore", ""]), "");
    for words in [&[][..], &["cfgsync"], &["", ""], &["cfgsync", "no-such", ""]] {
        let _ = answer(&bare(), words);
    }
}

#[test]
fn the_variable_takes_no_command_from_anybody() {
    let home = shared();
    let run = |shell: &str, arguments: &[&str]| {
        let output = command(&home, "cfgsync").env("COMPLETE", shell).args(arguments).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert!(run("zsh", &["list"]).contains("~/.vimrc"));
    assert!(run("something else", &["list"]).contains("~/.vimrc"));
    for shell in ["zsh", "bash", "fish"] {
        assert_eq!(run(shell, &[]), run("", &["completions", shell]));
    }
}
