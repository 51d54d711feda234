//! Remotes that misbehave: an error that names both ways out, nothing deleted here, and each way
//! works and brings all machines together again.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use crate::sandbox::{Machine, Output, Sandbox, assert_clean, assert_converged, assert_same};

const LINES: &str = "1\n2\n3\n4\n5\n";
const PUSH: [&str; 3] = ["--yes", "sync", "--force-push"];
const PULL: [&str; 3] = ["--yes", "sync", "--force-pull"];

/// Two machines in sync, with a history of three commits and ten files; the second has an edit that
/// was not sent.
fn pair() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    for at in 0..10 {
        mac.write(format!("@file-{at}"), LINES);
    }
    mac.sync();
    mac.append(".conf", "last\n");
    mac.write("@last", "last\n");
    mac.sync();
    ec2.sync();
    ec2.append(".conf", "mine\n");
    ec2.write("@mine", "mine\n");
    (sandbox, mac, ec2)
}

/// A clone by hand, from which a person does harm to the remote.
fn clone(sandbox: &Sandbox) -> impl Fn(&[&str]) {
    let person = sandbox.machine("linux");
    let folder = person.path("clone");
    let run = move |folder: &PathBuf, arguments: &[&str]| {
        let output = person.command("git").arg("-C").arg(folder).args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
    };
    run(&sandbox.path(""), &["clone", "--quiet", "remote.git", folder.to_str().unwrap()]);
    move |arguments| run(&folder, arguments)
}

