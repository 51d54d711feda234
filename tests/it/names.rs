//! Two hundred hostile names, of files, branches and machines: nothing in them runs, the light shows
//! nothing of them, and what a command prints of them is harmless in a terminal.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use crate::sandbox::{Machine, Output, Sandbox, assert_converged};
use crate::terminal::PLUGIN;

/// How many names.
const MANY: usize = 200;

/// What they are made of. The last ones are no text, and a Mac takes no name with them.
const PIECES: [&[u8]; 39] = [
    b"%{",
    b"%F{red}",
    b"%n%(?.a.b)%}",
    b"$(touch PWNED)",
    b"`touch PWNED`",
    b"${HOME}$PATH",
    b"\x1b[31m",
    b"\x1b]0;PWNED\x07",
    b"\nPWNED",
    b"\r\rPWNED",
    b"\t",
    b"\x7f\x08",
    "\u{9b}31m".as_bytes(),
    "\u{202e}gpj".as_bytes(),
    "\u{200f}\u{2066}".as_bytes(),
    "\u{200d}\u{feff}".as_bytes(),
    "\u{61c}\u{200b}\u{ad}".as_bytes(),
    "\u{2028}PWNED\u{2029}".as_bytes(),
    "\u{e0041}\u{180e}\u{fffa}".as_bytes(),
    "漢字⚡".as_bytes(),
    "e\u{301}\u{304}".as_bytes(),
    b";touch PWNED;",
    b"&& touch PWNED #",
    b"|touch PWNED",
    b"> PWNED",
    b"'",
    b"\"",
    b"\\",
    b"-",
    b"--exec=touch PWNED",
    b"~root",
    b"#[fg=red]",
    b"!x*?[a]{b,c}",
    b":(top)",
    b" ",
    b"@{u}",
    b"\xff\xfe",
    b"\xc3(",
    b"\xed\xa0\x80",
];

/// Returns the pieces that this system takes.
fn pieces() -> &'static [&'static [u8]] {
    if cfg!(target_os = "macos") { &PIECES[..PIECES.len() - 3] } else { &PIECES }
}

/// Returns the names: each begins with a piece and has another one in it, and a number.
fn names() -> Vec<Vec<u8>> {
    let pieces = pieces();
    (0..MANY)
        .map(|number| {
            let first = pieces[number % pieces.len()];
            let second = pieces[(number * 7 + number / pieces.len()) % pieces.len()];
            [first, second, format!("{number:03}").as_bytes(), first].concat()
        })
        .collect()
}

/// Returns a name below a folder.
fn below(folder: &str, name: &[u8]) -> OsString {
    OsString::from_vec([folder.as_bytes(), b"/", name].concat())
}

/// Returns true for a character that turns the direction of the text, or that nobody sees.
fn hides(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{e0000}'..='\u{e007f}')
}

/// Asserts that a terminal may show this: no control character but line ends, none that turns the
/// direction of the text or is not seen, nothing that is no text, and no line that a name began.
#[track_caller]
fn assert_inert(what: &str, text: &str) {
    let is_bad = |c: &char| c.is_control() || hides(*c) || *c == '\u{fffd}';
    for line in text.lines() {
        let bad: Vec<char> = line.chars().filter(is_bad).collect();
        assert!(bad.is_empty() && !line.starts_with("PWNED"), "{what}: {bad:?} in {line:?}");
    }
}

/// Asserts that what a command says is harmless.
#[track_caller]
fn inert(output: Output) -> Output {
    assert_inert("standard output", &output.stdout);
    assert_inert("standard error", &output.stderr);
    output
}

/// Runs all that only looks; none of it may fail.
#[track_caller]
fn look(machine: &Machine) {
    let commands: [&[&str]; 9] = [
        &["status"],
        &["status", "--json"],
        &["diff"],
        &["diff", "--json"],
        &["diff", "--stat"],
        &["--list-marked"],
        &["list", "--json"],
        &["history"],
        &["sync", "--dry-run"],
    ];
    for arguments in commands {
        let output = inert(machine.run(arguments));
        // A rehearsal tells by its code what would come of it, and nothing is compared in a pause.
        let tells = match arguments[0] {
            "sync" => [3, 4, 8].contains(&output.code),
            "diff" => output.code == 8,
            _ => false,
        };
        let output = if tells { output } else { output.code(0) };
        if arguments.contains(&"--json") && output.code == 0 {
            let json: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
            assert!(json.is_object() || json.is_array());
        }
    }
}

