//! The shells that are compared: bare zsh and oh-my-zsh with bira, each with the plugin and without.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::kit::machine::{ENGINE, Machine};

/// Where `make install` puts the plugin, below the home.
const INSTALLED: &str = ".local/share/cfgsync";

/// What the settings of a shell are besides the plugin.
#[derive(Debug, Clone)]
pub enum Kind {
    Bare,
    /// oh-my-zsh in this folder.
    OhMyZsh(PathBuf),
    /// A stand-in where oh-my-zsh is not installed: sources in its order, prompts as bira does.
    Alike,
}

impl Kind {
    /// Returns the oh-my-zsh that is installed, or its stand-in.
    pub fn theme() -> Self {
        let named = std::env::var_os("ZSH").map(PathBuf::from);
        let usual = std::env::var_os("HOME").map(|home| Path::new(&home).join(".oh-my-zsh"));
        let is_there = |folder: &PathBuf| folder.join("themes/bira.zsh-theme").is_file();
        [named, usual].into_iter().flatten().find(is_there).map_or(Self::Alike, Self::OhMyZsh)
    }

    /// Returns what a table calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bare => "bare zsh",
            Self::OhMyZsh(_) => "oh-my-zsh with bira",
            Self::Alike => "a stand-in for oh-my-zsh with bira",
        }
    }

    fn zshrc(&self, plugin: Plugin) -> String {
        let plugin = plugin == Plugin::Loaded;
        let said = |line: String| if plugin { line } else { String::new() };
        let source = said(format!("() {{ builtin source ~/{INSTALLED}/configsync.plugin.zsh }}"));
        let snippet = said(format!("source ~/{INSTALLED}/theme-snippet.zsh"));
        match self {
            Self::Bare if plugin => {
                format!("{source}\nsetopt prompt_subst\nPROMPT='${{CFGSYNC_SEGMENT-}}%~ %# '")
            }
            Self::Bare => "PROMPT='%~ %# '".to_owned(),
            Self::OhMyZsh(folder) => format!(
                "ZSH={} ZSH_THEME=bira ZSH_CUSTOM=$HOME/custom ZSH_CACHE_DIR=$HOME/.cache/zsh
                 ZSH_COMPDUMP=$ZDOTDIR/.zcompdump ZSH_DISABLE_COMPFIX=true
                 zstyle ':omz:update' mode disabled
                 plugins=(git {})
                 source $ZSH/oh-my-zsh.sh
                 {snippet}",
                folder.display(),
                if plugin { "configsync" } else { "" }
            ),
            Self::Alike => format!("{ALIKE}\n{source}\n{THEME}\n{snippet}"),
        }
    }
}

/// A prompt that runs as many functions as bira's.
const ALIKE: &str = "
autoload -Uz compinit colors; compinit -d $ZDOTDIR/.zcompdump; colors
setopt prompt_subst
for name in conda git hg ruby virtualenv; do functions[${name}_prompt_info]='return 1'; done";

const THEME: &str = r#"
() {
  local user_host="%B%n@%m%{$reset_color%} " current_dir="%B%{$fg[blue]%}%~ %{$reset_color%}"
  PROMPT='╭─$(conda_prompt_info)'$user_host$current_dir'$(ruby_prompt_info)$(git_prompt_info)'
  PROMPT+='$(hg_prompt_info)$(virtualenv_prompt_info)'$'\n╰─%B$%b '
}"#;

/// Whether the plugin is in a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plugin {
    Loaded,
    Absent,
}

/// Prompts end in a sign of their own, and the measuring functions lie ready.
const BENCH: &str = r"
zmodload zsh/datetime zsh/zselect
PROMPT+='»'
typeset -g bench_folder=$HOME
source $HOME/bench.zsh
";

/// Puts the plugin where a person has it.
fn install(machine: &Machine) {
    let home = machine.home();
    fs::create_dir_all(home.join("custom")).expect("a folder");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/install.sh");
    let programs = Path::new(ENGINE).parent().expect("a folder");
    let mut command = machine.command("bash");
    command.arg(script).arg(programs).env("PREFIX", home.join(".local"));
    let output = command.env("ZSH_CUSTOM", home.join("custom")).output().expect("bash");
    assert!(output.status.success(), "{output:?}");
}

/// The folder of a shell's settings, and how it is started.
pub fn command(machine: &Machine, kind: &Kind, plugin: Plugin, through: &[&str]) -> Command {
    let home = machine.home();
    let folder = home.join(format!("{}-{plugin:?}", kind.name().replace(' ', "-")));
    if !folder.exists() {
        fs::create_dir_all(&folder).expect("a folder");
        install(machine);
        fs::write(home.join("bench.zsh"), include_str!("inside.zsh")).expect("a file");
        let zshrc = format!("{}\n{BENCH}", kind.zshrc(plugin));
        fs::write(folder.join(".zshrc"), zshrc).expect("a file");
    }
    let words: Vec<&str> = through.iter().copied().chain(["zsh", "-d", "-i"]).collect();
    let mut command = machine.command(words[0]);
    command.args(&words[1..]).env("ZDOTDIR", folder);
    command
}
