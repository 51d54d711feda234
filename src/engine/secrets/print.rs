//! Fingerprints: what is remembered of a secret instead of its value.
//!
//! A fingerprint is an HMAC-SHA256 under a key that only this machine has, over rule, path and value.
//! Whoever reads the list of what is allowed learns nothing of the values, and cannot try guesses.

use std::fmt;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::failure::{Failure, Outcome};
use crate::fs::plain::{self, Durability};

/// Block of SHA-256, in bytes.
const BLOCK: usize = 64;
const KEY: usize = 32;

/// The fingerprint of one secret at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Print([u8; 32]);

/// This machine's key.
pub struct Key([u8; KEY]);

impl Key {
    /// Reads the key; none where there is none yet.
    pub fn read(path: &Path) -> Outcome<Option<Self>> {
        let bytes = plain::read(path)?;
        Ok(bytes.and_then(|bytes| bytes.try_into().ok()).map(Self))
    }

    /// Draws a key.
    pub fn draw() -> Outcome<Self> {
        let mut key = [0; KEY];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut source| source.read_exact(&mut key))
            .map_err(|error| Failure::error(format!("could not read /dev/urandom: {error}")))?;
        Ok(Self(key))
    }

    /// Keeps it, for its owner alone.
    pub fn write(&self, path: &Path) -> Outcome<()> {
        Ok(plain::publish(path, &self.0, Durability::Synced)?)
    }

    /// Returns the fingerprint of a value that a rule found in a file.
    pub fn print(&self, rule: &str, path: &[u8], value: &[u8]) -> Print {
        let length = |part: &[u8]| u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes();
        let parts = [rule.as_bytes(), path, value];
        let message: Vec<u8> =
            parts.iter().flat_map(|part| [&length(part)[..], part].concat()).collect();
        Print(hmac(&self.0, &message))
    }
}

/// HMAC (RFC 2104) for keys that are no longer than a block.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let padded = |pad: u8| {
        let mut block = [pad; BLOCK];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

impl Print {
    /// Reads sixty-four hex digits.
    pub fn parse(word: &str) -> Option<Self> {
        let digits: &[u8; 64] = word.as_bytes().try_into().ok()?;
        let mut print = [0; 32];
        for (byte, pair) in print.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(print))
    }
}

impl fmt::Display for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        let print = Print(hmac(b"Jefe", b"what do ya want for nothing?"));
        let wanted = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(print.to_string(), wanted);
        assert_eq!(Print::parse(wanted), Some(print));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = Key([7; KEY]);
        assert_ne!(key.print("a", b"bc", b"d"), key.print("ab", b"c", b"d"));
        assert_ne!(Key([8; KEY]).print("a", b"b", b"c"), key.print("a", b"b", b"c"));
    }
}
