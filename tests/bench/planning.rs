//! Measures planning against `git merge-tree --write-tree` of the same trees, in turn in one run:
//! 1,000 units, 50 changed on each side, half of those on both. Fails when it takes too long.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program of the developers' own"
)]

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use cfgsync_core::merge::{Rule, TextMerge, merge};
use cfgsync_core::observed::Observation;
use cfgsync_core::path::RepoPath;
use cfgsync_core::plan::plan;
use cfgsync_core::policy::Policy;
use cfgsync_core::reconcile::{Merged, needs_merge};
use cfgsync_core::renames::candidates;
use cfgsync_core::tree::Tree;
use cfgsync_core::unit::{BlobId, Mode, Version};

use kit::table::{Beside, Table};

mod kit {
    pub mod table;
}

const UNITS: u32 = 1000;
const CHANGED: u32 = 50;
const ROUNDS: usize = 30;

/// How many times as long as git's own merge planning may take.
const LIMIT: f64 = 2.0;

/// The bytes of one side, by path.
type Side = BTreeMap<RepoPath, Vec<u8>>;

fn side(changed: std::ops::Range<u32>, line: u32, text: &str) -> Side {
    let unit = |number: u32| {
        let line_of = |at: u32| {
            if at == line && changed.contains(&number) {
                return format!("{text} of {number}\n");
            }
            format!("setting {at} of {number} = some value\n")
        };
        let bytes = (0..60).map(line_of).collect::<String>().into_bytes();
        (RepoPath::new(format!("folder/file-{number}")).expect("a plain name"), bytes)
    };
    (0..UNITS).map(unit).collect()
}

/// Equal bytes get equal names; what git calls them does not matter to a plan.
fn blob(bytes: &[u8]) -> BlobId {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let mut id = [0; 20];
    id[..8].copy_from_slice(&hasher.finish().to_le_bytes());
    BlobId(id)
}

fn tree(side: &Side) -> Tree {
    let version = |bytes: &Vec<u8>| Version::file(Mode::FILE, blob(bytes));
    let units = side.iter().map(|(path, bytes)| (path.clone(), version(bytes))).collect();
    Tree { units, ..Tree::default() }
}

/// Everything from three trees and their bytes to the plan.
fn planning([base, ours, theirs]: &[Side; 3], observation: &Observation) {
    let mut observation = observation.clone();
    assert!(candidates(&observation).is_empty());
    let mut contested: Vec<RepoPath> = observation.ours.units.keys().cloned().collect();
    contested.retain(|path| needs_merge(observation.sides(path)));
    for path in &contested {
        let merged = merge(&base[path], &ours[path], &theirs[path], Rule::Additions);
        let TextMerge::Clean(bytes) = merged else { panic!("{path} does not merge") };
        observation.merged.insert(path.clone(), Merged::Clean(blob(&bytes)));
    }
    black_box(plan(&observation, &Policy::default()));
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a", "-C"])
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("git");
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Commits a side, and returns its name.
fn commit(folder: &Path, side: &Side, parent: Option<&str>) -> String {
    for (path, bytes) in side {
        let file = folder.join(path.to_string());
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, bytes).expect("a file");
    }
    git(folder, &["add", "--all"]);
    let tree = git(folder, &["write-tree"]);
    let mut arguments = vec!["commit-tree", "-m", "side", &tree];
    arguments.extend(parent.iter().flat_map(|parent| ["-p", *parent]));
    git(folder, &arguments)
}

fn time(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn main() -> ExitCode {
    let sides = [
        side(0..0, 0, ""),
        side(0..CHANGED, 10, "ours"),
        side(CHANGED / 2..CHANGED / 2 + CHANGED, 50, "theirs"),
    ];
    let [agreed, ours, theirs] = [&sides[0], &sides[1], &sides[2]].map(tree);
    let mut observation =
        Observation { agreed, ours: ours.clone(), theirs: Some(theirs), ..Observation::default() };
    observation.local.stored = ours;

    let folder = std::env::temp_dir().join(format!("cfgsync-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    git(&folder, &["init", "--quiet"]);
    let base = commit(&folder, &sides[0], None);
    let ours = commit(&folder, &sides[1], Some(&base));
    let theirs = commit(&folder, &sides[2], Some(&base));
    git(&folder, &["repack", "-adq"]);

    let (mut planned, mut merged) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        planned.push(time(|| planning(&sides, &observation)));
        merged.push(time(|| drop(git(&folder, &["merge-tree", "--write-tree", &ours, &theirs]))));
    }
    fs::remove_dir_all(&folder).expect("the bench's own folder");
    let mut table = Table::default();
    let (name, limit) = ("`git merge-tree`", Some(LIMIT));
    let beside = Beside { name, times: &merged, again: None, limit };
    table.compare("planning 1,000 units", &planned, &beside);
    table.outcome()
}
