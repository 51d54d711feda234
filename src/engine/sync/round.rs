//! One round of a sync, under the lock: look, plan, apply, index, branch, agreement.

use std::collections::{BTreeMap, BTreeSet};

use cfgsync_core::manifest::{MANIFEST, Manifest};
use cfgsync_core::operation::Operation;
use cfgsync_core::path::{HomePath, RepoPath};
use cfgsync_core::plan::{Change, Plan};
use cfgsync_core::policy::Winner;
use cfgsync_core::steps::Step;
use cfgsync_core::tree::{MODES, Tree};

use super::advance::{Coming, Planned};
use super::agreement::Trees;
use super::sight::{Last, Sight};
use super::words::{not_signed, paused, refused, remade, unsigned};
use super::{Sync, unfiltered};
use crate::backups::{self, contents};
use crate::execute::execute;
use crate::failure::Outcome;
use crate::fs::plain;
use crate::fs::writer::Applied;
use crate::git::{CommitId, TreeId, trees};
use crate::observe::Observer;
use crate::picture::Picture;
use crate::recover::Note;
use crate::sabotage::{self, Break};
use crate::secrets;
use crate::settings::{OnlyHere, ReplacedLinks};

/// Where one round left things.
pub struct Round {
    /// What was planned.
    pub plan: Plan,
    /// Units that could not be done.
    pub failed: BTreeMap<RepoPath, String>,
    /// What people should know.
    pub notes: Vec<String>,
    /// The branch's tip.
    pub tip: Option<CommitId>,
    /// The Git tree of the tip.
    pub tree: TreeId,
    /// The Git tree that is agreed once the tip is pushed.
    pub shared: TreeId,
    /// Whether something changed meanwhile, so that a new plan is due.
    pub is_stale: bool,
}

