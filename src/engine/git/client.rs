//! The user's ssh: which program it is, and what its configuration says.

use std::path::{Path, PathBuf};

use nix::unistd::{User, getuid};

use super::connect;
use crate::context::{home, variable};
use crate::fs::plain;

/// Returns the user's own ssh command, where it is one that takes OpenSSH's options. `variant` is
/// what Git was told of it.
pub fn user_ssh(configured: Option<String>, variant: Option<&str>) -> Option<String> {
    let variant = variable("GIT_SSH_VARIANT").or(variant.map(str::to_owned));
    if variant.is_some_and(|variant| !matches!(&*variant, "ssh" | "auto")) {
        return None;
    }
    let program = || match variable("GIT_SSH") {
        None => Some("ssh".to_owned()),
        // A program that is called otherwise may not know the options.
        Some(path) => path.ends_with("/ssh").then(|| quoted(&path)),
    };
    variable("GIT_SSH_COMMAND").or(configured).or_else(program)
}

/// Quotes a word for `sh`.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What no plain command line has in it: whatever a shell would do more with than to split it.
const SHELL: &[char] =
    &['|', '&', ';', '<', '>', '(', ')', '$', '`', '\\', '"', '*', '?', '[', '#', '\n'];

/// What a command begins with that sets which shell ssh starts programs by. Git starts ssh by that one, too.
pub const BY_SHELL: &str = "SHELL=/bin/sh ";

/// The options of OpenSSH that take an argument, which may follow at once.
const TAKES_ARGUMENT: &str = "BDEFIJLOPQRSWbceilmopw";

/// How deep configurations include others, as `ssh_config(5)` allows it.
const DEEPEST: u32 = 16;

/// Words of the user's that tell something about ssh.
struct Words {
    /// Options of the command line.
    flags: &'static str,
    /// What keys of a configuration begin with.
    keys: &'static [&'static str],
}

/// How connections are shared.
const SHARING: Words = Words { flags: "SM", keys: &["control"] };

/// How to connect, and what depends on who does.
const CONNECTING: Words = Words {
    flags: "46bBJWwSM",
    keys: &[
        "addressfamily",
        "bind",
        "canonical",
        "checkhostip",
        "connect",
        "control",
        "gssapitrust",
        "hostbased",
        "ipqos",
        "localcommand",
        "nohostauth",
        "permitlocalcommand",
        "proxy",
    ],
};

/// Returns true for a command that is OpenSSH, and nothing around it.
fn is_open_ssh(ssh: &str) -> bool {
    let program = ssh.split_whitespace().next().unwrap_or_default();
    program.trim_matches('\'').rsplit('/').next() == Some("ssh") && !ssh.contains(SHELL)
}

/// Returns true for plain OpenSSH whose user did not set up sharing for any host.
pub fn is_ours_to_share(ssh: &str) -> bool {
    is_open_ssh(ssh) && !says(ssh, &SHARING, None)
}

/// Returns the command of an OpenSSH that lets no packet wait for a timer; as it is where the user said anything
/// about how it connects to this host. Programs for it are started by a shell that reads no files first, and
/// that nobody forbade.
pub fn at_once(ssh: &str, host: &str) -> String {
    match connect::option() {
        Some(option)
            if is_open_ssh(ssh) && !is_preloaded() && !says(ssh, &CONNECTING, Some(host)) =>
        {
            format!("{BY_SHELL}{ssh} {option}")
        }
        _ => ssh.to_owned(),
    }
}

/// Returns true where something is put under programs that may take their connections elsewhere; a static one
/// would pass it by.
fn is_preloaded() -> bool {
    variable("LD_PRELOAD").is_some() || Path::new("/etc/ld.so.preload").exists()
}

/// Returns true where an ssh command, or a configuration that it reads, says one of these things, or may. What is
/// said of other hosts than this one does not count.
fn says(ssh: &str, words: &Words, host: Option<&str>) -> bool {
    let typed = || ssh.split_whitespace().skip(1);
    let is_one = |word: &str| {
        let named = word.strip_prefix("-o").unwrap_or(word).trim_start_matches('\'').to_lowercase();
        let flags = letters(word);
        // What belongs to a flag among others, or in quotes, is not taken apart.
        let is_hidden = (word != "-F" && flags.ends_with('F'))
            || (flags.len() > 1 && flags.ends_with('o'))
            || word.starts_with("'-");
        is_hidden
            || flags.contains(|letter| words.flags.contains(letter))
            || words.keys.iter().any(|it| named.starts_with(it))
    };
    if typed().any(is_one) {
        return true;
    }
    let mut files = Files { words, host, base: home().map(|home| home.join(".ssh")).ok() };
    if let Some(file) = typed().skip_while(|word| *word != "-F").nth(1) {
        let file = named(file.trim_matches('\''));
        return file.is_relative() || files.say(&file, 0);
    }
    // Ssh knows its user's home by the system, and begins what is included at `~`.
    let Ok(Some(user)) = User::from_uid(getuid()) else { return true };
    let own = user.dir.join(".ssh/config");
    if own.exists() && files.say(&own, 0) {
        return true;
    }
    files.base = Some(PathBuf::from("/etc/ssh"));
    let all = Path::new("/etc/ssh/ssh_config");
    // Where it is not, this ssh may have its own in another place, which says how to reach a host.
    (all.exists() || host.is_some()) && files.say(all, 0)
}

