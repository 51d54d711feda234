//! What a person wants to know of a unit that waits: who changed it, where and when.

use cfgsync_core::plan::Held;
use cfgsync_core::time::UnixTime;

use crate::context::now;
use crate::failure::Outcome;
use crate::fs::dir::os;
use crate::git::authorship::Authorship;
use crate::picture::Picture;
use crate::session::Session;

/// What is known of both changes.
#[derive(Debug, Clone)]
pub struct Changes {
    /// When this machine's file was changed.
    pub here: Option<UnixTime>,
    /// Who changed it upstream, and when.
    pub there: Option<Authorship>,
}

/// Finds out about both changes of a unit that waits.
pub fn changes(session: &Session<'_>, picture: &Picture, held: &Held) -> Outcome<Changes> {
    // Of a renamed unit, upstream may have the other name.
    let mut renames = picture.observation.renames.iter();
    let other = renames.find_map(|rename| match &held.path {
        path if *path == rename.from => Some(&rename.to),
        path if *path == rename.to => Some(&rename.from),
        _ => None,
    });
    let is_upstream = picture.observation.upstream().units.contains_key(&held.path);
    let name = other.filter(|_| !is_upstream).unwrap_or(&held.path);
    let there = match (picture.upstream, held.sides.theirs) {
        (Some(tip), Some(_)) => session.worktree.last_change(tip, name)?,
        _ => None,
    };
    Ok(Changes { here: changed_here(session, held), there })
}

fn changed_here(session: &Session<'_>, held: &Held) -> Option<UnixTime> {
    let places = &session.context.places;
    let live = held.path.home().map(|home| places.home.join(os(home.as_bytes())));
    let file = live.unwrap_or_else(|| places.repo.join(os(held.path.as_bytes())));
    let since = std::fs::metadata(file).ok()?.modified().ok()?;
    let since = since.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(UnixTime(u64::try_from(since.as_millis()).ok()?))
}

impl Changes {
    /// Says what is known: `changed on work-mac 12 minutes ago, here 3 minutes ago`.
    pub fn describe(&self) -> String {
        let ago = |at: UnixTime| format!("{} ago", now().since(at));
        match (&self.there, self.here) {
            (Some(there), Some(here)) => {
                format!("changed on {} {}, here {}", there.who, ago(there.at), ago(here))
            }
            (Some(there), None) => format!("changed on {} {}", there.who, ago(there.at)),
            (None, Some(here)) => format!("changed here {}", ago(here)),
            (None, None) => String::new(),
        }
    }
}
