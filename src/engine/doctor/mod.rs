//! What `doctor` looks at, a file for each part of the body, and what it can mend by itself.
//!
//! Every look is harmless: nothing is written, nobody is asked anything, and what talks to another
//! program or machine has a deadline. A look that fails is a finding too.

mod background;
mod backups;
mod cure;
mod links;
mod ours;
mod places;
mod programs;
mod remote;
mod repository;
mod selftest;
mod shell;

use std::path::{Path, PathBuf};
use std::time::Duration;

use cfgsync_core::checkup::{Diagnosis, Severity};
use cfgsync_core::path::HomePath;
use cfgsync_core::unit::Mode as FileMode;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::git::program::{self, Limits};
use crate::session::{Mode, Session};

/// How long a program may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// What can be mended without a decision of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Makes a link of ours lead to the stored copy again; what it led to is what is expected.
    Retarget {
        /// The home path.
        home: HomePath,
        /// Where it leads now.
        target: Vec<u8>,
    },
    /// Puts a link back that is gone.
    Relink {
        /// The home path.
        home: HomePath,
    },
    /// Gives a file or folder of cfgsync's own its mode.
    Close {
        /// Where it is.
        path: PathBuf,
        /// The mode it should have.
        mode: FileMode,
    },
    /// Cleans up after a run that died.
    Recover,
    /// Takes a record away that nobody can read, and renews the names under which it is found.
    Record,
}

/// What one look came to, and what would mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it came to.
    pub diagnosis: Diagnosis,
    /// What can be done about it here and now.
    pub remedy: Option<Remedy>,
    /// Whether that was done.
    pub is_mended: bool,
}

impl From<Diagnosis> for Finding {
    fn from(diagnosis: Diagnosis) -> Self {
        Self { diagnosis, remedy: None, is_mended: false }
    }
}

impl Finding {
    /// A finding that `doctor --fix` mends.
    fn curable(diagnosis: Diagnosis, remedy: Remedy) -> Self {
        let diagnosis = diagnosis.mend("`cfgsync doctor --fix` mends it.");
        Self { diagnosis, remedy: Some(remedy), is_mended: false }
    }

    /// A look that failed.
    fn failed(check: &'static str, failure: Failure) -> Self {
        let diagnosis = Diagnosis::error(check, failure.cause);
        let hint = failure.hints.into_iter().next();
        Self::from(match hint {
            Some(hint) => diagnosis.mend(hint),
            None => diagnosis,
        })
    }
}

/// A look at one part.
type Look = fn(&Session<'_>) -> Outcome<Vec<Finding>>;

/// Every look that needs the repository, by the word its failure is reported under.
const LOOKS: [(&str, Look); 19] = [
    ("repository", repository::under_way),
    ("locks", repository::locks),
    ("fsck", repository::fsck),
    ("vault", repository::vault),
    ("signing", repository::signing),
    ("remote", remote::reach),
    ("readers", remote::readers),
    ("links", links::links),
    ("held", links::held),
    ("modes", ours::modes),
    ("owners", ours::owners),
    ("parents", ours::parents),
    ("record", background::record),
    ("light", background::light),
    ("background", background::runs),
    ("service", background::service),
    ("backups", backups::archives),
    ("displaced", backups::displaced),
    ("clock", places::clock),
];

/// Looks at everything that needs no repository.
pub fn surroundings(home: &Path) -> Vec<Finding> {
    let mut found = programs::programs();
    found.push(shell::plugin(home));
    found
}

/// Looks at one repository, and all that belongs to it.
pub fn examine(context: &Context) -> Vec<Finding> {
    let mut found = places::disk(context);
    let session = match Session::open(context, Mode::Rehearsal) {
        Ok(session) => session,
        Err(failure) => {
            found.push(Finding::failed("repository", failure));
            return found;
        }
    };
    for (check, look) in LOOKS {
        match look(&session) {
            Ok(findings) => found.extend(findings),
            Err(failure) => found.push(Finding::failed(check, failure)),
        }
    }
    found
}

/// Tries what syncs ask of the disks, in folders of their own that are gone afterwards.
pub fn selftest(context: &Context) -> Vec<Finding> {
    selftest::selftest(context)
}

/// Mends what can be mended, and notes at each finding whether that was done.
pub fn mend(context: &Context, findings: &mut [Finding]) -> Outcome<()> {
    let curable = || findings.iter().any(|finding| finding.remedy.is_some());
    if !curable() {
        return Ok(());
    }
    let session = Session::open(context, Mode::Real)?;
    let _lock = session.lock()?;
    for finding in findings {
        let Some(remedy) = &finding.remedy else { continue };
        cure::apply(&session, remedy)?;
        finding.is_mended = true;
        finding.diagnosis.severity = Severity::Ok;
        finding.diagnosis.mend = None;
    }
    Ok(())
}

/// Returns what a command line prints that ends well and soon; none otherwise.
fn said(folder: &Path, line: &str) -> Option<String> {
    let answer = program::shell(folder, Limits::local(PATIENCE), &std::env::temp_dir(), line);
    answer.ok().filter(|answer| answer.code == Some(0)).map(|answer| answer.text())
}

/// Returns the programs of a name on `PATH`, in the order a shell finds them.
fn on_path(name: &str) -> Vec<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let path = crate::context::variable("PATH").unwrap_or_default();
    let is_program = |file: &PathBuf| {
        file.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&path).map(|folder| folder.join(name)).filter(is_program).collect()
}
