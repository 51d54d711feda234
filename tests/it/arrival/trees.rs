//! Hostile trees, made object by object: none of them writes outside, none stops a good one later.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::aside::{Aside, look};
use super::assert_nothing_ran;
use super::forge::{Entry, FILE, FOLDER, Forge, LINK, PROGRAM, SUBMODULE};
use crate::sandbox::{Machine, Sandbox, assert_converged};

const HOSTILE: &[u8] = b"#!/bin/sh\ntouch \"$HOME/PWNED\"\n";

/// Every spelling of names that no tree may hold, or that mean something to Git.
const NAMES: [&[u8]; 46] = [
    b"..",
    b".",
    b"",
    b".git",
    b".GIT",
    b".Git",
    b".gIT",
    b".git.",
    b".git..",
    b".git ",
    b".git . .",
    b"git~1",
    b"GIT~1",
    b"Git~1.",
    b".git::$INDEX_ALLOCATION",
    b".git:x",
    b"git~1::$DATA",
    b".git\\config",
    b".git\\..\\x",
    b".g\xe2\x80\x8cit",
    b".gi\xe2\x80\x8dt",
    b".git\xe2\x80\x8e",
    b"\xe2\x80\x8f.git",
    b".\xe2\x80\xaagit",
    b".g\xe2\x80\xabit",
    b".gi\xe2\x80\xact",
    b".git\xe2\x80\xad",
    b"\xe2\x80\xae.git",
    b".\xe2\x81\xaagit",
    b".g\xe2\x81\xabit",
    b".gi\xe2\x81\xact",
    b".git\xe2\x81\xad",
    b"\xe2\x81\xae.git",
    b".\xe2\x81\xafgit",
    b".g\xef\xbb\xbfIT",
    b"a/b",
    b"../x",
    b"../../PWNED",
    b"/etc/PWNED",
    b"/PWNED",
    b"a/../../PWNED",
    b"a/.git/hooks/x",
    b"./PWNED",
    b"x/",
    b"//x",
    b"a//b",
];

/// Names that are odd, and wait for consent.
const ODD: [&[u8]; 10] = [
    b"a\nb",
    b"a\rb",
    b"\x1b[31m",
    b"\x1b]0;PWNED\x07",
    b"a\x08b",
    b"\x01",
    b"\x7f",
    b"\xc2\x9b31m",
    b"new\n.zshrc",
    b"tab\there",
];

/// Where links lead that leave the repository.
const OUTWARD: [&[u8]; 14] = [
    b"/",
    b"/etc/passwd",
    b"/tmp",
    b"..",
    b"../..",
    b"../../.ssh",
    b"../.zshrc",
    b"./../x",
    b"a/../../x",
    b"a/../../../../../../etc/passwd",
    b"zz-10",
    b"//etc",
    b".//..//x",
    b"up/../../x",
];

/// What is odd and harmless: Git carries a submodule along, and knows no mode but two.
const MAY_COME: [&str; 3] = ["a submodule", "setuid", "a padded mode"];

/// One tree, by its name.
type Case = (String, String);

fn listed(forge: &Forge<'_>, extra: Vec<Entry>) -> String {
    let mut entries = forge.top();
    entries.extend(extra);
    entries.sort_by_key(|(mode, name, _)| {
        let end: &[u8] = if *mode == FOLDER { b"/" } else { b"" };
        [&name[..], end].concat()
    });
    forge.tree(&entries)
}

