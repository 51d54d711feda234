//! Hostile manifests: none of them makes a sync write, read or publish what no mark may mean.

use std::fs;

use super::aside::{Aside, look};
use super::assert_nothing_ran;
use super::forge::{FILE, Forge};
use crate::sandbox::{Sandbox, assert_converged};

const HOSTILE: &[u8] = b"#!/bin/sh\ntouch \"$HOME/PWNED\"\n";

/// Manifests, one a row; `STATE` and `REPO` are the machine's own folders, below its home.
const MANIFESTS: [&[u8]; 56] = [
    b"../x\n",
    b"../../etc/passwd\n",
    b"/etc/passwd\n",
    b"//etc/passwd\n",
    b"~/../x\n",
    b"~root/x\n",
    b"~/\n",
    b"~\n",
    b"/\n",
    b".\n",
    b"./\n",
    b"..\n",
    b"a/../../b\n",
    b"a//b\n",
    b"a/./b\n",
    b".git/hooks/post-checkout\n",
    b"REPO/.git/hooks/post-checkout\n",
    b"REPO/.git/\n",
    b"REPO/\n",
    b"REPO\n",
    b"REPO/external/\n",
    b"REPO/.sync/\n",
    b"REPO/sync.sh\n",
    b"STATE/\n",
    b"STATE/consented\n",
    b"STATE/secrets.key\n",
    b"STATE/vault/\n",
    b"STATE/lock\n",
    b".local/state/\n",
    b".local/state/cfgsync/\n",
    b".local/\n",
    b".config/cfgsync/config.toml\n",
    b".conf mode=4777\n",
    b".conf mode=0000\n",
    b".conf mode=99999\n",
    b".conf mode=-1\n",
    b".conf link=../../x\n",
    b".conf link=$(touch$IFS\"PWNED\")\n",
    b".conf large=yes large=no =x x\n",
    b".conf =\n",
    b".conf\x00.zshenv\n",
    b"a\\0b\n",
    b"\\x00\n",
    b"\\xZZ\n",
    b"\\\n",
    b"a\\",
    b"\xff\xfe\n",
    b"\xef\xbb\xbf.conf\n",
    b"$HOME/.zshenv\n",
    b"$(touch PWNED)\n",
    b"`touch PWNED`\n",
    b"--yes\n-rf /\n",
    b"\x1b]0;PWNED\x07\x1b[2J\n",
    b"# cfgsync manifest v4294967295\nx\n",
    b"# cfgsync manifest v99999999999999999999\n.zshenv\n",
    b".conf\n.conf/\n.conf/x\n",
];

fn replaced(text: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut text = text.to_vec();
    while let Some(at) = text.windows(from.len()).position(|part| part == from.as_bytes()) {
        text.splice(at..at + from.len(), to.bytes());
    }
    text
}

#[test]
fn fifty_six_hostile_manifests_mean_nothing() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("content\n");
    let state = ec2.state().strip_prefix(ec2.home()).unwrap().display().to_string();
    let forge = Forge::new(&sandbox);
    // Files that would come to those places, where a path allows it.
    let planted = [
        format!("external/{state}/consented"),
        format!("external/{state}/planted"),
        "external/.local/state/planted".to_owned(),
        "external/configs/sync.sh".to_owned(),
        "external/configs/planted".to_owned(),
        "external/configs/.sync/config.toml".to_owned(),
        "external/.config/cfgsync/config.toml".to_owned(),
        "external/.zshenv".to_owned(),
    ];
    let aside = Aside::put(&sandbox, &ec2);
    let before = look(&ec2);
    for manifest in MANIFESTS {
        let text = replaced(&replaced(manifest, "STATE", &state), "REPO", "configs");
        let shown = cfgsync_core::inert::shown(&text);
        let mut files: Vec<(&str, &'static str, &[u8])> =
            planted.iter().map(|path| (&**path, FILE, HOSTILE)).collect();
        files.push((".sync/marked-files.txt", FILE, &text));
        forge.push(&forge.add(&files));
        for _ in 0..2 {
            let output = ec2.run(&["sync"]);
            assert!(matches!(output.code, 0 | 4 | 9 | 10), "{shown}: {output:?}");
        }
        let after = look(&ec2);
        let fresh = after.keys().filter(|path| !before.contains_key(*path));
        let stored = ec2.path("@external");
        let is_stored = |path: &&std::path::PathBuf| path.starts_with(&stored);
        let mark = ec2.path(".local/state/planted");
        let strays: Vec<_> = fresh.filter(|path| !is_stored(path) && **path != mark).collect();
        assert!(strays.is_empty(), "{shown} made {strays:?}");
        for (path, bytes) in &before {
            // An unmark leaves a plain file with the same bytes.
            let is_conf = path.ends_with(".conf");
            assert!(is_conf || after.get(path) == Some(bytes), "{shown}: {}", path.display());
        }
        assert_eq!(ec2.read(".conf"), "content\n", "{shown}");
        assert_eq!(ec2.mode(".conf") & 0o7077, 0o044, "{shown}");
        assert!(!ec2.exists(".zshenv"), "{shown}");
        let own = fs::read(ec2.state().join("lock")).unwrap_or_default();
        assert_ne!(own, HOSTILE, "{shown}");
        assert!(fs::read(ec2.state().join("consented")).is_err(), "{shown}");
        let listed = sandbox.git(&["ls-tree", "-r", "--name-only", "main"]);
        let leaked = ["secrets.key", "vault", "running", "machine-id", "HEAD"];
        assert!(!leaked.iter().any(|name| listed.contains(name)), "{shown}: {listed}");
        assert_nothing_ran(ec2.home());
        aside.put_back(&ec2);
    }
    forge.withdraw();
    drop(aside);
    mac.append(".conf", "more\n");
    mac.sync();
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
}
