//! `cfgsync status`.

use cfgsync_core::observed::Finding;
use cfgsync_core::plan::{Flow, Plan, Why, plan};
use cfgsync_core::secrets::Secret;
use cfgsync_core::status::SyncState;
use cfgsync_core::time::UnixTime;
use serde::Serialize;

use super::list::{self, MarkLine};
use crate::context::{Context, now};
use crate::failure::{Code, Failure, Outcome};
use crate::git::remote::without_password;
use crate::held;
use crate::picture::Picture;
use crate::privacy;
use crate::record;
use crate::session::{Mode, Session};
use crate::sync::ahead_behind;
use crate::ui::{Tone, Ui, report};

/// Show whether all is in sync, what waits, and what to do
///
/// Looks at the files, not at the last run; asks the remote nothing.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Print JSON (schema 1, see docs/status-json.md)
    #[arg(long)]
    json: bool,
    /// Exit with 0 in sync, 3 out of sync, 4 held, 8 paused
    #[arg(long)]
    exit_code: bool,
}

/// What is reported, as JSON has it. Fields are only ever added within a schema.
#[derive(Debug, Serialize)]
struct Status {
    schema: u32,
    state: &'static str,
    machine: String,
    kind: String,
    folder: String,
    branch: String,
    remote: Option<String>,
    /// Who can read it; null where strangers cannot ask.
    readers: Option<&'static str>,
    last_contact: Option<u64>,
    ahead: u32,
    behind: u32,
    pending: Pending,
    paused: Option<String>,
    background: Background,
    marks: Vec<MarkLine>,
    held: Vec<HeldLine>,
    next: Vec<String>,
}

/// What becomes of syncs in the background.
#[derive(Debug, Serialize)]
struct Background {
    /// Whether a person paused them.
    paused: bool,
    /// Until when, in Unix seconds; null for until a person says otherwise.
    until: Option<u64>,
    #[serde(skip)]
    described: Option<String>,
}

/// Changes that no sync has carried yet, by the side they come from.
#[derive(Debug, Default, Serialize)]
struct Pending {
    here: Vec<ChangeLine>,
    there: Vec<ChangeLine>,
}

#[derive(Debug, Clone, Serialize)]
struct ChangeLine {
    path: String,
    what: &'static str,
}

#[derive(Debug, Serialize)]
struct HeldLine {
    path: String,
    why: String,
    /// The secret it waits for; never its value.
    secret: Option<SecretLine>,
    /// What makes it doubtful, where it comes from upstream and waits for consent.
    doubt: Option<&'static str>,
    /// When it was changed here, in Unix seconds.
    changed_here: Option<u64>,
    /// When it was changed upstream, in Unix seconds.
    changed_there: Option<u64>,
    /// The machine or person that changed it upstream.
    changed_by: Option<String>,
    #[serde(skip)]
    changes: String,
}

/// What was found in a file that waits because of it.
#[derive(Debug, Serialize)]
struct SecretLine {
    rule: &'static str,
    tier: &'static str,
    line: u32,
}

/// Runs it.
pub fn run(context: &Context, args: &StatusArgs) -> Outcome<()> {
    let session = Session::open(context, Mode::Rehearsal)?;
    let status = gather(&session)?;
    if args.json {
        context.ui.answer(&crate::ui::document(&status));
    } else {
        print(context, &status);
    }
    match exit_code(&status).filter(|_| args.exit_code) {
        Some((code, cause)) => Err(Failure::new(code, cause)),
        None => Ok(()),
    }
}

fn gather(session: &Session<'_>) -> Outcome<Status> {
    let context = session.context;
    let upstream = session.worktree.upstream()?;
    let (ahead, behind) = ahead_behind(&session.worktree, &session.branch, upstream)?;
    let ahead = if session.remote.is_some() { ahead } else { 0 };
    let record = record::read(&context.places)?;
    let contact = record.as_ref().map(|record| record.contact).filter(|at| at.0 > 0);
    let url = session.remote.as_deref().and_then(|name| session.worktree.remote_url(name));
    let foreign = session.worktree.foreign(&session.branch)?;
    let mut status = Status {
        schema: 1,
        state: SyncState::Paused.word(),
        machine: context.machine.id.clone(),
        kind: context.machine.kind.to_string(),
        folder: context.places.repo.display().to_string(),
        branch: session.branch.clone(),
        remote: url.map(|url| without_password(&url)),
        readers: privacy::last(session)?.map(|(who, _)| who.word()),
        last_contact: contact.map(UnixTime::seconds),
        ahead,
        behind,
        pending: Pending::default(),
        paused: taken_off(context)
            .or_else(|| foreign.map(|foreign| format!("{}. {}", foreign.what, foreign.hint))),
        background: background(context)?,
        marks: Vec::new(),
        held: Vec::new(),
        next: Vec::new(),
    };
    let observer = session.observer();
    match session.picture(&observer, upstream) {
        Ok(picture) => {
            let last = record.map(|record| record.state);
            look_at(session, &picture, last, &mut status)?;
        }
        // A manifest this program is too old to understand is no reason to say nothing.
        Err(failure) if failure.code == Code::Refused => status.paused = Some(failure.cause),
        Err(failure) => return Err(failure),
    }
    Ok(status)
}

