//! What one run knows of its surroundings, read once: environment, clock, host, places, settings.

use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use cfgsync_core::fold::fold;
use cfgsync_core::machine::{Kind, Machine};
use cfgsync_core::time::UnixTime;

use crate::failure::{Code, Failure, Outcome};
use crate::fs::plain;
use crate::git::program::Manners;
use crate::settings::{Settings, UserSettings};
use crate::ui::{Answers, Ui};
use crate::{host, identity};

/// Where everything lies.
#[derive(Debug, Clone)]
pub struct Places {
    /// `$HOME`.
    pub home: PathBuf,
    /// The configs repository.
    pub repo: PathBuf,
    /// `.sync/` in the repository.
    pub meta: PathBuf,
    /// This repository's and machine's own state, outside the repository.
    pub state: PathBuf,
    /// What all repositories of this user share: the record's well-known name.
    pub shared_state: PathBuf,
    /// `config.toml` of the user.
    pub user_config: PathBuf,
}

impl Places {
    /// Returns true for a path in the repository, or in a folder that is cfgsync's own.
    pub fn has(&self, path: &Path) -> bool {
        let own = [&self.repo, &self.state, &self.shared_state, &self.user_config];
        own.iter().any(|folder| path.starts_with(folder) || path.starts_with(real(folder)))
    }

    /// Returns true for what cfgsync has of its own beside the repository: settings and state.
    pub fn are_at(&self, path: &Path) -> bool {
        lies_in(path, &self.user_config) || lies_in(path, &self.shared_state)
    }

    /// Returns true for places that no mark may mean: the state, and the repository itself.
    pub fn never_shares(&self, path: &Path) -> bool {
        lies_in(path, &self.shared_state) || lies_in(path, &self.repo)
    }

    /// The status record.
    pub fn record(&self) -> PathBuf {
        self.meta.join("sync-status")
    }

    /// `config.toml` of the machine.
    pub fn machine_config(&self) -> PathBuf {
        self.meta.join("config.toml")
    }

    /// The watch list of the status record.
    pub fn watch(&self) -> PathBuf {
        self.meta.join("watch")
    }

    /// The paths of the watch list whose time of change says something, for shells.
    pub fn watched(&self) -> PathBuf {
        self.meta.join("watched")
    }

    /// The FIFO that has a writer as long as a sync runs.
    pub fn pulse(&self) -> PathBuf {
        self.shared_state.join("pulse")
    }

    /// Where each open shell has a FIFO on which a new record is announced.
    pub fn bells(&self) -> PathBuf {
        self.shared_state.join("bells")
    }

    /// The vault.
    pub fn vault(&self) -> PathBuf {
        self.state.join("vault")
    }

    /// The lock of everything local.
    pub fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }

    /// The lock of a whole sync, network included.
    pub fn running(&self) -> PathBuf {
        self.state.join("running")
    }

    /// There while somebody who was turned away asks for another sync.
    pub fn asked_for_another(&self) -> PathBuf {
        self.state.join("again")
    }

    /// Archives.
    pub fn backups(&self) -> PathBuf {
        self.meta.join("backups")
    }

    /// Displaced files, and where new ones are prepared.
    pub fn displaced(&self) -> PathBuf {
        self.state.join("displaced")
    }

    /// The same, where the state folder is on another file system than the repository.
    pub fn displaced_in_repo(&self) -> PathBuf {
        self.meta.join("displaced")
    }
}

/// What one run knows of its surroundings.
#[derive(Debug)]
pub struct Context {
    /// Where everything lies.
    pub places: Places,
    /// Who we are.
    pub machine: Machine,
    /// What the user set for this repository.
    pub settings: Settings,
    /// When the run started.
    pub now: UnixTime,
    /// How people are talked to.
    pub ui: Ui,
}

impl Context {
    /// Finds the repository and reads what belongs to it.
    pub fn open(dir: Option<&Path>, ui: Ui) -> Outcome<Self> {
        Self::at(known_places(dir)?, ui)
    }

    /// Returns whom Git may ask.
    pub fn manners(&self) -> Manners {
        manners(&self.ui)
    }

    /// Reads what belongs to a repository whose place is known.
    pub fn at(places: Places, ui: Ui) -> Outcome<Self> {
        let kind = host::kind(declared_kind()?);
        let id = identity::read(&places)?;
        let settings = Settings::read(&places)?;
        let machine = Machine { id, kind };
        Ok(Self { places, machine, settings, now: now(), ui })
    }
}

