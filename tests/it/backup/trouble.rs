//! Archives under adverse circumstances: damage, a full disk, a death, files that change meanwhile.

use std::fs;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use flate2::read::GzDecoder;

use super::{archives, content, numbers, place};
use crate::sandbox::{Dice, Machine, Sandbox, assert_converged};

const LINES: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

/// Bytes that do not pack.
fn noise(count: usize) -> Vec<u8> {
    let mut dice = Dice::of(7, 7);
    (0..count).map(|_| u8::try_from(dice.below(256)).unwrap()).collect()
}

/// Returns what is packed; none where it is damaged.
fn unpacked(packed: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[test]
fn verifying_finds_a_flipped_byte_anywhere() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    mac.write("@noise", noise(2000));
    mac.run(&["backup"]).done();
    mac.append(".conf", "10\n");
    mac.run(&["backup"]).done();
    let path = place(&mac, 1);
    let good = fs::read(&path).unwrap();
    // The flags, time and system of gzip's own head say nothing about the contents.
    for at in (10..good.len()).step_by(97).chain(good.len() - 8..good.len()) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        // Two packings of a run of equal bytes can be one bit apart; such a flip damages nothing.
        if unpacked(&bad).is_some_and(|bytes| Some(bytes) == unpacked(&good)) {
            continue;
        }
        fs::write(&path, bad).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let output = mac.run(&["backup", "--verify"]).code(1).says(&[name, "1 backup cannot"]);
        assert_eq!(output.stdout.matches('✓').count(), 1, "byte {at}: {output:?}");
    }
    fs::write(&path, &good).unwrap();
    mac.run(&["backup", "--verify"]).done();
    let _ = mac.run(&["backup", "--verify", "7"]).code(1).says(&["no backup 7"]);
    fs::write(&path, &good[..good.len() - 4]).unwrap();
    mac.run(&["backup", "--verify", "2"]).done();
    let _ = mac.run(&["backup", "--verify"]).code(1);
}

#[test]
fn verifying_finds_a_truncated_archive() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    mac.run(&["backup"]).done();
    let path = place(&mac, 1);
    let good = fs::read(&path).unwrap();
    for length in (0..good.len()).step_by(50).chain([good.len() - 8, good.len() - 1]) {
        fs::write(&path, &good[..length]).unwrap();
        let _ = mac.run(&["backup", "--verify"]).code(1).says(&["no sound archive"]);
    }
}

/// Cuts an archive short: a tenth of it is gone, its list of contents is not.
fn cut(machine: &Machine, number: u64) {
    let path = place(machine, number);
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[..good.len() / 10 * 9]).unwrap();
    let _ = machine.run(&["backup", "--verify", &number.to_string()]).code(1);
}

#[test]
fn a_damaged_newest_archive_is_not_relied_on() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.write("@noise", noise(100_000));
    mac.sync();
    ec2.sync();
    ec2.run(&["backup"]).done();
    cut(&ec2, 1);
    mac.append(".conf", "10\n");
    mac.sync();
    ec2.sync();
    assert_eq!(numbers(&ec2), [1, 2], "the sync relied on a damaged archive");
    assert_eq!(content(&ec2, &place(&ec2, 2), "external/.conf"), LINES);
}

#[test]
fn a_damaged_newest_archive_is_no_reason_to_make_none() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    mac.write("@noise", noise(100_000));
    mac.run(&["backup"]).done();
    cut(&mac, 1);
    let output = mac.run(&["backup"]);
    let is_told = output.code != 0 || numbers(&mac) == [1, 2];
    assert!(is_told, "all is said to be well, and there is no sound archive: {output:?}");
}

#[test]
fn the_last_sound_holder_is_not_forgotten_for_a_damaged_one() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    let config = mac.read("@.sync/config.toml");
    mac.write("@.sync/config.toml", config.replace("backups = 10", "backups = 2"));
    // Too large to be shared unasked: the vault does not have it.
    let large = noise(11 << 20);
    mac.write("@large", &large);
    for content in ["one\n", "two\n"] {
        mac.write("@note", content);
        let _ = mac.run(&["sync"]);
        mac.run(&["backup"]).done();
    }
    assert_eq!(numbers(&mac), [1, 2]);
    cut(&mac, 2);
    mac.remove("@large");
    let _ = mac.run(&["backup"]);
    assert_eq!(numbers(&mac), [1, 2, 3], "nothing holds the large file any more");
    mac.run(&["restore", "1", "--to", "out"]).done();
    assert!(fs::read(mac.path("out/large")).unwrap() == large);
}

