//! What the kernel sees of runs that meet hostile files: every path that is written lies where it may,
//! and every program that is started is one of ours or of Git's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::forge::{FILE, Forge, LINK, PROGRAM};
use crate::sandbox::{Machine, Sandbox};

/// Calls that start a process, or lead it to another folder.
const MOVING: &str = "execve,chdir,fchdir,clone,clone3,fork,vfork";

/// Calls that make, change or remove something at a path.
const WRITING: &str = "openat,open,creat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,\
                       unlink,unlinkat,mkdir,mkdirat,rmdir,chmod,fchmodat,truncate,mknod,mknodat,\
                       chown,lchown,fchownat,setxattr,lsetxattr,utimensat";

/// Programs that a sync may start.
const PROGRAMS: [&str; 15] = [
    "cfgsync",
    "git",
    "git-remote-https",
    "git-upload-pack",
    "git-receive-pack",
    "git-index-pack",
    "git-unpack-objects",
    "git-pack-objects",
    "git-rev-list",
    "git-config",
    "ssh",
    "sh",
    "dash",
    "zsh",
    "strace",
];

/// Runs cfgsync under strace, and returns the lines of the log, with whole paths.
fn traced(machine: &Machine, log: &Path, arguments: &[&str]) -> Vec<String> {
    let output = machine
        .command("strace")
        .args(["-f", "-y", "-s", "4096", "-o"])
        .arg(log)
        .args(["-e", &format!("trace={MOVING},{WRITING}")])
        .arg(env!("CARGO_BIN_EXE_cfgsync"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.code().is_some_and(|code| code < 100), "{arguments:?}: {output:?}");
    let text = String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned();
    text.lines().map(str::to_owned).collect()
}

/// Returns the paths that a line of the log writes to; relative ones are below their folder.
fn written(line: &str, folder: &Path) -> Vec<PathBuf> {
    let Some((call, rest)) = line.split_once(' ').and_then(|(_, rest)| rest.trim().split_once('('))
    else {
        return Vec::new();
    };
    let reads = matches!(call, "openat" | "open")
        && !["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"]
            .iter()
            .any(|flag| rest.contains(flag));
    if MOVING.split(',').any(|moving| moving == call)
        || reads
        || rest.contains(" = -1 ")
        || rest.contains("resumed>")
    {
        return Vec::new();
    }
    let mut paths = Vec::new();
    let mut base = folder.to_owned();
    for word in rest.split(", ") {
        // `3</folder>` names the folder of what follows.
        if let Some((_, path)) = word.split_once('<').filter(|_| !word.starts_with('"')) {
            base = PathBuf::from(path.trim_end_matches(['>', ')']));
        } else if let Some(quoted) = word.strip_prefix('"') {
            let name = quoted.split('"').next().unwrap_or_default();
            paths.push(base.join(name));
            folder.clone_into(&mut base);
        }
    }
    // What a link says is no path that is written.
    if call.starts_with("symlink") && paths.len() == 2 {
        paths.remove(0);
    }
    paths
}

/// Where each process of a trace is.
struct Folders {
    of: BTreeMap<String, PathBuf>,
    parents: BTreeMap<String, String>,
}

impl Folders {
    /// A process may be seen at work before the call returns that made it.
    fn new(lines: &[String]) -> Self {
        let parent = |line: &String| {
            let (process, call) = line.split_once(' ')?;
            let is_start = ["clone", "fork"].iter().any(|name| {
                let call = call.trim().trim_start_matches("<... ").trim_start_matches('v');
                call.starts_with(name)
            });
            let child = call.rsplit_once("= ")?.1.trim().to_owned();
            let is_child = is_start && child.bytes().all(|byte| byte.is_ascii_digit());
            is_child.then(|| (child, process.to_owned()))
        };
        Self { of: BTreeMap::new(), parents: lines.iter().filter_map(parent).collect() }
    }

    /// Returns the folder in which the process of a line works.
    fn follow(&mut self, line: &str, start: &Path) -> PathBuf {
        let (process, call) = line.split_once(' ').unwrap_or((line, ""));
        let call = call.trim();
        let from = self.parents.get(process).and_then(|parent| self.of.get(parent));
        let from = from.cloned().unwrap_or_else(|| start.to_owned());
        let folder = self.of.entry(process.to_owned()).or_insert(from);
        if let Some(rest) = call.strip_prefix("chdir(\"").filter(|rest| !rest.contains(" = -1")) {
            *folder = folder.join(rest.split('"').next().unwrap_or_default());
        } else if let Some(rest) = call.strip_prefix("fchdir(").filter(|it| !it.contains(" = -1")) {
            *folder = PathBuf::from(rest.split(['<', '>']).nth(1).unwrap_or_default());
        }
        folder.clone()
    }
}

/// Returns every path that a run wrote.
fn places(lines: &[String], start: &Path) -> BTreeSet<PathBuf> {
    let mut folders = Folders::new(lines);
    let mut places = BTreeSet::new();
    for line in lines {
        let folder = folders.follow(line, start);
        places.extend(written(line, &folder));
    }
    places
}

/// Returns the program that a line starts.
fn started(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("execve(\"")?;
    let program = rest.split('"').next()?;
    (!rest.contains(" = -1 ")).then(|| program.rsplit('/').next().unwrap_or(program).to_owned())
}

/// Pushes what is hostile in every way that is held.
fn plant(sandbox: &Sandbox, forge: &Forge<'_>) {
    let script = format!("#!/bin/sh\ntouch {}\n", sandbox.path("PWNED").display()).into_bytes();
    let outside = sandbox.path("outside").display().to_string();
    forge.push(&forge.add(&[
        (
            ".sync/marked-files.txt",
            FILE,
            b".conf\n.new\n.zshenv\n.local/bin/\n.ssh/rc\n.local/state/cfgsync/\nconfigs/\n.gitconfig\n",
        ),
        ("external/.new", FILE, b"new\n"),
        ("external/.conf", FILE, b"content\nmore\n"),
        ("external/.zshenv", FILE, &script),
        ("external/.ssh/rc", PROGRAM, &script),
        ("external/.gitconfig", FILE, b"[core]\n\tsshCommand = touch PWNED\n[broken\n"),
        ("external/.local/bin/git", PROGRAM, &script),
        ("external/.local/state/cfgsync/planted", FILE, &script),
        ("external/configs/planted", FILE, &script),
        ("out", LINK, outside.as_bytes()),
        ("up", LINK, b"../../outside"),
        ("hooks/post-checkout", PROGRAM, &script),
        ("odd\nname", PROGRAM, &script),
        ("plain.txt", FILE, b"plain\n"),
    ]));
}

#[test]
fn nothing_is_written_elsewhere_and_nothing_else_is_started() {
    let sandbox = Sandbox::new();
    let (_mac, ec2) = sandbox.pair("content\n");
    fs::create_dir(sandbox.path("outside")).unwrap();
    plant(&sandbox, &Forge::new(&sandbox));
    let log = sandbox.path("trace");
    let mut written = BTreeSet::new();
    let mut programs = BTreeSet::new();
    let commands: [&[&str]; 7] =
        [&["sync"], &["status"], &["sync"], &["diff"], &["undo", "--yes"], &["doctor"], &["sync"]];
    for (number, arguments) in commands.into_iter().enumerate() {
        let lines = traced(&ec2, &log, arguments);
        written.extend(places(&lines, ec2.home()));
        programs.extend(lines.iter().filter_map(|line| started(line)));
        ec2.append(".conf", &format!("from here {number}\n"));
    }
    assert_eq!(ec2.read(".new"), "new\n");
    // The repository, the state, what is marked and let in, the remote, and what is nobody's file.
    let may = [
        ec2.repo(),
        ec2.path(".local/state/cfgsync"),
        sandbox.remote(),
        PathBuf::from("/tmp/cfgsync-desk."),
        PathBuf::from("/tmp/git-output."),
        PathBuf::from("/dev/null"),
        PathBuf::from("/dev/tty"),
    ];
    let home_entries = [".conf", ".new"].map(|name| ec2.path(name));
    let is_draft = |path: &Path| {
        path.parent() == Some(ec2.home())
            && path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b".cfgsync-"))
    };
    let is_meant = |path: &PathBuf| {
        let text = path.as_os_str().as_encoded_bytes();
        may.iter().any(|place| text.starts_with(place.as_os_str().as_encoded_bytes()))
            || home_entries.contains(path)
            || is_draft(path)
    };
    assert!(written.iter().any(|path| path.starts_with(ec2.repo())), "nothing was traced");
    let strays: Vec<&PathBuf> = written.iter().filter(|path| !is_meant(path)).collect();
    assert!(strays.is_empty(), "written: {strays:#?}");
    let own = ["planted", "authorized_keys"];
    let planted = written.iter().filter(|path| {
        path.starts_with(ec2.path(".local/state")) && own.iter().any(|name| path.ends_with(name))
    });
    assert_eq!(planted.count(), 0);
    let strangers: Vec<&String> =
        programs.iter().filter(|name| !PROGRAMS.contains(&name.as_str())).collect();
    assert!(strangers.is_empty() && programs.contains("git"), "started: {programs:?}");
    assert!(!sandbox.path("PWNED").exists());
    assert_eq!(fs::read_dir(sandbox.path("outside")).unwrap().count(), 0);
}
