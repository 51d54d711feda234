//! Names that mean something wherever they stand. The prompt reads this file too, where there is no
//! standard library.

/// What the name of a file ends with that never leaves the machine.
const LOCAL: &[u8] = b".local";

/// Returns true for a file that never leaves the machine: `*.local`, however a disk may spell it. Some take
/// a name that comes from upstream for the one that is here.
pub fn is_local_only(name: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(name) else { return name.ends_with(LOCAL) };
    let mut seen = text.chars().rev().filter(|c| !is_ignored(*c));
    let mut wanted = LOCAL.iter().rev().map(|byte| char::from(*byte));
    wanted.all(|wanted| seen.next().is_some_and(|c| c.to_ascii_lowercase() == wanted))
}

/// The code points HFS+ drops when it compares names (git's `next_hfs_char`).
pub fn is_ignored(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

/// cfgsync's own places below a home, as they would be stored: what is set on a machine, and its state.
const OWN: [&[u8]; 2] = [b"external/.config/cfgsync/config.toml", b"external/.local/state/cfgsync"];

/// Returns true for a path of the repository that never leaves the machine: `*.local` in any folder, and
/// what is cfgsync's own.
pub fn stays_here(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let is_within = |own: &&[u8]| {
        path.strip_prefix(*own).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    is_local_only(name) || OWN.iter().any(is_within)
}

/// Returns true for a file that editors and desktops leave behind.
pub fn is_dropping(name: &[u8]) -> bool {
    let starts = |start: &[u8]| name.starts_with(start);
    let ends = |end: &[u8]| name.ends_with(end);
    ends(b"~")
        || (starts(b".") && (ends(b".swp") || ends(b".swo") || ends(b".swx")))
        || starts(b".#")
        || (starts(b"#") && ends(b"#"))
        || starts(b".cfgsync-")
        || name == b"4913"
        || name == b".DS_Store"
}

/// Returns true for a name that can come and go in a folder without anything to sync: what is
/// [local](is_local_only), a [dropping](is_dropping), Git's folder or cfgsync's own.
pub fn is_aside(name: &[u8]) -> bool {
    is_local_only(name) || is_dropping(name) || matches!(name, b".git" | b".sync" | b"." | b"..")
}
