//! Ctrl-C on a real terminal, at several moments of a sync: it ends at once, says what happened,
//! leaves nothing running and everything whole, and the next sync goes on.

use std::path::Path;

use crate::network::left_running;
use crate::sandbox::{Sandbox, assert_clean, assert_converged};
use crate::terminal::{Home, Terminal};

/// Runs a sync that hangs where this stand-in for ssh hangs, and presses Ctrl-C there. `incoming`
/// says whether the other machine sent something.
#[track_caller]
fn check(ssh: &str, incoming: bool, mine: bool) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n2\n3\n4\n5\n");
    mac.sync();
    if incoming {
        ec2.edit(".conf", "1\n", "theirs\n1\n");
        ec2.sync();
    }
    if mine {
        mac.append(".conf", "mine\n");
    }
    let live = mac.read(".conf");
    let real = mac.url().to_owned();
    let _ = mac.git(&["remote", "set-url", "origin", &format!("there:{real}")]);
    mac.write("dial/ssh", ssh);
    mac.chmod("dial/ssh", 0o755);
    let dial = mac.path("dial/ssh").display().to_string();
    let _ = mac.git(&["config", "core.sshCommand", &dial]);

    let bin = Path::new(env!("CARGO_BIN_EXE_cfgsync")).parent().unwrap();
    let home = mac.home().display();
    let zshrc = format!(
        "export HOME='{home}' CFGSYNC_MACHINE_KIND=mac\npath=('{}' $path)\ncd",
        bin.display()
    );
    let terminal = Terminal::start(Home::new(), &zshrc);
    terminal.type_keys("cfgsync sync; echo code=$?");
    terminal.press("Enter");
    let _ = terminal.wait_for("the talk with the remote", |screen| screen.contains("dialled"));
    assert_ne!(left_running(&mac), Vec::<String>::new(), "this sees what runs");
    terminal.press("C-c");
    let screen = terminal.wait_for("the end", |screen| screen.contains("code=1"));
    // A long path breaks the line, at any place.
    let said: String = screen.split_whitespace().collect();
    assert!(said.contains("code=130") && said.contains("beforetheend"), "{screen}");
    let is_ours = |line: &&String| !line.contains("zsh");
    assert_eq!(left_running(&mac).iter().find(is_ours), None);
    drop(terminal);

    assert_eq!(mac.read(".conf"), live, "the live file is as it was");
    let _ = mac.git(&["remote", "set-url", "origin", &real]);
    mac.sync();
    ec2.sync();
    assert_eq!(mac.state_word(), "synced");
    assert_eq!(mac.read(".conf").contains("theirs\n"), incoming);
    assert_eq!(ec2.read(".conf").contains("mine\n"), mine);
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

const NO_ANSWER: &str = "#!/bin/sh\necho dialled > /dev/tty\nexec sleep 1000\n";

const NO_END: &str = "#!/bin/sh
for last; do :; done
sh -c \"$last\"
echo dialled > /dev/tty
exec sleep 1000
";

#[test]
fn before_the_remote_answered() {
    check(NO_ANSWER, false, false);
    check(NO_ANSWER, true, true);
}

#[test]
fn when_the_remote_has_all_of_it() {
    check(NO_END, true, false);
    check(NO_END, false, true);
}
