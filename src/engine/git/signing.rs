//! Commits of cfgsync's own, signed where the user's configuration of Git says so. Git itself signs: it
//! knows the formats, programs and keys. A key that wants a person is said once, and commits go on
//! without a signature until something about it changes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::{Oid, Signature};

use super::CommitId;
use super::program::{self, Answer, Limits, Manners};
use super::worktree::Worktree;
use crate::failure::Outcome;
use crate::fs::desk::Desk;
use crate::fs::plain::{self, Durability};

/// How long a signature may take. The files are locked meanwhile, so nobody types a long passphrase.
const PATIENCE: Duration = Duration::from_secs(15);

/// What decides how is signed.
const SETTINGS: [&str; 7] = [
    "gpg.format",
    "user.signingkey",
    "gpg.program",
    "gpg.openpgp.program",
    "gpg.x509.program",
    "gpg.ssh.program",
    "gpg.ssh.defaultKeyCommand",
];

/// What an agent of the key is found by.
const VARIABLES: [&str; 3] = ["SSH_AUTH_SOCK", "GPG_AGENT_INFO", "GNUPGHOME"];

/// What would bring up a question where nobody waits for one.
const SCREENS: [&str; 3] = ["DISPLAY", "WAYLAND_DISPLAY", "GPG_TTY"];

/// The note of a key that did not sign: what was tried, and why it came to nothing.
const NOTE: &str = "unsigned";

/// How commits are signed.
#[derive(Debug)]
pub struct Signer {
    state: PathBuf,
    manners: Manners,
    /// What was configured, as it is noted.
    tried: String,
}

/// What became of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// The commit that bears it.
    Commit(CommitId),
    /// There is none, and this is the first time that is so.
    Refused(String),
    /// There is none, as was said before.
    Known,
}

/// Returns by which settings commits are made: who makes them, and how they are signed.
pub fn author(worktree: &Worktree) -> Vec<Option<String>> {
    let own = ["user.name", "user.email", "commit.gpgsign"];
    own.into_iter().chain(SETTINGS).map(|key| worktree.setting(key)).collect()
}

impl Signer {
    /// Returns how commits are signed; none where the user does not want that.
    pub fn of(worktree: &Worktree, state: &Path, manners: Manners) -> Option<Self> {
        if !worktree.is_set("commit.gpgsign") {
            return None;
        }
        let settings = SETTINGS.map(|key| worktree.setting(key).unwrap_or_default());
        let variables = VARIABLES.map(|name| crate::context::variable(name).unwrap_or_default());
        let tried = settings.into_iter().chain(variables).collect::<Vec<_>>().join("\t");
        let tried = tried.replace(['\n', '\r'], " ");
        Some(Self { state: state.to_owned(), manners, tried })
    }

    /// Returns why the key did not sign last, where nothing changed since.
    pub fn refusal(&self) -> Outcome<Option<String>> {
        let text = plain::read_text(&self.state.join(NOTE))?.unwrap_or_default();
        let reason = text.split_once('\n').filter(|(tried, _)| *tried == self.tried);
        Ok(reason.map(|(_, reason)| reason.trim_end().to_owned()))
    }

    /// Makes a signed commit. What did not sign before is tried again only where a person is there.
    pub fn commit(
        &self,
        worktree: &Worktree,
        tree: Oid,
        parents: &[Oid],
        author: &Signature<'_>,
        text: &str,
    ) -> Outcome<Signed> {
        let known = self.refusal()?;
        if known.is_some() && self.manners == Manners::Silent {
            return Ok(Signed::Known);
        }
        // Git reads them from the disk.
        worktree.objects().keep(&[parents, &[tree]].concat())?;
        let answer = self.ask(worktree, tree, parents, author, text)?;
        let id = CommitId::parse(&answer.text()).filter(|_| answer.code == Some(0));
        let note = self.state.join(NOTE);
        if let Some(id) = id {
            plain::remove(&note)?;
            return Ok(Signed::Commit(id));
        }
        let reason = reason(&answer);
        let text = format!("{}\n{reason}\n", self.tried);
        plain::publish(&note, text.as_bytes(), Durability::Relaxed)?;
        Ok(if known.is_some() { Signed::Known } else { Signed::Refused(reason) })
    }

    fn ask(
        &self,
        worktree: &Worktree,
        tree: Oid,
        parents: &[Oid],
        author: &Signature<'_>,
        text: &str,
    ) -> Outcome<Answer> {
        let desk = Desk::set_up(&self.state)?;
        let message = desk.put("message", text.as_bytes())?.to_string_lossy().into_owned();
        let ids: Vec<String> = parents.iter().map(ToString::to_string).collect();
        let tree = tree.to_string();
        let mut arguments = vec!["commit-tree", "-S", "-F", &message];
        ids.iter().for_each(|id| arguments.extend(["-p", id]));
        arguments.push(&tree);
        let limits = Limits { manners: self.manners, ..Limits::local(PATIENCE) };
        let mut command = program::git(worktree.root(), None, limits, &arguments);
        let at = format!("@{} +0000", author.when().seconds());
        for who in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{who}_NAME"), author.name().unwrap_or_default())
                .env(format!("GIT_{who}_EMAIL"), author.email().unwrap_or_default())
                .env(format!("GIT_{who}_DATE"), &at);
        }
        if self.manners == Manners::Silent {
            for name in SCREENS {
                command.env_remove(name);
            }
        }
        program::bounded(command, limits, desk.folder())?.finish()
    }
}

/// Returns the line that tells most of why there is no signature.
fn reason(answer: &Answer) -> String {
    if answer.ended.is_some() {
        return "the key wants a person".to_owned();
    }
    let lines = || answer.stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let telling = lines().find(|line| !line.starts_with("error: gpg failed to sign"));
    let line = telling.or_else(|| lines().next()).unwrap_or("git gave no reason");
    let line = line.trim_start_matches("error: ").trim_start_matches("fatal: ");
    cfgsync_core::inert::shown(line).chars().take(200).collect()
}
