//! What the bare prompt is made of, and what it costs: counted, not timed.

use std::fs;
#[cfg(target_arch = "x86_64")]
use std::{fs::File, process::Command};

#[cfg(target_arch = "x86_64")]
use cfgsync_core::status::SyncState::Synced;

use super::{HOSTED, program};
#[cfg(target_arch = "x86_64")]
use crate::sandbox::Sandbox;
#[cfg(target_arch = "x86_64")]
use crate::terminal::{Home, bytes};

/// Returns the kinds of the parts that a program is loaded from.
fn loaded_parts(program: &[u8]) -> Vec<u32> {
    let number = |at: usize, length: usize| {
        program[at..at + length].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    assert_eq!(&program[..5], b"\x7fELF\x02");
    let (start, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    (0..count).map(|part| u32::try_from(number(start + part * size, 4)).unwrap()).collect()
}

#[test]
fn nothing_is_loaded_beside_it() {
    let (load, dynamic, interpreter) = (1, 2, 3);
    let parts = loaded_parts(&fs::read(program()).unwrap());
    assert!(parts.contains(&load), "{parts:?}");
    assert!(!parts.contains(&dynamic) && !parts.contains(&interpreter), "{parts:?}");
    let hosted = loaded_parts(&fs::read(HOSTED).unwrap());
    assert!(hosted.contains(&dynamic), "the search must find");
}

/// What a run cost.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Default)]
struct Cost {
    instructions: u32,
    /// `execve` among them.
    calls: u32,
    faults: u64,
    asks_processor: bool,
}

/// Runs a program step by step.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the standard library has no safe way to prepare a tracee")]
fn cost(command: &mut Command) -> Cost {
    use std::os::unix::process::CommandExt;

    use nix::sys::ptrace::{self, Options};
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::Pid;

    // SAFETY: between `fork` and `exec` nothing but a system call is made.
    unsafe { command.pre_exec(|| Ok(ptrace::traceme()?)) };
    #[expect(clippy::zombie_processes, reason = "`waitpid` is what waits for it, below")]
    let child = command.spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    assert!(matches!(waitpid(pid, None), Ok(WaitStatus::Stopped(..))));
    ptrace::setoptions(pid, Options::PTRACE_O_EXITKILL | Options::PTRACE_O_TRACEEXIT).unwrap();
    let faults = || -> u64 {
        let line = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        line.rsplit(')').next().unwrap().split_whitespace().nth(7).unwrap().parse().unwrap()
    };
    let before = faults();
    let mut cost = Cost { calls: 1, ..Cost::default() };
    let mut last = 0;
    loop {
        let at = ptrace::getregs(pid).unwrap().rip;
        // A `rep` stops at each of its rounds.
        if at != last {
            let code = ptrace::read(pid, at as ptrace::AddressType).unwrap().to_le_bytes();
            cost.instructions += 1;
            cost.calls += u32::from(code[..2] == [0x0F, 0x05]);
            cost.asks_processor |= code[..2] == [0x0F, 0xA2];
        }
        last = at;
        ptrace::step(pid, None).unwrap();
        match waitpid(pid, None).unwrap() {
            WaitStatus::PtraceEvent(..) => break,
            WaitStatus::Stopped(_, signal) => assert_eq!(signal, nix::sys::signal::SIGTRAP),
            other => panic!("{other:?}"),
        }
    }
    cost.faults = faults() - before;
    ptrace::cont(pid, None).unwrap();
    assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 0)));
    cost
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_record_costs_little() {
    let home = Home::new();
    home.publish(&bytes(Synced));
    for format in ["plain", "zsh"] {
        let mut command = Command::new(program());
        command.arg(format).env_clear().env("HOME", home.path(""));
        let cost = cost(command.stdout(File::create(home.path("out")).unwrap()));
        assert!(fs::read_to_string(home.path("out")).unwrap().contains('✓'));
        assert!(100 < cost.instructions && cost.instructions <= 1500, "{cost:?}");
        assert!(cost.calls <= 8, "{cost:?}");
        assert!(cost.faults <= 10, "{cost:?}");
        assert!(!cost.asks_processor, "asking the processor leaves a virtual machine: {cost:?}");
    }
}

/// A look at a file is all that a watched file costs; folders are opened only where that saves more.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_watched_file_costs_one_look() {
    const FOLDERS: u32 = 5;
    const FILES: u32 = 8;
    let sandbox = Sandbox::new();
    let machine = sandbox.joined("ec2");
    for (folder, file) in (0..FOLDERS).flat_map(|folder| (0..FILES).map(move |file| (folder, file)))
    {
        machine.write(format!(".config/app/{folder}/{file}"), format!("{folder} {file}\n"));
    }
    machine.run(&["mark", ".config/app"]).done();
    let out = machine.path("out");
    let looked = || {
        machine.sync();
        let mut command = machine.command(program().to_str().unwrap());
        let cost = cost(command.arg("word").stdout(File::create(&out).unwrap()));
        assert_eq!(fs::read_to_string(&out).unwrap(), "synced");
        cost
    };
    // Each file where it is stored, each folder at both places, and what does not grow.
    let looks = FOLDERS * FILES + 2 * FOLDERS;
    let is_cheap = |cost: &Cost| looks < cost.calls && cost.calls <= looks + 30;
    // What was just written is read again, until it has settled.
    let costs: Vec<Cost> = (0..100).map(|_| looked()).take_while(|cost| !is_cheap(cost)).collect();
    assert!(costs.len() < 100, "{looks} {:?}", costs.last());
}
