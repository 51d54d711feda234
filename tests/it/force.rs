//! One side wins: force push and force pull, seen first, agreed to, and taken back by one command.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged, assert_same};
use crate::terminal::{Home, Terminal};

const LINES: &str = "1\n2\n3\n4\n5\n";
const MAC: &str = "1\nmac\n3\n4\n5\n";
const EC2: &str = "1\nec2\n3\n4\n5\n";
const PUSH: [&str; 3] = ["--yes", "sync", "--force-push"];
const PULL: [&str; 3] = ["--yes", "sync", "--force-pull"];

/// Two machines that went apart; the first has synced: one line changed on both, and on each side a
/// file that is new, one that is removed, and one that was edited.
fn apart() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    for name in ["@a", "@b", "@c", "@d"] {
        mac.write(name, LINES);
    }
    mac.sync();
    ec2.sync();
    mac.write(".conf", MAC);
    mac.write("@there", "there\n");
    mac.append("@a", "6\n");
    mac.remove("@b");
    mac.sync();
    ec2.write(".conf", EC2);
    ec2.write("@here", "here\n");
    ec2.append("@c", "6\n");
    ec2.remove("@d");
    (sandbox, mac, ec2)
}

fn commit(machine: &Machine, message: &str) {
    let _ = machine.git(&["add", "--all", "."]);
    let _ = machine.git(&["commit", "--quiet", "--author=Ann <ann@example.com>", "-m", message]);
}

