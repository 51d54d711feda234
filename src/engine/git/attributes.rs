//! What `.gitattributes` say of a file: whether a filter must see it, and how it merges.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cfgsync_core::arrival::rules::Rules;
use cfgsync_core::inert::shown;
use cfgsync_core::merge::Rule;
use cfgsync_core::path::RepoPath;
use git2::{AttrCheckFlags, AttrValue};

use super::global;
use super::program::{self, Answer, Limits};
use super::worktree::Worktree;
use crate::failure::{Failure, Outcome};
use crate::fs::dir::os;
use crate::fs::plain;

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

/// How many files one call asks about: no system takes endless arguments.
const AT_ONCE: usize = 200;

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
    pub fn filter_name(&self, path: &RepoPath, scratch: &Path) -> Outcome<Option<String>> {
        let folders =
            path.ancestors().map(|folder| [folder.as_bytes(), b"/.gitattributes"].concat());
        let inside: Vec<RepoPath> = folders
            .chain([b".gitattributes".to_vec()])
            .filter_map(|name| RepoPath::new(name).ok())
            .filter(|file| self.root().join(os(file.as_bytes())).exists())
            .collect();
        if !self.may_filter(&inside) {
            return Ok(None);
        }
        Ok(self.filters([path], scratch)?.remove(path))
    }

    /// Returns true where attributes may name a filter: those of these files of the repository, of its own
    /// folder, of the user and of the system. Git takes the names of attributes as they stand.
    pub fn may_filter<'a>(&self, inside: impl IntoIterator<Item = &'a RepoPath>) -> bool {
        let inside = inside.into_iter().map(|path| self.root().join(os(path.as_bytes())));
        let own = self.file_of_user(Rules::Attributes);
        let places = [self.git_folder().join("info/attributes"), "/etc/gitattributes".into(), own];
        let is_named = self.setting("core.attributesFile").is_some();
        // Where Git would take what is not there from its index, or knows better where it lies.
        let mut read =
            inside.map(|place| (place, true)).chain(places.map(|place| (place, is_named)));
        read.any(|(place, otherwise)| match plain::read(&place) {
            Ok(Some(bytes)) => bytes.windows(6).any(|word| word == b"filter"),
            Ok(None) => otherwise,
            Err(_) => true,
        })
    }

    /// Asks git which filters must see which of these files. The library reads attributes otherwise than
    /// git does, which runs the filters: quoted names, names that are taken back, macros, long lines.
    pub fn filters<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a RepoPath>,
        scratch: &Path,
    ) -> Outcome<BTreeMap<RepoPath, String>> {
        let paths: Vec<&RepoPath> = paths.into_iter().collect();
        let mut filters = BTreeMap::new();
        for paths in paths.chunks(AT_ONCE) {
            let answer = self.ask_for_filters(paths, scratch)?;
            let mut words = answer.stdout.split(|byte| *byte == 0);
            while let (Some(path), Some(_), Some(name)) = (words.next(), words.next(), words.next())
            {
                let is_name =
                    !["", "set", "unset", "unspecified"].map(str::as_bytes).contains(&name);
                if let Some(path) = RepoPath::new(path).ok().filter(|_| is_name) {
                    filters.insert(path, String::from_utf8_lossy(name).into_owned());
                }
            }
        }
        Ok(filters)
    }

    fn ask_for_filters(&self, paths: &[&RepoPath], scratch: &Path) -> Outcome<Answer> {
        // The attributes that count are those here, whatever `core.worktree` says.
        let here = format!("--work-tree={}", self.root().display());
        let arguments = [&*here, "check-attr", "-z", "filter", "--"];
        let ask = || {
            let limits = Limits::local(PATIENCE);
            let mut command = program::git(self.root(), None, limits, &arguments);
            command.args(paths.iter().map(|path| os(path.as_bytes())));
            program::bounded(command, limits, scratch)?.finish()
        };
        let mut answer = ask()?;
        if global::is_to_blame(&answer) {
            answer = ask()?;
        }
        if answer.code == Some(0) {
            return Ok(answer);
        }
        Err(Failure::error(format!(
            "git cannot say which filters cover files of {}: {}",
            self.root().display(),
            shown(answer.stderr.trim())
        ))
        .hint("Run `git check-attr filter -- FILE` in that folder; nothing was sent."))
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
