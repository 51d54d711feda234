//! Another user of the same machine: reads nothing of cfgsync's own, and cannot make it write elsewhere.
//!
//! Run by root, the other one is the user of the number 65534. Anybody else plays both parts: what is
//! asked of links and folders is the same, and modes are then compared instead of tried.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
#[cfg(target_os = "linux")]
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

#[cfg(target_os = "linux")]
use crate::sandbox::assert_clean;
use crate::sandbox::{Machine, Sandbox};

/// How often what stands at a name is exchanged at least.
#[cfg(target_os = "linux")]
const ROUNDS: u32 = 10_000;

/// Makes this thread act as the other user on files, where this process may.
#[cfg(target_os = "linux")]
fn become_a_stranger() {
    let number = 65534;
    let _ = nix::unistd::setfsgid(nix::unistd::Gid::from_raw(number));
    let _ = nix::unistd::setfsuid(nix::unistd::Uid::from_raw(number));
}

#[cfg(not(target_os = "linux"))]
fn become_a_stranger() {}

/// Does something as the other user.
fn as_a_stranger<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let stranger = scope.spawn(|| {
            become_a_stranger();
            work()
        });
        stranger.join().unwrap()
    })
}

/// Returns every file and folder below one, itself included.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Returns true when the other user gets at something, to read or to write.
fn is_open(path: &Path) -> bool {
    if !nix::unistd::geteuid().is_root() {
        let is_closed =
            |path: &Path| path.symlink_metadata().is_ok_and(|it| it.mode().trailing_zeros() >= 6);
        return !path.ancestors().any(is_closed);
    }
    if path.is_symlink() {
        return false;
    }
    // A pipe is opened for both ends, so that nobody has to wait for one.
    let is_read = File::options().read(true).open(path).is_ok_and(|file| file.metadata().is_ok());
    let is_written = path.is_file() && File::options().append(true).open(path).is_ok();
    is_read || is_written || fs::read_dir(path).is_ok()
}

#[test]
fn nothing_of_our_own_can_be_read_or_written() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    for machine in [&mac, &ec2] {
        // As wide a home as there can be that others may not write to.
        machine.chmod("", 0o755);
    }
    mac.write(".mailrc", "private\n");
    mac.chmod(".mailrc", 0o600);
    for umask in ["000", "022"] {
        let run = |machine: &Machine, arguments: &[&str], code| {
            drop(machine.run_with_umask(umask, arguments).code(code));
        };
        run(&mac, &["mark", ".mailrc"], 0);
        mac.append(".mailrc", "more\n");
        run(&mac, &["sync"], 0);
        run(&ec2, &["sync"], 0);
        mac.write(".mailrc", format!("of mac {umask}\n"));
        ec2.write(".mailrc", format!("of ec2 {umask}\n"));
        run(&mac, &["sync"], 0);
        run(&ec2, &["sync"], 4);
        run(&ec2, &["resolve", ".mailrc", "--theirs"], 0);
        run(&ec2, &["backup"], 0);
        run(&ec2, &["pause", "1h"], 0);
        run(&ec2, &["resume"], 0);
        run(&mac, &["sync"], 0);
    }
    for machine in [&mac, &ec2] {
        let shared_state = machine.path(".local/state/cfgsync");
        let folders = [shared_state, machine.path("@.sync"), machine.path("@.git")];
        let own: Vec<PathBuf> = folders.iter().flat_map(|folder| below(folder)).collect();
        assert!(own.len() > 50, "{own:?}");
        let live = machine.path("@external/.mailrc");
        let open = as_a_stranger(|| {
            let is_seen = |path: &&PathBuf| is_open(path);
            own.iter().chain([&live]).filter(is_seen).cloned().collect::<Vec<_>>()
        });
        assert!(open.is_empty(), "{open:#?}");
    }
}

