//! `cfgsync backup`, and the archives that other commands make: what they hold, and that they are whole.

mod ahead;
mod making;
mod rotation;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::sandbox::{Machine, Sandbox};

/// Returns the archives, by name.
fn archives(machine: &Machine) -> Vec<PathBuf> {
    let folder = machine.path("@.sync/backups");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Returns the numbers of the archives, the oldest first.
fn numbers(machine: &Machine) -> Vec<u64> {
    let list = machine.run(&["backup", "--list", "--json"]).code(0).stdout;
    let mut numbers: Vec<u64> = list
        .lines()
        .filter_map(|line| line.trim().strip_prefix("\"id\": ")?.trim_end_matches(',').parse().ok())
        .collect();
    numbers.reverse();
    numbers
}

/// Returns where the archive of a number lies.
fn place(machine: &Machine, number: u64) -> PathBuf {
    let list = machine.run(&["backup", "--list", "--json"]).code(0).stdout;
    let (_, rest) = list.split_once(&format!("\"id\": {number},")).unwrap();
    let (_, rest) = rest.split_once("\"file\": \"").unwrap();
    PathBuf::from(rest.split_once('"').unwrap().0)
}

/// Runs `tar`, which must succeed, and returns what it prints.
#[track_caller]
fn tar(machine: &Machine, arguments: &[&str]) -> String {
    let output = machine.command("tar").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns the names in an archive, but for its list of contents.
fn contents(machine: &Machine, archive: &Path) -> BTreeSet<String> {
    let names = tar(machine, &["tzf", archive.to_str().unwrap()]);
    names.lines().filter(|name| *name != ".cfgsync-archive").map(str::to_owned).collect()
}

/// Returns one file of an archive.
fn content(machine: &Machine, archive: &Path, name: &str) -> String {
    tar(machine, &["xzOf", archive.to_str().unwrap(), name])
}

/// A machine with files of every kind.
fn varied() -> (Sandbox, Machine) {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write(".conf", "conf\n");
    mac.chmod(".conf", 0o640);
    mac.write(".copied", "copied\n");
    mac.chmod(".copied", 0o600);
    mac.write("app/sub/one", "one\n");
    mac.write("app/run", "#!/bin/sh\n");
    mac.chmod("app/run", 0o755);
    mac.run(&["--yes", "mark", ".conf", "app"]).done();
    mac.run(&["mark", "--link", "copy", ".copied"]).done();
    mac.write("@private/key", "key\n");
    mac.chmod("@private/key", 0o400);
    mac.chmod("@private", 0o700);
    mac.write("@with a blank/naïve\nname", "odd\n");
    mac.write("@empty", "");
    mac.write("@binary", b"\0\xff\xfe\n");
    mac.link("@latest", "private/key");
    mac.write("@mine.local", "stays here\n");
    mac.sync();
    (sandbox, mac)
}

/// Names in the archive, with mode and content.
const VARIED: [(&str, u32, &[u8]); 9] = [
    ("external/.conf", 0o640, b"conf\n"),
    ("external/.copied", 0o600, b"copied\n"),
    ("external/app/sub/one", 0o644, b"one\n"),
    ("external/app/run", 0o755, b"#!/bin/sh\n"),
    ("private/key", 0o400, b"key\n"),
    ("with a blank/naïve\nname", 0o644, b"odd\n"),
    ("empty", 0o644, b""),
    ("binary", 0o644, b"\0\xff\xfe\n"),
    // A link is a text that holds its target: unpacking makes no link.
    ("latest", 0o644, b"private/key"),
];

#[test]
fn tar_unpacks_every_file_with_its_bytes_mode_and_time() {
    let (sandbox, mac) = varied();
    let times: BTreeMap<&str, u64> = VARIED
        .iter()
        .filter(|(name, _, _)| *name != "latest")
        .zip(1_500_000_000..)
        .map(|((name, _, _), time)| (*name, time))
        .collect();
    for (name, time) in &times {
        let live = name.strip_prefix("external/").map_or(format!("@{name}"), str::to_owned);
        let file = fs::File::open(mac.path(live)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(*time)).unwrap();
    }
    let answer = mac.run(&["backup"]).code(0).stdout;
    let archive = PathBuf::from(answer.trim());
    assert_eq!(archives(&mac), std::slice::from_ref(&archive));
    let out = sandbox.path("unpacked");
    fs::create_dir(&out).unwrap();
    tar(&mac, &["xzpf", archive.to_str().unwrap(), "-C", out.to_str().unwrap()]);
    for (name, mode, bytes) in VARIED {
        let file = out.join(name).symlink_metadata().unwrap();
        assert!(file.is_file(), "{name} is no file");
        assert_eq!(file.mode() & 0o7777, mode, "{name}");
        assert_eq!(fs::read(out.join(name)).unwrap(), bytes, "{name}");
        let time = times.get(name).copied();
        assert!(time.is_none_or(|time| file.mtime() == i64::try_from(time).unwrap()), "{name}");
    }
    assert_eq!(fs::metadata(out.join("private")).unwrap().mode() & 0o7777, 0o700);
    let listed = tar(&mac, &["tvzf", archive.to_str().unwrap()]);
    for line in ["-rw-r-----", "-r--------", "-rwxr-xr-x", "drwx------", "2017-07-14"] {
        assert!(listed.contains(line), "no {line} in\n{listed}");
    }
    assert!(!listed.lines().any(|line| line.starts_with(['l', 'h'])), "a link in\n{listed}");
}

#[test]
fn an_archive_has_nothing_of_git_of_cfgsync_and_no_local_file() {
    let (_sandbox, mac) = varied();
    mac.write("app/also.local", "stays too\n");
    mac.run(&["backup"]).done();
    let names = contents(&mac, &archives(&mac)[0]);
    let own = ["@.gitignore", "@sync.sh"].iter().filter(|name| mac.exists(name)).count();
    let listed: Vec<&String> = names.iter().filter(|name| !name.ends_with('/')).collect();
    assert!(names.contains("external/.conf"), "{names:?}");
    assert!(!names.iter().any(|name| name.contains(".local")), "{names:?}");
    let is_internal =
        |name: &&String| name.split('/').any(|part| [".git", ".sync"].contains(&part));
    assert_eq!(names.iter().find(is_internal), None);
    // The one folder that is not 0755 is there too.
    assert_eq!(listed.len(), VARIED.len() + own + 1, "{names:?}");
}

#[test]
fn local_files_are_included_when_they_are_asked_for() {
    let (_sandbox, mac) = varied();
    mac.write("app/also.local", "stays too\n");
    mac.run(&["backup", "--include-local"]).done();
    let archive = &archives(&mac)[0];
    let names = contents(&mac, archive);
    assert!(names.contains("mine.local"), "{names:?}");
    assert_eq!(content(&mac, archive, "mine.local"), "stays here\n");
    assert!(names.contains("external/app/also.local"), "{names:?}");
    assert!(mac.git(&["ls-files"]).lines().all(|name| !name.contains(".local")));
}

#[test]
fn local_files_are_included_where_the_configuration_says_so() {
    let (_sandbox, mac) = varied();
    let config = mac.read("@.sync/config.toml");
    mac.write(
        "@.sync/config.toml",
        format!("{}\n", config.replace("backup_local = false", "backup_local = true")),
    );
    assert!(mac.read("@.sync/config.toml").contains("backup_local = true"), "{config}");
    mac.run(&["backup"]).done();
    assert!(contents(&mac, &archives(&mac)[0]).contains("mine.local"));
}

#[test]
fn archives_are_private_under_any_umask() {
    let (_sandbox, mac) = varied();
    mac.run_with_umask("0", &["backup"]).done();
    assert_eq!(mac.mode("@.sync/backups"), 0o700);
    for archive in archives(&mac) {
        assert_eq!(fs::metadata(archive).unwrap().permissions().mode() & 0o7777, 0o600);
    }
    assert_eq!(archives(&mac).len(), 1);
}

#[test]
fn a_repeat_makes_no_second_archive() {
    let (_sandbox, mac) = varied();
    mac.run(&["backup"]).done();
    let _ = mac.run(&["backup"]).code(0).says(&["Nothing changed since backup 1"]);
    let file = fs::File::open(mac.path("@empty")).unwrap();
    file.set_modified(UNIX_EPOCH).unwrap();
    let _ = mac.run(&["backup"]).code(0).says(&["Nothing changed since backup 1"]);
    assert_eq!(numbers(&mac), [1]);
    mac.chmod("@empty", 0o600);
    mac.run(&["backup"]).done();
    assert_eq!(numbers(&mac), [1, 2], "a mode is a change");
}
