//! The light in a prompt. Every byte shown comes from the tables here or from the command line, none
//! from a file.

use super::record::{Shown, StatusRecord, SyncState};
use super::truth::Truth;

/// Where the segment is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// zsh prompt escapes, with the cell width of the wide icon.
    Zsh,
    /// Colours between the marks by which bash knows that they take no room.
    Bash,
    /// Colours as a terminal takes them.
    Terminal,
    /// tmux style marks.
    Tmux,
    /// The icon alone.
    Plain,
    /// The state's word, for scripts.
    Word,
}

impl Format {
    /// Every format with its name on the command line.
    const NAMES: [(Self, &'static [u8]); 7] = [
        (Self::Zsh, b"zsh"),
        (Self::Bash, b"bash"),
        (Self::Terminal, b"fish"),
        (Self::Tmux, b"tmux"),
        (Self::Terminal, b"starship"),
        (Self::Plain, b"plain"),
        (Self::Word, b"word"),
    ];

    /// Returns the format of a name.
    pub fn of(name: &[u8]) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(format, _)| *format)
    }
}

/// What the light can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// ✓
    Synced,
    /// ↑
    Ahead,
    /// ↓
    Behind,
    /// ⚡
    Syncing,
    /// ✗ Files wait for a person.
    Held,
    /// ✗ The last run failed, or died.
    Failed,
    /// ‖
    Paused,
}

/// The word, the icon and the colour of a face.
const FACES: [(Face, &[u8], &str, Colour); 7] = [
    (Face::Synced, b"synced", "✓", Colour::Named(2)),
    (Face::Ahead, b"ahead", "↑", Colour::Named(3)),
    (Face::Behind, b"behind", "↓", Colour::Named(6)),
    (Face::Syncing, b"syncing", "⚡", Colour::Named(4)),
    (Face::Held, b"held", "✗", Colour::Named(1)),
    (Face::Failed, b"failed", "✗", Colour::Named(1)),
    (Face::Paused, b"paused", "‖", Colour::Named(3)),
];

impl Face {
    /// Returns the face of a word.
    pub fn of(word: &[u8]) -> Option<Self> {
        FACES.iter().find(|(_, known, ..)| *known == word).map(|(face, ..)| *face)
    }

    /// Returns the face's place in the tables.
    pub fn number(self) -> usize {
        FACES.iter().position(|(face, ..)| *face == self).unwrap_or(0)
    }
}

/// A colour of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// One of the eight that have a name, by its number.
    Named(u8),
    /// One of 256.
    Numbered(u8),
}

const COLOURS: [&[u8]; 8] =
    [b"black", b"red", b"green", b"yellow", b"blue", b"magenta", b"cyan", b"white"];

impl Colour {
    /// Returns the colour of a name, or of a number from 0 to 255.
    pub fn of(word: &[u8]) -> Option<Self> {
        if let Some((_, number)) = COLOURS.iter().zip(0..).find(|(name, _)| **name == word) {
            return Some(Self::Named(number));
        }
        let mut value: u8 = 0;
        for digit in word {
            let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
            value = value.checked_mul(10)?.checked_add(digit)?;
        }
        (!word.is_empty()).then_some(Self::Numbered(value))
    }
}

/// What a person wants to see otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style<'a> {
    /// Icons in place of the usual ones; an empty one shows nothing.
    pub icons: [Option<&'a [u8]>; 7],
    /// Colours in place of the usual ones.
    pub colours: [Option<Colour>; 7],
    /// No colour at all.
    pub is_plain: bool,
    /// How many changes there are, behind the icon.
    pub counts: bool,
}

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Light {
    /// Which face.
    pub face: Face,
    /// How many; zero where a number says nothing.
    pub count: u32,
}

