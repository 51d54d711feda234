//! Nobody is locked out by what a sync brings: broken configuration of git, ssh and zsh is held with
//! the program's own message, and the next shell and the next sync work.

use crate::arrival::assert_nothing_ran;
use crate::arrival::forge::{FILE, Forge};
use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

const GIT: &str = "[user]\n\tname = me\n\temail = me@example.com\n";
const SSH: &str = "Host one\n  User me\n";
const ZSH: &str = "if true; then\n  export ONE=1\nfi\n";
const FILES: [(&str, &str); 3] = [(".gitconfig", GIT), (".ssh/config", SSH), (".zshrc", ZSH)];

/// Two machines that share the three files and `.conf`, and consented to that.
fn shared() -> (Sandbox, Machine, Machine) {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("content\n");
    for (name, content) in FILES {
        mac.write(name, content);
        mac.run(&["mark", name]).done();
    }
    mac.sync();
    ec2.let_in(&FILES.map(|(name, _)| name));
    assert_eq!(ec2.read(".gitconfig"), GIT);
    (sandbox, mac, ec2)
}

/// Asserts that every program starts with what this machine has.
#[track_caller]
fn assert_works(machine: &Machine) {
    let run = |program: &str, arguments: &[&str]| {
        let output = machine.command(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run("git", &["config", "--global", "user.name"]), "me\n");
    let config = machine.path(".ssh/config").display().to_string();
    assert!(run("ssh", &["-F", &config, "-G", "one"]).contains("user me"));
    assert_eq!(run("zsh", &["-i", "-c", "print $ONE"]), "1\n");
}

#[test]
fn broken_configuration_is_held_and_everything_else_arrives() {
    let (sandbox, mac, ec2) = shared();
    mac.append(".gitconfig", "[broken\n");
    mac.append(".ssh/config", "  Prot 22\n");
    mac.append(".zshrc", "if true; then\n");
    mac.write(".conf", "more\n");
    // Its own Git configuration is broken too by now, and it syncs all the same.
    let _ = mac.run(&["sync"]).code(0).says(&["your Git configuration is broken", ".gitconfig"]);
    let held = ec2.run(&["sync"]).code(4);
    let _ = held.says(&[
        "~/.gitconfig: upstream's version is broken",
        "bad config line 4 in file ~/.gitconfig",
        "~/.ssh/config: line 3: Bad configuration option: prot",
        "~/.zshrc:",
        "parse error near",
        "resolve PATH --theirs",
    ]);
    for (name, content) in FILES {
        assert_eq!(ec2.read(name), content, "{name}");
        ec2.assert_linked(name);
    }
    assert_eq!(ec2.read(".conf"), "more\n");
    assert_works(&ec2);
    let _ = ec2.run(&["sync"]).code(4);
    let status = ec2.run(&["status", "--json"]).code(0).stdout;
    assert_eq!(status.matches("\"doubt\": \"broken\"").count(), 3, "{status}");
    // What this machine changes elsewhere still goes out, and what is mended comes in by itself.
    ec2.append(".conf", "from here\n");
    let _ = ec2.run(&["sync"]).code(4);
    for (name, content) in FILES {
        mac.write(name, format!("{content}# mended\n"));
    }
    mac.sync();
    assert_eq!(mac.read(".conf"), "more\nfrom here\n");
    ec2.sync();
    assert_eq!(ec2.read(".zshrc"), format!("{ZSH}# mended\n"));
    assert_works(&ec2);
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn a_value_that_git_dies_of_is_broken_too() {
    let (_sandbox, mac, ec2) = shared();
    mac.append(".gitconfig", "[core]\n\tcompression = lots\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["bad numeric config value 'lots'"]);
    assert_works(&ec2);
}

#[test]
fn a_value_that_git_packs_nothing_with_is_broken_too() {
    let (sandbox, _mac, ec2) = shared();
    for (key, said) in [("windowMemory = lots", "'pack.windowmemory'"), ("threads = -4", "-4")] {
        let content = format!("{GIT}[pack]\n\t{key}\n");
        let forge = Forge::new(&sandbox);
        forge.push(&forge.add(&[("external/.gitconfig", FILE, content.as_bytes())]));
        let _ = ec2.run(&["sync"]).code(4).says(&["is broken", said]);
        assert_eq!(ec2.read(".gitconfig"), GIT);
    }
}

#[test]
fn an_edit_of_both_that_breaks_together_is_held() {
    let (_sandbox, mac, ec2) = shared();
    mac.write(".zshrc", format!("# top\n{ZSH}"));
    mac.sync();
    ec2.write(".zshrc", format!("{ZSH}# bottom\n"));
    ec2.sync();
    mac.sync();
    assert_eq!(mac.read(".zshrc"), format!("# top\n{ZSH}# bottom\n"));
}

#[test]
fn a_person_may_take_what_is_broken() {
    let (_sandbox, mac, ec2) = shared();
    mac.append(".zshrc", "if true; then\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4);
    ec2.run(&["resolve", ".zshrc", "--theirs"]).done();
    assert!(ec2.read(".zshrc").ends_with("if true; then\n"));
    // What is here is as broken as what comes, so nothing is gained by holding it.
    mac.append(".zshrc", "while\n");
    mac.sync();
    ec2.sync();
}

#[test]
fn programs_that_a_sync_would_run_wait_and_others_flow() {
    let (sandbox, mac, ec2) = shared();
    mac.append(".gitconfig", "[alias]\n\tst = status\n[core]\n\tpager = less\n");
    mac.append(".ssh/config", "Host two\n  User you\n");
    mac.sync();
    ec2.sync();
    assert!(ec2.read(".gitconfig").contains("st = status"));
    let canary = |name: &str| format!("touch {}", sandbox.path(name).display());
    mac.append(".gitconfig", &format!("[core]\n\tsshCommand = {}\n", canary("PWNED")));
    mac.append(".ssh/config", &format!("Match exec \"{}\"\n  Port 22\n", canary("PWNED")));
    mac.sync();
    let held = ec2.run(&["sync"]).code(4);
    let _ = held.says(&["names a program", "core.sshcommand=touch", "Match exec"]);
    assert!(!ec2.read(".gitconfig").contains("sshCommand"));
    assert_nothing_ran(&sandbox.path(""));
    ec2.run(&["resolve", "--theirs", ".gitconfig", ".ssh/config"]).done();
    assert!(ec2.read(".gitconfig").contains("sshCommand"));
}

#[test]
fn a_program_is_found_below_a_filter_too() {
    let (sandbox, mac, ec2) = shared();
    for (machine, side) in [(&mac, "clean"), (&mac, "smudge"), (&ec2, "clean"), (&ec2, "smudge")] {
        let _ = machine.git(&["config", &format!("filter.none.{side}"), "cat"]);
    }
    mac.write("@.gitattributes", "external/.gitconfig filter=none\n");
    mac.sync();
    ec2.sync();
    mac.append(".gitconfig", "[alias]\n\tst = status\n");
    mac.sync();
    ec2.sync();
    assert!(ec2.read(".gitconfig").contains("st = status"));
    let canary = format!("touch {}", sandbox.path("PWNED").display());
    mac.append(".gitconfig", &format!("[core]\n\tsshCommand = {canary}\n"));
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["names a program", "core.sshcommand=touch"]);
    assert!(!ec2.read(".gitconfig").contains("sshCommand"));
    assert_nothing_ran(&sandbox.path(""));
}

#[test]
fn a_program_is_found_however_its_line_is_hidden() {
    let (sandbox, mac, ec2) = shared();
    let canary = format!("touch {}", sandbox.path("PWNED").display());
    let git = [
        format!("{GIT}\tx = y # c \\\n[core]\n\tsshCommand = {canary}\n"),
        format!("\u{feff}[core]\n\tsshCommand = {canary}\n{GIT}"),
    ];
    let ssh =
        [format!("=ProxyCommand {canary}\n{SSH}"), format!("\"\" ProxyCommand {canary}\n{SSH}")];
    for (git, ssh) in git.iter().zip(&ssh) {
        mac.write(".gitconfig", git);
        mac.write(".ssh/config", ssh);
        mac.sync();
        let held = ec2.run(&["sync"]).code(4);
        let _ = held.says(&["core.sshcommand=touch", "ProxyCommand touch"]);
        assert_eq!((ec2.read(".gitconfig"), ec2.read(".ssh/config")), (GIT.into(), SSH.into()));
    }
    assert_nothing_ran(&sandbox.path(""));
}

#[test]
fn another_place_to_send_data_to_waits_until_it_is_let_in() {
    let (_sandbox, mac, ec2) = shared();
    mac.append(".gitconfig", "[remote \"work\"]\n\tpushurl = https://example.com/x\n");
    mac.append(".ssh/config", "Host *\n  ForwardAgent yes\n");
    mac.sync();
    let held = ec2.run(&["sync"]).code(4);
    let _ = held.says(&["remote.work.pushurl=https", "ForwardAgent yes (in Host *)"]);
    assert_eq!((ec2.read(".gitconfig"), ec2.read(".ssh/config")), (GIT.into(), SSH.into()));
    ec2.run(&["resolve", "--theirs", ".gitconfig", ".ssh/config"]).done();
    assert!(ec2.read(".ssh/config").ends_with("ForwardAgent yes\n"));
    mac.append(".ssh/config", "  User you\n");
    mac.append(".gitconfig", "[http \"https://example.com\"]\n\tsslVerify = false\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["http.https://example.com.sslverify=false"]);
    assert!(ec2.read(".ssh/config").ends_with("User you\n"));
}

#[test]
fn consent_at_setup_is_none_for_what_is_broken() {
    let (sandbox, mac, _ec2) = shared();
    mac.append(".zshrc", "if true; then\n");
    mac.append(".ssh/config", "  Prot 22\n");
    mac.sync();
    let fresh = sandbox.machine("ec2-fresh");
    let setup = fresh.run(&["--yes", "setup", fresh.url()]).code(4);
    let _ = setup.says(&["careful  2 files", "~/.zshrc: upstream's version is broken"]);
    for _ in 0..2 {
        assert!(!fresh.exists(".zshrc") && !fresh.exists(".ssh/config"));
        let _ = fresh.run(&["sync"]).code(4).says(&["parse error near", "option: prot"]);
    }
    // Another version that is broken waits as well, and one that is mended needs no more consent.
    mac.append(".zshrc", "while\n");
    mac.write(".ssh/config", SSH);
    mac.sync();
    let _ = fresh.run(&["sync"]).code(4).says(&["parse error near"]);
    assert_eq!(fresh.read(".ssh/config"), SSH);
    assert!(!fresh.exists(".zshrc"));
}

#[test]
fn taking_all_that_differs_takes_nothing_that_is_broken() {
    let (sandbox, mac, _ec2) = shared();
    mac.append(".zshrc", "if true; then\n");
    mac.append(".ssh/config", "Host two\n");
    mac.sync();
    let fresh = sandbox.machine("ec2-fresh");
    fresh.write(".zshrc", "# mine\n");
    fresh.write(".ssh/config", "# mine\n");
    let way = ["--yes", "setup", "--differs", "theirs", fresh.url()];
    let told = fresh.run(&[&way[..], &["--dry-run"]].concat()).says(&["parse error near"]);
    assert!(told.stdout.contains("~/.ssh/config"), "{told:#?}");
    let _ = fresh.run(&way).code(4).says(&["~/.zshrc", "parse error near"]);
    assert_eq!(fresh.read(".zshrc"), "# mine\n");
    assert_eq!(fresh.read(".ssh/config"), mac.read(".ssh/config"));
    fresh.run(&["resolve", "--theirs", ".zshrc"]).done();
    assert_eq!(fresh.read(".zshrc"), mac.read(".zshrc"));
}

#[test]
fn a_program_waits_where_this_machines_file_is_broken_too() {
    let (sandbox, mac, ec2) = shared();
    mac.append(".ssh/config", "  Prot 22\n");
    mac.sync();
    ec2.let_in(&[".ssh/config"]);
    let canary = format!("  ProxyCommand touch {}\n", sandbox.path("PWNED").display());
    mac.append(".ssh/config", &canary);
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["names a program", "ProxyCommand touch"]);
}

#[test]
fn a_repository_file_that_a_link_of_the_users_leads_to_is_looked_at_too() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("content\n");
    mac.write("@dot/zshrc", ZSH);
    mac.sync();
    ec2.sync();
    ec2.link(".zshrc", ec2.path("@dot/zshrc"));
    mac.append("@dot/zshrc", "if true; then\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["dot/zshrc", "parse error"]);
    assert_eq!(ec2.read(".zshrc"), ZSH);
}

#[test]
fn without_the_program_nothing_is_held() {
    let (sandbox, mac, ec2) = shared();
    let programs = sandbox.path("programs");
    std::fs::create_dir(&programs).unwrap();
    for name in ["git", "sh"] {
        let found = mac.command("sh").args(["-c", &format!("command -v {name}")]).output().unwrap();
        let target = String::from_utf8(found.stdout).unwrap();
        std::os::unix::fs::symlink(target.trim(), programs.join(name)).unwrap();
    }
    mac.append(".zshrc", "if true; then\n");
    mac.sync();
    let mut command = ec2.command(env!("CARGO_BIN_EXE_cfgsync"));
    let output = command.env("PATH", &programs).arg("sync").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(ec2.read(".zshrc").ends_with("then\n"));
}
