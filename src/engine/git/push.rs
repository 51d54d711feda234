//! Push: a commit goes to the remote, if its branch still is where it was seen.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cfgsync_core::escape::{escape, unescape};

use super::early::Early;
use super::parcel::{self, Parcel, Sent};
use super::program::{Answer, Hooks, Limits, start};
use super::remote::Remote;
use super::{CommitId, branch, global, locks};
use crate::failure::Outcome;
use crate::fs::dir::os;
use crate::fs::group::Group;
use crate::fs::plain;
use crate::sabotage::{self, Break};

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// The remote has it.
    Done,
    /// Somebody else was faster.
    Refused,
}

/// The note of a push that is under way: its process, its commit, and the folder that it goes to, where it is
/// one of this machine.
pub const PUSHING: &str = "pushing";

/// What such a note says.
pub struct Noted {
    /// Whether the process runs that left it, or another one with its number.
    pub is_alive: bool,
    /// The commit, as text.
    pub commit: String,
    folder: Option<PathBuf>,
}

impl Noted {
    /// Reads a note; none where there is none.
    pub fn read(note: &Path) -> Outcome<Option<Self>> {
        let Some(text) = plain::read_text(note)? else { return Ok(None) };
        let (pid, rest) = text.trim_end().split_once(' ').unwrap_or_default();
        let (commit, folder) = rest.split_once(' ').unwrap_or((rest, ""));
        let folder = unescape(folder).filter(|folder| folder.starts_with(b"/"));
        Ok(Some(Self {
            is_alive: pid.parse().is_ok_and(crate::host::is_alive),
            commit: commit.to_owned(),
            folder: folder.map(|folder| PathBuf::from(os(&folder))),
        }))
    }

    /// Removes what the push of a process that is dead left in a folder.
    pub fn tidy(&self, branch: &str) {
        if let (Some(commit), Some(folder)) = (CommitId::parse(&self.commit), &self.folder) {
            // A folder that is not there now is no reason to stop.
            let _ = parcel::recover(folder, branch, commit);
        }
    }
}

impl Remote<'_> {
    /// Pushes a commit, if the remote's branch still is what we saw last. What is to be done `meanwhile`
    /// is done while Git is at it.
    pub fn push(
        &self,
        commit: CommitId,
        expecting: Option<CommitId>,
        meanwhile: impl FnOnce(),
    ) -> Outcome<Pushed> {
        let expected = expecting.map(|tip| tip.to_string()).unwrap_or_default();
        let mut lease = format!("--force-with-lease=refs/heads/{}:{expected}", self.branch);
        let mut refspec = format!("{commit}:refs/heads/{}", self.branch);
        if sabotage::is(Break::BlindPush) {
            "--force".clone_into(&mut lease);
            refspec.insert(0, '+');
        }
        let parcel = expecting.filter(|_| !sabotage::is(Break::BlindPush));
        let parcel = match parcel {
            Some(seen) => self.parcel(commit, seen, self.worktree.hooks()?),
            None => None,
        };
        if self.noted.take() != Some(commit) {
            let mut group = Group::default();
            self.foresee_push(commit, &mut group)?;
            group.publish()?;
        }
        let pushed = match parcel {
            Some(parcel) => self.send(parcel, [&lease, &refspec], commit, meanwhile),
            None => self.push_as([&lease, &refspec], meanwhile),
        };
        if !matches!(pushed, Ok(Pushed::Done)) {
            locks::remove_of_remotes(self.worktree.git_folder(), self.branch, &commit.to_string())?;
        }
        self.noted.set(Some(commit));
        self.forget_push()?;
        pushed
    }

    /// Notes that a commit is about to be pushed, durably with the group: should this run die, the next one
    /// knows whose locks Git left.
    pub fn foresee_push(&self, commit: CommitId, group: &mut Group) -> Outcome<()> {
        let note = self.scratch.join(PUSHING);
        // Only one sync runs at a time, so whoever left one before is dead, even where its number is in use.
        if let Some(noted) = Noted::read(&note)? {
            noted.tidy(self.branch);
        }
        let place = self.place().unwrap_or_default();
        let place = escape(place.as_os_str().as_bytes());
        let text = format!("{} {commit} {place}\n", std::process::id());
        group.add(note.clone(), note.with_extension("new"), text.as_bytes(), 0o600)?;
        self.noted.set(Some(commit));
        Ok(())
    }

    /// Takes the note of a push away, which is over or did not come to pass.
    pub fn forget_push(&self) -> Outcome<()> {
        match self.noted.take() {
            Some(_) => Ok(plain::remove(&self.scratch.join(PUSHING))?),
            None => Ok(()),
        }
    }

    /// Carries a commit to a folder of this machine. Where that fails, Git pushes, and says why it cannot.
    fn send(
        &self,
        parcel: Parcel,
        arguments: [&str; 2],
        commit: CommitId,
        meanwhile: impl FnOnce(),
    ) -> Outcome<Pushed> {
        let sending = std::thread::spawn(move || parcel.send());
        meanwhile();
        match sending.join() {
            Ok(Ok(Sent::Done)) => {
                // Whoever holds Git's own name for it holds up nothing of ours; what is ours, the agreement
                // that follows moves where this could not.
                let _ = branch::show_pushed(self.worktree, (self.name, self.branch), commit);
                Ok(Pushed::Done)
            }
            Ok(Ok(Sent::Refused)) => Ok(Pushed::Refused),
            Ok(Err(_)) | Err(_) => self.push_as(arguments, || ()),
        }
    }

    fn push_as(&self, [lease, refspec]: [&str; 2], meanwhile: impl FnOnce()) -> Outcome<Pushed> {
        let limits = Limits { hooks: self.worktree.hooks()?, ..self.limits };
        // A hook calls the same ssh for hosts of its own, and inherits no end of a pipe.
        let has_hook = limits.hooks == Hooks::Own;
        let ssh = || if has_hook { Ok((self.ssh.clone(), None)) } else { self.ssh() };
        let (by, gate) = ssh()?;
        let arguments = [
            "push",
            "--porcelain",
            "--progress",
            "--no-recurse-submodules",
            "--no-follow-tags",
            lease,
            "--end-of-options",
            self.name,
            refspec,
        ];
        let root = self.worktree.root();
        let early = self.early.take().filter(|_| !has_hook).and_then(Early::take);
        let mut meanwhile = Some(meanwhile);
        if let (Some(ends), Some(ssh), None) = (early, &by, &gate) {
            let push = start(root, Some(&ends.command(ssh)), limits, self.scratch, &arguments)?;
            let _open = ends.left();
            if let Some(meanwhile) = meanwhile.take() {
                meanwhile();
            }
            if push.finish()?.code == Some(0) {
                return Ok(Pushed::Done);
            }
        }
        let push = start(root, by.as_deref(), limits, self.scratch, &arguments)?;
        drop(gate);
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        let mut answer = push.finish()?;
        if global::is_to_blame(&answer) {
            let (by, _gate) = ssh()?;
            answer = start(root, by.as_deref(), limits, self.scratch, &arguments)?.finish()?;
        }
        if answer.code == Some(0) {
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
}
