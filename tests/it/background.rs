//! Runs that nobody waits for: when they start, that they end, and that they are alone.

#[cfg(target_os = "linux")]
mod asking;
#[cfg(target_os = "linux")]
mod ended;

use std::fs;
use std::process::{Child, Command, Stdio};

use cfgsync_core::status::{StatusRecord, SyncState, wire};

use crate::sandbox::{Machine, Sandbox};
use crate::terminal::{now, wait_until};

/// Runs here what it was to run over there: a remote in a folder would be looked at without Git.
const SSH: &str = r#"#!/bin/sh
if [ ! -e "$HOME/../remote.git" ]; then
  echo 'ssh: connect to host there port 22: Connection refused' >&2
  exit 255
fi
for last; do :; done
exec sh -c "$last"
"#;

/// Counts talks with the remote, and hangs like a dead network where a file says so, whoever asks it to end.
const GIT: &str = r#"#!/bin/sh
PATH=${PATH#*:}
case " $* " in
  *" fetch "* | *" push "*) echo fetch >>"$HOME/fetches"
    if [ -e "$HOME/hang" ]; then
      trap '' TERM
      sleep 1000 &
      echo "$! $$" >"$HOME/hanging.new"
      mv "$HOME/hanging.new" "$HOME/hanging"
      wait
    fi
esac
exec git "$@"
"#;

/// A machine whose `git` counts fetches, in sync with the remote.
struct Counted {
    sandbox: Sandbox,
    machine: Machine,
}

impl Counted {
    fn new(settings: &str) -> Self {
        let sandbox = Sandbox::new();
        let machine = sandbox.joined("mac");
        machine.write(".conf", "one\n");
        machine.run(&["mark", ".conf"]).done();
        machine.sync();
        let _ = machine.git(&["remote", "set-url", "origin", &format!("there:{}", machine.url())]);
        machine.write("dial/ssh", SSH);
        machine.chmod("dial/ssh", 0o755);
        let dial = machine.path("dial/ssh").display().to_string();
        let _ = machine.git(&["config", "core.sshCommand", &dial]);
        machine.write("bin/git", GIT);
        machine.chmod("bin/git", 0o755);
        machine.edit("@.sync/config.toml", "deadline = 60\n", settings);
        Self { sandbox, machine }
    }

    fn command(&self) -> Command {
        let mut command = self.machine.command(env!("CARGO_BIN_EXE_cfgsync"));
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.machine.path("bin").display()));
        command
    }

    /// Starts a run as the plugin does. Its output ends with the run.
    fn start(&self) -> Child {
        let mut command = self.command();
        command.args(["sync", "--background"]).env("CFGSYNC_HOLD_STDOUT", "1");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs in the background, to the end.
    fn run(&self) {
        let output = self.start().wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    }

    fn fetches(&self) -> usize {
        let text = fs::read_to_string(self.machine.path("fetches")).unwrap_or_default();
        text.lines().count()
    }

    fn record(&self) -> StatusRecord {
        record(&self.machine)
    }

    /// Makes the record say that a run is due.
    fn make_due(&self) {
        publish(&self.machine, &StatusRecord { due: now(), ..self.record() });
    }

    fn log(&self) -> String {
        fs::read_to_string(self.machine.path("@.sync/log/background.jsonl")).unwrap_or_default()
    }
}

fn record(machine: &Machine) -> StatusRecord {
    wire::decode(&fs::read(machine.path("@.sync/sync-status")).unwrap()).unwrap()
}

fn publish(machine: &Machine, record: &StatusRecord) {
    let draft = machine.path("draft");
    fs::write(&draft, wire::encode(record)).unwrap();
    fs::rename(draft, machine.path("@.sync/sync-status")).unwrap();
}

#[test]
fn a_run_that_is_not_due_leaves_without_a_fetch() {
    let counted = Counted::new("");
    counted.run();
    assert_eq!((counted.fetches(), counted.log().as_str()), (0, ""));
    counted.make_due();
    counted.run();
    assert_eq!(counted.fetches(), 1, "{}", counted.log());
    let record = counted.record();
    assert_eq!(record.state, SyncState::Synced);
    let wait = record.due.seconds() - record.updated.seconds();
    assert!((270..=330).contains(&wait), "{wait}");
}

#[test]
fn an_edit_makes_a_run_due() {
    let counted = Counted::new("");
    counted.machine.append(".conf", "two\n");
    counted.run();
    assert_eq!(counted.sandbox.git(&["show", "main:external/.conf"]), "one\ntwo\n");
    counted.run();
    assert_eq!(counted.fetches(), 1, "{}", counted.log());
}