/// Asserts what the prompts show: this icon, and this count where one is wanted.
#[track_caller]
fn assert_light(machine: &Machine, colour: &str, icon: &str, count: &str) {
    let shown = |arguments: &[&str]| {
        let mut command = machine.command(env!("CARGO_BIN_EXE_cfgsync-prompt"));
        String::from_utf8(command.args(arguments).output().unwrap().stdout).unwrap()
    };
    assert_eq!(shown(&[]), icon);
    assert_eq!(shown(&["plain", "--counts"]), format!("{icon}{count}"));
    assert_eq!(shown(&["zsh", "--counts"]), format!("%F{{{colour}}}{icon}{count}%f"));
}

/// Asserts what the plugin shows, which asks nothing but the record.
#[track_caller]
fn assert_segment(machine: &Machine, segment: &str) {
    let script = format!(
        "source {PLUGIN}/configsync.plugin.zsh
         zstyle ':cfgsync:' show-counts yes
         _configsync_precmd; print -rn -- $CFGSYNC_SEGMENT"
    );
    let output = machine.command("zsh").args(["-f", "-i", "-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), segment);
}

/// Asserts that no name ran: nothing anywhere is called what they would have made.
#[track_caller]
fn assert_nothing_ran(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        assert_ne!(entry.file_name(), OsStr::new("PWNED"), "in {}", folder.display());
        if entry.file_type().unwrap().is_dir() {
            assert_nothing_ran(&entry.path());
        }
    }
}

#[test]
fn hostile_names_of_files_are_inert() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    let names = names();
    let mut mark: Vec<OsString> = ["mark", "--", "folder"].map(Into::into).into();
    for (number, name) in names.iter().enumerate() {
        mac.write(below("@notes", name), "one\n");
        let folder = if number % 2 == 0 { "folder" } else { "each" };
        mac.write(below(folder, name), "one\n");
        if folder == "each" {
            mark.push(below(folder, name));
        }
    }
    inert(mac.run(&mark)).done();
    look(&mac);
    inert(mac.run(&["sync"])).done();
    assert_light(&mac, "green", "✓", "");
    assert_segment(&mac, "%F{green}✓%f ");

    for name in &names {
        mac.write(below("@notes", name), "two\n");
    }
    look(&mac);
    assert_light(&mac, "yellow", "↑", "200");

    let ec2 = sandbox.machine("ec2");
    inert(ec2.run(&["--yes", "setup", ec2.url()])).done();
    inert(mac.run(&["sync"])).done();
    for name in &names[..20] {
        ec2.write(below("@notes", name), "three\n");
    }
    let _ = inert(ec2.run(&["sync"])).code(4);
    look(&ec2);
    assert_light(&ec2, "red", "✗", "20");
    assert_segment(&ec2, "%F{red}✗20%f ");
    let mut resolve: Vec<OsString> = ["resolve", "--theirs", "--"].map(Into::into).into();
    resolve.extend(names[..20].iter().map(|name| ec2.path(below("@notes", name)).into()));
    inert(ec2.run(&resolve)).done();
    inert(ec2.run(&["sync"])).done();
    assert_light(&ec2, "green", "✓", "");

    let unmark: Vec<OsString> =
        ["unmark", "--"].map(Into::into).into_iter().chain(mark[3..].iter().cloned()).collect();
    inert(mac.run(&unmark)).done();
    inert(mac.run(&["sync"])).done();
    inert(ec2.run(&["sync"])).done();
    inert(mac.run(&["sync"])).done();
    assert_converged(&[&mac, &ec2]);
    assert_nothing_ran(&sandbox.path(""));
}

