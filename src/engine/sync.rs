//! One sync, in the order of `docs/sync-model.md`.
//!
//! Everything local happens under the lock and is short; everything on the network happens outside
//! it. There is no stash, no checkout and no journal: after a crash, the next sync is the recovery,
//! because changes that are already done count as agreed.

use std::collections::BTreeMap;

use cfgsync_core::path::RepoPath;
use cfgsync_core::plan::{Change, Choice, Deed, Flow, Held, Plan, Policy, Refusal, Removals, plan};
use cfgsync_core::status::SyncState;
use cfgsync_core::tree::Tree;

use crate::context::now;
use crate::execute::{execute, partly};
use crate::failure::{Code, Failure, Outcome};
use crate::fs::{displaced, plain};
use crate::git::branch::{self, Ancestry, Message, Replay};
use crate::git::index::{self, Move};
use crate::git::program::Manners;
use crate::git::remote::{Fetched, Pushed, Remote, user_ssh};
use crate::git::worktree::{Foreign, Worktree};
use crate::git::{CommitId, trees};
use crate::lock::{Lock, Patience};
use crate::observe::Observer;
use crate::recover::{Note, index_draft, recover};
use crate::record::{self, Standing};
use crate::session::{Picture, Session};
use crate::settings::ReplacedLinks;

/// How often a plan that went stale, or a push that lost a race, is made anew.
const ROUNDS: u32 = 5;

/// What a person asked of one sync.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Choices for units that do not merge.
    pub choices: BTreeMap<RepoPath, Choice>,
    /// Whether many removals are fine.
    pub removals: Removals,
}

/// What one sync came to.
#[derive(Debug, Default)]
pub struct Report {
    /// What changed, here and there.
    pub changes: Vec<Change>,
    /// What waits for a person.
    pub held: Vec<Held>,
    /// What could not be done.
    pub failed: BTreeMap<RepoPath, String>,
    /// What people should know.
    pub notes: Vec<String>,
    /// Commits that wait for the remote.
    pub ahead: u32,
    /// Why the remote did not take part.
    pub remote: Option<Failure>,
}

/// Syncs, and publishes what came of it whether it went well or not.
pub fn sync(session: &Session<'_>, wishes: &Wishes, manners: Manners, patience: Patience) -> Outcome<Report> {
    let context = session.context;
    let _running = Lock::take(&context.places.running(), patience)?;
    record::announce(&context.places)?;
    let result = Sync { session, wishes, manners }.run();
    if let Err(failure) = &result {
        let state = match failure.code {
            Code::Foreign => SyncState::Paused,
            _ => SyncState::Failed,
        };
        record::publish(context, state, Standing::default())?;
    }
    result
}

/// Returns the remote a session syncs with.
fn remote<'a>(session: &'a Session<'_>, manners: Manners) -> Option<Remote<'a>> {
    let name = session.remote.as_deref()?;
    let ssh = user_ssh(session.worktree.setting("core.sshCommand"));
    let ssh = ssh.filter(|_| session.worktree.setting("ssh.variant").is_none());
    let state = &session.context.places.state;
    Some(Remote::new(&session.worktree, name, &session.branch, ssh, manners, state))
}

/// Fetches, and does nothing else; none without a remote.
pub fn fetch(session: &Session<'_>, manners: Manners) -> Option<Outcome<Fetched>> {
    let remote = remote(session, manners)?;
    Some(remote.start_fetch().and_then(|fetch| remote.finish_fetch(fetch)))
}

struct Sync<'a> {
    session: &'a Session<'a>,
    wishes: &'a Wishes,
    manners: Manners,
}

/// Where one round left things.
struct Round {
    plan: Plan,
    failed: BTreeMap<RepoPath, String>,
    notes: Vec<String>,
    tip: Option<CommitId>,
    /// The Git tree of the tip.
    tree: git2::Oid,
    /// The Git tree that is agreed once the tip is pushed.
    shared: git2::Oid,
    is_stale: bool,
}

