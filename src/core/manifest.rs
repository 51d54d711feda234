//! The manifest: the committed list of marks, `.sync/marked-files.txt`.
//!
//! One mark a line: the path below `$HOME` (a folder ends with `/`), then `key=value` attributes.
//! Lines are sorted by path; comments stay with the mark below them. Two manifests are merged mark
//! by mark, never as text, so machines that mark different files never conflict.

use std::collections::{BTreeMap, BTreeSet};

use crate::escape::{escape, unescape, words};
use crate::path::{HomePath, PathError};
use crate::reconcile::pick;
use crate::unit::Mode;

/// The manifest's place in the repository.
pub const MANIFEST: &str = ".sync/marked-files.txt";

/// The newest version this program can write.
const VERSION: u32 = 1;

/// What the first line of a manifest starts with, before its version.
const HEADING: &str = "# cfgsync manifest ";

/// What a mark covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One file.
    File,
    /// Every file below a folder, those that appear later too.
    Folder,
}

/// How a live file is tied to its stored copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPolicy {
    /// A link, except where links are known to break.
    Auto,
    /// Always a link.
    Link,
    /// Always a copy.
    Copy,
}

/// A declaration that a path in `$HOME` is shared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mark {
    /// File or folder.
    pub scope: Scope,
    /// `key=value` attributes; keys this program does not know are kept.
    pub attributes: BTreeMap<String, String>,
    /// Comment lines above the mark.
    pub comment: Vec<String>,
}

impl Mark {
    /// A mark without attributes.
    pub fn new(scope: Scope) -> Self {
        Self { scope, attributes: BTreeMap::new(), comment: Vec::new() }
    }

    /// Returns the `link=` attribute.
    pub fn link_policy(&self) -> LinkPolicy {
        match self.attributes.get("link").map(String::as_str) {
            Some("link") => LinkPolicy::Link,
            Some("copy") => LinkPolicy::Copy,
            _ => LinkPolicy::Auto,
        }
    }

    /// Returns the `mode=` attribute: the mode every machine must give the file.
    pub fn pinned_mode(&self) -> Option<Mode> {
        let mode = Mode::parse(self.attributes.get("mode")?)?;
        (mode.0 <= 0o777 && mode.0 & 0o400 != 0).then_some(mode)
    }

    /// Returns true when a file over the size limit was asked for (`large=yes`).
    pub fn allows_large(&self) -> bool {
        self.attributes.get("large").is_some_and(|value| value == "yes")
    }
}

/// Every mark, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Manifest {
    /// The marks.
    pub marks: BTreeMap<HomePath, Mark>,
    /// Comment lines after the last mark.
    pub trailer: Vec<String>,
}

/// Why a manifest cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Written by a newer program, whose meaning this one cannot know.
    #[error("the manifest is of version {0}, which this cfgsync is too old to write")]
    Newer(u32),
    /// A line is no mark.
    #[error("line {line} of the manifest is no mark: {cause}")]
    Line {
        /// Line number, from one.
        line: usize,
        /// What is wrong with it.
        cause: PathError,
    },
    /// A word of a line is no `key=value`, or an escape is broken.
    #[error("line {line} of the manifest has a word that is no `key=value`")]
    Word {
        /// Line number, from one.
        line: usize,
    },
}

