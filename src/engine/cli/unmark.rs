//! `cfgsync unmark`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use cfgsync_core::path::{HomePath, RepoPath};

use super::home_path;
use crate::consent;
use crate::context::Context;
use crate::execute::partly;
use crate::failure::{Code, Failure, Outcome};
use crate::fs::dir::os;
use crate::marks::{self, Order};
use crate::session::{Mode, Session};
use crate::settings::ReplacedLinks;
use crate::ui::{Tone, report};

/// Stop sharing a file or folder
///
/// Its path becomes a plain file again, here at once and on every other machine
/// with its next sync; each keeps the content it has.
///
///   cfgsync unmark ~/.vimrc
///   cfgsync unmark --all
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct UnmarkArgs {
    /// Marked file or folder (can be repeated)
    #[arg(required_unless_present = "all", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Everything that is marked
    #[arg(long, conflicts_with = "paths")]
    all: bool,
    /// Show what would be unmarked, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
pub fn run(context: &Context, args: &UnmarkArgs) -> Outcome<()> {
    let mode = if args.dry_run { Mode::Rehearsal } else { Mode::Real };
    let session = Session::open(context, mode)?;
    let known = marks::manifest_on_disk(&session)?;
    let mut paths = BTreeSet::new();
    if args.all {
        paths.extend(known.marks.keys().cloned());
    }
    for path in &args.paths {
        let home = home_path(context, path)?;
        match known.covering(&home) {
            Some((covering, _)) if *covering == home => {
                paths.insert(home);
            }
            Some((covering, _)) => {
                return Err(Failure::new(
                    Code::Refused,
                    format!("{home} is shared as part of {covering}"),
                )
                .hint(format!("Unmark {covering} as a whole.")));
            }
            None => {
                return Err(Failure::error(format!("{home} is not marked"))
                    .hint("`cfgsync list` shows what is."));
            }
        }
    }
    let edit = |manifest: &mut cfgsync_core::manifest::Manifest| {
        manifest.marks.retain(|path, _| !paths.contains(path));
    };
    if args.dry_run {
        report::preview(&context.ui, &marks::rehearse(&session, &paths, edit)?);
        return Ok(());
    }
    let _lock = session.lock()?;
    let marked = marks::change(&session, &paths, edit, Order::FilesFirst, "unmark")?;
    if !marked.failed.is_empty() {
        return Err(partly(&marked.failed));
    }
    forget(context, &paths)?;
    paths.iter().for_each(|path| say(context, path));
    Ok(())
}

fn forget(context: &Context, paths: &BTreeSet<HomePath>) -> Outcome<()> {
    let mut replaced = ReplacedLinks::read(&context.places)?;
    paths.iter().for_each(|path| replaced.forget(path));
    replaced.write(&context.places)?;
    let gone: Vec<RepoPath> = paths.iter().map(HomePath::stored).collect();
    consent::take_back(&context.places, &gone)
}

fn say(context: &Context, path: &HomePath) {
    let live = context.places.home.join(os(path.as_bytes()));
    let tick = context.ui.paint(Tone::Good, "✓");
    if live.symlink_metadata().is_ok() {
        context.ui.say(&format!("{tick} {path} is a plain file again."));
        return;
    }
    context
        .ui
        .say(&format!("{tick} {path} is no longer marked. The file itself was missing here."));
    let stored = path.stored();
    context.ui.say(&format!(
        "  To have it back: git -C {} show 'HEAD:{stored}' > {}",
        context.places.repo.display(),
        live.display()
    ));
}
