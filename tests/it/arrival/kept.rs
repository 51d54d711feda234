//! Files that ignore rules keep on a machine stay there, whatever upstream brings under their names.

use super::forge::{FILE, Forge};
use crate::sandbox::{Machine, Sandbox};

const WORDS: &str = "plain words that nobody may read\n";

/// A machine that ignores what these rules say, and has a file of its own here.
fn keeping(rules: &str, file: &str) -> (Sandbox, Machine) {
    let sandbox = Sandbox::new();
    let (_, ec2) = sandbox.pair("one\n");
    ec2.write(".folder/shared", "shared\n");
    ec2.run(&["mark", ".folder"]).done();
    ec2.write("@.gitignore", rules);
    ec2.sync();
    ec2.write(file, WORDS);
    ec2.sync();
    assert_kept(&sandbox, "at first");
    (sandbox, ec2)
}

/// Asserts that the remote has no object, reachable or not, that holds the words.
#[track_caller]
fn assert_kept(sandbox: &Sandbox, when: &str) {
    let list = "--batch-check=%(objectname) %(objecttype)";
    let objects = sandbox.git(&["cat-file", "--batch-all-objects", list]);
    let mut blobs = objects.lines().filter_map(|line| line.strip_suffix(" blob"));
    assert!(!blobs.any(|id| sandbox.git(&["cat-file", "blob", id]).contains(WORDS)), "{when}");
}

