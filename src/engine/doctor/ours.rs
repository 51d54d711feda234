//! cfgsync's own files: their modes and owners, and whether others could put something else in the
//! place of a folder above them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cfgsync_core::checkup::{Diagnosis, judge};
use cfgsync_core::unit::Mode;

use super::{Finding, Remedy};
use crate::failure::Outcome;
use crate::fs::dir::os;
use crate::fs::plain;
use crate::session::Session;

/// What is not looked into: Git gives its objects their modes, and the folder above is closed.
const INSIDE: [&[u8]; 3] = [b"objects", b"refs", b"logs"];

/// How many findings of one kind are told one by one.
const MOST: usize = 5;

/// A file or folder of cfgsync's own.
struct Own {
    path: PathBuf,
    is_folder: bool,
    mode: Mode,
    owner: u32,
}

/// Finds what of ours others can read.
pub fn modes(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let own = everything(session)?;
    let open = own.iter().filter_map(|it| Some((it, judge::private(it.mode, it.is_folder)?)));
    let mut found: Vec<Finding> = open
        .map(|(it, mode)| {
            let what = format!("{} has the mode {}, not {mode}", it.path.display(), it.mode);
            let remedy = Remedy::Close { path: it.path.clone(), mode };
            Finding::curable(Diagnosis::warning("modes", what), remedy)
        })
        .collect();
    if found.is_empty() {
        let what = format!("{} files and folders of cfgsync's own are private", own.len());
        found.push(Diagnosis::ok("modes", what).into());
    }
    Ok(found)
}

/// Finds what of ours belongs to somebody else: after a run with `sudo`, as a rule.
pub fn owners(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let me = nix::unistd::geteuid().as_raw();
    let own = everything(session)?;
    let strange: Vec<&Own> = own.iter().filter(|it| it.owner != me).collect();
    let mut found: Vec<Finding> = strange
        .iter()
        .take(MOST)
        .map(|it| {
            let path = it.path.display();
            let what = format!("{path} belongs to the user of the number {}", it.owner);
            let diagnosis = Diagnosis::error("owners", what)
                .because("a run with sudo leaves that, and the next one without cannot write it")
                .mend(format!("`sudo chown {me} {path}`"));
            Finding::from(diagnosis)
        })
        .collect();
    if MOST < strange.len() {
        let more = format!("and {} more", strange.len() - MOST);
        found.push(Diagnosis::error("owners", more).into());
    }
    if found.is_empty() {
        found.push(Diagnosis::ok("owners", "all of cfgsync's own belongs to you").into());
    }
    Ok(found)
}

/// Finds folders on the way to home, repository and state in which others can exchange what is there.
/// sshd and ssh refuse files below such a home.
#[expect(clippy::unnecessary_wraps, reason = "a look as the others in the table")]
pub fn parents(session: &Session<'_>) -> Outcome<Vec<Finding>> {
    let places = &session.context.places;
    let me = nix::unistd::geteuid().as_raw();
    let mut folders: Vec<&Path> = [&places.home, &places.repo, &places.state]
        .into_iter()
        .flat_map(|it| it.ancestors())
        .collect();
    folders.sort_unstable();
    folders.dedup();
    let mut found: Vec<Finding> = Vec::new();
    for folder in folders {
        let Ok(entry) = folder.metadata() else { continue };
        let shown = folder.display();
        let mode = Mode(u16::try_from(entry.mode() & 0o7777).unwrap_or(0));
        let is_strange = entry.uid() != me && entry.uid() != 0;
        if judge::is_open_to_change(mode) {
            let what = format!("others can exchange what lies in {shown} (mode {mode})");
            let diagnosis = Diagnosis::warning("parents", what)
                .because("ssh takes no key and no configuration below such a folder")
                .mend(format!("`chmod go-w {shown}`"));
            found.push(diagnosis.into());
        } else if is_strange {
            let what = format!("{shown} belongs to the user of the number {}", entry.uid());
            let diagnosis = Diagnosis::warning("parents", what)
                .because("its owner can exchange what lies in it");
            found.push(diagnosis.into());
        }
    }
    if found.is_empty() {
        let what = "nobody else can exchange home, repository or state";
        found.push(Diagnosis::ok("parents", what).into());
    }
    Ok(found)
}

/// Returns what is ours, the links among it left out.
fn everything(session: &Session<'_>) -> Outcome<Vec<Own>> {
    let places = &session.context.places;
    let mut found = Vec::new();
    for root in [&places.state, &places.shared_state, &places.meta, &places.user_config] {
        collect(root, false, &mut found)?;
    }
    // In a linked working tree, `.git` is a file that only says where the store is.
    let store: PathBuf = session.worktree.refs_folder().components().collect();
    collect(&store, true, &mut found)?;
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found.dedup_by(|one, other| one.path == other.path);
    // These two travel, and are as readable as the repository.
    found.retain(|it| {
        let name = it.path.strip_prefix(&places.meta).unwrap_or(Path::new(""));
        name != Path::new("marked-files.txt") && name != Path::new("modes.txt")
    });
    Ok(found)
}

fn collect(path: &Path, itself_only: bool, found: &mut Vec<Own>) -> Outcome<()> {
    let Ok(entry) = path.symlink_metadata() else { return Ok(()) };
    if entry.is_symlink() {
        return Ok(());
    }
    let mode = Mode(u16::try_from(entry.mode() & 0o7777).unwrap_or(0));
    let is_folder = entry.is_dir();
    found.push(Own { path: path.to_owned(), is_folder, mode, owner: entry.uid() });
    let is_store = path.ends_with("vault");
    if is_folder && !itself_only && !is_store {
        for name in plain::names(path)?.iter().filter(|name| !INSIDE.contains(&name.as_slice())) {
            collect(&path.join(os(name)), false, found)?;
        }
    }
    Ok(())
}
