//! A home on a disk of its own that can lose its power: an ext4 image behind a loop device. Copying
//! the image without a sync takes what the disk holds and leaves what only memory holds; mounting
//! the copy replays the journal, as a machine does when it starts again.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};

use super::place::{self, Place};

/// Room enough for a home and its journal.
const SIZE: u64 = 32 << 20;

/// Another process that lists open files makes a disk busy for a moment.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// The disk of one machine.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    mount: PathBuf,
    is_mounted: Cell<bool>,
}

impl Disk {
    /// Makes a disk with the home of the machine under test in its present state, or says why
    /// there can be none. Only this thread sees it mounted, and what it starts, so that nothing
    /// stays mounted whatever becomes of the sweep.
    pub fn new(place: &Place) -> Result<Self, String> {
        unshare(CloneFlags::CLONE_NEWNS).map_err(|error| format!("unshare: {error}"))?;
        run("mount", &["--make-rprivate"], &[Path::new("/")])?;
        let mount = place.ec2().home;
        let disk =
            Self { folder: place.folder().join("disk"), mount, is_mounted: Cell::new(false) };
        place::remove(&disk.folder);
        fs::create_dir(&disk.folder).map_err(|error| error.to_string())?;
        let image = disk.image("pristine");
        let sized = fs::File::create(&image).and_then(|file| file.set_len(SIZE));
        sized.map_err(|error| error.to_string())?;
        let options = ["-q", "-F", "-m0", "-Jsize=4", "-Elazy_itable_init=0,lazy_journal_init=0"];
        run("mkfs.ext4", &options, &[&image])?;
        let scratch = disk.folder.join("mount");
        fs::create_dir(&scratch).map_err(|error| error.to_string())?;
        run("mount", &["-oloop"], &[&image, &scratch])?;
        place::copy(&disk.mount, &scratch);
        let_go(&scratch);
        Ok(disk)
    }

    fn image(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Puts the disk in place, in the state it was made in.
    pub fn mount_pristine(&self) {
        run("cp", &["--sparse=always"], &[&self.image("pristine"), &self.image("live")]).unwrap();
        self.mount("live");
    }

    /// Copies what the disk holds at this moment.
    pub fn cut(&self) {
        run("cp", &["--sparse=always"], &[&self.image("live"), &self.image("cut")]).unwrap();
    }

    /// Starts the machine again, with what the disk held.
    pub fn start_again(&self) {
        self.unmount();
        self.mount("cut");
    }

    /// Takes the disk away.
    pub fn unmount(&self) {
        if self.is_mounted.take() {
            let_go(&self.mount);
        }
    }

    /// Nothing is written by itself while a run lasts, so that a copy is of one moment.
    fn mount(&self, name: &str) {
        run("mount", &["-oloop,commit=600"], &[&self.image(name), &self.mount]).unwrap();
        self.is_mounted.set(true);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unmount();
        place::remove(&self.folder);
    }
}

/// Takes a disk away from where it is mounted. A run beside this one that asks who has which file open
/// holds it for a moment.
fn let_go(mount: &Path) {
    for _ in 0..TRIES {
        if run("umount", &[], &[mount]).is_ok() {
            return;
        }
        std::thread::sleep(PAUSE);
    }
    // Whoever still looks at it keeps it; nobody else sees it any more.
    run("umount", &["--lazy"], &[mount]).unwrap();
}

fn run(program: &str, options: &[&str], paths: &[&Path]) -> Result<(), String> {
    let output = Command::new(program)
        .args(options)
        .args(paths)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{program}: {}", said.trim())) }
}
