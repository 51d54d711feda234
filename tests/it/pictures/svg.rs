//! Draws what a terminal shows, as tmux tells it with its colours, as an SVG.

/// Width and height of a letter, and the room around all of them.
const LETTER: (f32, f32) = (8.4, 19.0);
const MARGIN: f32 = 16.0;

/// How the picture meets the page it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark, or light where the reader's page is light.
    Both,
    /// Dark.
    Dark,
    /// Light.
    Light,
}

/// Colours: paper, ink, dim, then the eight of a terminal.
const DARK: [&str; 11] = [
    "#16181d", "#d7dae0", "#8b919c", "#545862", "#ff6b6b", "#7ee787", "#e3b341", "#79b8ff",
    "#d2a8ff", "#6fd7e6", "#d7dae0",
];
const LIGHT: [&str; 11] = [
    "#fbfbfc", "#24292f", "#6a737d", "#24292f", "#c62828", "#1a7f37", "#8a6100", "#0757ae",
    "#8250df", "#0b7285", "#24292f",
];

/// How letters look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    colour: Option<u8>,
    is_bold: bool,
    is_dim: bool,
}

impl Look {
    fn after(mut self, codes: &str) -> Self {
        for code in codes.split(';').map(|code| code.parse().unwrap_or(0)) {
            match code {
                0 => self = Self::default(),
                1 => self.is_bold = true,
                2 => self.is_dim = true,
                22 => (self.is_bold, self.is_dim) = (false, false),
                30..=37 => self.colour = Some(code - 30),
                39 => self.colour = None,
                90..=97 => self.colour = Some(code - 90),
                _ => {}
            }
        }
        self
    }

    fn classes(self) -> String {
        let colour = match (self.colour, self.is_dim) {
            (Some(colour), _) => format!("c{colour}"),
            (None, true) => "dim".to_owned(),
            (None, false) => "ink".to_owned(),
        };
        if self.is_bold { colour + " bold" } else { colour }
    }
}

/// Draws lines with their colours.
pub fn draw(lines: &[String], columns: u16, theme: Theme) -> String {
    let width = f32::from(columns) * LETTER.0 + 2.0 * MARGIN;
    let rows = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let height = f32::from(rows) * LETTER.1 + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n<style>\n{}</style>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\" rx=\"8\"/>\n",
        styles(theme)
    );
    let mut look = Look::default();
    for (row, line) in (0u16..).zip(lines) {
        let y = MARGIN + f32::from(row) * LETTER.1 + LETTER.1 * 0.75;
        let mut column = 0u16;
        for piece in line.split('\x1b') {
            let (codes, text) = match piece.strip_prefix('[').and_then(|it| it.split_once('m')) {
                Some((codes, text)) if column > 0 || line.starts_with('\x1b') => {
                    (Some(codes), text)
                }
                _ => (None, piece),
            };
            look = codes.map_or(look, |codes| look.after(codes));
            let length = u16::try_from(text.chars().count()).unwrap_or(0);
            if !text.trim().is_empty() {
                let x = MARGIN + f32::from(column) * LETTER.0;
                let wide = f32::from(length) * LETTER.0;
                svg.push_str(&format!(
                    "<text class=\"{}\" x=\"{x:.1}\" y=\"{y:.1}\" textLength=\"{wide:.1}\" \
                     xml:space=\"preserve\">{}</text>\n",
                    look.classes(),
                    escaped(text)
                ));
            }
            column += length;
        }
    }
    svg + "</svg>\n"
}

fn styles(theme: Theme) -> String {
    let base = "text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',\
                monospace}.bold{font-weight:700}\n";
    let dark = if theme == Theme::Light { &LIGHT } else { &DARK };
    let mut text = base.to_owned() + &colours(dark);
    if theme == Theme::Both {
        let light = colours(&LIGHT);
        text.push_str(&format!("@media(prefers-color-scheme:light){{{light}}}\n"));
    }
    text
}

fn colours(palette: &[&str; 11]) -> String {
    let names = ["paper", "ink", "dim", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];
    let rules = names.iter().zip(palette).map(|(name, colour)| format!(".{name}{{fill:{colour}}}"));
    rules.collect::<String>() + "\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[test]
fn colours_become_classes_and_places_columns() {
    let lines = ["ab \x1b[32m✓\x1b[0m <x>".to_owned(), "\x1b[1mbold".to_owned()];
    let svg = draw(&lines, 20, Theme::Both);
    assert!(svg.contains(">ab </text>"), "{svg}");
    assert!(svg.contains("class=\"c2\" x=\"41.2\"") && svg.contains("&lt;x&gt;"), "{svg}");
    assert!(svg.contains("class=\"ink bold\""), "{svg}");
}
