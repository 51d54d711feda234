//! What `cfgsync diff` shows, and that looking changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::sandbox::{Machine, Output, Sandbox};

const BASE: &str = "set a = 1\nb\nc\nd\ne\nf\ng\nset h = 1\n";

/// Two machines in sync that then changed `~/.conf` in places apart.
fn apart() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(BASE);
    mac.edit(".conf", "set a = 1", "set a = 2");
    mac.sync();
    ec2.edit(".conf", "set h = 1", "set h = 2");
    (sandbox, mac, ec2)
}

/// Two machines that changed the same line.
fn contested() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("a\nset b = 1\nc\n");
    mac.edit(".conf", "= 1", "= 2");
    mac.sync();
    ec2.edit(".conf", "= 1", "= 3");
    (sandbox, mac, ec2)
}

/// Runs `cfgsync diff`, which must find nothing to complain about and change nothing.
#[track_caller]
fn diff(machine: &Machine, arguments: &[&str]) -> Output {
    let before = everything(machine.home());
    let output = machine.run(&[&["diff"], arguments].concat()).code(0);
    let after = everything(machine.home());
    for path in before.keys().chain(after.keys()) {
        assert_eq!(before.get(path), after.get(path), "{} changed", path.display());
    }
    output
}

/// Mode and bytes of every file below a folder: home, repository, vault and state.
fn everything(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            let file = path.symlink_metadata().unwrap();
            let bytes = if file.is_symlink() {
                fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec()
            } else if file.is_file() {
                fs::read(&path).unwrap()
            } else {
                Vec::new()
            };
            if file.is_dir() {
                folders.push(path.clone());
            }
            found.insert(path, (file.mode(), bytes));
        }
    }
    found
}

/// Asserts that a program reads the document, and returns it without its blanks.
#[track_caller]
fn json(machine: &Machine, arguments: &[&str]) -> String {
    let text = diff(machine, &[&["--json"], arguments].concat()).stdout;
    let mut reader = machine.command("python3");
    let compact = "import json,sys; print(json.dumps(json.load(sys.stdin), \
                   separators=(',', ':'), ensure_ascii=False))";
    reader.args(["-c", compact]).env("PYTHONIOENCODING", "utf-8");
    let mut reader = reader.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    reader.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let read = reader.wait_with_output().unwrap();
    assert!(read.status.success(), "no JSON: {text}");
    String::from_utf8(read.stdout).unwrap()
}

#[track_caller]
fn lacks(output: &Output, words: &[&str]) {
    for word in words {
        assert!(!output.stdout.contains(word), "{word:?} is shown: {output:#?}");
    }
}

#[test]
fn both_sides_are_shown_apart() {
    let (sandbox, _, ec2) = apart();
    let here = "↓ Here: what a sync changes on this machine\n\n\
                --- ~/.conf (here)\n+++ ~/.conf (synced)\n@@ -1,4 +1,4 @@\n\
                -set a = 1\n+set a = 2\n b\n c\n d\n";
    let there = "↑ There: what a sync changes upstream\n\n\
                 --- ~/.conf (upstream)\n+++ ~/.conf (synced)\n@@ -5,4 +5,4 @@\n \
                 e\n f\n g\n-set h = 1\n+set h = 2\n";
    assert_eq!(diff(&ec2, &[]).stdout, format!("{here}\n{there}"));
    assert_eq!(diff(&ec2, &["--here"]).stdout, here);
    assert_eq!(diff(&ec2, &["--there"]).stdout, there);
    let held = diff(&ec2, &["--held"]);
    assert_eq!((held.stdout.as_str(), held.stderr.as_str()), ("", "Nothing would change.\n"));
    let word = diff(&ec2, &["--word", "--here"]).stdout;
    assert!(word.ends_with("@@\nset a = [-1-]{+2+}\nb\nc\nd\n"), "{word}");
    let color = diff(&ec2, &["--color", "always", "--here"]).stdout;
    assert!(color.contains("\x1b[32m+set a = \x1b[0m\x1b[32m\x1b[7m2\x1b[0m"), "{color:?}");
    sandbox.unplug();
    let offline = diff(&ec2, &["--there"]).says(&["what was fetched last"]);
    assert!(offline.stdout.contains("+set h = 2"), "{offline:#?}");
    sandbox.plug();
    ec2.sync();
    assert_eq!(diff(&ec2, &[]).stderr, "Nothing would change.\n");
}

