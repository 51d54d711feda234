//! What the command line and the environment ask for.

use core::ffi::CStr;

use crate::status::segment::{Colour, Face, Format, Style};

/// What is printed for `--help`.
pub const HELP: &str = "\
Print the state of the configs repository for a prompt, nothing where it is not known

usage: cfgsync-prompt [FORMAT] [OPTION]...

Formats:
  plain     the icon alone (the default)
  zsh       with zsh's prompt escapes for colour and width
  bash      with the colour marked as taking no room
  fish      with the colour as a terminal takes it
  starship  the same, for a custom module
  tmux      with tmux's style marks
  word      the state and its count as words, for scripts: ahead 3

Options:
  --counts             how many changes wait, behind the icon
  --no-color           no colour
  --icon STATE=TEXT    another icon; an empty one hides the state
  --color STATE=COLOR  another colour: a name, or a number from 0 to 255
  --record PATH        read this status record instead of $CFGSYNC_RECORD or
                       ${XDG_STATE_HOME:-~/.local/state}/cfgsync/record
  --bell PATH          make this FIFO first; a run rings on it when it has published
  --help               print this text
  --version            print the version

STATE is synced, ahead, behind, syncing, held, failed or paused.
";

/// What is printed after every misuse.
pub const USAGE: &str =
    "; usage: cfgsync-prompt [zsh|bash|fish|starship|tmux|plain|word] [OPTION]...\n";

/// What is printed for `--version`.
pub const VERSION: &str = concat!("cfgsync-prompt ", env!("CARGO_PKG_VERSION"), "\n");

/// A segment that is wanted.
#[derive(Debug, Default)]
pub struct Request<'a> {
    /// Where it is shown, where it is named.
    pub format: Option<Format>,
    /// How it looks.
    pub style: Style<'a>,
    /// The record's path, where it is named.
    pub record: Option<&'a CStr>,
    /// The FIFO to make.
    pub bell: Option<&'a CStr>,
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Asked<'a> {
    /// A segment.
    Segment,
    /// The help.
    Help,
    /// The version.
    Version,
    /// Something there is not: what is wrong, and the argument.
    Misuse(&'static str, &'a [u8]),
}

/// Reads the command line. The request is written where it is, not moved about.
pub fn asked<'a>(
    mut arguments: impl Iterator<Item = &'a CStr>,
    request: &mut Request<'a>,
) -> Asked<'a> {
    let Request { format, style, record, bell } = request;
    while let Some(argument) = arguments.next().map(CStr::to_bytes) {
        let is_understood = match argument {
            b"--help" | b"-h" => return Asked::Help,
            b"--version" | b"-V" => return Asked::Version,
            b"--counts" => {
                style.counts = true;
                true
            }
            b"--no-color" => {
                style.is_plain = true;
                true
            }
            b"--record" | b"--bell" | b"--icon" | b"--color" => {
                let Some(value) = arguments.next() else {
                    return Asked::Misuse("a value is missing after ", argument);
                };
                let is_good = match argument {
                    b"--record" => record.replace(value).is_none(),
                    b"--bell" => bell.replace(value).is_none(),
                    b"--icon" => set(value.to_bytes(), &mut style.icons, Some),
                    _ => set(value.to_bytes(), &mut style.colours, Colour::of),
                };
                if !is_good {
                    return Asked::Misuse("not understood, or given twice: ", value.to_bytes());
                }
                true
            }
            word if format.is_none() => {
                *format = Format::of(word);
                format.is_some()
            }
            _ => false,
        };
        if !is_understood {
            return Asked::Misuse("unexpected argument ", argument);
        }
    }
    Asked::Segment
}

/// Reads `STATE=VALUE`; false when it is none.
fn set<'a, T>(
    text: &'a [u8],
    values: &mut [Option<T>; 7],
    read: impl Fn(&'a [u8]) -> Option<T>,
) -> bool {
    let Some(at) = text.iter().position(|byte| *byte == b'=') else { return false };
    let (Some(face), Some(value)) = (Face::of(&text[..at]), read(&text[at + 1..])) else {
        return false;
    };
    values[face.number()] = Some(value);
    true
}

/// Where the record may be, as the environment says.
#[derive(Debug, Default)]
pub struct Variables<'a> {
    /// `CFGSYNC_RECORD`
    pub record: Option<&'a CStr>,
    /// `XDG_STATE_HOME`
    pub state: Option<&'a CStr>,
    /// `HOME`
    pub home: Option<&'a CStr>,
}

impl<'a> Variables<'a> {
    /// The record's path, and what comes behind it; none where nothing says where it is.
    pub fn record_path(&self) -> Option<(&'a CStr, &'static [u8])> {
        let set = |value: Option<&'a CStr>, behind: &'static [u8]| {
            value.filter(|value| !value.is_empty()).map(|value| (value, behind))
        };
        set(self.record, b"")
            .or_else(|| set(self.state, b"/cfgsync/record"))
            .or_else(|| set(self.home, b"/.local/state/cfgsync/record"))
    }
}
