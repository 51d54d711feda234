//! Makes the rows of a look that went on from an older list out of that list: folders that something was
//! looked at again in have new rows, and all others the rows that they had.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cfgsync_core::path::EXTERNAL;

use super::list::{Expected, Looked, NotStill, live, seen};
use super::rows::{Entry, Read, Row, add};
use super::{HEADER, Kept};
use crate::fs::dir::os;

/// What is expected in a folder that something was looked at again in.
#[derive(Debug, Default)]
struct Fresh {
    /// The row of the folder itself, where its names were listed.
    own: Option<Vec<u8>>,
    /// The rows of the names in it.
    names: Vec<u8>,
}

/// These folders, by their paths.
#[derive(Debug, Default)]
struct FreshOnes(BTreeMap<Vec<u8>, Fresh>);

/// Returns the rows of every folder and of what is in it; none where only all that was seen can tell.
pub(super) fn rows(looked: Looked<'_>, kept: &Kept) -> Option<Vec<u8>> {
    let again = looked.observer.looked_again_at()?;
    let above = looked.manifest.0.parent();
    let mut fresh = FreshOnes::of(again.iter().map(Path::new).chain(above));
    fresh.fill(looked).ok()?;
    let rows = merged(kept.bytes.get(HEADER..)?, &fresh)?;
    let Looked { local, manifest: (_, stat), .. } = looked;
    let expected = local.stored.units.len() + local.live.len() + usize::from(stat.is_some());
    (count_names(&rows) == expected).then_some(rows)
}

impl FreshOnes {
    fn of<'a>(folders: impl Iterator<Item = &'a Path>) -> Self {
        let bytes = |folder: &Path| folder.as_os_str().as_encoded_bytes().to_vec();
        Self(folders.map(|folder| (bytes(folder), Fresh::default())).collect())
    }

    /// Adds what is expected of each of these folders and in it, in the order of a whole list.
    fn fill(&mut self, looked: Looked<'_>) -> Result<(), NotStill> {
        let Looked { places, observer, local, manifest: (path, stat) } = looked;
        for listed in observer.listed().iter() {
            let path = listed.path.as_os_str().as_encoded_bytes();
            let Some(fresh) = self.0.get_mut(path) else { continue };
            let (row, read) = (Row::of_listed(listed, places), Read::Names(listed.names));
            let mut own = Vec::new();
            add(&mut own, row, path, Some(listed.stat), read).ok_or(NotStill)?;
            fresh.own = Some(own);
        }
        let stored = local.stored.units.keys().map(|unit| (unit.as_bytes(), unit));
        let at_repo = |folder: &[u8]| Some(place(&places.repo, folder));
        self.add_names(stored, at_repo, |unit| {
            seen(observer, &places.repo.join(os(unit.as_bytes())))
        })?;
        let above = path.parent().map(|folder| folder.as_os_str().as_encoded_bytes());
        if let (Some(fresh), Some(name)) =
            (above.and_then(|it| self.0.get_mut(it)), path.file_name())
        {
            let row = Row::of(stat);
            add(&mut fresh.names, row, name.as_encoded_bytes(), stat, Read::Nothing)
                .ok_or(NotStill)?;
        }
        let lives = local.live.iter().map(|(unit, live)| (unit.as_bytes(), (unit, *live)));
        let at_home = |folder: &[u8]| {
            let below = folder.strip_prefix(EXTERNAL.as_bytes())?;
            Some(place(&places.home, below.strip_prefix(b"/").unwrap_or(below)))
        };
        self.add_names(lives, at_home, |(unit, it)| {
            live(places, observer, unit, it).map(|(_, seen)| seen)
        })
    }

    /// Adds what is expected of those units that are in one of these folders, by their paths; `place` is
    /// where a folder of units is.
    fn add_names<'a, U>(
        &mut self,
        units: impl Iterator<Item = (&'a [u8], U)>,
        place: impl Fn(&[u8]) -> Option<PathBuf>,
        seen: impl Fn(U) -> Result<Expected, NotStill>,
    ) -> Result<(), NotStill> {
        // Most units are in the folder of the one before, and few folders are here.
        let mut last: Option<(&[u8], bool)> = None;
        let mut path = Vec::new();
        for (bytes, unit) in units {
            let cut = bytes.iter().rposition(|byte| *byte == b'/');
            let folder = &bytes[..cut.unwrap_or(0)];
            let is_here = match last {
                Some((last, is_here)) if last == folder => is_here,
                _ => {
                    path = place(folder).ok_or(NotStill)?.into_os_string().into_encoded_bytes();
                    self.0.contains_key(&path)
                }
            };
            last = Some((folder, is_here));
            if !is_here {
                continue;
            }
            let Some(fresh) = self.0.get_mut(&path) else { continue };
            let name = &bytes[cut.map_or(0, |cut| cut + 1)..];
            let (stat, read) = seen(unit)?;
            add(&mut fresh.names, Row::of(stat), name, stat, read).ok_or(NotStill)?;
        }
        Ok(())
    }
}

