//! The blobs of Git's index, read as Git reads them: it does not hash all of an index to see whether it is
//! whole, which takes the library longer than all the rest. Whoever changes an index goes by what the library
//! says of it ([`super::index`]).

use std::collections::BTreeMap;

use cfgsync_core::path::RepoPath;
use cfgsync_core::unit::BlobId;

/// What an index starts with.
const MAGIC: &[u8; 4] = b"DIRC";

/// Bytes before the first entry: magic, version, how many entries there are.
const HEADER: usize = 12;

/// Bytes of an entry before its flags: the state of its file, and the blob.
const STATE: usize = 40;
const BLOB: usize = 20;

/// Bytes of the hash at the end.
const SUM: usize = 20;

/// The flag of an entry with more flags, and the bits for the length of its path.
const EXTENDED: u16 = 0x4000;
const LENGTH: u16 = 0x0fff;

/// Returns the blobs of an index; none for one that is not whole, or that is written in a way of its own,
/// of which the library knows more.
pub fn parse(bytes: &[u8]) -> Option<BTreeMap<RepoPath, BlobId>> {
    let (head, body) = bytes.split_at_checked(HEADER)?;
    let is_known = head.starts_with(MAGIC) && matches!(word(&head[4..])?, 2 | 3);
    let count = usize::try_from(word(&head[8..])?).ok().filter(|_| is_known)?;
    let mut rest = body.get(..body.len().checked_sub(SUM)?)?;
    let mut blobs = Vec::with_capacity(count.min(rest.len() / STATE));
    for _ in 0..count {
        let (path, blob, following) = entry(rest)?;
        rest = following;
        // What has no place in a working tree is nobody's unit.
        blobs.extend(RepoPath::new(path).ok().map(|path| (path, blob)));
    }
    are_optional(rest)?;
    Some(blobs.into_iter().collect())
}

/// Splits the first entry off: its path and blob, and what follows.
fn entry(bytes: &[u8]) -> Option<(&[u8], BlobId, &[u8])> {
    let blob = BlobId(*bytes.get(STATE..)?.first_chunk()?);
    let flags = u16::from_be_bytes(*bytes.get(STATE + BLOB..)?.first_chunk()?);
    let start = STATE + BLOB + if flags & EXTENDED == 0 { 2 } else { 4 };
    let after = bytes.get(start..)?;
    let length = match usize::from(flags & LENGTH) {
        length if length < usize::from(LENGTH) => length,
        _ => after.iter().position(|byte| *byte == 0)?,
    };
    let path = after.get(..length).filter(|_| after.get(length) == Some(&0))?;
    // One to eight zeros fill an entry up.
    let end = (start + length) / 8 * 8 + 8;
    Some((path, blob, bytes.get(end..)?))
}

/// Checks that what follows the entries adds nothing that they do not say themselves.
fn are_optional(mut extensions: &[u8]) -> Option<()> {
    while let Some((head, following)) = extensions.split_at_checked(8) {
        let size = usize::try_from(word(&head[4..])?).ok()?;
        extensions = following.get(size..).filter(|_| head[0].is_ascii_uppercase())?;
    }
    extensions.is_empty().then_some(())
}

fn word(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::{Command, Stdio};

    use git2::Index;

    use super::*;
    use crate::fs::plain;
    use crate::git::trees;

    /// Leaves a file that both sides changed.
    const MERGE: &str = "git commit -qm 1; git switch -qc o; echo 5 > a; git commit -qam 2; \
        git switch -q -; echo 6 > a; git commit -qam 3; git merge -q o || true";

    /// Makes an index with Git's own commands, and returns what is read of it, here and by the library.
    fn read(name: &str, script: &str) -> [Option<BTreeMap<RepoPath, BlobId>>; 2] {
        let folder = std::env::temp_dir().join(format!("cfgsync-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let start = "set -e; git init -q .; echo 1 > a; mkdir -p d/e; echo 2 > d/b; echo 3 > d/e/ü; git add .";
        let mut git = Command::new("sh");
        git.current_dir(&folder).args(["-c", &format!("{start}; {script}")]);
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", &folder).stdout(Stdio::null());
        for name in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{name}_NAME"), "a").env(format!("GIT_{name}_EMAIL"), "a@b");
        }
        assert!(git.status().unwrap().success(), "{script}");
        let place = folder.join(".git/index");
        let read = parse(&std::fs::read(&place).unwrap());
        let blobs = library(&place);
        plain::remove_draft(&folder).unwrap();
        [read, blobs]
    }

    fn library(place: &Path) -> Option<BTreeMap<RepoPath, BlobId>> {
        let index = Index::open(place).ok()?;
        let blob = |entry: git2::IndexEntry| {
            Some((RepoPath::new(entry.path).ok()?, trees::blob_id(entry.id)))
        };
        Some(index.iter().filter_map(blob).collect())
    }

    #[test]
    fn every_blob_is_read_as_the_library_reads_it() {
        let cases = [
            ("plain", "true", 3),
            ("extended", "echo 4 > n; git add -N n; git update-index --skip-worktree a", 4),
            ("committed", "git commit -qm 1; git update-index --untracked-cache; git status", 3),
            (
                "long",
                "git update-index --add --cacheinfo 100644,$(git hash-object a),$(printf %04100d 7)",
                4,
            ),
            ("merging", MERGE, 3),
            ("empty", "git rm -rq --cached .", 0),
        ];
        for (name, script, count) in cases {
            let [read, library] = read(name, script);
            assert_eq!(read.as_ref().map(BTreeMap::len), Some(count), "{name}");
            assert_eq!(read, library, "{name}");
        }
    }

    #[test]
    fn what_is_written_in_a_way_of_its_own_is_left_to_the_library() {
        let cases = [
            ("packed", "git update-index --index-version 4"),
            ("split", "git update-index --split-index"),
        ];
        for (name, script) in cases {
            assert_eq!(read(name, script)[0], None, "{name}");
        }
    }

    #[test]
    fn a_torn_index_is_none() {
        let mut bytes = [&MAGIC[..], &[0, 0, 0, 2, 0, 0, 0, 1], &[1; STATE + BLOB]].concat();
        bytes.extend([&[0, 3][..], b"a/b", &[0; 7], b"TREE", &[0, 0, 0, 1, 9], &[0; SUM]].concat());
        let blobs = BTreeMap::from([(RepoPath::new("a/b").unwrap(), BlobId([1; 20]))]);
        assert_eq!(parse(&bytes), Some(blobs));
        // Without the extension it is whole, too.
        let whole = bytes.len() - 9;
        for cut in (0..bytes.len()).filter(|cut| *cut != whole) {
            assert_eq!(parse(&bytes[..cut]), None, "{cut}");
        }
        bytes[0] = b'd';
        assert_eq!(parse(&bytes), None);
    }
}
