//! The processes of one run: all that are in the session it began, whatever group they are in and
//! whoever their parent is by now. What differs by system is in this file.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::{Pid, getpid, getppid, getsid, setsid};

/// How long processes have to end once they were asked to.
const MERCY: Duration = Duration::from_secs(2);

/// How long a killed process may take to be gone: one that waits for a dead disk does not even hear
/// that it is killed, and nobody can wait for it.
const BURIAL: Duration = Duration::from_secs(1);

/// How often they are counted meanwhile.
const POLL: Duration = Duration::from_millis(10);

/// The session of a run.
#[derive(Debug, Clone, Copy)]
pub struct Kin(Pid);

impl Kin {
    /// Begins a session: it has no terminal, and signals to a shell's job reach nobody in it. None for
    /// a process that may not begin one, because it leads a group that somebody else began.
    pub fn begin() -> Option<Self> {
        let _ = setsid();
        Some(Self(getpid())).filter(|own| getsid(None) == Ok(own.0))
    }

    /// Returns the session that the parent of this process began.
    pub fn of_parent() -> Option<Self> {
        Some(Self(getppid())).filter(|parent| getsid(None) == Ok(parent.0))
    }

    /// Returns whether the process that began the session is still the parent of this one.
    pub fn is_led(self) -> bool {
        getppid() == self.0
    }

    /// Ends everybody else in the session.
    pub fn end(self) {
        let mut asked = BTreeSet::new();
        let ended = wait(MERCY, || {
            let others = self.others();
            for process in &others {
                // It may have ended a moment ago. One that was stopped hears it once it goes on.
                if asked.insert(process.as_raw()) {
                    let _ = kill(*process, Signal::SIGTERM);
                    let _ = kill(*process, Signal::SIGCONT);
                }
            }
            others.is_empty()
        });
        if !ended {
            wait(BURIAL, || {
                let others = self.others();
                for process in &others {
                    let _ = kill(*process, Signal::SIGKILL);
                }
                others.is_empty()
            });
        }
    }

    /// Ends everybody in the session, this process too.
    pub fn end_with_me(self) {
        self.end();
        let _ = raise(Signal::SIGKILL);
    }

    fn others(self) -> Vec<Pid> {
        let is_other = |it: &Pid| *it != getpid() && getsid(Some(*it)) == Ok(self.0);
        processes().into_iter().filter(is_other).collect()
    }
}

/// Waits until it is so, and returns whether it came to that.
fn wait(patience: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    (0..patience.as_millis() / POLL.as_millis()).any(|_| {
        let is_so = is_so();
        if !is_so {
            std::thread::sleep(POLL);
        }
        is_so
    })
}

/// Returns all processes but those that are dead and wait for their parent to notice.
#[cfg(target_os = "linux")]
fn processes() -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let is_dead = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with(['Z', 'X']))
    };
    entries.filter_map(number).filter(|pid| !is_dead(pid)).map(Pid::from_raw).collect()
}

/// The same, as `ps` knows them.
#[cfg(not(target_os = "linux"))]
fn processes() -> Vec<Pid> {
    let listed = std::process::Command::new("ps").args(["-A", "-o", "pid=,stat="]).output();
    let text = listed.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
    let text = text.unwrap_or_default();
    let number = |line: &str| {
        let (pid, state) = line.trim().split_once(' ')?;
        if state.trim().starts_with('Z') { None } else { pid.parse().ok() }
    };
    text.lines().filter_map(number).map(Pid::from_raw).collect()
}
