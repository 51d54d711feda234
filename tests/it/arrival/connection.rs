//! Configuration that is whole and leads nowhere: it is tried before it is applied, with a real server
//! of ssh, and held where there would be no connection any more.

use crate::login::Server;
use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

/// Two machines that share files of ssh; the second reaches the remote by ssh, with its own command.
fn shared(sandbox: &Sandbox) -> (Machine, Machine, Server) {
    let (mac, ec2) = sandbox.pair("content\n");
    mac.write(".ssh/config", "Host one\n  User me\n");
    mac.write(".ssh/known_hosts", "");
    mac.run(&["mark", ".ssh/config", ".ssh/known_hosts"]).done();
    mac.sync();
    ec2.let_in(&[".ssh/config"]);
    let server = Server::start(sandbox);
    server.serve(&ec2, "");
    let at = server.folder.display();
    let options = format!(
        "-i {at}/user -oStrictHostKeyChecking=no -oIdentitiesOnly=yes -oUserKnownHostsFile={at}/known"
    );
    let _ = ec2.git(&["config", "core.sshCommand", &format!("ssh {options}")]);
    (mac, ec2, server)
}

#[test]
fn a_configuration_without_a_connection_is_held_and_mended_by_itself() {
    let sandbox = Sandbox::new();
    let (mac, ec2, _server) = shared(&sandbox);
    let before = ec2.read(".ssh/config");
    mac.append(".ssh/config", "Host *\n  BindAddress 192.0.2.1\n");
    mac.write(".conf", "more\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["~/.ssh/config", "no connection with it"]);
    assert_eq!(ec2.read(".ssh/config"), before);
    assert_eq!(ec2.read(".conf"), "more\n");
    let status = ec2.run(&["status", "--json"]).code(0).stdout;
    assert!(status.contains("\"doubt\": \"broken\""), "{status}");
    ec2.append(".conf", "from here\n");
    let _ = ec2.run(&["sync"]).code(4);
    assert_eq!(sandbox.git(&["show", "main:external/.conf"]), "more\nfrom here\n");
    mac.write(".ssh/config", format!("{before}Host two\n  User me\n"));
    mac.sync();
    ec2.sync();
    assert_eq!(ec2.read(".ssh/config"), mac.read(".ssh/config"));
    mac.sync();
    assert!(!ec2.state().join("refused").exists());
    assert_converged(&[&mac, &ec2]);
    assert_clean(&sandbox, &[&mac, &ec2]);
}

#[test]
fn known_hosts_that_know_another_key_are_held() {
    let sandbox = Sandbox::new();
    let (mac, ec2, server) = shared(&sandbox);
    let at = server.folder.display();
    let client = format!(
        "Host *\n  IdentityFile {at}/user\n  IdentitiesOnly yes\n  StrictHostKeyChecking accept-new\n  \
         UserKnownHostsFile {at}/known\n"
    );
    std::fs::write(server.folder.join("client"), client).unwrap();
    let _ = ec2.git(&["config", "core.sshCommand", &format!("ssh -F {at}/client")]);
    let key = std::fs::read_to_string(server.folder.join("user.pub")).unwrap();
    let url = ec2.git(&["remote", "get-url", "origin"]);
    let port = url.rsplit_once("127.0.0.1:").unwrap().1.split('/').next().unwrap();
    mac.write(".ssh/known_hosts", format!("[127.0.0.1]:{port} {key}"));
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["~/.ssh/known_hosts", "no connection with it"]);
    assert_eq!(ec2.read(".ssh/known_hosts"), "");
    ec2.run(&["resolve", "--theirs", ".ssh/known_hosts"]).done();
    assert!(ec2.read(".ssh/known_hosts").starts_with('['));
}
