//! `cfgsync resolve` for scripts, and what keeps a held file held until a person decides.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

const BASE: &str = "a\nb\nc\n";
const MAC: &str = "a\nmac\nc\n";
const EC2: &str = "a\nec2\nc\n";

/// Two machines that changed the same line of `~/.conf`; on the second one it is held.
fn held() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(BASE);
    mac.write(".conf", MAC);
    mac.sync();
    ec2.write(".conf", EC2);
    let _ = ec2.run(&["sync"]).code(4);
    (sandbox, mac, ec2)
}

/// Asserts that it is held on the second machine, and that each has its own version.
#[track_caller]
fn assert_held(mac: &Machine, ec2: &Machine) {
    let _ = ec2.run(&["sync"]).code(4).says(&["held     ~/.conf"]);
    assert_eq!((mac.read(".conf"), ec2.read(".conf")), (MAC.to_owned(), EC2.to_owned()));
    for content in [BASE, MAC, EC2] {
        assert!(ec2.vault_has(content), "{content:?} is not in the vault");
    }
}

/// Returns the names of files in a folder of the repository.
fn names(machine: &Machine, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(machine.path(format!("@{folder}"))).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Returns the machine's id, as `status` tells it.
fn id(machine: &Machine) -> String {
    field(machine, "machine").unwrap()
}

/// Returns what `status --json` says under a name; none where it is null or missing.
fn field(machine: &Machine, name: &str) -> Option<String> {
    let status = machine.run(&["status", "--json"]).code(0).stdout;
    let (_, rest) = status.split_once(&format!("\"{name}\": "))?;
    let value = rest.split([',', '\n']).next()?.trim_matches('"').to_owned();
    (value != "null").then_some(value)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn both_keeps_mine_and_puts_theirs_beside() {
    let (sandbox, mac, ec2) = held();
    ec2.chmod(".conf", 0o644);
    let _ = ec2.run(&["resolve", ".conf", "--both"]).code(0).says(&["kept/.conf."]);
    mac.sync();
    let kept = names(&ec2, "kept");
    let [copy] = &kept[..] else { panic!("{kept:?}") };
    let of_mac = format!(".conf.{}.", id(&mac));
    let time = copy.strip_prefix(&of_mac).unwrap_or_else(|| panic!("{copy} names another machine"));
    let year = time.strip_suffix('Z').and_then(|time| time.split_once('T'));
    assert!(year.is_some_and(|(day, hour)| day.len() == 8 && hour.len() == 6), "{copy}");
    for machine in [&mac, &ec2] {
        assert_eq!(machine.read(".conf"), EC2);
        assert_eq!(machine.read(format!("@kept/{copy}")), MAC);
    }
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn both_stays_out_of_the_folder_of_an_app() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write(".config/app/data.bin", b"\0base\n");
    mac.run(&["--yes", "mark", ".config/app"]).done();
    mac.sync();
    ec2.sync();
    mac.write(".config/app/data.bin", b"\0mac\n");
    ec2.write(".config/app/data.bin", b"\0ec2\xff\n");
    ec2.chmod(".config/app/data.bin", 0o600);
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["~/.config/app/data.bin", "not text"]);
    let _ = ec2.run(&["sync"]).code(4);
    ec2.run(&["resolve", ".config/app/data.bin", "--both"]).done();
    mac.sync();
    for machine in [&mac, &ec2] {
        let listed = fs::read_dir(machine.path(".config/app")).unwrap().count();
        assert_eq!(listed, 1, "the app sees a file more");
        assert_eq!(fs::read(machine.path(".config/app/data.bin")).unwrap(), b"\0ec2\xff\n");
        let kept = names(machine, "kept/.config/app");
        assert_eq!(kept.len(), 1);
        assert_eq!(machine.read(format!("@kept/.config/app/{}", kept[0])), "\0mac\n");
    }
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_version_made_of_both_is_taken_with_the_mode_of_the_file() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(BASE);
    mac.chmod(".conf", 0o700);
    mac.sync();
    ec2.sync();
    mac.write(".conf", MAC);
    ec2.write(".conf", EC2);
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4);
    ec2.write("merged", "a\nmac and ec2\nc\n");
    ec2.chmod("merged", 0o666);
    ec2.run(&["resolve", ".conf", "--merge", "merged"]).done();
    mac.sync();
    for machine in [&mac, &ec2] {
        machine.assert_linked(".conf");
        assert_eq!(machine.read(".conf"), "a\nmac and ec2\nc\n");
        assert_eq!(machine.mode(".conf"), 0o700);
    }
    assert_eq!(ec2.read("merged"), "a\nmac and ec2\nc\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn markers_left_in_a_version_are_refused() {
    let (sandbox, mac, ec2) = held();
    let remote = sandbox.git(&["rev-parse", "main"]);
    for text in [
        "a\n<<<<<<< mine\nec2\n=======\nmac\n>>>>>>> theirs\nc\n",
        "a\nec2\n>>>>>>> theirs\nc\n",
        "a\nec2\n||||||| base\nc\n",
        "a\r\n=======\r\nc\r\n",
    ] {
        ec2.write("merged", text);
        let before = (ec2.everything(), ec2.commits());
        let _ = ec2.run(&["resolve", ".conf", "--merge", "merged"]).code(9).says(&["markers"]);
        assert!((ec2.everything(), ec2.commits()) == before, "{text:?} changed something");
    }
    let _ = ec2.run(&["resolve", ".conf", "--merge", "missing"]).code(1).says(&["missing"]);
    let _ = ec2.run(&["resolve", "--merge", "merged"]).code(2);
    assert_eq!(sandbox.git(&["rev-parse", "main"]), remote);
    assert_held(&mac, &ec2);
}

#[test]
fn marker_lines_that_belong_to_the_file_are_accepted() {
    let own = "<<<<<<< HEAD\nx\n=======\ny\n>>>>>>> other\n";
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(&format!("{own}{BASE}"));
    mac.edit(".conf", "b", "mac");
    ec2.edit(".conf", "b", "ec2");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4);
    ec2.write("merged", format!("{own}a\nmac and ec2\nc\n"));
    ec2.run(&["resolve", ".conf", "--merge", "merged"]).done();
    mac.sync();
    assert_eq!(mac.read(".conf"), format!("{own}a\nmac and ec2\nc\n"));
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn who_and_when_is_told() {
    let start = now();
    let (_sandbox, mac, ec2) = held();
    let by = field(&ec2, "changed_by").unwrap();
    assert_eq!(by, id(&mac));
    for name in ["changed_there", "changed_here"] {
        let at: u64 = field(&ec2, name).unwrap().parse().unwrap();
        assert!((start..=now()).contains(&at), "{name}: {at}");
    }
    let told = format!("changed on {by} ");
    for command in [&["resolve"][..], &["status"], &["resolve", "--dry-run"]] {
        let code = if command[0] == "status" { 0 } else { 4 };
        let _ = ec2.run(command).code(code).says(&["~/.conf", "same lines", &told, "ago, here"]);
    }
    mac.write("@note", "x\n");
    mac.write(".conf", "a\nmac by hand\nc\n");
    let _ = mac.git(&["add", "."]);
    let _ = mac.git(&["commit", "--quiet", "--author=Ann <ann@example.com>", "-m", "By hand"]);
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4);
    assert_eq!(field(&ec2, "changed_by").unwrap(), "Ann");
    ec2.run(&["resolve", ".conf", "--ours"]).done();
    assert_eq!(field(&ec2, "changed_by"), None);
}