#[test]
fn a_held_file_shows_what_each_side_made_of_it() {
    let (_sandbox, _, ec2) = contested();
    let expected = "✗ Held: what waits for you, and stays as it is\n\n\
        ✗ ~/.conf: both sides changed the same lines\n\
        --- ~/.conf (agreed)\n+++ ~/.conf (here)\n@@ -1,3 +1,3 @@\n \
        a\n-set b = 1\n+set b = 3\n c\n\
        --- ~/.conf (agreed)\n+++ ~/.conf (upstream)\n@@ -1,3 +1,3 @@\n \
        a\n-set b = 1\n+set b = 2\n c\n";
    assert_eq!(diff(&ec2, &[]).stdout, expected);
    assert_eq!(diff(&ec2, &["--held", ".conf"]).stdout, expected);
    assert_eq!(diff(&ec2, &["--here"]).stdout, "");
    let stat = diff(&ec2, &["--stat"]).stdout;
    assert_eq!(
        stat,
        " ✗ ~/.conf (here)     | 2 +-\n ✗ ~/.conf (upstream) | 2 +-\n\
         Held: 1 file, 2 added(+), 2 removed(-)\n"
    );
    let _ = ec2.run(&["sync"]).code(4);
    assert_eq!(diff(&ec2, &[]).stdout, expected, "the sync left it as it was");
}

#[test]
fn a_file_both_sides_brought_is_shown_side_against_side() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write("@file", "one\ntwo\n");
    mac.sync();
    ec2.write("@file", "one\n2\n");
    let held = diff(&ec2, &["--held"]).stdout;
    assert!(held.contains("--- file (here)\n+++ file (upstream)\n"), "{held}");
    assert!(held.contains("-2\n+two\n"), "{held}");
}

#[test]
fn a_copy_and_its_stored_copy_that_were_both_edited_are_shown_against_each_other() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write("app.conf", "base\n");
    mac.run(&["mark", "--link", "copy", "app.conf"]).done();
    mac.sync();
    mac.write("app.conf", "live\n");
    mac.write("@external/app.conf", "stored\n");
    let expected = "--- ~/app.conf (stored copy)\n+++ ~/app.conf (live file)\n\
                    @@ -1 +1 @@\n-stored\n+live\n";
    assert!(diff(&mac, &["app.conf"]).stdout.ends_with(expected));
    assert!(json(&mac, &[]).contains("\"between\":\"copies\""));
}

#[test]
fn what_waits_without_a_difference_says_why() {
    let sandbox = Sandbox::new();
    let ec2 = sandbox.joined("ec2");
    ec2.write("@big", vec![b'x'; 11 * 1024 * 1024]);
    let output = diff(&ec2, &["--held"]).says(&["✗ big: it is large (11.0 MiB)"]);
    lacks(&output, &["/dev/null", "---"]);
    let _ = diff(&ec2, &["--held", "--stat"]).says(&["✗ big | it is large"]);
}

#[test]
fn files_that_come_and_go_and_are_no_text() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    for (name, content) in [("@gone", "a\n"), ("@image", "\0a"), ("@tool", "x\n")] {
        mac.write(name, content);
    }
    mac.link("@link", "old");
    mac.sync();
    ec2.sync();
    mac.remove("@gone");
    mac.remove("@link");
    mac.link("@link", "new");
    mac.write("@image", "\0abc");
    mac.chmod("@tool", 0o755);
    mac.write("@empty", "");
    let there = diff(&mac, &[]);
    mac.sync();
    let here = diff(&ec2, &[]);
    let check = |before: &str, after: &str, rest: &str| {
        for (output, side) in [(&there, "upstream"), (&here, "here")] {
            let head = |sign: &str, name: &str, side: &str| match name {
                "" => format!("{sign} /dev/null\n"),
                name => format!("{sign} {} ({side}{})\n", name, link(name)),
            };
            let head = head("---", before, side) + &head("+++", after, "synced");
            assert!(output.stdout.contains(&(head.clone() + rest)), "{head}{rest}: {output:#?}");
        }
    };
    check("gone", "", "deleted file mode 0644\n@@ -1 +0,0 @@\n-a\n");
    check("image", "image", "Binary versions differ: 2 B → 4 B\n");
    check("tool", "tool", "old mode 0644\nnew mode 0755\n");
    check("", "empty", "new file mode 0644\n");
    check("link", "link", "@@ -1 +1 @@\n-old\n+new\n");
    let stat = diff(&ec2, &["--stat"]).stdout;
    for line in [" ↓ empty | 0 \n", " ↓ image | Bin 2 B -> 4 B\n", " ↓ tool  | mode 0644 -> 0755\n"]
    {
        assert!(stat.contains(line), "{line:?}: {stat}");
    }
    assert!(stat.ends_with("Here: 5 files, 1 added(+), 2 removed(-)\n"), "{stat}");
}

fn link(name: &str) -> &'static str {
    if name == "link" { ", link" } else { "" }
}

