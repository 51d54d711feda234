//! What setup writes besides the sync itself: ignore rules, the `sync.sh` shim, shell lines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cfgsync_core::doubt::Doubt;
use cfgsync_core::observed::Observation;
use cfgsync_core::path::{HomePath, RepoPath};
use cfgsync_core::plan::Held;
use cfgsync_core::policy::Choice;
use cfgsync_core::steps::{Expected, Place};
use cfgsync_core::unit::Mode;

use crate::context::Context;
use crate::failure::{Code, Failure, Outcome};
use crate::fs::dir::os;
use crate::fs::exchange::Entry;
use crate::fs::look::{Found, look};
use crate::fs::plain::{self, Durability};
use crate::fs::writer::{Applied, Fresh};
use crate::observe::live::is_ours;
use crate::session::Session;

/// What Git must not see. `*.local` files never leave the machine; a folder of that name may.
const IGNORED: [&str; 5] =
    ["/.sync/*", "!/.sync/marked-files.txt", "!/.sync/modes.txt", "*.local", "!*.local/"];

/// The old entry point, for hands and scripts that know it.
const SHIM: &str = "#!/bin/sh\nexec cfgsync --dir \"$(dirname \"$0\")\" \"$@\"\n";

const BLOCK_START: &str = "# >>> cfgsync >>>";
const BLOCK_END: &str = "# <<< cfgsync <<<";

/// Adds the ignore rules that are missing; those that are there stay as they are.
pub fn ensure_ignored(session: &Session<'_>) -> Outcome<()> {
    let path = RepoPath::new(".gitignore").map_err(Failure::error)?;
    edit(session, &Place::Repo(path), |text| {
        let missing = missing_rules(text);
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let end = if missing.is_empty() { "" } else { "\n" };
        format!("{text}{}{}{end}", if missing.is_empty() { "" } else { gap }, missing.join("\n"))
    })
}

/// Returns the rules of cfgsync's own that an ignore file does not have.
pub fn missing_rules(text: &str) -> Vec<&'static str> {
    let is_missing = |rule: &&str| !text.lines().any(|line| line.trim() == *rule);
    IGNORED.into_iter().filter(is_missing).collect()
}

/// Writes the shim where nothing stands.
pub fn ensure_shim(context: &Context) -> Outcome<()> {
    let path = context.places.repo.join("sync.sh");
    if path.symlink_metadata().is_ok() {
        if plain::read_text(&path)?.is_none_or(|text| text != SHIM) {
            context.ui.say(
                "  The old sync.sh stays. Remove it and run `cfgsync setup` for one that calls cfgsync.",
            );
        }
        return Ok(());
    }
    Ok(plain::publish_with_mode(&path, SHIM.as_bytes(), Durability::Synced, 0o755)?)
}

/// What stands at the marked paths of a machine that joins.
#[derive(Debug, Default)]
pub struct Piles {
    /// Equal to what is shared.
    pub same: usize,
    /// Not here yet.
    pub fresh: usize,
    /// Different from what is shared.
    pub differing: Vec<Held>,
}

/// Finds the plugin: beside the program, or where oh-my-zsh keeps it.
pub fn plugin(home: &Path) -> Option<PathBuf> {
    let own = std::env::current_exe().ok().and_then(|exe| std::fs::canonicalize(exe).ok());
    let beside = own
        .and_then(|exe| Some(exe.parent()?.parent()?.join("share/cfgsync/configsync.plugin.zsh")));
    let custom = crate::context::variable("ZSH_CUSTOM")
        .map_or_else(|| home.join(".oh-my-zsh/custom"), PathBuf::from)
        .join("plugins/configsync/configsync.plugin.zsh");
    [Some(custom), beside].into_iter().flatten().find(|path| path.exists())
}

/// Adds the lines that load the plugin to `.zshrc`, between two markers.
pub fn add_shell_lines(session: &Session<'_>) -> Outcome<()> {
    let home = &session.context.places.home;
    let plugin = plugin(home).ok_or_else(|| {
        Failure::error("the zsh plugin is not installed")
            .hint("Run `make install` in the source of cfgsync.")
    })?;
    let block = block(home, &plugin);
    edit_zshrc(session, |text| {
        let text = without_block(text);
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        format!("{text}{gap}{block}")
    })
}

/// Takes the lines out again.
pub fn remove_shell_lines(session: &Session<'_>) -> Outcome<()> {
    let zshrc = session.context.places.home.join(".zshrc");
    if !plain::read_text(&zshrc)?.unwrap_or_default().contains(BLOCK_START) {
        return Ok(());
    }
    edit_zshrc(session, without_block)
}

/// Returns a text without the block between the markers.
fn without_block(text: &str) -> String {
    let mut kept = String::new();
    let mut is_inside = false;
    for line in text.split_inclusive('\n') {
        match line.trim_end() {
            BLOCK_START => is_inside = true,
            BLOCK_END if is_inside => is_inside = false,
            _ if is_inside => {}
            _ => kept.push_str(line),
        }
    }
    kept
}

