//! Decides what becomes of one unit, from its three versions alone.

use crate::unit::{BlobId, Kind, Mode, Sides, Version};

/// What a three-way merge of a unit's bytes came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merged {
    /// Both changes fit into one text, written as this blob.
    Clean(BlobId),
    /// The changes overlap.
    Overlapping,
    /// At least one version is not text.
    Binary,
    /// The user's attributes say that it is not to be merged.
    Forbidden,
    /// Both changes fit, but what comes out no longer parses in the file's format.
    Broken,
}

/// Why a unit waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contest {
    /// Both sides changed the same lines.
    Content,
    /// Both sides changed a file that is not text.
    Binary,
    /// Both sides changed a file that is not to be merged.
    Forbidden,
    /// Both changes together would not parse in the file's format.
    Format,
    /// Both sides brought a file of this name, and the two differ.
    BothAdded,
    /// One side made it a link, the other changed the file.
    LinkAgainstFile,
    /// Both sides set a different mode.
    Mode,
}

/// What becomes of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Both sides are the same.
    Settled,
    /// Only this machine changed it: upstream gets ours.
    Publish,
    /// Only upstream changed it: this machine gets theirs.
    Apply,
    /// Deleted on this machine and edited upstream: the edit wins and comes back.
    Revive,
    /// Edited on this machine and deleted upstream: the edit wins and stays.
    Outlive,
    /// Both sides changed it and the changes fit.
    Combine(Version),
    /// Both sides changed it and a person must choose.
    Hold(Contest),
}

/// Returns true when deciding needs the bytes merged first.
pub fn needs_merge(sides: Sides) -> bool {
    let (Some(ours), Some(theirs)) = (sides.ours, sides.theirs) else { return false };
    let versions = [sides.base, Some(ours), Some(theirs)];
    let are_files = versions.iter().flatten().all(|version| version.kind == Kind::File);
    let base = sides.base.map(|version| version.blob);
    are_files && ours.blob != theirs.blob && Some(ours.blob) != base && Some(theirs.blob) != base
}

/// Decides what becomes of one unit. A change on one side wins; changes on both must merge.
///
/// `merged` is what merging the bytes came to, where [`needs_merge`] asked for it.
pub fn decide(sides: Sides, merged: Option<Merged>) -> Decision {
    let Sides { base, ours, theirs } = sides;
    if ours == theirs {
        return Decision::Settled;
    }
    if theirs == base {
        return Decision::Publish;
    }
    if ours == base {
        return Decision::Apply;
    }
    match (base, ours, theirs) {
        (_, None, _) => Decision::Revive,
        (_, _, None) => Decision::Outlive,
        (None, Some(ours), Some(theirs)) => added(ours, theirs, merged),
        (Some(base), Some(ours), Some(theirs)) => contested(base, ours, theirs, merged),
    }
}

/// Both sides brought the file: equal bytes agree, with the narrower mode; so do bytes that were
/// merged without a base, as Git's `merge=union` can.
fn added(ours: Version, theirs: Version, merged: Option<Merged>) -> Decision {
    if ours.kind != theirs.kind {
        return Decision::Hold(Contest::LinkAgainstFile);
    }
    let blob = match merged {
        _ if ours.blob == theirs.blob => theirs.blob,
        Some(Merged::Clean(blob)) => blob,
        Some(Merged::Overlapping | Merged::Binary | Merged::Forbidden | Merged::Broken) | None => {
            return Decision::Hold(Contest::BothAdded);
        }
    };
    Decision::Combine(Version { mode: ours.mode.and(theirs.mode), blob, ..theirs })
}

fn contested(base: Version, ours: Version, theirs: Version, merged: Option<Merged>) -> Decision {
    if ours.kind != theirs.kind {
        return Decision::Hold(Contest::LinkAgainstFile);
    }
    let Some(mode) = pick(base.mode, ours.mode, theirs.mode) else {
        return Decision::Hold(Contest::Mode);
    };
    let blob = match pick(base.blob, ours.blob, theirs.blob) {
        Some(blob) => blob,
        None => match merged {
            Some(Merged::Clean(blob)) => blob,
            Some(Merged::Binary) => return Decision::Hold(Contest::Binary),
            Some(Merged::Forbidden) => return Decision::Hold(Contest::Forbidden),
            Some(Merged::Broken) => return Decision::Hold(Contest::Format),
            Some(Merged::Overlapping) | None => return Decision::Hold(Contest::Content),
        },
    };
    Decision::Combine(Version { kind: ours.kind, mode, blob })
}

/// Picks between three values as a merge does: the side that changed wins, both alike agree.
pub fn pick<T: PartialEq>(base: T, ours: T, theirs: T) -> Option<T> {
    if ours == theirs || theirs == base {
        return Some(ours);
    }
    (ours == base).then_some(theirs)
}

/// Merges the modes of a folder, where a person is not asked: two changes grant what both grant.
pub fn folder_mode(base: Mode, ours: Mode, theirs: Mode) -> Mode {
    pick(base, ours, theirs).unwrap_or(ours.and(theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter is one version: lower case 0644, upper case the same bytes 0600, `-` absent,
    /// `@` a link.
    fn version(letter: char) -> Option<Version> {
        let blob = BlobId([letter.to_ascii_lowercase() as u8; 20]);
        match letter {
            '-' => None,
            '@' => Some(Version::link(blob)),
            '!' => Some(Version::file(Mode::EXECUTABLE, BlobId([b'a'; 20]))),
            letter if letter.is_ascii_uppercase() => Some(Version::file(Mode(0o600), blob)),
            _ => Some(Version::file(Mode::FILE, blob)),
        }
    }

    fn check(letters: &str, merged: Option<Merged>, expected: Decision) {
        let mut sides = letters.split(' ').map(|word| version(word.chars().next().unwrap()));
        let mut next = || sides.next().unwrap();
        let sides = Sides { base: next(), ours: next(), theirs: next() };
        assert_eq!(decide(sides, merged), expected, "{letters}");
    }

    #[test]
    fn one_side_changed() {
        check("a a a", None, Decision::Settled);
        check("a b a", None, Decision::Publish);
        check("a - a", None, Decision::Publish);
        check("- b -", None, Decision::Publish);
        check("a a b", None, Decision::Apply);
        check("a a -", None, Decision::Apply);
        check("- - b", None, Decision::Apply);
        check("a A a", None, Decision::Publish);
        check("a a A", None, Decision::Apply);
    }

    #[test]
    fn both_sides_changed() {
        let clean = BlobId([9; 20]);
        let combined = Version::file(Mode::FILE, clean);
        check("a b b", None, Decision::Settled);
        check("a b c", Some(Merged::Overlapping), Decision::Hold(Contest::Content));
        check("a b c", Some(Merged::Binary), Decision::Hold(Contest::Binary));
        check("a b c", Some(Merged::Clean(clean)), Decision::Combine(combined));
        check("- b c", None, Decision::Hold(Contest::BothAdded));
        check("a @ b", None, Decision::Hold(Contest::LinkAgainstFile));
    }

    #[test]
    fn an_edit_wins_over_a_deletion() {
        check("a - b", None, Decision::Revive);
        check("a b -", None, Decision::Outlive);
        check("a - -", None, Decision::Settled);
    }

    #[test]
    fn mode_and_content_merge_apart() {
        check("a A b", None, Decision::Combine(version('B').unwrap()));
        check("a b A", None, Decision::Combine(version('B').unwrap()));
        check("a A !", None, Decision::Hold(Contest::Mode));
        check("- a A", None, Decision::Combine(version('A').unwrap()));
    }
}