/// Returns what a record comes to, and what has become of its claim; nothing where nothing is known.
pub fn light(record: &StatusRecord, shown: Shown, truth: Truth) -> Option<Light> {
    let show = |face, count| Some(Light { face, count });
    let claims =
        matches!(shown, Shown::Unknown | Shown::State(SyncState::Synced | SyncState::Offline));
    match (shown, truth) {
        (_, Truth::Changed(count)) if claims => show(Face::Ahead, count),
        (_, Truth::Paused) if claims => show(Face::Paused, 0),
        (Shown::State(SyncState::Synced), Truth::Holds) => show(Face::Synced, 0),
        (Shown::State(SyncState::Ahead), _) => {
            show(Face::Ahead, if record.pending == 0 { record.ahead } else { record.pending })
        }
        (Shown::State(SyncState::Behind), _) => show(Face::Behind, record.behind),
        (Shown::State(SyncState::Syncing), _) => show(Face::Syncing, 0),
        (Shown::State(SyncState::Held), _) => show(Face::Held, record.held),
        (Shown::State(SyncState::Failed) | Shown::Interrupted, _) => show(Face::Failed, 0),
        (Shown::State(SyncState::Paused), _) => show(Face::Paused, 0),
        (Shown::State(SyncState::Synced | SyncState::Offline) | Shown::Unknown, _) => None,
    }
}

/// Text of limited length; what finds no room is left out.
#[derive(Debug)]
pub struct Text {
    bytes: [u8; 256],
    length: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self { bytes: [0; 256], length: 0 }
    }
}

impl Text {
    /// Returns what was written.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn push(&mut self, part: &[u8]) {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let fits = part.len().min(room.len());
        room[..fits].copy_from_slice(&part[..fits]);
        self.length += fits;
    }

    fn push_number(&mut self, number: u32) {
        let (mut digits, mut at, mut rest) = ([0; 10], 10, number);
        while at == 10 || rest != 0 {
            at -= 1;
            digits[at] = b'0' + (rest % 10).to_le_bytes()[0];
            rest /= 10;
        }
        self.push(&digits[at..]);
    }
}

/// Writes the segment: nothing where nothing is shown.
pub fn segment(light: Option<Light>, format: Format, style: &Style<'_>, text: &mut Text) {
    let Some(light) = light else { return };
    let number = light.face.number();
    let (_, word, usual, colour) = FACES[number];
    if format == Format::Word {
        text.push(word);
        if light.count != 0 {
            text.push(b" ");
            text.push_number(light.count);
        }
        return;
    }
    let icon = match style.icons[number] {
        // ⚡ is two cells wide in most terminals and one in some; `%2G` tells zsh which we mean.
        None if format == Format::Zsh && light.face == Face::Syncing => "%{⚡%2G%}".as_bytes(),
        None => usual.as_bytes(),
        Some(own) => own,
    };
    if icon.is_empty() {
        return;
    }
    let colour = style.colours[number].unwrap_or(colour);
    let is_coloured = !style.is_plain && format != Format::Plain;
    if is_coloured {
        begin(text, format, colour);
    }
    text.push(icon);
    if style.counts && light.count != 0 {
        text.push_number(light.count);
    }
    if is_coloured {
        text.push(match format {
            Format::Zsh => b"%f",
            Format::Bash => b"\x01\x1b[39m\x02",
            Format::Tmux => b"#[fg=default]",
            Format::Terminal | Format::Plain | Format::Word => b"\x1b[39m",
        });
    }
}

