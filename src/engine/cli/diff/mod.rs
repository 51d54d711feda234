//! `cfgsync diff`.

mod entry;
mod gather;
mod json;
mod stat;

use std::path::PathBuf;

use cfgsync_core::inert::shown;
use cfgsync_core::manifest::MANIFEST;
use cfgsync_core::path::RepoPath;
use cfgsync_core::policy::Removals;
use cfgsync_core::tree::Tree;

use self::entry::{Content, Entry, Side};
use self::gather::{Wanted, gather};
use super::unit_path;
use crate::context::{Context, absolute};
use crate::failure::{Code, Failure, Outcome};
use crate::session::{Mode, Session};
use crate::sync::Wishes;
use crate::sync::rehearsal::{Rehearsal, rehearse};
use crate::ui::diff::{Labelled, Style, styled};
use crate::ui::{Tone, Ui};

/// Show what a sync would change, line by line
///
/// "Here" is what changes on this machine, "There" what changes upstream. Of a
/// held file, which a sync leaves alone, it shows what each side made of the
/// version both had. Nothing is changed by looking.
///
///   cfgsync diff                     everything, on both sides
///   cfgsync diff ~/.zshrc            one file, or everything in a folder
///   cfgsync diff --here              what would come in
///   cfgsync diff --held --word       what does not fit, word by word
///   cfgsync diff --stat              how much changes in which file
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct DiffArgs {
    /// File or folder, of the home or of the repository (can be repeated)
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Show only how many lines change in each file
    #[arg(long)]
    stat: bool,
    /// Print JSON (schema 1, see docs/diff-json.md)
    #[arg(long, conflicts_with_all = ["stat", "word"])]
    json: bool,
    /// Show a changed line once, with [-what went-]{+what came+} in it
    #[arg(long, conflicts_with = "stat")]
    word: bool,
    /// Only what changes on this machine
    #[arg(long, conflicts_with = "there")]
    here: bool,
    /// Only what changes upstream
    #[arg(long)]
    there: bool,
    /// Only what is held; with --here or --there, that too
    #[arg(long)]
    held: bool,
}

/// Runs it.
pub fn run(context: &Context, args: &DiffArgs) -> Outcome<()> {
    let ui = &context.ui;
    let session = Session::open(context, Mode::Rehearsal)?;
    let rehearsal = rehearsal(&session)?;
    if let Some(offline) = &rehearsal.offline {
        ui.say(&format!("{}; this is against what was fetched last.", offline.cause));
    }
    let wanted =
        Wanted { sides: sides(args), below: limits(context, &session, &rehearsal, &args.paths)? };
    let entries = gather(&session, &rehearsal, &wanted)?;
    if args.json {
        ui.answer(&json::document(&entries));
    } else if entries.is_empty() {
        ui.say("Nothing would change.");
    } else if args.stat {
        ui.page(&stat::table(ui, &entries));
    } else {
        let style = if args.word { Style::Words } else { Style::Lines };
        ui.page(&sections(ui, style, &entries));
    }
    Ok(())
}

/// Plans the sync. What a sync would refuse can be looked at all the same.
fn rehearsal(session: &Session<'_>) -> Outcome<Rehearsal> {
    let context = session.context;
    match rehearse(session, &Wishes::default(), context.manners()) {
        Err(failure) if failure.code == Code::Refused => {
            let wishes = Wishes { removals: Removals::Any, ..Wishes::default() };
            let rehearsal = rehearse(session, &wishes, context.manners())?;
            context.ui.say(&format!("A sync would refuse this: {}.", failure.cause));
            Ok(rehearsal)
        }
        outcome => outcome,
    }
}

fn sides(args: &DiffArgs) -> Vec<Side> {
    let named = [(args.here, Side::Here), (args.there, Side::There), (args.held, Side::Held)];
    let is_limited = named.iter().any(|(is_named, _)| *is_named);
    named
        .into_iter()
        .filter(|(is_named, _)| *is_named || !is_limited)
        .map(|(_, side)| side)
        .collect()
}

/// Returns the files and folders a person means; none for everything there is.
fn limits(
    context: &Context,
    session: &Session<'_>,
    rehearsal: &Rehearsal,
    paths: &[PathBuf],
) -> Outcome<Option<Vec<RepoPath>>> {
    let places = &context.places;
    if paths.is_empty() || paths.iter().any(|path| absolute(path) == places.repo) {
        return Ok(None);
    }
    let observation = &rehearsal.picture.observation;
    let upstream = gather::upstream(session, &rehearsal.picture);
    let trees = [&observation.agreed, &observation.ours, &upstream, &rehearsal.plan.tree];
    let knows = |limit: &RepoPath| {
        let is_below = |tree: &&Tree| tree.units.keys().any(|unit| unit.is_within(limit));
        limit.as_bytes() == MANIFEST.as_bytes()
            || trees.iter().any(is_below)
            || rehearsal.plan.waiting.iter().any(|unit| unit.is_within(limit))
    };
    let mut limits = Vec::new();
    for path in paths {
        let is_home = absolute(path) == places.home;
        let limit = if is_home {
            RepoPath::new("external").ok()
        } else {
            unit_path(context, path).ok().filter(knows)
        };
        limits.push(limit.ok_or_else(|| unknown(path))?);
    }
    Ok(Some(limits))
}

fn unknown(path: &std::path::Path) -> Failure {
    use std::os::unix::ffi::OsStrExt;
    let name = shown(path.as_os_str().as_bytes());
    Failure::error(format!("{name} is no file that is shared"))
        .hint("`cfgsync list` shows what is marked, and `cfgsync mark PATH` shares a file.")
}

/// Shows the differences, one side after the other.
fn sections(ui: &Ui, style: Style, entries: &[Entry]) -> String {
    let mut text = String::new();
    for of_side in entries.chunk_by(|one, other| one.side == other.side) {
        let side = of_side[0].side;
        let gap = if text.is_empty() { "" } else { "\n" };
        let arrow = ui.paint(side.tone(), side.arrow());
        let title = ui.paint(Tone::Strong, side.title());
        text.push_str(&format!("{gap}{arrow} {title}: {}\n", side.meaning()));
        for of_unit in of_side.chunk_by(|one, other| one.name == other.name) {
            text.push('\n');
            if let Some(why) = &of_unit[0].why {
                text.push_str(&format!("{arrow} {}: {why}\n", of_unit[0].name));
            }
            of_unit.iter().for_each(|entry| text.push_str(&difference(ui, style, entry)));
        }
    }
    text
}

fn difference(ui: &Ui, style: Style, entry: &Entry) -> String {
    if !entry.is_compared() {
        return String::new();
    }
    let [before, after] = entry.labels();
    let before = labelled(&before, entry.before.as_ref());
    styled(ui, style, before, labelled(&after, entry.after.as_ref()))
}

fn labelled<'a>(label: &'a str, content: Option<&'a Content>) -> Labelled<'a> {
    Labelled {
        label,
        bytes: content.map(|content| content.bytes.as_slice()),
        mode: content.and_then(|content| content.mode),
    }
}
