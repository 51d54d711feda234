//! Places where programs run what stands there: new files wait for consent, once on each machine.

use crate::arrival::assert_nothing_ran;
use crate::arrival::forge::{FILE, Forge, PROGRAM};
use crate::sandbox::{Sandbox, assert_clean, assert_converged};

/// Where a hostile file would be run by something else than cfgsync.
const PLACES: [&str; 66] = [
    ".ssh/authorized_keys",
    ".ssh/authorized_keys2",
    ".ssh/rc",
    ".ssh/environment",
    ".ssh/config",
    ".ssh/config.d/all",
    ".rhosts",
    ".pam_environment",
    ".zshenv",
    ".zshrc",
    ".zprofile",
    ".zlogin",
    ".zlogout",
    ".config/zsh/.zshrc",
    ".oh-my-zsh/custom/x.zsh",
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".bash_completion",
    ".profile",
    ".kshrc",
    ".cshrc",
    ".tcshrc",
    ".login",
    ".config/fish/config.fish",
    ".config/fish/conf.d/x.fish",
    ".config/nushell/config.nu",
    ".inputrc",
    ".envrc",
    ".config/direnv/direnvrc",
    ".config/direnv/lib/x.sh",
    ".config/mise/config.toml",
    "Library/LaunchAgents/x.plist",
    "Library/Application Scripts/x/y",
    "Library/Services/x.workflow/y",
    ".config/systemd/user/x.service",
    ".config/systemd/user/default.target.wants/x.service",
    ".config/environment.d/x.conf",
    ".config/autostart/x.desktop",
    ".config/plasma-workspace/env/x.sh",
    ".local/share/applications/x.desktop",
    ".local/share/dbus-1/services/x.service",
    ".xinitrc",
    ".xsession",
    ".xprofile",
    ".config/i3/config",
    ".config/sway/config",
    ".crontab",
    ".forward",
    ".procmailrc",
    ".local/bin/ls",
    "bin/ls",
    ".cargo/bin/cargo",
    ".gitconfig",
    ".gitconfig-work",
    ".config/git/config",
    ".config/git/attributes",
    ".githooks/post-checkout",
    ".npmrc",
    ".cargo/config.toml",
    ".config/pip/pip.conf",
    ".gdbinit",
    ".aws/config",
    ".docker/config.json",
    ".gnupg/gpg.conf",
];

const HOSTILE: &[u8] = b"#!/bin/sh\ntouch \"$HOME/PWNED\"\n";

