//! Writing an archive. Files stream through: memory does not grow with them.
//!
//! It is packed in members: the head of its list, the lines of each group of files, what follows them,
//! each group of files itself, the last one with the end. Where an earlier archive has the same group,
//! both of its members are copied.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cfgsync_core::inventory::{Inventory, Item};
use cfgsync_core::path::RepoPath;
use cfgsync_core::portions::{Portion, portions};
use cfgsync_core::unit::{Kind, Mode};
use tar::{Builder, EntryType, Header};

use super::LIST;
use super::gzip::{Gzip, Member};
use crate::failure::{Failure, Outcome};
use crate::fs::FsError;
use crate::fs::dir::os;
use crate::fs::hash::BlobHasher;
use crate::fs::plain;
use crate::sabotage::{self, Break};

/// What became of writing.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// The archive is there, durably, of these members.
    Whole(Vec<Made>),
    /// A file is no longer what the inventory says.
    Changed(RepoPath),
    /// The earlier archive is not what it was.
    Damaged,
}

/// A member as it was made.
#[derive(Debug, PartialEq, Eq)]
pub struct Made {
    /// The member.
    pub member: Member,
    /// Where its bytes come from.
    pub from: Origin,
}

/// Where the bytes of a member come from.
#[derive(Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was copied from an archive that was checked, and holds so many files.
    Earlier(usize),
    /// These bytes were packed.
    Text(Vec<u8>),
    /// A group of files was packed: so many.
    Files(usize),
}

/// An archive that was checked, and what it is made of.
pub struct Earlier<'a> {
    /// The archive.
    pub file: File,
    /// Its list.
    pub inventory: &'a Inventory,
    /// Its members.
    pub members: Vec<Member>,
}

/// What is written.
pub struct Source<'a> {
    /// The list.
    pub inventory: &'a Inventory,
    /// Knows where a unit lies on disk.
    pub place_of: &'a dyn Fn(&RepoPath) -> PathBuf,
    /// Hears how many bytes more are done, and may end it.
    pub advance: &'a dyn Fn(u64) -> Outcome<()>,
}

/// Bytes that tar counts in.
const BLOCK: u64 = 512;

type Tar = Builder<Gzip>;

/// The two members of a group of files in an earlier archive, each with its place.
type Known = [(u64, Member); 2];

/// Writes what the inventory lists to a private file.
pub fn write(draft: &Path, source: &Source<'_>, earlier: Option<&Earlier<'_>>) -> Outcome<Written> {
    let inventory = source.inventory;
    let portions = portions(inventory);
    let known = earlier.map(known).unwrap_or_default();
    let of_group = |(at, portion): (usize, &Portion<'_>)| {
        known.get(portion.first()?.0)?.get(portion, at + 1 == portions.len())
    };
    let known: Vec<Option<&Known>> = portions.iter().enumerate().map(of_group).collect();
    // The lines of a group that is copied are not written anew, but they count.
    let lines_of = |(portion, known): (&Portion<'_>, Option<&Known>)| match known {
        Some(_) => String::new(),
        None => lines_of(portion),
    };
    let lines: Vec<String> = portions.iter().zip(known.iter().copied()).map(lines_of).collect();
    let size_of = |(lines, known): (&String, Option<&Known>)| match known {
        Some([(_, member), _]) => member.plain,
        None => lines.len() as u64,
    };
    let (first, last) = (inventory.format_head(), inventory.format_folders());
    let of_groups: u64 = lines.iter().zip(known.iter().copied()).map(size_of).sum();
    let size = (first.len() + last.len()) as u64 + of_groups;
    let mut packing = Packing::begin(draft, earlier)?;
    packing.text(|tar| begin_list(tar, size, inventory, &first))?;
    for (lines, known) in lines.iter().zip(&known) {
        match known {
            Some([of_lines, _]) if packing.copy(*of_lines, 0)? => {}
            Some(_) => return Ok(Written::Damaged),
            None => packing.text(|tar| tar.get_mut().write_all(lines.as_bytes()))?,
        }
    }
    packing.begin_text();
    end_list(&mut packing.tar, size, inventory, &last).map_err(FsError::on("write", draft))?;
    for (portion, known) in portions.iter().zip(&known) {
        packing.cut()?;
        match known {
            Some([_, of_files]) if packing.copy(*of_files, portion.len())? => {
                (source.advance)(portion.iter().map(|(_, item)| item.size).sum())?;
            }
            Some(_) => return Ok(Written::Damaged),
            None => {
                if let Some(changed) = packing.files(portion, source)? {
                    return Ok(Written::Changed(changed.clone()));
                }
            }
        }
    }
    packing.finish().map(Written::Whole)
}

/// An archive on its way.
struct Packing<'a> {
    tar: Tar,
    draft: &'a Path,
    earlier: Option<&'a Earlier<'a>>,
    made: Vec<Made>,
    /// What the member at hand will be; none between members.
    open: Option<Origin>,
}

impl<'a> Packing<'a> {
    fn begin(draft: &'a Path, earlier: Option<&'a Earlier<'a>>) -> Outcome<Self> {
        let tar = Builder::new(Gzip::new(plain::create_private(draft)?));
        Ok(Self { tar, draft, earlier, made: Vec::new(), open: None })
    }

    /// Begins a member, and keeps what it holds.
    fn begin_text(&mut self) {
        self.tar.get_mut().keep_plain();
        self.open = Some(Origin::Text(Vec::new()));
    }

