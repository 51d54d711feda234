//! What setup would do, without doing it: a repository that does not exist yet is made on a desk, and
//! planned from there.

use cfgsync_core::policy::Choice;

use super::{Differs, SetupArgs, named_branch};
use crate::cli::sync::dry_run;
use crate::context::{Context, Places};
use crate::failure::{Code, Outcome};
use crate::fs::desk::Desk;
use crate::fs::plain;
use crate::git::remote::without_password;
use crate::git::worktree::Worktree;
use crate::marks;
use crate::session::{Mode, Session};
use crate::setup;
use crate::sync::Wishes;
use crate::sync::rehearsal::rehearse;
use crate::ui::Ui;

/// Shows what setup would do.
pub fn run(places: Places, ui: Ui, args: &SetupArgs) -> Outcome<()> {
    if args.undo {
        return undo(&Context::at(places, ui)?);
    }
    let desk = Desk::set_up(&std::env::temp_dir())?;
    let repo = places.repo.display().to_string();
    let is_there = places.repo.join(".git").exists();
    let places = if is_there {
        let current = Worktree::open(&places.repo)?.branch()?;
        if let Some(branch) =
            args.branch.as_ref().filter(|branch| current.as_ref() != Some(*branch))
        {
            let current = current.unwrap_or_else(|| "HEAD".to_owned());
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
        ui.say(&format!("  would make the repository {repo} from {url}, branch {branch}"));
        let draft = desk.folder().join("repository");
        plain::make_private(&draft)?;
        Worktree::create(&draft, &branch, args.url.as_deref())?;
        let state = desk.folder().join("state");
        Places { meta: draft.join(".sync"), repo: draft, state, ..places }
    };
    if !places.user_config.exists() {
        ui.say(&format!("  would write {}", places.user_config.display()));
    }
    if args.zshrc {
        ui.say("  would add the lines that load the plugin to ~/.zshrc");
    }
    let context = Context::at(places, ui)?;
    let wishes = wishes(&context, args)?;
    match dry_run(&context, &wishes) {
        // What setup would change is what was asked for.
        Err(failure) if failure.code == Code::OutOfSync => Ok(()),
        result => result,
    }
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
