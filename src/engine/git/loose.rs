//! Loose objects, several of them in one go. Git's library makes each one durable before it begins the
//! next; here the disk is waited for twice, whatever their number.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::{ObjectType, Oid};

use crate::failure::{Failure, Outcome};
use crate::fs::group::Group;

/// What the library calls an object on its way. Whoever cleans up after a run that died knows it.
pub const DRAFT: &str = "tmp_object_git2_";

/// Nobody writes an object twice.
const MODE: u32 = 0o444;

/// An object with its name.
pub struct Object<'a> {
    /// Its name.
    pub id: Oid,
    /// What it is.
    pub kind: ObjectType,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Adds objects in a folder of them to what becomes durable together, each after those that it names.
pub fn add(folder: &Path, objects: &[Object<'_>], group: &mut Group) -> Outcome<()> {
    for object in objects {
        let name = object.id.to_string();
        let (short, rest) = name.split_at(2);
        let above = folder.join(short);
        group.make_folder(&above)?;
        let draft = folder.join(format!("{DRAFT}{name}"));
        group.add(above.join(rest), draft, &deflated(object)?, MODE)?;
    }
    Ok(())
}

/// Returns an object as Git has it on disk.
fn deflated(object: &Object<'_>) -> Outcome<Vec<u8>> {
    let mut bytes = ZlibEncoder::new(Vec::new(), Compression::fast());
    let head = format!("{} {}\0", object.kind.str(), object.bytes.len());
    let all = bytes.write_all(head.as_bytes()).and_then(|()| bytes.write_all(object.bytes));
    let all = all.and_then(|()| bytes.finish());
    all.map_err(|error| Failure::error(format!("could not pack object {}: {error}", object.id)))
}
