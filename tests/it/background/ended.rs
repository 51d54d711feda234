//! Runs that do not end by themselves: their deadline ends them, with all that they started.

use std::fs;
use std::process::{Child, Stdio};

use cfgsync_core::status::{StatusRecord, SyncState};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};

use super::{Counted, publish, record};
use crate::terminal::{now, wait_until};

/// A run whose fetch hangs, and ignores being asked to end.
struct Hanging {
    counted: Counted,
    started: Child,
    /// The guard, which began the session.
    session: Pid,
}

impl Hanging {
    fn new(settings: &str) -> Self {
        let counted = Counted::new(settings);
        counted.machine.write("hang", "");
        counted.make_due();
        let started = counted.start();
        let hanging = counted.machine.path("hanging");
        wait_until("the fetch", || hanging.exists());
        wait_until("the light", || counted.record().state == SyncState::Syncing);
        let text = fs::read_to_string(hanging).unwrap();
        let pid = text.split_whitespace().next().unwrap().parse().unwrap();
        let session = getsid(Some(Pid::from_raw(pid))).unwrap();
        assert_ne!(Ok(session), getsid(None), "it has a session of its own");
        let hanging = Self { counted, started, session };
        wait_until("four processes: guard, run, git and what git started", || {
            hanging.processes().len() == 4
        });
        hanging
    }

    /// Returns everybody who lives in the session.
    fn processes(&self) -> Vec<Pid> {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pid = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        let lives = |pid: &i32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let rest = stat.rsplit_once(") ").map_or("Z", |(_, rest)| rest).to_owned();
            let fields: Vec<&str> = rest.split(' ').collect();
            fields[0] != "Z" && fields[3].parse() == Ok(self.session.as_raw())
        };
        entries.filter_map(pid).filter(lives).map(Pid::from_raw).collect()
    }

    fn signal(&self, signal: Signal) {
        // One that goes on may end the others before they are told.
        for process in self.processes() {
            let _ = kill(process, signal);
        }
    }

    /// Returns the run itself: the guard's child.
    fn run(&self) -> Pid {
        Pid::from_raw(i32::try_from(record(&self.counted.machine).pid).unwrap())
    }

    /// Waits until nobody is left, and sees the next sync heal.
    #[track_caller]
    fn ends(self) -> StatusRecord {
        wait_until("the end of all", || self.processes().is_empty());
        let output = self.started.wait_with_output().unwrap();
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
        let record = self.counted.record();
        self.counted.machine.remove("hang");
        let light = self.counted.machine.command(env!("CARGO_BIN_EXE_cfgsync-prompt")).output();
        let light = String::from_utf8(light.unwrap().stdout).unwrap();
        assert_eq!(light, if record.state == SyncState::Offline { "" } else { "✗" });
        self.counted.machine.sync();
        assert_eq!(self.counted.machine.state_word(), "synced");
        assert!(!self.counted.machine.state().join("trouble").exists());
        record
    }
}

#[test]
fn a_run_that_hangs_is_gone_after_its_deadline() {
    let hanging = Hanging::new("deadline = 1\n");
    let log = hanging.counted.machine.path("@.sync/log/background.jsonl");
    // A file is there before its line is.
    let is_told = || fs::read_to_string(&log).is_ok_and(|text| text.ends_with('\n'));
    wait_until("the deadline", is_told);
    let log = hanging.counted.log();
    assert!(log.contains("the sync was ended: it took more than 1 seconds"), "{log}");
    let record = hanging.ends();
    assert_eq!(record.state, SyncState::Failed);
    let wait = record.due.seconds() - record.updated.seconds();
    assert!((60..=75).contains(&wait), "{wait}");
}

