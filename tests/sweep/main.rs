//! The fault sweep: runs every command that changes files, hurts it at every call that changes
//! one, and sees that nothing is lost, no live file is broken, and the next sync mends it.
//!
//! ```text
//! cargo test --test sweep                      a sample of about a minute, another one each time
//! cargo test --test sweep -- --all             every call of every command: make sweep
//! cargo test --test sweep -- --all --every 7   a seventh of that
//! cargo test --features sabotage --test sweep -- --breaks [no-lock]
//! cargo test --test sweep -- --scenario sync-merge --mode kill-tree [--point 17]
//! ```
//!
//! `CFGSYNC_SWEEP_SEED` takes a sample again. With `--point` the folder stays.

#![cfg_attr(
    all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")),
    expect(
        clippy::disallowed_methods,
        clippy::print_stderr,
        clippy::print_stdout,
        clippy::unwrap_used,
        reason = "a program of the developers' own"
    )
)]
#![cfg_attr(
    not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
    expect(clippy::print_stdout, reason = "a program of the developers' own")
)]

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod linux;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
use linux::run;

/// Says that nothing was tested.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn run() -> std::process::ExitCode {
    println!("skipped: ptrace is Linux only (x86_64 and aarch64)");
    std::process::ExitCode::SUCCESS
}

fn main() -> std::process::ExitCode {
    run()
}
