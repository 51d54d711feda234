//! The address of a remote: by which way it is reached.

/// How a remote is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached<'a> {
    /// A folder of this machine.
    Folder(&'a str),
    /// By ssh.
    Ssh {
        /// Host, and user where one is named, as ssh takes them.
        destination: &'a str,
        /// The port, where one is named.
        port: Option<u16>,
    },
    /// By any other way.
    Otherwise,
}

impl<'a> Reached<'a> {
    /// Reads an address as Git does. What is not understood whole is reached otherwise.
    pub fn of(url: &'a str) -> Self {
        if let Some(path) = url.strip_prefix("file://") {
            return if path.starts_with('/') { Self::Folder(path) } else { Self::Otherwise };
        }
        let by_ssh = ["ssh://", "git+ssh://", "ssh+git://"];
        if let Some(rest) = by_ssh.iter().find_map(|scheme| url.strip_prefix(scheme)) {
            return ssh(rest.split_once('/').map_or(rest, |(authority, _)| authority));
        }
        match (url.find(':'), url.find('/')) {
            (None, _) => Self::Folder(url),
            (Some(colon), Some(slash)) if slash < colon => Self::Folder(url),
            // `host:path`; with a scheme, a transport (`ext::`) or brackets it is something else.
            (Some(colon), _) => match (url.get(..colon), url.get(colon + 1..)) {
                (Some(host), Some(path)) if !path.starts_with("//") && !path.starts_with(':') => {
                    destination(host, None)
                }
                _ => Self::Otherwise,
            },
        }
    }
}

fn ssh(authority: &str) -> Reached<'_> {
    let bracket = authority.rfind(']').unwrap_or(0);
    let after = authority.get(bracket..).unwrap_or_default();
    match after.rfind(':').map(|at| at + bracket) {
        None => destination(authority, None),
        Some(at) => match (authority.get(..at), authority.get(at + 1..).map(str::parse)) {
            (Some(host), Some(Ok(port))) => destination(host, Some(port)),
            _ => Reached::Otherwise,
        },
    }
}

/// A host that could be taken for an option, or that needs unquoting, is left to Git.
fn destination(text: &str, port: Option<u16>) -> Reached<'_> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@.-_".contains(c);
    if text.is_empty()
        || text.starts_with('-')
        || text.contains("@-")
        || !text.chars().all(is_plain)
    {
        return Reached::Otherwise;
    }
    Reached::Ssh { destination: text, port }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_git_does() {
        let ssh = |destination, port| Reached::Ssh { destination, port };
        let rows = [
            ("/srv/configs.git", Reached::Folder("/srv/configs.git")),
            ("file:///srv/configs.git", Reached::Folder("/srv/configs.git")),
            ("../configs.git", Reached::Folder("../configs.git")),
            ("./a:b", Reached::Folder("./a:b")),
            ("git@github.com:me/configs.git", ssh("git@github.com", None)),
            ("host:configs.git", ssh("host", None)),
            ("ssh://git@host/configs.git", ssh("git@host", None)),
            ("ssh://git@host:2222/configs.git", ssh("git@host", Some(2222))),
            ("git+ssh://host/x", ssh("host", None)),
            ("ssh://user:secret@host/x", Reached::Otherwise),
            ("ssh://[::1]:22/x", Reached::Otherwise),
            ("[host:22]:x", Reached::Otherwise),
            ("ssh://-oProxyCommand=x/y", Reached::Otherwise),
            ("me@-oProxyCommand=x:y", Reached::Otherwise),
            ("https://host/x", Reached::Otherwise),
            ("git://host/x", Reached::Otherwise),
            ("ext::sh -c x", Reached::Otherwise),
            ("file://host/x", Reached::Otherwise),
        ];
        for (url, expected) in rows {
            assert_eq!(Reached::of(url), expected, "{url}");
        }
    }
}
