#!/usr/bin/env bash
# Makes what people install from, in target/dist: a Debian package, an archive of static programs, the
# source, a Homebrew formula, and checksums.
#
#   scripts/dist.sh
#   DIST_HOME=https://github.com/me/cfgsync scripts/dist.sh   the address for formula and package
#
# The programs are static where Rust's musl target and musl-gcc are there, or rustup and the system can
# bring them; they need no C library of the machine then. Linux only: a Mac builds with the formula.

set -euo pipefail
cd "$(dirname "$0")/.."

die() {
  printf '%s\n' "$@" >&2
  exit 1
}

[ "$(uname)" = Linux ] || die 'Packages are made on Linux; on a Mac, use the formula or `make install`.'

cargo=${CARGO:-cargo}
target=${TARGET:-target}
dist=$target/dist
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
home=${DIST_HOME:-https://github.com/OWNER/cfgsync}
url=$home/archive/refs/tags/v$version.tar.gz
machine=$(uname -m)
triple=$machine-unknown-linux-musl

# The time of the last commit: the same source makes the same files.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

has_musl() {
  command -v musl-gcc >/dev/null || return 1
  [ -d "$(rustc --print sysroot)/lib/rustlib/$triple" ] || rustup target add "$triple" >/dev/null 2>&1
}

build() {
  if has_musl; then
    "$cargo" build --locked --release --bin cfgsync --target "$triple"
    # The prompt knows no C library at all.
    "$cargo" build --locked --release --bin cfgsync-prompt
    programs=$work/programs
    mkdir -p "$programs"
    cp "$target/$triple/release/cfgsync" "$target/release/cfgsync-prompt" "$programs"
  else
    die "Static programs need musl-gcc (Debian: apt-get install musl-tools) and Rust's target:" \
      "  rustup target add $triple"
  fi
}

# Fails unless a program needs no other file to start.
check_static() {
  ! readelf -l "$1" | grep -q INTERP || die "$1 is not static"
}

# Puts everything below a prefix, as `make install` does.
stage() {
  PREFIX=$1 ZSH_CUSTOM=/nonexistent scripts/install.sh "$programs" >/dev/null
  # What zsh has parsed is of one version of zsh.
  rm -f "$1"/share/cfgsync/*.zwc
}

archive() {
  tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C "$1" -c "$2" |
    gzip -9n >"$3"
}

static_archive() {
  local name=cfgsync-$version-linux-$machine
  stage "$work/$name"
  cp README.md LICENSE CHANGELOG.md "$work/$name"
  archive "$work" "$name" "$dist/$name.tar.gz"
}

debian_package() {
  local root=$work/deb architecture page
  architecture=$(dpkg --print-architecture)
  stage "$root/usr"
  mkdir -p "$root/DEBIAN" "$root/usr/share/doc/cfgsync" "$root/usr/share/zsh/vendor-completions"
  cp zsh/_cfgsync "$root/usr/share/zsh/vendor-completions/_cfgsync"
  { sed "s|@HOME@|$home|" packaging/copyright.in && sed 's/^$/./; s/^/ /' LICENSE; } \
    >"$root/usr/share/doc/cfgsync/copyright"
  gzip -9nc CHANGELOG.md >"$root/usr/share/doc/cfgsync/changelog.gz"
  cp README.md "$root/usr/share/doc/cfgsync/README.md"
  for page in "$root"/usr/share/man/man1/*.1; do gzip -9n "$page"; done
  find "$root" -type d -exec chmod 755 {} +
  find "$root/usr/share" -type f -exec chmod 644 {} +
  cat >"$root/DEBIAN/control" <<CONTROL
Package: cfgsync
Version: $version
Architecture: $architecture
Maintainer: ${DIST_MAINTAINER:-the authors of cfgsync <cfgsync@localhost>}
Section: utils
Priority: optional
Homepage: $home
Depends: git
Recommends: zsh
Installed-Size: $(du -sk "$root/usr" | cut -f1)
Description: keeps your config files the same on all of your machines
 Files of one person's home travel through one private Git remote, in the
 background, and the prompt shows whether they are the same everywhere.
 Nothing is lost, and a live file is never broken.
CONTROL
  find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group --build "$root" "$dist/cfgsync_${version}_$architecture.deb" >/dev/null
}

source_and_formula() {
  local source=$dist/cfgsync-$version.tar.gz sum
  git archive --prefix="cfgsync-$version/" HEAD | gzip -9n >"$source"
  sum=$(sha256sum "$source" | cut -d' ' -f1)
  sed -e "s|@HOME@|$home|g" -e "s|@URL@|$url|" -e "s|@SHA256@|$sum|" packaging/cfgsync.rb.in \
    >"$dist/cfgsync.rb"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build
rm -rf "$dist"
mkdir -p "$dist"
for program in cfgsync cfgsync-prompt; do check_static "$programs/$program"; done
static_archive
if command -v dpkg-deb >/dev/null; then debian_package; else echo 'No dpkg-deb: no Debian package.'; fi
source_and_formula
(cd "$dist" && sha256sum cfgsync* >SHA256SUMS)
ls -l "$dist"