impl Sync<'_> {
    /// Under the lock: looks again, plans, applies, then index, branch, and what is agreed.
    pub fn round(&self, observer: &Observer<'_>, upstream: Option<CommitId>) -> Outcome<Round> {
        let session = self.session;
        if let Some(foreign) = session.worktree.foreign(&session.branch)? {
            return Err(paused(&foreign));
        }
        let note = Note::leave(&session.context.places)?;
        let (Sight { mut picture, since, is_kept, .. }, before) = self.see(observer, upstream)?;
        self.wishes.edit.apply(&mut picture.observation);
        session.find_only_here(&mut picture.observation)?;
        secrets::find(session, &mut picture.observation, &self.wishes.choices)?;
        let waits = self.wishes.winner.is_none()
            && unfiltered::wait(session, &mut picture, &self.wishes.choices)?;
        let tainted = self.tainted(&picture)?;
        let (plan, replaced) = self.plan_and_count(&picture)?;
        if let Some(refusal) = plan.refusal {
            if !is_kept {
                session.snapshot(&picture, "before a sync")?;
            }
            note.withdraw()?;
            return Err(refused(refusal));
        }
        let sight = contents::Sight { observer, picture: &picture };
        let planned = Planned { picture: &picture, plan: &plan, tainted: &tainted };
        let secured = self.secure(sight, planned, (is_kept, &before), &note);
        let (trees, mut coming) = secured.inspect_err(|_| session.vault.let_go())?;
        let tree = trees.planned;
        let advance = |it: Option<Coming>| it.map(|it| self.advance(planned, it)).transpose();
        let mut made = None;
        if sabotage::is(Break::BranchFirst) {
            made = advance(coming.take())?;
        }
        let executed = execute(session, &plan.steps, &plan.tree, &picture.observation.local);
        let mut coming = self.prepare_again(planned, (trees, coming), &note)?;
        let failed = executed.undone();
        let mut notes = executed.warnings;
        let own_files = self.write_own_files(&picture.observation.local.stored, &plan.tree)?;
        let is_stale = waits || !executed.stale.is_empty() || own_files == Applied::Stale;
        if !is_stale && failed.is_empty() {
            notes.extend(self.learn(&replaced)?);
        }
        // What the disk carries is remembered before the branch says so: a crash in between leaves
        // a branch that is behind the files, never one that is ahead of them.
        if sabotage::is(Break::AgreementLast) {
            made = advance(coming.take())?;
        }
        let trees = Trees { is_live: trees.is_live && !is_stale && failed.is_empty(), ..trees };
        let shared = self.agree(&picture, &plan, trees, &failed)?;
        let made = made.or(advance(coming)?);
        notes.extend((!tainted.is_empty()).then(|| remade(&tainted)));
        let lost = made.as_ref().map(|made| made.unsigned).filter(|count| *count > 0);
        notes.extend(lost.map(unsigned));
        let tip = made.as_ref().map(|made| made.tip);
        notes.extend(made.and_then(|made| made.refused).map(|reason| not_signed(&reason)));
        self.forget_decided(&plan)?;
        session.settle_displaced()?;
        note.withdraw()?;
        if self.wishes.are_plain() && !is_stale && failed.is_empty() {
            let touched = Some(plan.steps.iter().map(Step::unit).collect());
            self.last.replace(Some(Last { picture, touched, since, is_kept: true, is_done: None }));
        }
        Ok(Round { plan, failed, notes, tip, tree, shared, is_stale })
    }

    /// Puts everything that is about to change into the vault, and returns what the plan comes to there, and
    /// what the branch becomes.
    fn secure(
        &self,
        sight: contents::Sight<'_>,
        planned: Planned<'_>,
        (is_kept, before): (bool, &Tree),
        note: &Note,
    ) -> Outcome<(Trees, Option<Coming>)> {
        let session = self.session;
        let Planned { picture, plan, .. } = planned;
        session.vault.gather();
        if !is_kept {
            session.snapshot(picture, "before a change")?;
        }
        session.vault.keep_held(&plan.held)?;
        let edited = self.wishes.edit.units.keys();
        let mut operation = Operation::between(before, &picture.observation.ours, edited);
        operation.extend(plan.operation.clone());
        self.note_operation(operation, &plan.changes)?;
        let trees = self.foresee(picture, plan)?;
        let coming = self.prepare(planned, trees, note)?;
        let occasion = self.wishes.command.occasion();
        let steps = (&plan.steps[..], &plan.tree);
        backups::before(session, Some(sight), steps, occasion, self.ahead.take())?;
        session.vault.make_durable()?;
        Ok((trees, coming))
    }

    /// Returns the paths at which commits of this machine hold what must not be sent; none where those
    /// commits are left behind anyway.
    fn tainted(&self, picture: &Picture) -> Outcome<BTreeSet<RepoPath>> {
        if self.wishes.winner == Some(Winner::Theirs) {
            return Ok(BTreeSet::new());
        }
        secrets::tainted(self.session, picture)
    }

    /// Returns the marks with those that an edit brings back; none where it brings none.
    pub fn added_marks(&self, picture: &Picture) -> Option<Manifest> {
        let stored = &picture.observation.local.stored.manifest;
        let mut wanted = stored.clone();
        self.wishes.edit.apply_marks(&mut wanted);
        let known = stored.marks.len();
        let mut manifest = stored.clone();
        for (path, mark) in wanted.marks {
            manifest.marks.entry(path).or_insert(mark);
        }
        (manifest.marks.len() > known).then_some(manifest)
    }

    /// Keeps what is about to change, so that it can be taken back even after a crash.
    fn note_operation(&self, operation: Operation, changes: &[Change]) -> Outcome<()> {
        if changes.is_empty() && operation.is_empty() {
            return Ok(());
        }
        let mut known = self.operation.borrow_mut();
        let (number, mut whole) = match known.take() {
            Some((number, earlier)) => (Some(number), earlier),
            None => (None, Operation::default()),
        };
        whole.extend(operation);
        let title = self.wishes.command.word();
        let number = self.session.vault.keep_operation(number, title, &whole)?;
        *known = Some((number, whole));
        Ok(())
    }

    /// Writes the manifest and the modes into the working tree, unless a person just changed the
    /// marks.
    fn write_own_files(&self, stored: &Tree, tree: &Tree) -> Outcome<Applied> {
        let repo = &self.session.context.places.repo;
        let on_disk = plain::read_text(&repo.join(MANIFEST))?;
        if on_disk
            .map(|text| trees::parse_manifest(&text))
            .transpose()?
            .is_some_and(|now| now != stored.manifest)
        {
            return Ok(Applied::Stale);
        }
        let wanted = trees::own_files(tree);
        for place in [MANIFEST, MODES] {
            let path = repo.join(place);
            match wanted.iter().find(|(known, _)| *known == place) {
                None => plain::remove(&path)?,
                Some((_, text)) if plain::read(&path)?.as_deref() == Some(text.as_bytes()) => {}
                Some((_, text)) => {
                    plain::publish_with_mode(
                        &path,
                        text.as_bytes(),
                        plain::Durability::Synced,
                        0o644,
                    )?;
                }
            }
        }
        Ok(Applied::Done)
    }

    /// What was restored for this machine only is forgotten once a person decided.
    fn forget_decided(&self, plan: &Plan) -> Outcome<()> {
        let places = &self.session.context.places;
        let before = OnlyHere::read(places)?;
        let mut only_here = OnlyHere::read(places)?;
        let is_held = |path: &RepoPath| plan.held.iter().any(|held| held.path == *path);
        let is_chosen = |path: &RepoPath| {
            self.wishes.winner.is_some() || self.wishes.choices.contains_key(path)
        };
        only_here.forget(|path| is_chosen(path) && !is_held(path));
        only_here.note(is_held);
        if only_here == before { Ok(()) } else { only_here.write(places) }
    }

    /// Plans. A path whose link an app keeps replacing becomes a copy on this machine.
    fn plan_and_count(&self, picture: &Picture) -> Outcome<(Plan, ReplacedLinks)> {
        let mut replaced = ReplacedLinks::read(&self.session.context.places)?;
        let before = replaced.copies();
        let plan = self.plan(picture, before.clone())?;
        for home in plan.replaced_links(&picture.observation.agreed) {
            replaced.count(&home);
        }
        let copies = replaced.copies();
        let plan = if copies == before { plan } else { self.plan(picture, copies)? };
        Ok((plan, replaced))
    }

    /// Keeps what was learned of replaced links, and says which paths became copies by it.
    fn learn(&self, replaced: &ReplacedLinks) -> Outcome<Vec<String>> {
        let places = &self.session.context.places;
        let before = ReplacedLinks::read(places)?;
        if *replaced != before {
            replaced.write(places)?;
        }
        let note = |home: &HomePath| {
            format!(
                "{home} keeps being replaced by a file, so it is a copy on this machine from now on."
            )
        };
        Ok(replaced.copies().difference(&before.copies()).map(note).collect())
    }
}
