//! Git's name for bytes that are too many to hold in memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use cfgsync_core::unit::{BlobId, Version};
use sha1::{Digest, Sha1};

use super::FsError;
use super::dir::{Stat, StatKind};

/// How often a file that changes while it is read is read again.
pub const TRIES: u32 = 5;

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// The name of a blob, while its bytes pass by.
pub struct BlobHasher(Sha1);

impl BlobHasher {
    /// Starts the name of so many bytes.
    pub fn new(size: u64) -> Self {
        Self(Sha1::new_with_prefix(format!("blob {size}\0")))
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the name.
    pub fn finish(self) -> BlobId {
        BlobId(self.0.finalize().into())
    }
}

/// Hands every byte to `each`, and returns how many there were.
pub fn copy(
    from: &mut impl Read,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK];
    let mut total = 0;
    loop {
        let count = match from.read(&mut chunk) {
            Ok(0) => return Ok(total),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        each(&chunk[..count])?;
        total += count as u64;
    }
}

/// Returns the state of an open file.
pub fn stat(file: &File, path: &Path) -> Result<Stat, FsError> {
    nix::sys::stat::fstat(file).map(Stat::from).map_err(FsError::on("stat", path))
}

/// Names the content of a file at one instant; none when it changed at every try.
pub fn name(file: &mut File, path: &Path) -> Result<Option<(Version, Stat)>, FsError> {
    use std::io::{Seek, SeekFrom};
    for _ in 0..TRIES {
        file.seek(SeekFrom::Start(0)).map_err(FsError::on("read", path))?;
        let before = stat(file, path)?;
        let mut hasher = BlobHasher::new(before.size);
        let read = copy(file, |bytes| {
            hasher.update(bytes);
            Ok(())
        });
        let read = read.map_err(FsError::on("read", path))?;
        if before.kind == StatKind::File && stat(file, path)? == before && read == before.size {
            return Ok(Some((Version::file(before.mode, hasher.finish()), before)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::look::blob_id;

    #[test]
    fn both_ways_to_name_bytes_agree() {
        for bytes in [vec![], vec![b'a'], vec![7; 200_000]] {
            let mut hasher = BlobHasher::new(bytes.len() as u64);
            bytes.chunks(1000).for_each(|chunk| hasher.update(chunk));
            assert_eq!(hasher.finish(), blob_id(&bytes));
        }
    }
}
