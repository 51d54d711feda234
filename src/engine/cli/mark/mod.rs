//! `cfgsync mark`.

mod adopt;
mod secret;

use std::collections::BTreeSet;
use std::path::PathBuf;

use cfgsync_core::linking::reason_to_copy;
use cfgsync_core::manifest::{Mark, Scope};
use cfgsync_core::path::HomePath;

use self::adopt::Adopted;
use super::home_path;
use crate::consent;
use crate::context::Context;
use crate::execute::partly;
use crate::failure::{Code, Failure, Outcome};
use crate::fs::dir::{Dir, Stat, StatKind, os};
use crate::fs::plain::names;
use crate::marks::{self, Order};
use crate::observe::live::is_ours;
use crate::privacy;
use crate::session::{Mode, Session};
use crate::settings::LARGEST;
use crate::sync::words;
use crate::ui::{Confirmed, Tone, report};

/// Start sharing a file or folder of your home
///
/// The file moves into the repository under `external/`, and its old path
/// becomes a link to it; where links are known to break, it becomes a copy that
/// is kept equal. At every instant the path leads to the same bytes. A folder
/// is shared file by file, those that appear later too.
///
///   cfgsync mark ~/.zshrc ~/.gitconfig
///   cfgsync mark --link copy ~/.config/app.conf
///   cfgsync mark ~/.config/nvim
///   cfgsync mark --adopt ~/.vimrc     a link of stow: the file takes its place
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct MarkArgs {
    /// File or folder to mark (can be repeated)
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How the path is tied to the repository
    #[arg(long, value_name = "HOW", default_value = "auto")]
    link: LinkArg,
    /// Share files over 10 MiB too
    #[arg(long)]
    large: bool,
    /// Where a path is a link to a file elsewhere, put that file in its place first
    #[arg(long)]
    adopt: bool,
    /// Show what would be marked, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl MarkArgs {
    /// Marks a path as it is, and takes a link over.
    pub fn adopting(path: PathBuf) -> Self {
        let link = LinkArg::Auto;
        Self { paths: vec![path], link, large: false, adopt: true, dry_run: false }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LinkArg {
    /// A link, except where links are known to break
    Auto,
    /// Always a link
    Link,
    /// Always a copy
    Copy,
}

/// What a path would bring in.
struct Candidate {
    home: HomePath,
    mark: Mark,
    files: usize,
    bytes: u64,
    left_out: Vec<String>,
    /// The link that makes room for its file first.
    adopted: Option<Adopted>,
}

/// Runs it.
pub fn run(context: &Context, args: &MarkArgs) -> Outcome<()> {
    let mode = if args.dry_run { Mode::Rehearsal } else { Mode::Real };
    let session = Session::open(context, mode)?;
    let known = marks::manifest_on_disk(&session)?;
    let mut candidates = Vec::new();
    for path in &args.paths {
        let home = home_path(context, path)?;
        if known.covering(&home).is_some_and(|(covering, _)| *covering == home) {
            context.ui.say(&format!("  {home} is marked already."));
            continue;
        }
        if !candidates.iter().any(|candidate: &Candidate| candidate.home == home) {
            candidates.push(examine(context, &session, home, args)?);
        }
    }
    candidates.iter().for_each(|candidate| preview(context, candidate));
    let any_folder = candidates.iter().any(|candidate| candidate.mark.scope == Scope::Folder);
    if candidates.is_empty() {
        return Ok(());
    }
    let paths: BTreeSet<HomePath> =
        candidates.iter().map(|candidate| candidate.home.clone()).collect();
    let edit = |manifest: &mut cfgsync_core::manifest::Manifest| {
        for candidate in &candidates {
            manifest.marks.insert(candidate.home.clone(), candidate.mark.clone());
        }
    };
    if args.dry_run {
        // Of a link, a plan could only say that it stands in the way.
        let is_plain = |home: &&HomePath| {
            candidates.iter().any(|it| it.home == **home && it.adopted.is_none())
        };
        let paths = paths.iter().filter(is_plain).cloned().collect();
        report::preview(&context.ui, &marks::rehearse(&session, &paths, edit)?);
        return Ok(());
    }
    privacy::look(&session)?;
    adopt_all(&session, &candidates)?;
    secret::ask(&session, &candidates, edit)?;
    if any_folder && context.ui.confirm("Mark them?", Confirmed::Yes) == Confirmed::No {
        return Err(Failure::new(Code::Refused, "nothing was marked"));
    }
    let _lock = session.lock()?;
    consent::give(&context.places, paths.iter().map(HomePath::stored))?;
    let marked = marks::change(&session, &paths, edit, Order::ManifestFirst, "mark")?;
    report::waiting(&context.ui, &marked.held);
    if !marked.failed.is_empty() {
        return Err(partly(&marked.failed));
    }
    for candidate in &candidates {
        let tick = context.ui.paint(Tone::Good, "✓");
        context.ui.say(&format!("{tick} {} is marked; the next sync shares it.", candidate.home));
    }
    if marked.held.is_empty() {
        return Ok(());
    }
    Err(Failure {
        hints: words::next_steps(&marked.held),
        ..Failure::new(Code::Held, "some of the files wait for you")
    })
}

/// Puts files in the places of their links, before anything is decided about them.
fn adopt_all(session: &Session<'_>, candidates: &[Candidate]) -> Outcome<()> {
    let mut adopted = candidates.iter().filter_map(|it| it.adopted.as_ref()).peekable();
    if adopted.peek().is_none() {
        return Ok(());
    }
    let _lock = session.lock()?;
    adopted.try_for_each(|it| it.adopt(session))
}

fn refuse(home: &HomePath, reason: &str, hint: &str) -> Failure {
    Failure::new(Code::Refused, format!("{home} cannot be marked: {reason}")).hint(hint)
}

/// Looks at one path, and refuses what must not be shared.
fn examine(
    context: &Context,
    session: &Session<'_>,
    home: HomePath,
    args: &MarkArgs,
) -> Outcome<Candidate> {
    refuse_repository(context, &home)?;
    if is_own(context, &home) {
        let hint = "`~/.config` and the like can be marked; what is cfgsync's own is left out.";
        return Err(refuse(&home, "it is cfgsync's own, and belongs to this machine", hint));
    }
    if home.stored().is_local_only() {
        return Err(refuse(
            &home,
            "files named *.local never leave the machine",
            "Rename it first.",
        ));
    }
    let mut folders: Vec<&[u8]> = home.components().collect();
    let name = folders.pop().unwrap_or_default();
    let dir = Dir::open(&context.places.home)?
        .descend(folders)
        .map_err(|_| refuse(&home, "a folder above it is a link", "Mark it by its real path."))?;
    let missing = || {
        Failure::error(format!("there is no {home}"))
            .hint("Check the spelling, or create it first.")
    };
    let dir = dir.ok_or_else(missing)?;
    let stat = dir.stat(name)?.ok_or_else(missing)?;
    let mark = mark_of(args, stat);
    let mut candidate = Candidate {
        home: home.clone(),
        mark,
        files: 0,
        bytes: 0,
        left_out: Vec::new(),
        adopted: None,
    };
    match stat.kind {
        StatKind::File => examine_file(stat, args, &mut candidate)?,
        StatKind::Folder => {
            let child = dir.child(name)?;
            if child.stat(b".git")?.is_some() {
                let hint = "Share the files inside it one by one, or remove its .git.";
                return Err(refuse(&candidate.home, "it is a Git repository of its own", hint));
            }
            count(session, &child, &home, args, &mut candidate)?;
        }
        StatKind::Link => {
            let target = dir.read_link(name)?;
            let adopted = Adopted::of(context, &home, &target).filter(|_| args.adopt);
            let Some((adopted, size)) = adopted else {
                return Err(refuse_link(context, &home, &target));
            };
            examine_file(Stat { size, ..stat }, args, &mut candidate)?;
            candidate.adopted = Some(adopted);
        }
        StatKind::Special => {
            let hint = "Only regular files and folders can be marked.";
            return Err(refuse(&candidate.home, "it is a socket, a pipe or a device", hint));
        }
    }
    Ok(candidate)
}

fn mark_of(args: &MarkArgs, stat: Stat) -> Mark {
    let scope = if stat.kind == StatKind::Folder { Scope::Folder } else { Scope::File };
    let mut mark = Mark::new(scope);
    let attribute = match args.link {
        LinkArg::Auto => None,
        LinkArg::Link => Some("link"),
        LinkArg::Copy => Some("copy"),
    };
    mark.attributes.extend(attribute.map(|value| ("link".to_owned(), value.to_owned())));
    if args.large {
        mark.attributes.insert("large".to_owned(), "yes".to_owned());
    }
    mark
}

fn refuse_repository(context: &Context, home: &HomePath) -> Outcome<()> {
    let path = context.places.home.join(os(home.as_bytes()));
    let repo = &context.places.repo;
    if path == *repo {
        let hint = "Its files are shared as they are; there is nothing to mark.";
        return Err(refuse(home, "it is the configs repository", hint));
    }
    if path.starts_with(repo) {
        let hint = "Files of the repository are shared as they are; there is nothing to mark.";
        return Err(refuse(home, "it is in the configs repository", hint));
    }
    if repo.starts_with(&path) || context.places.state.starts_with(&path) {
        let hint = "Mark the files and folders beside it.";
        return Err(refuse(home, "cfgsync's own files are inside it", hint));
    }
    Ok(())
}

/// Returns true for settings and state of cfgsync's own.
fn is_own(context: &Context, home: &HomePath) -> bool {
    context.places.are_at(&context.places.home.join(os(home.as_bytes())))
}

fn refuse_link(context: &Context, home: &HomePath, target: &[u8]) -> Failure {
    if is_ours(&context.places.repo, home, target) {
        let hint = "Run `cfgsync sync`; if the mark is missing, put it back into the manifest.";
        return refuse(home, "it is a link to its stored copy already", hint);
    }
    let shown = cfgsync_core::inert::shown(target);
    let path = context.places.home.join(os(home.as_bytes()));
    let reason = match std::fs::metadata(path) {
        Ok(_) => format!("it is a link to {shown}"),
        Err(_) => format!("it is a link to {shown}, which leads nowhere"),
    };
    refuse(
        home,
        &reason,
        "Mark the file it points to; or `cfgsync mark --adopt` puts that file in its place.",
    )
}

fn examine_file(stat: Stat, args: &MarkArgs, candidate: &mut Candidate) -> Outcome<()> {
    if stat.size > LARGEST && !args.large {
        let reason = format!("it is large ({})", report::size(stat.size));
        return Err(refuse(&candidate.home, &reason, "Use --large to share it all the same."));
    }
    candidate.files = 1;
    candidate.bytes = stat.size;
    Ok(())
}

/// Counts what a folder would bring in, and what is left out of it.
fn count(
    session: &Session<'_>,
    dir: &Dir,
    folder: &HomePath,
    args: &MarkArgs,
    candidate: &mut Candidate,
) -> Outcome<()> {
    for name in names(dir.path())? {
        let Ok(home) = HomePath::new([folder.as_bytes(), b"/", &name].concat()) else { continue };
        let Some(stat) = dir.stat(&name)? else { continue };
        let unit = home.stored();
        match stat.kind {
            StatKind::Folder => {
                let child = dir.child(&name)?;
                if child.stat(b".git")?.is_some() {
                    candidate.left_out.push(format!("{home}: a Git repository of its own"));
                } else {
                    count(session, &child, &home, args, candidate)?;
                }
            }
            StatKind::File if is_own(session.context, &home) => {
                candidate.left_out.push(format!("{home}: cfgsync's own settings of this machine"));
            }
            StatKind::File if unit.is_local_only() || session.worktree.is_ignored(&unit)? => {
                candidate.left_out.push(format!("{home}: stays on this machine"));
            }
            StatKind::File if stat.size > LARGEST && !args.large => {
                candidate.left_out.push(format!("{home}: large ({})", report::size(stat.size)));
            }
            StatKind::File => {
                candidate.files += 1;
                candidate.bytes += stat.size;
            }
            StatKind::Link => candidate.left_out.push(format!("{home}: a link")),
            StatKind::Special => candidate.left_out.push(format!("{home}: no regular file")),
        }
    }
    Ok(())
}

fn preview(context: &Context, candidate: &Candidate) {
    let Candidate { home, mark, files, bytes, left_out, adopted } = candidate;
    if mark.scope == Scope::Folder {
        let plural = if *files == 1 { "" } else { "s" };
        context.ui.say(&format!("  {home}: {files} file{plural}, {}", report::size(*bytes)));
    }
    if let Some(adopted) = adopted {
        adopted.preview(context);
    }
    for line in left_out {
        context.ui.say(&format!("  {} {line}", context.ui.paint(Tone::Dim, "left out")));
    }
    if let Some(reason) = reason_to_copy(home, context.machine.kind) {
        context.ui.say(&format!("  {home} is kept as a copy: {reason}."));
    }
}
