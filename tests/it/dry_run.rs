//! `--dry-run` of every command that changes something: it says what would happen, and not one byte
//! changes anywhere.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::sandbox::{Machine, Output, Sandbox};

/// Type and mode, and bytes or target, of everything below a folder.
type Everything = BTreeMap<PathBuf, (u32, Vec<u8>)>;

/// Looks at homes, repositories with their `.git`, state folders with their vaults, and the remote.
fn everything(sandbox: &Sandbox) -> Everything {
    let mut found = Everything::new();
    let mut folders = vec![sandbox.path("")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let file = path.symlink_metadata().unwrap();
            let bytes = if file.is_symlink() {
                fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec()
            } else if file.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else if file.is_file() {
                fs::read(&path).unwrap()
            } else {
                Vec::new()
            };
            found.insert(path, (file.mode(), bytes));
        }
    }
    found
}

/// Asserts that a command tells this, and that everything is as it was.
#[track_caller]
fn only_tells<S: AsRef<OsStr> + std::fmt::Debug>(
    sandbox: &Sandbox,
    machine: &Machine,
    arguments: &[S],
    code: i32,
    words: &[&str],
) -> Output {
    let before = everything(sandbox);
    let output = machine.run(arguments).code(code).says(words);
    let after = everything(sandbox);
    let names = before.keys().chain(after.keys());
    let changed: Vec<&Path> =
        names.filter(|name| before.get(*name) != after.get(*name)).map(PathBuf::as_path).collect();
    assert!(changed.is_empty(), "{arguments:?} changed {changed:#?}");
    output
}

/// How many letters stand before the name in a line of a plan: arrow and deed.
const BEFORE_NAME: usize = 13;

/// The lines of a plan or of a report that name a change or what waits, without the reasons that a
/// plan gives behind the names.
fn changes(text: &str) -> Vec<String> {
    let is_change =
        |line: &&str| ["  ↑ ", "  ↓ ", "  ↕ ", "  ✗ held"].iter().any(|it| line.starts_with(it));
    let bare = |line: &str| {
        let start = line.char_indices().nth(BEFORE_NAME).map_or(line.len(), |(at, _)| at);
        let (deed, rest) = line.split_at(start);
        format!("{deed}{}", rest.split("  ").next().unwrap())
    };
    let mut lines: Vec<String> = text.lines().filter(is_change).map(bare).collect();
    lines.sort();
    lines
}

/// Two machines with work of every kind to do on the second: edits of both, a new file, a deletion,
/// a mode, a mark, an unmark, a file both changed, and one that combines.
fn busy() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("a\nb\nc\n");
    for (name, content) in [("in", "x\n"), ("out", "x\n"), ("both", "1\n"), ("gone", "x\n")] {
        mac.write(format!("@{name}"), content);
    }
    mac.write("@tool", "#!/bin/sh\n");
    mac.write(".unmarked", "x\n");
    mac.run(&["mark", ".unmarked"]).done();
    mac.sync();
    ec2.sync();
    mac.edit(".conf", "b", "mac");
    mac.edit("@in", "x", "y");
    mac.append("@both", "mac\n");
    mac.remove("@gone");
    mac.write(".fresh", "fresh\n");
    mac.run(&["mark", ".fresh"]).done();
    mac.run(&["unmark", ".unmarked"]).done();
    mac.sync();
    ec2.edit(".conf", "b", "ec2");
    ec2.edit("@out", "x", "y");
    ec2.append("@both", "ec2\n");
    ec2.chmod("@tool", 0o755);
    ec2.write("@new", "new\n");
    ec2.write("app/one", "1\n");
    ec2.write("app/two", "2\n");
    (sandbox, mac, ec2)
}

#[test]
fn a_sync_does_what_its_dry_run_said() {
    let (sandbox, mac, ec2) = busy();
    let words = ["edited   in", "edited   out", "combined both", "removed  gone", "added    new"];
    let told = only_tells(&sandbox, &ec2, &["sync", "--dry-run"], 3, &words);
    let done = ec2.run(&["sync"]).code(4);
    assert_eq!(changes(&told.stdout), changes(&done.stderr));
    assert!(changes(&told.stdout).len() > 8, "{told:#?}");
    let held = only_tells(&sandbox, &ec2, &["sync", "--dry-run"], 4, &["held     ~/.conf"]);
    assert_eq!(changes(&held.stdout), changes(&ec2.run(&["sync"]).code(4).stderr));
    let told = only_tells(&sandbox, &mac, &["sync", "--dry-run"], 3, &["edited   out"]);
    assert_eq!(changes(&told.stdout), changes(&mac.run(&["sync"]).code(0).stderr));
    let _ = only_tells(&sandbox, &mac, &["sync", "--dry-run"], 0, &["Nothing would change"]);
}

