//! Settings: `config.toml` of the user and of the machine, and what the engine learned about links.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cfgsync_core::escape::{escape, unescape};
use cfgsync_core::path::{HomePath, RepoPath};
use cfgsync_core::setting::Level;
use cfgsync_core::unit::{BlobId, Version};
use serde::{Deserialize, Serialize};

use crate::config_file::{self, ConfigText};
use crate::context::Places;
use crate::failure::{Code, Failure, Outcome};
use crate::fs::plain::{self, Durability};

/// Seconds between two background runs.
const INTERVAL: u64 = 300;

/// Seconds that a background run may take.
const DEADLINE: u64 = 60;

/// Archives that are kept.
const BACKUPS: usize = 10;

/// Days for which snapshots are kept.
const SNAPSHOT_DAYS: u64 = 30;

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
    /// Where the repositories of a host are on the web, for hosts that cfgsync does not know.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub web: BTreeMap<String, String>,
}

/// Whether the desktop says that a background run needs a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notify {
    /// Where somebody sits at it.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
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
    /// Seconds after which a background run is ended.
    pub deadline: u64,
    /// How many archives are kept.
    pub backups: usize,
    /// For how many days snapshots are kept; zero keeps them for good.
    pub snapshot_days: u64,
    /// Whether archives hold `*.local` files too.
    pub backup_local: bool,
    /// Whether the desktop says that a background run needs a person.
    pub notify: Notify,
    /// False once `setup --undo` took cfgsync off this machine.
    pub enabled: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            branch: None,
            interval: INTERVAL,
            deadline: DEADLINE,
            backups: BACKUPS,
            snapshot_days: SNAPSHOT_DAYS,
            backup_local: false,
            notify: Notify::Auto,
            enabled: true,
        }
    }
}

impl UserSettings {
    /// Reads the file; an absent one is all defaults.
    pub fn read(path: &Path) -> Outcome<Self> {
        parse(Level::User, path)
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
        parse(Level::Machine, &places.machine_config())
    }

    /// Writes the file.
    pub fn write(&self, places: &Places) -> Outcome<()> {
        publish(&places.machine_config(), self)
    }
}

fn parse<T: Default + serde::de::DeserializeOwned>(level: Level, path: &Path) -> Outcome<T> {
    let Some(text) = plain::read_text(path)? else { return Ok(T::default()) };
    config_file::check(level, path, &text)?;
    toml::from_str(&text).map_err(|error| {
        let reason = error.to_string().trim_end().replace('\n', "\n  ");
        Failure::new(Code::Usage, format!("could not read {}: {reason}", path.display()))
            .hint("Mend the line, or remove the file to get the defaults.")
    })
}

/// Writes what changed; what a person wrote into the file stays.
fn publish<T: Serialize>(path: &Path, settings: &T) -> Outcome<()> {
    let wanted = toml::to_string(settings)
        .map_err(|error| Failure::error(format!("could not write {}: {error}", path.display())))?;
    let mut text = ConfigText::parse(&plain::read_text(path)?.unwrap_or_default())?;
    text.take_over(&ConfigText::parse(&wanted)?);
    Ok(plain::publish(path, text.text().as_bytes(), Durability::Synced)?)
}

/// Units that were restored for this machine only, and wait until a person decides.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OnlyHere(BTreeMap<RepoPath, Restored>);

/// What was restored, and whether it waits. One that was undone is as upstream, and waits for no
/// decision, until the undo is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Restored {
    blob: BlobId,
    waits: bool,
}

impl OnlyHere {
    /// Reads the list.
    pub fn read(places: &Places) -> Outcome<Self> {
        let text = plain::read_text(&places.meta.join("only-here"))?.unwrap_or_default();
        let line = |line: &str| {
            let [state, blob, path] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                return None;
            };
            let restored = Restored { blob: BlobId::parse(blob)?, waits: state == "waits" };
            Some((RepoPath::new(unescape(path)?).ok()?, restored))
        };
        Ok(Self(text.lines().filter_map(line).collect()))
    }

    /// Writes the list; none where nothing is left.
    pub fn write(&self, places: &Places) -> Outcome<()> {
        let path = places.meta.join("only-here");
        let line = |(path, it): (&RepoPath, &Restored)| {
            let state = if it.waits { "waits" } else { "undone" };
            format!("{state} {} {}\n", it.blob, escape(path.as_bytes()))
        };
        let text: String = self.0.iter().map(line).collect();
        if text.is_empty() {
            return Ok(plain::remove(&path)?);
        }
        Ok(plain::publish(&path, text.as_bytes(), Durability::Synced)?)
    }

    /// Returns the units that wait when this machine has these versions.
    pub fn waiting<'a>(
        &'a self,
        ours: &'a BTreeMap<RepoPath, Version>,
    ) -> impl Iterator<Item = &'a RepoPath> {
        let waits = |(path, it): &(&RepoPath, &Restored)| {
            it.waits || ours.get(*path).is_some_and(|version| version.blob == it.blob)
        };
        self.0.iter().filter(waits).map(|(path, _)| path)
    }

    /// Adds units that were just restored.
    pub fn add(&mut self, units: impl IntoIterator<Item = (RepoPath, BlobId)>) {
        let waits = |(path, blob)| (path, Restored { blob, waits: true });
        self.0.extend(units.into_iter().map(waits));
    }

    /// Forgets units that are decided.
    pub fn forget(&mut self, is_decided: impl Fn(&RepoPath) -> bool) {
        self.0.retain(|path, _| !is_decided(path));
    }

    /// Notes which units wait now.
    pub fn note(&mut self, waits: impl Fn(&RepoPath) -> bool) {
        self.0.iter_mut().for_each(|(path, it)| it.waits = waits(path));
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
