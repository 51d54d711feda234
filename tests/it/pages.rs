//! The command blocks of the README and of `docs`: each is run as it stands, or says why it is not.
//!
//! Comments that no reader of the page sees steer it. `before:` is a line of shell that makes what a block
//! starts from, `after:` one that must hold when it is done, `on:` names the machine whose home it is
//! typed in (`mac`, until another one is named), and `not run:` has the reason. The blocks of a page are
//! run one after the other. The address of the private repository is that of a bare one on this disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::sandbox::{Machine, Sandbox};

/// Pages whose blocks are run.
const PAGES: [&str; 8] = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/getting-started.md",
    "docs/installing.md",
    "docs/migrating.md",
    "docs/recovering.md",
    "docs/troubleshooting.md",
    "docs/reliability.md",
];

/// Pages whose blocks other tests run: `recipes.rs` and those of the plugin.
const ELSEWHERE: [&str; 2] = ["docs/prompts.md", "docs/performance.md"];

/// The address that pages give to the private repository.
const ADDRESS: &str = "git@github.com:me/configs.git";

/// What ends with "done, but files wait for you" is done, too.
const HELD_IS_DONE: &str = "cfgsync() { command cfgsync \"$@\" || [ $? = 4 ]; }";

/// What shells read.
const SHELLS: [&str; 3] = ["sh", "bash", "console"];

/// A step of a page: what is done, where it stands, and how.
struct Step {
    line: usize,
    on: String,
    script: String,
}

/// Returns the steps of a page, and the blocks that are neither run nor excused.
fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let (mut on, mut is_excused) = ("mac".to_owned(), false);
    let mut block: Option<(usize, bool, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let comment = line.strip_prefix("<!-- ").and_then(|it| it.strip_suffix(" -->"));
        let fence = line.strip_prefix("```");
        match (&mut block, fence) {
            (None, Some(language)) => {
                block = Some((number, SHELLS.contains(&language), String::new()));
            }
            (Some((start, is_shell, script)), Some(_)) => {
                if *is_shell && !is_excused {
                    let script = std::mem::take(script);
                    steps.push(Step { line: *start, on: on.clone(), script });
                }
                (block, is_excused) = (None, false);
            }
            (Some((_, _, script)), None) => {
                script.push_str(line);
                script.push('\n');
            }
            (None, None) => match comment.and_then(|it| it.split_once(": ")) {
                Some(("on", machine)) => machine.clone_into(&mut on),
                Some(("before" | "after", script)) => {
                    let script = script.to_owned();
                    steps.push(Step { line: number, on: on.clone(), script });
                }
                Some(("not run", reason)) => is_excused = !reason.is_empty(),
                _ => {}
            },
        }
    }
    steps
}

/// Runs a page's steps on machines of its own.
fn run(page: &str) {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let sandbox = Sandbox::new();
    let mut machines: BTreeMap<String, Machine> = BTreeMap::new();
    for step in steps(&text) {
        let machine = machines.entry(step.on.clone()).or_insert_with(|| {
            let machine = sandbox.machine(&step.on);
            machine.write(".zshrc", "export EDITOR=vi\n");
            machine.write(".config/nvim/init.lua", "vim.o.number = true\n");
            machine
        });
        let mut command = machine.command("bash");
        let program = Path::new(env!("CARGO_BIN_EXE_cfgsync")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let script = format!("{HELD_IS_DONE}\n{}", step.script.replace(ADDRESS, machine.url()));
        command.args(["-e", "-o", "pipefail", "-c", &script]).env("PATH", path);
        command.env("CFGSYNC_PAGER", "cat");
        let output = command.output().unwrap();
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            output.status.success(),
            "{page}:{} on {}:\n{script}\n{}\n{said}\n{complained}",
            step.line,
            step.on,
            output.status
        );
    }
}

#[test]
fn every_block_of_the_pages_runs() {
    PAGES.into_iter().for_each(run);
}

#[test]
fn every_page_is_known() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if Path::new(&name).extension().is_some_and(|ending| ending == "md") {
            pages.push(format!("docs/{name}"));
        }
    }
    for page in pages.iter().filter(|page| !PAGES.contains(&page.as_str())) {
        let text = fs::read_to_string(root.join(page)).unwrap();
        let blocks = steps(&text).len();
        assert!(
            blocks == 0 || ELSEWHERE.contains(&page.as_str()),
            "{page} has blocks that nobody runs"
        );
    }
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in PAGES.into_iter().chain(ELSEWHERE).chain(["docs/comparison.md"]) {
        let text = fs::read_to_string(root.join(page)).unwrap();
        let folder = root.join(page).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let target = link.0.split('#').next().unwrap_or_default();
            let is_here = !target.is_empty() && !target.contains("://");
            assert!(!is_here || folder.join(target).exists(), "{page} leads to {target}");
        }
    }
}
