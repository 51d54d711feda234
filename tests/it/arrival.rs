//! What comes from upstream and must not be taken as it is: it waits, everything else goes on, and
//! nothing of it runs.

pub mod aside;
mod canaries;
mod connection;
mod consent;
pub mod forge;
mod kept;
mod lockout;
mod manifests;
mod rules;
#[cfg(target_os = "linux")]
mod traced;
mod trees;
mod waiting;

use std::fs;
use std::path::Path;

/// What a hostile file would make, anywhere, if it ran.
pub const CANARY: &str = "PWNED";

/// Asserts that nothing that came in ran: no file below a folder is called what it would have made.
#[track_caller]
pub fn assert_nothing_ran(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        assert_ne!(entry.file_name(), CANARY, "{} was made", path.display());
        if entry.file_type().unwrap().is_dir() {
            assert_nothing_ran(&path);
        }
    }
}
