//! Ignore files and attributes from upstream: what they keep here does not leave because a line is gone.

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

/// Swaps the halves of the alphabet, both ways.
const ROT: &str = "tr a-z n-za-m";

const WORDS: &str = "plain words that nobody may read\n";

/// Returns whether the remote has an object, reachable or not, that holds these words.
fn holds(sandbox: &Sandbox, words: &str) -> bool {
    let list = "--batch-check=%(objectname) %(objecttype)";
    let objects = sandbox.git(&["cat-file", "--batch-all-objects", list]);
    let mut blobs = objects.lines().filter_map(|line| line.strip_suffix(" blob"));
    blobs.any(|id| sandbox.git(&["cat-file", "blob", id]).contains(words))
}

fn listed(sandbox: &Sandbox) -> String {
    sandbox.git(&["ls-tree", "-r", "--name-only", "main"])
}

/// Two machines that ignore what is called secret, in the repository and in a marked folder.
fn ignoring() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    mac.append("@.gitignore", "*.secret\nprivate/\n");
    mac.write(".folder/shared", "shared\n");
    mac.run(&["mark", ".folder"]).done();
    mac.sync();
    ec2.sync();
    ec2.write("@a.secret", WORDS);
    ec2.write("@private/deep/b", WORDS);
    ec2.write(".folder/c.secret", WORDS);
    ec2.sync();
    assert!(!holds(&sandbox, WORDS));
    (sandbox, mac, ec2)
}

fn take_line(machine: &Machine, file: &str, line: &str) {
    machine.edit(file, line, "");
    machine.sync();
}

#[test]
fn what_an_ignore_file_from_upstream_lets_go_of_waits() {
    for line in ["*.secret\n", "private/\n"] {
        let (sandbox, mac, ec2) = ignoring();
        take_line(&mac, "@.gitignore", line);
        mac.write(".conf", "two\n");
        mac.sync();
        let name = if line.starts_with('*') { "a.secret" } else { "private/deep/b" };
        let _ = ec2.run(&["sync"]).code(4).says(&[".gitignore", "ignores less", name]);
        assert_eq!(ec2.read(".conf"), "two\n", "the rest goes on");
        ec2.append(".folder/shared", "more\n");
        for arguments in [&["sync"][..], &["--yes", "sync", "--force-pull"], &["undo"], &["sync"]] {
            let _ = ec2.run(arguments);
            assert!(!holds(&sandbox, WORDS), "{arguments:?}");
        }
        assert!(ec2.read("@.gitignore").contains(line));
        let status = ec2.run(&["status", "--json"]).code(0).stdout;
        assert!(status.contains("\"doubt\": \"unignores\""), "{status}");
        // What nobody has any more keeps no rule waiting.
        ec2.remove("@a.secret");
        ec2.remove(".folder/c.secret");
        std::fs::remove_dir_all(ec2.path("@private")).unwrap();
        ec2.sync();
        mac.sync();
        assert!(!ec2.read("@.gitignore").contains(line));
        assert_converged(&[&mac, &ec2]);
        assert_clean(&sandbox, &[&mac, &ec2]);
    }
}

#[test]
fn who_lets_a_smaller_ignore_file_in_shares_what_it_ignored() {
    let (sandbox, mac, ec2) = ignoring();
    take_line(&mac, "@.gitignore", "*.secret\n");
    let _ = ec2.run(&["sync"]).code(4);
    ec2.run(&["resolve", "configs/.gitignore", "--theirs"]).done();
    ec2.sync();
    assert!(listed(&sandbox).contains("a.secret"));
    assert!(listed(&sandbox).contains("external/.folder/c.secret"));
    mac.sync();
    assert_eq!(mac.read(".folder/c.secret"), WORDS);
}

#[test]
fn who_declines_a_smaller_ignore_file_puts_the_rules_back_upstream() {
    let (sandbox, mac, ec2) = ignoring();
    mac.remove("@.gitignore");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&[".gitignore", "ignores less"]);
    ec2.run(&["resolve", "configs/.gitignore", "--ours"]).done();
    mac.sync();
    assert!(mac.read("@.gitignore").contains("*.secret\n"));
    assert!(!holds(&sandbox, WORDS));
    assert_eq!(mac.read("@.gitignore"), ec2.read("@.gitignore"));
}

