//! Values that have the name of a secret and look like one: what nobody's format gives away.

use std::ops::Range;
use std::sync::LazyLock;

use super::Tier;
use super::random::{entropy, is_placeholder, is_random, is_reference, wordiness};
use super::words::{Case, Words};

/// Raised when what is found here changes.
pub const EDITION: u32 = 1;

/// The rules of this file.
pub const NAMES: [&str; 3] = [NAMED, IN_ADDRESS, IN_HEADER];

/// What people call what they find.
pub const WHAT: &str = "what looks like a password, a key or a token";

const NAMED: &str = "named-secret";
const IN_ADDRESS: &str = "password-in-address";
const IN_HEADER: &str = "authorization";

/// What the name of a secret contains, whatever its case; the last three begin other forms.
const WORDS: [&str; 24] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "access-key",
    "accesskey",
    "private_key",
    "private-key",
    "privatekey",
    "encryption_key",
    "signing_key",
    "auth_key",
    "authkey",
    "credential",
    "_pwd",
    "://",
    "bearer ",
    "basic ",
];

/// The first word of [`WORDS`] that is no name.
const ADDRESS: usize = 21;

/// What makes such a name mean something about a secret, and not the secret.
const ABOUT: [&str; 44] = [
    "path", "file", "dir", "url", "uri", "endpoint", "name", "type", "kind", "len", "size",
    "count", "expir", "ttl", "time", "hash", "regex", "pattern", "prompt", "label", "field",
    "param", "header", "format", "policy", "min", "max", "algo", "method", "command", "cmd",
    "class", "store", "manage", "helper", "provider", "hint", "title", "message", "error", "help",
    "desc", "_id", "public",
];

/// What such a value may not contain: it says what should stand there, or is known to everybody.
const STOPS: [&[u8]; 22] = [
    b"password",
    b"passwd",
    b"secret",
    b"token",
    b"default",
    b"sample",
    b"test",
    b"none",
    b"null",
    b"true",
    b"false",
    b"undefined",
    b"hidden",
    b"enter",
    b"prompt",
    b"foobar",
    b"hello",
    b"qwerty",
    b"letmein",
    b"abcdef",
    b"12345678",
    b"key",
];

/// Longest name, and longest value that is looked at.
const LONGEST_NAME: usize = 60;
const LONGEST: usize = 300;

static SEARCH: LazyLock<Words> = LazyLock::new(|| Words::new(WORDS.to_vec(), Case::Either));

