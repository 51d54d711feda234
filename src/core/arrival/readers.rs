//! Configuration that a sync itself, or the next shell, depends on: which program reads it, which
//! programs it names that a sync would run, and where it lets data go.

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
        [name] if name.starts_with(b".gitconfig") || *name == b".lfsconfig" => Some(Reader::Git),
        [b".config", b"git", name] if has(name, b"config") => Some(Reader::Git),
        [b".ssh", b"config"] => Some(Reader::Ssh),
        [b".ssh", folder, _] if has(folder, b"conf") => Some(Reader::Ssh),
        _ => None,
    }
}

/// Returns what a configuration names of the programs that a sync may run, of places that it may send
/// to, and of what it trusts there: each with its key and its section. `text`
/// is what ssh reads, and for Git what Git itself lists of it (`git config --list -z`): nothing else
/// reads a file as Git does.
pub fn programs(reader: Reader, text: &[u8]) -> BTreeSet<Vec<u8>> {
    match reader {
        Reader::Git => git(text),
        Reader::Ssh => ssh(text),
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

/// The same line means something else for other hosts, so each is taken with its section.
fn ssh(text: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    let mut section: &[u8] = b"";
    for line in lines(text) {
        let first = words(line).into_iter().find(|word| !word.is_empty());
        let is_section = first.is_some_and(|word| word == b"host" || word == b"match");
        if is_section {
            section = line;
        }
        if is_ssh_key(line) {
            let has_none = is_section || section.is_empty();
            let inside = if has_none { Vec::new() } else { [b" (in ", section, b")"].concat() };
            found.insert([line, &inside].concat());
        }
    }
    found
}

/// ssh takes blanks, `=` and quotes before a key for nothing.
fn words(line: &[u8]) -> Vec<Vec<u8>> {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'=' | b'"' | b'\'');
    line.to_ascii_lowercase().split(ends).map(<[u8]>::to_vec).collect()
}

/// The keys of ssh's that name a program, a file of more keys, another host, or what is trusted or
/// handed over there. A key of one's own is none: whom it is shown to learns nothing that matters.
fn is_ssh_key(line: &[u8]) -> bool {
    const KEYS: [&[u8]; 27] = [
        b"proxycommand",
        b"localcommand",
        b"knownhostscommand",
        b"pkcs11provider",
        b"securitykeyprovider",
        b"xauthlocation",
        b"include",
        b"permitlocalcommand",
        b"hostname",
        b"hostkeyalias",
        b"canonicalizehostname",
        b"canonicaldomains",
        b"proxyjump",
        b"stricthostkeychecking",
        b"userknownhostsfile",
        b"globalknownhostsfile",
        b"verifyhostkeydns",
        b"nohostauthenticationforlocalhost",
        b"forwardagent",
        b"identityagent",
        b"addkeystoagent",
        b"forwardx11",
        b"forwardx11trusted",
        b"remoteforward",
        b"sendenv",
        b"gssapidelegatecredentials",
        b"controlpath",
    ];
    if line.starts_with(b"#") {
        return false;
    }
    // Which of the words ssh reads as the key is not for us to know better.
    let has_key = words(line).iter().any(|word| KEYS.contains(&&word[..]));
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
    let named = entries.filter(|(key, _)| is_git_key(key));
    named
        .map(|(key, value)| [key, value.map_or(b"", |_| b"="), value.unwrap_or_default()].concat())
        .collect()
}

/// The keys of Git's that name a program, a file of more keys, a file to write, another address or
/// folder, or what is trusted or handed over there, and that a call of cfgsync's may heed. The name in the middle of a key does not matter.
const GIT_KEYS: [(&str, &[&str]); 20] = [
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
            "worktree",
            "bare",
            "excludesfile",
            "attributesfile",
        ],
    ),
    ("credential", &["helper"]),
    ("filter", &["clean", "smudge", "process"]),
    ("merge", &["driver", "tool"]),
    ("mergetool", &["cmd", "path"]),
    (
        "remote",
        &[
            "uploadpack",
            "receivepack",
            "vcs",
            "proxy",
            "url",
            "pushurl",
            "mirror",
            "push",
            "fetch",
            "pushdefault",
            "lfsurl",
            "lfspushurl",
        ],
    ),
    ("branch", &["remote", "pushremote", "merge"]),
    ("transfer", &["hiderefs"]),
    ("receive", &["hiderefs"]),
    ("url", &["insteadof", "pushinsteadof"]),
    ("include", &["path"]),
    ("includeif", &["path"]),
    ("protocol", &["allow"]),
    ("trace2", &["normaltarget", "eventtarget", "perftarget"]),
    ("gpg", &["program", "defaultkeycommand"]),
    ("uploadpack", &["packobjectshook", "hiderefs"]),
    (
        "http",
        &[
            "proxy",
            "proxysslcainfo",
            "sslcert",
            "sslkey",
            "sslverify",
            "sslcainfo",
            "sslcapath",
            "extraheader",
            "cookiefile",
            "savecookies",
            "curloptresolve",
            "followredirects",
            "delegation",
        ],
    ),
    (
        "lfs",
        &[
            "url",
            "pushurl",
            "path",
            "args",
            "standalonetransferagent",
            "clean",
            "smudge",
            "storage",
        ],
    ),
    // Which attributes count, and with them which filters.
    ("attr", &["tree"]),
    ("hook", &["command"]),
];

