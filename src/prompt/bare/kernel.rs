//! What is asked of the Linux kernel, call by call.

use core::arch::asm;
use core::ffi::CStr;
use core::slice;

use crate::answer::System;
use crate::status::read::LENGTH;
use crate::status::truth::Disk;
use crate::status::watch::Stat;
use crate::time::UnixTime;

#[cfg(target_arch = "x86_64")]
mod call {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const CLOSE: usize = 3;
    pub const LSEEK: usize = 8;
    pub const MMAP: usize = 9;
    pub const SIGACTION: usize = 13;
    pub const GETDENTS: usize = 217;
    pub const CLOCK: usize = 228;
    pub const EXIT: usize = 231;
    pub const OPEN: usize = 257;
    pub const MKNOD: usize = 259;
    pub const STAT: usize = 262;
    pub const READLINK: usize = 267;
}

#[cfg(target_arch = "aarch64")]
mod call {
    pub const MKNOD: usize = 33;
    pub const OPEN: usize = 56;
    pub const CLOSE: usize = 57;
    pub const GETDENTS: usize = 61;
    pub const LSEEK: usize = 62;
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const READLINK: usize = 78;
    pub const STAT: usize = 79;
    pub const EXIT: usize = 94;
    pub const CLOCK: usize = 113;
    pub const SIGACTION: usize = 134;
    pub const MMAP: usize = 222;
}

/// Where `openat` and its like start from, unless at a folder.
const HERE: usize = (-100_isize).cast_unsigned();
const NOFOLLOW: usize = 0x100;
const EMPTY_PATH: usize = 0x1000;
const O_NONBLOCK: usize = 0o4000;
const O_CLOEXEC: usize = 0o2_000_000;
const O_PATH: usize = 0o10_000_000;
#[cfg(target_arch = "x86_64")]
const O_DIRECTORY: usize = 0o200_000;
#[cfg(target_arch = "aarch64")]
const O_DIRECTORY: usize = 0o40_000;
const SIGBUS: usize = 7;
const RESTORER: usize = 0x0400_0000;
/// A FIFO that only its owner may use.
const BELL: usize = 0o010_600;

/// Writes a text; a reader that left early is no error of ours.
pub fn print(descriptor: usize, text: &[u8]) {
    if !text.is_empty() {
        system([call::WRITE, descriptor, text.as_ptr().addr(), text.len(), 0, 0, 0]);
    }
}

/// Ends the process.
pub fn exit(status: usize) -> ! {
    loop {
        system([call::EXIT, status, 0, 0, 0, 0, 0]);
    }
}

extern "C" fn leave() -> ! {
    exit(0)
}

/// A file that is cut while it is mapped ends the process by a signal; it ends quietly instead.
fn survive_truncation() {
    let leave = (leave as extern "C" fn() -> !) as usize;
    let action = [leave, RESTORER, leave, 0];
    system([call::SIGACTION, SIGBUS, action.as_ptr().addr(), 0, 8, 0, 0]);
}

/// Makes a FIFO that only its owner may use; one that is there is fine.
pub fn make_bell(path: &CStr) {
    system([call::MKNOD, HERE, path.as_ptr().addr(), BELL, 0, 0, 0]);
}

/// Calls the kernel: the call's number and its six arguments. What it returns below zero is an error.
fn system(call: [usize; 7]) -> isize {
    let result: isize;
    // SAFETY: every caller passes what its call takes, and no call changes memory that Rust counts
    // on to stay: those that write do so into buffers that are borrowed for it.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") call[0] => result,
            in("rdi") call[1], in("rsi") call[2], in("rdx") call[3],
            in("r10") call[4], in("r8") call[5], in("r9") call[6],
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            "svc 0",
            in("x8") call[0], inlateout("x0") call[1] => result,
            in("x1") call[2], in("x2") call[3], in("x3") call[4],
            in("x4") call[5], in("x5") call[6],
            options(nostack),
        );
    }
    result
}

/// An open file, closed when it is no longer used.
pub struct Open(usize);

impl Open {
    fn at(folder: usize, path: &CStr, flags: usize) -> Option<Self> {
        let flags = flags | O_CLOEXEC;
        let opened = system([call::OPEN, folder, path.as_ptr().addr(), flags, 0, 0, 0]);
        usize::try_from(opened).ok().map(Self)
    }

    /// Returns true for a regular file: reading another may never end.
    fn is_regular(&self) -> bool {
        stat(self.0, c"", EMPTY_PATH).is_some_and(|stat| stat.mode & 0o170_000 == 0o100_000)
    }

    fn read(&self, room: &mut [u8]) -> Option<usize> {
        let at = room.as_mut_ptr().expose_provenance();
        usize::try_from(system([call::READ, self.0, at, room.len(), 0, 0, 0])).ok()
    }