/// Pushes hostile files at home paths, with marks for them, beside a harmless one.
fn plant(sandbox: &Sandbox, places: &[&str], mode: &'static str) {
    let forge = Forge::new(sandbox);
    let quoted = |place: &&str| format!("{}\n", place.replace(' ', "\\ "));
    let marks = format!(".conf\n.harmless\n{}", places.iter().map(quoted).collect::<String>());
    let stored: Vec<String> = places.iter().map(|place| format!("external/{place}")).collect();
    let mut files: Vec<(&str, &'static str, &[u8])> =
        stored.iter().map(|path| (&**path, mode, HOSTILE)).collect();
    files.push((".sync/marked-files.txt", FILE, marks.as_bytes()));
    files.push(("external/.harmless", FILE, b"harmless\n"));
    forge.push(&forge.add(&files));
}

#[test]
fn sixty_six_risky_places_wait_and_everything_else_arrives() {
    let sandbox = Sandbox::new();
    let (_mac, ec2) = sandbox.pair("content\n");
    let own = ec2.read(".gitconfig");
    plant(&sandbox, &PLACES, PROGRAM);
    let said = ec2.run(&["sync"]).code(4).says(&["risky place", "resolve PATH --theirs"]).stderr;
    for place in PLACES {
        assert!(said.contains(&format!("held     ~/{place}:")), "{place}: {said}");
        let is_own = place == ".gitconfig";
        assert_eq!(ec2.exists(place), is_own, "{place}");
    }
    assert_eq!(ec2.read(".gitconfig"), own);
    assert_eq!(ec2.read(".harmless"), "harmless\n");
    let _ = ec2.run(&["sync"]).code(4);
    let _ = ec2.run(&["--yes", "sync", "--force-pull"]).code(4);
    for place in PLACES.iter().filter(|place| **place != ".gitconfig") {
        assert!(!ec2.exists(place), "{place}: no force is consent");
    }
    assert_nothing_ran(ec2.home());
    assert!(ec2.git(&["status", "--porcelain"]).is_empty(), "the repository itself is in order");
}

#[test]
fn consent_is_given_once_and_later_versions_flow() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("content\n");
    mac.write(".zshenv", "one\n");
    mac.run(&["mark", ".zshenv"]).done();
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["~/.zshenv", "every zsh runs it"]);
    mac.write(".zshenv", "two\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4);
    assert!(!ec2.exists(".zshenv"));
    let status = ec2.run(&["status", "--json"]).code(0).stdout;
    assert!(status.contains("\"doubt\": \"runs\""), "{status}");
    ec2.run(&["resolve", ".zshenv", "--theirs"]).done();
    ec2.assert_linked(".zshenv");
    assert_eq!(ec2.read(".zshenv"), "two\n");
    mac.write(".zshenv", "three\n");
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read(".zshenv"), "three\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_file_that_is_declined_is_taken_away_upstream() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("content\n");
    plant(&sandbox, &[".zshenv", ".ssh/rc"], PROGRAM);
    let _ = ec2.run(&["sync"]).code(4);
    ec2.run(&["resolve", "--ours", ".zshenv", ".ssh/rc"]).done();
    assert!(!sandbox.git(&["ls-tree", "-r", "main"]).contains("zshenv"));
    assert!(!ec2.exists(".zshenv") && !ec2.exists("@external/.zshenv"));
    mac.sync();
    assert!(!mac.exists(".zshenv"));
    assert_nothing_ran(ec2.home());
}

#[test]
fn doctor_leaves_alone_what_waits() {
    let sandbox = Sandbox::new();
    let (_mac, ec2) = sandbox.pair("content\n");
    plant(&sandbox, &[".zshenv"], FILE);
    let _ = ec2.run(&["sync"]).code(4);
    ec2.remove(".conf");
    let said = ec2.run(&["doctor", "--fix"]).code(0);
    let _ = said.says(&["~/.conf is gone; mended", "~/.zshenv: it is new here"]);
    ec2.assert_linked(".conf");
    assert!(!ec2.exists(".zshenv"));
}

#[test]
fn an_undo_lets_nothing_in_that_waited() {
    let sandbox = Sandbox::new();
    let (_mac, ec2) = sandbox.pair("content\n");
    plant(&sandbox, &[".zshenv"], FILE);
    let _ = ec2.run(&["sync"]).code(4);
    let _ = ec2.run(&["undo"]).code(4).says(&["~/.zshenv: it is new here"]);
    let _ = ec2.run(&["undo"]).code(4);
    assert!(!ec2.exists(".zshenv"));
    ec2.run(&["unmark", ".zshenv"]).done();
    let said = ec2.run(&["undo"]);
    assert!(said.stderr.contains("~/.zshenv does not come back"), "{said:?}");
    let _ = ec2.run(&["sync"]).code(0);
    assert!(!ec2.exists(".zshenv"));
    assert!(!sandbox.git(&["show", "main:.sync/marked-files.txt"]).contains("zshenv"));
    // What was let in comes back.
    plant(&sandbox, &[".zshenv"], FILE);
    ec2.let_in(&[".zshenv"]);
    ec2.run(&["--yes", "undo"]).done();
    ec2.remove(".zshenv");
    ec2.run(&["--yes", "undo"]).done();
    ec2.assert_linked(".zshenv");
}

