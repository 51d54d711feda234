//! Names that are no words of a shell: each is offered, arrives as it is, and runs nothing.

use std::fs;

use super::{bash, command, compinit, fish, shared, values};
use crate::terminal::{Home, Terminal, eventually};

/// What follows the number that the name of a file begins with.
const NAMES: [&str; 26] = [
    " with  blanks",
    "'single'",
    "\"double\"",
    "'\"both\"'",
    "$(touch evil)",
    "`touch evil`",
    "${HOME}$HOME$$",
    ";touch evil",
    "&& touch evil",
    "|touch evil",
    ">evil",
    "<evil",
    "*?[a-z]",
    "{a,b}",
    "~root",
    "!!!$",
    "#comment",
    "\\back\\\\slash",
    "a:b:c",
    "a=b=c",
    "%F{red}%n%(?.x.y)",
    "-dash --dir=x",
    "^a(x)(e:'touch evil':)",
    "ümläut 漢字 ⚡",
    "@,+.x",
    "$'\\x65'",
];

/// Names that no terminal should show as they are.
const UNSEEN: [&str; 6] =
    ["new\nline", "tab\tx", "esc\x1b]0;evil\x07", "del\x7f", "c1\u{9b}31m", "rtl\u{202e}x"];

/// Returns the names of the files; the first two digits are enough to tell them apart.
fn names() -> Vec<String> {
    NAMES.iter().enumerate().map(|(at, name)| format!("{at:02}{name}")).collect()
}

/// A home where all of them are marked, in a folder of their own.
fn hostile() -> Home {
    let home = shared();
    fs::create_dir(home.path("h")).unwrap();
    let mut names = names();
    names.extend(UNSEEN.iter().map(|name| format!("9{name}")));
    let mut mark = command(&home, "cfgsync");
    mark.args(["mark", "--"]);
    for name in names {
        let path = home.path("h").join(name);
        fs::write(&path, "x").unwrap();
        mark.arg(path);
    }
    let output = mark.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    home
}

#[test]
fn hostile_names_are_one_line_each_or_left_out() {
    let home = hostile();
    let mut wanted: Vec<String> = names().iter().map(|name| format!("~/h/{name}")).collect();
    wanted.sort();
    assert_eq!(values(&home, &["cfgsync", "unmark", "~/h/"]), wanted);
}

/// Completes the path of each file in a shell where `cfgsync` notes the path it is given, and asserts
/// that the very path arrives.
fn assert_arrive(terminal: &Terminal) {
    let mut expected = String::new();
    for name in names() {
        let begun = format!("~/h/{}", &name[..2]);
        terminal.type_keys(&format!("true; A=1 cfgsync unmark {begun}"));
        terminal.press("Tab");
        terminal.press("Enter");
        expected += &format!("{}\0", terminal.home().path("h").join(&name).display());
        let got = || fs::read_to_string(terminal.home().path("got")).unwrap_or_default();
        let has_arrived = eventually(|| got() == expected);
        assert!(has_arrived, "{:?}: {:?}\n{}", name, got(), terminal.screen());
    }
    assert!(!terminal.home().path("evil").exists());
}

#[test]
fn hostile_names_arrive_in_zsh() {
    let zshrc = "
        bindkey -e
        cfgsync() { print -rN -- \"$2\" >>$HOME/got; }";
    assert_arrive(&Terminal::start(hostile(), &format!("{}\n{zshrc}", compinit())));
}

#[test]
fn hostile_names_arrive_at_a_terminal_of_bash() {
    let start = r"PS1='bash> ' exec bash --norc --noprofile -i";
    let bashrc = r#"eval "$(cfgsync completions bash)"; bind 'set enable-bracketed-paste off'
        cfgsync() { printf '%s\0' "$2" >>"$HOME/got"; }; bash_is=ready; clear; echo "$bash_is""#;
    let terminal = Terminal::start(hostile(), "export CFGSYNC_MACHINE_KIND=ec2");
    enter(&terminal, start, "bash> ");
    enter(&terminal, bashrc, "ready");
    for begun in ["mark rem", "--dir=rem", "--dir rem"] {
        terminal.type_keys(&format!("cfgsync {begun}"));
        terminal.press("Tab");
        let whole = format!("cfgsync {begun}ote.git/");
        terminal.wait_for(&whole, |screen| screen.ends_with(&whole));
        terminal.press("C-u");
    }
    assert_arrive(&terminal);
}

#[test]
fn hostile_names_arrive_at_a_terminal_of_fish() {
    let home = hostile();
    if fish(&home, "cfgsync ").is_none() {
        return;
    }
    let fishrc = r"cfgsync completions fish | source; set fish_greeting; set fish_is ready
        function cfgsync; printf '%s\0' $argv[2] >>$HOME/got; end; function fish_prompt; echo '> '; end";
    fs::create_dir_all(home.path(".config/fish")).unwrap();
    fs::write(home.path(".config/fish/config.fish"), fishrc).unwrap();
    let terminal = Terminal::start(home, "export CFGSYNC_MACHINE_KIND=ec2");
    enter(&terminal, "exec fish -i", "> ");
    enter(&terminal, "clear; echo $fish_is", "ready");
    assert_arrive(&terminal);
}

/// Enters a line, and waits until this stands on the screen alone in a line.
fn enter(terminal: &Terminal, line: &str, wanted: &str) {
    terminal.type_keys(line);
    terminal.press("Enter");
    terminal.wait_for(wanted, |screen| screen.lines().any(|it| it.trim() == wanted.trim()));
}

#[test]
fn hostile_names_arrive_in_bash() {
    let home = hostile();
    for name in names() {
        let begun = format!("~/h/{}", &name[..2]);
        let offered = bash(&home, &format!("cfgsync unmark {begun}"), &begun);
        assert_eq!(offered.len(), 1, "{offered:?}");
        let script = format!("printf '%s' {}", offered[0]);
        let output = command(&home, "bash").args(["-c", &script]).output().unwrap();
        let arrived = String::from_utf8(output.stdout).unwrap();
        assert_eq!(arrived, home.path("h").join(&name).display().to_string());
    }
    assert!(!home.path("evil").exists());
}

#[test]
fn hostile_names_are_offered_in_fish() {
    let home = hostile();
    for name in names() {
        let begun = format!("~/h/{}", &name[..2]);
        let Some(offered) = fish(&home, &format!("cfgsync unmark {begun}")) else { return };
        assert_eq!(offered.trim_end_matches(['\t', '\n']), format!("~/h/{name}"));
    }
    assert!(!home.path("evil").exists());
}
