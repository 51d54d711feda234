//! Commits by hand that upstream overtook: they are replayed with author, date and message, and what
//! cannot come along is said and kept.

use crate::sandbox::{Machine, Output, Sandbox, assert_clean, assert_converged};

const LINES: &str = "one\ntwo\nthree\nfour\nfive\n";
const DATE: &str = "2001-02-03T04:05:06+07:00";
const AUTHOR: &str = "Ann <ann@example.com>";

/// Commits everything in the repository, as a person does.
fn commit(machine: &Machine, options: &[&str], message: &str) {
    let author = format!("--author={AUTHOR}");
    let date = format!("--date={DATE}");
    let _ = machine.git(&["add", "."]);
    let own = ["commit", "--quiet", &author, &date, "-m", message];
    let _ = machine.git(&[&own[..], options].concat());
}

/// Author, date and message of the commits upstream that are Ann's, the newest first.
fn by_ann(sandbox: &Sandbox) -> Vec<String> {
    let format = "--format=%an <%ae> %aI%n%B%x00";
    let log = sandbox.git(&["log", "--author=ann@example.com", format, "main"]);
    log.split('\0').map(|entry| entry.trim().to_owned()).filter(|it| !it.is_empty()).collect()
}

fn of_ann(message: &str) -> String {
    format!("{AUTHOR} {DATE}\n{message}")
}

/// Paths that a commit of this subject changed.
fn paths(sandbox: &Sandbox, subject: &str) -> Vec<String> {
    let pattern = format!("--grep={subject}");
    let log = sandbox.git(&["log", "-1", &pattern, "--name-only", "--format=", "main"]);
    log.lines().map(str::to_owned).collect()
}

/// Asserts that no version of any file upstream ever held a conflict marker.
fn assert_no_markers(sandbox: &Sandbox) {
    let log = sandbox.git(&["log", "-p", "--format=%s", "main"]);
    assert!(!log.contains("<<<<<<<") && !log.contains(">>>>>>>"), "{log}");
}

/// The tip the branch had is kept, with everything it reaches.
#[track_caller]
fn assert_kept(machine: &Machine, tip: &str) {
    let tip = tip.trim();
    let kept = machine.git(&["for-each-ref", "--format=%(objectname)", "refs/cfgsync/replaced"]);
    assert!(kept.lines().any(|line| line == tip), "{tip} is not among {kept:?}");
}

#[test]
fn a_commit_whose_file_combines_keeps_what_it_says() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.append(".conf", "mac\n");
    mac.sync();
    ec2.append(".conf", "ec2\n");
    commit(&ec2, &[], "Add a line\n\nBecause it was missing.");
    ec2.write("@more", "more\n");
    commit(&ec2, &[], "Add a file");
    let tip = ec2.git(&["rev-parse", "HEAD"]);
    ec2.sync();
    mac.sync();
    let expected =
        [of_ann("Add a file"), of_ann("Add a line\n\nBecause it was missing.")].map(String::from);
    assert_eq!(by_ann(&sandbox), expected);
    assert_eq!(paths(&sandbox, "Add a line"), ["external/.conf"]);
    assert_eq!(paths(&sandbox, "Add a file"), ["more"]);
    assert_eq!(mac.read(".conf"), format!("{LINES}mac\nec2\n"));
    assert_kept(&ec2, &tip);
    assert_no_markers(&sandbox);
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn a_commit_with_a_held_file_stays_without_it() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.edit(".conf", "one", "mac");
    mac.sync();
    ec2.write("@before", "before\n");
    commit(&ec2, &[], "Before");
    ec2.edit(".conf", "one", "ec2");
    ec2.write("@beside", "beside\n");
    commit(&ec2, &[], "Both at once");
    ec2.edit(".conf", "five", "FIVE");
    ec2.write("@after", "after\n");
    commit(&ec2, &[], "After");
    let tip = ec2.git(&["rev-parse", "HEAD"]);
    let _ = ec2.run(&["sync"]).code(4).says(&["held     ~/.conf"]);
    assert_eq!(ec2.read(".conf"), LINES.replace("one", "ec2").replace("five", "FIVE"));
    let expected = ["After", "Both at once", "Before"].map(of_ann);
    assert_eq!(by_ann(&sandbox), expected);
    for (subject, path) in [("Before", "before"), ("Both at once", "beside"), ("After", "after")] {
        assert_eq!(paths(&sandbox, subject), [path], "{subject}");
    }
    mac.sync();
    assert_eq!(mac.read(".conf"), LINES.replace("one", "mac"));
    assert_kept(&ec2, &tip);
    ec2.run(&["resolve", ".conf", "--ours"]).done();
    mac.sync();
    assert_eq!(mac.read(".conf"), LINES.replace("one", "ec2").replace("five", "FIVE"));
    assert_no_markers(&sandbox);
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn a_commit_of_nothing_but_a_held_file_is_kept_aside() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.edit(".conf", "one", "mac");
    mac.sync();
    ec2.edit(".conf", "one", "ec2");
    commit(&ec2, &[], "Nothing else");
    let tip = ec2.git(&["rev-parse", "HEAD"]);
    let _ = ec2.run(&["sync"]).code(4);
    assert_eq!(by_ann(&sandbox), Vec::<String>::new());
    assert_kept(&ec2, &tip);
    let _ = ec2.git(&["gc", "--quiet", "--prune=now"]);
    assert_eq!(ec2.git(&["log", "-1", "--format=%s", tip.trim()]), "Nothing else\n");
    ec2.run(&["resolve", ".conf", "--ours"]).done();
    mac.sync();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn a_commit_that_renames_is_replayed_on_an_edit() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write("@old", LINES);
    mac.sync();
    ec2.sync();
    mac.edit("@old", "one", "ONE");
    mac.sync();
    let _ = ec2.git(&["mv", "old", "new"]);
    commit(&ec2, &[], "Rename it");
    ec2.sync();
    mac.sync();
    assert_eq!(by_ann(&sandbox), [of_ann("Rename it")]);
    assert_eq!(mac.read("@new"), LINES.replace("one", "ONE"));
    assert!(!mac.exists("@old"));
    assert_converged(&[&mac, &ec2]);
    sandbox.assert_history();
}