#[test]
fn folders_of_ours_that_stand_open_are_closed() {
    let sandbox = Sandbox::new();
    let mac = sandbox.machine("mac");
    // Somebody was here first, or unpacked a backup.
    for folder in [".local/state/cfgsync", "dev/configs/.sync"] {
        mac.write(format!("{folder}/x"), "");
        mac.remove(&format!("{folder}/x"));
        mac.chmod(folder, 0o777);
    }
    mac.run(&["setup", mac.url()]).done();
    let state = mac.state().strip_prefix(mac.home()).unwrap().to_str().unwrap().to_owned();
    let own = [".local/state/cfgsync", "@.sync", &state, &format!("{state}/displaced")];
    for folder in own {
        assert_eq!(mac.mode(folder), 0o700, "{folder}");
        mac.chmod(folder, 0o755);
    }
    mac.sync();
    for folder in own {
        assert_eq!(mac.mode(folder), 0o700, "{folder}");
    }
}

#[test]
fn what_belongs_to_somebody_else_is_not_worked_on() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("one\n");
    let url = mac.url().to_owned();
    if !nix::unistd::geteuid().is_root() {
        // The root of all files belongs to somebody else.
        let mut command = mac.command(env!("CARGO_BIN_EXE_cfgsync"));
        let output = command.args(["setup", "--dir", "/configs", &url]).env("HOME", "/").output();
        assert_eq!(output.unwrap().status.code(), Some(9));
        return;
    }
    let home = mac.home().to_owned();
    let state = mac.state();
    for place in [home.clone(), mac.repo(), mac.path("@.git"), mac.path("@.sync"), state] {
        std::os::unix::fs::chown(&place, Some(65534), None).unwrap();
        let before = sandbox.bytes();
        for arguments in [&["sync"][..], &["setup", &url], &["status"], &["mark", ".conf"]] {
            let _ = mac.run(arguments).code(9).says(&["belongs to another user", "without sudo"]);
        }
        let _ = mac.run(&["doctor"]).code(9).says(&["belongs to another user"]);
        crate::sandbox::assert_same("a refusal", &before, &sandbox.bytes());
        std::os::unix::fs::chown(&place, Some(0), None).unwrap();
    }
    mac.sync();
}

#[test]
fn a_stranger_is_one() {
    let sandbox = Sandbox::new();
    let mac = sandbox.machine("mac");
    mac.write("closed", "x\n");
    mac.chmod("closed", 0o600);
    mac.write("open", "x\n");
    mac.chmod("", 0o755);
    let (closed, open) = (mac.path("closed"), mac.path("open"));
    assert_eq!(as_a_stranger(|| (is_open(&closed), is_open(&open))), (false, true));
}

#[test]
fn links_in_the_temporary_folder_are_not_followed() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    ec2.append(".conf", "two\n");
    ec2.sync();
    mac.write("victim", "mine\n");
    mac.write("tmp/x", "");
    mac.chmod("tmp", 0o777);
    for words in ["diff", "doctor", "sync --dry-run", "status", "sync"] {
        // A process keeps its number when it becomes another program.
        let plant = "for n in 0 1 2 3 4 5 6 7; do \
                     ln -s ~/victim tmp/git-output.$$.$n; ln -s ~/victims tmp/cfgsync-desk.$$.$n; \
                     done; export TMPDIR=$HOME/tmp; exec \"$0\" ";
        let mut command = mac.command("sh");
        command.args(["-c", &format!("{plant}{words}"), env!("CARGO_BIN_EXE_cfgsync")]);
        let output = command.output().unwrap();
        assert!(output.status.code().is_some_and(|code| code < 4), "{words}: {output:?}");
        assert_eq!(mac.read("victim"), "mine\n", "{words}");
        assert!(!mac.exists("victims"), "{words}");
    }
    assert_eq!(mac.read(".conf"), "one\ntwo\n");
}

/// A folder that everybody may write to, and what the other user exchanges in it.
#[cfg(target_os = "linux")]
struct Swapped {
    folder: PathBuf,
    names: [String; 2],
}

