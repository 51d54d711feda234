//! The text of a `config.toml`: what is wrong with it and where, and changes that leave the rest of it,
//! comments too, as it is.

use std::ops::Range;
use std::path::Path;

use cfgsync_core::setting::{self, KEYS, Key, Level, Value, Wrong};
use toml_edit::{Document, DocumentMut, Item, Table};

use crate::failure::{Code, Failure, Outcome};

/// Width of the comments that explain a key.
const WIDTH: usize = 76;

/// Checks a file's text: its form, its keys, and what they hold.
pub fn check(level: Level, path: &Path, text: &str) -> Outcome<()> {
    let document = Document::parse(text).map_err(|error| {
        let wrong = Wrong { cause: error.message().replace('\n', "; "), hint: None };
        failure(path, text, error.span(), wrong)
    })?;
    for (name, item) in document.as_table() {
        setting::check(level, name, &value(item)).map_err(|wrong| {
            let key = document.as_table().key(name).and_then(toml_edit::Key::span);
            failure(path, text, key.or(item.span()), wrong)
        })?;
        for (inner, item) in item.as_table_like().into_iter().flat_map(|table| table.iter()) {
            if !item.is_str() {
                let cause = format!("`{name}.{inner}` takes a text in quotes");
                return Err(failure(path, text, item.span(), Wrong { cause, hint: None }));
            }
        }
    }
    Ok(())
}

