//! Measures `cfgsync-prompt` as a prompt or a status bar starts it, in turn with `/bin/true` and with
//! `cat` of the same record; and its look at the disk beside a plain loop over the same paths.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    unsafe_code,
    reason = "a program of the developers' own"
)]

use std::ffi::{CString, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;
use std::ptr;
use std::time::Instant;

use cfgsync_core::status::watch::List;
use cfgsync_core::time::UnixTime;
use cfgsync_core::{status, time};

use kit::machine::Machine;
use kit::table::{Beside, Table};

mod kit {
    pub mod machine;
    pub mod table;
}

// The reader itself, as the release build for Linux has it.
#[expect(dead_code, reason = "only the look is wanted")]
#[path = "../../src/prompt/answer.rs"]
mod answer;
#[expect(dead_code, reason = "only the look is wanted")]
#[path = "../../src/prompt/bare/kernel.rs"]
mod kernel;
#[expect(dead_code, reason = "only the look is wanted")]
#[path = "../../src/prompt/request.rs"]
mod request;

const PROMPT: &str = env!("CARGO_BIN_EXE_cfgsync-prompt");

const ROUNDS: usize = 2000;

/// A moment that does not come while this runs.
const FAR: UnixTime = UnixTime(9_000_000_000_000);

/// A program with its arguments and variables, ready to be started.
struct Program {
    words: Vec<CString>,
    variables: Vec<CString>,
    times: Vec<f64>,
}

impl Program {
    fn new(words: &[&str], record: &OsStr) -> Self {
        let word = |bytes: &[u8]| CString::new(bytes).expect("no zero byte");
        let mut variables: Vec<CString> = std::env::vars_os()
            .filter(|(name, _)| name != "CFGSYNC_RECORD")
            .map(|(name, value)| word(&[name.as_bytes(), b"=", value.as_bytes()].concat()))
            .collect();
        variables.push(word(&[b"CFGSYNC_RECORD=", record.as_bytes()].concat()));
        let words = words.iter().map(|text| word(text.as_bytes())).collect();
        Self { words, variables, times: Vec::new() }
    }

    /// Starts it and waits for its end, without a fork of this program's memory.
    fn run(&mut self, quiet: &libc::posix_spawn_file_actions_t) {
        let pointers = |texts: &[CString]| -> Vec<*mut libc::c_char> {
            texts.iter().map(|text| text.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect()
        };
        let (words, variables) = (pointers(&self.words), pointers(&self.variables));
        let (mut pid, mut status) = (0, 0);
        let start = Instant::now();
        // SAFETY: both lists end in a null pointer, and all they point to outlives the call.
        let result = unsafe {
            let (words, variables) = (words.as_ptr(), variables.as_ptr());
            libc::posix_spawn(&raw mut pid, *words, quiet, ptr::null(), words, variables)
        };
        assert_eq!(result, 0, "{:?}", self.words);
        // SAFETY: the child is this program's own.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        self.times.push(start.elapsed().as_secs_f64());
        assert!(waited == pid && status == 0, "{:?}: {status}", self.words);
    }
}

/// Returns what gives a program nowhere to write to.
fn quiet() -> libc::posix_spawn_file_actions_t {
    let mut actions = std::mem::MaybeUninit::uninit();
    // SAFETY: the first call makes them, the second adds to them; the path outlives the program.
    unsafe {
        libc::posix_spawn_file_actions_init(actions.as_mut_ptr());
        let path = c"/dev/null".as_ptr();
        libc::posix_spawn_file_actions_addopen(actions.as_mut_ptr(), 1, path, libc::O_WRONLY, 0);
        actions.assume_init()
    }
}

/// Returns a machine's watch list.
fn watch_list(machine: &Machine) -> Vec<u8> {
    fs::read(machine.record().with_file_name("watch")).expect("a watch list")
}

/// Measures the look alone: the list read and checked, every base opened, every name asked about.
fn look(table: &mut Table, machine: &Machine, files: usize) {
    let bytes = watch_list(machine);
    let list = List::read(&bytes).expect("a whole list");
    let paths: Vec<CString> = (0..list.len())
        .map(|number| {
            let row = list.row(number).expect("a row");
            let base = list.base(row.base).expect("a base").to_bytes();
            CString::new([base, b"/", row.name.to_bytes()].concat()).expect("no zero byte")
        })
        .collect();
    let (mut looks, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let list = List::read(&bytes).expect("a whole list");
        let truth = status::truth::truth(&list, &kernel::Kernel);
        looks.push(start.elapsed().as_secs_f64());
        assert_eq!(truth, status::truth::Truth::Holds);

        let start = Instant::now();
        for path in &paths {
            let mut found = std::mem::MaybeUninit::<libc::stat>::uninit();
            // SAFETY: the path ends in a zero byte, and there is room for what is written.
            std::hint::black_box(unsafe { libc::lstat(path.as_ptr(), found.as_mut_ptr()) });
        }
        plain.push(start.elapsed().as_secs_f64());
    }
    let name = format!("`lstat` of the same {} paths", paths.len());
    let beside = Beside { name: &name, times: &plain, again: None, limit: Some(0.85) };
    table.compare(&format!("the look at {files} marked files"), &looks, &beside);
}

/// Returns the least program that Linux starts: it ends. No other can take less time than it does.
fn least() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    // `mov eax, 60; xor edi, edi; syscall` on x86-64, `mov x8, 93; mov x0, 0; svc 0` on aarch64.
    let (machine, code): (u16, &[u8]) = if cfg!(target_arch = "x86_64") {
        (62, &[0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05])
    } else {
        (183, &[0xa8, 0x0b, 0x80, 0xd2, 0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4])
    };
    let size = HEADERS + code.len() as u64;
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
    bytes.extend(machine.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    // Where it begins, where its one program header is, and no sections.
    [BASE + HEADERS, 64, 0].iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    bytes.extend(0u32.to_le_bytes());
    [64u16, 56, 1, 0, 0, 0].iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    // All of the file is loaded, to be read and run.
    [1u32, 5].iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    [0, BASE, BASE, size, size, 0x1000].iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    bytes.extend(code);
    bytes
}

fn main() -> ExitCode {
    // 34 marked files make 100 watched paths.
    let sizes = [10, 34, 100, 1000];
    let machines = sizes.map(Machine::new);
    for machine in &machines {
        machine.publish(|record| (record.due, record.deadline) = (FAR, FAR));
    }
    let plain = machines[0].home().join("plain");
    fs::create_dir(&plain).expect("a folder");
    fs::copy(machines[0].record(), plain.join("record")).expect("a record");
    let mut record =
        status::wire::decode(&fs::read(plain.join("record")).expect("a record")).expect("a record");
    assert!(record.watched, "nothing is watched");
    record.watched = false;
    fs::write(plain.join("record"), status::wire::encode(&record)).expect("a record");
    let plain = plain.join("record");

    let ending = machines[0].home().join("least");
    fs::write(&ending, least()).expect("a program");
    fs::set_permissions(&ending, fs::Permissions::from_mode(0o755)).expect("a program");
    let prompt = |record: &OsStr| Program::new(&[PROMPT], record);
    let named = plain.to_string_lossy();
    let mut programs = vec![
        Program::new(&["/bin/true"], plain.as_os_str()),
        Program::new(&["/bin/true"], plain.as_os_str()),
        Program::new(&["/bin/cat", &named], plain.as_os_str()),
        Program::new(&[&ending.to_string_lossy()], plain.as_os_str()),
        prompt(plain.as_os_str()),
    ];
    programs.extend(machines.iter().map(|machine| prompt(machine.record().as_os_str())));
    let (quiet, count) = (quiet(), programs.len());
    for round in 0..ROUNDS {
        for place in 0..count {
            programs[(round + place) % count].run(&quiet);
        }
    }
    let times: Vec<Vec<f64>> = programs.into_iter().map(|program| program.times).collect();
    let (truth, cat) = (("`/bin/true`", &times[0], &times[1]), ("`cat RECORD`", &times[2]));
    let mut table = Table::default();
    let mut against_true = |what: &str, times: &[f64], limit| {
        let again = Some(truth.2.as_slice());
        table.compare(what, times, &Beside { name: truth.0, times: truth.1, again, limit });
    };
    against_true("the least program there is", &times[3], None);
    against_true("`cfgsync-prompt`, nothing watched", &times[4], Some(0.21));
    for ((files, machine), times) in sizes.iter().zip(&machines).zip(&times[5..]) {
        let paths = List::read(&watch_list(machine)).expect("a whole list").len();
        let limit = matches!(*files, 34 | 100).then_some(0.26);
        let what = format!("`cfgsync-prompt`, {files} marked files, {paths} watched paths");
        against_true(&what, times, limit);
    }
    let beside = Beside { name: cat.0, times: cat.1, again: None, limit: Some(0.18) };
    table.compare("`cfgsync-prompt`, nothing watched", &times[4], &beside);
    for (files, machine) in sizes.iter().zip(&machines) {
        look(&mut table, machine, *files);
    }
    table.outcome()
}
