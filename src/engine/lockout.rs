//! Whether configuration that arrives would lock its owner out: the program that reads it is asked,
//! on a copy, before anything is applied.
//!
//! A program that is not here is not asked, and what this machine has already is never called worse
//! than it is: where the present file fails in the same way, nothing is held for it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;

use cfgsync_core::arrival::readers::{Reader, keeps_files, programs, reader, without_commands};
use cfgsync_core::arrival::waits_at_home;
use cfgsync_core::doubt::Doubt;
use cfgsync_core::escape::{escape, unescape, words};
use cfgsync_core::inert::shown;
use cfgsync_core::observed::Observation;
use cfgsync_core::path::{HomePath, RepoPath};
use cfgsync_core::reconcile::Merged;
use cfgsync_core::unit::{BlobId, Kind, Version};

use crate::context::Places;
use crate::failure::Outcome;
use crate::fs::desk::Desk;
use crate::fs::plain::{self, Durability};
use crate::git::inquiry::ask;
use crate::git::program::Answer;
use crate::git::trial::Trial;
use crate::session::Session;

/// Longest message that is told.
const LONGEST: usize = 200;

/// What is said of a file that its reader does not end with.
const UNREAD: &str = "it is not read to its end";

/// What was asked in this run, by reader and bytes.
pub type Asked = RefCell<BTreeMap<(Reader, BlobId), Option<String>>>;

/// With which arrivals there was no connection, and what was said then.
pub type Refused = BTreeMap<(RepoPath, BlobId), String>;

const REFUSED: &str = "refused";
const HEADING: &str = "cfgsync refused arrivals 1";

/// Reads with which arrivals there was no connection when it was tried last.
pub fn refused(places: &Places) -> Outcome<Refused> {
    let text = plain::read_text(&places.state.join(REFUSED))?.unwrap_or_default();
    let mut lines = text.lines();
    if lines.next() != Some(HEADING) {
        return Ok(Refused::new());
    }
    let line = |line: &str| {
        let [blob, said, path] = words(line)[..] else { return None };
        let said = String::from_utf8(unescape(said)?).ok()?;
        Some(((RepoPath::new(unescape(path)?).ok()?, BlobId::parse(blob)?), said))
    };
    Ok(lines.filter_map(line).collect())
}

/// Remembers with which arrivals there is no connection.
pub fn refuse(places: &Places, refused: &Refused) -> Outcome<()> {
    let path = places.state.join(REFUSED);
    if refused.is_empty() {
        return Ok(plain::remove(&path)?);
    }
    let line = |((path, blob), said): (&(RepoPath, BlobId), &String)| {
        format!("{blob} {} {}\n", escape(said.as_bytes()), escape(path.as_bytes()))
    };
    let text = format!("{HEADING}\n{}", refused.iter().map(line).collect::<String>());
    Ok(plain::publish(&path, text.as_bytes(), Durability::Synced)?)
}

/// Adds what the readers say of units that are about to arrive.
pub fn find(
    session: &Session<'_>,
    observation: &mut Observation,
    fresh: &[(RepoPath, Version)],
) -> Outcome<()> {
    let is_tried =
        |(path, _): &(RepoPath, Version)| path.home().as_ref().and_then(Trial::of).is_some();
    if fresh.iter().any(is_tried) {
        for (key, said) in refused(&session.context.places)? {
            observation.doubts.insert(key.clone(), Doubt::Broken);
            observation.complaints.insert(key, told(&said));
        }
    }
    for (path, theirs) in fresh.iter().filter(|(_, version)| version.kind == Kind::File) {
        let Some(reader) = place(observation, path).and_then(|place| reader(&place)) else {
            continue;
        };
        // What a filter covers is read as its smudge side leaves it.
        let is_filtered = session.filter_name(path)?.is_some();
        let read = |blob: BlobId| {
            if is_filtered {
                return session.filters.smudge(session.stores(), path, blob);
            }
            Ok(Some(blob))
        };
        // A stored copy that waits for its home path is nothing that this machine lives with.
        let ours = observation.ours.units.get(path).filter(|_| !waits_at_home(observation, path));
        let ours = ours.map(|version| version.blob);
        let merged = match observation.merged.get(path) {
            Some(Merged::Clean(blob)) => Some(*blob),
            _ => None,
        };
        for blob in [Some(theirs.blob), merged].into_iter().flatten() {
            if Some(blob) == ours || session.vault.size(blob).is_none() {
                continue;
            }
            let Some(seen) = read(blob)? else { continue };
            let known = ours.map(read).transpose()?.flatten();
            let key = (path.clone(), blob);
            if let Some((doubt, said)) = trouble(session, reader, (path, seen), known)? {
                observation.complaints.insert(key.clone(), said);
                observation.doubts.insert(key, doubt);
            }
        }
    }
    Ok(())
}

/// Returns why a version must wait, if it must, and what is said of it.
fn trouble(
    session: &Session<'_>,
    reader: Reader,
    (path, blob): (&RepoPath, BlobId),
    ours: Option<BlobId>,
) -> Outcome<Option<(Doubt, String)>> {
    if let Some(said) = complaint(session, reader, path, blob)? {
        let is_no_worse = match ours {
            Some(ours) => complaint(session, reader, path, ours)?.is_some(),
            None => false,
        };
        if !is_no_worse {
            return Ok(Some((Doubt::Broken, said)));
        }
    }
    let Some(ours) = ours else { return Ok(None) };
    let known = named(session, reader, ours)?;
    let Some(named) = named(session, reader, blob)? else {
        return Ok(known.map(|_| (Doubt::Broken, UNREAD.to_owned())));
    };
    // What is not read here names nothing.
    let known = known.unwrap_or_default();
    let taken_away = known.difference(&named).find(|it| keeps_files(it));
    let first = named.difference(&known).next().or(taken_away);
    Ok(first.map(|first| (Doubt::NamesPrograms, told(&shown(first)))))
}

