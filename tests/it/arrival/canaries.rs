//! Keys of a Git configuration that run something: set in every place that arrives, none of them does
//! by a sync's doing.

use super::aside::Aside;
use super::assert_nothing_ran;
use super::forge::{FILE, Forge, PROGRAM};
use crate::sandbox::{Machine, Sandbox, assert_converged};

/// Keys as `section`, `key`; each gets a canary for its value, whatever a row says of it.
const KEYS: [(&str, &str, &str); 44] = [
    ("core", "fsmonitor", "CANARY"),
    ("core", "hooksPath", "HOOKS"),
    ("core", "sshCommand", "CANARY"),
    ("core", "pager", "CANARY"),
    ("core", "editor", "CANARY"),
    ("core", "askPass", "CANARY"),
    ("core", "gitProxy", "CANARY"),
    ("core", "alternateRefsCommand", "CANARY"),
    ("alias", "fetch", "!CANARY"),
    ("alias", "push", "!CANARY"),
    ("alias", "ls-remote", "!CANARY"),
    ("pager", "fetch", "CANARY"),
    ("pager", "config", "CANARY"),
    ("diff", "external", "CANARY"),
    ("diff \"x\"", "command", "CANARY"),
    ("diff \"x\"", "textconv", "CANARY"),
    ("filter \"x\"", "clean", "CANARY"),
    ("filter \"x\"", "smudge", "CANARY"),
    ("filter \"x\"", "process", "CANARY"),
    ("merge \"x\"", "driver", "CANARY"),
    ("mergetool \"x\"", "cmd", "CANARY"),
    ("difftool \"x\"", "cmd", "CANARY"),
    ("gpg", "program", "CANARY"),
    ("gpg \"ssh\"", "program", "CANARY"),
    ("gpg \"ssh\"", "defaultKeyCommand", "CANARY"),
    ("commit", "gpgSign", "true"),
    ("credential", "helper", "!CANARY"),
    ("credential \"https://example.com\"", "helper", "!CANARY"),
    ("include", "path", "EVIL"),
    ("includeIf \"gitdir:~/\"", "path", "EVIL"),
    ("init", "templateDir", "TEMPLATE"),
    ("uploadpack", "packObjectsHook", "CANARY"),
    ("protocol \"ext\"", "allow", "always"),
    ("url \"ext::CANARY %S\"", "insteadOf", "REMOTE"),
    ("url \"ext::CANARY %S \"", "pushInsteadOf", "REMOTE"),
    ("remote \"origin\"", "uploadpack", "CANARY"),
    ("remote \"origin\"", "receivepack", "CANARY"),
    ("remote \"origin\"", "vcs", "x"),
    ("submodule \"x\"", "update", "!CANARY"),
    ("sequence", "editor", "CANARY"),
    ("interactive", "diffFilter", "CANARY"),
    ("trailer \"x\"", "command", "CANARY"),
    ("trace2", "eventTarget", "PWNED"),
    ("hook \"x\"", "command", "CANARY"),
];

const BASE: &str = "[user]\n\tname = me\n\temail = me@example.com\n";

/// Words of the table, as they are in this sandbox.
fn filled(sandbox: &Sandbox, text: &str) -> String {
    let place = |name: &str| sandbox.path(name).display().to_string();
    text.replace("CANARY", &place("canary"))
        .replace("HOOKS", &place("hooks"))
        .replace("EVIL", &place("evil"))
        .replace("TEMPLATE", &place("template"))
        .replace("REMOTE", &place("remote.git"))
        .replace("PWNED", &place("PWNED"))
}

/// Puts what the keys name where they find it.
fn lay_out(sandbox: &Sandbox) {
    let pwned = sandbox.path("PWNED").display().to_string();
    let script = format!("#!/bin/sh\ntouch '{pwned}'\nexit 1\n");
    let put = |name: &str, text: &str| {
        let path = sandbox.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
    };
    put("canary", &script);
    put(
        "evil",
        &format!(
            "[core]\n\tsshCommand = {0}\n\tfsmonitor = {0}\n",
            sandbox.path("canary").display()
        ),
    );
    for hook in ["pre-push", "post-checkout", "pre-commit", "reference-transaction", "post-merge"] {
        put(&format!("hooks/{hook}"), &script);
        put(&format!("template/hooks/{hook}"), &script);
    }
}

/// Everything a person does on an ordinary day.
#[track_caller]
fn a_day(sandbox: &Sandbox, machine: &Machine, what: &str) {
    let sync = machine.run(&["sync"]);
    assert!(matches!(sync.code, 0 | 4 | 9), "{what}: {sync:?}");
    machine.append(".conf", "from here\n");
    machine.write("@canary.txt", "from here\n");
    let commands: [&[&str]; 9] = [
        &["sync"],
        &["status"],
        &["diff"],
        &["history"],
        &["list"],
        &["doctor"],
        &["--yes", "sync", "--force-push"],
        &["undo", "--yes"],
        &["sync"],
    ];
    for arguments in commands {
        let output = machine.run(arguments);
        assert!(output.code < 100, "{what}: {output:?}");
        assert!(!sandbox.path("PWNED").exists(), "{what} ran in {arguments:?}");
    }
}