    /// Maps the file; none for what is no regular file, and for an empty one.
    fn map<'a>(&self) -> Option<&'a [u8]> {
        let length = usize::try_from(system([call::LSEEK, self.0, 0, 2, 0, 0, 0])).ok()?;
        if length == 0 {
            return None;
        }
        // Read only, private.
        let map = usize::try_from(system([call::MMAP, 0, length, 1, 2, self.0, 0])).ok()?;
        let at = core::ptr::with_exposed_provenance(map);
        // SAFETY: the kernel mapped that many bytes, and they stay until the process ends. Where
        // the file is cut meanwhile, a signal ends the process.
        Some(unsafe { slice::from_raw_parts(at, length) })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        system([call::CLOSE, self.0, 0, 0, 0, 0, 0]);
    }
}

/// This computer.
pub struct Kernel;

/// Opens what is to be read; a FIFO or a device is not waited for.
fn open(folder: usize, path: &CStr) -> Option<Open> {
    Open::at(folder, path, O_NONBLOCK)
}

fn stat(folder: usize, name: &CStr, flags: usize) -> Option<Stat> {
    let mut raw = [0_u64; 18];
    let at = raw.as_mut_ptr().expose_provenance();
    let result = system([call::STAT, folder, name.as_ptr().addr(), at, flags, 0, 0]);
    let ns = |at: usize| {
        let seconds = raw[at].cast_signed();
        seconds.saturating_mul(1_000_000_000).saturating_add(raw[at + 1].cast_signed())
    };
    // `struct stat` of both architectures, in words of eight bytes.
    let mode = if cfg!(target_arch = "x86_64") { raw[3] } else { raw[2] };
    let bytes = mode.to_le_bytes();
    (result == 0).then(|| Stat {
        ino: raw[1],
        size: raw[6],
        mtime: ns(11),
        ctime: ns(13),
        mode: u16::from_le_bytes([bytes[0], bytes[1]]),
    })
}

impl Disk for Kernel {
    type Base = Open;

    fn base(&self, path: &CStr) -> Option<Open> {
        Open::at(HERE, path, O_PATH | O_DIRECTORY)
    }

    fn stat(&self, base: &Open, name: &CStr) -> Option<Stat> {
        stat(base.0, name, NOFOLLOW)
    }

    fn read(&self, base: &Open, name: &CStr, take: &mut dyn FnMut(&[u8])) -> bool {
        let Some(file) = open(base.0, name).filter(Open::is_regular) else { return false };
        let mut part = [0; 8192];
        loop {
            match file.read(&mut part) {
                Some(0) => return true,
                Some(length) => take(part.get(..length).unwrap_or_default()),
                None => return false,
            }
        }
    }

    fn target(&self, base: &Open, name: &CStr, take: &mut dyn FnMut(&[u8])) -> bool {
        let mut target = [0; 4096];
        let at = target.as_mut_ptr().expose_provenance();
        let read = [call::READLINK, base.0, name.as_ptr().addr(), at, target.len(), 0, 0];
        match usize::try_from(system(read)) {
            Ok(length) => take(target.get(..length).unwrap_or_default()),
            Err(_) => return false,
        }
        true
    }

    fn names(&self, base: &Open, name: &CStr, take: &mut dyn FnMut(&[u8])) -> bool {
        let Some(folder) = Open::at(base.0, name, O_DIRECTORY) else { return false };
        let mut room = [0_u8; 8192];
        loop {
            let at = room.as_mut_ptr().expose_provenance();
            let length = system([call::GETDENTS, folder.0, at, room.len(), 0, 0, 0]);
            let Ok(length) = usize::try_from(length) else { return false };
            let Some(mut entries) = room.get(..length).filter(|_| length != 0) else { return true };
            // Of each entry: its length at 16, its name from 19 to a zero byte.
            while let (Some(size), Some(rest)) = (entries.get(16..18), entries.get(19..)) {
                let size = usize::from(size[0]) | usize::from(size[1]) << 8;
                let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
                take(&rest[..end]);
                entries = entries.get(size.max(1)..).unwrap_or_default();
            }
        }
    }
}

impl System for Kernel {
    /// Read, not mapped: a map of so few bytes takes three calls and a fault instead of one call.
    fn record(&self, path: &CStr) -> Option<[u8; LENGTH]> {
        let mut room = [0; LENGTH + 1];
        let file = open(HERE, path)?;
        let length = file.read(&mut room)?;
        // The process ends soon, and that closes it.
        core::mem::forget(file);
        room.get(..length)?.try_into().ok()
    }

    fn map<T>(&self, path: &CStr, show: impl FnOnce(&[u8]) -> T) -> Option<T> {
        survive_truncation();
        let file = open(HERE, path)?;
        let bytes = file.map()?;
        // The map outlives the file, and the process ends soon.
        core::mem::forget(file);
        Some(show(bytes))
    }

    fn now(&self) -> Option<UnixTime> {
        let mut time = [0_u64; 2];
        system([call::CLOCK, 0, time.as_mut_ptr().expose_provenance(), 0, 0, 0, 0]);
        Some(UnixTime(time[0].wrapping_mul(1000).wrapping_add(time[1] / 1_000_000)))
    }

    fn small<'a>(&self, path: &CStr, room: &'a mut [u8]) -> Option<&'a [u8]> {
        let length = open(HERE, path)?.read(room)?;
        room.get(..length)
    }
}
