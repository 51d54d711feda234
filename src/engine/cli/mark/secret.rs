//! Secrets in what is about to be marked: what certainly is one refuses, what may be one asks.

use std::collections::BTreeSet;

use cfgsync_core::manifest::{Manifest, Scope};
use cfgsync_core::observed::Finding;
use cfgsync_core::path::HomePath;
use cfgsync_core::plan::{Held, Why};
use cfgsync_core::secrets::{Secret, Tier};

use super::Candidate;
use crate::failure::{Code, Failure, Outcome};
use crate::marks;
use crate::record::name;
use crate::session::{Mode, Session};
use crate::ui::{Answers, Confirmed, report};

/// Plans the marks, and looks at what would wait because of a secret. A file that was named is
/// refused; one in a marked folder is held, and the rest of the folder shared.
pub fn ask(
    session: &Session<'_>,
    candidates: &[Candidate],
    edit: impl Fn(&mut Manifest),
) -> Outcome<()> {
    let context = session.context;
    let paths: BTreeSet<HomePath> =
        candidates.iter().map(|candidate| candidate.home.clone()).collect();
    let rehearsal = Session::open(context, Mode::Rehearsal)?;
    let held = marks::rehearse(&rehearsal, &paths, edit)?.held;
    let secret = |held: &Held| match held.why {
        Why::Finding(Finding::Secret(secret)) => Some(secret),
        _ => None,
    };
    let found: Vec<(&Held, Secret)> =
        held.iter().filter_map(|held| Some((held, secret(held)?))).collect();
    let is_named = |held: &Held| {
        let home = held.path.home();
        candidates.iter().any(|it| it.mark.scope == Scope::File && Some(&it.home) == home.as_ref())
    };
    if let Some((held, _)) =
        found.iter().find(|(held, secret)| secret.tier == Tier::Certain && is_named(held))
    {
        return Err(refuse(held));
    }
    let likely: Vec<&Held> =
        found.iter().filter(|(_, it)| it.tier == Tier::Likely).map(|(held, _)| *held).collect();
    likely.iter().for_each(|held| {
        context.ui.say(&format!("  {}: {}", name(&held.path), report::reason_of(held)));
    });
    let is_agreed = !likely.is_empty()
        && context.ui.confirm("Share it all the same?", Confirmed::No) == Confirmed::Yes;
    if is_agreed {
        return likely.into_iter().try_for_each(|held| allow(session, &rehearsal, held));
    }
    match likely.into_iter().find(|held| is_named(held)) {
        Some(held) if context.ui.answers == Answers::None => {
            Err(refuse(held).hint("Or say --yes, where it is none."))
        }
        Some(held) => Err(refuse(held)),
        None => Ok(()),
    }
}

fn allow(session: &Session<'_>, rehearsal: &Session<'_>, held: &Held) -> Outcome<()> {
    let Some(ours) = held.sides.ours else { return Ok(()) };
    let path = held.path.as_bytes();
    let sights = session.gate.look(path, ours.blob, || rehearsal.vault.bytes(ours.blob))?;
    session.gate.allow(path, &sights, session.context.now)
}

fn refuse(held: &Held) -> Failure {
    let name = name(&held.path);
    Failure::new(Code::Refused, format!("{name} was not marked: {}", report::reason_of(held)))
        .hint("Take it out of the file, or keep it in one that stays here (`*.local`).")
        .hint(format!("If it may be shared: `cfgsync secrets allow {name}`, then mark it again."))
}
