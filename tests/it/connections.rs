//! How often a sync talks to its remote: as seldom as can be, counted by the ssh that Git starts.

use std::fs;

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

/// Stands in for ssh: notes that it was asked, and runs what it was to run over there here.
const SSH: &str = "#!/bin/sh
echo \"$@\" >> \"$HOME/connections\"
for last; do :; done
exec sh -c \"$last\"
";

/// Makes a machine reach the remote by ssh from now on.
fn by_ssh(machine: &Machine) {
    machine.write("dial/ssh", SSH);
    machine.chmod("dial/ssh", 0o755);
    let address = format!("there:{}", machine.url());
    let _ = machine.git(&["remote", "set-url", "origin", &address]);
    // A login that is shared would be one more call of ssh.
    let dial = format!("{} -oControlMaster=no", machine.path("dial/ssh").display());
    let _ = machine.git(&["config", "core.sshCommand", &dial]);
}

/// Syncs, and returns what was asked of the remote, in order.
#[track_caller]
fn asked(machine: &Machine) -> Vec<String> {
    machine.sync();
    let log = machine.path("connections");
    let text = fs::read_to_string(&log).unwrap_or_default();
    let _ = fs::remove_file(log);
    let what = |line: &str| {
        let word = line.split_whitespace().find(|word| word.starts_with("git-")).unwrap();
        word.to_owned()
    };
    text.lines().map(what).collect()
}

const FETCH: &str = "git-upload-pack";
const PUSH: &str = "git-receive-pack";

/// Two machines in sync, of which the first reaches the remote by ssh.
fn pair() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n2\n3\n4\n5\n");
    mac.sync();
    by_ssh(&mac);
    let _ = asked(&mac);
    (sandbox, mac, ec2)
}

#[test]
fn one_connection_is_enough_for_what_one_side_did() {
    let (sandbox, mac, ec2) = pair();
    assert_eq!(asked(&mac), [FETCH], "nothing to do");
    mac.append(".conf", "mine\n");
    assert_eq!(asked(&mac), [PUSH], "a change here");
    ec2.sync();
    ec2.append(".conf", "theirs\n");
    ec2.sync();
    assert_eq!(asked(&mac), [FETCH], "a change there");
    assert_eq!(asked(&mac), [FETCH], "nothing to do once more");
    mac.write("@new", "new\n");
    assert_eq!(asked(&mac), [PUSH], "a new file here");
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn two_connections_are_enough_where_upstream_moves_too() {
    let (sandbox, mac, ec2) = pair();
    // A guess that was wrong is refused, and costs a connection more, once.
    for (number, expected) in
        [(0, &[PUSH, FETCH, PUSH][..]), (1, &[FETCH, PUSH]), (2, &[FETCH, PUSH])]
    {
        ec2.edit(".conf", "1\n", &format!("1\ntheirs {number}\n"));
        ec2.sync();
        mac.append(".conf", &format!("mine {number}\n"));
        assert_eq!(asked(&mac), expected, "both sides changed, for the {number}. time");
        ec2.sync();
    }
    let text = mac.read(".conf");
    assert!(
        ["theirs 0\n", "theirs 1\n", "theirs 2\n", "mine 0\n", "mine 1\n", "mine 2\n"]
            .iter()
            .all(|it| text.contains(it))
    );
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn a_push_to_another_host_shares_no_login() {
    let (_sandbox, mac, ec2) = pair();
    // A socket leads to where its login was made, whatever host is named.
    let dial = mac.path("dial/ssh").display().to_string();
    let _ = mac.git(&["config", "core.sshCommand", &dial]);
    let called = || {
        ec2.write("@theirs", format!("{}\n", ec2.exists("@theirs")));
        ec2.sync();
        mac.append(".conf", "mine\n");
        let _ = mac.run(&["sync"]);
        let calls = mac.read("connections");
        mac.remove("connections");
        calls
    };
    let is_shared = |calls: &str| calls.contains("ControlMaster=yes") || calls.contains(" -S ");
    assert!(is_shared(&called()), "this sees one");
    let elsewhere = format!("elsewhere:{}", mac.url());
    let _ = mac.git(&["config", "remote.origin.pushurl", &elsewhere]);
    let calls = called();
    assert!(calls.contains(" elsewhere ") && !is_shared(&calls), "{calls}");
    assert!(!calls.contains("ProxyCommand"), "what is said of that host is not known");
}

#[test]
fn a_push_that_was_only_a_guess_overwrites_nothing() {
    let (sandbox, mac, ec2) = pair();
    ec2.edit(".conf", "3\n", "theirs\n");
    ec2.sync();
    mac.edit(".conf", "3\n", "mine\n");
    mac.write("@beside", "beside\n");
    let _ = mac.run(&["sync"]).code(4);
    assert_eq!(mac.read(".conf"), "1\n2\nmine\n4\n5\n", "what is held stays as it is");
    ec2.sync();
    assert_eq!(
        (ec2.read(".conf"), ec2.read("@beside")),
        ("1\n2\ntheirs\n4\n5\n".into(), "beside\n".into())
    );
    mac.run(&["resolve", ".conf", "--ours"]).done();
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn a_held_file_does_not_keep_a_sync_from_asking() {
    let (_sandbox, mac, ec2) = pair();
    ec2.edit(".conf", "3\n", "theirs\n");
    ec2.sync();
    mac.edit(".conf", "3\n", "mine\n");
    let _ = mac.run(&["sync"]).code(4);
    let _ = mac.run(&["sync"]).code(4);
    ec2.write("@late", "late\n");
    ec2.sync();
    let _ = mac.run(&["sync"]).code(4);
    assert_eq!(mac.read("@late"), "late\n", "what comes from upstream comes all the same");
}

#[test]
fn a_remote_in_a_folder_costs_no_process_while_it_stands_still() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n");
    mac.sync();
    mac.write("bin/git", "#!/bin/sh\necho \"$@\" >> \"$HOME/connections\"\nexit 1\n");
    mac.chmod("bin/git", 0o755);
    let path = format!("{}:{}", mac.path("bin").display(), std::env::var("PATH").unwrap());
    let mut command = mac.command(env!("CARGO_BIN_EXE_cfgsync"));
    assert!(command.env("PATH", &path).arg("sync").status().unwrap().success());
    assert!(!mac.exists("connections"), "nothing to do: {}", mac.read("connections"));
    assert_eq!(mac.state_word(), "synced");
    ec2.append(".conf", "2\n");
    ec2.sync();
    mac.sync();
    assert_eq!(mac.read(".conf"), "1\n2\n");
}
