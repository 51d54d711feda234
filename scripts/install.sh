#!/usr/bin/env bash
# Puts the programs, the zsh plugin and the completions in place, or takes them away again.
#
#   PREFIX=... ZSH_CUSTOM=... scripts/install.sh FOLDER_OF_THE_PROGRAMS
#   PREFIX=... ZSH_CUSTOM=... scripts/install.sh --remove

set -euo pipefail
cd "$(dirname "$0")/.."

bin=$PREFIX/bin
share=$PREFIX/share/cfgsync
compiled=(configsync.plugin.zsh theme-snippet.zsh)
linked=("${compiled[@]}" "${compiled[@]/%/.zwc}" _cfgsync README.md)
plugin=$ZSH_CUSTOM/plugins/configsync
bash_completions=$PREFIX/share/bash-completion/completions/cfgsync
manuals=$PREFIX/share/man/man1
fish_completions=$PREFIX/share/fish/vendor_completions.d/cfgsync.fish

# Installs beside the old file and renames, so that a program that runs is never half replaced.
put() {
  cp "$1" "$2.new"
  chmod "$3" "$2.new"
  mv -f "$2.new" "$2"
  echo "  $2"
}

install_programs() {
  mkdir -p "$bin"
  for program in cfgsync cfgsync-prompt; do put "$1/$program" "$bin/$program" 755; done
}

install_plugin() {
  local file
  mkdir -p "$share"
  for file in zsh/*.zsh zsh/_cfgsync zsh/README.md; do put "$file" "$share/${file#zsh/}" 644; done
  for file in "${compiled[@]}"; do compile "$file"; done
}

# Leaves a file beside a zsh file in which its text is parsed already: a shell that starts has that
# much less to do. zsh itself ignores it where the text is newer, or the zsh another one.
compile() {
  rm -f "$share/$1.zwc"
  command -v zsh >/dev/null || return 0
  zsh -f -c 'zcompile -U "$1" "$2"' zsh "$share/$1.new" "$share/$1" || return 0
  mv -f "$share/$1.new.zwc" "$share/$1.zwc"
  echo "  $share/$1.zwc"
}

# Where bash and fish look for those of a prefix by themselves; zsh has _cfgsync beside the plugin.
install_completions() {
  mkdir -p "$(dirname "$bash_completions")" "$(dirname "$fish_completions")"
  put completions/cfgsync.bash "$bash_completions" 644
  put completions/cfgsync.fish "$fish_completions" 644
}

# One page a command; the program writes them itself.
install_pages() {
  local pages page
  pages=$(mktemp -d)
  mkdir -p "$manuals"
  "$bin/cfgsync" help --man "$pages"
  for page in "$pages"/*.1; do put "$page" "$manuals/${page##*/}" 644; done
  rm -r "$pages"
}

link_plugin() {
  local file
  if [ -L "$plugin" ]; then
    echo "  $plugin is a link of yours, and stays as it is"
    return
  fi
  mkdir -p "$plugin"
  for file in "${linked[@]}"; do
    [ -e "$share/$file" ] || continue
    if [ -e "$plugin/$file" ] && [ ! -L "$plugin/$file" ]; then
      echo "  $plugin/$file is a file of yours, and stays as it is"
    else
      ln -sfn "$share/$file" "$plugin/$file"
      echo "  $plugin/$file -> $share/$file"
    fi
  done
}

say_next() {
  echo 'Next:'
  case ":$PATH:" in
    *":$bin:"*) ;;
    *) echo "  put $bin on your PATH: export PATH=\"$bin:\$PATH\"" ;;
  esac
  echo '  cfgsync setup <URL of your private repository>'
  if [ -d "$ZSH_CUSTOM" ]; then
    echo '  add configsync to plugins=(...) in ~/.zshrc'
  else
    echo "  load the plugin in ~/.zshrc: cfgsync setup --zshrc, or source $share/configsync.plugin.zsh"
  fi
  echo "  show the light in your theme: see $share/README.md"
}

# Removes links only where they are ours.
remove() {
  local file
  for file in "${linked[@]}"; do
    if [ -L "$plugin/$file" ] && [ "$(readlink "$plugin/$file")" = "$share/$file" ]; then
      rm "$plugin/$file"
      echo "  $plugin/$file"
    fi
  done
  [ ! -d "$plugin" ] || [ -L "$plugin" ] || rmdir "$plugin" 2>/dev/null || true
  for file in "$bin/cfgsync" "$bin/cfgsync-prompt" "$share"/*.zsh "$share"/*.zwc "$share/_cfgsync" \
    "$share/README.md" "$bash_completions" "$fish_completions" "$manuals"/cfgsync.1 "$manuals"/cfgsync-*.1; do
    [ -e "$file" ] || continue
    rm "$file"
    echo "  $file"
  done
  # Folders that held nothing else go with them, as far as the prefix itself.
  local folder
  for folder in "$share" "${bash_completions%/*}" "${fish_completions%/*}" "$manuals" "$bin"; do
    while [ "$folder" != "$PREFIX" ] && [ "$folder" != / ] && rmdir "$folder" 2>/dev/null; do
      folder=${folder%/*}
    done
  done
}

if [ "$1" = --remove ]; then
  echo 'Removed:'
  remove
  echo 'Your files and the repository stay as they are; links into it go on working.'
else
  echo 'Installed:'
  install_programs "$1"
  install_plugin
  install_completions
  install_pages
  [ ! -d "$ZSH_CUSTOM" ] || link_plugin
  say_next
fi
