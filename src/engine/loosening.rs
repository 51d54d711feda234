//! Whether rules that arrive would let files leave this machine: ignore files that keep less, and
//! attributes that take a filter away; and whether those here would, were upstream's overruled. The files
//! of this machine are asked, and the rules as they would be; what waits because of it, the plan decides.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cfgsync_core::arrival::rules::{Rules, becomes};
use cfgsync_core::arrival::waits_at_home;
use cfgsync_core::doubt::Doubt;
use cfgsync_core::names::is_dropping;
use cfgsync_core::observed::{Loosened, Observation};
use cfgsync_core::path::{HomePath, RepoPath};
use cfgsync_core::unit::{Kind, Version};
use std::os::unix::ffi::OsStrExt;

use crate::failure::Outcome;
use crate::fs::desk::Desk;
use crate::fs::dir::os;
use crate::fs::plain;
use crate::git::rulebook::Rulebook;
use crate::record::name;
use crate::session::Session;

/// How many files are named.
const NAMED: usize = 3;

/// A file of rules that this machine or upstream has.
struct RuleFile {
    path: RepoPath,
    rules: Rules,
    here: Option<Version>,
    then: Option<Version>,
    /// Whether it is the user's own, outside the repository.
    is_of_user: bool,
    /// Whether it waits for the user, and counts for nothing here until then.
    waits: bool,
}

impl RuleFile {
    /// One that nobody has yet.
    fn new(path: &RepoPath, rules: Rules) -> Self {
        let (here, then) = (None, None);
        Self { path: path.clone(), rules, here, then, is_of_user: false, waits: false }
    }
}

/// Adds what rules would let leave to an observation; nothing where no rules arrive.
pub fn find(session: &Session<'_>, observation: &mut Observation) -> Outcome<()> {
    if observation.ours.units == observation.upstream().units {
        return Ok(());
    }
    let files = rule_files(session, observation);
    let arrives = |rules: Rules| {
        let arriving = files.iter().filter(|file| file.rules == rules && file.here != file.then);
        arriving.map(|file| file.path.clone()).collect::<Vec<_>>()
    };
    let (ignore, attributes) = (arrives(Rules::Ignore), arrives(Rules::Attributes));
    find_bared(session, observation, &files)?;
    if ignore.is_empty() && attributes.is_empty() {
        return Ok(());
    }
    let then = rulebook(session, observation, &files, |file| file.then)?;
    if !ignore.is_empty() {
        let freed = freed(session, observation, &then)?;
        wait(observation, Rules::Ignore, ignore, &freed);
    }
    if !attributes.is_empty() {
        let here = rulebook(session, observation, &files, |file| file.here)?;
        let (bared, other) = refiltered(observation, &here, &then)?;
        if !bared.is_empty() {
            // Their bytes here and there were made under different attributes.
            let waits = Loosened { doubt: Doubt::AwaitsAttributes, said: None };
            observation.loosened.extend(other.into_iter().map(|path| (path, waits.clone())));
        }
        wait(observation, Rules::Attributes, attributes, &bared);
    }
    Ok(())
}

/// Returns which of the changes that a command is about to make would let files leave which rules keep
/// here, or keep under a filter; each with some of those files.
pub fn lets_go(
    session: &Session<'_>,
    observation: &Observation,
    changes: &BTreeMap<RepoPath, Option<Version>>,
) -> Outcome<BTreeMap<RepoPath, String>> {
    let mut files = rule_files(session, observation);
    let known: BTreeSet<RepoPath> = files.iter().map(|file| file.path.clone()).collect();
    let new = changes.keys().filter(|path| !known.contains(path));
    files.extend(new.filter_map(|path| Some(RuleFile::new(path, Rules::of(path)?))));
    for file in &mut files {
        file.then = changes.get(&file.path).copied().unwrap_or(file.here);
    }
    let is_changed = |file: &&RuleFile| file.here != file.then;
    if !files.iter().any(|file| is_changed(&file)) {
        return Ok(BTreeMap::new());
    }
    let here = rulebook(session, observation, &files, |file| file.here)?;
    let then = rulebook(session, observation, &files, |file| file.then)?;
    let own = own(observation);
    let (covered, left) = (here.filters(own.iter().copied())?, then.filters(own)?);
    let bared = covered.into_keys().filter(|path| !left.contains_key(path)).collect();
    let gone = [(Rules::Ignore, freed(session, observation, &then)?), (Rules::Attributes, bared)];
    let mut found = BTreeMap::new();
    for (rules, gone) in gone.into_iter().filter(|(_, gone)| !gone.is_empty()) {
        let arriving = files.iter().filter(is_changed).filter(|file| file.rules == rules);
        found.extend(arriving.map(|file| (file.path.clone(), some_of(&gone))));
    }
    Ok(found)
}

