//! Secrets: what holds one stays on its machine, everything else goes on, and its value is nowhere.

use std::fs;
use std::process::Command;

use crate::sandbox::{Machine, Sandbox, assert_converged};

/// A token as GitLab makes them, in two parts so that nobody takes this file for one that leaks.
fn token() -> String {
    ["glpat-", "360a9Y6yNd14tDdO9eGz"].concat()
}

/// What only may be a secret.
const LIKELY: &str = "hX9z!kQ2vB7";

/// Returns everything the remote has ever been sent.
fn sent(sandbox: &Sandbox) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(sandbox.remote())
        .args(["cat-file", "--batch-all-objects", "--batch"])
        .output()
        .expect("git");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn assert_never_sent(sandbox: &Sandbox, value: &str) {
    assert!(!sent(sandbox).contains(value), "the remote has the value");
}

/// Sees that a value stands in none of cfgsync's own files, but for those that are whole files of the
/// user: the vault, what was displaced, what stood at a path before it was linked.
#[track_caller]
fn assert_never_kept(machine: &Machine, value: &str) {
    let mut folders = vec![machine.state(), machine.path("@.sync")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir()
                && !["vault", "displaced", "external-files"].iter().any(|it| path.ends_with(it))
            {
                folders.push(path);
            } else if path.is_file() {
                let bytes = fs::read(&path).expect("a file");
                assert!(!String::from_utf8_lossy(&bytes).contains(value), "{}", path.display());
            }
        }
    }
}

/// A machine that shares `~/.config/app`, with a token in one of its files since.
fn leaking(sandbox: &Sandbox) -> Machine {
    let mac = sandbox.joined("mac");
    mac.write(".config/app/settings", "a = 1\n");
    mac.write(".config/app/theme", "dark\n");
    mac.run(&["mark", ".config/app", "--yes"]).done();
    mac.sync();
    mac.append(".config/app/settings", &format!("b = {}\n", token()));
    mac.append(".config/app/theme", "blue\n");
    mac
}

#[test]
fn a_file_with_a_certain_secret_is_not_marked() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write(".npmrc", format!("//registry.npmjs.org/:_authToken={}\n", token()));
    let output = mac.run(&["mark", ".npmrc", "--yes"]).code(9);
    let output = output.says(&["~/.npmrc", "line 1", "login of npm", "cfgsync secrets allow"]);
    assert!(!output.stderr.contains(&token()), "{output:?}");
    mac.assert_plain(".npmrc", &format!("//registry.npmjs.org/:_authToken={}\n", token()));
    mac.sync();
    assert_never_sent(&sandbox, &token());
    mac.run(&["secrets", "allow", ".npmrc"]).done();
    mac.run(&["mark", ".npmrc"]).done();
    mac.sync();
    assert!(sent(&sandbox).contains(&token()), "what was allowed is shared");
    assert_never_kept(&mac, &token());
}

#[test]
fn what_may_be_a_secret_is_asked_about() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write(".app.conf", format!("user = me\npassword = {LIKELY}\n"));
    let output = mac.run(&["mark", ".app.conf"]).code(9).says(&["line 2", "--yes"]);
    assert!(!output.stderr.contains(LIKELY), "{output:?}");
    mac.run(&["mark", ".app.conf", "--yes"]).done();
    mac.sync();
    assert!(sent(&sandbox).contains(LIKELY), "a person agreed");
    // Another value is another question.
    mac.edit(".app.conf", "Q2v", "X7p");
    let _ = mac.run(&["sync"]).code(4).says(&["~/.app.conf", "line 2"]);
    assert_never_sent(&sandbox, "hX9z!kX7pB7");
}

