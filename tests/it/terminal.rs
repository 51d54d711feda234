//! A home of its own, a real zsh in a real terminal (tmux), and records to show there.
//!
//! Nothing here reads the home or the environment of whoever runs the tests, but for `PATH`.
//! Waiting is polling with a deadline; what the screen showed is in the message when it passes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cfgsync_core::status::{StatusRecord, SyncState, wire};
use cfgsync_core::time::UnixTime;

/// The plugin's folder.
pub const PLUGIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/zsh");

const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);
const DAY: u64 = 24 * 60 * 60;
const LOCALE: &str = if cfg!(target_os = "macos") { "en_US.UTF-8" } else { "C.UTF-8" };

/// A prompt that counts itself, shows the segment in brackets and then `$?`.
const COUNTED_PROMPT: &str = r"
prompts=0
precmd() { (( prompts += 1 )) }
setopt prompt_subst
PROMPT='<$prompts>[${CFGSYNC_SEGMENT-}]%? '
";

/// A temporary home, removed at the end.
pub struct Home(PathBuf);

impl Home {
    /// Makes an empty home.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cfgsync-{}-{number}", std::process::id());
        let home = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(home.path("bin")).unwrap();
        fs::create_dir_all(home.record().parent().unwrap()).unwrap();
        home
    }

    /// Returns a path in this home.
    pub fn path(&self, below: &str) -> PathBuf {
        self.0.join(below)
    }

    /// Returns where the record is when nothing says otherwise.
    pub fn record(&self) -> PathBuf {
        self.path(".local/state/cfgsync/record")
    }

    /// Publishes bytes as the record, as the engine does: a new file, renamed.
    pub fn publish(&self, bytes: &[u8]) {
        let draft = self.path("draft");
        fs::write(&draft, bytes).unwrap();
        fs::rename(draft, self.record()).unwrap();
    }

    /// Removes whatever stands at the record's path and links it to `target`.
    pub fn link_record(&self, target: &Path) {
        let _ = fs::remove_file(self.record());
        symlink(target, self.record()).unwrap();
    }

    /// Puts a shell script named `cfgsync` on `PATH`. It notes its arguments in `calls` first.
    pub fn stand_in(&self, script: &str) {
        let path = self.path("bin/cfgsync");
        let script = format!("#!/bin/sh\necho \"$@\" >>\"$HOME/calls\"\n{script}\n");
        fs::write(&path, script).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Returns what the stand-in was called with, one line a call.
    pub fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap_or_default()
    }

    /// Returns a command that sees this home and nothing of the real one.
    pub fn command(&self, program: &str) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(program);
        command.env_clear().current_dir(&self.0).stdin(Stdio::null());
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        command.env("HOME", &self.0).env("LC_ALL", LOCALE).env("TMUX_TMPDIR", &self.0);
        command.env("TERM", "xterm-256color");
        command
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // A stand-in that ends just now may still put a file in.
        eventually(|| fs::remove_dir_all(&self.0).is_ok() || !self.0.exists());
    }
}

/// An interactive zsh in a terminal, at its prompt.
pub struct Terminal {
    home: Home,
    prompts: u32,
}

impl Terminal {
    /// Starts zsh with this `.zshrc` behind the counted prompt, and waits for the first prompt.
    pub fn start(home: Home, zshrc: &str) -> Self {
        fs::write(home.path(".zshrc"), format!("{COUNTED_PROMPT}\n{zshrc}\n")).unwrap();
        let mut terminal = Self { home, prompts: 0 };
        terminal.tmux(&["new-session", "-d", "-x", "80", "-y", "100", "exec zsh -d -i"]);
        terminal.next_prompt();
        terminal
    }

    /// Starts zsh with the plugin, and `settings` before it.
    pub fn with_plugin(home: Home, settings: &str) -> Self {
        Self::start(home, &format!("{settings}\nsource {PLUGIN}/configsync.plugin.zsh"))
    }

    /// Types a line, waits for the next prompt and returns that prompt.
    pub fn run(&mut self, line: &str) -> String {
        self.type_keys(line);
        self.press("Enter");
        self.next_prompt()
    }

    /// Shows the next prompt on an empty screen and returns it.
    pub fn fresh_prompt(&mut self) -> String {
        self.run("printf '\\e[H\\e[2J'")
    }

    /// Presses ^C at the prompt and returns the next one.
    pub fn interrupt(&mut self) -> String {
        self.press("C-c");
        self.next_prompt()
    }

    /// Types text without Enter.
    pub fn type_keys(&self, text: &str) {
        if !text.is_empty() {
            self.tmux(&["send-keys", "-l", "--", text]);
        }
    }

