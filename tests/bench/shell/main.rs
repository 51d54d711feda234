//! Measures what the zsh plugin costs a person at a shell: at each prompt, at the start, at the first
//! command and at the end, beside the same shell without it. Real shells in real terminals, in turn.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    unsafe_code,
    reason = "a program of the developers' own"
)]

use std::fs;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use cfgsync_core::status::SyncState;
use cfgsync_core::status::wire::decode;
use cfgsync_core::time::UnixTime;

use kit::machine::Machine;
use kit::table::{Beside, Table};
use pty::{PROMPT_END, Pty, work_of};
use setup::{Kind, Plugin, command};

#[path = "../kit"]
mod kit {
    pub mod machine;
    pub mod table;
}
mod pty;
mod setup;

const FILES: usize = 20;

/// How many shells of each kind are started: a difference of two in a hundred shows in the median of
/// many only.
const STARTS: usize = 60;
const STARTS_WITH_THEME: usize = 100;

/// Each of these takes as long as the rest before it.
const ROUNDS_WITH_REST: usize = 40;

/// A moment that does not come while this runs.
const FAR: UnixTime = UnixTime(9_000_000_000_000);

/// The shells of a comparison: without the plugin, with it, without it again.
const TURNS: [Plugin; 3] = [Plugin::Absent, Plugin::Loaded, Plugin::Absent];

/// Returns which shell's turn it is. Each follows each of the others, so that what one leaves behind is
/// no one's alone to bear.
fn turn(round: usize, place: usize) -> usize {
    let count = TURNS.len();
    (round + if (round / count).is_multiple_of(2) { place } else { count - place }) % count
}

/// Times of the three shells.
type Turns = [Vec<f64>; 3];

fn compare(table: &mut Table, what: &str, [base, loaded, again]: &Turns, limit: Option<f64>) {
    let name = "without the plugin";
    table.compare(what, loaded, &Beside { name, times: base, again: Some(again), limit });
}

/// Nothing is due, and the claim stands.
fn settle(machine: &Machine) {
    machine.publish(|record| {
        (record.state, record.due, record.deadline) = (SyncState::Synced, FAR, FAR);
    });
}

/// Measures empty lines in shells that stay open, one by one as a person types them: until the prompt
/// stands, and what the shell itself does for it by the time it is idle again. First some twenty in a
/// second, then with a rest before each, after which nothing is in the caches and the plugin looks again.
fn cycles(table: &mut Table, machine: &Machine, kind: &Kind, rounds: usize, limit: f64) {
    settle(machine);
    let mut shells = TURNS.map(|plugin| Pty::start(&mut command(machine, kind, plugin, &[])));
    for shell in &mut shells {
        shell.wait_for(PROMPT_END);
        // A shell that people use has run a command: the plugin then has what it opens for that.
        shell.type_keys(":\r");
        shell.wait_for(PROMPT_END);
    }
    sleep(Duration::from_secs(2));
    let name = kind.name();
    let [cycle, work] = empty_lines(&mut shells, rounds, Duration::ZERO);
    compare(table, &format!("a prompt in {name}"), &cycle, Some(limit));
    let what = format!("all the shell does for a prompt, also once it stands, in {name}");
    compare(table, &what, &work, None);
    let [cycle, _] = empty_lines(&mut shells, ROUNDS_WITH_REST, Duration::from_millis(2_100));
    compare(table, &format!("a prompt after two seconds in {name}"), &cycle, None);
    inside(table, &mut shells[1], kind);
}

/// Returns how long empty lines took until the prompt stood, and what the shells did for them.
fn empty_lines(shells: &mut [Pty; 3], rounds: usize, rest: Duration) -> [Turns; 2] {
    let (mut cycle, mut work) = (Turns::default(), Turns::default());
    for round in 0..rounds {
        sleep(rest);
        for place in 0..TURNS.len() {
            let turn = turn(round, place);
            let shell = &mut shells[turn];
            sleep(Duration::from_millis(5));
            shell.forget();
            let before = work_of(shell.pid());
            let start = Instant::now();
            shell.type_keys("\r");
            shell.wait_for(PROMPT_END);
            cycle[turn].push(start.elapsed().as_secs_f64());
            sleep(Duration::from_millis(10));
            let used = work_of(shell.pid()).zip(before).map(|(after, before)| after - before);
            work[turn].extend(used);
        }
    }
    [cycle, work]
}

