//! `cfgsync explain`.

use std::path::{Path, PathBuf};

use cfgsync_core::linking::{Because, Tie, Ties};
use cfgsync_core::manifest::{MANIFEST, Manifest};
use cfgsync_core::names::is_dropping;
use cfgsync_core::observed::Live;
use cfgsync_core::path::{HomePath, RepoPath};
use cfgsync_core::plan::{Flow, Plan, plan};
use cfgsync_core::time::UnixTime;
use serde::Serialize;

use super::unit_path;
use crate::context::{Context, now};
use crate::failure::Outcome;
use crate::fs::dir::os;
use crate::git::worktree::Worktree;
use crate::picture::Picture;
use crate::session::{Mode, Session};
use crate::ui::{Tone, Ui, report};
use crate::{marks, record, secrets};

/// Say whether a path is shared, and why; what a sync would do
///
/// Against what was fetched last; nothing is fetched, and nothing is changed.
///
///   cfgsync explain ~/.zshrc
///   cfgsync explain ~/.config/nvim          a folder
///   cfgsync explain --json ~/.zshrc         for programs
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ExplainArgs {
    /// File or folder, of the home or of the repository
    path: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What there is to say of a path.
#[derive(Debug, Serialize)]
struct Explanation {
    schema: u32,
    path: String,
    /// `yes`, `no`, or for a folder without a mark of its own `partly`.
    shared: &'static str,
    /// Why it is shared, or why not.
    why: String,
    /// Files that are shared there.
    files: usize,
    /// Where the shared copy lies.
    stored: Option<String>,
    /// `link` or `copy`; none for what is no file of the home.
    tie: Option<&'static str>,
    /// Why it is a link, or a copy.
    tie_reason: Option<String>,
    /// What stands at its place.
    here: Option<String>,
    /// Who changed it last, as far as is known here.
    changed_by: Option<String>,
    /// When, in Unix seconds.
    changed_at: Option<u64>,
    /// What a sync would do.
    sync: Vec<String>,
}

/// Runs it.
pub fn run(context: &Context, args: &ExplainArgs) -> Outcome<()> {
    let session = Session::open(context, Mode::Rehearsal)?;
    let mut picture = marks::picture(&session)?;
    session.find_only_here(&mut picture.observation)?;
    secrets::find(&session, &mut picture.observation, &std::collections::BTreeMap::new())?;
    let plan = plan(&picture.observation, &session.policy()?);
    let path = unit_path(context, &args.path)?;
    let explained = explain(&session, &picture, &plan, &path)?;
    if args.json {
        context.ui.answer(&crate::ui::document(&explained));
    } else {
        print(context, &explained);
    }
    Ok(())
}

fn explain(
    session: &Session<'_>,
    picture: &Picture,
    plan: &Plan,
    path: &RepoPath,
) -> Outcome<Explanation> {
    let manifest = &picture.observation.local.stored.manifest;
    let files = plan.tree.units.keys().filter(|unit| unit.is_within(path)).count();
    let (shared, why) = share(session, picture, plan, path)?;
    let policy = session.policy()?;
    let kind = session.context.machine.kind;
    let ties = Ties { after: manifest, before: Vec::new(), kind, copies: &policy.copies };
    let (tie, because) = ties.explained(path);
    let is_tied = shared == "yes" && matches!(tie, Tie::Link | Tie::Copy);
    let word = is_tied.then_some(if tie == Tie::Link { "link" } else { "copy" });
    let stored = session.context.places.repo.join(os(path.as_bytes()));
    let last = match picture.upstream {
        Some(tip) if shared != "no" => session.worktree.last_change(tip, path)?,
        _ => None,
    };
    Ok(Explanation {
        schema: 1,
        path: report::name(path),
        shared,
        why,
        files,
        stored: (shared != "no").then(|| stored.display().to_string()),
        tie: word,
        tie_reason: is_tied.then(|| reason(because, tie)),
        here: picture.observation.local.live.get(path).map(|live| here(*live).to_owned()),
        changed_by: last.as_ref().map(|last| last.who.clone()),
        changed_at: last.map(|last| last.at.seconds()),
        sync: sync(plan, path),
    })
}

/// Returns whether a path is shared, and why or why not.
fn share(
    session: &Session<'_>,
    picture: &Picture,
    plan: &Plan,
    path: &RepoPath,
) -> Outcome<(&'static str, String)> {
    let manifest = &picture.observation.local.stored.manifest;
    if path.as_bytes() == MANIFEST.as_bytes() {
        return Ok(("yes", "it is the list of what is marked".to_owned()));
    }
    if path.is_meta() {
        return Ok(("no", "it is cfgsync's own, and stays on this machine".to_owned()));
    }
    let is_known = plan.tree.units.contains_key(path) || plan.waiting.contains(path);
    let home = path.home();
    let mark = home.as_ref().and_then(|home| manifest.covering(home));
    let has_files = plan.tree.units.keys().any(|unit| unit.is_within(path));
    match (&home, mark) {
        (Some(home), Some((by, _))) if by == home => Ok(("yes", "it is marked".to_owned())),
        (_, Some((by, _))) if is_known || has_files => {
            Ok(("yes", format!("{by}, which is marked, holds it")))
        }
        (None, _) if is_known || has_files => Ok(("yes", "it lies in the repository".to_owned())),
        (Some(home), None) => Ok(unmarked(manifest, home)),
        (_, _) => Ok(("no", left_out(session, path)?)),
    }
}

/// A path of the home that no mark covers, but perhaps something below it.
fn unmarked(manifest: &Manifest, home: &HomePath) -> (&'static str, String) {
    let below: Vec<String> = manifest
        .marks
        .keys()
        .filter(|mark| mark.is_within(home))
        .map(ToString::to_string)
        .collect();
    match &below[..] {
        [] => ("no", format!("it is not marked; `cfgsync mark {home}` shares it")),
        [one] => ("partly", format!("it is not marked itself; {one} in it is")),
        [one, rest @ ..] => {
            ("partly", format!("it is not marked itself; {one} and {} more in it are", rest.len()))
        }
    }
}

/// Why a path of the repository, or of a marked folder, is not shared.
fn left_out(session: &Session<'_>, path: &RepoPath) -> Outcome<String> {
    if path.is_local_only() {
        return Ok("names that end with .local never leave a machine".to_owned());
    }
    if is_dropping(path.name()) {
        return Ok("editors and desktops leave files of this name behind".to_owned());
    }
    if session.worktree.is_ignored(path)? {
        return Ok(match session.worktree.ignoring_rule(path, &session.scratch)? {
            Some(rule) => {
                format!("line {} of {} ignores it: {}", rule.line, rule.file, rule.pattern)
            }
            None => "Git's rules ignore it".to_owned(),
        });
    }
    if let Some(folder) = nested_repository(session, path) {
        return Ok(format!("{} is a Git repository of its own", folder.display()));
    }
    let place = place(&session.worktree, session.context, path);
    match std::fs::symlink_metadata(&place) {
        Err(_) => Ok("there is no such file, here or upstream".to_owned()),
        Ok(file) if file.is_symlink() => Ok("it is a link, and links are not followed".to_owned()),
        Ok(file) if file.is_dir() => Ok("it is a folder without a file in it to share".to_owned()),
        Ok(file) if !file.is_file() => Ok("it is no file".to_owned()),
        Ok(_) => Ok("it was not there at the last look".to_owned()),
    }
}

/// Returns where a person sees a unit.
fn place(worktree: &Worktree, context: &Context, path: &RepoPath) -> PathBuf {
    match path.home() {
        Some(home) => context.places.home.join(os(home.as_bytes())),
        None => worktree.root().join(os(path.as_bytes())),
    }
}

fn nested_repository(session: &Session<'_>, path: &RepoPath) -> Option<PathBuf> {
    let place = place(&session.worktree, session.context, path);
    let places = &session.context.places;
    let top = if path.home().is_some() { &places.home } else { &places.repo };
    let is_below = |folder: &&Path| folder.starts_with(top) && folder != top;
    let found = place.ancestors().take_while(is_below).find(|it| it.join(".git").exists());
    found.map(Path::to_path_buf)
}

fn reason(because: Because, tie: Tie) -> String {
    match (because, tie) {
        (Because::Asked, Tie::Copy) => "the mark says link=copy".to_owned(),
        (Because::Asked, _) => "the mark says link=link".to_owned(),
        (Because::Replaced, _) => {
            "an app replaced the link on this machine again and again".to_owned()
        }
        (Because::Breaks(why), _) => why.to_owned(),
        (Because::Usual | Because::InRepository | Because::NoMark, _) => {
            "nothing speaks against a link".to_owned()
        }
    }
}

fn here(live: Live) -> &'static str {
    match live {
        Live::Absent | Live::FolderGone => "nothing",
        Live::Linked => "a link to the shared copy",
        Live::File(_) => "a file",
        Live::Moved(_) => "a link that was renamed",
        Live::LinkedElsewhere => "a link to somewhere else",
        Live::Folder => "a folder",
        Live::Special => "something that is no file",
        Live::Unreachable => "nothing that can be reached: a folder above is a link or a file",
    }
}