/// Finds the repository, which has to be there.
pub fn known_places(dir: Option<&Path>) -> Outcome<Places> {
    let home = home()?;
    let kind = host::kind(declared_kind()?);
    let repo = find_repository(dir, &home, kind)?.ok_or_else(no_repository)?;
    let places = places(home, repo);
    if !places.repo.join(".git").exists() {
        return Err(Failure::error(format!("{} is no repository", places.repo.display()))
            .hint("Run `cfgsync setup` to make it, or name another with --dir."));
    }
    refuse_strangers(&places)?;
    Ok(places)
}

/// Returns true for what lies in a folder, also where the disk takes another spelling for its name.
fn lies_in(path: &Path, folder: &Path) -> bool {
    let (bytes, own) = (path.as_os_str().as_bytes(), folder.as_os_str().as_bytes());
    // What is plain is most of all, and looked at for each file.
    if bytes.is_ascii()
        && own.is_ascii()
        && !bytes.get(..own.len()).is_some_and(|it| it.eq_ignore_ascii_case(own))
    {
        return false;
    }
    if path.starts_with(folder) {
        return true;
    }
    let above: PathBuf = path.components().take(folder.components().count()).collect();
    let spelled = |path: &Path| fold(path.as_os_str().as_bytes());
    let inode = |path: &Path| std::fs::metadata(path).ok().map(|it| (it.dev(), it.ino()));
    spelled(&above) == spelled(folder) && inode(&above).is_some_and(|it| Some(it) == inode(folder))
}

/// Returns `PATH` without folders that are named from where a program works; where none is left, the
/// system's own.
pub fn programs() -> OsString {
    let named = os_variable("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&named).filter(|folder| folder.is_absolute());
    let whole = std::env::join_paths(folders).unwrap_or_default();
    if whole.is_empty() { "/usr/bin:/bin".into() } else { whole }
}

/// Returns `$HOME`.
pub fn home() -> Outcome<PathBuf> {
    static REAL: OnceLock<PathBuf> = OnceLock::new();
    let home = os_variable("HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home.ok_or_else(|| {
        Failure::error("HOME is not set to a folder").hint("Set HOME, then run the command again.")
    })?;
    Ok(REAL.get_or_init(|| std::fs::canonicalize(&home).unwrap_or(home)).clone())
}

/// Returns whom Git may ask: a person, where one can be asked at all.
pub fn manners(ui: &Ui) -> Manners {
    match ui.answers {
        Answers::Asked => Manners::Ask,
        Answers::Yes | Answers::None => Manners::Silent,
    }
}

/// Returns the kind of machine the user declares.
pub fn declared_kind() -> Outcome<Option<Kind>> {
    let Some(word) = variable("CFGSYNC_MACHINE_KIND").filter(|word| !word.is_empty()) else {
        return Ok(None);
    };
    Kind::parse(&word).map(Some).ok_or_else(|| {
        Failure::new(Code::Usage, format!("CFGSYNC_MACHINE_KIND is `{word}`, which is no kind"))
            .hint("Set it to mac, ec2 or linux, or unset it.")
    })
}

/// Finds the repository: flag, `CFGSYNC_DIR`, the user's config, the machine's habit, the one of
/// the two usual folders that exists. Never the current folder by accident.
fn find_repository(dir: Option<&Path>, home: &Path, kind: Kind) -> Outcome<Option<PathBuf>> {
    let named = dir.map(Path::to_path_buf).or_else(|| {
        os_variable("CFGSYNC_DIR").filter(|value| !value.is_empty()).map(PathBuf::from)
    });
    if let Some(path) = named {
        return Ok(Some(absolute(&path)));
    }
    if let Some(path) = UserSettings::read(&user_config(home))?.dir {
        return Ok(Some(expand(&path, home)));
    }
    let usual = |kind: Kind| kind.usual_folder().map(|folder| home.join(folder));
    let is_there = |path: &PathBuf| path.join(".git").exists();
    let found = usual(kind)
        .filter(is_there)
        .or_else(|| [Kind::Mac, Kind::Ec2].into_iter().filter_map(usual).find(is_there));
    Ok(found.or_else(|| usual(kind)))
}

