//! Mends what needs no decision. The lock is held, and each remedy looks once more before it acts.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cfgsync_core::path::HomePath;
use cfgsync_core::steps::{Expected, Place};
use cfgsync_core::unit::{Mode, Version};

use super::Remedy;
use crate::failure::{Failure, Outcome};
use crate::fs::FsError;
use crate::fs::exchange::Entry;
use crate::fs::look::blob_id;
use crate::fs::plain;
use crate::fs::writer::{Applied, Fresh};
use crate::record;
use crate::session::Session;

/// Applies one remedy.
pub fn apply(session: &Session<'_>, remedy: &Remedy) -> Outcome<()> {
    let places = &session.context.places;
    match remedy {
        Remedy::Retarget { home, target } => {
            link(session, home, Expected::Version(Version::link(blob_id(target))))
        }
        Remedy::Relink { home } => link(session, home, Expected::Nothing),
        Remedy::Close { path, mode } => close(path, *mode),
        // Whoever takes the lock has cleaned up.
        Remedy::Recover => Ok(()),
        Remedy::Record => {
            if record::read(places)?.is_none() {
                plain::remove(&places.record())?;
            }
            record::announce(places)
        }
    }
}

fn link(session: &Session<'_>, home: &HomePath, expecting: Expected) -> Outcome<()> {
    let writer = session.writer();
    let place = Place::Home(home.clone());
    let stored = |folder: &cfgsync_core::path::RepoPath| {
        let path = session.context.places.repo.join(crate::fs::dir::os(folder.as_bytes()));
        let mode = path.metadata().map_or(0o700, |entry| entry.permissions().mode() & 0o777);
        Mode(u16::try_from(mode).unwrap_or(0o700))
    };
    let dir = writer.parent(&place, &stored)?;
    let name = home.components().last().unwrap_or_default();
    let target = writer.link_target(home);
    match writer.write(Entry { dir: &dir, name }, Fresh::Link(&target), expecting, &|_| false)? {
        Applied::Done => Ok(()),
        Applied::Stale => Err(Failure::error(format!("{home} changed meanwhile"))
            .hint("Run `cfgsync doctor --fix` again.")),
    }
}

/// Gives what is ours its mode, through a descriptor: never through a link. What is gone by now needs
/// none.
fn close(path: &Path, mode: Mode) -> Outcome<()> {
    let file = match plain::open_itself(path) {
        Ok(file) => file,
        Err(error) if error.is(std::io::ErrorKind::NotFound) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let set = file.set_permissions(Permissions::from_mode(mode.0.into()));
    Ok(set.map_err(FsError::on("chmod", path))?)
}
