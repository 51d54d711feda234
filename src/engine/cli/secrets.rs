//! `cfgsync secrets`.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cfgsync_core::inert::shown;
use cfgsync_core::observed::Finding;
use cfgsync_core::path::RepoPath;
use cfgsync_core::plan::{Why, plan};
use cfgsync_core::secrets::{Tier, what};
use serde::Serialize;

use super::unit_path;
use crate::context::Context;
use crate::failure::{Code, Failure, Outcome};
use crate::fs::look::blob_id;
use crate::fs::plain;
use crate::git::outgoing::outgoing;
use crate::git::trees::read_blob;
use crate::marks;
use crate::picture::Picture;
use crate::privacy;
use crate::record::name;
use crate::secrets::gate::Sight;
use crate::session::{Mode, Session};
use crate::ui::{Tone, report};

/// See which files hold secrets, and decide what may travel
///
/// A file that holds a password, a key or a token is not shared: it is held, and
/// everything else goes on. What you allow is remembered on this machine alone,
/// for that very value in that very file. No value is ever printed or kept.
///
///   cfgsync secrets list                what waits, and what was allowed
///   cfgsync secrets allow ~/.npmrc      let what it holds be shared
///   cfgsync secrets allow --remote      share, though everybody can read it
///   cfgsync secrets scan                look through everything that is shared
///   cfgsync secrets scan --history      and through every version of it
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct SecretsArgs {
    #[command(subcommand)]
    command: SecretsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum SecretsCommand {
    /// List the files that wait because of a secret, and what was allowed
    List {
        /// Print JSON (schema 1, see docs/status-json.md)
        #[arg(long)]
        json: bool,
    },
    /// Let the secrets of a file be shared from this machine
    Allow {
        /// File of the repository or of your home (can be repeated)
        #[arg(required_unless_present = "remote", value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// The remote: share with it although everybody can read it
        #[arg(long, conflicts_with = "paths")]
        remote: bool,
        /// Take back what was allowed
        #[arg(long)]
        revoke: bool,
    },
    /// Look for secrets in everything that is shared, or in some files
    Scan {
        /// Only these files
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Look through every commit too
        #[arg(long, conflicts_with = "paths")]
        history: bool,
        /// Print JSON (schema 1, see docs/status-json.md)
        #[arg(long)]
        json: bool,
    },
}

/// One secret, as it is reported: never its value.
#[derive(Debug, Serialize)]
struct SecretLine {
    path: String,
    line: u32,
    rule: &'static str,
    what: &'static str,
    tier: &'static str,
    allowed: bool,
    /// The first commit that holds it, where commits were looked through.
    commit: Option<String>,
}

/// One thing that was allowed.
#[derive(Debug, Serialize)]
struct AllowedLine {
    path: String,
    rule: String,
    /// When, in Unix seconds.
    at: u64,
}

#[derive(Debug, Serialize)]
struct Listing {
    schema: u32,
    held: Vec<SecretLine>,
    allowed: Vec<AllowedLine>,
}

#[derive(Debug, Serialize)]
struct Scan {
    schema: u32,
    found: Vec<SecretLine>,
}

/// Runs it.
pub fn run(context: &Context, args: &SecretsArgs) -> Outcome<()> {
    match &args.command {
        SecretsCommand::List { json } => list(context, *json),
        SecretsCommand::Allow { remote: true, revoke, .. } => allow_remote(context, *revoke),
        SecretsCommand::Allow { paths, revoke: true, .. } => revoke(context, paths),
        SecretsCommand::Allow { paths, revoke: false, .. } => allow(context, paths),
        SecretsCommand::Scan { paths, history, json } => {
            let session = Session::open(context, Mode::Rehearsal)?;
            let picture = marks::picture(&session)?;
            let found = if paths.is_empty() {
                shared(&session, &picture, *history)?
            } else {
                named(&session, &picture, paths)?
            };
            scanned(context, found, *json)
        }
    }
}

fn line(path: &[u8], sight: &Sight, allowed: bool) -> SecretLine {
    let secret = sight.secret;
    SecretLine {
        path: shown_path(path),
        line: secret.line,
        rule: secret.rule,
        what: what(secret.rule),
        tier: secret.tier.word(),
        allowed,
        commit: None,
    }
}

/// Returns a path as people know it.
fn shown_path(path: &[u8]) -> String {
    RepoPath::new(path).map_or_else(|_| shown(path), |path| name(&path))
}

/// Returns the bytes of a unit as they would be shared; of a file that is not shared yet, as they are.
fn sights(session: &Session<'_>, picture: &Picture, unit: &RepoPath) -> Outcome<Vec<Sight>> {
    if let Some(version) = picture.observation.ours.units.get(unit) {
        let bytes = || session.vault.bytes(version.blob);
        return session.gate.look(unit.as_bytes(), version.blob, bytes);
    }
    let places = &session.context.places;
    let file = match unit.home() {
        Some(home) => places.home.join(crate::fs::dir::os(home.as_bytes())),
        None => places.repo.join(crate::fs::dir::os(unit.as_bytes())),
    };
    let Some(bytes) = plain::read(&file)? else {
        return Err(Failure::error(format!("there is no {}", name(unit)))
            .hint("Check the spelling; `cfgsync secrets list` shows what waits."));
    };
    session.gate.look(unit.as_bytes(), blob_id(&bytes), || Ok(bytes))
}

fn list(context: &Context, json: bool) -> Outcome<()> {
    let session = Session::open(context, Mode::Rehearsal)?;
    let picture = marks::picture(&session)?;
    let held = plan(&picture.observation, &session.policy()?).held;
    let mut lines = Vec::new();
    for held in held.iter().filter(|held| matches!(held.why, Why::Finding(Finding::Secret(_)))) {
        for sight in sights(&session, &picture, &held.path)? {
            if !session.gate.allows(&sight)? {
                lines.push(line(held.path.as_bytes(), &sight, false));
            }
        }
    }
    let allowed = session.gate.allowed()?.into_iter();
    let allowed =
        allowed.map(|it| AllowedLine { path: shown_path(&it.path), rule: it.rule, at: it.at });
    let listing = Listing { schema: 1, held: lines, allowed: allowed.collect() };
    if json {
        context.ui.answer(&crate::ui::document(&listing));
        return Ok(());
    }
    let ui = &context.ui;
    let mut lines: Vec<String> = listing.held.iter().map(|line| text(ui, line)).collect();
    for line in &listing.allowed {
        let (path, rule, at) = (&line.path, &line.rule, report::moment(line.at));
        let tick = ui.paint(Tone::Good, "✓");
        lines.push(format!("  {tick} allowed  {path}: {rule}, since {at}\n"));
    }
    if lines.is_empty() {
        ui.answer("No file waits because of a secret, and nothing was allowed.\n");
    }
    ui.page(&lines.concat());
    Ok(())
}

fn text(ui: &crate::ui::Ui, line: &SecretLine) -> String {
    let SecretLine { path, line: number, what, rule, tier, allowed, commit } = line;
    let (mark, word) = match (allowed, *tier == Tier::Certain.word()) {
        (true, _) => (ui.paint(Tone::Good, "✓"), "allowed"),
        (false, true) => (ui.paint(Tone::Bad, "✗"), "holds"),
        (false, false) => (ui.paint(Tone::Notice, "?"), "may hold"),
    };
    let commit = commit.as_ref().map_or(String::new(), |commit| format!(", in commit {commit}"));
    format!("  {mark} {word:<8} {path}:{number}: {what} ({rule}{commit})\n")
}

fn allow(context: &Context, paths: &[PathBuf]) -> Outcome<()> {
    let session = Session::open(context, Mode::Real)?;
    let _lock = session.lock()?;
    let picture = marks::picture(&session)?;
    for path in paths {
        let (unit, fresh) = waiting(&session, &picture, path)?;
        if fresh.is_empty() {
            context.ui.say(&format!("  {} holds nothing that waits.", name(&unit)));
            continue;
        }
        session.gate.allow(unit.as_bytes(), &fresh, context.now)?;
        fresh.iter().for_each(|sight| {
            context.ui.say(text(&context.ui, &line(unit.as_bytes(), sight, true)).trim_end());
        });
    }
    Ok(())
}

/// Returns what waits of a file as it is; where nothing does, what commits hold of it that were not
/// sent. A refusal names such a file by its path in the repository, and it may be gone since.
fn waiting(
    session: &Session<'_>,
    picture: &Picture,
    path: &Path,
) -> Outcome<(RepoPath, Vec<Sight>)> {
    let not_allowed = |sights: Vec<Sight>| {
        let mut fresh = Vec::new();
        for sight in sights {
            if !session.gate.allows(&sight)? {
                fresh.push(sight);
            }
        }
        Ok(fresh)
    };
    let unit = unit_path(session.context, path)?;
    let here = sights(session, picture, &unit).and_then(not_allowed);
    if here.as_ref().is_ok_and(|fresh| !fresh.is_empty()) {
        return here.map(|fresh| (unit, fresh));
    }
    let Some(head) = picture.head else { return here.map(|fresh| (unit, fresh)) };
    let store = session.worktree.store();
    let brought = outgoing(&session.worktree, head, picture.upstream)?;
    let as_named = RepoPath::new(path.as_os_str().as_bytes()).ok();
    for unit in [Some(&unit), as_named.as_ref()].into_iter().flatten() {
        let mut fresh = Vec::new();
        for brought in brought.iter().filter(|brought| brought.path == unit.as_bytes()) {
            let bytes = || Ok(read_blob(store, brought.blob)?);
            fresh.extend(not_allowed(session.gate.look(&brought.path, brought.blob, bytes)?)?);
        }
        if !fresh.is_empty() {
            return Ok((unit.clone(), fresh));
        }
    }
    here.map(|fresh| (unit, fresh))
}

fn allow_remote(context: &Context, is_revoked: bool) -> Outcome<()> {
    let session = Session::open(context, Mode::Real)?;
    privacy::allow(&session, !is_revoked)?;
    let what = if is_revoked { "must be private again" } else { "may be read by everybody" };
    context.ui.say(&format!("  The remote {what}."));
    Ok(())
}

fn revoke(context: &Context, paths: &[PathBuf]) -> Outcome<()> {
    let session = Session::open(context, Mode::Real)?;
    let _lock = session.lock()?;
    for path in paths {
        let unit = unit_path(context, path)?;
        let count = session.gate.revoke(unit.as_bytes())?;
        let what = if count == 0 {
            "nothing was allowed of it"
        } else {
            "nothing of it is allowed any more"
        };
        context.ui.say(&format!("  {}: {what}.", name(&unit)));
    }
    Ok(())
}

/// Looks through files that were named.
fn named(session: &Session<'_>, picture: &Picture, paths: &[PathBuf]) -> Outcome<Vec<SecretLine>> {
    let mut found = Vec::new();
    for path in paths {
        let unit = unit_path(session.context, path)?;
        for sight in sights(session, picture, &unit)? {
            found.push(line(unit.as_bytes(), &sight, session.gate.allows(&sight)?));
        }
    }
    Ok(found)
}

/// Looks through what is shared: this machine's files, upstream's, and every commit's if asked.
fn shared(session: &Session<'_>, picture: &Picture, history: bool) -> Outcome<Vec<SecretLine>> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let trees = [Some(&picture.observation.ours), picture.observation.theirs.as_ref()];
    for (unit, version) in trees.into_iter().flatten().flat_map(|tree| &tree.units) {
        let bytes = || session.vault.bytes(version.blob);
        for sight in session.gate.look(unit.as_bytes(), version.blob, bytes)? {
            if seen.insert(sight.print) {
                found.push(line(unit.as_bytes(), &sight, session.gate.allows(&sight)?));
            }
        }
    }
    let store = session.worktree.store();
    for tip in [picture.upstream, picture.head].into_iter().flatten().filter(|_| history) {
        for brought in outgoing(&session.worktree, tip, None)? {
            let bytes = || Ok(read_blob(store, brought.blob)?);
            for sight in session.gate.look(&brought.path, brought.blob, bytes)? {
                if seen.insert(sight.print) {
                    let commit = brought.commit.to_string().chars().take(10).collect();
                    let line = line(&brought.path, &sight, session.gate.allows(&sight)?);
                    found.push(SecretLine { commit: Some(commit), ..line });
                }
            }
        }
    }
    Ok(found)
}

fn scanned(context: &Context, found: Vec<SecretLine>, json: bool) -> Outcome<()> {
    let count = found.iter().filter(|line| !line.allowed).count();
    let is_past = found.iter().any(|line| line.commit.is_some());
    if json {
        context.ui.answer(&crate::ui::document(&Scan { schema: 1, found }));
    } else if found.is_empty() {
        context.ui.answer("No secret was found.\n");
    } else {
        let lines: Vec<String> = found.iter().map(|line| text(&context.ui, line)).collect();
        context.ui.page(&lines.concat());
    }
    if count == 0 {
        return Ok(());
    }
    let what = if count == 1 { "secret" } else { "secrets" };
    let failure = Failure::new(Code::Held, format!("{count} {what} that nobody allowed")).hint(
        "What was sent once is known to the remote: give such a secret up, and draw a new one.",
    );
    if is_past {
        return Err(failure.hint("A commit keeps it until the history is rewritten."));
    }
    Err(failure)
}
