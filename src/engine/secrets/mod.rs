//! The secret gate: looks at what would leave this machine, and says what must not.
//!
//! What is a secret is decided by the rules of the core, and what waits by the plan. Here the bytes
//! are brought to the one, and the findings to the other; and what is about to be sent is looked at
//! once more, object by object. No value is ever printed, logged or kept.

pub mod gate;
mod print;

use std::collections::{BTreeMap, BTreeSet};

use cfgsync_core::along::Along;
use cfgsync_core::observed::Observation;
use cfgsync_core::path::RepoPath;
use cfgsync_core::policy::Choice;
use cfgsync_core::reconcile::Merged;
use cfgsync_core::secrets::{Secret, what};
use cfgsync_core::unit::{BlobId, Version};

use crate::failure::{Code, Failure, Outcome};
use crate::git::outgoing::{Brought, has_merges, outgoing};
use crate::git::{CommitId, trees};
use crate::picture::Picture;
use crate::record::name;
use crate::session::Session;

/// Secrets by unit and bytes.
type Secrets = BTreeMap<(RepoPath, BlobId), Secret>;

/// Adds to an observation which bytes may not be shared: this machine's, and what a merge or a
/// choice made of them.
pub fn find(
    session: &Session<'_>,
    observation: &mut Observation,
    choices: &BTreeMap<RepoPath, Choice>,
) -> Outcome<()> {
    let upstream = observation.upstream();
    let is = |version: Option<&Version>, blob| version.is_some_and(|version| version.blob == blob);
    // What a link leads to is sent as a file is.
    let mut theirs = Along::new(&upstream.units);
    let ours = observation.ours.units.iter().map(|(path, version)| (path, version.blob));
    let ours = ours.filter(|(path, blob)| !is(theirs.at(path), *blob));
    let merged = observation.merged.iter().filter_map(|(path, merged)| match merged {
        Merged::Clean(blob) => Some((path, *blob)),
        _ => None,
    });
    let chosen = choices.iter().filter_map(|(path, choice)| match choice {
        Choice::Merged(blob) => Some((path, *blob)),
        Choice::Ours | Choice::Theirs => None,
    });
    let made = merged.chain(chosen).filter(|(path, blob)| !is(upstream.units.get(*path), *blob));
    let mut found = BTreeMap::new();
    for (path, blob) in ours.chain(made) {
        // What a rehearsal was told of exists only where it was told; the run itself looks at it.
        if session.vault.size(blob).is_none() {
            continue;
        }
        let bytes = || session.vault.bytes(blob);
        if let Some(secret) = session.gate.stop(path.as_bytes(), blob, bytes)? {
            found.insert((path.clone(), blob), secret);
        }
    }
    found.extend(sent_aside(session, observation)?);
    observation.secrets = found;
    Ok(())
}

/// Returns the secrets of files of which upstream gets but the name, and a store beside it the bytes.
fn sent_aside(session: &Session<'_>, observation: &Observation) -> Outcome<Secrets> {
    let mut found = BTreeMap::new();
    for path in &observation.local.sent_aside {
        let Some(ours) = observation.ours.units.get(path) else { continue };
        let theirs = observation.upstream().units.get(path);
        if theirs.is_some_and(|theirs| theirs.blob == ours.blob) {
            continue;
        }
        let on_disk = observation.local.filtered.get(path).copied().unwrap_or_default();
        for raw in [on_disk.stored, on_disk.live].into_iter().flatten().map(|side| side.blob) {
            let bytes = || session.vault.bytes(raw);
            if let Some(secret) = session.gate.stop(path.as_bytes(), raw, bytes)? {
                found.insert((path.clone(), ours.blob), secret);
            }
        }
    }
    Ok(found)
}

/// A secret in a commit that upstream does not have.
struct Leak {
    brought: Brought,
    secret: Secret,
}

/// Returns the secrets in what upstream would get with a commit.
fn leaks(session: &Session<'_>, tip: CommitId, upstream: Option<CommitId>) -> Outcome<Vec<Leak>> {
    let store = session.worktree.store();
    let mut leaks = Vec::new();
    for brought in outgoing(&session.worktree, tip, upstream)? {
        let bytes = || Ok(trees::read_blob(store, brought.blob)?);
        if let Some(secret) = session.gate.stop(&brought.path, brought.blob, bytes)? {
            leaks.push(Leak { brought, secret });
        }
    }
    Ok(leaks)
}

/// Returns the paths that commits must be made anew without, because one that upstream does not have
/// holds a secret there. Refused where that would take history of a person's making apart.
pub fn tainted(session: &Session<'_>, picture: &Picture) -> Outcome<BTreeSet<RepoPath>> {
    let (Some(head), Some(_)) = (picture.head, &session.remote) else {
        return Ok(BTreeSet::new());
    };
    let leaks = leaks(session, head, picture.upstream)?;
    let Some(first) = leaks.first() else { return Ok(BTreeSet::new()) };
    let paths: Option<BTreeSet<RepoPath>> =
        leaks.iter().map(|leak| RepoPath::new(&*leak.brought.path).ok()).collect();
    let can_remake = match picture.upstream {
        Some(upstream) => !has_merges(&session.worktree, head, upstream)?,
        None => session.worktree.is_only_ours(head, &session.context.machine.id)?,
    };
    match paths {
        Some(paths) if can_remake => Ok(paths),
        _ => Err(refusal(first)),
    }
}

/// The last look before a push: stops where anything that would be sent holds a secret.
pub fn check(session: &Session<'_>, tip: CommitId, upstream: Option<CommitId>) -> Outcome<()> {
    match leaks(session, tip, upstream)?.first() {
        Some(leak) => Err(refusal(leak)),
        None => Ok(()),
    }
}

fn refusal(leak: &Leak) -> Failure {
    let Leak { brought, secret } = leak;
    let path = RepoPath::new(&*brought.path)
        .map_or_else(|_| cfgsync_core::inert::shown(&brought.path), |path| name(&path));
    let commit: String = brought.commit.to_string().chars().take(10).collect();
    Failure::new(
        Code::Refused,
        format!(
            "commit {commit} holds {} ({path}, line {}) and was not sent",
            what(secret.rule),
            secret.line
        ),
    )
    .hint("Take it out of the commit (`git rebase -i`, `git commit --amend`), then run `cfgsync sync`.")
    .hint(format!("If it may be shared: `cfgsync secrets allow {path}`."))
}
