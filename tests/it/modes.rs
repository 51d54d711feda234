//! Modes: what is private stays so on every machine, under any umask, at every instant; and ssh and sshd
//! take the files they find.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
#[cfg(target_os = "linux")]
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

/// Twelve paths, the modes they have, and the folders above them.
const PATHS: [(&str, u32); 12] = [
    (".ssh/config", 0o600),
    (".ssh/authorized_keys", 0o600),
    (".ssh/known_hosts", 0o644),
    (".gnupg/gpg.conf", 0o600),
    (".aws/config", 0o600),
    (".config/app/private", 0o640),
    (".config/app/run", 0o700),
    (".config/app/read-only", 0o400),
    (".local/bin/tool", 0o750),
    (".mailrc", 0o600),
    (".psqlrc", 0o604),
    (".zshrc", 0o644),
];

const FOLDERS: [(&str, u32); 4] =
    [(".ssh", 0o700), (".gnupg", 0o700), (".aws", 0o750), (".config/app", 0o711)];

/// What stands in every file, with its number in [`PATHS`].
fn mark(number: usize) -> String {
    format!("# private-{number:02}-")
}

fn content(number: usize, what: &str) -> String {
    format!("{}\n# one\n# {what}\n# three\n", mark(number))
}

#[track_caller]
fn assert_modes(machine: &Machine, when: &str) {
    for (path, mode) in PATHS.into_iter().chain(FOLDERS) {
        assert_eq!(format!("{:o}", machine.mode(path)), format!("{mode:o}"), "{path}, {when}");
        let stored = format!("@external/{path}");
        if machine.exists(&stored) {
            assert_eq!(
                format!("{:o}", machine.mode(&stored)),
                format!("{mode:o}"),
                "{stored}, {when}"
            );
        }
    }
}

/// Looks through a home as others can, and returns what shows them more than the file's own mode does.
fn exposed(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(state) = path.symlink_metadata() else { continue };
        let is_open = state.mode() & 0o077 != 0;
        if state.is_dir() && is_open {
            exposed(&path, found);
        }
        if !state.is_file() || !is_open {
            continue;
        }
        // What was opened is what is judged, whatever has the name by now.
        let Ok(mut file) = fs::File::open(&path) else { continue };
        let mode = file.metadata().map_or(0, |state| state.mode());
        let mut text = String::new();
        let _ = std::io::Read::read_to_string(&mut file, &mut text);
        let number = text.strip_prefix("# private-").and_then(|rest| rest.get(..2)?.parse().ok());
        let Some((_, own)) = number.and_then(|number: usize| PATHS.get(number)) else { continue };
        if mode & !own & 0o077 != 0 {
            found.insert(format!("{} {:o}", path.display(), mode & 0o7777));
        }
    }
}

/// Watches homes as long as `work` lasts: at no instant anything of them is more open than it should be.
fn watched(homes: &[&Path], work: impl FnOnce()) {
    let (is_over, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    let found = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut found = BTreeSet::new();
            while !is_over.load(Ordering::Relaxed) {
                homes.iter().for_each(|home| exposed(home, &mut found));
                looks.fetch_add(1, Ordering::Relaxed);
            }
            found
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        is_over.store(true, Ordering::Relaxed);
        let found = watcher.join().unwrap();
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
        found
    });
    assert!(looks.into_inner() > 20, "the watcher hardly looked");
    assert!(found.is_empty(), "{found:#?}");
}

fn write_all(machine: &Machine, what: &str) {
    for (number, (path, mode)) in PATHS.into_iter().enumerate() {
        let is_new = !machine.exists(path);
        if is_new {
            machine.write(path, "");
        }
        machine.chmod(path, mode | 0o200);
        machine.write(path, content(number, what));
        machine.chmod(path, mode);
    }
    for (folder, mode) in FOLDERS {
        machine.chmod(folder, mode);
    }
}

/// Mark, arrival, edit, conflict, restore and undo under a umask.
fn check(umask: &str) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.machine("ec2"));
    write_all(&mac, "two");
    watched(&[mac.home(), ec2.home()], || {
        let run = |machine: &Machine, arguments: &[&str], code: i32| {
            drop(machine.run_with_umask(umask, arguments).code(code));
        };
        let paths = PATHS.iter().map(|(path, _)| *path).filter(|path| !path.contains("app/"));
        let paths = [&["--yes", "mark", ".config/app"], &*paths.collect::<Vec<_>>()].concat();
        run(&mac, &paths, 0);
        assert_modes(&mac, "marked");
        run(&mac, &["sync"], 0);
        run(&ec2, &["--yes", "setup", ec2.url()], 0);
        assert_modes(&ec2, "arrived");
        write_all(&mac, "an edit");
        run(&mac, &["sync"], 0);
        run(&ec2, &["sync"], 0);
        assert_modes(&ec2, "edited");
        write_all(&mac, "of mac");
        write_all(&ec2, "of ec2");
        run(&mac, &["sync"], 0);
        run(&ec2, &["sync"], 4);
        assert_modes(&ec2, "held");
        let all: Vec<&str> = PATHS.iter().map(|(path, _)| *path).collect();
        run(&ec2, &[&["resolve", "--theirs"], &*all].concat(), 0);
        assert_modes(&ec2, "resolved");
        run(&ec2, &["sync"], 0);
        run(&ec2, &["backup"], 0);
        write_all(&ec2, "later");
        run(&ec2, &["sync"], 0);
        run(&ec2, &["--yes", "restore", "1"], 0);
        assert_modes(&ec2, "restored");
        run(&ec2, &["undo"], 0);
        assert_modes(&ec2, "undone");
        run(&ec2, &["sync"], 0);
        run(&mac, &["sync"], 0);
        assert_modes(&mac, "at the end");
    });
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    for machine in [&mac, &ec2] {
        assert_own_files_are_private(machine);
    }
}

