//! The list of contents of an archive, which anybody may have made, apart from its tar.

#![no_main]

use cfgsync_core::inventory::Inventory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let head = Inventory::parse_head(&text);
    let Ok(inventory) = Inventory::parse(&text) else { return };
    let written = inventory.format();
    assert_eq!(Inventory::parse(&written).as_ref(), Ok(&inventory), "{written:?}");
    let Inventory { number, at, machine, reason, .. } = inventory.clone();
    assert_eq!(head, Ok(Inventory { number, at, machine, reason, ..Inventory::default() }));
    assert!(inventory.is_same_state(&inventory));
    // What no disk has was refused.
    let mut whole = inventory.clone();
    whole.leave_out_torn();
    assert_eq!(whole, inventory);
    assert_eq!(inventory.tree().units.len(), inventory.units.len());
    assert!(inventory.units.iter().all(|(path, item)| inventory.holds(path, item.version)));
});
