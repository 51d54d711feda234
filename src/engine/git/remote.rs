//! Fetch and push, and what went wrong when they did.

use std::time::Duration;

use cfgsync_core::inert::shown;

use super::program::{Answer, Aside, Limits, Manners, Running, run, run_aside, start};
use super::worktree::{UPSTREAM, Worktree};
use super::{CommitId, GitError, locks};
use crate::failure::{Code, Failure, Outcome};
use crate::fs::plain::{self, Durability};
use crate::sabotage::{self, Break};
use std::path::Path;

/// How long one connection may take.
const DEADLINE: Duration = Duration::from_secs(45);

/// How often a fetch is tried again while another one still holds our ref.
const ORPHAN_TRIES: u32 = 5;

/// A remote, as one run talks to it.
#[derive(Debug)]
pub struct Remote<'a> {
    worktree: &'a Worktree,
    /// Its name in the repository's configuration.
    name: &'a str,
    branch: &'a str,
    ssh: Option<String>,
    manners: Manners,
    scratch: &'a Path,
}

/// What fetching found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// The branch, at this commit.
    Tip(CommitId),
    /// A remote that does not have the branch.
    NoBranch,
}

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// The remote has it.
    Done,
    /// Somebody else was faster.
    Refused,
}

/// The note of a push that is under way: its process and its commit.
pub const PUSHING: &str = "pushing";

impl<'a> Remote<'a> {
    /// A remote of a repository. `ssh` is the user's own ssh command, where it is OpenSSH.
    pub fn new(
        worktree: &'a Worktree,
        name: &'a str,
        branch: &'a str,
        ssh: Option<String>,
        manners: Manners,
        scratch: &'a Path,
    ) -> Self {
        Self { worktree, name, branch, ssh, manners, scratch }
    }

    /// Starts to fetch the branch into a ref of cfgsync's own.
    pub fn start_fetch(&self) -> Outcome<Running> {
        let refspec = format!("+refs/heads/{}:{UPSTREAM}", self.branch);
        self.start(&self.fetching(&refspec))
    }

