//! The commands under test, each with the state it starts from. One row a command.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::place::Place;

/// What a run that was hurt may come to, once `cfgsync sync` ran undisturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Healing {
    /// What the command and a sync come to.
    Done,
    /// The same, after the command itself was given once more.
    Again,
    /// The same, or what a sync without the command comes to, file by file: a person's word that
    /// was interrupted may have been heard or not.
    DoneOrNot,
}

/// One command under test.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What `cfgsync` is told; `URL` is the remote.
    pub command: &'static [&'static str],
    /// The exit codes it may have when nothing goes wrong.
    pub codes: &'static [i32],
    /// What may have become of it.
    pub healing: Healing,
    /// Makes the state it starts from.
    pub prepare: fn(&Place),
    /// Ends what lasts only as long as the command, such as a lost network.
    pub settle: fn(&Place),
}

/// Every command under test. A command that is new to cfgsync gets a row here.
pub const SCENARIOS: &[Scenario] = &[
    scenario("setup-first", &["--yes", "setup", "URL"], &[0], Healing::Again, setup_first),
    scenario("setup-fresh", &["--yes", "setup", "URL"], &[0], Healing::Again, setup_fresh),
    scenario("setup-present", &["--yes", "setup", "URL"], &[0, 4], Healing::Again, setup_present),
    scenario("mark-file", &["mark", ".vimrc"], &[0], Healing::DoneOrNot, mark_file),
    scenario("mark-folder", &["mark", ".config/new"], &[0], Healing::DoneOrNot, mark_folder),
    scenario("mark-adopt", &["mark", "--adopt", ".vimrc"], &[0], Healing::Again, mark_adopt),
    scenario("config-set", CONFIG_SET, &[0], Healing::DoneOrNot, incoming),
    scenario("unmark", &["unmark", ".conf"], &[0], Healing::DoneOrNot, unmark),
    scenario("unmark-folder", &["unmark", ".config/app"], &[0], Healing::DoneOrNot, unmark),
    scenario("sync-incoming", &["sync"], &[0], Healing::Done, incoming),
    scenario("sync-outgoing", &["sync"], &[0], Healing::Done, outgoing),
    scenario("sync-merge", &["sync"], &[0], Healing::Done, merge),
    scenario("sync-by-git", &["sync"], &[0], Healing::Done, merge_by_git),
    scenario("sync-held", &["sync"], &[4], Healing::Done, held),
    scenario("sync-deletion", &["sync"], &[0], Healing::Done, deletion),
    scenario("sync-mark", &["sync"], &[0], Healing::Done, mark_arrives),
    scenario("sync-unmark", &["sync"], &[0], Healing::Done, unmark_arrives),
    scenario("sync-replaced", &["sync"], &[0], Healing::Done, replaced),
    Scenario {
        settle: Place::plug,
        ..scenario("sync-offline", &["sync"], &[5], Healing::Done, offline)
    },
    scenario("sync-refused", &["sync"], &[0], Healing::Done, refused),
    scenario("sync-secret", &["sync"], &[4], Healing::Done, secret),
    scenario("sync-forgetting", &["sync"], &[0], Healing::Done, forgetting),
    scenario("force-pull", &["sync", "--force-pull", "--yes"], &[0], Healing::DoneOrNot, held),
    scenario("force-push", &["sync", "--force-push", "--yes"], &[0], Healing::DoneOrNot, held),
    scenario("resolve-theirs", &["resolve", ".conf", "--theirs"], &[0], Healing::DoneOrNot, waits),
    scenario("resolve-ours", &["resolve", ".conf", "--ours"], &[0], Healing::DoneOrNot, waits),
    scenario("undo", &["undo", "--yes"], &[0], Healing::DoneOrNot, undo),
    scenario("backup", &["backup"], &[0], Healing::Done, outgoing),
    scenario("restore", &["restore", "1", "--yes"], &[0], Healing::DoneOrNot, restore),
    scenario("restore-here", RESTORE_HERE, &[0], Healing::DoneOrNot, restore),
];

const CONFIG_SET: &[&str] = &["config", "set", "interval", "600"];

const RESTORE_HERE: &[&str] = &["restore", "1", "--here", "--yes", "--", ".conf"];

const fn scenario(
    name: &'static str,
    command: &'static [&'static str],
    codes: &'static [i32],
    healing: Healing,
    prepare: fn(&Place),
) -> Scenario {
    Scenario { name, command, codes, healing, prepare, settle: |_| {} }
}

impl Scenario {
    /// Returns the arguments of the command.
    pub fn arguments(&self, place: &Place) -> Vec<String> {
        let url = place.remote().display().to_string();
        self.command.iter().map(|word| word.replace("URL", &url)).collect()
    }
}

/// Returns a text of thirty lines.
pub fn lines(what: &str) -> String {
    let lines: Vec<String> = (1..=30).map(|number| format!("{what} setting {number}\n")).collect();
    lines.concat()
}

