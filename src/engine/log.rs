//! The log of runs in the background: what each came to, without contents and secrets, and never
//! larger than a limit.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use cfgsync_core::plan::{Change, Flow};
use cfgsync_core::secrets::scan;
use cfgsync_core::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::context::Places;
use crate::failure::{Failure, Outcome};
use crate::fs::FsError;
use crate::fs::plain::{self, Durability};
use crate::git::remote::without_password;
use crate::record::{name, word};
use crate::sync::Report;

/// Largest log in bytes; beyond it, the newer half stays.
const LARGEST: usize = 256 * 1024;

/// Longest cause in letters.
const LONGEST: usize = 240;

/// Most changes that are named in one entry.
const NAMED: usize = 20;

/// What one run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The format's version.
    pub version: u32,
    /// When it started, in Unix seconds.
    pub at: u64,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub took: Option<u64>,
    /// The exit code it would have had.
    pub code: u8,
    /// Why it did not do all it should; none where all went well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Units that went out.
    pub sent: usize,
    /// Units that came in.
    pub received: usize,
    /// Units that wait for a person.
    pub held: usize,
    /// What happened to which unit, the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

impl Entry {
    /// A run that came to its end.
    pub fn of(at: UnixTime, report: Report) -> Self {
        let flows = |flow: Flow| {
            let is_in = |it: &&Change| it.flow == flow || it.flow == Flow::Both;
            report.changes.iter().filter(is_in).count()
        };
        let (sent, received, held) = (flows(Flow::Out), flows(Flow::In), report.held.len());
        let waiting = report.held.iter().map(|it| format!("held {}", name(&it.path)));
        let named = report.changes.iter().map(|it| format!("{} {}", word(it.deed), name(&it.path)));
        let paths = waiting.chain(named).take(NAMED).collect();
        let failed = report.failure().map_or_else(Self::default, |it| Self::failed(at, &it));
        Self { version: 1, at: at.seconds(), sent, received, held, paths, ..failed }
    }

    /// A run that came to nothing.
    pub fn failed(at: UnixTime, failure: &Failure) -> Self {
        let cause = Some(harmless(&failure.cause));
        Self { version: 1, at: at.seconds(), code: failure.code as u8, cause, ..Self::default() }
    }

    /// Returns true for a run that found everything as it was.
    pub fn is_quiet(&self) -> bool {
        self.code == 0 && self.sent + self.received + self.held == 0
    }
}

/// Returns the first line of a cause without passwords of addresses, and without anything that looks
/// like a secret: it may come from a remote, or from a program of the user.
fn harmless(cause: &str) -> String {
    let line = cause.lines().next().unwrap_or_default();
    let words: Vec<String> = line.split(' ').map(without_password).collect();
    let line: String = words.join(" ").chars().take(LONGEST).collect();
    if scan(b"", line.as_bytes()).is_empty() {
        line
    } else {
        "(not shown: it holds a secret)".to_owned()
    }
}

fn path(places: &Places) -> PathBuf {
    places.meta.join("log/background.jsonl")
}

/// Adds an entry.
pub fn add(places: &Places, entry: &Entry) -> Outcome<()> {
    let path = path(places);
    plain::make_private(&places.meta.join("log"))?;
    let line = serde_json::to_string(entry).unwrap_or_default() + "\n";
    let size = std::fs::metadata(&path).map_or(0, |file| file.len());
    if size + line.len() as u64 > LARGEST as u64 {
        let kept = newer_half(plain::read(&path)?.unwrap_or_default());
        let bytes = [&kept, line.as_bytes()].concat();
        plain::publish(&path, &bytes, Durability::Relaxed)?;
        return Ok(());
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
    let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
    Ok(written.map_err(FsError::on("write", &path))?)
}

/// Returns the whole lines of the second half.
fn newer_half(mut bytes: Vec<u8>) -> Vec<u8> {
    let half = bytes.len() / 2;
    let end = bytes[half..].iter().position(|byte| *byte == b'\n');
    bytes.split_off(end.map_or(bytes.len(), |end| half + end + 1))
}

/// Reads the log, the oldest first; a line that is not understood is passed over.
pub fn read(places: &Places) -> Outcome<Vec<Entry>> {
    let text = plain::read_text(&path(places))?.unwrap_or_default();
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_half_begins_with_a_line() {
        let half = |text: &str| String::from_utf8(newer_half(text.into())).unwrap();
        assert_eq!(half("one\ntwo\nthree\nfour\n"), "four\n");
        assert_eq!(half("1\n2\n3\n4\n"), "4\n");
        assert_eq!(half("one long line"), "");
        assert_eq!(half(""), "");
    }

    #[test]
    fn a_cause_holds_no_password_and_no_secret() {
        assert_eq!(
            harmless("could not reach https://me:pw@h/x\nmore"),
            "could not reach https://h/x"
        );
        let token = ["ghp_", "0123456789abcdefABCDEF0123456789abcd"].concat();
        let shown = harmless(&format!("remote: token = {token}"));
        assert!(!shown.contains(&token), "{shown}");
        assert!(harmless(&"x".repeat(1000)).len() <= LONGEST);
    }
}
