//! What people are told when something does not work, and that nothing changed when it did not.

use std::fs;

use crate::sandbox::{Machine, Sandbox, assert_clean};

#[test]
fn paths_that_cannot_be_marked_are_refused_with_a_reason() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write("secret.local", "x\n");
    mac.write("nested/.git/HEAD", "ref: refs/heads/main\n");
    mac.write("file", "x\n");
    mac.link("linked", mac.path("file"));
    mac.link("dead", mac.path("nothing"));
    mac.link("loop", "loop");
    mac.link("folder-link", mac.path("nested"));
    let _socket = std::os::unix::net::UnixListener::bind(mac.path("socket")).unwrap();
    fs::File::create(mac.path("huge")).unwrap().set_len(11 * 1024 * 1024).unwrap();
    let before = mac.everything();
    let check = |path: &str, code: i32, words: &[&str]| {
        let _ = mac.run(&["--yes", "mark", path]).code(code).says(words);
        assert_eq!(mac.everything(), before, "{path}");
    };
    check("/etc/hosts", 9, &["/etc/hosts", "outside your home"]);
    check(mac.repo().to_str().unwrap(), 9, &["dev/configs", "configs repository"]);
    check("dev/configs/sync.sh", 9, &["configs repository"]);
    check("dev", 9, &["~/dev", "cfgsync's own files"]);
    check(".", 9, &[""]);
    check(".local", 9, &["~/.local", "cfgsync's own files"]);
    check("secret.local", 9, &["secret.local", "never leave"]);
    check("nested", 9, &["~/nested", "Git repository"]);
    check("linked", 9, &["~/linked", "link to", "/file"]);
    check("dead", 9, &["~/dead", "nowhere"]);
    check("loop", 9, &["~/loop", "nowhere"]);
    check("folder-link/x", 9, &["link"]);
    check("socket", 9, &["~/socket", "socket"]);
    check("huge", 9, &["~/huge", "11.0 MiB", "--large"]);
    check("missing", 1, &["~/missing", "spelling"]);
    check("../escape", 9, &["escape"]);
    mac.run(&["mark", "--large", "huge"]).done();
    assert!(mac.target("huge").is_some());
}

#[test]
fn a_path_is_taken_as_it_is_typed_in_a_folder() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write("app/conf", "conf\n");
    mac.write(".conf", "dot\n");
    for path in ["./conf", "../.conf"] {
        let mut command = mac.command(env!("CARGO_BIN_EXE_cfgsync"));
        let output = command.args(["mark", path]).current_dir(mac.path("app")).output().unwrap();
        assert!(output.status.success(), "{path}: {output:?}");
    }
    mac.assert_linked("app/conf");
    mac.assert_linked(".conf");
}

#[test]
fn marks_refuse_all_or_do_all() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write("good", "x\n");
    let _ = mac.run(&["mark", "good", "missing"]).code(1);
    assert_eq!(mac.target("good"), None, "half of a command was done");
    assert!(!mac.exists("@external"));
}

#[test]
fn unmark_names_what_is_not_marked() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write("app/a", "x\n");
    mac.run(&["--yes", "mark", "app"]).done();
    let _ =
        mac.run(&["unmark", ".zshrc"]).code(1).says(&["~/.zshrc is not marked", "cfgsync list"]);
    let _ = mac.run(&["unmark", "app/a"]).code(9).says(&["~/app/a", "part of ~/app"]);
    mac.assert_linked("app/a");
}

#[test]
fn nothing_is_set_up_yet() {
    let sandbox = Sandbox::new();
    let mac = sandbox.machine("mac");
    for command in ["sync", "status", "list", "--status"] {
        let _ = mac.run(&[command]).code(1).says(&["dev/configs", "cfgsync setup"]);
    }
    assert!(!mac.exists("dev") && !mac.exists(".local"), "looking changes nothing");
}

#[test]
fn old_flags_mean_their_commands() {
    let sandbox = Sandbox::new();
    let mac = sandbox.machine("mac");
    mac.run(&["--setup", mac.url()]).done();
    mac.write(".conf", "x\n");
    mac.run(&["--mark", ".conf"]).done();
    let _ = mac.run(&["--list-marked"]).code(0).says(&["~/.conf"]);
    let _ = mac.run(&["--dry-run"]).code(3).says(&["~/.conf"]);
    let _ = mac.run(&["--status"]).code(0).says(&["~/.conf", "dev/configs"]);
    let none: [&str; 0] = [];
    mac.run(&none).done();
    assert!(sandbox.git(&["ls-tree", "-r", "main"]).contains("external/.conf"));
    let _ = mac.run(&["--dry-run"]).code(0).says(&["Nothing would change"]);
    mac.run(&["--unmark", ".conf"]).done();
    mac.assert_plain(".conf", "x\n");
    let before = mac.everything();
    let _ = mac.run(&["--restore"]).code(2).says(&["no state was named"]);
    let _ = mac.run(&["--restore", "2020-11-20"]).code(1).says(&["was kept by 2020-11-20"]);
    for flag in ["--force-push", "--force-pull"] {
        let _ = mac.run(&[flag]).code(9).says(&["side wins", "--yes"]);
        let _ = mac.run(&["--dry-run", flag]).code(3).says(&["~/.conf"]);
    }
    let _ = mac.run(&["--no-such-flag"]).code(2);
    assert_eq!(mac.everything(), before);
}

