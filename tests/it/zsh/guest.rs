//! Where the plugin is loaded by others: oh-my-zsh's loader, and shells that nobody sits at.

use std::fs;
use std::path::PathBuf;

use super::{due, with_path};
use crate::terminal::{Home, PLUGIN, Terminal, bytes, wait_until};
use cfgsync_core::status::SyncState::{Behind, Synced};

/// Where oh-my-zsh is, on a machine that has it.
fn oh_my_zsh() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("ZSH")?);
    folder.join("oh-my-zsh.sh").exists().then_some(folder)
}

/// Does what oh-my-zsh.sh does with plugins and themes, in its order.
const LOADER: &str = "
    setopt prompt_subst
    for plugin ($plugins) {
      [[ -f $ZSH_CUSTOM/plugins/$plugin/$plugin.plugin.zsh ]] && fpath=($ZSH_CUSTOM/plugins/$plugin $fpath)
    }
    autoload -Uz compinit && compinit -u -C -d $HOME/.zcompdump
    _omz_source() { builtin source \"$ZSH_CUSTOM/$1\" }
    for plugin ($plugins) _omz_source plugins/$plugin/$plugin.plugin.zsh
    builtin source $ZSH_CUSTOM/themes/$ZSH_THEME.zsh-theme";

#[test]
#[expect(clippy::print_stdout, reason = "which of the two ran is worth knowing")]
fn a_loader_of_plugins_and_themes_shows_the_segment() {
    let (name, loader) = oh_my_zsh().map_or_else(
        || ("a loader like that of oh-my-zsh".to_owned(), LOADER.to_owned()),
        |folder| {
            let folder = folder.display();
            (
                format!("oh-my-zsh in {folder}"),
                format!("export ZSH={folder}; source $ZSH/oh-my-zsh.sh"),
            )
        },
    );
    println!("with {name}");
    let home = Home::new();
    home.publish(&due(Behind));
    home.stand_in("");
    let theme = "
        local sync_indicator='${CFGSYNC_SEGMENT-}' user_host='%B%n@%m%b '
        PROMPT=\"╭─${sync_indicator}${user_host}
╰─<\\$prompts>%B$%b \"
        RPROMPT='%?'";
    fs::create_dir_all(home.path("custom/themes")).unwrap();
    fs::create_dir_all(home.path("custom/plugins")).unwrap();
    fs::write(home.path("custom/themes/custom-bira.zsh-theme"), theme).unwrap();
    std::os::unix::fs::symlink(PLUGIN, home.path("custom/plugins/configsync")).unwrap();
    let zshrc = format!(
        "ZSH_CUSTOM=$HOME/custom ZSH_THEME=custom-bira DISABLE_AUTO_UPDATE=true
         ZSH_DISABLE_COMPFIX=true plugins=(configsync)
         {loader}"
    );
    let mut terminal = Terminal::start(home, &zshrc);
    terminal.wait_for("theme", |screen| screen.starts_with("╭─↓ "));
    wait_until("the sync", || terminal.home().calls() == "sync --background\n");
    terminal.home().publish(&bytes(Synced));
    terminal.fresh_prompt();
    terminal.wait_for("new icon", |screen| screen.starts_with("╭─✓ "));
    terminal.run("print -r -- $+functions[_cfgsync] $+functions[sync-status] >told");
    assert_eq!(fs::read_to_string(terminal.home().path("told")).unwrap(), "1 1\n");
}

#[test]
fn shells_that_nobody_sits_at_are_silent() {
    let source = with_path("source PLUGIN; print -r -- ${+CFGSYNC_SEGMENT} $precmd_functions");
    let check = |what: &str, arguments: &[&str], input: &str, told: &str| {
        let home = Home::new();
        home.publish(&due(Synced));
        home.stand_in("");
        fs::write(home.path("script"), &source).unwrap();
        fs::write(home.path(".zshenv"), "[[ -v RC ]] && source $HOME/script").unwrap();
        fs::write(home.path(".zshrc"), "source $HOME/script").unwrap();
        fs::write(home.path("input"), input).unwrap();
        let mut command = home.command("zsh");
        command.arg("-d").args(arguments).stdin(fs::File::open(home.path("input")).unwrap());
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{what}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), told, "{what}");
        assert_eq!(home.calls(), "", "{what}");
        assert!(!home.path(".local/state/cfgsync/bells").exists(), "{what}");
    };
    check("a script", &["script"], "", "0\n");
    check("a command", &["-c", "source script"], "", "0\n");
    check("standard input", &[], "source script\n", "0\n");
    check("a login shell for a command", &["-l", "-c", "source script"], "", "0\n");
    check("the environment file", &["-c", "RC=1; source .zshenv"], "", "0\n");
    check("an interactive command", &["-i", "-c", "true"], "", "1 _configsync_precmd\n");
}

#[test]
fn an_instant_prompt_sees_no_output_and_the_sync_is_started() {
    // What powerlevel10k's instant prompt does: it draws a prompt first, and reads nothing from the
    // terminal and catches all output until the first real prompt. Any byte of it is a warning.
    let zshrc = format!(
        "exec {{own_in}}<&0 {{own_out}}>&1 {{own_err}}>&2 0</dev/null 1>$HOME/console 2>&1
         give_back() {{
           exec 0<&$own_in 1>&$own_out 2>&$own_err {{own_in}}>&- {{own_out}}>&- {{own_err}}>&-
           precmd_functions=(${{precmd_functions:#give_back}})
           unfunction give_back
         }}
         source {PLUGIN}/configsync.plugin.zsh
         precmd_functions=(give_back $precmd_functions)"
    );
    let home = Home::new();
    home.publish(&due(Behind));
    home.stand_in("echo out; echo error >&2");
    let mut terminal = Terminal::start(home, &zshrc);
    wait_until("the sync", || terminal.home().calls() == "sync --background\n");
    terminal.run("");
    assert_eq!(fs::read_to_string(terminal.home().path("console")).unwrap(), "");
    assert_eq!(terminal.screen(), "<1>[↓ ]0\n<2>[↓ ]0");
}
