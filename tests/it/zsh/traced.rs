//! What the kernel sees of a prompt: no fork and no exec.
#![cfg(target_os = "linux")]

use std::fs;

use crate::light::shared;
use crate::terminal::{Home, PLUGIN, Terminal, wait_until};

/// Returns how many processes and programs the traced shell has started.
fn started(home: &Home) -> usize {
    let trace = fs::read_to_string(home.path("trace")).unwrap();
    let is_start = |line: &&str| {
        ["clone(", "clone3(", "fork(", "vfork(", "execve("].iter().any(|call| line.contains(call))
    };
    trace.lines().filter(is_start).count()
}

#[test]
fn a_hundred_prompts_start_no_process() {
    let calls = "trace=clone,clone3,fork,vfork,execve";
    let zshrc = format!(
        "export CFGSYNC_MACHINE_KIND=ec2
         if [[ ! -v TRACED ]]; then
           TRACED=1 exec strace -f -o $HOME/trace -e {calls} zsh -d -i
         fi
         source {PLUGIN}/configsync.plugin.zsh"
    );
    let mut terminal = Terminal::start(shared(), &zshrc);
    // The first lines may hang up a bell.
    for _ in 0..3 {
        assert_eq!(terminal.run(""), "[✓ ]0");
    }
    let before = started(terminal.home());
    assert!(before > 0, "nothing was traced; is strace there?");
    for _ in 0..100 {
        assert_eq!(terminal.run(""), "[✓ ]0");
    }
    assert_eq!(started(terminal.home()), before);
    terminal.run("/bin/true");
    wait_until("what the trace must see", || started(terminal.home()) >= before + 2);
}
