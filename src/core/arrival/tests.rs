//! What may arrive, as tables: what stands upstream, what is here, what was consented to.

use super::*;
use crate::agree::LastRun;
use crate::manifest::Manifest;
use crate::plan::plan;
use crate::tree::Tree;
use crate::unit::{BlobId, Mode};

/// A unit in a few letters: `name`, `name+x` may be run, `name>target` is a link, `name=2` holds
/// other bytes.
fn unit(word: &str, targets: &mut BTreeMap<BlobId, Vec<u8>>) -> (RepoPath, Version) {
    let blob = |word: &str| {
        let mut id = [0; 20];
        word.bytes().zip(&mut id).for_each(|(byte, place)| *place = byte);
        BlobId(id)
    };
    if let Some((name, target)) = word.split_once('>') {
        targets.insert(blob(target), target.as_bytes().to_vec());
        return (RepoPath::new(name).unwrap(), Version::link(blob(target)));
    }
    let (word, content) = word.split_once('=').unwrap_or((word, "1"));
    let (name, mode) = match word.strip_suffix("+x") {
        Some(name) => (name, Mode::EXECUTABLE),
        None => (word, Mode::FILE),
    };
    (RepoPath::new(name).unwrap(), Version::file(mode, blob(content)))
}

struct Case<'a> {
    marks: &'a str,
    /// What this machine agreed on before, and has.
    here: &'a [&'a str],
    theirs: &'a [&'a str],
    consented: &'a [&'a str],
}

const CASE: Case<'_> = Case { marks: "", here: &[], theirs: &[], consented: &[] };

impl Case<'_> {
    fn observation(&self) -> Observation {
        let mut targets = BTreeMap::new();
        let mut tree = |words: &[&str]| Tree {
            units: words.iter().map(|word| unit(word, &mut targets)).collect(),
            manifest: Manifest::parse(self.marks).unwrap(),
            ..Tree::default()
        };
        let (here, theirs) = (tree(self.here), tree(self.theirs));
        let mut observation = Observation {
            last: Some(LastRun { agreed: here.clone(), upstream: here.clone() }),
            agreed: here.clone(),
            ours: here.clone(),
            theirs: Some(theirs),
            targets,
            ..Observation::default()
        };
        let linked = here.units.keys().filter(|path| path.home().is_some());
        observation.local.live = linked.map(|path| (path.clone(), Live::Linked)).collect();
        observation.local.stored = here;
        observation
    }

    fn policy(&self) -> Policy {
        let consented = self.consented.iter().map(|path| RepoPath::new(*path).unwrap()).collect();
        Policy { consented, ..Policy::default() }
    }

    /// Returns what waits, as `path: doubt`.
    fn held(&self) -> Vec<String> {
        shown(&self.observation(), &self.policy())
    }
}

fn shown(observation: &Observation, policy: &Policy) -> Vec<String> {
    let plan = plan(observation, policy);
    let upstream = &observation.upstream().units;
    assert_eq!(&plan.tree.units, upstream, "nothing that waits leaves upstream");
    let doubt = |held: &crate::plan::Held| match held.why {
        Why::Doubt(Doubt::Runs(_)) => format!("{}: runs", held.path),
        why => format!("{}: {why:?}", held.path),
    };
    plan.held.iter().map(doubt).collect()
}

#[test]
fn a_new_file_where_programs_run_it_waits_for_consent() {
    let marks = ".local/bin/\n.zshenv\n.conf\n";
    let theirs = ["external/.local/bin/tool", "external/.zshenv", "external/.conf"];
    let fresh = Case { marks, theirs: &theirs, ..CASE };
    assert_eq!(fresh.held(), ["external/.local/bin/tool: runs", "external/.zshenv: runs"]);
    let some = Case { consented: &["external/.zshenv"], ..fresh };
    assert_eq!(some.held(), ["external/.local/bin/tool: runs"]);
    let both = Case { consented: &["external/.zshenv", "external/.local/bin"], ..fresh };
    assert_eq!(both.held(), [""; 0]);
    let edited = ["external/.local/bin/tool=2", "external/.zshenv=2", "external/.conf=2"];
    let here = Case { here: &theirs, theirs: &edited, ..fresh };
    assert_eq!(here.held(), [""; 0], "an edit flows");
    let unmarked = Case { marks: "", ..fresh };
    assert_eq!(unmarked.held(), [""; 0], "nobody finds it in the repository");
}