#[test]
fn rules_of_any_folder_and_of_a_merge_count_and_no_others() {
    let (sandbox, mac, ec2) = ignoring();
    // Moved to another file, and more of them: nothing is let go.
    mac.edit("@.gitignore", "private/\n", "");
    mac.write("@private/.gitignore", "*\n!.gitignore\n");
    mac.append("@.gitignore", "*.log\n");
    mac.sync();
    ec2.sync();
    assert!(ec2.read("@.gitignore").contains("*.log\n"));
    // A folder's own file takes back what another one says.
    mac.write("@external/.folder/.gitignore", "*.secret\n!c.secret\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["~/.folder/.gitignore", "~/.folder/c.secret"]);
    ec2.append("@.gitignore", "*.here\n");
    let _ = ec2.run(&["sync"]).code(4);
    assert!(!holds(&sandbox, WORDS));
    mac.remove(".folder/.gitignore");
    mac.sync();
    ec2.sync();
    // Both sides edit it, and what comes of both lets go.
    mac.edit("@.gitignore", "*.secret\n", "");
    mac.sync();
    let text = ec2.read("@.gitignore");
    ec2.write("@.gitignore", format!("*.first\n{text}"));
    let _ = ec2.run(&["sync"]).code(4).says(&[".gitignore", "ignores less"]);
    assert!(!holds(&sandbox, WORDS));
    // What a person of this machine takes out is meant.
    ec2.edit("@.gitignore", "*.secret\n", "");
    ec2.sync();
    assert!(listed(&sandbox).contains("a.secret"));
}

#[test]
fn ignore_rules_of_the_user_that_are_shared_count() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    mac.write(".config/git/ignore", "*.secret\n");
    mac.run(&["mark", ".config/git/ignore"]).done();
    mac.sync();
    let _ = ec2.run(&["sync"]);
    let _ = ec2.run(&["resolve", ".config/git/ignore", "--theirs"]);
    assert_eq!(ec2.read(".config/git/ignore"), "*.secret\n");
    ec2.write("@a.secret", WORDS);
    ec2.sync();
    mac.write(".config/git/ignore", "*.log\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["~/.config/git/ignore", "a.secret"]);
    let _ = ec2.run(&["sync"]).code(4);
    assert!(!holds(&sandbox, WORDS));
    assert_eq!(ec2.read(".config/git/ignore"), "*.secret\n");
}

#[test]
fn ignore_rules_of_the_user_that_lie_in_the_repository_count() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    mac.write("@git/ignored", "*.secret\n");
    mac.sync();
    ec2.sync();
    ec2.git(&["config", "--global", "core.excludesFile", "~/configs/git/ignored"]);
    ec2.write("@a.secret", WORDS);
    ec2.sync();
    mac.write("@git/ignored", "*.log\n");
    mac.sync();
    for _ in 0..2 {
        let _ = ec2.run(&["sync"]).code(4).says(&["git/ignored", "a.secret"]);
    }
    assert!(!holds(&sandbox, WORDS));
    ec2.run(&["resolve", "configs/git/ignored", "--theirs"]).done();
    ec2.sync();
    assert!(holds(&sandbox, WORDS));
}

#[test]
fn a_shared_configuration_that_names_no_ignore_file_any_more_waits() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    let user = "[user]\n\tname = a\n\temail = a@b\n";
    let with = format!("{user}[core]\n\texcludesFile = ~/.ignored\n");
    for machine in [&mac, &ec2] {
        machine.write(".ignored", "*.secret\n");
        machine.write(".gitconfig", &with);
    }
    mac.run(&["mark", ".gitconfig"]).done();
    mac.sync();
    ec2.write("@a.secret", WORDS);
    ec2.sync();
    ec2.assert_linked(".gitconfig");
    mac.write(".gitconfig", user);
    mac.sync();
    for _ in 0..2 {
        let _ = ec2.run(&["sync"]).code(4).says(&["~/.gitconfig", "excludesfile"]);
    }
    assert!(!holds(&sandbox, WORDS));
    assert_eq!(ec2.read(".gitconfig"), with);
}

fn set_up(machine: &Machine, filter: &str) {
    for side in ["clean", "smudge"] {
        let _ = machine.git(&["config", "--global", &format!("filter.{filter}.{side}"), ROT]);
    }
}

/// Two machines that share one file under a filter.
fn filtering() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    set_up(&mac, "rot");
    set_up(&ec2, "rot");
    mac.write("@.gitattributes", "*.key filter=rot\n");
    mac.write("@one.key", "one\ntwo\n");
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read("@one.key"), "one\ntwo\n");
    (sandbox, mac, ec2)
}

