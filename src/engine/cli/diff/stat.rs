//! One line for each unit, as `git diff --stat` has it, and totals.

use cfgsync_core::diff::Comparison;

use super::entry::{Between, Entry, Side};
use crate::ui::{Tone, Ui, report};

/// Widest bar of signs.
const WIDEST: usize = 40;

/// One line of the table.
struct Row {
    side: Side,
    name: String,
    amount: Amount,
}

/// How much changes.
enum Amount {
    /// Lines that come and go.
    Lines { added: usize, removed: usize },
    /// What else is to be said of it.
    Words(String),
}

/// Returns the table and the totals.
pub fn table(ui: &Ui, entries: &[Entry]) -> String {
    let rows: Vec<Row> = entries.iter().map(row).collect();
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let most = rows.iter().map(|row| row.amount.lines()).max().unwrap_or(0);
    let digits = most.to_string().len();
    let mut text = String::new();
    for Row { side, name, amount } in &rows {
        let gap = " ".repeat(width - name.chars().count());
        let amount = match amount {
            Amount::Words(words) => words.clone(),
            Amount::Lines { added, removed } => {
                let plus = ui.paint(Tone::Good, &"+".repeat(scaled(*added, most)));
                let minus = ui.paint(Tone::Bad, &"-".repeat(scaled(*removed, most)));
                format!("{:>digits$} {plus}{minus}", added + removed)
            }
        };
        let arrow = ui.paint(side.tone(), side.arrow());
        text.push_str(&format!(" {arrow} {name}{gap} | {amount}\n"));
    }
    for side in [Side::Here, Side::There, Side::Held] {
        text.push_str(&total(side, entries, &rows));
    }
    text
}

/// Returns how many signs stand for so many lines: at least one for any.
fn scaled(lines: usize, most: usize) -> usize {
    if most <= WIDEST { lines } else { (lines * WIDEST).div_ceil(most) }
}

fn row(entry: &Entry) -> Row {
    let between = entry.between.map_or("", Between::suffix);
    Row { side: entry.side, name: format!("{}{between}", entry.name), amount: amount(entry) }
}

fn amount(entry: &Entry) -> Amount {
    if !entry.is_compared() || (entry.before.is_none() && entry.after.is_none()) {
        return Amount::Words(entry.why.clone().unwrap_or_default());
    }
    let [before, after] = [&entry.before, &entry.after].map(Option::as_ref);
    let modes = [before, after].map(|content| content.and_then(|content| content.mode));
    match (entry.comparison(), modes) {
        (Comparison::Text(diff), [Some(before), Some(after)]) if diff.hunks.is_empty() => {
            Amount::Words(format!("mode {before} -> {after}"))
        }
        (Comparison::Text(diff), _) => Amount::Lines { added: diff.added, removed: diff.removed },
        (Comparison::Binary, _) => {
            let [before, after] = [before, after].map(|content| {
                report::size(content.map_or(0, |content| content.bytes.len()) as u64)
            });
            Amount::Words(format!("Bin {before} -> {after}"))
        }
    }
}

fn total(side: Side, entries: &[Entry], rows: &[Row]) -> String {
    let names = entries.iter().filter(|entry| entry.side == side).map(|entry| &entry.name);
    let files = names.collect::<std::collections::BTreeSet<_>>().len();
    if files == 0 {
        return String::new();
    }
    let sum = |count: fn(&Amount) -> usize| -> usize {
        rows.iter().filter(|row| row.side == side).map(|row| count(&row.amount)).sum()
    };
    let (added, removed) = (sum(Amount::added), sum(Amount::removed));
    let plural = if files == 1 { "" } else { "s" };
    format!("{}: {files} file{plural}, {added} added(+), {removed} removed(-)\n", side.title())
}

impl Amount {
    fn added(&self) -> usize {
        match self {
            Self::Lines { added, .. } => *added,
            Self::Words(_) => 0,
        }
    }

    fn removed(&self) -> usize {
        match self {
            Self::Lines { removed, .. } => *removed,
            Self::Words(_) => 0,
        }
    }

    fn lines(&self) -> usize {
        self.added() + self.removed()
    }
}