#[test]
fn only_the_file_with_the_secret_waits() {
    let sandbox = Sandbox::new();
    let mac = leaking(&sandbox);
    let ec2 = sandbox.joined("ec2");
    let _ = mac.run(&["sync"]).code(4).says(&["settings", "line 2", "GitLab", "secrets allow"]);
    ec2.sync();
    assert_eq!(ec2.read(".config/app/theme"), "dark\nblue\n");
    assert_eq!(ec2.read(".config/app/settings"), "a = 1\n");
    mac.assert_linked(".config/app/settings");
    assert!(mac.read(".config/app/settings").contains(&token()), "the live file is left alone");
    assert!(mac.vault_has(&mac.read(".config/app/settings")), "the vault has it all the same");
    assert_eq!(mac.state_word(), "held");
    assert_never_sent(&sandbox, &token());
    // Its other changes come in and go out once the secret is gone.
    mac.write(".config/app/settings", "a = 2\n");
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read(".config/app/settings"), "a = 2\n");
    assert_never_sent(&sandbox, &token());
    assert_never_kept(&mac, &token());
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn everything_that_reports_names_rule_and_line_only() {
    let sandbox = Sandbox::new();
    let mac = leaking(&sandbox);
    let _ = mac.run(&["sync"]).code(4);
    for command in [
        &["status"][..],
        &["status", "--json"],
        &["list"],
        &["secrets", "list"],
        &["secrets", "list", "--json"],
        &["secrets", "scan"],
        &["secrets", "scan", "--json"],
        &["resolve"],
        &["resolve", ".config/app/settings", "--ours"],
        &["sync", "--dry-run"],
        &["sync", "--force-push", "--yes"],
        &["diff"],
        &["diff", "--json"],
        &["history"],
        &["doctor"],
    ] {
        let output = mac.run(command);
        let text = [&*output.stdout, &*output.stderr].concat();
        assert!(!text.contains(&token()), "{command:?}: {text}");
        if ["status", "secrets", "resolve"].contains(&command[0]) {
            assert!(text.contains("settings"), "{command:?}: {text}");
            assert!(text.contains("GitLab access token"), "{command:?}: {text}");
        }
    }
    let json = mac.run(&["status", "--json"]).stdout;
    assert!(json.contains("\"rule\": \"gitlab-token\"") && json.contains("\"line\": 2"), "{json}");
    let _ =
        mac.run(&["resolve", ".config/app/settings", "--ours"]).code(1).says(&["secrets allow"]);
    assert_never_sent(&sandbox, &token());
    for file in ["secrets.key", "scanned"] {
        let mode = fs::metadata(mac.state().join(file)).expect("a file").permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_conflict_with_a_secret_in_it_shows_no_line_of_it() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    mac.write(".conf", "theirs\n");
    mac.sync();
    ec2.write(".conf", token());
    let _ = ec2.run(&["sync"]).code(4);
    for command in [&["diff"][..], &["diff", "--json"], &["diff", ".conf"], &["diff", "--stat"]] {
        let output = ec2.run(command).says(&["both sides changed", "a secret is in it"]);
        assert!(!output.stdout.contains(&token()), "{command:?}: {}", output.stdout);
    }
    let _ = ec2.run(&["diff"]).says(&["+theirs"]);
}

#[test]
fn in_a_marked_folder_the_rest_is_shared() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write(".config/tool/rc", "a\n");
    mac.write(".config/tool/.env", "KEY=abc\n");
    let _ = mac.run(&["mark", ".config/tool", "--yes"]).code(4).says(&[".env"]);
    let _ = mac.run(&["sync"]).code(4).says(&[".env"]);
    ec2.sync();
    assert_eq!(ec2.read(".config/tool/rc"), "a\n");
    assert!(!ec2.exists(".config/tool/.env"));
    mac.assert_plain(".config/tool/.env", "KEY=abc\n");
    // A file that is known by its name is allowed once, whatever it holds later.
    mac.run(&["secrets", "allow", ".config/tool/.env"]).done();
    mac.sync();
    mac.append(".config/tool/.env", "MORE=def\n");
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read(".config/tool/.env"), "KEY=abc\nMORE=def\n");
    mac.run(&["secrets", "allow", "--revoke", ".config/tool/.env"]).done();
    mac.append(".config/tool/.env", "LAST=ghi\n");
    let _ = mac.run(&["sync"]).code(4);
}

#[test]
fn a_commit_of_mine_with_a_secret_is_made_anew_without_it() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write("@notes", "one\n");
    mac.sync();
    mac.write("@notes", format!("one\n{}\n", token()));
    mac.write("@other", "kept\n");
    let _ = mac.git(&["add", "."]);
    let _ = mac.git(&["commit", "-qm", "mine, with a slip"]);
    mac.write("@notes", "one\ntwo\n");
    let _ = mac.git(&["commit", "-qam", "mine, without it"]);
    let _ = mac.run(&["sync"]).code(0).says(&["notes", "made anew"]);
    ec2.sync();
    assert_eq!(ec2.read("@notes"), "one\ntwo\n");
    assert_eq!(ec2.read("@other"), "kept\n");
    assert_never_sent(&sandbox, &token());
    assert!(sandbox.git(&["log", "--format=%s", "main"]).contains("mine, with a slip"));
    let kept = mac.git(&["log", "--format=%s", "--glob=refs/cfgsync/replaced"]);
    assert!(kept.contains("mine, with a slip"), "{kept}");
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn a_commit_whose_secret_still_stands_leaves_the_file_behind() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write("@first", "1\n");
    mac.sync();
    mac.write("@notes", format!("{}\n", token()));
    mac.write("@other", "kept\n");
    let _ = mac.git(&["add", "."]);
    let _ = mac.git(&["commit", "-qm", "mine"]);
    let _ = mac.run(&["sync"]).code(4).says(&["notes"]);
    assert_eq!(mac.read("@notes"), format!("{}\n", token()), "the file stays");
    assert_eq!(sandbox.git(&["show", "main:other"]), "kept\n");
    assert_never_sent(&sandbox, &token());
}

