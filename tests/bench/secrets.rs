//! Measures the search for secrets: what a mebibyte costs beside naming it as Git does, and what is
//! found in real configuration files of this machine, where nearly nothing is to be found.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a program of the developers' own")]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use cfgsync_core::secrets::scan;
use sha1::{Digest, Sha1};

use kit::table::{Beside, Table};

mod kit {
    pub mod table;
}

const MEBIBYTE: usize = 1 << 20;
const ROUNDS: usize = 30;

/// How many times as long as SHA-1 of the same bytes a search may take.
const LIMIT: f64 = 8.0;

/// The seconds that a mebibyte may take where nothing else runs: what the fastest round took.
const MOST: f64 = 0.010;

/// Where configuration files lie, and how many of them are looked at.
const PLACES: [&str; 2] = ["/etc", "/usr/share"];
const FILES: usize = 4000;
const LARGEST: u64 = 1 << 20;

/// How many of a thousand real files may be held.
const HELD_OF_THOUSAND: usize = 2;

/// What configuration files are called, beside everything in `/etc`.
const ENDINGS: [&str; 16] = [
    "conf",
    "cfg",
    "ini",
    "json",
    "yaml",
    "yml",
    "toml",
    "xml",
    "sh",
    "zsh",
    "bash",
    "vim",
    "rc",
    "desktop",
    "properties",
    "cnf",
];

fn time(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// Returns the regular text files below a folder that are configuration.
fn files(place: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::from(place)]);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && is_configuration(place, &path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn is_configuration(place: &str, path: &Path) -> bool {
    let size = path.metadata().map_or(0, |entry| entry.len());
    let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned());
    let is_named = ending.is_some_and(|ending| ENDINGS.contains(&&*ending));
    (1..LARGEST).contains(&size) && (place == "/etc" || is_named)
}

fn main() -> ExitCode {
    let mut corpus: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for place in PLACES {
        let read = |path: PathBuf| fs::read(&path).ok().map(|bytes| (path, bytes));
        let all = files(place);
        let step = all.len().div_ceil(FILES / PLACES.len()).max(1);
        corpus.extend(all.into_iter().step_by(step).filter_map(read));
    }
    let mut mebibyte: Vec<u8> = corpus
        .iter()
        .step_by(7)
        .flat_map(|(_, bytes)| bytes.iter().copied())
        .take(MEBIBYTE)
        .collect();
    assert!(mebibyte.len() == MEBIBYTE, "this machine has too few configuration files");
    mebibyte.truncate(MEBIBYTE);
    scan(b"warm", &mebibyte);

    let (mut searched, mut named) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        searched.push(time(|| drop(black_box(scan(b"config", black_box(&mebibyte))))));
        named.push(time(|| {
            black_box(Sha1::digest(black_box(&mebibyte)));
        }));
    }
    let mut table = Table::default();
    let beside = Beside { name: "SHA-1 of it", times: &named, again: None, limit: Some(LIMIT) };
    table.compare("looking for secrets in 1 MiB of configuration", &searched, &beside);
    let is_slow = searched.iter().all(|seconds| *seconds > MOST);

    let mut held = 0;
    for (path, bytes) in &corpus {
        let found = scan(path.as_os_str().as_encoded_bytes(), bytes);
        held += usize::from(!found.is_empty());
        for it in found {
            println!("  {}:{}: {} ({})", path.display(), it.line, it.rule, it.tier.word());
        }
    }
    let most = (corpus.len() * HELD_OF_THOUSAND).div_ceil(1000);
    println!("| of {} real files, held | {held} | | | | | {most} | |", corpus.len());
    if is_slow || held > most { ExitCode::FAILURE } else { table.outcome() }
}
