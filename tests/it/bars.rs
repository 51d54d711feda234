//! Long work shows on a terminal how far it is, and nowhere else.

use std::path::Path;

use crate::sandbox::Sandbox;
use crate::terminal::{Home, Terminal};

/// Bytes that no archive can make small.
fn noise(seed: u32) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(8 << 20).collect()
}

#[test]
fn a_first_look_a_backup_and_a_restore_say_how_far_they_are() {
    let sandbox = Sandbox::new();
    let mac = sandbox.machine("mac");
    mac.run(&["setup"]).done();
    for number in 0..16 {
        mac.write(format!("@large/{number}"), noise(number));
    }
    let bin = Path::new(env!("CARGO_BIN_EXE_cfgsync")).parent().unwrap();
    let zshrc = format!(
        "export HOME='{}' CFGSYNC_MACHINE_KIND=mac\npath=('{}' $path)\ncd",
        mac.home().display(),
        bin.display()
    );
    let terminal = Terminal::start(Home::new(), &zshrc);
    let check = |command: &str, bar: &str| {
        terminal.type_keys(&format!("clear; {command}; echo code=$?"));
        terminal.press("Enter");
        terminal.wait_for(bar, |screen| screen.contains(bar));
        let screen = terminal.wait_for("the end", |screen| screen.contains("code=0"));
        assert!(!screen.contains(bar), "it is gone at the end: {screen}");
    };
    check("cfgsync sync", "Reading files");
    check("cfgsync backup", "Backing up [");
    for number in 0..16 {
        mac.write(format!("@large/{number}"), "gone\n");
    }
    check("cfgsync --yes restore 1", "Bringing back [");

    mac.write("@large/1", noise(7));
    let said = mac.run(&["backup"]).code(0).stderr;
    assert!(!said.contains("Backing up"), "no terminal, no bar: {said}");
}
