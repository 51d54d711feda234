//! The wording of one sync: refusals, and the message of its commit.

use std::collections::BTreeSet;

use cfgsync_core::doubt::Doubt;
use cfgsync_core::observed::Finding;
use cfgsync_core::path::RepoPath;
use cfgsync_core::plan::{Change, Deed, Flow, Held, Why};
use cfgsync_core::refusal::Refusal;

use crate::failure::{Code, Failure};
use crate::git::remote::Remote;
use crate::git::worktree::Foreign;
use crate::record::name;

/// Says that the repository is not ours to touch just now.
pub fn paused(foreign: &Foreign) -> Failure {
    Failure::new(Code::Foreign, format!("paused: {}", foreign.what)).hint(foreign.hint).hint(
        "Nothing is synced until then; a sync still keeps the state of your files in the vault.",
    )
}

/// What is wrong with upstream's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// It does not contain what was synced before.
    Rewritten,
    /// It ends before what was synced before.
    RolledBack,
    /// It has nothing in common with the repository here.
    Unrelated,
}

/// Both ways out of a history that is not the one that was synced.
const KEEP_OURS: &str = "`cfgsync sync --force-push` keeps what is here, on top of their history.";
const TAKE_THEIRS: &str = "`cfgsync sync --force-pull` takes what is there; what is here is kept, and `undo` brings it back.";

/// Says that upstream's history is not the one that was synced.
pub fn rewritten(history: History) -> Failure {
    let what = match history {
        History::Rewritten => {
            "the remote's history was rewritten: it no longer contains what was synced before"
        }
        History::RolledBack => "the remote was rolled back to before what was synced last",
        History::Unrelated => "the remote and this repository have no common history",
    };
    Failure::new(Code::Refused, what)
        .hint(KEEP_OURS)
        .hint(TAKE_THEIRS)
        .hint("Nothing was changed in your files, nor upstream; with --dry-run, each shows what it would do.")
}

/// Says that upstream is not what the person saw.
pub fn moved() -> Failure {
    Failure::new(Code::Refused, "the remote moved after the preview, so nothing was done")
        .hint("Look at the new preview, then run the command again.")
}

/// Says that the remote did not take a push as long as one was tried. What is queued is sent by a later sync.
pub fn busy(remote: &Remote<'_>) -> Failure {
    let what = "others were at the remote's branch each time, so nothing was sent yet";
    let failure = Failure::new(Code::Offline, what);
    match remote.held_lock() {
        Some(lock) => failure.hint(format!(
            "If no git is at work there, one that was killed left {}; remove it then.",
            lock.display()
        )),
        None => failure.hint("The next sync tries again."),
    }
}

/// Says that commits are not signed although that is wanted. It is said once.
pub fn not_signed(reason: &str) -> String {
    format!(
        "Commits are not signed, as git's configuration wants it (commit.gpgsign): {reason}. They go \
         on without a signature; a sync at a terminal tries again."
    )
}

/// Says that commits lost their signature.
pub fn unsigned(count: usize) -> String {
    let what = if count == 1 { "commit of yours was" } else { "commits of yours were" };
    format!("{count} signed {what} replayed on the remote's history, without the signature")
}

/// Says that commits were made anew without a secret.
pub fn remade(paths: &BTreeSet<RepoPath>) -> String {
    let paths: Vec<String> = paths.iter().map(name).collect();
    format!(
        "commits that held a secret in {} were made anew without it; the old ones stay here, under refs/cfgsync/replaced",
        paths.join(", ")
    )
}

/// Says why a plan is not executed.
pub fn refused(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Emptied { of } => {
            Failure::new(Code::Refused, format!("upstream removed everything ({of} files)"))
                .hint("`cfgsync sync --force-push` puts everything back upstream.")
                .hint("If it is meant, `cfgsync sync --yes` removes it here. Nothing was changed.")
        }
        Refusal::MassRemoval { removed, of } => Failure::new(
            Code::Refused,
            format!("upstream removes or empties {removed} of {of} files"),
        )
        .hint("`cfgsync sync --force-push` puts them back upstream.")
        .hint("If it is meant, `cfgsync sync --yes` takes it over. Nothing was changed here."),
    }
}

/// Longest list of paths in a commit message.
const LISTED: usize = 50;

/// Says what a commit brings: machine, files, and nothing else about them.
pub fn message(machine: &str, changes: &[Change]) -> String {
    let sent: Vec<&Change> = changes.iter().filter(|change| change.flow != Flow::In).collect();
    let subject = match sent[..] {
        [] => "merge".to_owned(),
        [change] => format!("{} {}", verb(change.deed), change.path),
        [first, ..] => format!("{} {} and {} more", verb(first.deed), first.path, sent.len() - 1),
    };
    let subject: String = format!("{machine}: {subject}").chars().take(72).collect();
    let lines: Vec<String> = sent
        .iter()
        .take(LISTED)
        .map(|change| format!("- {} {}\n", verb(change.deed), change.path))
        .collect();
    match sent.len() {
        0 | 1 => format!("{subject}\n"),
        _ => format!("{subject}\n\n{}", lines.concat()),
    }
}

