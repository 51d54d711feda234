//! The prompt on the Linux kernel alone: no libc, nothing to load, nothing to set up.
//!
//! Starting a C library costs several times what the whole prompt does (`docs/performance.md`), so
//! there is the entry point here, the dozen system calls that are needed, and the memory routines
//! that the compiler counts on.

mod kernel;
mod memory;

use core::arch::naked_asm;
use core::ffi::CStr;
use core::slice;

use crate::answer::answer;
use crate::request::{Asked, HELP, Request, USAGE, VERSION, Variables, asked};
use crate::status::segment::Text;
use kernel::{Kernel, exit, print};

/// The letters that a variable of ours begins with, counted from `C`.
const FIRST_LETTERS: u32 = 1 | 1 << (b'H' - b'C') | 1 << (b'X' - b'C');

/// The entry point: what stands on the stack is the command line and the environment.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    #[cfg(target_arch = "x86_64")]
    naked_asm!("mov rdi, rsp", "and rsp, -16", "call {}", "ud2", sym start);
    #[cfg(target_arch = "aarch64")]
    naked_asm!("mov x0, sp", "bl {}", "brk #1", sym start);
}

/// # Safety
///
/// `stack` must be what the kernel gives a new program.
unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: the kernel puts the count, the arguments, a zero, the variables and a zero there.
    let (arguments, variables) = unsafe {
        let count = *stack;
        let arguments = slice::from_raw_parts(stack.add(1).cast::<*const u8>(), count);
        (arguments, stack.add(count + 2).cast::<*const u8>())
    };
    // SAFETY: each argument ends in a zero byte, and stays where it is.
    let words = arguments.iter().skip(1).map(|word| unsafe { text(*word) });
    let mut request = Request::default();
    match asked(words, &mut request) {
        Asked::Help => print(1, HELP.as_bytes()),
        Asked::Version => print(1, VERSION.as_bytes()),
        Asked::Misuse(what, argument) => {
            for part in [b"cfgsync-prompt: ", what.as_bytes(), argument, USAGE.as_bytes()] {
                print(2, part);
            }
            exit(2);
        }
        Asked::Segment => {
            if let Some(bell) = request.bell {
                kernel::make_bell(bell);
            }
            // SAFETY: the variables end in a zero pointer, each in a zero byte.
            let variables = || unsafe { read_variables(variables) };
            let mut text = Text::default();
            answer(&Kernel, &request, variables, &mut text);
            print(1, text.bytes());
        }
    }
    exit(0)
}

/// # Safety
///
/// `word` must point to bytes that end in a zero byte and stay for as long as the process.
unsafe fn text<'a>(word: *const u8) -> &'a CStr {
    // SAFETY: as the caller says.
    unsafe { CStr::from_ptr(word.cast()) }
}

/// # Safety
///
/// `at` must point to pointers to variables, the last of them zero.
unsafe fn read_variables<'a>(mut at: *const *const u8) -> Variables<'a> {
    let mut found = Variables::default();
    // SAFETY: the caller says that a zero pointer comes, and that every variable ends. Nothing is
    // read behind the first byte that differs, which the zero byte does at the latest.
    unsafe {
        while !(*at).is_null() {
            let word = *at;
            at = at.add(1);
            // The few first letters that matter are told by one look, for there are many variables.
            let first = (*word).wrapping_sub(b'C');
            if first > b'X' - b'C' || 1 << first & FIRST_LETTERS == 0 {
                continue;
            }
            let name = match *word {
                b'H' => &b"HOME="[..],
                b'X' => b"XDG_STATE_HOME=",
                _ => b"CFGSYNC_RECORD=",
            };
            if (1..name.len()).any(|n| *word.add(n) != name[n]) {
                continue;
            }
            let value = Some(text(word.add(name.len())));
            match *word {
                b'H' => found.home = value,
                b'X' => found.state = value,
                _ => found.record = value,
            }
        }
    }
    found
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(0)
}
