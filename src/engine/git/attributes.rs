//! What `.gitattributes` say of a file: whether a filter must see it, and how it merges.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cfgsync_core::arrival::rules::Rules;
use cfgsync_core::inert::shown;
use cfgsync_core::merge::Rule;
use cfgsync_core::path::RepoPath;
use git2::{AttrCheckFlags, AttrValue};

use super::program::{self, Limits};
use super::worktree::Worktree;
use crate::failure::Outcome;
use crate::fs::dir::os;

/// Turned off (`-cfgsync-combine`), lines that both sides added at one place wait for a person.
const COMBINE: &str = "cfgsync-combine";

/// How the versions of a file are merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// By lines, by this rule.
    Lines(Rule),
    /// Not at all: a person chooses.
    Choice,
    /// By a program of the user's own configuration.
    Driver(String),
}

/// A line of an ignore file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreRule {
    /// The file, below the repository where it lies there; fit for a terminal.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// What it says; fit for a terminal.
    pub pattern: String,
}

/// How long Git may take to find a rule.
const PATIENCE: Duration = Duration::from_secs(5);

impl Worktree {
    /// Returns true when there are attributes outside the working tree, of the user or of the system.
    pub fn has_own_attributes(&self) -> bool {
        let of_git = self.git_folder().join("info/attributes");
        let places = [self.file_of_user(Rules::Attributes), of_git, "/etc/gitattributes".into()];
        // Where a configured name leads is Git's to know.
        self.setting("core.attributesFile").is_some() || places.iter().any(|place| place.exists())
    }

    /// Returns the user's own rules outside the repository: where they are, whether or not they are
    /// there.
    pub fn file_of_user(&self, rules: Rules) -> PathBuf {
        let home = crate::context::home().unwrap_or_default();
        let (key, name) = match rules {
            Rules::Ignore => ("core.excludesFile", "ignore"),
            Rules::Attributes => ("core.attributesFile", "attributes"),
        };
        let folder = crate::context::variable("XDG_CONFIG_HOME").filter(|at| !at.is_empty());
        let folder = folder.map_or_else(|| home.join(".config"), PathBuf::from);
        self.setting(key).filter(|file| !file.is_empty()).map_or_else(
            || folder.join("git").join(name),
            |file| file.strip_prefix("~/").map_or_else(|| PathBuf::from(&file), |at| home.join(at)),
        )
    }

    /// Returns the files outside the repository that may say what is ignored or filtered.
    pub fn user_rules(&self) -> Vec<PathBuf> {
        let home = crate::context::home().unwrap_or_default();
        let mut folders = vec![home.join(".config/git")];
        folders.extend(
            crate::context::variable("XDG_CONFIG_HOME").map(|at| Path::new(&at).join("git")),
        );
        let mut files = vec![home.join(".gitconfig"), "/etc/gitconfig".into()];
        files.push("/etc/gitattributes".into());
        let names = ["config", "ignore", "attributes"];
        files.extend(folders.iter().flat_map(|folder| names.map(|name| folder.join(name))));
        let keys = ["core.excludesFile", "core.attributesFile"];
        files.extend(keys.iter().filter_map(|key| self.setting(key)).map(|file| {
            file.strip_prefix("~/").map_or_else(|| PathBuf::from(&file), |below| home.join(below))
        }));
        files
    }

    /// Returns the rule that decides whether a path is ignored; none where no rule speaks of it, or
    /// `git` itself cannot be asked.
    pub fn ignoring_rule(&self, path: &RepoPath, scratch: &Path) -> Outcome<Option<IgnoreRule>> {
        let path = String::from_utf8_lossy(path.as_bytes()).into_owned();
        let arguments = ["check-ignore", "--no-index", "-v", "--", &path];
        let limits = Limits::local(PATIENCE);
        let text = program::run(self.root(), None, limits, scratch, &arguments)?.text();
        let rule = text.split('\t').next().unwrap_or_default();
        let [file, line, pattern] = rule.splitn(3, ':').collect::<Vec<_>>()[..] else {
            return Ok(None);
        };
        let line = line.parse().unwrap_or(0);
        let (file, pattern) = (shown(file.as_bytes()), shown(pattern.as_bytes()));
        Ok((!pattern.starts_with('!')).then_some(IgnoreRule { file, line, pattern }))
    }

    /// Returns the name of the clean and smudge filter that must see a file's bytes.
    pub fn filter_name(&self, path: &RepoPath) -> Option<String> {
        self.attribute(path, "filter", |value| match value {
            AttrValue::String(name) => Some(name.to_owned()),
            AttrValue::Bytes(name) => Some(String::from_utf8_lossy(name).into_owned()),
            AttrValue::True | AttrValue::False | AttrValue::Unspecified => None,
        })
    }

    /// Returns how a file is merged: gitattributes(5), `merge`. A driver the user did not configure
    /// here is as good as none, as Git has it.
    pub fn means(&self, path: &RepoPath) -> Means {
        let strict = self.attribute(path, COMBINE, |value| matches!(value, AttrValue::False));
        let rule = if strict { Rule::Strict } else { Rule::Additions };
        self.attribute(path, "merge", |value| match value {
            AttrValue::False | AttrValue::String("binary") => Means::Choice,
            AttrValue::String("union") => Means::Lines(Rule::Union),
            AttrValue::String(name) => self
                .setting(&format!("merge.{name}.driver"))
                .map_or(Means::Lines(rule), Means::Driver),
            AttrValue::True | AttrValue::Unspecified | AttrValue::Bytes(_) => Means::Lines(rule),
        })
    }

    fn attribute<T>(&self, path: &RepoPath, name: &str, read: impl Fn(AttrValue<'_>) -> T) -> T {
        let path = Path::new(os(path.as_bytes()));
        let value = self.store().get_attr(path, name, AttrCheckFlags::FILE_THEN_INDEX);
        read(AttrValue::from_string(value.ok().flatten()))
    }
}