    /// Presses a key by tmux's name for it.
    pub fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Returns the lines on the screen.
    pub fn screen(&self) -> String {
        let output = self.tmux(&["capture-pane", "-p"]);
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Returns the lines on the screen with the escapes of their colours.
    pub fn colours(&self) -> String {
        String::from_utf8(self.tmux(&["capture-pane", "-p", "-e"]).stdout).unwrap()
    }

    /// Returns the column of the cursor.
    pub fn column(&self) -> usize {
        let output = self.tmux(&["display-message", "-p", "#{cursor_x}"]);
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    /// Waits until the screen is as wanted, and returns it.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let mut screen = String::new();
        let seen = eventually(|| {
            screen = self.screen();
            wanted(&screen)
        });
        assert!(seen, "no {what} on the screen:\n{screen}");
        screen
    }

    /// Closes the terminal under the shell.
    pub fn hang_up(&self) {
        self.tmux(&["kill-server"]);
    }

    /// Returns the home of this shell.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Waits for the prompt after the last one and returns its line.
    fn next_prompt(&mut self) -> String {
        self.prompts += 1;
        let number = format!("<{}>", self.prompts);
        let screen = self.wait_for(&number, |screen| screen.contains(&number));
        let line = screen.lines().find(|line| line.contains(&number)).unwrap();
        line.replace(&number, "")
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let mut command = self.home.command("tmux");
        let output = command.args(["-L", "it", "-f", "/dev/null", "-u"]).args(arguments).output();
        output.expect("these tests need tmux")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.hang_up();
    }
}

/// Waits until `done`, or fails naming `what` it waited for.
pub fn wait_until(what: &str, done: impl FnMut() -> bool) {
    assert!(eventually(done), "waited in vain for {what}");
}

/// Returns whether `done` came true in time.
pub fn eventually(mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}

/// Returns the time.
pub fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixTime(u64::try_from(since.as_millis()).unwrap())
}

/// Returns a record of this machine that claims `state` for a day; nothing is due before.
pub fn record(state: SyncState) -> StatusRecord {
    let (boot, pid_start) = running();
    StatusRecord {
        state,
        ahead: 2,
        behind: 3,
        pending: 4,
        held: 5,
        due: now().after_seconds(DAY),
        deadline: now().after_seconds(DAY),
        updated: now(),
        contact: now(),
        generation: 1,
        pid: std::process::id(),
        pid_start,
        boot,
        label: *b"anna@laptop-mac\0\0\0\0\0",
        watched: false,
    }
}

/// Returns the bytes of a record that claims `state`.
pub fn bytes(state: SyncState) -> [u8; wire::LENGTH] {
    wire::encode(&record(state))
}

/// Returns the boot and the start of this process where the kernel tells them, as the engine does.
fn running() -> ([u8; 8], u64) {
    let Ok(boot) = fs::read("/proc/sys/kernel/random/boot_id") else { return ([0; 8], 0) };
    let line = fs::read_to_string("/proc/self/stat").unwrap();
    let behind_name = line.rsplit(')').next().unwrap();
    (*boot.first_chunk().unwrap(), behind_name.split(' ').nth(20).unwrap().parse().unwrap())
}

/// Returns damaged records, each with what is wrong with it.
pub fn damaged() -> Vec<(String, Vec<u8>)> {
    let good = bytes(SyncState::Synced);
    let with = |at: usize, bytes: &[u8]| {
        let mut damaged = good.to_vec();
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        damaged
    };
    let mut all = vec![
        ("nothing".to_owned(), vec![]),
        ("zeroes".to_owned(), vec![0; wire::LENGTH]),
        ("the next version".to_owned(), with(7, b"2")),
        ("another magic".to_owned(), with(0, b"gitsync1")),
        ("an unknown letter".to_owned(), with(9, b"Z")),
        ("prompt escapes".to_owned(), with(9, b"%{%F{red}$(touch evil)`touch evil`\x1b[31m")),
        ("a count that is code".to_owned(), with(11, b"a[`touch evil`]")),
        ("a due time that is code".to_owned(), with(31, b"1+$(evil)+")),
        ("another tail".to_owned(), with(124, b"\0fin")),
        ("no middle".to_owned(), [&good[..56], &good[100..]].concat()),
        ("too much".to_owned(), [good.as_slice(), b"x"].concat()),
    ];
    for length in [1, 8, 55, 56, 64, 127] {
        all.push((format!("only {length} bytes"), good[..length].to_vec()));
    }
    all
}