#[test]
fn a_restore_of_everything_lets_nothing_in_that_waited() {
    let sandbox = Sandbox::new();
    let (_mac, ec2) = sandbox.pair("content\n");
    plant(&sandbox, &[".zshenv"], FILE);
    let _ = ec2.run(&["sync"]).code(4);
    ec2.run(&["backup"]).done();
    let _ = ec2.run(&["--yes", "restore", "today"]).code(9).says(&["~/.zshenv does not come back"]);
    ec2.run(&["resolve", "--ours", ".zshenv"]).done();
    ec2.append(".conf", "more\n");
    let mut archives = std::fs::read_dir(ec2.path("@.sync/backups")).unwrap();
    let archive = archives.find_map(|entry| entry.unwrap().file_name().into_string().ok()).unwrap();
    let archive = &*archive;
    ec2.run(&["--yes", "restore", archive]).done();
    assert_eq!(ec2.read(".conf"), "content\n");
    assert!(!ec2.exists(".zshenv"));
    ec2.run(&["--yes", "restore", archive, "--", ".zshenv"]).done();
    assert!(ec2.exists(".zshenv"), "who names it wants it");
}

#[test]
fn what_a_person_marked_here_is_theirs() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("content\n");
    mac.write(".local/bin/one", "one\n");
    mac.write("Library/Notes/app", "app\n");
    mac.run(&["mark", ".local/bin", "Library"]).done();
    mac.sync();
    ec2.let_in(&[".local/bin/one"]);
    ec2.write(".local/bin/two", "two\n");
    ec2.write("Library/LaunchAgents/x.plist", "x\n");
    ec2.sync();
    // All of `.local/bin` was meant; `Library` as a whole says nothing of what starts at login.
    let _ = mac.run(&["sync"]).code(4).says(&["launchd starts"]);
    assert_eq!(mac.read(".local/bin/two"), "two\n");
    assert!(!mac.exists("Library/LaunchAgents/x.plist"));
    mac.run(&["unmark", ".local/bin"]).done();
    assert!(!std::fs::read_to_string(mac.state().join("consented")).unwrap().contains(".local"));
}

#[test]
fn a_new_machine_is_asked_once_for_all_of_it() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("content\n");
    plant(&sandbox, &[".zshenv", ".ssh/rc"], PROGRAM);
    let careful = sandbox.machine("mac-1");
    let said = careful.run(&["setup", careful.url()]).code(4);
    let _ = said.says(&["careful  2 files", "~/.ssh/rc: ", "sshd runs it", "`cfgsync resolve`"]);
    assert!(!careful.exists(".zshenv"));
    assert_eq!(careful.read(".conf"), "content\n");
    let trusting = sandbox.machine("mac-2");
    trusting.run(&["--yes", "setup", trusting.url()]).done();
    trusting.assert_linked(".zshenv");
    mac.let_in(&[".zshenv", ".ssh/rc"]);
    assert_converged(&[&mac, &trusting]);
}

#[test]
fn equal_files_that_stand_there_already_need_nothing() {
    let sandbox = Sandbox::new();
    let (_mac, ec2) = sandbox.pair("content\n");
    plant(&sandbox, &[".zshenv"], FILE);
    ec2.write(".zshenv", HOSTILE);
    ec2.sync();
    ec2.assert_linked(".zshenv");
}

