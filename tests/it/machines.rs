//! Many files, many rounds, three machines; and a reader that never sees a broken live file.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use cfgsync_core::status::wire;

use crate::sandbox::{Dice, Machine, Sandbox, assert_clean, assert_converged};

const ROUNDS: u32 = 20;
const MARKED: usize = 40;
const FROM_ETC: usize = 400;
const LARGEST: u64 = 128 * 1024;
const SYNCS: u32 = 500;

/// Copies what this user can read of a folder, with modes and links, up to a number of files.
fn copy_some(from: &Path, to: &Path, left: &mut usize) {
    fs::create_dir_all(to).unwrap();
    let Ok(entries) = fs::read_dir(from) else { return };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if *left == 0 {
            return;
        }
        let target = to.join(path.file_name().unwrap());
        let file = path.symlink_metadata().unwrap();
        if file.is_dir() {
            copy_some(&path, &target, left);
        } else if file.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path).unwrap(), &target).unwrap();
            *left -= 1;
        } else if file.is_file() && file.len() <= LARGEST {
            // Some files of /etc may be read by root alone.
            let Ok(bytes) = fs::read(&path) else { continue };
            fs::write(&target, bytes).unwrap();
            let mode = (file.mode() & 0o777) | 0o400;
            fs::set_permissions(&target, fs::Permissions::from_mode(mode)).unwrap();
            *left -= 1;
        }
    }
    // Git keeps no empty folder.
    if fs::remove_dir(to).is_err() {
        let mode = from.metadata().unwrap().mode() & 0o777;
        fs::set_permissions(to, fs::Permissions::from_mode(mode | 0o700)).unwrap();
    }
}

/// Fills the first machine: a copy of `/etc`, some odd names and modes, forty marked files.
fn fill(mac: &Machine) -> Vec<String> {
    let mut left = FROM_ETC;
    copy_some(Path::new("/etc"), &mac.path("@etc"), &mut left);
    mac.write("@odd/with space and 'quotes'", "odd\n");
    mac.write("@odd/*", "star\n");
    mac.write("@odd/-rf", "dash\n");
    mac.write("@odd/empty", "");
    mac.link("@odd/dangling", "nowhere");
    for mode in [0o400, 0o600, 0o640, 0o666, 0o700, 0o755, 0o777] {
        mac.write(format!("@odd/mode-{mode:o}"), "x\n");
        mac.chmod(&format!("@odd/mode-{mode:o}"), mode);
    }
    let marked: Vec<String> = (0..MARKED)
        .map(|at| match at % 4 {
            0 => format!(".rc-{at}"),
            1 => format!(".config/app {at}/settings.conf"),
            2 => format!(".local/bin/tool-{at}"),
            _ => format!("Library/Preferences/plist-{at}"),
        })
        .collect();
    for (at, name) in marked.iter().enumerate() {
        let lines: Vec<String> = (0..20).map(|line| format!("line {line} of {at}\n")).collect();
        mac.write(name, lines.concat());
        mac.chmod(name, [0o644, 0o600, 0o755, 0o640][at % 4]);
    }
    let arguments: Vec<&str> =
        ["mark"].into_iter().chain(marked.iter().map(String::as_str)).collect();
    mac.run(&arguments).done();
    marked
}

/// Edits something on one machine: each machine edits a third of every file of its own, so that all
/// edits merge; new files, deletions, modes and replaced links among them.
fn disturb(machine: &Machine, own: usize, marked: &[String], round: u32, dice: &mut Dice) {
    for _ in 0..4 {
        let name = dice.pick(marked).unwrap();
        let text = machine.read(name);
        let wanted = format!("line {} of ", own * 7 + dice.below(5));
        let lines: Vec<String> = text
            .lines()
            .map(|line| {
                let edit = if line.starts_with(&wanted) {
                    format!(", round {round}")
                } else {
                    String::new()
                };
                format!("{line}{edit}\n")
            })
            .collect();
        match dice.below(3) {
            0 => {
                let mode = machine.mode(name);
                machine.replace(name, lines.concat());
                machine.chmod(name, mode);
            }
            _ => machine.write(name, lines.concat()),
        }
    }
    machine.write(format!("@fresh/{own}/{round}"), format!("{round}\n"));
    machine.write(format!("@fresh/{own}/shared"), format!("{round}\n"));
    if round > 3 && dice.below(2) == 0 {
        let _ = fs::remove_file(machine.path(format!("@fresh/{own}/{}", round - 3)));
    }
    if dice.below(3) == 0 {
        let mode = *dice.pick(&[0o600, 0o644, 0o755]).unwrap();
        machine.chmod(&format!("@fresh/{own}/shared"), mode);
    }
}

#[test]
fn twenty_rounds_on_three_machines_end_equal() {
    let mut dice = Dice::new();
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    let marked = fill(&mac);
    mac.sync();
    let machines = [mac, sandbox.joined("mac2"), sandbox.joined("ec2")];
    let all = [&machines[0], &machines[1], &machines[2]];
    assert_converged(&all);
    for round in 1..=ROUNDS {
        let own = dice.below(3);
        disturb(all[own], own, &marked, round, &mut dice);
        let other = dice.below(3);
        if other != own {
            disturb(all[other], other, &marked, round, &mut dice);
        }
        all[own].sync();
        all[dice.below(3)].sync();
    }
    for machine in all.iter().chain(&all) {
        machine.sync();
    }
    assert_converged(&all);
    assert_clean(&sandbox, &all);
    sandbox.assert_history();
    for machine in all {
        let before = machine.commits();
        machine.sync();
        assert_eq!(machine.commits(), before, "a sync without changes commits nothing");
        assert_eq!(machine.git(&["status", "--porcelain"]), "");
        assert_eq!(machine.state_word(), "synced");
    }
}

