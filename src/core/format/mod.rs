//! Formats of config files, and whether a text is whole in one.
//!
//! A merge by lines knows nothing of what the lines mean: two additions that are fine one by one can
//! name a key twice or leave a bracket open. A check is as strict as the programs that read the file,
//! but never runs anything, follows no include and knows no key by name.

mod git_config;
mod ini;
mod json;
mod shell;
mod ssh_config;
mod yaml;

use crate::path::RepoPath;

/// A config format cfgsync knows by a file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON, with the comments and trailing commas that editors allow in their settings.
    Json,
    /// TOML.
    Toml,
    /// YAML, of one or several documents.
    Yaml,
    /// Sections of keys, as Python's `configparser`, desktop entries and `EditorConfig` have them.
    Ini,
    /// What `git config` reads.
    GitConfig,
    /// What `ssh` reads.
    SshConfig,
    /// A script or rc file of sh, bash, ksh or zsh.
    Shell,
}

/// Returns false when both sides of a merge parse in the format their path names, and what they were
/// merged into does not.
pub fn survives(path: &RepoPath, sides: [&[u8]; 2], merged: &[u8]) -> bool {
    let Some(format) = Format::of(path, sides[0]) else { return true };
    !sides.iter().all(|side| format.parses(side)) || format.parses(merged)
}

impl Format {
    /// Returns the format a path names, or that of the shell on the `#!` line, none where neither
    /// says it.
    pub fn of(path: &RepoPath, text: &[u8]) -> Option<Self> {
        let mut folders = path.components().rev();
        let name = folders.next()?;
        by_place(name, folders.next(), folders.next())
            .or_else(|| by_name(name))
            .or_else(|| by_ending(name))
            .or_else(|| names_shell(text).then_some(Self::Shell))
    }

    /// Returns true when the text is whole in this format.
    pub fn parses(self, text: &[u8]) -> bool {
        let is = |check: fn(&str) -> bool| str::from_utf8(text).is_ok_and(check);
        match self {
            Self::Json => is(json::parses),
            Self::Toml => is(|text| text.parse::<toml::Table>().is_ok()),
            Self::Yaml => is(yaml::parses),
            Self::Ini => ini::parses(text),
            Self::GitConfig => git_config::parses(text),
            Self::SshConfig => ssh_config::parses(text),
            Self::Shell => shell::is_complete(text),
        }
    }
}

/// Knows a file by the one or two folders that hold it, below `$HOME` or in the repository.
fn by_place(name: &[u8], parent: Option<&[u8]>, above: Option<&[u8]>) -> Option<Format> {
    match (above, parent?, name) {
        (_, b"git", b"config") => Some(Format::GitConfig),
        (_, b".ssh", b"config") | (Some(b".ssh"), b"config.d", _) => Some(Format::SshConfig),
        (_, b".ssh", _) if name.ends_with(b".conf") => Some(Format::SshConfig),
        _ => None,
    }
}

/// Knows a file by its name, with or without the leading dot.
fn by_name(name: &[u8]) -> Option<Format> {
    match name.strip_prefix(b".").unwrap_or(name) {
        b"gitconfig" | b"gitmodules" => Some(Format::GitConfig),
        b"editorconfig" => Some(Format::Ini),
        b"zshrc" | b"zshenv" | b"zprofile" | b"zlogin" | b"zlogout" => Some(Format::Shell),
        b"bashrc" | b"bash_profile" | b"bash_login" | b"bash_logout" | b"bash_aliases" => {
            Some(Format::Shell)
        }
        b"profile" | b"aliases" => Some(Format::Shell),
        _ => None,
    }
}

fn by_ending(name: &[u8]) -> Option<Format> {
    let dot = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0)?;
    match name.get(dot + 1..)? {
        b"json" | b"jsonc" | b"code-workspace" | b"code-snippets" => Some(Format::Json),
        b"toml" => Some(Format::Toml),
        b"yaml" | b"yml" => Some(Format::Yaml),
        b"ini" | b"cfg" | b"desktop" => Some(Format::Ini),
        b"gitconfig" => Some(Format::GitConfig),
        b"sh" | b"bash" | b"zsh" | b"ksh" => Some(Format::Shell),
        _ => None,
    }
}

/// Returns true when the `#!` line names a shell, by its path or through `env`.
fn names_shell(text: &[u8]) -> bool {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Some(command) = line.strip_prefix(b"#!") else { return false };
    command
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .map(|word| word.rsplit(|byte| *byte == b'/').next().unwrap_or_default())
        .find(|word| *word != b"env" && !word.starts_with(b"-"))
        .is_some_and(|word| matches!(word, b"sh" | b"bash" | b"zsh" | b"ksh" | b"dash"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_format() {
        for (path, text, expected) in [
            ("external/.config/Code/User/settings.json", "", Some(Format::Json)),
            ("external/.config/starship.toml", "", Some(Format::Toml)),
            ("a/b.yml", "", Some(Format::Yaml)),
            (".editorconfig", "", Some(Format::Ini)),
            ("external/.inputrc", "", None),
            ("external/.config/git/config", "", Some(Format::GitConfig)),
            ("work.gitconfig", "", Some(Format::GitConfig)),
            ("external/.ssh/config", "", Some(Format::SshConfig)),
            ("external/.ssh/config.d/home", "", Some(Format::SshConfig)),
            ("external/.ssh/home.conf", "", Some(Format::SshConfig)),
            ("external/.ssh/known_hosts", "", None),
            ("external/.zshrc", "", Some(Format::Shell)),
            ("zsh/zshrc", "", Some(Format::Shell)),
            ("bin/tool", "#!/usr/bin/env -S bash -e\n", Some(Format::Shell)),
            ("bin/tool", "#! /bin/sh", Some(Format::Shell)),
            ("bin/tool", "#!/usr/bin/python3 sh\n", None),
            ("nvim/init.lua", "", None),
            (".json", "", None),
        ] {
            let path = RepoPath::new(path).unwrap();
            assert_eq!(Format::of(&path, text.as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn toml_with_a_key_twice_is_not_whole() {
        assert!(Format::Toml.parses(b"[a]\nb = 1\n[c]\nb = 1\n"));
        for text in ["a = 1\na = 2\n", "[a]\n[a]\n", "a = [1,\n", "a\n"] {
            assert!(!Format::Toml.parses(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn only_formats_of_bytes_take_bytes_that_are_no_text() {
        for (format, expected) in [
            (Format::Json, false),
            (Format::Toml, false),
            (Format::Yaml, false),
            (Format::Ini, true),
            (Format::GitConfig, true),
            (Format::Shell, true),
        ] {
            let text: &[u8] = match format {
                Format::Json => b"\"\xff\"",
                Format::GitConfig => b"[a]\nb = \xff",
                _ => b"a='\xff'",
            };
            assert_eq!(format.parses(text), expected, "{format:?}");
        }
    }
}
