//! `cfgsync setup` in a home that shares nothing yet: what it finds, what it suggests, and that Enter is
//! an answer to every question.

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::sandbox::{Machine, Sandbox, assert_same};
use crate::terminal::{Home, Terminal};

/// A home with some usual files, one of them with a secret, one a link of a farm.
fn lived_in(sandbox: &Sandbox) -> Machine {
    let mac = sandbox.machine("mac");
    mac.write(".zshrc", "export EDITOR=vi\n");
    mac.write(".config/nvim/init.lua", "vim.o.number = true\n");
    mac.write(".config/nvim/lua/keys.lua", "-- keys\n");
    let token = ["ghp_", "0123456789abcdefABCDEF0123456789abcd"].concat();
    mac.write(".bashrc", format!("export GITHUB_TOKEN={token}\n"));
    mac.write(".psqlrc.local", "x\n");
    // Programs of rustup, which are no farm.
    mac.write(".cargo/bin/rustup", "x\n");
    for name in ["cargo", "rustc", "rustdoc", "rustfmt"] {
        symlink("rustup", mac.path(format!(".cargo/bin/{name}"))).unwrap();
    }
    for name in [".vimrc", ".tmux.conf", ".inputrc"] {
        mac.write(format!("dotfiles/{name}"), format!("of {name}\n"));
        symlink(mac.path(format!("dotfiles/{name}")), mac.path(name)).unwrap();
    }
    mac
}

/// Starts a terminal in a machine's home, where the plugin is installed.
fn sit_down_at(machine: &Machine, kind: &str) -> Terminal {
    machine.write(".oh-my-zsh/custom/plugins/configsync/configsync.plugin.zsh", "");
    let bin = Path::new(env!("CARGO_BIN_EXE_cfgsync")).parent().unwrap();
    let zshrc = format!(
        "export HOME='{}' CFGSYNC_MACHINE_KIND={kind}\npath=('{}' $path)\ncd",
        machine.home().display(),
        bin.display()
    );
    Terminal::start(Home::new(), &zshrc)
}

fn assert_shared(mac: &Machine) {
    for name in [".zshrc", ".gitconfig", ".config/nvim/init.lua", ".vimrc", ".tmux.conf"] {
        mac.assert_linked(name);
    }
    assert!(mac.read(".bashrc").contains("ghp_") && !mac.exists("@external/.bashrc"));
    mac.assert_plain("dotfiles/.vimrc", "of .vimrc\n");
    assert_eq!(mac.state_word(), "synced");
}

#[test]
fn enter_is_an_answer_to_every_question() {
    let sandbox = Sandbox::new();
    let mac = lived_in(&sandbox);
    let terminal = sit_down_at(&mac, "mac");
    terminal.type_keys(&format!("cfgsync setup {}", mac.url()));
    terminal.press("Enter");
    terminal.wait_for("the light", |screen| screen.contains("Show the light in your prompt"));
    terminal.press("Enter");
    let screen = terminal.wait_for("suggestions", |screen| screen.contains("Share 6 paths? [Y/n]"));
    for words in [
        "3 links into ~/dotfiles",
        "~/.bashrc       holds a secret; left out",
        "a link to ~/dotfiles/.vimrc",
        "~/.config/nvim",
        "2 files",
    ] {
        assert!(screen.contains(words), "{words:?} is not on\n{screen}");
    }
    terminal.press("Enter");
    terminal.wait_for("the end", |screen| screen.contains("cfgsync help start"));
    assert_shared(&mac);
    assert!(mac.read(".zshrc").contains("configsync.plugin.zsh"), "the light is on");
    let ec2 = sandbox.machine("ec2");
    // Some of it are files that programs run, which wait for a word.
    let _ = ec2.run(&["setup", ec2.url()]).code(4);
    assert_eq!(ec2.read(".config/nvim/lua/keys.lua"), "-- keys\n");
}

