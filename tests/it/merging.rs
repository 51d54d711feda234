//! Both sides changed one file: what combines, by which rule, and what waits for a person.

use std::path::Path;

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

/// Two machines that share a file of the repository and both changed it; the first has synced.
fn meet(name: &str, [base, mac_text, ec2_text]: [&str; 3]) -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    let path = format!("@{name}");
    mac.write(&path, base);
    mac.sync();
    ec2.sync();
    mac.write(&path, mac_text);
    mac.sync();
    ec2.write(&path, ec2_text);
    (sandbox, mac, ec2)
}

/// Asserts that the changes of both combine to this on both machines.
#[track_caller]
fn combines(name: &str, texts: [&str; 3], expected: &str) {
    let (sandbox, mac, ec2) = meet(name, texts);
    let _ = ec2.run(&["sync"]).code(0).says(&["combined", name]);
    mac.sync();
    assert_eq!(ec2.read(format!("@{name}")), expected, "{name} on ec2");
    assert_eq!(mac.read(format!("@{name}")), expected, "{name} on the mac");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

/// Asserts that the changes wait, with each machine's bytes untouched.
#[track_caller]
fn waits(name: &str, texts: [&str; 3]) {
    let (sandbox, mac, ec2) = meet(name, texts);
    let _ = ec2.run(&["sync"]).code(4).says(&["held", name]);
    mac.sync();
    assert_eq!(ec2.read(format!("@{name}")), texts[2], "{name} on ec2");
    assert_eq!(mac.read(format!("@{name}")), texts[1], "{name} on the mac");
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn lines_added_at_the_same_place_combine_theirs_first() {
    combines("end", ["a\n", "a\nmac\n", "a\nec2\n"], "a\nmac\nec2\n");
    combines("start", ["a\n", "mac\na\n", "ec2\na\n"], "mac\nec2\na\n");
    combines("middle", ["a\nb\n", "a\nmac\nb\n", "a\nec2\nb\n"], "a\nmac\nec2\nb\n");
    combines("from-nothing", ["", "mac\n", "ec2\n"], "mac\nec2\n");
}

#[test]
fn equal_lines_of_both_come_once() {
    let base = "a\n";
    let (mac, ec2) = ("a\nalias x\nalias y\n", "a\nalias y\nalias z\n");
    combines("part", [base, mac, ec2], "a\nalias x\nalias y\nalias z\n");
    let [more, less] = ["a\nalias x\nalias y\nalias z\n", "a\nalias y\n"];
    combines("more-there", [base, more, less], more);
    combines("more-here", [base, less, more], more);
}

#[test]
fn a_marked_file_combines_behind_its_link() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("a\n");
    mac.append(".conf", "mac\n");
    mac.sync();
    ec2.append(".conf", "ec2\n");
    ec2.sync();
    mac.sync();
    for machine in [&mac, &ec2] {
        machine.assert_linked(".conf");
        assert_eq!(machine.read(".conf"), "a\nmac\nec2\n");
    }
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn blocks_that_share_a_line_stay_whole() {
    let function =
        |name: &str| format!("{name}() {{\n  if true; then\n    echo {name}\n  fi\n}}\n");
    let (old, of_mac, of_ec2) = (function("old"), function("mac"), function("ec2"));
    let texts = [old.clone(), format!("{old}{of_mac}"), format!("{old}{of_ec2}")];
    combines("zshrc", texts.each_ref().map(String::as_str), &format!("{old}{of_mac}{of_ec2}"));
    let host = |name: &str| format!("Host {name}\n  User me\n  Port 22\n");
    let texts = [String::new(), host("mac"), host("ec2")];
    combines(
        ".ssh/config",
        texts.each_ref().map(String::as_str),
        &format!("{}{}", host("mac"), host("ec2")),
    );
}

#[test]
fn an_attribute_turns_combining_off() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("a\n");
    mac.write("@.gitattributes", "external/.conf -cfgsync-combine\n");
    mac.write("@other", "a\n");
    mac.sync();
    ec2.sync();
    for (machine, line) in [(&mac, "mac\n"), (&ec2, "ec2\n")] {
        machine.append(".conf", line);
        machine.append("@other", line);
    }
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["held     ~/.conf", "combined other"]);
    mac.sync();
    assert_eq!((mac.read(".conf"), ec2.read(".conf")), ("a\nmac\n".into(), "a\nec2\n".into()));
    assert_eq!((mac.read("@other"), ec2.read("@other")), {
        let both = "a\nmac\nec2\n".to_owned();
        (both.clone(), both)
    });
    mac.remove("@.gitattributes");
    mac.sync();
    // The attributes that count are those on disk when the plan is made.
    let _ = ec2.run(&["sync"]).code(4);
    ec2.sync();
    assert_eq!(ec2.read(".conf"), "a\nmac\nec2\n", "without the attribute it is released");
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_known_format_that_would_no_longer_parse_waits() {
    let no_comma = ["{\n}\n", "{\n  \"mac\": 1\n}\n", "{\n  \"ec2\": 1\n}\n"];
    waits("comma.json", no_comma);
    combines("comma.txt", no_comma, "{\n  \"mac\": 1\n  \"ec2\": 1\n}\n");
    let twice = ["{\n\"z\": 0\n}\n", "{\n\"k\": 1,\n\"z\": 0\n}\n", "{\n\"k\": 2,\n\"z\": 0\n}\n"];
    waits("twice.json", twice);
    waits("twice.toml", ["a = 1\n", "a = 1\nk = \"mac\"\n", "a = 1\nk = \"ec2\"\n"]);
    waits("twice.yaml", ["a: 1\n", "a: 1\nk: mac\n", "a: 1\nk: ec2\n"]);
    // Each side nests well; together they cross.
    let base = "a=1\nb=2\nc=3\nd=4\ne=5\n";
    let mac = "a=1\nif true; then\nb=2\nc=3\nfi\nd=4\ne=5\n";
    let ec2 = "a=1\nb=2\nwhile false; do\nc=3\nd=4\ndone\ne=5\n";
    waits("cross.sh", [base, mac, ec2]);
}

#[test]
fn a_known_format_that_still_parses_combines() {
    let texts = ["{\n\"z\": 0\n}\n", "{\n\"m\": 1,\n\"z\": 0\n}\n", "{\n\"e\": 2,\n\"z\": 0\n}\n"];
    combines("settings.json", texts, "{\n\"m\": 1,\n\"e\": 2,\n\"z\": 0\n}\n");
    let texts = ["a = 1\n", "a = 1\nm = 1\n", "a = 1\ne = 1\n"];
    combines("settings.toml", texts, "a = 1\nm = 1\ne = 1\n");
    // What was broken before is no reason to wait.
    combines("broken.json", ["[\n", "[\n1\n", "[\n2\n"], "[\n1\n2\n");
}

#[test]
fn gitattributes_say_how_a_file_merges() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    let names = ["union", "choice", "binary", "unknown"];
    let attributes = "union merge=union\nchoice -merge\nbinary binary\nunknown merge=nothere\n";
    mac.write("@.gitattributes", attributes);
    names.iter().for_each(|name| mac.write(format!("@{name}"), "a\nb\nc\nd\ne\n"));
    mac.sync();
    ec2.sync();
    mac.edit("@union", "c", "mac");
    ec2.edit("@union", "c", "ec2");
    for name in &names[1..] {
        mac.edit(&format!("@{name}"), "a", "mac");
        ec2.edit(&format!("@{name}"), "e", "ec2");
    }
    mac.sync();
    let output = ec2.run(&["sync"]).code(4).says(&["held     choice", "held     binary"]);
    assert_eq!(output.stderr.matches(" held  ").count(), 2, "{output:?}");
    mac.sync();
    for machine in [&mac, &ec2] {
        assert_eq!(machine.read("@union"), "a\nb\nmac\nec2\nd\ne\n");
        assert_eq!(machine.read("@unknown"), "mac\nb\nc\nd\nec2\n");
    }
    assert_eq!(ec2.read("@choice"), "a\nb\nc\nd\nec2\n");
    assert_eq!(mac.read("@binary"), "mac\nb\nc\nd\ne\n");
    assert_clean(&sandbox, &[&mac, &ec2]);
}

