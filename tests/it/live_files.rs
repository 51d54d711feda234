//! Live files: what a sync may and may not do to a file that programs are using.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

const LINES: &str = "one\ntwo\nthree\nfour\nfive\n";

/// Marks `path` on the first of two machines, with this content and mode.
fn shared(path: &str, content: &str, mode: u32) -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (one, other) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    one.write(path, content);
    one.chmod(path, mode);
    one.run(&["mark", path]).done();
    one.sync();
    if path.starts_with("bin/") {
        other.let_in(&[path]);
    } else {
        other.sync();
    }
    (sandbox, one, other)
}

#[test]
fn edits_apart_are_combined_in_the_live_file() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.edit(".conf", "one", "ONE");
    ec2.edit(".conf", "five", "FIVE");
    mac.sync();
    ec2.sync();
    mac.sync();
    assert_eq!(ec2.read(".conf"), "ONE\ntwo\nthree\nfour\nFIVE\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn a_program_that_holds_the_replaced_file_loses_nothing() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    let mut held_open = fs::File::options().append(true).open(ec2.path(".conf")).unwrap();
    mac.edit(".conf", "one", "ONE");
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read(".conf"), LINES.replace("one", "ONE"));
    held_open.write_all(b"written late\n").unwrap();
    let late = format!("{LINES}written late\n");
    let displaced = fs::read_dir(ec2.state().join("displaced")).unwrap();
    let kept: Vec<String> =
        displaced.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    assert_eq!(kept, [late.as_str()]);
    drop(held_open);
    ec2.sync();
    assert!(ec2.vault_has(&late), "the late write is nowhere");
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_program_that_holds_the_live_file_writes_to_the_live_file_after_mark_and_unmark() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write(".log", "start\n");
    let mut open = fs::File::options().append(true).open(mac.path(".log")).unwrap();
    mac.run(&["mark", ".log"]).done();
    open.write_all(b"after the mark\n").unwrap();
    assert_eq!(mac.read(".log"), "start\nafter the mark\n");
    mac.sync();
    open.write_all(b"after a sync\n").unwrap();
    mac.run(&["unmark", ".log"]).done();
    open.write_all(b"after the unmark\n").unwrap();
    assert_eq!(mac.read(".log"), "start\nafter the mark\nafter a sync\nafter the unmark\n");
}

#[test]
fn ssh_files_arrive_with_their_modes_under_any_umask() {
    for umask in ["000", "002", "022", "077"] {
        let sandbox = Sandbox::new();
        let mac = sandbox.joined("mac");
        mac.write(".ssh/config", "Host build\n  HostName build.example.com\n  User me\n");
        mac.chmod(".ssh", 0o700);
        mac.chmod(".ssh/config", 0o600);
        mac.run(&["mark", ".ssh/config"]).done();
        mac.sync();
        let ec2 = sandbox.machine("ec2");
        ec2.run_with_umask(umask, &["--yes", "setup", ec2.url()]).done();
        assert_eq!((ec2.mode(".ssh"), ec2.mode(".ssh/config")), (0o700, 0o600), "umask {umask}");
        assert_ssh_accepts(&ec2);
        mac.append(".ssh/config", "  Port 2222\n");
        mac.sync();
        ec2.run_with_umask(umask, &["sync"]).done();
        assert_eq!((ec2.mode(".ssh"), ec2.mode(".ssh/config")), (0o700, 0o600), "umask {umask}");
        assert_eq!(ec2.mode("@external/.ssh"), 0o700, "umask {umask}");
        assert_converged(&[&mac, &ec2]);
    }
}

/// `ssh` refuses a config that others may write, or that lies in a folder they may write.
fn assert_ssh_accepts(machine: &Machine) {
    let mut command = machine.command("ssh");
    command.arg("-F").arg(machine.path(".ssh/config")).args(["-G", "build"]);
    // A machine without ssh cannot refuse anything; the modes were compared before.
    if let Ok(output) = command.output() {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("hostname build.example.com"), "{output:?}");
    }
}

#[test]
fn no_file_is_wider_than_it_was_under_a_loose_umask() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write("@plain", "x\n");
    mac.write("@secret", "x\n");
    mac.chmod("@secret", 0o600);
    mac.write(".conf", "x\n");
    mac.run(&["mark", ".conf"]).done();
    mac.sync();
    let ec2 = sandbox.machine("ec2");
    ec2.run_with_umask("000", &["setup", ec2.url()]).done();
    assert_eq!((ec2.mode("@plain"), ec2.mode("@secret")), (0o644, 0o600));
    assert_eq!(ec2.mode("@.sync/marked-files.txt") & 0o022, 0);
    assert_eq!(ec2.mode("@.sync"), 0o700);
    assert_eq!((fs::metadata(ec2.state()).unwrap().mode()) & 0o777, 0o700);
    assert_eq!(ec2.mode("@") & 0o022, 0, "the repository's own folder");
}