impl Manifest {
    /// Reads a manifest.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let mut manifest = Self::default();
        let mut comment = Vec::new();
        for (index, line) in text.split('\n').enumerate() {
            let line_number = index + 1;
            // An editor may end lines as Windows does; what is written never does.
            let line = line.trim_end_matches('\r');
            if let Some(version) = line.strip_prefix(HEADING) {
                match version.trim().trim_start_matches('v').parse() {
                    Ok(version) if version > VERSION => return Err(ManifestError::Newer(version)),
                    _ => continue,
                }
            }
            if words(line).is_empty() {
                continue;
            }
            if line.starts_with('#') {
                comment.push(line.to_owned());
                continue;
            }
            let (path, mut mark) = parse_mark(line, line_number)?;
            mark.comment = std::mem::take(&mut comment);
            manifest.marks.insert(path, mark);
        }
        manifest.trailer = comment;
        Ok(manifest)
    }

    /// Writes the manifest, in stable order.
    pub fn format(&self) -> String {
        let mut text = format!("{HEADING}v{VERSION}\n");
        for (path, mark) in &self.marks {
            mark.comment.iter().for_each(|line| push_line(&mut text, line));
            let mut line = escape(path.as_bytes());
            // A folder of this name is not the home.
            if path.components().next() == Some(b"~") {
                line.insert(0, '\\');
            }
            if mark.scope == Scope::Folder {
                line.push('/');
            }
            for (key, value) in &mark.attributes {
                line.push_str(&format!(" {}={}", key, escape(value.as_bytes())));
            }
            push_line(&mut text, &line);
        }
        self.trailer.iter().for_each(|line| push_line(&mut text, line));
        text
    }

    /// Returns the mark that covers a home path: its own, or that of a folder above it.
    pub fn covering(&self, path: &HomePath) -> Option<(&HomePath, &Mark)> {
        if let Some(entry) = self.marks.get_key_value(path) {
            return Some(entry);
        }
        let folders = path.ancestors().filter_map(|folder| self.marks.get_key_value(&folder));
        folders.into_iter().find(|(_, mark)| mark.scope == Scope::Folder)
    }

    /// Merges the marks of both sides. An unmark wins over a changed attribute; where both sides
    /// set the same attribute differently, what is already upstream stays.
    #[must_use]
    pub fn merge(base: &Self, ours: &Self, theirs: &Self) -> Self {
        let paths: BTreeSet<_> = ours.marks.keys().chain(theirs.marks.keys()).collect();
        let marks = paths
            .into_iter()
            .filter_map(|path| {
                let sides = [base, ours, theirs].map(|side| side.marks.get(path));
                merge_mark(sides).map(|mark| (path.clone(), mark))
            })
            .collect();
        let trailer =
            pick(&base.trailer, &ours.trailer, &theirs.trailer).unwrap_or(&theirs.trailer);
        Self { marks, trailer: trailer.clone() }
    }
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn parse_mark(line: &str, line_number: usize) -> Result<(HomePath, Mark), ManifestError> {
    let broken = || ManifestError::Word { line: line_number };
    let words = words(line);
    let (first, attributes) = words.split_first().ok_or_else(broken)?;
    let below_home = first.strip_prefix("~/").unwrap_or(first);
    let mut bytes = unescape(below_home).ok_or_else(broken)?;
    let scope = match bytes.last() {
        Some(b'/') => Scope::Folder,
        _ => Scope::File,
    };
    while bytes.last() == Some(&b'/') {
        bytes.pop();
    }
    let path =
        HomePath::new(bytes).map_err(|cause| ManifestError::Line { line: line_number, cause })?;
    let mut mark = Mark::new(scope);
    for word in attributes {
        let (key, value) = word.split_once('=').ok_or_else(broken)?;
        let value = unescape(value).and_then(|bytes| String::from_utf8(bytes).ok());
        mark.attributes.insert(key.to_owned(), value.ok_or_else(broken)?);
    }
    Ok((path, mark))
}

fn merge_mark([base, ours, theirs]: [Option<&Mark>; 3]) -> Option<Mark> {
    match (base, ours, theirs) {
        (None, Some(mark), None) | (None, None, Some(mark)) => Some(mark.clone()),
        (None, Some(ours), Some(theirs)) => {
            Some(merge_attributes(&Mark::new(theirs.scope), ours, theirs))
        }
        (Some(base), Some(ours), Some(theirs)) => Some(merge_attributes(base, ours, theirs)),
        (Some(_), _, _) | (None, None, None) => None,
    }
}

