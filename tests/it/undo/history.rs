//! `history`, and what `undo` says where there is nothing to take back.

use serde_json::Value;

use crate::sandbox::{Machine, Sandbox, assert_same};

fn history(machine: &Machine, arguments: &[&str]) -> Vec<Value> {
    let arguments = [&["history", "--json"], arguments].concat();
    serde_json::from_str(&machine.run(&arguments).code(0).stdout).unwrap()
}

#[test]
fn there_may_be_nothing_to_take_back() {
    let sandbox = Sandbox::new();
    let mac = sandbox.machine("mac");
    let before = sandbox.bytes();
    for command in ["undo", "history"] {
        let _ = mac.run(&[command]).code(1).says(&["cfgsync setup"]);
    }
    assert_same("looking", &before, &sandbox.bytes());
    let mac = sandbox.joined("mac");
    let (files, tip) = (mac.files(), sandbox.git(&["rev-parse", "main"]));
    let _ = mac.run(&["undo"]).code(1).says(&["cfgsync history"]);
    for unknown in ["999", "0"] {
        let _ = mac.run(&["undo", unknown]).code(2).says(&["there is no operation", unknown]);
    }
    let _ = mac.run(&["undo", "one"]).code(2);
    assert_same("an undo of nothing", &files, &mac.files());
    assert_eq!(sandbox.git(&["rev-parse", "main"]), tip);
}

#[test]
fn a_sync_that_only_sent_names_the_one_before() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n2\n3\n");
    mac.write("@new", "new\n");
    mac.sync();
    ec2.sync();
    let incoming = history(&ec2, &["-n", "1"])[0]["id"].to_string();
    ec2.append(".conf", "4\n");
    ec2.sync();
    let files = ec2.files();
    let way = format!("cfgsync undo {incoming}");
    let _ = ec2.run(&["undo"]).code(1).says(&["only sent", &way]);
    assert_same("an undo of what was sent", &files, &ec2.files());
    ec2.run(&["undo", &incoming]).done();
    assert!(!ec2.exists("@new"));
    mac.sync();
    assert!(!mac.exists("@new"));
    assert_eq!(mac.read(".conf"), "1\n2\n3\n4\n", "what was sent stays");
}

#[test]
fn history_lists_operations_with_ids_machine_counts_and_held() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n2\n3\n");
    let start = history(&ec2, &[]).len();
    ec2.write(".mine", "mine\n");
    ec2.run(&["mark", ".mine"]).done();
    mac.write(".conf", "1\nmac\n3\n");
    mac.write("@in", "in\n");
    mac.sync();
    ec2.write(".conf", "1\nec2\n3\n");
    ec2.write("@out", "out\n");
    let _ = ec2.run(&["sync"]).code(4);
    ec2.run(&["resolve", ".conf", "--theirs"]).done();
    ec2.run(&["unmark", ".mine"]).done();
    ec2.run(&["undo"]).done();
    mac.append("@in", "more\n");
    mac.sync();
    ec2.append("@in", "other\n");
    let _ = ec2.run(&["--yes", "sync", "--force-push"]).code(0);
    let lines = history(&ec2, &[]);
    let word = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    let commands: Vec<String> = lines[start..].iter().map(|line| word(line, "command")).collect();
    assert_eq!(commands, ["mark", "sync", "resolve", "unmark", "undo", "force-push"]);
    let ids: Vec<u64> = lines.iter().map(|line| line["id"].as_u64().unwrap()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    let synced = &lines[start + 1];
    assert_eq!(
        (&synced["sent"], &synced["received"], &synced["held"]),
        (&2.into(), &1.into(), &1.into())
    );
    assert_eq!(lines[start + 2]["held"], 0);
    let status = ec2.run(&["status", "--json"]).code(0);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert!(lines.iter().all(|line| line["machine"] == status["machine"]), "{lines:?}");
    assert!(lines.iter().all(|line| line["at"].as_u64() > Some(1_600_000_000)));
    let all = ec2.run(&["history"]).code(0).stdout;
    let first = |line: &str| line.split_whitespace().next().and_then(|word| word.parse().ok());
    let newest_first: Vec<u64> = all.lines().filter_map(first).collect();
    assert_eq!(newest_first, ids.iter().rev().copied().collect::<Vec<_>>());
    let row = all.lines().find(|line| line.contains("1 held")).unwrap();
    for word in ["sync", "↑2", "↓1"] {
        assert!(row.contains(word), "{word:?} is not in {row:?}");
    }
    assert_eq!(all.lines().next(), Some(word(synced, "machine").as_str()), "{all}");
    let picture = all.lines().nth(1).unwrap();
    assert!(picture.starts_with(&"·".repeat(27)) && picture.contains("in four weeks"), "{all}");
    assert_eq!(history(&ec2, &["-n", "2"]), lines[lines.len() - 2..]);
    for line in &lines {
        let is_offered = line["undoable"].as_bool().unwrap();
        let output = ec2.run(&["undo", "--dry-run", &line["id"].to_string()]);
        assert_eq!(output.stderr.contains("only sent"), !is_offered, "{line}: {output:?}");
    }
}

#[test]
fn looking_at_the_history_changes_nothing() {
    let sandbox = Sandbox::new();
    let (_mac, ec2) = sandbox.pair("1\n2\n3\n");
    let before = sandbox.bytes();
    let _ = ec2.run(&["history"]).code(0);
    let _ = ec2.run(&["history", "--json", "-n", "0"]).code(0);
    let _ = ec2.run(&["history", "-n", "-1"]).code(2);
    assert_same("looking", &before, &sandbox.bytes());
}

#[test]
fn joining_is_not_taken_back_for_everybody_unasked() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("x\n");
    let before = sandbox.git(&["rev-parse", "main"]);
    let _ = ec2.run(&["undo", "1"]).code(9).says(&["everywhere", "--yes", "setup --undo"]);
    assert_eq!(sandbox.git(&["rev-parse", "main"]), before);
    ec2.run(&["--yes", "undo", "1"]).done();
    mac.run(&["--yes", "sync"]).done();
    mac.assert_plain(".conf", "x\n");
    ec2.assert_plain(".conf", "x\n");
}

#[test]
fn a_restore_of_what_is_not_shared_says_where_to_look() {
    let sandbox = Sandbox::new();
    let (mac, _ec2) = sandbox.pair("1\n2\n3\n");
    mac.run(&["backup"]).done();
    mac.run(&["unmark", ".conf"]).done();
    mac.sync();
    mac.write(".conf", "mine alone\n");
    let told = mac.run(&["--yes", "restore", "1", "--", ".conf"]).code(0);
    let told = told.says(&["is not shared", "cfgsync restore --list -- ~/.conf"]);
    assert!(!told.stdout.contains("next sync") && !told.stderr.contains("next sync"), "{told:?}");
    let files = mac.files();
    let told = mac.run(&["undo"]).code(1).says(&["not shared", "cfgsync restore --list -- PATH"]);
    assert!(!told.stderr.contains("only sent"), "{told:?}");
    assert_same("an undo of what is not shared", &files, &mac.files());
}
