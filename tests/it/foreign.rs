//! A person is in the middle of something of their own in the repository: nothing of theirs is
//! touched, their edits are kept in the vault, the light says paused, and the next sync after they
//! finish just works.

use cfgsync_core::status::{SyncState, wire};

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged, assert_same};

const LINES: &str = "one\ntwo\nthree\nfour\nfive\n";

/// Something of a person's in the repository.
struct Case {
    /// Begins it.
    start: fn(&Machine),
    /// What people are told.
    words: &'static [&'static str],
    /// Ends it.
    end: fn(&Machine),
    /// What the file `work` is then.
    work: &'static str,
}

fn git(machine: &Machine, line: &str) {
    let _ = machine.git(&line.split(' ').collect::<Vec<_>>());
}

/// Runs git, which stops in the middle.
fn stops(machine: &Machine, line: &str) {
    let _ = machine.try_git(&line.split(' ').collect::<Vec<_>>()).code(1);
}

fn commit(machine: &Machine, message: &str) {
    git(machine, "add work");
    let _ = machine.git(&["commit", "--quiet", "--author=Ann <ann@example.com>", "-m", message]);
}

/// Makes a branch with a commit that does not fit what was synced, and goes back.
fn side(machine: &Machine) {
    git(machine, "switch --quiet -c side HEAD~1");
    machine.write("@work", "side\n");
    commit(machine, "Side");
    git(machine, "switch --quiet main");
}

fn back(machine: &Machine) {
    git(machine, "switch --quiet main");
}

/// Decides what stopped, and leaves everything else as it is on disk.
fn settle(machine: &Machine) {
    machine.write("@work", "settled\n");
    git(machine, "add work");
}

const REBASE: Case = Case {
    start: |machine| {
        side(machine);
        git(machine, "switch --quiet side");
        stops(machine, "rebase main");
    },
    words: &["paused", "a rebase is under way"],
    end: |machine| {
        git(machine, "rebase --abort");
        back(machine);
    },
    work: "work\n",
};
const REBASE_OF_MAIN: Case = Case {
    start: |machine| {
        side(machine);
        stops(machine, "rebase side");
    },
    words: &["paused", "a rebase is under way"],
    end: |machine| git(machine, "rebase --abort"),
    work: "work\n",
};
const MERGE: Case = Case {
    start: |machine| {
        side(machine);
        stops(machine, "merge side");
    },
    words: &["paused", "a merge is under way"],
    end: |machine| git(machine, "merge --abort"),
    work: "work\n",
};
const FINISHED_MERGE: Case = Case {
    end: |machine| {
        settle(machine);
        git(machine, "commit --quiet --no-edit");
    },
    work: "settled\n",
    ..MERGE
};
const PICK: Case = Case {
    start: |machine| {
        side(machine);
        stops(machine, "cherry-pick side");
    },
    words: &["paused", "a cherry-pick is under way"],
    end: |machine| git(machine, "cherry-pick --abort"),
    work: "work\n",
};
const FINISHED_PICK: Case = Case {
    end: |machine| {
        settle(machine);
        git(machine, "-c core.editor=true cherry-pick --continue");
    },
    work: "settled\n",
    ..PICK
};
const REVERT: Case = Case {
    start: |machine| {
        machine.write("@work", "work\nmore\n");
        commit(machine, "More");
        machine.write("@work", "work\nmost\n");
        commit(machine, "Most");
        stops(machine, "revert --no-edit HEAD~1");
    },
    words: &["paused", "a revert is under way"],
    end: |machine| git(machine, "revert --abort"),
    work: "work\nmost\n",
};
const BISECT: Case = Case {
    start: |machine| git(machine, "bisect start HEAD HEAD~2"),
    words: &["paused", "a bisect is under way"],
    end: |machine| git(machine, "bisect reset"),
    work: "work\n",
};
const DETACHED: Case = Case {
    start: |machine| git(machine, "switch --quiet --detach"),
    words: &["paused", "HEAD is detached"],
    end: back,
    work: "work\n",
};
const OLD_COMMIT: Case = Case {
    start: |machine| git(machine, "checkout --quiet HEAD~1"),
    words: &["paused", "HEAD is detached"],
    end: back,
    work: "work\n",
};
const BRANCH: Case = Case {
    start: |machine| git(machine, "switch --quiet -c experiment"),
    words: &["paused", "experiment", "main"],
    end: back,
    work: "work\n",
};
const LOCK: Case = Case {
    start: |machine| machine.write("@.git/index.lock", ""),
    words: &["paused", "index.lock"],
    end: |machine| machine.remove("@.git/index.lock"),
    work: "work\n",
};

/// Asserts that the record, which the light shows, and `status` say paused.
#[track_caller]
fn assert_paused(machine: &Machine, what: &str) {
    let record = std::fs::read(machine.path("@.sync/sync-status")).unwrap();
    assert_eq!(record[9], b'P', "{what}: {record:?}");
    assert_eq!(wire::decode(&record).unwrap().state, SyncState::Paused, "{what}");
    assert_eq!(machine.state_word(), "paused", "{what}");
    let _ = machine.run(&["status", "--exit-code"]).code(8);
}

/// Runs a background sync as the plugin does, which waits for its end.
fn sync_in_background(machine: &Machine) {
    let mut command = machine.command(env!("CARGO_BIN_EXE_cfgsync"));
    let output = command.args(["sync", "--background"]).env("CFGSYNC_HOLD_STDOUT", "1").output();
    let output = output.unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
}

/// Two machines in sync, with two commits that touch `work`; the other one has sent an edit since.
fn pair() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    for content in ["first\n", "work\n"] {
        ec2.write("@work", content);
        ec2.sync();
    }
    mac.sync();
    mac.append(".conf", "six\n");
    mac.sync();
    (sandbox, mac, ec2)
}

