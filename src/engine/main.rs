//! `cfgsync`: looks at one person's config files, and acts on what `cfgsync_core` decides.

mod agent;
mod archive;
mod arrivals;
mod background;
mod backups;
mod boot_clock;
mod claim;
mod cli;
mod config_file;
mod consent;
mod context;
mod doctor;
mod editor;
mod execute;
mod failure;
mod fs;
mod git;
mod held;
mod host;
mod identity;
mod interrupt;
mod kin;
mod lights;
mod lock;
mod lockout;
mod log;
mod loosening;
mod marks;
mod merges;
mod moments;
mod notices;
mod observe;
mod old_layout;
mod pause;
mod picture;
mod privacy;
mod quiet;
mod record;
mod recover;
mod restore;
mod retention;
mod sabotage;
mod secrets;
mod session;
mod settings;
mod setup;
mod still;
mod sync;
mod ui;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(code) = git::connect::asked(&arguments) {
        return code;
    }
    if let Some(answer) = cli::completions::asked(&arguments) {
        ui::Ui::new(ui::Color::Never, ui::Loudness::Quiet, None).raw(&answer);
        return ExitCode::SUCCESS;
    }
    let cli = cli::Cli::typed(cli::flags::modern(arguments));
    let ui = cli.ui();
    git::heard::heard_by(ui);
    if !sabotage::is(sabotage::Break::NoSync) {
        git::make_durable();
    }
    git::global::settle();
    match cli.run(ui) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            ui.failure(&failure);
            failure.exit_code()
        }
    }
}
