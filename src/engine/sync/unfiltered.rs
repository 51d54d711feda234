//! Rules come before what they speak of: what only this machine has is not sent in the round in which a
//! filter's name arrives, but in the next one, which knows what the filter covers. The same holds for ignore
//! rules, and what nobody shared yet.

use std::collections::BTreeMap;

use cfgsync_core::arrival::rules::Rules;
use cfgsync_core::doubt::Doubt;
use cfgsync_core::gate::{arriving, hold_what_is_new_here, hold_what_is_only_here};
use cfgsync_core::path::RepoPath;
use cfgsync_core::policy::Choice;

use crate::failure::Outcome;
use crate::git::trees;
use crate::loosening::unit_of_user;
use crate::picture::Picture;
use crate::session::Session;

/// Lets everything wait of which rules may speak that are about to arrive; returns whether another round
/// is due.
pub fn wait(
    session: &Session<'_>,
    picture: &mut Picture,
    choices: &BTreeMap<RepoPath, Choice>,
) -> Outcome<bool> {
    let (mut names_a_filter, mut is_read_later) = (false, false);
    let own = unit_of_user(session, Rules::Attributes);
    for (path, version) in arriving(&picture.observation, Rules::Attributes, own.as_ref()) {
        if picture.observation.loosened.contains_key(path) {
            continue;
        }
        let text = trees::read_blob(session.worktree.store(), version.blob)?;
        names_a_filter |= text.windows(6).any(|window| window == b"filter");
        // Where a process found none of the user's own, it looks for them no more.
        is_read_later |=
            Some(path) == own.as_ref() && !picture.observation.ours.units.contains_key(path);
        // A macro names it elsewhere.
        names_a_filter |= picture.observation.bared.contains_key(path);
    }
    if names_a_filter {
        hold_what_is_only_here(&mut picture.observation, own.as_ref());
    }
    let own = unit_of_user(session, Rules::Ignore);
    let mut ignoring = arriving(&picture.observation, Rules::Ignore, own.as_ref());
    let may_ignore = ignoring.any(|(path, _)| !picture.observation.loosened.contains_key(path));
    drop(ignoring);
    let is_kept = may_ignore && hold_what_is_new_here(&mut picture.observation, &picture.head_tree);
    // What waits with attributes that a person lets in now goes on in the next round.
    let loosened = &picture.observation.loosened;
    let is_let_in = choices
        .keys()
        .any(|path| loosened.get(path).is_some_and(|it| it.doubt == Doubt::Unfilters));
    Ok((names_a_filter && !is_read_later) || is_let_in || is_kept)
}
