//! The segment in a theme: sourced in oh-my-zsh's order, and by the snippet.

use cfgsync_core::status::SyncState::{Ahead, Behind, Offline, Synced};

use crate::terminal::{Home, PLUGIN, Terminal, bytes};

/// Sources the plugin from a function and a theme after it, as oh-my-zsh does.
fn oh_my_zsh(theme: &str) -> String {
    format!(
        "mkdir -p $HOME/custom/plugins && ln -s {PLUGIN} $HOME/custom/plugins/configsync
         plugins=(configsync)
         fpath=($HOME/custom/plugins/configsync $fpath)
         load() {{ builtin source \"$1\" }}
         for plugin ($plugins) load $HOME/custom/plugins/$plugin/$plugin.plugin.zsh
         {theme}"
    )
}

#[test]
fn a_theme_of_oh_my_zsh_shows_the_segment() {
    let theme = "
        local sync_indicator='${CFGSYNC_SEGMENT-}' user_host='%n '
        PROMPT=\"╭─${sync_indicator}${user_host}
╰─<\\$prompts>\"";
    let home = Home::new();
    home.publish(&bytes(Behind));
    let mut terminal = Terminal::start(home, &oh_my_zsh(theme));
    terminal.wait_for("theme", |screen| screen.starts_with("╭─↓ "));
    terminal.home().publish(&bytes(Synced));
    terminal.fresh_prompt();
    terminal.wait_for("new icon", |screen| screen.starts_with("╭─✓ "));
    terminal.home().publish(&bytes(Offline));
    terminal.fresh_prompt();
    terminal.wait_for("no icon", |screen| screen.starts_with("╭─") && !screen.contains('✓'));
}

#[test]
fn the_snippet_adds_the_segment_to_a_finished_prompt_once() {
    let check = |prompt: &str, first_line: &str| {
        let theme = format!(
            "PROMPT=$'{prompt}'
             source {PLUGIN}/theme-snippet.zsh
             source {PLUGIN}/theme-snippet.zsh"
        );
        let home = Home::new();
        home.publish(&bytes(Ahead));
        let terminal = Terminal::start(home, &oh_my_zsh(&theme));
        terminal.wait_for("segment", |screen| screen.lines().next() == Some(first_line));
    };
    check("╭─anna\\n╰─<$prompts>", "╭─↑ anna");
    check("anna <$prompts>", "↑ anna <1>");
}

#[test]
fn the_theme_snippet_works_without_the_plugin() {
    let zshrc =
        format!("setopt no_unset; PROMPT='╭─<$prompts>'; source {PLUGIN}/theme-snippet.zsh");
    let terminal = Terminal::start(Home::new(), &zshrc);
    assert_eq!(terminal.screen(), "╭─<1>");
}
