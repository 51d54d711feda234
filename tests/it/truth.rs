//! What the prompt says between two syncs, against `cfgsync status`, which looks at everything.
//!
//! The prompt may know less, and is asked more often: it never says `synced` where `status` says
//! otherwise, but for what `docs/status-record.md` names.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;

use cfgsync_core::manifest::MANIFEST;
use cfgsync_core::status::{StatusRecord, read, wire};
use cfgsync_core::time::UnixTime;

use crate::sandbox::{Machine, Sandbox};

const PROMPT: &str = env!("CARGO_BIN_EXE_cfgsync-prompt");

const SYNCED: [&str; 2] = ["synced", "synced"];
const AHEAD: [&str; 2] = ["ahead", "ahead"];
/// A sync will put something back, and sends nothing; the prompt sees only that something differs.
const PUT_BACK: [&str; 2] = ["ahead", "synced"];
/// The prompt sees that something differs; that a person is to decide is known after a sync.
const TO_DECIDE: [&str; 2] = ["ahead", "held"];
const PAUSED: [&str; 2] = ["paused", "paused"];

/// What is done, and what the prompt and `status` say of it.
type Case = (&'static str, fn(&Machine), [&'static str; 2]);

/// Returns a machine in sync that shares a file by a link, one by a copy, and a folder.
fn synced() -> (Sandbox, Machine) {
    let sandbox = Sandbox::new();
    let machine = sandbox.joined("ec2");
    for (name, text) in [
        (".conf", "one\n"),
        (".copy", "two\n"),
        (".config/app/a", "a\n"),
        (".config/app/sub/b", "b\n"),
        (".config/app/own.local", "mine\n"),
    ] {
        machine.write(name, text);
    }
    machine.write("@.gitignore", "*.log\n");
    machine.run(&["mark", ".conf", ".config/app"]).done();
    machine.run(&["mark", "--link", "copy", ".copy"]).done();
    machine.sync();
    check(&machine, "after the sync", SYNCED);
    (sandbox, machine)
}

