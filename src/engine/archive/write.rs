//! Writing an archive. Files stream through: memory does not grow with them.

use std::fs::File;
use std::io::{self, BufWriter, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cfgsync_core::inventory::{Inventory, Item};
use cfgsync_core::path::RepoPath;
use cfgsync_core::unit::{Kind, Mode};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::LIST;
use crate::failure::{Failure, Outcome};
use crate::fs::FsError;
use crate::fs::dir::os;
use crate::fs::hash::BlobHasher;
use crate::fs::plain;
use crate::sabotage::{self, Break};

/// What became of writing.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// The archive is there, durably.
    Whole,
    /// A file is no longer what the inventory says.
    Changed(RepoPath),
}

/// Bytes collected before the disk is asked.
const BUFFER: usize = 256 * 1024;

type Tar = Builder<GzEncoder<BufWriter<File>>>;

/// Writes what the inventory lists to a private file. `place_of` knows where a unit lies on disk;
/// `advance` hears how many bytes more are done, and may end it.
pub fn write(
    draft: &Path,
    inventory: &Inventory,
    place_of: &dyn Fn(&RepoPath) -> PathBuf,
    advance: &dyn Fn(u64) -> Outcome<()>,
) -> Outcome<Written> {
    let file = plain::create_private(draft)?;
    let on = || FsError::on("write", draft);
    let mut tar: Tar =
        Builder::new(GzEncoder::new(BufWriter::with_capacity(BUFFER, file), Compression::new(6)));
    let list = inventory.format();
    let seconds = inventory.at.seconds();
    let head = header(EntryType::Regular, list.len() as u64, Mode(0o600), seconds);
    append(&mut tar, head, LIST.as_ref(), list.as_bytes()).map_err(on())?;
    for (folder, mode) in &inventory.folders {
        let head = header(EntryType::Directory, 0, *mode, seconds);
        append(&mut tar, head, os(folder.as_bytes()).as_ref(), io::empty()).map_err(on())?;
    }
    for (path, item) in &inventory.units {
        if !add(&mut tar, draft, (path, item), &place_of(path), advance)? {
            return Ok(Written::Changed(path.clone()));
        }
    }
    let written = tar.into_inner().and_then(GzEncoder::finish);
    let flushed =
        written.and_then(|buffer| buffer.into_inner().map_err(io::IntoInnerError::into_error));
    let file = flushed.map_err(on())?;
    if !sabotage::is(Break::NoSync) {
        file.sync_all().map_err(on())?;
    }
    Ok(Written::Whole)
}

/// Adds one file; false when it is not what the inventory says.
fn add(
    tar: &mut Tar,
    draft: &Path,
    (path, item): (&RepoPath, &Item),
    place: &Path,
    advance: &dyn Fn(u64) -> Outcome<()>,
) -> Outcome<bool> {
    let mode = match item.version.kind {
        Kind::File => item.version.mode,
        Kind::Link => Mode::FILE,
    };
    let seconds = u64::try_from(item.mtime / 1_000_000_000).unwrap_or(0);
    let head = header(EntryType::Regular, item.size, mode, seconds);
    let Some(source) = open(place, item.version.kind) else { return Ok(false) };
    let (source, hasher) = (source.take(item.size), BlobHasher::new(item.size));
    let mut source = Hashed { source, hasher, advance, failed: None };
    let added = append(tar, head, os(path.as_bytes()).as_ref(), &mut source);
    match source.failed {
        Some(Failed::Read(error)) => return Err(FsError::on("read", place)(error).into()),
        Some(Failed::Ended(failure)) => return Err(failure),
        None => {}
    }
    added.map_err(FsError::on("write", draft))?;
    Ok(source.source.limit() == 0 && source.hasher.finish() == item.version.blob)
}

/// Opens what stands there without following a link; nothing when it is not of the kind.
fn open(place: &Path, kind: Kind) -> Option<Box<dyn Read>> {
    match kind {
        Kind::File => {
            let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
            let file = File::options().read(true).custom_flags(flags.bits()).open(place).ok()?;
            Some(Box::new(file))
        }
        Kind::Link => {
            let target = std::fs::read_link(place).ok()?;
            Some(Box::new(io::Cursor::new(target.into_os_string().into_encoded_bytes())))
        }
    }
}

fn header(kind: EntryType, size: u64, mode: Mode, seconds: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode.0.into());
    header.set_mtime(seconds);
    header
}

fn append(tar: &mut Tar, mut header: Header, name: &Path, data: impl Read) -> io::Result<()> {
    tar.append_data(&mut header, name, data)
}

/// Names the bytes that are read through it, and tells its own errors from those of the archive.
struct Hashed<'a> {
    source: io::Take<Box<dyn Read>>,
    hasher: BlobHasher,
    advance: &'a dyn Fn(u64) -> Outcome<()>,
    failed: Option<Failed>,
}

/// Why bytes did not come.
enum Failed {
    Read(io::Error),
    /// Whoever hears how far it is wants no more.
    Ended(Failure),
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer).map_err(|error| {
            let told = io::Error::from(error.kind());
            self.failed = Some(Failed::Read(error));
            told
        })?;
        self.hasher.update(&buffer[..count]);
        (self.advance)(count as u64).map_err(|failure| {
            self.failed = Some(Failed::Ended(failure));
            io::Error::other("ended")
        })?;
        Ok(count)
    }
}