/// Asserts that nobody else can get at what is cfgsync's own.
#[track_caller]
fn assert_own_files_are_private(machine: &Machine) {
    let said = machine.run(&["doctor"]).code(0).stdout;
    assert!(said.contains("cfgsync's own are private"), "{said}");
    for folder in [machine.state(), machine.path("@.sync"), machine.path("@.git")] {
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o7777, 0o700, "{}", folder.display());
    }
}

#[test]
fn a_private_file_is_private_at_every_instant_under_umask_000() {
    check("000");
}

#[test]
fn a_private_file_is_private_at_every_instant_under_umask_002() {
    check("002");
}

#[test]
fn a_private_file_is_private_at_every_instant_under_umask_022() {
    check("022");
}

#[test]
fn a_private_file_is_private_at_every_instant_under_umask_077() {
    check("077");
}

#[test]
fn a_watcher_sees_what_is_open() {
    let sandbox = Sandbox::new();
    let mac = sandbox.machine("mac");
    write_all(&mac, "two");
    let look = || {
        let mut found = BTreeSet::new();
        exposed(mac.home(), &mut found);
        found.len()
    };
    assert_eq!(look(), 0);
    mac.chmod(".mailrc", 0o640);
    mac.chmod(".config/app/private", 0o644);
    assert_eq!(look(), 2);
}

#[test]
fn a_mode_that_drifted_is_told_and_repaired() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write(".mailrc", "one\n");
    mac.chmod(".mailrc", 0o600);
    mac.run(&["mark", ".mailrc"]).done();
    mac.sync();
    ec2.sync();
    // A program that replaces the file gives it the mode of its umask.
    ec2.replace(".mailrc", "one\ntwo\n");
    ec2.chmod(".mailrc", 0o664);
    ec2.sync();
    assert_eq!((ec2.mode(".mailrc"), ec2.mode("@external/.mailrc")), (0o600, 0o600));
    mac.sync();
    assert_eq!((mac.read(".mailrc"), mac.mode(".mailrc")), ("one\ntwo\n".to_owned(), 0o600));
    // Where the marks name a mode, no machine drifts from it for long.
    mac.edit("@.sync/marked-files.txt", ".mailrc", ".mailrc mode=0600");
    mac.sync();
    ec2.sync();
    ec2.chmod(".mailrc", 0o644);
    let _ = ec2.run(&["status"]).code(0);
    ec2.sync();
    mac.sync();
    assert_eq!((mac.mode(".mailrc"), ec2.mode(".mailrc")), (0o600, 0o600));
}

/// A machine whose home is that of the user of the number 0, in a room of its own where nothing else
/// stands there; none where the system gives no such rooms.
#[cfg(target_os = "linux")]
struct Room {
    home: PathBuf,
}

#[cfg(target_os = "linux")]
impl Room {
    fn new(home: &Path) -> Option<Self> {
        let room = Self { home: home.to_owned() };
        room.run("022", "test -w /root && test \"$HOME\" = /root").then_some(room)
    }

    fn command(&self, script: &str) -> std::process::Command {
        let mut command = std::process::Command::new("unshare");
        let flags = if nix::unistd::geteuid().is_root() { "-m" } else { "-Umr" };
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", "/root");
        command.env("CFGSYNC_MACHINE_KIND", "ec2").env("CFGSYNC", env!("CARGO_BIN_EXE_cfgsync"));
        command.arg(flags).args(["sh", "-c"]).stdin(std::process::Stdio::null());
        command.arg(format!("mount --bind \"$0\" /root && cd /root && {script}")).arg(&self.home);
        command
    }

    fn run(&self, umask: &str, script: &str) -> bool {
        let output = self.command(&format!("umask {umask} && {script}")).output();
        output.is_ok_and(|output| output.status.success())
    }
}

