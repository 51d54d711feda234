//! Machines in a temporary folder: a bare remote, and homes of their own that run the real program.
//!
//! Nothing here reads the home or the environment of whoever runs the tests, but for `PATH`.

mod bytes;
mod checks;
mod dice;
mod let_in;

use std::ffi::OsStr;
use std::fmt::Debug;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

pub use bytes::{Bytes, assert_same};
pub use checks::{assert_clean, assert_converged};
pub use dice::Dice;

/// A remote, and room for machines. Removed at the end.
pub struct Sandbox {
    root: PathBuf,
}

/// A machine: its home, and how `cfgsync` runs there.
pub struct Machine {
    home: PathBuf,
    kind: &'static str,
    url: String,
}

/// What a command came to.
#[must_use = "a command that may fail unnoticed tests nothing: call `code` or `done`"]
#[derive(Debug)]
pub struct Output {
    /// What it answered.
    pub stdout: String,
    /// What it said beside.
    pub stderr: String,
    /// Its exit code.
    pub code: i32,
    command: String,
}

impl Output {
    /// Asserts the exit code.
    #[track_caller]
    pub fn code(self, expected: i32) -> Self {
        assert_eq!(
            self.code, expected,
            "exit code of `{}`\n--- stdout\n{}--- stderr\n{}",
            self.command, self.stdout, self.stderr
        );
        self
    }

    /// Asserts that all went well, and that is all there is to know.
    #[track_caller]
    pub fn done(self) {
        drop(self.code(0));
    }

    /// Asserts that the person was told this.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            let is_said = self.stdout.contains(word) || self.stderr.contains(word);
            assert!(is_said, "`{}` does not say {word:?}: {self:#?}", self.command);
        }
        self
    }
}

impl Sandbox {
    /// Makes an empty remote with the branch `main`.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cfgsync-it-{}-{number}", std::process::id());
        let root = fs::canonicalize(std::env::temp_dir()).unwrap().join(name);
        fs::create_dir_all(&root).unwrap();
        let sandbox = Self { root };
        let _ = sandbox.init_bare("remote.git", "main");
        sandbox
    }

    /// Makes an empty remote with this default branch, and returns its address.
    pub fn init_bare(&self, name: &str, branch: &str) -> String {
        git(&self.root, &self.root, &["init", "--quiet", "--bare", "-b", branch, name]);
        self.path(name).display().to_string()
    }

    /// Returns a path in the sandbox.
    pub fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// Returns the remote's folder.
    pub fn remote(&self) -> PathBuf {
        self.path("remote.git")
    }

    /// Makes a machine that knows nothing of cfgsync yet. Its kind is what its name starts with.
    pub fn machine(&self, name: &str) -> Machine {
        let kind = ["mac", "ec2", "linux"].into_iter().find(|kind| name.starts_with(kind));
        let home = self.path(name);
        fs::create_dir_all(&home).unwrap();
        let url = self.remote().display().to_string();
        let machine = Machine { home, kind: kind.unwrap(), url };
        let config = format!("[user]\n\tname = {name}\n\temail = {name}@example.com\n");
        machine.write(".gitconfig", &config);
        machine
    }

    /// Makes a machine and sets it up with the remote; whatever is there may come in.
    #[track_caller]
    pub fn joined(&self, name: &str) -> Machine {
        let machine = self.machine(name);
        machine.run(&["--yes", "setup", &machine.url]).done();
        machine
    }

    /// Makes two machines that share `~/.conf` with this content, and are in sync.
    #[track_caller]
    pub fn pair(&self, content: &str) -> (Machine, Machine) {
        let one = self.joined("mac");
        one.write(".conf", content);
        one.run(&["mark", ".conf"]).done();
        one.sync();
        let other = self.joined("ec2");
        assert_eq!(other.read(".conf"), content);
        (one, other)
    }

    /// Runs git in the remote.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        git(&self.root, &self.remote(), arguments)
    }

    /// Makes the remote unreachable, as a closed lid or a lost network does.
    pub fn unplug(&self) {
        fs::rename(self.remote(), self.path("unplugged.git")).unwrap();
    }

    /// Makes the remote reachable again.
    pub fn plug(&self) {
        fs::rename(self.path("unplugged.git"), self.remote()).unwrap();
    }

    /// Asserts one line of history on the remote, with no commit that changes nothing.
    #[track_caller]
    pub fn assert_history(&self) {
        let log = self.git(&["log", "--format=%T %P", "main"]);
        let trees: Vec<(&str, Vec<&str>)> = log
            .lines()
            .map(|line| line.split_once(' ').unwrap_or((line, "")))
            .map(|(tree, parents)| (tree, parents.split_whitespace().collect()))
            .collect();
        for (at, (tree, parents)) in trees.iter().enumerate() {
            assert!(
                parents.len() < 2,
                "a merge commit:\n{}",
                self.git(&["log", "--graph", "--oneline"])
            );
            let parent = trees.get(at + 1).map(|(tree, _)| tree);
            assert_ne!(Some(tree), parent, "an empty commit:\n{}", self.git(&["log", "--stat"]));
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let _ = Command::new("chmod").args(["-R", "u+rwX"]).arg(&self.root).output();
        let _ = fs::remove_dir_all(&self.root);
    }
}

