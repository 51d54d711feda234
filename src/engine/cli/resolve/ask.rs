//! Asks a person at the terminal about every held unit, one key an answer.

use cfgsync_core::merge::{is_binary, with_markers};
use cfgsync_core::plan::Held;
use cfgsync_core::unit::Kind;

use super::{Way, can_choose, refuse_markers, sides};
use crate::editor;
use crate::failure::Outcome;
use crate::fs::desk::Desk;
use crate::fs::dir::os;
use crate::fs::plain;
use crate::git::mergetool;
use crate::held;
use crate::picture::Picture;
use crate::session::Session;
use crate::ui::diff::{Labelled, text};
use crate::ui::{Tone, report};

/// Names of the three versions in markers and differences.
const NAMES: [&str; 3] = ["base", "mine (this machine)", "theirs (upstream)"];

/// Asks about one unit after the other.
pub fn decide(
    session: &Session<'_>,
    picture: &Picture,
    chosen: Vec<Held>,
) -> Outcome<Vec<(Held, Way)>> {
    let ui = &session.context.ui;
    let mut decided = Vec::new();
    let count = chosen.len();
    for (at, held) in (1..).zip(chosen) {
        let name = ui.paint(Tone::Strong, &report::name(&held.path));
        ui.say(&format!("{name} ({at} of {count}): {}", report::reason_of(&held)));
        let changes = held::changes(session, picture, &held)?.describe();
        if !changes.is_empty() {
            ui.say(&format!("  {changes}"));
        }
        if !can_choose(&held) {
            crate::sync::words::next_steps(std::slice::from_ref(&held))
                .iter()
                .for_each(|step| ui.say(&format!("  {step}")));
            continue;
        }
        match ask(session, &held)? {
            Answer::Way(way) => decided.push((held, way)),
            Answer::Skip => {}
            Answer::Quit => break,
        }
    }
    Ok(decided)
}

enum Answer {
    Way(Way),
    Skip,
    Quit,
}

fn ask(session: &Session<'_>, held: &Held) -> Outcome<Answer> {
    let ui = &session.context.ui;
    let texts = sides(session, held)?;
    let is_file = |version: Option<cfgsync_core::unit::Version>| {
        version.is_some_and(|version| version.kind == Kind::File)
    };
    let can_merge = is_file(held.sides.ours)
        && is_file(held.sides.theirs)
        && !texts.iter().any(|text| is_binary(text));
    let (question, letters) = if can_merge {
        (
            "  [d]iff, keep [m]ine, take [t]heirs, [b]oth, [e]dit, merge too[l], [s]kip, [q]uit?",
            "dmtbelsq",
        )
    } else {
        ("  [d]iff, keep [m]ine, take [t]heirs, [b]oth, [s]kip, [q]uit?", "dmtbsq")
    };
    loop {
        let result = match ui.choose(question, letters) {
            Some('m') => return Ok(Answer::Way(Way::Ours)),
            Some('t') => return Ok(Answer::Way(Way::Theirs)),
            Some('b') => return Ok(Answer::Way(Way::Both)),
            Some('s') => return Ok(Answer::Skip),
            Some('d') => {
                ui.page(&difference(session, held, &texts));
                continue;
            }
            Some('e') => edit(session, held, &texts),
            Some('l') => tool(session, held, &texts),
            _ => return Ok(Answer::Quit),
        };
        match result {
            Ok(Some(bytes)) => return Ok(Answer::Way(Way::Merged(bytes))),
            Ok(None) => ui.say("  That made no result; nothing is decided yet."),
            // The person is here, and can try again.
            Err(failure) => ui.failure(&failure),
        }
    }
}

/// Shows theirs against mine.
fn difference(session: &Session<'_>, held: &Held, [_, ours, theirs]: &[Vec<u8>; 3]) -> String {
    let label = |name: &str| format!("{} {name}", report::name(&held.path));
    let (mine, other) = (label("mine"), label("theirs"));
    let sides = held.sides;
    let mode = |version: Option<cfgsync_core::unit::Version>| version.map(|version| version.mode);
    let before =
        Labelled { label: &mine, bytes: sides.ours.map(|_| &ours[..]), mode: mode(sides.ours) };
    let after = Labelled {
        label: &other,
        bytes: sides.theirs.map(|_| &theirs[..]),
        mode: mode(sides.theirs),
    };
    text(&session.context.ui, before, after)
}

fn marked([base, ours, theirs]: &[Vec<u8>; 3]) -> Vec<u8> {
    with_markers(base, ours, theirs, NAMES)
}

/// Lets the person finish the merge in their editor, on a private copy.
fn edit(session: &Session<'_>, held: &Held, texts: &[Vec<u8>; 3]) -> Outcome<Option<Vec<u8>>> {
    let desk = Desk::set_up(&session.scratch)?;
    // The name tells the editor the file's type.
    let file = desk.put(os(held.path.name()), &marked(texts))?;
    let is_done = editor::open(&file, || session.worktree.setting("core.editor"))?;
    let edited = plain::read(&file)?.filter(|_| is_done);
    checked(session, held, edited)
}

/// Lets the person merge in the tool they use with git.
fn tool(session: &Session<'_>, held: &Held, texts: &[Vec<u8>; 3]) -> Outcome<Option<Vec<u8>>> {
    let desk = Desk::set_up(&session.scratch)?;
    let [base, ours, theirs] = texts;
    let sides = [&base[..], &ours[..], &theirs[..]];
    let merged = mergetool::run(&session.worktree, &desk, &held.path, sides, &marked(texts))?;
    checked(session, held, merged)
}

fn checked(
    session: &Session<'_>,
    held: &Held,
    result: Option<Vec<u8>>,
) -> Outcome<Option<Vec<u8>>> {
    if let Some(bytes) = &result {
        refuse_markers(session, held, bytes)?;
    }
    Ok(result)
}