/// The first machine shares files of all kinds.
fn shared(place: &Place) {
    place.clear();
    let mac = place.mac();
    mac.write(".conf", &lines("conf"));
    mac.write(".zshrc", &lines("zshrc"));
    mac.write(".ssh/config", "Host one\n  User me\n\nHost two\n  User you\n");
    mac.chmod(".ssh/config", 0o600);
    for name in ["one", "two", "sub/three"] {
        mac.write(&format!(".config/app/{name}"), &lines(name));
    }
    mac.must(&["setup", &place.remote().display().to_string()]);
    mac.write("@notes.txt", &lines("notes"));
    mac.write("@old.txt", &lines("old"));
    mac.write("@bin/tool", "#!/bin/sh\necho tool\n");
    mac.chmod("@bin/tool", 0o755);
    mac.must(&["mark", ".conf", ".zshrc", ".ssh/config", ".config/app"]);
    mac.must(&["sync"]);
}

/// Both machines share them, and are in sync.
pub fn pair(place: &Place) {
    shared(place);
    place.ec2().must(&["--yes", "setup", &place.remote().display().to_string()]);
    place.ec2().must(&["sync"]);
}

/// What the second machine did on its own: a commit that was not sent, an edit that is staged and
/// was edited further, edits, a new file.
pub fn own_work(place: &Place) {
    let ec2 = place.ec2();
    ec2.edit("@notes.txt", 2, "committed by hand");
    ec2.git(&["commit", "--quiet", "-am", "By hand"]);
    ec2.write("@staged.txt", "staged\n");
    ec2.git(&["add", "staged.txt"]);
    ec2.write("@staged.txt", "staged\nand edited\n");
    ec2.edit(".zshrc", 25, "edited on ec2");
    ec2.edit(".conf", 25, "edited on ec2");
    ec2.write("@new-on-ec2.txt", "new\n");
}

fn setup_first(place: &Place) {
    place.clear();
    let ec2 = place.ec2();
    ec2.write(".conf", &lines("conf"));
    ec2.write("configs/notes.txt", &lines("notes"));
}

fn setup_fresh(place: &Place) {
    shared(place);
}

fn setup_present(place: &Place) {
    shared(place);
    let ec2 = place.ec2();
    ec2.write(".conf", &lines("conf"));
    ec2.write(".zshrc", &lines("another zshrc"));
    ec2.write(".config/app/own", "only here\n");
}

fn mark_file(place: &Place) {
    pair(place);
    place.ec2().write(".vimrc", &lines("vimrc"));
    place.ec2().chmod(".vimrc", 0o600);
}

/// The file lies in a farm of links; the one in the home leads there.
fn mark_adopt(place: &Place) {
    mark_file(place);
    let ec2 = place.ec2();
    fs::create_dir(ec2.path("farm")).unwrap();
    fs::rename(ec2.path(".vimrc"), ec2.path("farm/vimrc")).unwrap();
    std::os::unix::fs::symlink("farm/vimrc", ec2.path(".vimrc")).unwrap();
}

fn mark_folder(place: &Place) {
    pair(place);
    for name in ["a", "b", "sub/c"] {
        place.ec2().write(&format!(".config/new/{name}"), &lines(name));
    }
}

fn unmark(place: &Place) {
    pair(place);
    place.ec2().edit(".conf", 3, "edited on ec2");
}

fn incoming(place: &Place) {
    pair(place);
    let mac = place.mac();
    mac.edit(".conf", 3, "edited on mac");
    mac.edit("@notes.txt", 3, "edited on mac");
    mac.write("@added.txt", &lines("added"));
    mac.write(".config/app/four", &lines("four"));
    mac.chmod("@old.txt", 0o600);
    mac.remove(".config/app/two");
    mac.must(&["sync"]);
}

fn outgoing(place: &Place) {
    pair(place);
    own_work(place);
}

/// A commit holds a token that is out of the file since; another file holds one now.
fn secret(place: &Place) {
    pair(place);
    let ec2 = place.ec2();
    let token = ["glpat-", "360a9Y6yNd14tDdO9eGz"].concat();
    ec2.write("@slip.txt", &format!("token = {token}\n"));
    ec2.git(&["add", "slip.txt"]);
    ec2.git(&["commit", "--quiet", "-m", "A slip"]);
    ec2.write("@slip.txt", "token = $TOKEN\n");
    ec2.write("@leaking.txt", &format!("token = {token}\n"));
    own_work(place);
}

/// What the second machine has an archive of is not what it has now, so that the next one is made while
/// the remote is waited for.
fn merge(place: &Place) {
    pair(place);
    place.ec2().must(&["backup"]);
    let mac = place.mac();
    for file in [".conf", ".zshrc", "@notes.txt"] {
        mac.edit(file, 5, "edited on mac");
    }
    mac.write("@added.txt", &lines("added"));
    mac.must(&["sync"]);
    own_work(place);
}

/// The remote has rules of its own, so Git talks to it.
fn merge_by_git(place: &Place) {
    merge(place);
    place.mac().git_at(&place.remote(), &["config", "receive.denyDeletes", "true"]);
}

fn held(place: &Place) {
    merge(place);
    place.ec2().edit(".conf", 5, "contested on ec2");
}

