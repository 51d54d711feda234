//! `doctor`: what is wrong is found, named with its cause and what mends it, and mended where that
//! needs no decision.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use serde_json::Value;

use crate::sandbox::{Machine, Sandbox, assert_same};

const LINES: &str = "one\ntwo\nthree\n";

/// What is said of each field in the page about it.
fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doctor.md")).unwrap()
}

/// Runs `doctor --json`, and holds what it prints against its page.
#[track_caller]
fn checkup(machine: &Machine, more: &[&str], code: i32) -> Vec<Value> {
    let arguments = [&["doctor", "--json"], more].concat();
    let output = machine.run(&arguments).code(code);
    let found: Value = serde_json::from_str(&output.stdout).unwrap();
    let page = page();
    assert_fields(&found, "", &page);
    assert_eq!(found["schema"], 1);
    let findings = found["findings"].as_array().unwrap().clone();
    let words = ["ok", "note", "warning", "error"];
    let worst = |finding: &Value| words.iter().position(|word| finding["severity"] == *word);
    for finding in &findings {
        assert_fields(finding, "findings[].", &page);
        let check = finding["check"].as_str().unwrap();
        let is_listed = page.lines().any(|line| {
            line.split('|').nth(1).is_some_and(|cell| cell.contains(&format!("`{check}`")))
        });
        assert!(is_listed, "docs/doctor.md does not list {check}");
        assert!(worst(finding).is_some() && finding["what"].is_string(), "{finding}");
        let needs_mending = worst(finding) > Some(1);
        assert!(!needs_mending || finding["mend"].is_string() || finding["why"].is_string());
    }
    let all = findings.iter().map(worst).max().flatten();
    assert_eq!(found["worst"], words[all.unwrap()]);
    assert_eq!(code != 0, found["worst"] == "error", "{found:#}");
    findings
}

/// Asserts that an object has exactly the fields that its page lists.
#[track_caller]
fn assert_fields(object: &Value, prefix: &str, page: &str) {
    let (_, part) = page.split_once("## `cfgsync doctor --json`").unwrap();
    let named = part.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let listed = named.filter_map(|(name, _)| name.strip_prefix(prefix));
    let mut listed: Vec<&str> = listed.filter(|name| !name.contains('[')).collect();
    let mut fields: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    listed.sort_unstable();
    fields.sort_unstable();
    assert_eq!(fields, listed);
}

/// Returns the findings of a check.
fn of<'a>(findings: &'a [Value], check: &str) -> Vec<&'a Value> {
    findings.iter().filter(|finding| finding["check"] == check).collect()
}

/// Asserts that a check came to one finding of this severity that says so, and returns it.
#[track_caller]
fn one(findings: &[Value], check: &str, severity: &str, says: &str) -> Value {
    let found = of(findings, check);
    let is_it = |finding: &&&Value| finding["severity"] == severity;
    let finding = found.iter().find(is_it).unwrap_or_else(|| panic!("{check}: {found:#?}"));
    assert!(finding.to_string().contains(says), "{finding:#}");
    (*finding).clone()
}

#[test]
fn a_machine_in_order() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    mac.run(&["backup"]).done();
    let before = sandbox.bytes();
    let findings = checkup(&mac, &[], 0);
    assert_same("looking", &before, &sandbox.bytes());
    for (check, says) in [
        ("git", "git version"),
        ("zsh", "zsh"),
        ("disk", "free"),
        ("repository", "dev/configs, branch main"),
        ("locks", "none"),
        ("fsck", "the repository is whole"),
        ("vault", "snapshots since"),
        ("remote", "answers"),
        ("links", "1 mark, 1 file"),
        ("held", "no file waits"),
        ("modes", "are private"),
        ("owners", "belongs to you"),
        ("record", "written"),
        ("background", "nothing keeps"),
        ("service", "not installed"),
        ("backups", "1 backup"),
        ("displaced", "0 files"),
        ("clock", "nothing lies in the future"),
    ] {
        one(&findings, check, "ok", says);
    }
    let _ = mac.run(&["doctor"]).code(0).says(&["Nothing is wrong"]);
}