/// Returns true for what a configuration names that keeps files here: nobody takes it away unasked.
pub fn keeps_files(named: &[u8]) -> bool {
    [&b"core.excludesfile="[..], b"core.attributesfile="].iter().any(|key| named.starts_with(key))
}

fn is_git_key(key: &[u8]) -> bool {
    let section = key.split(|byte| *byte == b'.').next().unwrap_or_default();
    let key = key.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let known = GIT_KEYS.iter().find(|(name, _)| name.as_bytes() == section);
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
        for place in [".gitconfig", ".gitconfig-work", ".config/git/config", ".lfsconfig"] {
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
        assert_eq!(found(b"core.excludesfile\nx\0").iter().filter(|it| keeps_files(it)).count(), 1);
        assert_eq!(found(b"core.editor\nx\0").iter().filter(|it| keeps_files(it)).count(), 0);
        assert_eq!(named(b"core.pager\nless\0user.name\nsshCommand\0helper\0\0"), 0);
    }

    #[test]
    fn where_git_sends_data_counts_with_its_subsection() {
        let named = |text: &str| programs(Reader::Git, text.as_bytes()).len();
        for key in [
            "remote.origin.url",
            "remote.origin.pushurl",
            "remote.origin.mirror",
            "remote.a.b.proxy",
            "url.https://a.b/.insteadof",
            "url.x.pushinsteadof",
            "http.proxy",
            "http.https://a.b/c.d.sslcainfo",
            "http.sslverify",
            "http.https://a.b.extraheader",
            "core.worktree",
            "core.bare",
            "transfer.hiderefs",
            "include.path",
            "includeif.onbranch:a.b.path",
            "branch.main.remote",
            "lfs.customtransfer.a.path",
            "lfs.standalonetransferagent",
            "lfs.extension.a.clean",
            "attr.tree",
        ] {
            assert_eq!(named(&format!("{key}\nx\0")), 1, "{key}");
        }
    }

    #[test]
    fn where_ssh_sends_data_counts_with_its_section() {
        let found = |text: &str| programs(Reader::Ssh, text.as_bytes());
        for key in [
            "HostName",
            "ProxyJump",
            "StrictHostKeyChecking",
            "UserKnownHostsFile",
            "GlobalKnownHostsFile",
            "ForwardAgent",
            "KnownHostsCommand",
        ] {
            assert_eq!(found(&format!("Host a\n  {key} x\n")).len(), 1, "{key}");
            assert_eq!(found(&format!("{key}=x\n")).len(), 1, "{key}");
        }
        assert_ne!(found("Host a\nHostName x\nHost b\n"), found("Host a\nHost b\nHostName x\n"));
        assert_ne!(found("Host a\nHostName x\n"), found("=\"Host\" *\nHostName x\n"));
        assert_eq!(found("Host a\nHostName x\nUser b\n"), found("Host a\n\n  HostName x\n"));
        assert!(found("Host a\nIdentityFile x\nUser b\nPort 1\n").is_empty());
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
