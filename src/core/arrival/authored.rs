//! Whether a commit or a name is one that Git meets every day. Whatever else there is, Git's own check of
//! objects knows, and what a person let in of it.

use crate::names::is_ignored;

/// Bytes of a name that a disk takes.
const LONGEST: usize = 255;

/// Returns true for the bytes of a commit as Git writes it.
pub fn is_usual(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Some((head, _)) = text.split_once("\n\n") else { return false };
    let mut lines = head.split('\n').peekable();
    let names = |line: &str, what: &str| line.strip_prefix(what).is_some_and(is_name);
    let starts_well = lines.next().is_some_and(|line| names(line, "tree "));
    while lines.next_if(|line| names(line, "parent ")).is_some() {}
    let is_signed = |line: Option<&str>, what: &str| {
        line.and_then(|line| line.strip_prefix(what)).is_some_and(is_signature)
    };
    starts_well
        && !text.contains('\0')
        && is_signed(lines.next(), "author ")
        && is_signed(lines.next(), "committer ")
        && lines.all(|line| line.starts_with(' ') || line.starts_with("gpgsig "))
}

/// Returns true for a name of an entry that Git neither reads nor would warn of, however a disk may spell it.
pub fn is_plain(name: &[u8]) -> bool {
    let seen: String = String::from_utf8_lossy(name).chars().filter(|c| !is_ignored(*c)).collect();
    let seen = seen.to_ascii_lowercase();
    let is_short = seen.starts_with("gi") && seen.contains('~');
    let is_read = is_short || ["gitmod", "gitattr"].iter().any(|part| seen.contains(part));
    !is_read && !name.contains(&b'\\') && name.len() <= LONGEST
}

fn is_name(word: &str) -> bool {
    word.len() == 40 && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns true for a name, an address, seconds and a zone.
fn is_signature(text: &str) -> bool {
    let Some((name, rest)) = text.split_once(" <") else { return false };
    let Some((address, when)) = rest.split_once("> ") else { return false };
    let Some((seconds, zone)) = when.split_once(' ') else { return false };
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|it| it.is_ascii_digit());
    let is_moment =
        is_number(seconds) && seconds.len() <= 11 && (seconds == "0" || !seconds.starts_with('0'));
    let is_zone =
        zone.len() == 5 && zone.starts_with(['+', '-']) && zone.get(1..).is_some_and(is_number);
    !name.is_empty() && !format!("{name}{address}").contains(['<', '>']) && is_moment && is_zone
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "tree 0123456789012345678901234567890123456789\n";
    const WHO: &str = "A B <a@b> 1790000000 +0200\n";

    fn commit(head: &str) -> bool {
        is_usual(format!("{head}\nA word\n").as_bytes())
    }

    #[test]
    fn what_git_writes_is_usual() {
        let parent = TREE.replace("tree", "parent");
        let signed = "gpgsig -----BEGIN\n abc\n \n -----END\n";
        for between in ["", &parent, &format!("{parent}{parent}")] {
            for after in ["", signed] {
                let head = format!("{TREE}{between}author {WHO}committer {WHO}{after}");
                assert!(commit(&head), "{head}");
            }
        }
    }

    #[test]
    fn names_that_git_reads_are_not_plain() {
        for name in ["a", ".zshrc", ".gitconfig", "gitk", "git~", "x~1", ".gitignore", "\u{200c}"] {
            assert!(is_plain(name.as_bytes()) != name.contains("git~"), "{name}");
        }
        for name in [
            ".gitmodules",
            ".GitModules",
            ".g\u{200c}itmodules",
            "gitmod~1",
            "GI7EBA~1",
            "gi7d29~2",
            ".gitattributes",
            "gitatt~1",
            "x\\.git",
            &"n".repeat(256),
        ] {
            assert!(!is_plain(name.as_bytes()), "{name}");
        }
        assert!(is_plain(b"\xff"));
    }

    #[test]
    fn whatever_else_there_is_is_not() {
        let with = |who: &str| commit(&format!("{TREE}author {who}committer {WHO}"));
        assert!(with(WHO) && with("a <> 0 -0000\n"));
        for who in [
            "<a@b> 1 +0000\n",
            " <a@b> 1 +0000\n",
            "a <a@b> 01 +0000\n",
            "a <a@b> 999999999999 +0000\n",
            "a <a@b> 1 0000\n",
            "a <a@b> 1\n",
            "a <a<b> 1 +0000\n",
            "a <a@b>1 +0000\n",
            "a a@b 1 +0000\n",
            "a <a@b> -1 +0000\n",
        ] {
            assert!(!with(who), "{who:?}");
        }
        assert!(!commit(&format!("author {WHO}committer {WHO}")));
        assert!(!commit(&format!("{TREE}committer {WHO}author {WHO}")));
        assert!(!commit(&format!("{TREE}author {WHO}author {WHO}committer {WHO}")));
        assert!(!commit(&format!("{TREE}author {WHO}committer {WHO}other x\n")));
        assert!(!commit(&format!("{}author {WHO}committer {WHO}", TREE.replace('9', "G"))));
        assert!(!is_usual(format!("{TREE}author {WHO}committer {WHO}").as_bytes()));
        assert!(!is_usual(format!("{TREE}author {WHO}committer {WHO}\na\0b").as_bytes()));
        assert!(!is_usual(b"tree \xff\n\n"));
    }
}