/// Measures from within a shell.
fn inside(table: &mut Table, shell: &mut Pty, kind: &Kind) {
    let mut ask = |line: &str| -> Vec<f64> {
        sleep(Duration::from_millis(100));
        shell.forget();
        shell.type_keys(&format!("{line}\r"));
        shell.wait_for(b"<took ");
        let answer = shell.text_to(b'>');
        answer.split(' ').map(|number| number.parse::<f64>().expect("a number") / 1e6).collect()
    };
    let mut row = |what: &str, time: f64, name: &str, beside: f64, limit| {
        let what = format!("{what}, in {}", kind.name());
        let times = &[beside][..];
        table.compare(&what, &[time], &Beside { name, times, again: None, limit });
    };
    let took = ask("bench_segment");
    let nothing = "a function that does nothing";
    row("the hook, after an empty line", took[1], nothing, took[0], None);
    row("the hook, after a command", took[2], nothing, took[0], None);
    row("what is done in the idle moment", took[3], nothing, took[0], None);
    let took = ask("bench_start");
    row("the start of a sync", took[0], "`( cd d && x & )`", took[1], Some(0.5));
    let took = ask("bench_load ~/.local/share/cfgsync/configsync.plugin.zsh");
    row("loading the plugin", took[0], "an empty file", took[1], None);
}

/// Waits for the end of the sync that a shell started; returns whether there was one.
fn sync_ended(machine: &Machine, planted: &[u8]) -> bool {
    for _ in 0..300 {
        let bytes = fs::read(machine.record()).unwrap_or_default();
        let is_over = decode(&bytes).is_ok_and(|record| record.state != SyncState::Syncing);
        if is_over && bytes != planted {
            sleep(Duration::from_millis(50));
            return true;
        }
        sleep(Duration::from_millis(10));
    }
    false
}

/// Measures starts with a sync due: to the first prompt, to the answer to the first command, to the end.
fn starts(table: &mut Table, machine: &Machine, kind: &Kind, rounds: usize, limit: Option<f64>) {
    let (mut prompt, mut answer, mut exit) = (Turns::default(), Turns::default(), Turns::default());
    let mut syncs = 0;
    for round in 0..=rounds {
        for place in 0..TURNS.len() {
            let turn = turn(round, place);
            machine.publish(|record| {
                (record.state, record.due, record.deadline) = (SyncState::Synced, UnixTime(0), FAR);
            });
            let planted = fs::read(machine.record()).expect("a record");
            let start = Instant::now();
            let mut shell = Pty::start(&mut command(machine, kind, TURNS[turn], &[]));
            shell.wait_for(PROMPT_END);
            let shown = start.elapsed().as_secs_f64();
            // The command comes before the plugin starts the sync that is due, the end after it.
            sleep(Duration::from_millis(10));
            let typed = Instant::now();
            shell.type_keys("print -r -- '<'answer'>'\r");
            shell.wait_for(b"<answer>");
            let answered = shown + typed.elapsed().as_secs_f64();
            shell.wait_for(PROMPT_END);
            sleep(Duration::from_millis(50));
            let left = shell.leave();
            if TURNS[turn] == Plugin::Loaded {
                syncs += usize::from(sync_ended(machine, &planted));
            }
            // The first round fills the caches.
            if round != 0 {
                prompt[turn].push(shown);
                answer[turn].push(answered);
                exit[turn].push(left);
            }
        }
    }
    let name = kind.name();
    assert_eq!(syncs, rounds + 1, "a sync that was due did not run");
    compare(table, &format!("the first prompt of {name}"), &prompt, limit);
    compare(table, &format!("the answer to a first command in {name}"), &answer, limit);
    compare(table, &format!("the end of {name}"), &exit, limit);
}

/// Counts the processes that a hundred empty lines start.
fn trace(machine: &Machine) -> Option<bool> {
    settle(machine);
    let log = machine.home().join("trace").to_string_lossy().into_owned();
    let through = ["strace", "-f", "-qq", "-e", "trace=process", "-o", &log];
    let count = || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        let calls = ["fork(", "clone(", "clone3(", "execve("];
        log.lines().filter(|line| calls.iter().any(|call| line.contains(call))).count()
    };
    let mut shell = Pty::start(&mut command(machine, &Kind::Bare, Plugin::Loaded, &through));
    shell.wait_for(PROMPT_END);
    sleep(Duration::from_millis(500));
    let before = count();
    if before == 0 {
        println!("| processes started by 100 empty lines | not measured | | | | | 0 | |");
        return None;
    }
    for _ in 0..100 {
        shell.type_keys("\r");
        shell.wait_for(PROMPT_END);
        sleep(Duration::from_millis(5));
    }
    sleep(Duration::from_millis(100));
    let started = count() - before;
    let verdict = if started == 0 { "ok" } else { "**more**" };
    println!("| processes started by 100 empty lines | {started} | | | | | 0 | {verdict} |");
    shell.leave();
    Some(started == 0)
}

fn main() -> ExitCode {
    let machine = Machine::new(FILES);
    let mut table = Table::default();
    let theme = Kind::theme();
    cycles(&mut table, &machine, &Kind::Bare, 600, 1.25);
    cycles(&mut table, &machine, &theme, 300, 1.03);
    let starts_no_process = trace(&machine) != Some(false);
    starts(&mut table, &machine, &Kind::Bare, STARTS, None);
    starts(&mut table, &machine, &theme, STARTS_WITH_THEME, Some(1.02));
    if starts_no_process { table.outcome() } else { ExitCode::FAILURE }
}
