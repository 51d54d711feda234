//! A file that one side renamed and the other changed: the change follows, or both names wait as one.

use std::fs;

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

const BASE: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n";

/// Where the file is: in the repository itself, or in a marked folder.
const PLACES: [[&str; 2]; 3] =
    [["@old", "@new"], ["@dir/old", "@other/old"], ["app/old", "app/new"]];

/// Who renames, and who syncs first.
const TURNS: [(&str, &str); 4] = [("mac", "mac"), ("mac", "ec2"), ("ec2", "mac"), ("ec2", "ec2")];

/// Two machines in sync that share a file.
fn share(sandbox: &Sandbox, old: &str) -> [Machine; 2] {
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write(old, BASE);
    if !old.starts_with('@') {
        mac.run(&["--yes", "mark", "app"]).done();
    }
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read(old), BASE);
    [mac, ec2]
}

/// Renames the file; where it is a link, as a program does that writes it anew under another name.
fn rename(machine: &Machine, [old, new]: [&str; 2]) {
    machine.write(new, machine.read(old));
    machine.remove(old);
    // Only a folder that is empty now goes.
    let _ = fs::remove_dir(machine.path(old).parent().unwrap());
}

/// Returns both machines, the one of this name first.
fn ordered<'a>(machines: &'a [Machine; 2], first: &str) -> [&'a Machine; 2] {
    let [mac, ec2] = machines;
    if first == "mac" { [mac, ec2] } else { [ec2, mac] }
}

/// The name a person knows the file by.
fn told(place: &str) -> String {
    place.strip_prefix('@').map_or_else(|| format!("~/{place}"), str::to_owned)
}

/// Resolves a file by its path.
fn resolve(machine: &Machine, place: &str, way: &str) {
    let path = machine.path(place);
    machine.run(&["resolve".as_ref(), path.as_os_str(), way.as_ref()]).done();
}

#[track_caller]
fn follows(place: [&str; 2], (renamer, first): (&str, &str), renamer_edits: bool) {
    let sandbox = Sandbox::new();
    let machines = share(&sandbox, place[0]);
    let [renamer, editor] = ordered(&machines, renamer);
    rename(renamer, place);
    let mut expected = BASE.replace("one", "edited");
    if renamer_edits {
        renamer.edit(place[1], "eight", "by the renamer");
        expected = expected.replace("eight", "by the renamer");
    }
    editor.edit(place[0], "one", "edited");
    let [first, second] = ordered(&machines, first);
    first.sync();
    second.sync();
    first.sync();
    for machine in &machines {
        assert_eq!(machine.read(place[1]), expected);
        assert!(!machine.exists(place[0]), "the old name is back");
    }
    let [mac, ec2] = &machines;
    assert_converged(&[mac, ec2]);
    assert_clean(&sandbox, &[mac, ec2]);
    sandbox.assert_history();
}

#[test]
fn an_edit_follows_a_rename() {
    for place in PLACES {
        TURNS.into_iter().for_each(|turn| follows(place, turn, false));
    }
}

#[test]
fn a_link_that_a_person_moves_takes_its_file_along() {
    for new in ["app/new", "app/deep/new"] {
        let sandbox = Sandbox::new();
        let machines = share(&sandbox, "app/old");
        let [mac, ec2] = &machines;
        fs::create_dir_all(mac.path(new).parent().unwrap()).unwrap();
        fs::rename(mac.path("app/old"), mac.path(new)).unwrap();
        ec2.edit("app/old", "one", "edited");
        mac.sync();
        assert_eq!(mac.read(new), BASE, "the file is gone from under its link");
        ec2.sync();
        mac.sync();
        for machine in &machines {
            assert_eq!(machine.read(new), BASE.replace("one", "edited"));
            assert!(!machine.exists("app/old"));
        }
        assert_converged(&[mac, ec2]);
    }
}

#[test]
fn an_edit_follows_a_rename_that_edits_too() {
    for place in PLACES {
        TURNS.into_iter().for_each(|turn| follows(place, turn, true));
    }
}

#[test]
fn a_mode_follows_a_rename() {
    let sandbox = Sandbox::new();
    let machines = share(&sandbox, "@old");
    let [mac, ec2] = &machines;
    rename(mac, ["@old", "@new"]);
    ec2.chmod("@old", 0o755);
    mac.sync();
    ec2.sync();
    mac.sync();
    for machine in &machines {
        assert!(!machine.exists("@old"));
        assert_eq!((machine.read("@new"), machine.mode("@new")), (BASE.to_owned(), 0o755));
    }
    assert_converged(&[mac, ec2]);
}

