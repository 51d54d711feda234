//! How a remote is called: by Git alone, over a login that is shared, or over a channel that was opened before.

use cfgsync_core::address::Reached;

use super::channel::{Channel, Line, Service};
use super::dial::dial;
use super::login::{self, Login};
use super::program::{Answer, Hooks, Limits, Running, scratch_file, start};
use super::remote::{Remote, without_password};
use super::trouble::cut;
use crate::failure::{Failure, Outcome};

/// Over a channel both sides know from what was said that they are done: the programs between them hold its ends
/// open. From version 2 on the far end waits for its input to end. That of before also says where its branches
/// are without being asked, which is a way less there and back.
const VERSION: [&str; 2] = ["-c", "protocol.version=0"];

impl Remote<'_> {
    /// Begins to log in once for all that follows, where that can be shared.
    pub fn share_login(&self) {
        let url = self.worktree.remote_url(self.name).unwrap_or_default();
        if let (Reached::Ssh { destination, port }, Some(ssh)) = (Reached::of(&url), &self.ssh) {
            let login = Login::start(ssh, (destination, port), self.limits, self.scratch);
            self.login.replace(login);
        }
    }

    /// Opens the far end of a push that is likely to come, where the login is shared.
    pub fn expect_push(&self) {
        if self.is_shared() && matches!(self.worktree.hooks(), Ok(Hooks::Off)) {
            self.awaiting.replace(self.channel(Service::Push));
        }
    }

    /// Begins to end what is connected. Nothing is waited for.
    pub fn leave(&self) {
        drop(self.awaiting.take());
        if let Some(login) = &mut *self.login.borrow_mut() {
            login.leave();
        }
    }

    /// Returns true where the login is shared.
    pub(super) fn is_shared(&self) -> bool {
        self.login.borrow().is_some()
    }

    /// Starts Git without a channel, once a login that is shared is done.
    pub(super) fn start(&self, limits: Limits, arguments: &[&str]) -> Outcome<Running> {
        drop(self.taken.take());
        let login = self.login.borrow();
        let ssh = match (&*login, &self.ssh) {
            (Some(login), Some(ssh)) => {
                login.wait();
                Some(login.shared(ssh))
            }
            (_, ssh) => ssh.clone(),
        };
        self.unreached().map_or(Ok(()), Err)?;
        start(self.worktree.root(), ssh.as_deref(), limits, self.scratch, arguments)
    }

    /// Starts Git, over a channel where there can be one. What a hook starts inherits no ends of pipes, and calls
    /// ssh in words of its own.
    pub(super) fn begin(
        &self,
        service: Service,
        limits: Limits,
        arguments: &[&str],
    ) -> Outcome<Running> {
        let awaiting = self.awaiting.borrow_mut().take_if(|it| it.service() == service);
        let channel = awaiting.or_else(|| self.channel(service)).filter(Channel::is_there);
        let (Some(ssh), Some(mut channel)) = (&self.ssh, channel) else {
            return self.start(limits, arguments);
        };
        let login = self.login.borrow();
        let (ssh, gate) = match &*login {
            Some(login) => (login.shared(ssh), login.gate()),
            None => (ssh.clone(), channel.gate()),
        };
        self.unreached().map_or(Ok(()), Err)?;
        let (Some(gate), Some(taking)) = (gate, channel.taking()) else {
            return self.start(limits, arguments);
        };
        let ssh = dial(&ssh, &gate, &taking);
        let arguments = [&VERSION[..], arguments].concat();
        let running = start(self.worktree.root(), Some(&ssh), limits, self.scratch, &arguments)?;
        channel.is_left();
        self.taken.replace(Some(channel));
        Ok(running)
    }

    /// Waits for Git, and hears what the far end of its channel said.
    pub(super) fn end(&self, running: Running) -> Outcome<Answer> {
        let mut answer = running.finish()?;
        if let Some(channel) = &mut *self.taken.borrow_mut() {
            answer.stderr.insert_str(0, &channel.said());
            if answer.ended.is_some() {
                channel.end();
            }
        }
        Ok(answer)
    }

    /// Returns true where what was called for last went over a channel.
    pub(super) fn was_taken(&self) -> bool {
        let taken = self.taken.borrow();
        taken.as_ref().is_some_and(|it| it.was_open(self.login.borrow().as_ref()))
    }

    /// Opens the far end of a call.
    fn channel(&self, service: Service) -> Option<Channel> {
        let (worktree, name) = (self.worktree, self.name);
        let (ssh, url) = (self.ssh.as_deref()?, worktree.remote_url(name)?);
        let is_set = |key: &str| worktree.setting(key).is_some();
        if is_set(&service.setting(name))
            || is_set("protocol.version")
            || worktree.push_url(name).as_ref() != Some(&url)
        {
            return None;
        }
        let line = Line { ssh, url: &url, manners: self.limits.manners };
        let login = self.login.borrow();
        Channel::open(line, service, login.as_ref(), scratch_file(self.scratch).ok()?)
    }

    /// Says why nobody needs to try, where the shared login met nobody.
    pub(super) fn unreached(&self) -> Option<Failure> {
        let login = self.login.borrow();
        let Some(login::Reached::Never(ended)) = login.as_ref()?.reached() else { return None };
        let url = self.worktree.remote_url(self.name).unwrap_or_default();
        Some(cut(&format!("could not reach {}", without_password(&url)), ended))
    }
}
