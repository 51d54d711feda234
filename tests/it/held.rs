//! Files that both sides changed in the same place, and files deleted on one side.

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

const BASE: &str = "a\nb\nc\n";
const MAC: &str = "a\nmac\nc\n";
const EC2: &str = "a\nec2\nc\n";

/// Two machines that changed the same line; the first has synced.
fn contested() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(BASE);
    mac.write(".conf", MAC);
    mac.sync();
    ec2.write(".conf", EC2);
    (sandbox, mac, ec2)
}

#[test]
fn a_held_file_is_untouched_and_everything_else_flows() {
    let (sandbox, mac, ec2) = contested();
    mac.write("@in", "in\n");
    mac.sync();
    ec2.write("@out", "out\n");
    let _ = ec2.run(&["sync"]).code(4).says(&["~/.conf", "resolve"]);
    assert_eq!(ec2.read(".conf"), EC2);
    assert_eq!(ec2.read("@in"), "in\n");
    assert_eq!(ec2.state_word(), "held");
    mac.sync();
    assert_eq!((mac.read("@out"), mac.read(".conf")), ("out\n".to_owned(), MAC.to_owned()));
    for content in [BASE, MAC, EC2] {
        assert!(ec2.vault_has(content), "{content:?} is not in the vault");
    }
    let before = ec2.commits();
    let _ = ec2.run(&["sync"]).code(4);
    assert_eq!(ec2.commits(), before, "a held file makes no commits");
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn a_held_file_stays_held_through_further_edits() {
    let (sandbox, mac, ec2) = contested();
    let _ = ec2.run(&["sync"]).code(4);
    ec2.write(".conf", "a\nec2 again\nc\n");
    let _ = ec2.run(&["sync"]).code(4);
    assert_eq!(ec2.read(".conf"), "a\nec2 again\nc\n");
    mac.write(".conf", "a\nmac again\nc\n");
    mac.sync();
    let output = ec2.run(&["sync"]).code(4);
    assert_eq!(output.stderr.matches("held  ").count(), 1, "{output:?}");
    assert_eq!(ec2.read(".conf"), "a\nec2 again\nc\n");
    ec2.run(&["resolve", ".conf", "--theirs"]).done();
    assert_eq!(ec2.read(".conf"), "a\nmac again\nc\n");
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_held_file_is_released_when_both_sides_are_equal() {
    let (sandbox, mac, ec2) = contested();
    let _ = ec2.run(&["sync"]).code(4);
    ec2.write(".conf", MAC);
    ec2.sync();
    assert_eq!(ec2.state_word(), "synced");
    mac.sync();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_held_file_is_released_when_upstream_takes_its_change_back() {
    let (sandbox, mac, ec2) = contested();
    let _ = ec2.run(&["sync"]).code(4);
    mac.write(".conf", BASE);
    mac.sync();
    ec2.sync();
    mac.sync();
    assert_eq!((mac.read(".conf"), ec2.read(".conf")), (EC2.to_owned(), EC2.to_owned()));
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_person_decides() {
    for (choice, winner) in [("--ours", EC2), ("--theirs", MAC)] {
        let (sandbox, mac, ec2) = contested();
        let _ = ec2.run(&["sync"]).code(4);
        let _ = ec2.run(&["resolve"]).code(4).says(&["~/.conf"]);
        ec2.run(&["resolve", ".conf", choice]).done();
        ec2.assert_linked(".conf");
        mac.sync();
        assert_eq!((mac.read(".conf"), ec2.read(".conf")), (winner.to_owned(), winner.to_owned()));
        for content in [MAC, EC2] {
            assert!(ec2.vault_has(content), "{choice}: {content:?} is not in the vault");
        }
        let _ = ec2.run(&["resolve"]).code(0).says(&["Nothing is held"]);
        assert_converged(&[&mac, &ec2]);
        assert_clean(&sandbox, &[&mac, &ec2]);
        sandbox.assert_history();
    }
}

#[test]
fn a_held_file_of_the_repository_is_resolved_by_its_path() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write("@dir/file", MAC);
    mac.sync();
    ec2.write("@dir/file", EC2);
    let _ = ec2.run(&["sync"]).code(4).says(&["dir/file"]);
    assert_eq!(ec2.read("@dir/file"), EC2);
    let path = ec2.path("@dir/file");
    ec2.run(&["resolve".as_ref(), path.as_os_str(), "--ours".as_ref()]).done();
    mac.sync();
    assert_eq!(mac.read("@dir/file"), EC2);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn marker_lines_that_belong_to_a_file_are_content() {
    let sandbox = Sandbox::new();
    let text = "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> x\nend\n";
    let (mac, ec2) = sandbox.pair(text);
    mac.edit(".conf", "end", "END");
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read(".conf"), text.replace("end", "END"));
}

#[test]
fn a_binary_changed_on_both_sides_is_held() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("\0one\n");
    mac.write(".conf", "\0mac\nsame\n");
    ec2.write(".conf", "\0ec2\nother\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["not text"]);
    assert_eq!(ec2.read(".conf"), "\0ec2\nother\n");
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn an_edit_wins_over_a_deletion_on_either_side() {
    for editor_is_first in [true, false] {
        let sandbox = Sandbox::new();
        let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
        mac.write("@file", BASE);
        mac.sync();
        ec2.sync();
        mac.write("@file", MAC);
        ec2.remove("@file");
        let order = if editor_is_first { [&mac, &ec2] } else { [&ec2, &mac] };
        order[0].sync();
        let _ = order[1].run(&["sync"]).code(0).says(&["file", "kept"]);
        order[0].sync();
        assert_eq!((mac.read("@file"), ec2.read("@file")), (MAC.to_owned(), MAC.to_owned()));
        assert_converged(&[&mac, &ec2]);
        assert_clean(&sandbox, &[&mac, &ec2]);
        sandbox.assert_history();
    }
}

#[test]
fn a_deletion_travels_and_its_bytes_stay_in_the_vault() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write("@dir/sub/file", BASE);
    mac.sync();
    ec2.sync();
    std::fs::remove_dir_all(mac.path("@dir")).unwrap();
    mac.sync();
    ec2.sync();
    assert!(!ec2.exists("@dir/sub/file") && !ec2.exists("@dir"), "empty folders go too");
    assert!(ec2.vault_has(BASE));
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_file_against_a_folder_is_held_with_the_true_reason() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write("@thing", BASE);
    mac.sync();
    ec2.sync();
    mac.remove("@thing");
    mac.write("@thing/inside", "inside\n");
    mac.sync();
    ec2.write("@thing", EC2);
    ec2.write("@other", "other\n");
    let _ = ec2.run(&["sync"]).code(4).says(&["thing", "folder"]);
    assert_eq!(ec2.read("@thing"), EC2);
    mac.sync();
    assert_eq!(
        (mac.read("@thing/inside"), mac.read("@other")),
        ("inside\n".into(), "other\n".into())
    );
    let path = ec2.path("@thing");
    ec2.run(&["resolve".as_ref(), path.as_os_str(), "--theirs".as_ref()]).done();
    mac.sync();
    assert_eq!(ec2.read("@thing/inside"), "inside\n");
    assert!(ec2.vault_has(EC2));
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_file_that_becomes_a_folder_upstream_becomes_one_here() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write("@thing", BASE);
    mac.sync();
    ec2.sync();
    mac.remove("@thing");
    mac.write("@thing/inside", "inside\n");
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read("@thing/inside"), "inside\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_folder_that_becomes_a_file_upstream_becomes_one_here() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write("@thing/deep/inside", "inside\n");
    mac.sync();
    ec2.sync();
    std::fs::remove_dir_all(mac.path("@thing")).unwrap();
    mac.write("@thing", BASE);
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read("@thing"), BASE);
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn modes_that_disagree_are_held() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(BASE);
    mac.chmod(".conf", 0o600);
    ec2.chmod(".conf", 0o640);
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["mode"]);
    assert_eq!(ec2.mode(".conf"), 0o640);
    ec2.run(&["resolve", ".conf", "--theirs"]).done();
    assert_eq!(ec2.mode(".conf"), 0o600);
    assert_clean(&sandbox, &[&mac, &ec2]);
}
