//! How much is said, and in which colours: `-v`, `-vv`, `-q`, `NO_COLOR`, `CLICOLOR_FORCE`, the pager.

use std::path::Path;
use std::process::Output;

use crate::sandbox::{Machine, Sandbox};
use crate::terminal::{Home, Terminal};

fn run(machine: &Machine, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = machine.command(env!("CARGO_BIN_EXE_cfgsync"));
    command.args(arguments).envs(variables.iter().copied()).output().unwrap()
}

fn is_coloured(machine: &Machine, arguments: &[&str], variables: &[(&str, &str)]) -> bool {
    let output = run(machine, arguments, variables);
    assert!(output.status.success(), "{output:?}");
    assert!(!output.stdout.is_empty(), "{arguments:?}");
    output.stdout.contains(&0x1b)
}

#[test]
fn colour_is_for_terminals_and_for_those_who_ask() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("one\n");
    let (no, force) = (("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1"));
    for command in ["status", "list", "history"] {
        assert!(!is_coloured(&mac, &[command], &[]), "{command} into a pipe");
        assert!(is_coloured(&mac, &[command], &[force]), "{command}");
        assert!(!is_coloured(&mac, &[command], &[("CLICOLOR_FORCE", "0")]), "{command}");
        assert!(!is_coloured(&mac, &[command], &[no, force]), "{command}: NO_COLOR goes first");
        assert!(is_coloured(&mac, &[command], &[("NO_COLOR", ""), force]), "an empty one is none");
        assert!(is_coloured(&mac, &["--color", "always", command], &[no]), "{command}");
        assert!(!is_coloured(&mac, &["--color", "never", command], &[force]), "{command}");
    }
    for json in [&["status", "--json"][..], &["list", "--json"], &["log", "--json"]] {
        assert!(!is_coloured(&mac, json, &[force]), "{json:?} is for programs");
    }
}

#[test]
fn once_says_why_and_twice_names_the_calls() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    let said = |machine: &Machine, arguments: &[&str]| {
        let output = run(machine, arguments, &[]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    mac.write(".conf", "two\n");
    let plain = said(&mac, &["sync"]);
    assert!(plain.contains("↑ edited   ~/.conf\n"), "{plain}");
    let why = said(&ec2, &["-v", "sync"]);
    assert!(why.contains("↓ edited   ~/.conf  changed upstream"), "{why}");
    assert!(!why.contains("$ git"), "{why}");
    // A remote with rules of its own is Git's to talk to.
    let _ = sandbox.git(&["config", "receive.denyDeletes", "true"]);
    mac.write(".conf", "three\n");
    let calls = said(&mac, &["sync", "-vv"]);
    assert!(calls.contains("$ git push") && calls.contains(" ms)"), "{calls}");
    assert!(!calls.contains("gc.auto"), "options of every call tell nothing: {calls}");
    mac.write(".conf", "four\n");
    assert_eq!(said(&mac, &["-q", "sync"]), "");
}

#[test]
fn a_password_in_an_address_is_not_among_what_is_said() {
    let sandbox = Sandbox::new();
    let mac = sandbox.machine("mac");
    let url = "http://me:hunter2secret@127.0.0.1:9/configs.git";
    let output = run(&mac, &["setup", url, "-vv", "--no-input"], &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("$ git"), "{said}");
    assert!(!said.contains("hunter2secret"), "{said}");
}

#[test]
fn every_command_has_a_man_page() {
    let sandbox = Sandbox::new();
    let mac = sandbox.machine("mac");
    std::fs::create_dir(mac.path("pages")).unwrap();
    mac.run(&["help", "--man", "pages"]).done();
    let pages = std::fs::read_dir(mac.path("pages")).unwrap().count();
    let help = mac.run(&["help"]).code(0).stdout;
    let commands: Vec<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|it| !it.is_empty()))
        .collect();
    assert_eq!(pages, commands.len() + 1);
    for command in commands {
        let page = mac.read(format!("pages/cfgsync-{command}.1"));
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
}

#[test]
fn long_reports_go_through_the_pager() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("one\n");
    mac.run(&["backup"]).done();
    let token = ["ghp_", "0123456789abcdefABCDEF0123456789abcd"].concat();
    mac.write("@token", format!("token = {token}\n"));
    let bin = Path::new(env!("CARGO_BIN_EXE_cfgsync")).parent().unwrap();
    let zshrc = format!(
        "export HOME='{}' CFGSYNC_MACHINE_KIND=mac CFGSYNC_PAGER=\"sed 's/^/|/'\"\npath=('{}' $path)\ncd",
        mac.home().display(),
        bin.display()
    );
    let mut terminal = Terminal::start(Home::new(), &zshrc);
    for report in
        ["status", "list", "history", "diff", "backup --list", "secrets list", "secrets scan"]
    {
        terminal.run("clear");
        // A screen of one row, for as long as it takes.
        terminal.run(&format!("stty rows 1; cfgsync {report}; stty rows 24"));
        let screen = terminal.screen();
        let is_paged = |line: &str| line.starts_with('|') && line.len() > 3;
        assert!(screen.lines().any(is_paged), "{report} is not paged:\n{screen}");
    }
    // What fits is printed: nobody wants to press a key for two lines.
    terminal.run("clear");
    terminal.run("cfgsync list");
    let screen = terminal.screen();
    assert!(screen.contains("~/.conf") && !screen.contains("\n|"), "{screen}");
}
