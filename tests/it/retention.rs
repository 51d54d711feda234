//! What the vault forgets, what it never forgets, and when bytes leave the disk.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

const DAY: u64 = 24 * 60 * 60;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Runs git in the vault.
#[track_caller]
fn vault(machine: &Machine, arguments: &[&str]) -> String {
    let mut command = machine.command("git");
    let output = command.arg("-C").arg(machine.state().join("vault")).args(arguments).output();
    let output = output.unwrap();
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Writes commits into the vault, as loose objects.
fn import(machine: &Machine, stream: &str) {
    let mut command = machine.command("git");
    command.arg("-C").arg(machine.state().join("vault"));
    command.args(["-c", "fastimport.unpackLimit=100000", "fast-import", "--quiet", "--force"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn commit(name: &str, at: u64, message: &str, rest: &str) -> String {
    let committer = "cfgsync <cfgsync@localhost>";
    let length = message.len();
    format!("commit {name}\ncommitter {committer} {at} +0000\ndata {length}\n{message}\n{rest}\n")
}

/// Makes it look as if one snapshot was taken on each of so many days before today.
fn age(machine: &Machine, days: u64) {
    let latest = vault(machine, &["rev-parse", "refs/cfgsync/latest^{tree}"]);
    let mut stream = String::new();
    for number in 1..=days {
        let at = now() - (days + 1 - number) * DAY;
        let message = format!("before a sync\n\nnumber {number}\nat {}\n", at * 1000);
        let content = format!("old {number}\n");
        let file = format!("M 100644 inline note\ndata {}\n{content}", content.len());
        stream += &commit(
            &format!("refs/cfgsync/snapshots/{number:09}"),
            at,
            &message,
            &format!("deleteall\n{file}"),
        );
    }
    let number = days + 1;
    let message = format!("before a sync\n\nnumber {number}\nat {}\n", now() * 1000);
    let rest = format!("M 040000 {} \n", latest.trim());
    // Refs that were there before go on from what they were; these are to have no parents.
    for name in
        vault(machine, &["for-each-ref", "--format=%(refname)", "refs/cfgsync/snapshots"]).lines()
    {
        let _ = vault(machine, &["update-ref", "-d", name]);
    }
    stream += &commit("refs/cfgsync/snapshots/next", now(), &message, &rest);
    import(machine, &stream);
    let next = vault(machine, &["rev-parse", "refs/cfgsync/snapshots/next"]);
    let _ = vault(machine, &["update-ref", "-d", "refs/cfgsync/snapshots/next"]);
    for name in [&*format!("refs/cfgsync/snapshots/{number:09}"), "refs/cfgsync/latest"] {
        let _ = vault(machine, &["update-ref", name, next.trim()]);
    }
}

/// Returns the numbers of the snapshots.
fn snapshots(machine: &Machine) -> Vec<u64> {
    let names = vault(machine, &["for-each-ref", "--format=%(refname)", "refs/cfgsync/snapshots"]);
    names.lines().map(|name| name.rsplit('/').next().unwrap().parse().unwrap()).collect()
}

/// Returns every object of the vault.
fn objects(machine: &Machine) -> BTreeSet<String> {
    let check = "--batch-check=%(objectname)";
    let list = vault(machine, &["cat-file", "--batch-all-objects", check]);
    list.lines().map(str::to_owned).collect()
}

/// Returns the name of a blob of these bytes.
fn blob(machine: &Machine, content: &str) -> String {
    machine.write("blob-of-a-test", content);
    let path = machine.path("blob-of-a-test");
    let id = vault(machine, &["hash-object", path.to_str().unwrap()]);
    machine.remove("blob-of-a-test");
    id.trim().to_owned()
}

/// Lets days go by: the last run that tidied up was on another day, and no object was touched since.
fn let_days_go_by(machine: &Machine, unreached: impl IntoIterator<Item = String>) {
    let mut text = format!("cfgsync unreached 1 {}\n", now() / DAY - 3);
    unreached.into_iter().for_each(|object| {
        let _ = writeln!(text, "{object}");
    });
    fs::write(machine.state().join("unreached"), text).unwrap();
    let then = SystemTime::now() - Duration::from_secs(3 * DAY);
    for object in objects(machine) {
        let path = machine.state().join("vault/objects").join(&object[..2]).join(&object[2..]);
        fs::File::open(path).unwrap().set_modified(then).unwrap();
    }
}

/// Returns what the last run found that nothing leads to.
fn unreached(machine: &Machine) -> Vec<String> {
    let text = fs::read_to_string(machine.state().join("unreached")).unwrap();
    text.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn what_is_old_is_forgotten_and_leaves_the_disk_on_a_later_day() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n2\n3\n");
    age(&mac, 140);
    mac.sync();
    assert_eq!(snapshots(&mac), (42..=141).collect::<Vec<u64>>(), "the newest hundred stay");
    let first = blob(&mac, "old 1\n");
    assert!(objects(&mac).contains(&first), "nothing leaves the disk on the same day");
    mac.append(".conf", "4\n");
    mac.sync();
    assert!(unreached(&mac).contains(&first));
    assert!(objects(&mac).contains(&first));
    let known = unreached(&mac);
    let_days_go_by(&mac, known.clone());
    mac.sync();
    let left = objects(&mac);
    assert!(!left.contains(&first) && left.contains(&blob(&mac, "old 50\n")));
    assert!(!known.iter().any(|object| left.contains(object)), "all that was known to be so goes");
    let list = mac.run(&["restore", "--list", "--all"]).code(0).stdout;
    assert!(list.contains(" s50 ") && !list.contains(" s41 "), "{list}");
    mac.run(&["restore", "s50", "--to", "out"]).done();
    assert_eq!(mac.read("out/note"), "old 50\n");
    let _ = mac.run(&["restore", "s1"]).code(2);
    let _ = mac.run(&["doctor"]).code(0).says(&["snapshots since"]);
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
    fs::remove_dir_all(mac.path("out")).unwrap();
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn the_configuration_says_for_how_long() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("1\n2\n3\n");
    let config = mac.read("@.sync/config.toml");
    assert!(config.contains("snapshot_days = 30"), "{config}");
    age(&mac, 140);
    for (days, left) in [("0", 141), ("120", 121), ("30", 100)] {
        mac.write("@.sync/config.toml", config.replace("days = 30", &format!("days = {days}")));
        let_days_go_by(&mac, []);
        mac.sync();
        assert_eq!(snapshots(&mac).len(), left, "{days} days");
    }
}

#[test]
fn nothing_that_a_ref_leads_to_leaves_the_disk_whatever_is_said_of_it() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n2\n3\n");
    ec2.write(".conf", "1\nec2\n3\n");
    ec2.sync();
    mac.write(".conf", "1\nmac\n3\n");
    let _ = mac.run(&["sync"]).code(4);
    age(&mac, 110);
    let all = objects(&mac);
    let_days_go_by(&mac, all);
    let _ = mac.run(&["sync"]).code(4);
    let _ = vault(&mac, &["fsck", "--strict", "--no-progress"]);
    for content in ["1\n2\n3\n", "1\nec2\n3\n", "1\nmac\n3\n", "old 110\n"] {
        assert!(mac.vault_has(content), "{content:?} is nowhere any more");
    }
    assert_eq!(mac.read(".conf"), "1\nmac\n3\n");
    mac.run(&["resolve", ".conf", "--theirs"]).done();
    mac.run(&["undo", "--yes"]).done();
    assert_eq!(mac.read(".conf"), "1\nmac\n3\n");
}

#[test]
fn what_nothing_leads_to_keeps_what_it_names_as_long_as_it_stays() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("1\n2\n3\n");
    age(&mac, 110);
    mac.write("loose", "loose\n");
    let path = mac.path("loose");
    let loose = vault(&mac, &["hash-object", "-w", path.to_str().unwrap()]);
    let_days_go_by(&mac, [loose.trim().to_owned()]);
    // A run that was killed may have written this tree a moment ago.
    mac.write("list", format!("100644 blob {}\tfile\n", loose.trim()));
    let list = fs::File::open(mac.path("list")).unwrap();
    let mut command = mac.command("git");
    command.arg("-C").arg(mac.state().join("vault")).arg("mktree").stdin(list);
    let tree = String::from_utf8(command.output().unwrap().stdout).unwrap();
    mac.sync();
    let left = objects(&mac);
    assert!(left.contains(tree.trim()) && left.contains(loose.trim()));
    let known = unreached(&mac);
    let_days_go_by(&mac, known);
    mac.sync();
    let left = objects(&mac);
    assert!(!left.contains(tree.trim()) && !left.contains(loose.trim()));
    let _ = vault(&mac, &["fsck", "--strict", "--no-progress"]);
}

#[test]
fn a_vault_that_is_damaged_or_packed_by_hand_loses_nothing() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("1\n2\n3\n");
    age(&mac, 140);
    mac.sync();
    let known = unreached(&mac);
    let_days_go_by(&mac, known.clone());
    let note = blob(&mac, "old 60\n");
    let tree = vault(&mac, &["rev-parse", "refs/cfgsync/snapshots/000000060^{tree}"]);
    let at = mac.state().join("vault/objects").join(&tree[..2]).join(tree.trim().get(2..).unwrap());
    let aside = mac.path("aside");
    fs::rename(&at, &aside).unwrap();
    let before = objects(&mac);
    let _ = mac.run(&["sync"]).code(0).says(&["The vault was not tidied up"]);
    assert!(objects(&mac).is_superset(&before), "nothing is removed from a store that is damaged");
    fs::rename(&aside, &at).unwrap();
    let told = mac.run(&["sync"]).code(0);
    assert!(!told.stderr.contains("tidied up"), "once a day is enough: {told:?}");
    let_days_go_by(&mac, known);
    let _ = vault(&mac, &["repack", "-a", "-d", "-q"]);
    mac.sync();
    assert!(objects(&mac).contains(&note));
    assert!(!objects(&mac).contains(&blob(&mac, "old 1\n")));
    let _ = vault(&mac, &["fsck", "--strict", "--no-progress"]);
}

#[test]
fn old_agreements_are_cut_off_and_the_newest_stays() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n2\n3\n");
    age(&mac, 110);
    let tree = vault(&mac, &["rev-parse", "refs/cfgsync/agreed^{tree}"]);
    let message = vault(&mac, &["log", "-1", "--format=%B", "refs/cfgsync/agreed"]);
    let _ = vault(&mac, &["update-ref", "-d", "refs/cfgsync/agreed"]);
    let mut stream = String::new();
    for number in 1..=150 {
        let at = now() - (151 - number) * DAY;
        let file = format!("M 100644 inline upstream/note\ndata 9\nthen {number:03}\n");
        stream += &commit("refs/cfgsync/agreed", at, "agreed\n", &file);
    }
    let rest = format!("deleteall\nM 040000 {} \n", tree.trim());
    stream += &commit("refs/cfgsync/agreed", now(), message.trim_end(), &rest);
    import(&mac, &stream);
    mac.sync();
    let count = |machine| vault(machine, &["rev-list", "--count", "refs/cfgsync/agreed"]);
    assert_eq!(count(&mac).trim(), "101");
    let known = unreached(&mac);
    assert!(known.contains(&blob(&mac, "then 001\n")));
    let_days_go_by(&mac, known);
    mac.append(".conf", "4\n");
    mac.sync();
    assert!(!objects(&mac).contains(&blob(&mac, "then 001\n")));
    assert!(objects(&mac).contains(&blob(&mac, "then 100\n")));
    ec2.write("@new", "new\n");
    ec2.sync();
    mac.sync();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}