/// Finds them in a text.
pub fn scan(bytes: &[u8], found: &mut Vec<(&'static str, Tier, Range<usize>)>) {
    let Some(search) = SEARCH.search(bytes) else { return };
    let mut past = 0;
    for hit in search.find_iter(bytes) {
        if hit.start() < past {
            continue;
        }
        let word = hit.pattern().as_usize();
        let value = match word {
            ADDRESS => in_address(bytes, hit.end()).map(|at| (IN_ADDRESS, at)),
            word if word > ADDRESS => in_header(bytes, hit.end()).map(|at| (IN_HEADER, at)),
            _ => named(bytes, hit.range()).map(|at| (NAMED, at)),
        };
        if let Some((rule, at)) = value {
            past = at.end;
            found.push((rule, Tier::Likely, at));
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Returns where the value of a name lies that contains one of the words.
fn named(bytes: &[u8], word: Range<usize>) -> Option<Range<usize>> {
    let before = bytes[..word.start].iter().rev().take(LONGEST_NAME);
    let start = word.start - before.take_while(|byte| is_name(**byte)).count();
    let after = bytes[word.end..].iter().take(LONGEST_NAME);
    let end = word.end + after.take_while(|byte| is_name(**byte)).count();
    let at = value_after(bytes, end)?;
    let name = bytes[start..end].to_ascii_lowercase();
    let is_about = ABOUT.iter().any(|about| {
        let about = about.as_bytes();
        name.windows(about.len()).any(|window| window == about)
    });
    let is_password = name.windows(4).any(|window| window == b"pass" || window == b"_pwd");
    (!is_about && is_secret(&bytes[at.clone()], is_password)).then_some(at)
}

/// Returns where the value stands that is given to a name: `= value`, `: "value"`, `>value<`.
fn value_after(bytes: &[u8], name_end: usize) -> Option<Range<usize>> {
    let blanks = |at: usize| {
        at + bytes[at..].iter().take(4).take_while(|byte| matches!(byte, b' ' | b'\t')).count()
    };
    let mut at = name_end;
    if matches!(bytes.get(at), Some(b'"' | b'\'')) {
        at += 1;
    }
    let is_element = bytes.get(at) == Some(&b'>');
    at = blanks(at);
    at += match bytes.get(at..)? {
        [b':', b'=', ..] | [b'=', b'>', ..] => 2,
        // A comparison, and a name inside a path of names.
        [b'=', b'=', ..] | [b':', b':', ..] => return None,
        [b'=' | b':', ..] => 1,
        [b'>', ..] if is_element => 1,
        _ => return None,
    };
    at = blanks(at);
    let quote = bytes.get(at).copied().filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    let start = at + usize::from(quote.is_some());
    let rest = bytes.get(start..bytes.len().min(start + LONGEST))?;
    let is_end = |byte: &u8| match quote {
        Some(quote) => *byte == quote || *byte == b'\n',
        None => byte.is_ascii_whitespace() || b"\"'`,;<>(){}[]".contains(byte),
    };
    let length = rest.iter().position(is_end).unwrap_or(rest.len());
    // Code: a call, an index, a block.
    let is_code = quote.is_none() && matches!(rest.get(length), Some(b'(' | b'[' | b'{'));
    (length >= 8 && !is_code).then_some(start..start + length)
}

/// Returns where the password of an address lies.
fn in_address(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let rest = &bytes[start..bytes.len().min(start + LONGEST)];
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"/\"'`<>()?#|,;".contains(byte);
    let authority = &rest[..rest.iter().position(is_end).unwrap_or(rest.len())];
    let host = authority.iter().rposition(|byte| *byte == b'@')?;
    let user = authority[..host].iter().position(|byte| *byte == b':')?;
    let (name, value) = (&authority[..user], &authority[user + 1..host]);
    let is_secret = value.len() >= 6
        && value != name
        && !is_reference(value)
        && !is_placeholder(value)
        && !is_stopped(value)
        && (value.iter().any(u8::is_ascii_digit) || is_random(value));
    is_secret.then_some(start + user + 1..start + host)
}

/// Returns where what follows `Bearer` or `Basic` lies.
fn in_header(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let rest = &bytes[start..bytes.len().min(start + LONGEST)];
    let is_letter = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/=_-.~".contains(byte);
    let length = rest.iter().take_while(is_letter).count();
    let value = &rest[..length];
    let is_secret = length >= 16 && is_random(value) && !is_placeholder(value) && !is_shape(value);
    is_secret.then_some(start..start + length)
}

/// Returns true for a value that looks like a secret.
fn is_secret(value: &[u8], is_password: bool) -> bool {
    if is_reference(value) || is_placeholder(value) || is_stopped(value) || is_shape(value) {
        return false;
    }
    if value.contains(&b' ') {
        return false;
    }
    let has = |kind: fn(&u8) -> bool| value.iter().any(kind);
    let kinds = [
        has(u8::is_ascii_digit),
        has(u8::is_ascii_lowercase),
        has(u8::is_ascii_uppercase),
        value.iter().any(|byte| byte.is_ascii_punctuation() && !b"-_.:/".contains(byte)),
    ];
    let kinds = kinds.into_iter().filter(|has| *has).count();
    if is_password && value.len() < 16 {
        return kinds >= 3 || (kinds >= 2 && wordiness(value) < 60 && entropy(value) > 2.7);
    }
    value.len() >= 12 && is_random(value)
}

fn is_stopped(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    let has = |part: &[u8]| lower.windows(part.len()).any(|window| window == part);
    STOPS.iter().any(|part| has(part))
}

/// Returns true for what is known by its shape to be something else: a path, an address, a uuid, a
/// public key, a digest with its name, a version, a list.
fn is_shape(value: &[u8]) -> bool {
    const STARTS: [&[u8]; 12] = [
        b"/", b"~", b"./", b"../", b"ssh-", b"ecdsa-", b"age1", b"sha256:", b"SHA256:", b"sha1:",
        b"md5:", b"AAAA",
    ];
    let has = |part: &[u8]| value.windows(part.len()).any(|window| window == part);
    let is_uuid = value.len() == 36
        && value.split(|byte| *byte == b'-').map(<[u8]>::len).eq([8, 4, 4, 4, 12])
        && value.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let separators = value.iter().filter(|byte| b"/\\:|&".contains(byte)).count();
    is_uuid
        || STARTS.iter().any(|start| value.starts_with(start))
        || has(b"://")
        || has(b"\\")
        || (separators > 2 && wordiness(value) > 35)
        || !value.is_ascii()
        || value.iter().any(u8::is_ascii_control)
}

#[cfg(test)]
mod tests {
    use super::super::scan;

    fn check(text: &str, wanted: &[&str]) {
        let found = scan(b"config", text.as_bytes());
        let values: Vec<&str> = found.iter().map(|it| &text[it.at.clone()]).collect();
        assert_eq!(values, wanted, "{text}: {found:?}");
    }

    #[test]
    fn values_with_the_name_of_a_secret() {
        check("password = Tr0ub4dor&3", &["Tr0ub4dor&3"]);
        check("db_password: \"hX9z!kQ2vB7\"", &["hX9z!kQ2vB7"]);
        check("export API_KEY='8f3kD92mfKQ0s7xLq1'", &["8f3kD92mfKQ0s7xLq1"]);
        check("\"clientSecret\": \"q8Zt3vXn5LrW2yKpD7hJ\",", &["q8Zt3vXn5LrW2yKpD7hJ"]);
        check("<password>gT7#kd92Lq</password>", &["gT7#kd92Lq"]);
        check("auth_token => 4f9a1c77d02e8b36", &["4f9a1c77d02e8b36"]);
        check("https://me:v3ryS3cr7@example.net/x", &["v3ryS3cr7"]);
        check("Authorization: Bearer 8f3kD92mfKQ0s7xLq1ZZ", &["8f3kD92mfKQ0s7xLq1ZZ"]);
    }

    #[test]
    fn values_that_are_none() {
        for text in [
            "password = $PASSWORD",
            "password = ${PASSWORD}",
            "password: $(pass show mail)",
            "token: {{ env.TOKEN }}",
            "secret = op://vault/item/field",
            "password = \"your-password-here\"",
            "password_file = /etc/secrets/Xk29fhQ77zLm",
            "token_url = https://a.example/8f3kD92mfKQ0s7xLq1",
            "secret_id = 8f3kD92mfKQ0s7xLq1",
            "token = 123e4567-e89b-12d3-a456-426614174000",
            "token = sha256:8f14e45fceea167a5a36dedd4bea2543",
            "if token == 8f3kD92mfKQ0s7xLq1:",
            "let token = next_token(stream);",
            "the password: something you know",
            "password = changeme123",
            "postgres://user:password@localhost/db",
            "amqp://guest:guest@localhost",
            "https://example.org/a:b@c",
            "secret = correct-horse-battery-staple",
            "tokenizer: bert-base-uncased-v2",
        ] {
            check(text, &[]);
        }
    }
}
