//! The wording of everything that is reported: changes, what waits, states.

use std::collections::BTreeMap;
use std::path::Path;

use cfgsync_core::doubt::Doubt;
use cfgsync_core::observed::{Finding, Live, Side};
use cfgsync_core::path::RepoPath;
use cfgsync_core::plan::{Change, Deed, Flow, Held, Plan, Why};
use cfgsync_core::reconcile::Contest;
use cfgsync_core::secrets::{Tier, what};
use cfgsync_core::steps::Step;

use super::{Loudness, Tone, Ui};
use crate::sync::Report;

pub use crate::record::name;

/// Says what does not come back, because nobody let it in.
pub fn withheld(ui: &Ui, withheld: &BTreeMap<RepoPath, &'static str>) {
    let mark = ui.paint(Tone::Notice, "!");
    for (path, runs) in withheld {
        let name = name(path);
        ui.say(&format!("  {mark} {name} does not come back: nobody let it in here, and {runs}."));
    }
    if !withheld.is_empty() {
        ui.say("  `cfgsync restore DATE -- PATH`, which names it, brings it back.");
    }
}

/// Says which rules a command leaves as they are, and what would leave by those of then.
pub fn rules_stay(ui: &Ui, rules: &BTreeMap<RepoPath, String>) {
    let mark = ui.paint(Tone::Notice, "!");
    for (path, files) in rules {
        let name = name(path);
        ui.say(&format!(
            "  {mark} {name} stays as it is: as it was then, it would let {files} leave."
        ));
    }
    if !rules.is_empty() {
        ui.say("  An edit of yours counts at once, where that is meant.");
    }
}

/// Returns one line for a change.
pub fn change(ui: &Ui, change: &Change) -> String {
    let (arrow, tone) = match change.flow {
        Flow::Out => ("↑", Tone::Notice),
        Flow::In => ("↓", Tone::Incoming),
        Flow::Both => ("↕", Tone::Good),
    };
    let deed = match (change.deed, change.flow) {
        (Deed::Added, _) => "added",
        (Deed::Edited, Flow::Both) => "combined",
        (Deed::Edited, _) => "edited",
        (Deed::Mode, _) => "mode",
        (Deed::Removed, _) => "removed",
        (Deed::Kept, Flow::In) => "kept (removed here, edited there)",
        (Deed::Kept, _) => "kept (edited here, removed there)",
        (Deed::Unmarked, _) => "unmarked",
    };
    format!("  {} {deed:<8} {}", ui.paint(tone, arrow), name(&change.path))
}

/// Returns why a unit waits, as a sentence without its end.
fn why(why: Why) -> String {
    match why {
        Why::Contest(Contest::Content) => "both sides changed the same lines".to_owned(),
        Why::Contest(Contest::Binary) => "both sides changed it, and it is not text".to_owned(),
        Why::Contest(Contest::Forbidden) => {
            "both sides changed it, and its attributes forbid merging".to_owned()
        }
        Why::Contest(Contest::Format) => {
            "both sides changed it, and together it would no longer parse".to_owned()
        }
        Why::Contest(Contest::BothAdded) => {
            "another file of this name came from upstream".to_owned()
        }
        Why::Contest(Contest::LinkAgainstFile) => {
            "it is a link on one side and a file on the other".to_owned()
        }
        Why::Contest(Contest::Mode) => "both sides gave it another mode".to_owned(),
        Why::FileAgainstFolder => "it is a file on one side and a folder on the other".to_owned(),
        Why::SameName => "this disk takes its name for that of another file".to_owned(),
        Why::Finding(finding) => found(finding),
        Why::UpstreamIsNoFile => {
            "upstream has a link of this name, which is not followed".to_owned()
        }
        Why::InTheWay(live) => in_the_way(live).to_owned(),
        Why::Doubt(doubt) => doubtful(doubt),
    }
}

/// Returns why a unit waits, with what a program said of it.
pub fn reason_of(held: &Held) -> String {
    match &held.said {
        Some(said) => format!("{}: {said}", why(held.why)),
        None => why(held.why),
    }
}

