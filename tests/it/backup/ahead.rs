//! The archive that a sync makes while it waits for its remote: where it is needed it is one like any
//! other, and where it is not it leaves nothing.

use std::fs;

use super::{archives, content, numbers, place};
#[cfg(target_os = "linux")]
use crate::killed::kill;
use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

const LINES: &str = "1\n2\n3\n4\n5\n";

/// Stands in for ssh: has a fetch wait until the archive is there, and for what a test wants done then.
const SSH: &str = "#!/bin/sh
for last; do :; done
[ ! -e \"$HOME/waits\" ] || case $last in git-upload-pack*)
    tries=0
    while [ ! -e \"$HOME/dev/configs/.sync/backups/ahead.new\" ] && [ $tries -lt 200 ]; do
        sleep 0.05; tries=$((tries + 1))
    done
    [ $tries -eq 200 ] || echo there > \"$HOME/was\"
    sleep 0.2
    [ ! -e \"$HOME/then\" ] || sh \"$HOME/then\" > /dev/null 2>&1
esac
exec sh -c \"$last\"
";

/// Two machines, of which the first one has an archive and expects more from the other one.
fn pair() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.write("@beside", "beside\n");
    mac.sync();
    ec2.sync();
    ec2.append(".conf", "6\n");
    ec2.sync();
    mac.write("dial/ssh", SSH);
    mac.chmod("dial/ssh", 0o755);
    let address = format!("there:{}", mac.url());
    let _ = mac.git(&["remote", "set-url", "origin", &address]);
    let dial = format!("{} -oControlMaster=no", mac.path("dial/ssh").display());
    let _ = mac.git(&["config", "core.sshCommand", &dial]);
    mac.sync();
    assert_eq!(archives(&mac).len(), 1);
    mac.write("waits", "");
    (sandbox, mac, ec2)
}

/// Returns whether there was one when the remote answered, and that there is none now.
#[track_caller]
fn was_there(machine: &Machine) -> bool {
    assert!(!machine.exists("@.sync/backups/ahead.new"), "it is still there");
    let was = machine.path("was");
    let is_said = was.exists();
    let _ = fs::remove_file(was);
    is_said
}

#[test]
fn one_that_is_not_needed_leaves_nothing() {
    let (_sandbox, mac, _ec2) = pair();
    let before = archives(&mac);
    mac.sync();
    assert!(was_there(&mac));
    assert_eq!(archives(&mac), before);
    mac.run(&["backup", "--verify"]).done();
}

#[test]
fn one_that_is_needed_is_the_next_one() {
    let (sandbox, mac, ec2) = pair();
    ec2.append(".conf", "7\n");
    ec2.sync();
    let here = mac.read(".conf");
    mac.sync();
    assert!(was_there(&mac));
    assert_eq!(numbers(&mac), [1, 2]);
    assert_eq!(content(&mac, &place(&mac, 2), "external/.conf"), here);
    assert_eq!(content(&mac, &place(&mac, 2), "beside"), "beside\n");
    mac.run(&["backup", "--verify"]).done();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn what_is_edited_after_it_was_made_is_in_an_archive_all_the_same() {
    let (sandbox, mac, ec2) = pair();
    ec2.edit(".conf", "1\n", "theirs\n");
    ec2.sync();
    let here = mac.read(".conf").replace("5\n", "mine\n");
    mac.write("mine", &here);
    mac.write("then", "cat \"$HOME/mine\" > \"$HOME/.conf\"\n");
    mac.sync();
    assert!(was_there(&mac));
    assert_eq!(numbers(&mac), [1, 2], "one that does not hold it is none");
    assert_eq!(content(&mac, &place(&mac, 2), "external/.conf"), here);
    assert_eq!(mac.read(".conf"), here.replace("1\n", "theirs\n"));
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn whoever_makes_an_archive_meanwhile_gets_its_number() {
    let (_sandbox, mac, ec2) = pair();
    ec2.append(".conf", "7\n");
    ec2.sync();
    let engine = env!("CARGO_BIN_EXE_cfgsync");
    mac.write("then", format!("echo other > \"$HOME/dev/configs/other\"; '{engine}' backup\n"));
    let here = mac.read(".conf");
    mac.sync();
    assert!(was_there(&mac));
    assert_eq!(numbers(&mac), [1, 2], "the one in between holds what went");
    assert_eq!(content(&mac, &place(&mac, 2), "external/.conf"), here);
    assert_eq!(content(&mac, &place(&mac, 2), "other"), "other\n");
}

#[cfg(target_os = "linux")]
#[cfg(target_os = "linux")]
#[test]
fn one_of_a_killed_run_goes_with_the_next_one() {
    let (sandbox, mac, ec2) = pair();
    ec2.append(".conf", "7\n");
    ec2.sync();
    let draft = mac.path("@.sync/backups/ahead.new");
    kill(&mac, &draft, &["sync"]);
    assert!(draft.exists(), "the killed run left nothing to remove");
    assert_eq!(mac.read(".conf"), format!("{LINES}6\n"), "nothing was replaced");
    // What was fetched is there already, so that the next one expects nothing.
    mac.remove("waits");
    mac.sync();
    assert!(!draft.exists());
    assert_eq!(numbers(&mac), [1, 2]);
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn what_an_archive_held_counts_only_while_it_is_there() {
    let (_sandbox, mac, ec2) = pair();
    mac.run(&["backup"]).done();
    assert_eq!(numbers(&mac), [1, 2]);
    // The second one holds what is about to be replaced, and a third one is under way.
    mac.write("@beside", "other\n");
    mac.write("then", "rm \"$HOME\"/dev/configs/.sync/backups/*.tar.gz\n");
    ec2.append(".conf", "7\n");
    ec2.sync();
    let here = mac.read(".conf");
    mac.sync();
    assert!(was_there(&mac));
    assert_eq!(archives(&mac).len(), 1);
    assert_eq!(content(&mac, &place(&mac, 1), "external/.conf"), here);
}
