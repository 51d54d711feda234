//! What keeps runs in the background from starting: a person's pause, and a streak of runs that met
//! trouble. Both are small files in the state folder.

use cfgsync_core::schedule::{Pause, Streak, Trouble};

use crate::context::Places;
use crate::failure::{Code, Failure, Outcome};
use crate::fs::plain::{self, Durability};

/// Returns the pause that was ordered, be it over or not.
pub fn read(places: &Places) -> Outcome<Option<Pause>> {
    let text = plain::read_text(&places.state.join("paused"))?;
    Ok(text.and_then(|text| Pause::parse(&text)))
}

/// Orders a pause, or ends it.
pub fn write(places: &Places, pause: Option<Pause>) -> Outcome<()> {
    let path = places.state.join("paused");
    let Some(pause) = pause else { return Ok(plain::remove(&path)?) };
    Ok(plain::publish(&path, format!("{pause}\n").as_bytes(), Durability::Synced)?)
}

/// Returns the streak of trouble that stands.
pub fn streak(places: &Places) -> Outcome<Option<Streak>> {
    Ok(plain::read_text(&places.state.join("trouble"))?.and_then(|text| Streak::parse(&text)))
}

/// Notes what a run came to, and returns the streak it belongs to.
pub fn note(places: &Places, trouble: Option<Trouble>) -> Outcome<Option<Streak>> {
    let path = places.state.join("trouble");
    let before = streak(places)?;
    let streak = Streak::after(before, trouble);
    match streak {
        Some(streak) => {
            plain::publish(&path, format!("{streak}\n").as_bytes(), Durability::Relaxed)?;
        }
        None if before.is_some() => plain::remove(&path)?,
        None => {}
    }
    Ok(streak)
}

/// Returns the kind of trouble that a failure is; none where trying again sooner or later is no help.
pub fn trouble(failure: &Failure) -> Option<Trouble> {
    match failure.code {
        Code::Offline => Some(Trouble::Offline),
        Code::Authentication => Some(Trouble::Authentication),
        Code::Foreign | Code::Stopped => None,
        Code::Error
        | Code::Usage
        | Code::OutOfSync
        | Code::Held
        | Code::Busy
        | Code::Refused
        | Code::Partly => Some(Trouble::Other),
    }
}
