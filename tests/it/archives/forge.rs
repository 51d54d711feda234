//! Archives built by hand, byte by byte: sound ones, and such as no cfgsync would write.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha1::{Digest, Sha1};
use tar::{EntryType, Header};

/// The name of the list of contents.
const LIST: &str = ".cfgsync-archive";

/// Bytes of a block of a tar.
const BLOCK: usize = 512;

/// Returns the name Git gives to these bytes.
pub fn blob(bytes: &[u8]) -> String {
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {}\0", bytes.len()));
    hasher.update(bytes);
    hasher.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Returns the head of a list of contents.
pub fn head(number: u64, at: u64) -> String {
    format!(
        "cfgsync archive 1\nnumber {number}\nat {at}\nmachine you@elsewhere\nreason by hand\n\n"
    )
}

/// Returns the line of a list of contents that tells the truth about a file.
pub fn line(mode: &str, content: &[u8], path: &str) -> String {
    format!("{mode} {} {} 5 {path}\n", blob(content), content.len())
}

/// Returns a header for an entry, to be spoiled before it is closed by [`closed`].
pub fn header(kind: u8, name: &[u8], mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::new(kind));
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(5);
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name);
    header
}

/// Returns an entry with the sum that its header needs and the bytes after it, in whole blocks.
pub fn closed(mut header: Header, content: &[u8]) -> Vec<u8> {
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

/// Returns an entry of any kind with this content.
pub fn entry(kind: u8, name: &[u8], mode: u32, content: &[u8]) -> Vec<u8> {
    closed(header(kind, name, mode, content.len() as u64), content)
}

/// Returns a regular file.
pub fn file(name: &str, content: &[u8]) -> Vec<u8> {
    entry(b'0', name.as_bytes(), 0o644, content)
}

/// Returns an entry that leads to another place.
pub fn leading(kind: u8, name: &str, target: &str) -> Vec<u8> {
    let mut header = header(kind, name.as_bytes(), 0o644, 0);
    header.set_link_name_literal(target).unwrap();
    closed(header, b"")
}

/// Returns an entry of PAX that says this about the next one.
pub fn pax(kind: u8, key: &str, value: &str) -> Vec<u8> {
    // The length at the start of a record counts itself.
    let rest = format!(" {key}={value}\n");
    let digits = (1..9).find(|it| (rest.len() + it).to_string().len() == *it).unwrap();
    let record = format!("{}{rest}", rest.len() + digits);
    entry(kind, b"pax", 0o644, record.as_bytes())
}

/// Returns the list of contents as the entry that comes first.
pub fn list(text: &str) -> Vec<u8> {
    entry(b'0', LIST.as_bytes(), 0o600, text.as_bytes())
}

/// Returns a tar of entries, with its end.
pub fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    bytes
}

/// Packs bytes.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Returns an archive of cfgsync's own form: this list, and these entries after it.
pub fn archive(text: &str, entries: &[Vec<u8>]) -> Vec<u8> {
    gzip(&tar(&[vec![list(text)], entries.to_vec()].concat()))
}

/// Returns an archive with nothing wrong about it. Paths are sorted.
pub fn sound(number: u64, at: u64, files: &[(&str, &str)]) -> Vec<u8> {
    let mut text = head(number, at);
    let mut entries = Vec::new();
    for (path, content) in files {
        text += &line("0644", content.as_bytes(), path);
        entries.push(file(path, content.as_bytes()));
    }
    archive(&text, &entries)
}
