//! What Git's configuration says, of the repository and of the user: read once for as long as it is taken
//! to stand, since each answer of the library begins with a look at every file.

use git2::Config;

use super::worktree::Worktree;

impl Worktree {
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

    /// Lets the configuration be read anew: somebody may have changed it.
    pub fn forget_settings(&self) {
        self.settings.take();
    }

    fn with_settings<T>(&self, ask: impl FnOnce(&Config) -> Option<T>) -> Option<T> {
        let mut settings = self.settings.borrow_mut();
        if settings.is_none() {
            *settings = self.store().config().and_then(|mut config| config.snapshot()).ok();
        }
        settings.as_ref().and_then(ask)
    }
}