#[test]
fn trying_the_disks_leaves_nothing_behind() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    let before = sandbox.bytes();
    let findings = checkup(&mac, &["--selftest"], 0);
    assert_same("the selftest", &before, &sandbox.bytes());
    one(&findings, "selftest", "ok", "went well");
    one(&findings, "names", "ok", "`a` and `A` are");
}

#[test]
fn what_others_can_read_is_closed_again() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    mac.run(&["backup"]).done();
    let archive = fs::read_dir(mac.path("@.sync/backups")).unwrap().next().unwrap().unwrap().path();
    let archive = archive.strip_prefix(mac.home()).unwrap().to_str().unwrap().to_owned();
    let state = mac.state().strip_prefix(mac.home()).unwrap().to_str().unwrap().to_owned();
    let wide = [archive.as_str(), "@.sync", "@.git", &state, &format!("{state}/vault")];
    for path in wide {
        mac.chmod(path, 0o755);
    }
    let findings = checkup(&mac, &[], 0);
    assert_eq!(of(&findings, "modes").len(), wide.len(), "{findings:#?}");
    one(&findings, "modes", "warning", "doctor --fix");
    let _ = checkup(&mac, &["--fix", "--dry-run"], 0);
    assert_eq!(mac.mode("@.sync"), 0o755);
    let findings = checkup(&mac, &["--fix"], 0);
    assert!(of(&findings, "modes").iter().all(|it| it["fixed"] == true && it["severity"] == "ok"));
    assert_eq!(wide.map(|path| mac.mode(path)), [0o600, 0o700, 0o700, 0o700, 0o700]);
    one(&checkup(&mac, &[], 0), "modes", "ok", "are private");
    mac.sync();
}

#[test]
fn the_store_of_a_linked_working_tree_is_looked_at_where_it_lies() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    let (repo, whole) = (mac.repo(), mac.path("whole"));
    mac.git(&["checkout", "--quiet", "--detach"]);
    fs::rename(&repo, &whole).unwrap();
    let mut add = mac.command("git");
    add.arg("-C").arg(&whole).args(["worktree", "add", "--quiet"]).arg(&repo).arg("main");
    assert!(add.status().unwrap().success());
    assert!(repo.join(".git").is_file());
    mac.sync();
    one(&checkup(&mac, &[], 0), "modes", "ok", "are private");
    mac.chmod("whole/.git", 0o755);
    let finding = one(&checkup(&mac, &[], 0), "modes", "warning", "whole/.git has the mode 0755");
    assert_eq!(finding["fixable"], true);
    let _ = checkup(&mac, &["--fix"], 0);
    assert_eq!(mac.mode("whole/.git"), 0o700);
    assert_ne!(mac.mode("@.git"), 0o600, "what only leads there is left as it is");
}

#[test]
fn a_link_in_place_of_our_file_is_not_followed_to_give_a_mode() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    mac.write("victim", "mine\n");
    mac.chmod("victim", 0o666);
    let place = mac.state().join("planted");
    symlink(mac.path("victim"), &place).unwrap();
    let _ = mac.run(&["doctor", "--fix"]);
    assert_eq!(mac.mode("victim"), 0o666);
    fs::remove_file(place).unwrap();
}

#[test]
fn a_link_that_is_gone_is_put_back() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    mac.remove(".conf");
    let finding = one(&checkup(&mac, &[], 0), "links", "note", "is gone");
    assert_eq!((&finding["fixable"], &finding["fixed"]), (&true.into(), &false.into()));
    let _ = mac.run(&["doctor", "--fix"]).code(0).says(&["~/.conf is gone; mended"]);
    mac.assert_linked(".conf");
    assert_eq!(mac.read(".conf"), LINES);
}

#[test]
fn a_link_that_became_a_file_is_named_until_a_sync() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    mac.remove(".conf");
    mac.write(".conf", "mine\n");
    one(&checkup(&mac, &[], 0), "links", "note", "~/.conf is a file where a link was");
    mac.sync();
    one(&checkup(&mac, &[], 0), "links", "ok", "1 mark, 1 file");
    assert_eq!(mac.read(".conf"), "mine\n");
}

