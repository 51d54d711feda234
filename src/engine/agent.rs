//! Due syncs that the system itself starts: the files of a systemd user timer or a launchd agent, and
//! the programs that take notice of them. What differs by system is in this file.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cfgsync_core::timer::Timer;

use crate::context::{Context, variable};
use crate::failure::{Failure, Outcome};
use crate::fs::plain::{self, Durability};

/// What a shell knows, and the system may not.
const VARIABLES: [&str; 5] =
    ["PATH", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "SSH_AUTH_SOCK", "CFGSYNC_MACHINE_KIND"];

/// The agent's label.
const LABEL: &str = "cfgsync.sync";

/// A file, and what it holds.
#[derive(Debug)]
pub struct Wanted {
    /// Where it is.
    pub path: PathBuf,
    text: String,
}

impl Wanted {
    /// Returns whether it is there as it should be.
    pub fn stands(&self) -> Outcome<bool> {
        Ok(plain::read(&self.path)?.is_some_and(|bytes| bytes == self.text.as_bytes()))
    }

    /// Writes it.
    pub fn write(&self) -> Outcome<()> {
        if let Some(folder) = self.path.parent() {
            plain::make_private(folder)?;
        }
        Ok(plain::publish_with_mode(&self.path, self.text.as_bytes(), Durability::Synced, 0o644)?)
    }
}

/// Returns the files there should be.
pub fn files(context: &Context) -> Outcome<Vec<Wanted>> {
    let own = std::env::current_exe()
        .map_err(|error| Failure::error(format!("could not find cfgsync itself: {error}")))?;
    let known = |name: &'static str| Some((name, variable(name)?)).filter(|(_, it)| !it.is_empty());
    let timer = Timer {
        program: text(&own)?,
        folder: text(&context.places.repo)?,
        variables: VARIABLES.into_iter().filter_map(known).collect(),
    };
    Ok(files_of(context, &timer))
}

#[cfg(not(target_os = "macos"))]
fn files_of(context: &Context, timer: &Timer<'_>) -> Vec<Wanted> {
    // Beside the folder of cfgsync's own settings.
    let settings = context.places.user_config.ancestors().nth(2);
    let folder = settings.unwrap_or(&context.places.home).join("systemd/user");
    vec![
        Wanted { path: folder.join("cfgsync.service"), text: timer.systemd_unit() },
        Wanted { path: folder.join("cfgsync.timer"), text: Timer::systemd_timer() },
    ]
}

#[cfg(target_os = "macos")]
fn files_of(context: &Context, timer: &Timer<'_>) -> Vec<Wanted> {
    let folder = context.places.home.join("Library/LaunchAgents");
    vec![Wanted { path: folder.join(format!("{LABEL}.plist")), text: timer.launchd(LABEL) }]
}

fn text(path: &Path) -> Outcome<&str> {
    path.to_str().ok_or_else(|| {
        Failure::error(format!("{} is no text, which a timer needs", path.display()))
            .hint("Move it to a path of plain letters.")
    })
}

/// Returns the commands that let the system take notice of new files.
pub fn starting(files: &[Wanted]) -> Vec<Vec<String>> {
    if cfg!(target_os = "macos") {
        let path = files.first().map(|file| file.path.display().to_string()).unwrap_or_default();
        return vec![
            words(&["launchctl", "bootout", &target()]),
            words(&["launchctl", "bootstrap", &domain(), &path]),
        ];
    }
    vec![
        words(&["systemctl", "--user", "daemon-reload"]),
        words(&["systemctl", "--user", "enable", "--now", "cfgsync.timer"]),
    ]
}

/// Returns the commands that end what the files began; they have to be there yet.
pub fn ending() -> Vec<Vec<String>> {
    if cfg!(target_os = "macos") {
        return vec![words(&["launchctl", "bootout", &target()])];
    }
    vec![words(&["systemctl", "--user", "disable", "--now", "cfgsync.timer"])]
}

/// Returns whether the files there start the syncs of this repository.
pub fn serves(context: &Context, files: &[Wanted]) -> Outcome<bool> {
    let folder = context.places.repo.as_os_str().as_bytes();
    // The first one says what is started.
    let Some(file) = files.first() else { return Ok(false) };
    let text = plain::read(&file.path)?.unwrap_or_default();
    Ok(file.stands()? || text.windows(folder.len()).any(|part| part == folder))
}

/// Ends what the files began, and takes them away.
pub fn remove(files: &[Wanted]) -> Outcome<()> {
    for words in ending() {
        // What never took notice of the files need not be told.
        run(&words);
    }
    Ok(files.iter().try_for_each(|file| plain::remove(&file.path))?)
}

fn domain() -> String {
    format!("gui/{}", nix::unistd::geteuid())
}

fn target() -> String {
    format!("{}/{LABEL}", domain())
}

fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|word| (*word).to_owned()).collect()
}

/// Runs a command, and returns whether it went well.
pub fn run(words: &[String]) -> bool {
    let Some((program, arguments)) = words.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