    /// The arguments of a fetch that takes one ref, and nothing beside it.
    fn fetching<'b>(&'b self, refspec: &'b str) -> [&'b str; 10] {
        [
            "fetch",
            "--quiet",
            "--no-write-fetch-head",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-auto-maintenance",
            "--refmap=",
            "--end-of-options",
            self.name,
            refspec,
        ]
    }

    /// Waits for a fetch, and says what it found.
    pub fn finish_fetch(&self, fetch: Running) -> Outcome<Fetched> {
        let mut answer = fetch.finish()?;
        // The fetch of a run that was killed may still be about to end.
        for number in 1..=ORPHAN_TRIES {
            if answer.code == Some(0) || !answer.stderr.contains("cannot lock ref 'refs/cfgsync/") {
                break;
            }
            if number == ORPHAN_TRIES {
                // Nobody but cfgsync writes this ref, and no fetch takes that long to end.
                plain::remove(&self.worktree.git_folder().join(format!("{UPSTREAM}.lock")))?;
            }
            answer = self.start_fetch()?.finish()?;
        }
        if answer.code == Some(0) {
            let tip = self.worktree.upstream()?;
            return tip.map(Fetched::Tip).ok_or_else(|| {
                Failure::error(format!("git fetched {} but set no ref", self.name))
            });
        }
        if answer.stderr.contains("couldn't find remote ref") {
            return Ok(Fetched::NoBranch);
        }
        Err(self.failure("fetch from", &answer))
    }

    /// Looks where the branch is, and fetches what is missing into a folder that is not the
    /// repository's: nothing there changes.
    pub fn peek(&self, objects: &Path) -> Outcome<Fetched> {
        let name = format!("refs/heads/{}", self.branch);
        let asked = ["ls-remote", "--end-of-options", self.name, &name];
        let answer = self.start(&asked)?.finish()?;
        if answer.code != Some(0) {
            return Err(self.failure("read", &answer));
        }
        let Some(tip) = answer.text().split_whitespace().next().and_then(CommitId::parse) else {
            return Ok(Fetched::NoBranch);
        };
        if !self.worktree.has(tip) {
            let known = self.worktree.git_folder().join("objects");
            let answer = run_aside(
                self.worktree.root(),
                self.ssh.as_deref(),
                Limits { manners: self.manners, deadline: DEADLINE },
                self.scratch,
                Aside { objects, known: &[&known] },
                &self.fetching(&name),
            )?;
            if answer.code != Some(0) {
                return Err(self.failure("fetch from", &answer));
            }
            self.worktree.read_also(objects)?;
        }
        Ok(Fetched::Tip(tip))
    }

    /// Returns the branches the remote has.
    pub fn branches(&self) -> Outcome<Vec<String>> {
        let answer =
            self.start(&["ls-remote", "--heads", "--end-of-options", self.name])?.finish()?;
        let branch = |line: &str| Some(line.split_once("\trefs/heads/")?.1.to_owned());
        Ok(answer.text().lines().filter_map(branch).collect())
    }

    /// Pushes a commit, if the remote's branch still is what we saw last.
    pub fn push(&self, commit: CommitId, expecting: Option<CommitId>) -> Outcome<Pushed> {
        let expected = expecting.map(|tip| tip.to_string()).unwrap_or_default();
        let mut lease = format!("--force-with-lease=refs/heads/{}:{expected}", self.branch);
        let mut refspec = format!("{commit}:refs/heads/{}", self.branch);
        if sabotage::is(Break::BlindPush) {
            "--force".clone_into(&mut lease);
            refspec.insert(0, '+');
        }
        // Should this run die, the next one knows whose locks Git left.
        let note = self.scratch.join(PUSHING);
        let text = format!("{} {commit}\n", std::process::id());
        plain::publish(&note, text.as_bytes(), Durability::Synced)?;
        let pushed = self.push_as(&lease, &refspec, commit);
        if !matches!(pushed, Ok(Pushed::Done)) {
            locks::remove_of_remotes(self.worktree.git_folder(), self.branch, &commit.to_string())?;
        }
        plain::remove(&note)?;
        pushed
    }

    fn push_as(&self, lease: &str, refspec: &str, commit: CommitId) -> Outcome<Pushed> {
        let push = self.start(&[
            "push",
            "--porcelain",
            "--no-recurse-submodules",
            lease,
            "--end-of-options",
            self.name,
            refspec,
        ])?;
        let answer = push.finish()?;
        if answer.code == Some(0) {
            self.worktree.set_upstream(commit)?;
            return Ok(Pushed::Done);
        }
        let stdout = answer.text();
        let verdict = stdout.lines().find(|line| line.starts_with('!')).unwrap_or_default();
        let is_race =
            ["(stale info)", "(fetch first)", "(non-fast-forward)", "failed to update ref"]
                .iter()
                .any(|reason| verdict.contains(reason))
                || (verdict.contains("[remote rejected]") && verdict.contains("lock"));
        if is_race {
            return Ok(Pushed::Refused);
        }
        let stderr = format!("{}\nerror: {verdict}", answer.stderr);
        let is_rejected = verdict.contains("[remote rejected]") || verdict.contains("[rejected]");
        let answer = if is_rejected { Answer { stderr, ..answer } } else { answer };
        Err(self.failure("push to", &answer))
    }

    fn start(&self, arguments: &[&str]) -> Outcome<Running> {
        let limits = Limits { manners: self.manners, deadline: DEADLINE };
        start(self.worktree.root(), self.ssh.as_deref(), limits, self.scratch, arguments)
    }

    fn failure(&self, action: &str, answer: &Answer) -> Failure {
        let url = self.worktree.remote_url(self.name).unwrap_or_else(|| self.name.to_owned());
        failure(&format!("could not {action} {}", without_password(&url)), &url, answer)
    }
}

/// Asks a remote for its default branch, before there is a repository.
pub fn default_branch(
    url: &str,
    folder: &Path,
    manners: Manners,
    scratch: &Path,
) -> Outcome<Option<String>> {
    let ssh = user_ssh(None);
    let limits = Limits { manners, deadline: DEADLINE };
    let arguments = ["ls-remote", "--symref", "--end-of-options", url, "HEAD", "refs/heads/*"];
    let answer = run(folder, ssh.as_deref(), limits, scratch, &arguments)?;
    if answer.code != Some(0) {
        return Err(failure(&format!("could not read {}", without_password(url)), url, &answer));
    }
    let stdout = answer.text();
    let named = stdout.lines().find_map(|line| {
        let rest = line.strip_prefix("ref: refs/heads/")?;
        rest.split_once('\t').map(|(branch, _)| branch.to_owned())
    });
    let branches: Vec<&str> = stdout
        .lines()
        .filter_map(|line| line.split_once("\trefs/heads/").map(|(_, branch)| branch))
        .collect();
    let exists = |branch: &String| branches.contains(&branch.as_str());
    let only = match branches[..] {
        [branch] => Some(branch.to_owned()),
        _ => branches
            .iter()
            .find(|branch| matches!(**branch, "main" | "master"))
            .map(|b| (*b).to_owned()),
    };
    Ok(named.filter(exists).or(only))
}