#[test]
fn what_a_killed_run_left_is_cleaned_up() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    fs::write(mac.state().join("unfinished"), "").unwrap();
    one(&checkup(&mac, &[], 0), "locks", "note", "ended before it was done");
    let _ = checkup(&mac, &["--fix"], 0);
    assert!(!mac.state().join("unfinished").exists());
    one(&checkup(&mac, &[], 0), "locks", "ok", "none");
}

#[test]
fn a_lock_of_gits_is_named_and_stays() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    mac.write("@.git/refs/heads/main.lock", "");
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    let lock = mac.path("@.git/refs/heads/main.lock");
    fs::File::options().write(true).open(&lock).unwrap().set_modified(old).unwrap();
    let finding = one(&checkup(&mac, &[], 0), "locks", "warning", "main.lock");
    assert!(finding["mend"].as_str().unwrap().contains("rm "), "{finding:#}");
    let _ = mac.run(&["doctor", "--fix"]).code(0);
    assert!(lock.exists());
    mac.write("@.git/index.lock", "");
    one(&checkup(&mac, &[], 1), "repository", "error", "index.lock");
}

#[test]
fn damage_is_found_in_either_store() {
    for store in ["dev/configs/.git", "vault"] {
        let sandbox = Sandbox::new();
        let (mac, _ec2) = sandbox.pair(LINES);
        let folder = if store == "vault" { mac.state().join(store) } else { mac.path(store) };
        let id = blob(&mac, LINES);
        let object = folder.join("objects").join(&id[..2]).join(&id[2..]);
        assert!(object.exists(), "{}", object.display());
        fs::remove_file(object).unwrap();
        let finding = one(&checkup(&mac, &[], 1), "fsck", "error", "is damaged");
        assert!(finding["why"].as_str().unwrap().contains("missing"), "{finding:#}");
    }
}

fn blob(machine: &Machine, content: &str) -> String {
    machine.write("content", content);
    machine.git(&["hash-object", machine.path("content").to_str().unwrap()]).trim().to_owned()
}

#[test]
fn offline_is_said_and_is_no_error() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    sandbox.unplug();
    let finding = one(&checkup(&mac, &[], 0), "remote", "warning", "offline");
    assert!(finding["mend"].is_string(), "{finding:#}");
    sandbox.plug();
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("git://{}/x.git", silent.local_addr().unwrap());
    mac.git(&["remote", "set-url", "origin", &url]);
    let start = std::time::Instant::now();
    one(&checkup(&mac, &[], 0), "remote", "warning", "did not answer");
    assert!(start.elapsed().as_secs() < 40, "{:?}", start.elapsed());
}

#[test]
fn an_agent_that_is_gone_and_a_helper_that_is_missing_are_named() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    mac.git(&["remote", "set-url", "origin", "git@127.0.0.1:x.git"]);
    mac.git(&["config", "core.sshCommand", "echo 'Permission denied (publickey).' >&2; false"]);
    let findings = checkup(&mac, &[], 1);
    one(&findings, "remote", "error", "Permission denied");
    one(&findings, "agent", "error", "SSH_AUTH_SOCK");
    let socket = mac.path("agent");
    drop(UnixListener::bind(&socket).unwrap());
    let mut command = mac.command(env!("CARGO_BIN_EXE_cfgsync"));
    let output = command.args(["doctor"]).env("SSH_AUTH_SOCK", &socket).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("an agent that does not answer") && said.contains("ssh-add"), "{said}");
    mac.git(&["remote", "set-url", "origin", "http://127.0.0.1:9/x.git"]);
    mac.git(&["config", "credential.helper", "nobody-has-it --for 5"]);
    one(&checkup(&mac, &[], 0), "credentials", "warning", "nobody-has-it");
}

