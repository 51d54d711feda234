//! Files that a Git filter covers: what lies on disk is one thing, what is shared is another, and
//! nothing travels as it must not.

mod overruled;
mod read_by_git;

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

/// Swaps the halves of the alphabet, both ways.
const ROT: &str = "tr a-z n-za-m";

/// Adds bytes of its own, other ones each time, as encryption does, and takes them away again.
const SALTED: [&str; 2] = ["sh -c 'echo salt-$$-$(date +%N); cat'", "tail -n +2"];

fn set_up(machine: &Machine, [clean, smudge]: [&str; 2]) {
    let _ = machine.git(&["config", "--global", "filter.rot.clean", clean]);
    let _ = machine.git(&["config", "--global", "filter.rot.smudge", smudge]);
}

/// Two machines with the filter, and `~/.secret` shared under it.
fn sharing(filter: [&str; 2]) -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    set_up(&mac, filter);
    set_up(&ec2, filter);
    mac.write("@.gitattributes", "external/.secret filter=rot\n*.rot filter=rot\n");
    mac.write(".secret", "one\ntwo\nthree\nfour\nfive\n");
    mac.run(&["mark", ".secret"]).done();
    mac.sync();
    ec2.sync();
    (sandbox, mac, ec2)
}

/// Where a user's own attributes lie.
const ATTRIBUTES_OF_USER: &str = ".config/git/attributes";

/// Two machines that share the attributes of their user, let in at that place.
fn letting_in_attributes() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    mac.write(ATTRIBUTES_OF_USER, "*.txt text\n");
    mac.run(&["mark", ATTRIBUTES_OF_USER]).done();
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4);
    ec2.run(&["resolve", ATTRIBUTES_OF_USER, "--theirs"]).done();
    (sandbox, mac, ec2)
}

fn shared(sandbox: &Sandbox) -> String {
    sandbox.git(&["show", "main:external/.secret"])
}

#[test]
fn the_clean_side_is_shared_and_the_smudged_one_lies_on_disk() {
    let (sandbox, mac, ec2) = sharing([ROT, ROT]);
    assert_eq!(shared(&sandbox), "bar\ngjb\nguerr\nsbhe\nsvir\n");
    assert_eq!(ec2.read(".secret"), mac.read(".secret"));
    ec2.assert_linked(".secret");
    for machine in [&mac, &ec2] {
        assert_eq!(machine.git(&["status", "--porcelain"]), "", "git sees the same");
    }
    let before = ec2.commits();
    ec2.sync();
    assert_eq!(ec2.commits(), before);
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn edits_of_both_sides_merge_below_a_filter() {
    let (sandbox, mac, ec2) = sharing([ROT, ROT]);
    mac.edit(".secret", "one", "uno");
    ec2.edit(".secret", "five", "cinque");
    mac.sync();
    ec2.sync();
    mac.sync();
    assert_eq!(mac.read(".secret"), "uno\ntwo\nthree\nfour\ncinque\n");
    assert_eq!(ec2.read(".secret"), mac.read(".secret"));
    assert!(ec2.vault_has("one\ntwo\nthree\nfour\ncinque\n"), "what lay on disk is kept");
    assert!(shared(&sandbox).starts_with("hab\n"));
    ec2.run(&["unmark", ".secret"]).done();
    ec2.assert_plain(".secret", "uno\ntwo\nthree\nfour\ncinque\n");
    ec2.run(&["undo"]).done();
    ec2.assert_linked(".secret");
    assert_eq!(ec2.read(".secret"), "uno\ntwo\nthree\nfour\ncinque\n");
}

#[test]
fn a_filter_that_gives_other_bytes_each_time_makes_no_commits() {
    let (sandbox, mac, ec2) = sharing(SALTED);
    assert!(shared(&sandbox).starts_with("salt-"));
    let tip = sandbox.git(&["rev-parse", "main"]);
    for machine in [&mac, &ec2, &mac] {
        machine.sync();
    }
    assert_eq!(sandbox.git(&["rev-parse", "main"]), tip);
    mac.edit(".secret", "one", "uno");
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read(".secret"), "uno\ntwo\nthree\nfour\nfive\n");
    assert_converged(&[&mac, &ec2]);
    // Salted differently, the two do not merge, and wait.
    mac.edit(".secret", "two", "due");
    ec2.edit(".secret", "two", "deux");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4);
    assert_eq!(ec2.read(".secret"), "uno\ndeux\nthree\nfour\nfive\n");
    ec2.run(&["resolve", ".secret", "--theirs"]).done();
    assert_eq!(ec2.read(".secret"), "uno\ndue\nthree\nfour\nfive\n");
    assert!(ec2.vault_has("uno\ndeux\nthree\nfour\nfive\n"));
}

