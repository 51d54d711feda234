//! The unit: the smallest thing that is decided at once, one file or one link of the repository.

use std::fmt;

/// The permission bits of a file or folder, as `chmod` takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mode(pub u16);

impl Mode {
    /// An ordinary file.
    pub const FILE: Self = Self(0o644);
    /// A file that can be run, and an ordinary folder.
    pub const EXECUTABLE: Self = Self(0o755);

    /// Reads octal digits; no bits beyond those `chmod` takes.
    pub fn parse(word: &str) -> Option<Self> {
        let is_octal = !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let mode = u16::from_str_radix(word, 8).ok().filter(|mode| is_octal && *mode <= 0o7777)?;
        Some(Self(mode))
    }

    /// Returns true when git's one bit of mode is set.
    pub fn is_executable(self) -> bool {
        self.0 & 0o100 != 0
    }

    /// Returns the mode git's one bit stands for: 0644 or 0755.
    pub fn in_git(self) -> Self {
        if self.is_executable() { Self::EXECUTABLE } else { Self::FILE }
    }

    /// Returns true when `self` grants group or others something `other` does not.
    pub fn is_wider_than(self, other: Self) -> bool {
        self.0 & !other.0 & 0o077 != 0
    }

    /// Returns the mode without what it grants group and others and `other` does not.
    #[must_use]
    pub fn without_what_others_lack(self, other: Self) -> Self {
        Self(self.0 & (other.0 | !0o077))
    }

    /// Returns what both modes grant.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// What each byte stands for as a hex digit; more than any digit does where it is none. Ids are random, so
/// to ask what kind of digit comes next is slow.
const DIGITS: [u8; 256] = {
    let mut digits = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        digits[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

/// The name git gives to a blob: the SHA-1 of its header and bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; 20]);

impl BlobId {
    /// The id of no bytes at all.
    pub const EMPTY: Self = Self([
        0xe6, 0x9d, 0xe2, 0x9b, 0xb2, 0xd1, 0xd6, 0x43, 0x4b, 0x8b, 0x29, 0xae, 0x77, 0x5a, 0xd8,
        0xc2, 0xe4, 0x8c, 0x53, 0x91,
    ]);

    /// Reads forty hex digits.
    pub fn parse(word: &str) -> Option<Self> {
        let digits: &[u8; 40] = word.as_bytes().try_into().ok()?;
        let (mut id, mut bits) = ([0; 20], 0);
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = [pair[0], pair[1]].map(|digit| DIGITS[usize::from(digit)]);
            bits |= high | low;
            *byte = high << 4 | low;
        }
        (bits <= 0xf).then_some(Self(id))
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 0xf)]);
        let digits = |byte: &u8| [digit(byte >> 4), digit(*byte)];
        f.write_str(&self.0.iter().flat_map(digits).collect::<String>())
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A symbolic link of the repository; its blob is the target. Never followed.
    Link,
}

/// One version of a unit: what it is, what it may do, and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// File or link.
    pub kind: Kind,
    /// Exact permission bits; always 0777 for a link, whose own bits mean nothing.
    pub mode: Mode,
    /// The bytes, or the link's target.
    pub blob: BlobId,
}

impl Version {
    /// A regular file.
    pub fn file(mode: Mode, blob: BlobId) -> Self {
        Self { kind: Kind::File, mode, blob }
    }

    /// A symbolic link.
    pub fn link(blob: BlobId) -> Self {
        Self { kind: Kind::Link, mode: Mode(0o777), blob }
    }
}

/// The versions one unit is decided from. `None` is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    /// The last version both sides agreed on.
    pub base: Option<Version>,
    /// This machine's version.
    pub ours: Option<Version>,
    /// Upstream's version.
    pub theirs: Option<Version>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_forty_hex_digits() {
        let id = BlobId(std::array::from_fn(|at| u8::try_from(at * 13).unwrap()));
        let word = id.to_string();
        assert_eq!(BlobId::parse(&word), Some(id));
        assert_eq!(BlobId::parse(&word.to_uppercase()), Some(id));
        for at in 0..40 {
            for wrong in ["g", "G", "/", ":", "@", "`", " ", "-"] {
                let mut word = word.clone();
                word.replace_range(at..=at, wrong);
                assert_eq!(BlobId::parse(&word), None, "{word}");
            }
        }
        assert_eq!(BlobId::parse(&word[1..]), None);
        assert_eq!(BlobId::parse(&format!("{word}0")), None);
    }
}
