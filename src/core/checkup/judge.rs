//! What a single fact means for syncs: versions, clocks, room, modes, the lines of a `.zshrc`.

use super::Diagnosis;
use crate::time::UnixTime;
use crate::unit::Mode;

/// The oldest git that knows every option cfgsync uses: `fetch --no-write-fetch-head` is the newest.
const OLDEST_GIT: (u32, u32) = (2, 29);

/// The oldest zsh whose prompts do not run what a name in them says (CVE-2021-45444).
const OLDEST_ZSH: (u32, u32, u32) = (5, 8, 1);

/// How far a moment may lie ahead before a clock is wrong, in seconds.
const PATIENCE_OF_CLOCKS: u64 = 120;

/// A moment before which no clock of today is right: 2025-01-01.
const EARLIEST: u64 = 1_735_689_600;

/// Room below which work is about to stop, and below which it stops, in bytes.
const LITTLE_ROOM: u64 = 64 * 1024 * 1024;
const NO_ROOM: u64 = 4 * 1024 * 1024;

/// Returns the first three numbers that are separated by dots in what a program says of itself.
pub fn version(said: &str) -> Option<(u32, u32, u32)> {
    let is_version =
        |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
    let word = said.split_whitespace().find(is_version)?;
    let mut numbers = word.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().ok());
    let mut next = || numbers.next().flatten();
    Some((next()?, next()?, next().unwrap_or(0)))
}

/// Judges the `git` program by what `git --version` says; none where there is no such program.
pub fn git(said: Option<&str>) -> Diagnosis {
    let Some(said) = said else {
        return Diagnosis::error("git", "the `git` program is missing; install it")
            .because("everything that goes over the network goes through it");
    };
    match version(said) {
        Some((major, minor, _)) if (major, minor) < OLDEST_GIT => {
            Diagnosis::error("git", format!("{} is too old", said.trim()))
                .because("cfgsync needs git 2.29 or newer")
                .mend("Install a newer git.")
        }
        Some(_) => Diagnosis::ok("git", said.trim()),
        None => Diagnosis::warning("git", "what `git` is does not say its version")
            .because(format!("it says: {}", said.lines().next().unwrap_or_default()))
            .mend("Check which program `git` is: `command -v git`."),
    }
}

/// Says that the user's own configuration of git is broken, and how.
pub fn broken_configuration(trouble: &str) -> Diagnosis {
    Diagnosis::error("git", format!("your Git configuration is broken: {trouble}"))
        .because("git itself does not start with it; a sync goes on without its names, addresses and logins")
        .mend("Mend the line in that file; `git config --list --show-origin` says whether it can be read.")
}

/// Judges zsh by what `zsh --version` says; none where there is no such program.
pub fn zsh(said: Option<&str>) -> Diagnosis {
    match said.map(|said| (said, version(said))) {
        None => Diagnosis::note("zsh", "there is no zsh, so the plugin has nowhere to run"),
        Some((said, Some(version))) if version < OLDEST_ZSH => {
            Diagnosis::warning("zsh", format!("{} is old", said.trim()))
                .because("before 5.8.1 a prompt can run what a name in it says (CVE-2021-45444)")
                .mend("Install a newer zsh.")
        }
        Some((said, _)) => Diagnosis::ok("zsh", said.trim()),
    }
}

/// Judges `cfgsync-prompt` by what its `--version` says: both programs read the same record.
pub fn prompt(own: &str, said: Option<&str>) -> Diagnosis {
    let other = said.and_then(|said| said.trim().strip_prefix("cfgsync-prompt "));
    match other {
        Some(other) if other == own => Diagnosis::ok("prompt", format!("cfgsync-prompt {other}")),
        Some(other) => Diagnosis::warning(
            "prompt",
            format!("cfgsync-prompt is of version {other}, and cfgsync of {own}"),
        )
        .because("a prompt shows nothing where it does not know the version of the record")
        .mend("Install both again: `make install` in the sources."),
        None => Diagnosis::warning("prompt", "cfgsync-prompt does not say its version")
            .mend("Install both again: `make install` in the sources."),
    }
}

/// A moment that somebody wrote down, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Where it stands.
    pub of: String,
    /// The moment.
    pub at: UnixTime,
}

