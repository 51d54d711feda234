//! A run that nobody waits for: no terminal, a session of its own, asking nobody.

use std::process::{Command, Stdio};

use crate::context::{Context, variable};
use crate::failure::{Code, Failure, Outcome};
use crate::git::program::Manners;
use crate::lock::Patience;
use crate::record;
use crate::session::{Mode, Session};
use crate::sync::{Wishes, sync};

/// Set for the detached half of a background run.
const DETACHED: &str = "CFGSYNC_DETACHED";

/// Set by the plugin, which waits for the end of the run on its standard output.
const TOLD: &str = "CFGSYNC_HOLD_STDOUT";

/// Starts the detached half and leaves, or is the detached half.
pub fn run(context: &Context) -> Outcome<()> {
    if variable(DETACHED).is_none() {
        return detach(context);
    }
    // A process that a shell just started leads its group and may not leave it; the one that it
    // started may. Without a session of its own the run is still harmless.
    let _ = nix::unistd::setsid();
    let session = Session::open(context, Mode::Real)?;
    match sync(&session, &Wishes::default(), Manners::Silent, Patience::Leave) {
        Ok(report) => {
            log(context, &report.failure().map_or_else(|| "done".to_owned(), |f| f.cause))
        }
        Err(failure) if failure.code == Code::Busy => Ok(()),
        Err(failure) => log(context, &failure.cause),
    }
}

fn detach(context: &Context) -> Outcome<()> {
    close_inherited();
    let own = std::env::current_exe()
        .map_err(|error| Failure::error(format!("could not find cfgsync itself: {error}")))?;
    // The prompt that asked to be told keeps the other end: when it closes, the run has ended.
    let told = variable(TOLD).is_some();
    let mut command = Command::new(own);
    command
        .arg("--dir")
        .arg(&context.places.repo)
        .args(["sync", "--background"])
        .env(DETACHED, "1")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(if told { Stdio::inherit() } else { Stdio::null() })
        .stderr(Stdio::null());
    let child = command.spawn();
    child
        .map(drop)
        .map_err(|error| Failure::error(format!("could not start in the background: {error}")))
}

/// Closes what the shell left open: a run that outlives it must not keep its pipes alive.
fn close_inherited() {
    for descriptor in 3..256 {
        // Most of them are not open.
        let _ = nix::unistd::close(descriptor);
    }
}

/// Writes down what a background run came to, in one line; the file starts anew when it is large.
fn log(context: &Context, what: &str) -> Outcome<()> {
    record::log(&context.places, context.now, what)
}
