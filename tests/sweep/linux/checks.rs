//! What must hold after a fault: nothing lost, every live file whole, and after one undisturbed
//! sync everything as if nothing had happened, with nothing left over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::look::{self, Files};
use super::place::{Machine, Place};
use super::scenarios::{Healing, Scenario};

/// Where bytes were when the command started; it decides where they may be afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Live,
    Staged,
    Committed,
}

/// Bytes that must not be lost.
#[derive(Debug)]
struct Original {
    origin: Origin,
    name: String,
    id: String,
    bytes: Vec<u8>,
}

/// What was there when the command started.
#[derive(Debug)]
pub struct Before {
    files: Files,
    originals: Vec<Original>,
    upstream: Option<String>,
}

/// How things stand after a command and a sync.
#[derive(Debug, PartialEq, Eq)]
pub struct End {
    files: Files,
    upstream: BTreeMap<String, String>,
    status: BTreeMap<String, String>,
    code: i32,
    record: String,
}

impl Before {
    /// Looks at what is there now.
    pub fn of(place: &Place) -> Self {
        let machine = place.ec2();
        let files = look::files(&machine);
        let paths = files.iter().filter(|(_, live)| live.bytes.is_some()).map(|(path, _)| path);
        let paths: Vec<&PathBuf> = paths.collect();
        let mut originals = Vec::new();
        let names: Vec<&str> = paths.iter().filter_map(|path| path.to_str()).collect();
        let arguments = [["hash-object", "--no-filters", "--"].as_slice(), &names].concat();
        let ids = machine.git_at(&machine.home, &arguments);
        for (path, id) in paths.iter().zip(ids.lines()) {
            let bytes = files[*path].bytes.clone().unwrap();
            let name = path.display().to_string();
            originals.push(Original { origin: Origin::Live, name, id: id.to_owned(), bytes });
        }
        for (origin, arguments) in [
            (Origin::Staged, ["ls-files", "--stage", "--full-name"]),
            (Origin::Committed, ["ls-tree", "-r", "HEAD"]),
        ] {
            let listed = machine.try_git(&machine.repo(), &arguments).unwrap_or_default();
            for (id, name) in listed.lines().filter_map(|line| blob_of(line, origin)) {
                let bytes = blob(&machine, &machine.repo(), &id).unwrap();
                originals.push(Original { origin, name, id, bytes });
            }
        }
        originals.sort_by(|one, other| (&one.id, one.origin).cmp(&(&other.id, other.origin)));
        originals.dedup_by(|one, other| one.id == other.id);
        Self { files, originals, upstream: tip(place) }
    }

    /// Returns what was there and is nowhere any more.
    pub fn lost(&self, place: &Place) -> Vec<String> {
        let machine = place.ec2();
        let mut there: BTreeSet<Vec<u8>> =
            look::files(&machine).into_values().filter_map(|live| live.bytes).collect();
        there.extend(look::displaced(&machine).iter().flat_map(|folder| look::contents(folder)));
        let gone = self.originals.iter().filter(|original| !there.contains(&original.bytes));
        let mut gone: Vec<&Original> = gone.collect();
        if !gone.is_empty() {
            let vault = machine.state().map(|state| state.join("vault"));
            let kept = vault.iter().flat_map(|vault| reachable(&machine, vault)).collect();
            gone.retain(|it| !is_kept(&machine, vault.as_deref(), &kept, it));
            gone.retain(|it| !is_in_git(place, it));
        }
        if !gone.is_empty() {
            let archived = archived(place);
            gone.retain(|original| !archived.contains(&original.bytes));
        }
        let gone = gone.iter().map(|it| format!("{:?} {} is nowhere", it.origin, it.name));
        gone.chain(self.lost_upstream(place)).collect()
    }

    /// What upstream had must be in its history still.
    fn lost_upstream(&self, place: &Place) -> Option<String> {
        let before = self.upstream.as_ref()?;
        let now = tip(place)?;
        let arguments = ["merge-base", "--is-ancestor", before, now.as_str()];
        let is_there = *before == now || place.mac().try_git(&remote(place), &arguments).is_ok();
        (!is_there).then(|| format!("upstream {before} is no part of its history any more"))
    }

