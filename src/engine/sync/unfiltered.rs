//! Attributes come before what they cover: what only this machine has is not sent in the round in which
//! a filter's name arrives, but in the next one, which knows what the filter covers.

use cfgsync_core::gate::{arriving_attributes, hold_what_is_only_here};

use crate::failure::Outcome;
use crate::git::trees;
use crate::picture::Picture;
use crate::session::Session;

/// Lets everything wait that may be covered by attributes about to arrive; returns whether there are
/// any.
pub fn wait(session: &Session<'_>, picture: &mut Picture) -> Outcome<bool> {
    let mut names_a_filter = false;
    for version in arriving_attributes(&picture.observation) {
        let text = trees::read_blob(session.worktree.store(), version.blob)?;
        names_a_filter |= text.windows(6).any(|window| window == b"filter");
    }
    if names_a_filter {
        hold_what_is_only_here(&mut picture.observation);
    }
    Ok(names_a_filter)
}
