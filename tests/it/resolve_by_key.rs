//! `cfgsync resolve` on a real terminal: one key for each held file.

use std::path::Path;

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};
use crate::terminal::{Home, Terminal};

const BASE: &str = "a\nb\nc\n";
const MAC: &str = "a\nmac\nc\n";
const EC2: &str = "a\nec2\nc\n";
const MERGED: &str = "a\nmac and ec2\nc\n";

/// Two machines that changed the same lines of two files, both held on the second one.
fn held() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(BASE);
    mac.write("@zzz", BASE);
    mac.sync();
    ec2.sync();
    for name in [".conf", "@zzz"] {
        mac.write(name, MAC);
        ec2.write(name, EC2);
    }
    mac.sync();
    let output = ec2.run(&["sync"]).code(4);
    assert_eq!(output.stderr.matches(" held  ").count(), 2, "{output:?}");
    (sandbox, mac, ec2)
}

/// A terminal in a machine's home, with a program of the person's own as editor.
struct Asked {
    terminal: Terminal,
    questions: usize,
}

impl Asked {
    /// Starts `cfgsync resolve`, and waits for the first question.
    fn start(machine: &Machine) -> Self {
        let bin = Path::new(env!("CARGO_BIN_EXE_cfgsync")).parent().unwrap();
        let zshrc = format!(
            "export HOME='{}' CFGSYNC_MACHINE_KIND=ec2 PAGER=cat EDITOR='{}'\npath=('{}' $path)\ncd",
            machine.home().display(),
            machine.path("editor").display(),
            bin.display()
        );
        let terminal = Terminal::start(Home::new(), &zshrc);
        terminal.type_keys("cfgsync resolve");
        let mut asked = Self { terminal, questions: 0 };
        asked.press("");
        asked
    }

    /// Types an answer, waits for the next question and returns the screen.
    fn press(&mut self, key: &str) -> String {
        self.terminal.type_keys(key);
        self.terminal.press("Enter");
        self.questions += 1;
        let count = self.questions;
        let what = format!("question {count}");
        self.terminal.wait_for(&what, |screen| screen.matches("[d]iff, keep").count() == count)
    }

    /// Types the last answer, and returns the screen once the prompt is back.
    fn end(mut self, key: &str) -> String {
        let _ = self.terminal.run(key);
        self.terminal.screen()
    }
}

/// Makes the program that is the editor.
fn editor(machine: &Machine, script: &str) {
    machine.write("editor", format!("#!/bin/sh\n{script}"));
    machine.chmod("editor", 0o755);
}

