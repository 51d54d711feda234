//! How a candidate is written for bash, whose line editor puts it in as it is.

/// Returns what stands for `value` in place of `word`, the end of the raw word at the cursor; nothing
/// where what was typed cannot go on to it.
pub fn for_bash(value: &str, raw: &str, word: &str) -> Option<String> {
    let typed = raw.strip_suffix(word)?;
    if let Some(quote) = typed.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        return within(value, quote)?.strip_prefix(&typed[1..]).map(str::to_owned);
    }
    let quoted = escaped(value);
    quoted.strip_prefix(typed).filter(|rest| rest.starts_with(word)).map(str::to_owned)
}

/// Writes a value for a place where this quote is open.
fn within(value: &str, quote: char) -> Option<String> {
    if quote == '\'' {
        return (!value.contains('\'')).then(|| value.to_owned());
    }
    // A `!` calls up the history, and a backslash before it would stay.
    if value.contains('!') {
        return None;
    }
    let (home, rest) = split_home(value);
    let mut text = home.to_owned();
    for c in rest.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            text.push('\\');
        }
        text.push(c);
    }
    Some(text)
}

/// Writes a value for a place where no quote is open.
fn escaped(value: &str) -> String {
    let (home, rest) = split_home(value);
    let mut text = home.to_owned();
    for c in rest.chars() {
        if !(c.is_alphanumeric() || !c.is_ascii() || "_./-+,@%:=".contains(c)) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// Splits off the beginning that the shell is to expand.
fn split_home(value: &str) -> (&str, &str) {
    let beginning = ["~/", "$HOME/", "${HOME}/"].into_iter().find(|it| value.starts_with(it));
    value.split_at(beginning.map_or(0, str::len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_goes_on_with_what_was_typed() {
        for (value, raw, word, text) in [
            ("~/a b", "~/a", "~/a", Some(r"~/a\ b")),
            ("~/$(x)", "", "", Some(r"~/\$\(x\)")),
            ("$HOME/a'b", "$HO", "$HO", Some(r"$HOME/a\'b")),
            ("~/a:b", "~/a:", "", Some("b")),
            ("~/a b", "'~/a", "~/a", Some("~/a b")),
            ("~/a'b", "'~/a", "~/a", None),
            ("/x$y", "\"/x", "/x", Some(r"/x\$y")),
            ("~/a", "~/b", "~/b", None),
        ] {
            assert_eq!(for_bash(value, raw, word).as_deref(), text, "{value} for {raw}");
        }
    }
}