fn place(root: &Path, below: &[u8]) -> PathBuf {
    if below.is_empty() { root.to_owned() } else { root.join(os(below)) }
}

/// Returns older rows, with those of the fresh folders in place of what they had, and without those of
/// no folder. None where that is not all: where folders came or went, or lead to a file for the first time or
/// no more, and where rows that are not to be trusted were not looked at again.
fn merged(old: &[u8], fresh: &FreshOnes) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(old.len());
    let (mut rest, mut met) = (old, 0);
    // The rows of the names in this folder, and whether it had any before.
    let mut here: Option<(&Fresh, bool)> = None;
    let is_like_before = |here: Option<(&Fresh, bool)>| {
        here.is_none_or(|(fresh, had_names)| fresh.names.is_empty() != had_names)
    };
    while let Some((entry, following)) = Entry::split(rest) {
        let (row, is_known) = (&rest[..rest.len() - following.len()], !entry.is_racy);
        rest = following;
        if entry.row.is_folder() {
            if !is_like_before(here) {
                return None;
            }
            here = fresh.0.get(entry.name).map(|fresh| (fresh, false));
        }
        match &mut here {
            _ if entry.row == Row::Ignored => {}
            None => bytes.extend(is_known.then_some(row)?),
            Some((fresh, _)) if entry.row.is_folder() => {
                met += 1;
                bytes.extend(fresh.own_row(entry.row, row)?);
                bytes.extend(&fresh.names);
            }
            Some((_, had_names)) => *had_names = true,
        }
    }
    (rest.is_empty() && is_like_before(here) && met == fresh.0.len()).then_some(bytes)
}

impl Fresh {
    /// Returns the row of the folder itself, given the one it had; none where it is no folder of the same
    /// kind any more.
    fn own_row<'a>(&'a self, kind: Row, before: &'a [u8]) -> Option<&'a [u8]> {
        match &self.own {
            Some(own) => (Entry::split(own)?.0.row == kind).then_some(own),
            None => (kind == Row::Way).then_some(before),
        }
    }
}

