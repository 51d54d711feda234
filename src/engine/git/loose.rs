//! Loose objects, several of them in one go. Git's library makes each one durable before it begins the
//! next; here the disk is waited for twice, whatever their number.

use std::borrow::Cow;
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
    pub bytes: Cow<'a, [u8]>,
}

/// Adds objects in a folder of them to what becomes durable together, each after those that it names. On
/// their way they are called as they are, after this start.
pub fn add(folder: &Path, start: &str, objects: &[Object<'_>], group: &mut Group) -> Outcome<()> {
    // Its tables are a quarter of a mebibyte of fresh memory: they are made once.
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    for object in objects {
        let name = object.id.to_string();
        let (short, rest) = name.split_at(2);
        let above = folder.join(short);
        group.make_folder(&above)?;
        let draft = folder.join(format!("{start}{name}"));
        group.add(above.join(rest), draft, &deflated(object, &mut encoder)?, MODE)?;
    }
    Ok(())
}

/// Returns an object as Git has it on disk.
fn deflated(object: &Object<'_>, encoder: &mut ZlibEncoder<Vec<u8>>) -> Outcome<Vec<u8>> {
    let head = format!("{} {}\0", object.kind.str(), object.bytes.len());
    let all = encoder.write_all(head.as_bytes()).and_then(|()| encoder.write_all(&object.bytes));
    let all = all.and_then(|()| encoder.reset(Vec::new()));
    all.map_err(|error| Failure::error(format!("could not pack object {}: {error}", object.id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::ZlibDecoder;
    use std::io::Read;

    #[test]
    fn what_is_stored_is_read_again() {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        for length in [0, 1, 5, 700, 100_000, 3] {
            let bytes: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let object =
                Object { id: Oid::ZERO_SHA1, kind: ObjectType::Blob, bytes: (&bytes).into() };
            let mut read = Vec::new();
            ZlibDecoder::new(&*deflated(&object, &mut encoder).unwrap())
                .read_to_end(&mut read)
                .unwrap();
            assert_eq!(read, [format!("blob {length}\0").as_bytes(), &bytes].concat());
        }
    }
}
