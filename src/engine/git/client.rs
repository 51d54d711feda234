//! The user's ssh: which program it is, and what its configuration says.

use std::path::{Path, PathBuf};

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

/// What options and keys of a configuration begin with that say how connections are shared.
const SHARING: [&str; 1] = ["control"];

/// What those begin with that say how to connect, and from where.
const CONNECTING: [&str; 7] =
    ["addressfamily", "bind", "canonical", "checkhostip", "connect", "proxy", "tcpkeepalive"];

/// Returns true for a command that is OpenSSH, and nothing around it.
pub fn is_open_ssh(ssh: &str) -> bool {
    let program = ssh.split_whitespace().next().unwrap_or_default();
    program.trim_matches('\'').rsplit('/').next() == Some("ssh") && !ssh.contains(SHELL)
}

/// Returns true for plain OpenSSH whose user did not set up sharing.
pub fn is_ours_to_share(ssh: &str) -> bool {
    is_open_ssh(ssh) && !says(ssh, &["-S", "-M"], &SHARING)
}

/// Returns the command of an OpenSSH that connects by itself, so that it sends each packet at once; as it is
/// where the user said anything about how it connects.
pub fn at_once(ssh: &str) -> String {
    let flags = ["-4", "-6", "-b", "-B", "-J", "-W", "-w"];
    match connect::option() {
        Some(option) if is_open_ssh(ssh) && !says(ssh, &flags, &CONNECTING) => {
            format!("{ssh} {option}")
        }
        _ => ssh.to_owned(),
    }
}

/// Returns true where an ssh command, or a configuration that it reads, says one of these things, or may.
fn says(ssh: &str, flags: &[&str], keys: &[&str]) -> bool {
    let is_one = |word: &str| {
        let named = word.strip_prefix("-o").unwrap_or(word).trim_start_matches('\'').to_lowercase();
        flags.iter().any(|it| word.starts_with(it)) || keys.iter().any(|it| named.starts_with(it))
    };
    let mut words = ssh.split_whitespace().skip(1);
    if words.clone().any(|word| is_one(word) || (word.starts_with("-F") && word != "-F")) {
        return true;
    }
    let named = words.by_ref().skip_while(|word| *word != "-F").nth(1);
    let files = match named {
        Some(file) => vec![PathBuf::from(file.trim_matches('\''))],
        None => usual_files(),
    };
    files.iter().any(|file| configures(file, keys, 0))
}

fn usual_files() -> Vec<PathBuf> {
    let own = home().map(|home| home.join(".ssh/config")).ok();
    own.into_iter().chain([PathBuf::from("/etc/ssh/ssh_config")]).collect()
}

/// Returns true where a configuration, or one that it includes, has one of these keys, or may.
fn configures(file: &Path, keys: &[&str], depth: u32) -> bool {
    let Ok(text) = plain::read_text(file) else { return true };
    text.unwrap_or_default().lines().any(|line| {
        let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
        let key = words.next().unwrap_or_default().trim_matches('"').to_lowercase();
        if key != "include" {
            return keys.iter().any(|it| key.starts_with(it));
        }
        words.any(|pattern| match included(file, pattern) {
            Some(files) if depth == 0 => files.iter().any(|it| configures(it, keys, 1)),
            _ => true,
        })
    })
}

/// Returns the files that a pattern may mean, all of its folder where it is one; none where that is not known.
fn included(file: &Path, pattern: &str) -> Option<Vec<PathBuf>> {
    let is_pattern = |text: &str| text.contains(['*', '?', '[']);
    let pattern = pattern.trim_matches('"');
    let below_home = pattern.strip_prefix("~/").and_then(|rest| Some(home().ok()?.join(rest)));
    let folder = file.parent().unwrap_or(Path::new("/"));
    let path = below_home.unwrap_or_else(|| folder.join(pattern));
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    if pattern.contains(['%', '$', '~', '"']) && !pattern.starts_with("~/")
        || is_pattern(&folder.to_string_lossy())
    {
        return None;
    }
    if !is_pattern(pattern) {
        return Some(vec![path]);
    }
    let names = plain::names(&folder).unwrap_or_default();
    Some(names.iter().map(|name| folder.join(crate::fs::dir::os(name))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_says_of_connections_is_found() {
        let folder = std::env::temp_dir().join(format!("cfgsync-client-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("more")).unwrap();
        let write = |name: &str, text: &str| {
            plain::publish(&folder.join(name), text.as_bytes(), plain::Durability::Relaxed)
                .unwrap();
        };
        let of = |name: &str| format!("ssh -F {}", folder.join(name).display());
        write("plain", "Host h\n\tHostName x\n User=me\nInclude more/*\n");
        write("jump", "Host other\n  ProxyJump h\n");
        write("share", "controlpath = ~/.ssh/%C\n");
        write("deep", "Include */x\n");
        let is_plain = |ssh: &str| !says(ssh, &["-J"], &CONNECTING);
        assert!(is_plain(&of("plain")) && is_ours_to_share(&of("plain")));
        assert!(!is_plain(&of("jump")) && is_ours_to_share(&of("jump")));
        assert!(is_plain(&of("share")) && !is_ours_to_share(&of("share")));
        assert!(!is_plain(&of("deep")) && !is_ours_to_share(&of("deep")));
        assert!(!is_plain(&format!("{} -o ProxyCommand=x", of("plain"))));
        assert!(!is_plain(&format!("{} -Jx", of("plain"))) && !is_plain("ssh -F/x"));
        write("more/late", "BindAddress ::1\n");
        assert!(!is_plain(&of("plain")), "what it includes counts");
        for odd in ["ssh -i $KEY", "ssh | tee x", "autossh", "'/opt/my tools/ssh' -F \"x y\""] {
            assert!(!is_open_ssh(odd), "{odd}");
        }
        assert!(is_open_ssh("'/opt/my-tools/ssh' -v"));
        plain::remove_draft(&folder).unwrap();
    }
}
