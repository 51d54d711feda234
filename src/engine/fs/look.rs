//! Looking at one name: what stands there, and its whole content at one instant.

use std::io::{self, Read};

use cfgsync_core::steps::Expected;
use cfgsync_core::unit::{BlobId, Version};
use git2::{ObjectType, Oid};

use super::FsError;
use super::dir::{Dir, Stat, StatKind};
use super::hash::{self, TRIES};

/// What stands at a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A regular file with its version, bytes and state.
    File(Whole),
    /// A link, and its target.
    Link(Vec<u8>),
    /// A folder.
    Folder,
    /// A socket, pipe or device.
    Special,
    /// A file that changed during every try to read it.
    Busy,
}

/// The whole content of a file at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// Kind, mode and blob id.
    pub version: Version,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The state in which they were read.
    pub stat: Stat,
}

/// Looks at a name.
pub fn look(dir: &Dir, name: &[u8]) -> Result<Found, FsError> {
    let Some(stat) = dir.stat(name)? else { return Ok(Found::Nothing) };
    match stat.kind {
        StatKind::Folder => Ok(Found::Folder),
        StatKind::Special => Ok(Found::Special),
        StatKind::Link => dir.read_link(name).map(Found::Link),
        StatKind::File => match read(dir, name) {
            Err(error) if error.is(io::ErrorKind::NotFound) => Ok(Found::Busy),
            result => result,
        },
    }
}

/// Reads until two looks at the inode around the reading agree.
fn read(dir: &Dir, name: &[u8]) -> Result<Found, FsError> {
    for _ in 0..TRIES {
        let mut file = dir.open_file(name)?;
        let path = dir.join(name);
        let before = hash::stat(&file, &path)?;
        if before.kind != StatKind::File {
            return Ok(Found::Special);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(before.size).unwrap_or(0));
        file.read_to_end(&mut bytes).map_err(FsError::on("read", &path))?;
        let after = hash::stat(&file, &path)?;
        if before == after && u64::try_from(bytes.len()) == Ok(after.size) {
            let version = Version::file(after.mode, blob_id(&bytes));
            return Ok(Found::File(Whole { version, bytes, stat: after }));
        }
    }
    Ok(Found::Busy)
}

/// Returns the name Git gives to bytes.
pub fn blob_id(bytes: &[u8]) -> BlobId {
    // Hashing bytes in memory has no way to fail; the zero id matches nothing.
    let id = Oid::hash_object(ObjectType::Blob, bytes).unwrap_or(Oid::ZERO_SHA1);
    BlobId(id.as_bytes().try_into().unwrap_or_default())
}

/// Returns true when what was found is what a step expects; `is_ours` knows our link's target.
pub fn matches(found: &Found, expecting: Expected, is_ours: &dyn Fn(&[u8]) -> bool) -> bool {
    match (found, expecting) {
        (Found::Nothing, Expected::Nothing) => true,
        (Found::File(whole), Expected::Version(version)) => whole.version == version,
        (Found::Link(target), Expected::Version(version)) => {
            Version::link(blob_id(target)) == version
        }
        (Found::Link(target), Expected::Link) => is_ours(target),
        _ => false,
    }
}
