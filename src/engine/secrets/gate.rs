//! What this machine knows of secrets: its key, what it allowed, and what it scanned already.
//!
//! All of it lies in the state folder, for its owner alone, and is read when the first file has to be
//! looked at: a sync that finds nothing new never opens it. Nothing of it comes from the repository.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cfgsync_core::escape::{escape, unescape};
use cfgsync_core::secrets::{self, Secret, Tier};
use cfgsync_core::time::UnixTime;
use cfgsync_core::unit::BlobId;

use super::print::{Key, Print};
use crate::failure::Outcome;
use crate::fs::plain::{self, Durability};

const ALLOWED: &str = "allowed-secrets";
const SCANNED: &str = "scanned";
const KEY: &str = "secrets.key";

const ALLOWED_HEADING: &str = "cfgsync allowed secrets 1";
const SCANNED_HEADING: &str = "cfgsync scanned 1";

/// One secret in one file, without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// What a plan has to know.
    pub secret: Secret,
    /// What it is known by.
    pub print: Print,
}

/// A secret that may travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The rule that found it.
    pub rule: String,
    /// When it was allowed, in Unix seconds.
    pub at: u64,
    /// The unit.
    pub path: Vec<u8>,
}

/// What a file of these bytes and this path holds.
type Scanned = BTreeMap<(Vec<u8>, BlobId), Vec<Sight>>;

/// What this machine knows of secrets.
pub struct Gate {
    state: PathBuf,
    keeps: bool,
    opened: OnceCell<Opened>,
}

struct Opened {
    key: Key,
    allowed: RefCell<BTreeMap<Print, Allowed>>,
    before: Scanned,
    after: RefCell<Scanned>,
}

impl Gate {
    /// What is known in a state folder; a rehearsal keeps nothing there.
    pub fn new(state: &Path, keeps: bool) -> Self {
        Self { state: state.to_owned(), keeps, opened: OnceCell::new() }
    }

    fn opened(&self) -> Outcome<&Opened> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let path = self.state.join(KEY);
        let (key, is_known) = match Key::read(&path)? {
            Some(key) => (key, true),
            None => (Key::draw()?, false),
        };
        if !is_known && self.keeps {
            key.write(&path)?;
        }
        let allowed = plain::read_text(&self.state.join(ALLOWED))?.unwrap_or_default();
        let allowed = RefCell::new(parse_allowed(&allowed));
        let scanned = plain::read_text(&self.state.join(SCANNED))?.unwrap_or_default();
        let before = if is_known { parse_scanned(&scanned) } else { BTreeMap::new() };
        let opened = Opened { key, allowed, before, after: RefCell::default() };
        Ok(self.opened.get_or_init(|| opened))
    }

    /// Returns the secrets of a file; its bytes are asked for where they were not scanned before.
    pub fn look(
        &self,
        path: &[u8],
        blob: BlobId,
        bytes: impl FnOnce() -> Outcome<Vec<u8>>,
    ) -> Outcome<Vec<Sight>> {
        let opened = self.opened()?;
        let place = (path.to_vec(), blob);
        let known =
            opened.after.borrow().get(&place).or_else(|| opened.before.get(&place)).cloned();
        let sights = match known {
            Some(sights) => sights,
            None => scan(&opened.key, path, &bytes()?),
        };
        opened.after.borrow_mut().insert(place, sights.clone());
        Ok(sights)
    }

    /// Returns true for a secret that may travel.
    pub fn allows(&self, sight: &Sight) -> Outcome<bool> {
        Ok(self.opened()?.allowed.borrow().contains_key(&sight.print))
    }

    /// Returns what a file may not travel with: the surest of its secrets that nobody allowed.
    pub fn stop(
        &self,
        path: &[u8],
        blob: BlobId,
        bytes: impl FnOnce() -> Outcome<Vec<u8>>,
    ) -> Outcome<Option<Secret>> {
        let mut found: Option<Secret> = None;
        for sight in self.look(path, blob, bytes)? {
            let is_surer = found.is_none_or(|known| sight.secret.tier < known.tier);
            if is_surer && !self.allows(&sight)? {
                found = Some(sight.secret);
            }
        }
        Ok(found)
    }

    /// Lets secrets of a file travel.
    pub fn allow(&self, path: &[u8], sights: &[Sight], now: UnixTime) -> Outcome<()> {
        let allowed = &self.opened()?.allowed;
        for sight in sights {
            let rule = sight.secret.rule.to_owned();
            let entry = Allowed { rule, at: now.seconds(), path: path.to_vec() };
            allowed.borrow_mut().insert(sight.print, entry);
        }
        self.write_allowed()
    }

    /// Takes back what was allowed of a file, and returns how much that was.
    pub fn revoke(&self, path: &[u8]) -> Outcome<usize> {
        let allowed = &self.opened()?.allowed;
        let before = allowed.borrow().len();
        allowed.borrow_mut().retain(|_, entry| entry.path != path);
        let gone = before - allowed.borrow().len();
        self.write_allowed()?;
        Ok(gone)
    }

    /// Returns what may travel.
    pub fn allowed(&self) -> Outcome<Vec<Allowed>> {
        let mut all: Vec<Allowed> = self.opened()?.allowed.borrow().values().cloned().collect();
        all.sort_by(|one, other| (&one.path, &one.rule).cmp(&(&other.path, &other.rule)));
        Ok(all)
    }

    fn write_allowed(&self) -> Outcome<()> {
        let mut text = format!("{ALLOWED_HEADING}\n");
        for (print, Allowed { rule, at, path }) in &*self.opened()?.allowed.borrow() {
            text.push_str(&format!("{print} {rule} {at} {}\n", escape(path)));
        }
        Ok(plain::publish(&self.state.join(ALLOWED), text.as_bytes(), Durability::Synced)?)
    }

    /// Writes down what was scanned, for the next run; what nobody asked for is forgotten.
    pub fn remember(&self) -> Outcome<()> {
        let Some(opened) = self.opened.get().filter(|_| self.keeps) else { return Ok(()) };
        let after = opened.after.borrow();
        if *after == opened.before {
            return Ok(());
        }
        let mut text = format!("{SCANNED_HEADING} {:016x}\n", secrets::edition());
        for ((path, blob), sights) in &*after {
            let sight = |sight: &Sight| {
                let Secret { rule, tier, line } = sight.secret;
                format!("{rule},{},{line},{}", tier.word(), sight.print)
            };
            let sights: Vec<String> = sights.iter().map(sight).collect();
            let sights = if sights.is_empty() { "-".to_owned() } else { sights.join(";") };
            text.push_str(&format!("{blob} {sights} {}\n", escape(path)));
        }
        Ok(plain::publish(&self.state.join(SCANNED), text.as_bytes(), Durability::Relaxed)?)
    }
}

