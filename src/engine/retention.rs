//! Once a day, at the end of a sync, the vault lets go of what is older than the limit.
//!
//! What one run forgets, a run of another day removes from the disk. The newest snapshot, whatever is
//! held, what can be undone and what is agreed always stay.

use std::collections::BTreeSet;

use cfgsync_core::retention::{NEWEST, day};

use crate::context::{Places, now};
use crate::failure::Outcome;
use crate::fs::plain::{self, Durability};
use crate::git::{ObjectId, object_id};
use crate::recover::Note;
use crate::session::Session;

const HEADING: &str = "cfgsync unreached 1";

/// What the last run that tidied up left behind.
#[derive(Debug, Default)]
struct Unreached {
    day: u64,
    objects: BTreeSet<ObjectId>,
}

/// Lets go of what is old, where that was not done today.
pub fn tend(session: &Session<'_>) -> Outcome<()> {
    let places = &session.context.places;
    let today = day(session.context.now);
    if session.vault.newest_number()? <= NEWEST as u64 || Unreached::day(places)? == Some(today) {
        return Ok(());
    }
    let before = Unreached::read(places)?;
    let _lock = session.lock()?;
    let note = Note::leave(places)?;
    let tidied = tidy(session, &before.objects);
    // What failed is tried again tomorrow, and told of once a day.
    let (told, objects) = match tidied {
        Ok(objects) => (Ok(()), objects),
        Err(failure) => (Err(failure), before.objects),
    };
    Unreached { day: today, objects }.write(places)?;
    note.withdraw()?;
    told
}

/// Returns what nothing leads to and is still there.
fn tidy(session: &Session<'_>, known: &BTreeSet<ObjectId>) -> Outcome<BTreeSet<ObjectId>> {
    session.vault.forget_old(session.context.settings.snapshot_days, now())?;
    session.vault.remove_unreached(known, now())
}

impl Unreached {
    fn read(places: &Places) -> Outcome<Self> {
        let text = plain::read_text(&path(places))?.unwrap_or_default();
        let Some(day) = day_of(&text) else { return Ok(Self::default()) };
        Ok(Self { day, objects: text.lines().skip(1).filter_map(object_id).collect() })
    }

    /// Returns the day alone, for every sync asks.
    fn day(places: &Places) -> Outcome<Option<u64>> {
        Ok(day_of(&plain::read_text(&path(places))?.unwrap_or_default()))
    }

    fn write(&self, places: &Places) -> Outcome<()> {
        let mut text = format!("{HEADING} {}\n", self.day);
        self.objects.iter().for_each(|object| text.push_str(&format!("{object}\n")));
        Ok(plain::publish(&path(places), text.as_bytes(), Durability::Relaxed)?)
    }
}

fn day_of(text: &str) -> Option<u64> {
    text.lines().next()?.strip_prefix(HEADING)?.trim().parse().ok()
}

fn path(places: &Places) -> std::path::PathBuf {
    places.state.join("unreached")
}
