//! `cfgsync mark --adopt`: links of another farm make room for the files they lead to.

use std::fs;
use std::os::unix::fs::symlink;

use crate::sandbox::{Machine, Sandbox, assert_converged};

/// Files in packages of `~/dotfiles`, each with a link in the home, as stow leaves them.
fn stowed(machine: &Machine, count: usize) -> Vec<String> {
    let name = |number: usize| match number % 3 {
        0 => format!(".rc{number}"),
        1 => format!(".config/app{number}/conf"),
        _ => format!(".local/share/tool{number}.ini"),
    };
    let names: Vec<String> = (0..count).map(name).collect();
    for (number, name) in names.iter().enumerate() {
        let farm = format!("dotfiles/package{}/{name}", number % 7);
        machine.write(&farm, format!("content {number}\n"));
        if number == 4 {
            machine.chmod(&farm, 0o600);
        }
        fs::create_dir_all(machine.path(name).parent().unwrap()).unwrap();
        symlink(machine.path(&farm), machine.path(name)).unwrap();
    }
    names
}

#[test]
fn forty_stowed_files_are_taken_over_and_nothing_is_lost() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    let names = stowed(&mac, 40);
    let farm: Vec<String> = (0..40).map(|it| format!("content {it}\n")).collect();
    let words: Vec<&str> =
        ["mark", "--adopt"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let _ = mac.run(&words).code(0).says(&["is a file of its own now"]);
    mac.sync();
    for (number, name) in names.iter().enumerate() {
        mac.assert_linked(name);
        assert_eq!(mac.read(name), farm[number]);
        let kept = format!("dotfiles/package{}/{name}", number % 7);
        mac.assert_plain(&kept, &farm[number]);
    }
    assert_eq!(mac.mode(&names[4]), 0o600);
    let ec2 = sandbox.joined("ec2");
    assert_eq!(ec2.read(&names[1]), farm[1]);
    assert_converged(&[&mac, &ec2]);
    let doctor = mac.run(&["doctor"]).code(0);
    assert!(!doctor.stdout.contains('✗'), "{doctor:?}");
}

#[test]
fn without_the_word_a_link_is_left_alone_and_a_dry_run_touches_nothing() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    let names = stowed(&mac, 2);
    let before = sandbox.bytes();
    let _ = mac.run(&["mark", &names[0]]).code(9).says(&["mark --adopt"]);
    let _ =
        mac.run(&["mark", "--adopt", "--dry-run", &names[0]]).code(0).says(&["in place of a link"]);
    crate::sandbox::assert_same("a dry run", &before, &sandbox.bytes());
    // Nothing can be made of a link to a folder, or to nothing.
    symlink(mac.path("dotfiles"), mac.path(".folder")).unwrap();
    symlink("nowhere", mac.path(".lost")).unwrap();
    let _ = mac.run(&["mark", "--adopt", ".folder"]).code(9);
    let _ = mac.run(&["mark", "--adopt", ".lost"]).code(9);
    // Nor of one of our own.
    mac.write(".own", "x\n");
    mac.run(&["mark", ".own"]).done();
    fs::rename(mac.path(".own"), mac.path(".other-name")).unwrap();
    let _ = mac.run(&["mark", "--adopt", ".other-name"]).code(9);
}
