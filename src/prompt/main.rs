//! `cfgsync-prompt` prints the light: the segment of the status record, for prompts and status bars.
//!
//! It maps the record and the watch list, asks the disk whether the claim still holds, and writes
//! none of them. What is missing, damaged or of another version shows as nothing: a prompt is no
//! place for an error. Every byte it prints comes from a table or from its own command line, none
//! from a file. Inside zsh the plugin reads the same record without starting a process.
//!
//! On Linux a release build is `bare`: without the standard library and without libc, because
//! starting those costs more than everything it does (`docs/performance.md`). `build.rs` decides.

#![cfg_attr(cfgsync_bare, no_std, no_main)]

#[cfg(cfgsync_bare)]
#[expect(dead_code, reason = "the core knows more than a prompt asks")]
#[path = "../core"]
mod core_as_it_is {
    pub mod names;
    #[path = "status"]
    pub mod status {
        pub mod read;
        pub mod record;
        pub mod segment;
        pub mod truth;
        pub mod watch;
    }
    pub mod time;
}

#[cfg(not(cfgsync_bare))]
use cfgsync_core as core_as_it_is;
#[cfg(cfgsync_bare)]
use core_as_it_is::names;
use core_as_it_is::{status, time};

mod answer;
#[cfg(cfgsync_bare)]
#[expect(
    unsafe_code,
    reason = "there is nobody below who would do it: no libc, no standard library"
)]
mod bare;
#[cfg(not(cfgsync_bare))]
mod hosted;
mod request;

#[cfg(not(cfgsync_bare))]
fn main() -> std::process::ExitCode {
    hosted::run()
}
