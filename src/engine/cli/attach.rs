//! A sync that meets another one under way: it waits for that one, and takes its result for its own
//! where that leaves nothing to do.

use cfgsync_core::status::truth::Truth;
use cfgsync_core::status::{StatusRecord, SyncState};

use crate::claim;
use crate::context::{Context, now};
use crate::failure::{Code, Outcome};
use crate::lock::{Lock, Patience};
use crate::record;
use crate::session::Session;
use crate::ui::Tone;

/// What waiting came to.
#[derive(Debug)]
pub enum Turn {
    /// It is ours to sync.
    Ours(Lock),
    /// The other sync left everything in sync, and has told what it did.
    Served,
}

/// Gets the turn, or the result of whoever has it.
pub fn turn(session: &Session<'_>) -> Outcome<Turn> {
    match session.turn(Patience::Leave) {
        Ok(running) => return Ok(Turn::Ours(running)),
        Err(failure) if failure.code == Code::Busy => {}
        Err(failure) => return Err(failure),
    }
    let context = session.context;
    let before = record::read(&context.places)?;
    let known = record::read_history(&context.places)?.len();
    context.ui.say_at_terminal(&whom(before.as_ref()));
    let running = session.turn(Patience::Wait)?;
    if !is_served(context, before.as_ref())? {
        return Ok(Turn::Ours(running));
    }
    let ui = &context.ui;
    for line in record::read_history(&context.places)?.iter().skip(known) {
        line.paths.iter().for_each(|path| ui.say(&format!("  {path}")));
    }
    ui.say(&format!(
        "{} In sync, as the sync left it that was under way.",
        ui.paint(Tone::Good, "✓")
    ));
    Ok(Turn::Served)
}

/// Returns whom is waited for.
fn whom(record: Option<&StatusRecord>) -> String {
    match record.filter(|record| record.state == SyncState::Syncing) {
        Some(record) => {
            let age = now().since(record.updated);
            format!("Waiting for a sync that is under way (process {}, for {age})...", record.pid)
        }
        None => "Waiting for a sync that is under way...".to_owned(),
    }
}

/// Returns whether the other sync left nothing to do: it ended well, upstream answered it, and nothing
/// changed since it looked.
fn is_served(context: &Context, before: Option<&StatusRecord>) -> Outcome<bool> {
    let Some(record) = record::read(&context.places)? else { return Ok(false) };
    let is_new = before.is_none_or(|before| before.generation < record.generation);
    let is_synced = record.state == SyncState::Synced && record.watched;
    Ok(is_new && is_synced && claim::of(&context.places, Some(&record))? == Truth::Holds)
}