/// Names in the top folder, below a folder and as one.
fn named(forge: &Forge<'_>, cases: &mut Vec<Case>) {
    let blob = forge.blob(HOSTILE);
    let inner = forge.tree(&[(FILE, b"config".to_vec(), blob.clone())]);
    for (number, name) in NAMES.iter().enumerate() {
        let shown = cfgsync_core::inert::shown(name);
        let entry = match number % 3 {
            0 => (FILE, name.to_vec(), blob.clone()),
            1 => (FOLDER, name.to_vec(), inner.clone()),
            _ => (LINK, name.to_vec(), blob.clone()),
        };
        cases.push((format!("{shown:?} at the top"), listed(forge, vec![entry.clone()])));
        let below = forge.tree(&[entry]);
        let folder = (FOLDER, b"zz".to_vec(), below);
        cases.push((format!("{shown:?} below"), listed(forge, vec![folder])));
    }
    for name in ODD {
        let entry = (PROGRAM, name.to_vec(), blob.clone());
        let shown = cfgsync_core::inert::shown(name);
        cases.push((format!("{shown:?}"), listed(forge, vec![entry])));
    }
    for (number, target) in OUTWARD.iter().enumerate() {
        let link = (LINK, format!("zz-{number}").into_bytes(), forge.blob(target));
        cases.push((
            format!("a link to {:?}", cfgsync_core::inert::shown(target)),
            listed(forge, vec![link]),
        ));
    }
}

/// Trees that no program of Git's writes, and twins.
fn shaped(forge: &Forge<'_>, cases: &mut Vec<Case>) {
    let blob = forge.blob(HOSTILE);
    let out = forge.blob(b"/tmp");
    let inner = forge.tree(&[(FILE, b"x".to_vec(), blob.clone())]);
    let file = |name: &[u8]| (FILE, name.to_vec(), blob.clone());
    let folder = |name: &[u8]| (FOLDER, name.to_vec(), inner.clone());
    let link = |name: &[u8]| (LINK, name.to_vec(), out.clone());
    let mut add = |name: &str, entries: Vec<Entry>| {
        let mut all = forge.top();
        all.extend(entries);
        cases.push((name.to_owned(), forge.tree(&all)));
    };
    add("twice the same", vec![file(b"zz"), file(b"zz")]);
    add("a link and a folder of one name", vec![link(b"zz"), folder(b"zz")]);
    add("the same, with a name between", vec![link(b"zz"), file(b"zz.x"), folder(b"zz")]);
    add("a folder before its link", vec![folder(b"zz"), link(b"zz")]);
    add("out of order", vec![file(b"zz"), file(b"aa")]);
    add("a folder out of order", vec![folder(b"zz"), file(b"zz.x")]);
    add("a mode of nothing", vec![("0", b"zz".to_vec(), blob.clone())]);
    add("a device", vec![("60644", b"zz".to_vec(), blob.clone())]);
    add("a socket", vec![("140644", b"zz".to_vec(), blob.clone())]);
    add("setuid", vec![("104755", b"zz".to_vec(), blob.clone())]);
    add("a padded mode", vec![("0100644", b"zz".to_vec(), blob.clone())]);
    add("a file that is a folder", vec![("40000", b"zz".to_vec(), blob.clone())]);
    add("a folder that is a file", vec![(FILE, b"zz".to_vec(), inner.clone())]);
    add("a submodule", vec![(SUBMODULE, b"zz".to_vec(), "1".repeat(40))]);
    add("nothing at all behind a name", vec![(FILE, b"zz".to_vec(), "2".repeat(40))]);
    add("the null object", vec![(FILE, b"zz".to_vec(), "0".repeat(40))]);
    add("a name that no disk takes", vec![file(&[b'z'; 300])]);
    let twins: [(&str, &str); 8] = [
        ("zz", "ZZ"),
        ("zz", "Zz"),
        ("z\u{e9}", "ze\u{301}"),
        ("z\u{df}", "zSS"),
        ("z\u{3c3}", "z\u{3c2}"),
        ("zz", "z\u{200c}z"),
        ("z\u{ac00}", "z\u{1100}\u{1161}"),
        ("z\u{212a}", "zk"),
    ];
    let twin = |one: &str, other: &str| {
        vec![
            (LINK, one.as_bytes().to_vec(), out.clone()),
            (FOLDER, other.as_bytes().to_vec(), inner.clone()),
        ]
    };
    for (one, other) in twins {
        let files = vec![file(one.as_bytes()), file(other.as_bytes())];
        cases.push((format!("{one} beside {other}"), listed(forge, files)));
        cases.push((format!("{other} below the link {one}"), listed(forge, twin(one, other))));
    }
    for name in [".gitmodules", ".gitattributes", ".gitignore", ".mailmap", ".GITATTRIBUTES"] {
        cases.push((format!("{name} as a link"), listed(forge, vec![link(name.as_bytes())])));
    }
}

