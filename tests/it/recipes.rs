//! The recipes of docs/prompts.md, as they stand there, in the shells they are for.

use std::fs;
use std::os::unix::fs::symlink;

use cfgsync_core::status::SyncState::{Ahead, Behind, Offline, Synced, Syncing};

use crate::terminal::{Home, PLUGIN, Terminal, bytes};

const DOCUMENT: &str = include_str!("../../docs/prompts.md");

/// Returns the code of a recipe: the blocks below its heading.
fn recipe(heading: &str) -> Vec<String> {
    let (_, below) = DOCUMENT.split_once(&format!("\n## {heading}\n")).expect(heading);
    let section = below.split("\n## ").next().unwrap();
    let blocks = section.split("\n```").skip(1).step_by(2);
    blocks.map(|block| block.split_once('\n').unwrap().1.to_owned()).collect()
}

/// Returns a home with the program on its `PATH`, where this is published.
fn home(record: &[u8]) -> Home {
    let home = Home::new();
    symlink(env!("CARGO_BIN_EXE_cfgsync-prompt"), home.path("bin/cfgsync-prompt")).unwrap();
    home.publish(record);
    home
}

/// Starts another program in place of zsh, and waits for what it shows.
fn exec(home: Home, line: &str, shown: &str) -> Terminal {
    let terminal = Terminal::start(home, "");
    terminal.type_keys(&format!("clear; {line}"));
    terminal.press("Enter");
    terminal.wait_for(shown, |screen| screen == shown);
    terminal
}

/// Types a line in a shell that counts no prompts, and waits for how the screen ends.
fn enter(terminal: &Terminal, line: &str, shown: &str) {
    terminal.type_keys(line);
    terminal.press("Enter");
    terminal.wait_for(shown, |screen| screen.ends_with(shown));
}

/// Asserts that a shell knows how wide its prompt is: a line of two lines stays in its place.
fn assert_width(terminal: &Terminal, prompt: &str) {
    let start = terminal.column();
    let long = "0123456789".repeat(9);
    terminal.type_keys(&long);
    let ends = |screen: &str| screen.replace('\n', "").ends_with(&format!("{prompt} {long}"));
    terminal.wait_for("the long line", ends);
    terminal.press("C-a");
    terminal.type_keys("x");
    let moved = |screen: &str| screen.replace('\n', "").ends_with(&format!("{prompt} x{long}"));
    terminal.wait_for("the line, moved", moved);
    assert_eq!(terminal.column(), start + 1);
    terminal.press("C-e");
    terminal.press("C-u");
    terminal.wait_for("an empty line", |screen| screen.ends_with(prompt));
}

#[test]
fn bash_shows_the_light() {
    let [with_command, short] = recipe("bash").try_into().unwrap();
    for (recipe, nothing) in [(with_command, ""), (short, " ")] {
        let home = home(&bytes(Synced));
        let own = "PROMPT_COMMAND='count=$((count + 1));'; PS1='$?:$count bash>'\n";
        fs::write(home.path(".bashrc"), format!("{own}{recipe}")).unwrap();
        let terminal = exec(home, "exec bash -i", "✓ 0:1 bash>");
        assert!(terminal.colours().contains("\x1b[32m✓\x1b[39m 0"), "{}", terminal.colours());
        terminal.home().publish(&bytes(Ahead));
        enter(&terminal, "", "\n↑ 0:2 bash>");
        terminal.home().publish(&bytes(Offline));
        enter(&terminal, "", &format!("\n{nothing}0:3 bash>"));
        terminal.home().publish(&bytes(Behind));
        enter(&terminal, "clear; . ~/.bashrc", "↓ 0:4 bash>");
    }
}

#[test]
fn bash_keeps_the_exit_status_and_the_width() {
    let home = home(&bytes(Synced));
    let own = "PS1='$? bash> '\nPROMPT_COMMAND='last=$?'\n";
    fs::write(home.path(".bashrc"), format!("{own}{}", recipe("bash")[0])).unwrap();
    let terminal = exec(home, "exec bash -i", "✓ 0 bash>");
    enter(&terminal, "(exit 7)", "\n✓ 7 bash>");
    enter(&terminal, "echo last=$last", "\nlast=7\n✓ 0 bash>");
    assert_width(&terminal, "✓ 0 bash>");
    fs::remove_file(terminal.home().path("bin/cfgsync-prompt")).unwrap();
    enter(&terminal, "hash -r; clear", "0 bash>");
    terminal.wait_for("no word", |screen| screen == "0 bash>");
}

#[test]
fn fish_shows_the_light_and_keeps_the_exit_status() {
    let home = home(&bytes(Synced));
    let own = "set fish_greeting\nfunction fish_prompt; echo -n \"$status fish> \"; end\n";
    fs::create_dir_all(home.path(".config/fish")).unwrap();
    let config = format!("{own}{}", recipe("fish")[0]);
    fs::write(home.path(".config/fish/config.fish"), config).unwrap();
    let terminal = exec(home, "exec fish -i", "✓ 0 fish>");
    assert!(terminal.colours().contains("\x1b[32m✓"), "{}", terminal.colours());
    terminal.home().publish(&bytes(Behind));
    enter(&terminal, "false", "\n↓ 1 fish>");
    assert_width(&terminal, "↓ 1 fish>");
    terminal.home().publish(&bytes(Offline));
    enter(&terminal, "true", "\n0 fish>");
    terminal.home().publish(&bytes(Ahead));
    enter(&terminal, "source ~/.config/fish/config.fish", "↑ 0 fish>");
}