/// Pushes files on top of what upstream has, and returns the tree that it had.
fn bring(sandbox: &Sandbox, files: &[(&str, &'static str, &[u8])]) -> String {
    let before = sandbox.git(&["rev-parse", "main^{tree}"]);
    let forge = Forge::new(sandbox);
    forge.push(&forge.add(files));
    before.trim().to_owned()
}

#[test]
fn a_file_of_its_name_that_comes_and_goes_takes_nothing_with_it() {
    for (file, name) in
        [("@a.secret", "a.secret"), (".folder/a.secret", "external/.folder/a.secret")]
    {
        let (sandbox, ec2) = keeping("*.secret\n", file);
        let before = bring(&sandbox, &[(name, FILE, b"theirs\n")]);
        let _ = ec2.run(&["sync"]).code(4).says(&["a.secret", "it is ignored here"]);
        let _ = ec2.run(&["sync"]).code(4);
        let _ = ec2.run(&["--yes", "sync", "--force-push"]);
        assert_kept(&sandbox, "with a force");
        Forge::new(&sandbox).push(&before);
        for arguments in [&["sync"][..], &["sync"], &["--yes", "sync", "--force-push"]] {
            let _ = ec2.run(arguments);
            assert_kept(&sandbox, "once it is gone upstream");
        }
        assert_eq!(ec2.read(file), WORDS);
    }
}

#[test]
fn nor_does_one_that_comes_into_a_repository_of_its_own() {
    let (sandbox, ec2) = keeping("*.secret\n", ".folder/own/a.secret");
    ec2.write(".folder/own/.git/HEAD", "ref: refs/heads/main\n");
    ec2.write(".folder/own/file", WORDS);
    ec2.sync();
    let before = bring(&sandbox, &[("external/.folder/own/file", FILE, b"theirs\n")]);
    let _ = ec2.run(&["sync"]).code(4).says(&["own/file", "of another repository"]);
    Forge::new(&sandbox).push(&before);
    ec2.sync();
    ec2.sync();
    assert_kept(&sandbox, "once it is gone upstream");
    assert_eq!(ec2.read(".folder/own/file"), WORDS);
}

#[test]
fn no_attribute_of_upstream_combines_it_with_theirs() {
    let (sandbox, ec2) = keeping("*.secret\n", "@a.secret");
    let attributes = (".gitattributes", FILE, &b"a.secret merge=union\n"[..]);
    let _ = bring(&sandbox, &[attributes, ("a.secret", FILE, b"theirs\n")]);
    for _ in 0..3 {
        let _ = ec2.run(&["sync"]).code(4).says(&["a.secret", "it is ignored here"]);
        assert_kept(&sandbox, "with merge=union");
    }
    assert_eq!(ec2.read("@a.secret"), WORDS);
    ec2.run(&["resolve", "configs/a.secret", "--theirs"]).done();
    assert_eq!(ec2.read("@a.secret"), "theirs\n");
}

#[test]
fn who_guesses_its_bytes_does_not_get_the_next_ones() {
    let (sandbox, ec2) = keeping("*.secret\n", "@b.secret");
    ec2.write("@a.secret", "as the template has it\n");
    let _ = bring(&sandbox, &[("a.secret", FILE, b"as the template has it\n")]);
    let _ = ec2.run(&["sync"]).code(4).says(&["a.secret", "it is ignored here"]);
    let _ = ec2.run(&["sync"]).code(4);
    ec2.write("@a.secret", WORDS);
    let _ = ec2.run(&["sync"]).code(4);
    assert_kept(&sandbox, "after an edit");
    // A person may share it all the same.
    ec2.run(&["resolve", "configs/a.secret", "--ours"]).done();
    ec2.sync();
    assert_eq!(sandbox.git(&["show", "main:a.secret"]), WORDS);
}

#[test]
fn a_known_file_beside_it_opens_no_folder_that_is_ignored() {
    let (sandbox, ec2) = keeping("/*\n!.gitignore\n!deep\n!external\n!.sync\n", "@private/deep/a");
    let _ = bring(&sandbox, &[("private/theirs", FILE, b"theirs\n")]);
    ec2.sync();
    ec2.sync();
    assert_eq!(ec2.read("@private/theirs"), "theirs\n");
    assert_kept(&sandbox, "beside theirs");
}

#[test]
fn neither_an_undo_nor_a_restore_takes_rules_away_that_keep_a_file() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    for side in ["clean", "smudge"] {
        for machine in [&mac, &ec2] {
            let key = format!("filter.rot.{side}");
            let _ = machine.git(&["config", "--global", &key, "tr a-z n-za-m"]);
        }
    }
    ec2.run(&["backup"]).done();
    let mut archives = std::fs::read_dir(ec2.path("@.sync/backups")).unwrap();
    let archive = archives.find_map(|entry| entry.unwrap().file_name().into_string().ok()).unwrap();
    mac.append("@.gitignore", "*.secret\n");
    mac.write("@.gitattributes", "*.key filter=rot\n");
    mac.write(".conf", "two\n");
    mac.sync();
    ec2.sync();
    ec2.write("@a.secret", WORDS);
    ec2.write("@new.key", WORDS);
    ec2.sync();
    assert_kept(&sandbox, "at first");
    let undo = ["undo", "2"];
    let _ = ec2.run(&undo).code(0).says(&[".gitignore stays", "a.secret", "new.key"]);
    ec2.sync();
    assert_kept(&sandbox, "after an undo");
    assert_eq!(ec2.read(".conf"), "one\n", "the rest is taken back");
    ec2.append(".conf", "more\n");
    ec2.append("@.gitignore", "*.log\n");
    ec2.sync();
    let _ =
        ec2.run(&["--yes", "restore", &archive]).code(0).says(&[".gitignore stays", "a.secret"]);
    ec2.sync();
    assert_kept(&sandbox, "after a restore");
    assert_eq!(ec2.read(".conf"), "one\n", "the rest comes back");
}

#[test]
fn ignore_rules_that_arrive_keep_what_nobody_shared_yet() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    mac.append("@.gitignore", "*.secret\n");
    mac.write(".folder/shared", "shared\n");
    mac.run(&["mark", ".folder"]).done();
    mac.sync();
    ec2.write("@a.secret", WORDS);
    ec2.write(".folder/a.secret", WORDS);
    ec2.write(".folder/own", "own\n");
    ec2.sync();
    assert_kept(&sandbox, "with the sync that brings the rules");
    mac.sync();
    assert_eq!(mac.read(".folder/own"), "own\n", "the rest is shared by the same sync");
    // A new machine has its files before it knows any rule.
    let other = sandbox.machine("ec2b");
    other.write(".folder/b.secret", WORDS);
    other.run(&["--yes", "setup", other.url()]).done();
    other.sync();
    assert_kept(&sandbox, "with a setup");
    assert_eq!(other.read(".folder/b.secret"), WORDS);
}

#[test]
fn no_rename_of_rules_takes_them_away() {
    let (sandbox, ec2) = keeping("*.secret\n# 1\n# 2\n# 3\n# 4\n", "@a.secret");
    let rules = ec2.read("@.gitignore");
    let _ = bring(&sandbox, &[("renamed", FILE, rules.as_bytes())]);
    let forge = Forge::new(&sandbox);
    let mut top = forge.top();
    top.retain(|(_, name, _)| name != b".gitignore");
    forge.push(&forge.tree(&top));
    ec2.append("@.gitignore", "# mine\n");
    for _ in 0..3 {
        let _ = ec2.run(&["sync"]);
        assert_kept(&sandbox, "with a rename");
    }
    assert!(ec2.read("@.gitignore").contains("*.secret"));
}