/// Judges the clock by moments that should all have passed.
pub fn clock(now: UnixTime, moments: &[Moment]) -> Diagnosis {
    if now.seconds() < EARLIEST {
        return Diagnosis::error("clock", "the clock says that it is long ago")
            .because("no certificate of a server is valid then, so nothing can be reached")
            .mend("Set the clock.");
    }
    let latest = moments.iter().max_by_key(|moment| moment.at);
    let ahead = latest.map_or(0, |it| it.at.seconds().saturating_sub(now.seconds()));
    match latest {
        Some(moment) if PATIENCE_OF_CLOCKS < ahead => {
            Diagnosis::warning("clock", format!("{} is {} ahead", moment.of, span(ahead)))
                .because(
                    "this clock is slow, or the one that wrote it was fast; no file is lost by \
                     that, but times that are shown are wrong",
                )
                .mend("Compare `date` with another clock.")
        }
        _ => Diagnosis::ok("clock", "nothing lies in the future"),
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// What the disk says of the room for a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that are free.
    pub bytes: u64,
    /// Files that can still be made; none where the disk does not count them.
    pub files: Option<u64>,
    /// Whether it can be written to at all.
    pub is_writable: bool,
    /// Whether it is on another machine.
    pub is_remote: bool,
}

/// Judges the room for a folder. `shown` is what it is called, `size` says so many bytes.
pub fn room(shown: &str, room: Room, size: &str) -> Diagnosis {
    if !room.is_writable {
        return Diagnosis::error("disk", format!("the disk of {shown} is mounted read-only"))
            .mend("Mount it writable; a disk that errs is often mounted so by the system.");
    }
    if room.bytes < NO_ROOM || room.files.is_some_and(|files| files < 16) {
        return Diagnosis::error("disk", format!("there is no room for {shown} ({size} free)"))
            .because("a sync that finds no room stops before it changes anything")
            .mend("Free some space.");
    }
    if room.bytes < LITTLE_ROOM || room.files.is_some_and(|files| files < 1000) {
        return Diagnosis::warning("disk", format!("there is little room for {shown} ({size})"))
            .mend("Free some space.");
    }
    if room.is_remote {
        return Diagnosis::note("disk", format!("{shown} is on another machine's disk"))
            .because("locks and times are as good as that disk's; `--selftest` tries them");
    }
    Diagnosis::ok("disk", format!("{shown}: {size} free"))
}

/// Returns the mode that a file or folder of cfgsync's own should have; none where it has it.
pub fn private(mode: Mode, is_folder: bool) -> Option<Mode> {
    let wanted = Mode(if is_folder { 0o700 } else { 0o600 });
    let is_private = !mode.is_wider_than(wanted);
    let is_usable = mode.and(wanted) == wanted;
    (!is_private || (is_folder && !is_usable)).then_some(wanted)
}

/// Returns true when a folder lets others change what lies in it: as sshd takes it, group or others
/// may write, and the sticky bit does not keep them from what is not theirs.
pub fn is_open_to_change(mode: Mode) -> bool {
    mode.0 & 0o022 != 0 && mode.0 & 0o1000 == 0
}

/// Returns true when the lines of a `.zshrc` load the plugin: by its name in a list of plugins, or by
/// its file.
pub fn loads_plugin(zshrc: &str) -> bool {
    zshrc.lines().any(|line| {
        let code = line.trim_start();
        !code.starts_with('#') && (code.contains("configsync") || code.contains("cfgsync.plugin"))
    })
}

/// What is known of an agent that holds keys of ssh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// `SSH_AUTH_SOCK` is not set.
    None,
    /// It is set, and nobody answers.
    Gone,
    /// It answers, and holds no key.
    Empty,
    /// It holds a key.
    Holds,
}