#[test]
fn without_its_filter_a_file_waits_on_either_way() {
    let (sandbox, mac, _ec2) = sharing([ROT, ROT]);
    let linux = sandbox.machine("linux");
    let folder = linux.path("configs");
    let arguments = ["setup", "--dir", folder.to_str().unwrap(), linux.url()];
    let _ = linux.run(&arguments).code(4).says(&["~/.secret"]);
    assert!(!linux.exists(".secret") && !linux.exists("@external/.secret"));
    linux.write("@new.rot", "plain words\n");
    let _ = linux.run(&["sync"]).code(4).says(&["new.rot", "filter"]);
    set_up(&linux, ["false", "false"]);
    // That the filter fails on what comes in is only known when it is run.
    let _ = linux.run(&["sync"]).code(10).says(&["new.rot", ".secret", "filter"]);
    assert!(!linux.exists(".secret") && !linux.exists("@external/.secret"));
    assert!(!sandbox.git(&["ls-tree", "-r", "--name-only", "main"]).contains("new.rot"));
    set_up(&linux, [ROT, ROT]);
    linux.sync();
    linux.assert_linked(".secret");
    assert_eq!(linux.read(".secret"), mac.read(".secret"));
    assert_eq!(sandbox.git(&["show", "main:new.rot"]), "cynva jbeqf\n");
    assert_clean(&sandbox, &[&mac]);
}

#[test]
fn a_filter_may_leave_bytes_as_they_are() {
    let (sandbox, mac, ec2) = sharing(["cat", "cat"]);
    mac.append(".secret", "six\n");
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read(".secret"), shared(&sandbox));
    assert_converged(&[&mac, &ec2]);
}

/// Returns the names of all objects of the remote, reachable or not, that hold these words.
fn holding(sandbox: &Sandbox, words: &str) -> Vec<String> {
    let list = "--batch-check=%(objectname) %(objecttype)";
    let objects = sandbox.git(&["cat-file", "--batch-all-objects", list]);
    let blobs = objects.lines().filter_map(|line| line.strip_suffix(" blob"));
    blobs
        .filter(|id| sandbox.git(&["cat-file", "blob", id]).contains(words))
        .map(str::to_owned)
        .collect()
}