/// Returns where a unit is read: its home path where it is marked, or what a link of the user's says.
fn place(observation: &Observation, path: &RepoPath) -> Option<HomePath> {
    if let Some(home) = path.home() {
        let manifests = [&observation.upstream().manifest, &observation.ours.manifest];
        return manifests.iter().any(|it| it.covering(&home).is_some()).then_some(home);
    }
    cfgsync_core::arrival::place(path, cfgsync_core::linking::Tie::None, &observation.reached)
}

/// Returns what the reader complains of, none where it is content or not here.
fn complaint(
    session: &Session<'_>,
    reader: Reader,
    path: &RepoPath,
    blob: BlobId,
) -> Outcome<Option<String>> {
    if let Some(known) = session.asked.borrow().get(&(reader, blob)) {
        return Ok(known.clone());
    }
    let bytes = session.vault.bytes(blob)?;
    let desk = Desk::set_up(&session.scratch)?;
    let said = match reader {
        Reader::Git => of_git(&desk, &bytes)?,
        Reader::Ssh => of_ssh(&desk, &bytes)?,
        Reader::Zsh => of_zsh(&desk, &bytes)?,
    };
    let name = crate::record::name(path);
    let copy = desk.folder().join(COPY).display().to_string();
    let said = said.map(|said| told(&said.replace(&copy, &name)));
    session.asked.borrow_mut().insert((reader, blob), said.clone());
    Ok(said)
}

/// Returns what a version names; none where its reader does not say.
fn named(
    session: &Session<'_>,
    reader: Reader,
    blob: BlobId,
) -> Outcome<Option<BTreeSet<Vec<u8>>>> {
    let bytes = session.vault.bytes(blob)?;
    if reader != Reader::Git {
        return Ok(Some(programs(reader, &bytes)));
    }
    let desk = Desk::set_up(&session.scratch)?;
    let listing = listed(&desk.put(COPY, &bytes)?, &desk, &["-z", "--list"]);
    let is_whole = |answer: &Answer| answer.ended.is_none() && answer.code == Some(0);
    Ok(listing.filter(is_whole).map(|answer| programs(reader, &answer.stdout)))
}

/// What the copy is called that a program is asked about.
const COPY: &str = "copy";

fn told(said: &str) -> String {
    shown(said).chars().take(LONGEST).collect()
}

/// What the repository is called in which nothing is packed.
const PACKED: &str = "packed";

/// Git reads the file, and then what the values mean.
fn of_git(desk: &Desk, bytes: &[u8]) -> Outcome<Option<String>> {
    let copy = desk.put(COPY, bytes)?;
    let read = failed(listed(&copy, desk, &["--name-only", "--list"]));
    if read.is_some() {
        return Ok(read);
    }
    let meant = ask("git", &["var", "GIT_PAGER"].map(OsStr::new), desk.folder(), Some(&copy));
    // It may fail for other reasons, which are no reason to hold anything.
    let said = failed(meant).filter(|said| said.contains("config"));
    Ok(said.or_else(|| of_packing(desk, &copy)))
}

/// What a push needs and no reader looks at: git packs nothing, in a repository of its own.
fn of_packing(desk: &Desk, copy: &Path) -> Option<String> {
    let make = ["init", "--quiet", "--bare", "--template=", PACKED].map(OsStr::new);
    let is_made = ask("git", &make, desk.folder(), None)?.code == Some(0);
    let pack = ["--git-dir", PACKED, "pack-objects", "--quiet", "--stdout"].map(OsStr::new);
    let packed = |global| failed(ask("git", &pack, desk.folder(), global));
    packed(Some(copy)).filter(|_| is_made && packed(None).is_none())
}

/// Lets Git list what stands in a copy.
fn listed(copy: &Path, desk: &Desk, how: &[&str]) -> Option<Answer> {
    let mut arguments = ["config", "--no-includes", "--file"].map(OsStr::new).to_vec();
    arguments.push(copy.as_os_str());
    arguments.extend(how.iter().map(OsStr::new));
    ask("git", &arguments, desk.folder(), None)
}

fn of_ssh(desk: &Desk, bytes: &[u8]) -> Outcome<Option<String>> {
    let copy = desk.put(COPY, &without_commands(bytes))?;
    let before = ["-G", "-F"].map(OsStr::new);
    let after = ["-oCanonicalizeHostname=no", "127.0.0.1"].map(OsStr::new);
    let arguments = [&before[..], &[copy.as_os_str()], &after[..]].concat();
    Ok(failed(ask("ssh", &arguments, desk.folder(), None)))
}

fn of_zsh(desk: &Desk, bytes: &[u8]) -> Outcome<Option<String>> {
    let copy = desk.put(COPY, bytes)?;
    let arguments = [OsStr::new("-f"), OsStr::new("-n"), copy.as_os_str()];
    Ok(failed(ask("zsh", &arguments, desk.folder(), None)))
}

/// Returns the first line of what a program complained of, where it failed.
fn failed(answer: Option<Answer>) -> Option<String> {
    let answer = answer?;
    if answer.ended.is_some() {
        return Some(UNREAD.to_owned());
    }
    if answer.code == Some(0) {
        return None;
    }
    let line = answer.stderr.lines().find(|line| !line.trim().is_empty());
    let line = line.map(|line| line.trim_start_matches("fatal: ").trim_start_matches("error: "));
    Some(line.unwrap_or("its reader gives no reason").to_owned())
}