#[test]
fn history_that_cannot_be_made_anew_is_not_sent() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.write("@first", "1\n");
    mac.sync();
    let _ = mac.git(&["checkout", "-qb", "side"]);
    mac.write("@notes", format!("{}\n", token()));
    let _ = mac.git(&["add", "."]);
    let _ = mac.git(&["commit", "-qm", "with a slip"]);
    let _ = mac.git(&["checkout", "-q", "main"]);
    mac.write("@beside", "1\n");
    let _ = mac.git(&["add", "."]);
    let _ = mac.git(&["commit", "-qm", "beside"]);
    let _ = mac.git(&["merge", "-q", "--no-ff", "-m", "a merge of mine", "side"]);
    let _ = mac.git(&["rm", "-q", "notes"]);
    let _ = mac.git(&["commit", "-qm", "gone"]);
    let _ = mac.run(&["sync"]).code(9).says(&["notes", "line 1", "GitLab", "git rebase"]);
    assert_never_sent(&sandbox, &token());
    mac.run(&["secrets", "scan", "--history"])
        .code(4)
        .says(&["in commit"])
        .stdout
        .contains("notes");
    // What the refusal names is taken as it names it, though no such file is there any more.
    let _ = mac.run(&["secrets", "allow", "nothing"]).code(1).says(&["there is no ~/nothing"]);
    let _ = mac.run(&["secrets", "allow", "notes"]).code(0).says(&["allowed", "notes:1"]);
    mac.sync();
    assert!(sandbox.git(&["log", "--format=%s", "main"]).contains("with a slip"));
}

#[test]
fn a_secret_that_upstream_has_is_not_in_the_way() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = (sandbox.joined("mac"), sandbox.joined("ec2"));
    mac.write("@notes", format!("one\n{}\n", token()));
    mac.run(&["secrets", "allow", mac.path("@notes").to_str().expect("text")]).done();
    mac.sync();
    // It was allowed there, and comes in here; nothing of it is sent from here.
    ec2.sync();
    assert!(ec2.read("@notes").contains(&token()));
    let _ = ec2.run(&["secrets", "scan"]).code(4).says(&["nobody allowed"]);
    mac.write("@notes", "one\ntwo\n");
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read("@notes"), "one\ntwo\n");
    let found = ec2.run(&["secrets", "scan", "--history"]).code(4).stdout;
    assert!(found.contains("notes:2") && found.contains("in commit"), "{found}");
}

#[test]
fn a_link_that_leads_to_a_secret_waits_alone() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.link("@link", token());
    mac.write("@other", "other\n");
    let _ = mac.run(&["sync"]).code(4).says(&["link", "line 1", "GitLab"]);
    assert_never_sent(&sandbox, &token());
    assert_eq!(sandbox.git(&["show", "main:other"]), "other\n", "the rest goes on");
    mac.run(&["secrets", "allow", &mac.path("@link").display().to_string()]).done();
    mac.sync();
    assert!(sent(&sandbox).contains(&token()), "what was allowed is shared");
}

#[test]
fn no_tag_goes_with_a_push() {
    let sandbox = Sandbox::new();
    let mac = sandbox.joined("mac");
    mac.git(&["config", "--global", "push.followTags", "true"]);
    mac.write("@a", "a\n");
    mac.git(&["add", "a"]);
    mac.git(&["commit", "-qm", "a"]);
    mac.git(&["tag", "-a", "mine", "-m", &token()]);
    mac.sync();
    assert_eq!(sandbox.git(&["show", "main:a"]), "a\n");
    assert_eq!(sandbox.git(&["tag"]), "");
    assert_never_sent(&sandbox, &token());
}
