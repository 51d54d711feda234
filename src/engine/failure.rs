//! How a command fails: a cause with its path, what to do next, and the exit code.

use std::fmt;
use std::process::ExitCode;

/// The exit codes, as `docs/architecture.md` and every `--help` list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Something went wrong.
    Error = 1,
    /// The command line asks for something that is not there.
    Usage = 2,
    /// `status --exit-code` and `--dry-run`: something would change.
    OutOfSync = 3,
    /// Done, but units wait for a person.
    Held = 4,
    /// The remote cannot be reached; the work is queued.
    Offline = 5,
    /// The remote wants authentication.
    Authentication = 6,
    /// Another run holds the lock.
    Busy = 7,
    /// The repository is in the middle of something of the user's.
    Foreign = 8,
    /// Refused for safety.
    Refused = 9,
    /// Some units could not be done.
    Partly = 10,
    /// A person stopped it.
    Stopped = 130,
}

/// Why a command did not do all it was asked.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: Code,
    /// What happened: lower case, no final period, with the path.
    pub cause: String,
    /// What to do next, full sentences.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure of a kind.
    pub fn new(code: Code, cause: impl fmt::Display) -> Self {
        Self { code, cause: cause.to_string(), hints: Vec::new() }
    }

    /// An ordinary error.
    pub fn error(cause: impl fmt::Display) -> Self {
        Self::new(Code::Error, cause)
    }

    /// Adds a sentence that says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// Returns the exit status of the process.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code as u8)
    }
}

/// What every command returns.
pub type Outcome<T> = Result<T, Failure>;
