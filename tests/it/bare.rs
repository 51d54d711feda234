//! The prompt without a libc against the one with it: what it is made of, what it costs, and that both
//! print the same for whatever there is to read.

mod cost;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cfgsync_core::status::SyncState::{
    Ahead, Behind, Failed, Held, Offline, Paused, Synced, Syncing,
};
use cfgsync_core::status::watch::{self, Kind, Names, Row, Stat};
use cfgsync_core::status::wire::{self, Watch};
use cfgsync_core::status::{StatusRecord, SyncState};

use crate::terminal::{Home, bytes, damaged, now, record};

const HOSTED: &str = env!("CARGO_BIN_EXE_cfgsync-prompt");

const FORMATS: [&str; 7] = ["zsh", "bash", "fish", "starship", "tmux", "plain", "word"];

const OPTIONS: [&[&str]; 5] = [
    &[],
    &["--counts"],
    &["--no-color", "--counts"],
    &["--icon", "synced=ok", "--icon", "ahead="],
    &["--color", "ahead=208", "--color", "synced=magenta"],
];

/// Builds the bare program once, and returns it. Cargo itself waits for others that build there.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bare");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--locked", "--release"]);
        cargo.args(["--bin", "cfgsync-prompt", "--no-default-features", "--features", "bare"]);
        cargo.arg("--target-dir").arg(&target);
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        cargo.env_remove("CARGO_BUILD_TARGET");
        let built = cargo.output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        target.join("release/cfgsync-prompt")
    })
}

fn run(home: &Home, program: &Path, arguments: &[impl AsRef<OsStr>]) -> Output {
    home.command(program.to_str().unwrap()).args(arguments).output().unwrap()
}

/// Asserts that both programs print and return the same, and returns what they print.
#[track_caller]
fn both(home: &Home, arguments: &[impl AsRef<OsStr>], what: &str) -> String {
    let bare = run(home, program(), arguments);
    let hosted = run(home, Path::new(HOSTED), arguments);
    let arguments: Vec<_> = arguments.iter().map(AsRef::as_ref).collect();
    assert_eq!(bare, hosted, "{what} {arguments:?}");
    String::from_utf8_lossy(&bare.stdout).into_owned()
}

/// Returns records of every state and in every condition, and what a `plain` prompt may show.
fn records() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = damaged();
    for state in [Synced, Ahead, Behind, Syncing, Held, Failed, Paused, Offline] {
        let base = record(state);
        let mut add = |what: &str, record: StatusRecord| {
            all.push((format!("{state:?} {what}"), wire::encode(&record).to_vec()));
        };
        add("now", base.clone());
        add("without counts", StatusRecord { ahead: 0, pending: 0, held: 0, ..base.clone() });
        add("past its deadline", StatusRecord { deadline: now(), ..base.clone() });
        let future = now().after_seconds(3600);
        add("of the future", StatusRecord { updated: future, ..base.clone() });
        add("of another boot", StatusRecord { boot: *b"01234567", ..base.clone() });
        add("of process 0", StatusRecord { pid: 0, ..base.clone() });
        add("of another process", StatusRecord { pid: u32::MAX, ..base.clone() });
        add("without its list", StatusRecord { watched: true, ..base });
    }
    all
}

#[test]
fn both_say_the_same_of_every_record() {
    let home = Home::new();
    for (what, bytes) in records() {
        home.publish(&bytes);
        both(&home, &["word"], &what);
        both(&home, &["zsh", "--counts"], &what);
    }
    for state in [Synced, Ahead, Behind, Syncing, Held, Failed, Paused, Offline] {
        home.publish(&bytes(state));
        for format in FORMATS {
            for options in OPTIONS {
                both(&home, &[&[format], options].concat(), &format!("{state:?}"));
            }
        }
    }
}

#[test]
fn both_say_the_same_of_what_is_no_record() {
    let home = Home::new();
    assert!(home.command("mkfifo").arg(home.path("fifo")).status().unwrap().success());
    fs::write(home.path("good"), bytes(Synced)).unwrap();
    symlink(home.path("good"), home.path("link")).unwrap();
    for path in ["fifo", "gone", "bin", ".", "/dev/zero", "/dev/null", "/proc/self/stat", ""] {
        assert_eq!(both(&home, &["plain", "--record", path], path), "");
    }
    for path in ["good", "link", "./bin/../good"] {
        assert_eq!(both(&home, &["plain", "--record", path], path), "✓");
    }
    for length in [190, 191, 192, 193, 4094, 4095, 4096, 5000] {
        let path = format!("{}good", "./".repeat(length / 2));
        both(&home, &["plain", "--record", &path], &format!("{length} bytes"));
        fs::write(home.path("good"), wire::encode(&watched(Synced))).unwrap();
        both(&home, &["plain", "--record", &path], &format!("{length} bytes, and a list"));
        fs::write(home.path("good"), bytes(Synced)).unwrap();
    }
}