#[test]
fn where_no_folder_is_usual_setup_asks_for_one() {
    let sandbox = Sandbox::new();
    let linux = sandbox.machine("linux");
    let token = ["ghp_", "0123456789abcdefABCDEF0123456789abcd"].concat();
    linux.write(".gitconfig", format!("[user]\nname = me\nemail = me@x\n[x]\ny = {token}\n"));
    // Nobody is there: the error says how to name one.
    let _ = linux.run(&["setup", linux.url()]).code(1).says(&["setup --dir ~/configs"]);
    let terminal = sit_down_at(&linux, "linux");
    terminal.type_keys(&format!("cfgsync setup {}", linux.url()));
    terminal.press("Enter");
    terminal.wait_for("the folder", |screen| screen.contains("[~/configs]"));
    terminal.press("Enter");
    terminal.wait_for("the light", |screen| screen.contains("Show the light in your prompt"));
    terminal.press("Enter");
    // What holds a secret is left out, and no question is about nothing.
    let screen = terminal.wait_for("the end", |screen| screen.contains("Try `cfgsync mark"));
    assert!(screen.contains("holds a secret; left out") && !screen.contains("Share 0"), "{screen}");
    assert!(linux.exists("configs/.git") && linux.state_word() == "synced");
}

#[test]
fn what_differs_is_named_below_its_count() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.machine("mac"), sandbox.machine("ec2"));
    mac.write(".zshenv", "x=1\n");
    mac.write(".conf", "mac\n");
    mac.run(&["setup", mac.url()]).done();
    mac.run(&["mark", ".zshenv", ".conf"]).done();
    mac.sync();
    ec2.write(".conf", "ec2\n");
    let told = ["differs  1 file\n    ~/.conf\n  careful  1 file\n    ~/.zshenv: "];
    let _ = ec2.run(&["setup", ec2.url()]).code(4).says(&told);
}

#[test]
fn help_breaks_no_word_on_a_narrow_terminal() {
    let sandbox = Sandbox::new();
    let mac = sandbox.machine("mac");
    let mut terminal = sit_down_at(&mac, "mac");
    let _ = terminal.run("stty cols 60; cfgsync --help");
    let screen = terminal.screen();
    let broken =
        "  setup        Prepare this machine: the repository, the\n               first sync";
    assert!(screen.contains(broken), "{screen}");
}

#[test]
fn the_twin_of_the_question_is_an_option() {
    let sandbox = Sandbox::new();
    let mac = lived_in(&sandbox);
    let words = ["setup", "--no-input", "--mark-usual", mac.url()];
    let _ = mac.run(&words).code(0).says(&["holds a secret; left out", "added    ~/.zshrc"]);
    assert_shared(&mac);
    // What is marked already is asked about by nobody.
    let again = mac.run(&words).code(0);
    assert!(!again.stderr.contains("that are here"), "{again:?}");
    mac.run(&["setup", "--undo"]).done();
    mac.assert_plain(".zshrc", "export EDITOR=vi\n");
    mac.assert_plain(".vimrc", "of .vimrc\n");
    // No sync comes any more, and nothing says that one does.
    let status = mac.run(&["status"]).code(0).says(&["‖ paused", "taken off this machine"]);
    let list = mac.run(&["list"]).code(0).says(&["`cfgsync setup` mends it"]);
    assert!(!(status.stdout + &list.stdout).contains("the next sync"));
}

#[test]
fn nobody_is_asked_or_told_where_nobody_is() {
    let sandbox = Sandbox::new();
    let mac = lived_in(&sandbox);
    let output = mac.run(&["setup", "--yes", mac.url()]).code(0);
    assert!(!output.stderr.contains("that are here"), "{output:?}");
    mac.assert_plain(".zshrc", "export EDITOR=vi\n");
}

#[test]
fn a_dry_run_shows_what_would_be_suggested() {
    let sandbox = Sandbox::new();
    let mac = lived_in(&sandbox);
    let before = sandbox.bytes();
    let words = ["setup", "--no-input", "--dry-run", mac.url()];
    let told = [
        "add to .gitignore: /.sync/*",
        "write sync.sh",
        "3 links into ~/dotfiles",
        "~/.config/nvim  2 files",
    ];
    let output = mac.run(&words).code(0).says(&told).says(&["`--mark-usual` shares 6 paths"]);
    assert!(!output.stdout.contains("Nothing would change"), "{output:?}");
    let agreed = [&words[..], &["--mark-usual"]].concat();
    let _ = mac.run(&agreed).code(0).says(&["would mark and share 6 paths"]);
    assert_same("a dry run", &before, &sandbox.bytes());
    // Where something is marked, here or upstream, nothing is suggested.
    mac.run(&["setup", "--no-input", "--mark-usual", mac.url()]).done();
    for machine in [&mac, &sandbox.machine("ec2")] {
        let output = machine.run(&words).code(0);
        assert!(!output.stdout.contains("that are here"), "{output:?}");
    }
}
