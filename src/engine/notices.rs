//! The one word of the desktop: that a run in the background needs a person. What differs by system is
//! in this file.

use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use cfgsync_core::machine::Kind;
use cfgsync_core::need::{Need, needed, to_tell, words};
use cfgsync_core::schedule::Trouble;

use crate::context::{Context, variable};
use crate::failure::Outcome;
use crate::fs::plain::{self, Durability};
use crate::settings::Notify;
use crate::{pause, record};

/// How long the desktop may take to take it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Tells a person what the last run needs them for, unless they know.
pub fn after_a_run(context: &Context) -> Outcome<()> {
    if !is_wanted(context) {
        return Ok(());
    }
    let (need, held) = standing(context)?;
    if let Some(need) = to_tell(told(context)?, need) {
        tell(&words(need, held));
    }
    note(context, need)
}

/// Notes that a person has read at their terminal what is needed.
pub fn was_read(context: &Context) -> Outcome<()> {
    if !is_wanted(context) {
        return Ok(());
    }
    note(context, standing(context)?.0)
}

fn standing(context: &Context) -> Outcome<(Option<Need>, u32)> {
    let held = record::read(&context.places)?.map_or(0, |record| record.held);
    let streak = pause::streak(&context.places)?;
    let wants_login = streak.is_some_and(|it| it.trouble == Trouble::Authentication);
    Ok((needed(held, wants_login), held))
}

fn told(context: &Context) -> Outcome<Option<Need>> {
    let text = plain::read_text(&context.places.state.join("noticed"))?;
    Ok(text.and_then(|text| Need::of(&text)))
}

fn note(context: &Context, need: Option<Need>) -> Outcome<()> {
    let path = context.places.state.join("noticed");
    match need {
        _ if told(context)? == need => Ok(()),
        Some(need) => Ok(plain::publish(&path, need.word().as_bytes(), Durability::Relaxed)?),
        None => Ok(plain::remove(&path)?),
    }
}

/// Nobody looks at the screen of a server, or of a machine that is used from afar.
fn is_wanted(context: &Context) -> bool {
    match context.settings.notify {
        Notify::On => true,
        Notify::Off => false,
        Notify::Auto => {
            let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
            let has_screen = cfg!(target_os = "macos")
                || ["WAYLAND_DISPLAY", "DISPLAY"].iter().any(|name| is_set(name));
            has_screen && context.machine.kind != Kind::Ec2 && !is_set("SSH_CONNECTION")
        }
    }
}

/// Hands it to the desktop. One that takes nothing is no trouble of a sync.
fn tell(words: &str) {
    let mut command = command(words);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return };
    let (ended, end) = mpsc::channel::<()>();
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    let waiting = std::thread::spawn(move || {
        // Whether it was shown cannot be known.
        let _ = child.wait();
        drop(ended);
    });
    if matches!(end.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Timeout)) {
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }
    let _ = waiting.join();
}

#[cfg(target_os = "macos")]
fn command(words: &str) -> Command {
    let mut command = Command::new("osascript");
    // The words are an argument: no part of the script.
    let script =
        "on run argv\ndisplay notification (item 1 of argv) with title \"cfgsync\"\nend run";
    command.args(["-e", script, words]);
    command
}

#[cfg(not(target_os = "macos"))]
fn command(words: &str) -> Command {
    let mut command = Command::new("notify-send");
    command.args(["--app-name=cfgsync", "cfgsync", words]);
    command
}
