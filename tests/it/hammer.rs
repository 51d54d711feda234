//! A person's own Git at work in the repository, all the while cfgsync syncs there.

use std::thread;

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
    let _ = ec2.try_git(&["checkout", "-q", "main"]);
    let _ = ec2.try_git(&["stash", "pop", "-q"]);
    for lock in ["index.lock", "HEAD.lock", "refs/heads/main.lock"] {
        assert!(!ec2.exists(format!("@.git/{lock}")), "{lock}");
    }
    // A stash that hit upon half a sync put an old version back: that is an edit, and may be held.
    let _ = ec2.run(&["sync"]);
    let _ = ec2.run(&["resolve", ".conf", "--theirs"]);
    for machine in [&ec2, &mac, &ec2, &mac] {
        machine.sync();
    }
    for round in 0..ROUNDS {
        assert_eq!(mac.read(format!("@new-{round}")), format!("new {round}\n"));
    }
    assert_eq!(mac.read("@by-hand"), format!("{}\n", ROUNDS - 1));
    assert_converged(&[&mac, &ec2]);
}
