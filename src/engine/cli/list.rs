//! `cfgsync list`.

use serde::Serialize;

use cfgsync_core::linking::{Tie, Ties};
use cfgsync_core::manifest::{Manifest, Scope};
use cfgsync_core::observed::Live;
use cfgsync_core::path::{HomePath, RepoPath};

use cfgsync_core::plan::{Held, plan};
use std::collections::BTreeSet;

use super::weight::{Churn, Weight};
use crate::context::Context;
use crate::failure::Outcome;
use crate::marks;
use crate::picture::Picture;
use crate::session::{Mode, Session};
use crate::ui::{Tone, Ui, report};

/// List what is marked, whether it is in order, and its size
///
/// A tick stands before what is in order. Behind: size, files of a folder, and changes that this
/// machine saw in the last thirty days.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One mark, as it is reported.
#[derive(Debug, Serialize)]
pub struct MarkLine {
    /// The path below `$HOME`, starting with `~/`.
    pub path: String,
    /// `file` or `folder`.
    pub scope: &'static str,
    /// `link` or `copy`.
    pub tie: &'static str,
    /// Files that are shared under it.
    pub files: usize,
    /// `ok`, or what is not in order with it.
    pub state: String,
}

/// A mark with its weight.
#[derive(Debug, Serialize)]
struct Weighed {
    #[serde(flatten)]
    mark: MarkLine,
    /// Bytes of its files, as they lie on this disk.
    bytes: u64,
    /// Changes that this machine saw in the last thirty days.
    changes: usize,
}

#[derive(Debug, Serialize)]
struct Listing {
    schema: u32,
    marks: Vec<Weighed>,
}

/// Runs it.
pub fn run(context: &Context, args: &ListArgs) -> Outcome<()> {
    let session = Session::open(context, Mode::Rehearsal)?;
    let picture = marks::picture(&session)?;
    let held = plan(&picture.observation, &session.policy()?).held;
    let churn = Churn::read(context)?;
    let weighed = |mark: MarkLine| {
        let home = HomePath::new(mark.path.trim_start_matches("~/")).ok();
        let weight = home.map(|home| churn.weigh(context, &picture, &home.stored()));
        let Weight { bytes, changes } = weight.unwrap_or_default();
        Weighed { mark, bytes, changes }
    };
    let marks: Vec<Weighed> = lines(&session, &picture, &held)?.into_iter().map(weighed).collect();
    if args.json {
        let listing = Listing { schema: 1, marks };
        context.ui.answer(&crate::ui::document(&listing));
        return Ok(());
    }
    if marks.is_empty() {
        context.ui.answer("Nothing is marked. `cfgsync mark ~/.zshrc` shares a file.\n");
    }
    let width = marks.iter().map(|it| it.mark.path.chars().count()).max().unwrap_or(0).min(WIDEST);
    let rows: Vec<String> = marks.iter().map(|line| row(&context.ui, line, width)).collect();
    context.ui.page(&rows.concat());
    Ok(())
}

/// Widest path that others are aligned with.
const WIDEST: usize = 28;

/// Returns one line for a mark and its weight, and one more where it is not in order.
fn row(ui: &Ui, line: &Weighed, width: usize) -> String {
    let mark = &line.mark;
    let is_ok = mark.state == "ok";
    let sign = if is_ok { ui.paint(Tone::Good, "✓") } else { ui.paint(Tone::Bad, "✗") };
    let files = (mark.scope == "folder").then(|| report::files(mark.files));
    let plural = if line.changes == 1 { "" } else { "s" };
    let changes = (line.changes > 0).then(|| format!("{} change{plural}", line.changes));
    let size = Some(report::size(line.bytes));
    let weight: Vec<String> = [size, files, changes].into_iter().flatten().collect();
    let weight = ui.paint(Tone::Dim, &weight.join(", "));
    let more = if is_ok { String::new() } else { format!("          {}\n", mark.state) };
    format!("  {sign} {:<5} {:<width$}  {weight}\n{more}", mark.tie, mark.path)
}

