//! Fetch and push, and what went wrong when they did.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use cfgsync_core::address::Reached;

use super::client::{at_once, is_ours_to_share, user_ssh};
use super::ear::Silence;
use super::early::Early;
use super::login::{self, Gate, Login};
use super::program::{Answer, Aside, Hooks, Limits, Manners, Running, run, run_aside, start};
use super::trouble::{cut, failure, not_git};
use super::worktree::{UPSTREAM, Worktree};
use super::{CommitId, GitError, folder, global};
use crate::failure::{Failure, Outcome};
use crate::fs::plain;
use crate::ui::Ui;
use std::path::Path;

/// How long one connection may take that goes on moving. Runs that nobody waits for end long before.
const DEADLINE: Duration = Duration::from_secs(3600);

/// How often a fetch is tried again while another one still holds our ref.
const ORPHAN_TRIES: u32 = 5;

/// A remote, as one run talks to it.
#[derive(Debug)]
pub struct Remote<'a> {
    pub(super) worktree: &'a Worktree,
    /// Its name in the repository's configuration.
    pub(super) name: &'a str,
    pub(super) branch: &'a str,
    pub(super) ssh: Option<String>,
    pub(super) limits: Limits,
    pub(super) scratch: &'a Path,
    /// A connection over it that waits for a push.
    pub(super) early: RefCell<Option<Early>>,
    /// The commit that a note says is about to be pushed.
    pub(super) noted: Cell<Option<CommitId>>,
    /// The login that is shared, where there is one.
    login: RefCell<Option<Login>>,
}

/// What fetching found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// The branch, at this commit.
    Tip(CommitId),
    /// A remote that does not have the branch.
    NoBranch,
}

impl<'a> Remote<'a> {
    /// A remote of a repository. `ssh` is the user's own ssh command, where it is OpenSSH.
    pub fn new(
        worktree: &'a Worktree,
        name: &'a str,
        branch: &'a str,
        ssh: Option<String>,
        limits: Limits,
        scratch: &'a Path,
    ) -> Self {
        let (early, noted, login) = Default::default();
        Self { worktree, name, branch, ssh, limits, scratch, early, noted, login }
    }

    /// Starts to fetch the branch into a ref of cfgsync's own.
    pub fn start_fetch(&self) -> Outcome<Running> {
        let refspec = format!("+refs/heads/{}:{UPSTREAM}", self.branch);
        self.start(&self.fetching(&refspec))
    }

    /// Begins to log in once for all that follows, where that can be shared.
    pub fn share_login(&self) {
        let url = self.worktree.remote_url(self.name).unwrap_or_default();
        let ours = self.ssh.as_deref().filter(|ssh| self.is_one_place() && is_ours_to_share(ssh));
        if let (Reached::Ssh { destination, port }, Some(ssh)) = (Reached::of(&url), ours) {
            let ssh = self.quick(ssh);
            let login = Login::start(&ssh, (destination, port), self.limits, self.scratch);
            self.login.replace(login);
        }
    }

    /// Opens the far end of a push that is likely to come, where the login is shared.
    pub fn expect_push(&self) {
        let url = self.worktree.remote_url(self.name).unwrap_or_default();
        if let (Some(login), Some(ssh)) = (&*self.login.borrow(), &self.ssh) {
            self.early.replace(Early::open(login, ssh, &url, self.limits.manners));
        }
    }

    /// Returns the ssh command, which waits for the shared login and then uses it, and what is to be held
    /// until it was started.
    pub(super) fn ssh(&self) -> Outcome<(Option<String>, Option<Gate>)> {
        let login = self.login.borrow();
        let ssh = self.ssh.as_deref().map(|ssh| self.quick(ssh));
        let (Some(login), Some(ssh)) = (&*login, &ssh) else {
            return Ok((ssh, None));
        };
        let (ssh, gate) = login.command(ssh);
        self.unreached().map_or(Ok((Some(ssh), gate)), Err)
    }

    /// Returns true where all that this remote is asked goes to one place: a login that is shared leads to where
    /// it was made, whatever host is named.
    fn is_one_place(&self) -> bool {
        let (worktree, name) = (self.worktree, self.name);
        let names = ["url", "pushurl"].map(|key| format!("remote.{name}.{key}"));
        let keys = worktree.keys();
        worktree.push_url(name) == worktree.remote_url(name)
            && keys.iter().filter(|key| names.contains(key)).count() == 1
            && !keys.iter().any(|key| key.ends_with(".pushinsteadof"))
    }

    /// Returns an ssh command that lets no packet to this remote wait for a timer, where it may.
    fn quick(&self, ssh: &str) -> String {
        let url = self.worktree.remote_url(self.name).unwrap_or_default();
        match Reached::of(&url) {
            Reached::Ssh { destination, .. } if self.is_one_place() => {
                let host = destination.rsplit_once('@').map_or(destination, |(_, host)| host);
                at_once(ssh, host)
            }
            _ => ssh.to_owned(),
        }
    }

    /// Says why nobody needs to try, where the shared login met nobody.
    fn unreached(&self) -> Option<Failure> {
        let login = self.login.borrow();
        let Some(login::Reached::Never(ended)) = login.as_ref()?.reached() else { return None };
        let url = self.worktree.remote_url(self.name).unwrap_or_default();
        Some(cut(&format!("could not reach {}", without_password(&url)), ended))
    }

