//! Machines that an old `sync.sh` kept: whole folders linked, a `zshrc` beside `external`, edits that were
//! never committed, and a stash. Setup takes all of it as it is.

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_same};

/// Runs lines of shell in the machine's home.
#[track_caller]
fn shell(machine: &Machine, script: &str) {
    let mut bash = machine.command("bash");
    let output = bash.args(["-e", "-c", script]).env("URL", machine.url()).output().unwrap();
    assert!(output.status.success(), "{script}\n{output:?}");
}

/// Two machines as the old script left them; the first one has work that it did not send.
fn old(sandbox: &Sandbox) -> (Machine, Machine) {
    let (mac, ec2) = (sandbox.machine("mac"), sandbox.machine("ec2"));
    shell(
        &mac,
        r#"
        git clone -q "$URL" dev/configs && cd dev/configs && git checkout -q -B main
        mkdir -p external/.config/app/themes .sync
        echo 'set number' >external/.vimrc
        echo conf >external/.config/app/conf
        echo dark >external/.config/app/themes/dark
        echo 'export EDITOR=vi' >zshrc
        printf '#!/bin/sh\n# the old one\n' >sync.sh
        echo '*.local' >.gitignore
        printf '.vimrc\n.config/app\n' >.sync/marked-files.txt
        git add -A && git commit -qm old && git push -q -u origin main
        echo stashed >>zshrc && git stash -q
        echo 'export PAGER=less' >>zshrc
        echo here >external/.config/app/own.local
        "#,
    );
    shell(&ec2, r#"git clone -q "$URL" configs"#);
    for (machine, repo) in [(&mac, "dev/configs"), (&ec2, "configs")] {
        let links = format!(
            "rm -f .zshrc; mkdir -p .config; ln -s ~/{repo}/zshrc .zshrc
             ln -s ~/{repo}/external/.vimrc .vimrc
             ln -s ~/{repo}/external/.config/app .config/app"
        );
        shell(machine, &links);
    }
    (mac, ec2)
}

#[test]
fn old_clones_are_taken_as_they_are() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = old(&sandbox);
    let before = sandbox.bytes();
    let told = ["would share ~/.config/app file by file", "edited   zshrc"];
    let _ = mac.run(&["setup", "--dry-run"]).code(0).says(&told);
    assert_same("a dry run", &before, &sandbox.bytes());
    let told = ["~/.config/app is shared file by file", "The old sync.sh stays"];
    let _ = mac.run(&["setup", "--no-input"]).code(0).says(&told);
    let _ = ec2.run(&["setup", "--no-input"]).code(0).says(&["~/.config/app is shared"]);
    mac.sync();
    for machine in [&mac, &ec2] {
        for name in [".vimrc", ".config/app/conf", ".config/app/themes/dark"] {
            machine.assert_linked(name);
        }
        assert_eq!(machine.read(".config/app/themes/dark"), "dark\n");
        assert_eq!(machine.read(".zshrc"), "export EDITOR=vi\nexport PAGER=less\n");
        assert!(machine.path(".config/app").symlink_metadata().unwrap().is_dir());
        assert_eq!(machine.state_word(), "synced");
        assert!(!machine.run(&["list"]).code(0).stdout.contains('✗'));
    }
    assert_eq!(mac.read(".config/app/own.local"), "here\n");
    assert!(!mac.git(&["stash", "list"]).is_empty());
    // What appears in the folder is shared from now on.
    ec2.write(".config/app/new", "new\n");
    ec2.sync();
    mac.sync();
    assert_eq!(mac.read(".config/app/new"), "new\n");
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_zshrc_that_is_a_link_into_the_repository_gets_its_lines_there() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = old(&sandbox);
    mac.write(".oh-my-zsh/custom/plugins/configsync/configsync.plugin.zsh", "");
    mac.run(&["setup", "--no-input", "--zshrc"]).done();
    assert!(mac.read("@zshrc").contains("configsync.plugin.zsh"), "{}", mac.read("@zshrc"));
    mac.run(&["setup", "--undo"]).done();
    assert_eq!(mac.read("@zshrc"), "export EDITOR=vi\nexport PAGER=less\n");
    mac.assert_plain(".config/app/conf", "conf\n");
}

#[test]
fn undo_ends_syncs_whatever_zshrc_is() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    shell(
        &mac,
        "mkdir -p elsewhere && echo '# own' >elsewhere/zshrc && ln -s elsewhere/zshrc .zshrc",
    );
    mac.run(&["setup", "--undo"]).done();
    shell(&mac, "echo '# >>> cfgsync >>>' >>elsewhere/zshrc");
    mac.run(&["setup", "--no-input"]).done();
    let _ = mac.run(&["setup", "--undo"]).code(9).says(&["became plain files", "did not make"]);
    assert!(mac.read("@.sync/config.toml").contains("enabled = false"));
}
