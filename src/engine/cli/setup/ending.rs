//! How setup ends: the light, and what to try next.

use cfgsync_core::manifest::MANIFEST;
use cfgsync_core::status::SyncState;

use crate::context::{Context, variable};
use crate::failure::Outcome;
use crate::record;
use crate::setup::plugin;
use crate::sync::Report;
use crate::ui::{Answers, Confirmed, Tone, report};

/// Asks whether the light is wanted, where a person is there, and the plugin, and no shell loads it yet.
/// Those whose shell is zsh have it by pressing Enter.
pub fn offer_zshrc(context: &Context) -> bool {
    let is_there = plugin(&context.places.home).is_some();
    if !is_there || loads_plugin(context) || context.ui.answers != Answers::Asked {
        return false;
    }
    let is_login_shell = variable("SHELL").is_some_and(|shell| shell.ends_with("/zsh"));
    let has_zshrc = context.places.home.join(".zshrc").exists();
    let usual = if is_login_shell || has_zshrc { Confirmed::Yes } else { Confirmed::No };
    let question = "Show the light in your prompt (adds 4 lines to ~/.zshrc)?";
    context.ui.confirm(question, usual) == Confirmed::Yes
}

fn loads_plugin(context: &Context) -> bool {
    let zshrc = context.places.home.join(".zshrc");
    std::fs::read_to_string(zshrc).unwrap_or_default().contains("configsync")
}

/// Says what the first sync did, and who this machine is.
pub fn say_done(context: &Context, done: &Report) {
    report::synced(&context.ui, done);
    let tick = context.ui.paint(Tone::Good, "✓");
    let machine = &context.machine;
    context.ui.say(&format!("{tick} This machine is {} ({}).", machine.id, machine.kind));
}

/// Returns true where anything is marked.
pub fn has_marks(context: &Context) -> bool {
    context.places.repo.join(MANIFEST).exists()
}

/// Says what to try next, with the light as it stands.
pub fn say_next(context: &Context, is_loaded: bool) -> Outcome<()> {
    let ui = &context.ui;
    if !has_marks(context) {
        ui.say("  Try `cfgsync mark ~/.zshrc`, then `cfgsync status`.");
        return Ok(());
    }
    if ui.answers != Answers::Asked {
        return Ok(());
    }
    let state = record::read(&context.places)?.map(|record| record.state);
    let light = match state {
        Some(SyncState::Synced) => ui.paint(Tone::Good, "✓"),
        Some(SyncState::Held | SyncState::Failed) => ui.paint(Tone::Bad, "✗"),
        _ => ui.paint(Tone::Notice, "↑"),
    };
    let shell = match (is_loaded, loads_plugin(context)) {
        (true, _) => "Open a new shell",
        (false, true) => "At your prompt",
        (false, false) => "Once the plugin is loaded",
    };
    ui.say(&format!("  {shell}: the light is {light} now. Edit a shared file, and watch it."));
    ui.say("  Then `cfgsync setup URL` on the next machine; `cfgsync help start` has it all.");
    Ok(())
}
