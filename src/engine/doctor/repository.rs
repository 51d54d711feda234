//! The repository and the vault: what is under way, what was left behind, and whether they are whole.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cfgsync_core::checkup::Diagnosis;

use super::{Finding, Remedy};
use crate::failure::Outcome;
use crate::fs::dir::os;
use crate::fs::plain;
use crate::git::program::{self, Limits};
use crate::git::signing::Signer;
use crate::session::Session;
use crate::ui::report;

/// How long looking through all objects may take, for each store.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where locks of Git's can be left that stop a sync, beside `index.lock`.
const LOCKS: [&str; 4] = ["HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock"];

/// Says which repository it is, and what of the user's keeps syncs from it.
pub fn under_way(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let places = &session.context.places;
    if !session.context.settings.enabled {
        let off = Diagnosis::note("repository", "cfgsync was taken off this machine");
        return Ok(vec![off.mend("`cfgsync setup` puts it back.").into()]);
    }
    let foreign = session.worktree.foreign(&session.branch)?;
    let diagnosis = match foreign {
        Some(foreign) => Diagnosis::error("repository", foreign.what)
            .because("no sync touches the repository meanwhile")
            .mend(foreign.hint),
        None => Diagnosis::ok(
            "repository",
            format!("{}, branch {}", places.repo.display(), session.branch),
        ),
    };
    Ok(vec![diagnosis.into()])
}

/// Finds what a run or a git left locked that is gone.
#[expect(clippy::unnecessary_wraps, reason = "a look as the others in the table")]
pub fn locks(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let places = &session.context.places;
    let mut found: Vec<Finding> = Vec::new();
    let is_unfinished = places.state.join("unfinished").exists();
    if is_unfinished && !is_running(&places.lock()) {
        let left = Diagnosis::note("locks", "a run ended before it was done")
            .because("the next sync cleans up after it and goes on; nothing is lost");
        found.push(Finding::curable(left, Remedy::Recover));
    }
    let git = session.worktree.git_folder();
    let refs = below(&git.join("refs"), b".lock");
    let left = LOCKS.iter().map(|name| git.join(name)).filter(|path| path.exists()).chain(refs);
    for path in left {
        let age = age(&path);
        let locked = format!("{} stands since {age} minutes", path.display());
        let diagnosis = if age < 2 {
            Diagnosis::note("locks", locked).because("a git may be at work")
        } else {
            Diagnosis::warning("locks", locked)
                .because("Git does not move what is locked, and nothing tells whose it is")
                .mend(format!("If no git runs: `rm {}`.", path.display()))
        };
        found.push(diagnosis.into());
    }
    if found.is_empty() {
        found.push(Diagnosis::ok("locks", "none is left behind").into());
    }
    Ok(found)
}

/// Returns true while a run holds the lock, which dies with it.
fn is_running(lock: &Path) -> bool {
    std::fs::File::open(lock).is_ok_and(|file| file.try_lock_shared().is_err())
}

/// Returns the files below a folder whose names end so.
fn below(folder: &Path, ending: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in plain::names(folder).unwrap_or_default() {
        let path = folder.join(os(&name));
        if path.is_dir() && !path.is_symlink() {
            found.extend(below(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found
}

/// Returns how many minutes ago a file was changed.
fn age(path: &Path) -> u64 {
    let changed = path.symlink_metadata().and_then(|file| file.modified());
    let since = changed.ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or(0, |at| crate::context::now().seconds().saturating_sub(at.as_secs()) / 60)
}

/// Looks whether every object is there that a commit needs.
pub fn fsck(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let vault = session.context.places.vault();
    let git = session.worktree.git_folder().to_owned();
    let mut found = Vec::new();
    for (what, store, mend) in [
        (
            "the repository",
            git,
            "`git fsck` in it says more; a new clone is whole, and `cfgsync setup --dir NEW` takes it.",
        ),
        (
            "the vault",
            vault,
            "Move it away; the next sync begins a new one. Archives are not in it.",
        ),
    ] {
        if !store.exists() {
            continue;
        }
        let limits = Limits::local(PATIENCE);
        let scratch = std::env::temp_dir();
        let arguments = ["fsck", "--connectivity-only", "--no-dangling", "--no-progress"];
        let answer = program::run(&store, None, limits, &scratch, &arguments)?;
        let diagnosis = match (answer.code, answer.ended) {
            (Some(0), _) => Diagnosis::ok("fsck", format!("{what} is whole")),
            (_, Some(_)) => {
                Diagnosis::note("fsck", format!("{what} is too large to be looked through here"))
                    .mend("`git fsck` in it takes all the time it needs.")
            }
            _ => {
                let said = [answer.text(), answer.stderr].concat();
                let telling = said.lines().find(|line| line.contains("missing"));
                let first = telling.or_else(|| said.lines().find(|line| !line.trim().is_empty()));
                Diagnosis::error("fsck", format!("{what} is damaged"))
                    .because(first.unwrap_or("git gave no reason").to_owned())
                    .mend(mend)
            }
        };
        found.push(diagnosis.into());
    }
    Ok(found)
}

/// Says whether commits are signed, where git's configuration wants that.
pub fn signing(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let state = &session.context.places.state;
    let signer = Signer::of(&session.worktree, state, session.context.manners());
    let Some(signer) = signer else { return Ok(Vec::new()) };
    let diagnosis = match signer.refusal()? {
        Some(reason) => Diagnosis::warning("signing", "commits go without a signature")
            .because(format!("commit.gpgsign wants one: {reason}"))
            .mend("Give the key to an agent, then run `cfgsync sync` at a terminal."),
        None => Diagnosis::ok("signing", "commits are signed, as git's configuration wants it"),
    };
    Ok(vec![diagnosis.into()])
}

/// Says where the vault is, how large it has grown, and how far back it goes.
pub fn vault(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let vault = session.context.places.vault();
    let snapshots = session.vault.snapshots()?;
    let since = snapshots.first().map_or_else(String::new, |oldest| {
        format!(", {} snapshots since {}", snapshots.len(), report::moment(oldest.at.seconds()))
    });
    let size = report::size(folder_size(&vault));
    Ok(vec![Diagnosis::ok("vault", format!("{} ({size}{since})", vault.display())).into()])
}

fn folder_size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |path: PathBuf| match path.symlink_metadata() {
        Ok(entry) if entry.is_dir() => folder_size(&path),
        Ok(entry) => entry.len(),
        Err(_) => 0,
    };
    entries.map(|entry| size(entry.path())).sum()
}
