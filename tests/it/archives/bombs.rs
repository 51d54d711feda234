//! Archives that are small as long as nobody reads them. None of them takes all memory.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::forge::{closed, file, head, header, line, list};
use super::{NAME, NUMBER, SPOILED, machine, place};
use crate::sandbox::assert_same;

/// Bytes of each bomb.
const LARGE: u64 = 1 << 30;

/// What a run may take, in KiB: far less than a bomb, and far more than an archive needs.
const MEMORY: u64 = 512 * 1024;

/// Packs this, so many zeros, and that.
fn around_zeros(before: &[u8], after: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(before).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..LARGE >> 20 {
        gzip.write_all(&zeros).unwrap();
    }
    gzip.write_all(after).unwrap();
    gzip.finish().unwrap()
}

/// Runs cfgsync over a bomb with little memory, and sees that it is refused for what it is.
#[track_caller]
fn check(what: &str, bytes: &[u8]) {
    let (sandbox, machine) = machine();
    std::fs::write(place(&machine), bytes).unwrap();
    let before = sandbox.bytes();
    for arguments in [&["--yes", "restore", NAME][..], &["backup", "--verify"]] {
        let script = format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"");
        let mut command = machine.command("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_cfgsync")]).args(arguments);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let code = output.status.code();
        assert!(code.is_some_and(|code| (1..=9).contains(&code)), "{what}: {code:?} {text}");
        assert!(!text.contains("memory"), "{what}: {arguments:?} takes all there is: {text}");
        assert_same(what, &before, &sandbox.bytes());
    }
}

/// The usual list, which names `note` with this size.
fn listed(size: u64) -> Vec<u8> {
    let id = "0".repeat(40);
    list(&format!("{}0644 {id} {size} 5 note\n", head(NUMBER, 5)))
}

fn claimed(kind: u8, name: &[u8]) -> Vec<u8> {
    closed(header(kind, name, 0o644, LARGE), b"")
}

#[test]
fn a_file_of_zeros_with_another_hash_is_refused() {
    let before = [listed(LARGE), claimed(b'0', b"note")].concat();
    check("a file of zeros", &around_zeros(&before, &[0; 1024]));
}

#[test]
fn zeros_behind_the_end_are_refused() {
    let text = head(NUMBER, 5) + &line("0644", SPOILED.as_bytes(), "note");
    let before = [list(&text), file("note", SPOILED.as_bytes())].concat();
    check("zeros behind the end", &around_zeros(&before, b""));
}

#[test]
fn a_list_of_zeros_is_refused() {
    check("a list of zeros", &around_zeros(&claimed(b'0', b".cfgsync-archive"), &[0; 1024]));
}

#[test]
fn a_long_name_of_zeros_is_refused() {
    let behind = [file("note", SPOILED.as_bytes()), vec![0; 1024]].concat();
    let bomb = claimed(b'L', b"././@LongLink");
    check("a long name before the list", &around_zeros(&bomb, &behind));
    let before = [listed(8), bomb].concat();
    check("a long name behind the list", &around_zeros(&before, &behind));
}

#[test]
fn a_record_of_zeros_is_refused() {
    let behind = [file("note", SPOILED.as_bytes()), vec![0; 1024]].concat();
    let before = [listed(8), claimed(b'x', b"pax")].concat();
    check("a record of PAX", &around_zeros(&before, &behind));
}