fn merge_attributes(base: &Mark, ours: &Mark, theirs: &Mark) -> Mark {
    let keys: BTreeSet<_> = ours.attributes.keys().chain(theirs.attributes.keys()).collect();
    let attributes = keys
        .into_iter()
        .filter_map(|key| {
            let [base, ours, theirs] = [base, ours, theirs].map(|side| side.attributes.get(key));
            let value = pick(base, ours, theirs).unwrap_or(theirs)?;
            Some((key.clone(), value.clone()))
        })
        .collect();
    let scope = pick(base.scope, ours.scope, theirs.scope).unwrap_or(theirs.scope);
    let comment = pick(&base.comment, &ours.comment, &theirs.comment).unwrap_or(&theirs.comment);
    Mark { scope, attributes, comment: comment.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> Manifest {
        Manifest::parse(text).unwrap()
    }

    fn paths(manifest: &Manifest) -> Vec<String> {
        manifest.marks.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = "# cfgsync manifest v1\n# shells\n.config/nvim/ link=link\n.zshrc mode=0600\na\\ b\n# end\n";
        assert_eq!(manifest(text).format(), text);
    }

    #[test]
    fn the_old_spelling_is_read() {
        assert_eq!(paths(&manifest("~/.vimrc\n\n.zshrc\n")), ["~/.vimrc", "~/.zshrc"]);
    }

    #[test]
    fn a_folder_named_like_the_home_is_another_one() {
        let text = "# cfgsync manifest v1\n\\~ link=link\n\\~/.zshrc\n~x\n";
        assert_eq!(paths(&manifest(text)), ["~/~", "~/~/.zshrc", "~/~x"]);
        assert_eq!(manifest(text).format(), text);
        assert_eq!(manifest(&manifest("~/~/\n").format()), manifest("~/~/\n"));
    }

    #[test]
    fn a_name_of_wide_blanks_is_a_name() {
        let odd = manifest("\u{3000}\n \t\n");
        assert_eq!((odd.marks.len(), manifest(&odd.format())), (1, odd.clone()));
    }

    #[test]
    fn carriage_returns_at_line_ends_mean_nothing() {
        let odd = manifest("# one\r\r\n.zshrc\r\n# end\r");
        assert_eq!(odd, manifest("# one\n.zshrc\n# end\n"));
        assert_eq!(manifest(&odd.format()), odd);
    }

    #[test]
    fn a_newer_manifest_is_not_guessed_at() {
        let newer = Manifest::parse("# cfgsync manifest v2\nx y z\n");
        assert_eq!(newer, Err(ManifestError::Newer(2)));
    }

    #[test]
    fn a_path_that_leaves_home_is_refused() {
        assert!(matches!(Manifest::parse("a\n../b\n"), Err(ManifestError::Line { line: 2, .. })));
        assert!(matches!(Manifest::parse("/etc/x\n"), Err(ManifestError::Line { line: 1, .. })));
    }

    #[test]
    fn both_sides_marks_are_kept_and_unmark_wins() {
        let base = manifest("a\nb\n");
        let ours = manifest("a\nb link=copy\nc\n");
        let theirs = manifest("a\nd\n");
        let merged = Manifest::merge(&base, &ours, &theirs);
        assert_eq!(paths(&merged), ["~/a", "~/c", "~/d"]);
    }

    #[test]
    fn a_folder_covers_what_is_below_it() {
        let manifest = manifest(".config/\n.config/nvim/ link=copy\n.vim\n");
        let covering = |path: &str| {
            manifest.covering(&HomePath::new(path).unwrap()).map(|(path, _)| path.to_string())
        };
        assert_eq!(covering(".config/x").as_deref(), Some("~/.config"));
        assert_eq!(covering(".config/nvim/init").as_deref(), Some("~/.config/nvim"));
        assert_eq!(covering(".vim/x"), None);
        assert_eq!(covering(".configs"), None);
    }
}