#[track_caller]
fn waits_as_one(place: [&str; 2], turn: (&str, &str), way: &str) {
    let sandbox = Sandbox::new();
    let machines = share(&sandbox, place[0]);
    let [renamer, editor] = ordered(&machines, turn.0);
    rename(renamer, place);
    renamer.edit(place[1], "four", "of the renamer");
    editor.edit(place[0], "four", "of the editor");
    let [first, second] = ordered(&machines, turn.1);
    first.sync();
    let output = second.run(&["sync"]).code(4);
    assert_eq!(output.stderr.matches(" held  ").count(), 1, "one unit: {output:?}");
    let here = if turn.0 == turn.1 { place[0] } else { place[1] };
    let output = output.says(&[&format!("held     {}: ", told(here))]);
    assert!(output.stderr.contains("1 file waits"), "{output:?}");
    let is_mine = |machine: &Machine| {
        let (mine, other, text) = if std::ptr::eq(machine, renamer) {
            (place[1], place[0], "of the renamer")
        } else {
            (place[0], place[1], "of the editor")
        };
        assert_eq!(machine.read(mine), BASE.replace("four", text));
        assert!(!machine.exists(other), "{other} came");
    };
    machines.iter().for_each(is_mine);
    let _ = second.run(&["sync"]).code(4);
    first.sync();
    machines.iter().for_each(is_mine);
    let status = second.run(&["status", "--json"]).code(0).stdout;
    assert_eq!(status.matches("\"changed_by\"").count(), 1, "{status}");
    resolve(second, here, way);
    first.sync();
    let winner = if way == "--ours" { second } else { first };
    let (stays, goes, text) = if std::ptr::eq(winner, renamer) {
        (place[1], place[0], "of the renamer")
    } else {
        (place[0], place[1], "of the editor")
    };
    for machine in &machines {
        assert_eq!(machine.read(stays), BASE.replace("four", text), "{way}");
        assert!(!machine.exists(goes), "{way}: {goes} is left");
    }
    let _ = second.run(&["sync"]).code(0);
    let [mac, ec2] = &machines;
    assert_converged(&[mac, ec2]);
    assert_clean(&sandbox, &[mac, ec2]);
}

#[test]
fn an_overlapping_edit_and_the_rename_wait_as_one() {
    for place in [PLACES[0], PLACES[2]] {
        for turn in TURNS {
            for way in ["--ours", "--theirs"] {
                waits_as_one(place, turn, way);
            }
        }
    }
}

#[test]
fn two_names_for_one_file_both_stay() {
    let sandbox = Sandbox::new();
    let machines = share(&sandbox, "@old");
    let [mac, ec2] = &machines;
    rename(mac, ["@old", "@new-mac"]);
    rename(ec2, ["@old", "@new-ec2"]);
    ec2.edit("@new-ec2", "one", "ONE");
    mac.sync();
    let _ = ec2.run(&["sync"]);
    mac.sync();
    assert_eq!(mac.read("@new-mac"), BASE);
    assert_eq!(mac.read("@new-ec2"), BASE.replace("one", "ONE"));
    assert!(!mac.exists("@old"));
    assert_converged(&[mac, ec2]);
    assert_clean(&sandbox, &[mac, ec2]);
}

#[test]
fn a_new_file_that_is_not_alike_is_no_rename() {
    let sandbox = Sandbox::new();
    let machines = share(&sandbox, "@old");
    let [mac, ec2] = &machines;
    mac.remove("@old");
    mac.write("@new", "something\nelse\naltogether\n");
    ec2.edit("@old", "one", "ONE");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(0).says(&["kept (edited here, removed there) old"]);
    mac.sync();
    for machine in &machines {
        assert_eq!(machine.read("@old"), BASE.replace("one", "ONE"));
        assert_eq!(machine.read("@new"), "something\nelse\naltogether\n");
    }
    assert_converged(&[mac, ec2]);
}

#[test]
fn names_that_a_person_swaps_wait_and_lose_nothing() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write("app/a", "a1\na2\na3\n");
    mac.write("app/b", "b1\nb2\nb3\n");
    mac.run(&["--yes", "mark", "app"]).done();
    mac.sync();
    ec2.sync();
    mac.append("app/b", "unsynced\n");
    for (from, to) in [("app/a", "app/t"), ("app/b", "app/a"), ("app/t", "app/b")] {
        std::fs::rename(mac.path(from), mac.path(to)).unwrap();
    }
    ec2.edit("app/a", "a2", "a2 edit");
    ec2.sync();
    for _ in 0..2 {
        let _ = mac.run(&["sync"]).code(4).says(&["~/app/a", "~/app/b", "swapped"]);
        assert_eq!(mac.read("app/a"), "b1\nb2\nb3\nunsynced\n");
        assert_eq!(mac.read("app/b"), "a1\na2\na3\n");
    }
    ec2.sync();
    assert_eq!(ec2.read("app/b"), "b1\nb2\nb3\n");
    for (from, to) in [("app/a", "app/t"), ("app/b", "app/a"), ("app/t", "app/b")] {
        std::fs::rename(mac.path(from), mac.path(to)).unwrap();
    }
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read("app/b"), "b1\nb2\nb3\nunsynced\n");
    assert_eq!(mac.read("app/a"), "a1\na2 edit\na3\n");
}

#[test]
fn empty_files_are_no_renames_of_one_another() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write("@empty", "");
    mac.sync();
    ec2.sync();
    mac.remove("@empty");
    mac.write("@other", "");
    mac.sync();
    ec2.write("@empty", "important\n");
    ec2.sync();
    mac.sync();
    assert_eq!((mac.read("@empty"), mac.read("@other")), ("important\n".to_owned(), String::new()));
}

#[test]
fn a_folder_that_is_renamed_is_no_mass_removal() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    (0..6).for_each(|at| mac.write(format!("@old/{at}"), format!("content {at}\n")));
    mac.sync();
    ec2.sync();
    std::fs::rename(mac.path("@old"), mac.path("@new")).unwrap();
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read("@new/3"), "content 3\n");
    assert!(!ec2.exists("@old/3"));
}