fn scan(key: &Key, path: &[u8], bytes: &[u8]) -> Vec<Sight> {
    let sight = |found: secrets::Found| Sight {
        print: key.print(found.rule, path, &bytes[found.at.clone()]),
        secret: Secret { rule: found.rule, tier: found.tier, line: found.line },
    };
    secrets::scan(path, bytes).into_iter().map(sight).collect()
}

fn parse_allowed(text: &str) -> BTreeMap<Print, Allowed> {
    let mut lines = text.lines();
    if lines.next() != Some(ALLOWED_HEADING) {
        return BTreeMap::new();
    }
    let line = |line: &str| {
        let mut words = line.splitn(4, ' ');
        let print = Print::parse(words.next()?)?;
        let (rule, at) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        Some((print, Allowed { rule, at, path: unescape(words.next()?)? }))
    };
    lines.filter_map(line).collect()
}

/// What other rules found means nothing.
fn parse_scanned(text: &str) -> Scanned {
    let mut lines = text.lines();
    if lines.next() != Some(&*format!("{SCANNED_HEADING} {:016x}", secrets::edition())) {
        return BTreeMap::new();
    }
    let line = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let blob = BlobId::parse(words.next()?)?;
        let sights = match words.next()? {
            "-" => Vec::new(),
            sights => sights.split(';').map(parse_sight).collect::<Option<_>>()?,
        };
        Some(((unescape(words.next()?)?, blob), sights))
    };
    lines.filter_map(line).collect()
}

fn parse_sight(text: &str) -> Option<Sight> {
    let mut words = text.split(',');
    let rule = secrets::known(words.next()?)?;
    let tier = match words.next()? {
        "certain" => Tier::Certain,
        "likely" => Tier::Likely,
        _ => return None,
    };
    let line = words.next()?.parse().ok()?;
    Some(Sight { secret: Secret { rule, tier, line }, print: Print::parse(words.next()?)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_scanned_comes_back_without_a_value() {
        let key = Key::draw().unwrap();
        let sights = scan(&key, b"a b", b"password = hX9z!kQ2vB7\n");
        let text = sights[0].print.to_string();
        let line = format!("named-secret,likely,1,{text}");
        assert_eq!(parse_sight(&line), Some(sights[0]));
        let heading = format!("{SCANNED_HEADING} {:016x}", secrets::edition());
        let blob = BlobId::EMPTY;
        let parsed = parse_scanned(&format!("{heading}\n{blob} {line} a\\ b\n{blob} - c\n"));
        assert_eq!(parsed[&(b"a b".to_vec(), blob)], sights);
        assert_eq!(parsed[&(b"c".to_vec(), blob)], []);
        assert_eq!(parse_scanned(&format!("{SCANNED_HEADING} 0\n{blob} - c\n")).len(), 0);
    }
}
