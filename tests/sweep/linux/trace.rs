//! Runs a command with its whole process tree under ptrace, counts the calls that change files in
//! the order they happen, and does to the tree what a fault says. Knows no mode and no check.
//!
//! What serves the remote (`git-upload-pack`, `git-receive-pack`, and what they start) stands for
//! another machine: it is not counted and never harmed, only waited for.

use std::collections::HashMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::{self, sock_filter, sock_fprog};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::calls::{self, Call, Registers};

/// A command that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(60);

/// What is done at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Pass,
    /// Every process of the tree is killed before the call.
    KillTree,
    /// The process that makes the call is killed before it; all others go on.
    KillOne,
    /// The call is left out, and fails with this error.
    Fail(Errno),
    /// The call writes half of its bytes, then the tree is killed.
    Tear,
    /// The call is left out, and says that it wrote everything.
    Lose,
    /// Nothing; somebody else did something before the call.
    Watch,
    /// The tree stands still while the disk is copied, then it is killed.
    Freeze,
}

/// What goes wrong, and when.
pub trait Fault {
    /// Decides at a call, counted from one.
    fn at(&mut self, number: usize, call: &Call) -> Action;

    /// Copies the disk while everything stands still.
    fn frozen(&mut self) {}
}

/// What a traced command came to.
#[derive(Debug)]
pub struct Traced {
    /// How many calls changed files.
    pub calls: usize,
    /// The exit code; none when the command was killed.
    pub code: Option<i32>,
    /// True when it had to be killed because it did not end.
    pub is_late: bool,
}

/// A process or thread of the tree.
#[derive(Debug, Clone, Copy)]
struct Task {
    process: Pid,
    is_remote: bool,
}

/// What waits for the end of a call.
#[derive(Debug, Clone, Copy)]
enum Pending {
    Fail { arguments: [u64; 6], result: i32 },
    Die,
}

struct Tracer<'a> {
    root: Pid,
    alive: HashMap<Pid, Task>,
    /// Processes that are gone, for children that outlive them.
    known: HashMap<Pid, Task>,
    pending: HashMap<Pid, Pending>,
    traced: Traced,
    is_dying: bool,
    fault: &'a mut dyn Fault,
}

/// Runs a command under a fault, and returns when its whole tree is gone.
pub fn trace(mut command: Command, fault: &mut dyn Fault) -> Traced {
    confine(&mut command, calls::filter());
    let mut child = command.spawn().unwrap();
    let root = Pid::from_raw(i32::try_from(child.id()).unwrap());
    waitpid(root, Some(WaitPidFlag::__WALL)).unwrap();
    let options = Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACESECCOMP
        | Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(root, options).unwrap();
    let first = Task { process: root, is_remote: false };
    let mut tracer = Tracer {
        root,
        alive: HashMap::from([(root, first)]),
        known: HashMap::from([(root, first)]),
        pending: HashMap::new(),
        traced: Traced { calls: 0, code: None, is_late: false },
        is_dying: false,
        fault,
    };
    let late = Arc::new(AtomicBool::new(false));
    let done = watch(root, &late);
    resume(root, None);
    tracer.run(&late);
    drop(done);
    tracer.traced.is_late = late.load(Ordering::Relaxed);
    // The tracer saw it end; this only lets go of what the standard library holds.
    drop(child.try_wait());
    tracer.traced
}

/// Kills a command that does not end. The guard that is returned ends the watch.
fn watch(root: Pid, late: &Arc<AtomicBool>) -> mpsc::Sender<()> {
    let (done, waiting) = mpsc::channel();
    let late = Arc::clone(late);
    std::thread::spawn(move || {
        if waiting.recv_timeout(LONGEST) == Err(mpsc::RecvTimeoutError::Timeout) {
            late.store(true, Ordering::Relaxed);
            let _ = kill(root, Signal::SIGKILL);
        }
    });
    done
}

/// Makes the child a tracee that stops at the calls of the filter.
#[expect(unsafe_code, reason = "the standard library has no safe way to prepare a tracee")]
fn confine(command: &mut Command, filter: Vec<sock_filter>) {
    let prepare = move || {
        ptrace::traceme()?;
        let length = u16::try_from(filter.len()).map_err(|_| Errno::E2BIG)?;
        let program = sock_fprog { len: length, filter: filter.as_ptr().cast_mut() };
        // SAFETY: both calls take plain numbers, but for the program, which outlives the call and
        // is only read.
        let refused = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
                | libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
        };
        Errno::result(refused)?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes three system calls; it takes no lock and
    // allocates nothing.
    unsafe { command.pre_exec(prepare) };
}

/// Lets a process go on; one that was killed meanwhile cannot.
fn resume(pid: Pid, signal: Option<Signal>) {
    let _ = ptrace::cont(pid, signal);
}

