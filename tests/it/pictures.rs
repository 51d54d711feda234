//! The pictures of the README and `docs`: real sessions in a real terminal, drawn as SVG.
//!
//! The test plays each session, draws it, and compares with the picture that is there, so that none
//! shows what is not so any more. `PICTURES=overwrite cargo test pictures` draws them anew.
//! `PICTURES=/some/folder` draws every screen at 60 and 120 columns, dark and light, to be looked at: as
//! PNG, too, where there is an rsvg-convert.

mod svg;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use regex::Regex;

use self::svg::{Theme, draw};
use crate::terminal::{Home, PLUGIN, wait_until};

/// What is played before a session, where nobody sees it; then what is typed.
struct Scene {
    name: &'static str,
    columns: u16,
    prepare: &'static [&'static str],
    /// Each line with the light that stands at the prompt before, a person takes longer to type; or an
    /// answer with the end of its question.
    typed: &'static [(&'static str, &'static str)],
    /// The light at the last prompt.
    light: &'static str,
}

/// Makes two machines: the one that is seen, and another one that shares with it.
const BOTH: &str = r#"
git init --quiet --bare --initial-branch=main "$HOME/configs.git"
chmod o-rwx "$HOME/configs.git"
umask 077
other() { (HOME=$HOME/other && export HOME && cd && "$@"); }
mkdir -p dev/configs/.sync other/dev/configs/.sync .config/nvim
echo you@personal-mac >dev/configs/.sync/machine-id
echo you@work-mac >other/dev/configs/.sync/machine-id
printf '[user]\n  name = You\n  email = you@example.com\n' | tee .gitconfig >other/.gitconfig
printf 'export EDITOR=nvim\n\n# aliases\nalias ll="ls -l"\n' >.zshenv-shared
printf 'vim.o.number = true\nvim.o.wrap = false\n' >.config/nvim/init.lua
mv .zshenv-shared .aliases
cfgsync -q setup "$HOME/configs.git"
cfgsync -q mark --yes ~/.aliases ~/.gitconfig ~/.config/nvim
cfgsync -q sync
other cfgsync -q setup --differs theirs "$HOME/configs.git"
"#;

/// A home that shares nothing yet, and an empty remote.
const NEW: &str = r#"
git init --quiet --bare --initial-branch=main "$HOME/configs.git"
chmod o-rwx "$HOME/configs.git"
mkdir -p dev/configs/.sync .config/nvim .config/cfgsync dotfiles
echo you@personal-mac >dev/configs/.sync/machine-id
printf '[user]\n  name = You\n  email = you@example.com\n' >.gitconfig
printf 'vim.o.number = true\nvim.o.wrap = false\n' >.config/nvim/init.lua
printf 'export GITHUB_TOKEN=ghp_%s\n' 0123456789abcdefABCDEF0123456789abcd >.bashrc
for name in .vimrc .tmux.conf .inputrc; do
  echo '# mine' >dotfiles/$name; ln -s "$HOME/dotfiles/$name" $name
done
"#;

/// A sync finds it; then there is one more edit.
const FOUND: &str = r"
cfgsync -q sync || [ $? = 4 ]
echo 'export PAGER=less' >>.aliases
";

/// What doctor has to say something of: a link that is none any more, and what others can read.
const WRONG: &str = r"
rm .aliases; echo mine >.aliases
chmod 755 dev/configs/.git
";

/// The other machine edits a line that this one edits, too.
const CONFLICT: &str = r"
printf 'vim.o.number = false\nvim.o.wrap = false\n' >other/.config/nvim/init.lua
other cfgsync -q sync
printf 'vim.o.relativenumber = true\nvim.o.wrap = false\n' >.config/nvim/init.lua
";

const SCENES: [Scene; 7] = [
    Scene {
        name: "sync",
        columns: 72,
        prepare: &[BOTH, "echo '[pull]' >>other/.gitconfig; other cfgsync -q sync"],
        typed: &[
            ("✓", "echo 'export PAGER=less' >> ~/.aliases"),
            ("↑", "cfgsync sync"),
            ("✓", "cfgsync list"),
        ],
        light: "✓",
    },
    Scene {
        name: "conflict",
        columns: 72,
        prepare: &[BOTH, CONFLICT],
        typed: &[
            ("↑", "cfgsync sync"),
            ("✗", "cfgsync diff --held"),
            ("✗", "cfgsync resolve ~/.config/nvim/init.lua --ours"),
        ],
        light: "✓",
    },
    Scene {
        name: "status",
        columns: 72,
        prepare: &[BOTH, CONFLICT, FOUND],
        typed: &[("✗", "cfgsync status")],
        light: "✗",
    },
    Scene {
        name: "history",
        columns: 72,
        prepare: &[BOTH, "echo x >>.aliases; cfgsync -q sync"],
        typed: &[("✓", "cfgsync history"), ("✓", "cfgsync explain ~/.config/nvim")],
        light: "✓",
    },
    Scene {
        name: "setup",
        columns: 80,
        prepare: &[NEW],
        typed: &[("", "cfgsync setup ~/configs.git"), ("[Y/n]", ""), ("✓", "cfgsync status")],
        light: "✓",
    },
    Scene {
        name: "doctor",
        columns: 80,
        prepare: &[BOTH, WRONG],
        typed: &[("↑", "cfgsync doctor")],
        light: "↑",
    },
    Scene {
        name: "help",
        columns: 80,
        prepare: &[BOTH],
        typed: &[("✓", "cfgsync help")],
        light: "✓",
    },
];

