//! Whether strangers can read the remote, and what follows: one that everybody reads gets nothing
//! until a person allowed it on this machine.
//!
//! The question is asked at setup, at a mark, and once a day by a background run when it has done its
//! work. No sync waits for it, but where the last answer was that everybody can.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use cfgsync_core::inert::shown;
use cfgsync_core::privacy::{Door, Readers, door, is_due, readers};
use cfgsync_core::time::UnixTime;

use crate::context::{Context, now};
use crate::failure::{Code, Failure, Outcome};
use crate::fs::plain::{self, Durability};
use crate::git::remote::without_password;
use crate::git::stranger;
use crate::session::Session;
use crate::settings::UserSettings;

/// How long an answer is waited for.
pub const PATIENCE: Duration = Duration::from_secs(5);

const HEADING: &str = "cfgsync privacy 1";

/// What is known of one remote, and whether a person lets everybody read it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Known {
    address: String,
    answer: Option<(Readers, UnixTime)>,
    is_allowed: bool,
}

impl Known {
    /// Reads what is known; nothing of another address.
    fn read(context: &Context, url: &str) -> Outcome<Self> {
        let address = shown(without_password(url));
        let text = plain::read_text(&path(context))?.unwrap_or_default();
        let known = || {
            let mut lines = text.lines();
            let of = lines.next()?.strip_prefix(HEADING)?.trim_start();
            let (word, at) = lines.next()?.split_once(' ')?;
            let at = at.parse().ok().filter(|at| *at > 0).map(UnixTime);
            let answer = Readers::parse(word).zip(at);
            let is_allowed = lines.next() == Some("allowed");
            (of == address).then_some(Self { address: address.clone(), answer, is_allowed })
        };
        Ok(known().unwrap_or(Self { address: address.clone(), ..Self::default() }))
    }

    fn write(&self, context: &Context) -> Outcome<()> {
        let (readers, at) = self.answer.unwrap_or((Readers::Unknown, UnixTime(0)));
        let allowed = if self.is_allowed { "allowed" } else { "not allowed" };
        let text = format!("{HEADING} {}\n{} {}\n{allowed}\n", self.address, readers.word(), at.0);
        Ok(plain::publish(&path(context), text.as_bytes(), Durability::Relaxed)?)
    }
}

fn path(context: &Context) -> std::path::PathBuf {
    context.places.state.join("privacy")
}

/// Returns the address that is sent to; none for this machine alone.
fn address(session: &Session<'_>) -> Option<String> {
    session.remote.as_deref().and_then(|name| session.worktree.push_url(name))
}

/// Returns who can read the remote, as far as is known, and when that was asked; none where there is
/// no remote, or none that strangers could ask.
pub fn last(session: &Session<'_>) -> Outcome<Option<(Readers, Option<UnixTime>)>> {
    let Some(url) = address(session) else { return Ok(None) };
    let known = Known::read(session.context, &url)?;
    Ok(match door(&url, &UserSettings::read(&session.context.places.user_config)?.web) {
        Door::Web(_) => {
            Some(known.answer.map_or((Readers::Unknown, None), |(who, at)| (who, Some(at))))
        }
        Door::Unknown => Some((Readers::Unknown, None)),
        Door::Folder(_) | Door::Nearby => None,
    })
}

/// Returns true where a person lets everybody read the remote.
pub fn is_allowed(session: &Session<'_>) -> Outcome<bool> {
    let Some(url) = address(session) else { return Ok(false) };
    Ok(Known::read(session.context, &url)?.is_allowed)
}

/// Returns the folder of a remote that every user of the machine can read.
pub fn open_folder(session: &Session<'_>) -> Option<String> {
    let folder = match door(&address(session)?, &BTreeMap::new()) {
        Door::Folder(folder) => folder,
        Door::Web(_) | Door::Nearby | Door::Unknown => return None,
    };
    is_open(Path::new(&folder)).then_some(folder)
}

