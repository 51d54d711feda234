//! What Git's configuration says, of the repository and of the user: read once for as long as it is taken
//! to stand, since each answer of the library begins with a look at every file.

use std::collections::HashMap;

use git2::Config;

use super::worktree::Worktree;

/// What the configuration said when it was asked first.
#[derive(Default)]
pub struct Settings {
    all: Option<Config>,
    /// Where a fetch from a remote goes, and where a push goes.
    addresses: HashMap<String, Option<[String; 2]>>,
}

impl Worktree {
    /// Returns the address of a remote.
    pub fn remote_url(&self, name: &str) -> Option<String> {
        self.addresses(name).map(|[fetched, _]| fetched)
    }

    /// Returns where a push to a remote goes: another address than that of a fetch, where the user says so.
    pub fn push_url(&self, name: &str) -> Option<String> {
        self.addresses(name).map(|[_, pushed]| pushed)
    }

    fn addresses(&self, name: &str) -> Option<[String; 2]> {
        let ask = || {
            let remote = self.store().find_remote(name).ok()?;
            let fetched = remote.url().ok()?.to_owned();
            let pushed = remote.pushurl().ok().flatten().map(str::to_owned);
            Some([fetched.clone(), pushed.unwrap_or(fetched)])
        };
        let known = &mut self.settings.borrow_mut().addresses;
        known.entry(name.to_owned()).or_insert_with(ask).clone()
    }

    /// Returns a value of the repository's configuration.
    pub fn setting(&self, key: &str) -> Option<String> {
        self.with_settings(|settings| settings.get_string(key).ok())
    }

    /// Returns true for a key that is set to yes.
    pub fn is_set(&self, key: &str) -> bool {
        self.with_settings(|settings| settings.get_bool(key).ok()).unwrap_or(false)
    }

    /// Returns the values of all keys that a pattern matches.
    pub fn settings(&self, pattern: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        self.with_settings(|settings| {
            let mut entries = settings.entries(Some(pattern)).ok()?;
            while let Some(Ok(entry)) = entries.next() {
                if let (Ok(key), Ok(value)) = (entry.name(), entry.value()) {
                    found.push((key.to_owned(), value.to_owned()));
                }
            }
            Some(())
        });
        found
    }

    /// Returns all keys, one for each value.
    pub fn keys(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.with_settings(|settings| {
            let mut entries = settings.entries(None).ok()?;
            while let Some(Ok(entry)) = entries.next() {
                found.extend(entry.name().ok().map(str::to_owned));
            }
            Some(())
        });
        found
    }

    /// Lets the configuration be read anew: somebody may have changed it.
    pub fn forget_settings(&self) {
        self.settings.take();
    }

    fn with_settings<T>(&self, ask: impl FnOnce(&Config) -> Option<T>) -> Option<T> {
        let settings = &mut self.settings.borrow_mut().all;
        if settings.is_none() {
            *settings = self.store().config().and_then(|mut config| config.snapshot()).ok();
        }
        settings.as_ref().and_then(ask)
    }
}