#[test]
fn a_record_that_cannot_be_read_goes() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    mac.write("@.sync/sync-status", "scrambled");
    mac.chmod("@.sync/sync-status", 0o600);
    one(&checkup(&mac, &[], 0), "record", "warning", "cannot be read");
    let _ = checkup(&mac, &["--fix"], 0);
    assert!(!mac.exists("@.sync/sync-status"));
    mac.sync();
    one(&checkup(&mac, &[], 0), "record", "ok", "written");
    mac.remove(".local/state/cfgsync/record");
    one(&checkup(&mac, &[], 0), "record", "warning", "do not find");
    let _ = checkup(&mac, &["--fix"], 0);
    assert_eq!(mac.target(".local/state/cfgsync/record"), Some(mac.path("@.sync/sync-status")));
}

#[test]
fn a_moment_in_the_future_is_told() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    ec2.write("@new", "x\n");
    ec2.git(&["add", "new"]);
    let mut commit = ec2.command("git");
    commit.arg("-C").arg(ec2.repo()).args(["commit", "--quiet", "-m", "later"]);
    assert!(commit.env("GIT_COMMITTER_DATE", "@4000000000 +0000").status().unwrap().success());
    ec2.sync();
    mac.sync();
    one(&checkup(&mac, &[], 0), "clock", "warning", "ahead");
}

#[test]
fn the_plugin_is_looked_for_and_no_shell_is_started() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    one(&checkup(&mac, &[], 0), "plugin", "note", "setup --zshrc");
    mac.write(".zshrc", "touch ~/started\nplugins=(git configsync)\n");
    one(&checkup(&mac, &[], 0), "plugin", "note", "a moment after the first prompt");
    assert!(!mac.exists("started"));
    // The bell of a shell bears its number.
    mac.write(format!(".local/state/cfgsync/bells/{}", std::process::id()), "");
    mac.chmod(&format!(".local/state/cfgsync/bells/{}", std::process::id()), 0o600);
    one(&checkup(&mac, &[], 0), "plugin", "ok", "at work in 1 shell");
}

#[test]
fn what_waits_and_what_failed_is_a_warning() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.edit(".conf", "two", "due");
    ec2.edit(".conf", "two", "deux");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4);
    one(&checkup(&ec2, &[], 0), "held", "warning", "cfgsync resolve");
    sandbox.unplug();
    let _ = mac.run(&["sync"]).code(5);
    one(&checkup(&mac, &[], 0), "background", "warning", "did not reach the remote");
    sandbox.plug();
}

#[test]
fn without_a_repository_the_rest_is_looked_at() {
    let sandbox = Sandbox::new();
    let mac = sandbox.machine("mac");
    let findings = checkup(&mac, &[], 1);
    one(&findings, "git", "ok", "git version");
    one(&findings, "setup", "error", "cfgsync setup");
    let mut command = mac.command(env!("CARGO_BIN_EXE_cfgsync"));
    let output = command.arg("doctor").env("PATH", "/nowhere").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("`git` program is missing"), "{said}");
}

#[test]
fn bytes_that_changed_behind_their_times_are_found() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair(LINES);
    mac.sync();
    // What a sync knows, as it would be had the file changed and its times been put back.
    let seen = mac.state().join("seen");
    let mut known = std::fs::read(&seen).unwrap();
    let path = mac.repo().join("external/.conf").into_os_string().into_encoded_bytes();
    let name = known.windows(path.len()).position(|bytes| bytes == path).unwrap();
    // Before a path are what is there, its mode, its blob and the length of the path.
    known[name - 25] |= 1;
    known[name - 22..name - 2].fill(0x11);
    let mut hasher = DefaultHasher::new();
    hasher.write(&known[16..]);
    known[8..16].copy_from_slice(&hasher.finish().to_le_bytes());
    std::fs::write(&seen, known).unwrap();
    one(&checkup(&mac, &[], 1), "links", "error", "external/.conf has other bytes");
}

#[test]
fn a_broken_configuration_of_git_is_no_missing_git() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("one\n");
    mac.append(".gitconfig", "[broken\n");
    let found = checkup(&mac, &[], 1);
    let of_git: Vec<&Value> = found.iter().filter(|it| it["check"] == "git").collect();
    assert_eq!(of_git[0]["severity"], "ok", "{of_git:#?}");
    assert!(of_git[1]["what"].as_str().unwrap().contains("your Git configuration is broken"));
}