#[test]
fn paths_limit_what_is_shown() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write(".config/app/one", "1\n");
    mac.write(".config/app/two", "2\n");
    mac.run(&["--yes", "mark", ".config/app"]).done();
    mac.write("@dir/file", "3\n");
    mac.sync();
    let check = |paths: &[&str], shown: &[&str]| {
        let output = diff(&ec2, paths);
        for name in ["~/.config/app/one (", "~/.config/app/two (", "dir/file (", "marked-files"] {
            let is_wanted = shown.iter().any(|shown| name.contains(shown));
            assert_eq!(output.stdout.contains(name), is_wanted, "{paths:?} {name}: {output:#?}");
        }
    };
    let in_repo = |path: &str| ec2.path(path).display().to_string();
    check(&[], &["one", "two", "file", "marked"]);
    check(&["."], &["one", "two"]);
    check(&[".config/app"], &["one", "two"]);
    check(&[".config/app/one"], &["one"]);
    check(&[".config/app/one", &in_repo("@dir")], &["one", "dir"]);
    check(&[&in_repo("@external/.config/app/two")], &["two"]);
    check(&[&in_repo("@dir/file")], &["dir"]);
    check(&[&in_repo("@")], &["one", "two", "file", "marked"]);
    for wrong in [".zshrc", "/etc/hosts", ".config/app/on", "\x1b[31m"] {
        let output = ec2.run(&["diff", wrong]).code(1).says(&["is no file", "cfgsync mark"]);
        assert!(!output.stderr.contains('\x1b'), "{output:#?}");
    }
}

#[test]
fn an_unmarked_file_is_not_shown_as_lost() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("a\n");
    mac.run(&["unmark", ".conf"]).done();
    mac.sync();
    let output = diff(&ec2, &["--here"]).says(&["~/.conf: it is no longer shared"]);
    lacks(&output, &["-a\n", "+++ ~/.conf"]);
    assert!(output.stdout.contains("-.conf"), "the mark goes: {output:#?}");
}

#[test]
fn what_a_sync_would_refuse_can_be_looked_at() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    (0..9).for_each(|number| mac.write(format!("@file{number}"), "x\n"));
    mac.sync();
    ec2.sync();
    (0..9).for_each(|number| mac.remove(&format!("@file{number}")));
    mac.sync();
    let _ = ec2.run(&["sync"]).code(9);
    let output = diff(&ec2, &["--stat"]).says(&["A sync would refuse this: upstream removes"]);
    assert!(output.stdout.contains("Here: 9 files, 0 added(+), 9 removed(-)"), "{output:#?}");
}

#[test]
fn programs_get_json() {
    let (_sandbox, _, ec2) = apart();
    let blob = |spec: &str| ec2.git(&["hash-object", spec]).trim().to_owned();
    let now = blob("external/.conf");
    let text = json(&ec2, &["--here"]);
    let start = format!(
        "{{\"schema\":1,\"changes\":[{{\"path\":\"~/.conf\",\"side\":\"here\",\"between\":null,\
         \"why\":null,\"before\":{{\"kind\":\"file\",\"mode\":\"0644\",\"blob\":\"{now}\"}},"
    );
    assert!(text.starts_with(&start), "{text}");
    let hunk = "\"binary\":false,\"added\":1,\"removed\":1,\"hunks\":[{\"before\":{\"first\":1,\
                \"count\":4},\"after\":{\"first\":1,\"count\":4},\"lines\":[{\"tag\":\"removed\",\
                \"text\":\"set a = 1\",\"ended\":true,\"changed\":[[8,9]]},{\"tag\":\"added\",";
    assert!(text.contains(hunk), "{text}");
    ec2.sync();
    assert_eq!(json(&ec2, &[]), "{\"schema\":1,\"changes\":[]}\n");
    let (_sandbox, _, ec2) = contested();
    let text = json(&ec2, &[]);
    for between in ["here", "upstream"] {
        let held = format!("\"side\":\"held\",\"between\":\"{between}\",\"why\":\"both sides");
        assert!(text.contains(&held), "{text}");
    }
}

#[test]
fn hostile_bytes_do_nothing_to_the_terminal() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("a\n");
    mac.write(".conf", "a\n\x1b]0;title\x07\x1b[2J\t\u{202e}txt\u{9b}31m\n");
    mac.write(".conf", [mac.read(".conf").as_bytes(), b"\xff\r\n"].concat());
    mac.sync();
    for arguments in [&[][..], &["--word"], &["--json"], &["--stat"]] {
        let output = diff(&ec2, arguments);
        lacks(&output, &["\x1b", "\x07", "\u{202e}", "\u{9b}", "\r"]);
    }
    let _ =
        diff(&ec2, &[]).says(&["+\\x1b]0;title\\x07\\x1b[2J\t\\u{202e}txt\\x9b31m", "\\xff\\r"]);
    assert!(json(&ec2, &[]).contains("\u{202e}txt\u{9b}31m"), "a program gets the text itself");
}
