//! Places below `$HOME` where something runs what stands there, each with who runs it and when.
//!
//! A folder ends with `/` and means everything in it; `*` is any part of one name. Places are compared
//! as the most forgiving disk compares names.

use crate::fold::fold;
use crate::path::HomePath;

/// The places. Where several match, the first one counts.
const PLACES: [(&str, &str); 183] = [
    // Logins.
    (".ssh/authorized_keys*", "it says who may log in here, and what then runs"),
    (".ssh/rc", "sshd runs it at every login"),
    (".ssh/environment", "it sets variables of every login"),
    (".ssh/config", "it names programs that ssh runs"),
    (".ssh/*config*/", "it may name programs that ssh runs"),
    (".ssh/conf.d/", "it may name programs that ssh runs"),
    (".rhosts", "it says who may log in here"),
    (".shosts", "it says who may log in here"),
    (".k5login", "it says who may log in here"),
    (".k5users", "it says who may log in here"),
    (".pam_environment", "it sets variables of every login"),
    // Shells.
    (".zshenv", "every zsh runs it"),
    (".zshrc", "zsh runs it when it starts"),
    (".zprofile", "zsh runs it at login"),
    (".zlogin", "zsh runs it at login"),
    (".zlogout", "zsh runs it at logout"),
    (".z*.zwc", "zsh runs it in place of the file of that name"),
    (".zcompdump*", "zsh runs it when it starts"),
    (".zprezto/", "prezto runs what is in it"),
    (".zpreztorc", "prezto runs it when zsh starts"),
    (".zimrc", "zim runs it when zsh starts"),
    (".zim/", "zim runs what is in it"),
    (".p10k.zsh", "powerlevel10k runs it when zsh starts"),
    (".fzf.*sh", "shells run it when they start"),
    (".zsh/", "zsh may run what is in it"),
    (".zfunc/", "zsh may run what is in it"),
    (".config/zsh/", "zsh may run what is in it"),
    (".oh-my-zsh/", "oh-my-zsh runs what is in it"),
    (".zinit/", "a plugin manager of zsh runs what is in it"),
    (".antigen/", "a plugin manager of zsh runs what is in it"),
    (".antidote/", "a plugin manager of zsh runs what is in it"),
    (".zplug/", "a plugin manager of zsh runs what is in it"),
    (".zgen/", "a plugin manager of zsh runs what is in it"),
    (".zgenom/", "a plugin manager of zsh runs what is in it"),
    (".znap/", "a plugin manager of zsh runs what is in it"),
    (".zsh_plugins.*", "antidote makes what zsh runs from it"),
    (".local/share/zinit/", "a plugin manager of zsh runs what is in it"),
    (".local/share/sheldon/", "a plugin manager of zsh runs what is in it"),
    (".config/sheldon/", "sheldon takes what zsh runs from where it says"),
    (".local/share/zsh/", "zsh may run what is in it"),
    (".local/share/cfgsync/", "zsh runs cfgsync's own plugin from it"),
    (".cache/p10k-*", "powerlevel10k runs it when zsh starts"),
    (".iterm2_shell_integration.*", "shells run it when they start"),
    (".fzf/", "shells run what is in it"),
    (".config/starship.toml", "starship runs commands of it before each prompt"),
    (".config/shell/", "shells may run what is in it"),
    (".opam/opam-init/", "shells run what is in it"),
    (".bashrc", "bash runs it when it starts"),
    (".bash_profile", "bash runs it at login"),
    (".bash_login", "bash runs it at login"),
    (".bash_logout", "bash runs it at logout"),
    (".bash_aliases", "bash runs it when it starts"),
    (".bash_completion", "bash runs it when it starts"),
    (".bash_completion.d/", "bash runs what is in it"),
    (".bashrc.d/", "bash runs what is in it"),
    (".bash/", "bash may run what is in it"),
    (".config/bash/", "bash may run what is in it"),
    (".local/share/bash-completion/", "bash runs what is in it"),
    (".profile", "the shell runs it at login"),
    (".kshrc", "ksh runs it when it starts"),
    (".mkshrc", "mksh runs it when it starts"),
    (".shinit", "sh runs it when it starts"),
    (".cshrc", "csh runs it when it starts"),
    (".tcshrc", "tcsh runs it when it starts"),
    (".login", "csh runs it at login"),
    (".logout", "csh runs it at logout"),
    (".config/fish/", "fish runs what is in it"),
    (".local/share/fish/", "fish runs what is in it"),
    (".config/nushell/", "nushell runs what is in it"),
    (".config/elvish/", "elvish runs what is in it"),
    (".config/xonsh/", "xonsh runs what is in it"),
    (".xonshrc", "xonsh runs it when it starts"),
    (".config/powershell/", "PowerShell runs what is in it"),
    (".inputrc", "keys of every shell are bound in it"),
    (".envrc", "direnv runs it where it was allowed"),
    (".config/direnv/", "direnv runs what is in it"),
    (".direnvrc", "direnv runs it"),
    (".config/mise/", "mise runs hooks and tasks of it"),
    (".mise.toml", "mise runs hooks and tasks of it"),
    (".tool-versions", "a version manager chooses programs by it"),
    (".asdfrc", "asdf runs hooks of it"),
    // What starts by itself.
    ("Library/LaunchAgents/", "launchd starts what is in it at login"),
    ("Library/LaunchDaemons/", "launchd may start what is in it"),
    ("Library/Services/", "macOS offers what is in it to every app"),
    ("Library/Scripts/", "macOS runs what is in it"),
    ("Library/Application Scripts/", "macOS runs what is in it"),
    ("Library/Workflows/", "macOS runs what is in it"),
    ("Library/QuickLook/", "macOS loads what is in it"),
    ("Library/Spotlight/", "macOS loads what is in it"),
    ("Library/Input Methods/", "macOS loads what is in it"),
    ("Library/PreferencePanes/", "macOS loads what is in it"),
    ("Library/Frameworks/", "apps load what is in it"),
    (".config/systemd/", "systemd starts what is in it"),
    (".local/share/systemd/", "systemd starts what is in it"),
    (".config/environment.d/", "it sets variables of every login"),
    (".config/autostart/", "the desktop starts what is in it at login"),
    (".config/autostart-scripts/", "the desktop starts what is in it at login"),
    (".config/plasma-workspace/", "the desktop starts what is in it at login"),
    (".kde/Autostart/", "the desktop starts what is in it at login"),
    (".local/share/applications/", "the desktop starts programs by what is in it"),
    (".local/share/dbus-1/services/", "the session bus starts what is in it"),
    (".local/share/gnome-shell/", "the desktop loads what is in it"),
    (".local/share/plasma/", "the desktop loads what is in it"),
    (".mozilla/native-messaging-hosts/", "Firefox starts programs that it names"),
    (".config/*/NativeMessagingHosts/", "the browser starts programs that it names"),
    (
        "Library/Application Support/*/NativeMessagingHosts/",
        "the browser starts programs that it names",
    ),
    (".config/upstart/", "upstart starts what is in it"),
    (".xinitrc", "X runs it when it starts"),
    (".xsession", "X runs it at login"),
    (".xsessionrc", "X runs it at login"),
    (".xprofile", "X runs it at login"),
    (".xsessionrc.d/", "X runs what is in it at login"),
    (".config/X11/", "X runs what is in it when it starts"),
    (".config/lxsession/", "the desktop starts what is in it at login"),
    (".config/bspwm/", "the window manager runs what is in it"),
    (".config/sxhkd/", "keys run commands of it"),
    (".config/awesome/", "the window manager runs what is in it"),
    (".config/qtile/", "the window manager runs what is in it"),
    (".yabairc", "the window manager runs it"),
    (".skhdrc", "keys run commands of it"),
    (".config/i3/", "the window manager runs commands of it"),
    (".config/sway/", "the window manager runs commands of it"),
    (".config/hypr/", "the window manager runs commands of it"),
    (".config/openbox/", "the window manager runs commands of it"),
    (".config/niri/", "the window manager runs commands of it"),
    (".config/river/", "the window manager runs what is in it"),
    (".config/herbstluftwm/", "the window manager runs what is in it"),
    (".fluxbox/", "the window manager runs commands of it"),
    (".aerospace.toml", "the window manager runs commands of it"),
    (".config/aerospace/", "the window manager runs commands of it"),
    (".hammerspoon/", "Hammerspoon runs what is in it"),
    (".config/karabiner/", "keys run commands of it"),
    (".xbindkeysrc", "keys run commands of it"),
    (".xmonad/", "the window manager is made from it"),
    (".crontab", "cron runs commands of it"),
    (".cron/", "cron may run what is in it"),
    (".forward", "the mail server runs commands of it"),
    (".procmailrc", "procmail runs commands of it"),
    // Commands.
    (".local/bin/", "a folder of commands"),
    ("bin/", "a folder of commands"),
    (".bin/", "a folder of commands"),
    (".cargo/bin/", "a folder of commands"),
    (".cargo/env*", "shells run it when they start"),
    (".asdf/", "version managers run what is in it"),
    (".pyenv/", "version managers run what is in it"),
    (".rbenv/", "version managers run what is in it"),
    (".nodenv/", "version managers run what is in it"),
    (".nvm/", "version managers run what is in it"),
    (".rvm/", "version managers run what is in it"),
    (".goenv/", "version managers run what is in it"),
    (".jenv/", "version managers run what is in it"),
    (".volta/", "version managers run what is in it"),
    (".local/share/mise/", "version managers run what is in it"),
    (".sdkman/", "version managers run what is in it"),
    (".nix-profile/", "a folder of commands"),
    ("go/bin/", "a folder of commands"),
    (".local/lib/", "programs load what is in it"),
    // Git.
    (".gitconfig*", "git runs programs that it names"),
    (".config/git/", "git runs programs that it names"),
    (".git-templates/", "git copies hooks from it into new repositories"),
    (".githooks/", "git may run hooks of it"),
    (".git_template/", "git copies hooks from it into new repositories"),
    (".config/jj/", "jj runs programs that it names"),
    (".jjconfig.toml", "jj runs programs that it names"),
    (".hgrc", "Mercurial runs hooks that it names"),
    (".lfsconfig", "Git LFS takes its server from it"),
    // Tools that run what their settings name.
    (".npmrc", "npm runs programs that it names"),
    (".yarnrc*", "yarn runs programs that it names"),
    (".cargo/config*", "cargo runs programs that it names"),
    (".config/pip/", "pip takes packages from where it says"),
    (".pip/", "pip takes packages from where it says"),
    (".pythonrc*", "Python runs it when it starts"),
    (".config/python*/", "Python may run what is in it"),
    (".irbrc", "Ruby runs it when it starts"),
    (".gdbinit", "gdb runs it when it starts"),
    (".lldbinit*", "lldb runs it when it starts"),
    (".aws/config", "aws runs programs that it names"),
    (".kube/config*", "kubectl runs programs that it names"),
    (".docker/", "docker runs programs that it names"),
    (".config/containers/", "containers run by what is in it"),
    (".gnupg/*.conf", "gpg runs programs that it names"),
    (".config/cfgsync/", "cfgsync takes its own settings from it"),
    (".exrc", "vi runs commands of it"),
];

