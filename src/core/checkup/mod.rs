//! What `doctor` finds: one diagnosis for each thing that was looked at, with what it means and the
//! command that mends it. Nothing here looks anywhere.

pub mod judge;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Good to know; nothing has to be done.
    Note,
    /// Syncs work, and something of it does not, or will not for long.
    Warning,
    /// Syncs do not work, or a promise cannot be kept.
    Error,
}

impl Severity {
    /// Returns its word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What one look came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The check, by a word that never changes its meaning.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is so.
    pub what: String,
    /// What follows from it, or where it comes from.
    pub why: Option<String>,
    /// What to do: a sentence with a command to type.
    pub mend: Option<String>,
}

impl Diagnosis {
    /// What is so, and how bad that is.
    pub fn new(check: &'static str, severity: Severity, what: impl Into<String>) -> Self {
        Self { check, severity, what: what.into(), why: None, mend: None }
    }

    /// Something that is as it should be.
    pub fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Severity::Ok, what)
    }

    /// Something that is good to know.
    pub fn note(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Severity::Note, what)
    }

    /// Something that does not work, or will not for long.
    pub fn warning(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Severity::Warning, what)
    }

    /// Something that keeps syncs from working.
    pub fn error(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Severity::Error, what)
    }

    /// Adds the reason.
    #[must_use]
    pub fn because(self, why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..self }
    }

    /// Adds what to do.
    #[must_use]
    pub fn mend(self, mend: impl Into<String>) -> Self {
        Self { mend: Some(mend.into()), ..self }
    }
}

/// Returns the worst of several; `Ok` of none.
pub fn worst<'a>(diagnoses: impl IntoIterator<Item = &'a Diagnosis>) -> Severity {
    diagnoses.into_iter().map(|it| it.severity).max().unwrap_or(Severity::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_counts() {
        let (ok, note) = (Diagnosis::ok("a", ""), Diagnosis::note("b", ""));
        let (warning, error) = (Diagnosis::warning("c", ""), Diagnosis::error("d", ""));
        assert_eq!(worst([]), Severity::Ok);
        assert_eq!(worst([&ok, &note]), Severity::Note);
        assert_eq!(worst([&warning, &ok]), Severity::Warning);
        assert_eq!(worst([&error, &warning]), Severity::Error);
    }
}
