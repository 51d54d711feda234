//! `cfgsync explain`, and what `cfgsync list` knows of a mark.

use std::os::unix::fs::symlink;

use crate::sandbox::{Machine, Sandbox};

/// Asserts what is said of a path: all of these words.
#[track_caller]
fn explains(machine: &Machine, path: &str, words: &[&str]) {
    let said = machine.run(&["explain", path]).code(0).stdout;
    let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(flat.contains(word), "of {path}, {word:?} is not said:\n{said}");
    }
}

#[test]
fn why_a_path_is_shared_or_not() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("one\n");
    mac.write(".config/app/settings", "x\n");
    mac.write(".config/app/of-here.local", "x\n");
    mac.write(".config/app/trace.log", "x\n");
    mac.write(".config/app/settings~", "x\n");
    mac.write(".config/app/clone/.git/HEAD", "x\n");
    mac.write(".config/app/clone/file", "x\n");
    symlink("/etc/hostname", mac.path(".config/app/away")).unwrap();
    mac.write("@.gitignore", "# rules\n*.log\n");
    mac.run(&["mark", ".config/app"]).done();
    mac.write("@notes.txt", "x\n");
    mac.write(".vimrc", "x\n");
    mac.sync();
    let no = |why: &'static str| ["shared no:", why];
    explains(&mac, ".conf", &["shared yes: it is marked", "tie link: nothing speaks against"]);
    explains(&mac, ".config/app/settings", &["yes: ~/.config/app, which is marked, holds it"]);
    explains(&mac, ".config/app/of-here.local", &no("never leave a machine"));
    explains(&mac, ".config/app/trace.log", &no("line 2 of .gitignore ignores it: *.log"));
    explains(&mac, ".config/app/settings~", &no("leave files of this name behind"));
    explains(&mac, ".config/app/clone/file", &no("is a Git repository of its own"));
    explains(&mac, ".config/app/away", &no("it is a link"));
    explains(&mac, ".config/app/none", &no("there is no such file"));
    explains(&mac, ".vimrc", &no("not marked; `cfgsync mark ~/.vimrc` shares it"));
    explains(&mac, ".config", &["shared partly", "~/.config/app in it is"]);
    explains(&mac, "dev/configs/notes.txt", &["yes: it lies in the repository"]);
    explains(&mac, "dev/configs/.sync/machine-id", &no("stays on this machine"));
    let _ = mac.run(&["explain", "/etc/hostname"]).code(9);
}

#[test]
fn why_a_path_is_a_link_or_a_copy_and_what_a_sync_would_do() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    mac.write(".copied", "x\n");
    mac.run(&["mark", "--link", "copy", ".copied"]).done();
    mac.write("Library/Preferences/a.plist", "x\n");
    mac.run(&["mark", "Library/Preferences/a.plist"]).done();
    explains(&mac, ".copied", &["tie copy: the mark says link=copy", "here a file"]);
    let why = "tie copy: macOS replaces linked preference files";
    explains(&mac, "Library/Preferences/a.plist", &[why]);
    mac.sync();
    explains(
        &mac,
        ".conf",
        &["sync nothing to do", "changed on", "here a link to the shared copy"],
    );
    mac.write(".conf", "two\n");
    explains(&mac, ".conf", &["sync send it (edited)"]);
    mac.sync();
    ec2.write(".conf", "three\n");
    let _ = ec2.run(&["sync"]).code(4);
    explains(&ec2, ".conf", &["sync held: both sides changed the same lines"]);
    // An app that replaces the link each time it saves.
    for text in ["a\n", "b\n", "c\n"] {
        mac.remove("dev/configs/../../.conf");
        mac.write(".conf", text);
        let _ = mac.run(&["sync"]);
    }
    explains(&mac, ".conf", &["tie copy: an app replaced the link"]);
}

#[test]
fn asking_changes_nothing() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("one\n");
    let before = sandbox.bytes();
    explains(&mac, ".conf", &["yes"]);
    mac.run(&["explain", ".conf", "--json"]).done();
    mac.run(&["list"]).done();
    crate::sandbox::assert_same("explaining", &before, &sandbox.bytes());
}

#[test]
fn a_list_tells_size_and_changes() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    let _ = mac.run(&["list"]).code(0).says(&["✓ link  ~/.conf  4 B, 1 change"]);
    for text in ["1\n", "22\n", "333\n"] {
        mac.write(".conf", text);
        mac.sync();
    }
    let _ = mac.run(&["list"]).code(0).says(&["✓ link  ~/.conf  4 B, 4 changes"]);
    ec2.sync();
    ec2.remove(".conf");
    let _ = ec2.run(&["list"]).code(0).says(&["✗ link  ~/.conf", "missing"]);
}
