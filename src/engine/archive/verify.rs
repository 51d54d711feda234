//! Reading back an archive that was just written, and remembering what it is made of.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Take};
use std::path::Path;

use cfgsync_core::inventory::Inventory;
use flate2::Crc;
use flate2::bufread::GzDecoder;
use tar::Archive;

use super::entries::Listed;
use super::gzip::Member;
use super::seal;
use super::unsound;
use super::write::{Made, Origin};
use crate::failure::Outcome;
use crate::fs::plain::{self, Durability};
use crate::fs::{FsError, hash};
use crate::interrupt;

const HEADING: &str = "cfgsync members 1";

/// Bytes of zeros with which a tar ends.
const END: u64 = 1024;

/// Reads a draft to its end: a member that was copied has to be the very bytes that were checked in
/// the archive it comes from, and any other has to hold what was packed, files in every byte.
pub fn verify(path: &Path, inventory: &Inventory, made: &[Made]) -> Outcome<()> {
    let mut file = File::open(path).map_err(FsError::on("open", path))?;
    let (mut units, mut at) = (inventory.units.iter(), 0);
    for (index, Made { member, from }) in made.iter().enumerate() {
        let zeros = if index + 1 == made.len() { END } else { 0 };
        interrupt::check()?;
        file.seek(SeekFrom::Start(at)).map_err(FsError::on("read", path))?;
        at += member.packed;
        match from {
            Origin::Earlier(count) => {
                check_copy(path, &file, *member)?;
                units.by_ref().take(*count).for_each(drop);
            }
            Origin::Text(text) => {
                let mut bytes = Vec::new();
                let mut gzip = unpacked(&file, *member);
                gzip.read_to_end(&mut bytes).map_err(|error| unsound(path, error))?;
                check_end(path, gzip, zeros)?;
                if bytes != *text {
                    return Err(unsound(path, "it does not hold what was written"));
                }
            }
            Origin::Files(count) => {
                let mut archive = Archive::new(unpacked(&file, *member));
                let entries = archive.entries().map_err(|error| unsound(path, error))?.raw(true);
                let mut entries = Listed::new(path, entries);
                for (unit, item) in units.by_ref().take(*count) {
                    entries.file(unit, item, false)?;
                }
                entries.end()?;
                check_end(path, archive.into_inner(), zeros)?;
            }
        }
    }
    if units.next().is_some() || file.metadata().map_err(FsError::on("read", path))?.len() != at {
        return Err(unsound(path, "it does not end where it should"));
    }
    Ok(())
}

fn unpacked(file: &File, member: Member) -> GzDecoder<BufReader<Take<&File>>> {
    GzDecoder::new(BufReader::new(file.take(member.packed)))
}

/// A member has to end where it says; no more than so many zeros are left that tar does not read.
fn check_end(path: &Path, mut gzip: GzDecoder<BufReader<Take<&File>>>, zeros: u64) -> Outcome<()> {
    let mut is_zero = true;
    let rest = hash::copy(&mut gzip, |chunk| {
        is_zero &= chunk.iter().all(|byte| *byte == 0);
        Ok(())
    });
    let rest = rest.map_err(|error| unsound(path, error))?;
    let packed = gzip.into_inner();
    if !is_zero || rest > zeros || !packed.buffer().is_empty() || packed.get_ref().limit() > 0 {
        return Err(unsound(path, "something follows the end of a member"));
    }
    Ok(())
}

fn check_copy(path: &Path, file: &File, member: Member) -> Outcome<()> {
    let mut sum = Crc::new();
    let count = hash::copy(&mut file.take(member.packed), |chunk| {
        sum.update(chunk);
        Ok(())
    });
    let count = count.map_err(FsError::on("read", path))?;
    if (count, sum.sum()) == (member.packed, member.sum) {
        Ok(())
    } else {
        Err(unsound(path, "a part of it is not what was copied"))
    }
}

/// Writes down of what an archive is made up that was just checked. It is believed while that file is in
/// the state in which it is now.
pub fn remember(place: &Path, archive: &Path, made: &[Made]) -> Outcome<()> {
    let Some(line) = seal::line(archive) else { return Ok(()) };
    let mut text = format!("{HEADING}\n{line}\n");
    for Made { member: Member { packed, sum, plain }, .. } in made {
        text.push_str(&format!("{packed} {sum} {plain}\n"));
    }
    Ok(plain::publish(place, text.as_bytes(), Durability::Relaxed)?)
}

/// Returns of what an archive is made up, where that is known.
pub fn recall(place: &Path, archive: &Path) -> Outcome<Option<Vec<Member>>> {
    let text = plain::read_text(place)?.unwrap_or_default();
    let mut lines = text.lines();
    let is_known = lines.next() == Some(HEADING)
        && lines.next().is_some_and(|line| seal::line(archive).is_some_and(|now| now == line));
    Ok(lines.map(parse).collect::<Option<_>>().filter(|_| is_known))
}

fn parse(line: &str) -> Option<Member> {
    let mut words = line.split(' ');
    let packed = words.next()?.parse().ok()?;
    let sum = words.next()?.parse().ok()?;
    let plain = words.next()?.parse().ok()?;
    words.next().is_none().then_some(Member { packed, sum, plain })
}
