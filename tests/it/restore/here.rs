//! `cfgsync restore --here`: for this machine only, until a person decides.

use super::LINES;
use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

const NEWER: &str = "newer\n";

/// Two machines that share a newer version, and the second went back for itself.
fn gone_back() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.write("@other", "1\n");
    mac.sync();
    ec2.sync();
    ec2.run(&["backup"]).done();
    mac.write(".conf", NEWER);
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read(".conf"), NEWER);
    let output = ec2.run(&["--yes", "restore", "1", "--here", "--", ".conf"]);
    let _ = output.code(0).says(&["stays on this machine", "cfgsync resolve"]);
    assert_eq!(ec2.read(".conf"), LINES);
    (sandbox, mac, ec2)
}

/// Asserts that both are in sync, and hold this.
#[track_caller]
fn assert_settled(sandbox: &Sandbox, mac: &Machine, ec2: &Machine, content: &str) {
    mac.sync();
    ec2.sync();
    mac.sync();
    assert_eq!((mac.read(".conf"), ec2.read(".conf")), (content.to_owned(), content.to_owned()));
    assert_eq!((mac.state_word(), ec2.state_word()), ("synced".to_owned(), "synced".to_owned()));
    assert_converged(&[mac, ec2]);
    assert_clean(sandbox, &[mac, ec2]);
    sandbox.assert_history();
}

#[test]
fn further_syncs_do_not_share_it_and_everything_else_goes_on() {
    let (_sandbox, mac, ec2) = gone_back();
    assert_eq!(ec2.state_word(), "held");
    for round in 2..5 {
        let _ = ec2.run(&["sync"]).code(4).says(&["~/.conf", "this machine only"]);
        mac.write("@other", format!("{round}\n"));
        mac.sync();
        let _ = ec2.run(&["sync"]).code(4);
        assert_eq!(ec2.read("@other"), format!("{round}\n"), "other files go on");
        ec2.write("@mine", format!("{round}\n"));
        let _ = ec2.run(&["sync"]).code(4);
        mac.sync();
        assert_eq!(mac.read("@mine"), format!("{round}\n"), "other files go on");
        assert_eq!((mac.read(".conf"), ec2.read(".conf")), (NEWER.to_owned(), LINES.to_owned()));
    }
    mac.write(".conf", "newest\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4);
    assert_eq!(ec2.read(".conf"), LINES, "a newer version elsewhere does not take it away");
    let _ = ec2.run(&["status"]).code(0).says(&["~/.conf", "held"]);
}

#[test]
fn the_hint_names_the_command_that_decides() {
    let (_sandbox, _mac, ec2) = gone_back();
    let _ = ec2.run(&["sync"]).code(4).says(&["cfgsync resolve"]);
}

#[test]
fn mine_shares_it() {
    let (sandbox, mac, ec2) = gone_back();
    let _ = ec2.run(&["sync"]).code(4);
    ec2.run(&["resolve", ".conf", "--ours"]).done();
    assert_settled(&sandbox, &mac, &ec2, LINES);
    ec2.append(".conf", "10\n");
    ec2.sync();
    assert_settled(&sandbox, &mac, &ec2, &format!("{LINES}10\n"));
}

#[test]
fn theirs_takes_what_is_upstream() {
    let (sandbox, mac, ec2) = gone_back();
    mac.write(".conf", "newest\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4);
    ec2.run(&["resolve", ".conf", "--theirs"]).done();
    assert_settled(&sandbox, &mac, &ec2, "newest\n");
    assert!(ec2.vault_has(LINES));
}

#[test]
fn it_can_be_decided_before_any_sync() {
    for (side, content) in [("--ours", LINES), ("--theirs", NEWER)] {
        let (sandbox, mac, ec2) = gone_back();
        ec2.run(&["resolve", ".conf", side]).done();
        assert_settled(&sandbox, &mac, &ec2, content);
    }
}

#[test]
fn an_edit_on_top_of_it_stays_here_too() {
    let (sandbox, mac, ec2) = gone_back();
    ec2.append(".conf", "10\n");
    let _ = ec2.run(&["sync"]).code(4);
    mac.sync();
    assert_eq!(mac.read(".conf"), NEWER);
    ec2.run(&["resolve", ".conf", "--ours"]).done();
    assert_settled(&sandbox, &mac, &ec2, &format!("{LINES}10\n"));
}

#[test]
fn its_undo_leaves_nothing_held() {
    let (sandbox, mac, ec2) = gone_back();
    let _ = ec2.run(&["undo"]);
    assert_eq!(ec2.read(".conf"), NEWER);
    ec2.sync();
    assert_settled(&sandbox, &mac, &ec2, NEWER);
}

#[test]
fn its_undo_done_again_is_still_for_this_machine_only() {
    let (_sandbox, mac, ec2) = gone_back();
    let _ = ec2.run(&["undo"]);
    let _ = ec2.run(&["undo"]);
    assert_eq!(ec2.read(".conf"), LINES);
    let _ = ec2.run(&["sync"]);
    mac.sync();
    assert_eq!(mac.read(".conf"), NEWER, "what was for one machine only was shared");
}

#[test]
fn a_later_restore_for_all_shares_it() {
    let (sandbox, mac, ec2) = gone_back();
    ec2.write(".conf", "something else\n");
    ec2.run(&["--yes", "restore", "1", "--", ".conf"]).done();
    mac.sync();
    let output = ec2.run(&["sync"]);
    // Whether it waits or goes, it is said; after a decision all are in sync.
    assert!(matches!(output.code, 0 | 4), "{output:?}");
    if output.code == 4 {
        ec2.run(&["resolve", ".conf", "--ours"]).done();
    }
    assert_settled(&sandbox, &mac, &ec2, LINES);
}

#[test]
fn a_whole_state_for_this_machine_only() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    ec2.write("@gone", "gone\n");
    ec2.sync();
    mac.sync();
    ec2.run(&["backup"]).done();
    mac.write(".conf", NEWER);
    mac.remove("@gone");
    mac.sync();
    ec2.sync();
    ec2.run(&["--yes", "restore", "1", "--here"]).done();
    assert_eq!((ec2.read(".conf"), ec2.read("@gone")), (LINES.to_owned(), "gone\n".to_owned()));
    for _ in 0..2 {
        let _ = ec2.run(&["sync"]).code(4).says(&["~/.conf", "gone"]);
        mac.sync();
        assert!(!mac.exists("@gone"));
        assert_eq!((mac.read(".conf"), ec2.read("@gone")), (NEWER.to_owned(), "gone\n".to_owned()));
    }
    let _ = ec2.run(&["resolve", ".conf", "--theirs"]).code(4).says(&["gone"]);
    ec2.run(&["resolve", "configs/gone", "--ours"]).done();
    assert_settled(&sandbox, &mac, &ec2, NEWER);
    assert_eq!(mac.read("@gone"), "gone\n");
}
