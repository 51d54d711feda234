//! An operation that died once its files were there can be taken back like any other.

use super::{assert_settled, pair};
use crate::killed::kill;
use crate::sandbox::assert_same;

#[test]
fn a_sync_that_died_once_its_files_were_there_is_taken_back() {
    for is_synced_again in [false, true] {
        let (sandbox, mac, ec2) = pair();
        mac.append(".conf", "10\n");
        mac.write("@new", "new\n");
        mac.remove("app/two");
        mac.chmod("@dir/file", 0o755);
        mac.sync();
        let before = ec2.files();
        kill(&ec2, &ec2.state().join("vault/refs/cfgsync/agreed.lock"), &["sync"]);
        assert_eq!(ec2.read("@new"), "new\n", "the files are there");
        assert!(!ec2.exists("app/two"));
        if is_synced_again {
            ec2.sync();
        }
        ec2.run(&["undo"]).done();
        assert_same("a sync that died, and its undo,", &before, &ec2.files());
        assert_settled(&sandbox, &mac, &ec2, &before);
    }
}

#[test]
fn a_force_pull_that_died_once_its_files_were_there_is_taken_back() {
    let (sandbox, mac, ec2) = pair();
    mac.append(".conf", "mac\n");
    mac.sync();
    ec2.append(".conf", "ec2\n");
    ec2.write("@here", "here\n");
    let before = ec2.files();
    let place = ec2.state().join("vault/refs/cfgsync/agreed.lock");
    kill(&ec2, &place, &["--yes", "sync", "--force-pull"]);
    assert!(!ec2.exists("@here"), "the files are gone");
    // What was forced away and does not merge is what it was before: this machine's, and not sent.
    let _ = ec2.run(&["undo"]);
    assert_same("a force pull that died, and its undo,", &before, &ec2.files());
    if ec2.state_word() == "held" {
        ec2.run(&["resolve", ".conf", "--ours"]).done();
    }
    assert_settled(&sandbox, &mac, &ec2, &before);
}

#[test]
fn an_undo_that_died_is_taken_up_by_the_next_one() {
    let (sandbox, mac, ec2) = pair();
    let before = ec2.files();
    mac.append(".conf", "10\n");
    mac.write("@new", "new\n");
    mac.sync();
    ec2.sync();
    let after = ec2.files();
    kill(&ec2, &ec2.state().join("vault/refs/cfgsync/agreed.lock"), &["undo"]);
    ec2.sync();
    assert_same("a sync, and an undo that died,", &before, &ec2.files());
    assert_settled(&sandbox, &mac, &ec2, &before);
    ec2.run(&["undo"]).done();
    assert_settled(&sandbox, &mac, &ec2, &after);
}
