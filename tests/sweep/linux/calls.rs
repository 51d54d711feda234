//! The system calls that change files: which they are, how a process is made to stop at them, and
//! what one of them is about to do. Knows nothing of faults.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use nix::libc::{self, c_long, sock_filter};
use nix::sys::ptrace;
use nix::unistd::Pid;

/// What the arguments of a call are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A path at this argument and flags behind it; only opening for writing counts.
    Open(usize),
    /// Bytes of a length (the third argument) into the open file at the first one.
    Bytes,
    /// Something into the open file at this argument, which must be a regular one.
    Into(usize),
    /// Something done to the open file or folder at the first argument.
    Descriptor,
    /// Paths at these arguments.
    Path(usize),
    Paths(usize, usize),
}
use Shape::{Bytes, Descriptor, Into, Open, Path, Paths};

/// Flags of which one makes opening a file a call that may change it.
const CHANGING: i32 = libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC;

/// Not every libc has its name.
const SYS_FCHMODAT2: c_long = 452;

/// Calls of every architecture.
const CALLS: &[(c_long, &str, Shape)] = &[
    (libc::SYS_openat, "openat", Open(1)),
    (libc::SYS_write, "write", Bytes),
    (libc::SYS_pwrite64, "pwrite64", Bytes),
    (libc::SYS_writev, "writev", Into(0)),
    (libc::SYS_pwritev, "pwritev", Into(0)),
    (libc::SYS_pwritev2, "pwritev2", Into(0)),
    (libc::SYS_sendfile, "sendfile", Into(0)),
    (libc::SYS_copy_file_range, "copy_file_range", Into(2)),
    (libc::SYS_fsync, "fsync", Descriptor),
    (libc::SYS_fdatasync, "fdatasync", Descriptor),
    (libc::SYS_ftruncate, "ftruncate", Descriptor),
    (libc::SYS_fallocate, "fallocate", Descriptor),
    (libc::SYS_fchmod, "fchmod", Descriptor),
    (libc::SYS_fchown, "fchown", Descriptor),
    (libc::SYS_fsetxattr, "fsetxattr", Descriptor),
    (libc::SYS_fremovexattr, "fremovexattr", Descriptor),
    (libc::SYS_truncate, "truncate", Path(0)),
    (libc::SYS_setxattr, "setxattr", Path(0)),
    (libc::SYS_lsetxattr, "lsetxattr", Path(0)),
    (libc::SYS_removexattr, "removexattr", Path(0)),
    (libc::SYS_mkdirat, "mkdirat", Path(1)),
    (libc::SYS_mknodat, "mknodat", Path(1)),
    (libc::SYS_unlinkat, "unlinkat", Path(1)),
    (libc::SYS_fchmodat, "fchmodat", Path(1)),
    (SYS_FCHMODAT2, "fchmodat2", Path(1)),
    (libc::SYS_fchownat, "fchownat", Path(1)),
    (libc::SYS_utimensat, "utimensat", Path(1)),
    (libc::SYS_symlinkat, "symlinkat", Path(2)),
    (libc::SYS_linkat, "linkat", Paths(1, 3)),
    (libc::SYS_renameat, "renameat", Paths(1, 3)),
    (libc::SYS_renameat2, "renameat2", Paths(1, 3)),
];

/// Calls that only the older architecture has.
#[cfg(target_arch = "x86_64")]
const OLDER: &[(c_long, &str, Shape)] = &[
    (libc::SYS_open, "open", Open(0)),
    (libc::SYS_creat, "creat", Path(0)),
    (libc::SYS_mkdir, "mkdir", Path(0)),
    (libc::SYS_rmdir, "rmdir", Path(0)),
    (libc::SYS_unlink, "unlink", Path(0)),
    (libc::SYS_chmod, "chmod", Path(0)),
    (libc::SYS_chown, "chown", Path(0)),
    (libc::SYS_utimes, "utimes", Path(0)),
    (libc::SYS_rename, "rename", Paths(0, 1)),
    (libc::SYS_link, "link", Paths(0, 1)),
    (libc::SYS_symlink, "symlink", Paths(0, 1)),
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[(c_long, &str, Shape)] = &[];

/// Returns the program that makes the kernel stop a process at these calls and at no others.
pub fn filter() -> Vec<sock_filter> {
    let load = |k: usize| instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, k);
    let answer = |k: u32| instruction(libc::BPF_RET | libc::BPF_K, 0, 0, k as usize);
    let equal = |nr: c_long, skip: u8| {
        let k = usize::try_from(nr).unwrap();
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, skip, k)
    };
    let mut program = vec![load(0)];
    for (nr, _, shape) in CALLS.iter().chain(OLDER) {
        if let Open(path) = shape {
            let mask = usize::try_from(CHANGING).unwrap();
            program.extend([
                equal(*nr, 4),
                load(16 + 8 * (path + 1)),
                instruction(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0, 1, mask),
                answer(libc::SECCOMP_RET_TRACE),
                answer(libc::SECCOMP_RET_ALLOW),
            ]);
        } else {
            program.extend([equal(*nr, 1), answer(libc::SECCOMP_RET_TRACE)]);
        }
    }
    program.push(answer(libc::SECCOMP_RET_ALLOW));
    program
}

fn instruction(code: u32, jt: u8, jf: u8, k: usize) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap(), jt, jf, k: u32::try_from(k).unwrap() }
}