impl Machine {
    /// Runs `cfgsync` in the home folder.
    pub fn run<S: AsRef<OsStr> + Debug>(&self, arguments: &[S]) -> Output {
        let mut command = self.command(env!("CARGO_BIN_EXE_cfgsync"));
        command.args(arguments);
        output(command, format!("{}: cfgsync {arguments:?}", self.home.display()))
    }

    /// Runs `cfgsync` with a umask.
    pub fn run_with_umask(&self, umask: &str, arguments: &[&str]) -> Output {
        let mut command = self.command("sh");
        let script = format!("umask {umask}; exec \"$0\" \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_cfgsync")]).args(arguments);
        output(command, format!("umask {umask}; cfgsync {arguments:?}"))
    }

    /// Syncs, and all must go well.
    #[track_caller]
    pub fn sync(&self) {
        self.run(&["sync"]).done();
    }

    /// Returns a command with this machine's environment, and nothing else of ours.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.home)
            .env("CFGSYNC_MACHINE_KIND", self.kind)
            .current_dir(&self.home)
            .stdin(Stdio::null());
        command
    }

    /// Runs git in the repository.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        git(&self.home, &self.repo(), arguments)
    }

    /// Returns what git makes of a command that may fail.
    pub fn try_git(&self, arguments: &[&str]) -> Output {
        let mut command = self.command("git");
        command.arg("-C").arg(self.repo()).args(arguments);
        output(command, format!("git {arguments:?}"))
    }

    /// Returns the address of the remote.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the home folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Returns the repository's folder.
    pub fn repo(&self) -> PathBuf {
        self.home.join(if self.kind == "mac" { "dev/configs" } else { "configs" })
    }

    /// Returns a path below the home; one that starts with `@` is below the repository.
    pub fn path(&self, below: impl AsRef<OsStr>) -> PathBuf {
        let below = below.as_ref();
        match below.as_bytes().strip_prefix(b"@") {
            Some(rest) => self.repo().join(OsStr::from_bytes(rest)),
            None => self.home.join(below),
        }
    }

    /// Returns the state folder of the repository.
    pub fn state(&self) -> PathBuf {
        let shared = self.path(".local/state/cfgsync");
        let mut folders = fs::read_dir(shared).unwrap().map(|entry| entry.unwrap().path());
        folders.find(|path| path.join("vault").exists()).unwrap()
    }

    /// Writes a file in place, as `>` does in a shell.
    pub fn write(&self, below: impl AsRef<OsStr>, content: impl AsRef<[u8]>) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Replaces a file by another, as most editors do: a link that stood there is gone.
    pub fn replace(&self, below: &str, content: impl AsRef<[u8]>) {
        let draft = self.path(format!("{below}.draft"));
        fs::write(&draft, content).unwrap();
        fs::rename(draft, self.path(below)).unwrap();
    }

    /// Adds to the end of a file.
    pub fn append(&self, below: &str, content: &str) {
        let mut file = fs::File::options().append(true).open(self.path(below)).unwrap();
        file.write_all(content.as_bytes()).unwrap();
    }

    /// Replaces text in a file, in place.
    #[track_caller]
    pub fn edit(&self, below: &str, from: &str, to: &str) {
        let text = self.read(below);
        assert!(text.contains(from), "{below} does not contain {from:?}: {text:?}");
        self.write(below, text.replacen(from, to, 1));
    }

    /// Removes a file.
    #[track_caller]
    pub fn remove(&self, below: &str) {
        fs::remove_file(self.path(below)).unwrap();
    }

    /// Returns a file's text, through links.
    #[track_caller]
    pub fn read(&self, below: impl AsRef<OsStr>) -> String {
        let path = self.path(below);
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Returns a file's permission bits, through links.
    #[track_caller]
    pub fn mode(&self, below: &str) -> u32 {
        let path = self.path(below);
        let file =
            fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        file.mode() & 0o7777
    }

    /// Sets a file's permission bits.
    pub fn chmod(&self, below: &str, mode: u32) {
        fs::set_permissions(self.path(below), Permissions::from_mode(mode)).unwrap();
    }

    /// Makes a link.
    pub fn link(&self, below: &str, target: impl AsRef<Path>) {
        symlink(target, self.path(below)).unwrap();
    }

    /// Returns where a link leads; none where there is no link.
    pub fn target(&self, below: impl AsRef<OsStr>) -> Option<PathBuf> {
        fs::read_link(self.path(below)).ok()
    }

    /// Returns true when something, even a dead link, stands at a path.
    pub fn exists(&self, below: impl AsRef<OsStr>) -> bool {
        self.path(below).symlink_metadata().is_ok()
    }

    /// Asserts that a home path is our link to its stored copy.
    #[track_caller]
    pub fn assert_linked(&self, below: &str) {
        assert_eq!(self.target(below), Some(self.repo().join("external").join(below)), "{below}");
    }

    /// Asserts that a path is a regular file with these bytes.
    #[track_caller]
    pub fn assert_plain(&self, below: &str, content: &str) {
        assert_eq!(self.target(below), None, "{below} is a link");
        assert_eq!(self.read(below), content, "{below}");
    }

    /// Returns the commits of the synced branch, the newest first.
    pub fn commits(&self) -> Vec<String> {
        self.git(&["rev-list", "HEAD"]).lines().map(str::to_owned).collect()
    }

    /// Returns the state that `status` reports.
    pub fn state_word(&self) -> String {
        let status = self.run(&["status", "--json"]).code(0);
        let (_, rest) = status.stdout.split_once("\"state\": \"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// Returns true when bytes are in a blob that a ref of the vault keeps.
    pub fn vault_has(&self, content: &str) -> bool {
        let vault = self.state().join("vault");
        let objects = git(&self.home, &vault, &["rev-list", "--objects", "--all"]);
        let is_kept = |id: &str| {
            let kind = git(&self.home, &vault, &["cat-file", "-t", id]);
            kind.trim() == "blob" && git(&self.home, &vault, &["cat-file", "-p", id]) == content
        };
        objects.lines().filter_map(|line| line.split_whitespace().next()).any(is_kept)
    }
}

/// Runs git, which must succeed, and returns what it prints.
#[track_caller]
fn git(home: &Path, folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("GIT_EDITOR", "false")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null());
    output(command, format!("git {arguments:?}")).code(0).stdout
}

fn output(mut command: Command, name: String) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{name}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    Output { stdout, stderr, code: output.status.code().unwrap_or(-1), command: name }
}
