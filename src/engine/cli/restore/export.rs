//! `cfgsync restore --to FOLDER`: files as they were, beside everything else.

use std::collections::BTreeMap;
use std::path::Path;

use cfgsync_core::manifest::Manifest;
use cfgsync_core::path::RepoPath;
use cfgsync_core::unit::{Kind, Version};

use crate::cli::home_path;
use crate::context::{absolute, real};
use crate::failure::{Code, Failure, Outcome};
use crate::fs::FsError;
use crate::fs::dir::os;
use crate::fs::plain::{self, Durability};
use crate::interrupt;
use crate::moments::{Exported, Moment};
use crate::session::Session;
use crate::ui::{Tone, report};

/// Writes files below a folder that is new or empty.
pub fn export(
    session: &Session<'_>,
    moment: &Moment,
    wanted: &BTreeMap<RepoPath, Version>,
    manifest: &Manifest,
    folder: &Path,
) -> Outcome<()> {
    let folder = absolute(folder);
    let places = &session.context.places;
    let home = home_path(session.context, &folder).ok();
    let is_shared = home.is_some_and(|home| manifest.covering(&home).is_some());
    if is_shared || places.has(&folder) || places.has(&real(&folder)) {
        let cause = format!("{} is shared, or cfgsync's own", folder.display());
        return Err(Failure::new(Code::Refused, cause)
            .hint("Name a new folder elsewhere; what is written there is not shared."));
    }
    let is_taken = match folder.symlink_metadata() {
        Ok(there) => !there.is_dir() || !plain::names(&folder)?.is_empty(),
        Err(_) => false,
    };
    if is_taken {
        return Err(Failure::new(Code::Refused, format!("{} is not empty", folder.display()))
            .hint("Name a folder that does not exist yet."));
    }
    interrupt::hear();
    let mut count = 0;
    let mut take = |path: &RepoPath, Exported { version, mtime, bytes }: Exported| {
        interrupt::check()?;
        let place = folder.join(os(path.as_bytes()));
        plain::make_private(place.parent().unwrap_or(&folder))?;
        match version.kind {
            Kind::File => {
                let mode = version.mode.0.into();
                plain::publish_with_mode(&place, &bytes, Durability::Relaxed, mode)?;
                mtime.map_or(Ok(()), |mtime| plain::set_mtime(&place, mtime))?;
            }
            Kind::Link => std::os::unix::fs::symlink(os(&bytes), &place)
                .map_err(FsError::on("create the link", &place))?,
        }
        count += 1;
        Ok(())
    };
    let exported = moment.export(session, wanted, &mut take);
    exported.map_err(|failure| match failure.code {
        Code::Stopped => {
            let (done, all) = (report::files(count), wanted.len());
            let cause = format!("stopped when {done} of {all} were in {}", folder.display());
            Failure::new(Code::Stopped, cause).hint("Remove that folder, or name another one.")
        }
        _ => failure,
    })?;
    let ui = &session.context.ui;
    let count = report::files(wanted.len());
    ui.say(&format!("{} {count} written to {}", ui.paint(Tone::Good, "✓"), folder.display()));
    Ok(())
}