/// Returns who runs what stands at a place, and when; none where nothing does.
pub fn runs(place: &HomePath) -> Option<&'static str> {
    let names: Vec<Vec<u8>> = place.components().map(fold).collect();
    PLACES.iter().find(|(pattern, _)| covers(pattern, &names)).map(|(_, reason)| *reason)
}

/// Returns the names of the places, and of the folders above them, as far as they have one; and whether a
/// name is that of a folder in which everything counts.
pub fn named() -> impl Iterator<Item = (Vec<u8>, bool)> {
    PLACES.iter().flat_map(|(pattern, _)| {
        let bare = pattern.trim_end_matches('/');
        let parts: Vec<&str> = bare.split('/').take_while(|part| !part.contains('*')).collect();
        let depths = 1..=parts.len();
        let name = move |depth: usize| parts[..depth].join("/");
        depths.map(move |depth| {
            let name = name(depth);
            let is_folder = pattern.ends_with('/') && name == bare;
            (name.into_bytes(), is_folder)
        })
    })
}

fn covers(pattern: &str, names: &[Vec<u8>]) -> bool {
    let is_folder = pattern.ends_with('/');
    let wanted: Vec<&str> = pattern.trim_end_matches('/').split('/').collect();
    let is_long_enough =
        if is_folder { wanted.len() <= names.len() } else { wanted.len() == names.len() };
    is_long_enough
        && wanted.iter().zip(names).all(|(wanted, name)| fits(&fold(wanted.as_bytes()), name))
}