#[test]
fn fish_shows_the_light_before_its_usual_prompt() {
    let home = home(&bytes(Synced));
    fs::create_dir_all(home.path(".config/fish")).unwrap();
    let config = format!("set fish_greeting\n{}", recipe("fish")[0]);
    fs::write(home.path(".config/fish/config.fish"), config).unwrap();
    let terminal = Terminal::start(home, "");
    terminal.type_keys("clear; exec fish -i");
    terminal.press("Enter");
    terminal.wait_for("the usual prompt", |screen| {
        screen.starts_with("✓ ") && screen.contains('@') && screen.lines().count() == 1
    });
}

#[test]
fn tmux_shows_the_light() {
    let home = home(&bytes(Synced));
    let own = "set -g status-right 'right'\n";
    fs::write(home.path(".tmux.conf"), format!("{own}{}", recipe("tmux")[0])).unwrap();
    let terminal = Terminal::start(home, "");
    terminal.type_keys("TMUX= exec tmux -u -L inner new-session");
    terminal.press("Enter");
    terminal.wait_for("✓", |screen| screen.ends_with("right ✓"));
    let colours = terminal.colours();
    assert!(colours.contains("\x1b[32m") && !colours.contains("#["), "{colours}");
    for (state, icon) in [(Ahead, "right ↑"), (Syncing, "right ⚡"), (Offline, "right")] {
        terminal.home().publish(&bytes(state));
        terminal.wait_for(icon, |screen| screen.ends_with(icon));
    }
    terminal.home().command("tmux").args(["-L", "inner", "kill-server"]).output().unwrap();
}

#[test]
fn custom_bira_shows_the_light() {
    let theme = "
        setopt prompt_subst
        local user_host='%Bsomebody@host%b ' user_symbol='<$prompts>$' current_dir='%~ '
        local conda_prompt= rvm_ruby= vcs_branch=";
    let zshrc =
        format!("source {PLUGIN}/configsync.plugin.zsh\n{theme}\n{}", recipe("custom-bira")[0]);
    let home = home(&bytes(Ahead));
    let mut terminal = Terminal::start(home, &zshrc);
    assert_eq!(terminal.screen(), "╭─↑ somebody@host ~\n╰─<1>$");
    terminal.home().publish(&bytes(Offline));
    terminal.fresh_prompt();
    terminal.wait_for("no light", |screen| screen == "╭─somebody@host ~\n╰─<2>$");
}

#[test]
fn any_theme_of_zsh_shows_the_light() {
    for heading in ["Any zsh theme", "pure"] {
        let recipe = recipe(heading)[0].replace("/path/to/cfgsync/zsh", PLUGIN);
        let zshrc = format!(
            "source {PLUGIN}/configsync.plugin.zsh
             PROMPT=$'above\\n<$prompts>$ '
             {recipe}"
        );
        let terminal = Terminal::start(home(&bytes(Behind)), &zshrc);
        assert_eq!(terminal.screen(), "↓ above\n<1>$");
    }
}

#[test]
fn the_recipe_of_starship_is_toml_and_asks_for_its_format() {
    let settings: toml::Table = recipe("starship")[0].parse().unwrap();
    let custom = &settings["custom"]["cfgsync"];
    assert_eq!(custom["format"].as_str(), Some("($output )"));
    let mut words = custom["command"].as_str().unwrap().split(' ');
    assert_eq!(words.next(), Some("cfgsync-prompt"));
    let home = home(&bytes(Synced));
    let output = home.command("cfgsync-prompt").args(words).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "\x1b[32m✓\x1b[39m");
}

#[test]
fn every_recipe_of_zsh_is_zsh() {
    for heading in ["custom-bira", "Any zsh theme", "pure", "powerlevel10k"] {
        let home = home(&bytes(Synced));
        fs::write(home.path("recipe"), &recipe(heading)[0]).unwrap();
        let output = home.command("zsh").args(["-n", "recipe"]).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{heading}: {output:?}");
    }
}

#[test]
fn every_block_of_the_page_is_a_recipe_that_is_tried_here() {
    let mut count = 0;
    for (heading, blocks) in [
        ("custom-bira", 1),
        ("Any zsh theme", 1),
        ("pure", 1),
        ("powerlevel10k", 1),
        ("starship", 1),
        ("bash", 2),
        ("fish", 1),
        ("tmux", 1),
    ] {
        assert_eq!(recipe(heading).len(), blocks, "{heading}");
        count += blocks;
    }
    assert_eq!(DOCUMENT.lines().filter(|line| line.starts_with("```")).count(), 2 * count);
}
