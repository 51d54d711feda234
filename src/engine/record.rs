//! Publishes what a run came to: the status record, the history, the last contact.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use cfgsync_core::operation::Operation;
use cfgsync_core::path::RepoPath;
use cfgsync_core::plan::{Change, Deed, Flow};
use cfgsync_core::schedule::{self, Trouble};
use cfgsync_core::status::wire::{self, Watch};
use cfgsync_core::status::{StatusRecord, SyncState};
use cfgsync_core::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::context::{Context, Places, dice, now};
use crate::failure::{Code, Failure, Outcome};
use crate::fs::FsError;
use crate::fs::look::blob_id;
use crate::fs::plain::{self, Durability};
use crate::{host, lights, pause};

/// How long a run may take before it is no longer believed.
const RUN_SECONDS: u64 = 120;

/// How long after its due time a claim to be in sync still stands.
const GRACE_SECONDS: u64 = 60;

/// What a run found out, for the record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// Commits here that upstream does not have.
    pub ahead: u32,
    /// Commits upstream that are not here.
    pub behind: u32,
    /// Units that differ from what both sides agreed on.
    pub pending: u32,
    /// Units that wait for a person.
    pub held: u32,
    /// When upstream answered in this run.
    pub contact: Option<UnixTime>,
    /// What makes the next run wait.
    pub trouble: Option<Trouble>,
}

impl Standing {
    /// Returns what a record said.
    pub fn of(record: Option<&StatusRecord>) -> Self {
        record.map_or_else(Self::default, |record| Self {
            ahead: record.ahead,
            behind: record.behind,
            pending: record.pending,
            held: record.held,
            contact: None,
            trouble: None,
        })
    }
}

/// What a state depends on that is published.
#[derive(Debug, Clone, Copy)]
pub enum Basis<'a> {
    /// Nothing on disk.
    Nothing,
    /// What this list says.
    List(&'a Watch),
    /// What the list says that was published last.
    LastList,
}

/// Returns the record that stands.
pub fn read(places: &Places) -> Outcome<Option<StatusRecord>> {
    let bytes = plain::read(&places.record())?;
    Ok(bytes.and_then(|bytes| wire::decode(&bytes).ok()))
}

/// Publishes a state that nothing on disk can change.
pub fn publish(context: &Context, state: SyncState, standing: Standing) -> Outcome<()> {
    publish_watched(context, state, standing, Basis::Nothing)
}

/// Publishes that a run came to nothing.
pub fn publish_failure(context: &Context, failure: &Failure) -> Outcome<()> {
    let state = match failure.code {
        Code::Foreign => SyncState::Paused,
        _ => SyncState::Failed,
    };
    let trouble = pause::trouble(failure);
    publish(context, state, Standing { trouble, ..Standing::default() })
}

/// Publishes a state, and what it depends on.
pub fn publish_watched(
    context: &Context,
    state: SyncState,
    standing: Standing,
    basis: Basis<'_>,
) -> Outcome<()> {
    let before = read(&context.places)?;
    let now = now();
    let paused = pause::read(&context.places)?.filter(|pause| pause.holds(now));
    let (state, basis, due, deadline) = match (state, paused) {
        (SyncState::Syncing, _) => {
            let due = before.as_ref().map_or(now, |record| record.due.max(now));
            (state, basis, due, now.after_seconds(RUN_SECONDS))
        }
        // Whatever a run came to that a person started: none follows it.
        (_, Some(pause)) => {
            let due = pause.until.unwrap_or(UnixTime(u64::MAX));
            (SyncState::Paused, Basis::Nothing, due, due)
        }
        (_, None) => {
            let due = next(context, state, standing, now)?;
            (state, basis, due, due.after_seconds(GRACE_SECONDS))
        }
    };
    let contact = standing.contact.or(before.as_ref().map(|record| record.contact));
    let generation = before.map_or(1, |record| record.generation + 1);
    let places = &context.places;
    if let Basis::List(watch) = basis {
        plain::publish(
            &places.watched(),
            &watch.paths(|bytes| blob_id(bytes).0),
            Durability::Relaxed,
        )?;
    }
    let list = match basis {
        Basis::Nothing => None,
        Basis::List(watch) => Some(wire::encode_watch(watch, generation)),
        Basis::LastList => plain::read(&places.watch())?,
    };
    let watched = list.is_some();
    if let Some(mut list) = list {
        wire::renew_watch(&mut list, generation);
        plain::publish(&places.watch(), &list, Durability::Relaxed)?;
        lights::leave_bells(places);
    }
    let record = StatusRecord {
        state,
        ahead: standing.ahead,
        behind: standing.behind,
        pending: standing.pending,
        held: standing.held,
        due,
        deadline,
        updated: now,
        contact: contact.unwrap_or_default(),
        generation,
        pid: std::process::id(),
        pid_start: host::own_start(),
        boot: host::boot(),
        label: label(&context.machine.id),
        watched,
    };
    plain::publish(&context.places.record(), &wire::encode(&record), Durability::Relaxed)?;
    if state != SyncState::Syncing {
        lights::ring(&context.places);
    }
    Ok(())
}

