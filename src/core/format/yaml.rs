//! YAML, read as events: aliases are never followed, and nothing recurses.

use std::collections::HashSet;

use saphyr_parser::{Event, Parser};

/// A collection that is open.
enum Level<'a> {
    Sequence,
    Mapping { keys: HashSet<std::borrow::Cow<'a, str>>, at_key: bool },
}

/// Returns true for documents in which no mapping names a key twice.
pub fn parses(text: &str) -> bool {
    let mut levels = Vec::new();
    Parser::new_from_str(text).all(|event| event.is_ok_and(|(event, _)| fits(event, &mut levels)))
}

/// Takes an event into account; false when it is a key that was there.
fn fits<'a>(event: Event<'a>, levels: &mut Vec<Level<'a>>) -> bool {
    let node = matches!(
        event,
        Event::Scalar(..) | Event::Alias(_) | Event::SequenceStart(..) | Event::MappingStart(..)
    );
    let mut key_of = None;
    if let Some(Level::Mapping { keys, at_key }) = levels.last_mut().filter(|_| node) {
        key_of = at_key.then_some(keys);
        *at_key = !*at_key;
    }
    match event {
        Event::Scalar(text, ..) => return key_of.is_none_or(|keys| keys.insert(text)),
        Event::SequenceStart(..) => levels.push(Level::Sequence),
        Event::MappingStart(..) => {
            levels.push(Level::Mapping { keys: HashSet::new(), at_key: true });
        }
        Event::SequenceEnd | Event::MappingEnd => drop(levels.pop()),
        _ => {}
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_whole() {
        for text in [
            "",
            "# a\na: 1\nb:\n  - a: 2\n    b: {a: 1, b: [a, a]}\n  - a\n",
            "a: &a {b: 1}\nb: {<<: *a, c: 2}\n? [a, a]\n: a\n",
            "--- a\n...\n---\na: |\n  a: 1\n  a: 2\nb: >-\n c\n",
            "a:\nb: 'it''s'\n'c': \"d\\n\"\n",
        ] {
            assert!(parses(text), "{text}");
        }
    }

    #[test]
    fn broken_documents_are_not() {
        for text in [
            "a: 1\nb: 2\na: 3\n",
            "a:\n  b: 1\n  b: 2\n",
            "{a: 1, 'a': 2}",
            "a: [1, 2\n",
            "a: 'b\n",
            "a: 1\n b: 2\n",
            "a: *b\n",
            "a:\n\t- b\n",
            "a: 1\n<<<<<<< b\n",
        ] {
            assert!(!parses(text), "{text}");
        }
    }

    #[test]
    fn depth_and_aliases_cost_nothing() {
        let deep = format!("{}a\n", "- ".repeat(20_000));
        assert!(parses(&deep));
        let bomb: String = (1..40).fold("a0: &a0 [a]\n".into(), |text, n| {
            let alias = format!("*a{}", n - 1);
            text + &format!("a{n}: &a{n} [{alias}, {alias}, {alias}]\n")
        });
        assert!(parses(&bomb));
    }
}
