//! A person uses Git in the repository, by hand: cfgsync respects it, or keeps its hands off.

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

const LINES: &str = "one\ntwo\nthree\nfour\nfive\n";

/// Commits everything in the repository, as a person does.
fn commit(machine: &Machine, message: &str) {
    let _ = machine.git(&["add", "."]);
    let _ = machine.git(&["commit", "--quiet", "--author=Ann <ann@example.com>", "-m", message]);
}

#[test]
fn commits_by_hand_keep_author_and_message_when_they_are_replayed() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.write("@from-mac", "mac\n");
    mac.sync();
    ec2.write("@first", "first\n");
    commit(&ec2, "First by hand\n\nWith a body.");
    ec2.edit(".conf", "five", "FIVE");
    commit(&ec2, "Second by hand");
    ec2.write("@uncommitted", "x\n");
    ec2.sync();
    mac.sync();
    let log = sandbox.git(&["log", "--format=%an|%ae|%B", "main"]);
    for line in [
        "Ann|ann@example.com|First by hand\n\nWith a body.\n",
        "Ann|ann@example.com|Second by hand\n",
    ] {
        assert_eq!(log.matches(line).count(), 1, "{log}");
    }
    assert_eq!(mac.read(".conf"), LINES.replace("five", "FIVE"));
    assert_eq!(mac.read("@uncommitted"), "x\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn a_commit_by_hand_that_does_not_replay_is_held_and_not_lost() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.edit(".conf", "one", "mac");
    mac.sync();
    ec2.edit(".conf", "one", "ec2");
    ec2.write("@beside", "beside\n");
    commit(&ec2, "By hand");
    let _ = ec2.run(&["sync"]).code(4);
    assert_eq!(ec2.read(".conf"), LINES.replace("one", "ec2"));
    mac.sync();
    assert_eq!(
        (mac.read("@beside"), mac.read(".conf")),
        ("beside\n".into(), LINES.replace("one", "mac"))
    );
    ec2.run(&["resolve", ".conf", "--ours"]).done();
    mac.sync();
    assert_eq!(mac.read(".conf"), LINES.replace("one", "ec2"));
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn a_merge_by_hand_is_published_as_it_is() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    let _ = ec2.git(&["switch", "--quiet", "-c", "side"]);
    ec2.write("@side", "side\n");
    commit(&ec2, "On the side");
    let _ = ec2.git(&["switch", "--quiet", "main"]);
    let _ = ec2.git(&["merge", "--quiet", "--no-ff", "-m", "Merge by hand", "side"]);
    ec2.sync();
    mac.sync();
    assert_eq!(mac.read("@side"), "side\n");
    assert!(sandbox.git(&["log", "--merges", "--format=%s", "main"]).contains("Merge by hand"));
    assert!(ec2.git(&["branch", "--list", "side"]).contains("side"), "other branches stay");
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn what_is_staged_stays_staged() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    ec2.write("@work", "committed\n");
    ec2.sync();
    mac.sync();
    ec2.write("@work", "staged\n");
    let _ = ec2.git(&["add", "work"]);
    ec2.write("@work", "committed\nand in the file\n");
    let staged = ec2.git(&["rev-parse", ":work"]);
    mac.edit(".conf", "one", "ONE");
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.git(&["rev-parse", ":work"]), staged);
    assert_eq!(ec2.read("@work"), "committed\nand in the file\n");
    assert_eq!(ec2.read(".conf"), LINES.replace("one", "ONE"));
    mac.sync();
    assert_eq!(mac.read("@work"), "committed\nand in the file\n");
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn stash_tags_branches_and_settings_are_never_touched() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    ec2.write("@stashed", "stashed\n");
    let _ = ec2.git(&["stash", "push", "--quiet", "--include-untracked"]);
    let _ = ec2.git(&["tag", "keep"]);
    let _ = ec2.git(&["branch", "other"]);
    let look = || {
        let refs = ec2.git(&[
            "for-each-ref",
            "--format=%(refname) %(objectname)",
            "refs/tags",
            "refs/stash",
            "refs/heads/other",
        ]);
        (refs, ec2.read("@.git/config"), ec2.read("@.git/HEAD"))
    };
    let before = look();
    mac.edit(".conf", "one", "ONE");
    mac.sync();
    ec2.append(".conf", "six\n");
    ec2.sync();
    assert_eq!(look(), before);
    let _ = ec2.git(&["stash", "pop", "--quiet"]);
    assert_eq!(ec2.read("@stashed"), "stashed\n");
}

#[test]
fn the_working_tree_is_clean_to_git_after_a_sync() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.write("@tool", "#!/bin/sh\n");
    mac.chmod("@tool", 0o755);
    mac.write("@secret", "x\n");
    mac.chmod("@secret", 0o600);
    mac.link("@link", "tool");
    mac.sync();
    ec2.sync();
    for machine in [&mac, &ec2] {
        assert_eq!(machine.git(&["status", "--porcelain"]), "");
        assert_eq!(machine.git(&["rev-parse", "HEAD"]), machine.git(&["rev-parse", "origin/main"]));
    }
}

