//! The table of hostile archives: each row says what is wrong, and has its bytes.

use std::slice::from_ref;

use super::forge::{
    archive, blob, closed, entry, file, gzip, head, header, leading, line, list, pax, sound, tar,
};
use super::{NUMBER, SPOILED};

/// What is wrong with an archive, and its bytes.
pub type Hostile = (String, Vec<u8>);

/// The bytes that would arrive.
const BAD: &[u8] = SPOILED.as_bytes();

fn row(what: &str, bytes: Vec<u8>) -> Hostile {
    (what.to_owned(), bytes)
}

/// The head that all have.
fn start() -> String {
    head(NUMBER, 5)
}

/// An archive whose list is the usual head and these lines.
fn listing(lines: &str, entries: &[Vec<u8>]) -> Vec<u8> {
    archive(&(start() + lines), entries)
}

/// An archive that lists `note`, and holds these entries.
fn holding(entries: &[Vec<u8>]) -> Vec<u8> {
    listing(&line("0644", BAD, "note"), entries)
}

/// Paths that lead elsewhere, as the list spells them and as the entry has them.
pub fn paths() -> Vec<Hostile> {
    let spelled = [
        ("/tmp/cfgsync-outside", "/tmp/cfgsync-outside"),
        ("//note", "//note"),
        ("../outside", "../outside"),
        ("dir/../../outside", "dir/../../outside"),
        ("dir/..", "dir/.."),
        ("..", ".."),
        ("external/../../outside", "external/../../outside"),
        ("external/../../../outside", "external/../../../outside"),
        (".git/config", ".git/config"),
        (".git", ".git"),
        ("dir/.GIT/hooks/post-merge", "dir/.GIT/hooks/post-merge"),
        (".git./config", ".git./config"),
        (".git\\ /config", ".git /config"),
        ("git~1/config", "git~1/config"),
        (".g\u{200c}it/config", ".g\u{200c}it/config"),
        ("external/.git/config", "external/.git/config"),
        (".sync/config.toml", ".sync/config.toml"),
        (".sync/marked-files.txt", ".sync/marked-files.txt"),
        ("dir//file", "dir//file"),
        ("./note", "./note"),
        ("dir/./file", "dir/./file"),
        ("note/", "note/"),
        (".", "."),
        ("note\\x00", "note"),
        ("note\\x00/../../outside", "note"),
        ("\\x2e\\x2e/outside", "../outside"),
        ("\\x2ftmp/cfgsync-outside", "/tmp/cfgsync-outside"),
        ("\\x2e\\x67it/config", ".git/config"),
        ("\\..\\/outside", "../outside"),
        ("note\\", "note"),
        ("note\\x2", "note"),
        ("note\\xzz", "note"),
        ("", ""),
    ];
    let each = |(listed, name): (&str, &str)| {
        (format!("the path {listed:?}"), listing(&line("0644", BAD, listed), &[file(name, BAD)]))
    };
    spelled.into_iter().map(each).collect()
}

