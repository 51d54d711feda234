//! Telling open shells that the light may have changed, with nobody waiting in between: each shell
//! reads a FIFO of its own, a bell, and all of them watch one more, the pulse, which has a writer
//! exactly as long as a sync runs. The kernel closes it for a run that is killed.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use crate::context::Places;
use crate::fs::dir::os;
use crate::fs::plain;

/// Held as long as a sync runs.
#[derive(Debug)]
pub struct Pulse {
    _writer: Option<File>,
}

impl Pulse {
    /// Begins. A system that makes no FIFO only makes shells wait for the deadline.
    pub fn begin(places: &Places) -> Self {
        let path = places.pulse();
        make(&path);
        // Opened for both, it waits for no reader, and stays as long as it is open here.
        Self { _writer: open(OpenOptions::new().read(true).write(true), &path) }
    }
}

/// How many bells wait for shells to come.
const SPARE_BELLS: usize = 8;

/// What the name of a bell begins with that no shell has yet.
const SPARE: &str = "spare.";

/// Leaves bells for shells to come: a shell can rename a FIFO without starting a process, and cannot
/// make one.
pub fn leave_bells(places: &Places) {
    let folder = places.bells();
    if plain::make_private(&folder).is_ok() {
        for number in 0..SPARE_BELLS {
            make(&folder.join(format!("{SPARE}{number}")));
        }
    }
}

/// Rings in every open shell, and removes the bells of those that are gone. What goes wrong here
/// only makes a prompt learn it later.
pub fn ring(places: &Places) {
    let folder = places.bells();
    for name in plain::names(&folder).unwrap_or_default() {
        if name.starts_with(SPARE.as_bytes()) {
            continue;
        }
        let path = folder.join(os(&name));
        match open(OpenOptions::new().write(true), &path) {
            // A bell that nobody heard yet is full enough.
            Some(mut bell) => drop(bell.write(b"\n")),
            None if is_fifo(&path) => drop(plain::remove(&path)),
            None => {}
        }
    }
}

/// Makes a FIFO, unless something is there.
fn make(path: &Path) {
    if !is_fifo(path) {
        // Whatever else is there stays, and nobody is told by it.
        let _ = nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR);
    }
}

/// Opens a FIFO without waiting for its other end; none where it has none.
fn open(options: &mut OpenOptions, path: &Path) -> Option<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
    if !is_fifo(path) {
        return None;
    }
    options.custom_flags(flags.bits()).open(path).ok()
}

fn is_fifo(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_fifo())
}
