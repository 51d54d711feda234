//! Reading an archive, which anybody may have made: nothing of it counts before all of it was checked.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use cfgsync_core::inventory::{Inventory, Item};
use cfgsync_core::path::RepoPath;
use cfgsync_core::unit::Kind;
use flate2::bufread::MultiGzDecoder;
use tar::{Archive, EntryType};

use super::entries::{LONGEST_NAME, Listed};
use super::{LIST, unsound};
use crate::failure::Outcome;
use crate::fs::FsError;
use crate::fs::dir::StatKind;
use crate::fs::hash;
use crate::interrupt;

/// Largest list of contents in bytes: half a million files.
const LARGEST_LIST: u64 = 64 * 1024 * 1024;

/// Bytes in which the head of a list ends.
const HEAD: u64 = 4096;

/// Largest file in bytes that is held in memory to be given back.
const LARGEST_FILE: u64 = 1024 * 1024 * 1024;

/// Deflate packs no more than this many bytes into one.
const DENSEST: u64 = 1032;

/// Zeros that may follow the last entry, in bytes: tar fills up to a block of 10 KiB.
const LONGEST_END: u64 = 64 * 1024;

/// Takes one file as it passes by.
pub type Taken<'a> = dyn FnMut(&RepoPath, &Item, Vec<u8>) -> Outcome<()> + 'a;

type Gzip = MultiGzDecoder<BufReader<File>>;

/// Returns when an archive was made, where, and why; not what is in it.
pub fn head(path: &Path) -> Outcome<Inventory> {
    let mut archive = open(path)?.0;
    let text = list(path, &mut archive, HEAD)?;
    Inventory::parse_head(&text).map_err(|reason| unsound(path, reason))
}

/// Returns what an archive says it holds.
pub fn inventory(path: &Path) -> Outcome<Inventory> {
    let (mut archive, packed) = open(path)?;
    let inventory = Inventory::parse(&list(path, &mut archive, LARGEST_LIST)?)
        .map_err(|reason| unsound(path, reason))?;
    let is_long = |item: &Item| item.version.kind == Kind::Link && item.size > LONGEST_NAME;
    if let Some((unit, _)) = inventory.units.iter().find(|(_, item)| is_long(item)) {
        return Err(unsound(path, format!("the link {unit} leads farther than any path")));
    }
    let most = packed.saturating_mul(DENSEST);
    if inventory
        .units
        .values()
        .try_fold(0u64, |sum, item| sum.checked_add(item.size))
        .is_none_or(|sum| sum > most)
    {
        return Err(unsound(path, "it claims to hold more than its bytes can"));
    }
    Ok(inventory)
}

/// Reads an archive to its end and checks every byte. Files that are `wanted` are handed to `taken`
/// as they pass by, before the rest was checked.
pub fn read(
    path: &Path,
    wanted: &dyn Fn(&RepoPath) -> bool,
    taken: &mut Taken<'_>,
) -> Outcome<Inventory> {
    let inventory = inventory(path)?;
    let (mut archive, _) = open(path)?;
    let all = archive.entries().map_err(|error| unsound(path, error))?.raw(true).skip(1);
    let mut entries = Listed::new(path, all);
    for (folder, mode) in &inventory.folders {
        entries.folder(folder, *mode)?;
    }
    for (unit, item) in &inventory.units {
        interrupt::check()?;
        let is_wanted = wanted(unit);
        if is_wanted && item.size > LARGEST_FILE {
            return Err(unsound(path, format!("{unit} is too large to be given back")));
        }
        let bytes = entries.file(unit, item, is_wanted)?;
        if is_wanted {
            taken(unit, item, bytes)?;
        }
    }
    entries.end()?;
    check_end(path, archive.into_inner())?;
    Ok(inventory)
}

/// Reads an archive to its end, for nothing but to know that it is whole.
pub fn verify(path: &Path) -> Outcome<Inventory> {
    read(path, &|_| false, &mut |_, _, _| Ok(()))
}

/// Opens a file of ours, and returns how many bytes it has.
fn open(path: &Path) -> Outcome<(Archive<Gzip>, u64)> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path);
    let file = file.map_err(FsError::on("open", path))?;
    let stat = hash::stat(&file, path)?;
    if stat.kind != StatKind::File {
        return Err(unsound(path, "it is no file"));
    }
    Ok((Archive::new(MultiGzDecoder::new(BufReader::new(file))), stat.size))
}

/// Reads the list of contents, or so many bytes of it.
fn list(path: &Path, archive: &mut Archive<Gzip>, most: u64) -> Outcome<String> {
    let damaged = |error: io::Error| unsound(path, error);
    let foreign = || unsound(path, "cfgsync did not make it");
    let mut entries = archive.entries().map_err(damaged)?.raw(true);
    let entry = entries.next().ok_or_else(foreign)?.map_err(damaged)?;
    let size = entry.size();
    let is_list = entry.header().path_bytes().as_ref() == LIST.as_bytes()
        && entry.header().entry_type() == EntryType::Regular;
    if !is_list || size > LARGEST_LIST {
        return Err(foreign());
    }
    let mut bytes = Vec::new();
    let read = entry.take(most).read_to_end(&mut bytes).map_err(damaged)?;
    if read as u64 != size.min(most) {
        return Err(unsound(path, "it ends too early"));
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// After the last entry come zeros, a few, and the sums of gzip.
fn check_end(path: &Path, gzip: Gzip) -> Outcome<()> {
    let mut is_zero = true;
    let count = hash::copy(&mut gzip.take(LONGEST_END + 1), |chunk| {
        is_zero &= chunk.iter().all(|byte| *byte == 0);
        Ok(())
    });
    let count = count.map_err(|error| unsound(path, error))?;
    if !is_zero || count > LONGEST_END {
        return Err(unsound(path, "something follows its end"));
    }
    Ok(())
}