#[test]
fn a_sync_against_a_remote_that_is_away() {
    let (sandbox, _mac, ec2) = busy();
    sandbox.unplug();
    let told = only_tells(&sandbox, &ec2, &["sync", "--dry-run"], 3, &["added    new"]);
    let done = ec2.run(&["sync"]).code(5);
    assert_eq!(changes(&told.stdout), changes(&done.stderr));
}

#[test]
fn a_sync_with_a_merge_driver_and_a_rename() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("a\nb\nc\n");
    mac.write("@.gitattributes", "external/.conf merge=mine\n");
    mac.write("@old", "1\n2\n3\n4\n5\n6\n");
    mac.sync();
    ec2.sync();
    let _ = ec2.git(&["config", "merge.mine.driver", "cat %B >>%A"]);
    mac.edit(".conf", "b", "mac");
    mac.edit("@old", "1", "mac");
    mac.write("@zzz", "behind the driver\n");
    mac.sync();
    ec2.edit(".conf", "b", "ec2");
    fs::rename(ec2.path("@old"), ec2.path("@new")).unwrap();
    let told = only_tells(&sandbox, &ec2, &["sync", "--dry-run"], 3, &["combined ~/.conf"]);
    assert_eq!(changes(&told.stdout), changes(&ec2.run(&["sync"]).code(0).stderr));
    assert_eq!(ec2.read(".conf"), "a\nec2\nc\na\nmac\nc\n");
}

#[test]
fn forcing_either_side() {
    let (sandbox, _mac, ec2) = busy();
    let words = ["side wins", "~/.conf"];
    for flag in ["--force-push", "--force-pull"] {
        let _ = only_tells(&sandbox, &ec2, &["sync", flag, "--dry-run"], 3, &words);
    }
    let told = only_tells(&sandbox, &ec2, &["sync", "--force-pull", "--dry-run"], 3, &words);
    let done = ec2.run(&["--yes", "sync", "--force-pull"]).code(0);
    // The real run shows the very same preview before it asks.
    let done = changes(&done.stdout);
    changes(&told.stdout).iter().for_each(|line| assert!(done.contains(line), "{line}: {done:?}"));
}

#[test]
fn marking_and_unmarking() {
    let (sandbox, _mac, ec2) = busy();
    ec2.write(".single", "x\n");
    let _ = only_tells(&sandbox, &ec2, &["mark", "--dry-run", ".single"], 0, &["~/.single"]);
    let _ = only_tells(&sandbox, &ec2, &["mark", "--dry-run", "app"], 0, &["~/app", "2 files"]);
    let way = ["mark", "--dry-run", "--link", "copy", ".single", "app"];
    let _ = only_tells(&sandbox, &ec2, &way, 0, &["~/app", "~/.single"]);
    let _ = only_tells(&sandbox, &ec2, &["unmark", "--dry-run", ".conf"], 0, &["~/.conf"]);
    let _ = only_tells(&sandbox, &ec2, &["unmark", "--dry-run", "--all"], 0, &["~/.unmarked"]);
    let _ = only_tells(&sandbox, &ec2, &["mark", "--dry-run", "missing"], 1, &["missing"]);
    ec2.run(&["--yes", "mark", "app"]).done();
    let _ = only_tells(&sandbox, &ec2, &["unmark", "--dry-run", "app"], 0, &["~/app"]);
}

#[test]
fn resolving_each_way() {
    let (sandbox, _mac, ec2) = busy();
    ec2.write("merged", "a\nmac and ec2\nc\n");
    ec2.write("marked", "a\n<<<<<<< x\nmac\n=======\nec2\n>>>>>>> y\nc\n");
    let before = ["resolve", "--dry-run", ".conf", "--theirs"];
    let _ = only_tells(&sandbox, &ec2, &before, 1, &["not held"]);
    let _ = ec2.run(&["sync"]).code(4);
    for (way, words) in [
        (&["--ours"][..], "edited   ~/.conf"),
        (&["--theirs"], "edited   ~/.conf"),
        (&["--both"], "kept/"),
        (&["--merge", "merged"], "~/.conf"),
    ] {
        let arguments = [&["resolve", "--dry-run", ".conf"], way].concat();
        let _ = only_tells(&sandbox, &ec2, &arguments, 3, &[words]);
    }
    let marked = ["resolve", "--dry-run", ".conf", "--merge", "marked"];
    let _ = only_tells(&sandbox, &ec2, &marked, 9, &["markers"]);
    let _ = only_tells(&sandbox, &ec2, &["resolve", "--dry-run"], 4, &["~/.conf"]);
    let _ = only_tells(&sandbox, &ec2, &["resolve"], 4, &["~/.conf"]);
    let both = ["resolve", ".conf", "--both"];
    let told = only_tells(&sandbox, &ec2, &[&both[..], &["--dry-run"]].concat(), 3, &["kept/"]);
    assert_eq!(changes(&told.stdout), changes(&ec2.run(&both).code(0).stderr));
}