#[test]
fn a_place_that_a_link_or_path_of_the_users_leads_to_is_risky_too() {
    let sandbox = Sandbox::new();
    let (_mac, ec2) = sandbox.pair("content\n");
    std::fs::create_dir_all(ec2.path("@dot/systemd")).unwrap();
    std::fs::create_dir_all(ec2.path(".config")).unwrap();
    ec2.link(".config/systemd", ec2.path("@dot/systemd"));
    ec2.link(".zshrc", ec2.path("@dot/zshrc"));
    std::fs::create_dir_all(ec2.path(".config/git")).unwrap();
    ec2.link(".config/git/config", ec2.path("@dot/gitconfig"));
    ec2.link(".config/awesome", ec2.path("@dot/awesome"));
    std::fs::create_dir_all(ec2.path(".oh-my-zsh")).unwrap();
    ec2.link(".oh-my-zsh/custom", ec2.path("@dot/custom"));
    ec2.git(&["config", "--global", "core.hooksPath", "~/configs/hooks"]);
    let forge = Forge::new(&sandbox);
    forge.push(&forge.add(&[
        ("dot/awesome/rc.lua", FILE, HOSTILE),
        ("dot/custom/x.zsh", FILE, HOSTILE),
        ("hooks/pre-commit", PROGRAM, HOSTILE),
        ("dot/systemd/user/x.service", FILE, HOSTILE),
        ("dot/zshrc", FILE, HOSTILE),
        ("dot/gitconfig", FILE, b"[alias]\n\tx = !touch ~/PWNED\n"),
        ("dot/vimrc", FILE, b"harmless\n"),
        ("external/scripts/ls", PROGRAM, HOSTILE),
        (".sync/marked-files.txt", FILE, b".conf\nscripts/ls\n"),
        ("tools/ls", PROGRAM, HOSTILE),
    ]));
    let path = std::env::var("PATH").unwrap();
    let mut command = ec2.command(env!("CARGO_BIN_EXE_cfgsync"));
    let own = [ec2.path("@tools"), ec2.path("scripts")].map(|it| it.display().to_string());
    command.env("PATH", format!("{path}:{}", own.join(":")));
    let output = command.arg("sync").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("~/scripts/ls:") && !ec2.exists("scripts/ls"), "{said}");
    for held in [
        "dot/systemd/user/x.service",
        "dot/zshrc",
        "dot/gitconfig",
        "dot/awesome/rc.lua",
        "dot/custom/x.zsh",
        "hooks/pre-commit",
        "tools/ls",
    ] {
        assert!(said.contains(&format!("held     {held}:")), "{said}");
        assert!(!ec2.exists(format!("@{held}")), "{held}");
    }
    assert_eq!(ec2.read("@dot/vimrc"), "harmless\n");
}

#[test]
fn modes_from_upstream_open_nothing_that_ssh_reads() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("content\n");
    let forge = Forge::new(&sandbox);
    let modes = "0777 external/\n0777 external/.ssh/\n0666 external/.ssh/known_hosts\n";
    forge.push(&forge.add(&[
        ("external/.ssh/known_hosts", FILE, b"host ssh-ed25519 AAAA\n"),
        (".sync/marked-files.txt", FILE, b".conf\n.ssh/known_hosts\n"),
        (".sync/modes.txt", FILE, modes.as_bytes()),
    ]));
    let new = sandbox.joined("ec2-new");
    for (place, mode) in [(".ssh", 0o755), (".ssh/known_hosts", 0o644), ("@external", 0o755)] {
        assert_eq!(new.mode(place), mode, "{place}");
    }
    mac.sync();
    assert_eq!(mac.mode("@external/.ssh/known_hosts"), 0o644);
    let shared = sandbox.git(&["show", "main:.sync/modes.txt"]);
    assert!(!shared.contains("external"), "{shared}");
}

#[test]
fn where_git_lfs_sends_files_waits_for_who_uses_it() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("content\n");
    ec2.git(&["config", "--global", "filter.lfs.process", "git-lfs filter-process"]);
    mac.write("@.lfsconfig", "[lfs]\n\turl = https://one.example/x\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&[".lfsconfig", "Git LFS takes its server"]);
    assert!(!ec2.exists("@.lfsconfig"));
    ec2.run(&["resolve", "configs/.lfsconfig", "--theirs"]).done();
    assert!(ec2.read("@.lfsconfig").contains("one.example"));
    mac.append("@.lfsconfig", "\tconcurrenttransfers = 3\n");
    mac.sync();
    ec2.sync();
    mac.edit("@.lfsconfig", "one.example", "two.example");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&[".lfsconfig"]);
    assert!(ec2.read("@.lfsconfig").contains("one.example"));
    assert!(ec2.read("@.lfsconfig").contains("concurrenttransfers"), "other keys flow");
}