/// Returns what a sync would do below a path.
fn sync(plan: &Plan, path: &RepoPath) -> Vec<String> {
    let prefix = |unit: &RepoPath| {
        if unit == path { String::new() } else { format!("{}: ", report::name(unit)) }
    };
    let held = plan.held.iter().filter(|held| held.path.is_within(path));
    let held = held.map(|held| format!("{}held: {}", prefix(&held.path), report::reason_of(held)));
    let changes = plan.changes.iter().filter(|change| change.path.is_within(path));
    let changes = changes.map(|change| {
        let way = match change.flow {
            Flow::Out => "send it",
            Flow::In => "bring it here",
            Flow::Both => "combine both sides",
        };
        format!("{}{way} ({})", prefix(&change.path), record::word(change.deed))
    });
    let mut lines: Vec<String> = held.chain(changes).collect();
    let is_linked = plan.steps.iter().any(|step| step.unit().is_within(path));
    if lines.is_empty() && is_linked {
        lines.push("put the file or link in its place".to_owned());
    }
    lines
}

fn print(context: &Context, explained: &Explanation) {
    let ui = &context.ui;
    let kind =
        if explained.files > 1 { format!(", {} files", explained.files) } else { String::new() };
    let tone = if explained.shared == "no" { Tone::Notice } else { Tone::Good };
    ui.answer(&format!("{}\n", ui.paint(Tone::Strong, &explained.path)));
    let shared = format!("{}{kind}: {}", explained.shared, explained.why);
    row(ui, "shared", tone, &shared);
    let plain = |label: &str, text: Option<&str>| {
        text.iter().for_each(|text| row(ui, label, Tone::Dim, text));
    };
    let stored = explained.stored.as_ref().map(|it| report::near(&context.places.home, it));
    plain("stored", stored.as_deref());
    let tie = explained.tie.zip(explained.tie_reason.as_ref());
    plain("tie", tie.map(|(tie, why)| format!("{tie}: {why}")).as_deref());
    plain("here", explained.here.as_deref());
    let changed = explained.changed_by.as_ref().zip(explained.changed_at).map(|(who, at)| {
        format!("on {who}, {} ago", now().since(UnixTime(at.saturating_mul(1000))))
    });
    plain("changed", changed.as_deref());
    let sync = if explained.sync.is_empty() {
        vec!["nothing to do".to_owned()]
    } else {
        explained.sync.clone()
    };
    sync.iter().for_each(|line| row(ui, "sync", Tone::Dim, line));
}

fn row(ui: &Ui, label: &str, tone: Tone, text: &str) {
    let label = ui.paint(tone, &format!("{label:<8}"));
    ui.answer(&ui.fitted(&format!("  {label} {text}\n")));
}