/// The registers of a process that stands before or after a call.
#[derive(Debug, Clone, Copy)]
pub struct Registers(libc::user_regs_struct);

impl Registers {
    /// Reads them.
    pub fn of(pid: Pid) -> nix::Result<Self> {
        ptrace::getregs(pid).map(Self)
    }

    /// Writes them back.
    pub fn set(self, pid: Pid) -> nix::Result<()> {
        ptrace::setregs(pid, self.0)
    }

    /// Returns the arguments of the call.
    #[cfg(target_arch = "x86_64")]
    pub fn arguments(&self) -> [u64; 6] {
        let it = &self.0;
        [it.rdi, it.rsi, it.rdx, it.r10, it.r8, it.r9]
    }

    /// Changes the arguments of the call.
    #[cfg(target_arch = "x86_64")]
    pub fn with_arguments(mut self, to: [u64; 6]) -> Self {
        let it = &mut self.0;
        [it.rdi, it.rsi, it.rdx, it.r10, it.r8, it.r9] = to;
        self
    }

    /// Changes what the call came to.
    #[cfg(target_arch = "x86_64")]
    pub fn with_result(mut self, to: i32) -> Self {
        self.0.rax = i64::from(to).cast_unsigned();
        self
    }

    #[cfg(target_arch = "x86_64")]
    fn number(&self) -> u64 {
        self.0.orig_rax
    }

    /// Returns the arguments of the call.
    #[cfg(target_arch = "aarch64")]
    pub fn arguments(&self) -> [u64; 6] {
        std::array::from_fn(|at| self.0.regs[at])
    }

    /// Changes the arguments of the call.
    #[cfg(target_arch = "aarch64")]
    pub fn with_arguments(mut self, to: [u64; 6]) -> Self {
        self.0.regs[..6].copy_from_slice(&to);
        self
    }

    /// Changes what the call came to.
    #[cfg(target_arch = "aarch64")]
    pub fn with_result(mut self, to: i32) -> Self {
        self.0.regs[0] = i64::from(to).cast_unsigned();
        self
    }

    #[cfg(target_arch = "aarch64")]
    fn number(&self) -> u64 {
        self.0.regs[8]
    }
}

/// One call that is about to change a file.
#[derive(Debug, Clone)]
pub struct Call {
    /// Name and paths, for a person.
    pub text: String,
    /// How many bytes it writes, where it writes some.
    pub bytes: Option<u64>,
    /// True when it makes a descriptor.
    pub opens: bool,
}

/// Returns the call a process stands before; none when it cannot change a file.
pub fn before(pid: Pid, registers: &Registers) -> Option<Call> {
    let number = c_long::try_from(registers.number()).ok()?;
    let (_, name, shape) = CALLS.iter().chain(OLDER).find(|(nr, ..)| *nr == number)?;
    let arguments = registers.arguments();
    let path = |at: usize| named(pid, name, &arguments, at);
    let descriptor = |at: usize| opened(pid, arguments[at]);
    let mut call = Call { text: String::new(), bytes: None, opens: false };
    let place = match shape {
        Open(at) => {
            call.opens = true;
            path(*at)
        }
        Bytes => {
            call.bytes = Some(arguments[2]);
            regular(pid, arguments[0])?;
            descriptor(0)
        }
        Into(at) => {
            regular(pid, arguments[*at])?;
            descriptor(*at)
        }
        Descriptor => descriptor(0),
        Path(at) if arguments[*at] == 0 => descriptor(0),
        Path(at) => path(*at),
        Paths(from, to) => format!("{} -> {}", path(*from), path(*to)),
    };
    if ["/dev/null", "/dev/tty", "/proc/"].iter().any(|special| place.starts_with(special)) {
        return None;
    }
    call.text = format!("{name} {place}");
    Some(call)
}

/// Returns the file behind a descriptor, when it is a regular one.
fn regular(pid: Pid, descriptor: u64) -> Option<()> {
    fs::metadata(link(pid, descriptor)).is_ok_and(|file| file.is_file()).then_some(())
}

/// Arguments are 64 bits wide, descriptors 32.
#[expect(clippy::cast_possible_truncation, reason = "the upper half means nothing")]
fn link(pid: Pid, descriptor: u64) -> PathBuf {
    format!("/proc/{pid}/fd/{}", descriptor as u32).into()
}

fn opened(pid: Pid, descriptor: u64) -> String {
    fs::read_link(link(pid, descriptor)).unwrap_or_default().display().to_string()
}

/// Returns the path at an argument, below the folder before it where there is one.
fn named(pid: Pid, name: &str, arguments: &[u64; 6], at: usize) -> String {
    let path = text(pid, arguments[at]);
    let is_below = at > 0 && (name.ends_with("at") || name.ends_with("at2"));
    if path.starts_with('/') || !is_below {
        return path;
    }
    match opened(pid, arguments[at - 1]) {
        folder if folder.is_empty() => path,
        folder => format!("{folder}/{path}"),
    }
}

/// Reads a string of the process.
fn text(pid: Pid, address: u64) -> String {
    let mut bytes = [0; 1024];
    let read = fs::File::open(format!("/proc/{pid}/mem"))
        .and_then(|memory| memory.read_at(&mut bytes, address))
        .unwrap_or(0);
    let end = bytes[..read].iter().position(|byte| *byte == 0).unwrap_or(read);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
