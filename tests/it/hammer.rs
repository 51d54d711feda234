//! A person's own Git at work in the repository, all the while cfgsync syncs there.

use std::thread;

use git2::{ObjectType, Oid};

use crate::sandbox::{Machine, Sandbox, assert_converged};

const ROUNDS: u32 = 12;

/// Commits, leaves the branch and comes back, and stashes, as a person's scripts do. What Git refuses
/// because the other one is at work is tried again the next time.
fn hammer(machine: &Machine) {
    for round in 0..ROUNDS {
        machine.write("@by-hand", format!("{round}\n"));
        let _ = machine.try_git(&["add", "by-hand"]);
        let _ = machine.try_git(&["commit", "-q", "-m", &format!("by hand {round}")]);
        let _ = machine.try_git(&["checkout", "-q", "-b", &format!("side-{round}")]);
        let _ = machine.try_git(&["checkout", "-q", "main"]);
        machine.write(format!("@new-{round}"), format!("new {round}\n"));
        let _ = machine.try_git(&["stash", "push", "-q", "-u"]);
        let _ = machine.try_git(&["stash", "pop", "-q"]);
        let _ = machine.try_git(&["rebase", "-q", "HEAD~1"]);
        let _ = machine.try_git(&["rebase", "--abort"]);
    }
}

#[test]
fn a_persons_git_at_the_same_time_loses_nothing() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    thread::scope(|scope| {
        let hammering = scope.spawn(|| hammer(&ec2));
        let mut number = 0;
        while !hammering.is_finished() {
            mac.write(".conf", format!("{number}\n"));
            let _ = mac.run(&["sync"]);
            let _ = ec2.run(&["sync"]);
            number += 1;
        }
    });
    // Its files stay as they are, wherever that script stopped.
    ec2.git(&["symbolic-ref", "HEAD", "refs/heads/main"]);
    ec2.git(&["reset", "-q"]);
    for lock in ["index.lock", "HEAD.lock", "refs/heads/main.lock"] {
        assert!(!ec2.exists(format!("@.git/{lock}")), "{lock}");
    }
    // A stash that hit upon half a sync put an old version back: that is an edit, and may be held.
    let _ = ec2.run(&["sync"]);
    ec2.run(&["--yes", "sync", "--force-push"]).done();
    // New files of the person may be in a stash only.
    mac.run(&["--yes", "sync"]).done();
    for machine in [&ec2, &mac] {
        machine.sync();
    }
    // What Git could not bring back is in a stash still, which is the person's own.
    let kept = ec2.git(&["rev-list", "--objects", "--all", "--reflog"]);
    let new = (0..ROUNDS).map(|round| format!("new {round}\n"));
    for text in new.chain([format!("{}\n", ROUNDS - 1)]) {
        let blob = Oid::hash_object(ObjectType::Blob, text.as_bytes()).unwrap().to_string();
        assert!(kept.contains(&blob), "{text}");
    }
    assert_converged(&[&mac, &ec2]);
}
