//! Commits are signed where git's configuration wants that and the key works with nobody there; where it
//! does not, that is said once.

use std::fs;

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

/// Makes a key, lets git sign with it, and returns what says that it is the machine's.
fn signs(machine: &Machine, name: &str, passphrase: &str) -> String {
    let key = machine.path(name);
    let mut command = machine.command("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", passphrase, "-C", "x", "-f"]).arg(&key);
    assert!(command.status().unwrap().success());
    let key = key.to_str().unwrap();
    for (setting, value) in
        [("gpg.format", "ssh"), ("user.signingkey", key), ("commit.gpgsign", "true")]
    {
        machine.git(&["config", "--global", setting, value]);
    }
    fs::read_to_string(machine.path(format!("{name}.pub"))).unwrap()
}

/// Returns what git says of the signature of the branch's tip at the remote: `G` for a good one, `N` for
/// none.
fn signature(sandbox: &Sandbox, public: &str) -> String {
    let allowed = sandbox.path("allowed");
    fs::write(&allowed, format!("* {public}")).unwrap();
    let setting = format!("gpg.ssh.allowedSignersFile={}", allowed.display());
    sandbox.git(&["-c", &setting, "log", "-1", "--format=%G?", "main"]).trim().to_owned()
}

#[test]
fn commits_are_signed_with_the_users_key() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n2\n3\n4\n5\n");
    let public = signs(&mac, "key", "");
    mac.edit(".conf", "1", "one");
    mac.sync();
    assert_eq!(signature(&sandbox, &public), "G");
    let log = sandbox.git(&["log", "-1", "--format=%an %ae %cn%n%B", "main"]);
    assert!(log.starts_with("mac mac@example.com mac\n") && log.contains(".conf"), "{log}");
    // On top of what came in between, too.
    ec2.edit(".conf", "5", "five");
    ec2.sync();
    mac.edit(".conf", "3", "three");
    mac.sync();
    assert_eq!(signature(&sandbox, &public), "G");
    ec2.sync();
    assert_eq!(ec2.read(".conf"), "one\n2\nthree\n4\nfive\n");
    let tip = sandbox.git(&["rev-parse", "main"]);
    mac.sync();
    assert_eq!(sandbox.git(&["rev-parse", "main"]), tip, "signing alone makes no commit");
    let _ = mac.run(&["doctor"]).code(0).says(&["commits are signed"]);
    sandbox.assert_history();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_name_that_arrives_with_the_files_is_the_one_that_commits() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n");
    mac.write(".who", "[user]\n\tname = old\n");
    mac.run(&["mark", ".who"]).done();
    mac.sync();
    ec2.sync();
    ec2.git(&["config", "--global", "include.path", "~/.who"]);
    mac.write(".who", "[user]\n\tname = new\n");
    mac.sync();
    ec2.append(".conf", "2\n");
    ec2.sync();
    assert_eq!(sandbox.git(&["log", "-1", "--format=%an", "main"]).trim(), "new");
    mac.sync();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_key_that_wants_a_person_is_said_once() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n");
    let public = signs(&mac, "locked", "a passphrase");
    let count = |machine: &Machine| {
        let output = machine.run(&["sync"]).code(0);
        output.stderr.matches("Commits are not signed").count()
    };
    mac.append(".conf", "2\n");
    assert_eq!(count(&mac), 1);
    assert_eq!(signature(&sandbox, &public), "N");
    mac.append(".conf", "3\n");
    assert_eq!(count(&mac), 0, "it was said");
    let _ = mac.run(&["doctor"]).code(0).says(&["without a signature", "commit.gpgsign"]);
    // Another key is another try.
    mac.git(&["config", "--global", "user.signingkey", "/nowhere/key"]);
    mac.append(".conf", "4\n");
    assert_eq!(count(&mac), 1);
    let public = signs(&mac, "open", "");
    mac.append(".conf", "5\n");
    assert_eq!(count(&mac), 0);
    assert_eq!(signature(&sandbox, &public), "G");
    ec2.sync();
    assert_eq!(ec2.read(".conf"), "1\n2\n3\n4\n5\n");
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_program_that_never_ends_is_ended() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("1\n");
    mac.write("sign", "#!/bin/sh\nexec sleep 600\n");
    mac.chmod("sign", 0o755);
    let program = mac.path("sign").display().to_string();
    for (setting, value) in [("gpg.program", program.as_str()), ("commit.gpgsign", "true")] {
        mac.git(&["config", "--global", setting, value]);
    }
    mac.append(".conf", "2\n");
    let start = std::time::Instant::now();
    let _ = mac.run(&["sync"]).code(0).says(&["Commits are not signed", "wants a person"]);
    mac.append(".conf", "3\n");
    mac.sync();
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
    assert_eq!(sandbox.git(&["show", "main:external/.conf"]), "1\n2\n3\n");
}
