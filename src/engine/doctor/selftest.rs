//! Tries what syncs ask of a disk, in a folder of its own in each place where cfgsync writes. What a
//! disk cannot do has another way, or is said; nothing is left behind.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cfgsync_core::checkup::Diagnosis;
use nix::errno::Errno;
use nix::sys::stat::Mode as Bits;

use super::Finding;
use crate::context::Context;
use crate::fs::desk::Desk;
use crate::fs::dir::Dir;
use crate::fs::exchange::{Entry, can_exchange, rename_new};
use crate::fs::plain::{self, Durability};

/// Why one try came to nothing.
type Tried = Result<(), String>;

/// What is tried, and what it means where it fails.
struct Try {
    what: &'static str,
    run: fn(&Path) -> Tried,
    judged: fn(&'static str, String) -> Diagnosis,
}

const TRIES: [Try; 9] = [
    Try { what: "exchange of two names", run: exchange, judged: another_way },
    Try { what: "rename that replaces nothing", run: rename, judged: is_needed },
    Try { what: "hard links", run: hard_link, judged: another_way },
    Try { what: "symbolic links", run: symbolic_link, judged: is_needed },
    Try { what: "fsync", run: fsync, judged: is_needed },
    Try { what: "modes", run: modes, judged: is_needed },
    Try { what: "locks", run: locks, judged: is_needed },
    Try { what: "FIFOs", run: fifo, judged: another_way },
    Try { what: "the time of this clock", run: time, judged: another_way },
];

fn is_needed(check: &'static str, what: String) -> Diagnosis {
    Diagnosis::error(check, what).because("a sync cannot keep its promises without it").mend(
        "Put the repository, and the state folder (XDG_STATE_HOME), on a disk of this machine.",
    )
}

fn another_way(check: &'static str, what: String) -> Diagnosis {
    Diagnosis::note(check, what).because("cfgsync has another way there")
}

/// Tries the disks of home, repository and state.
pub fn selftest(context: &Context) -> Vec<Finding> {
    let places = &context.places;
    let mut found = Vec::new();
    let mut known = Vec::new();
    let repository = if places.meta.is_dir() { &places.meta } else { &places.repo };
    for (what, folder) in
        [("the state", &places.state), ("the repository", repository), ("your home", &places.home)]
    {
        let device = folder.metadata().map_or(0, |entry| entry.dev());
        if !folder.is_dir() || known.contains(&device) {
            continue;
        }
        known.push(device);
        match Desk::hidden(folder) {
            Ok(desk) => found.extend(tried(what, desk.folder())),
            Err(failure) => found.push(Finding::failed("selftest", failure)),
        }
    }
    found
}

fn tried(what: &str, folder: &Path) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for Try { what: tried, run, judged } in TRIES {
        if let Err(why) = run(folder) {
            found.push(judged("selftest", format!("{what}: {tried}: {why}")).into());
        }
    }
    if found.is_empty() {
        let all = format!("{what}: all {} tries went well", TRIES.len());
        found.push(Diagnosis::ok("selftest", all).into());
    }
    found.push(Diagnosis::ok("names", format!("{what}: {}", names(folder))).into());
    found
}

fn say(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, String> {
    let path = folder.join(name);
    plain::publish(&path, bytes, Durability::Relaxed).map_err(say)?;
    Ok(path)
}

fn exchange(folder: &Path) -> Tried {
    let (one, other) = (put(folder, "one", b"1")?, put(folder, "other", b"2")?);
    let dir = Dir::open(folder).map_err(say)?;
    let entry = |name| Entry { dir: &dir, name };
    can_exchange(entry(b"one"), entry(b"other")).map_err(|errno| errno.desc().to_owned())?;
    let swapped = (fs::read(one).map_err(say)?, fs::read(other).map_err(say)?);
    if swapped == (b"2".to_vec(), b"1".to_vec()) { Ok(()) } else { Err("nothing moved".to_owned()) }
}

fn rename(folder: &Path) -> Tried {
    put(folder, "from", b"1")?;
    let taken = put(folder, "taken", b"2")?;
    let dir = Dir::open(folder).map_err(say)?;
    let (from, to) = (Entry { dir: &dir, name: b"from" }, Entry { dir: &dir, name: b"taken" });
    match rename_new(from, to) {
        Err(Errno::EEXIST) if fs::read(&taken).is_ok_and(|bytes| bytes == b"2") => Ok(()),
        Err(errno) => Err(errno.desc().to_owned()),
        Ok(()) => Err("it replaced what was there".to_owned()),
    }
}

fn hard_link(folder: &Path) -> Tried {
    put(folder, "linked", b"1")?;
    let dir = Dir::open(folder).map_err(say)?;
    dir.link_from(b"linked.2", &dir, b"linked").map_err(|error| error.source.to_string())
}

fn symbolic_link(folder: &Path) -> Tried {
    let dir = Dir::open(folder).map_err(say)?;
    dir.create_link(b"link", b"to").map_err(|error| error.source.to_string())?;
    let target = dir.read_link(b"link").map_err(say)?;
    if target == b"to" { Ok(()) } else { Err("it leads elsewhere".to_owned()) }
}

fn fsync(folder: &Path) -> Tried {
    let path = folder.join("synced");
    plain::publish(&path, b"1", Durability::Synced).map_err(say)
}

fn modes(folder: &Path) -> Tried {
    let path = put(folder, "mode", b"1")?;
    for mode in [0o600, 0o640, 0o755] {
        plain::publish_with_mode(&path, b"1", Durability::Relaxed, mode).map_err(say)?;
        let found = path.metadata().map_err(say)?.permissions().mode() & 0o7777;
        if found != mode {
            return Err(format!("{mode:04o} became {found:04o}"));
        }
    }
    Ok(())
}

fn locks(folder: &Path) -> Tried {
    let path = put(folder, "lock", b"")?;
    let (one, other) = (File::open(&path).map_err(say)?, File::open(&path).map_err(say)?);
    one.try_lock().map_err(say)?;
    if other.try_lock().is_ok() { Err("two got it at once".to_owned()) } else { Ok(()) }
}

fn fifo(folder: &Path) -> Tried {
    let path = folder.join("fifo");
    nix::unistd::mkfifo(&path, Bits::S_IRUSR | Bits::S_IWUSR).map_err(|it| it.desc().to_owned())
}

/// What is written now must bear a time of now: on a disk of another machine it may not.
fn time(folder: &Path) -> Tried {
    let path = put(folder, "time", b"1")?;
    let written = path.metadata().map_err(say)?.mtime();
    let now = i64::try_from(crate::context::now().seconds()).unwrap_or(i64::MAX);
    if (written - now).abs() < 120 {
        return Ok(());
    }
    Err(format!("what is written now bears a time {} seconds away", (written - now).abs()))
}

/// Says which names are the same on this disk.
fn names(folder: &Path) -> String {
    let is_one = |one: &str, other: &str| {
        put(folder, one, b"1").is_ok() && folder.join(other).symlink_metadata().is_ok()
    };
    let case = if is_one("case", "CASE") { "one name" } else { "two names" };
    let form = if is_one("\u{e9}", "e\u{301}") { "one name" } else { "two names" };
    format!("`a` and `A` are {case}, both spellings of `\u{e9}` are {form}")
}
