//! A path that is a link into somebody else's farm: the file itself takes the link's place, so that it
//! can be marked. What the link led to stays as it is.

use std::os::unix::fs::PermissionsExt;

use cfgsync_core::inert::shown;
use cfgsync_core::path::HomePath;
use cfgsync_core::steps::{Expected, Place};
use cfgsync_core::unit::{Mode, Version};

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::fs::FsError;
use crate::fs::dir::os;
use crate::fs::exchange::Entry;
use crate::fs::look::blob_id;
use crate::fs::writer::{Applied, Fresh};
use crate::session::Session;
use crate::ui::Tone;

/// A link that makes room for the file it leads to.
#[derive(Debug, Clone)]
pub struct Adopted {
    home: HomePath,
    target: Vec<u8>,
}

impl Adopted {
    /// Returns it for a link that leads to a file; none where it leads to anything else.
    pub fn of(context: &Context, home: &HomePath, target: &[u8]) -> Option<(Self, u64)> {
        let path = context.places.home.join(os(home.as_bytes()));
        let real = std::fs::canonicalize(&path).ok()?;
        let file = std::fs::metadata(&real).ok()?;
        let is_foreign = !context.places.has(&real);
        let adopted = Self { home: home.clone(), target: target.to_vec() };
        (file.is_file() && is_foreign).then_some((adopted, file.len()))
    }

    /// Says what would become of the link.
    pub fn preview(&self, context: &Context) {
        let target = shown(&self.target);
        context
            .ui
            .say(&format!("  {}: the file itself, in place of a link to {target}", self.home));
    }

    /// Puts the file in the place of its link, in one step. The lock is held.
    pub fn adopt(&self, session: &Session<'_>) -> Outcome<()> {
        let path = session.context.places.home.join(os(self.home.as_bytes()));
        let bytes = std::fs::read(&path).map_err(FsError::on("read", &path))?;
        let file = std::fs::metadata(&path).map_err(FsError::on("look at", &path))?;
        let mode = Mode(u16::try_from(file.permissions().mode() & 0o777).unwrap_or(0o600));
        let writer = session.writer();
        let dir = writer.parent(&Place::Home(self.home.clone()), &|_| Mode::EXECUTABLE)?;
        let stored = self.home.stored();
        let at = Entry { dir: &dir, name: stored.name() };
        let expecting = Expected::Version(Version::link(blob_id(&self.target)));
        session.vault.put(&bytes)?;
        match writer.write(at, Fresh::File(&bytes, mode), expecting, &|_| false)? {
            Applied::Done => {
                let target = session.context.ui.paint(Tone::Dim, &shown(&self.target));
                let line = format!("  {} is a file of its own now; {target} stays.", self.home);
                session.context.ui.say(&line);
                Ok(())
            }
            Applied::Stale => Err(Failure::error(format!("{} changed meanwhile", path.display()))
                .hint("Run the command again.")),
        }
    }
}