fn count_names(mut rows: &[u8]) -> usize {
    let mut count = 0;
    while let Some((entry, rest)) = Entry::split(rows) {
        count += usize::from(entry.row == Row::Name);
        rows = rest;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::super::rows::mark_racy;
    use super::*;
    use crate::fs::dir::{Stat, StatKind};
    use cfgsync_core::unit::Mode;

    /// Rows as a text has them: folders with a slash or, on the way to something, a colon behind them,
    /// names with the time of their change, ignored paths with an exclamation mark.
    fn rows(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in text.split_whitespace() {
            let (row, name, time) = if let Some(name) = word.strip_suffix('/') {
                (Row::Folder, name, 1)
            } else if let Some(name) = word.strip_suffix(':') {
                (Row::Way, name, 1)
            } else if let Some(name) = word.strip_suffix('!') {
                (Row::Ignored, name, 0)
            } else {
                let (name, time) = word.split_once('@').unwrap();
                (Row::Name, name, time.parse().unwrap())
            };
            let kind = if row == Row::Name { StatKind::File } else { StatKind::Folder };
            let (mode, exact, mtime, ctime) = (Mode::FILE, Mode::FILE, time, time);
            let stat = Stat { dev: 1, ino: 2, size: 3, mtime, ctime, mode, exact, kind };
            let stat = (row != Row::Ignored).then_some(stat);
            add(&mut bytes, row, name.as_bytes(), stat, Read::Nothing).unwrap();
        }
        bytes
    }

    /// Fresh folders, each of which has the rows of a text.
    fn fresh(folders: &[(&str, &str)]) -> FreshOnes {
        let folder = |(path, text): &(&str, &str)| {
            let own = path.ends_with('/').then(|| rows(path));
            let path = path.trim_end_matches(['/', ':']);
            (path.as_bytes().to_vec(), Fresh { own, names: rows(text) })
        };
        FreshOnes(folders.iter().map(folder).collect())
    }

    const OLD: &str = "/r/ a@1 b@1 /r/e/ /r/f/ a@1 c@1 /w: x@1 y@1 r/f/o! r/f/p!";

    #[test]
    fn what_was_looked_at_again_has_new_rows_and_the_rest_its_old_ones() {
        let all = [("/r/f/", "a@2 b@2"), ("/w:", "y@3"), ("/r/e/", "")];
        let merged = merged(&rows(OLD), &fresh(&all));
        let expected = rows("/r/ a@1 b@1 /r/e/ /r/f/ a@2 b@2 /w: y@3");
        assert_eq!(merged, Some(expected));
    }

    #[test]
    fn folders_that_come_or_go_take_a_whole_list() {
        let others = [
            ("/n/", "a@2"),
            ("/r/f", "a@2"),
            ("/w/", "x@2"),
            ("/w:", ""),
            ("/r/e/", "a@2"),
            ("/r/f/", ""),
        ];
        for other in others {
            assert_eq!(merged(&rows(OLD), &fresh(&[other])), None, "{other:?}");
        }
        assert_eq!(merged(&rows(OLD)[..40], &fresh(&[])), None);
    }

    #[test]
    fn rows_that_are_not_to_be_trusted_are_taken_from_nowhere() {
        let mut old = rows("/r/ a@1 b@9 /r/f/ c@1");
        mark_racy(&mut old, 9);
        assert_eq!(merged(&old, &fresh(&[("/r/f/", "c@2")])), None);
        let merged = merged(&old, &fresh(&[("/r/", "a@1 b@9")]));
        assert_eq!(merged, Some(rows("/r/ a@1 b@9 /r/f/ c@1")));
    }

    #[test]
    fn names_are_added_to_their_own_folder_alone() {
        let units = ["a", "external/h/a", "external/h/b", "external/ha/a", "external/i"];
        let mut all = FreshOnes::of([Path::new("/h"), Path::new("/h/h")].into_iter());
        let at_home = |folder: &[u8]| {
            let below = folder.strip_prefix(EXTERNAL.as_bytes()).unwrap_or(b"/elsewhere");
            Some(place(Path::new("/h"), below.strip_prefix(b"/").unwrap_or(below)))
        };
        let seen = |_| Ok((None, Read::Nothing));
        let paths = units.iter().map(|unit| (unit.as_bytes(), unit));
        assert!(all.add_names(paths, at_home, seen).is_ok());
        let names = |folder: &[u8]| {
            let (mut rows, mut names) = (&all.0[folder].names[..], Vec::new());
            while let Some((entry, rest)) = Entry::split(rows) {
                names.push(String::from_utf8_lossy(entry.name).into_owned());
                rows = rest;
            }
            names
        };
        assert_eq!([names(b"/h"), names(b"/h/h")], [vec!["i"], vec!["a", "b"]]);
    }
}