impl Sync<'_> {
    fn run(&self) -> Outcome<Report> {
        let session = self.session;
        let context = session.context;
        record::publish(context, SyncState::Syncing, self.standing_before()?)?;
        drop(self.lock()?);
        let fetch = self.remote().map(|remote| remote.start_fetch()).transpose()?;
        let observer = session.observer()?;
        let looked = self.look_first(&observer);
        // Whatever the first look came to, the fetch has to be waited for.
        let fetched = self.remote().zip(fetch).map(|(remote, fetch)| remote.finish_fetch(fetch));
        let before = looked?;
        let (upstream, failure) = self.upstream(fetched)?;
        if self.nothing_to_do(&before, upstream)? && failure.is_none() {
            return self.finish(Report::default(), upstream, None);
        }
        self.check_history(upstream)?;
        self.rounds(&observer, upstream, failure)
    }

    fn standing_before(&self) -> Outcome<Standing> {
        let record = record::read(&self.session.context.places)?;
        Ok(record.map_or_else(Standing::default, |record| Standing {
            ahead: record.ahead,
            behind: record.behind,
            pending: record.pending,
            held: record.held,
            contact: None,
        }))
    }

    fn remote(&self) -> Option<Remote<'_>> {
        remote(self.session, self.manners)
    }

    /// Under the lock: cleans up, looks whether the repository is ours to touch, and makes sure that
    /// everything on disk is in the vault.
    fn look_first(&self, observer: &Observer<'_>) -> Outcome<Picture> {
        let session = self.session;
        let _lock = self.lock()?;
        let known = session.vault.agreed_trees()?.and_then(|(_, _, tip)| tip);
        let picture = session.picture(observer, known.filter(|tip| session.worktree.has(*tip)))?;
        session.snapshot(&picture, "before a sync")?;
        observer.remember()?;
        match session.worktree.foreign(&session.branch)? {
            Some(foreign) => Err(paused(&foreign)),
            None => Ok(picture),
        }
    }

    fn lock(&self) -> Outcome<Lock> {
        let session = self.session;
        let lock = Lock::take(&session.context.places.lock(), Patience::Wait)?;
        recover(&session.context.places, session.worktree.git_folder(), &session.branch)?;
        Ok(lock)
    }

    /// Returns upstream's tip, and why it could not be asked.
    fn upstream(&self, fetched: Option<Outcome<Fetched>>) -> Outcome<(Option<CommitId>, Option<Failure>)> {
        let worktree = &self.session.worktree;
        match fetched {
            None => Ok((None, None)),
            Some(Ok(Fetched::Tip(tip))) => Ok((Some(tip), None)),
            Some(Ok(Fetched::NoBranch)) => match worktree.upstream()? {
                None => Ok((None, None)),
                Some(_) => Err(self.vanished()),
            },
            Some(Err(failure)) => Ok((worktree.upstream()?, Some(failure))),
        }
    }

    fn vanished(&self) -> Failure {
        let branch = &self.session.branch;
        Failure::new(Code::Refused, format!("the remote no longer has the branch {branch}"))
            .hint(format!("If it was deleted by mistake, put it back: `git push <remote> {branch}`."))
            .hint("If it was renamed, set `branch` in .sync/config.toml. Nothing was deleted here.")
    }

    /// History that does not contain what was there before was rewritten, rolled back or replaced.
    fn check_history(&self, upstream: Option<CommitId>) -> Outcome<()> {
        let session = self.session;
        let Some(tip) = upstream else { return Ok(()) };
        let seen = session.vault.agreed_trees()?.and_then(|(_, _, tip)| tip);
        if let Some(seen) = seen {
            return match session.worktree.contains(tip, seen) {
                Ok(true) => Ok(()),
                _ => Err(rewritten("the remote's history no longer contains what was synced before")),
            };
        }
        match session.worktree.tip(&session.branch)? {
            Some(head) if session.worktree.merge_base(head, tip)?.is_none() => {
                Err(rewritten("the remote and this repository have no common history"))
            }
            _ => Ok(()),
        }
    }

    /// Nothing changed here, nothing there, nothing waits, and every link stands.
    fn nothing_to_do(&self, picture: &Picture, upstream: Option<CommitId>) -> Outcome<bool> {
        let Some(memory) = &picture.memory else { return Ok(false) };
        if memory.upstream != upstream || (upstream.is_some() && picture.head != upstream) {
            return Ok(false);
        }
        let plan = self.plan(picture)?;
        let is_quiet = plan.steps.is_empty() && plan.held.is_empty() && plan.changes.is_empty();
        Ok(is_quiet && plan.tree == picture.head_tree)
    }

    fn plan(&self, picture: &Picture) -> Outcome<Plan> {
        let policy = Policy {
            choices: self.wishes.choices.clone(),
            removals: self.wishes.removals,
            ..self.session.policy()?
        };
        Ok(plan(&picture.observation, &policy))
    }

    /// Plans and acts until nothing is stale and the remote took it.
    fn rounds(
        &self,
        observer: &Observer<'_>,
        mut upstream: Option<CommitId>,
        mut failure: Option<Failure>,
    ) -> Outcome<Report> {
        let mut report = Report::default();
        for round in 1..=ROUNDS {
            let lock = self.lock()?;
            let done = self.round(observer, upstream)?;
            drop(lock);
            report.changes.extend(done.plan.changes.iter().cloned());
            report.notes.extend(done.notes.iter().cloned());
            report.held.clone_from(&done.plan.held);
            report.failed.clone_from(&done.failed);
            if done.is_stale && round < ROUNDS {
                continue;
            }
            let (Some(remote), Some(tip), None) = (self.remote(), done.tip, &failure) else { break };
            if Some(tip) == upstream {
                break;
            }
            match remote.push(tip, upstream) {
                Ok(Pushed::Done) => {
                    let _lock = self.lock()?;
                    self.session.vault.agree(done.shared, done.tree, Some(tip))?;
                    self.show(tip)?;
                    upstream = Some(tip);
                    break;
                }
                Ok(Pushed::Refused) => {
                    let fetch = remote.start_fetch()?;
                    (upstream, failure) = self.upstream(Some(remote.finish_fetch(fetch)))?;
                    self.check_history(upstream)?;
                }
                Err(error) => failure = Some(error),
            }
            if failure.is_some() {
                break;
            }
        }
        report.changes.sort();
        report.changes.dedup();
        self.finish(report, upstream, failure)
    }

    /// Under the lock: looks again, plans, applies, then index, branch, and what is agreed.
    fn round(&self, observer: &Observer<'_>, upstream: Option<CommitId>) -> Outcome<Round> {
        let session = self.session;
        if let Some(foreign) = session.worktree.foreign(&session.branch)? {
            return Err(paused(&foreign));
        }
        let picture = session.picture(observer, upstream)?;
        let plan = self.plan(&picture)?;
        if let Some(refusal) = plan.refusal {
            return Err(refused(refusal));
        }
        let note = Note::leave(&session.context.places)?;
        session.snapshot(&picture, "before a change")?;
        session.vault.keep_held(&plan.held)?;
        let tree = session.vault.write(&plan.tree)?;
        let executed = execute(session, &plan.steps, &plan.tree)?;
        let notes = self.notes(&picture, &executed.relinked, executed.warnings)?;
        let is_stale = !executed.stale.is_empty();
        let mut failed = executed.failed;
        for path in &executed.stale {
            failed.insert(path.clone(), "it kept changing while it was synced".to_owned());
        }
        self.write_own_files(&picture.observation.local.stored, &plan.tree)?;
        let tip = self.advance(&picture, &plan, tree, &note)?;
        let shared = self.agree(&picture, &plan, &failed, tip)?;
        displaced::settle(&session.context.places.displaced(), &session.vault, now())?;
        displaced::settle(&session.context.places.displaced_in_repo(), &session.vault, now())?;
        if !plan.steps.is_empty() {
            session.picture(observer, upstream)?;
        }
        observer.remember()?;
        note.withdraw()?;
        Ok(Round { plan, failed, notes, tip, tree, shared, is_stale })
    }

    /// Writes the manifest and the modes into the working tree.
    fn write_own_files(&self, stored: &Tree, tree: &Tree) -> Outcome<()> {
        let places = &self.session.context.places;
        let wanted = trees::own_files(tree);
        for (place, text) in &wanted {
            let path = places.repo.join(place);
            if plain::read(&path)?.as_deref() != Some(text.as_bytes()) {
                plain::publish_with_mode(&path, text.as_bytes(), plain::Durability::Synced, 0o644)?;
            }
        }
        for (place, _) in trees::own_files(stored) {
            if !wanted.iter().any(|(known, _)| *known == place) {
                plain::remove(&places.repo.join(place))?;
            }
        }
        Ok(())
    }

    /// Index, then branch: the other way round, a crash in between would publish upstream's change
    /// reversed.
    fn advance(
        &self,
        picture: &Picture,
        plan: &Plan,
        tree: git2::Oid,
        note: &Note,
    ) -> Outcome<Option<CommitId>> {
        let session = self.session;
        let worktree = &session.worktree;
        if picture.head.is_none() && picture.upstream.is_none() && plan.tree == Tree::default() {
            return Ok(None);
        }
        trees::copy(session.vault.store(), worktree.store(), tree)?;
        let ancestry = Ancestry { head: picture.head, upstream: picture.upstream };
        let replay = if plan.held.is_empty() { Replay::Commits } else { Replay::Squash };
        let text = message(&session.context.machine.id, &plan.changes);
        let message = Message { machine: &session.context.machine.id, at: session.context.now, text };
        let tip = branch::commit(worktree, ancestry, tree, replay, &message)?;
        if picture.head == Some(tip) {
            return Ok(Some(tip));
        }
        note.names(tip)?;
        let trees = Move { from: &picture.head_tree, to: &plan.tree, ours: &picture.observation.local.stored };
        index::update(worktree, &index_draft(&session.context.places), trees)?;
        branch::advance(worktree, &session.branch, picture.head, tip)?;
        if let Some(upstream) = picture.upstream {
            self.show(upstream)?;
        }
        Ok(Some(tip))
    }

    fn show(&self, upstream: CommitId) -> Outcome<()> {
        match &self.session.remote {
            Some(name) => {
                branch::show_upstream(&self.session.worktree, name, &self.session.branch, upstream)
            }
            None => Ok(()),
        }
    }

    /// Remembers what is agreed now, and returns what will be once the branch is pushed. Units that
    /// could not be done stay as they were agreed before.
    fn agree(
        &self,
        picture: &Picture,
        plan: &Plan,
        failed: &BTreeMap<RepoPath, String>,
        tip: Option<CommitId>,
    ) -> Outcome<git2::Oid> {
        let session = self.session;
        let without_failed = |tree: &Tree| {
            let mut tree = tree.clone();
            for path in failed.keys() {
                match picture.observation.agreed.units.get(path) {
                    Some(version) => tree.units.insert(path.clone(), *version),
                    None => tree.units.remove(path),
                };
            }
            session.vault.write(&tree)
        };
        let (received, shared) = (without_failed(&plan.received)?, without_failed(&plan.shared)?);
        match picture.upstream {
            Some(upstream) => {
                let theirs = session.vault.write(picture.observation.upstream())?;
                let agreed = if tip == Some(upstream) { shared } else { received };
                session.vault.agree(agreed, theirs, Some(upstream))?;
            }
            None => session.vault.agree(shared, shared, None)?,
        }
        Ok(shared)
    }

    /// What people should know: attributes that were lost, links an app replaced.
    fn notes(
        &self,
        picture: &Picture,
        relinked: &std::collections::BTreeSet<cfgsync_core::path::HomePath>,
        warnings: Vec<String>,
    ) -> Outcome<Vec<String>> {
        let places = &self.session.context.places;
        let mut notes = warnings;
        let mut replaced = ReplacedLinks::read(places)?;
        let mut counted = false;
        for home in relinked {
            // Only what was agreed before had a link that an app could replace.
            if !picture.observation.agreed.units.contains_key(&home.stored()) {
                continue;
            }
            counted = true;
            if replaced.count(home) {
                notes.push(format!(
                    "{home} was replaced by a file again, so it is a copy on this machine from now on."
                ));
            }
        }
        if counted {
            replaced.write(places)?;
        }
        Ok(notes)
    }

    /// Publishes the record and the history.
    fn finish(
        &self,
        mut report: Report,
        upstream: Option<CommitId>,
        failure: Option<Failure>,
    ) -> Outcome<Report> {
        let session = self.session;
        let context = session.context;
        let (ahead, behind) = ahead_behind(&session.worktree, &session.branch, upstream)?;
        let ahead = if session.remote.is_some() { ahead } else { 0 };
        let contact = (session.remote.is_some() && failure.is_none()).then(now);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let held = count(report.held.len() + report.failed.len());
        let standing = Standing { ahead, behind, pending: 0, held, contact };
        let state = match &failure {
            _ if held > 0 => SyncState::Held,
            Some(failure) if failure.code != Code::Offline => SyncState::Failed,
            _ if ahead > 0 => SyncState::Ahead,
            _ if behind > 0 => SyncState::Behind,
            Some(_) => SyncState::Offline,
            None => SyncState::Synced,
        };
        record::publish(context, state, standing)?;
        if let Some(at) = contact {
            record::contact(&context.places, at)?;
        }
        record::history(context, "sync", &report.changes, report.held.len())?;
        report.ahead = ahead;
        report.remote = failure;
        Ok(report)
    }
}

