//! Asking a program what it thinks of a file that it would read, without letting it run, read or write
//! anything else.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::program::{Answer, Limits, bounded, clean};
use crate::context::variable;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// What makes Git write down what it does, wherever a configuration says.
const TRACES: [&str; 3] = ["GIT_TRACE2", "GIT_TRACE2_EVENT", "GIT_TRACE2_PERF"];

/// Runs a program on a desk of its own, as somebody without a home; none where it cannot be started.
/// `global` is the file that Git is to take for the user's configuration.
pub fn ask(
    program: &str,
    arguments: &[&OsStr],
    desk: &Path,
    global: Option<&Path>,
) -> Option<Answer> {
    let mut command = clean(program);
    let path = variable("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", desk).env("LC_ALL", "C");
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", global.unwrap_or(Path::new("/dev/null")))
        .env("GIT_CEILING_DIRECTORIES", desk);
    for trace in TRACES {
        command.env(trace, "0");
    }
    command.args(arguments).current_dir(desk).stdin(Stdio::null());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    bounded(command, Limits::local(DEADLINE), desk).ok()?.finish().ok()
}