    /// Returns the live files that are neither as they were nor as the command makes them, in one
    /// of the ways it may end.
    pub fn bad(&self, after: &[Files], now: &Files) -> Vec<String> {
        let known = || [&self.files].into_iter().chain(after);
        let paths: BTreeSet<&PathBuf> = known().flat_map(BTreeMap::keys).collect();
        let live = |path: &&PathBuf| !path.starts_with("configs/external");
        let mut found = Vec::new();
        for path in paths.into_iter().filter(live) {
            let allowed: Vec<_> = known().map(|files| files.get(path)).collect();
            let Some(live) = now.get(path) else {
                if allowed.iter().all(Option::is_some) {
                    found.push(format!("{} is missing", path.display()));
                }
                continue;
            };
            let known: Vec<_> = allowed.into_iter().flatten().collect();
            let widest = known.iter().fold(0, |mode, known| mode | known.mode);
            match &live.bytes {
                None => found.push(format!("{} leads nowhere", path.display())),
                Some(bytes) if known.iter().all(|known| known.bytes.as_ref() != Some(bytes)) => {
                    let text = String::from_utf8_lossy(bytes).into_owned();
                    found.push(format!("{} is neither old nor new: {text:?}", path.display()));
                }
                Some(_) if live.mode & !widest != 0 => {
                    found.push(format!("{} has mode {:o}", path.display(), live.mode));
                }
                Some(_) => {}
            }
        }
        found
    }
}

impl End {
    /// Lets the machine heal, and looks at how things stand then. Returns what was said as well.
    pub fn reached(place: &Place, scenario: &Scenario) -> (Self, String) {
        (scenario.settle)(place);
        let machine = place.ec2();
        let (mut code, mut said) = (0, String::new());
        if scenario.healing == Healing::Again {
            (code, said) = machine.run(&scenario.arguments(place));
        }
        if code == 0 || scenario.codes.contains(&code) {
            let (last, more) = machine.run(&["sync"]);
            code = last;
            said.push_str(&more);
        }
        (Self::now(place, code), said)
    }

    fn now(place: &Place, code: i32) -> Self {
        let machine = place.ec2();
        let listed = place.mac().try_git(&remote(place), &["ls-tree", "-r", "main"]);
        let line = |line: &str| line.split_once('\t').map(|(id, name)| (name.into(), id.into()));
        let status = ["status", "--porcelain", "--untracked-files=all"];
        let status = match machine.try_git(&machine.repo(), &status) {
            Ok(status) => status.lines().map(two_letters).collect(),
            Err(said) => BTreeMap::from([(String::new(), said)]),
        };
        Self {
            files: look::files(&machine),
            upstream: listed.unwrap_or_default().lines().filter_map(line).collect(),
            status,
            code,
            record: look::record(&machine),
        }
    }

    /// Returns how it differs from what one of several histories comes to, file by file.
    pub fn differs(&self, from: &[&Self]) -> Vec<String> {
        let mut found = Vec::new();
        let mut check = |what: &str, now: String, known: Vec<String>| {
            if !known.contains(&now) {
                found.push(format!("{what}: {now:?} instead of {:?}", known[0]));
            }
        };
        let each = |show: &dyn Fn(&Self) -> String| from.iter().map(|end| show(end)).collect();
        check("exit code", self.code.to_string(), each(&|end| end.code.to_string()));
        check("record", self.record.clone(), each(&|end| end.record.clone()));
        let all = || from.iter().copied().chain([self]);
        for path in all().flat_map(|end| end.files.keys()).collect::<BTreeSet<_>>() {
            let show = |end: &Self| format!("{:?}", end.files.get(path).map(shown));
            check(&path.display().to_string(), show(self), each(&show));
        }
        for path in all().flat_map(|end| end.status.keys()).collect::<BTreeSet<_>>() {
            let show = |end: &Self| format!("{:?}", end.status.get(path));
            check(&format!("git status of {path}"), show(self), each(&show));
        }
        for path in all().flat_map(|end| end.upstream.keys()).collect::<BTreeSet<_>>() {
            let show = |end: &Self| format!("{:?}", end.upstream.get(path));
            check(&format!("upstream {path}"), show(self), each(&show));
        }
        found
    }

    /// Returns true when the machine has a file.
    pub fn has_file(&self, path: &str) -> bool {
        self.files.contains_key(Path::new(path))
    }

    /// Returns true when upstream has a file.
    pub fn has_upstream(&self, path: &str) -> bool {
        self.upstream.contains_key(path)
    }

    /// Returns the exit code of the sync.
    pub fn code(&self) -> i32 {
        self.code
    }
}

/// Returns archives that do not hold what they say.
pub fn false_archives(place: &Place) -> Option<String> {
    let (code, said) = place.ec2().run(&["backup", "--verify"]);
    (code != 0).then(|| format!("an archive is damaged: {said}"))
}

/// Reads a line of `git status --porcelain`: what it says of a path, by path.
fn two_letters(line: &str) -> (String, String) {
    let (letters, path) = line.split_at_checked(3).unwrap_or((line, ""));
    (path.to_owned(), letters.to_owned())
}