/// Sees every run keep its hands off, and the sync after the end work.
#[track_caller]
fn check(case: &Case) {
    let (sandbox, mac, ec2) = pair();
    (case.start)(&ec2);
    let Case { words, .. } = case;
    let what = words.join(" ");
    let remote = sandbox.git(&["for-each-ref"]);
    let look = || (ec2.git_bytes(), ec2.everything());
    let untouched = |before: &(_, _), run: &str| {
        let after = look();
        assert_same(&format!("{what}: {run}"), &before.0, &after.0);
        assert_same(&format!("{what}: {run}"), &before.1, &after.1);
        assert_eq!(sandbox.git(&["for-each-ref"]), remote, "{what}: {run}");
    };
    ec2.write("@fresh", "seen in the background\n");
    let before = look();
    sync_in_background(&ec2);
    untouched(&before, "a background run");
    assert_paused(&ec2, &what);
    let log = ec2.read("@.sync/log/background.jsonl");
    assert!(log.lines().last().unwrap().contains("paused"), "{what}: {log}");
    assert!(ec2.vault_has("seen in the background\n"), "{what}");
    ec2.write("@fresh", "seen in the foreground\n");
    ec2.write(".unmarked", "not shared\n");
    let before = look();
    let _ = ec2.run(&["sync"]).code(8).says(words).says(&["vault"]);
    untouched(&before, "a sync");
    assert_paused(&ec2, &what);
    assert!(ec2.vault_has("seen in the foreground\n"), "{what}");
    for arguments in [
        &["mark", ".unmarked"][..],
        &["unmark", ".conf"],
        &["undo", "1"],
        &["--yes", "sync", "--force-push"],
        &["--yes", "sync", "--force-pull"],
    ] {
        let _ = ec2.run(arguments).code(8).says(&["paused"]);
        untouched(&before, &format!("{arguments:?}"));
    }
    ec2.remove("@fresh");
    (case.end)(&ec2);
    ec2.write("@fresh", "after it\n");
    let _ = ec2.run(&["sync"]).code(0);
    assert_eq!(ec2.state_word(), "synced", "{what}");
    mac.sync();
    assert_eq!(ec2.read(".conf"), format!("{LINES}six\n"), "{what}");
    assert_eq!(mac.read("@fresh"), "after it\n", "{what}");
    assert_eq!(mac.read("@work"), case.work, "{what}");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_rebase_under_way_is_left_alone() {
    check(&REBASE);
    check(&REBASE_OF_MAIN);
}

#[test]
fn a_merge_under_way_is_left_alone() {
    check(&MERGE);
    check(&FINISHED_MERGE);
}

#[test]
fn a_cherry_pick_under_way_is_left_alone() {
    check(&PICK);
    check(&FINISHED_PICK);
}

#[test]
fn a_revert_and_a_bisect_under_way_are_left_alone() {
    check(&REVERT);
    check(&BISECT);
}

#[test]
fn a_detached_head_and_another_branch_are_left_alone() {
    check(&DETACHED);
    check(&OLD_COMMIT);
    check(&BRANCH);
}

#[test]
fn a_lock_of_another_git_is_left_alone() {
    check(&LOCK);
}

#[test]
fn a_dry_run_in_the_middle_of_something_changes_nothing() {
    for case in [REBASE, MERGE, DETACHED, BRANCH, LOCK] {
        let (sandbox, _mac, ec2) = pair();
        (case.start)(&ec2);
        ec2.write("@fresh", "fresh\n");
        let before = sandbox.bytes();
        for arguments in [&["sync", "--dry-run"][..], &["--dry-run", "--force-pull"], &["status"]] {
            let _ = ec2.run(arguments);
            assert_same(&format!("{arguments:?}"), &before, &sandbox.bytes());
        }
    }
}

#[test]
fn an_edit_of_a_live_file_is_kept_and_sent_afterwards() {
    for case in [MERGE, BRANCH, LOCK] {
        let (sandbox, mac, ec2) = pair();
        (case.start)(&ec2);
        let edited = LINES.replace("two", "TWO");
        ec2.write(".conf", &edited);
        let _ = ec2.run(&["sync"]).code(8);
        assert!(ec2.vault_has(&edited));
        assert_eq!(ec2.read(".conf"), edited);
        (case.end)(&ec2);
        ec2.sync();
        mac.sync();
        assert_eq!(mac.read(".conf"), format!("{edited}six\n"), "{:?}", case.words);
        assert_converged(&[&mac, &ec2]);
        assert_clean(&sandbox, &[&mac, &ec2]);
    }
}

#[test]
fn what_is_staged_stays_staged_through_it_all() {
    for case in [DETACHED, BRANCH, LOCK, BISECT] {
        let (sandbox, mac, ec2) = pair();
        ec2.write("@staged", "staged and never committed\n");
        git(&ec2, "add staged");
        ec2.write("@staged", "on disk\n");
        let staged = ec2.git(&["rev-parse", ":staged"]);
        (case.start)(&ec2);
        let _ = ec2.run(&["sync"]).code(8);
        assert_eq!(ec2.git(&["rev-parse", ":staged"]), staged, "{:?}", case.words);
        assert!(ec2.vault_has("staged and never committed\n") && ec2.vault_has("on disk\n"));
        (case.end)(&ec2);
        ec2.sync();
        assert_eq!(ec2.git(&["rev-parse", ":staged"]), staged, "{:?}", case.words);
        assert_eq!(ec2.read("@staged"), "on disk\n");
        mac.sync();
        assert_eq!(mac.read("@staged"), "on disk\n", "{:?}", case.words);
        assert_converged(&[&mac, &ec2]);
        assert_clean(&sandbox, &[&mac, &ec2]);
    }
}