#[test]
fn both_understand_the_same() {
    let home = Home::new();
    home.publish(&bytes(Ahead));
    let lines: [&[&str]; 18] = [
        &[],
        &["--help"],
        &["-h", "nonsense"],
        &["--version"],
        &["-V"],
        &["csh"],
        &["zsh", "zsh"],
        &[""],
        &["--record"],
        &["--record", "a", "--record", "b"],
        &["--icon", "ahead"],
        &["--icon", "unknown=x"],
        &["--icon", "ahead=%F{red}$(x)"],
        &["--color", "ahead=256"],
        &["--color", "ahead="],
        &["--color", "ahead=007"],
        &["--bell", "/nowhere/bell"],
        &["--counts", "--counts", "tmux"],
    ];
    for line in lines {
        both(&home, line, "");
    }
    for length in [240, 256, 300] {
        let icon = format!("ahead={}", "x".repeat(length));
        both(&home, &["zsh", "--counts", "--icon", &icon], "a long icon");
    }
    both(&home, &[OsStr::new("--icon"), OsStr::from_bytes(b"ahead=\xff")], "no text");
    for program in [program(), Path::new(HOSTED)] {
        let bell = home.path("bell");
        assert!(run(&home, program, &[OsStr::new("--bell"), bell.as_os_str()]).status.success());
        let file = fs::symlink_metadata(&bell).unwrap();
        assert_eq!(file.mode(), 0o010_600);
        fs::remove_file(bell).unwrap();
    }
}

const GENERATION: u64 = 1;

fn watched(state: SyncState) -> StatusRecord {
    StatusRecord { watched: true, generation: GENERATION, ..record(state) }
}

fn stat(path: &Path) -> Stat {
    let found = fs::symlink_metadata(path).unwrap();
    Stat {
        ino: found.ino(),
        size: found.size(),
        mtime: found.mtime() * 1_000_000_000 + found.mtime_nsec(),
        ctime: found.ctime() * 1_000_000_000 + found.ctime_nsec(),
        mode: u16::try_from(found.mode()).unwrap(),
    }
}

