//! What is marked: whether it is tied as it should be, and what of it waits for a person.

use std::path::Path;

use cfgsync_core::checkup::Diagnosis;
use cfgsync_core::linking::{Tie, Ties};
use cfgsync_core::manifest::Scope;
use cfgsync_core::observed::{Finding as Found, Live};
use cfgsync_core::plan::{Why, plan};

use super::{Finding, Remedy};
use crate::failure::Outcome;
use crate::fs::dir::os;
use crate::marks;
use crate::picture::Picture;
use crate::record;
use crate::session::Session;
use crate::ui::report;

/// Looks at every live file, and reads all of them.
pub fn links(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let observer = session.observer().distrusting()?;
    let picture = session.picture(&observer, session.worktree.upstream()?)?;
    let mut found = moved(session, &picture);
    found.extend(observer.deceived()?.iter().map(|path| {
        let path = path.display();
        let what = format!("{path} has other bytes, and the size and the times it had");
        let diagnosis = Diagnosis::error("links", what)
            .because("a program put its times back, or the disk lost something")
            .mend(format!(
                "`touch {path}`, and a sync reads it; without that, one does within a day."
            ));
        Finding::from(diagnosis)
    }));
    found.extend(untied(session, &picture)?);
    let live = &picture.observation.local.live;
    let in_the_way = live
        .iter()
        .filter(|(_, live)| matches!(live, Live::Folder | Live::Special | Live::Unreachable));
    found.extend(in_the_way.map(|(path, live)| {
        let what = format!("{}: {}", record::name(path), report::in_the_way(*live));
        let diagnosis = Diagnosis::warning("links", what)
            .because("cfgsync replaces nothing that it did not make")
            .mend("Move it away, then run `cfgsync sync`.");
        Finding::from(diagnosis)
    }));
    if found.is_empty() {
        let marks = picture.observation.local.stored.manifest.marks.len();
        let marks = if marks == 1 { "1 mark".to_owned() } else { format!("{marks} marks") };
        let what = format!("{marks}, {}", report::files(live.len()));
        found.push(Diagnosis::ok("links", what).into());
    }
    Ok(found)
}

/// Finds links whose target ends as ours does, below a folder that no longer holds the stored copy:
/// the repository was moved.
fn moved(session: &Session<'_>, picture: &Picture) -> Vec<Finding> {
    use std::os::unix::ffi::OsStrExt;
    let mut found = Vec::new();
    for (path, live) in &picture.observation.local.live {
        let (Live::LinkedElsewhere, Some(home)) = (live, path.home()) else { continue };
        let link = session.context.places.home.join(os(home.as_bytes()));
        let Ok(target) = std::fs::read_link(&link) else { continue };
        let is_stored_copy = target.ends_with(Path::new(os(path.as_bytes())));
        if is_stored_copy && target.symlink_metadata().is_err() {
            let what = format!("{home} leads to where the repository was before");
            let target = target.as_os_str().as_bytes().to_vec();
            let remedy = Remedy::Retarget { home, target };
            found.push(Finding::curable(Diagnosis::error("links", what), remedy));
        } else {
            let diagnosis = Diagnosis::warning("links", format!("{home} is a link to elsewhere"))
                .because(format!("it leads to {}", target.display()))
                .mend("Move it away, then run `cfgsync sync`.");
            found.push(diagnosis.into());
        }
    }
    found
}

/// Finds shared files whose link is gone, or has become a file. A link that is gone from a marked folder is
/// a deletion, which a sync shares; of what waits for a person there was none.
fn untied(session: &Session<'_>, picture: &Picture) -> Outcome<Vec<Finding>> {
    let policy = session.policy()?;
    let local = &picture.observation.local;
    let manifest = &local.stored.manifest;
    let kind = session.context.machine.kind;
    let ties = Ties { after: manifest, before: Vec::new(), kind, copies: &policy.copies };
    let waiting = plan(&picture.observation, &policy).waiting;
    let mut found = Vec::new();
    for (path, live) in local.live.iter().filter(|(path, _)| !waiting.contains(*path)) {
        let Some(home) = path.home() else { continue };
        if ties.of(path) != Tie::Link || !local.stored.units.contains_key(path) {
            continue;
        }
        let is_marked =
            || manifest.covering(&home).is_some_and(|(_, mark)| mark.scope == Scope::File);
        if matches!(live, Live::File(_)) {
            let replaced = Diagnosis::note("links", format!("{home} is a file where a link was"))
                .because("a program replaced it; the next sync takes that as an edit");
            found.push(replaced.into());
        } else if matches!(live, Live::Absent) && is_marked() {
            let gone = Diagnosis::note("links", format!("{home} is gone"))
                .because("its stored copy is there; the next sync puts the link back");
            found.push(Finding::curable(gone, Remedy::Relink { home }));
        }
    }
    Ok(found)
}

/// Says what waits for a person.
pub fn held(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let picture = marks::picture(session)?;
    let held = plan(&picture.observation, &session.policy()?).held;
    let mut found = Vec::new();
    for held in &held {
        let path = record::name(&held.path);
        let diagnosis = match held.why {
            Why::Finding(Found::Secret(secret)) => {
                let what = format!("{path}, line {}: {}", secret.line, secret.rule);
                Diagnosis::warning("secret", what)
                    .because("what looks like a secret does not leave this machine")
                    .mend("See `cfgsync secrets list`.")
            }
            _ => Diagnosis::warning("held", format!("{path}: {}", report::reason_of(held)))
                .because("both versions are kept; everything else goes on")
                .mend("`cfgsync resolve` asks what to do."),
        };
        found.push(diagnosis.into());
    }
    if found.is_empty() {
        found.push(Diagnosis::ok("held", "no file waits for you").into());
    }
    Ok(found)
}