#[test]
fn consent_for_a_wide_folder_is_none_for_what_starts_by_itself() {
    let theirs = ["external/.config/autostart/x.desktop", "external/.config/app"];
    let case =
        Case { marks: ".config/\n", theirs: &theirs, consented: &["external/.config"], ..CASE };
    assert_eq!(case.held(), ["external/.config/autostart/x.desktop: runs"]);
}

#[test]
fn a_file_that_becomes_a_command_or_a_link_waits() {
    let marks = ".local/bin/\n.conf\n";
    let here = ["external/.conf", "external/.local/bin/tool", "plain"];
    let theirs = ["external/.conf+x", "external/.local/bin/tool+x", "plain>/etc/passwd"];
    let case = Case { marks, here: &here, theirs: &theirs, consented: &[] };
    assert_eq!(case.held(), ["external/.local/bin/tool: runs", "plain: Doubt(LeadsOut)"]);
}

#[test]
fn a_mark_that_comes_after_its_file_is_new_too() {
    let words = ["external/.ssh/rc"];
    let mut observation =
        Case { marks: ".ssh/rc\n", here: &words, theirs: &words, ..CASE }.observation();
    observation.local.live.insert(RepoPath::new(words[0]).unwrap(), Live::Absent);
    assert_eq!(shown(&observation, &Policy::default()), [""; 0], "a link that is gone comes back");
    let last = observation.last.as_mut().unwrap();
    last.agreed.manifest = Manifest::default();
    assert_eq!(shown(&observation, &Policy::default()), ["external/.ssh/rc: runs"]);
}

#[test]
fn a_stored_copy_that_waits_is_not_agreed_on() {
    let words = ["external/.ssh/rc"];
    let mut observation =
        Case { marks: ".ssh/rc\n", here: &words, theirs: &words, ..CASE }.observation();
    let path = RepoPath::new(words[0]).unwrap();
    observation.local.live.insert(path.clone(), Live::Absent);
    observation.last.as_mut().unwrap().agreed.units.clear();
    let plan = plan(&observation, &Policy::default());
    assert_eq!(plan.held.len(), 1);
    assert!(!plan.received.units.contains_key(&path) && !plan.shared.units.contains_key(&path));
}

#[test]
fn the_same_bytes_that_stand_there_already_need_nothing() {
    let words = ["external/.zshrc"];
    let mut observation = Case { marks: ".zshrc\n", theirs: &words, ..CASE }.observation();
    let (path, version) = unit(words[0], &mut BTreeMap::new());
    observation.ours.units.insert(path.clone(), version);
    observation.local.live.insert(path, Live::File(version));
    assert_eq!(shown(&observation, &Policy::default()), [""; 0]);
}

#[test]
fn links_that_lead_out_wait_and_others_come() {
    let theirs =
        ["a>b", "b", "c/d>../a", "out>/etc/hostname", "up>../x", "via>c/far", "c/far>../.."];
    let held = Case { theirs: &theirs, ..CASE }.held();
    let wanted = ["c/far", "out", "up", "via"].map(|name| format!("{name}: Doubt(LeadsOut)"));
    assert_eq!(held, wanted);
    let attributes = Case { theirs: &["b", "x/.GitAttributes>../b"], ..CASE };
    assert_eq!(attributes.held(), ["x/.GitAttributes: Doubt(GitReadsIt)"]);
}

#[test]
fn names_that_are_one_to_some_disk_wait() {
    let theirs = ["Foo", "foo", "caf\u{e9}", "cafe\u{301}", "bar"];
    let held = Case { theirs: &theirs, ..CASE }.held();
    assert_eq!(held.len(), 4, "{held:?}");
    let one_here = Case { here: &["Foo"], theirs: &["Foo", "foo"], ..CASE };
    assert_eq!(one_here.held(), ["foo: Doubt(Twin)"]);
    let below = Case { theirs: &["A>b", "a/x", "b"], ..CASE };
    assert_eq!(below.held(), ["a/x: Doubt(Twin)"]);
}