    /// Begins to end the shared login. Nothing is waited for.
    pub fn leave(&self) {
        drop(self.early.take());
        if let Some(login) = &mut *self.login.borrow_mut() {
            login.leave();
        }
    }

    /// Fetches the branch into a ref of cfgsync's own.
    pub fn fetch(&self) -> Outcome<Fetched> {
        self.finish_fetch(self.start_fetch()?)
    }

    /// The arguments of a fetch that takes one ref, and nothing beside it.
    fn fetching<'b>(&'b self, refspec: &'b str) -> [&'b str; 10] {
        [
            "fetch",
            "--progress",
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
        if global::is_to_blame(&answer) {
            answer = self.start_fetch()?.finish()?;
        }
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
            return self.no_branch("fetch from", &answer);
        }
        Err(self.failure("fetch from", &answer))
    }

    /// Returns where the branch is at a remote that is a folder of this machine, without starting
    /// a process; none where only Git can tell.
    pub fn glance(&self) -> Option<CommitId> {
        let place = self.place()?;
        if let Some(tip) = folder::tip(&place, self.branch) {
            return Some(tip);
        }
        let flags = git2::RepositoryOpenFlags::NO_SEARCH;
        let nowhere: [&Path; 0] = [];
        let remote = git2::Repository::open_ext(place, flags, nowhere).ok()?;
        super::ref_target(&remote, &format!("refs/heads/{}", self.branch)).ok()?
    }

    /// Returns true when the remote is a folder of this machine.
    pub fn is_folder(&self) -> bool {
        self.place().is_some()
    }

    /// Asks where the branch is; none where the remote does not have it.
    pub fn tip(&self) -> Outcome<Option<CommitId>> {
        let name = format!("refs/heads/{}", self.branch);
        let answer = self.start(&["ls-remote", "--end-of-options", self.name, &name])?.finish()?;
        if answer.code != Some(0) {
            return Err(self.failure("read", &answer));
        }
        match answer.text().split_whitespace().next().and_then(CommitId::parse) {
            Some(tip) => Ok(Some(tip)),
            None => self.no_branch("read", &answer).map(|_| None),
        }
    }

    /// Looks where the branch is, and fetches what is missing into a folder that is not the
    /// repository's: nothing there changes.
    pub fn peek(&self, objects: &Path) -> Outcome<Fetched> {
        let name = format!("refs/heads/{}", self.branch);
        let Some(tip) = self.tip()? else { return Ok(Fetched::NoBranch) };
        if !self.worktree.has(tip) {
            let known = self.worktree.git_folder().join("objects");
            let answer = run_aside(
                self.worktree.root(),
                self.ssh.as_deref(),
                self.limits,
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

    fn start(&self, arguments: &[&str]) -> Outcome<Running> {
        let (ssh, _gate) = self.ssh()?;
        start(self.worktree.root(), ssh.as_deref(), self.limits, self.scratch, arguments)
    }

    fn no_branch(&self, action: &str, answer: &Answer) -> Outcome<Fetched> {
        if answer.is_answered {
            return Ok(Fetched::NoBranch);
        }
        let url = self.worktree.remote_url(self.name).unwrap_or_default();
        Err(not_git(&format!("could not {action} {}", without_password(&url))))
    }

    pub(super) fn failure(&self, action: &str, answer: &Answer) -> Failure {
        let url = self.worktree.remote_url(self.name).unwrap_or_else(|| self.name.to_owned());
        let what = format!("could not {action} {}", without_password(&url));
        self.unreached().unwrap_or_else(|| failure(&what, &url, answer))
    }
}

/// Asks a remote for its default branch, before there is a repository.
pub fn default_branch(
    url: &str,
    folder: &Path,
    limits: Limits,
    scratch: &Path,
) -> Outcome<Option<String>> {
    let own = |key| git2::Config::open_default().ok()?.get_string(key).ok();
    let ssh = user_ssh(own("core.sshCommand"), own("ssh.variant").as_deref());
    let arguments = ["ls-remote", "--symref", "--end-of-options", url, "HEAD", "refs/heads/*"];
    let answer = run(folder, ssh.as_deref(), limits, scratch, &arguments)?;
    let what = format!("could not read {}", without_password(url));
    if answer.code != Some(0) {
        return Err(failure(&what, url, &answer));
    }
    if !answer.is_answered {
        return Err(not_git(&what));
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

/// Returns how a connection to this address is bounded, and who is shown how far it is.
pub fn limits(url: &str, manners: Manners, ui: Ui) -> Limits {
    let mut silence = Silence::usual();
    let may_be_typing = match Reached::of(url) {
        Reached::Folder(_) => false,
        Reached::Ssh { .. } => true,
        Reached::Otherwise => !url.starts_with("git://"),
    };
    if manners == Manners::Ask && may_be_typing {
        silence.answer = None;
    }
    Limits {
        manners,
        deadline: DEADLINE,
        silence: Some(silence),
        shown: Some(ui),
        hooks: Hooks::Off,
    }
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
