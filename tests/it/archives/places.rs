//! What stands where an archive should be, and is none: a folder, a link, a pipe.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::forge::sound;
use super::{NUMBER, SPOILED, complaints, machine, names_below, place};
use crate::sandbox::Machine;

/// Puts something in place of an archive, and sees that nothing comes of it.
#[track_caller]
fn check(what: &str, put: impl Fn(&Machine, &Path)) {
    let (sandbox, machine) = machine();
    put(&machine, &place(&machine));
    let found = complaints(&sandbox, &machine, what);
    assert!(found.is_empty(), "{}", found.join("\n"));
    machine.append("@note", "even more\n");
    machine.run(&["backup"]).done();
    assert_eq!(
        names_below(&machine.path("@.sync/backups")).len(),
        3,
        "a new one is made beside it"
    );
    assert!(place(&machine).symlink_metadata().is_ok(), "what is no archive is not removed");
}

#[test]
fn a_folder_is_no_archive() {
    check("a folder", |_, place| fs::create_dir(place).unwrap());
    check("a folder with an archive in it", |_, place| {
        fs::create_dir(place).unwrap();
        fs::write(place.join("x.tar.gz"), sound(NUMBER, 5, &[("note", SPOILED)])).unwrap();
    });
}

#[test]
fn a_link_is_no_archive() {
    check("a link to a sound archive", |machine, place| {
        let there = machine.path("there");
        fs::write(&there, sound(NUMBER, 5, &[("note", SPOILED)])).unwrap();
        symlink(there, place).unwrap();
    });
    check("a dead link", |_, place| symlink("nowhere", place).unwrap());
    check("a link to itself", |_, place| symlink(place, place).unwrap());
    check("a link to a device that never ends", |_, place| symlink("/dev/zero", place).unwrap());
}

#[test]
fn a_pipe_is_no_archive() {
    check("a pipe", |machine, place| {
        let made = machine.command("mkfifo").arg(place).status().unwrap();
        assert!(made.success());
    });
}

#[test]
fn a_socket_is_no_archive() {
    check("a socket", |machine, place| {
        // The name of a socket is short; it is made elsewhere and keeps its kind when it moves.
        let short = machine.path("s");
        drop(UnixListener::bind(&short).unwrap());
        fs::rename(short, place).unwrap();
    });
}
