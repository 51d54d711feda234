//! placeholder while the real module is being written
use super::Ui;
use cfgsync_core::unit::Mode;
pub struct Labelled<'a> { pub label: &'a str, pub bytes: Option<&'a [u8]>, pub mode: Option<Mode> }
pub fn text(_ui: &Ui, before: Labelled<'_>, after: Labelled<'_>) -> String {
    format!("{} {:?} {:?} {} {:?}\n", before.label, before.bytes, before.mode, after.label, after.mode)
}
