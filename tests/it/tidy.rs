//! The house's own rules: floors, lengths, module docs, names.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest file in lines.
const LONGEST_FILE: usize = 400;

/// Names that say nothing.
const BANNED: [&str; 9] =
    ["manager", "handler", "helper", "util", "utils", "common", "misc", "service", "processor"];

/// A foreign crate, and the places that may name it.
const HOMES: [(&str, &[&str]); 25] = [
    ("aho_corasick", &["src/core/secrets/"]),
    ("regex", &["src/core/secrets/"]),
    ("sha2", &["src/engine/secrets/print.rs"]),
    ("git2", &["src/engine/git/", "src/engine/fs/look.rs"]),
    ("libgit2_sys", &["src/engine/git/mod.rs"]),
    ("bincode", &["src/core/status/wire.rs"]),
    ("memmap2", &["src/prompt/"]),
    ("clap", &["src/engine/cli/", "src/engine/ui/mod.rs", "src/engine/main.rs"]),
    ("clap_complete", &["src/engine/cli/completions/"]),
    ("clap_mangen", &["src/engine/cli/help/"]),
    ("xattr", &["src/engine/fs/writer.rs"]),
    ("tar", &["src/engine/archive/"]),
    ("flate2", &["src/engine/archive/", "src/engine/git/loose.rs"]),
    ("sha1", &["src/engine/fs/hash.rs"]),
    ("indicatif", &["src/engine/ui/progress.rs"]),
    ("terminal_size", &["src/engine/ui/mod.rs"]),
    ("similar", &["src/core/diff.rs", "src/core/merge.rs"]),
    ("jsonc_parser", &["src/core/format/json.rs"]),
    ("saphyr_parser", &["src/core/format/yaml.rs"]),
    ("toml", &["src/engine/settings.rs", "src/core/format/mod.rs"]),
    ("toml_edit", &["src/engine/config_file.rs"]),
    ("crc32fast", &["src/core/secrets/checks.rs", "src/core/status/wire.rs"]),
    ("sha1_smol", &["src/core/status/truth.rs"]),
    ("libc", &["src/engine/fs/displaced.rs", "src/engine/fs/exchange.rs", "src/prompt/hosted.rs"]),
    ("chrono", &["src/engine/ui/report.rs", "src/engine/cli/restore/when.rs"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the project").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

/// Runs a check over files, and fails with every finding at once.
fn check(files: Vec<PathBuf>, finding: impl Fn(&str, &str) -> Option<String>) {
    assert!(!files.is_empty(), "the check must see files");
    let findings: Vec<String> = files
        .iter()
        .filter_map(|path| finding(&name(path), &fs::read_to_string(path).expect("text")))
        .collect();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

fn sources() -> Vec<PathBuf> {
    let mut files = files_below("src", ".rs");
    files.extend(files_below("tests/it", ".rs"));
    files.extend(files_below("tests/sweep", ".rs"));
    files
}

#[test]
fn files_are_short() {
    let mut files = sources();
    files.extend(files_below("zsh", ".zsh"));
    check(files, |name, text| {
        let lines = text.lines().count();
        (lines > LONGEST_FILE).then(|| format!("{name} has {lines} lines"))
    });
}

#[test]
fn every_file_says_what_it_is() {
    check(sources(), |name, text| {
        (!text.starts_with("//! ")).then(|| format!("{name} has no module doc"))
    });
}

#[test]
fn names_say_something() {
    check(sources(), |name, _| {
        let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        BANNED.contains(&stem.as_str()).then(|| format!("{name} is a name that says nothing"))
    });
}

#[test]
fn a_foreign_crate_has_one_home() {
    check(files_below("src", ".rs"), |name, text| {
        let strays: Vec<&str> = HOMES
            .iter()
            .filter(|(_, homes)| !homes.iter().any(|home| name.starts_with(home)))
            .map(|(crate_name, _)| *crate_name)
            .filter(|crate_name| {
                let (path, import) = (format!("{crate_name}::"), format!("use {crate_name}::"));
                text.lines().map(str::trim_start).any(|line| {
                    !line.starts_with("//")
                        && (line.starts_with(&import)
                            || line.contains(&format!(" {path}"))
                            || line.contains(&format!("({path}")))
                })
            })
            .collect();
        (!strays.is_empty()).then(|| format!("{name} names {}", strays.join(", ")))
    });
}

#[test]
fn the_core_touches_nothing() {
    check(files_below("src/core", ".rs"), |name, text| {
        let banned =
            ["std::fs", "std::env", "std::process", "std::net", "SystemTime", "Instant::now"];
        let found = banned.iter().find(|word| text.contains(*word));
        found.map(|word| format!("{name} names {word}"))
    });
}

#[test]
fn nothing_is_left_half_done() {
    let words = ["todo!(", "unimplemented!(", "#[ignore", "dbg!("];
    check(sources(), |name, text| {
        let own = name.ends_with("tidy.rs");
        let found = words.iter().find(|word| text.contains(*word) && !own);
        found.map(|word| format!("{name} has {word}"))
    });
}

#[test]
fn the_changelog_knows_this_version() {
    let text = fs::read_to_string(root().join("CHANGELOG.md")).expect("a changelog");
    assert!(text.contains(&format!("## [{}]", env!("CARGO_PKG_VERSION"))));
}

/// The modules of the core, floor by floor; a module imports from its own floor or from below.
const CORE_FLOORS: [&[&str]; 8] = [
    &[
        "activity", "address", "along", "doubt", "escape", "fold", "inert", "names", "near",
        "need", "path", "shared", "time", "timer", "unit",
    ],
    &[
        "checkup",
        "leads",
        "machine",
        "privacy",
        "reconcile",
        "retention",
        "setting",
        "suggest",
        "status",
    ],
    &["diff", "format", "additions", "lines", "merge", "secrets"],
    &["linking", "manifest"],
    &["agree", "tree"],
    &["inventory", "local", "observed"],
    &["portions"],
    &[
        "arrival",
        "clash",
        "gate",
        "operation",
        "plan",
        "policy",
        "refusal",
        "renames",
        "rest",
        "schedule",
        "steps",
        "verdict",
    ],
];

/// Adapters of the engine, and the flow and surface that they may not know.
const ADAPTERS: [&str; 6] = ["fs/", "git/", "host.rs", "lock.rs", "identity.rs", "settings.rs"];
const ABOVE_ADAPTERS: [&str; 8] =
    ["cli", "execute", "marks", "observe", "quiet", "session", "setup", "sync"];

/// Returns the modules of the own crate that a source names.
fn imports(text: &str) -> Vec<&str> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.split("crate::")
        .skip(1)
        .map(|rest| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
        })
        .collect()
}

#[test]
fn imports_of_the_core_point_down() {
    let floor = |module: &str| CORE_FLOORS.iter().position(|floor| floor.contains(&module));
    check(files_below("src/core", ".rs"), |name, text| {
        let below = name.trim_start_matches("src/core/");
        let module = below.split(['/', '.']).next().unwrap_or_default();
        if module == "lib" {
            return None;
        }
        let Some(own) = floor(module) else { return Some(format!("{name} has no floor")) };
        let up = imports(text).into_iter().find(|module| floor(module).is_none_or(|it| it > own));
        up.map(|module| format!("{name} imports {module}, which is above it"))
    });
}

#[test]
fn adapters_know_nothing_of_what_uses_them() {
    check(files_below("src/engine", ".rs"), |name, text| {
        let below = name.trim_start_matches("src/engine/");
        if !ADAPTERS.iter().any(|adapter| below.starts_with(adapter)) {
            return None;
        }
        let up = imports(text).into_iter().find(|module| ABOVE_ADAPTERS.contains(module));
        up.map(|module| format!("{name} imports {module}, which is above it"))
    });
}
