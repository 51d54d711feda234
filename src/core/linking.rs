//! How a live file is tied to its stored copy on this machine.

use std::collections::BTreeSet;

use crate::machine::Kind;
use crate::manifest::{LinkPolicy, Manifest};
use crate::path::{HomePath, RepoPath};

/// The tie between a unit and a home path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tie {
    /// A file of the repository; nothing in `$HOME` belongs to it.
    None,
    /// The home path is a link to the stored copy.
    Link,
    /// The home path is a file of its own, kept equal to the stored copy.
    Copy,
    /// The mark is gone: the home path becomes a plain file, and the stored copy goes.
    Unmarked,
}

/// Folders below `$HOME` in which links are known to break, with the machine where and the reason.
/// macOS writes preference files anew and drops the link (lra/mackup issue 2035); sandboxed
/// programs see only their own folder.
const COPIED: [(Option<Kind>, &str, &str); 5] = [
    (Some(Kind::Mac), "Library/Preferences", "macOS replaces linked preference files"),
    (Some(Kind::Mac), "Library/Containers", "a sandboxed app cannot follow the link"),
    (Some(Kind::Mac), "Library/Group Containers", "a sandboxed app cannot follow the link"),
    (None, ".var/app", "a sandboxed app cannot follow the link"),
    (None, "snap", "a sandboxed app cannot follow the link"),
];

/// Returns why a path must be a copy on this kind of machine, where links are known to break.
pub fn reason_to_copy(path: &HomePath, kind: Kind) -> Option<&'static str> {
    COPIED
        .iter()
        .filter(|(only, _, _)| only.is_none_or(|only| only == kind))
        .find(|(_, folder, _)| HomePath::new(*folder).is_ok_and(|folder| path.is_within(&folder)))
        .map(|(_, _, reason)| *reason)
}

/// What decides ties on this machine.
#[derive(Debug, Clone)]
pub struct Ties<'a> {
    /// The marks as they will be.
    pub after: &'a Manifest,
    /// The marks as any side had them.
    pub before: Vec<&'a Manifest>,
    /// This kind of machine.
    pub kind: Kind,
    /// Paths that are copies on this machine only.
    pub copies: &'a BTreeSet<HomePath>,
}

/// Why a tie is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// It is no file of the home.
    InRepository,
    /// No mark covers it.
    NoMark,
    /// The mark says so.
    Asked,
    /// An app replaced the link on this machine, more than once.
    Replaced,
    /// Links are known to break there.
    Breaks(&'static str),
    /// Nothing speaks against a link.
    Usual,
}

impl Ties<'_> {
    /// Returns the tie of a unit.
    pub fn of(&self, path: &RepoPath) -> Tie {
        self.explained(path).0
    }

    /// Returns the tie of a unit, and why it is that one.
    pub fn explained(&self, path: &RepoPath) -> (Tie, Because) {
        let Some(home) = path.home() else { return (Tie::None, Because::InRepository) };
        if let Some((_, mark)) = self.after.covering(&home) {
            return match (mark.link_policy(), reason_to_copy(&home, self.kind)) {
                (LinkPolicy::Link, _) => (Tie::Link, Because::Asked),
                (LinkPolicy::Copy, _) => (Tie::Copy, Because::Asked),
                (LinkPolicy::Auto, _) if self.copies.contains(&home) => {
                    (Tie::Copy, Because::Replaced)
                }
                (LinkPolicy::Auto, Some(reason)) => (Tie::Copy, Because::Breaks(reason)),
                (LinkPolicy::Auto, None) => (Tie::Link, Because::Usual),
            };
        }
        let was_marked = self.before.iter().any(|manifest| manifest.covering(&home).is_some());
        (if was_marked { Tie::Unmarked } else { Tie::None }, Because::NoMark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tie(after: &str, before: &str, kind: Kind, path: &str) -> Tie {
        let (after, before) = (Manifest::parse(after).unwrap(), Manifest::parse(before).unwrap());
        let copies = BTreeSet::from([HomePath::new(".replaced").unwrap()]);
        let ties = Ties { after: &after, before: vec![&before], kind, copies: &copies };
        ties.of(&RepoPath::new(path).unwrap())
    }

    #[test]
    fn the_mark_decides_and_auto_knows_where_links_break() {
        let all = ".zshrc\n.x link=copy\nLibrary/ \n.replaced\n";
        assert_eq!(tie(all, "", Kind::Mac, "external/.zshrc"), Tie::Link);
        assert_eq!(tie(all, "", Kind::Mac, "external/.x"), Tie::Copy);
        assert_eq!(tie(all, "", Kind::Mac, "external/Library/Preferences/a.plist"), Tie::Copy);
        assert_eq!(tie(all, "", Kind::Ec2, "external/Library/Preferences/a.plist"), Tie::Link);
        assert_eq!(tie(all, "", Kind::Ec2, "external/.replaced"), Tie::Copy);
    }

    #[test]
    fn a_tie_has_its_reason() {
        let after = Manifest::parse(".a\n.b link=copy\n.c link=link\n.replaced\nsnap/\n").unwrap();
        let copies = BTreeSet::from([HomePath::new(".replaced").unwrap()]);
        let ties = Ties { after: &after, before: Vec::new(), kind: Kind::Ec2, copies: &copies };
        let why = |path: &str| ties.explained(&RepoPath::new(path).unwrap()).1;
        assert_eq!(why("external/.a"), Because::Usual);
        assert_eq!(why("external/.b"), Because::Asked);
        assert_eq!(why("external/.c"), Because::Asked);
        assert_eq!(why("external/.replaced"), Because::Replaced);
        assert!(matches!(why("external/snap/x"), Because::Breaks(_)));
        assert_eq!(why("external/.d"), Because::NoMark);
        assert_eq!(why("tool"), Because::InRepository);
    }

    #[test]
    fn a_mark_that_went_is_told_from_a_plain_file() {
        assert_eq!(tie("", ".zshrc\n", Kind::Mac, "external/.zshrc"), Tie::Unmarked);
        assert_eq!(tie("", "", Kind::Mac, "external/.zshrc"), Tie::None);
        assert_eq!(tie("", ".zshrc\n", Kind::Mac, "bin/tool"), Tie::None);
    }
}