fn begin(text: &mut Text, format: Format, colour: Colour) {
    let (before, after): (&[u8], &[u8]) = match format {
        Format::Zsh => (b"%F{", b"}"),
        Format::Bash => (b"\x01\x1b[", b"m\x02"),
        Format::Tmux => (b"#[fg=", b"]"),
        Format::Terminal | Format::Plain | Format::Word => (b"\x1b[", b"m"),
    };
    text.push(before);
    match (format, colour) {
        (Format::Zsh | Format::Tmux, Colour::Named(number)) => {
            text.push(COLOURS[usize::from(number) % COLOURS.len()]);
        }
        (Format::Zsh, Colour::Numbered(number)) => text.push_number(number.into()),
        (Format::Tmux, Colour::Numbered(number)) => {
            text.push(b"colour");
            text.push_number(number.into());
        }
        (_, Colour::Named(number)) => text.push_number(30 + u32::from(number)),
        (_, Colour::Numbered(number)) => {
            text.push(b"38;5;");
            text.push_number(number.into());
        }
    }
    text.push(after);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::wire;

    fn shown(shown: Shown, truth: Truth, format: Format) -> String {
        let record = wire::tests::example();
        let mut text = Text::default();
        segment(light(&record, shown, truth), format, &Style::default(), &mut text);
        String::from_utf8(text.bytes().to_vec()).unwrap()
    }

    #[test]
    fn each_state_has_its_icon() {
        let icon = |state| shown(Shown::State(state), Truth::Holds, Format::Plain);
        let states = [SyncState::Synced, SyncState::Ahead, SyncState::Behind, SyncState::Syncing];
        assert_eq!(states.map(icon), ["✓", "↑", "↓", "⚡"]);
        assert_eq!(icon(SyncState::Held), "✗");
        assert_eq!(icon(SyncState::Failed), "✗");
        assert_eq!(icon(SyncState::Paused), "‖");
        assert_eq!(icon(SyncState::Offline), "");
        assert_eq!(shown(Shown::Interrupted, Truth::Holds, Format::Plain), "✗");
        assert_eq!(shown(Shown::Unknown, Truth::Holds, Format::Plain), "");
    }

    #[test]
    fn what_the_disk_says_counts_where_nothing_else_waits() {
        let plain = |of, truth| shown(of, truth, Format::Plain);
        let synced = Shown::State(SyncState::Synced);
        assert_eq!(plain(synced, Truth::Changed(2)), "↑");
        assert_eq!(plain(synced, Truth::Paused), "‖");
        assert_eq!(plain(synced, Truth::Unreadable), "");
        assert_eq!(plain(Shown::Unknown, Truth::Changed(2)), "↑");
        assert_eq!(plain(Shown::State(SyncState::Offline), Truth::Changed(2)), "↑");
        assert_eq!(plain(Shown::State(SyncState::Held), Truth::Changed(2)), "✗");
    }

    #[test]
    fn every_format_has_its_colours() {
        let ahead = |format| shown(Shown::State(SyncState::Ahead), Truth::Holds, format);
        assert_eq!(ahead(Format::Zsh), "%F{yellow}↑%f");
        assert_eq!(ahead(Format::Bash), "\x01\x1b[33m\x02↑\x01\x1b[39m\x02");
        assert_eq!(ahead(Format::Terminal), "\x1b[33m↑\x1b[39m");
        assert_eq!(ahead(Format::Tmux), "#[fg=yellow]↑#[fg=default]");
        assert_eq!(ahead(Format::Word), "ahead 3");
    }

    #[test]
    fn a_person_may_want_it_otherwise() {
        let light = Some(Light { face: Face::Ahead, count: 12 });
        let mut style = Style { counts: true, ..Style::default() };
        style.icons[1] = Some(b"up");
        style.colours[1] = Colour::of(b"208");
        let text = |style: &Style<'_>, format| {
            let mut text = Text::default();
            segment(light, format, style, &mut text);
            text.bytes().to_vec()
        };
        assert_eq!(text(&style, Format::Zsh), b"%F{208}up12%f");
        assert_eq!(text(&style, Format::Tmux), b"#[fg=colour208]up12#[fg=default]");
        assert_eq!(text(&Style { is_plain: true, ..style }, Format::Zsh), b"up12");
        style.icons[1] = Some(b"");
        assert_eq!(text(&style, Format::Zsh), b"");
    }

    #[test]
    fn colours_are_names_and_numbers() {
        assert_eq!(Colour::of(b"cyan"), Some(Colour::Named(6)));
        assert_eq!(Colour::of(b"255"), Some(Colour::Numbered(255)));
        for wrong in [&b"256"[..], b"", b"-1", b"pink", b"1x"] {
            assert_eq!(Colour::of(wrong), None);
        }
    }

    #[test]
    fn zsh_knows_the_width_of_every_icon() {
        let zsh = shown(Shown::State(SyncState::Syncing), Truth::Holds, Format::Zsh);
        assert_eq!(zsh, "%F{blue}%{⚡%2G%}%f");
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let long = [b'x'; 600];
        let mut style = Style::default();
        style.icons[0] = Some(&long);
        let light = Some(Light { face: Face::Synced, count: 0 });
        let mut text = Text::default();
        segment(light, Format::Plain, &style, &mut text);
        assert_eq!(text.bytes().len(), 256);
    }
}
