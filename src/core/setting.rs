//! Settings: every key there is, what it may hold, and what is said about one that is wrong.

use crate::near::nearest;

/// Whose file a setting stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The user's, for all repositories: `~/.config/cfgsync/config.toml`.
    User,
    /// This machine's, for one repository: `.sync/config.toml`.
    Machine,
}

/// What a setting may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A text.
    Text,
    /// A whole number, and the least one that makes sense.
    Number(u64),
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A table of texts.
    Table,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name in the file.
    pub name: &'static str,
    /// Whose file it stands in.
    pub level: Level,
    /// What it may hold.
    pub shape: Shape,
    /// What holds where it is not set: a value, or what comes to it in words.
    pub default: &'static str,
    /// A line of the file that sets it.
    pub example: &'static str,
    /// What it does, for people.
    pub meaning: &'static str,
    /// The command that sets it, where setting it alone would not do.
    pub set_by: Option<&'static str>,
}

/// All keys, those of the machine first.
pub const KEYS: [Key; 10] = [
    Key {
        name: "branch",
        level: Level::Machine,
        shape: Shape::Text,
        default: "the one checked out at setup, or the remote's own",
        example: "branch = \"main\"",
        meaning: "the branch that is synced; `cfgsync setup --branch NAME` names another, and \
                  renames the one that is here",
        set_by: Some("cfgsync setup --branch NAME"),
    },
    Key {
        name: "interval",
        level: Level::Machine,
        shape: Shape::Number(0),
        default: "300",
        example: "interval = 600",
        meaning: "seconds between two background syncs, give or take a tenth",
        set_by: None,
    },
    Key {
        name: "deadline",
        level: Level::Machine,
        shape: Shape::Number(1),
        default: "60",
        example: "deadline = 120",
        meaning: "seconds after which a background sync is ended, with all it started; they go on \
                  during sleep",
        set_by: None,
    },
    Key {
        name: "backups",
        level: Level::Machine,
        shape: Shape::Number(1),
        default: "10",
        example: "backups = 20",
        meaning: "how many archives are kept; one that alone holds some content stays beyond that",
        set_by: None,
    },
    Key {
        name: "snapshot_days",
        level: Level::Machine,
        shape: Shape::Number(0),
        default: "30",
        example: "snapshot_days = 90",
        meaning: "for how many days the vault keeps snapshots; `0` keeps them for good. The newest \
                  hundred always stay",
        set_by: None,
    },
    Key {
        name: "backup_local",
        level: Level::Machine,
        shape: Shape::Flag,
        default: "false",
        example: "backup_local = true",
        meaning: "`true`: archives hold `*.local` files too",
        set_by: None,
    },
    Key {
        name: "notify",
        level: Level::Machine,
        shape: Shape::Word(&["auto", "on", "off"]),
        default: "auto",
        example: "notify = \"on\"",
        meaning: "whether the desktop says, once, that a background sync needs a person: files are \
                  held, or the remote wants a login. `auto`: on a machine with a screen, and not \
                  through ssh",
        set_by: None,
    },
    Key {
        name: "enabled",
        level: Level::Machine,
        shape: Shape::Flag,
        default: "true",
        example: "enabled = false",
        meaning: "`false` after `cfgsync setup --undo`: syncs, and all else that changes something, \
                  refuse until `cfgsync setup` is run again",
        set_by: Some("cfgsync setup`, or `cfgsync setup --undo"),
    },
    Key {
        name: "dir",
        level: Level::User,
        shape: Shape::Text,
        default: "the machine's usual place",
        example: "dir = \"~/configs\"",
        meaning: "the repository's folder; `~/` is understood. `cfgsync setup` writes it",
        set_by: Some("cfgsync setup --dir FOLDER"),
    },
    Key {
        name: "web",
        level: Level::User,
        shape: Shape::Table,
        default: "none",
        example: "web.\"git.example.org\" = \"https://git.example.org\"",
        meaning: "for a host of a remote, where its repositories are on the web. There it is asked \
                  whether strangers can read the remote, at setup, at each mark and once a day. \
                  Known without it: GitHub, GitLab, Bitbucket, Codeberg, Gitea, sourcehut, \
                  Framagit, and whatever is reached over https",
        set_by: None,
    },
];

impl Key {
    /// Returns what holds where nothing is set, as the file would have it; none where words stand for
    /// it.
    pub fn default_value(&self) -> Option<&'static str> {
        match self.shape {
            Shape::Number(_) | Shape::Flag | Shape::Word(_) => Some(self.default),
            Shape::Text | Shape::Table => None,
        }
    }
}

/// What a file holds under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Flag(bool),
    /// A table.
    Table,
    /// Anything else: a list, a date, a number that is not whole.
    Other,
}

impl Value {
    fn described(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::Table => "a table",
            Self::Other => "something else",
        }
    }
}

/// What is wrong with a setting: what it is, and what to do, both for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong: lower case, no period.
    pub cause: String,
    /// What to do next: a sentence.
    pub hint: Option<String>,
}

impl Wrong {
    fn new(cause: String) -> Self {
        Self { cause, hint: None }
    }
}