impl Report {
    /// Returns the failure that the exit code tells of, if there is one.
    pub fn failure(self) -> Option<Failure> {
        if !self.failed.is_empty() {
            return Some(partly(&self.failed));
        }
        if let Some(failure) = self.remote {
            return Some(failure);
        }
        let count = self.held.len();
        (count > 0).then(|| {
            let what = if count == 1 { "file waits" } else { "files wait" };
            Failure::new(Code::Held, format!("{count} {what} for you; everything else is in sync"))
                .hint("`cfgsync status` shows them, `cfgsync resolve PATH --ours|--theirs` decides.")
        })
    }
}

/// Returns how far the branch and upstream are apart.
pub fn ahead_behind(
    worktree: &Worktree,
    branch: &str,
    upstream: Option<CommitId>,
) -> Outcome<(u32, u32)> {
    match (worktree.tip(branch)?, upstream) {
        (Some(head), Some(upstream)) => worktree.ahead_behind(head, upstream),
        (Some(head), None) => Ok((worktree.count(head)?, 0)),
        (None, Some(upstream)) => Ok((0, worktree.count(upstream)?)),
        (None, None) => Ok((0, 0)),
    }
}

fn paused(foreign: &Foreign) -> Failure {
    Failure::new(Code::Foreign, format!("paused: {}", foreign.what))
        .hint(foreign.hint)
        .hint("Your files are safe: their present state is in the vault.")
}

