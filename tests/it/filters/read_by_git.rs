//! Attributes as git reads them, which runs the filters: the library that looks for them does not.

use super::set_up;
use crate::sandbox::{Machine, Sandbox};

/// Swaps the halves of the alphabet, both ways.
const ROT: &str = "tr a-z n-za-m";

const WORDS: &str = "plain words that nobody may read\n";

#[track_caller]
fn assert_covered(sandbox: &Sandbox, when: &str) {
    let list = "--batch-check=%(objectname) %(objecttype)";
    let objects = sandbox.git(&["cat-file", "--batch-all-objects", list]);
    let mut blobs = objects.lines().filter_map(|line| line.strip_suffix(" blob"));
    let is_bare = blobs.any(|id| sandbox.git(&["cat-file", "blob", id]).contains(WORDS.trim()));
    assert!(!is_bare, "sent in the clear: {when}");
}

#[test]
fn a_line_that_git_alone_takes_for_a_filter_covers_its_file() {
    for attributes in ["\"my key.pem\" filter=rot\n", "*.pem secret\n[attr]secret filter=rot\n"] {
        let sandbox = Sandbox::new();
        let (mac, ec2) = sandbox.pair("one\n");
        set_up(&mac, [ROT, ROT]);
        set_up(&ec2, [ROT, ROT]);
        mac.write("@.gitattributes", attributes);
        mac.write("@my key.pem", WORDS);
        mac.sync();
        assert_covered(&sandbox, attributes);
        ec2.sync();
        assert_eq!(ec2.read("@my key.pem"), WORDS, "{attributes}");
        mac.sync();
    }
}

/// Two machines that share a file below a filter.
fn filtering() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    set_up(&mac, [ROT, ROT]);
    set_up(&ec2, [ROT, ROT]);
    mac.write("@.gitattributes", "*.key filter=rot\n");
    mac.sync();
    ec2.sync();
    (sandbox, mac, ec2)
}

#[test]
fn no_line_that_the_library_alone_takes_for_a_filter_keeps_rules_from_waiting() {
    for attributes in [
        "!nothing filter=rot\n",
        "*.key -filter=rot\n",
        "*.key !filter=rot\n",
        "*.key filter=rot bad/name=x\n",
        "*.key = filter=rot\n",
    ] {
        let (sandbox, mac, ec2) = filtering();
        ec2.write("@new.key", WORDS);
        ec2.sync();
        assert_covered(&sandbox, "at first");
        mac.write("@.gitattributes", attributes);
        let _ = mac.run(&["sync"]);
        ec2.append("@new.key", "more\n");
        for _ in 0..3 {
            let _ = ec2.run(&["sync"]).code(4).says(&[".gitattributes"]);
            assert_covered(&sandbox, attributes);
        }
    }
}

#[test]
fn git_lfs_sends_no_file_with_a_secret_to_its_own_server() {
    let sandbox = Sandbox::new();
    let (mac, _) = sandbox.pair("one\n");
    // What a clean side leaves of a file is not what the hook of Git LFS sends.
    let _ = mac.git(&["config", "--global", "filter.lfs.clean", "sed s/.*/pointer/"]);
    let _ = mac.git(&["config", "--global", "filter.lfs.smudge", "cat"]);
    mac.write("@.gitattributes", "*.bin filter=lfs\n");
    mac.sync();
    let token = ["glpat-", "360a9Y6yNd14tDdO9eGz"].concat();
    mac.write("@a.bin", &token);
    let _ = mac.run(&["sync"]).code(4).says(&["a.bin", "line 1 holds"]);
    assert!(!sandbox.git(&["ls-tree", "-r", "--name-only", "main"]).contains("a.bin"));
    mac.write("@a.bin", "no token\n");
    mac.sync();
    assert_eq!(sandbox.git(&["show", "main:a.bin"]), "pointer\n");
}
