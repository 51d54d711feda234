//! Finds words in bytes, with one of two searches: one that is quickly made, for the few bytes of a file
//! that changed, and one that takes longer to make and looks through many in a third of the time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// Up to how many bytes, of all that were looked at, are few.
const FEW: usize = 8 * 1024;

/// Whether letters count as the same in both cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// They do.
    Either,
    /// They do not.
    Exact,
}

/// Words to look for.
pub struct Words {
    all: Vec<&'static str>,
    case: Case,
    /// How many bytes were looked at; both searches find the same.
    looked_at: AtomicUsize,
    for_few: OnceLock<Option<AhoCorasick>>,
    for_many: OnceLock<Option<AhoCorasick>>,
}

impl Words {
    /// Words, in an order that a search knows them by.
    pub fn new(words: Vec<&'static str>, case: Case) -> Self {
        let (for_few, for_many) = (OnceLock::new(), OnceLock::new());
        Self { all: words, case, looked_at: AtomicUsize::new(0), for_few, for_many }
    }

    /// Returns the search for these bytes; none would mean that the words do not fit a machine.
    pub fn search(&self, bytes: &[u8]) -> Option<&AhoCorasick> {
        let before = self.looked_at.fetch_add(bytes.len(), Ordering::Relaxed);
        let (search, kind) = if before.saturating_add(bytes.len()) <= FEW {
            (&self.for_few, AhoCorasickKind::ContiguousNFA)
        } else {
            (&self.for_many, AhoCorasickKind::DFA)
        };
        let make = || {
            let mut builder = AhoCorasick::builder();
            builder.ascii_case_insensitive(self.case == Case::Either).kind(Some(kind));
            builder.build(&self.all).ok()
        };
        search.get_or_init(make).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_searches_find_the_same() {
        let words = Words::new(vec!["key", "token", "en", "KEY"], Case::Either);
        let few = b"a Key and a tokEN".to_vec();
        let many = [few.clone(), vec![b' '; FEW]].concat();
        let found = |bytes: &[u8]| {
            let hits = words.search(bytes).unwrap().find_overlapping_iter(bytes);
            hits.map(|hit| (hit.pattern(), hit.range())).collect::<Vec<_>>()
        };
        assert_eq!(found(&few).len(), 4);
        assert_eq!(found(&few), found(&many));
    }
}
