//! A remote in a folder of this machine: the plainest kind is read and written without starting Git, and
//! whatever Git would do beyond that is left to it.

mod hostile;
mod places;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

/// Syncs, and returns what Git was called for.
#[track_caller]
fn calls(machine: &Machine) -> Vec<String> {
    let output = machine.run(&["sync", "-vv"]).code(0);
    let word = |line: &str| {
        Some(line.trim().strip_prefix("$ git ")?.split_whitespace().next()?.to_owned())
    };
    output.stderr.lines().filter_map(word).collect()
}

/// A machine that has something to send, and something to fetch.
fn changed(sandbox: &Sandbox) -> (Machine, Machine) {
    let (mac, ec2) = sandbox.pair("1\n2\n3\n");
    ec2.write("@theirs/deep/file", "theirs\n");
    ec2.append(".conf", "4\n");
    ec2.sync();
    mac.write("@mine", "mine\n");
    (mac, ec2)
}

#[test]
fn nobody_starts_git_for_a_folder_next_door() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n2\n3\n");
    let nothing: [&str; 0] = [];
    assert_eq!(calls(&mac), nothing, "nothing to do");
    for number in 0..3 {
        ec2.write(format!("@theirs/{number}"), format!("theirs {number}\n"));
        assert_eq!(calls(&ec2), nothing, "a change there");
        assert_eq!(calls(&mac), nothing, "a change that comes in");
        mac.write("@mine", format!("mine {number}\n"));
        ec2.append(".conf", &format!("{number}\n"));
        assert_eq!((calls(&ec2), calls(&mac)), (vec![], vec![]), "both");
        assert_eq!(calls(&ec2), nothing);
    }
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
    let _ = sandbox.git(&["fsck", "--strict", "--no-dangling", "--connectivity-only"]);
    assert_eq!(sandbox.git(&["count-objects"]), mac.git(&["count-objects"]), "nothing beside");
}

/// Whatever is done to the remote, the user's Git is what talks to it.
#[track_caller]
fn is_left_to_git(what: &str, change: impl Fn(&Sandbox, &Machine)) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = changed(&sandbox);
    change(&sandbox, &mac);
    let calls = calls(&mac);
    assert!(calls.contains(&"push".to_owned()), "{what}: {calls:?}");
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn a_remote_with_rules_is_left_to_git() {
    let rules = [
        ("receive.fsckObjects", "true"),
        ("receive.denyDeletes", "true"),
        ("transfer.hideRefs", "refs/x"),
        ("uploadpack.allowFilter", "true"),
        ("core.logAllRefUpdates", "true"),
        ("core.sharedRepository", "group"),
        ("core.hooksPath", "/nonexistent"),
        ("protocol.file.allow", "always"),
    ];
    for (key, value) in rules {
        is_left_to_git(&format!("{key} of the remote"), |sandbox, _| {
            let _ = sandbox.git(&["config", key, value]);
        });
    }
    for (key, value) in [("receive.unpackLimit", "1"), ("push.gpgSign", "if-asked")] {
        is_left_to_git(&format!("{key} of the user"), |_, mac| {
            let _ = mac.git(&["config", "--global", key, value]);
        });
    }
    for (key, value) in
        [("remote.origin.receivepack", "git-receive-pack"), ("remote.origin.x", "y")]
    {
        is_left_to_git(key, |_, mac| {
            let _ = mac.git(&["config", key, value]);
        });
    }
}

#[test]
fn a_remote_that_is_more_than_objects_and_refs_is_left_to_git() {
    is_left_to_git("a hook", |sandbox, _| {
        fs::write(sandbox.remote().join("hooks/post-update"), "#!/bin/sh\n").unwrap();
    });
    is_left_to_git("objects of another one", |sandbox, _| {
        let other = sandbox.init_bare("other.git", "main");
        let place = sandbox.remote().join("objects/info/alternates");
        fs::write(place, format!("{other}/objects\n")).unwrap();
    });
    is_left_to_git("a log", |sandbox, _| {
        fs::create_dir_all(sandbox.remote().join("logs/refs/heads")).unwrap();
    });
    is_left_to_git("a packed branch", |sandbox, _| {
        let _ = sandbox.git(&["pack-refs", "--all"]);
        assert!(!sandbox.remote().join("refs/heads/main").exists());
    });
    is_left_to_git("many objects", |sandbox, _| {
        let folder = sandbox.remote().join("objects/17");
        fs::create_dir_all(&folder).unwrap();
        for number in 0..30 {
            fs::write(folder.join(format!("{number:038}")), "").unwrap();
        }
    });
    is_left_to_git("an address for pushes", |sandbox, mac| {
        symlink(sandbox.remote(), sandbox.path("beside.git")).unwrap();
        let beside = sandbox.path("beside.git");
        let _ = mac.git(&["remote", "set-url", "--push", "origin", beside.to_str().unwrap()]);
    });
}