#[test]
fn a_dry_run_changes_nothing_at_all() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("x\n");
    mac.append(".conf", "y\n");
    mac.sync();
    ec2.write("@new", "new\n");
    let files = |machine: &Machine| {
        let listing = machine
            .command("find")
            .args([".", "-printf", "%p %y %m %s %T@ %l\n"])
            .output()
            .unwrap();
        let text = String::from_utf8(listing.stdout).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let before = files(&ec2);
    let _ = ec2.run(&["sync", "--dry-run"]).code(3).says(&["added", "new"]);
    let _ = ec2.run(&["status"]).code(0);
    let _ = ec2.run(&["list"]).code(0);
    let _ = ec2.run(&["status", "--exit-code"]).code(3);
    assert_eq!(files(&ec2), before);
}

#[test]
fn an_unreachable_remote_queues_the_work() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("x\n");
    sandbox.unplug();
    mac.append(".conf", "offline\n");
    let _ = mac.run(&["sync"]).code(5).says(&["remote.git", "next"]);
    assert_eq!(mac.git(&["log", "--format=%H", "origin/main..HEAD"]).lines().count(), 1);
    assert_eq!(mac.state_word(), "ahead");
    let _ = mac.run(&["sync"]).code(5);
    mac.append(".conf", "again\n");
    let _ = mac.run(&["sync"]).code(5);
    sandbox.plug();
    mac.sync();
    assert_eq!(mac.state_word(), "synced");
    ec2.sync();
    assert_eq!(ec2.read(".conf"), "x\noffline\nagain\n");
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn a_closed_port_is_offline_too() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("x\n");
    let _ = mac.git(&["remote", "set-url", "origin", "http://user:secret@127.0.0.1:9/configs.git"]);
    mac.append(".conf", "offline\n");
    let output = mac.run(&["sync"]).code(5).says(&["127.0.0.1"]);
    assert!(!output.stderr.contains("secret"), "{output:?}");
    let _ = mac.git(&["remote", "set-url", "origin", mac.url()]);
    mac.sync();
    assert_eq!(mac.state_word(), "synced");
}

#[test]
fn a_rewritten_remote_is_refused_and_nothing_is_deleted() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("x\n");
    mac.write("@second", "second\n");
    mac.sync();
    ec2.sync();
    let tip = sandbox.git(&["rev-parse", "main"]);
    let orphan = mac.git(&["commit-tree", "-m", "rewritten", "HEAD~1^{tree}"]);
    let _ = mac.git(&["push", "--quiet", "--force", "origin", &format!("{}:main", orphan.trim())]);
    for rewritten in [orphan.trim(), "HEAD~1"] {
        let _ = mac.git(&[
            "push",
            "--quiet",
            "--force",
            "origin",
            &format!("{rewritten}:refs/heads/main"),
        ]);
        ec2.append(".conf", "mine\n");
        let before = ec2.everything();
        let _ = ec2.run(&["sync"]).code(9).says(&["--force-push", "--force-pull"]);
        let _ = ec2.run(&["sync"]).code(9);
        assert_eq!(ec2.everything(), before, "{rewritten}");
        assert_eq!(ec2.state_word(), "failed", "{rewritten}");
    }
    let _ = mac.git(&["push", "--quiet", "--force", "origin", &format!("{}:main", tip.trim())]);
    ec2.sync();
    assert_eq!(ec2.read("@second"), "second\n");
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_remote_branch_that_vanished_deletes_nothing() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("x\n");
    let _ = sandbox.git(&["branch", "-m", "main", "trunk"]);
    let before = ec2.everything();
    let _ = ec2.run(&["sync"]).code(9).says(&["no longer has the branch main"]);
    assert_eq!(ec2.everything(), before);
    assert!(!sandbox.git(&["branch", "--list"]).contains("main"), "the branch is not made again");
    let _ = sandbox.git(&["branch", "-m", "trunk", "main"]);
    ec2.sync();
    mac.sync();
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn an_incoming_mass_removal_asks_first() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    for at in 0..10 {
        mac.write(format!("@file-{at}"), "x\n");
    }
    mac.sync();
    ec2.sync();
    for at in 0..6 {
        mac.remove(&format!("@file-{at}"));
    }
    mac.sync();
    let _ = ec2.run(&["sync"]).code(9).says(&["6 of", "--yes"]);
    assert!(ec2.exists("@file-0"));
    ec2.run(&["sync", "--yes"]).done();
    assert!(!ec2.exists("@file-0") && ec2.exists("@file-9"));
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_damaged_setting_names_its_line_and_a_damaged_record_does_no_harm() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("x\n");
    let settings = mac.read("@.sync/config.toml");
    mac.write("@.sync/config.toml", format!("{settings}interval = \"often\"\nnonsense\n"));
    let _ = mac.run(&["sync"]).code(2).says(&["config.toml", "Mend the line"]);
    mac.write("@.sync/config.toml", settings);
    for damage in ["", "garbage", &"x".repeat(128)] {
        mac.write("@.sync/sync-status", damage);
        mac.sync();
        assert_eq!(mac.state_word(), "synced");
    }
}

#[test]
fn a_damaged_index_is_named_before_anything_changes() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("x\n");
    mac.write("@file", "one\n");
    mac.sync();
    let place = ec2.repo().join(".git/index");
    let whole = std::fs::read(&place).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for damage in [&damaged[..], &whole[..whole.len() / 2]] {
        std::fs::write(&place, damage).unwrap();
        let _ = ec2.run(&["sync"]).code(1).says(&["read the index", "git fsck"]);
        assert!(!ec2.exists("@file"));
        assert_eq!(ec2.state_word(), "failed");
    }
    std::fs::write(&place, whole).unwrap();
    ec2.sync();
    assert_eq!(ec2.read("@file"), "one\n");
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn many_runs_at_once_wait_for_each_other() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("x\n");
    mac.append(".conf", "y\n");
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| mac.sync());
        }
    });
    ec2.sync();
    assert_eq!(ec2.read(".conf"), "x\ny\n");
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}