/// Replaces `.zshrc` as any live file is replaced; where it is a link of ours, its stored copy.
fn edit_zshrc(session: &Session<'_>, edit: impl Fn(&str) -> String) -> Outcome<()> {
    let places = &session.context.places;
    let home = HomePath::new(".zshrc").map_err(Failure::error)?;
    let path = places.home.join(os(home.as_bytes()));
    let place = match std::fs::read_link(&path) {
        Ok(target) if is_ours(&places.repo, &home, target.as_os_str().as_encoded_bytes()) => {
            Place::Repo(home.stored())
        }
        // A link of the user's own into the repository: the file there is shared.
        Ok(_) => Place::Repo(in_repository(&places.repo, &path).ok_or_else(|| {
            Failure::new(Code::Refused, format!("{home} is a link that cfgsync did not make"))
                .hint("Edit it by hand: `source <folder of the plugin>/configsync.plugin.zsh` loads the plugin.")
        })?),
        Err(_) => Place::Home(home.clone()),
    };
    self::edit(session, &place, edit)
}

/// Returns the file of the repository that a path leads to.
fn in_repository(repo: &Path, path: &Path) -> Option<RepoPath> {
    let real = std::fs::canonicalize(path).ok()?;
    let below = real.strip_prefix(std::fs::canonicalize(repo).ok()?).ok()?;
    RepoPath::new(below.as_os_str().as_encoded_bytes()).ok()
}

/// Replaces a file as any live file is replaced, with its mode. A link is left alone.
fn edit(session: &Session<'_>, place: &Place, edit: impl Fn(&str) -> String) -> Outcome<()> {
    let writer = session.writer();
    let dir = writer.parent(place, &|_| Mode::EXECUTABLE)?;
    let name = match place {
        Place::Repo(path) => path.name(),
        Place::Home(home) => home.name(),
    };
    let (before, expecting, mode) = match look(&dir, name)? {
        Found::File(whole) => (whole.bytes, Expected::Version(whole.version), whole.version.mode),
        Found::Nothing => (Vec::new(), Expected::Nothing, Mode::FILE),
        Found::Link(_) | Found::Folder | Found::Special | Found::Busy => return Ok(()),
    };
    let text = String::from_utf8_lossy(&before);
    let after = edit(&text);
    if after == text {
        return Ok(());
    }
    session.vault.put(&before)?;
    let at = Entry { dir: &dir, name };
    match writer.write(at, Fresh::File(after.as_bytes(), mode), expecting, &|_| false)? {
        Applied::Done => Ok(()),
        Applied::Stale => {
            let path = dir.join(name);
            Err(Failure::error(format!("{} changed meanwhile", path.display()))
                .hint("Run the command again."))
        }
    }
}

/// Returns the lines for `.zshrc`: the plugin and its place in the prompt. Below `$HOME` they name
/// it, since a shared `.zshrc` meets other homes.
fn block(home: &Path, plugin: &Path) -> String {
    let folder = plugin.parent().unwrap_or(plugin);
    let folder = match folder.strip_prefix(home) {
        Ok(below) => format!("$HOME/{}", below.display()),
        Err(_) => folder.display().to_string(),
    };
    let quoted: String = folder
        .chars()
        .flat_map(|c| if matches!(c, '"' | '\\' | '`') { vec!['\\', c] } else { vec![c] })
        .collect();
    let line = |file: &str| format!("[[ -r \"{quoted}/{file}\" ]] && source \"{quoted}/{file}\"\n");
    let lines = ["configsync.plugin.zsh", "theme-snippet.zsh"].map(line).concat();
    format!("{BLOCK_START}\n{lines}{BLOCK_END}\n")
}

/// Returns true for a unit whose own machine has a file where a shared one wants to be.
pub fn differs_here(held: &Held) -> bool {
    held.sides.base.is_none() && held.sides.ours.is_some() && held.sides.theirs.is_some()
}

/// Returns one choice for all files that differ. Who takes all that is shared did not look at each, so
/// one that its reader calls broken stays held.
pub fn choices(
    observation: &Observation,
    differing: Vec<Held>,
    choice: Choice,
) -> BTreeMap<RepoPath, Choice> {
    let is_broken = |held: &Held| {
        let theirs = held.sides.theirs.map(|theirs| (held.path.clone(), theirs.blob));
        theirs.and_then(|key| observation.doubts.get(&key)) == Some(&Doubt::Broken)
    };
    let taken = differing.into_iter().filter(|held| choice == Choice::Ours || !is_broken(held));
    taken.map(|held| (held.path, choice)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_is_taken_out_and_nothing_else() {
        let text = format!("a\n{BLOCK_START}\nsource x\n{BLOCK_END}\nb");
        assert_eq!(without_block(&text), "a\nb");
        assert_eq!(without_block("a\nb\n"), "a\nb\n");
    }
}
