//! Compares a list with the disk, row by row.

use std::path::{Path, PathBuf};

use super::rows::{Entry, NOTHING, Row, state};
use crate::fs::dir::{Dir, os};

/// How much may have changed for a look to go on from a list.
pub const MOST: usize = 256;

/// How many bytes of rows are worth a thread of their own.
const WORTH_A_THREAD: usize = 128 * 1024;

/// What does not stand as it was, or cannot be trusted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touch {
    /// A folder whose names may be others.
    Folder(PathBuf),
    /// A name in a folder.
    Name(PathBuf),
}

/// Returns what of the rows does not stand as it was; none where that is more than `most`, or more than
/// one file or folder can tell.
pub fn compare(rows: &[u8], most: usize) -> Option<Vec<Touch>> {
    let (first, second) = halves(rows);
    if second.is_empty() {
        return part(first, most);
    }
    let (first, second) = std::thread::scope(|scope| {
        let second = scope.spawn(|| part(second, most));
        (part(first, most), second.join().ok().flatten())
    });
    let touched = [first?, second?].concat();
    (touched.len() <= most).then_some(touched)
}

/// Cuts rows where a folder begins; the second part is empty where they are too few.
fn halves(rows: &[u8]) -> (&[u8], &[u8]) {
    let mut rest = rows;
    while let Some((entry, following)) = Entry::split(rest) {
        if entry.row.is_folder() && rows.len() - rest.len() >= rows.len() / 2 {
            break;
        }
        rest = following;
    }
    if rows.len() < WORTH_A_THREAD { (rows, &[]) } else { rows.split_at(rows.len() - rest.len()) }
}

fn part(mut rows: &[u8], most: usize) -> Option<Vec<Touch>> {
    let mut folder: Option<Dir> = None;
    let mut touched = Vec::new();
    while let Some((entry, rest)) = Entry::split(rows) {
        rows = rest;
        match entry.row {
            Row::Folder | Row::Root | Row::Way => {
                let path = Path::new(os(entry.name));
                let dir = open(path, entry.row)?;
                let found = state(dir.own_stat().ok()?);
                folder = Some(dir);
                if entry.is_racy || found != entry.state {
                    // With which mode it stands, the folder above it tells.
                    let is_other = entry.row != Row::Way && !entry.has_mode_of(&found);
                    if is_other || !entry.is_same_folder(&found) {
                        return None;
                    }
                    // What else is in a folder on the way is of no interest.
                    touched.extend((entry.row != Row::Way).then(|| Touch::Folder(path.to_owned())));
                }
            }
            Row::Name => {
                let dir = folder.as_ref()?;
                let found = dir.stat(entry.name).ok()?.map_or(NOTHING, state);
                if entry.is_racy || found != entry.state {
                    touched.push(Touch::Name(dir.join(entry.name)));
                }
            }
            Row::Absent => {
                if folder.as_ref()?.stat(entry.name).ok()?.is_some() {
                    return None;
                }
            }
            Row::Ignored => {}
        }
        if touched.len() > most {
            return None;
        }
    }
    rows.is_empty().then_some(touched)
}

fn open(path: &Path, row: Row) -> Option<Dir> {
    if row == Row::Root { Dir::open(path) } else { Dir::open_itself(path) }.ok()
}
