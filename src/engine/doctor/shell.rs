//! The zsh plugin: whether a `.zshrc` loads it, and whether a shell that is open has it.
//!
//! No shell is started for that: a `.zshrc` is a program of the user's, which may ask, wait, or start
//! a terminal multiplexer. A shell with the plugin has a bell, and that can be seen.

use std::path::{Path, PathBuf};

use cfgsync_core::checkup::{Diagnosis, judge};

use super::Finding;
use crate::context::{shared_state, variable};
use crate::fs::dir::os;
use crate::fs::plain;
use crate::host;

/// Looks for the plugin.
pub fn plugin(home: &Path) -> Finding {
    let folder = variable("ZDOTDIR").map_or_else(|| home.to_owned(), PathBuf::from);
    let zshrc = folder.join(".zshrc");
    let text = plain::read_text(&zshrc).ok().flatten().unwrap_or_default();
    let bells = plain::names(&shared_state(home).join("bells")).unwrap_or_default();
    let shells = bells.iter().filter(|name| is_shell(name)).count();
    let is_loaded = judge::loads_plugin(&text);
    let diagnosis = match (is_loaded, shells) {
        (_, 1) => Diagnosis::ok("plugin", "the zsh plugin is at work in 1 shell"),
        (_, 2..) => {
            Diagnosis::ok("plugin", format!("the zsh plugin is at work in {shells} shells"))
        }
        // A bell opens when nobody types: the first command of a shell is before that.
        (true, 0) => Diagnosis::note("plugin", format!("{} loads it", zshrc.display()))
            .because("it is at work a moment after the first prompt of a new shell")
            .mend("A shell that is older than these lines takes them with `exec zsh`."),
        (false, 0) => Diagnosis::note("plugin", "no zsh loads the plugin")
            .because("without it no light is shown and no sync starts by itself in zsh")
            .mend("`cfgsync setup --zshrc` adds the lines to your `.zshrc`."),
    };
    diagnosis.into()
}

/// Returns true for the bell of a shell that lives: it bears the number of its process.
fn is_shell(name: &[u8]) -> bool {
    let pid = os(name).to_str().and_then(|name| name.parse().ok());
    pid.is_some_and(host::is_alive)
}