#[cfg(target_os = "linux")]
impl Swapped {
    fn exchange(&self) -> bool {
        let [one, other] = self.names.each_ref().map(|name| self.folder.join(name));
        let here = nix::fcntl::AT_FDCWD;
        let flags = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
        nix::fcntl::renameat2(here, &one, here, &other, flags).is_ok()
    }

    /// Exchanges the two names, over and over, until it is over.
    fn swap(&self, is_over: &AtomicBool, rounds: &AtomicU32) {
        while !is_over.load(Ordering::Relaxed) {
            if self.exchange() {
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Makes the first name that of the real thing again.
    fn settle(&self) {
        if self.folder.join(&self.names[0]).is_symlink() {
            assert!(self.exchange());
        }
    }
}

/// Ends what goes on beside a test, also where it fails.
#[cfg(target_os = "linux")]
struct End<'a>(&'a AtomicBool);

#[cfg(target_os = "linux")]
impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Bytes and inode of all files of a folder, and nothing but those may be in it.
#[cfg(target_os = "linux")]
fn state_of(folder: &Path) -> Vec<(PathBuf, u64, u32, Vec<u8>)> {
    let mut files: Vec<_> = below(folder)
        .into_iter()
        .map(|path| {
            let state = path.symlink_metadata().unwrap();
            let bytes = if path.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            (path, state.ino(), state.mode(), bytes)
        })
        .collect();
    files.sort();
    files
}

#[test]
#[cfg(target_os = "linux")]
fn links_swapped_under_our_feet_lead_us_nowhere() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    // Files in folders that the other user may change: one by link, one by copy, one in a marked folder.
    for file in ["open/linked/conf", "open/copied/conf", "open/all/conf"] {
        mac.write(file, "one\n");
    }
    mac.run(&["mark", "open/linked/conf"]).done();
    mac.run(&["mark", "--link", "copy", "open/copied/conf"]).done();
    mac.run(&["--yes", "mark", "open/all"]).done();
    mac.sync();
    ec2.sync();
    ec2.chmod("open", 0o777);
    // What must not be touched holds the very bytes that are expected.
    ec2.write("victim/conf", "one\n");
    ec2.chmod("victim", 0o700);
    let before = state_of(&ec2.path("victim"));
    let open = ec2.path("open");
    let swapped = ["linked", "copied", "all"].map(|name| {
        let decoy = format!("decoy-{name}");
        symlink(ec2.path("victim"), open.join(&decoy)).unwrap();
        Swapped { folder: open.clone(), names: [name.to_owned(), decoy] }
    });
    let (is_over, rounds) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for place in &swapped {
            scope.spawn(|| {
                become_a_stranger();
                place.swap(&is_over, &rounds);
            });
        }
        let _end = End(&is_over);
        let mut syncs = 0;
        while syncs < 12 || rounds.load(Ordering::Relaxed) < ROUNDS {
            let text = format!("one\nround {syncs}\n");
            for file in ["open/linked/conf", "open/copied/conf", "open/all/conf"] {
                mac.write(file, &text);
            }
            // Nothing of ec2's half-done work comes back as an edit.
            mac.sync();
            let output = ec2.run(&["sync"]);
            assert!([0, 1, 4, 8, 9, 10].contains(&output.code), "{output:?}");
            let _ = ec2.run(&["doctor", "--fix"]);
            assert_eq!(state_of(&ec2.path("victim")), before, "after {syncs} syncs");
            syncs += 1;
        }
    });
    swapped.iter().for_each(Swapped::settle);
    assert_eq!(state_of(&ec2.path("victim")), before);
    ec2.run(&["sync", "--force-pull", "--yes"]).done();
    ec2.sync();
    for file in ["open/linked/conf", "open/copied/conf", "open/all/conf"] {
        assert_eq!(ec2.read(file), mac.read(file), "{file}");
    }
    let permissions = fs::metadata(ec2.path("open/linked/conf")).unwrap().permissions();
    assert_eq!(permissions.mode() & 0o022, 0);
    assert_clean(&sandbox, &[&mac, &ec2]);
}