impl Tracer<'_> {
    fn run(&mut self, late: &AtomicBool) {
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        loop {
            let status = match waitpid(Pid::from_raw(-1), Some(flags)) {
                Ok(status) => status,
                Err(Errno::EINTR) => continue,
                Err(_) => return,
            };
            match status {
                WaitStatus::Exited(pid, code) => self.ended(pid, Some(code)),
                WaitStatus::Signaled(pid, ..) => self.ended(pid, None),
                WaitStatus::Stopped(pid, signal) => self.stopped(pid, signal),
                WaitStatus::PtraceSyscall(pid) => self.after(pid),
                WaitStatus::PtraceEvent(pid, _, libc::PTRACE_EVENT_SECCOMP) => self.before(pid),
                WaitStatus::PtraceEvent(pid, _, libc::PTRACE_EVENT_EXEC) => {
                    self.executes(pid);
                    resume(pid, None);
                }
                WaitStatus::PtraceEvent(pid, ..) => resume(pid, None),
                WaitStatus::Continued(_) | WaitStatus::StillAlive => {}
            }
            if late.load(Ordering::Relaxed) && !self.is_dying {
                self.kill_tree(self.root);
            }
        }
    }

    fn ended(&mut self, pid: Pid, code: Option<i32>) {
        self.alive.remove(&pid);
        if pid == self.root {
            self.traced.code = code;
        }
    }

    /// Meets a task for the first time, or hands on a signal.
    fn stopped(&mut self, pid: Pid, signal: Signal) {
        if self.alive.contains_key(&pid) {
            return resume(pid, Some(signal));
        }
        let task = self.meet(pid);
        self.alive.insert(pid, task);
        self.known.insert(pid, task);
        if self.is_dying && !task.is_remote {
            let _ = kill(task.process, Signal::SIGKILL);
            return;
        }
        resume(pid, None);
    }

    /// A new task is on the side of the one that started it.
    fn meet(&self, pid: Pid) -> Task {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().parse().ok().map(Pid::from_raw)
        };
        let process = field("Tgid:").unwrap_or(pid);
        let parent = if process == pid { field("PPid:") } else { Some(process) };
        let is_remote =
            parent.and_then(|parent| self.known.get(&parent)).is_some_and(|task| task.is_remote);
        Task { process, is_remote }
    }

    /// A program that serves the remote is another machine from here on.
    fn executes(&mut self, pid: Pid) {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        let serves = |word: &str| {
            let name = word.rsplit('/').next().unwrap_or_default();
            name.starts_with("git-upload-pack") || name.starts_with("git-receive-pack")
        };
        let mut words = line.split('\0');
        let is_served = match words.next() {
            Some(shell) if shell.ends_with("sh") => words.any(serves),
            Some(program) => serves(program),
            None => false,
        };
        if is_served {
            for tasks in [&mut self.alive, &mut self.known] {
                tasks.entry(pid).and_modify(|task| task.is_remote = true);
            }
        }
    }

    /// A task stands before a call.
    fn before(&mut self, pid: Pid) {
        let Some(task) = self.alive.get(&pid).copied() else { return resume(pid, None) };
        let Ok(registers) = Registers::of(pid) else { return };
        if task.is_remote {
            return resume(pid, None);
        }
        if self.is_dying {
            let _ = kill(task.process, Signal::SIGKILL);
            return;
        }
        let Some(call) = calls::before(pid, &registers) else { return resume(pid, None) };
        self.traced.calls += 1;
        match self.fault.at(self.traced.calls, &call) {
            Action::Pass | Action::Watch => resume(pid, None),
            Action::KillTree => self.kill_tree(pid),
            Action::KillOne => {
                let _ = kill(task.process, Signal::SIGKILL);
            }
            Action::Fail(errno) => {
                let arguments = registers.arguments();
                // No call does anything with arguments like these.
                let result = -(errno as i32);
                self.alter(pid, registers, [u64::MAX; 6], Pending::Fail { arguments, result });
            }
            Action::Lose => {
                let arguments = registers.arguments();
                let result = i32::try_from(arguments[2]).unwrap_or(i32::MAX);
                self.alter(pid, registers, [u64::MAX; 6], Pending::Fail { arguments, result });
            }
            Action::Tear => {
                let mut arguments = registers.arguments();
                arguments[2] /= 2;
                self.alter(pid, registers, arguments, Pending::Die);
            }
            Action::Freeze => self.freeze(pid, task),
        }
    }

    fn alter(&mut self, pid: Pid, registers: Registers, arguments: [u64; 6], pending: Pending) {
        if registers.with_arguments(arguments).set(pid).is_ok() {
            self.pending.insert(pid, pending);
            let _ = ptrace::syscall(pid, None);
        }
    }

    /// A task stands behind a call that was altered.
    fn after(&mut self, pid: Pid) {
        match self.pending.remove(&pid) {
            Some(Pending::Fail { arguments, result }) => {
                if let Ok(registers) = Registers::of(pid) {
                    let altered = registers.with_arguments(arguments).with_result(result);
                    let _ = altered.set(pid);
                }
                resume(pid, None);
            }
            Some(Pending::Die) => self.kill_tree(pid),
            None => resume(pid, None),
        }
    }

    /// Kills everything but what serves the remote, this task's process first.
    fn kill_tree(&mut self, first: Pid) {
        self.is_dying = true;
        let process = |pid: &Pid| self.alive.get(pid).map(|task| task.process);
        let others = self.alive.values().filter(|task| !task.is_remote).map(|task| task.process);
        for process in process(&first).into_iter().chain(others) {
            let _ = kill(process, Signal::SIGKILL);
        }
    }

    /// Lets no other process take a step, has the disk copied, and kills the tree.
    fn freeze(&mut self, pid: Pid, task: Task) {
        self.is_dying = true;
        let is_other = |other: &&Task| !other.is_remote && other.process != task.process;
        let others: Vec<Pid> =
            self.alive.iter().filter(|(_, other)| is_other(other)).map(|(pid, _)| *pid).collect();
        for other in &others {
            let _ = kill(self.alive[other].process, Signal::SIGKILL);
        }
        while others.iter().any(|other| is_running(*other)) {
            std::thread::yield_now();
        }
        self.fault.frozen();
        self.kill_tree(pid);
    }
}

/// Returns false once a task can do nothing any more, even when nobody took note of its end.
fn is_running(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("State:"))
        .is_some_and(|state| !state.trim_start().starts_with(['Z', 'X']))
}
