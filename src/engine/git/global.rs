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

/// Keys whose value the library reads late, and then fails with.
const MEANT: [&str; 2] = ["core.logAllRefUpdates", "core.ignoreCase"];

/// Returns why the user's configuration is left out, none where it is in order.
pub fn trouble() -> Option<&'static str> {
    TROUBLE.get().map(String::as_str)
}

/// Looks whether the library can read the configuration, and leaves it out where it cannot.
pub fn settle() {
    let trouble = match git2::Config::open_default().and_then(|mut config| config.snapshot()) {
        Ok(config) => MEANT.iter().find_map(|key| misread(&config, key)),
        Err(error) if error.class() == git2::ErrorClass::Config => Some(shown(error.message())),
        Err(_) => None,
    };
    let Some(trouble) = trouble else { return };
    let _ = TROUBLE.set(trouble);
    for level in [ConfigLevel::Global, ConfigLevel::XDG] {
        #[expect(unsafe_code, reason = "git2 cannot know that no other thread reads the path")]
        // SAFETY: it is called once, before any other thread exists.
        let _ = unsafe { git2::opts::set_search_path(level, "") };
    }
}

/// Returns why a value means nothing to the library; none where it means something.
fn misread(config: &git2::Config, key: &str) -> Option<String> {
    let value = config.get_string(key).ok()?;
    let is_known =
        git2::Config::parse_bool(&*value).is_ok() || value.eq_ignore_ascii_case("always");
    (!is_known).then(|| format!("bad config value '{}' for '{key}'", shown(&value)))
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
