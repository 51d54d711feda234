//! Configuration that a sync itself, or the next shell, depends on: which program reads it, and which
//! programs it names that a sync would run.

use std::collections::BTreeSet;

use crate::fold::fold;
use crate::path::HomePath;

/// Who reads a file, and would not start or connect any more if it were broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reader {
    /// Git: its configuration.
    Git,
    /// OpenSSH: the configuration of its client.
    Ssh,
    /// zsh: its start files.
    Zsh,
}

/// Returns who reads what stands at a place.
pub fn reader(place: &HomePath) -> Option<Reader> {
    let names: Vec<Vec<u8>> = place.components().map(fold).collect();
    let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    let has = |name: &[u8], word: &[u8]| name.windows(word.len()).any(|part| part == word);
    match &names[..] {
        // zsh reads them wherever ZDOTDIR says.
        [.., b".zshenv" | b".zshrc" | b".zprofile" | b".zlogin" | b".zlogout"] => Some(Reader::Zsh),
        [name] if name.starts_with(b".gitconfig") => Some(Reader::Git),
        [b".config", b"git", name] if has(name, b"config") => Some(Reader::Git),
        [b".ssh", b"config"] => Some(Reader::Ssh),
        [b".ssh", folder, _] if has(folder, b"conf") => Some(Reader::Ssh),
        _ => None,
    }
}

/// Returns what a text names of the programs that a sync may run, by its reader: each with its key,
/// as it stands there.
pub fn programs(reader: Reader, text: &[u8]) -> BTreeSet<Vec<u8>> {
    match reader {
        Reader::Git => git(text),
        Reader::Ssh => {
            lines(text).filter(|line| is_ssh_program(line)).map(<[u8]>::to_vec).collect()
        }
        // All of it is a program, and no sync runs it.
        Reader::Zsh => BTreeSet::new(),
    }
}

/// Returns a text with which ssh can be asked what it thinks of it, without running or reading
/// anything else: lines that may run a command or include a file are blank. Lines keep their numbers.
pub fn without_commands(text: &[u8]) -> Vec<u8> {
    let mut inert = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let bare = bare(line);
        let is_odd = [&b"exec"[..], b"include"]
            .iter()
            .any(|word| bare.windows(word.len()).any(|part| part == *word));
        inert.extend(line.iter().filter(|byte| !is_odd || **byte == b'\n'));
    }
    inert
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

/// A line as ssh may take it, however its words are quoted.
fn bare(line: &[u8]) -> Vec<u8> {
    let quotes = |byte: &u8| !matches!(byte, b'"' | b'\'' | b'\\');
    line.trim_ascii().to_ascii_lowercase().into_iter().filter(quotes).collect()
}

fn is_ssh_program(line: &[u8]) -> bool {
    const KEYS: [&[u8]; 8] = [
        b"proxycommand",
        b"localcommand",
        b"knownhostscommand",
        b"pkcs11provider",
        b"securitykeyprovider",
        b"xauthlocation",
        b"include",
        b"permitlocalcommand",
    ];
    let bare = bare(line);
    let is_match = bare.starts_with(b"match") && bare.windows(4).any(|part| part == b"exec");
    is_match || KEYS.iter().any(|key| bare.starts_with(key))
}

/// Reads the keys of a Git configuration; what stands in no section is nobody's.
fn git(text: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    let mut section: Vec<u8> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.first() {
        if first.is_ascii_whitespace() {
            rest = &rest[1..];
        } else if *first == b'[' {
            let end = section_end(rest);
            section = section_of(&rest[1..end]);
            rest = rest.get(end + 1..).unwrap_or_default();
        } else {
            let end = entry_end(rest);
            let entry = &rest[..end];
            let key = entry.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
            let key = [&section[..], b".", &key.to_ascii_lowercase()].concat();
            if is_git_program(&key) {
                found.insert([&section[..], b" ", entry.trim_ascii()].concat());
            }
            rest = &rest[end..];
        }
    }
    found
}

/// A `]` in quotes ends no section.
fn section_end(text: &[u8]) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'\n' => return at,
            b']' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn section_of(header: &[u8]) -> Vec<u8> {
    let name = header.split(|byte| matches!(byte, b'"' | b'.' | b' ')).next().unwrap_or_default();
    name.trim_ascii().to_ascii_lowercase()
}

/// A backslash at its end makes a line go on.
fn entry_end(text: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'\n' if !escaped => return at,
            b'\\' => escaped = !escaped,
            b'\r' => {}
            _ => escaped = false,
        }
    }
    text.len()
}

