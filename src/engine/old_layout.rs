//! Folders that an old `sync.sh` linked as a whole: the mark does not say that it is one, and the home has
//! a link to the stored folder. Files are shared one by one here, so the folder itself takes the place of
//! its link, with a link for each file.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::Path;

use cfgsync_core::manifest::{Manifest, Scope};
use cfgsync_core::path::HomePath;

use crate::context::Places;
use crate::failure::{Failure, Outcome};
use crate::fs::FsError;
use crate::fs::desk::Desk;
use crate::fs::dir::{Dir, os};
use crate::fs::exchange::{Entry, exchange};
use crate::marks;
use crate::observe::live::is_ours;
use crate::session::Session;

/// Returns the marked folders that are as the old script left them.
pub fn folders(session: &Session<'_>) -> Outcome<BTreeSet<HomePath>> {
    let manifest = marks::manifest_on_disk(session)?;
    let places = &session.context.places;
    let is_old = |home: &&HomePath| {
        let is_folder = places.repo.join(os(home.stored().as_bytes()));
        let is_folder = is_folder.symlink_metadata().is_ok_and(|it| it.is_dir());
        is_folder && (is_whole(places, home) || is_unsaid(&manifest, home))
    };
    Ok(manifest.marks.keys().filter(is_old).cloned().collect())
}

/// Returns true where the home has a link to the stored folder.
fn is_whole(places: &Places, home: &HomePath) -> bool {
    let link = fs::read_link(places.home.join(os(home.as_bytes())));
    link.is_ok_and(|it| is_ours(&places.repo, home, it.as_os_str().as_encoded_bytes()))
}

/// Returns true where the mark takes it for a file.
fn is_unsaid(manifest: &Manifest, home: &HomePath) -> bool {
    manifest.marks.get(home).is_some_and(|mark| mark.scope == Scope::File)
}

/// Makes them folders of this program's.
pub fn unfold(session: &Session<'_>) -> Outcome<()> {
    if folders(session)?.is_empty() {
        return Ok(());
    }
    let _lock = session.lock()?;
    let (places, folders) = (&session.context.places, folders(session)?);
    let mut manifest = marks::manifest_on_disk(session)?;
    for home in &folders {
        if is_whole(places, home) {
            exchange_link(places, home)?;
        }
        if let Some(mark) = manifest.marks.get_mut(home) {
            mark.scope = Scope::Folder;
        }
        session.context.ui.say(&format!("  {home} is shared file by file now."));
    }
    marks::write_manifest(session, &manifest)
}

/// Puts a folder of links in the place of the link to a folder, in one step.
fn exchange_link(places: &Places, home: &HomePath) -> Outcome<()> {
    let stored = home.stored();
    let live = places.home.join(os(home.as_bytes()));
    let parent = live.parent().unwrap_or(&places.home);
    let desk = Desk::hidden(parent)?;
    fill(&places.repo.join(os(stored.as_bytes())), &desk.folder().join(os(stored.name())))?;
    let (from, to) = (Dir::open(desk.folder())?, Dir::open(parent)?);
    let name = stored.name();
    exchange(Entry { dir: &from, name }, Entry { dir: &to, name }).map_err(|errno| {
        Failure::error(format!("{} stays a link to a folder: {errno}", live.display()))
            .hint("Replace it by the folder itself (`cp -R`), then run `cfgsync setup` again.")
    })
}

/// Makes a folder with a link to everything that a stored one holds, what is not shared included.
fn fill(stored: &Path, folder: &Path) -> Outcome<()> {
    let own = fs::metadata(stored).map_err(FsError::on("look at", stored))?;
    let made = DirBuilder::new().mode(own.mode() & 0o777).create(folder);
    made.map_err(FsError::on("create", folder))?;
    for entry in fs::read_dir(stored).map_err(FsError::on("list", stored))? {
        let entry = entry.map_err(FsError::on("list", stored))?;
        let (from, to) = (entry.path(), folder.join(entry.file_name()));
        if entry.file_type().map_err(FsError::on("look at", &from))?.is_dir() {
            fill(&from, &to)?;
        } else {
            symlink(&from, &to).map_err(FsError::on("create", &to))?;
        }
    }
    Ok(())
}
