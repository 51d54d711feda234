//! Two versions of one unit, where the change from one to the other happens, and its names.

use cfgsync_core::diff::{Comparison, Diff, compare};
use cfgsync_core::unit::{BlobId, Mode};

use crate::ui::Tone;

/// Where a change happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// On this machine.
    Here,
    /// Upstream.
    There,
    /// Nowhere: it waits for a person.
    Held,
}

/// What a difference of a held unit is between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// What both had, and this machine's version.
    Here,
    /// What both had, and upstream's version.
    Upstream,
    /// This machine's version and upstream's, where they never had one in common.
    Both,
    /// The stored copy and the live file, which were both edited.
    Copies,
}

/// Two versions of one unit.
pub struct Entry {
    /// What people know it by.
    pub name: String,
    /// Where it changes.
    pub side: Side,
    /// What a held unit's versions are.
    pub between: Option<Between>,
    /// Why it waits, or what else is to be told of it.
    pub why: Option<String>,
    /// The version before; none where it is absent.
    pub before: Option<Content>,
    /// The version after; none where it is absent.
    pub after: Option<Content>,
}

/// One version with its bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Content {
    /// Its bytes; of a link its target, as a line.
    pub bytes: Vec<u8>,
    /// Its mode; a link has none, and neither has the list of marks.
    pub mode: Option<Mode>,
    /// The name of its bytes; a folder has none.
    pub blob: Option<BlobId>,
    /// Whether it is a link.
    pub is_link: bool,
}

impl Side {
    /// Returns the word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::There => "there",
            Self::Held => "held",
        }
    }

    /// Returns the sign people know it by.
    pub fn arrow(self) -> &'static str {
        match self {
            Self::Here => "↓",
            Self::There => "↑",
            Self::Held => "✗",
        }
    }

    /// Returns its colour.
    pub fn tone(self) -> Tone {
        match self {
            Self::Here => Tone::Incoming,
            Self::There => Tone::Notice,
            Self::Held => Tone::Bad,
        }
    }

    /// Returns its heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Here => "Here",
            Self::There => "There",
            Self::Held => "Held",
        }
    }

    /// Returns what the heading means.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Here => "what a sync changes on this machine",
            Self::There => "what a sync changes upstream",
            Self::Held => "what waits for you, and stays as it is",
        }
    }
}

impl Between {
    /// Returns the word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Upstream => "upstream",
            Self::Both => "both",
            Self::Copies => "copies",
        }
    }

    /// Returns what tells two differences of one unit apart.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Here => " (here)",
            Self::Upstream => " (upstream)",
            Self::Both | Self::Copies => "",
        }
    }
}

impl Entry {
    /// Returns what the two versions are called.
    pub fn labels(&self) -> [String; 2] {
        let of = match (self.side, self.between) {
            (Side::Here, _) => ["here", "synced"],
            (Side::There, _) => ["upstream", "synced"],
            (Side::Held, None | Some(Between::Here)) => ["agreed", "here"],
            (Side::Held, Some(Between::Upstream)) => ["agreed", "upstream"],
            (Side::Held, Some(Between::Both)) => ["here", "upstream"],
            (Side::Held, Some(Between::Copies)) => ["stored copy", "live file"],
        };
        let links = [&self.before, &self.after]
            .map(|content| content.as_ref().is_some_and(|content| content.is_link));
        [(of[0], links[0]), (of[1], links[1])].map(|(of, is_link)| {
            let kind = if is_link { ", link" } else { "" };
            format!("{} ({of}{kind})", self.name)
        })
    }

    /// Returns true where the difference means something: of what is no longer shared, every
    /// machine keeps its file.
    pub fn is_compared(&self) -> bool {
        self.side == Side::Held || self.why.is_none()
    }

    /// Compares the two versions.
    pub fn comparison(&self) -> Comparison<'_> {
        if !self.is_compared() {
            return Comparison::Text(Diff::default());
        }
        let [before, after] = [&self.before, &self.after]
            .map(|content| content.as_ref().map_or(&[][..], |content| &content.bytes));
        compare(before, after)
    }
}
