//! A run that nobody waits for, in two processes besides the one that starts it.
//!
//! Whoever starts one decides whether it is due, takes the lock of a sync, and leaves: of many shells
//! that start one at once, all but the first are gone again in a moment. The lock goes to the *guard*,
//! which begins a session without a terminal and lives as long as the run in it; when the deadline
//! passes, all processes of that session end. The *run* is a sync that asks nobody.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use cfgsync_core::schedule::{Due, due};
use cfgsync_core::status::SyncState;

use crate::boot_clock::Deadline;
use crate::context::{Context, make_folders, now, variable};
use crate::failure::{Code, Failure, Outcome};
use crate::fs::plain::{self, Durability};
use crate::git::program::Manners;
use crate::kin::Kin;
use crate::lock::{Lock, Patience};
use crate::log::{self, Entry};
use crate::privacy;
use crate::record::{self, Standing};
use crate::session::{Mode, Session};
use crate::sync::{Report, Wishes, sync};
use crate::{claim, notices, pause};

/// Set by the plugin, which waits for the end of the run on its standard output.
const TOLD: &str = "CFGSYNC_HOLD_STDOUT";

/// How often one guard runs again for what came up meanwhile.
const RUNS: u32 = 3;

/// How often the deadline is looked at: after a sleep, waiting goes on where it stood.
const TICK: Duration = Duration::from_secs(1);

/// A process of a run in the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Sees to it that the run ends.
    Guard,
    /// Syncs.
    Run,
}

impl Part {
    /// Returns the part of a word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Guard, Self::Run].into_iter().find(|part| part.word() == word)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Guard => "guard",
            Self::Run => "run",
        }
    }
}

/// Whether whoever starts a run stays until it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// It leaves at once.
    No,
    /// It stays, as a timer of the system wants it.
    Yes,
}

/// Starts a run, if one is due and none is under way.
pub fn start(context: &Context, stay: Stay) -> Outcome<()> {
    close_inherited();
    let places = &context.places;
    if !context.settings.enabled {
        return Ok(());
    }
    make_folders(places)?;
    let running = match Lock::take(&places.running(), Patience::Leave) {
        Ok(running) => running,
        Err(failure) if failure.code == Code::Busy => return ask_for_another(context),
        Err(failure) => return Err(failure),
    };
    if !is_due(context)? {
        return Ok(());
    }
    let mut guard = spawn(context, Part::Guard, running.hand_over())?;
    if stay == Stay::Yes {
        guard.wait().map_err(|error| {
            Failure::error(format!("could not wait for the run in the background: {error}"))
        })?;
    }
    Ok(())
}

/// Is one of the processes of a run.
pub fn take_part(context: &Context, part: Part) -> Outcome<()> {
    match part {
        Part::Guard => guard(context),
        Part::Run => run(context),
    }
}

/// Starts a run for whoever was turned away while one was under way, where something came up that it
/// did not see. Whoever calls this has let go of the lock.
pub fn start_if_asked(context: &Context) -> Outcome<()> {
    let asked = context.places.asked_for_another();
    if !asked.exists() {
        return Ok(());
    }
    plain::remove(&asked)?;
    if !is_due(context)? {
        return Ok(());
    }
    // A process of its own, which closes what the shell left open here.
    let started = command(context)?.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    started.map(drop).map_err(not_started)
}

/// Leaves word that somebody was turned away: whoever runs looks once more when it has ended.
fn ask_for_another(context: &Context) -> Outcome<()> {
    let asked = context.places.asked_for_another();
    if asked.exists() {
        return Ok(());
    }
    Ok(plain::publish(&asked, b"", Durability::Relaxed)?)
}

fn is_due(context: &Context) -> Outcome<bool> {
    let places = &context.places;
    let record = record::read(places)?;
    let truth = claim::of(places, record.as_ref())?;
    let pause = pause::read(places)?;
    Ok(due(record.as_ref(), truth, pause, context.settings.interval, now()) == Due::Now)
}

