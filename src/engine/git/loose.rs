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

/// Up to how many bytes an object is small: with what is around them they fit into a block of a disk.
const SMALL: usize = 4000;

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

/// Returns an object as Git has it on disk. One that takes a block of the disk either way is not made
/// smaller: a compressor takes a quarter of a mebibyte of fresh memory.
fn deflated(object: &Object<'_>) -> Outcome<Vec<u8>> {
    let head = format!("{} {}\0", object.kind.str(), object.bytes.len());
    if head.len() + object.bytes.len() <= SMALL {
        return Ok(stored(&[head.as_bytes(), object.bytes].concat()));
    }
    let mut bytes = ZlibEncoder::new(Vec::new(), Compression::fast());
    let all = bytes.write_all(head.as_bytes()).and_then(|()| bytes.write_all(object.bytes));
    let all = all.and_then(|()| bytes.finish());
    all.map_err(|error| Failure::error(format!("could not pack object {}: {error}", object.id)))
}

/// Returns bytes in the form of zlib (RFC 1950), as one block that is stored as it is (RFC 1951, 3.2.4).
fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let mut all = vec![0x78, 0x01, 1];
    all.extend(length.to_le_bytes());
    all.extend((!length).to_le_bytes());
    all.extend(bytes);
    all.extend(adler32(bytes).to_be_bytes());
    all
}

fn adler32(bytes: &[u8]) -> u32 {
    let sums = bytes.iter().fold((1_u32, 0_u32), |(sum, of_sums), byte| {
        let sum = (sum + u32::from(*byte)) % 65_521;
        (sum, (of_sums + sum) % 65_521)
    });
    sums.1 << 16 | sums.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::ZlibDecoder;
    use std::io::Read;

    #[test]
    fn what_is_stored_is_read_again() {
        for length in [0, 1, 5, 700, SMALL - 20, SMALL, SMALL + 1, 100_000] {
            let bytes: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let object = Object { id: Oid::ZERO_SHA1, kind: ObjectType::Blob, bytes: &bytes };
            let mut read = Vec::new();
            ZlibDecoder::new(&*deflated(&object).unwrap()).read_to_end(&mut read).unwrap();
            assert_eq!(read, [format!("blob {length}\0").as_bytes(), &bytes].concat());
        }
    }
}
