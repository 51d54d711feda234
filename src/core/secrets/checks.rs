//! What a match must fulfil beyond its pattern: checksums, keys below headings, pairs.

use std::ops::Range;

use super::random::{entropy, is_placeholder};

/// The digits of GitHub's and npm's checksums.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Length of such a checksum, and of the prefix that is not part of what it is made of.
const CHECKSUM: usize = 6;
const PREFIX: usize = 4;

/// Shortest key that can stand below a heading, in characters of base64.
const SHORTEST_KEY: usize = 56;

/// Length of an AWS secret key.
const AWS_SECRET: usize = 40;

/// Returns true where the last six characters are the CRC-32 of what is between them and the prefix.
pub fn checksum(token: &[u8]) -> bool {
    let Some(body) = token.get(PREFIX..) else { return false };
    let Some((random, digits)) = body.split_last_chunk::<CHECKSUM>() else { return false };
    let mut rest = crc32fast::hash(random);
    let mut wanted = [b'0'; CHECKSUM];
    for digit in wanted.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(rest % 62).unwrap_or(0)];
        rest /= 62;
    }
    wanted == *digits
}

/// Returns true where a text's own checksum is right (BIP 173).
pub fn bech32(text: &[u8]) -> bool {
    const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const STEPS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let text = text.to_ascii_lowercase();
    let Some(cut) = text.iter().rposition(|byte| *byte == b'1') else { return false };
    let (name, rest) = (&text[..cut], &text[cut + 1..]);
    let letters: Option<Vec<u8>> = rest
        .iter()
        .map(|byte| LETTERS.iter().position(|it| it == byte).and_then(|at| u8::try_from(at).ok()))
        .collect();
    let Some(letters) = letters else { return false };
    let high = name.iter().map(|byte| byte >> 5);
    let low = name.iter().map(|byte| byte & 31);
    let mut sum: u32 = 1;
    for value in high.chain([0]).chain(low).chain(letters) {
        let top = sum >> 25;
        sum = ((sum & 0x1ff_ffff) << 5) ^ u32::from(value);
        for (bit, step) in STEPS.iter().enumerate() {
            if top >> bit & 1 == 1 {
                sum ^= step;
            }
        }
    }
    sum == 1
}

/// Returns how far a key reaches below its heading; none where no key is there, as in a script that
/// only speaks of one. Line breaks may be written as `\n`, and a heading may have lines of its own.
pub fn is_key_below(text: &[u8]) -> Option<usize> {
    let (mut letters, mut at) = (Vec::new(), 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' if matches!(text.get(at + 1), Some(b'n' | b'r')) => at += 1,
            b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b',' | b'#' | b'>' => {}
            b':' => {
                // What came before on this line was the name of a property of the key.
                let rest = text[at..].iter().position(|byte| *byte == b'\n')?;
                at += rest;
                letters.clear();
            }
            byte if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=') => {
                letters.push(*byte);
            }
            // `Proc-Type` and the like.
            b'-' if letters.len() < SHORTEST_KEY && text.get(at + 1) != Some(&b'-') => {}
            _ => break,
        }
        at += 1;
    }
    let is_key = letters.len() >= SHORTEST_KEY && entropy(&letters) > 3.5;
    is_key.then_some(at)
}

/// Returns the AWS secret key that stands in the same file as its id.
pub fn paired(bytes: &[u8]) -> Option<Range<usize>> {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+');
    let mut start = 0;
    while start < bytes.len() {
        let length = bytes[start..].iter().take_while(|byte| is_letter(byte)).count();
        let word = &bytes[start..start + length];
        let has = |kind: fn(&u8) -> bool| word.iter().any(kind);
        if length == AWS_SECRET
            && has(u8::is_ascii_uppercase)
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_digit)
            && entropy(word) > 4.0
            && !is_placeholder(word)
        {
            return Some(start..start + length);
        }
        start += length + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums() {
        assert!(checksum(b"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"));
        assert!(!checksum(b"ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18"));
        assert!(!checksum(b"ghp_"));
        assert!(bech32(b"A12UEL5L"));
        assert!(!bech32(b"A12UEL5M"));
    }

    #[test]
    fn a_heading_alone_is_no_key() {
        assert_eq!(is_key_below(b"' $file"), None);
        assert_eq!(is_key_below(b"\n...\n-----END"), None);
        let key = b"\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END";
        assert_eq!(is_key_below(key), Some(key.len() - 8));
    }
}