/// Returns the key that is named, in whichever file it stands: `web.git.example.org` names `web`.
pub fn named(name: &str) -> Result<&'static Key, Wrong> {
    let top = name.split_once('.').map_or(name, |(top, _)| top);
    let key = KEYS.iter().find(|key| key.name == top);
    match key {
        Some(key) if top == name || key.shape == Shape::Table => Ok(key),
        Some(_) => Err(Wrong::new(format!("`{name}` is no setting: `{top}` is no table"))),
        None => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> Wrong {
    let hint = match nearest(name, KEYS.iter().map(|key| key.name)) {
        Some(meant) => format!("Did you mean `{meant}`?"),
        None => "`cfgsync config list` shows all there are.".to_owned(),
    };
    Wrong { cause: format!("`{name}` is no setting"), hint: Some(hint) }
}

/// Checks what a file holds under a name.
pub fn check(level: Level, name: &str, value: &Value) -> Result<(), Wrong> {
    let key = KEYS.iter().find(|key| key.name == name).ok_or_else(|| unknown(name))?;
    if key.level != level {
        let place = match key.level {
            Level::User => "the user's config.toml, in ~/.config/cfgsync",
            Level::Machine => ".sync/config.toml of the repository",
        };
        let hint = Some(format!("Move the line to {place}."));
        return Err(Wrong { cause: format!("`{name}` belongs into another file"), hint });
    }
    let wanted = match (key.shape, value) {
        (Shape::Text, Value::Text(_)) | (Shape::Flag, Value::Flag(_)) => return Ok(()),
        (Shape::Table, Value::Table) => return Ok(()),
        (Shape::Word(words), Value::Text(word)) if words.contains(&word.as_str()) => return Ok(()),
        (Shape::Word(words), Value::Text(word)) => {
            let words = words.join("`, `");
            return Err(Wrong::new(format!("`{name}` is `{word}`, and can be `{words}`")));
        }
        (Shape::Number(least), Value::Number(number)) => {
            return match u64::try_from(*number) {
                Ok(number) if number >= least => Ok(()),
                _ => Err(Wrong::new(format!("`{name}` is {number}, and {least} is the least"))),
            };
        }
        (Shape::Text | Shape::Word(_), _) => "a text in quotes",
        (Shape::Number(_), _) => "a whole number",
        (Shape::Flag, _) => "true or false",
        (Shape::Table, _) => "a table",
    };
    let cause = format!("`{name}` takes {wanted}, and this is {}", value.described());
    Err(Wrong { cause, hint: Some(format!("For example: {}", key.example)) })
}

/// Returns the value that a person typed for a key, or for an entry of a table.
pub fn typed(key: &Key, word: &str) -> Result<Value, Wrong> {
    let value = match key.shape {
        Shape::Text | Shape::Table => return Ok(Value::Text(word.to_owned())),
        Shape::Word(_) => None,
        Shape::Number(_) => word.parse().ok().map(Value::Number),
        Shape::Flag => match word {
            "true" | "yes" | "on" => Some(Value::Flag(true)),
            "false" | "no" | "off" => Some(Value::Flag(false)),
            _ => None,
        },
    };
    let value = value.unwrap_or_else(|| Value::Text(word.to_owned()));
    check(key.level, key.name, &value).map(|()| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_its_key_or_says_which_one_was_meant() {
        assert_eq!(named("interval").unwrap().name, "interval");
        assert_eq!(named("web.git.example.org").unwrap().name, "web");
        let hint = |name: &str| named(name).unwrap_err().hint.unwrap_or_default();
        assert_eq!(hint("intervall"), "Did you mean `interval`?");
        assert_eq!(hint("snapshot-days"), "Did you mean `snapshot_days`?");
        assert!(hint("colour").contains("config list"));
        assert!(named("interval.x").unwrap_err().cause.contains("no table"));
    }

    #[test]
    fn a_value_fits_its_key() {
        use Level::{Machine, User};
        let text = || Value::Text("x".to_owned());
        for (level, name, value, is_right) in [
            (Machine, "branch", text(), true),
            (Machine, "interval", Value::Number(0), true),
            (Machine, "interval", Value::Number(-1), false),
            (Machine, "interval", text(), false),
            (Machine, "interval", Value::Other, false),
            (Machine, "deadline", Value::Number(0), false),
            (Machine, "deadline", Value::Number(1), true),
            (Machine, "backup_local", Value::Flag(true), true),
            (Machine, "backup_local", Value::Number(1), false),
            (Machine, "notify", Value::Text("off".to_owned()), true),
            (Machine, "notify", text(), false),
            (Machine, "notify", Value::Flag(true), false),
            (Machine, "dir", text(), false),
            (User, "dir", text(), true),
            (User, "web", Value::Table, true),
            (User, "web", text(), false),
            (User, "interval", Value::Number(5), false),
            (User, "wbe", Value::Table, false),
        ] {
            assert_eq!(check(level, name, &value).is_ok(), is_right, "{name} {value:?}");
        }
    }

    #[test]
    fn a_typed_word_becomes_the_value_of_its_key() {
        let value = |name: &str, word: &str| typed(named(name).unwrap(), word);
        assert_eq!(value("interval", "600"), Ok(Value::Number(600)));
        assert_eq!(value("backup_local", "yes"), Ok(Value::Flag(true)));
        assert_eq!(value("branch", "600"), Ok(Value::Text("600".to_owned())));
        let wrong = |name: &str, word: &str| value(name, word).unwrap_err().cause;
        assert_eq!(
            wrong("interval", "often"),
            "`interval` takes a whole number, and this is a text"
        );
        assert_eq!(wrong("backups", "0"), "`backups` is 0, and 1 is the least");
        assert_eq!(
            wrong("backup_local", "maybe"),
            "`backup_local` takes true or false, and this is a text"
        );
    }
}
