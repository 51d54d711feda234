//! Which machine this is, and where its repository lives by habit.

use std::fmt;

/// What the host says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// Login name.
    pub user: String,
    /// The operating system's name for the host.
    pub host: String,
    /// True on Darwin.
    pub is_darwin: bool,
    /// True when the host carries a mark of Amazon EC2.
    pub is_ec2: bool,
    /// The user's own word on the kind (`CFGSYNC_MACHINE_KIND`).
    pub declared: Option<Kind>,
}

/// This machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its id, written once and kept when the host is renamed.
    pub id: String,
    /// Its kind.
    pub kind: Kind,
}

/// What kind of machine this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Mac.
    Mac,
    /// An Amazon EC2 instance.
    Ec2,
    /// Any other Linux.
    Linux,
}

impl Kind {
    /// Reads the word a person writes.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "mac" => Some(Self::Mac),
            "ec2" => Some(Self::Ec2),
            "linux" => Some(Self::Linux),
            _ => None,
        }
    }

    /// Returns the repository's place below `$HOME` that this kind is used to. Another Linux has no
    /// habit, and must be told.
    pub fn usual_folder(self) -> Option<&'static str> {
        match self {
            Self::Mac => Some("dev/configs"),
            Self::Ec2 => Some("configs"),
            Self::Linux => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mac => "mac",
            Self::Ec2 => "ec2",
            Self::Linux => "linux",
        })
    }
}

/// Longest machine id in bytes.
const LONGEST_ID: usize = 64;

impl HostFacts {
    /// Returns the kind: what the user says, then Darwin, then EC2, then any Linux.
    pub fn kind(&self) -> Kind {
        match (self.declared, self.is_darwin, self.is_ec2) {
            (Some(kind), _, _) => kind,
            (None, true, _) => Kind::Mac,
            (None, false, true) => Kind::Ec2,
            (None, false, false) => Kind::Linux,
        }
    }

    /// Returns a new machine id, `user@host-kind`, of letters, digits, `@`, `.`, `_` and `-` only.
    pub fn new_id(&self) -> String {
        let host = self.host.split('.').next().unwrap_or_default();
        format!("{}@{}-{}", clean(&self.user), clean(host), self.kind())
    }
}

/// Returns true for an id that this program may have written.
pub fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST_ID && id.chars().all(|c| is_plain(c) || c == '@')
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// Keeps what cannot hurt a prompt, a commit message or a file name.
fn clean(word: &str) -> String {
    let word: String = word.chars().map(|c| if is_plain(c) { c } else { '-' }).take(24).collect();
    let word = word.trim_matches(['-', '.']).to_ascii_lowercase();
    if word.is_empty() { "unknown".to_owned() } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(is_darwin: bool, is_ec2: bool, declared: Option<Kind>) -> HostFacts {
        let (user, host) = ("Anna B".to_owned(), "laptop.lan".to_owned());
        HostFacts { user, host, is_darwin, is_ec2, declared }
    }

    #[test]
    fn the_user_has_the_last_word_on_the_kind() {
        assert_eq!(facts(true, false, None).kind(), Kind::Mac);
        assert_eq!(facts(false, true, None).kind(), Kind::Ec2);
        assert_eq!(facts(false, false, None).kind(), Kind::Linux);
        assert_eq!(facts(true, true, Some(Kind::Linux)).kind(), Kind::Linux);
    }

    #[test]
    fn an_id_holds_nothing_that_could_be_code() {
        assert_eq!(facts(true, false, None).new_id(), "anna-b@laptop-mac");
        let hostile =
            HostFacts { user: "$(rm)".into(), host: "%F{red}".into(), ..facts(false, true, None) };
        assert_eq!(hostile.new_id(), "rm@f-red-ec2");
        assert!(is_id(&hostile.new_id()));
        assert!(!is_id("a b") && !is_id("") && !is_id("%F"));
    }
}
