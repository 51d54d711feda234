//! A machine that joins: setup, who it is, where its repository is.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

/// A remote that a first machine filled.
fn filled() -> (Sandbox, Machine) {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    for (name, content) in
        [(".zshrc", "shared zshrc\n"), (".vimrc", "shared vimrc\n"), (".gitignore_global", "x\n")]
    {
        mac.write(name, content);
        mac.run(&["mark", name]).done();
    }
    mac.write("@notes.txt", "notes\n");
    mac.sync();
    (sandbox, mac)
}

#[test]
fn files_that_are_here_and_differ_are_held_and_both_are_kept() {
    let (sandbox, mac) = filled();
    let ec2 = sandbox.machine("ec2");
    ec2.write(".zshrc", "mine\n");
    ec2.write(".vimrc", "shared vimrc\n");
    let words = ["same", "new here", "differs", "~/.zshrc"];
    let _ = ec2.run(&["setup", ec2.url()]).code(4).says(&words);
    ec2.assert_plain(".zshrc", "mine\n");
    ec2.assert_linked(".vimrc");
    ec2.assert_linked(".gitignore_global");
    assert_eq!(ec2.read("@notes.txt"), "notes\n");
    assert!(ec2.vault_has("mine\n") && ec2.vault_has("shared zshrc\n"));
    mac.sync();
    assert_eq!(mac.read(".zshrc"), "shared zshrc\n");
    ec2.run(&["resolve", ".zshrc", "--theirs"]).done();
    ec2.assert_linked(".zshrc");
    assert_eq!(ec2.read("@.sync/external-files/.zshrc"), "mine\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn one_decision_is_taken_for_the_whole_pile() {
    for (choice, content) in [("ours", "mine\n"), ("theirs", "shared zshrc\n")] {
        let (sandbox, mac) = filled();
        let ec2 = sandbox.machine("ec2");
        ec2.write(".zshrc", "mine\n");
        ec2.run(&["setup", "--differs", choice, ec2.url()]).done();
        ec2.assert_linked(".zshrc");
        assert_eq!(ec2.read(".zshrc"), content);
        assert_eq!(ec2.read("@.sync/external-files/.zshrc"), "mine\n");
        mac.sync();
        assert_eq!(mac.read(".zshrc"), content);
        assert_converged(&[&mac, &ec2]);
        assert_clean(&sandbox, &[&mac, &ec2]);
    }
}

#[test]
fn equal_files_are_adopted_without_a_commit() {
    let (sandbox, mac) = filled();
    let before = sandbox.git(&["rev-parse", "main"]);
    let ec2 = sandbox.machine("ec2");
    for name in [".zshrc", ".vimrc", ".gitignore_global"] {
        ec2.write(name, mac.read(name));
    }
    ec2.run(&["setup", ec2.url()]).done();
    ec2.assert_linked(".zshrc");
    assert_eq!(sandbox.git(&["rev-parse", "main"]), before);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn an_old_version_of_what_is_shared_is_simply_out_of_date() {
    let (sandbox, mac) = filled();
    mac.write(".zshrc", "newer zshrc\n");
    mac.sync();
    let ec2 = sandbox.machine("ec2");
    ec2.write(".zshrc", "shared zshrc\n");
    ec2.run(&["setup", ec2.url()]).done();
    assert_eq!(ec2.read(".zshrc"), "newer zshrc\n");
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn a_machine_joins_a_repository_with_empty_files() {
    let (sandbox, mac) = filled();
    for at in 0..20 {
        mac.write(format!("@empty/{at}"), "");
    }
    mac.sync();
    let ec2 = sandbox.machine("ec2");
    ec2.run(&["--yes", "setup", ec2.url()]).done();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn setup_on_an_existing_clone() {
    let (sandbox, mac) = filled();
    let ec2 = sandbox.machine("ec2");
    let clone =
        ec2.command("git").args(["clone", "--quiet", ec2.url(), "configs"]).status().unwrap();
    assert!(clone.success());
    ec2.write("@notes.txt", "edited before setup\n");
    ec2.run(&["--yes", "setup"]).done();
    ec2.assert_linked(".zshrc");
    mac.sync();
    assert_eq!(mac.read("@notes.txt"), "edited before setup\n");
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn setup_without_a_remote_and_a_remote_later() {
    let sandbox = Sandbox::new();
    let mac = sandbox.machine("mac");
    mac.run(&["setup"]).done();
    mac.write(".zshrc", "zshrc\n");
    mac.run(&["mark", ".zshrc"]).done();
    mac.write("@file", "file\n");
    mac.sync();
    mac.sync();
    assert_eq!(mac.state_word(), "synced");
    mac.run(&["setup", mac.url()]).done();
    let ec2 = sandbox.joined("ec2");
    assert_eq!(
        (ec2.read(".zshrc"), ec2.read("@file")),
        ("zshrc\n".to_owned(), "file\n".to_owned())
    );
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn setup_of_a_folder_that_holds_files_already() {
    let sandbox = Sandbox::new();
    let mac = sandbox.machine("mac");
    mac.write("@mine/file", "mine\n");
    mac.write("@.gitignore", "*.tmp");
    mac.run(&["setup", mac.url()]).done();
    let ec2 = sandbox.joined("ec2");
    assert_eq!(ec2.read("@mine/file"), "mine\n");
    assert!(ec2.read("@.gitignore").starts_with("*.tmp\n/.sync/*\n"));
    assert_converged(&[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn machines_set_up_at_the_same_time_on_an_empty_remote() {
    let sandbox = Sandbox::new();
    let machines = ["mac", "ec2", "linux"].map(|name| sandbox.machine(name));
    std::thread::scope(|scope| {
        for (at, machine) in machines.iter().enumerate() {
            scope.spawn(move || {
                fs::create_dir_all(machine.path("configs")).unwrap();
                let dir = machine.repo();
                machine.run(&["--dir", dir.to_str().unwrap(), "setup", machine.url()]).done();
                machine.write(format!("@from-{at}"), "x\n");
                machine.sync();
            });
        }
    });
    let [mac, ec2, linux] = &machines;
    for machine in [mac, ec2, linux, mac, ec2] {
        machine.sync();
    }
    assert_converged(&[mac, ec2, linux]);
    assert_clean(&sandbox, &[mac, ec2, linux]);
    sandbox.assert_history();
}

#[test]
fn setup_is_run_again_and_changes_nothing() {
    let (sandbox, mac) = filled();
    let before = (mac.everything(), mac.commits(), mac.read("@.sync/machine-id"));
    mac.run(&["setup", mac.url()]).done();
    mac.run(&["setup"]).done();
    assert_eq!((mac.everything(), mac.commits(), mac.read("@.sync/machine-id")), before);
    let _ = mac.run(&["setup", "/some/other/remote"]).code(9).says(&["syncs with", "set-url"]);
    assert_clean(&sandbox, &[&mac]);
}

#[test]
fn a_setup_that_stopped_is_resumed() {
    let (sandbox, mac) = filled();
    let ec2 = sandbox.machine("ec2");
    // As a kill leaves it: the repository made, nothing fetched yet.
    fs::create_dir_all(ec2.repo()).unwrap();
    let _ = ec2.git(&["init", "--quiet", "-b", "main"]);
    let _ = ec2.git(&["remote", "add", "origin", ec2.url()]);
    ec2.run(&["--yes", "setup", ec2.url()]).done();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn an_unrelated_repository_is_refused() {
    let (sandbox, _mac) = filled();
    let ec2 = sandbox.machine("ec2");
    ec2.write("@own", "own\n");
    let _ = ec2.git(&["init", "--quiet", "-b", "main"]);
    let _ = ec2.git(&["add", "."]);
    let _ = ec2.git(&["commit", "--quiet", "-m", "own"]);
    let before = sandbox.git(&["rev-parse", "main"]);
    let output = ec2.run(&["setup", ec2.url()]).code(9);
    let _ = output.says(&["no common history", "--force-push", "--force-pull"]);
    assert_eq!(ec2.read("@own"), "own\n");
    assert!(!ec2.exists(".zshrc") && !ec2.exists("@notes.txt"));
    assert_eq!(sandbox.git(&["rev-parse", "main"]), before);
}

#[test]
fn the_id_is_written_once_and_a_clone_gets_its_own() {
    let (sandbox, mac) = filled();
    let id = mac.read("@.sync/machine-id");
    assert!(id.trim_end().ends_with("-mac") && id.contains('@'), "{id}");
    mac.sync();
    assert_eq!(mac.read("@.sync/machine-id"), id);
    let copied = sandbox.path("mac2");
    let status =
        std::process::Command::new("cp").arg("-a").arg(mac.home()).arg(&copied).status().unwrap();
    assert!(status.success());
    let clone = sandbox.machine("mac2");
    fs::remove_file(clone.path(".config/cfgsync/config.toml")).unwrap();
    let _ = clone.run(&["sync"]);
    assert_ne!(clone.read("@.sync/machine-id"), id, "two machines of one id");
    mac.sync();
    assert_eq!(mac.read("@.sync/machine-id"), id);
}

#[test]
fn a_cloned_home_never_links_into_the_home_it_was_copied_from() {
    let (sandbox, mac) = filled();
    let copied = sandbox.path("mac2");
    let status =
        std::process::Command::new("cp").arg("-a").arg(mac.home()).arg(&copied).status().unwrap();
    assert!(status.success());
    let clone = sandbox.machine("mac2");
    fs::remove_file(clone.path(".config/cfgsync/config.toml")).unwrap();
    assert_eq!(clone.target(".zshrc"), Some(mac.path("@external/.zshrc")));
    clone.append("@notes.txt", "from the clone\n");
    let _ = clone.run(&["sync"]);
    assert_eq!(mac.read(".zshrc"), "shared zshrc\n");
    assert_eq!(mac.read("@notes.txt"), "notes\n", "the other home is not written to");
    mac.sync();
    assert_eq!(mac.read("@notes.txt"), "notes\nfrom the clone\n");
}

#[test]
fn the_repository_is_found_and_never_the_current_folder() {
    let (sandbox, mac) = filled();
    let _ = mac.run(&["status"]).code(0).says(&["dev/configs"]);
    let linux = sandbox.machine("linux");
    linux.write("some/repo/file", "x\n");
    let run = |arguments: &[&str], folder: &str| {
        let mut command = linux.command(env!("CARGO_BIN_EXE_cfgsync"));
        command.args(arguments).current_dir(linux.path(folder)).output().unwrap()
    };
    assert!(
        linux.command("git").args(["init", "--quiet", "some/repo"]).status().unwrap().success()
    );
    for command in ["sync", "status", "list", "setup"] {
        let output = run(&[command], "some/repo");
        assert_eq!(output.status.code(), Some(1), "{command}: {output:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("no configs repository") && text.contains("--dir"), "{text}");
    }
    assert!(!linux.path("some/repo/.sync").exists());
    let output = run(&["--yes", "--dir", "elsewhere", "setup", linux.url()], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = run(&["status"], "some/repo");
    assert!(String::from_utf8(output.stdout).unwrap().contains("/elsewhere"));
}

#[test]
fn the_kind_and_the_folder_can_be_named() {
    let (sandbox, _mac) = filled();
    let ec2 = sandbox.machine("ec2");
    fs::create_dir_all(ec2.path("real")).unwrap();
    symlink(ec2.path("real"), ec2.path("linked")).unwrap();
    let mut command = ec2.command(env!("CARGO_BIN_EXE_cfgsync"));
    let output = command
        .env("CFGSYNC_DIR", ec2.path("linked/configs"))
        .args(["--yes", "setup", ec2.url()])
        .output();
    assert!(output.unwrap().status.success());
    assert_eq!(ec2.read(".zshrc"), "shared zshrc\n");
    assert!(ec2.path("real/configs/.git").exists());
    ec2.run(&["sync"]).done();
    let mut command = ec2.command(env!("CARGO_BIN_EXE_cfgsync"));
    let output = command.env("CFGSYNC_MACHINE_KIND", "toaster").arg("status").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_newer_manifest_is_read_only() {
    let (sandbox, mac) = filled();
    let text = mac.read("@.sync/marked-files.txt").replace("manifest v1", "manifest v99");
    mac.write("@.sync/marked-files.txt", &text);
    mac.write(".new", "new\n");
    for arguments in [&["sync"][..], &["mark", ".new"], &["unmark", ".zshrc"]] {
        let _ = mac.run(arguments).code(9).says(&["version 99", "pdate cfgsync"]);
    }
    assert_eq!(mac.read("@.sync/marked-files.txt"), text);
    mac.assert_linked(".zshrc");
    assert!(!mac.exists("@external/.new"));
    let status = mac.run(&["status"]).code(0);
    assert!(status.stdout.contains("dev/configs"), "status stays readable: {status:?}");
    drop(sandbox);
}

#[test]
fn setup_makes_what_belongs_there_private() {
    let (_sandbox, mac) = filled();
    assert_eq!(mac.mode("@.sync"), 0o700);
    for name in ["machine-id", "config.toml", "sync-status", "last-sync", "history.jsonl"] {
        assert_eq!(mac.mode(&format!("@.sync/{name}")), 0o600, "{name}");
    }
    assert_eq!(fs::metadata(mac.state()).unwrap().mode() & 0o777, 0o700);
    let shim = mac
        .command("sh")
        .arg(mac.path("@sync.sh"))
        .env("PATH", path_with_cfgsync())
        .arg("--status")
        .output();
    let text = String::from_utf8(shim.unwrap().stdout).unwrap();
    assert!(text.contains("dev/configs"), "{text}");
}

fn path_with_cfgsync() -> std::ffi::OsString {
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_cfgsync")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path)))
        .unwrap()
}

#[test]
fn the_remote_may_be_named_by_a_path_that_is_not_absolute() {
    let sandbox = Sandbox::new();
    let mac = sandbox.machine("mac");
    mac.write(".conf", "x\n");
    mac.run(&["setup", "../remote.git"]).done();
    mac.run(&["mark", ".conf"]).done();
    mac.sync();
    assert!(sandbox.git(&["ls-tree", "-r", "main"]).contains("external/.conf"));
}