/// Starts so many runs at once from one shell, and returns the CPU time that all of them took until
/// they had left, in milliseconds.
fn start_at_once(counted: &Counted, count: u32) -> f64 {
    let script = r#"
        count=$1
        while [ "$count" -gt 0 ]; do
            "$0" sync --background >/dev/null 2>&1 &
            count=$((count - 1))
        done
        wait
        times"#;
    let command = counted.command();
    let path = command.get_envs().find(|(name, _)| *name == "PATH").unwrap().1.unwrap().to_owned();
    let mut command = counted.machine.command("sh");
    command.env("PATH", path).args(["-c", script, env!("CARGO_BIN_EXE_cfgsync")]);
    let output = command.arg(count.to_string()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let of_children = text.lines().last().unwrap();
    let seconds = |word: &str| {
        let (minutes, seconds) = word.trim_end_matches('s').split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
    };
    of_children.split_whitespace().map(seconds).sum::<f64>() * 1000.0
}

#[track_caller]
fn check_at_once(count: u32) {
    let counted = Counted::new("");
    counted.make_due();
    let generation = counted.record().generation;
    let spent = start_at_once(&counted, count);
    wait_until("the end of the one run", || {
        let record = counted.record();
        record.generation > generation + 1 && record.state == SyncState::Synced
    });
    // A run writes its line after the record, which is what prompts wait for.
    wait_until("the line of the run", || !counted.log().is_empty());
    // Whoever comes after it has nothing to do either.
    counted.run();
    assert_eq!(counted.fetches(), 1, "{}", counted.log());
    assert_eq!(counted.log().lines().count(), 1, "{}", counted.log());
    let each = spent / f64::from(count);
    assert!(each < 10.0, "each of {count} took {each} ms of CPU");
    let light = counted.machine.command(env!("CARGO_BIN_EXE_cfgsync-prompt")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&light.stdout), "✓");
}

#[test]
fn fifty_shells_at_once_fetch_once() {
    check_at_once(50);
}

#[test]
fn ten_shells_at_once_fetch_once() {
    check_at_once(10);
}

#[test]
fn a_remote_that_is_gone_is_asked_less_and_less_often() {
    let counted = Counted::new("");
    counted.machine.append(".conf", "two\n");
    counted.sandbox.unplug();
    for seconds in [60, 120, 240, 480] {
        counted.make_due();
        counted.run();
        let record = counted.record();
        assert_eq!(record.state, SyncState::Ahead, "{}", counted.log());
        let wait = record.due.seconds() - record.updated.seconds();
        let is_so = (seconds..=seconds + seconds / 4 + 1).contains(&wait);
        assert!(is_so, "{seconds}: {wait}\n{}", counted.log());
    }
    counted.machine.append(".conf", "three\n");
    counted.run();
    assert_eq!(counted.fetches(), 4, "an edit does not make the remote come back");
    counted.sandbox.plug();
    counted.make_due();
    counted.run();
    assert_eq!(counted.sandbox.git(&["show", "main:external/.conf"]), "one\ntwo\nthree\n");
    let record = counted.record();
    let wait = record.due.seconds() - record.updated.seconds();
    assert!((270..=330).contains(&wait), "{wait}");
}

#[test]
fn what_waited_offline_is_sent_on_return_with_nothing_new() {
    let counted = Counted::new("");
    counted.machine.append(".conf", "two\n");
    counted.sandbox.unplug();
    counted.run();
    assert_eq!(counted.record().ahead, 1);
    let _ = counted.machine.run(&["status"]).code(0).says(&["↑ ahead", "last sync", " ago ("]);
    let status = counted.machine.run(&["status", "--json"]).code(0);
    assert!(!status.stdout.contains("\"last_contact\": null"), "{}", status.stdout);
    counted.sandbox.plug();
    counted.make_due();
    counted.run();
    assert_eq!(counted.sandbox.git(&["show", "main:external/.conf"]), "one\ntwo\n");
}

#[test]
fn whoever_waits_for_a_run_sees_it_done() {
    let counted = Counted::new("");
    counted.machine.append(".conf", "two\n");
    let mut command = counted.command();
    assert!(command.args(["sync", "--background", "--wait"]).status().unwrap().success());
    assert_eq!(counted.sandbox.git(&["show", "main:external/.conf"]), "one\ntwo\n");
}

#[test]
fn whoever_is_turned_away_leaves_word_and_is_forgotten() {
    let counted = Counted::new("");
    counted.make_due();
    let running = counted.machine.state().join("running");
    let held = fs::File::options().write(true).open(running).unwrap();
    held.lock().unwrap();
    counted.run();
    let asked = counted.machine.state().join("again");
    assert!(asked.exists());
    assert_eq!(counted.fetches(), 0);
    drop(held);
    counted.machine.sync();
    assert!(!asked.exists());
}