#[test]
fn forty_four_keys_that_run_something_do_not() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("content\n");
    lay_out(&sandbox);
    mac.write(".gitconfig", BASE);
    mac.run(&["mark", ".gitconfig"]).done();
    mac.write("@.gitattributes", "canary.txt filter=x diff=x merge=x\n");
    mac.sync();
    ec2.let_in(&[".gitconfig"]);
    let forge = Forge::new(&sandbox);
    let aside = Aside::put(&sandbox, &ec2);
    for (section, key, value) in KEYS {
        let what = format!("{section}.{key}");
        let text = filled(&sandbox, &format!("{BASE}[{section}]\n\t{key} = {value}\n"));
        forge.push(&forge.add(&[("external/.gitconfig", FILE, text.as_bytes())]));
        a_day(&sandbox, &ec2, &what);
        aside.put_back(&ec2);
    }
    forge.withdraw();
    mac.sync();
    ec2.sync();
    assert_converged(&[&mac, &ec2]);
}

#[test]
fn what_merely_lies_in_the_repository_means_nothing() {
    let sandbox = Sandbox::new();
    let (_mac, ec2) = sandbox.pair("content\n");
    lay_out(&sandbox);
    ec2.remove(".gitconfig");
    let forge = Forge::new(&sandbox);
    let keys =
        |(section, key, value): &(&str, &str, &str)| format!("[{section}]\n\t{key} = {value}\n");
    let all = filled(&sandbox, &KEYS.iter().map(keys).collect::<String>());
    let modules = "[submodule \"x\"]\n\tpath = x\n\turl = ext::CANARY\n\tupdate = !CANARY\n";
    let modules = filled(&sandbox, modules);
    let script = std::fs::read(sandbox.path("canary")).unwrap();
    let lfs = filled(
        &sandbox,
        "[lfs]\n\turl = ext::CANARY\n[lfs \"customtransfer.x\"]\n\tpath = CANARY\n",
    );
    forge.push(&forge.add(&[
        (".gitconfig", FILE, all.as_bytes()),
        ("config", FILE, all.as_bytes()),
        (".config/git/config", FILE, all.as_bytes()),
        ("external/.gitconfig", FILE, all.as_bytes()),
        ("external/.config/git/config", FILE, all.as_bytes()),
        (".sync/marked-files.txt", FILE, b".conf\n.gitconfig\n.config/git/config\n"),
        (".sync/config.toml", FILE, b"enabled = false\n"),
        (".sync/hooks/pre-push", PROGRAM, &script),
        (".gitattributes", FILE, b"canary.txt filter=x diff=x merge=x\n"),
        (".lfsconfig", FILE, lfs.as_bytes()),
        ("hooks/pre-push", PROGRAM, &script),
        ("hooks/post-checkout", PROGRAM, &script),
        (".githooks/pre-push", PROGRAM, &script),
        (".husky/pre-push", PROGRAM, &script),
        ("HEAD", FILE, b"ref: refs/heads/main\n"),
        ("objects/x", FILE, b"x\n"),
        ("refs/x", FILE, b"x\n"),
    ]));
    a_day(&sandbox, &ec2, "what lies in the repository");
    assert!(!ec2.exists(".gitconfig") && !ec2.exists(".config/git/config"));
    assert!(ec2.exists("@hooks/pre-push"), "it is a file as any other");
    // Git itself refuses such a file; a harmless one of its kind comes in, and no submodule with it.
    forge.push(&forge.add(&[(".gitmodules", FILE, modules.as_bytes())]));
    a_day(&sandbox, &ec2, "a submodule that updates by a command");
    assert_nothing_ran(&sandbox.path(""));
}

/// What a person set up for Git LFS and for hooks and commands, and what the remote then brings there.
#[test]
fn what_lies_where_git_works_is_neither_a_hook_nor_a_command() {
    for (way, hooks) in
        [("hooks", ".hooks"), ("home", "~/configs/.hooks"), ("link", ""), ("path", "")]
    {
        let sandbox = Sandbox::new();
        let (_mac, ec2) = sandbox.pair("content\n");
        lay_out(&sandbox);
        for (key, value) in
            [("process", "git-lfs x"), ("clean", "git-lfs x"), ("smudge", "git-lfs x")]
        {
            ec2.git(&["config", "--global", &format!("filter.lfs.{key}"), value]);
        }
        if !hooks.is_empty() {
            ec2.git(&["config", "--global", "core.hooksPath", hooks]);
        }
        if way == "link" {
            ec2.link("@.git/hooks/pre-push", ec2.path("@.hooks/pre-push"));
        }
        let script = std::fs::read(sandbox.path("canary")).unwrap();
        let forge = Forge::new(&sandbox);
        let mut files = vec![
            (".gitattributes", FILE, &b"*.large filter=lfs\n"[..]),
            (".hooks/pre-push", PROGRAM, &script),
            (".hooks/reference-transaction", PROGRAM, &script),
            ("git-lfs", PROGRAM, &script),
        ];
        files.extend((way == "path").then_some(("a.large", FILE, &b"a\n"[..])));
        forge.push(&forge.add(&files));
        for round in ["one\n", "two\n"] {
            let mut command = ec2.command(env!("CARGO_BIN_EXE_cfgsync"));
            let path = std::env::var("PATH").unwrap();
            let _ = command.env("PATH", format!("{path}:")).arg("sync").output().unwrap();
            ec2.write(".conf", round);
        }
        let output = ec2.run(&["sync"]);
        assert_nothing_ran(&sandbox.path(""));
        if way != "path" {
            let output = output.says(&["Git LFS", "comes from the remote", "core.hooksPath"]);
            assert_eq!(output.code, 9, "{way}: {output:?}");
        }
    }
}
