//! The schemas of `docs/schema`: what every `--json` prints is what its schema says, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::sandbox::{Machine, Sandbox};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema"))
}

fn schema(name: &str) -> Value {
    let text = fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What the schemas use of JSON Schema; a word that is not here would be passed over in silence.
const WORDS: [&str; 9] =
    ["$schema", "title", "type", "const", "enum", "minimum", "items", "properties", "required"];

/// Adds what is wrong with a value. A field that the schema does not tell of is wrong, too: a reader
/// may meet one, this program may not print one.
fn check(schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    let words = schema.as_object().unwrap();
    for word in words.keys().filter(|word| !WORDS.contains(&word.as_str())) {
        wrong.push(format!("{at}: the schema says {word:?}, which is not looked at"));
    }
    let one_of = |list: &Value| list.as_array().is_some_and(|list| list.contains(value));
    let types = words.get("type").map(|it| it.as_array().cloned().unwrap_or(vec![it.clone()]));
    let is_it = |name: &Value| match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{at}: no such type: {other}"),
    };
    let least = words.get("minimum").and_then(Value::as_i64);
    let fits = types.is_none_or(|types| types.iter().any(is_it))
        && words.get("const").is_none_or(|only| only == value)
        && words.get("enum").is_none_or(one_of)
        && least.zip(value.as_i64()).is_none_or(|(least, value)| value >= least);
    if !fits {
        wrong.push(format!("{at} is {value}, and the schema says {schema}"));
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        check(&schema["items"], item, &format!("{at}[{number}]"), wrong);
    }
    let Some(fields) = value.as_object() else { return };
    for (name, field) in fields {
        match schema["properties"].get(name) {
            Some(inner) => check(inner, field, &format!("{at}.{name}"), wrong),
            None => wrong.push(format!("{at}.{name} is not in the schema")),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(name.as_str().unwrap()) {
            wrong.push(format!("{at} has no {name}"));
        }
    }
}

/// The reports, the schema of each, and how it is asked for.
const REPORTS: [(&str, &[&str]); 12] = [
    ("status", &["status"]),
    ("list", &["list"]),
    ("explain", &["explain", ".conf"]),
    ("history", &["history"]),
    ("log", &["log"]),
    ("diff", &["diff"]),
    ("config", &["config", "list"]),
    ("secrets-list", &["secrets", "list"]),
    ("secrets-scan", &["secrets", "scan"]),
    ("doctor", &["doctor"]),
    ("backup-list", &["backup", "--list"]),
    ("restore-list", &["restore", "--list"]),
];

/// Asserts that every report of a machine is as its schema says, and returns how much there was.
#[track_caller]
fn reports_are_valid(machine: &Machine) -> usize {
    let mut wrong = Vec::new();
    let mut bytes = 0;
    for (name, arguments) in REPORTS {
        let output = machine.run(&[arguments, &["--json"]].concat());
        let value: Value = serde_json::from_str(&output.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{output:?}"));
        check(&schema(name), &value, name, &mut wrong);
        bytes += output.stdout.len();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    bytes
}

/// Two machines with something to tell in every report.
fn told(sandbox: &Sandbox) -> (Machine, Machine) {
    let (mac, ec2) = sandbox.pair("one\ntwo\n");
    mac.write(".config/app/a", "a\n");
    mac.run(&["mark", ".config/app", "--link", "copy"]).done();
    let token = ["ghp_", "0123456789abcdefABCDEF0123456789abcd"].concat();
    mac.write("@token", format!("token = {token}\n"));
    let _ = mac.run(&["sync"]).code(4);
    mac.run(&["backup"]).done();
    mac.write(".conf", "one\nof the mac\n");
    let _ = mac.run(&["sync"]);
    ec2.write(".conf", "one\nof the other\n");
    ec2.write("@new", "new\n");
    let _ = ec2.run(&["sync"]).code(4);
    ec2.run(&["config", "set", "web.git.example.org", "https://git.example.org"]).done();
    ec2.write("@newer", "newer\n");
    ec2.remove("@.sync/sync-status");
    let mut command = ec2.command(env!("CARGO_BIN_EXE_cfgsync"));
    assert!(command.args(["sync", "--background", "--wait"]).status().unwrap().success());
    ec2.write("@new", "edited\n");
    (mac, ec2)
}

#[test]
fn every_report_is_as_its_schema_says() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = told(&sandbox);
    let empty = sandbox.joined("ec2-empty");
    assert!(reports_are_valid(&mac) > 2000);
    assert!(reports_are_valid(&ec2) > 2000);
    reports_are_valid(&empty);
    sandbox.unplug();
    reports_are_valid(&ec2);
}

#[test]
fn every_command_with_a_report_has_a_schema() {
    let named: BTreeSet<String> = REPORTS.iter().map(|(name, _)| format!("{name}.json")).collect();
    let files = fs::read_dir(folder()).unwrap();
    let there: BTreeSet<String> =
        files.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(named, there);
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/engine/cli");
    let mut flags = 0;
    let mut folders = vec![PathBuf::from(source)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let text = fs::read_to_string(entry).unwrap();
                let declared = text.lines().map(str::trim);
                flags +=
                    declared.filter(|it| it.trim_start_matches("pub ") == "json: bool,").count();
            }
        }
    }
    assert_eq!(flags, REPORTS.len(), "a new report needs a row here and a file in docs/schema");
}

#[test]
fn the_check_sees_what_is_wrong() {
    let wrong = |value: &str| {
        let mut found = Vec::new();
        check(&schema("list"), &serde_json::from_str(value).unwrap(), "list", &mut found);
        found.len()
    };
    let mark = |state: &str, more: &str| {
        format!(
            r#"{{"schema":1,"marks":[{{"path":"a","scope":"file","tie":"link","files":1,
            "state":{state},"bytes":1,"changes":0{more}}}]}}"#
        )
    };
    assert_eq!(wrong(&mark("\"ok\"", "")), 0);
    assert_eq!(wrong(&mark("7", "")), 1);
    assert_eq!(wrong(&mark("\"ok\"", ",\"new\":1")), 1);
    assert_eq!(wrong(&mark("\"ok\"", "").replace("\"link\"", "\"rope\"")), 1);
    assert_eq!(wrong(&mark("\"ok\"", "").replace("\"files\":1", "\"files\":-1")), 1);
    assert_eq!(wrong(&mark("\"ok\"", "").replace("\"schema\":1,", "")), 1);
    assert_eq!(wrong(&mark("\"ok\"", "").replace("\"schema\":1", "\"schema\":2")), 1);
}