#[test]
#[cfg(target_os = "linux")]
fn ssh_and_sshd_take_what_arrives_under_any_umask() {
    for umask in ["000", "002", "022", "077"] {
        let sandbox = Sandbox::new();
        let mac = sandbox.joined("mac");
        let key = sandbox.path("key");
        let mut make = std::process::Command::new("ssh-keygen");
        make.args(["-q", "-t", "ed25519", "-N", "", "-C", "x", "-f"]).arg(&key);
        assert!(make.status().unwrap().success());
        let public = fs::read_to_string(sandbox.path("key.pub")).unwrap();
        mac.write(".ssh/authorized_keys", &public);
        mac.write(".ssh/config", "Host build\n  HostName build.example.com\n");
        mac.chmod(".ssh", 0o700);
        mac.chmod(".ssh/config", 0o600);
        mac.chmod(".ssh/authorized_keys", 0o600);
        mac.run(&["mark", ".ssh/config", ".ssh/authorized_keys"]).done();
        mac.sync();
        let ec2 = sandbox.machine("ec2");
        let Some(room) = Room::new(ec2.home()) else { return };
        assert!(room.run(umask, &format!("$CFGSYNC --yes setup {}", mac.url())), "setup");
        assert_taken(&room, umask);
        mac.append(".ssh/config", "  Port 2222\n");
        mac.append(".ssh/authorized_keys", "# more\n");
        mac.sync();
        assert!(room.run(umask, "$CFGSYNC sync"), "sync");
        assert!(room.run(umask, "grep -q 2222 .ssh/config && test -L .ssh/config"));
        assert_taken(&room, umask);
        if nix::unistd::geteuid().is_root() {
            assert_lets_in(&room, &sandbox, &key);
        }
    }
}

/// `ssh` looks at owner and mode of a configuration only where it finds it by itself.
#[cfg(target_os = "linux")]
fn assert_taken(room: &Room, umask: &str) {
    let output = room.command("ssh -G build").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("hostname build.example.com"), "umask {umask}: {output:?}");
    // That it does look.
    let spoil = "chmod o+w .ssh/config && ssh -G build; chmod o-w .ssh/config";
    let output = room.command(spoil).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Bad owner or permissions"), "umask {umask}: {output:?}");
}

/// A server of ssh with its strict look at modes lets the key in that was shared.
#[cfg(target_os = "linux")]
fn assert_lets_in(room: &Room, sandbox: &Sandbox, key: &Path) {
    let host = sandbox.path("host");
    let mut make = std::process::Command::new("ssh-keygen");
    make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&host);
    assert!(make.status().unwrap().success());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = sandbox.path("sshd_config");
    let text = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nStrictModes yes\nUsePAM no\n",
        host.display()
    );
    fs::write(&config, text).unwrap();
    let _ = fs::create_dir("/run/sshd");
    let log = sandbox.path("log");
    let script = format!("exec /usr/sbin/sshd -D -f {} -E {}", config.display(), log.display());
    let mut server = room.command(&script).spawn().unwrap();
    let is_there = || fs::read_to_string(&log).is_ok_and(|text| text.contains("listening"));
    crate::terminal::wait_until("the server", is_there);
    let mut login = std::process::Command::new("ssh");
    login.args(["-F", "/dev/null", "-oBatchMode=yes", "-oStrictHostKeyChecking=no"]);
    login.args(["-oUserKnownHostsFile=/dev/null", "-oIdentitiesOnly=yes", "-i"]).arg(key);
    login.args(["-p", &port.to_string(), "root@127.0.0.1", "true"]);
    let output = login.output().unwrap();
    let _ = server.kill();
    let _ = server.wait();
    let said = fs::read_to_string(&log).unwrap_or_default();
    assert!(output.status.success(), "{output:?}\n{said}");
}

/// An access list as the kernel keeps it: version, then tag, permissions and id of each entry.
#[cfg(target_os = "linux")]
fn access_list(user: u32) -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 6, u32::MAX),
        (0x02, 4, user),
        (0x04, 4, u32::MAX),
        (0x10, 4, u32::MAX),
        (0x20, 0, u32::MAX),
    ];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

#[test]
#[cfg(target_os = "linux")]
fn an_access_list_stays_with_the_file_and_grants_no_more_than_before() {
    let name = "system.posix_acl_access";
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write(".mailrc", "one\n");
    mac.chmod(".mailrc", 0o640);
    mac.run(&["mark", ".mailrc"]).done();
    mac.sync();
    ec2.sync();
    let list = access_list(12345);
    // A disk without access lists has none to keep.
    if xattr::set(ec2.path("@external/.mailrc"), name, &list).is_err() {
        return;
    }
    mac.append(".mailrc", "two\n");
    mac.sync();
    ec2.sync();
    assert_eq!((ec2.read(".mailrc"), ec2.mode(".mailrc")), ("one\ntwo\n".to_owned(), 0o640));
    assert_eq!(xattr::get_deref(ec2.path(".mailrc"), name).unwrap(), Some(list));
    // Closed there, it is closed here, to those of the list too: its mask grants them nothing.
    mac.chmod(".mailrc", 0o600);
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.mode(".mailrc"), 0o600);
    let kept = xattr::get_deref(ec2.path(".mailrc"), name).unwrap().unwrap();
    assert_eq!(kept[4 + 3 * 8..][..4], [0x10, 0, 0, 0], "{kept:?}");
}