/// Returns the lines for a mark that is not in order.
pub fn format_line(ui: &Ui, line: &MarkLine) -> String {
    format!("  {} {}\n    {}\n", ui.paint(Tone::Bad, "✗"), line.path, line.state)
}

/// Returns every mark with the state of its live files.
pub fn lines(session: &Session<'_>, picture: &Picture, held: &[Held]) -> Outcome<Vec<MarkLine>> {
    let manifest = &picture.observation.local.stored.manifest;
    let policy = session.policy()?;
    let ties = Ties {
        after: manifest,
        before: Vec::new(),
        kind: session.context.machine.kind,
        copies: &policy.copies,
    };
    let held = held.iter().map(|held| held.path.clone()).collect();
    let mut lines: Vec<MarkLine> =
        manifest.marks.keys().map(|home| line(home, manifest, picture, &ties, &held)).collect();
    if !session.context.settings.enabled {
        // No sync comes: setup was undone.
        lines
            .iter_mut()
            .for_each(|it| it.state = it.state.replace("the next sync", "`cfgsync setup`"));
    }
    Ok(lines)
}

fn line(
    home: &HomePath,
    manifest: &Manifest,
    picture: &Picture,
    ties: &Ties<'_>,
    held: &BTreeSet<RepoPath>,
) -> MarkLine {
    let observation = &picture.observation;
    let scope = manifest.marks.get(home).map_or(Scope::File, |mark| mark.scope);
    let top = home.stored();
    let live: Vec<(&RepoPath, &Live)> =
        observation.local.live.iter().filter(|(path, _)| path.is_within(&top)).collect();
    let tie = match ties.of(&top) {
        Tie::Copy => "copy",
        Tie::Link | Tie::None | Tie::Unmarked => "link",
    };
    let broken: Vec<String> = live
        .iter()
        .filter_map(|(path, live)| {
            let is_held = held.contains(*path).then(|| "held".to_owned());
            is_held.or_else(|| problem(path, **live, ties.of(path), picture))
        })
        .collect();
    let state = match broken[..] {
        [] => "ok".to_owned(),
        [ref one] => one.clone(),
        [ref one, ..] => format!("{one}, and {} more", broken.len() - 1),
    };
    let scope = if scope == Scope::Folder { "folder" } else { "file" };
    MarkLine { path: home.to_string(), scope, tie, files: live.len(), state }
}

/// Returns true for a unit that a sync would have a version of.
fn is_anywhere(path: &RepoPath, picture: &Picture) -> bool {
    [&picture.observation.ours, picture.observation.upstream()]
        .iter()
        .any(|tree| tree.units.contains_key(path))
}

fn problem(path: &RepoPath, live: Live, tie: Tie, picture: &Picture) -> Option<String> {
    let stored = picture.observation.stored(path);
    match (live, tie) {
        (Live::Linked, Tie::Copy) => {
            Some("a link where a copy belongs; the next sync mends it".to_owned())
        }
        (Live::Linked, _) if stored.is_none() => {
            Some("its stored copy is missing; the next sync mends it".to_owned())
        }
        (Live::Linked, _) => None,
        (Live::File(version), Tie::Copy) if Some(version) == stored => None,
        (Live::File(_), Tie::Copy) => Some("edited; the next sync shares it".to_owned()),
        (Live::File(_), _) => {
            Some("the link was replaced by a file; the next sync mends it".to_owned())
        }
        (Live::Moved(_), _) => Some("renamed; the next sync shares it".to_owned()),
        (Live::Absent | Live::FolderGone, _) if !is_anywhere(path, picture) => {
            Some("missing, here and upstream; `cfgsync unmark` ends its mark".to_owned())
        }
        (Live::Absent | Live::FolderGone, _) => {
            Some("missing; the next sync brings it back".to_owned())
        }
        (Live::LinkedElsewhere | Live::Folder | Live::Special | Live::Unreachable, _) => {
            Some(report::in_the_way(live).to_owned())
        }
    }
}
