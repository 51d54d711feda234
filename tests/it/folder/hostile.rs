//! What somebody forged in a remote that is a folder: whatever Git's own check of objects refuses does not come
//! in by the short way either.

use crate::arrival::aside::Aside;
use crate::arrival::forge::{Entry, FILE, FOLDER, Forge, LINK};
use crate::sandbox::{Machine, Sandbox};

/// A folder as Git wrote it in its first days, and as it has not for long.
const PADDED: &str = "040000";

fn entry(mode: &'static str, name: impl AsRef<[u8]>, id: &str) -> Entry {
    (mode, name.as_ref().to_vec(), id.to_owned())
}

/// Sorts a folder as Git does.
fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_key(|(mode, name, _)| {
        [&name[..], if mode.ends_with(FOLDER) { &b"/"[..] } else { b"" }].concat()
    });
    entries
}

/// Makes this the branch, and returns whether it comes in.
#[track_caller]
fn comes_in(machine: &Machine, before: &Aside, forge: &Forge<'_>, top: Vec<Entry>) -> bool {
    let known = machine.git(&["rev-parse", "refs/cfgsync/upstream"]);
    forge.push(&forge.tree(&sorted(top)));
    let output = machine.run(&["sync"]);
    let has_come =
        output.code == 0 || machine.git(&["rev-parse", "refs/cfgsync/upstream"]) != known;
    forge.withdraw();
    before.put_back(machine);
    has_come
}

#[test]
fn what_git_refuses_does_not_come_in_by_the_short_way() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("1\n");
    mac.write("@a", "a\n");
    mac.write("@folder/b", "b\n");
    mac.sync();
    ec2.sync();
    let forge = Forge::new(&sandbox);
    let top = forge.top();
    let id =
        |name: &str| top.iter().find(|(_, known, _)| known == name.as_bytes()).unwrap().2.clone();
    let but = |name: &str, put: Entry| {
        let mut others = top.clone();
        others.retain(|(_, known, _)| known != name.as_bytes());
        [others, vec![put]].concat()
    };
    let blob = forge.blob(b"new\n");
    let mut all = vec![
        ("padded".to_owned(), but("folder", entry(PADDED, "folder", &id("folder")))),
        ("a file as folder".to_owned(), but("a", entry(FOLDER, "a", &id("a")))),
        ("a folder as file".to_owned(), but("folder", entry(FILE, "folder", &id("folder")))),
        (
            "a new file as folder".to_owned(),
            [top.clone(), vec![entry(FILE, "n", &blob), entry(FOLDER, "o", &blob)]].concat(),
        ),
    ];
    for name in ["x\\.git", "x\\.git\\config", &"n".repeat(5000)] {
        all.push((name.to_owned(), but("x", entry(FILE, name, &blob))));
    }
    let modules = forge.blob(b"[submodule \"x\"]\n\tpath = -x\n\turl = -u\n");
    for name in [".gitmodules", ".g\u{200c}itmodules", "gitmod~1", "GI7EBA~1", ".GITMODULES"] {
        all.push((name.to_owned(), but("x", entry(FILE, name, &modules))));
        all.push((format!("{name} as a link"), but("x", entry(LINK, name, &modules))));
    }
    let attributes = forge.blob(&[&[b'x'; 3000][..], b" text\n"].concat());
    for name in [".gitattributes", ".gitattr\u{200c}ibutes", "GITATT~1", "gi7d29~1"] {
        all.push((name.to_owned(), but("x", entry(FILE, name, &attributes))));
    }
    let before = Aside::put(&sandbox, &ec2);
    let came: Vec<String> = all
        .into_iter()
        .filter_map(|(what, top)| comes_in(&ec2, &before, &forge, top).then_some(what))
        .collect();
    assert!(came.is_empty(), "{came:#?}");
}