/// Compares one name with a pattern in which `*` stands for anything.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|at| fits(rest, &name[at..])),
        Some((first, rest)) => {
            name.split_first().is_some_and(|(byte, left)| byte == first && fits(rest, left))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_risky(place: &str) -> bool {
        runs(&HomePath::new(place).unwrap()).is_some()
    }

    #[test]
    fn every_place_is_found_whatever_its_spelling() {
        for (pattern, reason) in PLACES {
            assert!(!reason.is_empty() && !reason.ends_with('.'), "{pattern}: {reason}");
            let place = pattern.replace('*', "x");
            let place = if pattern.ends_with('/') { format!("{place}a/b") } else { place };
            assert!(is_risky(&place), "{place}");
            assert!(is_risky(&place.to_uppercase()), "{place}");
        }
    }

    #[test]
    fn places_and_the_folders_above_them_have_names() {
        let names: Vec<(Vec<u8>, bool)> = named().collect();
        let has = |name: &str, is_folder| names.contains(&(name.into(), is_folder));
        for (name, is_folder) in
            [(".zshrc", false), (".config", false), (".config/awesome", true), (".ssh", false)]
        {
            assert!(has(name, is_folder), "{name}");
        }
        assert!(names.iter().all(|(name, _)| !name.contains(&b'*') && !name.is_empty()));
    }

    #[test]
    fn other_places_are_not() {
        for place in [
            ".vimrc",
            ".ssh/known_hosts",
            ".zshrc.d",
            ".config/nvim/init.lua",
            ".local/share/notes",
            "binary",
            "notes/bin/x",
            ".gitignore",
            ".zshrc/x",
        ] {
            assert!(!is_risky(place), "{place}");
        }
    }
}