fn shown(live: &look::Live) -> (Option<&Path>, String, String) {
    let text = live.bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (live.link.as_deref(), format!("{:o}", live.mode), text.unwrap_or_default())
}

/// Returns what the costly looks find: damage in a store; a second sync that changes something, or
/// an edit after it that does not travel.
pub fn deeper(place: &Place, healed: &End) -> (Vec<String>, Vec<String>) {
    let machine = place.ec2();
    let vault = machine.state().map(|state| state.join("vault"));
    let stores = [Some(machine.repo()), vault, Some(place.remote())];
    let check = |store: PathBuf| {
        let said = machine.try_git(&store, &["fsck", "--strict", "--no-progress"]).err()?;
        Some(format!("{}: {said}", store.display()))
    };
    let damaged = stores.into_iter().flatten().filter_map(check).collect();
    let commits =
        |place: &Place| (tip(place), machine.try_git(&machine.repo(), &["rev-parse", "HEAD"]));
    let before = commits(place);
    let (code, _) = machine.run(&["sync"]);
    let mut restless: Vec<String> = End::now(place, code).differs(&[healed]);
    if commits(place) != before {
        restless.push("a commit was made".to_owned());
    }
    let mut found: Vec<String> =
        restless.into_iter().map(|it| format!("the second sync changed {it}")).collect();
    machine.write("@edited-afterwards.txt", "all is well\n");
    let (code, said) = machine.run(&["sync"]);
    if code != healed.code {
        found.push(format!("the next edit is not shared: exit code {code}: {said}"));
    }
    (damaged, found)
}

/// Reads a line of `ls-files --stage` or `ls-tree`.
fn blob_of(line: &str, origin: Origin) -> Option<(String, String)> {
    let (head, name) = line.split_once('\t')?;
    let at = if origin == Origin::Staged { 1 } else { 2 };
    Some((head.split(' ').nth(at)?.to_owned(), name.to_owned()))
}

fn remote(place: &Place) -> PathBuf {
    Some(place.remote()).filter(|path| path.exists()).unwrap_or_else(|| place.unplugged())
}

fn tip(place: &Place) -> Option<String> {
    let found = place.mac().try_git(&remote(place), &["rev-parse", "--quiet", "--verify", "main"]);
    found.ok().map(|id| id.trim().to_owned())
}

/// Returns every object that a ref of a store leads to. A ref that leads nowhere keeps nothing.
fn reachable(machine: &Machine, store: &Path) -> BTreeSet<String> {
    let arguments = ["rev-list", "--objects", "--all"];
    let listed = machine.try_git(store, &arguments).unwrap_or_default();
    listed.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Returns the bytes of a blob, when they can be read.
fn blob(machine: &Machine, store: &Path, id: &str) -> Option<Vec<u8>> {
    let mut command = machine.command("git");
    command.arg("-C").arg(store).args(["cat-file", "blob", id]);
    let output = command.stdout(std::process::Stdio::piped()).output().unwrap();
    output.status.success().then_some(output.stdout)
}

fn is_kept(
    machine: &Machine,
    vault: Option<&Path>,
    kept: &BTreeSet<String>,
    original: &Original,
) -> bool {
    let Some(vault) = vault else { return false };
    kept.contains(&original.id)
        && blob(machine, vault, &original.id).as_ref() == Some(&original.bytes)
}

/// What was only staged or committed may be so still. What was live may not: Git's folder belongs
/// to the user, who may collect it.
fn is_in_git(place: &Place, original: &Original) -> bool {
    let machine = place.ec2();
    let repo = machine.repo();
    match original.origin {
        Origin::Live => false,
        Origin::Staged => {
            let staged = machine.try_git(&repo, &["ls-files", "--stage"]).unwrap_or_default();
            staged.contains(&original.id) && blob(&machine, &repo, &original.id).is_some()
        }
        Origin::Committed => [repo, remote(place)].iter().any(|store| {
            reachable(&machine, store).contains(&original.id)
                && blob(&machine, store, &original.id).is_some()
        }),
    }
}

/// Returns the bytes of every file in every archive.
fn archived(place: &Place) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    let archives = fs::read_dir(place.ec2().repo().join(".sync/backups"));
    for archive in archives.into_iter().flatten().flatten().map(|entry| entry.path()) {
        let scratch = place.folder().join("unpacked");
        super::place::remove(&scratch);
        fs::create_dir(&scratch).unwrap();
        let mut tar = Command::new("tar");
        tar.arg("-xzf").arg(archive).arg("-C").arg(&scratch);
        if super::place::run(tar).0 == 0 {
            found.extend(look::contents(&scratch));
        }
    }
    found
}
