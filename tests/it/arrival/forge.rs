//! Trees and commits as somebody makes them who can push anything: object by object, unchecked.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::sandbox::Sandbox;

pub const FILE: &str = "100644";
pub const PROGRAM: &str = "100755";
pub const LINK: &str = "120000";
pub const FOLDER: &str = "40000";
pub const SUBMODULE: &str = "160000";

/// One entry of a tree: mode, name, object.
pub type Entry = (&'static str, Vec<u8>, String);

/// Writes into the remote's own store.
pub struct Forge<'a> {
    sandbox: &'a Sandbox,
    /// Where the branch was before anything was forged.
    start: String,
}

impl<'a> Forge<'a> {
    /// Begins where the branch is.
    pub fn new(sandbox: &'a Sandbox) -> Self {
        let start = sandbox.git(&["rev-parse", "main"]).trim().to_owned();
        Self { sandbox, start }
    }

    fn write(&self, arguments: &[&str], bytes: &[u8]) -> String {
        let mut command = Command::new("git");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.sandbox.path(""))
            .current_dir(self.sandbox.remote())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Writes a blob.
    pub fn blob(&self, bytes: &[u8]) -> String {
        self.write(&["hash-object", "-w", "--stdin"], bytes)
    }

    /// Writes a tree of exactly these entries, in this order.
    pub fn tree(&self, entries: &[Entry]) -> String {
        let mut raw = Vec::new();
        for (mode, name, id) in entries {
            raw.extend(mode.bytes());
            raw.push(b' ');
            raw.extend(name);
            raw.push(0);
            raw.extend(
                (0..id.len()).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap()),
            );
        }
        self.write(&["hash-object", "-t", "tree", "-w", "--literally", "--stdin"], &raw)
    }

    /// Returns what the top folder held before.
    pub fn top(&self) -> Vec<Entry> {
        let listed = self.sandbox.git(&["ls-tree", "-z", &self.start]);
        let entry = |line: &str| {
            let (head, name) = line.split_once('\t')?;
            let words: Vec<&str> = head.split(' ').collect();
            let mode =
                [FILE, PROGRAM, LINK, FOLDER].into_iter().find(|mode| words[0].ends_with(mode))?;
            Some((mode, name.as_bytes().to_vec(), words[2].to_owned()))
        };
        listed.split('\0').filter_map(entry).collect()
    }

    /// Makes the branch one commit with this tree, on top of what there was before.
    pub fn push(&self, tree: &str) {
        let who = ["-c", "user.name=forger", "-c", "user.email=forger@example.com"];
        let made = ["commit-tree", tree, "-p", &self.start];
        let commit = self.write(&[&who[..], &made].concat(), b"forged\n");
        let _ = self.sandbox.git(&["update-ref", "refs/heads/main", &commit]);
    }

    /// Puts the branch back, as if nothing had been pushed.
    pub fn withdraw(&self) {
        let _ = self.sandbox.git(&["update-ref", "refs/heads/main", &self.start]);
    }

    /// Adds files to the top of what there was, by `git`'s own means: path, mode, bytes.
    pub fn add(&self, files: &[(&str, &'static str, &[u8])]) -> String {
        let index = self.sandbox.path("forged-index");
        let index = index.display().to_string();
        let run = |arguments: &[&str], input: &[u8]| {
            let mut line = vec!["-c", "core.protectHFS=false", "-c", "core.protectNTFS=false"];
            line.extend(arguments);
            self.with_index(&index, &line, input)
        };
        let _ = run(&["read-tree", &self.start], b"");
        let mut input = Vec::new();
        for (path, mode, bytes) in files {
            input.extend(format!("{mode} {}\t", self.blob(bytes)).into_bytes());
            input.extend(path.bytes());
            input.push(0);
        }
        let _ = run(&["update-index", "-z", "--index-info"], &input);
        run(&["write-tree"], b"")
    }

    fn with_index(&self, index: &str, arguments: &[&str], bytes: &[u8]) -> String {
        let variable = format!("GIT_INDEX_FILE={index}");
        let mut command = Command::new("env");
        command.arg(variable).arg("git").args(arguments);
        command
            .env("HOME", self.sandbox.path(""))
            .current_dir(self.sandbox.remote())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}
