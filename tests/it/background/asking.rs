//! Whatever wants to ask somebody finds nobody there: a run in the background has no terminal, and no
//! program is started that opens a window.

use super::Counted;
use crate::network::servers::Server;
use crate::terminal::{Home, Terminal};

/// Writes down that it ran, and asks on the terminal where there is one.
const ASKS: &str = r#"#!/bin/sh
echo "$SSH_ASKPASS_REQUIRE $*" >>"$HOME/ran-${0##*/}"
if (: >/dev/tty) 2>/dev/null; then
  echo 'a question' >/dev/tty
  echo "${0##*/}" >>"$HOME/reached"
fi
exit 255
"#;

/// A machine whose credential helper, askpass programs and ssh all want to ask, and a shell on it.
struct Asking {
    counted: Counted,
    terminal: Terminal,
}

impl Asking {
    fn new() -> Self {
        let counted = Counted::new("deadline = 60\n");
        let machine = &counted.machine;
        let place = |name: &str| machine.path(format!("ask/{name}")).display().to_string();
        for name in ["helper", "askpass", "ssh"] {
            machine.write(format!("ask/{name}"), ASKS);
            machine.chmod(&format!("ask/{name}"), 0o755);
        }
        let (helper, askpass, ssh) = (place("helper"), place("askpass"), place("ssh"));
        let config = machine.read(".gitconfig");
        let asks = format!("[core]\n\taskPass = {askpass}\n[credential]\n\thelper = {helper}\n");
        machine.write(".gitconfig", config + &asks);
        let _ = machine.git(&["config", "core.sshCommand", &ssh]);
        let engine = env!("CARGO_BIN_EXE_cfgsync");
        let zshrc = format!(
            "export HOME='{}' CFGSYNC_MACHINE_KIND=mac DISPLAY=:0 CFGSYNC_HOLD_STDOUT=1
             export GIT_ASKPASS='{askpass}' SSH_ASKPASS='{askpass}'
             cfgsync() {{ command '{engine}' \"$@\" }}
             cd",
            machine.home().display()
        );
        let terminal = Terminal::start(Home::new(), &zshrc);
        Self { counted, terminal }
    }

    /// Runs one in the background, to its end; the terminal may show nothing of it.
    #[track_caller]
    fn run(&mut self) {
        self.counted.make_due();
        self.terminal.run("clear");
        self.terminal.run("cfgsync sync --background | cat");
        let screen = self.terminal.screen();
        assert!(!screen.contains("a question"), "{screen}");
        assert!(!self.ran("askpass") && !self.counted.machine.exists("reached"));
    }

    fn ran(&self, name: &str) -> bool {
        self.counted.machine.exists(format!("ran-{name}"))
    }
}

#[test]
fn a_password_is_asked_of_helpers_and_of_nobody_else() {
    let server = Server::page("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n");
    let mut asking = Asking::new();
    let url = format!("http://{}/x", server.address);
    let _ = asking.counted.machine.git(&["remote", "set-url", "origin", &url]);
    asking.run();
    assert!(asking.ran("helper"), "a helper may know it");
}

#[test]
fn ssh_asks_nobody() {
    let mut asking = Asking::new();
    asking.run();
    let machine = &asking.counted.machine;
    for line in machine.read("ran-ssh").lines() {
        assert!(line.starts_with("never ") && line.contains("BatchMode=yes"), "{line}");
    }
    // In the foreground it may, which shows that it would.
    asking.terminal.run("cfgsync sync");
    assert!(machine.read("reached").contains("ssh"));
    assert!(asking.terminal.screen().contains("a question"));
}
