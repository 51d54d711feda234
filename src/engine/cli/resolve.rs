//! `cfgsync resolve`.

use std::path::PathBuf;

use cfgsync_core::path::RepoPath;
use cfgsync_core::plan::plan;
use cfgsync_core::policy::Choice;

use super::home_path;
use crate::context::{Context, absolute};
use crate::failure::{Code, Failure, Outcome};
use crate::lock::Patience;
use crate::marks;
use crate::session::{Mode, Session};
use crate::sync::{Command, Wishes, sync};
use crate::ui::report;

/// Decide a held file: keep this machine's version, or take upstream's
///
/// The version that loses stays in the vault.
///
///   cfgsync resolve                     show what is held
///   cfgsync resolve ~/.zshrc --ours     keep mine, and share it
///   cfgsync resolve ~/.zshrc --theirs   take theirs
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ResolveArgs {
    /// Held file (can be repeated)
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Keep this machine's version
    #[arg(long, requires = "paths", conflicts_with = "theirs")]
    ours: bool,
    /// Take upstream's version
    #[arg(long, requires = "paths")]
    theirs: bool,
}

/// Runs it.
pub fn run(context: &Context, args: &ResolveArgs) -> Outcome<()> {
    let session = Session::open(context, Mode::Rehearsal)?;
    let picture = marks::picture(&session)?;
    let held = plan(&picture.observation, &session.policy()?).held;
    drop(session);
    if held.is_empty() {
        context.ui.answer("Nothing is held.\n");
        return Ok(());
    }
    let choice = match (args.ours, args.theirs) {
        (true, _) => Choice::Ours,
        (false, true) => Choice::Theirs,
        (false, false) => {
            report::waiting(&context.ui, &held);
            return Err(Failure::new(Code::Held, "some files wait for you")
                .hint("`cfgsync resolve PATH --ours` keeps yours, `--theirs` takes upstream's."));
        }
    };
    let mut wishes = Wishes { command: Command::Resolve, ..Wishes::default() };
    for path in &args.paths {
        let unit = unit(context, path)?;
        if !held.iter().any(|held| held.path == unit) {
            return Err(Failure::error(format!("{} is not held", report::name(&unit)))
                .hint("`cfgsync resolve` without a path shows what is."));
        }
        wishes.choices.insert(unit, choice);
    }
    let manners = context.manners();
    let session = Session::open(context, Mode::Real)?;
    let done = sync(&session, &wishes, manners, Patience::Wait)?;
    report::synced(&context.ui, &done);
    done.failure().map_or(Ok(()), Err)
}

/// Returns the unit a person means: a file of the repository, or a marked one of the home.
fn unit(context: &Context, path: &std::path::Path) -> Outcome<RepoPath> {
    use std::os::unix::ffi::OsStrExt;
    let full = absolute(path);
    if let Ok(below) = full.strip_prefix(&context.places.repo) {
        return RepoPath::new(below.as_os_str().as_bytes()).map_err(|cause| {
            Failure::new(
                Code::Usage,
                format!("{} is no file of the repository: {cause}", path.display()),
            )
        });
    }
    Ok(home_path(context, path)?.stored())
}