fn failure(path: &Path, text: &str, span: Option<Range<usize>>, wrong: Wrong) -> Failure {
    let before = text.get(..span.map_or(0, |span| span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    let cause = format!("{}:{line}:{column}: {}", path.display(), wrong.cause);
    let failure = Failure::new(Code::Usage, cause);
    let failure = wrong.hint.into_iter().fold(failure, Failure::hint);
    failure.hint("Mend the line, or remove the file to get the defaults.")
}

fn value(item: &Item) -> Value {
    match item {
        Item::Value(toml_edit::Value::String(text)) => Value::Text(text.value().clone()),
        Item::Value(toml_edit::Value::Integer(number)) => Value::Number(*number.value()),
        Item::Value(toml_edit::Value::Boolean(flag)) => Value::Flag(*flag.value()),
        item if item.is_table_like() => Value::Table,
        _ => Value::Other,
    }
}

/// A file's text, to be changed.
#[derive(Debug)]
pub struct ConfigText(DocumentMut);

impl ConfigText {
    /// Reads a text that was checked.
    pub fn parse(text: &str) -> Outcome<Self> {
        let document = text.parse().map_err(|error| {
            Failure::new(Code::Usage, format!("could not read the settings: {error}"))
        })?;
        Ok(Self(document))
    }

    /// Returns the text.
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    /// Returns what stands under a name, as the file has it; `web.HOST` names an entry of a table.
    pub fn get(&self, name: &str) -> Option<String> {
        let item = match name.split_once('.') {
            Some((table, entry)) => self.0.get(table)?.as_table_like()?.get(entry)?,
            None => self.0.get(name)?,
        };
        Some(match item {
            Item::Value(toml_edit::Value::String(text)) => text.value().clone(),
            Item::Value(value) => value.clone().decorated("", "").to_string(),
            _ => String::new(),
        })
    }

    /// Returns the entries of a table.
    pub fn entries(&self, name: &str) -> Vec<String> {
        let table = self.0.get(name).and_then(Item::as_table_like);
        table.into_iter().flat_map(|it| it.iter()).map(|(entry, _)| entry.to_owned()).collect()
    }

    /// Sets what stands under a name. A comment above it or behind it stays.
    pub fn set(&mut self, name: &str, value: &Value) {
        let value = match value {
            Value::Text(text) => toml_edit::Value::from(text),
            Value::Number(number) => toml_edit::Value::from(*number),
            Value::Flag(flag) => toml_edit::Value::from(*flag),
            Value::Table | Value::Other => return,
        };
        match name.split_once('.') {
            Some((table, entry)) => {
                let table = self.0.entry(table).or_insert_with(|| Item::Table(Table::new()));
                if let Some(table) = table.as_table_like_mut() {
                    put(table, entry, value);
                }
            }
            None => put(self.0.as_table_mut(), name, value),
        }
    }

    /// Takes away what stands under a name, and what we wrote above it. Comments of a person stay.
    pub fn unset(&mut self, name: &str) {
        let Some((outer, entry)) = name.split_once('.') else {
            let comments = self.comments_of_a_person(name);
            let rest: Vec<String> = self.0.iter().map(|(name, _)| name.to_owned()).collect();
            let next = rest.into_iter().skip_while(|it| it != name).nth(1);
            self.0.remove(name);
            self.put_comments(&comments, next.as_deref());
            return;
        };
        let table = self.0.get_mut(outer).and_then(Item::as_table_like_mut);
        let is_empty = table.is_some_and(|table| {
            table.remove(entry);
            table.is_empty()
        });
        if is_empty {
            self.0.remove(outer);
        }
    }

    /// Returns the comments above a key and behind it, but for what we write above each.
    fn comments_of_a_person(&self, name: &str) -> String {
        let Some((key, item)) = self.0.get_key_value(name) else { return String::new() };
        let above = key.leaf_decor().prefix().and_then(|it| it.as_str()).unwrap_or_default();
        let ours = KEYS.iter().find(|key| key.name == name).map(comment).unwrap_or_default();
        let mut comments =
            if ours.is_empty() { above.to_owned() } else { above.replace(&ours, "") };
        let behind = item.as_value().and_then(|value| value.decor().suffix());
        let behind = behind.and_then(|it| it.as_str()).unwrap_or_default().trim();
        if !behind.is_empty() {
            comments.push_str(behind);
            comments.push('\n');
        }
        if comments.contains('#') { comments } else { String::new() }
    }

    /// Puts comments above a key, or at the end.
    fn put_comments(&mut self, comments: &str, next: Option<&str>) {
        if comments.is_empty() {
            return;
        }
        let before = |decor: &toml_edit::Decor| {
            let prefix = decor.prefix().and_then(|it| it.as_str()).unwrap_or_default();
            format!("{comments}{prefix}")
        };
        if let Some(table) = next.and_then(|next| self.0.get_mut(next)?.as_table_mut()) {
            let text = before(table.decor());
            table.decor_mut().set_prefix(text);
        } else if let Some(mut key) = next.and_then(|next| self.0.as_table_mut().key_mut(next)) {
            let text = before(key.leaf_decor());
            key.leaf_decor_mut().set_prefix(text);
        } else {
            let text = format!("{comments}{}", self.0.trailing().as_str().unwrap_or_default());
            self.0.set_trailing(text);
        }
    }

    /// Takes over every key of another text, each new one below what it means.
    pub fn take_over(&mut self, wanted: &Self) {
        for (name, item) in wanted.0.as_table() {
            let key = KEYS.iter().find(|key| key.name == name);
            let is_new = !self.0.contains_key(name);
            match value(item) {
                Value::Table if is_new => {
                    self.0.insert(name, item.clone());
                }
                Value::Table | Value::Other => {}
                value if self.0.get(name).is_some_and(|it| self::value(it) == value) => {}
                value => self.set(name, &value),
            }
            if let (true, Some(key), Some(mut spot)) =
                (is_new, key, self.0.as_table_mut().key_mut(name))
            {
                spot.leaf_decor_mut().set_prefix(comment(key));
            }
        }
    }

    /// Returns the text with an example of every key of a level that is not in it, as a comment.
    pub fn explained(&self, level: Level) -> String {
        let mut text = self.text();
        // Each goes in front of the one before it, so the last is the first.
        for key in KEYS.iter().rev().filter(|key| key.level == level) {
            let is_known = self.0.contains_key(key.name);
            let example = format!("# {}\n", key.example);
            if !is_known && !text.contains(&example) {
                // In front: below a table, a key would be the table's.
                text.insert_str(0, &format!("{}{example}\n", comment(key)));
            }
        }
        text
    }
}

/// Puts a value in place of another one, and leaves what is written around that.
fn put(table: &mut dyn toml_edit::TableLike, name: &str, mut value: toml_edit::Value) {
    if let Some(before) = table.get(name).and_then(Item::as_value) {
        *value.decor_mut() = before.decor().clone();
    }
    match table.get_mut(name) {
        Some(item) => *item = Item::Value(value),
        None => {
            table.insert(name, Item::Value(value));
        }
    }
}

fn comment(key: &Key) -> String {
    let default = key.default_value().map_or(String::new(), |it| format!(" (default: {it})"));
    let lines = crate::ui::wrapped(&format!("{}{default}", key.meaning), WIDTH);
    lines.iter().fold(String::new(), |text, line| text + "# " + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(before: &str, change: impl FnOnce(&mut ConfigText)) -> String {
        let mut text = ConfigText::parse(before).unwrap();
        change(&mut text);
        text.text()
    }

    #[test]
    fn a_change_leaves_all_else_as_it_is() {
        let before = "# mine\ninterval = 300 # slow\n\n# kept\nbackups   = 10\n";
        let after = changed(before, |it| it.set("interval", &Value::Number(600)));
        assert_eq!(after, before.replace("300", "600"));
        let after = changed(before, |it| it.set("deadline", &Value::Number(5)));
        assert_eq!(after, format!("{before}deadline = 5\n"));
    }

    #[test]
    fn a_key_that_is_taken_away_leaves_the_comments_of_a_person() {
        let before = "# mine\ninterval = 300 # slow\n\n# kept\nbackups = 10\n[web]\na = 'b'\n";
        let after = changed(before, |it| it.unset("interval"));
        assert_eq!(after, "# mine\n# slow\n\n# kept\nbackups = 10\n[web]\na = 'b'\n");
        let after = changed(before, |it| it.unset("backups"));
        assert_eq!(after, "# mine\ninterval = 300 # slow\n\n# kept\n[web]\na = 'b'\n");
        let end = changed("interval = 300\n# last\nbackups = 10\n", |it| it.unset("backups"));
        assert_eq!(end, "interval = 300\n# last\n");
        let key = KEYS.iter().find(|key| key.name == "interval").unwrap();
        let own = format!("{}interval = 300\nbackups = 10\n", comment(key));
        assert_eq!(changed(&own, |it| it.unset("interval")), "backups = 10\n");
    }

    #[test]
    fn what_is_explained_comes_in_the_order_of_the_list() {
        let text = ConfigText::parse("branch = 'main'\n").unwrap().explained(Level::Machine);
        let examples =
            KEYS.iter().filter(|key| key.level == Level::Machine && key.name != "branch");
        let places: Vec<usize> = examples.map(|key| text.find(key.example).unwrap()).collect();
        assert!(places.is_sorted() && places.len() > 3, "{text}");
    }

    #[test]
    fn an_entry_of_a_table_is_set_and_taken_away() {
        let text = |word: &str| Value::Text(word.to_owned());
        let set =
            changed("dir = 'x'\n", |it| it.set("web.git.example.org", &text("https://e.org")));
        assert_eq!(set, "dir = 'x'\n\n[web]\n\"git.example.org\" = \"https://e.org\"\n");
        let read = ConfigText::parse(&set).unwrap();
        assert_eq!(read.get("web.git.example.org").as_deref(), Some("https://e.org"));
        assert_eq!(changed(&set, |it| it.unset("web.git.example.org")), "dir = 'x'\n");
        let moved = changed("[web]\na = 'b'\n", |it| it.set("dir", &text("x")));
        assert_eq!(moved, "dir = \"x\"\n[web]\na = 'b'\n");
    }

    #[test]
    fn what_is_wrong_is_named_with_line_and_column() {
        let cause =
            |text: &str| check(Level::Machine, Path::new("c.toml"), text).unwrap_err().cause;
        assert!(cause("interval = 1\nnonsense = 2\n").starts_with("c.toml:2:1: `nonsense` is no"));
        assert!(cause("interval = 'x'\n").starts_with("c.toml:1:1: `interval` takes a whole"));
        assert!(cause("# ä\n  dir = 'x'\n").starts_with("c.toml:2:3: `dir` belongs"));
        assert!(cause("interval = [\n").starts_with("c.toml:"));
        let user = check(Level::User, Path::new("c.toml"), "[web]\nx = 1\n").unwrap_err().cause;
        assert!(user.starts_with("c.toml:2:5: `web.x` takes a text"), "{user}");
    }

    #[test]
    fn the_examples_are_right_and_complete() {
        for level in [Level::User, Level::Machine] {
            let text = ConfigText::parse("").unwrap().explained(level);
            let examples: String = text
                .lines()
                .filter_map(|line| line.strip_prefix("# "))
                .filter(|line| line.contains(" = "))
                .fold(String::new(), |text, line| text + line + "\n");
            check(level, Path::new("c.toml"), &examples).unwrap();
            let count = KEYS.iter().filter(|key| key.level == level).count();
            assert_eq!(examples.lines().count(), count, "{examples}");
            assert_eq!(ConfigText::parse(&text).unwrap().explained(level), text);
        }
    }
}
