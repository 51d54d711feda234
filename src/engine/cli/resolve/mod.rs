//! `cfgsync resolve`.

mod ask;

use std::path::PathBuf;

use cfgsync_core::merge::has_markers;
use cfgsync_core::observed::Finding;
use cfgsync_core::path::RepoPath;
use cfgsync_core::plan::{Held, Why, plan};
use cfgsync_core::policy::Choice;

use super::sync::dry_run;
use super::unit_path;
use crate::consent;
use crate::context::Context;
use crate::failure::{Code, Failure, Outcome};
use crate::held;
use crate::lock::Patience;
use crate::marks;
use crate::picture::Picture;
use crate::session::{Mode, Session};
use crate::sync::{Command, Wishes, sync, words};
use crate::ui::{Answers, report};

/// Decide a held file: mine, theirs, both, or the two merged
///
/// On a terminal it shows each held file and asks; nothing changes before the
/// last answer. The version that loses stays in the vault, and `cfgsync undo`
/// takes a choice back. A file that waits because of what it is (new where
/// programs run it, a link that leads out) comes in with --theirs, once.
///
///   cfgsync resolve                          ask about every held file
///   cfgsync resolve ~/.zshrc --ours          keep mine, and share it
///   cfgsync resolve ~/.zshrc --theirs        take theirs
///   cfgsync resolve ~/.zshrc --both          keep mine, put theirs under kept/
///   cfgsync resolve ~/.zshrc --merge FILE    take the bytes of FILE
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct ResolveArgs {
    /// Held file (can be repeated)
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Keep this machine's version
    #[arg(long, visible_alias = "mine", requires = "paths", group = "way")]
    ours: bool,
    /// Take upstream's version
    #[arg(long, requires = "paths", group = "way")]
    theirs: bool,
    /// Keep this machine's version, and upstream's in kept/
    #[arg(long, requires = "paths", group = "way")]
    both: bool,
    /// Take a version you made of both
    #[arg(long, requires = "paths", value_name = "FILE", group = "way")]
    merge: Option<PathBuf>,
    /// Show what the choice would do, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What a person decided for one unit.
pub enum Way {
    Ours,
    Theirs,
    Both,
    Merged(Vec<u8>),
}

/// Runs it.
pub fn run(context: &Context, args: &ResolveArgs) -> Outcome<()> {
    let session = Session::open(context, Mode::Rehearsal)?;
    let picture = marks::picture(&session)?;
    let held = plan(&picture.observation, &session.policy()?).held;
    if held.is_empty() && args.paths.is_empty() {
        context.ui.answer("Nothing is held.\n");
        return Ok(());
    }
    let chosen = chosen(context, &picture, held, &args.paths)?;
    let is_asking = !args.ours && !args.theirs && !args.both && args.merge.is_none();
    if is_asking && (context.ui.answers != Answers::Asked || args.dry_run) {
        return Err(list(&session, &picture, &chosen)?);
    }
    let decided = if is_asking {
        ask::decide(&session, &picture, chosen)?
    } else {
        decided(&session, args, chosen)?
    };
    if decided.is_empty() {
        return Err(Failure::new(Code::Held, "nothing was decided; the files wait as before"));
    }
    if args.dry_run {
        return dry_run(context, &wishes(&session, &picture, &decided)?);
    }
    let real = Session::open(context, Mode::Real)?;
    let wishes = wishes(&real, &picture, &decided)?;
    drop(session);
    let let_in = decided.iter().filter(|(_, way)| matches!(way, Way::Theirs | Way::Merged(_)));
    let let_in: Vec<Held> = let_in.map(|(held, _)| held.clone()).collect();
    consent::give(&context.places, consent::lasting(&let_in))?;
    let done = sync(&real, &wishes, context.manners(), real.turn(Patience::Wait)?)?;
    report::synced(&context.ui, &done);
    report::undo_line(&context.ui, &done);
    done.failure().map_or(Ok(()), Err)
}

/// Returns the held units a person means: those that were named, else all.
fn chosen(
    context: &Context,
    picture: &Picture,
    held: Vec<Held>,
    paths: &[PathBuf],
) -> Outcome<Vec<Held>> {
    if paths.is_empty() {
        return Ok(held);
    }
    let (mut chosen, mut settled) = (Vec::new(), Vec::new());
    for path in paths {
        let unit = unit_path(context, path)?;
        // A renamed unit is known by both of its names.
        let renames = &picture.observation.renames;
        let is_meant = |held: &&Held| {
            let names = |path: &RepoPath| {
                renames.iter().any(|it| {
                    (it.from == *path || it.to == *path) && (it.from == unit || it.to == unit)
                })
            };
            held.path == unit || names(&held.path)
        };
        match held.iter().find(is_meant) {
            Some(found) => chosen.push(found.clone()),
            // Of two machines that ran the same line, one may have had the same file already.
            None if picture.observation.ours.units.contains_key(&unit) => settled.push(unit),
            None => return Err(not_held(&unit)),
        }
    }
    match settled.first() {
        Some(unit) if chosen.is_empty() => return Err(not_held(unit)),
        _ => {}
    }
    for unit in &settled {
        context.ui.say(&format!("  {} is not held; nothing to decide.", report::name(unit)));
    }
    Ok(chosen)
}

fn not_held(unit: &RepoPath) -> Failure {
    Failure::error(format!("{} is not held", report::name(unit)))
        .hint("`cfgsync resolve` without a path shows what is.")
}

/// Shows what waits, where nobody can be asked.
fn list(session: &Session<'_>, picture: &Picture, held: &[Held]) -> Outcome<Failure> {
    let ui = &session.context.ui;
    report::waiting(ui, held);
    for held in held {
        let changes = held::changes(session, picture, held)?.describe();
        ui.say(&format!("      {} {changes}", report::name(&held.path)));
    }
    Ok(Failure {
        hints: words::next_steps(held),
        ..Failure::new(Code::Held, "some files wait for you")
    })
}

/// Takes the way the command line names, for every unit.
fn decided(
    session: &Session<'_>,
    args: &ResolveArgs,
    chosen: Vec<Held>,
) -> Outcome<Vec<(Held, Way)>> {
    let mut decided = Vec::new();
    if args.merge.is_some() && chosen.len() > 1 {
        return Err(Failure::new(Code::Usage, "--merge takes one PATH")
            .hint("Resolve the files one by one."));
    }
    for held in chosen {
        if !can_choose(&held) {
            let cause = format!(
                "{} waits for no choice: {}",
                report::name(&held.path),
                report::reason_of(&held)
            );
            let hints = words::next_steps(std::slice::from_ref(&held));
            return Err(Failure { hints, ..Failure::error(cause) });
        }
        let way = match (args.ours, args.theirs, args.both, &args.merge) {
            (true, ..) => Way::Ours,
            (_, true, ..) => Way::Theirs,
            (_, _, true, _) => Way::Both,
            (_, _, _, file) => {
                let file = file.clone().unwrap_or_default();
                let bytes = crate::fs::plain::read(&file)?.ok_or_else(|| {
                    Failure::error(format!("there is no {}", file.display()))
                        .hint("Name a file that holds the merged version.")
                })?;
                refuse_markers(session, &held, &bytes)?;
                Way::Merged(bytes)
            }
        };
        decided.push((held, way));
    }
    Ok(decided)
}

/// Returns true where the two versions themselves are what waits, or whether one may come in.
fn can_choose(held: &Held) -> bool {
    matches!(held.why, Why::Doubt(doubt) if doubt.is_decidable())
        || matches!(
            held.why,
            Why::Contest(_)
                | Why::FileAgainstFolder
                | Why::Finding(Finding::EditedTwice | Finding::OnlyHere | Finding::Ignored)
        )
}

/// Refuses a version in which conflict markers were left.
fn refuse_markers(session: &Session<'_>, held: &Held, bytes: &[u8]) -> Outcome<()> {
    let [base, ours, theirs] = sides(session, held)?;
    if has_markers(bytes, [&base, &ours, &theirs]) {
        let name = report::name(&held.path);
        return Err(Failure::new(Code::Refused, format!("conflict markers are left in {name}"))
            .hint("Remove the lines that start with <<<<<<<, |||||||, ======= and >>>>>>>."));
    }
    Ok(())
}

/// Returns the bytes of base, ours and theirs; nothing where a side is absent.
fn sides(session: &Session<'_>, held: &Held) -> Outcome<[Vec<u8>; 3]> {
    let bytes = |version: Option<cfgsync_core::unit::Version>| {
        version.map(|version| session.vault.bytes(version.blob)).transpose()
    };
    let sides = held.sides;
    let [base, ours, theirs] = [bytes(sides.base)?, bytes(sides.ours)?, bytes(sides.theirs)?];
    Ok([base, ours, theirs].map(Option::unwrap_or_default))
}

/// Turns what was decided into one sync.
fn wishes(session: &Session<'_>, picture: &Picture, decided: &[(Held, Way)]) -> Outcome<Wishes> {
    let mut wishes = Wishes { command: Command::Resolve, ..Wishes::default() };
    for (held, way) in decided {
        let choice = match way {
            Way::Ours | Way::Both => Choice::Ours,
            Way::Theirs => Choice::Theirs,
            Way::Merged(bytes) => Choice::Merged(session.vault.put(bytes)?),
        };
        wishes.choices.insert(held.path.clone(), choice);
        wishes.seen.insert(held.path.clone(), held.sides);
        if let (Way::Both, Some(theirs)) = (way, held.sides.theirs) {
            let beside = side_copy(session, picture, held)?;
            session.context.ui.say(&format!("  upstream's version goes to {beside}"));
            wishes.edit.units.insert(beside, (None, Some(theirs)));
        }
    }
    Ok(wishes)
}

/// Names the copy of upstream's version: outside every folder that an app reads, with who made it
/// and when.
fn side_copy(session: &Session<'_>, picture: &Picture, held: &Held) -> Outcome<RepoPath> {
    let there = held::changes(session, picture, held)?.there;
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || "@._-".contains(*c);
    let who: String =
        there.as_ref().map_or("upstream", |there| &there.who).chars().filter(is_plain).collect();
    let at = there.map_or(session.context.now, |there| there.at);
    let below =
        held.path.home().map_or(held.path.as_bytes().to_vec(), |home| home.as_bytes().to_vec());
    let name = [b"kept/", &below[..], format!(".{who}.{}", report::stamp(at)).as_bytes()].concat();
    RepoPath::new(name).map_err(|cause| {
        Failure::error(format!("could not name a copy of {}: {cause}", held.path))
            .hint("Use --ours or --theirs; `cfgsync undo` brings the other version back.")
    })
}
