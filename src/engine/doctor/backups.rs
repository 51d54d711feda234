//! What was kept: archives, read as a restore would read them, and displaced files.

use cfgsync_core::checkup::Diagnosis;

use super::Finding;
use crate::archive::read;
use crate::backups::Backups;
use crate::failure::Outcome;
use crate::fs::plain;
use crate::observe::Purpose;
use crate::session::Session;
use crate::ui::report;

/// Finds archives that cannot be read, and notices where all of them are gone. The newest one is read
/// to its end.
pub fn archives(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let places = &session.context.places;
    let backups = Backups::list(places)?;
    let folder = places.backups();
    let mut damaged: Vec<String> =
        backups.unsound.iter().map(|(_, failure)| failure.cause.clone()).collect();
    let mut found: Vec<Finding> = Vec::new();
    if let Some(reason) = plain::why_closed(&folder) {
        let what = format!("no backup can be made in {}: {reason}", folder.display());
        let diagnosis = Diagnosis::error("backups", what)
            .because("a sync that would replace something stops before it does")
            .mend("`chmod 700` it, or make room elsewhere.");
        found.push(diagnosis.into());
    }
    if let Some((newest, older)) = backups.sound.split_last() {
        let unread = older.iter().filter_map(|it| read::inventory(&it.path).err());
        damaged.extend(unread.map(|failure| failure.cause));
        damaged.extend(read::verify(&newest.path).err().map(|failure| failure.cause));
    } else if (Purpose::Archive { with_local: false }).memory(places).exists() {
        let what = format!("the backups in {} are gone", folder.display());
        let diagnosis = Diagnosis::error("backups", what)
            .because("`cfgsync restore` still offers the snapshots of the vault")
            .mend("`cfgsync backup` makes a new one.");
        found.push(diagnosis.into());
    }
    found.extend(damaged.into_iter().map(|cause| {
        let diagnosis = Diagnosis::error("backups", cause)
            .because("the archives that are whole, and the vault, can be restored from")
            .mend("`cfgsync backup` makes a new one; move the damaged one away.");
        Finding::from(diagnosis)
    }));
    let size: u64 = backups.sound.iter().map(|backup| backup.packed).sum();
    let count = report::backups(backups.sound.len());
    found.push(Diagnosis::ok("backups", format!("{count} ({})", report::size(size))).into());
    Ok(found)
}

/// Says how many displaced files wait until nobody has them open.
pub fn displaced(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let places = &session.context.places;
    let mut count = 0;
    for folder in [places.displaced(), places.displaced_in_repo()] {
        count += plain::names(&folder)?.len();
    }
    Ok(vec![Diagnosis::ok("displaced", report::files(count)).into()])
}
