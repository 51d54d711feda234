//! Files of cfgsync's own that become durable together: the disk is waited for twice, however many they
//! are.
//!
//! All of them are written under names of their own, made durable side by side, and only then given their
//! names, in the order in which they came; then those names are made durable side by side. A file
//! system answers many such calls at once with one write to the disk. What names others gets its name a
//! turn later, once theirs are durable.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{FsError, lanes, plain};

/// Files that wait for their names.
#[derive(Debug, Default)]
pub struct Group {
    drafts: Vec<Draft>,
    /// The drafts, to be made durable under their paths.
    files: Vec<(File, PathBuf)>,
    others: Vec<(File, PathBuf)>,
    folders: BTreeSet<(u32, PathBuf)>,
    /// In which turn what comes next gets its name.
    turn: u32,
}

#[derive(Debug)]
struct Draft {
    path: PathBuf,
    place: PathBuf,
    turn: u32,
}

impl Group {
    /// Writes a file under the name of its draft. Nobody else uses that name; what a killed run left
    /// there is removed.
    pub fn add(
        &mut self,
        place: PathBuf,
        draft: PathBuf,
        bytes: &[u8],
        mode: u32,
    ) -> Result<(), FsError> {
        match self.lock(place.clone(), draft.clone(), bytes, mode) {
            Err(error) if error.is(io::ErrorKind::AlreadyExists) => {
                plain::remove(&draft)?;
                self.lock(place, draft, bytes, mode)
            }
            written => written,
        }
    }

    /// Writes a file under a name that others use too: one that is there is an error.
    pub fn lock(
        &mut self,
        place: PathBuf,
        draft: PathBuf,
        bytes: &[u8],
        mode: u32,
    ) -> Result<(), FsError> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode);
        let mut file = options.open(&draft).map_err(FsError::on("create", &draft))?;
        let written = file.write_all(bytes).map_err(FsError::on("write", &draft));
        self.files.push((file, draft.clone()));
        self.drafts.push(Draft { path: draft, place, turn: self.turn });
        written
    }

    /// Lets what comes from here on have its name only once what came before has its own for good.
    pub fn then(&mut self) {
        self.turn += 1;
    }

    /// Returns true where no file waits in it.
    pub fn is_empty(&self) -> bool {
        self.drafts.is_empty() && self.others.is_empty()
    }

    /// Makes a file durable with the others, under the name it has.
    pub fn also(&mut self, path: PathBuf) -> Result<(), FsError> {
        let file = File::open(&path).map_err(FsError::on("open", &path))?;
        self.others.push((file, path));
        Ok(())
    }

    /// Makes a folder, with the mode that the umask leaves, where it is missing.
    pub fn make_folder(&mut self, folder: &Path) -> Result<(), FsError> {
        match fs::create_dir(folder) {
            Ok(()) => {
                self.note_folder(self.turn, folder);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(FsError::on("create", folder)(error)),
        }
    }

    /// Makes everything durable, and gives each file its name.
    #[expect(clippy::disallowed_methods, reason = "drafts of cfgsync's own, which are durable")]
    pub fn publish(mut self) -> Result<(), FsError> {
        let drafts = std::mem::take(&mut self.files);
        let others = std::mem::take(&mut self.others);
        lanes::sync_all(drafts.into_iter().chain(others).collect())?;
        // What has its name is no draft any more: under a lock's name another Git may have its own by then.
        self.drafts.reverse();
        for turn in 0..=self.turn {
            while let Some(Draft { path, place, .. }) =
                self.drafts.last().filter(|it| it.turn == turn)
            {
                fs::rename(path, place).map_err(FsError::on("replace", place))?;
                let place = place.clone();
                self.note_folder(turn, &place);
                self.drafts.pop();
            }
            let folders = self.folders.iter().filter(|(known, _)| *known == turn);
            sync_folders(folders.map(|(_, folder)| folder))?;
        }
        Ok(())
    }

    /// Notes that a name in the folder of a path is to be durable at the end of a turn.
    fn note_folder(&mut self, turn: u32, path: &Path) {
        self.folders.extend(path.parent().map(|folder| (turn, folder.to_path_buf())));
    }
}

impl Drop for Group {
    /// What did not get its name goes again.
    fn drop(&mut self) {
        for Draft { path, .. } in &self.drafts {
            // Only tidying: the error that led here is the one that counts.
            let _ = plain::remove(path);
        }
    }
}

/// Makes the names in folders durable.
fn sync_folders<'a>(folders: impl Iterator<Item = &'a PathBuf>) -> Result<(), FsError> {
    let open = |path: &PathBuf| {
        File::open(path).map(|file| (file, path.clone())).map_err(FsError::on("open", path))
    };
    lanes::sync_all(folders.map(open).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_get_their_names_or_none_leaves_a_draft() {
        let folder = std::env::temp_dir().join(format!("cfgsync-group-{}", std::process::id()));
        let place = |name: &str| folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        let mut group = Group::default();
        group.make_folder(&place("in")).unwrap();
        for number in 0..40 {
            let name = format!("in/{number}");
            group.add(place(&name), place(&format!("draft{number}")), &[number], 0o600).unwrap();
        }
        group.publish().unwrap();
        assert_eq!(fs::read(place("in/39")).unwrap(), [39]);
        let mut group = Group::default();
        group.add(place("there"), place("draft"), b"x", 0o600).unwrap();
        group.add(place("missing/there"), place("other"), b"x", 0o600).unwrap();
        assert!(group.publish().is_err());
        assert!(!place("draft").exists() && !place("other").exists());
        assert!(place("there").exists(), "what came before it has its name");
        plain::remove_draft(&folder).unwrap();
    }
}
