//! `cfgsync history`.

use cfgsync_core::activity::{per_day, picture};

use crate::context::Context;
use crate::failure::Outcome;
use crate::record::{self, Line};
use crate::ui::{Loudness, Tone, Ui, report};

/// List what was done on this machine, the newest first
///
/// The number in front is what `cfgsync undo` takes. -v names every file.
///
///   cfgsync history            the last twenty operations
///   cfgsync history -n 100     more of them
///   cfgsync history --json     for programs, the oldest first
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct HistoryArgs {
    /// How many operations
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 20)]
    number: usize,
    /// Print JSON, one object an operation
    #[arg(long)]
    json: bool,
}

/// Most paths named below an operation.
const NAMED: usize = 3;

/// Days in the picture.
const DAYS: usize = 28;

/// Runs it.
pub fn run(context: &Context, args: &HistoryArgs) -> Outcome<()> {
    let lines = record::read_history(&context.places)?;
    let first = lines.len().saturating_sub(args.number);
    if args.json {
        context.ui.answer(&crate::ui::document(&lines[first..]));
        return Ok(());
    }
    if lines.is_empty() {
        context.ui.answer("Nothing was done yet.\n");
        return Ok(());
    }
    let rows = lines[first..].iter().rev().map(|line| row(context, line));
    let text: String = std::iter::once(activity(context, &lines)).chain(rows).collect();
    context.ui.page(&text);
    Ok(())
}

/// Returns a picture of the last days.
fn activity(context: &Context, lines: &[Line]) -> String {
    let today = report::day(context.now.seconds());
    let counts = per_day(lines.iter().map(|line| report::day(line.at)), today, DAYS);
    let count: u32 = counts.iter().sum();
    let picture = context.ui.paint(Tone::Incoming, &picture(&counts));
    let plural = if count == 1 { "" } else { "s" };
    let who = context.ui.paint(Tone::Strong, &context.machine.id);
    format!("{who}\n{picture}  {count} operation{plural} in four weeks\n")
}

fn row(context: &Context, line: &Line) -> String {
    let ui = &context.ui;
    let id = line.id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    // What is not of here was done before the machine had this name.
    let who = Some(&line.machine).filter(|who| **who != context.machine.id);
    let parts = [
        flow(ui, "↑", line.sent, Tone::Notice),
        flow(ui, "↓", line.received, Tone::Incoming),
        (line.held > 0).then(|| ui.paint(Tone::Bad, &format!("{} held", line.held))),
        who.map(|who| ui.paint(Tone::Dim, &format!("as {who}"))),
    ];
    let parts: Vec<String> =
        std::iter::once(line.command.clone()).chain(parts.into_iter().flatten()).collect();
    let mut text = format!("{id:>4}  {}  {}\n", report::moment(line.at), parts.join(" "));
    let named = if ui.loudness >= Loudness::Verbose { line.paths.len() } else { NAMED };
    let dim = |what: &str| format!("      {}\n", ui.paint(Tone::Dim, what));
    line.paths.iter().take(named).for_each(|path| text.push_str(&dim(path)));
    if line.paths.len() > named {
        text.push_str(&dim(&format!("and {} more", line.paths.len() - named)));
    }
    text
}

fn flow(ui: &Ui, arrow: &str, count: usize, tone: Tone) -> Option<String> {
    (count > 0).then(|| ui.paint(tone, &format!("{arrow}{count}")))
}