/// Does harm, sees a sync refuse with both ways named and nothing changed, then goes one way on this
/// machine; `follow` is what the other machine does then, and both have `expected` in `.conf`.
#[track_caller]
fn check(harm: &dyn Fn(&Sandbox), words: &[&str], way: &[&str], follow: &[&str], expected: &str) {
    let (sandbox, mac, ec2) = pair();
    harm(&sandbox);
    let refs = || sandbox.git(&["for-each-ref"]);
    let look = || (ec2.everything(), ec2.git(&["rev-parse", "HEAD"]), refs());
    let before = look();
    let untouched = |what: &str| {
        let after = look();
        assert_same(what, &before.0, &after.0);
        assert!((&before.1, &before.2) == (&after.1, &after.2), "{what} moved a ref: {after:?}");
    };
    let _ = ec2.run(&["sync"]).code(9).says(words).says(&[&way[1..].join(" ")]);
    untouched("a refused sync");
    // What does not merge with the new history is shown as held; in sync it is never called.
    assert!(["failed", "held"].contains(&&*ec2.state_word()), "{}", ec2.state_word());
    let _ = ec2.run(&["sync"]).code(9);
    let _ = ec2.run(&["sync", "--dry-run"]).code(9).says(words);
    untouched("a second one");
    assert!(ec2.vault_has(&format!("{LINES}last\nmine\n")), "the edit is in the vault");
    ec2.run(way).done();
    mac.run(follow).done();
    ec2.sync();
    mac.sync();
    assert_eq!((ec2.read(".conf"), mac.read(".conf")), (expected.to_owned(), expected.to_owned()));
    assert_eq!((ec2.state_word(), mac.state_word()), ("synced".to_owned(), "synced".to_owned()));
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

const MINE: &str = "1\n2\n3\n4\n5\nlast\nmine\n";

#[test]
fn a_rewritten_history_is_refused_and_each_way_works() {
    let rewrite = |sandbox: &Sandbox| {
        let git = clone(sandbox);
        let path = sandbox.path("linux/clone/external/.conf");
        fs::write(path, format!("{LINES}rewritten\n")).unwrap();
        git(&["commit", "--quiet", "--all", "--amend", "-m", "Rewritten"]);
        git(&["push", "--quiet", "--force"]);
    };
    let words = ["rewritten", "--force-push", "--force-pull"];
    check(&rewrite, &words, &PUSH, &PULL, MINE);
    check(&rewrite, &words, &PULL, &PULL, &format!("{LINES}rewritten\n"));
}

#[test]
fn a_remote_that_was_rolled_back_is_refused_and_each_way_works() {
    let roll_back = |sandbox: &Sandbox| {
        let _ = sandbox.git(&["update-ref", "refs/heads/main", "main~1"]);
    };
    let words = ["rolled back", "--force-push", "--force-pull"];
    check(&roll_back, &words, &PUSH, &PULL, MINE);
    check(&roll_back, &words, &PULL, &PULL, LINES);
}

#[test]
fn a_replaced_history_is_refused_and_each_way_works() {
    let replace = |sandbox: &Sandbox| {
        let git = clone(sandbox);
        git(&["checkout", "--quiet", "--orphan", "other"]);
        let path = sandbox.path("linux/clone/external/.conf");
        fs::write(path, "another life\n").unwrap();
        git(&["commit", "--quiet", "--all", "-m", "A new start"]);
        git(&["push", "--quiet", "--force", "origin", "other:main"]);
    };
    let words = ["--force-push", "--force-pull", "Nothing was changed"];
    check(&replace, &words, &PUSH, &PULL, MINE);
    check(&replace, &words, &PULL, &PULL, "another life\n");
}

#[test]
fn an_emptied_remote_is_refused_and_each_way_works() {
    let empty = |sandbox: &Sandbox| {
        let git = clone(sandbox);
        git(&["rm", "-r", "--quiet", "."]);
        git(&["commit", "--quiet", "-m", "Everything is gone"]);
        git(&["push", "--quiet"]);
    };
    let words = ["upstream removed everything", "--force-push", "sync --yes"];
    check(&empty, &words, &PUSH, &["sync"], MINE);
    let (sandbox, mac, ec2) = pair();
    empty(&sandbox);
    let _ = ec2.run(&["sync"]).code(9).says(&words);
    ec2.run(&["sync", "--yes"]).done();
    mac.run(&["sync", "--yes"]).done();
    ec2.sync();
    mac.sync();
    for machine in [&mac, &ec2] {
        assert!(!machine.exists("@file-1"), "a removal that was agreed to is taken over");
        assert!(machine.read(".conf").contains("last\n"), "a live file is never removed");
        assert!(machine.vault_has(LINES));
    }
    assert_eq!(mac.read("@mine"), "mine\n", "what was new here is sent");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_deleted_branch_is_put_back() {
    let delete = |sandbox: &Sandbox| {
        let _ = sandbox.git(&["update-ref", "-d", "refs/heads/main"]);
    };
    let words = ["no longer has the branch main", "no branch at all", "Nothing was deleted"];
    check(&delete, &words, &PUSH, &["sync"], MINE);
    let replace = |sandbox: &Sandbox| {
        fs::remove_dir_all(sandbox.remote()).unwrap();
        let _ = sandbox.init_bare("remote.git", "main");
    };
    check(&replace, &words, &PUSH, &["sync"], MINE);
}

#[test]
fn a_renamed_branch_is_followed() {
    let rename = |sandbox: &Sandbox| {
        let _ = sandbox.git(&["branch", "-m", "main", "trunk"]);
    };
    let words = ["no longer has the branch main", "it has trunk"];
    let follow = ["setup", "--branch", "trunk"];
    check(&rename, &words, &["-q", "setup", "--branch", "trunk"], &follow, MINE);
    let (sandbox, mac, ec2) = pair();
    rename(&sandbox);
    let _ = ec2.run(&["sync"]).code(9);
    for machine in [&ec2, &mac] {
        machine.run(&follow).done();
        assert_eq!(machine.git(&["branch", "--show-current"]), "trunk\n");
        assert_eq!(machine.git(&["rev-parse", "--abbrev-ref", "@{upstream}"]), "origin/trunk\n");
        machine.run(&follow).done();
    }
    mac.append(".conf", "on trunk\n");
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read(".conf"), format!("{MINE}on trunk\n"));
    assert_eq!(sandbox.git(&["branch", "--format=%(refname:short)"]), "trunk\n");
    let before = sandbox.bytes();
    let _ = ec2.run(&["setup", "--branch", "a..b"]).code(2).says(&["a..b"]);
    assert_same("a wrong name", &before, &sandbox.bytes());
}

#[test]
fn a_remote_that_is_gone_is_offline() {
    let (sandbox, mac, ec2) = pair();
    let before = ec2.everything();
    sandbox.unplug();
    let _ = ec2.run(&["sync"]).code(5).says(&["remote.git", "kept here"]);
    let after = ec2.everything();
    for (name, file) in &before {
        assert!(after.get(name) == Some(file), "{} was touched", name.display());
    }
    assert_eq!(ec2.state_word(), "ahead");
    let _ = ec2.run(&["sync", "--dry-run"]).says(&["fetched last"]);
    sandbox.plug();
    ec2.sync();
    mac.sync();
    assert_eq!(mac.read(".conf"), MINE);
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_push_that_could_not_be_noted_is_no_remote_that_went_back() {
    let sandbox = Sandbox::new();
    let (mac, _) = sandbox.pair(LINES);
    mac.append(".conf", "6\n");
    mac.write("@.git/refs/cfgsync/upstream.lock", "");
    let _ = mac.run(&["sync"]).code(8);
    sandbox.unplug();
    let offline = mac.run(&["sync"]);
    assert!(!offline.stderr.contains("rolled back"), "{}", offline.stderr);
    sandbox.plug();
    mac.sync();
}

#[test]
fn a_default_branch_that_is_not_main_is_taken() {
    for has_head in [true, false] {
        let sandbox = Sandbox::new();
        fs::remove_dir_all(sandbox.remote()).unwrap();
        let _ = sandbox.init_bare("remote.git", if has_head { "trunk" } else { "gone" });
        let person = sandbox.machine("linux");
        let git = |arguments: &[&str]| {
            let output = person.command("git").args(arguments).output().unwrap();
            assert!(output.status.success(), "git {arguments:?}: {output:?}");
        };
        git(&["init", "--quiet", "-b", "trunk", "clone"]);
        person.write("clone/notes", "notes\n");
        git(&["-C", "clone", "add", "."]);
        git(&["-C", "clone", "commit", "--quiet", "-m", "First"]);
        git(&["-C", "clone", "push", "--quiet", person.url(), "trunk"]);
        let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
        mac.write(".conf", LINES);
        mac.run(&["mark", ".conf"]).done();
        mac.sync();
        ec2.sync();
        assert_eq!((ec2.read(".conf"), ec2.read("@notes")), (LINES.to_owned(), "notes\n".into()));
        assert_eq!(ec2.git(&["branch", "--show-current"]), "trunk\n");
        assert_eq!(sandbox.git(&["branch", "--format=%(refname:short)"]), "trunk\n");
        assert_converged(&[&mac, &ec2]);
        assert_clean(&sandbox, &[&mac, &ec2]);
    }
}

#[test]
fn of_two_remotes_the_branch_s_own_one_is_used() {
    let (sandbox, mac, ec2) = pair();
    let other = sandbox.init_bare("other.git", "main");
    let _ = ec2.git(&["remote", "add", "backup", &other]);
    ec2.sync();
    mac.sync();
    assert_eq!(mac.read(".conf"), MINE, "origin is the branch's own");
    let _ = ec2.git(&["push", "--quiet", "backup", "main"]);
    let _ = ec2.git(&["config", "branch.main.remote", "backup"]);
    ec2.append(".conf", "to the backup\n");
    let tip = sandbox.git(&["rev-parse", "main"]);
    ec2.sync();
    assert_eq!(sandbox.git(&["rev-parse", "main"]), tip);
    let _ = ec2.git(&["config", "branch.main.remote", "origin"]);
    let _ = ec2.run(&["sync"]).code(9).says(&["rolled back", "--force-push"]);
    ec2.run(&PUSH).done();
    mac.sync();
    assert_eq!(mac.read(".conf"), format!("{MINE}to the backup\n"));
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn of_two_remotes_none_is_guessed() {
    for choice in 0..2 {
        let (sandbox, mac, ec2) = pair();
        let other = sandbox.init_bare("other.git", "main");
        let _ = mac.git(&["push", "--quiet", &other, "main"]);
        let _ = ec2.git(&["remote", "rename", "origin", "one"]);
        let _ = ec2.git(&["remote", "add", "two", &other]);
        let _ = ec2.git(&["config", "--unset", "branch.main.remote"]);
        let before = sandbox.bytes();
        let output = ec2.run(&["sync"]).code(1).says(&["several remotes", "one", "two"]);
        let _ = ec2.run(&["sync", "--dry-run"]).code(1);
        let _ = ec2.run(&PUSH).code(1);
        assert_same("a sync with nowhere to go", &before, &sandbox.bytes());
        let ways: Vec<&str> =
            output.stderr.split('`').filter(|it| it.starts_with("git ")).collect();
        assert_eq!(ways.len(), 2, "one command for each: {output:?}");
        let words: Vec<&str> = ways[choice].split(' ').skip(1).collect();
        let _ = ec2.git(&words);
        ec2.sync();
        if words.last() == Some(&"one") {
            mac.sync();
            assert_eq!(mac.read(".conf"), MINE);
            assert_converged(&[&mac, &ec2]);
        } else {
            let bare = sandbox.path("other.git");
            let content = ec2.git(&["--git-dir", bare.to_str().unwrap(), "show", "main:mine"]);
            assert_eq!(content, "mine\n");
        }
    }
}

/// A machine with a repository of its own, made by hand, that has nothing in common with the remote.
fn unrelated() -> (Sandbox, Machine, Machine, Output) {
    let (sandbox, mac, _) = pair();
    let own = sandbox.machine("ec2-own");
    own.write("@notes", "own notes\n");
    own.write("@file-1", "own\n");
    let git = |arguments: &[&str]| {
        let output = own.command("git").arg("-C").arg(own.repo()).args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
    };
    git(&["init", "--quiet", "-b", "main"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "My own history"]);
    let files = || {
        let mut found = own.files();
        found.remove(OsStr::new(".sync"));
        found
    };
    let before = files();
    let tip = sandbox.git(&["rev-parse", "main"]);
    let output = own.run(&["setup", own.url()]).code(9);
    assert_same("a refused setup", &before, &files());
    assert_eq!(sandbox.git(&["rev-parse", "main"]), tip);
    (sandbox, mac, own, output)
}

#[test]
fn an_unrelated_remote_is_refused_and_each_way_works() {
    for way in [PUSH, PULL] {
        let (sandbox, mac, own, output) = unrelated();
        let _ = output.says(&["no common history", "--force-push", "--force-pull"]);
        own.run(&way).done();
        mac.run(&["--yes", "sync"]).done();
        own.sync();
        let is_ours = way == PUSH;
        assert_eq!(mac.exists("@notes"), is_ours);
        assert_eq!(mac.read("@file-1"), if is_ours { "own\n" } else { LINES });
        assert!(own.vault_has("own notes\n") && own.vault_has("own\n"));
        assert!(mac.vault_has(LINES));
        assert_converged(&[&mac, &own]);
        assert_clean(&sandbox, &[&mac, &own]);
        sandbox.assert_history();
    }
}

#[test]
fn an_old_defect_of_the_history_is_let_in_where_a_person_says_so() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    let script = "c=$(git rev-parse main) && t=$(git rev-parse 'main^{tree}') && id=$(printf \
        'tree %s\\nparent %s\\nauthor a <a@b> 1 +0000\\ncommitter <a@b> 1 +0000\\n\\nx\\n' $t $c \
        | git hash-object -t commit -w --literally --stdin) && git update-ref refs/heads/main $id";
    let made =
        mac.command("sh").current_dir(sandbox.remote()).args(["-c", script]).status().unwrap();
    assert!(made.success());
    let id = "missingNameBeforeEmail";
    let _ = ec2.run(&["sync"]).code(9).says(&[id, "git config fetch.fsck"]);
    for key in ["fetch.fsck", "fsck"] {
        ec2.git(&["config", &format!("{key}.{id}"), "ignore"]);
    }
    ec2.sync();
    ec2.run(&["doctor"]).done();
    ec2.write(".conf", "two\n");
    ec2.sync();
    assert_eq!(sandbox.git(&["show", "main:external/.conf"]), "two\n");
}
