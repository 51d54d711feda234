//! Attributes of upstream that a person overrules here: what they cover does not leave in the clear.

use super::{ATTRIBUTES_OF_USER, ROT, holding, letting_in_attributes, set_up};
use crate::sandbox::Sandbox;

#[test]
fn no_force_sends_in_the_clear_what_attributes_of_upstream_cover() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    let rules = "*.key filter=rot\n";
    mac.write("@.gitattributes", rules);
    mac.sync();
    let words = "plain words that nobody may read";
    ec2.write("@new.key", words);
    ec2.write("@other", "other\n");
    let said = [".gitattributes", "the clear: new.key", "new.key: a .gitattributes waits"];
    let _ = ec2.run(&["sync", "--force-push", "--dry-run"]).code(3).says(&said);
    let force = ["sync", "--force-push", "--yes"];
    let _ = ec2.run(&force).code(4).says(&said).says(&["cfgsync sync", "--theirs"]);
    assert_eq!(sandbox.git(&["show", "main:other"]), "other\n", "the rest goes on");
    let _ = ec2.run(&force).code(4).says(&said[..2]).says(&["nothing to force"]);
    assert_eq!(sandbox.git(&["show", "main:.gitattributes"]), rules);
    let _ = ec2.run(&["sync"]).code(4).says(&["new.key", "not set up"]);
    assert_eq!(ec2.read("@.gitattributes"), rules);
    assert_eq!(holding(&sandbox, words), Vec::<String>::new());
    set_up(&ec2, [ROT, ROT]);
    ec2.sync();
    assert_eq!(holding(&sandbox, words), Vec::<String>::new());
    assert!(sandbox.git(&["show", "main:new.key"]).starts_with("cynva jbeqf"));
}

#[test]
fn no_choice_sends_in_the_clear_what_attributes_of_upstream_cover() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    mac.write("@.gitattributes", "*.key filter=crypt\n");
    mac.sync();
    let words = "plain words that nobody may read";
    ec2.write("@.gitattributes", "*.key text\n");
    ec2.write("@new.key", words);
    let _ = ec2.run(&["sync"]).code(4).says(&[".gitattributes"]);
    let ours = ["resolve", "configs/.gitattributes", "--ours"];
    let _ = ec2.run(&[&ours[..], &["--dry-run"]].concat()).code(4).says(&["the clear: new.key"]);
    for arguments in [&ours[..], &["sync", "--force-push", "--yes"], &["sync"]] {
        let _ = ec2.run(arguments).code(4).says(&[".gitattributes", "new.key"]);
        assert_eq!(holding(&sandbox, words), Vec::<String>::new(), "{arguments:?}");
        assert!(sandbox.git(&["show", "main:.gitattributes"]).contains("filter"), "{arguments:?}");
    }
    // What a filter would not cover lets the choice be.
    ec2.remove("@new.key");
    ec2.run(&ours).done();
    assert_eq!(sandbox.git(&["show", "main:.gitattributes"]), "*.key text\n");
}

#[test]
fn a_macro_that_another_file_defines_covers_what_was_not_sent_yet() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    mac.write("@.gitattributes", "[attr]secret filter=crypt\n");
    mac.sync();
    ec2.sync();
    let words = "plain words that nobody may read";
    ec2.write("@deep/new.key", words);
    mac.write("@deep/.gitattributes", "*.key secret\n");
    mac.sync();
    let _ = ec2.run(&["sync"]).code(4).says(&["deep/new.key", "filter"]);
    assert_eq!(holding(&sandbox, words), Vec::<String>::new());
}

#[test]
fn no_force_takes_away_attributes_of_a_user_that_cover_a_file_here() {
    let sandbox = Sandbox::new();
    let (mac, ec2) = sandbox.pair("one\n");
    let own = ATTRIBUTES_OF_USER;
    mac.write(own, "*.key filter=crypt\n");
    mac.run(&["mark", own]).done();
    mac.sync();
    let words = "plain words that nobody may read";
    ec2.write("@new.key", words);
    for arguments in [&["sync"][..], &["sync", "--force-push", "--yes"], &["sync"], &["sync"]] {
        let _ = ec2.run(arguments).code(4).says(&["~/.config/git/attributes", "new.key"]);
        assert_eq!(holding(&sandbox, words), Vec::<String>::new(), "{arguments:?}");
    }
    assert!(!ec2.exists(own), "no force is consent");
    let _ = ec2.run(&["resolve", own, "--theirs"]).code(4).says(&["new.key"]);
    let _ = ec2.run(&["sync"]).code(4).says(&["new.key", "not set up"]);
    assert_eq!(holding(&sandbox, words), Vec::<String>::new());
    mac.sync();
    assert_eq!(mac.read(own), ec2.read(own));
}

#[test]
fn attributes_of_a_user_that_are_new_count_from_the_next_sync_on() {
    let (sandbox, mac, ec2) = letting_in_attributes();
    let own = ATTRIBUTES_OF_USER;
    mac.run(&["unmark", own]).done();
    mac.sync();
    ec2.sync();
    ec2.remove(own);
    ec2.sync();
    mac.write(own, "*.key filter=crypt\n");
    mac.run(&["mark", own]).done();
    mac.sync();
    let words = "plain words that nobody may read";
    ec2.write("@new.key", words);
    let _ = ec2.run(&["sync"]).code(4).says(&["attributes", "new.key"]);
    assert_eq!(ec2.read(own), mac.read(own));
    let _ = ec2.run(&["sync"]).code(4).says(&["new.key", "not set up"]);
    assert_eq!(holding(&sandbox, words), Vec::<String>::new());
}
