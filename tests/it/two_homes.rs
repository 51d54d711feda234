//! Two homes that share one repository, each with a state folder of its own: a system in a container
//! and the one around it, or two homes of one person on one disk.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::sandbox::{Machine, Sandbox};
#[cfg(target_os = "linux")]
use crate::terminal::wait_until;

const ENGINE: &str = env!("CARGO_BIN_EXE_cfgsync");

/// Returns a command of the second home, on the repository of the first.
fn second(home: &Path, first: &Machine) -> Command {
    let mut command = first.command(ENGINE);
    command.env("HOME", home).env("CFGSYNC_DIR", first.repo()).current_dir(home);
    command
}

/// Makes the second home and sets it up.
fn joined(sandbox: &Sandbox, first: &Machine) -> std::path::PathBuf {
    let home = sandbox.path("second");
    fs::create_dir_all(&home).unwrap();
    fs::copy(first.path(".gitconfig"), home.join(".gitconfig")).unwrap();
    let output = second(&home, first).arg("setup").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    home
}

#[test]
fn two_homes_that_sync_one_repository_at_once_lose_nothing() {
    const ROUNDS: u32 = 12;
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    let home = joined(&sandbox, &mac);
    fs::write(home.join(".of-second"), "0\n").unwrap();
    for command in [&["mark", ".of-second"][..], &["sync"]] {
        let output = second(&home, &mac).args(command).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    mac.write(".of-first", "0\n");
    mac.run(&["mark", ".of-first"]).done();
    mac.sync();
    // Both homes look at both files, so none of them is empty for a moment: such a one waits for a sync.
    let type_over = |path: &Path, round: u32| {
        let mut file = fs::File::options().write(true).open(path).unwrap();
        file.write_all(format!("{round}\n").as_bytes()).unwrap();
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                type_over(&home.join(".of-second"), round);
                let output = second(&home, &mac).arg("sync").output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            }
        });
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                ec2.write(".conf", format!("{round}\n"));
                ec2.sync();
            }
        });
        for round in 1..=ROUNDS {
            type_over(&mac.path(".of-first"), round);
            mac.sync();
        }
    });
    for machine in [&mac, &ec2] {
        machine.sync();
    }
    let last = format!("{ROUNDS}\n");
    for name in [".of-first", ".of-second", ".conf"] {
        assert_eq!((mac.read(name), ec2.read(name)), (last.clone(), last.clone()), "{name}");
    }
    assert_eq!(mac.git(&["status", "--porcelain"]), "");
    sandbox.assert_history();
}

#[test]
#[cfg(target_os = "linux")]
fn a_home_waits_for_the_other_one_at_the_repository() {
    let sandbox = Sandbox::new();
    let (mac, _) = sandbox.pair("one\n");
    let home = joined(&sandbox, &mac);
    for (lock, arguments) in
        [("@.git/cfgsync-lock", &["mark", ".of-second"][..]), ("@.git/cfgsync-running", &["sync"])]
    {
        fs::write(home.join(".of-second"), "0\n").unwrap();
        let held = fs::File::open(mac.path(lock)).unwrap();
        held.lock().unwrap();
        let mut run = second(&home, &mac).args(arguments).spawn().unwrap();
        // The kernel lists who waits for a lock behind an arrow.
        wait_until("the other home", || {
            let locks = fs::read_to_string("/proc/locks").unwrap();
            let waiting = format!(" {} ", run.id());
            locks.lines().any(|line| line.contains("-> FLOCK") && line.contains(&waiting))
        });
        assert!(run.try_wait().unwrap().is_none());
        held.unlock().unwrap();
        assert!(run.wait().unwrap().success(), "{lock}");
    }
}
