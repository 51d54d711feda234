#!/usr/bin/env bash
# The main job as a story: three machines and one remote, all in a throw-away folder.
#
# Every command that is shown is run, and every output that is shown is real. The script compares
# the three homes after each step and fails when they differ from what the story says. Nothing
# outside the build folder and one temporary folder is touched, and that one is removed at the end.

set -euo pipefail
cd "$(dirname "$0")/.."

# No repository of the caller's is meant.
# shellcheck disable=SC2046 # a list of words
unset $(git rev-parse --local-env-vars)

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
fi

machines='work-mac personal-mac ec2'
stage=$(mktemp -d "${TMPDIR:-/tmp}/cfgsync-demo.XXXXXX")
trap 'rm -rf "$stage"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
stage=$(cd "$stage" && pwd -P)
remote=$stage/remote.git

fail() {
  printf '\n%sThe demo went wrong: %s%s\n' "$bold" "$1" "$plain" >&2
  exit 1
}

title() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
say() { printf '%s\n' "$@"; }

kind_of() { case "$1" in *mac) echo mac ;; *) echo ec2 ;; esac; }
folder_of() { case "$1" in *mac) echo dev/configs ;; *) echo configs ;; esac; }

# Runs a command line on a machine: a home, a kind, and nothing else of the caller's surroundings.
run() {
  local machine=$1 line=$2
  (
    cd "$stage/$machine"
    exec env -i HOME="$stage/$machine" PATH="$programs:$PATH" USER=you LANG=C.UTF-8 \
      CFGSYNC_MACHINE_KIND="$(kind_of "$machine")" REMOTE="$remote" bash -c "$line" </dev/null
  )
}

# Shows a command line as it is typed, runs it, and shows what it prints, with ~ for the home.
# The exit code must be 0, or the one given. The output goes to a file, because bash waits for a
# command in the foreground before it cleans up, but not for one in a substitution.
on() {
  local machine=$1 line=$2 expected=${3:-0} status=0
  printf '\n  %s%s%s $ %s%s%s\n' "$dim" "$machine" "$plain" "$bold" "$line" "$plain"
  run "$machine" "$line" >"$stage/output" 2>&1 || status=$?
  sed -e "s|$stage/$machine|~|g" -e "s|$stage|/srv|g" -e 's|^|    |' "$stage/output"
  [ "$status" = "$expected" ] || fail "\`$line\` on $machine ended with $status, not $expected"
  [ "$status" = 0 ] || printf '    %s(exit code %s)%s\n' "$dim" "$status" "$plain"
}

everywhere() { for machine in $machines; do on "$machine" "$1"; done; }

# Fails unless a file below the home holds the same bytes and has the same mode on all machines.
same() {
  local file machine one=''
  for file in "$@"; do
    for machine in $machines; do
      [ -e "$stage/$machine/$file" ] || fail "~/$file is missing on $machine"
      if [ -n "$one" ]; then
        cmp -s "$stage/$one/$file" "$stage/$machine/$file" || fail "~/$file differs on $one and $machine"
        [ "$(mode "$one" "$file")" = "$(mode "$machine" "$file")" ] ||
          fail "~/$file has another mode on $one than on $machine"
      fi
      one=$machine
    done
    one=''
  done
}

# GNU and BSD spell it differently.
mode() { stat -Lc %a "$stage/$1/$2" 2>/dev/null || stat -Lf %Lp "$stage/$1/$2"; }

# Fails unless a file on a machine contains, or does not contain, a text.
contains() { grep -qF -- "$3" "$stage/$1/$2" || fail "~/$2 on $1 lacks \`$3\`"; }
lacks() { ! grep -qF -- "$3" "$stage/$1/$2" || fail "~/$2 on $1 has \`$3\`"; }
is_link() { [ -L "$stage/$1/$2" ] || fail "~/$2 on $1 is no link"; }
is_plain() { { [ -f "$stage/$1/$2" ] && [ ! -L "$stage/$1/$2" ]; } || fail "~/$2 on $1 is no plain file"; }

