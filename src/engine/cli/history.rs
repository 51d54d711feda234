//! `cfgsync history`.

use crate::context::Context;
use crate::failure::Outcome;
use crate::record::{self, Line};
use crate::ui::{Tone, Ui, report};

/// List what was done on this machine, the newest first
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

/// Most paths named in one line.
const NAMED: usize = 3;

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
    }
    let shown: Vec<String> =
        lines[first..].iter().rev().map(|line| row(&context.ui, line)).collect();
    context.ui.page(&shown.concat());
    Ok(())
}

fn row(ui: &Ui, line: &Line) -> String {
    let id = line.id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let (out, back) = (format!("↑{}", line.sent), format!("↓{}", line.received));
    let held = if line.held > 0 { format!(" {} held", line.held) } else { String::new() };
    let mut what = line.paths.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if line.paths.len() > NAMED {
        what.push_str(&format!(" and {} more", line.paths.len() - NAMED));
    }
    format!(
        "{id:>5}  {}  {:<10} {} {}{}  {what}  {}\n",
        report::moment(line.at),
        line.command,
        ui.paint(Tone::Notice, &format!("{out:<4}")),
        ui.paint(Tone::Incoming, &format!("{back:<4}")),
        ui.paint(Tone::Bad, &held),
        ui.paint(Tone::Dim, &line.machine),
    )
}
