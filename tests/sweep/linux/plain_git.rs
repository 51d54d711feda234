//! What the same kills do to `git pull --rebase --autostash`, for comparison. It fails nothing.

use std::fs;

use super::company::Company;
use super::faults::{Census, Mode, Planned};
use super::look;
use super::place::{Machine, Place};
use super::report::Comparison;
use super::scenarios::lines;
use super::trace::trace;
use super::wanted::Wanted;

const PULL: [&str; 4] = ["pull", "--quiet", "--rebase", "--autostash"];

const FILES: [&str; 5] = ["@one", "@two", "@three", "@four", "@new"];

/// What a person sees of a working tree.
type Sight = (Vec<Option<String>>, Result<String, String>, bool);

/// Kills a pull at every call that changes a file, or at some of them.
pub fn measure(place: &Place, wanted: &Wanted) -> Comparison {
    fixture(place);
    place.keep("pristine");
    let ec2 = place.ec2();
    let mut census = Census::default();
    let traced = trace(pull(&ec2), &mut census);
    assert_eq!(traced.code, Some(0), "git pull undisturbed");
    let whole = sight(&ec2);
    let mut comparison = Comparison::default();
    for point in wanted.points_of_git(census.calls.len()) {
        place.restore("pristine");
        let mut planned =
            Planned::new(Mode::KillTree, point, None, Company::new(place, Mode::KillTree));
        trace(pull(&ec2), &mut planned);
        if planned.struck.is_none() {
            continue;
        }
        comparison.points += 1;
        comparison.missing += usize::from(!has_edits(&ec2));
        comparison.locked +=
            usize::from(look::left_over(place).iter().any(|it| it.contains(".lock")));
        for _ in 0..2 {
            super::place::run(pull(&ec2));
        }
        comparison.unhealed += usize::from(sight(&ec2) != whole);
    }
    comparison
}

fn pull(machine: &Machine) -> std::process::Command {
    let mut command = machine.command("git");
    command.arg("-C").arg(machine.repo()).args(PULL);
    command
}

/// One unpushed commit, two edits, a new file; three changes upstream.
fn fixture(place: &Place) {
    place.clear();
    let (mac, ec2) = (place.mac(), place.ec2());
    let remote = place.remote().display().to_string();
    for machine in [&mac, &ec2] {
        machine.git_at(
            &machine.home,
            &["clone", "--quiet", &remote, &machine.repo().display().to_string()],
        );
        machine.git(&["config", "maintenance.auto", "false"]);
        machine.git(&["config", "gc.auto", "0"]);
        if *machine.home == *mac.home {
            FILES[..4].iter().for_each(|name| mac.write(name, &lines(name)));
            mac.git(&["add", "."]);
            mac.git(&["commit", "--quiet", "-m", "Files"]);
            mac.git(&["push", "--quiet", "origin", "main"]);
        }
    }
    FILES[..3].iter().for_each(|name| mac.edit(name, 5, "edited on mac"));
    mac.git(&["commit", "--quiet", "-am", "Upstream"]);
    mac.git(&["push", "--quiet", "origin", "main"]);
    ec2.edit("@four", 10, "committed");
    ec2.git(&["commit", "--quiet", "-am", "Own"]);
    ec2.edit("@one", 25, "edited on ec2");
    ec2.edit("@two", 25, "edited on ec2");
    ec2.write("@new", "new\n");
}

fn has_edits(machine: &Machine) -> bool {
    let has = |name: &str, text: &str| {
        fs::read_to_string(machine.path(name)).is_ok_and(|found| found.contains(text))
    };
    has("@one", "edited on ec2") && has("@two", "edited on ec2") && has("@new", "new\n")
}

fn sight(machine: &Machine) -> Sight {
    let text = |name: &&str| fs::read_to_string(machine.path(name)).ok();
    let status = machine.try_git(&machine.repo(), &["status", "--porcelain", "--branch"]);
    let is_rebasing = machine.path("@.git/rebase-merge").exists();
    (FILES.iter().map(text).collect(), status, is_rebasing)
}