/// Returns the first word of what the prompt says; both programs say it where there are two.
fn prompt(machine: &Machine) -> String {
    let ask = |program: &str| {
        let output = machine.command(program).arg("word").output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let said = ask(PROMPT);
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    assert_eq!(ask(crate::bare::program().to_str().unwrap()), said);
    said.split(' ').next().unwrap_or_default().to_owned()
}

/// Asserts what the prompt and `status` say.
#[track_caller]
fn check(machine: &Machine, what: &str, [said, state]: [&str; 2]) {
    let first = prompt(machine);
    assert_eq!([first.as_str(), machine.state_word().as_str()], [said, state], "{what}");
    assert_eq!(prompt(machine), said, "{what}: looking changes nothing");
}

/// Does each of these on a machine of its own, and fails with every finding at once.
#[track_caller]
fn each(cases: &[Case]) {
    let mut findings = Vec::new();
    for (what, act, wanted) in cases {
        let (_sandbox, machine) = synced();
        act(&machine);
        let found = [prompt(&machine), machine.state_word(), prompt(&machine)];
        if found != [wanted[0], wanted[1], wanted[0]] {
            findings.push(format!("{what}: {found:?}"));
        }
    }
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

/// Replaces the bytes by as many others, and puts the time of the change back.
fn edit_unseen(machine: &Machine, below: &str) {
    let path = machine.path(below);
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    let text = machine.read(below).replace(['o', 'w'], "x");
    fs::write(&path, text).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_times(FileTimes::new().set_modified(before)).unwrap();
}

#[test]
fn an_edit_is_seen() {
    each(&[
        ("in place", |machine| machine.append(".conf", "more\n"), AHEAD),
        ("in place, of a copy", |machine| machine.append(".copy", "more\n"), AHEAD),
        ("in place, in a folder", |machine| machine.append(".config/app/sub/b", "b\n"), AHEAD),
        ("by a rename", |machine| machine.replace(".copy", "three\n"), AHEAD),
        ("by a rename, over a link", |machine| machine.replace(".conf", "three\n"), AHEAD),
        ("with the time put back", |machine| edit_unseen(machine, ".conf"), AHEAD),
        ("of a copy, with the time put back", |machine| edit_unseen(machine, ".copy"), AHEAD),
        ("of the mode", |machine| machine.chmod(".conf", 0o755), AHEAD),
        ("of the mode of a copy", |machine| machine.chmod(".copy", 0o755), AHEAD),
    ]);
}

#[test]
fn what_comes_and_goes_is_seen() {
    each(&[
        ("a copy that is removed", |machine| machine.remove(".copy"), PUT_BACK),
        ("a link that is removed", |machine| machine.remove(".conf"), PUT_BACK),
        ("a file of a folder", |machine| machine.remove(".config/app/a"), AHEAD),
        ("a new file", |machine| machine.write(".config/app/new", "new\n"), AHEAD),
        ("a new file below", |machine| machine.write(".config/app/sub/new", "new\n"), AHEAD),
        ("a new folder", |machine| machine.write(".config/app/deep/new", "new\n"), AHEAD),
        (
            "the whole folder",
            |machine| fs::remove_dir_all(machine.path(".config/app")).unwrap(),
            PUT_BACK,
        ),
    ]);
}

#[test]
fn what_is_no_change_is_none() {
    each(&[
        (
            "an edit that is undone",
            |machine| {
                machine.write(".conf", "else\n");
                assert_eq!(prompt(machine), "ahead");
                machine.write(".conf", "one\n");
            },
            SYNCED,
        ),
        (
            "an edit by a rename that is undone",
            |machine| {
                machine.replace(".copy", "else\n");
                machine.replace(".copy", "two\n");
            },
            SYNCED,
        ),
        (
            "a touch",
            |machine| {
                for name in [".conf", ".copy", ".config/app/a"] {
                    let file = File::options().write(true).open(machine.path(name)).unwrap();
                    file.set_times(FileTimes::new().set_modified(std::time::UNIX_EPOCH)).unwrap();
                }
            },
            SYNCED,
        ),
        (
            "another name for the same file",
            |machine| {
                fs::hard_link(machine.path("@external/.conf"), machine.path("other")).unwrap();
                fs::hard_link(machine.path(".copy"), machine.path("another")).unwrap();
            },
            SYNCED,
        ),
    ]);
}

#[test]
fn what_is_nothing_to_send_is_no_change() {
    each(&[
        (
            "what stays on the machine",
            |machine| {
                machine.append(".config/app/own.local", "more\n");
                machine.write(".config/app/new.local", "new\n");
                machine.write(".config/app/.a.swp", "swap\n");
            },
            SYNCED,
        ),
        (
            "a file that came and went",
            |machine| {
                machine.write(".config/app/new", "new\n");
                machine.remove(".config/app/new");
            },
            SYNCED,
        ),
        (
            "packed refs",
            |machine| {
                machine.git(&["pack-refs", "--all", "--prune"]);
            },
            SYNCED,
        ),
        // The prompt knows no ignore rules.
        (
            "a new file that Git ignores",
            |machine| {
                machine.write(".config/app/new.log", "new\n");
            },
            ["ahead", "synced"],
        ),
    ]);
}

#[test]
fn a_link_that_leads_elsewhere_is_seen() {
    each(&[
        ("the same bytes in its place", |machine| machine.replace(".conf", "one\n"), PUT_BACK),
        (
            "another target",
            |machine| {
                machine.remove(".conf");
                machine.link(".conf", machine.path(".copy"));
            },
            TO_DECIDE,
        ),
        (
            "a dead link",
            |machine| {
                machine.remove(".conf");
                machine.link(".conf", "gone");
            },
            TO_DECIDE,
        ),
    ]);
}

#[test]
fn what_happens_in_the_repository_is_seen() {
    each(&[
        (
            "an edit of the list of marks",
            |machine| {
                machine.edit(&format!("@{MANIFEST}"), ".copy", ".copz");
            },
            AHEAD,
        ),
        ("an edit in the repository", |machine| machine.write("@.gitignore", "*.old\n"), AHEAD),
        ("a new file in the repository", |machine| machine.write("@notes", "note\n"), AHEAD),
        (
            "a commit by hand",
            |machine| {
                machine.write("@notes", "note\n");
                machine.git(&["add", "notes"]);
                machine.git(&["commit", "--quiet", "-m", "By hand"]);
            },
            AHEAD,
        ),
        (
            "another branch",
            |machine| {
                machine.git(&["checkout", "--quiet", "-b", "other"]);
            },
            PAUSED,
        ),
        (
            "a detached head",
            |machine| {
                machine.git(&["checkout", "--quiet", "--detach"]);
            },
            PAUSED,
        ),
        (
            "a merge under way",
            |machine| {
                let head = machine.git(&["rev-parse", "HEAD"]);
                machine.write("@.git/MERGE_HEAD", head);
            },
            PAUSED,
        ),
        (
            "the lock of another git",
            |machine| {
                machine.write("@.git/index.lock", "");
            },
            PAUSED,
        ),
        (
            "the lock of another git that has ended",
            |machine| {
                machine.write("@.git/index.lock", "");
                assert_eq!(prompt(machine), "paused");
                machine.remove("@.git/index.lock");
            },
            SYNCED,
        ),
    ]);
}

#[test]
fn a_fetch_is_seen() {
    let (sandbox, machine) = synced();
    let other = sandbox.joined("mac");
    other.append(".conf", "from there\n");
    other.sync();
    check(&machine, "before the fetch", SYNCED);
    machine.git(&["fetch", "--quiet", machine.url(), "+main:refs/cfgsync/upstream"]);
    // The prompt sees that it is another commit, and not whose.
    check(&machine, "after the fetch", ["ahead", "behind"]);
}

#[test]
fn a_folder_that_may_not_be_read_is_never_in_sync_alone() {
    let (_sandbox, machine) = synced();
    machine.chmod(".config/app/sub", 0);
    let (said, state) = (prompt(&machine), machine.run(&["status", "--exit-code"]));
    assert!(said != "synced" || state.code == 0, "{state:?}");
    machine.chmod(".config/app/sub", 0o755);
}

#[test]
fn a_repository_inside_a_folder_is_seen() {
    let (_sandbox, machine) = synced();
    fs::create_dir(machine.path(".config/app/sub/.git")).unwrap();
    let (said, state) = (prompt(&machine), machine.state_word());
    assert!(said != "synced" || state == "synced", "{said} {state}");
}

#[test]
fn a_folder_that_is_a_link_is_seen_to_go() {
    let (_sandbox, machine) = synced();
    let folder = machine.path(".config/app");
    fs::remove_dir_all(&folder).unwrap();
    symlink(machine.path("@external/.config/app"), &folder).unwrap();
    machine.sync();
    check(&machine, "a folder linked by hand", SYNCED);
    fs::remove_file(&folder).unwrap();
    let (said, state) = (prompt(&machine), machine.state_word());
    assert!(said != "synced" || state == "synced", "{said} {state}");
}

#[test]
fn what_was_removed_is_seen_to_come_back() {
    let (_sandbox, machine) = synced();
    machine.remove(".copy");
    machine.sync();
    check(&machine, "after it was removed", SYNCED);
    machine.write(".copy", "back\n");
    let (said, state) = (prompt(&machine), machine.state_word());
    assert!(said != "synced" || state == "synced", "{said} {state}");
}

#[test]
fn beyond_its_room_the_light_waits_for_the_next_sync() {
    let (_sandbox, machine) = synced();
    let unwatched = |machine: &Machine| {
        let doctor = machine.run(&["doctor"]).code(0);
        doctor.stdout.lines().find(|line| line.starts_with("· light ")).map(str::to_owned)
    };
    assert_eq!(unwatched(&machine), None);
    for number in 0..600 {
        machine.write(format!(".config/app/many/{number:03}"), format!("{number}\n"));
    }
    assert_eq!(prompt(&machine), "ahead");
    machine.sync();
    check(&machine, "after the sync", SYNCED);
    let told = unwatched(&machine).unwrap();
    assert!(told.contains("watches 1000 paths; 2"), "{told}");
    assert!(told.contains("shows after the next sync"), "{told}");
    machine.append(".config/app/many/599", "unseen\n");
    check(&machine, "a path that found no room", ["synced", "ahead"]);
    let record = machine.path(".local/state/cfgsync/record");
    let published = fs::read(&record).unwrap();
    let claim = read::decode(&published).unwrap();
    let expired = StatusRecord { deadline: UnixTime(claim.updated.0 - 1), ..claim };
    fs::write(&record, wire::encode(&expired)).unwrap();
    assert_eq!(prompt(&machine), "", "a claim that is too old");
    fs::write(&record, published).unwrap();
    machine.append(".config/app/many/000", "seen\n");
    check(&machine, "a path that has room", AHEAD);
    machine.sync();
    check(&machine, "after the next sync", SYNCED);
}