#[test]
fn a_mode_travels_alone() {
    let (sandbox, mac, ec2) = shared(".netrc-like", "x\n", 0o644);
    let blob = mac.git(&["rev-parse", "HEAD:external/.netrc-like"]);
    mac.chmod(".netrc-like", 0o600);
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.mode(".netrc-like"), 0o600);
    assert_eq!(mac.git(&["rev-parse", "HEAD:external/.netrc-like"]), blob);
    let files = mac.git(&["show", "--format=", "--name-only", "HEAD"]);
    assert_eq!(files, ".sync/modes.txt\n", "content is as it was");
    ec2.chmod(".netrc-like", 0o644);
    ec2.sync();
    mac.sync();
    assert_eq!(mac.mode(".netrc-like"), 0o644, "a mode is loosened by the person who does it");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_program_stays_a_program() {
    let (sandbox, mac, ec2) = shared("bin/tool", "#!/bin/sh\necho tool\n", 0o755);
    let run = |machine: &Machine| Command::new(machine.path("bin/tool")).output().unwrap().stdout;
    assert_eq!(run(&ec2), b"tool\n");
    ec2.edit("bin/tool", "tool", "better");
    ec2.sync();
    mac.sync();
    assert_eq!(run(&mac), b"better\n");
    mac.chmod("bin/tool", 0o644);
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.mode("bin/tool"), 0o644);
    ec2.chmod("bin/tool", 0o750);
    ec2.sync();
    mac.sync();
    assert_eq!(mac.mode("bin/tool"), 0o750);
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn an_executable_bit_here_and_content_there_are_both_kept() {
    let (_sandbox, mac, ec2) = shared("bin/tool", "#!/bin/sh\necho tool\n", 0o644);
    mac.chmod("bin/tool", 0o755);
    ec2.edit("bin/tool", "tool", "better");
    mac.sync();
    ec2.sync();
    mac.sync();
    assert_eq!(
        (mac.mode("bin/tool"), mac.read("bin/tool")),
        (0o755, "#!/bin/sh\necho better\n".to_owned())
    );
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn every_mode_a_file_can_have_makes_the_round_trip() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    let modes =
        [0o400, 0o440, 0o444, 0o600, 0o604, 0o640, 0o664, 0o666, 0o700, 0o711, 0o750, 0o775, 0o777];
    for mode in modes {
        let name = format!("modes/{mode:o}");
        mac.write(&name, format!("{mode:o}\n"));
        mac.chmod(&name, mode);
    }
    mac.run(&["--yes", "mark", "modes"]).done();
    mac.sync();
    let ec2 = sandbox.joined("ec2");
    for mode in modes {
        assert_eq!(ec2.mode(&format!("modes/{mode:o}")), mode, "{mode:o}");
    }
    assert_converged(&[&mac, &ec2]);
    ec2.sync();
    assert_eq!(ec2.state_word(), "synced");
}

#[test]
fn extended_attributes_stay_with_the_live_file() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    xattr::set(ec2.path("@external/.conf"), "user.note", b"mine").unwrap();
    mac.edit(".conf", "one", "ONE");
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read(".conf"), LINES.replace("one", "ONE"));
    let kept = xattr::get_deref(ec2.path(".conf"), "user.note").unwrap();
    assert_eq!(kept.as_deref(), Some(&b"mine"[..]));
}

/// Makes writing below a folder impossible, for root by a flag and for others by the mode.
struct Frozen(std::path::PathBuf);

impl Frozen {
    fn new(folder: std::path::PathBuf) -> Self {
        set_frozen(&folder, true);
        Self(folder)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        set_frozen(&self.0, false);
    }
}

fn set_frozen(folder: &std::path::Path, frozen: bool) {
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        let flag = if frozen { "+i" } else { "-i" };
        let output = Command::new("chattr").arg(flag).arg(folder).output().unwrap();
        assert!(output.status.success(), "root needs chattr on this file system: {output:?}");
    } else {
        let mode = if frozen { 0o555 } else { 0o755 };
        fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn a_file_that_cannot_be_replaced_is_reported_and_the_rest_goes_on() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.write("@stuck/file", "old\n");
    mac.sync();
    ec2.sync();
    mac.write("@stuck/file", "new\n");
    mac.edit(".conf", "one", "ONE");
    mac.write("@fresh", "fresh\n");
    mac.sync();
    ec2.write("@from-here", "here\n");
    let frozen = Frozen::new(ec2.path("@stuck"));
    let output = ec2.run(&["sync"]).code(10);
    let _ = output.says(&["stuck/file", "cfgsync sync"]);
    assert_eq!(ec2.read("@stuck/file"), "old\n");
    assert_eq!(ec2.read(".conf"), LINES.replace("one", "ONE"));
    assert_eq!(ec2.read("@fresh"), "fresh\n");
    mac.sync();
    assert_eq!(mac.read("@from-here"), "here\n");
    assert_eq!(mac.read("@stuck/file"), "new\n", "what could not be applied is not taken back");
    let _ = ec2.run(&["sync"]).code(10);
    assert_ne!(ec2.state_word(), "synced", "a file is behind");
    drop(frozen);
    ec2.sync();
    mac.sync();
    assert_eq!(ec2.read("@stuck/file"), "new\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_home_folder_that_cannot_be_written_is_reported_and_the_rest_goes_on() {
    let (sandbox, mac, ec2) = shared("app/conf", "old\n", 0o644);
    mac.write("app/second", "second\n");
    mac.run(&["mark", "app/second"]).done();
    mac.write("@other", "other\n");
    mac.sync();
    let frozen = Frozen::new(ec2.path("app"));
    let _ = ec2.run(&["sync"]).code(10).says(&["app/second"]);
    assert_eq!(ec2.read("@other"), "other\n");
    drop(frozen);
    ec2.sync();
    assert_eq!(ec2.read("app/second"), "second\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_file_that_became_empty_waits_one_round() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.write(".conf", "");
    let _ = mac.run(&["sync"]);
    ec2.sync();
    assert_eq!(ec2.read(".conf"), LINES, "an editor may be in the middle of saving");
    mac.write(".conf", "saved\n");
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read(".conf"), "saved\n");
}
