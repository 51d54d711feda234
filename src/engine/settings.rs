//! Settings: `config.toml` of the user and of the machine, and what the engine learned about links.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cfgsync_core::escape::{escape, unescape};
use cfgsync_core::path::{HomePath, RepoPath};
use serde::{Deserialize, Serialize};

use crate::context::Places;
use crate::failure::{Code, Failure, Outcome};
use crate::fs::plain::{self, Durability};

/// Seconds between two background runs.
const INTERVAL: u64 = 300;

/// Archives that are kept.
const BACKUPS: usize = 10;

/// Largest file that is shared without being asked for by name.
pub const LARGEST: u64 = 10 * 1024 * 1024;

/// How often an app may replace a link before the path becomes a copy on this machine.
const PATIENCE: u32 = 2;

/// `~/.config/cfgsync/config.toml`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSettings {
    /// The repository's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
}

/// `.sync/config.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The branch that is synced; the one that was checked out at setup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Seconds between two background runs.
    pub interval: u64,
    /// How many archives are kept.
    pub backups: usize,
    /// Whether archives hold `*.local` files too.
    pub backup_local: bool,
    /// False once `setup --undo` took cfgsync off this machine.
    pub enabled: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            branch: None,
            interval: INTERVAL,
            backups: BACKUPS,
            backup_local: false,
            enabled: true,
        }
    }
}

impl UserSettings {
    /// Reads the file; an absent one is all defaults.
    pub fn read(path: &Path) -> Outcome<Self> {
        parse(path)
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) -> Outcome<()> {
        if let Some(folder) = path.parent() {
            plain::make_private(folder)?;
        }
        publish(path, self)
    }
}

impl Settings {
    /// Reads the file; an absent one is all defaults.
    pub fn read(places: &Places) -> Outcome<Self> {
        parse(&places.meta.join("config.toml"))
    }

    /// Writes the file.
    pub fn write(&self, places: &Places) -> Outcome<()> {
        publish(&places.meta.join("config.toml"), self)
    }
}

fn parse<T: Default + serde::de::DeserializeOwned>(path: &Path) -> Outcome<T> {
    let Some(text) = plain::read_text(path)? else { return Ok(T::default()) };
    toml::from_str(&text).map_err(|error| {
        let reason = error.to_string().trim_end().replace('\n', "\n  ");
        Failure::new(Code::Usage, format!("could not read {}: {reason}", path.display()))
            .hint("Mend the line, or remove the file to get the defaults.")
    })
}

fn publish<T: Serialize>(path: &Path, settings: &T) -> Outcome<()> {
    let text = toml::to_string(settings)
        .map_err(|error| Failure::error(format!("could not write {}: {error}", path.display())))?;
    Ok(plain::publish(path, text.as_bytes(), Durability::Synced)?)
}

/// Units that were restored for this machine only, and wait until a person decides.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OnlyHere(BTreeSet<RepoPath>);

impl OnlyHere {
    /// Reads the list.
    pub fn read(places: &Places) -> Outcome<Self> {
        let text = plain::read_text(&places.meta.join("only-here"))?.unwrap_or_default();
        let path = |line: &str| RepoPath::new(unescape(line)?).ok();
        Ok(Self(text.lines().filter_map(path).collect()))
    }

    /// Writes the list; none where nothing is left.
    pub fn write(&self, places: &Places) -> Outcome<()> {
        let path = places.meta.join("only-here");
        let line = |path: &RepoPath| escape(path.as_bytes()) + "\n";
        let text: String = self.0.iter().map(line).collect();
        if text.is_empty() {
            return Ok(plain::remove(&path)?);
        }
        Ok(plain::publish(&path, text.as_bytes(), Durability::Synced)?)
    }

    /// Returns the units.
    pub fn paths(&self) -> impl Iterator<Item = &RepoPath> {
        self.0.iter()
    }

    /// Returns the list with more units.
    #[must_use]
    pub fn with(mut self, paths: impl IntoIterator<Item = RepoPath>) -> Self {
        self.0.extend(paths);
        self
    }

    /// Forgets every unit that no longer waits, and returns whether there was one.
    pub fn keep_only(&mut self, waits: impl Fn(&RepoPath) -> bool) -> bool {
        let known = self.0.len();
        self.0.retain(waits);
        self.0.len() < known
    }
}

/// How often an app replaced our link, path by path, on this machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ReplacedLinks(BTreeMap<HomePath, u32>);

impl ReplacedLinks {
    /// Reads what was learned.
    pub fn read(places: &Places) -> Outcome<Self> {
        let text = plain::read_text(&places.meta.join("replaced-links"))?.unwrap_or_default();
        let line = |line: &str| {
            let (count, path) = line.split_once(' ')?;
            Some((HomePath::new(unescape(path)?).ok()?, count.parse().ok()?))
        };
        Ok(Self(text.lines().filter_map(line).collect()))
    }

    /// Writes what was learned.
    pub fn write(&self, places: &Places) -> Outcome<()> {
        let line =
            |(path, count): (&HomePath, &u32)| format!("{count} {}\n", escape(path.as_bytes()));
        let text: String = self.0.iter().map(line).collect();
        Ok(plain::publish(
            &places.meta.join("replaced-links"),
            text.as_bytes(),
            Durability::Relaxed,
        )?)
    }

    /// Counts one more for a path.
    pub fn count(&mut self, path: &HomePath) {
        *self.0.entry(path.clone()).or_default() += 1;
    }

    /// Returns the paths that are copies on this machine.
    pub fn copies(&self) -> BTreeSet<HomePath> {
        self.0
            .iter()
            .filter(|(_, count)| **count >= PATIENCE)
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// Forgets a path.
    pub fn forget(&mut self, path: &HomePath) {
        self.0.remove(path);
    }
}