/// Lists of contents that no state of files has.
pub fn lists() -> Vec<Hostile> {
    let note = line("0644", BAD, "note");
    let (id, one) = (blob(BAD), file("note", BAD));
    let spelled = [
        ("a file twice", note.repeat(2)),
        ("files out of order", line("0644", BAD, "zzz") + &note),
        ("a file below a file", note.clone() + &line("0644", BAD, "note/inside")),
        ("a file below a link", line("link", BAD, "note") + &line("0644", BAD, "note/inside")),
        ("a folder that is a file", note.clone() + "folder 0700 note\n"),
        ("a folder below a file", note.clone() + "folder 0700 note/inside\n"),
        ("a folder that shuts its owner out", note.clone() + "folder 0000 dir\n"),
        ("a folder twice", note.clone() + "folder 0700 dir\nfolder 0700 dir\n"),
        ("cfgsync's own folder", note.clone() + "folder 0755 .sync\n"),
        ("a folder outside", note.clone() + "folder 0700 ../dir\n"),
        ("a link in a home", line("link", b"/etc", "external/.conf")),
        ("setuid", line("4755", BAD, "note")),
        ("setgid", line("2755", BAD, "note")),
        ("a mode that shuts its owner out", line("0000", BAD, "note")),
        ("a mode that is none", line("0999", BAD, "note")),
        ("a size below nothing", format!("0644 {id} -1 5 note\n")),
        ("a size over all numbers", format!("0644 {id} 18446744073709551616 5 note\n")),
        ("a size no file has", format!("0644 {id} 18446744073709551615 5 note\n")),
        (
            "sizes that go round",
            format!("0644 {id} 18446744073709551615 5 note\n0644 {id} 10 5 noted\n"),
        ),
        ("a time that is none", format!("0644 {id} 8 soon note\n")),
        ("half a blob", format!("0644 {} 8 5 note\n", &id[..20])),
        ("a blob that is none", format!("0644 {} 8 5 note\n", "z".repeat(40))),
        ("a line too short", format!("0644 {id} 8\n")),
        ("an empty line", note.clone() + "\n"),
        ("words that mean nothing", note.clone() + "rm -rf everything there is\n"),
    ];
    let mut rows: Vec<Hostile> = spelled
        .into_iter()
        .map(|(what, lines)| (what.to_owned(), listing(&lines, from_ref(&one))))
        .collect();
    let text = start() + &note;
    let heads = [
        ("a later version", text.replace("archive 1", "archive 2")),
        ("no heading", text.replace("cfgsync archive 1\n", "")),
        ("no number", text.replace("number 900\n", "")),
        ("a number that is none", text.replace("900", "-1")),
        ("a time below nothing", text.replace("at 5", "at -5")),
        ("nothing in its list", String::new()),
    ];
    rows.extend(heads.map(|(what, text)| (what.to_owned(), archive(&text, from_ref(&one)))));
    rows.push(row("a line that goes on and on", listing(&"x".repeat(1 << 20), from_ref(&one))));
    rows.push(row("no list", gzip(&tar(from_ref(&one)))));
    rows.push(row("its list last", gzip(&tar(&[one.clone(), list(&text)]))));
    rows.push(row("its list twice", gzip(&tar(&[list(&text), list(&text), one.clone()]))));
    let other = |kind: u8| entry(kind, b".cfgsync-archive", 0o600, text.as_bytes());
    rows.push(row("a folder as its list", gzip(&tar(&[other(b'5'), one.clone()]))));
    let linked = leading(b'2', ".cfgsync-archive", "/etc/passwd");
    rows.push(row("a link as its list", gzip(&tar(&[linked, one]))));
    rows
}

/// A list that is fine, with entries that are not what it says.
pub fn entries() -> Vec<Hostile> {
    let note = file("note", BAD);
    let mut rows: Vec<Hostile> = [
        ("a link", leading(b'2', "note", "/etc/passwd")),
        ("a hard link", leading(b'1', "note", "/etc/passwd")),
        ("a device of letters", entry(b'3', b"note", 0o644, b"")),
        ("a device of blocks", entry(b'4', b"note", 0o644, b"")),
        ("a pipe", entry(b'6', b"note", 0o644, b"")),
        ("a folder", entry(b'5', b"note/", 0o644, b"")),
        ("a folder with the bytes of a file", entry(b'5', b"note", 0o644, BAD)),
        ("a contiguous file", entry(b'7', b"note", 0o644, BAD)),
        ("a sparse file", entry(b'S', b"note", 0o644, BAD)),
        ("a kind nobody knows", entry(b'Z', b"note", 0o644, BAD)),
        ("another mode", entry(b'0', b"note", 0o755, BAD)),
        ("setuid", entry(b'0', b"note", 0o4644, BAD)),
        ("other bytes", file("note", b"SPOILED\n")),
        ("another name", file("note2", BAD)),
        ("a name that climbs", file("../note", BAD)),
        ("a name from the root", file("/note", BAD)),
        ("the same name in other words", file("./note", BAD)),
        ("a name with a slash behind", file("note/", BAD)),
    ]
    .into_iter()
    .map(|(what, entry)| (format!("{what} in place of a file"), holding(&[entry])))
    .collect();
    let long = |name: &[u8], kind: u8| entry(kind, b"././@LongLink", 0o644, name);
    rows.extend([
        row("nothing of what it lists", holding(&[])),
        row("a file twice", holding(&[note.clone(), note.clone()])),
        row("more than it lists", holding(&[note.clone(), file("../outside", BAD)])),
        row("a link that it does not list", holding(&[leading(b'2', "a", "/"), note.clone()])),
        row(
            "a folder that it does not list",
            holding(&[entry(b'5', b"a/", 0o700, b""), note.clone()]),
        ),
        row("a long name that differs", holding(&[long(b"../outside\0", b'L'), note.clone()])),
        row("a long name at the end", holding(&[note.clone(), long(b"../outside\0", b'L')])),
        row("two long names", holding(&[long(b"a\0", b'L'), long(b"note\0", b'L'), note.clone()])),
        row("a path of PAX", holding(&[pax(b'x', "path", "../outside"), note.clone()])),
        row("a list of PAX for all", holding(&[pax(b'g', "path", "../outside"), note.clone()])),
        row(
            "a folder that is a link",
            listing(
                &(line("0644", BAD, "note") + "folder 0700 dir\n"),
                &[leading(b'2', "dir", "/etc"), note.clone()],
            ),
        ),
        row(
            "entries out of order",
            listing(
                &(line("0644", BAD, "dir/file") + &line("0644", BAD, "note")),
                &[note.clone(), file("dir/file", BAD)],
            ),
        ),
    ]);
    let mut unsummed = note;
    unsummed[0] = b'N';
    rows.push(row("a header with a wrong sum", holding(&[unsummed])));
    rows
}

