//! One command, measured with all that it starts: time, processor, memory, bytes written, programs.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What one run of a command cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Seconds from its start to its end.
    pub wall: f64,
    /// Seconds on a processor, its children included.
    pub cpu: f64,
    /// The largest of its processes, in bytes.
    pub memory: f64,
    /// Bytes it caused to be written to disk, its children included; zero where nobody counts them.
    pub written: f64,
}

/// Runs a command to its end. One that fails ends the benchmark, unless its failure is expected.
pub fn measure(mut command: Command, may_fail: bool) -> Cost {
    let written = written();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    #[expect(clippy::zombie_processes, reason = "it is waited for below, with what it used")]
    let child = command.spawn().expect("a program");
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: the child is this program's own and nobody else waits for it; both places are writable.
    let usage = unsafe {
        let pid = libc::pid_t::try_from(child.id()).expect("a process id");
        let waited = libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr());
        assert_eq!(waited, pid, "{command:?}");
        usage.assume_init()
    };
    let wall = start.elapsed().as_secs_f64();
    assert!(may_fail || status == 0, "{command:?} ended with {status}");
    #[expect(clippy::cast_precision_loss, reason = "a few megabytes")]
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    // Linux counts kilobytes, macOS bytes.
    let unit = if cfg!(target_os = "macos") { 1.0 } else { 1024.0 };
    #[expect(clippy::cast_precision_loss, reason = "a few megabytes")]
    let memory = usage.ru_maxrss as f64 * unit;
    let cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    Cost { wall, cpu, memory, written: self::written() - written }
}

/// Returns the bytes that this program and every child it waited for caused to be written.
fn written() -> f64 {
    let text = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

/// What a command started.
#[derive(Debug, Clone, Default)]
pub struct Started {
    /// Processes, the command itself not included.
    pub processes: usize,
    /// How often Git's programs at the other end were started here.
    pub servers: usize,
    /// How often a program waited until its bytes were on the disk.
    pub syncs: usize,
}

/// Runs a command once under strace, and returns what it started; none where there is no strace.
pub fn started(command: &Command, scratch: &Path) -> Option<Started> {
    let log = scratch.join("strace");
    let mut traced = Command::new("strace");
    let calls = "trace=execve,fork,vfork,clone,clone3,fsync,fdatasync";
    traced.args(["-f", "-qq", "--signal=none", "-e", calls, "-o"]);
    traced.arg(&log).arg(command.get_program());
    traced.args(command.get_args());
    traced.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for (name, value) in command.get_envs() {
        value.map(|value| traced.env(name, value));
    }
    if let Some(folder) = command.get_current_dir() {
        traced.current_dir(folder);
    }
    traced.status().ok()?;
    let text = fs::read_to_string(log).ok()?;
    let is_new = |line: &&str| {
        let is_fork = ["fork(", "vfork(", "clone(", "clone3("]
            .iter()
            .any(|call| line.contains(call))
            || (line.contains("resumed>") && ["clone", "fork"].iter().any(|at| line.contains(at)));
        let result = line.rsplit_once(" = ").map_or("", |(_, result)| result);
        is_fork && !line.contains("CLONE_THREAD") && result.parse::<u32>().is_ok()
    };
    let is_server = |line: &&str| {
        line.contains("execve(")
            && ["upload-pack\"", "receive-pack\""].iter().any(|name| line.contains(name))
            && !line.contains("\"-c\"")
            && !line.ends_with(')')
    };
    let is_sync = |line: &&str| line.contains("fsync(") || line.contains("fdatasync(");
    Some(Started {
        processes: text.lines().filter(is_new).count(),
        servers: text.lines().filter(is_server).count(),
        syncs: text.lines().filter(is_sync).count(),
    })
}