fn rewritten(what: &str) -> Failure {
    Failure::new(Code::Refused, what)
        .hint("To keep what is here, push it to a new, empty repository: `git remote set-url origin <URL>`.")
        .hint("To take what is there, move this folder away and run `cfgsync setup <URL>` again.")
        .hint("Nothing was changed on either side.")
}

fn refused(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::MassRemoval { removed, of } => Failure::new(
            Code::Refused,
            format!("upstream removes or empties {removed} of {of} files"),
        )
        .hint("If that is meant, run `cfgsync sync --yes`. Nothing was changed here."),
    }
}

/// Longest list of paths in a commit message.
const LISTED: usize = 50;

/// Says what a commit brings: machine, files, and nothing else about them.
fn message(machine: &str, changes: &[Change]) -> String {
    let sent: Vec<&Change> = changes.iter().filter(|change| change.flow != Flow::In).collect();
    let subject = match sent[..] {
        [] => "merge".to_owned(),
        [change] => format!("{} {}", verb(change.deed), change.path),
        [first, ..] => format!("{} {} and {} more", verb(first.deed), first.path, sent.len() - 1),
    };
    let subject: String = format!("{machine}: {subject}").chars().take(72).collect();
    let lines: Vec<String> = sent
        .iter()
        .take(LISTED)
        .map(|change| format!("- {} {}\n", verb(change.deed), change.path))
        .collect();
    match sent.len() {
        0 | 1 => format!("{subject}\n"),
        _ => format!("{subject}\n\n{}", lines.concat()),
    }
}

fn verb(deed: Deed) -> &'static str {
    match deed {
        Deed::Added => "add",
        Deed::Edited => "edit",
        Deed::Mode => "change the mode of",
        Deed::Removed => "remove",
        Deed::Kept => "keep",
    }
}