fn doubtful(doubt: Doubt) -> String {
    match doubt {
        Doubt::Runs(who) => format!("it is new here, at a risky place: {who}"),
        Doubt::ControlCharacters => {
            "it is new here, and its name holds control characters".to_owned()
        }
        Doubt::Twin => {
            "it is new here, and some disks take its name for that of another file".to_owned()
        }
        Doubt::LeadsOut => "it is a link that leads out of the repository".to_owned(),
        Doubt::GitReadsIt => "it is a link, and git reads a file of this name".to_owned(),
        Doubt::LongName => "no disk takes so long a name".to_owned(),
        Doubt::TooLarge(bytes) => {
            format!("it comes in large ({}); `cfgsync mark --large` shares it", size(bytes))
        }
        Doubt::NamesPrograms => {
            "upstream's version names a program that a sync itself would run, or where data goes"
                .to_owned()
        }
        Doubt::Broken => "upstream's version is broken, and nothing would start with it".to_owned(),
        Doubt::Unignores => {
            "upstream ignores less, and files would leave that are ignored here".to_owned()
        }
        Doubt::Unfilters => "upstream takes a git filter from files that have one here".to_owned(),
        Doubt::Filters => {
            "upstream's version gives a git filter to files that would go out in the clear"
                .to_owned()
        }
        Doubt::AwaitsAttributes => {
            "a .gitattributes waits that says which git filter covers it".to_owned()
        }
    }
}

fn found(finding: Finding) -> String {
    match finding {
        Finding::Busy => "it is being written right now".to_owned(),
        Finding::Emptied => {
            "it just became empty; the next sync shares it if it stays so".to_owned()
        }
        Finding::TooLarge(bytes) => {
            format!("it is large ({}); `cfgsync mark --large` shares it", size(bytes))
        }
        Finding::Unreadable => "it may not be read".to_owned(),
        Finding::Filtered => {
            "a git filter covers it, and is not set up here or fails; it must not travel unfiltered"
                .to_owned()
        }
        Finding::OnlyHere => "it was restored for this machine only".to_owned(),
        Finding::Ignored => {
            "it is ignored here or of another repository, and upstream has a file of its name"
                .to_owned()
        }
        Finding::Secret(secret) => {
            let verb = if secret.tier == Tier::Certain { "holds" } else { "may hold" };
            format!("line {} {verb} {}, so it is not shared", secret.line, what(secret.rule))
        }
        Finding::Swapped => "its link and that of another file were swapped".to_owned(),
        Finding::EditedTwice => "the live file and its stored copy were both edited".to_owned(),
    }
}

/// Returns what stands at a home path that must not be touched.
pub fn in_the_way(live: Live) -> &'static str {
    match live {
        Live::LinkedElsewhere => "a link to somewhere else stands in its place",
        Live::Folder => "a folder stands in its place",
        Live::Special => "something that is no file stands in its place",
        Live::Unreachable => "a folder above it is a link or a file",
        Live::Absent | Live::FolderGone | Live::Linked | Live::Moved(_) | Live::File(_) => {
            "it is in order"
        }
    }
}

/// Returns a size as people read it.
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
pub fn size(bytes: u64) -> String {
    let names = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < names.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", names[unit])
}

/// Returns a number of files, as people read it.
pub fn files(count: usize) -> String {
    format!("{count} file{}", if count == 1 { "" } else { "s" })
}

/// Returns a number of paths, as people read it.
pub fn paths(count: usize) -> String {
    format!("{count} path{}", if count == 1 { "" } else { "s" })
}

/// Returns a number of backups, as people read it.
pub fn backups(count: usize) -> String {
    format!("{count} backup{}", if count == 1 { "" } else { "s" })
}

/// Returns a moment, in Unix seconds, as people read it: this machine's own time.
pub fn moment(at: u64) -> String {
    let time = chrono::DateTime::from_timestamp(i64::try_from(at).unwrap_or(0), 0);
    let time =
        time.map(|time| time.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M").to_string());
    time.unwrap_or_default()
}

/// Returns the number of the day of a moment, in Unix seconds, in this machine's own time.
pub fn day(at: u64) -> i64 {
    use chrono::Datelike;
    let time = chrono::DateTime::from_timestamp(i64::try_from(at).unwrap_or(0), 0);
    let day = time.map(|time| time.with_timezone(&chrono::Local).date_naive().num_days_from_ce());
    day.map_or(0, i64::from)
}

/// Returns a moment as part of a file's name: `20261120T093000Z`.
pub fn stamp(at: cfgsync_core::time::UnixTime) -> String {
    let time = chrono::DateTime::from_timestamp(i64::try_from(at.seconds()).unwrap_or(0), 0);
    time.map(|time| time.format("%Y%m%dT%H%M%SZ").to_string()).unwrap_or_default()
}

/// Says what one sync did.
pub fn synced(ui: &Ui, report: &Report) {
    for line in &report.changes {
        let why = reason(&report.overwritten, line);
        let why = if ui.loudness >= Loudness::Verbose { format!("  {why}") } else { String::new() };
        ui.say(&format!("{}{}", change(ui, line), ui.paint(Tone::Dim, &why)));
    }
    waiting(ui, &report.held);
    report.notes.iter().for_each(|note| ui.say(&format!("  {note}")));
    if report.failed.is_empty() && report.held.is_empty() && report.remote.is_none() {
        let is_idle = report.changes.is_empty() && report.steps == 0;
        let what = if is_idle { "In sync; nothing to do." } else { "In sync." };
        ui.say(&format!("{} {what}", ui.paint(Tone::Good, "✓")));
    } else if report.ahead > 0 {
        let commits = if report.ahead == 1 { "commit waits" } else { "commits wait" };
        ui.say(&format!(
            "{} {} {commits} for the remote.",
            ui.paint(Tone::Notice, "↑"),
            report.ahead
        ));
    }
}

/// Says how what was just done is taken back, where it can be.
pub fn undo_line(ui: &Ui, report: &Report) {
    if report.is_undoable {
        ui.say("  `cfgsync undo` takes this back.");
    }
}

/// Says what waits for a person.
pub fn waiting(ui: &Ui, held: &[Held]) {
    held.iter().for_each(|held| ui.say(&held_line(ui, held)));
}

fn held_line(ui: &Ui, held: &Held) -> String {
    let mark = ui.paint(Tone::Bad, "✗");
    format!("  {mark} held     {}: {}", name(&held.path), reason_of(held))
}

/// Returns why a change is made.
fn reason(overwritten: &BTreeMap<RepoPath, Side>, change: &Change) -> &'static str {
    match overwritten.get(&change.path) {
        Some(Side::Theirs) => "overwrites upstream's change",
        Some(Side::Ours) => "overwrites the change made here",
        None => because(change.flow, change.deed),
    }
}

