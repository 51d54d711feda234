//! The light: the status record, the watch list, and what both come to in a prompt.
//!
//! All but [`wire`], which writes, gets by without the standard library: `cfgsync-prompt` includes
//! these files as they are where it is built without one.

pub mod read;
pub mod record;
pub mod segment;
pub mod truth;
pub mod watch;
pub mod wire;

pub use record::{Present, Shown, StatusRecord, SyncState};
