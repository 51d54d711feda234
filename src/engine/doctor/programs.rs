//! The programs: whether they are there, which ones they are, and of which version.

use std::path::Path;

use cfgsync_core::checkup::{Diagnosis, judge};

use crate::git::global;

use super::{Finding, on_path, said};

/// The version of this program.
const OWN: &str = env!("CARGO_PKG_VERSION");

/// Looks at every program that a sync or the light needs.
pub fn programs() -> Vec<Finding> {
    let root = Path::new("/");
    // A broken configuration of the user's is no reason to call git missing.
    let git = said(root, "GIT_CONFIG_GLOBAL=/dev/null git --version");
    let zsh = said(root, "zsh --version");
    [own(), prompt(root), judge::git(git.as_deref()), judge::zsh(zsh.as_deref())]
        .into_iter()
        .chain(global::trouble().map(judge::broken_configuration))
        .map(Finding::from)
        .collect()
}

/// The one that runs, and the one that a shell would find.
fn own() -> Diagnosis {
    let running = std::env::current_exe().and_then(|path| path.canonicalize()).ok();
    let found = on_path("cfgsync").into_iter().next();
    let Some(found) = found else {
        return Diagnosis::note(
            "cfgsync",
            "cfgsync is no program on your PATH; the zsh plugin does without it",
        )
        .because("no background sync is started from a prompt then")
        .mend("Put its folder on PATH (after `make install`: `~/.local/bin`).");
    };
    let is_same = running.is_none() || found.canonicalize().ok() == running;
    if !is_same {
        return Diagnosis::warning(
            "cfgsync",
            format!("a shell finds another cfgsync: {}", found.display()),
        )
        .because("the one in the background is then not the one you typed")
        .mend("Remove one of the two, or change the order of PATH.");
    }
    Diagnosis::ok("cfgsync", format!("cfgsync {OWN}, {}", found.display()))
}

fn prompt(root: &Path) -> Diagnosis {
    if on_path("cfgsync-prompt").is_empty() {
        return Diagnosis::note(
            "prompt",
            "cfgsync-prompt is no program on your PATH; the zsh plugin does without it",
        )
        .because("the light then shows what the last sync found, and not what changed since")
        .mend("Put its folder on PATH (after `make install`: `~/.local/bin`).");
    }
    judge::prompt(OWN, said(root, "cfgsync-prompt --version").as_deref())
}