/// Returns names in which Git sees branches; it takes none with ASCII's control characters.
fn branches(machine: &Machine) -> Vec<String> {
    let as_branch = |name: Vec<u8>| {
        let name = String::from_utf8(name).ok()?.replace(' ', "${IFS}");
        let is_taken = |c: &char| !c.is_ascii_control() && !"~^:?*[\\".contains(*c);
        let name: String = name.chars().filter(is_taken).collect();
        let check = machine.try_git(&["check-ref-format", &format!("refs/heads/{name}")]);
        (check.code == 0).then_some(name)
    };
    names().into_iter().filter_map(as_branch).collect()
}

#[test]
fn hostile_names_of_branches_are_inert() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write(".conf", "one\n");
    mac.run(&["mark", ".conf"]).done();
    mac.sync();
    let branches = branches(&mac);
    assert!(branches.len() > MANY / 2, "{}", branches.len());
    for (number, branch) in branches.iter().enumerate() {
        mac.git(&["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")]);
        inert(mac.run(&["status"])).done();
        inert(mac.run(&["status", "--json"])).done();
        if number % 20 == 0 {
            look(&mac);
            let _ = inert(mac.run(&["sync"])).code(8);
            assert_light(&mac, "yellow", "‖", "");
            assert_segment(&mac, "%F{yellow}‖%f ");
        }
    }
    assert_nothing_ran(&sandbox.path(""));
}

#[test]
fn a_hostile_branch_is_synced_as_any_other() {
    let sandbox = Sandbox::new();
    let probe = sandbox.joined("mac-probe");
    for (number, branch) in branches(&probe).iter().step_by(60).enumerate() {
        let url = sandbox.init_bare(&format!("remote-{number}.git"), branch);
        let mac = sandbox.machine(&format!("mac-{number}"));
        let ec2 = sandbox.machine(&format!("ec2-{number}"));
        inert(mac.run(&["setup", &url])).done();
        mac.write(".conf", "one\n");
        mac.run(&["mark", ".conf"]).done();
        inert(mac.run(&["sync"])).done();
        inert(ec2.run(&["setup", &url])).done();
        assert_eq!(ec2.read(".conf"), "one\n", "{branch}");
        look(&ec2);
        assert_light(&ec2, "green", "✓", "");
    }
    assert_nothing_ran(&sandbox.path(""));
}

#[test]
fn hostile_names_of_machines_are_inert() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    let id = mac.repo().join(".sync/machine-id");
    for name in names() {
        std::fs::write(&id, &name).unwrap();
        let status = inert(mac.run(&["status"])).code(0);
        let shown = status.stdout.lines().find_map(|line| line.strip_prefix("  machine "));
        let id = shown.and_then(|line| line.split_whitespace().next()).unwrap();
        assert!(cfgsync_core::machine::is_id(id), "{}", status.stdout);
    }
    std::fs::write(&id, names().concat()).unwrap();
    look(&mac);
    mac.append(".conf", "two\n");
    inert(mac.run(&["sync"])).done();
    inert(ec2.run(&["sync"])).done();
    assert_light(&mac, "green", "✓", "");
    assert_nothing_ran(&sandbox.path(""));
}

#[test]
fn hostile_names_of_authors_are_inert() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    let as_author = |name: Vec<u8>| {
        // Git takes these out of a name.
        String::from_utf8(name).ok().map(|name| name.replace(['\n', '<', '>'], "_"))
    };
    let names: Vec<String> = names().into_iter().filter_map(as_author).collect();
    for (number, name) in names.iter().enumerate().step_by(20) {
        mac.write(".conf", format!("mac {number}\n"));
        mac.git(&["add", "-A"]);
        mac.git(&[
            "-c",
            &format!("user.name={name}"),
            "-c",
            "user.email=a@b",
            "commit",
            "-qm",
            name,
        ]);
        inert(mac.run(&["sync"])).done();
        ec2.write(".conf", format!("ec2 {number}\n"));
        let _ = inert(ec2.run(&["sync"])).code(4);
        look(&ec2);
        inert(ec2.run(&["resolve", "--theirs", "--", ".conf"])).done();
        inert(ec2.run(&["sync"])).done();
    }
    assert_nothing_ran(&sandbox.path(""));
}
