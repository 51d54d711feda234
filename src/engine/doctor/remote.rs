//! The remote, asked as a run in the background asks: with nobody there who could type anything.

use std::time::Duration;

use cfgsync_core::address::Reached;
use cfgsync_core::checkup::Diagnosis;
use cfgsync_core::checkup::judge::{self, Agent};
use cfgsync_core::privacy::Readers;

use super::{Finding, on_path, said};
use crate::context::variable;
use crate::failure::{Code, Failure, Outcome};
use crate::fs::desk::Desk;
use crate::git::client::user_ssh;
use crate::git::program::{Limits, Manners};
use crate::git::remote::{Remote, limits, without_password};
use crate::privacy;
use crate::session::Session;
use crate::ui::report;

/// How long the remote has to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks the remote for its branch, and looks at what a login there needs.
#[expect(clippy::unnecessary_wraps, reason = "a look as the others in the table")]
pub fn reach(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let Some(name) = session.remote.as_deref() else {
        let alone =
            Diagnosis::note("remote", "there is none: the repository is this machine's alone");
        return Ok(vec![alone.mend("`cfgsync setup URL` adds one.").into()]);
    };
    let url = session.worktree.remote_url(name).unwrap_or_default();
    let shown = without_password(&url);
    let answer = ask(session, name, &url);
    let is_refused = answer.as_ref().is_err_and(|failure| failure.code == Code::Authentication);
    let remote = match answer {
        Ok(Some(_)) => Diagnosis::ok("remote", format!("{shown} answers")),
        Ok(None) => {
            Diagnosis::note("remote", format!("{shown} answers, and has no such branch yet"))
                .mend("`cfgsync sync` sends it.")
        }
        Err(failure) => unreached(failure),
    };
    let mut found = vec![remote.into()];
    match Reached::of(&url) {
        Reached::Folder(_) => {}
        Reached::Ssh { .. } => found.push(judge::agent(agent(), is_refused).into()),
        Reached::Otherwise => found.extend(credentials(session, is_refused)),
    }
    Ok(found)
}

fn ask(session: &Session<'_>, name: &str, url: &str) -> Outcome<Option<crate::git::CommitId>> {
    let variant = session.worktree.setting("ssh.variant");
    let ssh = user_ssh(session.worktree.setting("core.sshCommand"), variant.as_deref());
    let usual = limits(url, Manners::Silent, session.context.ui);
    let limits = Limits { deadline: PATIENCE, shown: None, ..usual };
    let desk = Desk::set_up(&std::env::temp_dir())?;
    Remote::new(&session.worktree, name, &session.branch, ssh, limits, desk.folder()).tip()
}

fn unreached(failure: Failure) -> Diagnosis {
    let hint = failure.hints.first().cloned();
    let diagnosis = match failure.code {
        Code::Offline => Diagnosis::warning("remote", failure.cause)
            .because("offline, or the host is down; edits wait here and are sent later"),
        Code::Authentication => Diagnosis::error("remote", failure.cause)
            .because("a sync in the background logs in without anybody there"),
        _ => Diagnosis::error("remote", failure.cause),
    };
    match hint {
        Some(hint) => diagnosis.mend(hint),
        None => diagnosis,
    }
}

/// Asks the agent of this environment, which a background run gets from the shell that starts it.
fn agent() -> Agent {
    let Some(socket) = variable("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty()) else {
        return Agent::None;
    };
    let line = "ssh-add -l >/dev/null 2>&1; echo $?";
    match said(std::path::Path::new("/"), line).as_deref().map(str::trim) {
        Some("0") => Agent::Holds,
        Some("1") => Agent::Empty,
        _ if std::path::Path::new(&socket).exists() && on_path("ssh-add").is_empty() => {
            Agent::Holds
        }
        _ => Agent::Gone,
    }
}

/// Looks at the helpers that know passwords of the web.
fn credentials(session: &Session<'_>, is_refused: bool) -> Vec<Finding> {
    let helpers = session.worktree.settings("credential(\\..*)?\\.helper");
    let helpers: Vec<String> =
        helpers.into_iter().map(|(_, helper)| helper).filter(|it| !it.is_empty()).collect();
    if helpers.is_empty() {
        let none = "git has no credential helper";
        let diagnosis = if is_refused {
            Diagnosis::error("credentials", none)
                .because("a sync in the background can ask nobody for a password")
                .mend("`git config --global credential.helper store`, or that of your system.")
        } else {
            Diagnosis::ok("credentials", format!("{none}, and none was needed"))
        };
        return vec![diagnosis.into()];
    }
    let own = said(std::path::Path::new("/"), "GIT_CONFIG_GLOBAL=/dev/null git --exec-path")
        .unwrap_or_default();
    let own = std::path::Path::new(own.trim());
    let is_there = |helper: &str| {
        let word = helper.split_whitespace().next().unwrap_or_default();
        let program = format!("git-credential-{word}");
        let is_path = helper.starts_with('/') && std::path::Path::new(word).exists();
        let is_line = helper.starts_with('!');
        is_line || is_path || !on_path(&program).is_empty() || own.join(&program).exists()
    };
    let judged = |helper: &String| {
        if is_there(helper) {
            return Diagnosis::ok("credentials", format!("git asks the helper `{helper}`"));
        }
        Diagnosis::warning("credentials", format!("the credential helper `{helper}` is missing"))
            .because("git goes on without it, and then asks for a password")
            .mend("Install it, or take it out of git's configuration (`credential.helper`).")
    };
    helpers.iter().map(|helper| judged(helper).into()).collect()
}

/// Says who can read the remote, as far as that was asked.
pub fn readers(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let mut found: Vec<Finding> = Vec::new();
    if let Some(folder) = privacy::open_folder(session) {
        let what = format!("every user of this machine can read {folder}");
        let open = Diagnosis::note("readers", what);
        found.push(open.mend("`chmod o-rwx` closes it.").into());
    }
    let Some((who, at)) = privacy::last(session)? else { return Ok(found) };
    let at = at.map_or(String::new(), |at| format!(", asked {}", report::moment(at.seconds())));
    let diagnosis = match who {
        Readers::Everybody if privacy::is_allowed(session)? => {
            Diagnosis::note("readers", format!("everybody can read the remote{at}"))
                .because("you allowed it; `cfgsync secrets` says how to take that back")
        }
        Readers::Everybody => {
            Diagnosis::error("readers", format!("everybody can read the remote{at}"))
                .because("nothing is sent there as long as that is so")
                .mend("Make it private at its host; or `cfgsync secrets allow --remote`.")
        }
        Readers::Members => {
            Diagnosis::ok("readers", format!("strangers cannot read the remote{at}"))
        }
        Readers::Unknown => {
            Diagnosis::note("readers", "whether strangers can read the remote is not known")
                .mend("See `web` in docs/configuration.md.")
        }
    };
    found.push(diagnosis.into());
    Ok(found)
}
