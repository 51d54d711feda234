//! How states that can be brought back, and what differs in them, are shown.

use std::collections::BTreeMap;

use cfgsync_core::diff::{Comparison, compare};
use cfgsync_core::path::RepoPath;
use cfgsync_core::unit::{Kind, Version};
use serde::Serialize;

use super::Now;
use crate::failure::Outcome;
use crate::moments::Moment;
use crate::session::Session;
use crate::ui::diff::{Labelled, text};
use crate::ui::{Tone, Ui, report};

/// One state in the list.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What people call it.
    pub id: String,
    /// `backup`, or `snapshot`.
    pub kind: &'static str,
    /// When it was kept, in Unix milliseconds.
    pub at: u64,
    /// The machine it was kept on.
    pub machine: String,
    /// What it was kept for.
    pub reason: String,
    /// How many files it has, of those that were asked for.
    pub files: usize,
    /// Their bytes; null for a snapshot.
    pub bytes: Option<u64>,
    /// How many of them are not on this machine as they were.
    pub differs: usize,
}

/// Returns what there is to say about a state.
pub fn row(
    session: &Session<'_>,
    moment: &Moment,
    now: &Now,
    is_meant: &dyn Fn(&RepoPath) -> bool,
) -> Outcome<Row> {
    let state = moment.state(session)?;
    let meant: Vec<(&RepoPath, &Version)> =
        state.units.iter().filter(|(path, _)| is_meant(path)).collect();
    let kind = if moment.file_name().is_some() { "backup" } else { "snapshot" };
    let differs = meant.iter().filter(|(path, version)| !now.has(kind, path, **version)).count();
    Ok(Row {
        id: moment.id.clone(),
        kind,
        at: moment.at.0,
        machine: moment.machine(session).to_owned(),
        reason: moment.reason.clone(),
        files: meant.len(),
        bytes: state.size,
        differs,
    })
}

/// Returns one line of the list.
pub fn line(ui: &Ui, row: &Row) -> String {
    let differs = match row.differs {
        0 => ui.paint(Tone::Good, "as now"),
        count => ui.paint(Tone::Notice, &format!("{count} differ")),
    };
    let size = row.bytes.map(report::size).unwrap_or_default();
    format!(
        "{:>5}  {}  {:>10}  {size:>9}  {differs}  {}  {}\n",
        row.id,
        report::moment(row.at / 1000),
        report::files(row.files),
        row.reason,
        ui.paint(Tone::Dim, &row.machine),
    )
}

/// Returns one line for each file that would change.
pub fn changes(
    ui: &Ui,
    session: &Session<'_>,
    now: &BTreeMap<RepoPath, Version>,
    wanted: &BTreeMap<RepoPath, Version>,
) -> Outcome<String> {
    let mut lines = String::new();
    for (path, version) in wanted {
        let amount = match now.get(path) {
            None => "comes back".to_owned(),
            Some(here) if here.blob == version.blob => {
                format!("mode {} -> {}", here.mode, version.mode)
            }
            Some(here) => {
                let [one, other] =
                    [session.vault.bytes(here.blob)?, session.vault.bytes(version.blob)?];
                match compare(&one, &other) {
                    Comparison::Text(diff) => format!(
                        "{}, {}",
                        ui.paint(Tone::Good, &format!("+{}", diff.added)),
                        ui.paint(Tone::Bad, &format!("-{}", diff.removed))
                    ),
                    Comparison::Binary => {
                        let size = |bytes: &[u8]| report::size(bytes.len() as u64);
                        format!("{} -> {}", size(&one), size(&other))
                    }
                }
            }
        };
        lines.push_str(&format!(
            "  {} {}  {amount}\n",
            ui.paint(Tone::Incoming, "↓"),
            report::name(path)
        ));
    }
    Ok(lines)
}

/// Returns the difference of every file that would change.
pub fn difference(
    ui: &Ui,
    session: &Session<'_>,
    now: &BTreeMap<RepoPath, Version>,
    wanted: &BTreeMap<RepoPath, Version>,
) -> Outcome<String> {
    let mut whole = String::new();
    for (path, version) in wanted {
        let here = now.get(path).map(|here| session.vault.bytes(here.blob)).transpose()?;
        let then = session.vault.bytes(version.blob)?;
        let mode = |version: &Version| (version.kind == Kind::File).then_some(version.mode);
        let name = report::name(path);
        let (before, after) = (format!("{name} (here)"), format!("{name} (then)"));
        let before =
            Labelled { label: &before, bytes: here.as_deref(), mode: now.get(path).and_then(mode) };
        whole.push_str(&text(
            ui,
            before,
            Labelled { label: &after, bytes: Some(&then), mode: mode(version) },
        ));
    }
    Ok(whole)
}
