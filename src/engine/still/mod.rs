//! How a run sees that no file changed since everything was in sync, or which ones did, without listing
//! a folder, reading a file, or making a picture of either.
//!
//! A look that finds everything in sync writes down every name it depends on: folders whose names it
//! listed, files and links in the state in which it saw them, folders on the way, what decides which
//! files are ignored. While each of them stands so, another look would find the same. What does not, and
//! what had not been quiet for two seconds (see [`crate::observe::seen`]), is looked at again, and a look
//! goes on from there ([`crate::observe::resumed`]); so does the list of that look. Once a day none of it
//! is believed.

mod compare;
mod list;
mod onward;
mod resume;
mod rows;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use cfgsync_core::status::watch::CHECKED;
use cfgsync_core::status::wire::{self, Watch};
use cfgsync_core::time::UnixTime;

use crate::context::Places;
use crate::failure::Outcome;
use crate::fs::plain::{self, Durability};
use crate::git::CommitId;
use crate::git::trees::blob_id;
use crate::observe::Observer;
use crate::observe::seen::{DAY, QUIET_MS};
use crate::session::Session;
use compare::{Touch, compare};
pub use list::List;

const MAGIC: &[u8; 8] = b"cfgstil2";

/// Bytes before the first row: magic, sum, what it holds for, until when, whether a look can go on from
/// it, a digest of the working tree as it was seen, and the tree of the vault that is the same.
const HEADER: usize = 6 * 8 + 20;

/// How things stand beside the list of the last run.
#[derive(Debug)]
pub enum Stood {
    /// Nobody knows.
    Unknown,
    /// As they were, but for this.
    But(Kept),
}

/// What a list says, and what of it does not stand.
#[derive(Debug)]
pub struct Kept {
    bytes: Vec<u8>,
    touched: Vec<Touch>,
    /// When it began to be compared.
    pub since: UnixTime,
}

impl Stood {
    /// Returns true where all of it stands.
    pub fn is_exact(&self) -> bool {
        matches!(self, Self::But(Kept { touched, .. }) if touched.is_empty())
    }

    fn kept(&self) -> Option<&Kept> {
        match self {
            Self::But(kept) => Some(kept),
            Self::Unknown => None,
        }
    }
}

fn path(places: &Places) -> PathBuf {
    places.state.join("still")
}

/// Everything beside files that a look depends on, and the list that the light was given for it.
fn key(
    session: &Session<'_>,
    watch: &[u8],
    (rules, head): (&Rules, Option<CommitId>),
) -> Outcome<u64> {
    let mut hasher = DefaultHasher::new();
    let version = env!("CARGO_PKG_VERSION");
    format!("{version} {:?}", (&session.branch, &session.remote, session.policy()?))
        .hash(&mut hasher);
    let upstream = session.vault.agreed_tip()?;
    (upstream, head, session.vault.agreement()?).hash(&mut hasher);
    rules.hash(&mut hasher);
    watch.get(CHECKED..).hash(&mut hasher);
    Ok(hasher.finish())
}

/// The files beside the repository's own that say what is ignored and filtered, in the state that they
/// were in before a run looked.
#[derive(Debug, Hash)]
pub struct Rules(Vec<Option<[i64; 4]>>);

/// Returns the state of these files.
pub fn rules(session: &Session<'_>) -> Rules {
    let folder = session.worktree.refs_folder();
    let mut files: Vec<PathBuf> = ["config", "config.worktree", "info/exclude", "info/attributes"]
        .map(|at| folder.join(at))
        .into();
    files.extend(session.worktree.user_rules());
    let state = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some([found.ino().cast_signed(), found.mtime(), found.mtime_nsec(), found.ctime_nsec()])
    };
    Rules(files.iter().map(state).collect())
}

/// Compares everything with the list of a run that left everything in sync.
pub fn stood(session: &Session<'_>, since: UnixTime) -> Outcome<Stood> {
    let places = &session.context.places;
    let Some(bytes) = plain::read(&path(places))? else { return Ok(Stood::Unknown) };
    let Some(watch) = plain::read(&places.watch())? else { return Ok(Stood::Unknown) };
    let head = session.worktree.tip(&session.branch)?;
    if !bytes.starts_with(MAGIC)
        || word(&bytes, 8) != Some(sum(bytes.get(16..).unwrap_or_default()))
        || word(&bytes, 16) != Some(key(session, &watch, (&rules(session), head))?)
    {
        return Ok(Stood::Unknown);
    }
    let until = word(&bytes, 24).unwrap_or(0);
    // A clock that was set back must not make a list last longer.
    let is_fresh = since.seconds() < until && until - since.seconds() <= DAY;
    let rows = bytes.get(HEADER..).unwrap_or_default();
    let most = if word(&bytes, 32) == Some(1) { compare::MOST } else { 0 };
    let touched = if is_fresh { compare(rows, most) } else { None };
    Ok(touched.map_or(Stood::Unknown, |touched| Stood::But(Kept { bytes, touched, since })))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn sum(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// Forgets the list: what the next run must know is of a later look, and in no list.
pub fn forget(session: &Session<'_>) -> Outcome<()> {
    Ok(plain::remove(&path(&session.context.places))?)
}

/// Writes down what a look that began at `since` and found everything in sync depends on, where that
/// can be done; `watch` is what the light is given for it. What is `beside` the files, rules and the
/// branch, is as that look found it: a change since then makes another look.
pub fn write(
    session: &Session<'_>,
    observer: &Observer<'_>,
    list: Option<&List>,
    (watch, since): (&Watch, UnixTime),
    beside: (&Rules, Option<CommitId>),
) -> Outcome<()> {
    let watch = wire::encode_watch(watch, 0);
    let places = &session.context.places;
    let quiet = i64::try_from(since.0.saturating_sub(QUIET_MS)).unwrap_or(i64::MAX);
    let quiet = quiet.saturating_mul(1_000_000);
    let Some(list) = list.filter(|list| list.newest < quiet || list.can_go_on) else {
        return forget(session);
    };
    let mut bytes = [&MAGIC[..], &[0; 8]].concat();
    bytes.extend(key(session, &watch, beside)?.to_le_bytes());
    bytes.extend((observer.full_read() + DAY).to_le_bytes());
    bytes.extend(u64::from(list.can_go_on).to_le_bytes());
    let (digest, tree) = list.tree.map_or((0, [0; 20]), |(digest, it)| (digest, blob_id(it).0));
    bytes.extend(digest.to_le_bytes());
    bytes.extend(tree);
    bytes.extend(&list.bytes);
    if list.newest >= quiet {
        rows::mark_racy(&mut bytes[HEADER..], quiet);
    }
    let sum = sum(&bytes[16..]);
    bytes[8..16].copy_from_slice(&sum.to_le_bytes());
    if plain::read(&path(places))?.is_some_and(|known| known == bytes) {
        return Ok(());
    }
    Ok(plain::publish(&path(places), &bytes, Durability::Relaxed)?)
}