/// Asks, where it is time to, and keeps the answer. No answer leaves the last one standing.
pub fn ask(session: &Session<'_>, deadline: Duration) -> Outcome<()> {
    let Some(url) = address(session) else { return Ok(()) };
    let context = session.context;
    let mut known = Known::read(context, &url)?;
    let web = UserSettings::read(&context.places.user_config)?.web;
    let Door::Web(address) = door(&url, &web) else { return Ok(()) };
    if known.is_allowed || !is_due(known.answer, now()) {
        return Ok(());
    }
    let answer = stranger::ask(&address, &context.places.state, deadline)?;
    let code = answer.code.filter(|_| answer.ended.is_none());
    let found = readers(code, &answer.stderr);
    if found != Readers::Unknown || known.answer.is_none() {
        known.answer = Some((found, now()));
        known.write(context)?;
    }
    Ok(())
}

/// Asks, and says or refuses what follows: for the commands that a person waits for.
pub fn look(session: &Session<'_>) -> Outcome<()> {
    ask(session, PATIENCE)?;
    let ui = &session.context.ui;
    let Some(url) = address(session) else { return Ok(()) };
    let shown = without_password(&url);
    let web = UserSettings::read(&session.context.places.user_config)?.web;
    match door(&url, &web) {
        Door::Folder(_) => {
            if let Some(folder) = open_folder(session) {
                ui.say(&format!(
                    "  Every user of this machine can read {folder}; `chmod o-rwx` closes it."
                ));
            }
        }
        Door::Unknown => ui.say(&format!(
            "  Whether strangers can read {shown} is not known; see `web` in docs/configuration.md."
        )),
        Door::Web(_) if last(session)?.is_some_and(|(who, _)| who == Readers::Unknown) => {
            ui.say(&format!(
                "  Whether strangers can read {shown} is not known: there was no answer."
            ));
        }
        Door::Web(_) | Door::Nearby => {}
    }
    check(session)
}

/// The last look before a push: stops where everybody can read the remote, and nobody allowed it. An
/// address that nobody asked about, as after `git remote set-url`, is asked about first, once.
pub fn check(session: &Session<'_>) -> Outcome<()> {
    let Some(url) = address(session) else { return Ok(()) };
    if Known::read(session.context, &url)?.answer.is_none() {
        ask(session, PATIENCE)?;
    }
    let is_open = || -> Outcome<bool> {
        let known = Known::read(session.context, &url)?;
        let is_open = known.answer.is_some_and(|(who, _)| who == Readers::Everybody);
        Ok(is_open && !known.is_allowed)
    };
    if !is_open()? {
        return Ok(());
    }
    // It may have been closed since.
    ask(session, PATIENCE)?;
    if !is_open()? {
        return Ok(());
    }
    let cause = format!("everybody can read {}, so nothing is sent there", without_password(&url));
    Err(Failure::new(Code::Refused, cause)
        .hint("Make the repository private at its host, then run the command again.")
        .hint("If everybody may read what you share: `cfgsync secrets allow --remote`."))
}

/// Lets everybody read what is shared from this machine, or takes that back.
pub fn allow(session: &Session<'_>, is_allowed: bool) -> Outcome<()> {
    let Some(url) = address(session) else {
        return Err(Failure::error("there is no remote that could be allowed")
            .hint("`cfgsync setup URL` adds one."));
    };
    let known = Known::read(session.context, &url)?;
    Known { is_allowed, ..known }.write(session.context)
}

/// Returns true for a folder that every user of the machine can get into and list.
fn is_open(folder: &Path) -> bool {
    let grants = |path: &Path, bits: u32| {
        path.metadata().is_ok_and(|entry| entry.permissions().mode() & bits == bits)
    };
    let is_reached = folder
        .ancestors()
        .skip(1)
        .all(|parent| parent.as_os_str().is_empty() || grants(parent, 0o001));
    folder.is_absolute() && grants(folder, 0o005) && is_reached
}
