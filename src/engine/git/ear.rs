//! Whether a connection still moves, heard from what Git says on its standard error.
//!
//! No option of Git's bounds a server that accepts and never answers: a Git server has no timeout
//! at all, ssh waits for ever once it is connected, HTTP while it connects. So every connection
//! reports its packets and its progress, and one that says nothing for too long is ended.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::context::variable;

/// Seconds until a remote must have answered at all.
const ANSWER: u64 = 12;

/// Seconds that a transfer may stand still.
const STALL: u64 = 25;

/// How much of what Git said last is looked at.
const TAIL: u64 = 4096;

/// What makes Git report each packet, between what else it says.
pub const REPORT: (&str, &str) = ("GIT_TRACE_PACKET", "2");

/// What every such report holds.
const PACKET: &str = " packet: ";

/// How long a connection may be silent.
#[derive(Debug, Clone, Copy)]
pub struct Silence {
    /// Before the first answer; no limit where a person may be typing a password.
    pub answer: Option<Duration>,
    /// After it.
    pub stall: Duration,
}

/// Why a call was ended before its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It never answered.
    Silent,
    /// It stopped answering.
    Stalled,
    /// It took too long as a whole.
    Late,
    /// A person stopped it.
    Stopped,
}

impl Silence {
    /// The limits of the documentation, or those of the environment.
    pub fn usual() -> Self {
        let seconds = |name: &str, usual: u64| {
            let set = variable(name).and_then(|value| value.parse().ok()).filter(|it| *it > 0);
            Duration::from_secs(set.unwrap_or(usual))
        };
        let answer = Some(seconds("CFGSYNC_ANSWER_SECONDS", ANSWER));
        Self { answer, stall: seconds("CFGSYNC_STALL_SECONDS", STALL) }
    }
}

/// Listens to one call.
pub struct Ear {
    said: File,
    silence: Silence,
    length: u64,
    has_answer: bool,
    since: Instant,
}

impl Ear {
    /// Listens to what is written to a file.
    pub fn new(said: File, silence: Silence) -> Self {
        Self { said, silence, length: 0, has_answer: false, since: Instant::now() }
    }

    /// Listens, and says whether it was silent for too long.
    pub fn listen(&mut self) -> Option<Ended> {
        let length = self.said.metadata().map_or(self.length, |file| file.len());
        let has_moved = length != self.length;
        self.length = length;
        if has_moved && !self.has_answer {
            self.has_answer = is_answered(&self.tail());
        }
        // What is sent before the first answer is no sign of life.
        if has_moved && self.has_answer {
            self.since = Instant::now();
        }
        let (limit, ended) = if self.has_answer {
            (Some(self.silence.stall), Ended::Stalled)
        } else {
            (self.silence.answer, Ended::Silent)
        };
        limit.is_some_and(|limit| limit <= self.since.elapsed()).then_some(ended)
    }

    /// Returns the end of what was said.
    pub fn tail(&self) -> String {
        let start = self.length.saturating_sub(TAIL);
        let mut bytes = vec![0; usize::try_from(self.length - start).unwrap_or(0)];
        let read = self.said.read_at(&mut bytes, start).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }
}

/// Returns true when something came from a Git server on the other side.
pub fn is_answered(said: &str) -> bool {
    said.lines().any(|line| line.contains(PACKET) && line.contains("< "))
        || said.contains("remote: ")
}

/// Returns what was said without the reports, one line each.
pub fn without_reports(said: &str) -> String {
    let is_said = |line: &&str| !line.contains(PACKET) && !line.trim().is_empty();
    let lines: Vec<&str> = said.split(['\n', '\r']).filter(is_said).collect();
    lines.join("\n") + "\n"
}

/// How far a transfer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// What is done, in Git's words.
    pub what: String,
    /// How many of how many.
    pub done: (u64, u64),
    /// How much, and how fast, in Git's words.
    pub amount: String,
}

/// Returns how far a transfer is, from the last thing that was said of it.
pub fn moved(said: &str) -> Option<Moved> {
    let moved = |line: &str| {
        let (what, rest) = line.strip_prefix("remote: ").unwrap_or(line).split_once(':')?;
        let (_, rest) = rest.split_once("% (")?;
        let (counts, rest) = rest.split_once(')')?;
        let (done, all) = counts.split_once('/')?;
        let amount = rest.trim_start_matches(", ").trim_end().trim_end_matches(", done.");
        let done = (done.parse().ok()?, all.parse().ok()?);
        Some(Moved { what: what.trim().to_owned(), done, amount: amount.to_owned() })
    };
    said.split(['\n', '\r']).rev().find_map(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_from_the_other_side_is_an_answer() {
        let sent = "14:02:11.1 pkt-line.c:85  packet:          git> git-upload-pack /x\\0host=y\n";
        let came = "14:02:11.1 pkt-line.c:85  packet:        fetch< version 2\n";
        assert!(!is_answered(sent) && is_answered(&format!("{sent}{came}")));
        assert_eq!(without_reports(&format!("{sent}fatal: no\n{came}")), "fatal: no\n");
    }

    #[test]
    fn the_limits_are_those_of_the_documentation() {
        let text = include_str!("../../../docs/sync-model.md");
        let limits =
            format!("not answered within {ANSWER} seconds, or that stands still for {STALL}");
        assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains(&limits));
        // What is left to them is for noticing, and for ending what does not want to end.
        const { assert!(ANSWER + 3 <= 15 && STALL + 3 <= 30) };
    }

    #[test]
    fn how_far_a_transfer_is_stands_in_its_last_line() {
        let said = "remote: Counting objects: 100% (3/3), done.\nReceiving objects:   1% (1/90)\r\
                    Receiving objects:  50% (45/90), 12.00 MiB | 3.20 MiB/s\r";
        let amount = "12.00 MiB | 3.20 MiB/s".to_owned();
        let expected = Moved { what: "Receiving objects".to_owned(), done: (45, 90), amount };
        assert_eq!(moved(said), Some(expected));
        assert_eq!(moved("fatal: 5% (of what)\n"), None);
    }
}
