//! Archives that somebody else made: none of them makes cfgsync write, hang or fall over.

#[cfg(target_os = "linux")]
mod bombs;
pub mod forge;
mod hostile;
mod places;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::sandbox::{Machine, Sandbox, assert_same};
use crate::terminal::eventually;
use forge::sound;
use hostile::Hostile;

/// Its name, which is no date.
const NAME: &str = "2030-from-elsewhere";

/// Its number, which nothing else has.
const NUMBER: u64 = 900;

/// What an archive gives to `note` when it gets through.
const SPOILED: &str = "spoiled\n";

/// A machine with a marked file, files of the repository, and a sound archive.
fn machine() -> (Sandbox, Machine) {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write(".conf", "conf\n");
    mac.run(&["mark", ".conf"]).done();
    mac.write("@note", "note\n");
    mac.write("@dir/file", "file\n");
    mac.sync();
    mac.run(&["backup"]).done();
    mac.append("@note", "more\n");
    mac.sync();
    (sandbox, mac)
}

/// Returns where the archive in question lies.
fn place(machine: &Machine) -> PathBuf {
    machine.path(format!("@.sync/backups/{NAME}.tar.gz"))
}

/// Runs cfgsync, and kills it when it does not come to an end.
#[track_caller]
fn run_in_time(machine: &Machine, what: &str, arguments: &[&str]) -> (i32, String) {
    let mut command = machine.command(env!("CARGO_BIN_EXE_cfgsync"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut status = None;
    let is_over = eventually(|| {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    if !is_over {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(is_over, "{what}: `{arguments:?}` hangs");
    let mut text = String::new();
    child.stdout.unwrap().read_to_string(&mut text).unwrap();
    child.stderr.unwrap().read_to_string(&mut text).unwrap();
    (status.unwrap().code().unwrap_or(-1), text)
}

/// Returns what is wrong with how cfgsync deals with an archive that must not be trusted.
fn complaints(sandbox: &Sandbox, machine: &Machine, what: &str) -> Vec<String> {
    let before = sandbox.bytes();
    let number = NUMBER.to_string();
    let mut complaints = Vec::new();
    for arguments in [
        &["--yes", "restore", &number][..],
        &["--yes", "restore", NAME],
        &["--yes", "restore", &number, "--to", "taken-out"],
        &["backup", "--verify"],
        &["restore", "--list"],
    ] {
        let (code, text) = run_in_time(machine, what, arguments);
        let is_list = arguments.contains(&"--list");
        // The list still shows what is sound; every other command fails.
        if (code == 0) != is_list || !(0..=9).contains(&code) {
            complaints.push(format!("{what}: {arguments:?} ends with {code}: {text}"));
        }
        let words = [&format!("{NAME}.tar.gz"), "names no state that is kept"];
        let is_told = is_list || words.iter().any(|word| text.contains(word));
        if text.contains("panicked") || !is_told {
            complaints.push(format!("{what}: {arguments:?} does not say what is wrong: {text}"));
        }
        assert_same(&format!("{what}: {arguments:?}"), &before, &sandbox.bytes());
    }
    complaints
}

/// Puts each archive in its place, and sees that it does nothing.
#[track_caller]
fn check(rows: Vec<Hostile>) {
    let (sandbox, machine) = machine();
    let path = place(&machine);
    let mut found = Vec::new();
    for (what, bytes) in rows {
        fs::write(&path, bytes).unwrap();
        found.extend(complaints(&sandbox, &machine, &what));
    }
    assert!(found.is_empty(), "{} complaints:\n{}", found.len(), found.join("\n"));
}

#[test]
fn a_sound_archive_from_elsewhere_is_brought_back() {
    let (_sandbox, machine) = machine();
    let files = [("dir/file", SPOILED), ("external/.conf", SPOILED), ("note", SPOILED)];
    fs::write(place(&machine), sound(NUMBER, 5, &files)).unwrap();
    machine.run(&["backup", "--verify"]).done();
    machine.run(&["--yes", "restore", &NUMBER.to_string()]).done();
    for name in ["@dir/file", ".conf", "@note"] {
        assert_eq!(machine.read(name), SPOILED, "{name}: the table of hostile ones shows nothing");
    }
}

#[test]
fn a_damaged_archive_that_is_named_is_not_taken_for_another_state() {
    let (sandbox, machine) = machine();
    let name = "20300101T000000Z";
    machine.write(format!("@.sync/backups/{name}.tar.gz"), "damaged");
    let before = sandbox.bytes();
    for word in [name, "20300101T000000Z.tar.gz"] {
        let output = machine.run(&["--yes", "restore", word]).says(&["no sound archive"]);
        assert_ne!(output.code, 0, "{word}: another state was brought back: {output:?}");
        assert_same(word, &before, &sandbox.bytes());
    }
}

#[test]
fn an_archive_that_cannot_be_read_is_told_of_where_it_is_asked_for() {
    let (_sandbox, machine) = machine();
    let good = sound(NUMBER, 5, &[("note", SPOILED)]);
    let rows =
        [hostile::paths().swap_remove(0), ("cut".to_owned(), good[..good.len() / 2].to_vec())];
    for (what, bytes) in rows {
        fs::write(place(&machine), bytes).unwrap();
        for word in [&*NUMBER.to_string(), NAME] {
            let output = machine.run(&["--yes", "restore", word]).says(&[NAME]);
            assert!(output.stderr.contains("no sound archive"), "{what}: {output:?}");
            assert_ne!(output.code, 0, "{what}");
        }
    }
}

#[test]
fn what_is_cfgsyncs_own_is_not_brought_back_through_the_home() {
    let (sandbox, machine) = machine();
    for own in [
        "external/dev/configs/.sync/config.toml",
        "external/dev/configs/note",
        "external/.local/state/cfgsync/record",
        "external/.config/cfgsync/config.toml",
    ] {
        fs::write(place(&machine), sound(NUMBER, 5, &[(own, SPOILED), ("note", SPOILED)])).unwrap();
        let before = sandbox.bytes();
        let output = machine.run(&["--yes", "restore", NAME]).says(&["cfgsync's own"]);
        assert_eq!(output.code, 9, "{own}: {output:?}");
        assert_same(own, &before, &sandbox.bytes());
    }
}

#[test]
fn links_that_lead_out_through_one_another_are_refused() {
    let (sandbox, machine) = machine();
    let list = |rows: &[(&str, &str)]| {
        let lines = rows.iter().map(|(path, target)| forge::line("link", target.as_bytes(), path));
        let text = forge::head(NUMBER, 5) + &lines.collect::<String>();
        let files: Vec<Vec<u8>> =
            rows.iter().map(|(path, target)| forge::file(path, target.as_bytes())).collect();
        forge::archive(&text, &files)
    };
    let inside = [("dir/up", ".."), ("in", "dir/up/note")];
    let out = [("dir/up", ".."), ("out", "dir/up/../outside")];
    let long = "x/".repeat(20_000);
    fs::write(place(&machine), list(&out)).unwrap();
    let before = sandbox.bytes();
    let _ =
        machine.run(&["--yes", "restore", NAME]).code(9).says(&["the link out, which leads out"]);
    let _ = machine.run(&["restore", NAME, "--to", "taken"]).code(9).says(&["leads out"]);
    assert_same("links that lead out", &before, &sandbox.bytes());
    fs::write(place(&machine), list(&[("far", &long)])).unwrap();
    let before = sandbox.bytes();
    let _ = machine.run(&["--yes", "restore", NAME]).code(9).says(&["no sound archive"]);
    assert_same("a link that is longer than any path", &before, &sandbox.bytes());
    fs::write(place(&machine), list(&inside)).unwrap();
    machine.run(&["--yes", "restore", NAME]).done();
    assert_eq!(machine.read("@in"), "note\nmore\n");
}

#[test]
fn a_link_that_leads_out_comes_back_only_where_it_stood() {
    let (_sandbox, machine) = machine();
    fs::create_dir_all(machine.path("@deep/er")).unwrap();
    machine.link("@deep/er/link", "../../../outside");
    machine.link("@known", "../outside");
    machine.sync();
    machine.run(&["backup"]).done();
    machine.remove("@known");
    machine.sync();
    machine.run(&["--yes", "restore", "2"]).done();
    assert_eq!(machine.target("@known").unwrap().to_str(), Some("../outside"));
    let target = "../outside";
    let text = forge::head(NUMBER, 5) + &forge::line("link", target.as_bytes(), "elsewhere");
    let file = forge::file("elsewhere", target.as_bytes());
    fs::write(place(&machine), forge::archive(&text, &[file])).unwrap();
    let _ = machine.run(&["--yes", "restore", NAME]).code(9).says(&["leads out"]);
}

#[test]
fn hostile_paths_are_refused() {
    check(hostile::paths());
}

#[test]
fn hostile_lists_of_contents_are_refused() {
    check(hostile::lists());
}

#[test]
fn hostile_entries_are_refused() {
    check(hostile::entries());
}

#[test]
fn lies_about_sizes_are_refused() {
    check(hostile::sizes());
}

#[test]
fn bytes_that_are_not_quite_an_archive_are_refused() {
    check(hostile::streams());
}

#[test]
fn an_archive_that_was_cut_anywhere_is_refused() {
    check(hostile::cut());
}

/// Returns every file that lies below a folder.
fn names_below(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