/// Holds the lock while runs are under way, and ends them when the deadline passes.
fn guard(context: &Context) -> Outcome<()> {
    let kin = Kin::begin();
    let places = &context.places;
    let Some(running) = turn(context)? else { return Ok(()) };
    let deadline = Deadline::after_seconds(context.settings.deadline);
    for _ in 0..RUNS {
        let run = spawn(context, Part::Run, running.share()?)?;
        let Some(is_well) = wait(run, deadline) else {
            kin.inspect(|kin| kin.end());
            let seconds = context.settings.deadline;
            failed(context, &format!("the sync was ended: it took more than {seconds} seconds"))?;
            break;
        };
        if !is_well {
            kin.inspect(|kin| kin.end());
            if record::read(places)?.is_some_and(|it| it.state == SyncState::Syncing) {
                failed(context, "the sync died")?;
            }
            break;
        }
        if !is_due(context)? {
            break;
        }
    }
    drop(running);
    start_if_asked(context)?;
    notices::after_a_run(context)?;
    // Once a day, and after everything else: no sync waits for the answer.
    privacy::ask(&Session::open(context, Mode::Rehearsal)?, privacy::PATIENCE)
}

/// Waits for the end of a run, and returns whether it ended well; none when the deadline passed.
fn wait(mut run: Child, deadline: Deadline) -> Option<bool> {
    let (told, end) = mpsc::channel();
    std::thread::spawn(move || told.send(run.wait().is_ok_and(|status| status.success())));
    while let Some(left) = deadline.left() {
        if let Ok(is_well) = end.recv_timeout(left.min(TICK)) {
            return Some(is_well);
        }
    }
    None
}

/// Says of a run what it cannot say any more.
fn failed(context: &Context, what: &str) -> Outcome<()> {
    let before = record::read(&context.places)?;
    let failure = Failure::error(what);
    let standing = Standing { trouble: pause::trouble(&failure), ..Standing::of(before.as_ref()) };
    record::publish(context, SyncState::Failed, standing)?;
    let took = Some(context.settings.deadline * 1000);
    log::add(&context.places, &Entry { took, ..Entry::failed(now(), &failure) })
}

/// Syncs, and writes down what came of it.
fn run(context: &Context) -> Outcome<()> {
    if let Some(kin) = Kin::of_parent() {
        // Without the guard nobody would end this run.
        std::thread::spawn(move || {
            while kin.is_led() {
                std::thread::sleep(TICK);
            }
            kin.end_with_me();
        });
    }
    let entry = match synced(context) {
        Ok(None) => return Ok(()),
        Ok(Some(report)) => Entry::of(context.now, report),
        Err(failure) => Entry::failed(context.now, &failure),
    };
    let took = Some(now().0.saturating_sub(context.now.0));
    log::add(&context.places, &Entry { took, ..entry })
}

fn synced(context: &Context) -> Outcome<Option<Report>> {
    let Some(running) = turn(context)? else { return Ok(None) };
    let session = match Session::open(context, Mode::Real) {
        Ok(session) => session,
        Err(failure) => {
            record::publish_failure(context, &failure)?;
            return Err(failure);
        }
    };
    sync(&session, &Wishes::default(), Manners::Silent, running).map(Some)
}

/// Returns the lock that was handed over, or takes it; none when somebody else has it.
fn turn(context: &Context) -> Outcome<Option<Lock>> {
    let path = context.places.running();
    if let Some(running) = Lock::inherited(&path) {
        return Ok(Some(running));
    }
    match Lock::take(&path, Patience::Leave) {
        Ok(running) => Ok(Some(running)),
        Err(failure) if failure.code == Code::Busy => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn spawn(context: &Context, part: Part, running: Stdio) -> Outcome<Child> {
    // The prompt that asked to be told keeps the other end: when it closes, the run has ended.
    let told = part == Part::Run || variable(TOLD).is_some();
    let mut command = command(context)?;
    command.args(["--part", part.word()]).stdin(running);
    command.stdout(if told { Stdio::inherit() } else { Stdio::null() });
    command.spawn().map_err(not_started)
}

fn command(context: &Context) -> Outcome<Command> {
    let own = std::env::current_exe()
        .map_err(|error| Failure::error(format!("could not find cfgsync itself: {error}")))?;
    let mut command = Command::new(own);
    command.arg("--dir").arg(&context.places.repo).args(["sync", "--background"]);
    command.current_dir("/").stderr(Stdio::null());
    Ok(command)
}

fn not_started(error: std::io::Error) -> Failure {
    Failure::error(format!("could not start in the background: {error}"))
}

/// Closes what the shell left open: a run that outlives it must not keep its pipes alive.
fn close_inherited() {
    for descriptor in 3..256 {
        // Most of them are not open.
        let _ = nix::unistd::close(descriptor);
    }
}
