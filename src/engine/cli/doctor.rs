//! `cfgsync doctor`.

use std::path::Path;

use cfgsync_core::checkup::{Diagnosis, Severity, worst};
use serde::Serialize;

use crate::context::{Context, home};
use crate::doctor::{self, Finding};
use crate::failure::{Code, Failure, Outcome};
use crate::ui::{Tone, Ui, report};

/// Look for what is wrong, and say how to mend it
///
///   cfgsync doctor             look
///   cfgsync doctor --fix       mend what needs no decision of yours
///   cfgsync doctor --selftest  try too what syncs ask of the disks
///
/// What can be mended: links that are gone or lead to another place of the repository, modes of
/// cfgsync's own files, what a killed run left, a record that cannot be read.
/// Ends with 1 where something keeps syncs from working; notes and warnings end with 0.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct DoctorArgs {
    /// Mend what can be mended without a decision of yours
    #[arg(long)]
    fix: bool,
    /// With --fix: only say what would be mended
    #[arg(long)]
    dry_run: bool,
    /// Try what syncs ask of the disks, in folders that are gone afterwards
    #[arg(long)]
    selftest: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Checkup<'a> {
    schema: u32,
    version: &'static str,
    folder: Option<String>,
    worst: &'static str,
    findings: Vec<Line<'a>>,
}

/// One finding of it.
#[derive(Debug, Serialize)]
struct Line<'a> {
    check: &'static str,
    severity: &'static str,
    what: &'a str,
    why: Option<&'a str>,
    mend: Option<&'a str>,
    fixable: bool,
    fixed: bool,
}

/// Runs it, also where there is no repository that could be opened.
pub fn run(dir: Option<&Path>, ui: Ui, args: &DoctorArgs) -> Outcome<()> {
    let home = home()?;
    let mut findings = doctor::surroundings(&home);
    let context = Context::open(dir, ui);
    let folder = context.as_ref().ok().map(|it| it.places.repo.display().to_string());
    let closed = match context {
        Ok(context) => {
            look(&context, args, &mut findings)?;
            None
        }
        Err(failure) => Some(failure),
    };
    if let Some(failure) = &closed {
        let hint = failure.hints.first().cloned().unwrap_or_default();
        findings.push(Diagnosis::error("setup", failure.cause.clone()).mend(hint).into());
    }
    let severity = worst(findings.iter().map(|finding| &finding.diagnosis));
    if args.json {
        ui.answer(&crate::ui::document(&document(&findings, folder, severity)));
    } else {
        let lines = findings.iter().map(|finding| report::near(&home, &line(&ui, finding)));
        ui.answer(&ui.fitted(&lines.collect::<String>()));
        ui.answer(&ending(&ui, &findings));
    }
    match closed {
        Some(failure) => Err(failure),
        None if severity == Severity::Error => {
            Err(Failure::new(Code::Error, "something needs mending"))
        }
        None => Ok(()),
    }
}

fn look(context: &Context, args: &DoctorArgs, findings: &mut Vec<Finding>) -> Outcome<()> {
    findings.extend(doctor::examine(context));
    if args.selftest {
        findings.extend(doctor::selftest(context));
    }
    if args.fix && !args.dry_run {
        doctor::mend(context, findings)?;
    }
    Ok(())
}

fn document(findings: &[Finding], folder: Option<String>, severity: Severity) -> Checkup<'_> {
    let findings = findings
        .iter()
        .map(|finding| Line {
            check: finding.diagnosis.check,
            severity: finding.diagnosis.severity.word(),
            what: &finding.diagnosis.what,
            why: finding.diagnosis.why.as_deref(),
            mend: finding.diagnosis.mend.as_deref(),
            fixable: finding.remedy.is_some(),
            fixed: finding.is_mended,
        })
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    Checkup { schema: 1, version, folder, worst: severity.word(), findings }
}

/// Returns a finding as people read it: what is so, and below it why, and what to do.
fn line(ui: &Ui, finding: &Finding) -> String {
    let Diagnosis { check, severity, what, why, mend } = &finding.diagnosis;
    let mark = match severity {
        _ if finding.is_mended => ui.paint(Tone::Good, "✓"),
        Severity::Ok => ui.paint(Tone::Good, "✓"),
        Severity::Note => ui.paint(Tone::Dim, "·"),
        Severity::Warning => ui.paint(Tone::Notice, "!"),
        Severity::Error => ui.paint(Tone::Bad, "✗"),
    };
    let done = if finding.is_mended { "; mended" } else { "" };
    let mut text = format!("{mark} {check:<12}{what}{done}\n");
    let below = [why, mend].into_iter().flatten().filter(|text| !text.is_empty());
    below.for_each(|more| text.push_str(&format!("{:14}{}\n", "", ui.paint(Tone::Dim, more))));
    text
}

fn ending(ui: &Ui, findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|it| it.diagnosis.severity == severity).count();
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => format!("{} Nothing is wrong.\n", ui.paint(Tone::Good, "✓")),
        (errors, warnings) => format!(
            "{} {}, {}.\n",
            ui.paint(
                if errors > 0 { Tone::Bad } else { Tone::Notice },
                if errors > 0 { "✗" } else { "!" }
            ),
            counted(errors, "error"),
            counted(warnings, "warning")
        ),
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
