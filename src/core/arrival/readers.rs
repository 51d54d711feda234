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

/// Returns what a configuration names of the programs that a sync may run, each with its key. `text`
/// is what ssh reads, and for Git what Git itself lists of it (`git config --list -z`): nothing else
/// reads a file as Git does.
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
    if line.starts_with(b"#") {
        return false;
    }
    // ssh takes blanks, `=` and quotes before a key for nothing; which word it then reads as the key
    // is not for us to know better.
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'=' | b'"' | b'\'');
    let lower = line.to_ascii_lowercase();
    let has_key = lower.split(ends).any(|word| KEYS.contains(&word));
    let bare = bare(line);
    let has = |word: &[u8]| bare.windows(word.len()).any(|part| part == word);
    has_key || (has(b"match") && has(b"exec")) || KEYS.iter().any(|key| bare.starts_with(key))
}

/// Reads what Git lists: each key with its section and subsection, its value after a line feed, and
/// a zero.
fn git(listing: &[u8]) -> BTreeSet<Vec<u8>> {
    let entries = listing.split(|byte| *byte == 0).map(|entry| {
        let mut parts = entry.splitn(2, |byte| *byte == b'\n');
        (parts.next().unwrap_or_default(), parts.next())
    });
    let named = entries.filter(|(key, _)| is_git_program(key));
    named
        .map(|(key, value)| [key, value.map_or(b"", |_| b"="), value.unwrap_or_default()].concat())
        .collect()
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
    let section = key.split(|byte| *byte == b'.').next().unwrap_or_default();
    let key = key.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
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
    fn programs_of_git_are_found_in_what_git_lists() {
        let found = |text: &[u8]| programs(Reader::Git, text);
        let named = |text: &[u8]| found(text).len();
        let listing = b"user.name\nme\0core.sshcommand\nx\0alias.a\n!b\ncore.askpass\0";
        assert_eq!(found(listing), [b"core.sshcommand=x".to_vec()].into());
        assert_eq!(named(b"credential.https://a.b/c.helper\n!x\0filter.a.clean\0"), 2);
        assert_eq!(named(b"includeif.gitdir:~/x/.path\nx\0merge.a.driver\nx\0"), 2);
        assert_ne!(found(b"url.a.insteadof\nx\0"), found(b"url.b.insteadof\nx\0"));
        assert_eq!(named(b"core.pager\nless\0user.name\nsshCommand\0helper\0\0"), 0);
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
            "=ProxyCommand x\n",
            "\t\"\" ProxyCommand x\n",
            " = \"\"=ProxyCommand=x\n",
            "=Match exec x\n",
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
