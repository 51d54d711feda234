//! The watch list is read at every prompt: no bytes may stop it, or lead it beside the list.

#![no_main]

use std::ffi::CStr;

use cfgsync_core::status::truth::{Disk, truth};
use cfgsync_core::status::watch::{CHECKED, List, MAGIC, Stat, checksum};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    look(bytes);
    look(&repaired(bytes));
});

/// Makes magic and checksum fit, which nobody guesses.
fn repaired(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().max(CHECKED), 0);
    bytes[..8].copy_from_slice(MAGIC);
    let sum = checksum(&bytes[CHECKED..]);
    bytes[16..CHECKED].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn look(bytes: &[u8]) {
    let Some(list) = List::read(bytes) else { return };
    let whole = bytes.as_ptr_range();
    let is_inside = |name: &CStr| {
        let name = name.to_bytes_with_nul().as_ptr_range();
        whole.start <= name.start && name.end <= whole.end
    };
    for row in (0..list.len()).filter_map(|at| list.row(at)) {
        assert!(is_inside(row.name), "{row:?}");
        assert!(list.base(row.base).is_none_or(is_inside), "{row:?}");
    }
    assert!(list.row(list.len()).is_none());
    for disk in [Made { has: false }, Made { has: true }] {
        assert_eq!(truth(&list, &disk), truth(&list, &disk));
    }
}

/// A disk on which every name is the same, or none is there.
struct Made {
    has: bool,
}

impl Made {
    fn hand_out(&self, take: &mut dyn FnMut(&[u8])) -> bool {
        take(b"a\n");
        self.has
    }
}

impl Disk for Made {
    type Base = ();

    fn base(&self, _: &CStr) -> Option<()> {
        Some(())
    }

    fn stat(&self, (): &(), name: &CStr) -> Option<Stat> {
        let size = name.count_bytes() as u64;
        self.has.then(|| Stat { size, mode: 0o100_644, ..Stat::default() })
    }

    fn read(&self, (): &(), _: &CStr, take: &mut dyn FnMut(&[u8])) -> bool {
        self.hand_out(take)
    }

    fn target(&self, (): &(), _: &CStr, take: &mut dyn FnMut(&[u8])) -> bool {
        self.hand_out(take)
    }

    fn names(&self, (): &(), _: &CStr, take: &mut dyn FnMut(&[u8])) -> bool {
        self.hand_out(take)
    }
}
