//! The prompt on the standard library: every system, and every build that is not `bare`.

use std::env;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use memmap2::MmapOptions;

use crate::answer::{System, answer};
use crate::request::{Asked, HELP, Request, USAGE, VERSION, Variables, asked};
use crate::status::read::LENGTH;
use crate::status::segment::Text;
use crate::status::truth::Disk;
use crate::status::watch::Stat;
use crate::time::UnixTime;

/// Does what the command line asks.
pub fn run() -> ExitCode {
    let arguments: Vec<CString> = env::args_os().skip(1).filter_map(word).collect();
    let print = |text: &[u8]| {
        // A reader that left early is no error of ours.
        let _ = io::stdout().write_all(text);
        ExitCode::SUCCESS
    };
    let mut request = Request::default();
    match asked(arguments.iter().map(CString::as_c_str), &mut request) {
        Asked::Help => print(HELP.as_bytes()),
        Asked::Version => print(VERSION.as_bytes()),
        Asked::Misuse(what, argument) => {
            let told = [b"cfgsync-prompt: ", what.as_bytes(), argument, USAGE.as_bytes()].concat();
            let _ = io::stderr().write_all(&told);
            ExitCode::from(2)
        }
        Asked::Segment => {
            survive_truncation();
            if let Some(bell) = request.bell {
                make_bell(bell);
            }
            let variables = ["CFGSYNC_RECORD", "XDG_STATE_HOME", "HOME"].map(variable);
            let [record, state, home] = variables.each_ref().map(Option::as_deref);
            let mut text = Text::default();
            answer(&Host, &request, || Variables { record, state, home }, &mut text);
            print(text.bytes())
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where the prompt reads its environment")]
fn variable(name: &str) -> Option<CString> {
    env::var_os(name).and_then(word)
}

/// Returns a word as the system has it: it ends in a zero byte, and has no other.
fn word(word: OsString) -> Option<CString> {
    CString::new(word.into_vec()).ok()
}

/// A file that is cut while it is mapped ends the process by a signal; it ends quietly instead.
#[expect(unsafe_code, reason = "there is no safe way to set a signal handler")]
fn survive_truncation() {
    extern "C" fn leave(_: libc::c_int) {
        // SAFETY: `_exit` may be called at any time, also here.
        unsafe { libc::_exit(0) }
    }
    let leave: extern "C" fn(libc::c_int) = leave;
    // SAFETY: the handler calls nothing but `_exit`.
    unsafe { libc::signal(libc::SIGBUS, leave as libc::sighandler_t) };
}

/// Makes a FIFO that only its owner may use; one that is there is fine.
#[expect(unsafe_code, reason = "the standard library makes no FIFO")]
fn make_bell(path: &CStr) {
    // SAFETY: the path ends in a zero byte.
    unsafe { libc::mkfifo(path.as_ptr(), 0o600) };
}

/// This computer.
struct Host;

fn path(name: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(name.to_bytes()))
}

/// Opens a regular file; nothing else is waited for.
fn open(path: &Path) -> Option<File> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

impl Disk for Host {
    type Base = PathBuf;

    fn base(&self, name: &CStr) -> Option<PathBuf> {
        let path = path(name);
        path.is_dir().then(|| path.to_owned())
    }

    fn stat(&self, base: &PathBuf, name: &CStr) -> Option<Stat> {
        let found = fs::symlink_metadata(base.join(path(name))).ok()?;
        let ns = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
        Some(Stat {
            ino: found.ino(),
            size: found.size(),
            mtime: ns(found.mtime(), found.mtime_nsec()),
            ctime: ns(found.ctime(), found.ctime_nsec()),
            mode: u16::try_from(found.mode() & 0xFFFF).unwrap_or(0),
        })
    }

    fn read(&self, base: &PathBuf, name: &CStr, take: &mut dyn FnMut(&[u8])) -> bool {
        let Some(mut file) = open(&base.join(path(name))) else { return false };
        let mut part = [0; 8192];
        loop {
            match file.read(&mut part) {
                Ok(0) => return true,
                Ok(length) => take(&part[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    fn target(&self, base: &PathBuf, name: &CStr, take: &mut dyn FnMut(&[u8])) -> bool {
        let target = fs::read_link(base.join(path(name)));
        target.map(|target| take(target.as_os_str().as_bytes())).is_ok()
    }

    fn names(&self, base: &PathBuf, name: &CStr, take: &mut dyn FnMut(&[u8])) -> bool {
        let Ok(entries) = fs::read_dir(base.join(path(name))) else { return false };
        for entry in entries {
            match entry {
                Ok(entry) => take(entry.file_name().as_bytes()),
                Err(_) => return false,
            }
        }
        true
    }
}

impl System for Host {
    fn record(&self, path: &CStr) -> Option<[u8; LENGTH]> {
        self.map(path, |bytes| bytes.try_into().ok())?
    }

    #[expect(unsafe_code, reason = "mapping a file is beyond what the compiler can check")]
    fn map<T>(&self, name: &CStr, show: impl FnOnce(&[u8]) -> T) -> Option<T> {
        // Looking before opening, because opening a device may do something.
        let file = fs::metadata(path(name)).ok()?.is_file().then(|| open(path(name)))??;
        // SAFETY: the engine never writes these files in place: it publishes a new one with
        // `rename`, so the mapped one keeps its bytes and its length. Where somebody else cuts it,
        // the process ends; where somebody writes to it, a checksum fails.
        let map = unsafe { MmapOptions::new().map(&file) }.ok()?;
        Some(show(&map))
    }

    #[expect(clippy::disallowed_methods, reason = "this is where the prompt reads the clock")]
    fn now(&self) -> Option<UnixTime> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        u64::try_from(since.as_millis()).ok().map(UnixTime)
    }

    fn small<'a>(&self, name: &CStr, room: &'a mut [u8]) -> Option<&'a [u8]> {
        let length = open(path(name))?.read(room).ok()?;
        room.get(..length)
    }
}
