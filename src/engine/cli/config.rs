//! `cfgsync config`.

use std::path::{Path, PathBuf};

use cfgsync_core::setting::{self, KEYS, Key, Level, Shape, Wrong};
use serde::Serialize;

use crate::config_file::{self, ConfigText};
use crate::context::{self, Places, make_folders};
use crate::editor;
use crate::failure::{Code, Failure, Outcome};
use crate::fs::desk::Desk;
use crate::fs::plain::{self, Durability};
use crate::git::worktree::Worktree;
use crate::lock::{Lock, Patience};
use crate::ui::{Confirmed, Loudness, Tone, Ui, wrapped};

/// Show and change settings
///
///   cfgsync config list              all of them; -v says what each does
///   cfgsync config get interval      one
///   cfgsync config set interval 600
///   cfgsync config unset interval    back to its default
///   cfgsync config edit              this machine's file, in your editor
///
/// docs/configuration.md has every key with its default and an example.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ConfigArgs {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show every setting
    List(ListArgs),
    /// Print the value of one
    Get {
        /// Its name, such as interval
        key: String,
    },
    /// Set one
    Set(SetArgs),
    /// Give one its default back
    Unset(UnsetArgs),
    /// Edit the file in your editor; it is checked before it counts
    Edit {
        /// The user's file, instead of this machine's
        #[arg(long)]
        user: bool,
    },
}