/// Returns the options that a word of a command line sets, up to one that takes an argument.
fn letters(word: &str) -> &str {
    let Some(letters) = word.strip_prefix('-') else { return "" };
    let end = letters.find(|letter| TAKES_ARGUMENT.contains(letter));
    letters.get(..end.map_or(letters.len(), |at| at + 1)).unwrap_or_default()
}

/// Returns the path that a shell makes of a word.
fn named(word: &str) -> PathBuf {
    match word.strip_prefix("~/").zip(home().ok()) {
        Some((below, home)) => home.join(below),
        None => PathBuf::from(word),
    }
}

/// What is looked for in configurations.
struct Files<'a> {
    words: &'a Words,
    host: Option<&'a str>,
    /// Where relative names of included ones begin.
    base: Option<PathBuf>,
}

impl Files<'_> {
    /// Returns true where a configuration, or one that it includes, says one of the words, or cannot be followed.
    fn say(&self, file: &Path, depth: u32) -> bool {
        let Ok(Some(text)) = plain::read_text(file) else { return true };
        // A match may depend on anything.
        let mut counts = true;
        text.lines().any(|line| {
            let line = line.trim();
            let (key, rest) = line.split_once([' ', '\t', '=']).unwrap_or((line, ""));
            match key.to_lowercase().as_str() {
                "" => false,
                // Ssh takes quotes off anywhere.
                quoted if quoted.contains(['"', '\'']) => counts,
                "host" => {
                    counts = self.host.is_none_or(|host| is_meant(host, rest));
                    false
                }
                "match" => {
                    counts = true;
                    // Programs would be run by another shell, and a host has another name the second time.
                    let rest = rest.to_lowercase();
                    let is_odd = ["exec", "final", "canonical"].iter().any(|it| rest.contains(it));
                    self.host.is_some() && is_odd
                }
                "include" => counts && self.include(rest, depth),
                key => counts && self.words.keys.iter().any(|it| key.starts_with(it)),
            }
        })
    }

    fn include(&self, patterns: &str, depth: u32) -> bool {
        let patterns = patterns.trim_start_matches(['=', ' ', '\t']);
        if depth >= DEEPEST || patterns.contains(['"', '\'', '%', '$', '\\']) {
            return true;
        }
        patterns.split_whitespace().any(|pattern| {
            let files = self.base.as_ref().and_then(|base| included(base, pattern));
            files.is_none_or(|files| files.iter().any(|file| self.say(file, depth + 1)))
        })
    }
}

/// Returns true where a line of host patterns may mean this host. Of a line that is not quite plain, it may.
fn is_meant(host: &str, patterns: &str) -> bool {
    let patterns = patterns.trim_start_matches([' ', '\t', '=']);
    if patterns.contains(['"', '\'', '#', ',', '=', '\\']) {
        return true;
    }
    let names = || patterns.split_whitespace();
    let is_excepted = names().filter_map(|it| it.strip_prefix('!')).any(|it| it == host);
    let lower = host.to_lowercase();
    let fits = |it: &str| fits(lower.as_bytes(), it.to_lowercase().as_bytes());
    !is_excepted && names().filter(|it| !it.starts_with('!')).any(fits)
}

/// Matches `*` and `?` as ssh does.
fn fits(text: &[u8], pattern: &[u8]) -> bool {
    match (text, pattern) {
        ([], []) => true,
        (_, [b'*', rest @ ..]) => (0..=text.len()).any(|at| fits(&text[at..], rest)),
        ([_, text @ ..], [b'?', rest @ ..]) => fits(text, rest),
        ([a, text @ ..], [b, rest @ ..]) => a == b && fits(text, rest),
        _ => false,
    }
}