#[test]
fn a_pull_by_hand_is_no_edit() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.edit(".conf", "one", "ONE");
    mac.write("@new", "new\n");
    mac.sync();
    let _ = ec2.git(&["pull", "--quiet", "--ff-only"]);
    let tip = sandbox.git(&["rev-parse", "main"]);
    ec2.sync();
    assert_eq!(sandbox.git(&["rev-parse", "main"]), tip, "nothing was published");
    ec2.edit(".conf", "ONE", "one");
    ec2.sync();
    mac.sync();
    assert_eq!(mac.read(".conf"), LINES, "a revert by hand is an edit");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_rebase_and_a_push_by_hand_are_no_edit() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.edit(".conf", "one", "ONE");
    mac.sync();
    ec2.write("@mine", "mine\n");
    commit(&ec2, "Mine");
    let _ = ec2.git(&["pull", "--quiet", "--rebase"]);
    let _ = ec2.git(&["push", "--quiet"]);
    let tip = sandbox.git(&["rev-parse", "main"]);
    ec2.sync();
    mac.sync();
    assert_eq!(sandbox.git(&["rev-parse", "main"]), tip);
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_branch_that_moved_without_its_files_reverses_nothing() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.edit(".conf", "one", "ONE");
    mac.write("@new", "new\n");
    mac.sync();
    let _ = ec2.git(&["fetch", "--quiet"]);
    let _ = ec2.git(&["reset", "--quiet", "--soft", "origin/main"]);
    ec2.sync();
    mac.sync();
    assert_eq!(
        (mac.read(".conf"), mac.read("@new")),
        (LINES.replace("one", "ONE"), "new\n".into())
    );
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_branch_that_moved_without_its_files_reverses_nothing_when_they_are_edited() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.edit(".conf", "one", "ONE");
    mac.sync();
    let _ = ec2.git(&["fetch", "--quiet"]);
    let _ = ec2.git(&["reset", "--quiet", "--soft", "origin/main"]);
    ec2.edit(".conf", "five", "FIVE");
    let _ = ec2.run(&["sync"]);
    mac.sync();
    assert!(mac.read(".conf").starts_with("ONE\n"), "the change of the mac was taken back");
}

#[test]
fn a_branch_set_back_by_hand_reverses_nothing() {
    for how in ["--soft", "--mixed", "--hard"] {
        let sandbox = Sandbox::new();
        let (mac, ec2) = sandbox.pair(LINES);
        mac.write("@new", "new\n");
        mac.sync();
        ec2.sync();
        let tip = sandbox.git(&["rev-parse", "main"]);
        let _ = ec2.git(&["reset", "--quiet", how, "HEAD~1"]);
        ec2.sync();
        mac.sync();
        assert_eq!(mac.read("@new"), "new\n", "{how}");
        assert_eq!(sandbox.git(&["rev-parse", "main"]), tip, "{how}");
        assert_converged(&[&mac, &ec2]);
        assert_clean(&sandbox, &[&mac, &ec2]);
    }
}

#[test]
fn a_local_file_that_somebody_committed_stays_where_it_is() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    ec2.write("@my.local", "of ec2\n");
    mac.write("@my.local", "of mac\n");
    let _ = mac.git(&["add", "--force", "my.local"]);
    let _ = mac.git(&["commit", "--quiet", "-m", "By hand"]);
    let _ = mac.git(&["push", "--quiet", "origin", "HEAD:main"]);
    for round in 0..3 {
        mac.write("@other", format!("{round}\n"));
        for machine in [&mac, &ec2, &mac] {
            machine.sync();
        }
        assert_eq!(ec2.read("@other"), format!("{round}\n"));
        for (machine, content) in [(&mac, "of mac\n"), (&ec2, "of ec2\n")] {
            assert_eq!(machine.read("@my.local"), content);
            assert_eq!(machine.state_word(), "synced");
            assert_eq!(machine.git(&["status", "--porcelain"]), "");
        }
    }
    assert_eq!(sandbox.git(&["show", "main:my.local"]), "of mac\n", "nobody takes it away either");
    let new = sandbox.joined("ec2-2");
    assert!(!new.exists("@my.local"));
    assert_eq!(new.git(&["status", "--porcelain"]), "");
    let _ = mac.git(&["rm", "--quiet", "--cached", "my.local"]);
    let _ = mac.git(&["commit", "--quiet", "-m", "Away"]);
    let _ = mac.git(&["push", "--quiet", "origin", "HEAD:main"]);
    for machine in [&ec2, &new, &mac] {
        machine.sync();
    }
    assert_eq!(
        (mac.read("@my.local"), ec2.read("@my.local")),
        ("of mac\n".into(), "of ec2\n".into())
    );
    assert_eq!(sandbox.git(&["ls-tree", "main", "my.local"]), "");
}

#[test]
fn the_branch_moves_as_git_moves_it() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    let lines = |name: &str| {
        let log = mac.git(&["reflog", "show", "--format=%H %gs", name]);
        log.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    mac.edit(".conf", "one", "ONE");
    mac.sync();
    let tip = mac.git(&["rev-parse", "HEAD"]).trim().to_owned();
    for name in ["HEAD", "main"] {
        assert_eq!(lines(name)[0], format!("{tip} cfgsync: sync"), "{name}");
    }
    let number = lines("main").len();
    let _ = mac.git(&["config", "core.logAllRefUpdates", "false"]);
    mac.remove("@.git/logs/refs/heads/main");
    ec2.edit(".conf", "five", "FIVE");
    ec2.sync();
    mac.sync();
    assert!(number > 1 && !mac.exists("@.git/logs/refs/heads/main"), "git was told to log nothing");
    let _ = mac.git(&["fsck", "--strict"]);
    mac.write("@.git/refs/heads/main.lock", "");
    mac.edit(".conf", "three", "THREE");
    let _ = mac.run(&["sync"]).code(8).says(&["main.lock"]);
    assert!(mac.exists("@.git/refs/heads/main.lock"), "it is somebody else's");
    mac.remove("@.git/refs/heads/main.lock");
    mac.sync();
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}