/// Finds the files of this machine that upstream's new attributes give a filter, and those here do not.
/// They wait where the attributes wait for a person, and with them where that person lets those here win.
fn find_bared(
    session: &Session<'_>,
    observation: &mut Observation,
    files: &[RuleFile],
) -> Outcome<()> {
    let upstream = |file: &RuleFile| observation.upstream().units.get(&file.path).copied();
    let is_news = |file: &&RuleFile| {
        let theirs = upstream(file);
        let is_new = file.waits || theirs != observation.agreed.units.get(&file.path).copied();
        file.rules == Rules::Attributes && is_new && theirs != file.here
    };
    let news: Vec<&RuleFile> = files.iter().filter(is_news).collect();
    if news.is_empty() {
        return Ok(());
    }
    let own = own(observation);
    let here = rulebook(session, observation, files, |file| file.here)?;
    let here = here.filters(own.iter().copied())?;
    let there = rulebook(session, observation, files, upstream)?;
    let covered = there.filters(own)?.into_keys();
    let bare: Vec<RepoPath> = covered.filter(|path| !here.contains_key(path)).collect();
    let is_sent = |path: &&RepoPath| {
        let sides = observation.sides(path);
        sides.ours.is_none_or(|ours| sides.theirs.map(|theirs| theirs.blob) != Some(ours.blob))
    };
    let sent: Vec<RepoPath> = bare.iter().filter(is_sent).cloned().collect();
    let is_contested = news.iter().any(|file| file.waits || file.here == file.then);
    let waits = Loosened { doubt: Doubt::AwaitsAttributes, said: None };
    if !sent.is_empty() {
        let filters = Loosened { doubt: Doubt::Filters, said: Some(some_of(&sent)) };
        observation.bared.extend(sent.into_iter().map(|path| (path, waits.clone())));
        observation.bared.extend(news.iter().map(|file| (file.path.clone(), filters.clone())));
    }
    if is_contested {
        observation.loosened.extend(bare.into_iter().map(|path| (path, waits.clone())));
    }
    Ok(())
}

/// Returns the files of this machine, those included that cannot be shared as they stand.
fn own(observation: &Observation) -> BTreeSet<&RepoPath> {
    observation.ours.units.keys().chain(observation.local.findings.keys()).collect()
}

/// Names some files.
fn some_of(files: &[RepoPath]) -> String {
    let mut said: Vec<String> = files.iter().take(NAMED).map(name).collect();
    said.extend((files.len() > NAMED).then(|| "and more".to_owned()));
    said.join(", ")
}

/// Lets rules wait where they let go of files.
fn wait(observation: &mut Observation, rules: Rules, arriving: Vec<RepoPath>, gone: &[RepoPath]) {
    if gone.is_empty() {
        return;
    }
    let loosened = Loosened { doubt: rules.doubt(), said: Some(some_of(gone)) };
    observation.loosened.extend(arriving.into_iter().map(|path| (path, loosened.clone())));
}

/// Returns the files of rules that either side has.
fn rule_files(session: &Session<'_>, observation: &Observation) -> Vec<RuleFile> {
    let of_user: Vec<(RepoPath, Rules)> = [Rules::Ignore, Rules::Attributes]
        .into_iter()
        .filter_map(|rules| Some((unit_of_user(session, rules)?, rules)))
        .collect();
    let units = observation.ours.units.keys().chain(observation.upstream().units.keys());
    let paths: BTreeSet<&RepoPath> = units
        .filter(|path| Rules::of(path).is_some() || of_user.iter().any(|(own, _)| own == *path))
        .collect();
    let file = |path: &RepoPath, rules, is_of_user| {
        let waits = is_of_user && waits_at_home(observation, path);
        RuleFile {
            path: path.clone(),
            rules,
            here: observation.ours.units.get(path).copied().filter(|_| !waits),
            then: becomes(observation, path),
            is_of_user,
            waits,
        }
    };
    let of_repository =
        paths.iter().filter_map(|path| Rules::of(path).map(|rules| file(path, rules, false)));
    let of_user = of_user
        .iter()
        .filter(|(path, _)| paths.contains(path))
        .map(|(path, rules)| file(path, *rules, true));
    of_repository.chain(of_user).collect()
}

/// Returns the unit of the user's own rules outside the repository, as it is where they are marked, or
/// where a link or the configuration leads to a file of the repository.
pub fn unit_of_user(session: &Session<'_>, rules: Rules) -> Option<RepoPath> {
    let file = session.worktree.file_of_user(rules);
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let led = real(&file).zip(real(&session.context.places.repo));
    let inside = led.and_then(|(file, repo)| {
        RepoPath::new(file.strip_prefix(repo).ok()?.as_os_str().as_bytes()).ok()
    });
    if inside.is_some() {
        return inside;
    }
    let below = file.strip_prefix(&session.context.places.home).ok()?;
    HomePath::new(below.as_os_str().as_bytes()).ok().map(|home| home.stored())
}

