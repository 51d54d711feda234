//! One archive: a `tar.gz` of all files of this machine, with a list of contents as its first entry.
//!
//! Whoever unpacks it with `tar` gets every file under its place in the repository, a link of the
//! repository as a text that holds its target. cfgsync itself never unpacks: it reads entries, checks
//! each against the list, and hands the bytes on. An archive counts as hostile until it was read to
//! its end.

mod entries;
pub mod gzip;
pub mod read;
pub mod seal;
pub mod verify;
pub mod write;

use std::path::Path;

use crate::failure::{Code, Failure};

/// The name of the list of contents; no unit has it.
const LIST: &str = ".cfgsync-archive";

/// Says that an archive cannot be trusted.
fn unsound(path: &Path, reason: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Refused, format!("{} is no sound archive: {reason}", path.display())).hint(
        "Nothing was written. `cfgsync backup --list` shows the others, and `cfgsync restore` what \
         else there is.",
    )
}
