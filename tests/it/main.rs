//! The integration tests: real programs, real Git, real files, real shells.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[cfg(target_os = "linux")]
mod agent;
mod archives;
mod arrival;
mod background;
mod backup;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod bare;
mod by_hand;
mod cases;
mod completions;
mod config;
mod connections;
mod diff;
mod doctor;
mod dry_run;
mod errors;
mod explain;
mod filters;
mod force;
mod foreign;
mod hammer;
mod held;
#[cfg(target_os = "linux")]
mod killed;
mod light;
mod live_files;
mod log;
mod login;
mod machines;
mod marks;
mod merging;
mod modes;
mod names;
mod network;
mod new_machine;
mod pausing;
mod planner;
mod privacy;
mod prompt;
mod recipes;
mod remotes;
mod renames;
mod replay;
mod resolve;
mod resolve_by_key;
mod restore;
mod retention;
mod said;
mod sandbox;
mod schema;
mod secrets;
mod simulation;
mod still;
mod stopped;
mod strangers;
mod surprises;
mod symlinks;
mod terminal;
mod texts;
mod thirty;
mod tidy;
mod truth;
mod undo;
mod zsh;
