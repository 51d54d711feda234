//! Secrets in what is about to be shared: what is one, and what must wait because of it.
//!
//! A finding says where a value lies, and never holds the value. The rules are data (`rules.txt`),
//! for those who know their form; what only has the name of a secret is judged by `named.rs`. The
//! scanner needs the feature `engine`; the words below do not.

#[cfg(feature = "engine")]
mod checks;
#[cfg(feature = "engine")]
mod named;
#[cfg(feature = "engine")]
mod random;
#[cfg(feature = "engine")]
mod rules;
#[cfg(feature = "engine")]
mod scan;
#[cfg(feature = "engine")]
mod words;

#[cfg(feature = "engine")]
pub use rules::{edition, known, what};
#[cfg(feature = "engine")]
pub use scan::{Found, scan};

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Its structure, a checksum, or the name of its file leaves no doubt.
    Certain,
    /// It has the name of a secret, and looks like one.
    Likely,
}

/// What was found in a file, as far as a plan has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Secret {
    /// The rule that found it.
    pub rule: &'static str,
    /// How sure it is.
    pub tier: Tier,
    /// The line it begins in, from 1.
    pub line: u32,
}

impl Tier {
    /// Returns its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
        }
    }
}