fn deletion(place: &Place) {
    pair(place);
    let mac = place.mac();
    mac.remove("@old.txt");
    for name in ["one", "sub/three"] {
        mac.remove(&format!(".config/app/{name}"));
    }
    mac.must(&["sync"]);
    place.ec2().edit(".zshrc", 25, "edited on ec2");
}

fn mark_arrives(place: &Place) {
    pair(place);
    let (mac, ec2) = (place.mac(), place.ec2());
    mac.write(".vimrc", &lines("vimrc"));
    mac.write(".gitignore-mine", &lines("ignored"));
    mac.must(&["mark", ".vimrc", ".gitignore-mine"]);
    mac.must(&["sync"]);
    ec2.write(".vimrc", &lines("vimrc"));
}

fn unmark_arrives(place: &Place) {
    pair(place);
    place.mac().must(&["unmark", ".conf", ".config/app"]);
    place.mac().must(&["sync"]);
    place.ec2().edit(".zshrc", 25, "edited on ec2");
}

fn replaced(place: &Place) {
    pair(place);
    place.mac().edit(".conf", 5, "edited on mac");
    place.mac().must(&["sync"]);
    let text = fs::read_to_string(place.ec2().path(".conf")).unwrap();
    place.ec2().replace(".conf", &text.replace("conf setting 25", "saved by an app"));
    place.ec2().replace(".config/app/one", &lines("saved by an app"));
}

fn offline(place: &Place) {
    merge(place);
    assert!(place.unplug());
}

/// While the push is under way, somebody else's commit arrives first.
fn refused(place: &Place) {
    pair(place);
    let mac = place.mac();
    let remote = place.remote();
    let git = |arguments: &[&str]| mac.git_at(&remote, arguments);
    let before = git(&["rev-parse", "main"]);
    mac.edit(".zshrc", 5, "edited on mac");
    mac.must(&["sync"]);
    git(&["update-ref", "refs/prepared/next", "main"]);
    git(&["update-ref", "refs/heads/main", before.trim()]);
    let hook = "#!/bin/sh\n\
        unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\n\
        git rev-parse -q --verify refs/prepared/next >/dev/null || exit 0\n\
        git update-ref refs/heads/main refs/prepared/next\n\
        git update-ref -d refs/prepared/next\n";
    fs::create_dir_all(remote.join("hooks")).unwrap();
    fs::write(remote.join("hooks/pre-receive"), hook).unwrap();
    let run = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(remote.join("hooks/pre-receive"), run).unwrap();
    place.ec2().edit(".conf", 25, "edited on ec2");
}

/// The file that both changed was held already.
fn waits(place: &Place) {
    held(place);
    place.ec2().must_end(&["sync"], 4);
}

/// More snapshots than are kept, of long ago, and bytes that nothing leads to any more.
fn forgetting(place: &Place) {
    outgoing(place);
    let ec2 = place.ec2();
    let state = ec2.state().unwrap();
    let vault = state.join("vault");
    let git = |arguments: &[&str]| ec2.git_at(&vault, arguments).trim().to_owned();
    let tree = git(&["rev-parse", "refs/cfgsync/latest^{tree}"]);
    let now = SystemTime::now();
    let day = Duration::from_secs(24 * 60 * 60);
    for number in 1..=104 {
        let at = (now - day * (200 - number)).duration_since(UNIX_EPOCH).unwrap().as_millis();
        let message = format!("before a sync\n\nnumber {number}\nat {at}\n");
        let commit = git(&["commit-tree", &tree, "-m", &message]);
        git(&["update-ref", &format!("refs/cfgsync/snapshots/{number:09}"), &commit]);
        git(&["update-ref", "refs/cfgsync/latest", &commit]);
    }
    let mut unreached = "cfgsync unreached 1 1\n".to_owned();
    for name in ["one", "two"] {
        let path = ec2.path(&format!(".config/app/{name}"));
        let draft = state.join("of-no-use");
        fs::write(&draft, format!("once in {}\n", path.display())).unwrap();
        let blob = git(&["hash-object", "-w", draft.to_str().unwrap()]);
        fs::remove_file(draft).unwrap();
        let object = vault.join("objects").join(&blob[..2]).join(&blob[2..]);
        fs::File::open(object).unwrap().set_modified(now - day * 9).unwrap();
        unreached += &format!("{blob}\n");
    }
    fs::write(state.join("unreached"), unreached).unwrap();
}

fn undo(place: &Place) {
    merge(place);
    place.ec2().must(&["sync"]);
}

/// An archive of how things were, and edits since, some of them sent.
fn restore(place: &Place) {
    pair(place);
    let ec2 = place.ec2();
    ec2.must(&["backup"]);
    ec2.edit(".conf", 3, "edited on ec2");
    ec2.remove("@old.txt");
    ec2.chmod(".ssh/config", 0o640);
    ec2.must(&["sync"]);
    ec2.edit(".zshrc", 25, "edited on ec2");
    ec2.write("@new-on-ec2.txt", "new\n");
}