/// The keys of Git's that name a program, a file of more keys, a file to write, or another address,
/// and that a call of cfgsync's may heed. The name in the middle of a key does not matter.
fn is_git_program(key: &[u8]) -> bool {
    const KEYS: [(&str, &[&str]); 16] = [
        (
            "core",
            &[
                "sshcommand",
                "gitproxy",
                "askpass",
                "hookspath",
                "fsmonitor",
                "editor",
                "alternaterefscommand",
            ],
        ),
        ("credential", &["helper"]),
        ("filter", &["clean", "smudge", "process"]),
        ("merge", &["driver", "tool"]),
        ("mergetool", &["cmd", "path"]),
        ("remote", &["uploadpack", "receivepack", "vcs", "proxy"]),
        ("url", &["insteadof", "pushinsteadof"]),
        ("include", &["path"]),
        ("includeif", &["path"]),
        ("protocol", &["allow"]),
        ("trace2", &["normaltarget", "eventtarget", "perftarget"]),
        ("gpg", &["program", "defaultkeycommand"]),
        ("uploadpack", &["packobjectshook"]),
        ("http", &["proxy", "sslcert", "sslkey", "sslverify", "cookiefile"]),
        ("lfs", &["url", "pushurl"]),
        ("hook", &["command"]),
    ];
    let mut words = key.splitn(2, |byte| *byte == b'.');
    let (section, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let known = KEYS.iter().find(|(name, _)| name.as_bytes() == section);
    known.is_some_and(|(_, keys)| keys.iter().any(|known| known.as_bytes() == key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_what_is_known_by_its_place() {
        let reader = |place: &str| super::reader(&HomePath::new(place).unwrap());
        for place in [".zshrc", ".config/zsh/.zshenv", ".ZPROFILE"] {
            assert_eq!(reader(place), Some(Reader::Zsh), "{place}");
        }
        for place in [".gitconfig", ".gitconfig-work", ".config/git/config"] {
            assert_eq!(reader(place), Some(Reader::Git), "{place}");
        }
        for place in [".ssh/config", ".ssh/config.d/all", ".ssh/conf.d/x"] {
            assert_eq!(reader(place), Some(Reader::Ssh), "{place}");
        }
        for place in [".config/git/ignore", ".ssh/known_hosts", ".bashrc", "a/.gitconfig"] {
            assert_eq!(reader(place), None, "{place}");
        }
    }

    #[test]
    fn programs_of_git_are_found_however_they_are_written() {
        let found = |text: &str| programs(Reader::Git, text.as_bytes()).len();
        for text in [
            "[core]\n\tsshCommand = x\n",
            "[CORE] SSHCOMMAND=x",
            "[credential \"https://a]b\"]\nhelper = !x\n",
            "[filter \"a\"]\nclean=x\n",
            "[merge.a]\ndriver = x\n",
            "[include]\npath = x\n",
            "[includeIf \"gitdir:~/x/\"]\n\tpath = x\n",
            "[url \"ext::x\"]\ninsteadOf = git@\n",
            "[alias]\na = \"!b \\\n c\"\n[core] askPass = x\n",
            "# [core]\n[a]\nb = c\n[trace2]\neventTarget = /x\n",
        ] {
            assert_eq!(found(text), 1, "{text}");
        }
        for text in
            ["[alias]\nx = !y\n", "[core]\npager = less\n", "[user]\nname = sshCommand\n", ""]
        {
            assert_eq!(found(text), 0, "{text}");
        }
    }

    #[test]
    fn programs_of_ssh_are_found_however_they_are_written() {
        let found = |text: &str| programs(Reader::Ssh, text.as_bytes()).len();
        for text in [
            "Host a\n\tProxyCommand x\n",
            "\"proxycommand\"=x\n",
            "Match host a ex\"e\"c x\n",
            "Include b\n",
            "KnownHostsCommand x\n",
        ] {
            assert_eq!(found(text), 1, "{text}");
        }
        assert_eq!(found("Host a\n\tUser b\n\tPort 22\n# ProxyCommand x\n"), 0);
    }

    #[test]
    fn what_ssh_is_asked_about_runs_nothing_and_keeps_its_lines() {
        let text = b"Host a\nMatch exec \"touch x\"\n\"Ma\"tch e'x'ec x\nInclude y\nBad z\n";
        assert_eq!(without_commands(text), b"Host a\n\n\n\nBad z\n");
    }
}
