//! `cfgsync-prompt` prints the light: the segment of the status record, for prompts and status bars.
//!
//! It reads one file, writes none, and links neither libgit2 nor clap. What is missing, damaged or
//! of another version shows as nothing: a prompt is no place for an error. Every byte it prints
//! comes from a table in `cfgsync_core::status::segment`, none from the file. Inside zsh the plugin
//! reads the same record without starting a process.

mod host;

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use cfgsync_core::status::segment::{Format, segment};
use cfgsync_core::status::wire::{LENGTH, decode};
use cfgsync_core::status::{Present, Shown};
use cfgsync_core::time::UnixTime;
use memmap2::{Mmap, MmapOptions};

const USAGE: &str = "usage: cfgsync-prompt [zsh|plain] [--record PATH]";

const HELP: &str = "\
Print the state of the configs repository for a prompt, nothing where it is not known

usage: cfgsync-prompt [zsh|plain] [--record PATH]

  zsh            with the prompt escapes of zsh for colour and width
  plain          the icon alone (the default)
  --record PATH  read this status record instead of $CFGSYNC_RECORD or
                 ${XDG_STATE_HOME:-~/.local/state}/cfgsync/record
  --help         print this text
  --version      print the version
";

/// What the command line asks for.
enum Request {
    Segment { format: Format, record: Option<PathBuf> },
    Help,
    Version,
}

fn main() -> ExitCode {
    match request(env::args_os().skip(1)) {
        Ok(request) => {
            // A reader that left early is no error of ours.
            let _ = io::stdout().write_all(answer(request).as_bytes());
            ExitCode::SUCCESS
        }
        Err(misuse) => {
            let _ = writeln!(io::stderr(), "cfgsync-prompt: {misuse}; {USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Reads the command line; the error says what is wrong with it.
fn request(mut arguments: impl Iterator<Item = OsString>) -> Result<Request, String> {
    let (mut format, mut record) = (None, None);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("zsh") if format.is_none() => format = Some(Format::Zsh),
            Some("plain") if format.is_none() => format = Some(Format::Plain),
            Some("--record") if record.is_none() => match arguments.next() {
                Some(path) => record = Some(path.into()),
                None => return Err("--record needs a path".to_owned()),
            },
            Some("--help" | "-h") => return Ok(Request::Help),
            Some("--version" | "-V") => return Ok(Request::Version),
            _ => return Err(format!("unexpected argument {}", argument.display())),
        }
    }
    Ok(Request::Segment { format: format.unwrap_or(Format::Plain), record })
}

/// Returns the text to print.
fn answer(request: Request) -> String {
    match request {
        Request::Help => HELP.to_owned(),
        Request::Version => concat!("cfgsync-prompt ", env!("CARGO_PKG_VERSION"), "\n").to_owned(),
        Request::Segment { format, record } => {
            let shown = record.or_else(usual_record).and_then(|path| shown(&path));
            shown.map_or_else(String::new, |shown| segment(shown, format))
        }
    }
}

/// Returns where the record is when the command line does not say.
#[expect(clippy::disallowed_methods, reason = "this is where the prompt reads its environment")]
fn usual_record() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = || set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    set("CFGSYNC_RECORD").or_else(|| Some(state()?.join("cfgsync/record")))
}

/// Returns what the record at `path` still says now.
fn shown(path: &Path) -> Option<Shown> {
    let record = decode(&read(path)?).ok()?;
    let writer_alive = host::runs(record.pid, record.pid_start);
    Some(record.shown(Present { now: now()?, boot: host::boot(), writer_alive }))
}

/// Returns the time.
#[expect(clippy::disallowed_methods, reason = "this is where the prompt reads the clock")]
fn now() -> Option<UnixTime> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(UnixTime)
}

/// Returns the bytes at `path` if they are a regular file of a record's length.
fn read(path: &Path) -> Option<[u8; LENGTH]> {
    // Looking before opening, because opening a FIFO waits for its writer.
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let file = File::open(path).ok()?;
    if usize::try_from(file.metadata().ok()?.len()) != Ok(LENGTH) {
        return None;
    }
    map(&file).ok()?.first_chunk().copied()
}

/// Maps a record for reading.
#[expect(unsafe_code, reason = "mapping a file is the one thing here the compiler cannot check")]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the engine never writes a record in place. It publishes a new file with `rename`, so
    // the mapped one keeps its bytes and its length. The map is read once, into an owned copy.
    unsafe { MmapOptions::new().len(LENGTH).map(file) }
}