#[test]
fn taking_back() {
    let (sandbox, _mac, ec2) = busy();
    let _ = ec2.run(&["sync"]).code(4);
    let told = only_tells(&sandbox, &ec2, &["undo", "--dry-run"], 3, &["Taking back", "~/.fresh"]);
    let done = ec2.run(&["undo"]).code(4);
    let done = changes(&done.stderr);
    changes(&told.stdout).iter().for_each(|line| assert!(done.contains(line), "{line}: {done:?}"));
    let _ = only_tells(&sandbox, &ec2, &["undo", "--dry-run"], 3, &["Taking back"]);
    let _ = only_tells(&sandbox, &ec2, &["undo", "--dry-run", "999"], 2, &["no operation 999"]);
}

#[test]
fn setting_up_a_new_machine() {
    let sandbox = Sandbox::new();
    let (_mac, _ec2) = sandbox.pair("shared\n");
    let fresh = sandbox.machine("mac-new");
    fresh.write(".conf", "my own\n");
    fresh.write(".zshrc", "# mine\n");
    let url = fresh.url();
    let words = ["would make the repository", "dev/configs", "~/.conf"];
    let _ = only_tells(&sandbox, &fresh, &["setup", "--dry-run", url], 0, &words);
    let ways = [
        &["setup", "--dry-run", "--differs", "theirs", url][..],
        &["setup", "--dry-run", "--differs", "ours", "--zshrc", url],
        &["setup", "--dry-run", "--branch", "other", url],
        &["setup", "--dry-run"],
    ];
    for way in ways {
        let before = everything(&sandbox);
        let output = fresh.run(way);
        assert!([0, 4].contains(&output.code), "{output:#?}");
        assert!(everything(&sandbox) == before, "{way:?} changed something");
    }
    let away = sandbox.path("nowhere.git");
    let way = ["setup", "--dry-run", away.to_str().unwrap()];
    let _ = only_tells(&sandbox, &fresh, &way, 5, &["nowhere.git"]);
    let _ = fresh.run(&["setup", url]).code(4);
}

#[test]
fn setting_up_with_a_choice_for_what_differs() {
    for (choice, wanted) in [("theirs", "  ↓ edited   ~/.conf"), ("ours", "  ↑ edited   ~/.conf")]
    {
        let sandbox = Sandbox::new();
        let (_mac, _ec2) = sandbox.pair("shared\n");
        let fresh = sandbox.machine("mac-new");
        fresh.write(".conf", "my own\n");
        let way = ["setup", "--differs", choice, fresh.url()];
        let dry = [&way[..], &["--dry-run"]].concat();
        let told = only_tells(&sandbox, &fresh, &dry, 0, &["~/.conf"]);
        let done = changes(&fresh.run(&way).code(0).stderr);
        assert!(done.iter().any(|line| line == wanted), "{done:?}");
        assert_eq!(changes(&told.stdout), done, "--differs {choice}");
    }
}

#[test]
fn setting_up_an_existing_machine() {
    let (sandbox, mac, ec2) = busy();
    let way = ["setup", "--dry-run", mac.url()];
    let _ = only_tells(&sandbox, &mac, &way, 0, &["is there already"]);
    let output = only_tells(&sandbox, &ec2, &["setup", "--dry-run"], 0, &["added    new"]);
    assert!(!changes(&output.stdout).is_empty());
    let _ = only_tells(&sandbox, &ec2, &["setup", "--dry-run", "--zshrc"], 0, &["~/.zshrc"]);
    let words = ["~/.conf would become a plain file"];
    let _ = only_tells(&sandbox, &ec2, &["setup", "--undo", "--dry-run"], 0, &words);
    ec2.assert_linked(".conf");
}

#[test]
fn a_doctor_that_only_looks() {
    let (sandbox, _mac, ec2) = busy();
    let _ = only_tells(&sandbox, &ec2, &["doctor"], 0, &["Nothing is wrong"]);
    let old = ec2.path("elsewhere/external/.conf");
    ec2.remove(".conf");
    ec2.link(".conf", &old);
    let words = ["~/.conf", "doctor --fix"];
    let _ = only_tells(&sandbox, &ec2, &["doctor"], 1, &words);
    let _ = only_tells(&sandbox, &ec2, &["doctor", "--fix", "--dry-run"], 1, &words);
    ec2.run(&["doctor", "--fix"]).done();
    ec2.assert_linked(".conf");
}