fn blob(home: &Home, name: &str) -> [u8; 20] {
    let output = home.command("git").args(["hash-object", name]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    std::array::from_fn(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap())
}

/// Returns a row that holds.
fn row(home: &Home, name: &str, kind: Kind, flags: u8) -> Row<Vec<u8>> {
    let path = home.path("w").join(name);
    let stat = if kind == Kind::Absent { Stat::default() } else { stat(&path) };
    let blob = match kind {
        Kind::File => blob(home, &format!("w/{name}")),
        Kind::Link => {
            fs::write(home.path("target"), fs::read_link(path).unwrap().as_os_str().as_bytes())
                .unwrap();
            blob(home, "target")
        }
        Kind::Folder => {
            let mut names = Names::default();
            for entry in fs::read_dir(path).unwrap() {
                names.add(entry.unwrap().file_name().as_bytes());
            }
            names.blob()
        }
        Kind::Ref => [0xAB; 20],
        Kind::Absent | Kind::Guard => [0; 20],
    };
    let count = if kind == Kind::Folder { 2 } else { 0 };
    Row { base: 0, name: name.as_bytes().to_vec(), kind, flags, children: 0, stat, blob, count }
}

/// Makes a folder `w` with one of everything, and returns rows that all hold.
fn everything(home: &Home) -> Watch {
    fs::create_dir_all(home.path("w/folder/inner")).unwrap();
    fs::write(home.path("w/folder/one"), "1").unwrap();
    fs::write(home.path("w/file"), "set number\n").unwrap();
    fs::write(home.path("w/racy"), vec![b'x'; 20_000]).unwrap();
    symlink("file", home.path("w/link")).unwrap();
    fs::write(home.path("w/ref"), format!("{}\n", "ab".repeat(20))).unwrap();
    let packed = format!("# pack\n{0} packed\n{0} fifo\n{0} zero\n", "ab".repeat(20));
    fs::write(home.path("w/packed-refs"), packed).unwrap();
    assert!(home.command("mkfifo").arg(home.path("w/fifo")).status().unwrap().success());
    symlink("/dev/zero", home.path("w/zero")).unwrap();
    let named = |name: &str, kind, flags| row(home, name, kind, flags);
    let packed = Row { name: b"packed".to_vec(), ..named("ref", Kind::Ref, watch::RACY) };
    let guard = Row { children: 2, ..named(".", Kind::Guard, 0) };
    let rows = vec![
        guard,
        named("link", Kind::Link, 0),
        named("gone", Kind::Absent, 0),
        named("file", Kind::File, 0),
        named("racy", Kind::File, watch::RACY),
        named("link", Kind::Link, watch::RACY),
        named("folder", Kind::Folder, 0),
        named("folder", Kind::Folder, watch::RACY),
        named("ref", Kind::Ref, 0),
        packed,
        // What is no regular file is not read, so these are looked up among the packed ones.
        named("fifo", Kind::Ref, watch::RACY),
        named("zero", Kind::Ref, watch::RACY),
        named("MERGE_HEAD", Kind::Absent, watch::PAUSES),
    ];
    let bases = vec![home.path("w").into_os_string().into_encoded_bytes()];
    Watch { bases, rows, left_out: 0 }
}

fn lay(home: &Home, list: &[u8]) {
    fs::write(home.record().with_file_name("watch"), list).unwrap();
}

#[test]
fn both_say_the_same_of_every_list() {
    let home = Home::new();
    let watch = everything(&home);
    let good = wire::encode_watch(&watch, GENERATION);
    home.publish(&wire::encode(&watched(Synced)));
    for (at, row) in watch.rows.iter().enumerate() {
        let one = Watch { rows: vec![Row { children: 0, ..row.clone() }], ..watch.clone() };
        lay(&home, &wire::encode_watch(&one, GENERATION));
        assert_eq!(both(&home, &["word"], &format!("row {at}")), "synced", "row {at}");
    }
    lay(&home, &good);
    assert_eq!(both(&home, &["word"], "the whole list"), "synced");
    lay(&home, &wire::encode_watch(&watch, GENERATION + 1));
    assert_eq!(both(&home, &["word"], "another generation"), "");
    for length in (0..good.len()).step_by(7) {
        lay(&home, &good[..length]);
        assert_eq!(both(&home, &["word"], &format!("{length} bytes")), "");
    }
    lay(&home, &[&good[..], b"more"].concat());
    assert_eq!(both(&home, &["word"], "too much"), "");
    // No longer what it was, in every way a byte can say so, with a sum that fits.
    for at in 16..good.len() {
        let mut odd = good.clone();
        odd[at] ^= if at % 2 == 0 { 0x01 } else { 0x84 };
        if at % 5 == 0 {
            lay(&home, &odd);
            assert_eq!(both(&home, &["word"], &format!("byte {at} damaged")), "");
        }
        let sum = watch::checksum(&odd[watch::CHECKED..]);
        odd[16..24].copy_from_slice(&sum.to_le_bytes());
        lay(&home, &odd);
        both(&home, &["word"], &format!("byte {at}"));
    }
    let path = home.record().with_file_name("watch");
    fs::remove_file(&path).unwrap();
    assert_eq!(both(&home, &["word"], "no list"), "");
    for target in ["w/fifo", "w/folder", "gone", "/dev/zero"] {
        symlink(home.path("").join(target), &path).unwrap();
        assert_eq!(both(&home, &["word"], target), "");
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn both_see_the_same_changes() {
    let home = Home::new();
    let watch = everything(&home);
    let list = wire::encode_watch(&watch, GENERATION);
    lay(&home, &list);
    let check = |what: &str, shown: &str| {
        for (state, shown) in [(Synced, shown), (Offline, shown.trim_start_matches("synced"))] {
            home.publish(&wire::encode(&watched(state)));
            assert_eq!(both(&home, &["word"], what), shown, "{what}");
        }
    };
    check("nothing", "synced");
    fs::write(home.path("w/file"), "set numbes\n").unwrap();
    check("an edit", "ahead 1");
    fs::write(home.path("w/folder/two"), "2").unwrap();
    check("a new name", "ahead 3");
    fs::remove_file(home.path("w/link")).unwrap();
    check("a link that is gone", "ahead 5");
    fs::write(home.path("w/MERGE_HEAD"), "").unwrap();
    check("a merge", "paused");
    fs::rename(home.path("w"), home.path("v")).unwrap();
    check("no base", "ahead 11");
}

/// Whoever writes files in place breaks what readers count on; they show nothing then, and do not die.
#[test]
fn a_file_that_is_cut_while_it_is_read_kills_neither() {
    let home = Home::new();
    let list = wire::encode_watch(&everything(&home), GENERATION);
    let record = wire::encode(&watched(Synced));
    home.publish(&record);
    lay(&home, &list);
    let paths = [(home.record(), &record[..]), (home.record().with_file_name("watch"), &list[..])];
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for (path, bytes) in &paths {
                    let length = u64::try_from(bytes.len()).unwrap();
                    let mut file = File::options().write(true).open(path).unwrap();
                    file.set_len(length / 2).unwrap();
                    file.set_len(0).unwrap();
                    file.set_len(length + 5000).unwrap();
                    file.write_all(bytes).unwrap();
                    file.set_len(length).unwrap();
                }
            }
        });
        let outputs: Vec<_> = (0..200)
            .flat_map(|_| [program(), Path::new(HOSTED)])
            .map(|program| (program, run(&home, program, &["plain"])))
            .collect();
        stop.store(true, Ordering::Relaxed);
        for (program, output) in outputs {
            assert!(output.status.success(), "{}: {output:?}", program.display());
            let shown = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(["", "✓", "↑", "‖"].contains(&shown.as_str()), "{shown:?}");
            assert!(output.stderr.is_empty());
        }
    });
}
