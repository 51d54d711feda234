//! The status record is read at every prompt: no bytes may stop it, or come through it to a terminal.

#![no_main]

use cfgsync_core::status::segment::{Format, Light, Style, Text, light, segment};
use cfgsync_core::status::truth::Truth;
use cfgsync_core::status::wire::{LENGTH, decode, encode};
use cfgsync_core::status::{Present, StatusRecord};
use cfgsync_core::time::UnixTime;
use libfuzzer_sys::fuzz_target;

/// Where the checksum lies, and what follows it.
const CHECKED: usize = 120;
const TAIL: [u8; 4] = *b"\0end";

fuzz_target!(|bytes: &[u8]| {
    look(bytes);
    look(&repaired(bytes));
});

/// Makes the checksum fit, which nobody guesses.
fn repaired(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(CHECKED, 0);
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes.extend_from_slice(&TAIL);
    assert_eq!(bytes.len(), LENGTH);
    bytes
}

fn look(bytes: &[u8]) {
    let Ok(record) = decode(bytes) else { return };
    assert_eq!(decode(&encode(&record)).as_ref(), Ok(&record));
    for present in presents(&record) {
        let shown = record.shown(present);
        for truth in [Truth::Holds, Truth::Changed(3), Truth::Paused, Truth::Unreadable] {
            check(light(&record, shown, truth));
        }
    }
}

/// Asserts that a light shows an icon of ours, and escapes of the format around it.
fn check(light: Option<Light>) {
    let text = |format| {
        let mut text = Text::default();
        segment(light, format, &Style::default(), &mut text);
        String::from_utf8(text.bytes().to_vec()).expect("text of ours")
    };
    let plain = text(Format::Plain);
    assert!(["", "✓", "↑", "↓", "✗", "‖", "⚡"].contains(&plain.as_str()), "{plain:?}");
    let zsh = text(Format::Zsh);
    assert!(zsh.is_empty() == plain.is_empty() && zsh.contains(&plain), "{zsh:?}");
    let around = zsh.replace(&plain, "");
    let is_escape = |c: char| c.is_ascii_alphanumeric() || matches!(c, '%' | '{' | '}');
    assert!(plain.is_empty() || around.chars().all(is_escape), "{zsh:?}");
}

/// Returns moments around each one that the record names, on its boot and on others.
fn presents(record: &StatusRecord) -> Vec<Present> {
    let boots = [None, Some(record.boot), Some([0; 8])];
    let around = |time: UnixTime| [time.0, time.0.saturating_add(1), time.0.saturating_sub(60_001)];
    let times = [UnixTime(0), UnixTime(u64::MAX), record.deadline, record.updated, record.due];
    let mut presents = Vec::new();
    for now in times.into_iter().flat_map(around).map(UnixTime) {
        for boot in boots {
            for writer_alive in [None, Some(true), Some(false)] {
                presents.push(Present { now, boot, writer_alive });
            }
        }
    }
    presents
}
