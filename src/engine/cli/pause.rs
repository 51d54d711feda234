//! `cfgsync pause` and `cfgsync resume`.

use cfgsync_core::schedule::{Pause, Trouble};
use cfgsync_core::status::SyncState;
use cfgsync_core::time::{Spelled, duration};

use crate::background::{self, Stay};
use crate::context::{Context, make_folders};
use crate::failure::{Code, Outcome};
use crate::lock::{Lock, Patience};
use crate::pause;
use crate::record::{self, Standing};
use crate::ui::report;

/// Stop syncs in the background, for good or for a time
///
/// `cfgsync sync` works all the same. The light shows ‖ meanwhile.
///
///   cfgsync pause         until `cfgsync resume`
///   cfgsync pause 2h      for two hours; also 90s, 30m, 1h30m, 3d, 1w
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct PauseArgs {
    /// For how long [default: until `cfgsync resume`]
    #[arg(value_name = "DURATION", value_parser = seconds)]
    duration: Option<u64>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Let syncs in the background go on, and start one
#[derive(Debug, clap::Args)]
pub struct ResumeArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

fn seconds(word: &str) -> Result<u64, &'static str> {
    duration(word).ok_or("write it as 30m, 2h, 1h30m or 3d")
}

/// Returns the pause that is on, as a sentence without its end; none where there is none.
pub fn described(context: &Context) -> Outcome<Option<String>> {
    let pause = pause::read(&context.places)?.filter(|pause| pause.holds(context.now));
    Ok(pause.map(|pause| match pause.until {
        Some(until) => {
            let (left, until) = (until.since(context.now), report::moment(until.seconds()));
            format!("background syncs are paused for {left} more, until {until}")
        }
        None => "background syncs are paused until `cfgsync resume`".to_owned(),
    }))
}

/// Stops them.
pub fn pause(context: &Context, args: &PauseArgs) -> Outcome<()> {
    let until = args.duration.map(|seconds| context.now.after_seconds(seconds));
    let how_long = match args.duration {
        Some(seconds) => format!("for {}", Spelled(seconds)),
        None => "until `cfgsync resume`".to_owned(),
    };
    if args.dry_run {
        context.ui.say(&format!("Syncs in the background would be paused {how_long}."));
        return Ok(());
    }
    order(context, Some(Pause { since: context.now, until }))?;
    show(context, None)?;
    context.ui.say(&format!(
        "Syncs in the background are paused {how_long}. `cfgsync sync` works all the same."
    ));
    Ok(())
}

/// Lets them go on.
pub fn resume(context: &Context, args: &ResumeArgs) -> Outcome<()> {
    let was_paused = pause::read(&context.places)?.is_some();
    if !was_paused {
        context.ui.say("Syncs in the background are not paused.");
        return Ok(());
    }
    if args.dry_run {
        context.ui.say("Syncs in the background would go on.");
        return Ok(());
    }
    order(context, None)?;
    // Due at once: nobody knows what happened meanwhile.
    show(context, Some(Trouble::Unsettled))?;
    context.ui.say("Syncs in the background go on.");
    background::start(context, Stay::No)
}

fn order(context: &Context, pause: Option<Pause>) -> Outcome<()> {
    make_folders(&context.places)?;
    let _lock = Lock::take(&context.places.lock(), Patience::Wait)?;
    pause::write(&context.places, pause)
}

/// Shows it in the light, unless a sync is under way, which does so when it ends.
fn show(context: &Context, trouble: Option<Trouble>) -> Outcome<()> {
    let _running = match Lock::take(&context.places.running(), Patience::Leave) {
        Ok(running) => running,
        Err(failure) if failure.code == Code::Busy => return Ok(()),
        Err(failure) => return Err(failure),
    };
    let Some(before) = record::read(&context.places)? else { return Ok(()) };
    let standing = Standing { trouble, ..Standing::of(Some(&before)) };
    record::publish(context, SyncState::Offline, standing)
}