#[test]
fn force_push_is_one_commit_on_top_of_their_history() {
    let (sandbox, mac, ec2) = apart();
    commit(&ec2, "By hand, and overruled as one");
    ec2.write("@uncommitted", "x\n");
    let by_hand = ec2.git(&["rev-parse", "HEAD"]);
    let theirs = sandbox.git(&["rev-parse", "main"]);
    let live = |machine: &Machine| {
        let file = fs::metadata(machine.path(".conf")).unwrap();
        (file.ino(), file.mtime_nsec(), machine.everything())
    };
    let before = live(&ec2);
    let _ = ec2.run(&PUSH).code(0).says(&["cfgsync undo"]);
    assert!(live(&ec2) == before, "a live file here was touched");
    assert_eq!(sandbox.git(&["rev-parse", "main^"]), theirs, "their history stays");
    assert_eq!(ec2.git(&["rev-parse", "HEAD"]), sandbox.git(&["rev-parse", "main"]));
    let kept = ec2.git(&["for-each-ref", "--contains", by_hand.trim()]);
    assert!(!kept.is_empty(), "the commit by hand is named by no ref");
    mac.sync();
    assert_eq!((mac.read(".conf"), mac.read("@a")), (EC2.to_owned(), LINES.to_owned()));
    assert!(!mac.exists("@there") && !mac.exists("@d") && mac.exists("@b"));
    assert_eq!(mac.state_word(), "synced");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn force_push_on_top_already_makes_the_normal_commits() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    let theirs = sandbox.git(&["rev-parse", "main"]);
    let before = sandbox.bytes();
    let _ = ec2.run(&PUSH).code(0).says(&["nothing to force"]);
    assert_same("a force push of nothing", &before, &sandbox.bytes());
    ec2.write("@one", "one\n");
    commit(&ec2, "By hand");
    ec2.run(&PUSH).done();
    let log = format!("{}..main", theirs.trim());
    assert_eq!(sandbox.git(&["log", "--format=%an %s", &log]), "Ann By hand\n");
    ec2.write("@two", "two\n");
    commit(&ec2, "By hand too");
    ec2.write("@three", "three\n");
    ec2.run(&PUSH).done();
    let subjects = sandbox.git(&["log", "--format=%s", &log]);
    let subjects: Vec<&str> = subjects.lines().collect();
    assert_eq!((subjects.len(), &subjects[1..]), (3, &["By hand too", "By hand"][..]));
    mac.sync();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn force_pull_gives_everything_back_by_one_undo() {
    let (sandbox, mac, ec2) = apart();
    let theirs = sandbox.git(&["rev-parse", "main"]);
    commit(&ec2, "By hand, not pushed");
    let by_hand = ec2.git(&["rev-parse", "HEAD"]);
    ec2.append(".conf", "dirty\n");
    ec2.chmod(".conf", 0o600);
    ec2.write("@only/here", "only here\n");
    ec2.chmod("@only", 0o700);
    ec2.link("@only/link", "here");
    ec2.write(".mine", "mine\n");
    ec2.run(&["mark", ".mine"]).done();
    ec2.write("@a", "staged\n");
    let _ = ec2.git(&["add", "a"]);
    ec2.write("@a", "on disk\n");
    let before = ec2.files();
    let _ = ec2.run(&PULL).code(0).says(&["cfgsync undo"]);
    assert_eq!(sandbox.git(&["rev-parse", "main"]), theirs, "nothing is published");
    assert_eq!(ec2.git(&["rev-parse", "HEAD"]), theirs);
    assert_converged(&[&mac, &ec2]);
    assert_eq!(ec2.state_word(), "synced");
    ec2.assert_plain(".mine", "mine\n");
    assert!(ec2.vault_has("staged\n") && ec2.vault_has("on disk\n"));
    let kept = ec2.git(&["for-each-ref", "--contains", by_hand.trim()]);
    assert!(!kept.is_empty(), "the commit by hand is named by no ref");
    ec2.run(&["undo"]).done();
    assert_same("a force pull and its undo", &before, &ec2.files());
    ec2.assert_linked(".mine");
    ec2.sync();
    mac.sync();
    assert_eq!((mac.read(".conf"), mac.mode(".conf")), (format!("{EC2}dirty\n"), 0o600));
    assert_eq!((mac.read(".mine"), mac.read("@a")), ("mine\n".into(), "on disk\n".into()));
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

/// Makes every hook of a person leave a trace, in the repository and by `core.hooksPath`.
fn set_traps(machine: &Machine, trace: &str) {
    let hooks = [
        "pre-push",
        "pre-commit",
        "post-commit",
        "post-checkout",
        "post-merge",
        "post-rewrite",
        "reference-transaction",
        "post-index-change",
        "pre-auto-gc",
        "fsmonitor-watchman",
    ];
    for folder in ["@.git/hooks", "hooks"] {
        for hook in hooks {
            let path = format!("{folder}/{hook}");
            machine.write(&path, format!("#!/bin/sh\ntouch '{trace}'\n"));
            fs::set_permissions(machine.path(&path), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    let config = machine.read(".gitconfig");
    machine.write(".gitconfig", format!("{config}[core]\n\thooksPath = ~/hooks\n"));
}

#[test]
fn a_dry_run_shows_the_plan_changes_nothing_and_runs_no_hook() {
    let (sandbox, _mac, ec2) = apart();
    let trace = sandbox.path("trace");
    set_traps(&ec2, trace.to_str().unwrap());
    let before = sandbox.bytes();
    let push = ["↑", "edited   ~/.conf", "added    b", "removed  there", "its history stays"];
    let pull = ["↓", "edited   ~/.conf", "added    d", "removed  here", "kept in the vault"];
    let check = |arguments: &[&str], words: &[&str]| {
        let _ = ec2.run(arguments).code(3).says(words).says(&["nothing was changed"]);
        assert_same(&format!("{arguments:?}"), &before, &sandbox.bytes());
    };
    check(&["sync", "--dry-run"], &["~/.conf"]);
    check(&["sync", "--dry-run", "--force-push"], &push);
    check(&["sync", "--force-pull", "--dry-run"], &pull);
    check(&["--yes", "sync", "--dry-run", "--force-push"], &push);
    check(&["--dry-run", "--force-push"], &push);
    check(&["--force-pull", "--dry-run"], &pull);
    check(&["undo", "--dry-run"], &["Taking back"]);
    commit(&ec2, "Springs the traps");
    assert!(trace.exists(), "the traps must work");
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_done() {
    let (sandbox, _mac, ec2) = apart();
    let before = sandbox.bytes();
    for (flag, gone) in [("--force-push", "removed  there"), ("--force-pull", "removed  here")] {
        for arguments in [vec!["sync", flag], vec!["--no-input", "sync", flag], vec![flag]] {
            let _ = ec2.run(&arguments).code(9).says(&["--yes", gone, "~/.conf"]);
            assert_same(&format!("{arguments:?}"), &before, &sandbox.bytes());
        }
    }
    let _ = ec2.run(&["sync", "--force-push", "--force-pull"]).code(2);
    let _ = ec2.run(&["sync", "--force-push", "--background"]).code(2);
    assert_same("a wrong command line", &before, &sandbox.bytes());
}

#[test]
fn offline_nothing_is_forced() {
    let (sandbox, mac, ec2) = apart();
    sandbox.unplug();
    let before = sandbox.bytes();
    for arguments in [PUSH, PULL] {
        let _ = ec2.run(&arguments).code(5).says(&["remote.git"]);
        assert_same(&format!("{arguments:?} offline"), &before, &sandbox.bytes());
    }
    sandbox.plug();
    ec2.run(&PULL).done();
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn held_files_are_settled_by_force() {
    for (arguments, winner) in [(PUSH, EC2), (PULL, MAC)] {
        let (sandbox, mac, ec2) = apart();
        let _ = ec2.run(&["sync"]).code(4);
        let _ = ec2.run(&arguments).code(0).says(&["~/.conf", "cfgsync undo"]);
        assert_eq!(ec2.state_word(), "synced");
        let _ = ec2.run(&["resolve"]).code(0).says(&["Nothing is held"]);
        mac.sync();
        assert_eq!((mac.read(".conf"), ec2.read(".conf")), (winner.to_owned(), winner.to_owned()));
        for content in [MAC, EC2] {
            assert!(ec2.vault_has(content), "{arguments:?}: {content:?} is not in the vault");
        }
        assert_converged(&[&mac, &ec2]);
        assert_clean(&sandbox, &[&mac, &ec2]);
        sandbox.assert_history();
    }
}

#[test]
fn what_no_force_decides_is_said() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    mac.write("@.gitattributes", "*.key filter=nobody\n");
    mac.write("@new.key", "new\n");
    let _ = mac.run(&["sync"]).code(4);
    let before = sandbox.bytes();
    for arguments in [PUSH, PULL] {
        let said = ["new.key", "1 file waits", "nothing to force", "Set the filter up"];
        let _ = mac.run(&arguments).code(4).says(&said);
        assert_same(&format!("{arguments:?}"), &before, &sandbox.bytes());
    }
    assert_eq!(mac.state_word(), "held");
}

/// A terminal whose commands are those of a machine.
fn terminal(machine: &Machine) -> Terminal {
    let kind = if machine.repo().ends_with("dev/configs") { "mac" } else { "ec2" };
    let home = machine.home().display();
    let settings = format!("export HOME='{home}' CFGSYNC_MACHINE_KIND={kind}; cd '{home}'");
    Terminal::start(Home::new(), &settings)
}

/// Types a force, and waits for the question.
fn ask(terminal: &Terminal, flag: &str) -> String {
    terminal.type_keys(&format!("clear; {} sync {flag}", env!("CARGO_BIN_EXE_cfgsync")));
    terminal.press("Enter");
    terminal.wait_for("question", |screen| screen.contains("[Y/n]") || screen.contains("[y/N]"))
}

#[test]
fn a_person_says_no_and_then_yes() {
    for (flag, words, winner) in [
        ("--force-push", ["~/.conf", "removed  there", "its history stays"], EC2),
        ("--force-pull", ["~/.conf", "removed  here", "kept in the vault"], MAC),
    ] {
        let (sandbox, mac, ec2) = apart();
        let mut terminal = terminal(&ec2);
        let before = sandbox.bytes();
        let screen = ask(&terminal, flag);
        for word in words {
            assert!(screen.contains(word), "no {word:?} on the screen:\n{screen}");
        }
        assert_same("a preview", &before, &sandbox.bytes());
        assert!(terminal.run("n").ends_with("]9"), "{}", terminal.screen());
        assert_same("a no", &before, &sandbox.bytes());
        ask(&terminal, flag);
        assert!(terminal.run("y").ends_with("]0"), "{}", terminal.screen());
        assert!(terminal.screen().contains("cfgsync undo"), "{}", terminal.screen());
        mac.sync();
        assert_eq!((mac.read(".conf"), ec2.read(".conf")), (winner.to_owned(), winner.to_owned()));
        assert_converged(&[&mac, &ec2]);
        assert_clean(&sandbox, &[&mac, &ec2]);
    }
}

#[test]
fn a_remote_that_moved_after_the_preview_is_seen_again_first() {
    for flag in ["--force-push", "--force-pull"] {
        let (sandbox, mac, ec2) = apart();
        let mut terminal = terminal(&ec2);
        let screen = ask(&terminal, flag);
        assert!(!screen.contains("meanwhile"), "{screen}");
        mac.write("@meanwhile", "meanwhile\n");
        mac.sync();
        let look = || (ec2.everything(), ec2.git_bytes(), sandbox.git(&["rev-parse", "main"]));
        let before = look();
        assert!(terminal.run("y").ends_with("]9"), "{flag}: {}", terminal.screen());
        let screen = terminal.screen();
        assert!(screen.contains("moved"), "{flag}: {screen}");
        assert!(screen.contains("meanwhile"), "{flag}: the new plan is not shown: {screen}");
        assert!(look() == before, "{flag} changed something after the remote moved");
        ask(&terminal, flag);
        assert!(terminal.run("y").ends_with("]0"), "{}", terminal.screen());
        mac.sync();
        assert_eq!(mac.exists("@meanwhile"), flag == "--force-pull");
        assert_converged(&[&mac, &ec2]);
        assert_clean(&sandbox, &[&mac, &ec2]);
    }
}
