//! Moves refs of the repository as Git does: each under its lock, and from the value that was seen. All
//! that move together become durable together.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use git2::{Oid, Signature};

use super::worktree::{UPSTREAM, Worktree};
use super::{CommitId, ref_target};
use crate::failure::{Code, Failure, Outcome};
use crate::fs::group::Group;

/// As Git makes the files of refs.
pub(super) const MODE: u32 = 0o666;

/// What a ref must be, to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Whatever it is.
    Any,
    /// Exactly this, or not there.
    Seen(Option<CommitId>),
}

/// A ref that moves.
#[derive(Debug)]
pub struct Move {
    /// Its full name.
    pub name: String,
    /// From where.
    pub from: From,
    /// To where: a commit that is on disk.
    pub to: CommitId,
}

/// Returns how it is remembered that upstream is at this commit.
pub fn upstream_at(commit: CommitId) -> Move {
    Move { name: UPSTREAM.to_owned(), from: From::Any, to: commit }
}

/// Moves refs, in this order, or none of them where one is held by another Git or is not what was seen.
/// What is in the group is durable before the first of them moves.
pub fn advance(worktree: &Worktree, moves: &[Move], mut group: Group) -> Outcome<()> {
    let locked = lock(worktree, moves, &mut group)?;
    group.publish()?;
    locked.log(worktree);
    Ok(())
}

/// Refs that move with a group.
#[must_use]
pub struct Locked<'a> {
    moves: &'a [Move],
    /// Where they were.
    before: Vec<Option<CommitId>>,
}

impl Locked<'_> {
    /// Writes down that they moved.
    pub fn log(self, worktree: &Worktree) {
        for (moved, before) in self.moves.iter().zip(self.before) {
            // A log is for people; what it leads to is in the vault too.
            let _ = note(worktree, moved, before);
        }
    }
}

/// Locks refs, which move when the group is published.
pub fn lock<'a>(worktree: &Worktree, moves: &'a [Move], group: &mut Group) -> Outcome<Locked<'a>> {
    let mut before = Vec::new();
    for Move { name, from, to } in moves {
        let place = worktree.refs_folder().join(name);
        let mut above: Vec<&Path> = place.ancestors().skip(1).collect();
        above.retain(|folder| folder.starts_with(worktree.refs_folder().join("refs")));
        above.into_iter().rev().try_for_each(|folder| group.make_folder(folder))?;
        let lock = worktree.refs_folder().join(format!("{name}.lock"));
        let text = format!("{to}\n");
        group.lock(place, lock.clone(), text.as_bytes(), MODE).map_err(|error| {
            if error.is(io::ErrorKind::AlreadyExists) {
                return Failure::new(
                    Code::Foreign,
                    format!("another git holds {}", lock.display()),
                )
                .hint("Run `cfgsync sync` again when it is done.");
            }
            error.into()
        })?;
        let known = ref_target(worktree.store(), name)?;
        if *from != From::Any && *from != From::Seen(known) {
            return Err(Failure::new(
                Code::Foreign,
                format!("{name} moved while cfgsync was at work"),
            )
            .hint("Run `cfgsync sync` again."));
        }
        before.push(known);
    }
    Ok(Locked { moves, before })
}

/// Adds a line to the log of a ref, and to that of HEAD where it names the ref, where Git would.
fn note(worktree: &Worktree, moved: &Move, before: Option<CommitId>) -> Outcome<()> {
    let log = worktree.refs_folder().join("logs").join(&moved.name);
    let line = line(worktree, before, moved.to);
    let is_head = worktree.branch()?.is_some_and(|it| moved.name == format!("refs/heads/{it}"));
    let head = worktree.git_folder().join("logs/HEAD");
    for log in [Some(log), is_head.then_some(head)].into_iter().flatten() {
        if log.exists() || is_logged(worktree, &moved.name) {
            // Only tidying: a line that is missing is no reason to stop.
            let _ = append(&log, &line);
        }
    }
    Ok(())
}

/// Git's rule: branches, local and remote ones, unless it was told otherwise.
fn is_logged(worktree: &Worktree, name: &str) -> bool {
    let is_branch = ["refs/heads/", "refs/remotes/"].iter().any(|it| name.starts_with(it));
    match worktree.setting("core.logAllRefUpdates").as_deref() {
        Some("always") => true,
        None => is_branch,
        Some(_) => is_branch && worktree.is_set("core.logAllRefUpdates"),
    }
}

fn line(worktree: &Worktree, before: Option<CommitId>, to: CommitId) -> String {
    let who = worktree.store().signature().or_else(|_| Signature::now("cfgsync", "cfgsync"));
    let who = who.map_or_else(
        |_| "cfgsync <cfgsync> 0 +0000".to_owned(),
        |who| {
            let (name, email) = (who.name().unwrap_or("cfgsync"), who.email().unwrap_or("cfgsync"));
            let (minutes, sign) = (who.when().offset_minutes().abs(), who.when().sign());
            let (hours, minutes) = (minutes / 60, minutes % 60);
            format!("{name} <{email}> {} {sign}{hours:02}{minutes:02}", who.when().seconds())
        },
    );
    let before = before.map_or(Oid::ZERO_SHA1, |commit| commit.0);
    format!("{before} {to} {who}\tcfgsync: sync\n")
}

fn append(log: &Path, line: &str) -> io::Result<()> {
    if let Some(above) = log.parent() {
        fs::create_dir_all(above)?;
    }
    OpenOptions::new().append(true).create(true).open(log)?.write_all(line.as_bytes())
}
