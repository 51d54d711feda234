//! `cfgsync config`: what is shown and changed, and what is said about a file that is wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use cfgsync_core::setting::{KEYS, Level};

use crate::sandbox::{Machine, Sandbox};

const FILE: &str = "@.sync/config.toml";
const OF_USER: &str = ".config/cfgsync/config.toml";

/// Runs `config edit` with an editor that is this script; `$1` is the file.
fn edit(machine: &Machine, arguments: &[&str], script: &str) -> std::process::Output {
    let mut command = machine.command(env!("CARGO_BIN_EXE_cfgsync"));
    machine.write("editor", format!("#!/bin/sh\n{script}\n"));
    let editor = machine.path("editor");
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
    command.args(["config", "edit"]).args(arguments).env("VISUAL", &editor).output().unwrap()
}

#[test]
fn the_reference_is_the_table_of_the_code() {
    let page = include_str!("../../docs/configuration.md");
    for key in KEYS {
        let default = key.default_value().map_or(key.default.to_owned(), |it| format!("`{it}`"));
        let row = format!("| `{}` | {default} | `{}` | {} |", key.name, key.example, key.meaning);
        assert!(page.lines().any(|line| line == row), "docs/configuration.md lacks\n{row}");
    }
}

#[test]
fn setup_writes_every_key_of_the_machine_below_what_it_means() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    let text = mac.read(FILE);
    for key in KEYS.iter().filter(|key| key.level == Level::Machine) {
        assert!(text.contains(&format!("\n{} = ", key.name)), "{} is not in\n{text}", key.name);
        let words: Vec<&str> = key.meaning.split(' ').take(4).collect();
        assert!(text.contains(&format!("# {}", words.join(" "))), "{}\n{text}", key.name);
    }
}

#[test]
fn comments_survive_every_change() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.edit(FILE, "interval = 300\n", "# mine\ninterval = 300 # slow line\n");
    mac.run(&["config", "set", "interval", "600"]).done();
    let _ = mac.run(&["config", "get", "interval"]).code(0).says(&["600\n"]);
    assert!(mac.read(FILE).contains("# mine\ninterval = 600 # slow line\n"), "{}", mac.read(FILE));
    // Setup writes, too.
    mac.run(&["setup", mac.url()]).done();
    assert!(mac.read(FILE).contains("# mine\ninterval = 600 # slow line\n"), "{}", mac.read(FILE));
    mac.run(&["config", "unset", "interval"]).done();
    let _ = mac.run(&["config", "get", "interval"]).code(0).says(&["300\n"]);
}

#[test]
fn a_dry_run_and_a_refusal_write_nothing() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    let before = mac.read(FILE);
    mac.run(&["config", "set", "interval", "600", "--dry-run"]).done();
    for (arguments, words) in [
        (&["set", "intervall", "600"][..], "Did you mean `interval`?"),
        (&["set", "interval", "often"], "takes a whole number"),
        (&["set", "backups", "0"], "1 is the least"),
        (&["set", "notify", "maybe"], "can be `auto`, `on`, `off`"),
        (&["set", "enabled", "false"], "cfgsync setup --undo"),
        (&["set", "dir", "/x"], "cfgsync setup --dir"),
        (&["set", "web", "x"], "web.NAME"),
        (&["get", "colour"], "config list"),
    ] {
        let _ = mac.run(&[&["config"], arguments].concat()).code(2).says(&[words]);
    }
    assert_eq!(mac.read(FILE), before);
}

#[test]
fn an_entry_of_the_users_table_is_set_and_read() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    let web = "web.git.example.org";
    mac.run(&["config", "set", web, "https://git.example.org"]).done();
    assert!(mac.read(OF_USER).contains("[web]\n\"git.example.org\" = "), "{}", mac.read(OF_USER));
    let _ = mac.run(&["config", "get", web]).code(0).says(&["https://git.example.org\n"]);
    let _ = mac.run(&["config", "list"]).code(0).says(&[web, "interval", "300"]);
    mac.run(&["config", "unset", web]).done();
    assert!(!mac.read(OF_USER).contains("web]"), "{}", mac.read(OF_USER));
    mac.sync();
}

#[test]
fn a_broken_file_is_named_by_line_and_column_and_edited_back() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    let whole = mac.read(FILE);
    mac.write(FILE, "interval = 300\nintervall = 5\n");
    let words = ["config.toml:2:1: `intervall` is no setting", "Did you mean `interval`?"];
    let _ = mac.run(&["sync"]).code(2).says(&words);
    let _ = mac.run(&["config", "set", "interval", "5"]).code(2).says(&words);
    mac.write(FILE, "interval = [\n");
    let _ = mac.run(&["status"]).code(2).says(&["config.toml:"]);
    mac.write("whole", &whole);
    let output = edit(&mac, &[], "cp \"$HOME/whole\" \"$1\"");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(mac.read(FILE), whole);
    mac.sync();
}

#[test]
fn what_is_edited_is_checked_before_it_counts() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    let before = mac.read(FILE);
    let output = edit(&mac, &[], "echo 'nonsense = 1' >>\"$1\"");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let output = edit(&mac, &[], "exit 1");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(mac.read(FILE), before);
    let output = edit(&mac, &[], "sed -i.old 's/^interval = .*/interval = 77/' \"$1\"");
    assert!(output.status.success(), "{output:?}");
    assert!(mac.read(FILE).contains("interval = 77"));
    // The user's file shows what could be in it.
    let output = edit(
        &mac,
        &["--user"],
        "grep -q '^# web' \"$1\" && echo 'dir = \"~/dev/configs\"' >\"$1\"",
    );
    assert!(output.status.success(), "{output:?}");
    assert_eq!(mac.read(OF_USER), "dir = \"~/dev/configs\"\n");
    mac.sync();
}