/// Plays a scene, and returns the lines of the screen with their colours.
fn play(scene: &Scene, columns: u16) -> Vec<String> {
    let home = Home::new();
    for (name, program) in [
        ("cfgsync", env!("CARGO_BIN_EXE_cfgsync")),
        ("cfgsync-prompt", env!("CARGO_BIN_EXE_cfgsync-prompt")),
    ] {
        symlink(program, home.path("bin").join(name)).unwrap();
    }
    let script = format!("set -e\n{}", scene.prepare.concat());
    let mut prepare = home.command("bash");
    prepare.args(["-c", &script]).env("CFGSYNC_MACHINE_KIND", "mac");
    let output = prepare.output().unwrap();
    assert!(output.status.success(), "{}: {output:?}", scene.name);
    let zshrc = format!(
        "export CFGSYNC_MACHINE_KIND=mac PAGER=cat\nunsetopt prompt_cr prompt_sp\n\
         zstyle ':cfgsync:' background no\nsource {PLUGIN}/configsync.plugin.zsh\n\
         setopt prompt_subst\nprompts=0\nprecmd_functions+=(count)\n\
         count() {{ (( prompts += 1 )); print -rn -- $prompts >$HOME/prompts }}\n\
         PROMPT='personal-mac ${{CFGSYNC_SEGMENT-}}$ '\n"
    );
    fs::write(home.path(".zshrc"), zshrc).unwrap();
    let tmux = |arguments: &[&str]| {
        let output = home.command("tmux").arg("-u").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let wide = columns.to_string();
    tmux(&["new-session", "-d", "-x", &wide, "-y", "100", "exec zsh -d -i"]);
    let prompts = || fs::read_to_string(home.path("prompts")).unwrap_or_default();
    wait_until("the first prompt", || prompts() == "1");
    let stands = |light: &str| {
        let wanted = match light {
            "" => "personal-mac $".to_owned(),
            question if question.starts_with('[') => question.to_owned(),
            light => format!("personal-mac {light} $"),
        };
        wait_until(&wanted, || tmux(&["capture-pane", "-p"]).trim_end().ends_with(&wanted));
    };
    let mut typed = scene.typed.iter().peekable();
    let mut count = 1;
    while let Some((before, line)) = typed.next() {
        stands(before);
        if !line.is_empty() {
            tmux(&["send-keys", "-l", "--", line]);
        }
        tmux(&["send-keys", "Enter"]);
        let is_answered = typed.peek().is_some_and(|(next, _)| next.starts_with('['));
        if !is_answered {
            count += 1;
            wait_until(line, || prompts() == count.to_string());
        }
    }
    stands(scene.light);
    let screen = tmux(&["capture-pane", "-e", "-p"]);
    let _ = home.command("tmux").arg("kill-server").output();
    let text = told(screen.trim_end(), &home.path(""));
    text.lines().map(str::to_owned).collect()
}

/// Puts one moment for every moment, and one home for every home: the picture is the same each time.
fn told(screen: &str, home: &Path) -> String {
    let home = home.display().to_string();
    let mut text = screen.replace(home.trim_end_matches('/'), "/Users/you");
    for (pattern, instead) in [
        (r"\d{4}-\d\d-\d\d \d\d:\d\d", "2026-11-26 09:30"),
        (r"\d+ (second|minute)s?", "3 minutes"),
        (r"\d+ B, changed", "94 B, changed"),
        (r"\d+(\.\d+)? .iB free", "7.3 GiB free"),
        (r"\(\d+(\.\d+)? .iB, ", "(9.1 KiB, "),
        (r"git version \d[^\s\x1b]*", "git version 2.47.3"),
        (r"zsh \d[^\x1b\n]*", "zsh 5.9"),
        (r"[0-9a-f]{16}", "0123456789abcdef"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, instead).into_owned();
    }
    text
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures")
}

#[test]
fn every_picture_shows_what_is_so() {
    let wish = std::env::var("PICTURES").unwrap_or_default();
    for scene in &SCENES {
        if wish.starts_with('/') {
            for (columns, theme, kind) in [
                (60, Theme::Dark, "60-dark"),
                (60, Theme::Light, "60-light"),
                (120, Theme::Dark, "120-dark"),
                (120, Theme::Light, "120-light"),
            ] {
                let picture = draw(&play(scene, columns), columns, theme);
                let path = format!("{wish}/{}-{kind}", scene.name);
                fs::write(format!("{path}.svg"), picture).unwrap();
                let mut png = Command::new("rsvg-convert");
                png.args(["--zoom", "1.5", "-o", &format!("{path}.png"), &format!("{path}.svg")]);
                let _ = png.status();
            }
            continue;
        }
        let picture = draw(&play(scene, scene.columns), scene.columns, Theme::Both);
        let path = folder().join(format!("{}.svg", scene.name));
        if wish == "overwrite" {
            fs::write(path, picture).unwrap();
            continue;
        }
        let drawn = fs::read_to_string(&path).unwrap_or_default();
        let first = drawn.lines().zip(picture.lines()).find(|(one, other)| one != other);
        assert!(drawn == picture, "{} is another one now: {first:?}", path.display());
    }
}

#[test]
fn every_picture_is_of_a_scene() {
    for entry in fs::read_dir(folder()).unwrap().map(|it| it.unwrap().path()) {
        let name = entry.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(SCENES.iter().any(|scene| scene.name == name), "{name} is drawn by nobody");
    }
}