#[derive(Debug, Default, clap::Args)]
struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct SetArgs {
    /// Its name, such as interval; web.HOST for an entry of the table
    key: String,
    /// What it shall hold
    value: String,
    /// Show what would be written, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
struct UnsetArgs {
    /// Its name
    key: String,
    /// Show what would be written, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// A setting, as it is reported.
#[derive(Debug, Serialize)]
struct Reported {
    key: String,
    level: &'static str,
    value: Option<String>,
    default: Option<&'static str>,
    meaning: &'static str,
}

#[derive(Debug, Serialize)]
struct Listing {
    schema: u32,
    settings: Vec<Reported>,
}

/// Runs it. The settings need not be readable: this is what mends them.
pub fn run(dir: Option<&Path>, ui: Ui, args: &ConfigArgs) -> Outcome<()> {
    match args.what.as_ref().unwrap_or(&What::List(ListArgs::default())) {
        What::List(args) => list(&context::known_places(dir)?, ui, args),
        What::Get { key } => get(dir, ui, key),
        What::Set(args) => {
            let key = changeable(&args.key)?;
            let value = setting::typed(key, &args.value).map_err(wrong)?;
            let set = |text: &mut ConfigText| text.set(&args.key, &value);
            let done = format!("{} is {} now.", args.key, args.value);
            change(&Target::of(key.level, dir)?, ui, set, &done, args.dry_run)
        }
        What::Unset(args) => {
            let key = changeable(&args.key)?;
            let unset = |text: &mut ConfigText| text.unset(&args.key);
            let done = format!("{} is {} again.", args.key, key.default);
            change(&Target::of(key.level, dir)?, ui, unset, &done, args.dry_run)
        }
        What::Edit { user } => {
            let level = if *user { Level::User } else { Level::Machine };
            edit(&Target::of(level, dir)?, ui)
        }
    }
}

/// A file of settings.
struct Target {
    level: Level,
    path: PathBuf,
    /// The repository it belongs to; none for that of the user.
    places: Option<Places>,
}

impl Target {
    fn of(level: Level, dir: Option<&Path>) -> Outcome<Self> {
        match level {
            Level::User => {
                let path = context::user_config(&context::home()?);
                Ok(Self { level, path, places: None })
            }
            Level::Machine => {
                let places = context::known_places(dir)?;
                Ok(Self { level, path: places.machine_config(), places: Some(places) })
            }
        }
    }

    fn text(&self) -> Outcome<String> {
        Ok(plain::read_text(&self.path)?.unwrap_or_default())
    }

    /// Holds off every run that reads the file, or writes it.
    fn lock(&self) -> Outcome<Option<Lock>> {
        let Some(places) = &self.places else {
            if let Some(folder) = self.path.parent() {
                plain::make_private(folder)?;
            }
            return Ok(None);
        };
        make_folders(places)?;
        Lock::take(&places.lock(), Patience::Wait).map(Some)
    }

    fn write(&self, text: &str) -> Outcome<()> {
        config_file::check(self.level, &self.path, text)?;
        Ok(plain::publish(&self.path, text.as_bytes(), Durability::Synced)?)
    }
}

fn wrong(wrong: Wrong) -> Failure {
    wrong.hint.into_iter().fold(Failure::new(Code::Usage, wrong.cause), Failure::hint)
}

fn changeable(name: &str) -> Outcome<&'static Key> {
    let key = setting::named(name).map_err(wrong)?;
    if let Some(command) = key.set_by {
        return Err(Failure::new(Code::Usage, format!("`{name}` alone is not all there is to it"))
            .hint(format!("Use `{command}`.")));
    }
    if key.shape == Shape::Table && name == key.name {
        return Err(Failure::new(Code::Usage, format!("`{name}` is a table"))
            .hint(format!("Name an entry of it: `{name}.NAME`.")));
    }
    Ok(key)
}

fn read(level: Level, path: &Path) -> Outcome<ConfigText> {
    let text = plain::read_text(path)?.unwrap_or_default();
    config_file::check(level, path, &text)?;
    ConfigText::parse(&text)
}

fn list(places: &Places, ui: Ui, args: &ListArgs) -> Outcome<()> {
    let files =
        [(Level::Machine, places.machine_config()), (Level::User, places.user_config.clone())];
    let mut settings = Vec::new();
    let mut text = String::new();
    for (level, path) in &files {
        let file = read(*level, path)?;
        text.push_str(&format!("{}\n", ui.paint(Tone::Strong, &path.display().to_string())));
        for key in KEYS.iter().filter(|key| key.level == *level) {
            let names = match key.shape {
                Shape::Table => {
                    file.entries(key.name).iter().map(|it| format!("{}.{it}", key.name)).collect()
                }
                _ => vec![key.name.to_owned()],
            };
            settings.extend(names.iter().map(|name| reported(name, key, &file)));
            let rows: String = names.iter().map(|name| row(ui, key, name, &file)).collect();
            text.push_str(if rows.is_empty() { "" } else { &rows });
            if ui.loudness >= Loudness::Verbose {
                let lines = wrapped(key.meaning, 54);
                lines.iter().for_each(|line| text.push_str(&format!("      {line}\n")));
            }
        }
    }
    if args.json {
        ui.answer(&crate::ui::document(&Listing { schema: 1, settings }));
    } else {
        ui.page(&text);
    }
    Ok(())
}

fn reported(name: &str, key: &Key, file: &ConfigText) -> Reported {
    let level = match key.level {
        Level::User => "user",
        Level::Machine => "machine",
    };
    let value = file.get(name).or_else(|| key.default_value().map(str::to_owned));
    Reported {
        key: name.to_owned(),
        level,
        value,
        default: key.default_value(),
        meaning: key.meaning,
    }
}

fn row(ui: Ui, key: &Key, name: &str, file: &ConfigText) -> String {
    let value = file.get(name).unwrap_or_else(|| key.default.to_owned());
    let is_own = key.default_value().is_some_and(|default| default != value);
    let (tone, note) = match key.default_value() {
        Some(default) if is_own => (Tone::Notice, format!("  (default: {default})")),
        _ => (Tone::Dim, String::new()),
    };
    let value = if is_own { ui.paint(tone, &value) } else { value };
    format!("  {name:<14} {value}{}\n", ui.paint(Tone::Dim, &note))
}

fn get(dir: Option<&Path>, ui: Ui, name: &str) -> Outcome<()> {
    let key = setting::named(name).map_err(wrong)?;
    let target = Target::of(key.level, dir)?;
    let file = read(target.level, &target.path)?;
    let entries = file.entries(name);
    if key.shape == Shape::Table && name == key.name {
        let line = |entry: &String| {
            let name = format!("{name}.{entry}");
            format!("{name} {}\n", file.get(&name).unwrap_or_default())
        };
        ui.answer(&entries.iter().map(line).collect::<String>());
        return Ok(());
    }
    let value = file.get(name).or_else(|| key.default_value().map(str::to_owned));
    let value = value.ok_or_else(|| {
        Failure::error(format!("`{name}` is not set"))
            .hint(format!("Without it, {} is used.", key.default))
    })?;
    ui.answer(&format!("{value}\n"));
    Ok(())
}

fn change(
    target: &Target,
    ui: Ui,
    change: impl FnOnce(&mut ConfigText),
    done: &str,
    dry_run: bool,
) -> Outcome<()> {
    let _lock = if dry_run { None } else { target.lock()? };
    let before = target.text()?;
    config_file::check(target.level, &target.path, &before)?;
    let mut text = ConfigText::parse(&before)?;
    change(&mut text);
    let after = text.text();
    if after == before {
        ui.say(&format!("Nothing to change in {}.", target.path.display()));
        return Ok(());
    }
    if dry_run {
        ui.say(&format!("Would write {}.", target.path.display()));
        return Ok(());
    }
    target.write(&after)?;
    ui.say(done);
    Ok(())
}

/// Lets a person edit the file on a desk until it is right, or they give up.
fn edit(target: &Target, ui: Ui) -> Outcome<()> {
    let before = target.text()?;
    // One that cannot be read is shown as it is.
    let start = ConfigText::parse(&before).map_or(before.clone(), |it| it.explained(target.level));
    let desk = Desk::set_up(&std::env::temp_dir())?;
    let file = desk.put("config.toml", start.as_bytes())?;
    let configured = || {
        let worktree = Worktree::open(&target.places.as_ref()?.repo).ok()?;
        worktree.setting("core.editor")
    };
    loop {
        if !editor::open(&file, configured)? {
            let cause = "the editor ended with an error; nothing was changed";
            return Err(Failure::error(cause)
                .hint("Set VISUAL or EDITOR to one that works, or use `cfgsync config set`."));
        }
        let edited = plain::read_text(&file)?;
        let Some(edited) = edited.filter(|edited| *edited != start && *edited != before) else {
            ui.say("Nothing was changed.");
            return Ok(());
        };
        let failure = match config_file::check(target.level, &target.path, &edited) {
            Ok(()) => {
                let _lock = target.lock()?;
                if target.text()? != before {
                    let cause = format!("{} was changed meanwhile", target.path.display());
                    return Err(Failure::error(cause).hint("Run `cfgsync config edit` again."));
                }
                target.write(&edited)?;
                ui.say(&format!("Wrote {}.", target.path.display()));
                return Ok(());
            }
            Err(failure) => failure,
        };
        if ui.answers != crate::ui::Answers::Asked {
            return Err(failure);
        }
        ui.failure(&failure);
        if ui.confirm("Edit it again?", Confirmed::Yes) == Confirmed::No {
            ui.say("Nothing was changed.");
            return Ok(());
        }
    }
}