#[test]
fn mine_and_theirs_are_one_key_each() {
    let (sandbox, mac, ec2) = held();
    let mut asked = Asked::start(&ec2);
    let before = ec2.everything();
    let screen = asked.press("m");
    assert!(screen.contains("~/.conf (1 of 2)") && screen.contains("zzz (2 of 2)"), "{screen}");
    assert!(screen.contains("[q]uit?"), "broken between words: {screen}");
    assert!(screen.contains("same lines") && screen.contains("changed on "), "{screen}");
    assert!(ec2.everything() == before, "nothing changes before the last answer");
    let screen = asked.end("t");
    assert!(screen.contains("In sync."), "{screen}");
    mac.sync();
    assert_eq!((mac.read(".conf"), mac.read("@zzz")), (EC2.to_owned(), MAC.to_owned()));
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_difference_is_shown_and_asked_again() {
    let (sandbox, mac, ec2) = held();
    let mut asked = Asked::start(&ec2);
    let screen = asked.press("d");
    let has = |line: &str| screen.lines().any(|it| it.trim_end() == line);
    assert!(has("-ec2") && has("+mac"), "{screen}");
    let screen = asked.press("");
    assert!(screen.matches("-ec2").count() == 2, "Enter alone is the first answer: {screen}");
    let _ = asked.press("s");
    let screen = asked.end("b");
    assert!(screen.contains("kept/zzz."), "{screen}");
    mac.sync();
    assert_eq!((mac.read("@zzz"), mac.read(".conf")), (EC2.to_owned(), MAC.to_owned()));
    assert_eq!(ec2.read(".conf"), EC2, "what was skipped waits on");
    let _ = ec2.run(&["sync"]).code(4).says(&["~/.conf"]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn quitting_does_what_was_decided_before() {
    let (_sandbox, mac, ec2) = held();
    let before = ec2.everything();
    let screen = Asked::start(&ec2).end("q");
    assert!(screen.contains("nothing was decided"), "{screen}");
    assert!(ec2.everything() == before);
    let mut asked = Asked::start(&ec2);
    let _ = asked.press("t");
    let _ = asked.end("q");
    mac.sync();
    assert_eq!((ec2.read(".conf"), ec2.read("@zzz")), (MAC.to_owned(), EC2.to_owned()));
    let _ = ec2.run(&["sync"]).code(4).says(&["zzz"]);
}

#[test]
fn an_editor_finishes_the_merge() {
    let (sandbox, mac, ec2) = held();
    editor(
        &ec2,
        "cp \"$1\" \"$HOME/given\"; echo \"$1\" >\"$HOME/name\"\n
printf 'a\\nmac and ec2\\nc\\n' >\"$1\"\n",
    );
    let mut asked = Asked::start(&ec2);
    let _ = asked.press("e");
    let given = ec2.read("given");
    for line in ["<<<<<<< mine", "ec2", "||||||| base", "b", "=======", "mac", ">>>>>>> theirs"] {
        assert!(given.lines().any(|it| it.starts_with(line)), "{line}: {given}");
    }
    let name = ec2.read("name");
    assert!(name.trim_end().ends_with("/.conf"), "the name tells its type: {name}");
    assert!(!Path::new(name.trim_end()).starts_with(ec2.repo()), "{name}");
    let _ = asked.end("s");
    ec2.remove("given");
    mac.sync();
    assert_eq!((mac.read(".conf"), ec2.read(".conf")), (MERGED.to_owned(), MERGED.to_owned()));
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn markers_left_by_an_editor_are_refused_and_asked_again() {
    let (sandbox, mac, ec2) = held();
    editor(&ec2, "exit 0\n");
    let mut asked = Asked::start(&ec2);
    let screen = asked.press("e");
    assert!(screen.contains("conflict markers are left in ~/.conf"), "{screen}");
    editor(&ec2, "exit 3\n");
    let screen = asked.press("e");
    assert!(screen.contains("nothing is decided yet"), "{screen}");
    editor(&ec2, "printf 'a\\nmac and ec2\\nc\\n' >\"$1\"\n");
    let screen = asked.press("e");
    assert!(screen.contains("zzz (2 of 2)"), "{screen}");
    let _ = asked.end("q");
    mac.sync();
    assert_eq!((mac.read(".conf"), mac.read("@zzz")), (MERGED.to_owned(), MAC.to_owned()));
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_merge_tool_of_the_user_merges() {
    for where_from in [&["config"][..], &["config", "--global"]] {
        let (sandbox, mac, ec2) = held();
        ec2.write(
            "tool",
            "#!/bin/sh\ncat \"$1\" \"$2\" \"$3\" >\"$HOME/sides\"\nprintf 'a\\nmac and ec2\\nc\\n' >\"$4\"\n",
        );
        ec2.chmod("tool", 0o755);
        let line = "\"$HOME/tool\" \"$BASE\" \"$LOCAL\" \"$REMOTE\" \"$MERGED\"";
        for (name, value) in [("merge.tool", "mine"), ("mergetool.mine.cmd", line)] {
            let _ = ec2.git(&[where_from, &[name, value]].concat());
        }
        let _ = ec2.git(&[where_from, &["mergetool.mine.trustExitCode", "true"]].concat());
        let mut asked = Asked::start(&ec2);
        let _ = asked.press("l");
        assert_eq!(ec2.read("sides"), format!("{BASE}{EC2}{MAC}"));
        let _ = asked.end("s");
        mac.sync();
        assert_eq!((mac.read(".conf"), ec2.read(".conf")), (MERGED.to_owned(), MERGED.to_owned()));
        assert_clean(&sandbox, &[&mac, &ec2]);
    }
}

/// A tool of the person's own that spoils the file and says so with its exit code.
fn check_failing_tool(config: &[&str]) {
    let (_sandbox, mac, ec2) = held();
    for (name, value) in [
        ("merge.tool", "mine"),
        ("mergetool.mine.cmd", "echo spoiled >\"$MERGED\"; exit 1"),
        ("mergetool.mine.trustExitCode", "true"),
    ] {
        let _ = ec2.git(&[config, &[name, value]].concat());
    }
    let mut asked = Asked::start(&ec2);
    let screen = asked.press("l");
    assert!(screen.contains("nothing is decided yet"), "{screen}");
    let _ = asked.end("q");
    mac.sync();
    assert_eq!((ec2.read(".conf"), mac.read(".conf")), (EC2.to_owned(), MAC.to_owned()));
}

#[test]
fn a_merge_tool_of_the_user_that_fails_decides_nothing() {
    check_failing_tool(&["config", "--global"]);
}

#[test]
fn a_merge_tool_of_the_repository_that_fails_decides_nothing() {
    check_failing_tool(&["config"]);
}

#[test]
fn a_binary_offers_no_merge() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("\0base\n");
    mac.write(".conf", "\0mac\n");
    ec2.write(".conf", "\0ec2\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4);
    let mut asked = Asked::start(&ec2);
    let screen = asked.press("e");
    assert!(!screen.contains("[e]dit") && !screen.contains("too[l]"), "{screen}");
    let _ = asked.end("t");
    mac.sync();
    assert_converged(&[&mac, &ec2]);
}