#[test]
fn twins_whose_stored_copies_wait_are_twins_still() {
    let words = ["external/.conf", "external/.CONF", "external/n/Makefile", "external/n/makefile"];
    let marks = ".conf\n.CONF\nn/Makefile\nn/makefile\n";
    let mut observation = Case { marks, here: &words, theirs: &words, ..CASE }.observation();
    for word in &words[1..] {
        let path = RepoPath::new(*word).unwrap();
        observation.local.live.insert(path.clone(), Live::Absent);
        observation.last.as_mut().unwrap().agreed.units.remove(&path);
        observation.agreed.units.remove(&path);
    }
    let wanted = ["external/.CONF", "external/n/Makefile", "external/n/makefile"];
    assert_eq!(
        shown(&observation, &Policy::default()),
        wanted.map(|path| format!("{path}: Doubt(Twin)"))
    );
}

#[test]
fn odd_names_wait_and_what_no_disk_takes_always_does() {
    let long = "x".repeat(256);
    let case = Case { theirs: &["a\nb", &long], consented: &["a\nb", &long], ..CASE };
    assert_eq!(case.held(), [format!("{long}: Doubt(LongName)")]);
    let case = Case { consented: &[], ..case };
    assert_eq!(case.held().len(), 2);
}

#[test]
fn a_place_that_a_link_of_the_users_leads_to_counts() {
    let mut observation =
        Case { theirs: &["dot/rc", "dot/other", "tools/x"], ..CASE }.observation();
    let path = |path: &str| RepoPath::new(path).unwrap();
    observation.reached = vec![
        (path("dot"), HomePath::new(".ssh").unwrap()),
        (path("tools"), HomePath::new("bin").unwrap()),
    ];
    assert_eq!(shown(&observation, &Policy::default()), ["dot/rc: runs", "tools/x: runs"]);
}

#[test]
fn a_marked_folder_that_path_leads_to_is_one_of_commands() {
    let words = ["external/scripts/ls", "external/notes/x"];
    let marks = "scripts/ls\nnotes/x\n";
    let mut observation = Case { marks, theirs: &words, ..CASE }.observation();
    let scripts = RepoPath::new("external/scripts").unwrap();
    observation.reached = vec![(scripts, HomePath::new("bin").unwrap())];
    assert_eq!(shown(&observation, &Policy::default()), ["external/scripts/ls: runs"]);
}

#[test]
fn a_choice_lets_it_in_and_a_force_does_not() {
    let case = Case { marks: ".zshenv\n", theirs: &["external/.zshenv"], ..CASE };
    let mut policy = Policy { winner: Some(crate::policy::Winner::Theirs), ..Policy::default() };
    assert_eq!(shown(&case.observation(), &policy), ["external/.zshenv: runs"]);
    policy = Policy::default();
    policy.choices.insert(RepoPath::new("external/.zshenv").unwrap(), Choice::Theirs);
    assert_eq!(shown(&case.observation(), &policy), [""; 0]);
}

#[test]
fn a_file_that_is_declined_goes_upstream_too() {
    let words = ["external/.zshenv"];
    let case = Case { marks: ".zshenv\n", theirs: &words, ..CASE };
    let path = RepoPath::new(words[0]).unwrap();
    let policy = Policy { choices: [(path.clone(), Choice::Ours)].into(), ..Policy::default() };
    let mut observation = case.observation();
    assert!(plan(&observation, &policy).tree.units.is_empty());
    // Its stored copy may be here by now.
    let (_, version) = unit(words[0], &mut BTreeMap::new());
    observation.ours.units.insert(path.clone(), version);
    observation.local.stored.units.insert(path, version);
    let declined = plan(&observation, &policy);
    assert!(declined.tree.units.is_empty() && declined.held.is_empty());
    assert_eq!(declined.steps.len(), 1, "the stored copy goes: {:?}", declined.steps);
}

#[test]
fn bytes_that_are_doubtful_wait_until_they_are_chosen() {
    let case =
        Case { marks: ".conf\n", here: &["external/.conf"], theirs: &["external/.conf=2"], ..CASE };
    let mut observation = case.observation();
    let (path, version) = unit("external/.conf=2", &mut BTreeMap::new());
    observation.doubts.insert((path.clone(), version.blob), Doubt::Broken);
    assert_eq!(shown(&observation, &Policy::default()), ["external/.conf: Doubt(Broken)"]);
    let consented = Policy { consented: [path.clone()].into(), ..Policy::default() };
    assert_eq!(shown(&observation, &consented), ["external/.conf: Doubt(Broken)"]);
    let mut chosen = Policy::default();
    chosen.choices.insert(path, Choice::Theirs);
    assert_eq!(shown(&observation, &chosen), [""; 0]);
}