/// Returns the files that a pattern may mean, all of its folder where it is one; none where that is not known.
fn included(base: &Path, pattern: &str) -> Option<Vec<PathBuf>> {
    let is_pattern = |text: &str| text.contains(['*', '?', '[']);
    let path = base.join(named(pattern));
    let folder = path.parent()?;
    if is_pattern(&folder.to_string_lossy())
        || pattern.starts_with('~') && !pattern.starts_with("~/")
    {
        return None;
    }
    if !is_pattern(pattern) {
        // One that is not there is passed over by ssh.
        return Some(if path.exists() { vec![path] } else { Vec::new() });
    }
    let names = plain::names(folder).unwrap_or_default();
    let files = names.iter().map(|name| folder.join(crate::fs::dir::os(name)));
    Some(files.filter(|file| file.is_file()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of configurations, gone at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let name = format!("cfgsync-client-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            std::fs::create_dir_all(folder.join("more")).unwrap();
            Self(folder)
        }

        fn write(&self, name: &str, text: &str) -> String {
            let path = self.0.join(name);
            plain::publish(&path, text.as_bytes(), plain::Durability::Relaxed).unwrap();
            format!("ssh -F {}", path.display())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            plain::remove_draft(&self.0).unwrap();
        }
    }

    fn is_plain(ssh: &str) -> bool {
        is_open_ssh(ssh) && !says(ssh, &CONNECTING, Some("git.example.org"))
    }

    #[test]
    fn what_a_user_says_of_connections_to_a_host_counts() {
        let folder = Folder::new();
        let at = folder.0.display().to_string();
        let plain = folder
            .write("plain", &format!("Include {at}/more/*\nHost g\n\tHostName x\n User=me\n"));
        assert!(is_plain(&plain) && is_ours_to_share(&plain));
        for (number, text) in [
            "ProxyJump h",
            "Host *.example.org other\n  ProxyCommand h",
            "Host = git.EXAMPLE.org\nBindAddress ::1",
            "Match host x\nProxyJump h",
            "Match exec \"true\"",
            "Host \"quoted name\"\nProxyJump h",
            "Host '*.example.org'\nProxyJump h",
            "Host * # !git.example.org\nProxyJump h",
            "Host * !git.example.org,x\nProxyJump h",
            "Host * !GIT.example.org\nProxyJump h",
            "Host * !*.example.com\nProxyJump h",
            "Match final all\nCompression yes",
            "\"Pro\"xyJump h",
            "Include \"/my conf/x\"",
            "Include /*/x",
            "Include ~other/x",
            "controlpath = ~/.ssh/%C",
        ]
        .into_iter()
        .enumerate()
        {
            let ssh = folder.write(&format!("says{number}"), &format!("{text}\n"));
            assert!(!is_plain(&ssh), "{text}");
        }
        for (number, text) in [
            "Host other *.example.com\nProxyJump h",
            "Host * !git.example.org\nProxyJump h",
            "Host unix/* vsock/*\nProxyCommand h",
            "Host other\nInclude \"/my conf/x\"",
            "Include /not/there",
            "# ProxyJump h",
        ]
        .into_iter()
        .enumerate()
        {
            let ssh = folder.write(&format!("plain{number}"), &format!("{text}\n"));
            assert!(is_plain(&ssh), "{text}");
        }
        let sharing = folder.write("share", "Host other\ncontrolmaster auto\nMatch exec x\n");
        assert!(!is_ours_to_share(&sharing), "whoever it is for");
        let deep = folder.write("deep", &format!("Include {at}/deep\n"));
        assert!(!is_plain(&deep), "one that goes on for ever");
        assert!(is_plain(&plain));
        folder.write("more/late", "AddressFamily inet\n");
        assert!(!is_plain(&plain), "what it includes counts");
    }

    #[test]
    fn what_a_user_says_on_a_command_line_counts() {
        let no = "ssh -F /dev/null";
        assert!(is_plain(no) && is_plain("'/opt/my-tools/ssh' -F /dev/null -v -i /k4 -p 46"));
        for odd in [
            "-o ProxyCommand=x",
            "-oproxyjump=x",
            "-o'BindAddress=x'",
            "-Jx",
            "-J x",
            "-C4",
            "-vb x",
            "-qoBindAddress=x",
            "'-oBindAddress=x'",
            "'-F' /x",
        ] {
            assert!(!is_plain(&format!("{no} {odd}")), "{odd}");
        }
        for odd in ["ssh -F/x", "ssh -vF /dev/null", "ssh -F x", "ssh -F /not/there"] {
            assert!(!is_plain(odd), "{odd}");
        }
        for odd in ["ssh -i $KEY", "ssh | tee x", "autossh", "A=b ssh", "ssh -F \"x y\""] {
            assert!(!is_open_ssh(odd), "{odd}");
        }
        assert!(!is_ours_to_share(&format!("{no} -qS x")) && is_ours_to_share(no));
    }
}
