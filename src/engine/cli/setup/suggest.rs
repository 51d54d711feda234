//! What setup finds in a home where nothing is marked yet, and what it suggests to mark.

use std::path::{Path, PathBuf};

use cfgsync_core::inert::shown;
use cfgsync_core::secrets::scan;
use cfgsync_core::suggest::{USUAL, farm};

use super::super::{mark, sync};
use crate::context::Context;
use crate::failure::Outcome;
use crate::ui::{Answers, Confirmed, Tone, report};

/// Other ways of sharing config files, and where each leaves its own.
const OTHERS: [(&str, &str); 5] = [
    (".local/share/chezmoi", "chezmoi"),
    (".local/share/yadm/repo.git", "yadm"),
    (".config/yadm", "yadm"),
    (".dotfiles/HEAD", "a bare repository"),
    (".cfg/HEAD", "a bare repository"),
];

/// How deep links of a farm are looked for.
const DEPTH: usize = 3;

/// A path that may be marked.
struct Suggestion {
    path: &'static str,
    /// What is told of it.
    about: String,
    is_secret: bool,
}

/// Shows what would be suggested, and what becomes of it; false where there is nothing.
pub fn preview(context: &Context, is_agreed: bool) -> bool {
    let ui = &context.ui;
    let found = find(context);
    found.lines.iter().for_each(|line| ui.answer(&format!("{line}\n")));
    let count = found.usual.iter().filter(|it| !it.is_secret).count();
    let paths = report::paths(count);
    if count > 0 {
        ui.answer(&match (is_agreed, ui.answers) {
            (true, _) => format!("  would mark and share {paths}\n"),
            (false, Answers::Asked) => format!("  would ask whether to share {paths}\n"),
            (false, _) => format!("  would share none of them; `--mark-usual` shares {paths}\n"),
        });
    }
    !found.lines.is_empty()
}

/// What is here: how it is told, and what of it may be marked.
struct Found {
    lines: Vec<String>,
    usual: Vec<Suggestion>,
}

fn find(context: &Context) -> Found {
    let mut lines = others(context);
    let usual: Vec<Suggestion> = USUAL.iter().filter_map(|path| look(context, path)).collect();
    if !usual.is_empty() {
        lines.push("  Config files that are here:".to_owned());
    }
    let width = usual.iter().map(|it| it.path.len() + 2).max().unwrap_or(0);
    for it in &usual {
        let tone = if it.is_secret { Tone::Bad } else { Tone::Dim };
        let about = context.ui.paint(tone, &it.about);
        lines.push(format!("    {:<width$}  {about}", format!("~/{}", it.path)));
    }
    Found { lines, usual }
}

/// Shows what is here, and marks and shares what the person wants of it.
pub fn offer(context: &Context, is_agreed: bool) -> Outcome<()> {
    let ui = &context.ui;
    let Found { lines, usual: found } = find(context);
    lines.iter().for_each(|line| ui.say(line));
    if found.is_empty() {
        return Ok(());
    }
    let wanted: Vec<&Suggestion> = found.iter().filter(|it| !it.is_secret).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let question = format!("Share {}?", report::paths(wanted.len()));
    if !is_agreed && ui.confirm(&question, Confirmed::Yes) == Confirmed::No {
        return Ok(());
    }
    // Of each the safe answer: what holds a secret after all is not shared by a yes to all. What is
    // shared is told once, by the sync.
    let silent = Context::at(context.places.clone(), ui.unasked().silent())?;
    for it in wanted {
        let path = context.places.home.join(it.path);
        if let Err(failure) = mark::run(&silent, &mark::MarkArgs::adopting(path)) {
            ui.failure(&failure);
        }
    }
    sync::run(context, &sync::SyncArgs::default())
}

/// Returns what there is to say of a path; none where nothing is there to mark.
fn look(context: &Context, path: &'static str) -> Option<Suggestion> {
    let full = context.places.home.join(path);
    let file = std::fs::metadata(&full).ok()?;
    let link = std::fs::read_link(&full).ok();
    if file.is_dir() {
        // A folder behind a link is somebody else's.
        let count = files_in(&full, DEPTH);
        let suggestion = Suggestion { path, about: report::files(count), is_secret: false };
        return (link.is_none() && count > 0).then_some(suggestion);
    }
    let is_secret = !scan(path.as_bytes(), &std::fs::read(&full).ok()?).is_empty();
    let age = file.modified().ok().and_then(|at| at.elapsed().ok()).map(|it| it.as_secs());
    let age = age.map(|it| format!(", changed {} ago", cfgsync_core::time::Age(it)));
    let size = report::size(file.len());
    let home = &context.places.home;
    let near = |target: &Path| target.strip_prefix(home).map(|it| Path::new("~").join(it));
    let leads = link.map(|it| near(&it).unwrap_or(it));
    let leads = leads.map(|it| format!(", a link to {}", shown(it.as_os_str().as_encoded_bytes())));
    let about = if is_secret {
        "holds a secret; left out".to_owned()
    } else {
        format!("{size}{}{}", age.unwrap_or_default(), leads.unwrap_or_default())
    };
    file.is_file().then_some(Suggestion { path, about, is_secret })
}

fn files_in(folder: &Path, depth: usize) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let count = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() && depth > 0 => files_in(&entry.path(), depth - 1),
        Ok(kind) if kind.is_file() => 1,
        _ => 0,
    };
    entries.map(count).sum()
}

/// Returns a line for each other way of sharing that is found here.
fn others(context: &Context) -> Vec<String> {
    let home = &context.places.home;
    let mut found: Vec<String> = OTHERS
        .iter()
        .filter(|(path, _)| home.join(path).exists())
        .map(|(path, name)| format!("  Found ~/{path}, of {name}. It goes on as it is."))
        .collect();
    let mut targets = Vec::new();
    links_in(home, home, DEPTH, &mut targets);
    let own = context.places.repo.strip_prefix(home).ok();
    let own = own.and_then(Path::to_str).and_then(|it| it.split('/').next()).unwrap_or("");
    let targets = targets
        .iter()
        .filter_map(|it| it.to_str())
        .filter(|it| !it.starts_with(own) || own.is_empty());
    if let Some((folder, count)) = farm(targets) {
        found.push(format!(
            "  Found {count} links into ~/{folder}, as stow makes them; it stays as it is."
        ));
        found
            .push("  `cfgsync mark --adopt PATH` puts a file in the place of its link.".to_owned());
    }
    found
}

/// Collects where links of hidden names lead, below the home.
fn links_in(home: &Path, folder: &Path, depth: usize, targets: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let Ok(kind) = entry.file_type() else { continue };
        if folder == home && !is_hidden {
            continue;
        }
        if kind.is_symlink() {
            let real = std::fs::canonicalize(entry.path()).ok();
            let real = real.and_then(|it| Some(it.strip_prefix(home).ok()?.to_path_buf()));
            // A folder with links to its own files is no farm: rustup's programs in ~/.cargo.
            let path = entry.path();
            let own = path.strip_prefix(home).ok().and_then(|it| it.iter().next());
            targets.extend(real.filter(|it| it.iter().next() != own));
        } else if kind.is_dir() && depth > 0 {
            links_in(home, &entry.path(), depth - 1, targets);
        }
    }
}