#[test]
fn what_a_required_filter_covers_is_in_no_object_that_was_sent_where_it_is_missing() {
    let missing = "/nowhere/crypt";
    let ways: [&[(&str, &str)]; 5] = [
        &[],
        &[("required", "true")],
        &[("required", "true"), ("clean", missing), ("smudge", missing)],
        &[("required", "true"), ("process", missing)],
        &[("required", "true"), ("clean", "sh -c 'cat; exit 1'"), ("smudge", "cat")],
    ];
    for way in ways {
        let sandbox = Sandbox::new();
        let (mac, ec2) = sandbox.pair("one\n");
        mac.write("@.gitattributes", "*.key filter=crypt\nexternal/.netrc-* filter=crypt\n");
        for (key, value) in way {
            mac.git(&["config", "--global", &format!("filter.crypt.{key}"), value]);
        }
        let words = "plain words that nobody may read";
        mac.write("@deep/down.key", words);
        mac.write(".netrc-work", words);
        let _ = mac.run(&["mark", ".netrc-work"]);
        mac.write(".conf", "two\n");
        let first = mac.run(&["sync"]);
        assert!([4, 10].contains(&first.code), "{way:?}: {first:?}");
        for arguments in [
            &["sync", "--force-push", "--yes"][..],
            &["resolve", ".netrc-work", "--ours"],
            &["resolve", "configs/deep/down.key", "--ours"],
            &["undo"],
            &["sync"],
            &["backup"],
            &["sync"],
        ] {
            let _ = mac.run(arguments);
            assert_eq!(holding(&sandbox, words), Vec::<String>::new(), "{way:?} {arguments:?}");
        }
        let _ = ec2.run(&["sync"]).code(4).says(&["~/.netrc-work"]);
        assert_eq!(ec2.read("@.gitattributes"), mac.read("@.gitattributes"), "the rest goes on");
        assert_eq!(mac.read("@deep/down.key"), words);
        assert_eq!(mac.read(".netrc-work"), words);
        // With the filter there, both are sent as it makes them.
        let _ = mac.try_git(&["config", "--global", "--unset", "filter.crypt.process"]);
        for key in ["clean", "smudge"] {
            mac.git(&["config", "--global", &format!("filter.crypt.{key}"), ROT]);
        }
        mac.sync();
        assert_eq!(holding(&sandbox, words), Vec::<String>::new());
        assert_eq!(holding(&sandbox, "cynva jbeqf").len(), 1, "{way:?}");
    }
}

#[test]
fn attributes_that_arrive_cover_what_was_not_sent_yet() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    let words = "plain words that nobody may read";
    ec2.write("@new.key", words);
    mac.write("@.gitattributes", "*.key filter=crypt\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["new.key", "filter"]);
    assert_eq!(holding(&sandbox, words), Vec::<String>::new());
    assert_eq!(ec2.read("@new.key"), words);
}

#[test]
fn attributes_that_merge_with_mine_cover_what_was_not_sent_yet() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    mac.write("@.gitattributes", "*.txt text\n\n\n\n\n*.html text\n");
    mac.sync();
    ec2.sync();
    let words = "plain words that nobody may read";
    ec2.write("@new.key", words);
    ec2.append("@.gitattributes", "*.css text\n");
    mac.edit("@.gitattributes", "*.txt text\n", "*.key filter=crypt\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["new.key", "filter"]);
    assert_eq!(holding(&sandbox, words), Vec::<String>::new());
    mac.sync();
    assert!(mac.read("@.gitattributes").contains("*.css"), "the attributes are merged at once");
    assert_eq!(mac.read("@.gitattributes"), ec2.read("@.gitattributes"));
}

#[test]
fn attributes_that_wait_for_a_choice_cover_what_was_not_sent_yet() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    mac.write("@.gitattributes", "*.key text\n");
    mac.sync();
    ec2.sync();
    let words = "plain words that nobody may read";
    ec2.write("@new.key", words);
    ec2.write("@other", "other\n");
    ec2.write("@.gitattributes", "*.key -text\n");
    mac.write("@.gitattributes", "*.key text filter=crypt\n");
    mac.sync();
    for _ in 0..2 {
        let _ = ec2.run(&["sync"]).code(4).says(&[".gitattributes"]);
        assert_eq!(holding(&sandbox, words), Vec::<String>::new());
    }
    assert_eq!(sandbox.git(&["show", "main:other"]), "other\n", "the rest goes on");
    let _ = ec2.run(&["resolve", "configs/.gitattributes", "--theirs"]);
    let _ = ec2.run(&["sync"]).code(4).says(&["new.key", "filter"]);
    assert_eq!(holding(&sandbox, words), Vec::<String>::new());
}

#[test]
fn attributes_of_the_user_cover_files_wherever_they_lie() {
    let words = "plain words that nobody may read";
    for place in [".attributes", ".config/git/attributes", ".elsewhere/git/attributes"] {
        let sandbox = Sandbox::new();
        let mac = sandbox.joined("mac");
        mac.write(place, "*.key filter=crypt\n");
        if place == ".attributes" {
            mac.git(&["config", "--global", "core.attributesFile", "~/.attributes"]);
        }
        mac.write("@new.key", words);
        let mut command = mac.command(env!("CARGO_BIN_EXE_cfgsync"));
        if place.starts_with(".elsewhere") {
            command.env("XDG_CONFIG_HOME", mac.path(".elsewhere"));
            command.env("CFGSYNC_DIR", mac.repo());
        }
        let output = command.arg("sync").output().unwrap();
        assert_eq!(output.status.code(), Some(4), "{place}: {output:?}");
        assert_eq!(holding(&sandbox, words), Vec::<String>::new(), "{place}");
    }
}