/// A file that a driver of the user's own merges; both machines changed the same line.
fn driven(script: &str) -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("a\nb\nc\n");
    mac.write("@.gitattributes", "external/.conf merge=mine\n");
    mac.sync();
    ec2.sync();
    for machine in [&mac, &ec2] {
        machine.write("driver", format!("#!/bin/sh\n{script}"));
        machine.chmod("driver", 0o755);
        let line = format!("{} %O %A %B %L %P", machine.path("driver").display());
        let _ = machine.git(&["config", "merge.mine.driver", &line]);
    }
    mac.edit(".conf", "b", "mac");
    ec2.edit(".conf", "b", "ec2");
    mac.sync();
    (sandbox, mac, ec2)
}

#[test]
fn a_driver_of_the_user_merges() {
    let script = "printf '%s\\n' \"$(pwd -P)\" \"$@\" >\"$HOME/seen\"
cat \"$1\" \"$2\" \"$3\" >\"$HOME/sides\"
printf 'made by a driver\\n' >\"$2\"\n";
    let (sandbox, mac, ec2) = driven(script);
    let _ = ec2.run(&["sync"]).code(0).says(&["combined ~/.conf"]);
    mac.sync();
    assert_eq!(ec2.read(".conf"), "made by a driver\n");
    assert_eq!(ec2.read("sides"), "a\nb\nc\na\nec2\nc\na\nmac\nc\n", "base, ours, theirs");
    let seen = ec2.read("seen");
    let seen: Vec<&str> = seen.lines().collect();
    assert_eq!(seen[0], ec2.repo().to_str().unwrap(), "it runs where git runs it");
    for file in &seen[1..4] {
        let is_private = !Path::new(file).starts_with(ec2.repo()) && !Path::new(file).exists();
        assert!(is_private, "the driver was given {file}");
    }
    assert_eq!(seen[5], "external/.conf");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_driver_that_fails_leaves_the_file_to_a_person() {
    let spoil = "for file in \"$1\" \"$2\" \"$3\"; do echo '<<<<<<< spoiled' >\"$file\"; done\n";
    for end in ["exit 1", "exit 129", "kill -9 $$", "exec rm -f \"$2\""] {
        let (sandbox, mac, ec2) = driven(&format!("{spoil}{end}\n"));
        let _ = ec2.run(&["sync"]).code(4).says(&["held     ~/.conf"]);
        assert_eq!(ec2.read(".conf"), "a\nec2\nc\n", "{end}");
        ec2.assert_linked(".conf");
        mac.sync();
        assert_eq!(mac.read(".conf"), "a\nmac\nc\n", "{end}");
        ec2.run(&["resolve", ".conf", "--ours"]).done();
        mac.sync();
        assert_converged(&[&mac, &ec2]);
        mac.remove("driver");
        ec2.remove("driver");
        assert_clean(&sandbox, &[&mac, &ec2]);
    }
}

#[test]
fn a_driver_runs_in_a_dry_run_too() {
    let (_sandbox, _mac, ec2) = driven("printf 'made by a driver\\n' >\"$2\"\n");
    let _ = ec2.run(&["sync", "--dry-run"]).code(3).says(&["combined ~/.conf"]);
    assert_eq!(ec2.read(".conf"), "a\nec2\nc\n");
    let _ = ec2.run(&["sync"]).code(0).says(&["combined ~/.conf"]);
}

#[test]
fn how_lines_end_is_kept() {
    let dos = |text: &str| text.replace('\n', "\r\n");
    let base = "a\nb\nc\nd\ne\n";
    let (mac, ec2) = ("MAC\nb\nc\nd\ne\n", "a\nb\nc\nd\nEC2\n");
    let both = "MAC\nb\nc\nd\nEC2\n";
    combines("dos", [&dos(base), &dos(mac), &dos(ec2)], &dos(both));
    combines("to-dos-here", [base, mac, &dos(ec2)], &dos(both));
    combines("to-dos-there", [base, &dos(mac), ec2], &dos(both));
    combines("added", [&dos("a\n"), &dos("a\nm\n"), &dos("a\ne\n")], &dos("a\nm\ne\n"));
}

#[test]
fn the_final_newline_is_kept() {
    let base = "a\nb\nc\nd\ne";
    combines("none", [base, "MAC\nb\nc\nd\ne", "a\nb\nc\nd\nEC2"], "MAC\nb\nc\nd\nEC2");
    combines("added-here", [base, "MAC\nb\nc\nd\ne", "a\nb\nc\nd\ne\n"], "MAC\nb\nc\nd\ne\n");
    combines("lost-there", ["a\nb\nc\n", "a\nb\nc", "A\nb\nc\n"], "A\nb\nc");
    combines("appended", ["a", "a\nmac", "a\nec2"], "a\nmac\nec2");
}

#[test]
fn a_mode_of_one_side_and_the_content_of_the_other_combine() {
    for editor_is_first in [true, false] {
        let sandbox = Sandbox::new();
        let (mac, ec2) = sandbox.pair("a\nb\n");
        let (editor, other) = if editor_is_first { (&mac, &ec2) } else { (&ec2, &mac) };
        editor.append(".conf", "c\n");
        other.chmod(".conf", 0o755);
        let [first, second] = if editor_is_first { [editor, other] } else { [other, editor] };
        first.sync();
        second.sync();
        first.sync();
        for machine in [&mac, &ec2] {
            assert_eq!(machine.read(".conf"), "a\nb\nc\n");
            assert_eq!(machine.mode(".conf"), 0o755);
        }
        assert!(sandbox.git(&["ls-tree", "main", "external/"]).starts_with("100755"));
        assert_clean(&sandbox, &[&mac, &ec2]);
    }
}

#[test]
fn marker_lines_of_its_own_are_content_while_a_file_merges() {
    let own = "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> x\n";
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(&format!("{own}end\n"));
    mac.write(".conf", format!("top\n{own}end\nmac\n"));
    ec2.write(".conf", format!("{own}end\nec2\n"));
    mac.sync();
    ec2.sync();
    mac.sync();
    let both = format!("top\n{own}end\nmac\nec2\n");
    assert_eq!((mac.read(".conf"), ec2.read(".conf")), (both.clone(), both.clone()));
    mac.edit(".conf", "top", "mac");
    ec2.edit(".conf", "top", "ec2");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["held     ~/.conf"]);
    assert_eq!(ec2.read(".conf"), both.replace("top", "ec2"), "no marker was added");
    ec2.run(&["resolve", ".conf", "--theirs"]).done();
    mac.sync();
    assert_converged(&[&mac, &ec2]);
}