/// Returns the user's own ssh command, where it is one that takes OpenSSH's options.
pub fn user_ssh(configured: Option<String>) -> Option<String> {
    crate::context::variable("GIT_SSH_COMMAND")
        .or(configured)
        .or_else(|| crate::context::variable("GIT_SSH").is_none().then(|| "ssh".to_owned()))
}

/// What Git says, what that means, and what to do about it. The first row that fits counts.
const MEANINGS: [(&[&str], Code, &str); 5] = [
    (
        &["Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED"],
        Code::Authentication,
        "Connect once by hand (`ssh <host>`) and check the host's key.",
    ),
    (
        &[
            "Permission denied",
            "Authentication failed",
            "could not read Username",
            "could not read Password",
            "terminal prompts disabled",
            "access denied",
        ],
        Code::Authentication,
        "Run `cfgsync sync` in a terminal, where you can be asked.",
    ),
    (
        &["hook declined", "protected branch", "[remote rejected]", "[rejected]"],
        Code::Error,
        "The server's own rules refused the change; see its message.",
    ),
    (
        &["fsck error", "index-pack failed"],
        Code::Refused,
        "What the remote holds is damaged or made to do harm. Nothing was changed here.",
    ),
    (
        &["No space left", "unable to create temporary", "disk quota"],
        Code::Error,
        "The server is out of space; free some there.",
    ),
];

/// What Git says of an address at which there is no repository.
const NO_REPOSITORY: [&str; 4] =
    ["does not appear to be a git repository", "not found", "not exist", "no such repository"];

/// What makes such a word mean something else.
const NO_HOST: [&str; 2] = ["Could not resolve", "Name or service not known"];

/// Says what went wrong in one sentence, with the next step.
fn failure(what: &str, url: &str, answer: &Answer) -> Failure {
    let queued = "Your changes are kept here and are sent by the next `cfgsync sync`.";
    if answer.is_late {
        let cause = format!("{what}: it did not answer in time");
        return Failure::new(Code::Offline, cause).hint(queued);
    }
    let stderr = answer.stderr.as_str();
    let says = |words: &[&str]| words.iter().any(|word| stderr.contains(word));
    let cause = format!("{what}: {}", reason(stderr));
    if let Some((_, code, hint)) = MEANINGS.iter().find(|(words, _, _)| says(words)) {
        return Failure::new(*code, cause).hint(hint);
    }
    if says(&NO_REPOSITORY) && !says(&NO_HOST) {
        // A remote that is a folder may only not be mounted.
        let failure = if is_folder(url) {
            Failure::new(Code::Offline, cause).hint(queued)
        } else {
            Failure::error(cause)
        };
        return failure
            .hint("If it moved, tell git in the repository: `git remote set-url <name> <URL>`.")
            .hint("If it is gone, make an empty one there, then `cfgsync sync --force-push`. Nothing was deleted here.");
    }
    Failure::new(Code::Offline, cause).hint(queued)
}

/// Returns the line that tells most: what the server says, else the first error.
fn reason(stderr: &str) -> String {
    let lines = || stderr.lines().map(str::trim);
    let of_server =
        lines().find_map(|line| line.strip_prefix("remote: ")).filter(|line| !line.is_empty());
    let first = || {
        lines()
            .find(|line| ["fatal:", "error:", "ssh:"].iter().any(|start| line.starts_with(start)))
    };
    let telling = of_server.or_else(first).or_else(|| lines().next_back());
    shown(telling.unwrap_or("git gave no reason")).chars().take(200).collect()
}

/// A remote that is a folder is away when its disk is not mounted, which is no lasting error.
fn is_folder(url: &str) -> bool {
    url.starts_with('/') || url.starts_with("file://")
}

/// Takes the password out of an address before it is shown.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let Some((user, host)) = authority.rsplit_once('@') else { return url.to_owned() };
    match (scheme, user.split(':').next()) {
        ("ssh", Some(user)) => format!("{scheme}://{user}@{host}{path}"),
        _ => format!("{scheme}://{host}{path}"),
    }
}

/// Returns what an error of the library is called where a remote is meant.
pub fn remote_error(name: &str) -> impl FnOnce(git2::Error) -> GitError {
    GitError::on(format!("set up the remote {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(without_password("https://user:se@cret@h/x@y"), "https://h/x@y");
        assert_eq!(without_password("ssh://me:pass@h/x"), "ssh://me@h/x");
        assert_eq!(without_password("git@h:me/x.git"), "git@h:me/x.git");
        assert_eq!(without_password("/home/me/x.git"), "/home/me/x.git");
    }
}
