//! Runs that nobody starts: what they left in the record, what keeps them from starting, and whether
//! the system starts them too.

use cfgsync_core::checkup::Diagnosis;
use cfgsync_core::schedule::{Streak, Trouble};
use cfgsync_core::status::SyncState;
use cfgsync_core::status::watch::{List, MOST};

use super::{Finding, Remedy};
use crate::cli::{agent, pause};
use crate::failure::Outcome;
use crate::fs::plain;
use crate::record;
use crate::session::Session;
use crate::ui::report;

/// Looks whether the record can be read, and is the one that prompts read.
pub fn record(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let places = &session.context.places;
    let bytes = plain::read(&places.record())?;
    let record = record::read(places)?;
    let Some(record) = record else {
        let finding = if bytes.is_some() {
            let broken = Diagnosis::warning("record", "the status record cannot be read")
                .because("the light shows nothing until a sync wrote a new one");
            Finding::curable(broken, Remedy::Record)
        } else {
            Diagnosis::note("record", "no sync has left a status record yet")
                .mend("`cfgsync sync` writes it.")
                .into()
        };
        return Ok(vec![finding]);
    };
    let name = places.shared_state.join("record");
    let target = std::fs::read_link(&name).ok();
    let at = report::moment(record.updated.seconds());
    Ok(vec![match target {
        Some(target) if target == places.record() => {
            Diagnosis::ok("record", format!("written {at}")).into()
        }
        Some(target) => Diagnosis::note("record", "prompts show another repository")
            .because(format!("{} is what was synced last", target.display()))
            .mend("`cfgsync sync` shows this one.")
            .into(),
        None => {
            let lost = Diagnosis::warning("record", "prompts do not find the status record")
                .because(format!("{} is gone", name.display()));
            Finding::curable(lost, Remedy::Record)
        }
    }])
}

/// Says how many paths the light depends on and does not look at: it is to be fast with any number.
pub fn light(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let places = &session.context.places;
    let record = record::read(places)?.filter(|record| record.watched);
    let bytes = plain::read(&places.watch())?.unwrap_or_default();
    let list = List::read(&bytes).zip(record);
    let own = list.filter(|(list, record)| list.generation == record.generation);
    let left_out = own.map_or(0, |(list, _)| list.left_out);
    if left_out == 0 {
        return Ok(Vec::new());
    }
    let what = format!(
        "watches {MOST} paths; {left_out} more found no room, and what changes there shows after \
         the next sync"
    );
    Ok(vec![Diagnosis::note("light", what).into()])
}

/// Says what keeps background runs from starting, and what the last ones met.
pub fn runs(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let context = session.context;
    if let Some(paused) = pause::described(context)? {
        let paused = Diagnosis::note("paused", paused);
        return Ok(vec![paused.mend("`cfgsync resume` lets them go on.").into()]);
    }
    let text = plain::read_text(&context.places.state.join("trouble"))?;
    let streak = text.and_then(|text| Streak::parse(&text));
    let log = plain::read_text(&context.places.meta.join("log/background.log"))?;
    let last = log.as_deref().and_then(|log| log.lines().next_back()).unwrap_or_default();
    let Some(streak) = streak.filter(|streak| streak.trouble != Trouble::Unsettled) else {
        let has_failed =
            record::read(&context.places)?.is_some_and(|it| it.state == SyncState::Failed);
        let diagnosis = if has_failed {
            Diagnosis::warning("background", "the last sync failed")
                .because(last.to_owned())
                .mend("`cfgsync sync` says what is the matter.")
        } else {
            Diagnosis::ok("background", "nothing keeps syncs from starting")
        };
        return Ok(vec![diagnosis.into()]);
    };
    let met = match streak.trouble {
        Trouble::Offline => "did not reach the remote",
        Trouble::Authentication => "could not log in",
        Trouble::Unsettled | Trouble::Other => "failed",
    };
    let diagnosis =
        Diagnosis::warning("background", format!("the last {} runs {met}", streak.count))
            .because(format!("they are tried later and later; the log says: {last}"))
            .mend("`cfgsync sync` says what is the matter.");
    Ok(vec![diagnosis.into()])
}

/// Says whether the system starts due syncs.
pub fn service(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    Ok(vec![Diagnosis::ok("service", agent::described(session.context)?).into()])
}