/// Somebody who can push takes the filter away, in one of these ways.
fn bare(mac: &Machine, way: usize) {
    match way {
        0 => mac.write("@.gitattributes", "*.txt text\n"),
        1 => mac.remove("@.gitattributes"),
        2 => mac.append("@.gitattributes", "*.key -filter\n"),
        3 => mac.write("@.gitattributes", "*.key filter=none\n"),
        _ => mac.write("@.gitattributes", "*.txt text\n*.new filter=rot\n"),
    }
    mac.git(&["add", ".gitattributes"]);
    mac.git(&["commit", "--quiet", "-m", "take the filter away"]);
    mac.git(&["push", "--quiet", "origin", "HEAD:main"]);
}

#[test]
fn a_filter_that_upstream_takes_away_lets_nothing_leave_in_the_clear() {
    for way in 0..5 {
        let (sandbox, mac, ec2) = filtering();
        ec2.write("@two.new", WORDS);
        bare(&mac, way);
        for step in 0..3 {
            ec2.append("@one.key", WORDS);
            let _ = ec2.run(&["sync"]).code(4).says(&[".gitattributes", "filter"]);
            // A new file that nothing covers is not what this is about.
            assert!(way < 4 || !holds(&sandbox, WORDS), "{way} {step}");
            assert!(!sandbox.git(&["show", "main:one.key"]).contains(WORDS), "{way} {step}");
        }
        assert!(ec2.read("@one.key").ends_with(WORDS));
        let _ = ec2.run(&["--yes", "sync", "--force-pull"]);
        let ours = ["resolve", "configs/.gitattributes", "--ours"];
        if way == 4 {
            let _ = ec2.run(&ours).code(4).says(&["the clear: two.new"]);
            assert!(!holds(&sandbox, WORDS), "a choice sends in the clear what they cover");
            ec2.append("@.gitattributes", "*.new filter=rot\n");
        }
        ec2.run(&ours).done();
        ec2.sync();
        assert!(way < 4 || !holds(&sandbox, WORDS), "yours cover it too by now");
        assert!(sandbox.git(&["show", "main:.gitattributes"]).contains("*.key filter=rot"));
        assert!(!sandbox.git(&["show", "main:one.key"]).contains(WORDS), "{way}");
        assert_clean(&sandbox, &[&ec2]);
    }
}

#[test]
fn what_goes_with_attributes_waits_with_them_and_is_whole_afterwards() {
    let (sandbox, mac, ec2) = filtering();
    // A person of the other machine gives the filter up.
    mac.write("@.gitattributes", "*.txt text\n");
    mac.append("@one.key", "three\n");
    mac.sync();
    assert_eq!(sandbox.git(&["show", "main:one.key"]), "one\ntwo\nthree\n");
    let _ = ec2.run(&["sync"]).code(4).says(&["one.key", "a .gitattributes waits"]);
    assert_eq!(ec2.read("@one.key"), "one\ntwo\n");
    let _ = ec2.run(&["resolve", "configs/one.key", "--theirs"]).code(1);
    // Without the filter, what lies here is another text than what was agreed.
    let _ = ec2.run(&["resolve", "configs/.gitattributes", "--theirs"]).code(4);
    ec2.run(&["resolve", "configs/one.key", "--theirs"]).done();
    assert_eq!(ec2.read("@one.key"), "one\ntwo\nthree\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn rules_are_those_of_the_repository_whatever_a_configuration_says() {
    for scope in ["--global", "--local"] {
        for (key, value) in [("core.worktree", "/tmp"), ("core.bare", "true")] {
            let (sandbox, _mac, ec2) = filtering();
            ec2.append("@.gitignore", "*.secret\n");
            ec2.sync();
            ec2.git(&["config", scope, key, value]);
            ec2.write("@a.secret", WORDS);
            ec2.append("@one.key", WORDS);
            ec2.sync();
            let what = format!("{scope} {key}");
            assert!(!holds(&sandbox, WORDS), "{what}");
            assert!(sandbox.git(&["show", "main:one.key"]).contains("cynva jbeqf"), "{what}");
        }
    }
}

#[test]
fn no_value_of_the_user_stops_every_command() {
    for (key, value) in [
        ("core.worktree", "/nowhere/at-all"),
        ("core.logAllRefUpdates", "never"),
        ("core.ignoreCase", "maybe"),
    ] {
        let sandbox = Sandbox::new();
        let (mac, ec2) = sandbox.pair("one\n");
        mac.git(&["config", "--global", key, value]);
        mac.write(".conf", "two\n");
        let said = mac.run(&["sync"]).code(0).stderr;
        let is_said = said.contains("your Git configuration is broken");
        assert_eq!(is_said, key != "core.worktree", "git itself heeds no such {key}: {said}");
        mac.run(&["status"]).done();
        ec2.sync();
        assert_eq!(ec2.read(".conf"), "two\n", "{key}");
    }
}