/// Runs cfgsync where no file can be longer than this many blocks, as on a disk that is full.
fn run_on_full_disk(machine: &Machine, blocks: u32, arguments: &[&str]) -> (i32, String) {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut command = machine.command("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_cfgsync")]).args(arguments);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), text)
}

#[test]
fn a_full_disk_leaves_no_half_archive_and_nothing_is_replaced() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.write("@noise", noise(3 << 20));
    mac.write("@gone", "gone\n");
    mac.sync();
    ec2.sync();
    mac.append(".conf", "10\n");
    mac.remove("@gone");
    mac.sync();
    let before = ec2.files();
    for arguments in [["backup"], ["sync"]] {
        let (code, text) = run_on_full_disk(&ec2, 2048, &arguments);
        assert_eq!(code, 1, "{arguments:?}: {text}");
        assert!(text.contains(".sync/backups/"), "{arguments:?} does not say what is full: {text}");
        assert!(ec2.files() == before, "{arguments:?} replaced a file without an archive");
        assert_eq!(archives(&ec2), Vec::<std::path::PathBuf>::new(), "{arguments:?}");
    }
    ec2.sync();
    assert_eq!(numbers(&ec2), [1]);
    assert_converged(&[&mac, &ec2]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_draft_of_a_killed_run_is_removed_by_the_next_one() {
    use crate::killed::kill;
    for (killed, next) in [("backup", "backup"), ("backup", "sync"), ("sync", "sync")] {
        let sandbox = Sandbox::new();
        let (mac, ec2) = sandbox.pair(LINES);
        mac.append(".conf", "10\n");
        mac.sync();
        let draft = ec2.path("@.sync/backups/archive.new");
        kill(&ec2, &draft, &[killed]);
        assert!(draft.exists(), "the killed {killed} left nothing to remove");
        assert_eq!(ec2.read(".conf"), LINES, "nothing is replaced before its archive is there");
        ec2.run(&[next]).done();
        assert!(!draft.exists(), "{next} after a killed {killed}");
        ec2.run(&["backup", "--verify"]).done();
        ec2.sync();
        assert_converged(&[&mac, &ec2]);
    }
}

/// Appends to a file of the repository as long as something else is done.
fn while_appending(machine: &Machine, name: &str, act: impl Fn()) {
    let is_over = AtomicBool::new(false);
    let mut file = fs::File::options().append(true).open(machine.path(name)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            // A limit, so that the disk does not fill up when what is tested hangs.
            for line in 0..2_000_000 {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                writeln!(file, "line {line}").unwrap();
                thread::yield_now();
            }
        });
        act();
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_file_that_grows_meanwhile_is_whole_in_every_archive() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    mac.write("@growing", noise(2 << 20));
    while_appending(&mac, "@growing", || {
        for _ in 0..8 {
            let output = mac.run(&["backup"]);
            assert!(matches!(output.code, 0 | 1), "{output:?}");
            assert!(!mac.exists("@.sync/backups/archive.new"), "a draft stays behind: {output:?}");
            mac.run(&["backup", "--verify"]).done();
        }
    });
    mac.run(&["backup"]).done();
    mac.run(&["backup", "--verify"]).done();
    let newest = *numbers(&mac).last().unwrap();
    let there = fs::metadata(mac.path("@growing")).unwrap().len();
    let list = super::tar(&mac, &["tvzf", place(&mac, newest).to_str().unwrap(), "growing"]);
    assert!(list.contains(&there.to_string()), "{list} is not {there}");
}

#[test]
fn files_that_come_and_go_meanwhile_tear_no_archive() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    for number in 0..20 {
        mac.write(format!("@dir/{number}"), noise(50_000));
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..100_000_u32 {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let name = format!("@dir/{}", round % 20);
                mac.replace(&name, format!("{round}\n"));
                mac.remove(&name);
                mac.write(&name, noise(1000));
            }
        });
        for _ in 0..8 {
            let output = mac.run(&["backup"]);
            assert!(matches!(output.code, 0 | 1), "{output:?}");
            mac.run(&["backup", "--verify"]).done();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    mac.run(&["backup"]).done();
    mac.run(&["backup", "--verify"]).done();
}

#[test]
fn doctor_tells_of_a_folder_that_takes_no_backup() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("1\n");
    mac.run(&["backup"]).done();
    let _ = mac.run(&["doctor"]).code(0);
    mac.chmod("@.sync/backups", 0o500);
    let _ = mac.run(&["doctor"]).code(1).says(&["no backup can be made", "its mode is 0500"]);
    mac.chmod("@.sync/backups", 0o700);
    let _ = mac.run(&["doctor"]).code(0);
}
