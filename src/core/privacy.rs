//! Whether strangers can read a remote: where they would ask, and what the answer means.

use std::collections::BTreeMap;

use crate::time::UnixTime;

/// How long an answer counts.
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Hosts whose repositories have the same path over https as over ssh, and what they are called there.
const HOSTS: [(&str, &str); 11] = [
    ("github.com", "github.com"),
    ("ssh.github.com", "github.com"),
    ("gist.github.com", "gist.github.com"),
    ("gitlab.com", "gitlab.com"),
    ("altssh.gitlab.com", "gitlab.com"),
    ("bitbucket.org", "bitbucket.org"),
    ("altssh.bitbucket.org", "bitbucket.org"),
    ("codeberg.org", "codeberg.org"),
    ("gitea.com", "gitea.com"),
    ("git.sr.ht", "git.sr.ht"),
    ("framagit.org", "framagit.org"),
];

/// Where a stranger would find a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// At this address, without any name or password.
    Web(String),
    /// On this machine or one beside it, in this folder.
    Folder(String),
    /// Nowhere: the address means something only here.
    Nearby,
    /// Nobody knows.
    Unknown,
}

/// Who can read a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Anybody.
    Everybody,
    /// Those who were let in.
    Members,
    /// Nobody knows: there was no answer, or no place to ask.
    Unknown,
}

impl Readers {
    /// Returns its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Members => "members",
            Self::Unknown => "unknown",
        }
    }

    /// Reads its word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Everybody, Self::Members, Self::Unknown].into_iter().find(|it| it.word() == word)
    }
}

/// Returns where a stranger would find the remote of an address. `web` says of further hosts where
/// they are on the web.
pub fn door(url: &str, web: &BTreeMap<String, String>) -> Door {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None if url.starts_with(['/', '.', '~']) => return Door::Folder(url.to_owned()),
        // `user@host:path`, unless a folder has a colon in its name.
        None => match url.split_once(':').filter(|(host, _)| !host.contains('/')) {
            Some((host, path)) => return at("ssh", host, path.trim_start_matches('/'), web),
            None => return Door::Folder(url.to_owned()),
        },
    };
    if scheme == "file" {
        return Door::Folder(rest.to_owned());
    }
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    at(scheme, host, path, web)
}

fn at(scheme: &str, authority: &str, path: &str, web: &BTreeMap<String, String>) -> Door {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_ascii_lowercase();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => &host,
    };
    if let Some(base) = web.get(&host).or_else(|| web.get(name)) {
        return Door::Web(format!("{}/{path}", base.trim_end_matches('/')));
    }
    if is_nearby(name) {
        return Door::Nearby;
    }
    let is_ssh = scheme == "ssh" || scheme.ends_with("+ssh");
    match scheme {
        "http" | "https" => Door::Web(format!("{scheme}://{host}/{path}")),
        _ if is_ssh => HOSTS
            .iter()
            .find(|(ssh, _)| *ssh == name)
            .map_or(Door::Unknown, |(_, web)| Door::Web(format!("https://{web}/{path}"))),
        _ => Door::Unknown,
    }
}

/// Returns true for a host that no stranger can reach by this name.
fn is_nearby(name: &str) -> bool {
    let private = ["127.", "10.", "192.168.", "169.254.", "[::1]", "[fe80", "[fd"];
    let of_172 = name.strip_prefix("172.").and_then(|rest| rest.split('.').next()?.parse().ok());
    name == "localhost"
        || [".localhost", ".local", ".internal", ".lan"].iter().any(|end| name.ends_with(end))
        || private.iter().any(|start| name.starts_with(start))
        || of_172.is_some_and(|second: u8| (16..32).contains(&second))
}

/// Returns what git's answer to a stranger means: its exit code, and what it complained about.
pub fn readers(code: Option<i32>, complaint: &str) -> Readers {
    const CLOSED: [&str; 9] = [
        "Authentication failed",
        "could not read Username",
        "could not read Password",
        "terminal prompts disabled",
        "unable to get password",
        "returned error: 401",
        "returned error: 403",
        "returned error: 404",
        "' not found",
    ];
    if code == Some(0) {
        return Readers::Everybody;
    }
    if CLOSED.iter().any(|words| complaint.contains(words)) {
        return Readers::Members;
    }
    Readers::Unknown
}

/// Returns true when it is time to ask again. What is known to be open is asked about each time: it
/// stops everything until it is closed. So is what did not answer; no push waits for that again.
pub fn is_due(last: Option<(Readers, UnixTime)>, now: UnixTime) -> bool {
    last.is_none_or(|(readers, at)| {
        readers != Readers::Members || now.seconds().abs_diff(at.seconds()) > DAY_SECONDS
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, wanted: &str) {
        let web = [("git.me.example".to_owned(), "https://code.me.example/".to_owned())].into();
        let found = match door(url, &web) {
            Door::Web(address) => address,
            Door::Folder(folder) => format!("folder {folder}"),
            Door::Nearby => "nearby".to_owned(),
            Door::Unknown => "unknown".to_owned(),
        };
        assert_eq!(found, wanted, "{url}");
    }

    #[test]
    fn where_a_stranger_would_ask() {
        check("git@github.com:me/configs.git", "https://github.com/me/configs.git");
        check("ssh://git@ssh.github.com:443/me/configs", "https://github.com/me/configs");
        check("https://me:token@gitlab.com/me/x.git", "https://gitlab.com/me/x.git");
        check("http://example.org:8080/x", "http://example.org:8080/x");
        check("git@git.me.example:x.git", "https://code.me.example/x.git");
        check("git@my-alias:x.git", "unknown");
        check("git@host.example:x.git", "unknown");
        check("ssh://me@127.0.0.1:2222/x", "nearby");
        check("http://localhost:3000/x", "nearby");
        check("https://172.20.1.1/x", "nearby");
        check("/srv/configs.git", "folder /srv/configs.git");
        check("file:///srv/configs.git", "folder /srv/configs.git");
        check("../configs", "folder ../configs");
    }

    #[test]
    fn what_an_answer_means() {
        let check = |code, complaint, wanted| assert_eq!(readers(code, complaint), wanted);
        check(Some(0), "", Readers::Everybody);
        check(Some(128), "fatal: could not read Username for 'https://h': x", Readers::Members);
        check(Some(128), "fatal: unable to get password from user", Readers::Members);
        check(Some(128), "fatal: repository 'https://h/x/' not found", Readers::Members);
        check(Some(128), "fatal: x: The requested URL returned error: 403", Readers::Members);
        check(Some(128), "fatal: x: The requested URL returned error: 500", Readers::Unknown);
        check(Some(128), "fatal: x: Could not resolve host: h", Readers::Unknown);
        check(None, "", Readers::Unknown);
    }

    #[test]
    fn when_it_is_asked_again() {
        let at = |seconds: u64| UnixTime(seconds * 1000);
        assert!(is_due(None, at(5)));
        assert!(!is_due(Some((Readers::Members, at(5))), at(6)));
        assert!(is_due(Some((Readers::Members, at(5))), at(6 + DAY_SECONDS)));
        assert!(is_due(Some((Readers::Everybody, at(5))), at(5)));
    }
}