/// Returns the folder a new repository goes to. Where the machine has no usual one, whoever is there
/// is asked.
pub fn folder_for_setup(dir: Option<&Path>, ui: &Ui) -> Outcome<PathBuf> {
    let home = home()?;
    let kind = host::kind(declared_kind()?);
    match find_repository(dir, &home, kind)? {
        Some(folder) => Ok(folder),
        None if ui.answers == Answers::Asked => {
            let typed = ui.line("Which folder shall the repository be in? [~/configs]");
            Ok(absolute(&expand(&typed.unwrap_or_else(|| "~/configs".to_owned()), &home)))
        }
        None => Err(no_repository()),
    }
}

fn no_repository() -> Failure {
    Failure::error(
        "no configs repository was found, and this kind of machine has no usual place for one",
    )
    .hint("Name it once: `cfgsync setup --dir ~/configs [URL]`, or set CFGSYNC_DIR.")
}

/// Returns where everything lies for a repository.
pub fn places(home: PathBuf, repo: PathBuf) -> Places {
    let repo = std::fs::canonicalize(&repo).unwrap_or(repo);
    let shared_state = shared_state(&home);
    let key = identity::key(&repo);
    Places {
        meta: repo.join(".sync"),
        state: shared_state.join(key),
        shared_state,
        user_config: user_config(&home),
        home,
        repo,
    }
}

/// Returns the folder of the state of all repositories of this user.
pub fn shared_state(home: &Path) -> PathBuf {
    let base = os_variable("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    base.unwrap_or_else(|| home.join(".local/state")).join("cfgsync")
}

/// Returns the user's own settings.
pub fn user_config(home: &Path) -> PathBuf {
    let base = os_variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    base.unwrap_or_else(|| home.join(".config")).join("cfgsync/config.toml")
}

/// Refuses to work as root on someone else's files, and with a repository or a state of somebody else.
pub fn refuse_strangers(places: &Places) -> Outcome<()> {
    use std::os::unix::fs::MetadataExt;
    let me = nix::unistd::geteuid().as_raw();
    let Places { home, repo, meta, state, shared_state, .. } = places;
    for path in [home, repo, &repo.join(".git"), meta, state, shared_state] {
        let owner = std::fs::metadata(path).map_or(me, |file| file.uid());
        if owner != me {
            return Err(Failure::new(
                Code::Refused,
                format!("{} belongs to another user", path.display()),
            )
            .hint("Run cfgsync as the user who owns the files (without sudo)."));
        }
    }
    Ok(())
}

/// Makes the folders of cfgsync's own, and closes those that stand open.
pub fn make_folders(places: &Places) -> Outcome<()> {
    let (displaced, in_repo) = (places.displaced(), places.displaced_in_repo());
    for folder in [&places.shared_state, &places.meta, &places.state, &displaced, &in_repo] {
        plain::make_private(folder)?;
        plain::close_if_open(folder)?;
    }
    Ok(())
}

/// Returns a path without links, as far as it exists.
pub fn real(path: &Path) -> PathBuf {
    let known = path.ancestors().find_map(|above| Some((above.canonicalize().ok()?, above)));
    let Some((known, above)) = known else { return path.to_owned() };
    match path.strip_prefix(above) {
        Ok(rest) if !rest.as_os_str().is_empty() => known.join(rest),
        _ => known,
    }
}

/// Returns an absolute path, without asking the disk.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn expand(path: &str, home: &Path) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => PathBuf::from(path),
    }
}

/// Returns a variable of the environment.
pub fn variable(name: &str) -> Option<String> {
    os_variable(name).and_then(|value| value.into_string().ok())
}

#[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
fn os_variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Throws a number that nobody can tell before.
pub fn dice() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Returns the time.
#[expect(clippy::disallowed_methods, reason = "the one reader of the clock")]
pub fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::lies_in;
    use crate::fs::desk::Desk;

    #[test]
    fn another_spelling_of_a_folder_is_that_folder_where_the_disk_says_so() {
        let desk = Desk::set_up(&std::env::temp_dir()).unwrap();
        let root = desk.folder();
        let own = root.join("state/cfgsync");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::create_dir_all(root.join("other/cfgsync")).unwrap();
        // A link stands for a disk that takes both for one; on such a disk, it is there already.
        let _ = std::os::unix::fs::symlink(root.join("state"), root.join("State"));
        assert!(lies_in(&own.join("a"), &own) && lies_in(&own, &own));
        assert!(lies_in(&root.join("State/cfgsync/a/b"), &own));
        assert!(!lies_in(&root.join("other/cfgsync/a"), &own));
        assert!(!lies_in(&root.join("state/cfgsync2/a"), &own));
        assert!(!lies_in(&root.join("State"), &own));
    }
}
