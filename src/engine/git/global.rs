//! The user's own Git configuration where it is broken: a sync goes on without it, and says so.
//!
//! What it said of names, addresses and credentials is missing then. The repository's own
//! configuration still counts; where that one is broken, nothing goes on.

use std::sync::OnceLock;

use cfgsync_core::inert::shown;
use git2::ConfigLevel;

use super::program::Answer;

/// What is wrong with it.
static TROUBLE: OnceLock<String> = OnceLock::new();

/// Returns why the user's configuration is left out, none where it is in order.
pub fn trouble() -> Option<&'static str> {
    TROUBLE.get().map(String::as_str)
}

/// Looks whether the library can read the configuration, and leaves it out where it cannot.
pub fn settle() {
    let Err(error) = git2::Config::open_default().and_then(|mut config| config.snapshot()) else {
        return;
    };
    if error.class() != git2::ErrorClass::Config {
        return;
    }
    let _ = TROUBLE.set(shown(error.message()));
    for level in [ConfigLevel::Global, ConfigLevel::XDG] {
        #[expect(unsafe_code, reason = "git2 cannot know that no other thread reads the path")]
        // SAFETY: it is called once, before any other thread exists.
        let _ = unsafe { git2::opts::set_search_path(level, "") };
    }
}

/// Returns true for a call that failed because of a value in the user's configuration; from then on
/// it is left out, so the call can be made once more.
pub fn is_to_blame(answer: &Answer) -> bool {
    if answer.code != Some(128) || trouble().is_some() {
        return false;
    }
    let is_config = |line: &&str| {
        line.starts_with("fatal: bad ") && line.contains("config") && !line.contains(".git/config")
    };
    let Some(line) = answer.stderr.lines().find(is_config) else { return false };
    TROUBLE.set(shown(line.trim_start_matches("fatal: "))).is_ok()
}
