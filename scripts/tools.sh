#!/usr/bin/env bash
# Installs the tools that building and testing need and that are missing. Silent when all are there.
#
#   scripts/tools.sh          cargo, a C compiler and git: enough to build
#   scripts/tools.sh all      also zsh, fish, tmux, strace and an ssh server, which the tests, the
#                             benchmarks and the demo drive on this machine alone
#   scripts/tools.sh fuzz     also a nightly compiler and cargo-fuzz

set -euo pipefail

# shellcheck disable=SC2046,SC2086 # lists of words are meant to be split here

has() { command -v "$1" >/dev/null 2>&1; }

die() {
  printf '\n' >&2
  printf '%s\n' "$@" >&2
  exit 1
}

# Says which tools are missing, each as `command:reason`.
missing() {
  has cc || echo 'cc:a C compiler, which builds libgit2'
  has git || echo 'git:talks to the remote'
  [ "${1:-}" = all ] || return 0
  has zsh || echo 'zsh:the shell the light is for'
  has fish || echo 'fish:a shell for the tests of completions'
  has tmux || echo 'tmux:a terminal for the tests of the light'
  [ "$(uname)" != Linux ] || has strace || echo 'strace:kills programs for the tests of crashes'
  PATH="$PATH:/usr/sbin" has sshd || echo 'sshd:the other end of tests and benchmarks over ssh'
}

# Names the missing commands in one line.
names() { echo $(cut -d: -f1 <<<"$1"); }

# Names the packages that bring the missing commands.
packages() {
  local command
  while IFS=: read -r command _; do
    case "$1:$command" in
      apt:cc) echo gcc libc6-dev ;;
      apt:sshd) echo openssh-server ;;
      brew:cc | brew:sshd) ;;
      *) echo "$command" ;;
    esac
  done <<<"$2"
}

install_with_apt() {
  local packages sudo=''
  packages=$(echo $(packages apt "$1"))
  if [ "$(id -u)" != 0 ]; then
    has sudo || die "These packages are needed: $packages" \
      'Ask an administrator for them:' "  apt-get install $packages"
    sudo=sudo
  fi
  echo "Running: ${sudo:+$sudo }apt-get install $packages"
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
    $sudo env DEBIAN_FRONTEND=noninteractive \
      apt-get -qq --yes --no-install-recommends install $packages >/dev/null </dev/null ||
    die 'apt-get failed. Install these by hand, then run make again:' "  $packages"
}

install_with_brew() {
  local packages
  if ! has cc; then
    die 'A C compiler is needed. Install the command line tools of Xcode, then run make again:' \
      '  xcode-select --install'
  fi
  packages=$(echo $(packages brew "$1"))
  [ -n "$packages" ] || return 0
  has brew || die "These are needed: $packages" \
    'Install Homebrew (https://brew.sh), then run make again, or install them yourself.'
  echo "Running: brew install $packages"
  brew install --quiet $packages </dev/null
}

cargo=${CARGO:-cargo}
if ! has "$cargo"; then
  die 'Rust is needed. Install it, then run make again:' \
    "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
fi
if ! "$cargo" --version >/dev/null 2>&1; then
  die "$cargo is there but does not run:" "$("$cargo" --version 2>&1 || true)" \
    'With rustup, this installs a toolchain: rustup default stable'
fi
if [[ "${1:-}" =~ ^(all|bench)$ ]] && ! { "$cargo" fmt --version && "$cargo" clippy --version; } >/dev/null 2>&1; then
  has rustup || die 'rustfmt and clippy are needed. Install them where cargo came from.'
  echo 'Running: rustup component add rustfmt clippy'
  rustup component add rustfmt clippy
fi

if [ "${1:-}" = fuzz ]; then
  if ! "$cargo" +nightly --version >/dev/null 2>&1; then
    has rustup || die 'Fuzzing needs a nightly compiler, and rustup to choose it.'
    echo 'Running: rustup toolchain install nightly'
    rustup toolchain install nightly --profile minimal
  fi
  if ! "$cargo" fuzz --version >/dev/null 2>&1; then
    echo 'Running: cargo install cargo-fuzz'
    "$cargo" install --quiet --locked cargo-fuzz
  fi
fi

wanted=$(missing "${1:-}")
[ -n "$wanted" ] || exit 0

echo 'Missing here:'
while IFS=: read -r command reason; do printf '  %-5s %s\n' "$command" "$reason"; done <<<"$wanted"

if [ "$(uname -s)" = Darwin ]; then
  install_with_brew "$wanted"
elif has apt-get; then
  install_with_apt "$wanted"
else
  die 'cfgsync knows apt-get and brew only. Install these with your own package manager,' \
    "then run make again: $(names "$wanted")"
fi

left=$(names "$(missing "${1:-}")")
[ -z "$left" ] || die "Still missing after the installation: $left"
