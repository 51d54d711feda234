//! JSON with comments and trailing commas, and no other looseness.

use std::collections::HashSet;

use jsonc_parser::ast::Value;
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Returns true for one value in which no object names a key twice.
pub fn parses(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    parse_to_ast(text, &CollectOptions::default(), &OPTIONS)
        .ok()
        .and_then(|result| result.value)
        .is_some_and(|value| is_strict(text, &value))
}

/// Checks what the parser lets pass: keys that come twice, and strings over several lines.
fn is_strict(text: &str, root: &Value) -> bool {
    let on_one_line = |range: Range| {
        text.get(range.start..range.end).is_some_and(|string| !string.contains('\n'))
    };
    let mut open = vec![root];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => {
                let mut keys = HashSet::new();
                for property in &object.properties {
                    if !keys.insert(property.name.as_str()) || !on_one_line(property.name.range()) {
                        return false;
                    }
                    open.push(&property.value);
                }
            }
            Value::Array(array) => open.extend(&array.elements),
            Value::StringLit(string) if !on_one_line(string.range) => return false,
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_editors_write_is_whole() {
        for text in [
            "{ // a\n \"a\": [1, 2,], /* b */ \"b\": {\"a\": null,},\n}\n",
            "[]",
            "\u{feff}{}",
            "1",
        ] {
            assert!(parses(text), "{text}");
        }
    }

    #[test]
    fn anything_looser_is_not() {
        let deep = "[".repeat(100_000);
        for text in [
            "",
            "{\"a\": 1 \"b\": 2}",
            "[1 2]",
            "[[1] [2]]",
            "[1,,2]",
            "[,]",
            "{,}",
            "{\"a\": 1,, \"b\": 2}",
            "{\"a\": {}",
            "{\"a\": 1}}",
            "{} {}",
            "{\"a\": 1, \"b\": {\"c\": 1, \"c\": 2}}",
            "{\"a\": 1, \"\\u0061\": 2}",
            "{a: 1}",
            "{'a': 1}",
            "{\"a\": }",
            "{\"a\": +1}",
            "{\"a\": \"b\n\"}",
            "{} /* a",
            &deep,
        ] {
            assert!(!parses(text), "{text}");
        }
    }
}