/// Lays the rules out as they are, or would be.
fn rulebook(
    session: &Session<'_>,
    observation: &Observation,
    files: &[RuleFile],
    version: impl Fn(&RuleFile) -> Option<Version>,
) -> Outcome<Rulebook> {
    let book = Rulebook::open(&session.worktree, Desk::set_up(&session.scratch)?)?;
    for rules in [Rules::Ignore, Rules::Attributes] {
        let bytes = plain::read(&session.worktree.file_of_user(rules)).unwrap_or_default();
        book.put_of_user(rules, &bytes.unwrap_or_default())?;
    }
    // Rules that are ignored themselves are here all the same.
    for path in observation.local.ignored.iter().filter(|path| Rules::of(path).is_some()) {
        put_from_disk(session, &book, path)?;
    }
    for file in files {
        let bytes = match version(file).filter(|version| version.kind == Kind::File) {
            Some(version) => session.vault.bytes(version.blob)?,
            None if file.is_of_user => Vec::new(),
            None => continue,
        };
        if file.is_of_user {
            book.put_of_user(file.rules, &bytes)?;
        }
        if Rules::of(&file.path).is_some() {
            book.put(&file.path, &bytes)?;
        }
    }
    Ok(book)
}

fn put_from_disk(session: &Session<'_>, book: &Rulebook, path: &RepoPath) -> Outcome<()> {
    let place = session.context.places.repo.join(os(path.as_bytes()));
    if place.is_file()
        && let Some(bytes) = plain::read(&place)?
    {
        book.put(path, &bytes)?;
    }
    Ok(())
}

/// Returns files of this machine that the rules here ignore, and those would not; not all, where
/// there are many.
fn freed(
    session: &Session<'_>,
    observation: &Observation,
    then: &Rulebook,
) -> Outcome<Vec<RepoPath>> {
    let mut freed = Vec::new();
    for path in &observation.local.ignored {
        let Some(place) = place(session, path) else { continue };
        if place.is_dir() {
            freed_below(session, then, path, &mut freed)?;
        } else if !then.ignores(path)? {
            freed.push(path.clone());
        }
        if freed.len() > NAMED {
            break;
        }
    }
    Ok(freed)
}

/// Looks into a folder that no sync looked into, as one would that it is not left out of any more.
fn freed_below(
    session: &Session<'_>,
    then: &Rulebook,
    folder: &RepoPath,
    freed: &mut Vec<RepoPath>,
) -> Outcome<()> {
    let place = session.context.places.repo.join(os(folder.as_bytes()));
    if then.ignores_folder(folder)? || place.join(".git").exists() {
        return Ok(());
    }
    let below = |name: &[u8]| RepoPath::new([folder.as_bytes(), b"/", name].concat());
    for rules in [&b".gitignore"[..], b".gitattributes"] {
        if let Ok(path) = below(rules) {
            put_from_disk(session, then, &path)?;
        }
    }
    for name in plain::names(&place)? {
        let Ok(path) = below(&name) else { continue };
        if path.is_local_only() || is_dropping(&name) || freed.len() > NAMED {
            continue;
        }
        let child = place.join(os(&name));
        if child.symlink_metadata().is_ok_and(|state| state.is_dir()) {
            freed_below(session, then, &path, freed)?;
        } else if !then.ignores(&path)? {
            freed.push(path);
        }
    }
    Ok(())
}

/// Returns where an ignored file lies that is still there: in the repository, or in a marked folder.
fn place(session: &Session<'_>, path: &RepoPath) -> Option<PathBuf> {
    let places = &session.context.places;
    let stored = places.repo.join(os(path.as_bytes()));
    let live = path.home().map(|home| places.home.join(os(home.as_bytes())));
    [Some(stored), live].into_iter().flatten().find(|place| place.symlink_metadata().is_ok())
}

/// Returns the files of this machine that have a filter here and would have it no more, and all files
/// that would have another one, or another none.
fn refiltered(
    observation: &Observation,
    here: &Rulebook,
    then: &Rulebook,
) -> Outcome<(Vec<RepoPath>, Vec<RepoPath>)> {
    let own = own(observation);
    let all: BTreeSet<&RepoPath> =
        own.iter().copied().chain(observation.upstream().units.keys()).collect();
    let (here, then) = (here.filters(all.iter().copied())?, then.filters(all.iter().copied())?);
    let (mut bared, mut other) = (Vec::new(), Vec::new());
    for path in all {
        let filter = here.get(path);
        if filter == then.get(path) {
            continue;
        }
        if filter.is_some() && own.contains(path) {
            bared.push(path.clone());
        }
        other.push(path.clone());
    }
    Ok((bared, other))
}
