//! `cfgsync service`.

use crate::agent;
use crate::context::Context;
use crate::failure::Outcome;
use crate::ui::Tone;

/// Let the system start due syncs, also where no shell is open
///
/// Off until you install it: the zsh plugin starts syncs from open shells. A systemd user timer, or a
/// launchd agent on macOS, asks every minute whether one is due.
#[derive(Debug, clap::Args)]
pub struct AgentArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Write its files, and start it
    Install(Change),
    /// Stop it, and remove its files
    Remove(Change),
    /// Say whether it is installed
    Status,
}

#[derive(Debug, clap::Args)]
struct Change {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
pub fn run(context: &Context, args: &AgentArgs) -> Outcome<()> {
    match &args.what {
        What::Install(change) => install(context, change),
        What::Remove(change) => remove(context, change),
        What::Status => {
            context.ui.answer(&format!("{}\n", described(context)?));
            Ok(())
        }
    }
}

/// Returns whether it is installed, as a sentence.
pub fn described(context: &Context) -> Outcome<&'static str> {
    let files = agent::files(context)?;
    if files.iter().all(|file| !file.path.exists()) {
        return Ok("The service is not installed.");
    }
    for file in &files {
        if !file.stands()? {
            return Ok("The service is installed otherwise; `cfgsync service install` renews it.");
        }
    }
    Ok("The service is installed.")
}

fn install(context: &Context, change: &Change) -> Outcome<()> {
    let ui = &context.ui;
    let files = agent::files(context)?;
    for file in &files {
        if file.stands()? {
            continue;
        }
        if change.dry_run {
            ui.say(&format!("  would write {}", file.path.display()));
            continue;
        }
        file.write()?;
        ui.say(&format!("  {} {}", ui.paint(Tone::Good, "✓"), file.path.display()));
    }
    let commands = agent::starting(&files);
    if change.dry_run {
        commands.iter().for_each(|words| ui.say(&format!("  would run {}", words.join(" "))));
        return Ok(());
    }
    let mut is_started = false;
    for words in &commands {
        is_started = agent::run(words);
    }
    if is_started {
        ui.say("The system asks every minute from now on whether a sync is due.");
    } else {
        let lines: Vec<String> =
            commands.iter().map(|words| format!("\n  {}", words.join(" "))).collect();
        ui.say(&format!(
            "The files are there; the system did not take notice yet:{}",
            lines.concat()
        ));
    }
    Ok(())
}

fn remove(context: &Context, change: &Change) -> Outcome<()> {
    let ui = &context.ui;
    let files = agent::files(context)?;
    if files.iter().all(|file| !file.path.exists()) {
        ui.say("The service is not installed.");
        return Ok(());
    }
    if !change.dry_run {
        agent::remove(&files)?;
        ui.say("The service is removed.");
        return Ok(());
    }
    for words in agent::ending() {
        ui.say(&format!("  would run {}", words.join(" ")));
    }
    for file in files.iter().filter(|file| file.path.exists()) {
        ui.say(&format!("  would remove {}", file.path.display()));
    }
    Ok(())
}
