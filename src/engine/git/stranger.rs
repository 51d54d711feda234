//! Asking for a remote as somebody who knows nothing: no name, no key, no configuration.

use std::path::Path;
use std::time::Duration;

use super::program::{Answer, Limits, bounded, clean};
use crate::failure::Outcome;

/// What would tell who is asking, or ask somebody.
const TELLING: [&str; 6] =
    ["SSH_AUTH_SOCK", "SSH_ASKPASS", "GIT_SSH", "NETRC", "CURL_HOME", "GIT_SSL_CERT"];

/// Lists a remote's branches at an address of the web. `nowhere` is a folder without a home's files.
pub fn ask(address: &str, nowhere: &Path, deadline: Duration) -> Outcome<Answer> {
    let mut command = clean("git");
    for name in TELLING {
        command.env_remove(name);
    }
    command
        .current_dir(nowhere)
        .env("LC_ALL", "C")
        .env("HOME", nowhere)
        .env("XDG_CONFIG_HOME", nowhere)
        .env("GIT_CEILING_DIRECTORIES", nowhere.parent().unwrap_or(nowhere))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_ALLOW_PROTOCOL", "https:http")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "")
        .env("GIT_SSH_COMMAND", "false")
        .env("GCM_INTERACTIVE", "never")
        .args(["-c", "credential.helper=", "-c", "credential.interactive=false"])
        .args([
            "-c",
            "core.askPass=",
            "-c",
            "http.lowSpeedLimit=1000",
            "-c",
            "http.lowSpeedTime=10",
        ])
        .args(["ls-remote", "--heads", "--end-of-options", address])
        .stdin(std::process::Stdio::null());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    bounded(command, Limits::local(deadline), nowhere)?.finish()
}
