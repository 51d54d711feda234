//! A folder with a bare remote and the homes of two machines: building it, and putting it back
//! into the state it was in. The paths stay the same, because links and state name them.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::cut::Disk;

/// A command that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(60);

/// The folder of one worker.
#[derive(Debug)]
pub struct Place {
    folder: PathBuf,
    stays: Cell<bool>,
    sabotage: Cell<Option<&'static str>>,
}

/// A machine in it.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its home.
    pub home: PathBuf,
    kind: &'static str,
    sabotage: Option<&'static str>,
}

impl Place {
    /// Makes the folder of a worker, in memory where there is room for it.
    pub fn new(worker: usize) -> Self {
        let memory = Path::new("/dev/shm");
        let above = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let name = format!("cfgsync-sweep-{}-{worker}", std::process::id());
        let folder = fs::canonicalize(above).unwrap().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self { folder, stays: Cell::new(false), sabotage: Cell::new(None) }
    }

    /// Returns the folder of everything.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the folder of what lives: the remote and both homes.
    pub fn live(&self) -> PathBuf {
        self.folder.join("live")
    }

    /// Returns the remote.
    pub fn remote(&self) -> PathBuf {
        self.live().join("remote.git")
    }

    /// Returns where the remote is while it cannot be reached.
    pub fn unplugged(&self) -> PathBuf {
        self.live().join("unplugged.git")
    }

    /// Takes the remote away, unless it is away already.
    pub fn unplug(&self) -> bool {
        fs::rename(self.remote(), self.unplugged()).is_ok()
    }

    /// Brings the remote back, if it is away.
    pub fn plug(&self) {
        if self.unplugged().exists() {
            fs::rename(self.unplugged(), self.remote()).unwrap();
        }
    }

    /// Returns the machine that only edits and syncs.
    pub fn mac(&self) -> Machine {
        Machine { home: self.live().join("mac"), kind: "mac", sabotage: None }
    }

    /// Returns the machine under test.
    pub fn ec2(&self) -> Machine {
        Machine { home: self.live().join("ec2"), kind: "ec2", sabotage: self.sabotage.get() }
    }

    /// Breaks a promise of the machine under test on purpose, or keeps them all again.
    pub fn sabotage(&self, word: Option<&'static str>) {
        self.sabotage.set(word);
    }

    /// Begins anew: an empty remote and two empty homes.
    pub fn clear(&self) {
        remove(&self.live());
        fs::create_dir_all(self.live()).unwrap();
        for machine in [self.mac(), self.ec2()] {
            fs::create_dir(&machine.home).unwrap();
            let name = machine.kind;
            let config = format!("[user]\n\tname = {name}\n\temail = {name}@example.com\n");
            machine.write(".gitconfig", &config);
        }
        let remote = self.remote().display().to_string();
        let mac = self.mac();
        mac.git_at(&mac.home, &["init", "--quiet", "--bare", "-b", "main", "--template=", &remote]);
        for setting in ["gc.auto", "receive.autoGc", "maintenance.auto"] {
            mac.git_at(&self.remote(), &["config", setting, "0"]);
        }
    }

    /// Keeps the state under a name.
    pub fn keep(&self, name: &str) {
        remove(&self.folder.join(name));
        copy(&self.live(), &self.folder.join(name));
    }

    /// Puts back the state of a name. The machine that only edits is as it was.
    pub fn restore(&self, name: &str) {
        for live in [self.remote(), self.unplugged(), self.ec2().home] {
            self.put_back(name, &live);
        }
    }

    /// Puts back the machine that only edits, where it was at work during a run.
    pub fn restore_mac(&self, name: &str) {
        self.put_back(name, &self.mac().home);
    }

    fn put_back(&self, name: &str, live: &Path) {
        remove(live);
        let kept = self.folder.join(name).join(live.file_name().unwrap());
        if kept.is_dir() {
            copy(&kept, live);
        }
    }

    /// Leaves everything there for a person to look at, what is on a disk of its own as a copy.
    pub fn leave(&self, disk: Option<&Disk>) {
        let kept = self.folder.join("after");
        remove(&kept);
        copy(&self.live(), &kept);
        if let Some(disk) = disk {
            disk.unmount();
        }
        self.stays.set(true);
        println!("everything stays in {}; as it ended in `after`", self.folder.display());
    }

    /// Puts back the remote, and the machine under test on a disk of its own.
    pub fn restore_around(&self, name: &str, disk: &Disk) {
        disk.unmount();
        self.restore(name);
        remove(&self.ec2().home);
        fs::create_dir(self.ec2().home).unwrap();
        disk.mount_pristine();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !std::thread::panicking() && !self.stays.get() {
            remove(&self.folder);
        }
    }
}

impl Machine {
    /// Returns `cfgsync` with arguments, in this machine's environment and no other.
    pub fn cfgsync(&self, arguments: &[impl AsRef<str>]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_cfgsync"));
        command.args(arguments.iter().map(AsRef::as_ref));
        command
    }

