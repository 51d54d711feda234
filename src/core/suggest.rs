//! What a person may want to share on a new machine, and whose links are there already.

use std::collections::BTreeMap;

/// Config files and folders that people share, below the home. None that holds state or keys.
pub const USUAL: [&str; 34] = [
    ".zshrc",
    ".zprofile",
    ".zshenv",
    ".p10k.zsh",
    ".bashrc",
    ".bash_profile",
    ".profile",
    ".aliases",
    ".inputrc",
    ".gitconfig",
    ".config/git/config",
    ".gitignore_global",
    ".config/git/ignore",
    ".vimrc",
    ".config/nvim",
    ".config/helix/config.toml",
    ".emacs.d/init.el",
    ".config/zed/settings.json",
    ".tmux.conf",
    ".config/tmux/tmux.conf",
    ".editorconfig",
    ".ssh/config",
    ".config/starship.toml",
    ".config/fish/config.fish",
    ".config/alacritty",
    ".config/kitty/kitty.conf",
    ".config/wezterm",
    ".config/ghostty/config",
    ".config/lazygit/config.yml",
    ".config/bat/config",
    ".config/mise/config.toml",
    ".config/atuin/config.toml",
    ".config/ripgrep/config",
    ".psqlrc",
];

/// Links from which on a folder counts as a farm.
const FARM: usize = 3;

/// Returns the folder of the home that most links lead into, and how many do; none for a few.
pub fn farm<'a>(targets: impl IntoIterator<Item = &'a str>) -> Option<(&'a str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for target in targets {
        if let Some((folder, _)) = target.split_once('/') {
            *counts.entry(folder).or_insert(0) += 1;
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| *count >= FARM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::HomePath;

    #[test]
    fn every_usual_path_is_one_of_the_home() {
        for path in USUAL {
            assert!(HomePath::new(path).is_ok_and(|it| !it.stored().is_local_only()), "{path}");
        }
    }

    #[test]
    fn a_farm_is_where_most_links_lead() {
        let links = ["dotfiles/a", "dotfiles/b/c", "else/x", "dotfiles/d"];
        assert_eq!(farm(links), Some(("dotfiles", 3)));
        assert_eq!(farm(["dotfiles/a", "dotfiles/b"]), None);
        assert_eq!(farm(["alone", "also", "third"]), None);
    }
}