fn verb(deed: Deed) -> &'static str {
    match deed {
        Deed::Added => "add",
        Deed::Edited => "edit",
        Deed::Mode => "change the mode of",
        Deed::Removed => "remove",
        Deed::Kept => "keep",
        Deed::Unmarked => "unmark",
    }
}

/// Says what a person can do about held files, each way once.
pub fn next_steps(held: &[Held]) -> Vec<String> {
    let step = |held: &Held| match held.why {
        Why::Contest(_)
        | Why::FileAgainstFolder
        | Why::Finding(Finding::EditedTwice | Finding::OnlyHere | Finding::Ignored) => {
            "`cfgsync resolve` asks about each; or name one: `cfgsync resolve PATH --ours|--theirs|--both|--merge FILE`."
        }
        Why::InTheWay(_) => {
            "Move away what stands in the way, then run `cfgsync sync`; after the repository moved, `cfgsync doctor --fix`."
        }
        Why::Doubt(Doubt::Unignores | Doubt::Unfilters) => {
            "Look at it (`cfgsync diff PATH`); `cfgsync resolve PATH --theirs` takes it, and those files are shared then as it says; `--ours` puts back upstream what stands here. `*.local` files never leave."
        }
        Why::Doubt(doubt) if doubt.is_decidable() => {
            "Look at it (`cfgsync diff PATH`), then let it in: `cfgsync resolve PATH --theirs`; or take it away upstream: `cfgsync resolve PATH --ours`."
        }
        Why::Doubt(Doubt::TooLarge(_)) => {
            "Make it smaller upstream, or mark it with `cfgsync mark --large` there."
        }
        Why::Doubt(Doubt::Filters) => {
            "Take upstream's attributes first: `cfgsync sync`, or `cfgsync resolve PATH --theirs` where they wait. Or give those files the filter in yours, unmark them, or let git ignore them."
        }
        Why::Doubt(Doubt::AwaitsAttributes) => {
            "Let the .gitattributes in, or take its change away upstream; what waits with it goes on then."
        }
        Why::Doubt(_) => "Rename it on the machine that made it.",
        Why::SameName => "Rename one of the two on a machine that tells them apart.",
        Why::UpstreamIsNoFile => "Put a file in its place upstream, or unmark the path.",
        Why::Finding(Finding::Swapped) => {
            "Rename them back; then exchange what is in the files, or `cfgsync unmark` the folder, rename, and mark it again."
        }
        Why::Finding(Finding::Filtered) => {
            "Set the filter up as git wants it (`git config --global filter.<name>.clean …` and `.smudge`), then run `cfgsync sync`."
        }
        Why::Finding(Finding::Secret(_)) => {
            "`cfgsync secrets list` shows where the secret is. Take it out of the file, or let it travel: `cfgsync secrets allow PATH`."
        }
        Why::Finding(_) => "Such a file goes on by itself once its reason is gone.",
    };
    let mut steps: Vec<String> = held.iter().map(|held| step(held).to_owned()).collect();
    steps.sort();
    steps.dedup();
    steps
}

/// Says that the branch is gone from the remote.
pub fn vanished(branch: &str, others: &[String]) -> Failure {
    let there = match others {
        [] => "it has no branch at all".to_owned(),
        names => format!("it has {}", names.join(", ")),
    };
    let other_way = others.first().map_or_else(
        || {
            "If it is meant to be gone, `git remote remove <name>` goes on without a remote."
                .to_owned()
        },
        |other| format!("If it was renamed, `cfgsync setup --branch {other}` follows it."),
    );
    Failure::new(Code::Refused, format!("the remote no longer has the branch {branch}; {there}"))
        .hint("If it was deleted by mistake, `cfgsync sync --force-push` puts it back.")
        .hint(other_way)
        .hint("Nothing was deleted here.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, flow: Flow) -> Change {
        Change { path: RepoPath::new(path).unwrap(), flow, deed: Deed::Edited }
    }

    #[test]
    fn a_message_names_what_is_sent() {
        assert_eq!(message("m", &[change("a", Flow::Out)]), "m: edit a\n");
        let two = [change("a", Flow::Out), change("b", Flow::In), change("c", Flow::Both)];
        assert_eq!(message("m", &two), "m: edit a and 1 more\n\n- edit a\n- edit c\n");
        assert_eq!(message("m", &[change("b", Flow::In)]), "m: merge\n");
    }
}