#[test]
fn a_run_that_is_stopped_for_longer_than_its_deadline_ends_when_it_goes_on() {
    let hanging = Hanging::new("deadline = 2\n");
    hanging.signal(Signal::SIGSTOP);
    let late = now().after_seconds(3);
    wait_until("the deadline", || now() > late);
    assert_eq!(hanging.processes().len(), 4, "whoever is stopped does nothing");
    hanging.signal(Signal::SIGCONT);
    assert_eq!(hanging.ends().state, SyncState::Failed);
}

#[test]
fn a_run_that_is_stopped_alone_is_ended_by_its_guard() {
    let hanging = Hanging::new("deadline = 2\n");
    kill(hanging.run(), Signal::SIGSTOP).unwrap();
    assert_eq!(hanging.ends().state, SyncState::Failed);
}

#[test]
fn a_run_that_dies_leaves_nobody_and_is_told_of() {
    let hanging = Hanging::new("deadline = 60\n");
    kill(hanging.run(), Signal::SIGKILL).unwrap();
    assert_eq!(hanging.ends().state, SyncState::Failed);
}

#[test]
fn a_run_whose_guard_dies_ends_too() {
    let hanging = Hanging::new("deadline = 60\n");
    kill(hanging.session, Signal::SIGKILL).unwrap();
    // Whether the run can say so depends on who ends first; if not, the light sees it by itself.
    let state = hanging.ends().state;
    assert!(
        matches!(state, SyncState::Syncing | SyncState::Offline | SyncState::Failed),
        "{state:?}"
    );
}

#[test]
fn a_run_that_meets_another_leaves_at_once() {
    let hanging = Hanging::new("deadline = 5\n");
    let before = hanging.processes();
    publish(&hanging.counted.machine, &StatusRecord { due: now(), ..hanging.counted.record() });
    hanging.counted.run();
    assert_eq!(hanging.counted.fetches(), 1);
    assert_eq!(hanging.processes(), before);
    kill(hanging.run(), Signal::SIGKILL).unwrap();
    assert_eq!(hanging.ends().state, SyncState::Failed);
}

#[test]
fn a_sync_by_hand_takes_the_result_of_the_run_it_meets() {
    let hanging = Hanging::new("deadline = 60\n");
    let Hanging { counted, .. } = &hanging;
    let by_hand = |counted: &Counted| {
        let mut command = counted.command();
        command.arg("sync").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let waits = by_hand(counted);
    let pid = waits.id();
    // The kernel says what it waits for.
    let lock = || {
        fs::read_to_string("/proc/locks")
            .unwrap()
            .contains(&format!("-> FLOCK  ADVISORY  WRITE {pid} "))
    };
    wait_until("the wait for the lock", lock);
    counted.machine.remove("hang");
    let hangs = fs::read_to_string(counted.machine.path("hanging")).unwrap();
    // With its helper gone, the fetch goes on as if the network were back.
    let helper = hangs.split_whitespace().next().unwrap().parse().unwrap();
    kill(Pid::from_raw(helper), Signal::SIGKILL).unwrap();
    let output = waits.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "✓ In sync, as the sync left it that was under way.\n");
    assert_eq!(counted.fetches(), 1);
    assert_eq!(hanging.started.wait_with_output().unwrap().stdout, b"");

    // One that leaves something to do, is no result to take.
    let after = by_hand(&hanging.counted).wait_with_output().unwrap();
    assert!(String::from_utf8(after.stderr).unwrap().contains("nothing to do"));
    assert_eq!(hanging.counted.fetches(), 2);
}

#[test]
fn a_sync_by_hand_does_what_a_run_that_is_ended_left_undone() {
    let hanging = Hanging::new("deadline = 2\n");
    hanging.counted.machine.remove("hang");
    hanging.counted.machine.append(".conf", "two\n");
    let output = hanging.counted.command().arg("sync").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("edited   ~/.conf"));
    assert_eq!(hanging.counted.sandbox.git(&["show", "main:external/.conf"]), "one\ntwo\n");
    wait_until("the end of all", || hanging.processes().is_empty());
}
