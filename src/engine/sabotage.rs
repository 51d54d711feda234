//! Deliberate breaks, to see that the fault sweep notices each of them. Without the feature `sabotage`,
//! which no release has, nothing here does anything.

/// A promise that is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Nothing is made durable.
    NoSync,
    /// A live file is written in place, not exchanged.
    InPlace,
    /// A link takes the place of a file in two steps.
    UnlinkFirst,
    /// What was displaced is not looked at.
    NoRecheck,
    /// New files can be read by everybody.
    WideMode,
    /// Files are removed before others are added.
    RemovalsFirst,
    /// The branch moves before the files.
    BranchFirst,
    /// What is agreed is remembered after the branch moved.
    AgreementLast,
    /// Nothing says that a run is at work, so that nothing is cleaned up after it.
    NoNote,
    /// Two runs work at once.
    NoLock,
    /// A displaced file goes before its bytes are safe.
    NoLateWrites,
    /// An archive counts without having been read back.
    Unverified,
    /// A push does not care where the remote is.
    BlindPush,
}

impl Break {
    /// Every break, with the word that `CFGSYNC_BREAK` takes.
    #[cfg(feature = "sabotage")]
    const WORDS: [(Self, &'static str); 13] = [
        (Self::NoSync, "no-sync"),
        (Self::InPlace, "in-place"),
        (Self::UnlinkFirst, "unlink-first"),
        (Self::NoRecheck, "no-recheck"),
        (Self::WideMode, "wide-mode"),
        (Self::RemovalsFirst, "removals-first"),
        (Self::BranchFirst, "branch-first"),
        (Self::AgreementLast, "agreement-last"),
        (Self::NoNote, "no-note"),
        (Self::NoLock, "no-lock"),
        (Self::NoLateWrites, "no-late-writes"),
        (Self::Unverified, "unverified"),
        (Self::BlindPush, "blind-push"),
    ];
}

/// Returns true where this is broken on purpose.
#[cfg(feature = "sabotage")]
pub fn is(which: Break) -> bool {
    let chosen = crate::context::variable("CFGSYNC_BREAK");
    Break::WORDS.iter().any(|(it, word)| *it == which && chosen.as_deref() == Some(word))
}

/// Returns false: nothing is broken on purpose.
#[cfg(not(feature = "sabotage"))]
pub const fn is(_which: Break) -> bool {
    false
}
