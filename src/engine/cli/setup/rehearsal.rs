//! What setup would do, without doing it: a repository that does not exist yet is made on a desk, and
//! planned from there.

use cfgsync_core::path::RepoPath;
use cfgsync_core::plan::Plan;
use cfgsync_core::policy::Choice;

use super::{Differs, SetupArgs, named_branch, suggest};
use crate::context::{Context, Places};
use crate::failure::Outcome;
use crate::fs::desk::Desk;
use crate::fs::plain;
use crate::git::remote::without_password;
use crate::git::worktree::Worktree;
use crate::session::{Mode, Session};
use crate::setup;
use crate::sync::Wishes;
use crate::sync::rehearsal::rehearse;
use crate::ui::{Ui, report};
use crate::{marks, old_layout};

/// Shows what setup would do.
pub fn run(places: Places, ui: Ui, args: &SetupArgs) -> Outcome<()> {
    if args.undo {
        return undo(&Context::at(places, ui)?);
    }
    let desk = Desk::set_up(&std::env::temp_dir())?;
    let home = places.home.clone();
    let repo = report::near(&home, &places.repo.display().to_string());
    let mut would = Vec::new();
    let places = if places.repo.join(".git").exists() {
        if let Some((current, branch)) = renamed(&places, args)? {
            ui.answer(&format!(
                "  would rename the branch {current} to {branch}, follow it, and sync\n"
            ));
            return Ok(());
        }
        ui.say(&format!("  the repository {repo} is there already, and stays"));
        places
    } else {
        let branch = named_branch(&places, args, ui, desk.folder())?;
        let url = args.url.as_deref().map_or("no remote".to_owned(), without_password);
        would.push(format!("make the repository {repo} from {url}, branch {branch}"));
        let draft = desk.folder().join("repository");
        plain::make_private(&draft)?;
        Worktree::create(&draft, &branch, args.url.as_deref())?;
        let state = desk.folder().join("state");
        Places { meta: draft.join(".sync"), repo: draft, state, ..places }
    };
    if !places.user_config.exists() {
        would.push(format!("write {}", places.user_config.display()));
    }
    if args.zshrc {
        would.push("add the lines that load the plugin to ~/.zshrc".to_owned());
    }
    for what in &would {
        ui.answer(&ui.fitted(&format!("  would {}\n", report::near(&home, what))));
    }
    preview(&Context::at(places, ui)?, args, would.is_empty())
}

/// Returns what setup would add to the repository by itself.
fn own_files(session: &Session<'_>, plan: &Plan) -> Outcome<Vec<String>> {
    let units = &plan.tree.units;
    let rules = RepoPath::new(".gitignore").ok().and_then(|path| units.get(&path));
    let rules = rules.map(|version| session.vault.bytes(version.blob)).transpose()?;
    let rules = String::from_utf8_lossy(&rules.unwrap_or_default()).into_owned();
    let missing = setup::missing_rules(&rules);
    let mut own = Vec::new();
    if !missing.is_empty() {
        own.push(format!("add to .gitignore: {}", missing.join(", ")));
    }
    let is_there = RepoPath::new("sync.sh").is_ok_and(|path| units.contains_key(&path));
    if !is_there && session.context.places.repo.join("sync.sh").symlink_metadata().is_err() {
        own.push("write sync.sh, which calls cfgsync".to_owned());
    }
    Ok(own)
}

/// Returns the name of the branch that is checked out and the one it would have.
fn renamed(places: &Places, args: &SetupArgs) -> Outcome<Option<(String, String)>> {
    let current = Worktree::open(&places.repo)?.branch()?;
    let wanted = args.branch.clone().filter(|branch| current.as_ref() != Some(branch));
    Ok(wanted.map(|branch| (current.unwrap_or_else(|| "HEAD".to_owned()), branch)))
}

/// Shows what the first sync would do, and what would be suggested to mark after it.
fn preview(context: &Context, args: &SetupArgs, is_still: bool) -> Outcome<()> {
    let wishes = wishes(context, args)?;
    let session = Session::open(context, Mode::Rehearsal)?;
    let rehearsal = rehearse(&session, &wishes, context.manners())?;
    for home in old_layout::folders(&session)? {
        context.ui.answer(&format!("  would share {home} file by file, not by one link\n"));
    }
    report::changes(&context.ui, &rehearsal.plan);
    let own = own_files(&session, &rehearsal.plan)?;
    own.iter().for_each(|line| context.ui.answer(&context.ui.fitted(&format!("  would {line}\n"))));
    if let Some(offline) = &rehearsal.offline {
        context.ui.say(&format!("{}; this is against what was fetched last.", offline.cause));
    }
    let observation = &rehearsal.picture.observation;
    let is_marked = [&observation.local.stored, observation.upstream()]
        .into_iter()
        .any(|stored| !stored.manifest.marks.is_empty());
    let is_offered = !is_marked && suggest::preview(context, args.mark_usual);
    if is_still && own.is_empty() && !is_offered && report::is_empty(&rehearsal.plan) {
        context.ui.answer("Nothing would change.\n");
    }
    Ok(())
}

/// Returns what --differs asks for.
fn wishes(context: &Context, args: &SetupArgs) -> Outcome<Wishes> {
    let choice = match args.differs {
        Some(Differs::Ours) => Choice::Ours,
        Some(Differs::Theirs) => Choice::Theirs,
        Some(Differs::Hold) | None => return Ok(Wishes::default()),
    };
    let session = Session::open(context, Mode::Rehearsal)?;
    let rehearsal = rehearse(&session, &Wishes::default(), context.manners())?;
    let differing = rehearsal.plan.held.into_iter().filter(setup::differs_here).collect();
    let choices = setup::choices(&rehearsal.picture.observation, differing, choice);
    Ok(Wishes { choices, ..Wishes::default() })
}

fn undo(context: &Context) -> Outcome<()> {
    let session = Session::open(context, Mode::Rehearsal)?;
    let linked = marks::linked(&marks::picture(&session)?);
    for home in &linked {
        context.ui.answer(&format!("  {home} would become a plain file\n"));
    }
    context.ui.answer("  the shell lines in ~/.zshrc would go; the repository would stay\n");
    Ok(())
}
