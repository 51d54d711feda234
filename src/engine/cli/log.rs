//! `cfgsync log`.

use serde::Serialize;

use crate::context::Context;
use crate::failure::{Code, Outcome};
use crate::log::{self, Entry};
use crate::ui::{Loudness, Tone, Ui, report};

/// Show what syncs in the background did
///
/// Runs in a row that found everything as it was are one line. -v names the files.
///
///   cfgsync log            the last twenty lines
///   cfgsync log -n 100     more of them
///   cfgsync log --json     every run, for programs, the oldest first
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct LogArgs {
    /// How many lines
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 20)]
    number: usize,
    /// Print JSON, one object a run
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Log<'a> {
    schema: u32,
    runs: &'a [Entry],
}

/// Runs it.
pub fn run(context: &Context, args: &LogArgs) -> Outcome<()> {
    let entries = log::read(&context.places)?;
    let ui = &context.ui;
    if args.json {
        let first = entries.len().saturating_sub(args.number);
        ui.answer(&crate::ui::document(&Log { schema: 1, runs: &entries[first..] }));
        return Ok(());
    }
    if entries.is_empty() {
        ui.answer("No sync ran in the background yet.\n");
    }
    let lines: Vec<String> =
        stretches(&entries).rev().take(args.number).map(|stretch| row(ui, stretch)).collect();
    ui.page(&lines.concat());
    Ok(())
}

/// Puts together the runs in a row that came to the same and moved nothing.
fn stretches(entries: &[Entry]) -> impl DoubleEndedIterator<Item = &[Entry]> {
    let is_same = |one: &Entry, next: &Entry| {
        let moved = |entry: &Entry| entry.sent + entry.received > 0;
        !moved(one) && !moved(next) && (one.code, &one.cause) == (next.code, &next.cause)
    };
    let stretches: Vec<&[Entry]> = entries.chunk_by(is_same).collect();
    stretches.into_iter()
}

fn row(ui: &Ui, stretch: &[Entry]) -> String {
    let (Some(first), Some(last)) = (stretch.first(), stretch.last()) else { return String::new() };
    let count = stretch.len();
    let when = report::moment(first.at);
    let (start, end) = (when.as_str(), report::moment(last.at));
    let end = match (count, end.split_once(' ')) {
        (1, _) => String::new(),
        _ if end == start => String::new(),
        // Of the same day, the time is enough.
        (_, Some((day, time))) if start.starts_with(day) => format!("–{time}"),
        (_, _) => format!(" – {end}"),
    };
    let times = if count > 1 { format!(" ({count} runs)") } else { String::new() };
    let mut text =
        format!("{}  {}{times}\n", ui.paint(Tone::Dim, &format!("{start}{end}")), what(ui, last));
    if ui.loudness >= Loudness::Verbose {
        let took = last.took.map(|ms| format!("took {}.{} s", ms / 1000, ms % 1000 / 100));
        let details = last.paths.iter().cloned().chain(took);
        details.for_each(|line| text.push_str(&format!("    {}\n", ui.paint(Tone::Dim, &line))));
    }
    text
}

/// Returns what a run came to.
fn what(ui: &Ui, entry: &Entry) -> String {
    if entry.is_quiet() {
        return format!("{} nothing to do", ui.paint(Tone::Good, "✓"));
    }
    let flow = |arrow: &str, count: usize, tone: Tone| {
        (count > 0).then(|| ui.paint(tone, &format!("{arrow}{count}")))
    };
    let moved = [flow("↑", entry.sent, Tone::Notice), flow("↓", entry.received, Tone::Incoming)];
    let mark =
        if entry.code == 0 { ui.paint(Tone::Good, "✓") } else { ui.paint(tone(entry), "✗") };
    let cause = entry.cause.clone();
    let parts = moved.into_iter().flatten().chain(cause);
    std::iter::once(mark).chain(parts).collect::<Vec<_>>().join(" ")
}

fn tone(entry: &Entry) -> Tone {
    // What passes by itself is no alarm.
    let passes = [Code::Offline, Code::Busy, Code::Foreign].map(|code| code as u8);
    if passes.contains(&entry.code) { Tone::Notice } else { Tone::Bad }
}