/// Says that setup was undone here; none where it was not.
fn taken_off(context: &Context) -> Option<String> {
    let is_off = !context.settings.enabled;
    is_off.then(|| "cfgsync was taken off this machine. `cfgsync setup` puts it back.".to_owned())
}

fn background(context: &Context) -> Outcome<Background> {
    let pause = crate::pause::read(&context.places)?.filter(|pause| pause.holds(context.now));
    let until = pause.and_then(|pause| pause.until).map(UnixTime::seconds);
    let described = super::pause::described(context)?;
    Ok(Background { paused: pause.is_some(), until, described })
}

/// Adds what the files themselves say.
fn look_at(
    session: &Session<'_>,
    picture: &Picture,
    last: Option<SyncState>,
    status: &mut Status,
) -> Outcome<()> {
    let plan = plan(&picture.observation, &session.policy()?);
    status.pending = pending(&plan);
    status.marks = list::lines(session, picture, &plan.held)?;
    status.held = held(session, picture, &plan)?;
    let state = match &status.paused {
        Some(_) => SyncState::Paused,
        None if last == Some(SyncState::Failed) => SyncState::Failed,
        None if !plan.held.is_empty() => SyncState::Held,
        None if status.ahead > 0 || !status.pending.here.is_empty() => SyncState::Ahead,
        None if status.behind > 0 || !status.pending.there.is_empty() => SyncState::Behind,
        None => SyncState::Synced,
    };
    status.state = state.word();
    if session.context.settings.enabled {
        status.next = next(status, &plan, picture);
    } else {
        status.next.push("cfgsync setup                          let it sync again".to_owned());
    }
    Ok(())
}

fn pending(plan: &Plan) -> Pending {
    let lines = |flow: Flow| {
        let wanted =
            plan.changes.iter().filter(|change| change.flow == flow || change.flow == Flow::Both);
        let line = |change: &cfgsync_core::plan::Change| ChangeLine {
            path: report::name(&change.path),
            what: record::word(change.deed),
        };
        wanted.map(line).collect()
    };
    Pending { here: lines(Flow::Out), there: lines(Flow::In) }
}

fn held(session: &Session<'_>, picture: &Picture, plan: &Plan) -> Outcome<Vec<HeldLine>> {
    let line = |held: &cfgsync_core::plan::Held| {
        let changes = held::changes(session, picture, held)?;
        Ok(HeldLine {
            path: report::name(&held.path),
            why: report::reason_of(held),
            secret: secret(held.why),
            doubt: match held.why {
                Why::Doubt(doubt) => Some(doubt.word()),
                _ => None,
            },
            changed_here: changes.here.map(UnixTime::seconds),
            changed_there: changes.there.as_ref().map(|there| there.at.seconds()),
            changes: changes.describe(),
            changed_by: changes.there.map(|there| there.who),
        })
    };
    plan.held.iter().map(line).collect()
}

fn secret(why: Why) -> Option<SecretLine> {
    let Why::Finding(Finding::Secret(Secret { rule, tier, line })) = why else { return None };
    Some(SecretLine { rule, tier: tier.word(), line })
}

fn next(status: &Status, plan: &Plan, picture: &Picture) -> Vec<String> {
    let mut next = Vec::new();
    if status.state == SyncState::Failed.word() {
        next.push("cfgsync sync                           see why the last sync failed".to_owned());
        return next;
    }
    if status.held.iter().any(|line| line.secret.is_some()) {
        next.push("cfgsync secrets list                   see which secrets wait".to_owned());
    }
    if status.held.iter().any(|line| line.secret.is_none()) {
        next.push("cfgsync resolve                        decide the held files".to_owned());
    }
    let waits = status.ahead > 0 || status.behind > 0;
    if waits || !plan.changes.is_empty() || !plan.steps.is_empty() {
        next.push("cfgsync sync                           bring both sides together".to_owned());
    }
    if status.remote.is_none() {
        next.push("cfgsync setup <URL>                    add a remote to share with".to_owned());
    }
    if status.background.paused {
        next.push("cfgsync resume                         let background syncs go on".to_owned());
    }
    if picture.observation.local.stored.manifest.marks.is_empty() {
        next.push("cfgsync mark ~/.zshrc                  share a file of your home".to_owned());
    }
    next
}

