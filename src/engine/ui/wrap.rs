//! Breaks lines where words end, for a screen of a width: what a terminal would break in mid-word.

/// Below this width nothing reads well; what is narrower breaks lines by itself.
const NARROWEST: usize = 30;
/// Text stands below the last column that begins so far left.
const HANGING: usize = 20;

/// Breaks the lines of a text that are wider than a screen; what follows stands below the text of the
/// line's last column. Words wider than that stay whole.
pub fn fit(text: &str, width: usize) -> String {
    if width < NARROWEST {
        return text.to_owned();
    }
    let mut broken = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        wrap(line, width, &mut broken);
    }
    broken
}

fn wrap(line: &str, width: usize, broken: &mut String) {
    let bare = line.strip_suffix('\n').unwrap_or(line);
    if columns(bare) <= width {
        broken.push_str(line);
        return;
    }
    let indent = hanging(bare).min(width / 2);
    let mut column = 0;
    for (number, word) in words(bare, width - indent).into_iter().enumerate() {
        let wide = columns(word);
        if number > 0 && column > indent && column + 1 + wide > width {
            broken.truncate(broken.trim_end_matches(' ').len());
            broken.push('\n');
            broken.push_str(&" ".repeat(indent));
            column = indent;
        } else if number > 0 {
            broken.push(' ');
            column += 1;
        }
        broken.push_str(word);
        column += wide;
    }
    broken.push_str(&line[bare.len()..]);
}

/// Returns the words of a line. A command in backticks is one, where a line has room for it.
fn words(line: &str, room: usize) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line;
    while let Some(blank) = rest.find(' ') {
        let command = rest.strip_prefix('`').and_then(|inside| inside.find('`'));
        let end = command.map_or(blank, |closing| {
            let behind = closing + 2;
            rest[behind..].find(' ').map_or(rest.len(), |blank| behind + blank)
        });
        let end = if columns(&rest[..end]) <= room { end } else { blank };
        words.push(&rest[..end]);
        match rest[end..].strip_prefix(' ') {
            Some(behind) => rest = behind,
            None => return words,
        }
    }
    words.push(rest);
    words
}

/// Returns how wide a text is, without its colours.
fn columns(text: &str) -> usize {
    shown(text).count()
}

/// Returns the letters of a text, without its colours.
fn shown(text: &str) -> impl Iterator<Item = char> {
    let mut is_colour = false;
    text.chars().filter(move |c| {
        let was_colour = is_colour;
        is_colour = (is_colour && *c != 'm') || *c == '\x1b';
        !was_colour && *c != '\x1b'
    })
}

/// Returns the column below which the rest of a line stands: where its last column begins, else its
/// first word.
fn hanging(line: &str) -> usize {
    let lead = line.len() - line.trim_start_matches(' ').len();
    let mut indent = if lead > 0 { lead } else { 2 };
    // A sign with one blank behind it is a column; a word of one letter is none.
    let begins_with_a_sign = !shown(line).find(|c| *c != ' ').is_some_and(char::is_alphanumeric);
    let (mut column, mut blanks) = (0, 0);
    for word in line.split(' ') {
        let wide = columns(word);
        if wide > 0 {
            let is_a_mark = begins_with_a_sign && column == lead + 2 && blanks == 1;
            if column > lead && (blanks > 1 || is_a_mark) && column <= HANGING {
                indent = column;
            }
            blanks = 0;
        }
        column += wide + 1;
        blanks += 1;
    }
    indent
}

/// Returns how many rows of a screen a text takes.
pub fn rows(text: &str, width: usize) -> usize {
    text.lines().map(|line| columns(line).div_ceil(width.max(1)).max(1)).sum()
}

/// Returns a text in lines of at most this many letters, broken at blanks.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, width: usize, wanted: &str) {
        assert_eq!(fit(text, width), wanted);
    }

    #[test]
    fn lines_break_between_words_and_go_on_below_their_column() {
        check("short\nlines\n", 40, "short\nlines\n");
        check(
            "  ✗ held     ~/.conf: both sides changed the same\n",
            32,
            "  ✗ held     ~/.conf: both sides\n             changed the same\n",
        );
        check(
            "  `cfgsync resolve` asks about each of these\n",
            32,
            "  `cfgsync resolve` asks about\n  each of these\n",
        );
        check(
            "  or name one of them: `cfgsync resolve PATH --ours`.\n",
            40,
            "  or name one of them:\n  `cfgsync resolve PATH --ours`.\n",
        );
        check(
            "  `a` or `b c d e f g h`: all `i j k`\n",
            30,
            "  `a` or `b c d e f g h`: all\n  `i j k`\n",
        );
        check(
            "  `cfgsync resolve PATH --ours|--theirs` it\n",
            32,
            "  `cfgsync resolve PATH\n  --ours|--theirs` it\n",
        );
        check(
            "cfgsync: 1 file waits for you; all else is well",
            32,
            "cfgsync: 1 file waits for you;\n  all else is well",
        );
        check(
            "✗ ~/.config/nvim/init.lua: both sides changed",
            32,
            "✗ ~/.config/nvim/init.lua: both\n  sides changed",
        );
        check(
            "    \x1b[2mA shell that is older takes them\x1b[0m",
            32,
            "    \x1b[2mA shell that is older takes\n    them\x1b[0m",
        );
    }

    #[test]
    fn rows_are_counted_as_a_terminal_shows_them() {
        assert_eq!(rows("", 10), 0);
        assert_eq!(rows("a\n\n0123456789\n0123456789a\n", 10), 5);
        assert_eq!(rows("\x1b[31m0123456789\x1b[0m", 10), 1);
    }

    #[test]
    fn a_word_stays_whole_and_colours_take_no_room() {
        let long = "x".repeat(50);
        check(&format!("  folder    {long}\n"), 40, &format!("  folder    {long}\n"));
        let red = "\x1b[31m✗\x1b[0m ".to_owned() + &"y".repeat(30);
        check(&red, 32, &red);
        check("no words on such a screen", 12, "no words on such a screen");
    }
}