/// A unit at a place that was let in, of which a broken version waits: its stored copy is all there is.
fn waiting(theirs: &str) -> (Observation, Policy, RepoPath) {
    let words = ["external/.zshrc"];
    let case = Case { marks: ".zshrc\n", here: &words, theirs: &[theirs], consented: &words };
    let mut observation = case.observation();
    let (path, broken) = unit(words[0], &mut BTreeMap::new());
    observation.local.live.insert(path.clone(), Live::Absent);
    observation.agreed.units.clear();
    let last = observation.last.as_mut().unwrap();
    last.agreed.units.clear();
    observation.doubts.insert((path.clone(), broken.blob), Doubt::Broken);
    (observation, case.policy(), path)
}

#[test]
fn a_broken_file_that_waits_goes_on_once_upstream_mends_it() {
    let (observation, policy, path) = waiting("external/.zshrc");
    assert_eq!(shown(&observation, &policy), ["external/.zshrc: Doubt(Broken)"]);
    let (mended, policy, _) = waiting("external/.zshrc=2");
    assert_eq!(shown(&mended, &policy), [""; 0]);
    let nobody = Policy::default();
    assert_eq!(shown(&mended, &nobody), ["external/.zshrc: runs"], "nobody let it in");
    // What a person wrote into the stored copy contends with it.
    let (mut edited, policy, _) = waiting("external/.zshrc=2");
    let (_, own) = unit("external/.zshrc=3", &mut BTreeMap::new());
    edited.ours.units.insert(path.clone(), own);
    edited.local.stored.units.insert(path, own);
    assert_eq!(shown(&edited, &policy), ["external/.zshrc: Contest(BothAdded)"]);
}

#[test]
fn a_broken_file_is_declined_at_a_place_that_was_let_in() {
    let (observation, mut policy, path) = waiting("external/.zshrc");
    policy.choices.insert(path, Choice::Ours);
    let declined = plan(&observation, &policy);
    assert!(declined.tree.units.is_empty() && declined.held.is_empty());
}

#[test]
fn an_edit_of_a_command_lets_nothing_of_upstreams_in() {
    let case =
        Case { marks: ".conf\n", here: &["external/.conf"], theirs: &["external/.conf=2"], ..CASE };
    let mut observation = case.observation();
    let (path, theirs) = unit("external/.conf=2", &mut BTreeMap::new());
    let (_, merged) = unit("external/.conf=3", &mut BTreeMap::new());
    let (_, own) = unit("external/.conf=4", &mut BTreeMap::new());
    observation.ours.units.insert(path.clone(), own);
    observation.local.stored.units.insert(path.clone(), own);
    observation.merged.insert(path.clone(), crate::reconcile::Merged::Clean(merged.blob));
    for blob in [theirs.blob, merged.blob] {
        observation.doubts.insert((path.clone(), blob), Doubt::NamesPrograms);
    }
    let policy = Policy { edited: [path].into(), ..Policy::default() };
    assert_eq!(shown(&observation, &policy), ["external/.conf: Doubt(NamesPrograms)"]);
}

#[test]
fn a_mark_of_which_all_waits_is_nothing_to_take_back() {
    let words = ["external/.zshenv", "external/.d/a", "external/.d/.zshrc"];
    let case = Case { marks: ".zshenv\n.d/\n", here: &words, theirs: &words, ..CASE };
    let mut observation = case.observation();
    for word in [words[0], words[2]] {
        let path = RepoPath::new(word).unwrap();
        observation.local.live.insert(path.clone(), Live::Absent);
        observation.last.as_mut().unwrap().agreed.units.remove(&path);
    }
    let mut edit = crate::operation::Operation::default();
    edit.change_marks(&observation.ours.manifest, &Manifest::default());
    edit.leave_out_waiting(&observation);
    let marks: Vec<String> = edit.marks.keys().map(ToString::to_string).collect();
    assert_eq!(marks, ["~/.d"], "of the folder, one file came");
}

#[test]
fn a_marked_file_that_is_a_link_upstream_waits() {
    let mut observation = Case { marks: ".new\n.d/\n", ..CASE }.observation();
    let entry = crate::tree::Opaque { filemode: 0o120_000, id: BlobId([1; 20]) };
    let theirs = observation.theirs.as_mut().unwrap();
    for place in ["external/.new", "external/.d/link"] {
        theirs.opaque.insert(place.as_bytes().to_vec(), entry);
    }
    assert_eq!(shown(&observation, &Policy::default()), ["external/.new: UpstreamIsNoFile"]);
}