#[test]
fn the_bytes_of_a_message_are_kept() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    mac.append(".conf", "mac\n");
    mac.sync();
    ec2.write("@mine", "mine\n");
    let _ = ec2.git(&["config", "i18n.commitEncoding", "ISO-8859-1"]);
    std::fs::write(ec2.path("message"), b"Gr\xfc\xdfe\n").unwrap();
    let _ = ec2.git(&["add", "."]);
    let message = ec2.path("message");
    let _ = ec2.git(&["commit", "--quiet", "-F", message.to_str().unwrap()]);
    ec2.sync();
    let log = sandbox.git(&["log", "--encoding=UTF-8", "--format=%s", "main"]);
    assert!(log.lines().any(|line| line == "Grüße"), "{log}");
}

/// Makes git sign with a key of this machine's own; false where ssh-keygen is missing.
fn signs(machine: &Machine) -> bool {
    let key = machine.path("key");
    let mut command = machine.command("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", "ann", "-f"]).arg(&key);
    let Ok(made) = command.output() else { return false };
    assert!(made.status.success(), "{made:?}");
    let _ = machine.git(&["config", "gpg.format", "ssh"]);
    let _ = machine.git(&["config", "user.signingKey", key.to_str().unwrap()]);
    true
}

fn is_signed(header: &str) -> bool {
    header.contains("\ngpgsig ")
}

#[test]
fn a_signature_that_a_replay_loses_is_told() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair(LINES);
    if !signs(&ec2) {
        return;
    }
    mac.append(".conf", "mac\n");
    mac.sync();
    ec2.write("@signed", "signed\n");
    commit(&ec2, &["-S"], "Signed by hand");
    let tip = ec2.git(&["rev-parse", "HEAD"]);
    assert!(is_signed(&ec2.git(&["cat-file", "-p", tip.trim()])));
    let said: Output =
        ec2.run(&["sync"]).code(0).says(&["1 signed commit", "without the signature"]);
    assert_eq!(said.stderr.matches("signed commit").count(), 1, "{said:?}");
    assert_eq!(by_ann(&sandbox), [of_ann("Signed by hand")]);
    assert!(!is_signed(&sandbox.git(&["cat-file", "-p", "main"])), "a signature of other bytes");
    assert_kept(&ec2, &tip);
    assert!(is_signed(&ec2.git(&["cat-file", "-p", tip.trim()])), "the kept one is as it was");
    let again = ec2.run(&["sync"]).code(0);
    assert!(!again.stderr.contains("signed"), "{again:?}");
    mac.sync();
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_signature_stays_where_nothing_is_replayed() {
    let sandbox = Sandbox::new();
    let (_mac, ec2) = sandbox.pair(LINES);
    if !signs(&ec2) {
        return;
    }
    ec2.write("@signed", "signed\n");
    commit(&ec2, &["-S"], "Signed by hand");
    let tip = ec2.git(&["rev-parse", "HEAD"]);
    let said = ec2.run(&["sync"]).code(0);
    assert!(!said.stderr.contains("signature"), "{said:?}");
    assert_eq!(sandbox.git(&["rev-parse", "main"]), tip);
    assert!(is_signed(&sandbox.git(&["cat-file", "-p", "main"])));
}