#[test]
fn later_edits_of_both_refresh_what_waits() {
    let (sandbox, mac, ec2) = held();
    mac.write(".conf", "a\nmac again\nc\n");
    mac.sync();
    ec2.write(".conf", "a\nec2 again\nc\n");
    for _ in 0..2 {
        let output = ec2.run(&["sync"]).code(4);
        assert_eq!(output.stderr.matches(" held  ").count(), 1, "{output:?}");
    }
    assert_eq!(ec2.read(".conf"), "a\nec2 again\nc\n");
    for content in [BASE, MAC, EC2, "a\nmac again\nc\n", "a\nec2 again\nc\n"] {
        assert!(ec2.vault_has(content), "{content:?} is not in the vault");
    }
    ec2.run(&["resolve", ".conf", "--both"]).done();
    mac.sync();
    let kept = names(&mac, "kept");
    assert_eq!(mac.read(format!("@kept/{}", kept[0])), "a\nmac again\nc\n", "the newest of theirs");
    assert_eq!(mac.read(".conf"), "a\nec2 again\nc\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_held_file_survives_a_collection_of_garbage() {
    let (sandbox, mac, ec2) = held();
    let _ = ec2.git(&["reflog", "expire", "--expire=now", "--all"]);
    let _ = ec2.git(&["gc", "--quiet", "--prune=now"]);
    let mut command = ec2.command("git");
    let vault = ec2.state().join("vault");
    let done =
        command.arg("-C").arg(vault).args(["gc", "--quiet", "--prune=now"]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_held(&mac, &ec2);
    ec2.run(&["resolve", ".conf", "--ours"]).done();
    mac.sync();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_held_file_survives_the_loss_of_what_was_seen() {
    for lost in [&["seen"][..], &["quiet"], &["seen", "quiet", "running", "lock"]] {
        let (sandbox, mac, ec2) = held();
        for name in lost {
            let _ = fs::remove_file(ec2.state().join(name));
        }
        assert_held(&mac, &ec2);
        ec2.run(&["resolve", ".conf", "--theirs"]).done();
        assert_converged(&[&mac, &ec2]);
        assert_clean(&sandbox, &[&mac, &ec2]);
    }
}

#[test]
fn a_new_clone_takes_nothing_away() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(BASE);
    mac.write("@file", "file\n");
    mac.sync();
    ec2.sync();
    let before = sandbox.git(&["rev-parse", "main"]);
    fs::remove_dir_all(ec2.repo()).unwrap();
    let _ = ec2.run(&["setup", ec2.url()]).code(0);
    assert_eq!(sandbox.git(&["rev-parse", "main"]), before, "a missing clone was published");
    ec2.sync();
    mac.sync();
    assert_eq!((ec2.read("@file"), ec2.read(".conf")), ("file\n".to_owned(), BASE.to_owned()));
    ec2.assert_linked(".conf");
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn a_held_copy_survives_a_new_clone() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write(".conf", BASE);
    mac.run(&["mark", "--link", "copy", ".conf"]).done();
    mac.sync();
    ec2.sync();
    mac.write(".conf", MAC);
    mac.sync();
    ec2.write(".conf", EC2);
    let _ = ec2.run(&["sync"]).code(4);
    fs::remove_dir_all(ec2.repo()).unwrap();
    let _ = ec2.run(&["setup", ec2.url()]).code(4).says(&["held     ~/.conf"]);
    assert_held(&mac, &ec2);
    ec2.run(&["resolve", ".conf", "--ours"]).done();
    mac.sync();
    assert_eq!(mac.read(".conf"), EC2);
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn a_held_link_survives_a_new_clone() {
    let (_sandbox, mac, ec2) = held();
    fs::remove_dir_all(ec2.repo()).unwrap();
    let _ = ec2.run(&["setup", ec2.url()]).code(4).says(&["held     ~/.conf"]);
    assert_held(&mac, &ec2);
    ec2.run(&["resolve", ".conf", "--ours"]).done();
    mac.sync();
    assert_eq!(mac.read(".conf"), EC2);
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn a_choice_counts_only_for_what_was_seen() {
    let (_sandbox, mac, ec2) = held();
    mac.append(".conf", "later\n");
    mac.sync();
    let _ = ec2.run(&["resolve", ".conf", "--ours"]).code(4).says(&["held     ~/.conf"]);
    mac.sync();
    assert!(mac.read(".conf").ends_with("later\n"), "nobody chose to drop it");
    ec2.run(&["resolve", ".conf", "--ours"]).done();
    mac.sync();
    assert_eq!(mac.read(".conf"), EC2);
}

#[test]
fn a_file_that_became_a_folder_is_decided_in_one_step() {
    for (way, is_folder) in [("--ours", false), ("--theirs", true)] {
        let sandbox = Sandbox::new();
        let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
        mac.write("app/x", BASE);
        mac.run(&["--yes", "mark", "app"]).done();
        mac.sync();
        ec2.sync();
        mac.remove("app/x");
        mac.write("app/x/f", "inside\n");
        mac.sync();
        ec2.write("app/x", EC2);
        let _ = ec2.run(&["sync"]).code(4).says(&["~/app/x"]);
        ec2.run(&["resolve", "app/x", way]).done();
        assert_eq!(ec2.path("app/x").is_dir(), is_folder, "{way}");
        mac.sync();
        assert_converged(&[&mac, &ec2]);
        assert!(ec2.vault_has(EC2));
    }
}

#[test]
fn what_is_settled_already_stands_in_nobodys_way() {
    let (sandbox, mac, ec2) = held();
    ec2.write(".same", "same\n");
    ec2.run(&["mark", ".same"]).done();
    let _ = ec2.run(&["resolve", ".same", "--theirs"]).code(1).says(&["~/.same is not held"]);
    let _ = ec2.run(&["resolve", ".conf", ".typo", "--theirs"]).code(1).says(&["not held"]);
    assert_eq!(ec2.read(".conf"), EC2);
    let _ =
        ec2.run(&["resolve", ".conf", ".same", "--theirs"]).code(0).says(&["nothing to decide"]);
    assert_eq!(ec2.read(".conf"), MAC);
    assert_clean(&sandbox, &[&mac, &ec2]);
}
