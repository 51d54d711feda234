//! What waits, until it goes on: declined, mended, taken back; and what is said of it meanwhile.

use crate::arrival::forge::{FILE, Forge, LINK};
use crate::sandbox::{Machine, Sandbox, assert_converged};

/// Two machines; one marked `.zshrc`, the other let files in at that place and has none.
fn let_in_before(content: &str) -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    mac.write(".zshrc", content);
    mac.run(&["mark", ".zshrc"]).done();
    mac.sync();
    std::fs::write(ec2.state().join("consented"), "cfgsync consented places 1\nexternal/.zshrc\n")
        .unwrap();
    (sandbox, mac, ec2)
}

#[test]
fn what_waits_at_a_risky_place_is_shown_before_and_after_a_sync() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    mac.write(".zshrc", "x=1\n");
    mac.run(&["mark", ".zshrc"]).done();
    mac.sync();
    for _ in 0..2 {
        let shown = ["+++ ~/.zshrc (upstream)\n", "\n+x=1\n"];
        let _ = ec2.run(&["diff", ".zshrc"]).code(0).says(&shown);
        let _ = ec2.run(&["sync"]).code(4);
    }
}

#[test]
fn an_undo_of_a_sync_that_only_held_a_file_ends_no_mark() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    mac.write(".zshrc", "x=1\n");
    mac.run(&["mark", ".zshrc"]).done();
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["~/.zshrc"]);
    let _ = ec2.run(&["undo"]);
    assert!(sandbox.git(&["show", "main:.sync/marked-files.txt"]).contains("\n.zshrc\n"));
    assert_eq!(sandbox.git(&["show", "main:external/.zshrc"]), "x=1\n");
    mac.sync();
    mac.assert_linked(".zshrc");
}

#[test]
fn a_broken_file_that_waits_arrives_once_it_is_mended() {
    let (_sandbox, mac, ec2) = let_in_before("if true; then\n");
    let _ = ec2.run(&["sync"]).code(4).says(&["~/.zshrc: upstream's version is broken"]);
    mac.append(".zshrc", "for\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["~/.zshrc: upstream's version is broken"]);
    mac.write(".zshrc", "x=2\n");
    mac.sync();
    ec2.sync();
    ec2.assert_linked(".zshrc");
    assert_eq!(ec2.read(".zshrc"), "x=2\n");
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn a_broken_file_is_declined_where_its_place_was_let_in() {
    let (sandbox, _mac, ec2) = let_in_before("if true; then\n");
    let _ = ec2.run(&["sync"]).code(4);
    ec2.run(&["resolve", ".zshrc", "--ours"]).done();
    assert!(!sandbox.git(&["ls-tree", "-r", "--name-only", "main"]).contains("zshrc"));
    assert!(!ec2.exists(".zshrc") && !ec2.exists("@external/.zshrc"));
    let _ = ec2.run(&["status"]).code(0).says(&["missing, here and upstream"]);
}

#[test]
fn a_marked_path_that_is_a_link_upstream_is_said_to_wait() {
    let sandbox = Sandbox::new();
    let (_mac, ec2) = sandbox.pair("one\n");
    let forge = Forge::new(&sandbox);
    forge.push(&forge.add(&[
        (".sync/marked-files.txt", FILE, b".conf\n.new\n"),
        ("external/.new", LINK, b"/etc/passwd"),
    ]));
    for _ in 0..2 {
        let _ = ec2.run(&["sync"]).code(4).says(&["~/.new: upstream has a link of this name"]);
    }
    assert_eq!(ec2.state_word(), "held");
    assert!(!ec2.exists(".new") && !ec2.exists("@external/.new"));
    assert_eq!(ec2.run(&["unmark", ".new"]).code, 0);
    ec2.sync();
}