/// The text of one version: its number on top and at the end, a line for each machine, a checksum.
fn versioned(mac: u32, ec2: u32) -> String {
    format!("mac {mac}\n{}ec2 {ec2}\nend\n", "filler between the two edits\n".repeat(200))
}

/// Reads the versions of both machines out of a whole file, or says what is wrong with it.
fn versions(bytes: &[u8]) -> Result<(u32, u32), String> {
    let text = String::from_utf8_lossy(bytes);
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse::<u32>().ok()
    };
    let (Some(mac), Some(ec2)) = (number("mac "), number("ec2 ")) else {
        return Err(format!("torn or empty: {} bytes", bytes.len()));
    };
    if text != versioned(mac, ec2) {
        return Err(format!("not a whole version: {} bytes", bytes.len()));
    }
    Ok((mac, ec2))
}

/// Reads a live file until told to stop, and returns the first thing that was wrong.
fn watch(path: &Path, stop: &AtomicBool, reads: &AtomicU32) -> Option<String> {
    let mut last = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => return Some(error.to_string()),
        };
        match versions(&bytes) {
            Err(wrong) => return Some(wrong),
            Ok(seen) if seen.0 < last.0 || seen.1 < last.1 => {
                return Some(format!("older than before: {seen:?} after {last:?}"));
            }
            Ok(seen) => last = seen,
        }
        reads.fetch_add(1, Ordering::Relaxed);
    }
    None
}

#[test]
fn a_reader_never_sees_a_broken_live_file_during_500_syncs() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(&versioned(0, 0));
    let (stop, reads) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let watchers: Vec<_> = [&mac, &ec2]
            .map(|machine| scope.spawn(|| watch(&machine.path(".conf"), &stop, &reads)))
            .into();
        for round in 1..=SYNCS / 4 {
            // The person saves as editors do, by a rename onto the stored copy.
            for (machine, is_mac) in [(&mac, true), (&ec2, false)] {
                let (of_mac, of_ec2) = versions(machine.read(".conf").as_bytes()).unwrap();
                let text = if is_mac { versioned(round, of_ec2) } else { versioned(of_mac, round) };
                machine.replace("@external/.conf", text);
            }
            for machine in [&mac, &ec2, &mac, &ec2] {
                machine.sync();
            }
            if watchers.iter().any(std::thread::ScopedJoinHandle::is_finished) {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
        for watcher in watchers {
            assert_eq!(watcher.join().unwrap(), None, "a reader of the live file");
        }
    });
    assert!(reads.load(Ordering::Relaxed) > SYNCS, "the readers hardly ran");
    let last = versioned(SYNCS / 4, SYNCS / 4);
    assert_eq!((mac.read(".conf"), ec2.read(".conf")), (last.clone(), last));
    mac.sync();
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn a_sync_without_changes_makes_no_commit_and_touches_no_file() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("x\n");
    for machine in [&mac, &ec2, &mac] {
        machine.sync();
        let listing = || {
            let find = machine
                .command("find")
                .args([".", "-name", ".sync", "-prune", "-o", "-path", "./.local/state", "-prune"])
                .args(["-o", "-printf", "%p %i %T@ %C@\n"])
                .output();
            let text = String::from_utf8(find.unwrap().stdout).unwrap();
            text.lines()
                .filter(|line| !line.contains("/.git "))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let before = (listing(), machine.commits());
        let _ = machine.run(&["sync"]).code(0).says(&["nothing to do"]);
        let after = (listing(), machine.commits());
        assert!(before == after, "touched: {before:?}\n{after:?}");
    }
    let record = fs::read(mac.path("@.sync/sync-status")).unwrap();
    assert!(record.len() <= 128 && wire::decode(&record).is_ok());
    sandbox.assert_history();
}

#[test]
fn three_machines_edit_three_files_in_any_order() {
    let orders = [[0, 1, 2], [2, 1, 0], [1, 0, 2]];
    for order in orders {
        let sandbox = Sandbox::new();
        let machines = ["mac", "mac2", "ec2"].map(|name| sandbox.joined(name));
        for (at, machine) in machines.iter().enumerate() {
            machine.write(format!("@file-{at}"), format!("{at}\n"));
        }
        for at in order.into_iter().chain(order) {
            machines[at].sync();
        }
        let [mac, mac2, ec2] = &machines;
        assert_converged(&[mac, mac2, ec2]);
        assert_clean(&sandbox, &[mac, mac2, ec2]);
        sandbox.assert_history();
    }
}

#[test]
fn machines_that_sync_at_the_same_time_all_get_through() {
    let sandbox = Sandbox::new();
    let machines = ["mac", "mac2", "ec2"].map(|name| sandbox.joined(name));
    for round in 0..3 {
        std::thread::scope(|scope| {
            for (at, machine) in machines.iter().enumerate() {
                scope.spawn(move || {
                    machine.write(format!("@from-{at}/{round}"), "x\n");
                    machine.sync();
                });
            }
        });
    }
    let [mac, mac2, ec2] = &machines;
    for machine in [mac, mac2, ec2] {
        machine.sync();
    }
    assert_converged(&[mac, mac2, ec2]);
    assert_clean(&sandbox, &[mac, mac2, ec2]);
    sandbox.assert_history();
}
