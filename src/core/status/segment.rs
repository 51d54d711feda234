//! The record's text in a prompt. Every byte shown comes from the tables here, none from a file.

use super::{Shown, SyncState};

/// Where the segment is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// zsh prompt escapes, with the cell width of the wide icon.
    Zsh,
    /// The icon alone.
    Plain,
}

/// One icon and its colour.
struct Icon {
    glyph: &'static str,
    zsh_glyph: &'static str,
    colour: &'static str,
}

const fn icon(glyph: &'static str, colour: &'static str) -> Icon {
    Icon { glyph, zsh_glyph: glyph, colour }
}

const SYNCED: Icon = icon("✓", "green");
const AHEAD: Icon = icon("↑", "yellow");
const BEHIND: Icon = icon("↓", "cyan");
const FAILED: Icon = icon("✗", "red");
const PAUSED: Icon = icon("‖", "yellow");
/// ⚡ is two cells wide in most terminals and one in some; `%2G` tells zsh which we mean.
const SYNCING: Icon = Icon { glyph: "⚡", zsh_glyph: "%{⚡%2G%}", colour: "blue" };

/// Returns the segment: nothing where nothing is known.
pub fn segment(shown: Shown, format: Format) -> String {
    let icon = match shown {
        Shown::State(SyncState::Synced) => SYNCED,
        Shown::State(SyncState::Ahead) => AHEAD,
        Shown::State(SyncState::Behind) => BEHIND,
        Shown::State(SyncState::Syncing) => SYNCING,
        Shown::State(SyncState::Held | SyncState::Failed) | Shown::Interrupted => FAILED,
        Shown::State(SyncState::Paused) => PAUSED,
        Shown::State(SyncState::Offline) | Shown::Unknown => return String::new(),
    };
    match format {
        Format::Plain => icon.glyph.to_owned(),
        Format::Zsh => format!("%F{{{}}}{}%f", icon.colour, icon.zsh_glyph),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_icon() {
        let shown = |state| segment(Shown::State(state), Format::Plain);
        let states = [SyncState::Synced, SyncState::Ahead, SyncState::Behind, SyncState::Syncing];
        assert_eq!(states.map(shown), ["✓", "↑", "↓", "⚡"]);
        assert_eq!(shown(SyncState::Held), "✗");
        assert_eq!(shown(SyncState::Failed), "✗");
        assert_eq!(segment(Shown::Interrupted, Format::Plain), "✗");
        assert_eq!(segment(Shown::Unknown, Format::Plain), "");
    }

    #[test]
    fn zsh_knows_the_width_of_every_icon() {
        let zsh = segment(Shown::State(SyncState::Syncing), Format::Zsh);
        assert_eq!(zsh, "%F{blue}%{⚡%2G%}%f");
    }
}
