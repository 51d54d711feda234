//! Properties of the merge of three texts, over random ones: every line of either side arrives, no
//! line that a side removed comes back, and both machines come to the same lines.

use std::collections::BTreeSet;

use cfgsync_core::merge::{Rule, TextMerge, merge};
use proptest::prelude::*;

/// How many random texts one run tries for each property.
const CASES: u32 = 20_000;

/// What one side does to a text: at a line, remove it, change it, or add before it.
type Edits = Vec<(usize, u8)>;

fn edits() -> impl Strategy<Value = Edits> {
    proptest::collection::vec((0..12usize, 0..3u8), 0..4)
}

/// Makes a text of unique lines, and one side's version of it. New lines carry the side's name.
fn side(name: &str, edits: &Edits) -> String {
    let mut lines: Vec<Vec<String>> = (0..12).map(|at| vec![format!("base {at}")]).collect();
    for (number, (at, what)) in edits.iter().enumerate() {
        match what {
            0 => lines[*at].retain(|line| !line.starts_with("base")),
            1 => lines[*at] = vec![format!("{name} {at} {number}")],
            _ => lines[*at].insert(0, format!("{name} {at} {number}")),
        }
    }
    lines.concat().join("\n") + "\n"
}

fn base() -> String {
    side("", &Vec::new())
}

fn merged(ours: &str, theirs: &str, rule: Rule) -> Option<String> {
    match merge(base().as_bytes(), ours.as_bytes(), theirs.as_bytes(), rule) {
        TextMerge::Clean(text) => Some(String::from_utf8(text).expect("text")),
        TextMerge::Overlapping => None,
        TextMerge::Binary => panic!("this is text"),
    }
}

fn lines(text: &str) -> BTreeSet<&str> {
    text.lines().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn no_line_of_either_side_is_dropped_or_comes_back(ours in edits(), theirs in edits()) {
        let (ours, theirs, base) = (side("ours", &ours), side("theirs", &theirs), base());
        let Some(text) = merged(&ours, &theirs, Rule::Additions) else { return Ok(()) };
        let result = lines(&text);
        for side in [&ours, &theirs] {
            for line in lines(side).difference(&lines(&base)) {
                prop_assert!(result.contains(line), "{line} of\n{side}is not in\n{text}");
            }
            for line in lines(&base).difference(&lines(side)) {
                prop_assert!(!result.contains(line), "{line} came back in\n{text}");
            }
        }
    }

    #[test]
    fn both_machines_come_to_the_same_lines(ours in edits(), theirs in edits()) {
        let (ours, theirs) = (side("ours", &ours), side("theirs", &theirs));
        for rule in [Rule::Strict, Rule::Additions, Rule::Union] {
            let (here, there) = (merged(&ours, &theirs, rule), merged(&theirs, &ours, rule));
            prop_assert_eq!(here.as_deref().map(lines), there.as_deref().map(lines));
        }
        prop_assert_eq!(merged(&ours, &theirs, Rule::Strict), merged(&theirs, &ours, Rule::Strict));
    }

    #[test]
    fn what_is_merged_merges_again_to_itself(ours in edits(), theirs in edits()) {
        let (ours, theirs) = (side("ours", &ours), side("theirs", &theirs));
        if let Some(text) = merged(&ours, &theirs, Rule::Additions) {
            prop_assert_eq!(merged(&text, &text, Rule::Additions), Some(text.clone()));
            prop_assert_eq!(merged(&text, &base(), Rule::Additions), Some(text));
        }
    }
}
