//! The command blocks of the README, of `docs` and of the plugin: each is run as it stands, or says why it
//! is not.
//!
//! Comments that no reader of the page sees steer it. `before:` is a line of shell that makes what a block
//! starts from, `after:` one that must hold when it is done, `then:` one that must hold in the same shell,
//! `on:` names the machine whose home it is typed in (`mac`, until another one is named), and `not run:`
//! has the reason. The blocks of a page are run one after the other. A block of text that begins with `$ `
//! shows a command and all that it says. The address of the private repository is that of a bare one on
//! this disk, and the plugin's folder is that of the checkout.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::sandbox::{Machine, Sandbox};
use crate::terminal::PLUGIN;

/// Pages whose blocks are run.
const PAGES: [&str; 11] = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/getting-started.md",
    "docs/installing.md",
    "docs/migrating.md",
    "docs/performance.md",
    "docs/recovering.md",
    "docs/troubleshooting.md",
    "docs/reliability.md",
    "zsh/README.md",
];

/// The page whose blocks `recipes.rs` runs, every one of them.
const ELSEWHERE: &str = "docs/prompts.md";

/// The address that pages give to the private repository.
const ADDRESS: &str = "git@github.com:me/configs.git";

/// Where pages say that the plugin lies.
const FOLDERS: [&str; 2] = ["/path/to/cfgsync/zsh", "/usr/share/cfgsync"];

/// What ends with "done, but files wait for you" is done, too.
const HELD_IS_DONE: &str = "cfgsync() { command cfgsync \"$@\" || [ $? = 4 ]; }";

/// What a block is, by the word behind its fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Lines for bash, or any shell.
    Bash,
    /// Lines for an interactive zsh.
    Zsh,
    /// A command, and what it says.
    Session,
    /// Nothing that is run.
    Data,
}

impl Kind {
    /// Tells what a block is; a word that nobody knows would be passed over in silence.
    fn of(language: &str, line: usize) -> Self {
        match language {
            "sh" | "bash" | "console" => Self::Bash,
            "zsh" => Self::Zsh,
            // Until its first line is read.
            "" | "text" | "json" => Self::Data,
            other => panic!("line {line}: nobody knows what to do with a block of {other:?}"),
        }
    }
}

/// A step of a page: what is done, where it stands, and how.
struct Step {
    line: usize,
    on: String,
    kind: Kind,
    script: String,
}

impl Step {
    /// Returns the program that takes the step on a machine, and what it has to say, where that is shown.
    fn command(&self, machine: &Machine) -> (Command, Option<String>) {
        let folders = |text: String, from: &&str| text.replace(from, PLUGIN);
        let script = self.script.replace(ADDRESS, machine.url());
        let script = FOLDERS.iter().fold(script, folders);
        let (line, says) = match script.split_once('\n') {
            Some((line, says)) if self.kind == Kind::Session => {
                (format!("exec 2>&1; {}", line.trim_start_matches("$ ")), Some(says.to_owned()))
            }
            _ => (script, None),
        };
        let command = if self.kind == Kind::Zsh {
            let mut zsh = machine.command("zsh");
            zsh.args(["-f", "-i", "-c", &line]);
            zsh
        } else {
            let mut bash = machine.command("bash");
            bash.args(["-e", "-o", "pipefail", "-c", &format!("{HELD_IS_DONE}\n{line}")]);
            bash
        };
        (command, says)
    }
}

/// Returns the steps of a page.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut on, mut is_excused) = ("mac".to_owned(), false);
    let mut block: Option<Step> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let comment = line.strip_prefix("<!-- ").and_then(|it| it.strip_suffix(" -->"));
        let step = |kind, script| Step { line: number, on: on.clone(), kind, script };
        match (&mut block, line.strip_prefix("```")) {
            (None, Some(language)) => block = Some(step(Kind::of(language, number), String::new())),
            (Some(_), Some(_)) => {
                let done = block.take().filter(|it| it.kind != Kind::Data && !is_excused);
                steps.extend(done);
                is_excused = false;
            }
            (Some(block), None) => {
                if block.script.is_empty() && block.kind == Kind::Data && line.starts_with("$ ") {
                    block.kind = Kind::Session;
                }
                block.script.push_str(line);
                block.script.push('\n');
            }
            (None, None) => match comment.and_then(|it| it.split_once(": ")) {
                Some(("on", machine)) => machine.clone_into(&mut on),
                Some(("before" | "after", script)) => {
                    steps.push(step(Kind::Bash, script.to_owned()));
                }
                Some(("then", script)) => steps.last_mut().unwrap().script.push_str(script),
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
        let (mut command, says) = step.command(machine);
        let program = Path::new(env!("CARGO_BIN_EXE_cfgsync")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        command.env("PATH", path).env("CFGSYNC_PAGER", "cat");
        let output = command.output().unwrap();
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            output.status.success(),
            "{page}:{} on {}:\n{}\n{}\n{said}\n{complained}",
            step.line,
            step.on,
            step.script,
            output.status
        );
        if let Some(says) = says {
            assert_eq!(said, says, "{page}:{} shows what is not so", step.line);
        }
    }
}

#[test]
fn every_block_of_the_pages_runs() {
    PAGES.into_iter().for_each(run);
}

/// Every page there is.
fn pages() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = Vec::new();
    for folder in ["", "docs/", "docs/decisions/", "zsh/"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if Path::new(&name).extension().is_some_and(|ending| ending == "md") {
                pages.push(format!("{folder}{name}"));
            }
        }
    }
    pages
}

#[test]
fn every_page_is_known() {
    let pages = pages();
    assert!(PAGES.iter().all(|page| pages.contains(&(*page).to_owned())), "a page is gone");
    for page in pages.iter().filter(|page| !PAGES.contains(&page.as_str()) && *page != ELSEWHERE) {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        assert_eq!(steps(&text).len(), 0, "{page} has blocks that nobody runs");
    }
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in pages() {
        let text = fs::read_to_string(root.join(&page)).unwrap();
        let folder = root.join(&page).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let target = link.0.split('#').next().unwrap_or_default();
            let is_here = !target.is_empty() && !target.contains("://");
            assert!(!is_here || folder.join(target).exists(), "{page} leads to {target}");
        }
    }
}
