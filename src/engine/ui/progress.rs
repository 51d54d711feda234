//! How far long work is: a bar on a terminal, nothing elsewhere.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use cfgsync_core::inert::shown;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Loudness, Ui};

/// What the bar shows: what is done, how much of it, how fast, and how long it will take.
const TEMPLATE: &str = "{msg} [{bar:24}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";

/// The same for work of which nobody knows how much there is.
const OPEN_END: &str = "{msg} {bytes} {bytes_per_sec}";

/// The same for a transfer, of which Git says how much and how fast.
const TRANSFER: &str = "{prefix} [{bar:24}] {pos}/{len} {msg} {eta}";

/// Draws a second, where there is something to see.
const RATE: u8 = 10;

/// How long work goes on before it is worth a bar.
const WORTH_SHOWING: Duration = Duration::from_millis(500);

/// How far long work is. Gone from the screen at the end.
pub struct Progress {
    bar: ProgressBar,
    /// Since when, as long as it is not shown and may be.
    waits: Cell<Option<Instant>>,
}

impl Ui {
    /// Begins work on so many bytes.
    pub fn progress(&self, what: &'static str, bytes: u64) -> Progress {
        self.begin(what, bytes, TEMPLATE)
    }

    /// Begins work that may be on any number of bytes.
    pub fn open_progress(&self, what: &'static str) -> Progress {
        self.begin(what, 0, OPEN_END)
    }

    fn begin(&self, what: &'static str, bytes: u64, template: &str) -> Progress {
        let bar = bar(bytes, template, ProgressDrawTarget::hidden()).with_message(what);
        Progress { bar, waits: Cell::new(self.shows_bars().then(Instant::now)) }
    }

    /// Begins to show a transfer.
    pub fn transfer(&self) -> Transfer {
        let target = if self.shows_bars() {
            ProgressDrawTarget::stderr_with_hz(RATE)
        } else {
            ProgressDrawTarget::hidden()
        };
        Transfer(bar(0, TRANSFER, target))
    }

    fn shows_bars(&self) -> bool {
        self.loudness > Loudness::Quiet && std::io::stderr().is_terminal()
    }
}

fn bar(length: u64, template: &str, target: ProgressDrawTarget) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(length), target).with_style(style)
}

impl Progress {
    /// Says that so many bytes more are done.
    pub fn advance(&self, bytes: u64) {
        if self.waits.get().is_some_and(|since| WORTH_SHOWING <= since.elapsed()) {
            self.waits.set(None);
            self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(RATE));
        }
        self.bar.inc(bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// How far a transfer is. Gone from the screen at the end.
pub struct Transfer(ProgressBar);

impl Transfer {
    /// Shows what is done, how many of how many, how much and how fast.
    pub fn show(&self, what: &str, (done, all): (u64, u64), amount: &str) {
        self.0.set_length(all);
        self.0.set_prefix(shown(what));
        self.0.set_message(shown(amount));
        self.0.set_position(done);
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