/// Notes what a run came to, and returns when the next one is due.
fn next(
    context: &Context,
    state: SyncState,
    standing: Standing,
    now: UnixTime,
) -> Outcome<UnixTime> {
    // What came up during the run.
    let is_unsettled = state == SyncState::Ahead && standing.pending > 0;
    let trouble = standing.trouble.or(is_unsettled.then_some(Trouble::Unsettled));
    let streak = pause::note(&context.places, trouble)?;
    Ok(now.after_seconds(schedule::wait(streak, context.settings.interval, dice())))
}

fn label(id: &str) -> [u8; 20] {
    let mut label = [0; 20];
    id.bytes().take(label.len()).enumerate().for_each(|(at, byte)| label[at] = byte);
    label
}

/// Makes the record and its watch list findable for the prompt, which knows no repository: links of
/// fixed names.
pub fn announce(places: &Places) -> Outcome<()> {
    let links =
        [("watch", places.watch()), ("watched", places.watched()), ("record", places.record())];
    for (name, target) in links {
        let name = places.shared_state.join(name);
        if std::fs::read_link(&name).is_ok_and(|found| found == target) {
            continue;
        }
        plain::make_private(&places.shared_state)?;
        let draft = name.with_extension("new");
        plain::remove(&draft)?;
        std::os::unix::fs::symlink(&target, &draft).map_err(FsError::on("create", &draft))?;
        #[expect(
            clippy::disallowed_methods,
            reason = "a link of cfgsync's own, replaced in one step"
        )]
        std::fs::rename(&draft, &name).map_err(FsError::on("replace", &name))?;
    }
    Ok(())
}

/// Takes the record and its well-known name away: nothing is shown any more.
pub fn withdraw(places: &Places) -> Outcome<()> {
    for name in ["record", "watch", "watched"] {
        plain::remove(&places.shared_state.join(name))?;
    }
    for path in [places.record(), places.watch(), places.watched()] {
        plain::remove(&path)?;
    }
    lights::ring(places);
    Ok(())
}

/// Writes down when upstream last answered.
pub fn contact(places: &Places, at: UnixTime) -> Outcome<()> {
    let text = format!("{}\n", at.seconds());
    Ok(plain::publish(&places.meta.join("last-sync"), text.as_bytes(), Durability::Relaxed)?)
}

/// One line of the history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    /// The format's version.
    pub version: u32,
    /// The operation's number; none for those of older programs.
    #[serde(default)]
    pub id: Option<u64>,
    /// When it started, in Unix seconds.
    pub at: u64,
    /// The machine's id.
    pub machine: String,
    /// What was run.
    pub command: String,
    /// Units that went out.
    pub sent: usize,
    /// Units that came in.
    pub received: usize,
    /// Units that waited for a person afterwards.
    pub held: usize,
    /// Whether something of it can be taken back on this machine.
    #[serde(default)]
    pub undoable: bool,
    /// What happened to which unit.
    pub paths: Vec<String>,
}

/// An operation that was done.
#[derive(Debug)]
pub struct Done<'a> {
    /// Its number.
    pub number: u64,
    /// What was run.
    pub command: &'a str,
    /// What it changed.
    pub operation: &'a Operation,
}

/// Adds what a command changed to the history.
pub fn history(context: &Context, done: &Done<'_>, changes: &[Change], held: usize) -> Outcome<()> {
    let flows =
        |flow: Flow| changes.iter().filter(|c| c.flow == flow || c.flow == Flow::Both).count();
    let marks = done.operation.marks.iter().map(|(path, (_, after))| {
        format!("{} {path}", if after.is_some() { "marked" } else { "unmarked" })
    });
    let units =
        changes.iter().map(|change| format!("{} {}", word(change.deed), name(&change.path)));
    let line = Line {
        version: 1,
        id: Some(done.number),
        at: context.now.seconds(),
        machine: context.machine.id.clone(),
        command: done.command.to_owned(),
        sent: flows(Flow::Out),
        received: flows(Flow::In),
        held,
        undoable: !done.operation.is_empty(),
        paths: marks.chain(units).collect(),
    };
    let path = context.places.meta.join("history.jsonl");
    let text = serde_json::to_string(&line).unwrap_or_default() + "\n";
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    Ok(written.map_err(FsError::on("write", &path))?)
}

/// Returns the name people know a unit by: its home path, or its place in the repository.
pub fn name(path: &RepoPath) -> String {
    path.home().map_or_else(|| path.to_string(), |home| home.to_string())
}

/// Reads the history, the oldest first; a line that is not understood is passed over.
pub fn read_history(places: &Places) -> Outcome<Vec<Line>> {
    let text = plain::read_text(&places.meta.join("history.jsonl"))?.unwrap_or_default();
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Returns the word for what a change does.
pub fn word(deed: Deed) -> &'static str {
    match deed {
        Deed::Added => "added",
        Deed::Edited => "edited",
        Deed::Mode => "mode",
        Deed::Removed => "removed",
        Deed::Kept => "kept",
        Deed::Unmarked => "unmarked",
    }
}