/// Returns why a change is made that nobody asked for.
fn because(flow: Flow, deed: Deed) -> &'static str {
    match (flow, deed) {
        (Flow::Both, _) => "changed on both sides, and the changes fit",
        (Flow::Out, Deed::Kept) => "edited here, removed upstream: the edit wins",
        (Flow::In, Deed::Kept) => "edited upstream, removed here: the edit wins",
        (Flow::Out, Deed::Unmarked) => "unmarked here; every machine keeps its file",
        (Flow::In, Deed::Unmarked) => "unmarked upstream; this machine keeps its file",
        (Flow::Out, Deed::Added) => "new here",
        (Flow::In, Deed::Added) => "new upstream",
        (Flow::Out, Deed::Removed) => "removed here",
        (Flow::In, Deed::Removed) => "removed upstream",
        (Flow::Out, Deed::Edited | Deed::Mode) => "changed here",
        (Flow::In, Deed::Edited | Deed::Mode) => "changed upstream",
    }
}

/// Prints the plan that a sync would execute, with its reasons.
pub fn preview(ui: &Ui, plan: &Plan) {
    changes(ui, plan);
    if is_empty(plan) {
        ui.answer("Nothing would change.\n");
    }
}

/// Writes `~` for the home in a text for people.
pub fn near(home: &Path, text: &str) -> String {
    let home = home.display().to_string();
    let mut near = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(&home).filter(|_| home.len() > 1) {
        let starts = before.chars().next_back().is_none_or(|c| " ('`".contains(c));
        let is_it = starts && (behind.is_empty() || behind.starts_with(['/', ' ', ',', ';', ')']));
        near.push_str(before);
        near.push_str(if is_it { "~" } else { &home });
        rest = behind;
    }
    near + rest
}

/// Returns true for a plan that nothing can be told of.
pub fn is_empty(plan: &Plan) -> bool {
    let is_still = plan.changes.is_empty() && plan.operation.is_empty();
    is_still && plan.steps.is_empty() && plan.held.is_empty()
}

/// Prints what a plan would do, line by line.
pub fn changes(ui: &Ui, plan: &Plan) {
    let length = |line: &Change| name(&line.path).chars().count();
    let width = plan.changes.iter().map(length).max().unwrap_or_default();
    for line in &plan.changes {
        let reason = ui.paint(Tone::Dim, reason(&plan.overwritten, line));
        let gap = " ".repeat(width - length(line) + 2);
        ui.answer(&format!("{}{gap}{reason}\n", change(ui, line)));
    }
    let count = plan.steps.iter().filter(|step| matches!(step, Step::Link { .. })).count();
    if count > 0 {
        let plural = if count == 1 { "" } else { "s" };
        ui.answer(&format!("  {count} link{plural} to put in place\n"));
    }
    for (home, (_, after)) in &plan.operation.marks {
        let is_told = |change: &&Change| {
            change.deed == Deed::Unmarked && change.path.home().is_some_and(|it| it.is_within(home))
        };
        if !plan.changes.iter().any(|change| is_told(&change)) {
            let deed = if after.is_some() { "mark" } else { "unmark" };
            ui.answer(&format!("  {} {deed:<8} {home}\n", ui.paint(Tone::Notice, "·")));
        }
    }
    plan.held.iter().for_each(|held| ui.answer(&ui.fitted(&(held_line(ui, held) + "\n"))));
}