    /// Packs a member, and keeps what it holds.
    fn text(&mut self, put: impl FnOnce(&mut Tar) -> io::Result<()>) -> Outcome<()> {
        self.begin_text();
        put(&mut self.tar).map_err(FsError::on("write", self.draft))?;
        self.cut()
    }

    /// Copies a member that holds so many files; false where it is not what it was.
    fn copy(&mut self, (at, member): (u64, Member), count: usize) -> Outcome<bool> {
        let Some(earlier) = self.earlier else { return Ok(false) };
        let copied = self.tar.get_mut().copy(&earlier.file, at, member);
        self.made.push(Made { member, from: Origin::Earlier(count) });
        Ok(copied.map_err(FsError::on("write", self.draft))?)
    }

    /// Packs a group of files, into a member that is still open then; returns one that is not what the
    /// inventory says.
    fn files<'b>(
        &mut self,
        portion: &Portion<'b>,
        source: &Source<'_>,
    ) -> Outcome<Option<&'b RepoPath>> {
        for &(path, item) in portion {
            if !add(&mut self.tar, self.draft, (path, item), source)? {
                return Ok(Some(path));
            }
        }
        self.open = Some(Origin::Files(portion.len()));
        Ok(None)
    }

    /// Ends the member at hand, if there is one.
    fn cut(&mut self) -> Outcome<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let (member, bytes) = self.tar.get_mut().cut().map_err(FsError::on("write", self.draft))?;
        let from = if let Origin::Text(_) = open { Origin::Text(bytes) } else { open };
        self.made.push(Made { member, from });
        Ok(())
    }

    /// Ends the archive, and makes it durable. Its end is in the member of its last files, so that none
    /// is whole without it.
    fn finish(mut self) -> Outcome<Vec<Made>> {
        if self.open.is_none() {
            self.tar.get_mut().close();
        }
        self.tar.finish().map_err(FsError::on("write", self.draft))?;
        self.cut()?;
        self.tar.get_mut().close();
        let ended = self.tar.into_inner().and_then(Gzip::into_file);
        let file = ended.map_err(FsError::on("write", self.draft))?;
        if !sabotage::is(Break::NoSync) {
            file.sync_all().map_err(FsError::on("write", self.draft))?;
        }
        Ok(self.made)
    }
}

/// Returns the groups of an earlier archive by their first path; none where it was packed otherwise.
fn known<'a>(earlier: &Earlier<'a>) -> BTreeMap<&'a RepoPath, Group<'a>> {
    let portions = portions(earlier.inventory);
    // Beside two for each group: the head, and the end of the list.
    if earlier.members.len() != portions.len() * 2 + 2 {
        return BTreeMap::new();
    }
    let mut at = 0;
    let mut placed = earlier.members.iter().map(|member| {
        at += member.packed;
        (at - member.packed, *member)
    });
    let lines: Vec<_> = placed.by_ref().skip(1).take(portions.len()).collect();
    let files = placed.skip(1);
    let members = lines.into_iter().zip(files).map(|(lines, files)| [lines, files]);
    let count = portions.len();
    let group = |(at, (portion, members)): (usize, (Portion<'a>, Known))| {
        Some((portion.first()?.0, Group { portion, members, is_last: at + 1 == count }))
    };
    portions.into_iter().zip(members).enumerate().filter_map(group).collect()
}

/// A group of files of an earlier archive.
struct Group<'a> {
    portion: Portion<'a>,
    members: Known,
    /// Whether the archive ends with it.
    is_last: bool,
}

impl Group<'_> {
    /// Returns its members, where it is this very group.
    fn get(&self, portion: &Portion<'_>, is_last: bool) -> Option<&Known> {
        (self.is_last == is_last && self.portion == *portion).then_some(&self.members)
    }
}

fn lines_of(portion: &Portion<'_>) -> String {
    let mut text = String::new();
    portion.iter().for_each(|(path, item)| item.format(path, &mut text));
    text
}

/// Begins the entry of the list, which is so many bytes in all.
fn begin_list(tar: &mut Tar, size: u64, inventory: &Inventory, text: &str) -> io::Result<()> {
    let mut head = header(EntryType::Regular, size, Mode(0o600), inventory.at.seconds());
    head.set_path(LIST)?;
    head.set_cksum();
    tar.get_mut().write_all(head.as_bytes())?;
    tar.get_mut().write_all(text.as_bytes())
}

/// Ends it, as tar fills up a block, and adds the folders.
fn end_list(tar: &mut Tar, size: u64, inventory: &Inventory, text: &str) -> io::Result<()> {
    tar.get_mut().write_all(text.as_bytes())?;
    let rest = usize::try_from(size.next_multiple_of(BLOCK) - size).unwrap_or(0);
    tar.get_mut().write_all(&vec![0; rest])?;
    for (folder, mode) in &inventory.folders {
        let head = header(EntryType::Directory, 0, *mode, inventory.at.seconds());
        append(tar, head, os(folder.as_bytes()).as_ref(), io::empty())?;
    }
    Ok(())
}

/// Adds one file; false when it is not what the inventory says.
fn add(
    tar: &mut Tar,
    draft: &Path,
    (path, item): (&RepoPath, &Item),
    Source { place_of, advance, .. }: &Source<'_>,
) -> Outcome<bool> {
    let place = &place_of(path);
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