#[test]
fn attributes_of_the_user_that_arrive_cover_what_was_not_sent_yet() {
    let (sandbox, mac, ec2) = letting_in_attributes();
    let own = ATTRIBUTES_OF_USER;
    let words = "plain words that nobody may read";
    ec2.write("@new.key", words);
    mac.append(own, "*.key filter=crypt\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["new.key", "filter"]);
    assert_eq!(holding(&sandbox, words), Vec::<String>::new());
}

#[test]
fn a_filter_that_is_taken_away_later_leaves_no_edit_in_the_clear() {
    let (sandbox, mac, _ec2) = sharing([ROT, ROT]);
    mac.git(&["config", "--global", "--remove-section", "filter.rot"]);
    mac.edit(".secret", "three", "plain words");
    let _ = mac.run(&["sync"]).code(4).says(&[".secret", "filter"]);
    mac.write(".other", "x\n");
    mac.run(&["mark", ".other"]).done();
    let _ = mac.run(&["sync"]).code(4);
    assert_eq!(holding(&sandbox, "plain words"), Vec::<String>::new());
    assert!(sandbox.git(&["ls-tree", "-r", "--name-only", "main"]).contains("external/.other"));
    set_up(&mac, [ROT, ROT]);
    mac.sync();
    assert!(shared(&sandbox).contains("cynva jbeqf"));
}

/// Makes a hook of the user's write down that it ran, with what it was given, and end like this.
fn set_hook(machine: &Machine, name: &str, status: u8) {
    let path = format!("@.git/hooks/{name}");
    let script = format!("#!/bin/sh\n{{ echo {name} \"$1\"; cat; }} >>\"$HOME/hooks-ran\"\n");
    machine.write(&path, format!("{script}exit {status}\n"));
    machine.chmod(&path, 0o755);
}

/// Git LFS keeps the content of its files beside Git, and sends it from a hook before a push.
#[test]
fn the_hook_that_sends_the_files_of_git_lfs_runs_and_no_other() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    for name in ["pre-push", "pre-commit", "post-commit", "reference-transaction", "post-merge"] {
        set_hook(&mac, name, 0);
    }
    mac.write("@a", "a\n");
    mac.sync();
    assert!(!mac.exists("hooks-ran"), "nothing is under Git LFS");

    let _ = mac.git(&["config", "--global", "filter.lfs.process", "git-lfs filter-process"]);
    mac.write("@.gitattributes", "*.large filter=lfs\n");
    mac.write("@b", "b\n");
    mac.sync();
    let ran = mac.read("hooks-ran");
    let tip = sandbox.git(&["rev-parse", "main"]);
    assert!(ran.starts_with("pre-push origin\n") && ran.contains(tip.trim()), "{ran}");
    assert_eq!(ran.lines().filter(|line| line.starts_with('p')).count(), 1, "{ran}");

    // What it could not send must not be pushed without.
    set_hook(&mac, "pre-push", 1);
    mac.write("@c", "c\n");
    let _ = mac.run(&["sync"]).code(1).says(&["pre-push", "no reason", "Git LFS"]);
    mac.write("@.git/hooks/pre-push", "#!/bin/sh\necho 'x.large is missing' >&2\nexit 1\n");
    let _ = mac.run(&["sync"]).code(1).says(&["pre-push", "x.large is missing"]);
    assert_eq!(sandbox.git(&["rev-parse", "main"]), tip);
    set_hook(&mac, "pre-push", 0);
    mac.sync();
    assert_eq!(sandbox.git(&["show", "main:c"]), "c\n");
    assert_clean(&sandbox, &[&mac]);
}
