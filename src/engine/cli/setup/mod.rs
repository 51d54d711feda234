//! `cfgsync setup`.

mod ending;
mod rehearsal;
mod suggest;

use std::path::Path;

use cfgsync_core::inert::{is_hostile, shown};
use cfgsync_core::observed::Live;
use cfgsync_core::plan::{Held, Plan, Why, plan};
use cfgsync_core::policy::{Choice, Removals};

use crate::consent;
use crate::context::{
    Context, Places, folder_for_setup, home, make_folders, places, refuse_strangers,
};
use crate::failure::{Code, Failure, Outcome};
use crate::git::program::Manners;
use crate::git::remote::{default_branch, limits, without_password};
use crate::git::worktree::Worktree;
use crate::interrupt;
use crate::lock::{Lock, Patience};
use crate::marks;
use crate::picture::Picture;
use crate::recover::recover;
use crate::session::{Mode, Session};
use crate::settings::{Settings, UserSettings};
use crate::setup::{self, Piles};
use crate::sync::{Report, Wishes, sync};
use crate::ui::{Answers, Confirmed, Ui, report};
use crate::{agent, identity, old_layout, privacy, record};

/// Prepare this machine: the repository, the first sync, the light
///
/// With a URL, the repository comes from there (or becomes its first content);
/// without one, it stays on this machine until setup is run again with a URL.
/// Files that are here are never overwritten without being kept. An interrupted
/// setup goes on where it stopped when it is run again.
///
///   cfgsync setup git@github.com:me/configs.git
///   cfgsync setup                          no remote yet
///   cfgsync setup --differs theirs URL     take the shared version of files
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct SetupArgs {
    /// The remote to share with
    url: Option<String>,
    /// What to do with files that are here and differ from the shared ones
    #[arg(long, value_name = "WHAT")]
    differs: Option<Differs>,
    /// Add the lines that load the plugin to ~/.zshrc
    #[arg(long)]
    zshrc: bool,
    /// Where nothing is marked yet: mark the usual files
    #[arg(long)]
    mark_usual: bool,
    /// The branch to sync [default: the remote's own]
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// Show what would be set up, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Make all links plain files again, and stop syncing
    #[arg(long, conflicts_with_all = ["url", "differs", "zshrc", "mark_usual"])]
    undo: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Differs {
    /// Hold them: both versions stay, and you decide later (the default)
    Hold,
    /// Keep this machine's version, and share it
    Ours,
    /// Take the shared version; this machine's is kept in .sync/external-files
    Theirs,
}

/// Runs it.
pub fn run(dir: Option<&Path>, ui: Ui, args: &SetupArgs) -> Outcome<()> {
    if args.undo && !args.dry_run {
        return undo(&Context::open(dir, ui)?);
    }
    let args = &SetupArgs { url: args.url.as_deref().map(address).transpose()?, ..args.clone() };
    if let Some(branch) = &args.branch {
        check_branch(branch)?;
    }
    let home = home()?;
    let folder = folder_for_setup(dir, &ui)?;
    let places = places(home.clone(), folder);
    refuse_strangers(&places)?;
    refuse_odd_folder(&places)?;
    if args.dry_run {
        return rehearsal::run(places, ui, args);
    }
    recover_earlier(&places)?;
    let branch = repository(&places, args, ui)?;
    // The folder may have been made just now, through links that only now can be followed.
    let places = crate::context::places(home, places.repo);
    make_folders(&places)?;
    identity::read_or_create(&places)?;
    let settings = Settings { branch: Some(branch), enabled: true, ..Settings::read(&places)? };
    settings.write(&places)?;
    let dir = Some(places.repo.display().to_string());
    let own = UserSettings { dir, ..UserSettings::read(&places.user_config)? };
    own.write(&places.user_config)?;
    record::announce(&places)?;
    let context = Context::at(places, ui)?;
    privacy::look(&Session::open(&context, Mode::Real)?)?;
    old_layout::unfold(&Session::open(&context, Mode::Real)?)?;
    let report = first_sync(&context, args)?;
    let is_loaded = args.zshrc || ending::offer_zshrc(&context);
    if is_loaded {
        setup::add_shell_lines(&Session::open(&context, Mode::Real)?)?;
        ui.say("  The plugin is loaded by new shells.");
    }
    ending::say_done(&context, &report);
    let is_met = ui.answers == Answers::Asked || args.mark_usual;
    if is_met && !ending::has_marks(&context) {
        suggest::offer(&context, args.mark_usual)?;
    }
    ending::say_next(&context, is_loaded)?;
    report.failure().map_or(Ok(()), Err)
}

/// Cleans up after a setup that died once the repository was there.
fn recover_earlier(places: &Places) -> Outcome<()> {
    if !places.repo.join(".git").is_dir() || !places.state.is_dir() {
        return Ok(());
    }
    let worktree = Worktree::open(&places.repo)?;
    let _lock = Lock::take(&places.lock(), Patience::Wait)?
        .and(&worktree.git_folder().join("cfgsync-lock"))?;
    let branch = worktree.branch()?.unwrap_or_default();
    recover(places, worktree.git_folder(), &branch)
}

/// Returns the address as any folder can use it: a path is made absolute, as `git clone` does.
fn address(url: &str) -> Outcome<String> {
    check_url(url)?;
    let path = Path::new(url);
    let is_folder = path.is_relative() && !url.contains("://") && path.is_dir();
    match std::fs::canonicalize(path) {
        Ok(absolute) if is_folder => Ok(absolute.display().to_string()),
        _ => Ok(url.to_owned()),
    }
}

fn check_url(url: &str) -> Outcome<()> {
    let is_odd = url.is_empty() || url.starts_with('-') || url.chars().any(is_hostile);
    if is_odd {
        return Err(Failure::new(Code::Usage, "that is no address of a repository")
            .hint("Give one that `git clone` would take, such as git@host:me/configs.git."));
    }
    Ok(())
}

fn check_branch(branch: &str) -> Outcome<()> {
    if Worktree::is_branch_name(branch) {
        return Ok(());
    }
    Err(Failure::new(Code::Usage, format!("`{}` is no name of a branch", shown(branch)))
        .hint("Give one that `git branch` would take, such as main."))
}

fn refuse_odd_folder(places: &Places) -> Outcome<()> {
    if places.home.starts_with(&places.repo) {
        return Err(Failure::new(
            Code::Refused,
            format!("{} holds your home", places.repo.display()),
        )
        .hint("Choose a folder of its own: `cfgsync setup --dir ~/configs`."));
    }
    if places.repo.exists() && !places.repo.is_dir() {
        return Err(Failure::new(Code::Refused, format!("{} is no folder", places.repo.display()))
            .hint("Move it away, or choose another place with --dir."));
    }
    Ok(())
}

/// Makes or completes the repository, and returns the branch that is synced.
fn repository(places: &Places, args: &SetupArgs, ui: Ui) -> Outcome<String> {
    if places.repo.join(".git").exists() {
        return existing(places, args);
    }
    crate::fs::plain::make_private(&places.state)?;
    let branch = named_branch(places, args, ui, &places.state)?;
    crate::fs::plain::make_shared(&places.repo)?;
    Worktree::create(&places.repo, &branch, args.url.as_deref())?;
    let repo = report::near(&places.home, &places.repo.display().to_string());
    ui.say(&format!("  Repository: {repo}"));
    Ok(branch)
}

/// Returns the branch of a new repository: the one that was asked for, else the remote's own.
fn named_branch(places: &Places, args: &SetupArgs, ui: Ui, scratch: &Path) -> Outcome<String> {
    let of_remote = match (&args.branch, args.url.as_deref()) {
        (None, Some(url)) => {
            interrupt::hear();
            let limits = limits(url, crate::context::manners(&ui), ui);
            default_branch(url, &places.home, limits, scratch).map_err(unreachable)?
        }
        _ => None,
    };
    Ok(args.branch.clone().or(of_remote).unwrap_or_else(|| "main".to_owned()))
}

/// Nothing is there yet that could be kept for later.
fn unreachable(failure: Failure) -> Failure {
    if failure.code == Code::Stopped {
        return Failure::new(failure.code, failure.cause)
            .hint("Nothing was set up. Run `cfgsync setup` again when you want to.");
    }
    Failure::new(failure.code, failure.cause)
        .hint("Nothing was set up. Check the address, then run `cfgsync setup` again.")
}

fn existing(places: &Places, args: &SetupArgs) -> Outcome<String> {
    let url = args.url.as_deref();
    let worktree = Worktree::open(&places.repo)?;
    crate::fs::plain::close(worktree.git_folder())?;
    let branch = worktree.branch()?.ok_or_else(|| {
        Failure::new(Code::Foreign, "HEAD is detached, so there is no branch to sync")
            .hint("Check out the branch to sync, then run setup again.")
    })?;
    let branch = match &args.branch {
        Some(wanted) if *wanted != branch => {
            worktree.rename_branch(&branch, wanted)?;
            wanted.clone()
        }
        _ => branch,
    };
    let known = worktree.remote_name(&branch)?.and_then(|name| worktree.remote_url(&name));
    match (url, known) {
        (Some(url), None) => worktree.add_origin(url, &branch)?,
        // An address that never answered was a mistake.
        (Some(url), Some(known)) if url != known && worktree.upstream()?.is_none() => {
            worktree.set_origin(url)?;
        }
        (Some(url), Some(known)) if url != known => {
            return Err(Failure::new(
                Code::Refused,
                format!("{} syncs with {} already", places.repo.display(), without_password(&known)),
            )
            .hint("Use another folder with --dir, or change the address: `git remote set-url origin <URL>`."));
        }
        _ => {}
    }
    Ok(branch)
}

/// Syncs for the first time, after one decision for each pile of files; then brings cfgsync's own
/// rules into the repository and syncs those.
fn first_sync(context: &Context, args: &SetupArgs) -> Outcome<Report> {
    let manners = context.manners();
    let session = Session::open(context, Mode::Real)?;
    let fetched = fetch(&session, manners)?;
    let wishes = if fetched { decide(&session, args)? } else { Wishes::default() };
    let first = sync(&session, &wishes, manners, session.turn(Patience::Wait)?)?;
    setup::ensure_ignored(&session)?;
    setup::ensure_shim(context)?;
    let mut second = sync(&session, &Wishes::default(), manners, session.turn(Patience::Wait)?)?;
    second.changes.extend(first.changes);
    second.notes.extend(first.notes);
    second.changes.sort();
    second.changes.dedup();
    Ok(second)
}

/// Fetches before anything is decided. Being offline is no obstacle to what is local.
fn fetch(session: &Session<'_>, manners: Manners) -> Outcome<bool> {
    interrupt::hear();
    match crate::sync::fetch(session, manners) {
        Some(Ok(_)) => Ok(true),
        Some(Err(failure)) if failure.code == Code::Offline => {
            session.context.ui.failure(&failure);
            Ok(false)
        }
        Some(Err(failure)) => Err(failure),
        None => Ok(false),
    }
}

/// Shows three piles, and takes one decision for each.
fn decide(session: &Session<'_>, args: &SetupArgs) -> Outcome<Wishes> {
    let ui = &session.context.ui;
    let picture = marks::picture(session)?;
    let plan = plan(&picture.observation, &session.policy()?);
    let doubtful: Vec<Held> =
        plan.held.iter().filter(|held| matches!(held.why, Why::Doubt(_))).cloned().collect();
    let piles = piles(&picture, plan);
    let removals = if ui.answers == Answers::Yes { Removals::Any } else { Removals::Few };
    let mut wishes = Wishes { removals, ..Wishes::default() };
    if piles.same + piles.fresh + piles.differing.len() == 0 {
        return Ok(wishes);
    }
    ui.say(&format!("  same     {} of your files equal the shared ones", piles.same));
    ui.say(&format!("  new here {}", report::files(piles.fresh)));
    ui.say(&format!("  differs  {}", report::files(piles.differing.len())));
    piles.differing.iter().for_each(|held| ui.say(&format!("    {}", report::name(&held.path))));
    if piles.fresh > 0 && ui.confirm("Bring the new ones here?", Confirmed::Yes) == Confirmed::No {
        return Err(Failure::new(Code::Refused, "setup stopped before any file changed")
            .hint("Run `cfgsync setup` again to go on."));
    }
    let_in(session, &doubtful)?;
    if piles.differing.is_empty() {
        return Ok(wishes);
    }
    let choice = match args.differs.unwrap_or_else(|| ask_differs(ui)) {
        Differs::Hold => return Ok(wishes),
        Differs::Ours => Choice::Ours,
        Differs::Theirs => Choice::Theirs,
    };
    wishes.choices = setup::choices(&picture.observation, piles.differing, choice);
    Ok(wishes)
}

/// Shows what must not come in unasked, and asks once for all of it.
fn let_in(session: &Session<'_>, doubtful: &[Held]) -> Outcome<()> {
    let ui = &session.context.ui;
    if doubtful.is_empty() {
        return Ok(());
    }
    ui.say(&format!("  careful  {}", report::files(doubtful.len())));
    for held in doubtful {
        ui.say(&format!("    {}: {}", report::name(&held.path), report::reason_of(held)));
    }
    let question = "Bring these too? Whoever can push to the remote may have put them there.";
    if ui.confirm(question, Confirmed::No) == Confirmed::Yes {
        return consent::give(&session.context.places, consent::lasting(doubtful));
    }
    ui.say("  They wait; `cfgsync resolve` shows each of them, and lets in what you choose.");
    Ok(())
}

fn ask_differs(ui: &Ui) -> Differs {
    if ui.answers != Answers::Asked {
        return Differs::Hold;
    }
    let question = "Those that differ: [h]old both and decide later, keep [o]urs, take [t]heirs?";
    match ui.choose(question, "hot") {
        Some('o') => Differs::Ours,
        Some('t') => Differs::Theirs,
        _ => Differs::Hold,
    }
}

fn piles(picture: &Picture, plan: Plan) -> Piles {
    let observation = &picture.observation;
    let mut piles = Piles::default();
    for (path, theirs) in &observation.upstream().units {
        let here = observation.ours.units.get(path);
        let is_missing =
            matches!(observation.local.live.get(path), Some(Live::Absent | Live::FolderGone));
        match here {
            Some(ours) if ours.blob == theirs.blob && !is_missing => piles.same += 1,
            None => piles.fresh += 1,
            Some(_) if is_missing => piles.fresh += 1,
            Some(_) => {}
        }
    }
    piles.differing = plan.held.into_iter().filter(setup::differs_here).collect();
    piles
}

/// Leaves plain, complete files, and takes the shell lines away.
fn undo(context: &Context) -> Outcome<()> {
    let session = Session::open(context, Mode::Real)?;
    let _lock = session.lock()?;
    let count = marks::detach(&session)?;
    // Whatever becomes of the shell lines, nothing is synced any more.
    let shell = setup::remove_shell_lines(&session);
    let service = agent::files(context)?;
    if agent::serves(context, &service)? {
        agent::remove(&service)?;
        context.ui.say("  The system starts no syncs any more.");
    }
    record::withdraw(&context.places)?;
    Settings { enabled: false, ..context.settings.clone() }.write(&context.places)?;
    let became = match count {
        1 => "1 link became a plain file".to_owned(),
        count => format!("{count} links became plain files"),
    };
    context.ui.say(&format!("  {became}. The repository stays as it is."));
    shell
}