# Shows the light of machines, each given as `machine icon`.
lights() {
  local machine icon shown
  printf '\n'
  while [ $# -gt 0 ]; do
    machine=$1 icon=$2
    shift 2
    shown=$(run "$machine" cfgsync-prompt)
    printf '    %s %s\n' "$shown" "$machine"
    [ "$shown" = "$icon" ] || fail "the light of $machine is \`$shown\`, not \`$icon\`"
  done
}

# Makes a machine's Git look for the remote where nobody answers.
unplug() {
  mkdir -p "$stage/$1/.config/git"
  printf '[url "http://127.0.0.1:9/"]\n  insteadOf = %s/\n' "$stage" >"$stage/$1/.config/git/config"
}

# Uses the programs of a folder that PROGRAMS names, as of an installed package, or builds its own: those
# that `make install` installs, so that nothing is built twice.
build() {
  local target=${TARGET:-target}
  if [ -n "${PROGRAMS:-}" ]; then
    programs=$(cd "$PROGRAMS" && pwd)
    return
  fi
  say 'Building cfgsync. The first time this takes a few minutes.'
  "${CARGO:-cargo}" build --locked --quiet --release --bins
  programs=$(cd "$target/release" && pwd)
}

prepare() {
  local machine
  git init --quiet --bare --initial-branch=main "$remote"
  for machine in $machines; do
    # Each machine gets a name of its own; in life, user and host name make it.
    mkdir -p "$stage/$machine/$(folder_of "$machine")/.sync"
    echo "you@$machine" >"$stage/$machine/$(folder_of "$machine")/.sync/machine-id"
  done
  cd "$stage/work-mac"
  mkdir -p .config/nvim
  printf '%s\n' '# zsh' 'export EDITOR=nvim' '' '' '' '# aliases' "alias ll='ls -l'" >.zshrc
  printf '%s\n' '[user]' '  name = You' >.gitconfig
  printf '%s\n' 'vim.o.number = true' >.config/nvim/init.lua
  chmod 600 .gitconfig
  cd "$OLDPWD"
}

first_machine() {
  title '1. The first machine'
  say 'Your work Mac has some config files, and you have an empty private repository.'
  on work-mac 'cfgsync setup $REMOTE'
  on work-mac 'cfgsync mark --yes ~/.zshrc ~/.gitconfig ~/.config/nvim'
  on work-mac 'cfgsync sync'
  on work-mac 'ls -l ~/.zshrc | cut -d" " -f1,9-'
  is_link work-mac .zshrc
}

other_machines() {
  title '2. The other machines'
  say 'One command each brings everything over; new files that programs run wait for a word. The repository goes where each kind of machine' \
    'is used to have it: ~/dev/configs on a Mac, ~/configs on EC2.'
  on personal-mac 'cfgsync setup $REMOTE' 4
  on personal-mac 'cfgsync resolve ~/.zshrc ~/.gitconfig --theirs'
  on ec2 'cfgsync setup $REMOTE' 4
  on ec2 'cfgsync resolve ~/.zshrc ~/.gitconfig --theirs'
  same .zshrc .gitconfig .config/nvim/init.lua
  say '' 'The files are equal on all three, modes included.'
}

daily_use() {
  title '3. Edit anywhere'
  say 'You edit the same file on two machines, in different places, and add a new file.'
  on work-mac "echo \"alias gs='git status'\" >> ~/.zshrc"
  on personal-mac "sed 's/EDITOR=nvim/EDITOR=vim/' ~/.zshrc > ~/new && cp ~/new ~/.zshrc && rm ~/new"
  on personal-mac "echo 'vim.o.wrap = false' > ~/.config/nvim/wrap.lua"
  everywhere 'cfgsync sync --quiet'
  on work-mac 'cfgsync sync'
  on ec2 'cat ~/.zshrc'
  same .zshrc .gitconfig .config/nvim/init.lua .config/nvim/wrap.lua
  contains ec2 .zshrc 'EDITOR=vim'
  contains ec2 .zshrc 'git status'
  lights work-mac ✓ personal-mac ✓ ec2 ✓
}

conflict() {
  title '4. Two edits that do not fit'
  say 'Now both Macs change the same line. The second to sync keeps its own version, untouched,' \
    'and is told. Everything else goes on.'
  on work-mac "echo 'vim.o.number = false' > ~/.config/nvim/init.lua && cfgsync sync"
  on personal-mac "echo 'vim.o.relativenumber = true' > ~/.config/nvim/init.lua"
  on personal-mac "echo 'export PAGER=less' >> ~/.zshrc && cfgsync sync" 4
  lights work-mac ✓ personal-mac ✗
  contains personal-mac .config/nvim/init.lua relativenumber
  lacks personal-mac .config/nvim/init.lua '<<<<'
  on personal-mac 'cfgsync diff --held ~/.config/nvim/init.lua'
  say '' 'You decide when it suits you, and can change your mind: the version that loses is kept.'
  on personal-mac 'cfgsync resolve ~/.config/nvim/init.lua --theirs'
  lacks personal-mac .config/nvim/init.lua relativenumber
  on personal-mac 'cfgsync undo'
  contains personal-mac .config/nvim/init.lua relativenumber
  on work-mac 'cfgsync sync'
  on ec2 'cfgsync sync'
  same .zshrc .config/nvim/init.lua
  contains work-mac .config/nvim/init.lua relativenumber
  contains work-mac .zshrc PAGER
}

offline() {
  title '5. Offline, and back'
  say 'The network goes away. Edits wait, the light says so, and nothing is in your way.'
  unplug ec2
  on ec2 "echo 'export TZ=UTC' >> ~/.zshrc"
  on ec2 'cfgsync sync' 5
  lights ec2 ↑
  say '' 'The network comes back.'
  rm "$stage/ec2/.config/git/config"
  on ec2 'cfgsync sync'
  on work-mac 'cfgsync sync --quiet'
  on personal-mac 'cfgsync sync --quiet'
  same .zshrc
  contains work-mac .zshrc TZ=UTC
}

unmark() {
  title '6. Stop sharing a file'
  say 'It becomes a plain file again, on every machine, with the content it has.'
  on personal-mac 'cfgsync unmark ~/.gitconfig && cfgsync sync'
  on work-mac 'cfgsync sync'
  on ec2 'cfgsync sync'
  same .gitconfig
  for machine in $machines; do is_plain "$machine" .gitconfig; done
}

ending() {
  title '7. How things stand'
  everywhere 'cfgsync status'
  for machine in $machines; do
    run "$machine" 'cfgsync status --exit-code' >/dev/null 2>&1 || fail "$machine is not in sync"
  done
  lights work-mac ✓ personal-mac ✓ ec2 ✓
  same .zshrc .gitconfig .config/nvim/init.lua .config/nvim/wrap.lua
  git -C "$remote" fsck --strict --no-dangling 2>/dev/null || fail 'the remote is damaged'
  [ -z "$(git -C "$remote" rev-list --merges main)" ] || fail 'the history is not one line'
  say '' "The history on the remote is one line of $(git -C "$remote" rev-list --count main) commits:"
  git -C "$remote" log --format='    %s' main
  title 'All three machines hold the same files. The throw-away homes are removed now.'
}

build
prepare
first_machine
other_machines
daily_use
conflict
offline
unmark
ending
