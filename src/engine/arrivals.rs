//! What a plan must know of files that come from upstream: where links lead, where the user's own
//! links reach into the repository, what is too large. What waits because of it, the plan decides.

use std::path::{Component, Path, PathBuf};

use cfgsync_core::arrival::waits_at_home;
use cfgsync_core::doubt::Doubt;
use cfgsync_core::observed::Observation;
use cfgsync_core::path::{HomePath, RepoPath};
use cfgsync_core::unit::{Kind, Version};
use std::os::unix::ffi::OsStrExt;

use crate::context::variable;
use crate::failure::Outcome;
use crate::lockout;
use crate::session::Session;
use crate::settings::LARGEST;

/// Names in `$HOME` that people link into their repository: dotfiles that something runs, and folders
/// of such.
const LINKED: [&str; 40] = [
    ".ssh",
    ".ssh/config",
    ".config",
    ".config/git",
    ".config/git/config",
    ".config/zsh/.zshrc",
    ".config/zsh/.zshenv",
    ".config/fish/conf.d",
    ".config/fish/config.fish",
    ".config/fish/functions",
    ".config/i3",
    ".config/sway",
    ".config/hypr",
    ".config/environment.d",
    ".config/systemd",
    ".config/systemd/user",
    ".config/autostart",
    ".config/fish",
    ".config/zsh",
    ".config/direnv",
    ".gitconfig",
    ".zshenv",
    ".zshrc",
    ".zprofile",
    ".zlogin",
    ".zsh",
    ".zfunc",
    ".oh-my-zsh",
    ".bash_aliases",
    ".p10k.zsh",
    ".bashrc",
    ".bash_profile",
    ".profile",
    ".local",
    ".local/bin",
    "bin",
    ".githooks",
    "Library",
    "Library/LaunchAgents",
    ".npmrc",
];

/// The name under which a folder of the user's `PATH` is known to be one of commands.
const COMMANDS: &str = "bin";

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
    let is_fresh = |(path, theirs): &(&RepoPath, &Version)| {
        observation.ours.units.get(*path) != Some(*theirs) || waits_at_home(observation, path)
    };
    let units = observation.upstream().units.iter().filter(is_fresh);
    units.map(|(path, version)| (path.clone(), *version)).collect()
}

/// Returns the places of the repository that something of the user's leads to: a link in `$HOME`, or
/// `PATH`.
fn reached(session: &Session<'_>) -> Vec<(RepoPath, HomePath)> {
    let places = &session.context.places;
    let inside = |path: &Path| {
        let below = path.strip_prefix(&places.repo).ok()?;
        RepoPath::new(below.as_os_str().as_bytes()).ok()
    };
    let linked = LINKED.iter().filter_map(|name| {
        let target = follow(&places.home.join(name))?;
        let path = inside(&target)?;
        // Links of cfgsync's own lead to stored copies, and are known by their marks.
        let home = HomePath::new(*name).ok()?;
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
    linked.chain(commands).collect()
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
