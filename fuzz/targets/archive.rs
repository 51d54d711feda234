//! An archive, which anybody may have made, read to its end with everything wanted.
//!
//! The first bytes of an input say what it is, so that a finding can be handed to `cfgsync` as it is:
//! the magic of gzip is an archive, the heading of an inventory is a list of contents, around which a
//! sound archive is built, and everything else is a tar, which is packed first: no input of a fuzzer
//! fits a checksum.

#![no_main]

#[path = "../../src/engine/archive/mod.rs"]
#[expect(dead_code, reason = "reading is what is fuzzed")]
mod archive;
#[path = "../../src/engine/failure.rs"]
#[expect(dead_code, reason = "nobody is told")]
mod failure;
#[path = "../../src/engine/fs/mod.rs"]
#[expect(dead_code, reason = "archives are read, no other file is")]
mod fs;
#[path = "../../src/engine/interrupt.rs"]
#[expect(dead_code, reason = "nobody stops it")]
mod interrupt;
#[path = "../../src/engine/sabotage.rs"]
#[expect(dead_code, unexpected_cfgs, reason = "no promise is broken here")]
mod sabotage;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cfgsync_core::inventory::Inventory;
use cfgsync_core::path::RepoPath;
use cfgsync_core::unit::{Kind, Mode};
use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use tar::{Builder, EntryType, Header};

use archive::read;
use failure::Outcome;
use fs::hash::BlobHasher;

const GZIP: &[u8] = b"\x1f\x8b";
const HEADING: &[u8] = b"cfgsync archive";
const LIST: &str = ".cfgsync-archive";

/// Bytes of the largest file that is made up for a list.
const LARGEST: u64 = 2000;

/// A head longer than this is not read whole by `read::head`.
const LONGEST_HEAD: usize = 3000;

type Files = BTreeMap<RepoPath, Vec<u8>>;

fuzz_target!(|bytes: &[u8]| {
    if bytes.starts_with(GZIP) {
        let _ = look(bytes);
    } else if bytes.starts_with(HEADING) {
        build(&String::from_utf8_lossy(bytes));
    } else {
        let _ = look(&packed(bytes));
    }
});

/// Reads an archive in every way there is; they have to agree.
fn look(bytes: &[u8]) -> Outcome<(Inventory, Files)> {
    let path = place();
    create_private(path, bytes).expect("a file of our own");
    let (head, list) = (read::head(path), read::inventory(path));
    let mut files = Files::new();
    let read = read::read(path, &|_| true, &mut |unit, item, bytes| {
        assert_eq!((bytes.len() as u64, blob_of(&bytes)), (item.size, item.version.blob));
        assert!(files.insert(unit.clone(), bytes).is_none(), "{unit:?} came twice");
        Ok(())
    });
    let verified = read::verify(path);
    std::fs::remove_file(path).expect("a file of our own");
    assert_eq!(read.is_ok(), verified.is_ok());
    let inventory = read?;
    assert!(files.keys().eq(inventory.units.keys()), "{inventory:?}");
    assert_eq!(list.ok().as_ref(), Some(&inventory));
    if inventory.machine.len() + inventory.reason.len() < LONGEST_HEAD {
        let head = head.map(|head| (head.number, head.at, head.machine, head.reason));
        let Inventory { number, at, machine, reason, .. } = inventory.clone();
        assert_eq!(head.ok(), Some((number, at, machine, reason)));
    }
    Ok((inventory, files))
}

/// Builds an archive around a list of contents; where the list is sound, it has to be.
fn build(text: &str) {
    let Ok(mut inventory) = Inventory::parse(text) else {
        let mut tar = Builder::new(Vec::new());
        append(&mut tar, (EntryType::Regular, Mode(0o600)), LIST.as_bytes(), text.as_bytes());
        let tar = tar.into_inner().expect("memory does not fail");
        assert!(look(&packed(&tar)).is_err(), "{text:?}");
        return;
    };
    let mut files = Files::new();
    for (at, (path, item)) in inventory.units.iter_mut().enumerate() {
        item.size %= LARGEST;
        let bytes = vec![at.to_le_bytes()[0]; usize::try_from(item.size).expect("a small file")];
        item.version.blob = blob_of(&bytes);
        files.insert(path.clone(), bytes);
    }
    let mut tar = Builder::new(Vec::new());
    let list = inventory.format();
    append(&mut tar, (EntryType::Regular, Mode(0o600)), LIST.as_bytes(), list.as_bytes());
    for (folder, mode) in &inventory.folders {
        append(&mut tar, (EntryType::Directory, *mode), folder.as_bytes(), &[]);
    }
    for (path, item) in &inventory.units {
        let mode = if item.version.kind == Kind::Link { Mode::FILE } else { item.version.mode };
        append(&mut tar, (EntryType::Regular, mode), path.as_bytes(), &files[path]);
    }
    let tar = tar.into_inner().expect("memory does not fail");
    let read = look(&packed(&tar)).expect("what is written is read");
    assert_eq!(read, (inventory, files));
}

/// Adds an entry as `archive::write` does.
fn append(tar: &mut Builder<Vec<u8>>, (kind, mode): (EntryType, Mode), name: &[u8], bytes: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(mode.0.into());
    header.set_mtime(0);
    let name = Path::new(OsStr::from_bytes(name));
    tar.append_data(&mut header, name, bytes).expect("an entry for every path there can be");
}

fn packed(tar: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::with_capacity(tar.len() + 64), Compression::none());
    gzip.write_all(tar).and_then(|()| gzip.finish()).expect("memory does not fail")
}

fn blob_of(bytes: &[u8]) -> cfgsync_core::unit::BlobId {
    let mut hasher = BlobHasher::new(bytes.len() as u64);
    hasher.update(bytes);
    hasher.finish()
}

/// Returns the path of the one file of this process, in memory where the system has such a folder.
fn place() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
        folder.join(format!("cfgsync-fuzz.{}", std::process::id()))
    })
}

/// Writes a file that nobody else reads, and that was not there.
fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)
}