fn print(context: &Context, status: &Status) {
    let ui = &context.ui;
    let (icon, tone) = match status.state {
        "synced" => ("✓", Tone::Good),
        "ahead" => ("↑", Tone::Notice),
        "behind" => ("↓", Tone::Incoming),
        "paused" => ("‖", Tone::Notice),
        _ => ("✗", Tone::Bad),
    };
    let mut text = format!("{} {}\n", ui.paint(tone, icon), ui.paint(Tone::Strong, status.state));
    let near = |text: &str| report::near(&context.places.home, text);
    let mut row = |name: &str, value: &str| text.push_str(&format!("  {name:<9}  {value}\n"));
    row("machine", &format!("{} ({})", status.machine, status.kind));
    row("folder", &near(&status.folder));
    let remote = status.remote.as_deref().unwrap_or("none (this machine only)");
    let readers = match status.readers {
        Some("everybody") => "; everybody can read it",
        _ => "",
    };
    row("remote", &format!("{}, branch {}{readers}", near(remote), status.branch));
    row("last sync", &last_contact(status.last_contact));
    if status.ahead > 0 || status.behind > 0 {
        row("commits", &format!("{} to send, {} to receive", status.ahead, status.behind));
    }
    if let Some(paused) = &status.paused {
        row("paused", paused);
    }
    if let Some(paused) = &status.background.described {
        row("paused", paused);
    }
    text.push_str(&section(ui, status));
    ui.page(&ui.fitted(&text));
}

fn section(ui: &Ui, status: &Status) -> String {
    let mut text = String::new();
    let mut list = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            text.push_str(&format!("\n{}\n{}", ui.paint(Tone::Strong, title), lines.concat()));
        }
    };
    let changes = |lines: &[ChangeLine]| {
        lines.iter().map(|line| format!("  {:<8} {}\n", line.what, line.path)).collect::<Vec<_>>()
    };
    list("Changed here", changes(&status.pending.here));
    list("Changed upstream", changes(&status.pending.there));
    let held = status.held.iter().map(held_text).collect();
    list("Held", held);
    list("Marked", marked(ui, &status.marks));
    list("Next", steps(&status.next));
    text
}

/// Counts what is in order, and names what is not.
fn marked(ui: &Ui, marks: &[MarkLine]) -> Vec<String> {
    let (fine, wrong): (Vec<_>, Vec<_>) = marks.iter().partition(|line| line.state == "ok");
    let files = fine.iter().map(|line| line.files).sum();
    let paths = if fine.len() == 1 { "path" } else { "paths" };
    let sign = ui.paint(Tone::Good, "✓");
    let counted = format!("  {sign} {} {paths} in order, {}\n", fine.len(), report::files(files));
    let counted = (!fine.is_empty()).then_some(counted);
    // What is held has been told of already.
    let wrong = wrong.into_iter().filter(|line| line.state != "held");
    counted.into_iter().chain(wrong.map(|line| list::format_line(ui, line))).collect()
}

/// Puts commands and what they do in two columns, as narrow as can be.
fn steps(next: &[String]) -> Vec<String> {
    let split = |line: &String| match line.split_once("  ") {
        Some((command, what)) => (command.to_owned(), what.trim_start().to_owned()),
        None => (line.clone(), String::new()),
    };
    let steps: Vec<(String, String)> = next.iter().map(split).collect();
    let width = steps.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
    steps.iter().map(|(command, what)| format!("  {command:<width$}  {what}\n")).collect()
}

fn held_text(line: &HeldLine) -> String {
    let changes =
        if line.changes.is_empty() { String::new() } else { format!("    {}\n", line.changes) };
    format!("  {}\n    {}\n{changes}", line.path, line.why)
}

fn last_contact(at: Option<u64>) -> String {
    let Some(at) = at else { return "never".to_owned() };
    let age = now().since(UnixTime(at.saturating_mul(1000)));
    format!("{age} ago ({})", report::moment(at))
}

fn exit_code(status: &Status) -> Option<(Code, &'static str)> {
    match status.state {
        "synced" => None,
        "held" => Some((Code::Held, "files wait for you")),
        "paused" => Some((Code::Foreign, "the repository is busy with git")),
        _ => Some((Code::OutOfSync, "not in sync")),
    }
}