/// Sizes that differ between list, header, PAX and what is there.
pub fn sizes() -> Vec<Hostile> {
    let claimed = |size: usize| format!("0644 {} {size} 5 note\n", blob(BAD));
    let sized = |size: u64, content: &[u8]| closed(header(b'0', b"note", 0o644, size), content);
    let note = file("note", BAD);
    let mut huge = header(b'0', b"note", 0o644, 0);
    // The highest bit says that the size is a number of bytes, not of digits.
    huge.as_gnu_mut().unwrap().size = [0xff; 12];
    let mut wordy = header(b'0', b"note", 0o644, 0);
    wordy.as_gnu_mut().unwrap().size = *b"not a size!\0";
    let big = vec![0; 8192];
    vec![
        row("a list that claims less", listing(&claimed(3), from_ref(&note))),
        row("a list that claims more", listing(&claimed(9000), from_ref(&note))),
        row("a list that claims a bomb", listing(&claimed(1 << 40), from_ref(&note))),
        row("a header that claims less", holding(&[sized(3, BAD)])),
        row("a header that claims nothing", holding(&[sized(0, BAD)])),
        row("a header that claims more", holding(&[sized(9000, BAD)])),
        row("a header that swallows the end", holding(&[sized(1024, BAD)])),
        row("list and header that claim more", listing(&claimed(9000), &[sized(9000, BAD)])),
        row("more bytes than all claim", holding(&[sized(8, &big)])),
        row("a size of ones", holding(&[closed(huge, BAD)])),
        row("a size of words", holding(&[closed(wordy, BAD)])),
        row("a larger size of PAX", holding(&[pax(b'x', "size", "9000"), note.clone()])),
        row("a smaller size of PAX", holding(&[pax(b'x', "size", "3"), note.clone()])),
        row(
            "a list whose size is PAX's",
            gzip(&tar(&[pax(b'x', "size", "99999999999"), list(&start()), note])),
        ),
        row("a list larger than any", {
            let text = start() + &line("0644", BAD, "note").repeat(1_900_000);
            assert!(text.len() > 90 << 20);
            archive(&text, &[])
        }),
    ]
}

/// What surrounds the entries.
pub fn streams() -> Vec<Hostile> {
    let good = sound(NUMBER, 5, &[("note", SPOILED)]);
    let plain = tar(&[list(&(start() + &line("0644", BAD, "note"))), file("note", BAD)]);
    let outside = tar(&[file("../outside", BAD)]);
    let with = |bytes: &[u8]| [&good[..], bytes].concat();
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    vec![
        row("no gzip", plain.clone()),
        row("not a byte", Vec::new()),
        row("one byte", vec![0x1f]),
        row("words", b"this is no archive\n".to_vec()),
        row("zeros", vec![0; 4096]),
        row("gzip of nothing", gzip(b"")),
        row("gzip of zeros", gzip(&[0; 4096])),
        row("gzip of words", gzip(&b"this is no archive\n".repeat(100))),
        row("gzip of gzip", gzip(&good)),
        row("garbage behind gzip", with(b"garbage behind")),
        row("a line end behind gzip", with(b"\n")),
        row("a second archive behind it", with(&good)),
        row("a second tar behind it", with(&gzip(&outside))),
        row("a second tar in the same gzip", gzip(&[plain.clone(), outside].concat())),
        row("a byte behind the end", gzip(&[&plain[..], b"x"].concat())),
        row("a byte far behind the end", gzip(&[&plain[..], &[0; 9000], b"x"].concat())),
        row(
            "more zeros behind the end than any tar has",
            gzip(&[plain, vec![0; 1 << 20]].concat()),
        ),
        row("another magic", flipped(0)),
        row("another way of packing", flipped(2)),
        row("other bytes in the middle", flipped(good.len() / 2)),
        row("another sum", flipped(good.len() - 6)),
        row("another length", flipped(good.len() - 2)),
    ]
}

/// A good archive, cut at many places.
pub fn cut() -> Vec<Hostile> {
    let content = (0..=255).fold(String::new(), |text, at| text + &blob(&[at, 7]));
    let good = sound(NUMBER, 5, &[("dir/file", &content), ("note", SPOILED)]);
    let ends = (1..=10).map(|back| good.len() - back);
    let spread = (1..30).map(|part| good.len() * part / 30);
    spread.chain(ends).map(|at| (format!("cut after {at} bytes"), good[..at].to_vec())).collect()
}
