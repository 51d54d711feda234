//! Where `make install` puts completions, man pages and the parsed plugin, and that `make uninstall` takes them
//! away.

use std::fs;
use std::path::Path;

use super::{bare, command, everything, run};
use crate::terminal::Home;

fn install(home: &Home, argument: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/install.sh");
    let output = command(home, "bash")
        .args([script, argument])
        .env("PREFIX", home.path(".local"))
        .env("ZSH_CUSTOM", home.path("custom"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Puts the programs where a build leaves them.
fn build(home: &Home) {
    fs::create_dir(home.path("built")).unwrap();
    for (name, program) in [
        ("cfgsync", env!("CARGO_BIN_EXE_cfgsync")),
        ("cfgsync-prompt", env!("CARGO_BIN_EXE_cfgsync-prompt")),
    ] {
        std::os::unix::fs::symlink(program, home.path("built").join(name)).unwrap();
    }
}

#[test]
fn completions_are_installed_where_shells_look_and_removed_again() {
    let home = bare();
    fs::create_dir(home.path("custom")).unwrap();
    build(&home);
    install(&home, home.path("built").to_str().unwrap());
    for (shell, place) in [
        ("zsh", "custom/plugins/configsync/_cfgsync"),
        ("bash", ".local/share/bash-completion/completions/cfgsync"),
        ("fish", ".local/share/fish/vendor_completions.d/cfgsync.fish"),
    ] {
        let installed = fs::read_to_string(home.path(place)).unwrap();
        assert_eq!(installed, run(&home, "cfgsync", &["completions", shell]), "{shell}");
    }
    let page = fs::read_to_string(home.path(".local/share/man/man1/cfgsync-sync.1")).unwrap();
    assert!(page.contains(".SH SYNOPSIS"), "{page}");
    install(&home, "--remove");
    let left = [everything(&home.path(".local")), everything(&home.path("custom"))].concat();
    let is_file = |line: &&String| !Path::new(line.split(' ').next().unwrap()).is_dir();
    assert_eq!(left.iter().filter(is_file).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_plugin_that_is_parsed_already_is_installed_beside_its_text() {
    let home = bare();
    fs::create_dir(home.path("custom")).unwrap();
    build(&home);
    install(&home, home.path("built").to_str().unwrap());
    let plugin = home.path("custom/plugins/configsync/configsync.plugin.zsh");
    let source = |setup: &str| {
        let script = format!(
            "zmodload zsh/datetime zsh/system; {setup}; source {}; functions -m '*configsync*'",
            plugin.display()
        );
        run(&home, "zsh", &["-f", "-i", "-c", &script])
    };
    let parsed = source("alias local='print hostile' command='print hostile'");
    assert!(parsed.contains("_configsync_precmd") && !parsed.contains("hostile"), "{parsed}");
    let compiled = plugin.with_extension("zsh.zwc");
    // What is beside it is read: another plugin, parsed, takes its place.
    let other = home.path("configsync.plugin.zsh");
    fs::write(&other, "print -r -- parsed").unwrap();
    fs::remove_file(&compiled).unwrap();
    let script = "zcompile -U $1 $2";
    run(
        &home,
        "zsh",
        &["-f", "-c", script, "zsh", compiled.to_str().unwrap(), other.to_str().unwrap()],
    );
    assert_eq!(source(":"), "parsed\n");
    // One of another version of zsh is passed over in silence.
    let mut bytes = fs::read(&compiled).unwrap();
    bytes[8] ^= 1;
    fs::remove_file(&compiled).unwrap();
    fs::write(&compiled, bytes).unwrap();
    assert_eq!(source(":"), parsed);
}
