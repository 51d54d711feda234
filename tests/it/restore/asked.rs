//! `cfgsync restore` on a real terminal: which state, and whether.

use std::path::Path;

use super::{LINES, assert_as_kept, assert_settled, bytes, change_everything, kept};
use crate::sandbox::{Machine, assert_same};
use crate::terminal::{Home, Terminal};

/// A terminal in a machine's home.
fn terminal(machine: &Machine) -> Terminal {
    let bin = Path::new(env!("CARGO_BIN_EXE_cfgsync")).parent().unwrap();
    let zshrc = format!(
        "export HOME='{}' CFGSYNC_MACHINE_KIND=mac PAGER=cat\npath=('{}' $path)\ncd",
        machine.home().display(),
        bin.display()
    );
    Terminal::start(Home::new(), &zshrc)
}

/// Types a line, and waits until the question was asked so many times.
#[track_caller]
fn type_until(terminal: &Terminal, line: &str, question: &str, count: usize) -> String {
    terminal.type_keys(line);
    terminal.press("Enter");
    terminal.wait_for(question, |screen| screen.matches(question).count() == count)
}

#[test]
fn a_person_chooses_looks_and_says_yes() {
    let (sandbox, mac, ec2) = kept();
    change_everything(&mac);
    let before = bytes(&sandbox);
    let mut terminal = terminal(&mac);
    let screen = type_until(&terminal, "cfgsync restore", "Which one?", 1);
    for word in ["asked for", "before a sync", "differ"] {
        assert!(screen.contains(word), "no {word:?} on the screen:\n{screen}");
    }
    let screen = type_until(&terminal, "1", "Bring ", 1);
    assert!(screen.contains("~/.conf"), "{screen}");
    let screen = type_until(&terminal, "d", "Bring ", 2);
    assert!(screen.lines().any(|line| line.trim_end() == "-changed"), "{screen}");
    assert!(screen.lines().any(|line| line.trim_end() == "+9"), "{screen}");
    assert_same("looking", &before, &bytes(&sandbox));
    let prompt = terminal.run("y");
    assert!(prompt.ends_with("]0"), "{}", terminal.screen());
    assert!(terminal.screen().contains("cfgsync undo"), "{}", terminal.screen());
    assert_as_kept(&mac);
    assert_settled(&sandbox, &mac, &ec2);
}

#[test]
fn a_person_says_no() {
    let (sandbox, mac, _ec2) = kept();
    change_everything(&mac);
    let before = bytes(&sandbox);
    let mut terminal = terminal(&mac);
    let _ = type_until(&terminal, "cfgsync restore 1", "Bring ", 1);
    assert!(terminal.run("n").ends_with("]9"), "{}", terminal.screen());
    let _ = type_until(&terminal, "cfgsync restore 1", "Bring ", 2);
    assert!(terminal.run("").ends_with("]9"), "Enter alone is a no: {}", terminal.screen());
    let _ = type_until(&terminal, "cfgsync restore", "Which one?", 1);
    assert!(terminal.run("nonsense").ends_with("]2"), "{}", terminal.screen());
    assert_same("a no", &before, &bytes(&sandbox));
}

#[test]
fn a_person_takes_some_of_the_files() {
    let (sandbox, mac, ec2) = kept();
    mac.write("@note", "changed\n");
    mac.write(".conf", "changed\n");
    mac.sync();
    let mut terminal = terminal(&mac);
    let _ = type_until(&terminal, "cfgsync restore 1", "Bring 2 files back?", 1);
    let screen = type_until(&terminal, "s", "~/.conf?", 1);
    assert!(!screen.contains("note?"), "one after the other: {screen}");
    let _ = type_until(&terminal, "n", "note?", 1);
    let _ = type_until(&terminal, "y", "Bring 1 file back?", 1);
    assert!(terminal.run("y").ends_with("]0"), "{}", terminal.screen());
    assert_eq!((mac.read("@note"), mac.read(".conf")), (LINES.to_owned(), "changed\n".to_owned()));
    assert_settled(&sandbox, &mac, &ec2);
}