#[test]
fn what_is_much_is_left_to_git() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n");
    for number in 0..600 {
        mac.write(format!("@many/{number}"), format!("{number}\n"));
    }
    assert_eq!(calls(&mac), ["push"]);
    assert_eq!(calls(&ec2), ["fetch"]);
    mac.write("@large", vec![b'x'; 5 * 1024 * 1024]);
    assert_eq!(calls(&mac), ["push"]);
    assert_eq!(calls(&ec2), ["fetch"]);
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn a_history_longer_than_a_stack_is_deep_comes_in() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n");
    let tip = sandbox.git(&["rev-parse", "main"]);
    let start = format!("blob\nmark :1\ndata 2\nh\nreset refs/heads/main\nfrom {tip}\n");
    let commit = |number: usize| {
        let head = "commit refs/heads/main\ncommitter a <a@b> 1790000000 +0000\ndata 2\nc\n";
        format!("{head}M 644 :1 f{}\nD f{}\n", number % 50, (number + 1) % 50)
    };
    let list = sandbox.path("list");
    fs::write(&list, (0..10_000).fold(start, |list, number| list + &commit(number))).unwrap();
    let mut import = ec2.command("git");
    import.arg("-C").arg(sandbox.remote()).args(["fast-import", "--quiet", "--force"]);
    assert!(import.stdin(fs::File::open(list).unwrap()).status().unwrap().success());
    ec2.sync();
    mac.sync();
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn what_git_would_warn_of_is_left_to_git() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n");
    mac.write("@.gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = ../x\n");
    assert_eq!(calls(&mac), ["push"]);
    assert_eq!(calls(&ec2), ["fetch"]);
}

/// Makes a run of this machine look as if it had died while it sent its last commit, and returns the lock of
/// the branch, its own or with this text, and a draft.
fn died_while_sending(sandbox: &Sandbox, machine: &Machine, text: Option<&str>) -> [PathBuf; 2] {
    let commit = machine.git(&["rev-parse", "main"]);
    let commit = commit.trim();
    let remote = sandbox.remote();
    // No process has this number: it is above what Linux and macOS give.
    let note = format!("4194304999 {commit} {}\n", remote.display());
    fs::write(machine.state().join("pushing"), note).unwrap();
    let paths =
        [remote.join("refs/heads/main.lock"), remote.join(format!("objects/tmp_obj_{commit}_ref"))];
    fs::write(&paths[1], format!("{commit}\n")).unwrap();
    match text {
        Some(text) => fs::write(&paths[0], text.replace("COMMIT", commit)).unwrap(),
        None => fs::hard_link(&paths[1], &paths[0]).unwrap(),
    }
    paths
}

/// The next sync removes what a run left, which had this number; none where no process has it.
#[track_caller]
fn is_tidied_up(number: Option<u32>) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = changed(&sandbox);
    mac.sync();
    let left = died_while_sending(&sandbox, &mac, None);
    if let Some(number) = number {
        let note = mac.state().join("pushing");
        let text = fs::read_to_string(&note).unwrap();
        fs::write(&note, text.replace("4194304999", &number.to_string())).unwrap();
    }
    mac.write("@after", "after\n");
    mac.sync();
    assert!(left.iter().all(|path| !path.exists()), "{left:?}");
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn what_a_killed_run_left_at_the_remote_goes() {
    is_tidied_up(None);
}

#[test]
fn what_a_killed_run_left_goes_although_its_number_is_in_use() {
    is_tidied_up(Some(std::process::id()));
}

#[test]
fn the_lock_of_somebody_else_stays() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = changed(&sandbox);
    mac.sync();
    for text in ["", "COMMIT", "COMMIT\n", "0123456789012345678901234567890123456789\n"] {
        let [lock, draft] = died_while_sending(&sandbox, &mac, Some(text));
        // Nothing is sent, so nobody waits for the lock.
        mac.run(&["mark", ".gitconfig"]).done();
        mac.run(&["unmark", ".gitconfig"]).done();
        assert!(lock.exists() && !draft.exists(), "{text:?}");
        fs::remove_file(&lock).unwrap();
    }
}

#[test]
fn what_a_lock_at_the_remote_holds_up_is_not_called_in_sync() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n");
    let lock = sandbox.remote().join("refs/heads/main.lock");
    fs::write(&lock, "").unwrap();
    mac.append(".conf", "2\n");
    // For half a minute it is tried again.
    let output = mac.run(&["sync"]).code(5).says(&["1 commit waits", lock.to_str().unwrap()]);
    assert!(!format!("{output:?}").contains("In sync"), "{output:?}");
    assert_eq!(mac.state_word(), "ahead");
    assert!(lock.exists());
    fs::remove_file(&lock).unwrap();
    mac.sync();
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn somebody_at_gits_own_name_for_the_branch_is_not_disturbed() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n");
    let lock = mac.path("@.git/refs/remotes/origin/main.lock");
    fs::write(&lock, "").unwrap();
    mac.append(".conf", "2\n");
    let _ = mac.run(&["sync"]).code(8).says(&["another git holds", "main.lock"]);
    assert!(lock.exists());
    assert_eq!(
        mac.git(&["rev-parse", "refs/cfgsync/upstream"]),
        sandbox.git(&["rev-parse", "main"])
    );
    fs::remove_file(&lock).unwrap();
    mac.sync();
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn a_folder_that_cannot_be_written_says_so_as_git_does() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = changed(&sandbox);
    let objects = sandbox.remote().join("objects");
    // Permissions would not stop whoever may do everything.
    fs::rename(&objects, objects.with_extension("away")).unwrap();
    fs::write(&objects, "").unwrap();
    let output = mac.run(&["sync"]);
    assert_ne!(output.code, 0, "{output:?}");
    fs::remove_file(&objects).unwrap();
    fs::rename(objects.with_extension("away"), &objects).unwrap();
    mac.sync();
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
    assert_eq!(ec2.read("@mine"), "mine\n");
}
