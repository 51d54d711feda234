//! The table that every benchmark adds its rows to: medians, their ratio, and what it may be.

use std::process::ExitCode;

/// Rows that were printed, and whether one of them breaks its limit.
#[derive(Debug, Default)]
pub struct Table {
    is_broken: bool,
}

impl Table {
    /// Prints a row: times in seconds, taken in turn with those of a yardstick. The yardstick's own
    /// times, taken a second time, say how large a difference the machine makes by itself.
    pub fn compare(&mut self, what: &str, times: &[f64], beside: &Beside<'_>) {
        let Beside { name, times: yardstick, again, limit } = *beside;
        let (time, yardstick) = (median(times), median(yardstick));
        let noise = again.map_or(String::new(), |again| ratio_of(median(again) / yardstick));
        let ratio = time / yardstick;
        let (limit, verdict) = self.judge(ratio, limit);
        println!(
            "| {what} | {} | {name} | {} | {} | {noise} | {limit} | {verdict} |",
            shown(time),
            shown(yardstick),
            ratio_of(ratio)
        );
    }

    fn judge(&mut self, ratio: f64, limit: Option<f64>) -> (String, &'static str) {
        let Some(limit) = limit else { return (String::new(), "") };
        let is_kept = ratio <= limit;
        self.is_broken |= !is_kept;
        (limit.to_string(), if is_kept { "ok" } else { "**more**" })
    }

    /// Returns what the program ends with.
    pub fn outcome(&self) -> ExitCode {
        if self.is_broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// What something is measured beside.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    pub name: &'a str,
    pub times: &'a [f64],
    pub again: Option<&'a [f64]>,
    pub limit: Option<f64>,
}

/// Returns the middle one of some times.
pub fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Returns a time as a person reads it.
pub fn shown(seconds: f64) -> String {
    if seconds < 0.001 {
        return format!("{:.1} µs", seconds * 1e6);
    }
    format!("{:.2} ms", seconds * 1e3)
}

fn ratio_of(ratio: f64) -> String {
    if ratio.is_nan() { "-".to_owned() } else { format!("{ratio:.3}") }
}
