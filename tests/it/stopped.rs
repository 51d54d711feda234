//! Ctrl-C on a real terminal, at several moments of a sync: it ends at once, says what happened,
//! leaves nothing running and everything whole, and the next sync goes on. So do a backup, a restore and
//! a setup.

use std::os::unix::process::CommandExt;
use std::path::Path;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

use crate::network::left_running;
use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};
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
    let _ = mac.git(&["config", "core.sshCommand", &dialling(&mac, ssh)]);
    stop(&mac, "sync");
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

/// Puts this stand-in for ssh in place, and returns where.
fn dialling(machine: &Machine, ssh: &str) -> String {
    machine.write("dial/ssh", ssh);
    machine.chmod("dial/ssh", 0o755);
    machine.path("dial/ssh").display().to_string()
}

/// Runs a command that hangs in the talk with the remote, and presses Ctrl-C there.
#[track_caller]
fn stop(machine: &Machine, command: &str) {
    let bin = Path::new(env!("CARGO_BIN_EXE_cfgsync")).parent().unwrap();
    let home = machine.home().display();
    let zshrc = format!(
        "export HOME='{home}' CFGSYNC_MACHINE_KIND=mac\npath=('{}' $path)\ncd",
        bin.display()
    );
    let terminal = Terminal::start(Home::new(), &zshrc);
    terminal.type_keys(&format!("cfgsync {command}; echo code=$?"));
    terminal.press("Enter");
    let _ = terminal.wait_for("the talk with the remote", |screen| screen.contains("dialled"));
    assert_ne!(left_running(machine), Vec::<String>::new(), "this sees what runs");
    terminal.press("C-c");
    let screen = terminal.wait_for("the end", |screen| screen.contains("code=1"));
    // A long path breaks the line, at any place.
    let said: String = screen.split_whitespace().collect();
    assert!(said.contains("code=130") && said.contains("beforetheend"), "{screen}");
    let is_ours = |line: &&String| !line.contains("zsh");
    assert_eq!(left_running(machine).iter().find(is_ours), None);
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

#[test]
fn before_a_setup_knows_the_remote() {
    let sandbox = Sandbox::new();
    let first = sandbox.joined("ec2");
    first.write(".conf", "one\n");
    first.run(&["mark", ".conf"]).done();
    first.sync();
    let mac = sandbox.machine("mac");
    let own = mac.read(".gitconfig");
    let dial = dialling(&mac, NO_ANSWER);
    mac.write(".gitconfig", format!("{own}[core]\n\tsshCommand = {dial}\n"));
    stop(&mac, "setup there:configs");
    assert!(!mac.exists("@.git"), "nothing was set up");
    stop(&mac, "setup --branch main there:configs");
    mac.write(".gitconfig", own);
    mac.run(&["--yes", "setup", mac.url()]).done();
    assert_eq!(mac.read(".conf"), "one\n");
    assert_clean(&sandbox, &[&mac, &first]);
}

/// Runs a command to which Ctrl-C came before it was heard.
#[expect(unsafe_code, reason = "the standard library has no safe way to block a signal in a child")]
fn stopped(machine: &Machine, arguments: &[&str]) -> String {
    let mut command = machine.command(env!("CARGO_BIN_EXE_cfgsync"));
    command.args(arguments);
    let pressed = || {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.thread_block()?;
        Ok(kill(Pid::this(), Signal::SIGINT)?)
    };
    // SAFETY: blocking a signal and sending it are allowed between fork and exec.
    unsafe { command.pre_exec(pressed) };
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_backup_and_a_restore_leave_everything_as_it_was() {
    let sandbox = Sandbox::new();
    let (mac, _) = sandbox.pair("one\n");
    // Long enough that the signal is heard before it is done.
    mac.write("@large", vec![0; 8 << 20]);
    let said = stopped(&mac, &["backup"]);
    assert!(said.contains("stopped before the backup was whole"), "{said}");
    assert_eq!(mac.run(&["backup", "--list"]).code(0).stdout.lines().count(), 1);
    assert!(!mac.exists("@.sync/backups/archive.new"));
    mac.run(&["backup"]).done();

    mac.write(".conf", "two\n");
    let said = stopped(&mac, &["--yes", "restore", "1"]);
    assert!(said.contains("stopped before anything was brought back"), "{said}");
    assert_eq!(mac.read(".conf"), "two\n");
    let folder = mac.path("as-it-was").display().to_string();
    let said = stopped(&mac, &["restore", "1", "--to", &folder]);
    assert!(said.contains("stopped when 0 files of "), "{said}");
    mac.run(&["--yes", "restore", "1"]).done();
    assert_eq!(mac.read(".conf"), "one\n");
    mac.sync();
    assert_clean(&sandbox, &[&mac]);
}
