//! How far long work is: a bar on a terminal, nothing elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Loudness, Ui};

/// What the bar shows: what is done, how much of it, how fast, and how long it will take.
const TEMPLATE: &str = "{msg} [{bar:24}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";

/// Draws a second, where there is something to see.
const RATE: u8 = 10;

/// How far long work is. Gone from the screen at the end.
pub struct Progress(ProgressBar);

impl Ui {
    /// Begins work on so many bytes.
    pub fn progress(&self, what: &'static str, bytes: u64) -> Progress {
        let is_shown = self.loudness > Loudness::Quiet && std::io::stderr().is_terminal();
        let target = if is_shown {
            ProgressDrawTarget::stderr_with_hz(RATE)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(bytes), target).with_message(what);
        let style = ProgressStyle::with_template(TEMPLATE);
        Progress(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }
}

impl Progress {
    /// Says that so many bytes more are done.
    pub fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