/// Trees without an end, too deep, and large ones.
fn endless(forge: &Forge<'_>, cases: &mut Vec<Case>) {
    let mut bomb = forge.tree(&[(FILE, b"x".to_vec(), forge.blob(b"x"))]);
    for _ in 0..9 {
        let entries: Vec<Entry> =
            (0..10).map(|at| (FOLDER, format!("f{at}").into_bytes(), bomb.clone())).collect();
        bomb = forge.tree(&entries);
    }
    cases.push(("a bomb".to_owned(), listed(forge, vec![(FOLDER, b"zz".to_vec(), bomb)])));
    let mut deep = forge.tree(&[(FILE, b"x".to_vec(), forge.blob(b"x"))]);
    for _ in 0..300 {
        deep = forge.tree(&[(FOLDER, b"d".to_vec(), deep)]);
    }
    cases.push(("a well".to_owned(), listed(forge, vec![(FOLDER, b"zz".to_vec(), deep)])));
    let large = forge.blob(&vec![b'x'; 11 << 20]);
    cases.push(("a large file".to_owned(), listed(forge, vec![(FILE, b"zz".to_vec(), large)])));
}

/// Syncs with each tree, and sees that nothing of it arrives.
fn meet(
    sandbox: &Sandbox,
    ec2: &Machine,
    forge: &Forge<'_>,
    cases: &[Case],
    before: &BTreeMap<PathBuf, Vec<u8>>,
) {
    let aside = Aside::put(sandbox, ec2);
    for (name, tree) in cases {
        forge.push(tree);
        let output = ec2.run(&["sync"]);
        let may_come = MAY_COME.contains(&&**name);
        // Some are so broken that the server itself cannot send them.
        assert!(matches!(output.code, 1 | 4 | 5 | 9 | 10) || may_come, "{name}: {output:?}");
        let after = look(ec2);
        let is_fresh = |path: &&PathBuf| !before.contains_key(*path);
        let fresh: Vec<&PathBuf> = after.keys().filter(is_fresh).collect();
        let is_inside = fresh.iter().all(|path| path.starts_with(ec2.repo()));
        assert!(fresh.is_empty() || (may_come && is_inside), "{name} made {fresh:?}: {output:?}");
        assert!(before.iter().all(|(path, bytes)| after.get(path) == Some(bytes)), "{name}");
        assert_nothing_ran(ec2.home());
        aside.put_back(ec2);
    }
}

#[test]
fn a_hundred_and_fifty_hostile_trees_write_nothing_and_run_nothing() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("content\n");
    let forge = Forge::new(&sandbox);
    let mut cases = Vec::new();
    named(&forge, &mut cases);
    shaped(&forge, &mut cases);
    endless(&forge, &mut cases);
    assert!(cases.len() >= 150, "{}", cases.len());
    let before = look(&ec2);
    // Once as they are sent, which Git checks, and once where the objects are here already.
    meet(&sandbox, &ec2, &forge, &cases, &before);
    let objects = sandbox.remote().join("objects").display().to_string();
    ec2.write("@.git/objects/info/alternates", format!("{objects}\n"));
    meet(&sandbox, &ec2, &forge, &cases, &before);
    ec2.remove("@.git/objects/info/alternates");
    forge.withdraw();
    assert!(!Path::new("/etc/PWNED").exists() && !Path::new("/PWNED").exists());
    mac.append(".conf", "more\n");
    mac.sync();
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
}
