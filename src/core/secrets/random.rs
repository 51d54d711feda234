//! Whether a text looks as if a machine had drawn it, or stands for something else.

/// Pairs of letters that are frequent in words and names.
const PAIRS: &str = "th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou io \
    le ve co me de hi ri ro ic ne ea ra ce li ch ll be ma si om ur ca el ta la ns di fo ho \
    pe ec pr no ct us ac ot il tr ly nc et ut ss so rs un lo wa ge ie wh ee wi em ad ol rt \
    po we na ul ni ts mo ow pa im mi ai sh ir su id os iv ia am fi ci vi pl ig tu ev ld ry \
    mp fe bl ab gh ty op sa ke fr oo av ag if ap gr";

/// What stands where a secret would.
const PLACEHOLDERS: [&[u8]; 19] = [
    b"example",
    b"xxxx",
    b"****",
    b"....",
    b"changeme",
    b"change-me",
    b"change_me",
    b"replace",
    b"placeholder",
    b"your-",
    b"your_",
    b"yourtoken",
    b"redacted",
    b"dummy",
    b"insert",
    b"<your",
    b"todo",
    b"fixme",
    b"1234567890",
];

/// Returns the entropy of a text's bytes, in bits for each.
#[expect(clippy::cast_precision_loss, reason = "texts are short")]
pub fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0_usize; 256];
    text.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let whole = text.len() as f64;
    let share = |count: &usize| {
        let share = *count as f64 / whole;
        -share * share.log2()
    };
    counts.iter().filter(|count| **count > 0).map(share).sum()
}

/// Returns true for what stands in examples and templates.
pub fn is_placeholder(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    let has = |part: &&[u8]| lower.windows(part.len()).any(|window| window == *part);
    PLACEHOLDERS.iter().any(has) || entropy(value) < 2.4
}

/// Returns true for what is no value but says where one is: a variable, a command, a template, the
/// address of a secret in a store.
pub fn is_reference(value: &[u8]) -> bool {
    const STARTS: [&[u8]; 20] = [
        b"$",
        b"`",
        b"{{",
        b"<%",
        b"%(",
        b"%{",
        b"#{",
        b"@",
        b"<",
        b"op://",
        b"vault:",
        b"env:",
        b"file:",
        b"ref+",
        b"secret:",
        b"keyring:",
        b"!",
        b"arn:",
        b"process.env",
        b"os.environ",
    ];
    let is_windows = value.len() > 2 && value.starts_with(b"%") && value.ends_with(b"%");
    let has = |part: &[u8]| value.windows(part.len()).any(|window| window == part);
    is_windows
        || STARTS.iter().any(|start| value.starts_with(start))
        || has(b"${")
        || has(b"$(")
        || has(b"{{")
}

/// Returns true for a text that looks drawn by lot: many different characters, of several kinds, and
/// either few of the pairs of letters that words are made of or kinds that change all the time.
pub fn is_random(text: &[u8]) -> bool {
    let has = |kind: fn(&u8) -> bool| text.iter().any(kind);
    let (digits, letters) = (has(u8::is_ascii_digit), has(u8::is_ascii_alphabetic));
    let mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    // Short texts cannot have much entropy.
    let least = if text.len() < 16 { 2.7 } else { 3.2 };
    letters
        && (digits || mixed)
        && entropy(text) >= least
        && (wordiness(text) < 50 || changes(text) >= 40)
}

/// Returns how often the kind of character changes from one to the next, in percent.
fn changes(text: &[u8]) -> usize {
    let kind = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let changes = text.windows(2).filter(|pair| kind(pair[0]) != kind(pair[1])).count();
    (changes * 100).checked_div(text.len().saturating_sub(1)).unwrap_or(0)
}

/// Returns how many of a text's pairs of letters are those of words, in percent. A change from small
/// to capital begins a word.
pub fn wordiness(text: &[u8]) -> usize {
    let pairs = PAIRS.as_bytes();
    let is_frequent = |pair: &[u8]| {
        let lower = [pair[0].to_ascii_lowercase(), pair[1].to_ascii_lowercase()];
        pairs.split(|byte| *byte == b' ').any(|known| *known == lower)
    };
    let is_pair = |pair: &&[u8]| {
        let [first, second] = [pair[0], pair[1]];
        first.is_ascii_alphabetic()
            && second.is_ascii_alphabetic()
            && !(first.is_ascii_lowercase() && second.is_ascii_uppercase())
    };
    let all: Vec<&[u8]> = text.windows(2).filter(is_pair).collect();
    let frequent = all.iter().filter(|pair| is_frequent(pair)).count();
    (frequent * 100).checked_div(all.len()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_differs_from_what_is_said() {
        let drawn =
            ["wJalrXUtnFEMI/K7MDENG/bPxRfiCY", "8f14e45fceea167a5a36dedd4bea2543", "hX9z!kQ2vB7"];
        for text in drawn {
            assert!(is_random(text.as_bytes()), "{text}: {}", wordiness(text.as_bytes()));
        }
        let said = [
            "correct-horse-battery-staple",
            "AuthenticationTokenProvider2",
            "org.freedesktop.secrets1",
            "aaaaaaaaaaaa1111",
            "application/x-www-form-urlencoded",
        ];
        for text in said {
            assert!(!is_random(text.as_bytes()), "{text}: {}", wordiness(text.as_bytes()));
        }
    }

    #[test]
    fn references_are_no_values() {
        for text in ["$TOKEN", "${TOKEN:-}", "$(pass show x)", "{{ token }}", "op://a/b", "%TOKEN%"]
        {
            assert!(is_reference(text.as_bytes()), "{text}");
        }
        assert!(!is_reference(b"hunter2"));
    }
}