    /// Returns a program in this machine's environment and no other.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.home)
            .env("CFGSYNC_MACHINE_KIND", self.kind)
            .env("GIT_EDITOR", "false")
            .envs(self.sabotage.map(|word| ("CFGSYNC_BREAK", word)))
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Runs `cfgsync`, which must not hang, and returns its exit code and what it said.
    pub fn run(&self, arguments: &[impl AsRef<str>]) -> (i32, String) {
        run(self.cfgsync(arguments))
    }

    /// Runs `cfgsync`, and all must go well.
    pub fn must(&self, arguments: &[&str]) {
        self.must_end(arguments, 0);
    }

    /// Runs `cfgsync`, which must end with this exit code.
    pub fn must_end(&self, arguments: &[&str], code: i32) {
        let (found, said) = self.run(arguments);
        assert_eq!(found, code, "cfgsync {arguments:?} in {}: {said}", self.home.display());
    }

    /// Runs git in the repository.
    pub fn git(&self, arguments: &[&str]) -> String {
        self.git_at(&self.repo(), arguments)
    }

    /// Runs git in a folder, and it must succeed.
    pub fn git_at(&self, folder: &Path, arguments: &[&str]) -> String {
        self.try_git(folder, arguments)
            .unwrap_or_else(|said| panic!("git {arguments:?} in {}: {said}", folder.display()))
    }

    /// Runs git in a folder, and returns what it printed, or what it complained about.
    pub fn try_git(&self, folder: &Path, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.command("git");
        command.arg("-C").arg(folder).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Returns the repository's folder.
    pub fn repo(&self) -> PathBuf {
        self.home.join(if self.kind == "mac" { "dev/configs" } else { "configs" })
    }

    /// Returns the state folder of the repository, when there is one.
    pub fn state(&self) -> Option<PathBuf> {
        let folders = fs::read_dir(self.home.join(".local/state/cfgsync")).ok()?;
        folders.flatten().map(|entry| entry.path()).find(|path| path.join("vault").exists())
    }

    /// Returns a path below the home; one that starts with `@` is below the repository.
    pub fn path(&self, below: &str) -> PathBuf {
        match below.strip_prefix('@') {
            Some(rest) => self.repo().join(rest),
            None => self.home.join(below),
        }
    }

    /// Writes a file in place, as `>` does in a shell.
    pub fn write(&self, below: &str, content: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Replaces a line of a file, in place.
    pub fn edit(&self, below: &str, line: usize, by: &str) {
        let text = fs::read_to_string(self.path(below)).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines[line - 1] = by;
        self.write(below, &(lines.join("\n") + "\n"));
    }

    /// Replaces a file by another, as most editors do: a link that stood there is gone.
    pub fn replace(&self, below: &str, content: &str) {
        let draft = format!("{below}.draft");
        self.write(&draft, content);
        fs::rename(self.path(&draft), self.path(below)).unwrap();
    }

    /// Removes a file.
    pub fn remove(&self, below: &str) {
        fs::remove_file(self.path(below)).unwrap();
    }

    /// Sets a file's permission bits.
    pub fn chmod(&self, below: &str, mode: u32) {
        fs::set_permissions(self.path(below), fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// Runs a command, which must not hang; one that does has exit code -2.
pub fn run(mut command: Command) -> (i32, String) {
    let scratch = tempfile();
    command.stdout(scratch.1.try_clone().unwrap()).stderr(scratch.1);
    let mut child = command.spawn().unwrap();
    let started = Instant::now();
    let code = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status.code().unwrap_or(-1),
            None if LONGEST < started.elapsed() => {
                let _ = child.kill();
                let _ = child.wait();
                break -2;
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let said = fs::read_to_string(&scratch.0).unwrap_or_default();
    let _ = fs::remove_file(scratch.0);
    (code, said)
}

/// Makes a file for what a command says.
fn tempfile() -> (PathBuf, fs::File) {
    let thread = format!("{:?}", std::thread::current().id());
    let number: String = thread.chars().filter(char::is_ascii_digit).collect();
    let name = format!("cfgsync-sweep-said-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let file = fs::File::create(&path).unwrap();
    (path, file)
}

/// Removes a folder and all that is in it.
pub fn remove(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            panic!("{}: {error}", folder.display())
        }
        _ => {}
    }
}

/// Copies a folder with modes, links and the moments of the last change.
pub fn copy(from: &Path, to: &Path) {
    let folder = from.symlink_metadata().unwrap();
    if !to.exists() {
        fs::create_dir(to).unwrap();
    }
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (old, new) = (entry.path(), to.join(entry.file_name()));
        let file = entry.metadata().unwrap();
        if file.is_dir() {
            copy(&old, &new);
        } else if file.is_symlink() {
            symlink(fs::read_link(&old).unwrap(), &new).unwrap();
        } else if file.file_type().is_fifo() {
            let mode = nix::sys::stat::Mode::from_bits_truncate(file.mode());
            nix::unistd::mkfifo(&new, mode).unwrap();
        } else {
            fs::copy(&old, &new).unwrap();
            let times = fs::FileTimes::new().set_modified(file.modified().unwrap());
            fs::File::open(&new).and_then(|copied| copied.set_times(times)).unwrap();
        }
    }
    fs::set_permissions(to, fs::Permissions::from_mode(folder.mode() & 0o7777)).unwrap();
}
