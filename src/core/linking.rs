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

impl Ties<'_> {
    /// Returns the tie of a unit.
    pub fn of(&self, path: &RepoPath) -> Tie {
        let Some(home) = path.home() else { return Tie::None };
        if let Some((_, mark)) = self.after.covering(&home) {
            return match mark.link_policy() {
                LinkPolicy::Link => Tie::Link,
                LinkPolicy::Copy => Tie::Copy,
                LinkPolicy::Auto if self.copies.contains(&home) => Tie::Copy,
                LinkPolicy::Auto if reason_to_copy(&home, self.kind).is_some() => Tie::Copy,
                LinkPolicy::Auto => Tie::Link,
            };
        }
        let was_marked = self.before.iter().any(|manifest| manifest.covering(&home).is_some());
        if was_marked { Tie::Unmarked } else { Tie::None }
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
    fn a_mark_that_went_is_told_from_a_plain_file() {
        assert_eq!(tie("", ".zshrc\n", Kind::Mac, "external/.zshrc"), Tie::Unmarked);
        assert_eq!(tie("", "", Kind::Mac, "external/.zshrc"), Tie::None);
        assert_eq!(tie("", ".zshrc\n", Kind::Mac, "bin/tool"), Tie::None);
    }
}
