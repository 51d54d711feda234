//! What a plan must know of files that come from upstream: where links lead, where the user's own
//! links reach into the repository, what is too large. What waits because of it, the plan decides.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use cfgsync_core::along::Along;
use cfgsync_core::arrival::{risky, waits_at_home};
use cfgsync_core::doubt::Doubt;
use cfgsync_core::fold::fold;
use cfgsync_core::observed::{Live, Observation};
use cfgsync_core::path::{HomePath, RepoPath};
use cfgsync_core::unit::{Kind, Version};
use std::os::unix::ffi::OsStrExt;

use crate::context::variable;
use crate::failure::Outcome;
use crate::fs::dir::os;
use crate::fs::plain;
use crate::lockout;
use crate::session::Session;
use crate::settings::LARGEST;

/// The name under which a folder of the user's `PATH` is known to be one of commands.
const COMMANDS: &str = "bin";

/// The name under which the folder of the user's hooks is known to be one.
const HOOKS: &str = ".githooks";

/// Where Git LFS looks for its server: at the top of the repository.
const LFS: &str = ".lfsconfig";

/// Adds what is to be known of arrivals to an observation; nothing where nothing arrives.
pub fn find(session: &Session<'_>, observation: &mut Observation) -> Outcome<()> {
    let fresh = fresh(observation);
    if fresh.is_empty() {
        return Ok(());
    }
    for (path, version) in &fresh {
        let size = session.vault.size(version.blob).unwrap_or_default() as u64;
        let mark = path.home().and_then(|home| {
            observation.upstream().manifest.covering(&home).map(|(_, mark)| mark.allows_large())
        });
        if size > LARGEST && mark != Some(true) {
            observation.doubts.insert((path.clone(), version.blob), Doubt::TooLarge(size));
        }
    }
    if fresh.iter().any(|(_, version)| version.kind == Kind::Link) {
        let links = observation.upstream().units.values();
        let links: Vec<Version> = links.filter(|it| it.kind == Kind::Link).copied().collect();
        for link in links {
            observation.targets.insert(link.blob, session.vault.bytes(link.blob)?);
        }
    }
    observation.reached = reached(session);
    lockout::find(session, observation, &fresh)
}

/// Returns what upstream has and this machine does not, or not yet where it is used.
fn fresh(observation: &Observation) -> Vec<(RepoPath, Version)> {
    let mut ours = Along::new(&observation.ours.units);
    let mut live = Along::new(&observation.local.live);
    let is_fresh = |(path, theirs): &(&RepoPath, &Version)| {
        let is_here = matches!(live.at(path), None | Some(Live::Linked | Live::File(_)));
        ours.at(path) != Some(*theirs) || (!is_here && waits_at_home(observation, path))
    };
    let units = observation.upstream().units.iter().filter(is_fresh);
    units.map(|(path, version)| (path.clone(), *version)).collect()
}

/// Returns the places of the repository that something of the user's leads to: a link in `$HOME`,
/// `PATH`, the folder of hooks, Git LFS.
fn reached(session: &Session<'_>) -> Vec<(RepoPath, HomePath)> {
    let places = &session.context.places;
    let inside = |path: &Path| {
        let below = path.strip_prefix(&places.repo).ok()?;
        RepoPath::new(below.as_os_str().as_bytes()).ok()
    };
    let mut there = There { home: &places.home, listed: HashMap::new() };
    let linked =
        risky::named().filter(|(name, _)| there.has(name)).flat_map(|(name, is_folder)| {
            let below = if is_folder { links_in(&places.home, &name) } else { Vec::new() };
            std::iter::once(name).chain(below)
        });
    let linked: BTreeSet<Vec<u8>> = linked.collect();
    let linked = linked.into_iter().filter_map(|name| {
        let target = follow(&places.home.join(os(&name)))?;
        let path = inside(&target)?;
        // Links of cfgsync's own lead to stored copies, and are known by their marks.
        let home = HomePath::new(&*name).ok()?;
        (path.home().as_ref() != Some(&home)).then_some((path, home))
    });
    let commands = variable("PATH").unwrap_or_default();
    let commands: Vec<PathBuf> = std::env::split_paths(&commands).collect();
    let marked = |folder: &Path| {
        let below = folder.strip_prefix(&places.home).ok()?;
        HomePath::new(below.as_os_str().as_bytes()).ok().map(|home| home.stored())
    };
    let commands = commands.iter().filter_map(|folder| {
        let real = follow(folder).unwrap_or_else(|| folder.clone());
        let path = inside(&real).or_else(|| marked(&real))?;
        Some((path, HomePath::new(COMMANDS).ok()?))
    });
    let hooks = session.worktree.hooks_folder();
    let hooks = std::fs::canonicalize(&hooks).unwrap_or(hooks);
    let hooks = inside(&hooks).or_else(|| marked(&hooks));
    let hooks = hooks.and_then(|path| Some((path, HomePath::new(HOOKS).ok()?)));
    let heeds_lfs = session.worktree.setting("filter.lfs.process").is_some();
    let lfs = RepoPath::new(LFS).ok().zip(HomePath::new(LFS).ok()).filter(|_| heeds_lfs);
    linked.chain(commands).chain(hooks).chain(lfs).collect()
}

/// Which names there are in a home, each of whose folders is listed once: most places of programs are of
/// programs that nobody uses here.
struct There<'a> {
    home: &'a Path,
    /// Names by their folder, folded; none where it cannot be listed.
    listed: HashMap<Vec<u8>, Option<HashSet<Vec<u8>>>>,
}

impl There<'_> {
    /// Returns false for what is not there on any disk, however that compares names.
    fn has(&mut self, name: &[u8]) -> bool {
        let cut = name.iter().rposition(|byte| *byte == b'/');
        let (above, last) = cut.map_or((&b""[..], name), |at| (&name[..at], &name[at + 1..]));
        if !above.is_empty() && !self.has(above) {
            return false;
        }
        let names = self.listed.entry(above.to_vec()).or_insert_with(|| {
            let names = plain::names(&self.home.join(os(above))).ok()?;
            Some(names.iter().map(|name| fold(name)).collect())
        });
        names.as_ref().is_none_or(|names| names.contains(&fold(last)))
    }
}

/// Returns the links right in a folder of the home; none where it is none, or cannot be read.
fn links_in(home: &Path, folder: &[u8]) -> Vec<Vec<u8>> {
    let place = home.join(os(folder));
    let names = plain::names(&place).unwrap_or_default();
    let links = names.into_iter().filter(|name| place.join(os(name)).is_symlink());
    links.map(|name| [folder, b"/", &name].concat()).collect()
}

/// Returns where a link leads, also one that leads nowhere yet; none where there is no link.
fn follow(path: &Path) -> Option<PathBuf> {
    let target = std::fs::read_link(path).ok()?;
    let above = std::fs::canonicalize(path.parent()?).ok()?;
    let whole = above.join(target);
    if let Ok(real) = std::fs::canonicalize(&whole) {
        return Some(real);
    }
    let mut plain = PathBuf::new();
    for part in whole.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    Some(plain)
}