/// Judges the agent beside what a login without a person came to.
pub fn agent(agent: Agent, is_refused: bool) -> Diagnosis {
    let said = match agent {
        Agent::None => "no agent of ssh is set (SSH_AUTH_SOCK)",
        Agent::Gone => "SSH_AUTH_SOCK names an agent that does not answer",
        Agent::Empty => "the agent of ssh holds no key",
        Agent::Holds => "the agent of ssh holds a key",
    };
    if !is_refused {
        return match agent {
            Agent::Gone => Diagnosis::note("agent", said).because("no key of it was needed"),
            _ => Diagnosis::ok("agent", said),
        };
    }
    let refused = Diagnosis::error("agent", said)
        .because("a sync in the background can ask nobody for a passphrase");
    match agent {
        Agent::None | Agent::Gone => refused.mend(
            "Start one that outlives the shell (`eval $(ssh-agent)`, or that of the desktop), then \
             `ssh-add`.",
        ),
        Agent::Empty => refused.mend("`ssh-add` gives it your key."),
        Agent::Holds => refused.mend("Add the public key of `ssh-add -L` to your account there."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkup::Severity;

    #[test]
    fn versions_are_read_from_what_programs_say() {
        assert_eq!(version("git version 2.47.3"), Some((2, 47, 3)));
        assert_eq!(version("git version 2.39.5 (Apple Git-154)"), Some((2, 39, 5)));
        assert_eq!(version("git version 2.50.GIT"), Some((2, 50, 0)));
        assert_eq!(version("zsh 5.9 (x86_64-debian-linux-gnu)"), Some((5, 9, 0)));
        assert_eq!(version("no version"), None);
    }

    #[test]
    fn programs() {
        let check = |found: Diagnosis, severity| assert_eq!(found.severity, severity, "{found:?}");
        check(git(None), Severity::Error);
        check(git(Some("git version 2.17.1\n")), Severity::Error);
        check(git(Some("git version 2.29.0\n")), Severity::Ok);
        check(git(Some("hello\n")), Severity::Warning);
        check(zsh(None), Severity::Note);
        check(zsh(Some("zsh 5.8 (x86)")), Severity::Warning);
        check(zsh(Some("zsh 5.8.1 (x86)")), Severity::Ok);
        check(prompt("0.1.0", Some("cfgsync-prompt 0.1.0\n")), Severity::Ok);
        check(prompt("0.1.0", Some("cfgsync-prompt 0.2.0\n")), Severity::Warning);
        check(prompt("0.1.0", None), Severity::Warning);
    }

    #[test]
    fn clocks() {
        let now = UnixTime(1_800_000_000_000);
        let at = |seconds| [Moment { of: "x".to_owned(), at: now.after_seconds(seconds) }];
        assert_eq!(clock(now, &[]).severity, Severity::Ok);
        assert_eq!(clock(now, &at(119)).severity, Severity::Ok);
        let ahead = clock(now, &at(7300));
        assert_eq!((ahead.severity, &*ahead.what), (Severity::Warning, "x is 2 hours ahead"));
        assert_eq!(clock(UnixTime(0), &[]).severity, Severity::Error);
    }

    #[test]
    fn rooms() {
        let all = Room { bytes: u64::MAX, files: None, is_writable: true, is_remote: false };
        let check = |of: Room, severity| assert_eq!(room("x", of, "").severity, severity);
        check(all, Severity::Ok);
        check(Room { is_remote: true, ..all }, Severity::Note);
        check(Room { bytes: LITTLE_ROOM - 1, ..all }, Severity::Warning);
        check(Room { files: Some(20), ..all }, Severity::Warning);
        check(Room { files: Some(0), ..all }, Severity::Error);
        check(Room { bytes: 0, ..all }, Severity::Error);
        check(Room { is_writable: false, ..all }, Severity::Error);
    }

    #[test]
    fn what_is_ours_is_private() {
        let file = |mode| private(Mode(mode), false);
        let folder = |mode| private(Mode(mode), true);
        assert_eq!((file(0o600), file(0o400)), (None, None));
        assert_eq!((file(0o640), file(0o604)), (Some(Mode(0o600)), Some(Mode(0o600))));
        assert_eq!((folder(0o700), folder(0o755)), (None, Some(Mode(0o700))));
        assert_eq!(folder(0o500), Some(Mode(0o700)));
        assert!(is_open_to_change(Mode(0o775)) && !is_open_to_change(Mode(0o1777)));
        assert!(!is_open_to_change(Mode(0o755)));
    }

    #[test]
    fn a_zshrc_names_the_plugin() {
        assert!(loads_plugin("plugins=(git configsync)\n"));
        assert!(loads_plugin("plugins=(\n  git\n  configsync\n)\n"));
        assert!(loads_plugin("source ~/.local/share/cfgsync/configsync.plugin.zsh\n"));
        assert!(!loads_plugin("# plugins=(configsync)\nplugins=(git)\n"));
        assert!(!loads_plugin("alias cs='cfgsync sync'\n"));
    }

    #[test]
    fn an_agent_matters_where_a_login_was_refused() {
        for of in [Agent::None, Agent::Gone, Agent::Empty, Agent::Holds] {
            assert!(agent(of, false).severity < Severity::Warning);
            let refused = agent(of, true);
            assert!(refused.severity == Severity::Error && refused.mend.is_some());
        }
    }
}
