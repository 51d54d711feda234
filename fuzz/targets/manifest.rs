//! The manifest comes from the remote: whatever is read is written the same, and read the same again.

#![no_main]

use cfgsync_core::manifest::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(manifest) = Manifest::parse(text) else { return };
    let written = manifest.format();
    assert_eq!(Manifest::parse(&written).as_ref(), Ok(&manifest), "{written:?}");
    assert_eq!(Manifest::merge(&manifest, &manifest, &manifest), manifest);
    for path in manifest.marks.keys() {
        assert_eq!(manifest.covering(path).map(|(covering, _)| covering), Some(path));
    }
});
