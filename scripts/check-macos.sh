#!/usr/bin/env bash
# Type-checks and lints every target for macOS, on any system. Nothing is linked or run.
#
# Rust's own libraries for macOS come with rustup. C code (libgit2, zlib) is passed over: a check never
# links, so stand-ins for the C compiler and the archiver leave empty files.

set -euo pipefail
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
target=aarch64-apple-darwin
folder=${TARGET:-target}/macos
toolchain=$("$cargo" --version >/dev/null && rustc --print sysroot)

if [ ! -d "$toolchain/lib/rustlib/$target" ]; then
  echo "Running: rustup target add $target"
  rustup target add "$target" || {
    echo "The libraries of Rust for $target are not there, and rustup did not bring them." >&2
    exit 3
  }
fi

mkdir -p "$folder/tools"
# A compiler that is asked for -o FILE leaves it empty; so does an archiver its archive.
cat >"$folder/tools/cc" <<'SCRIPT'
#!/bin/sh
while [ $# -gt 0 ]; do
  if [ "$1" = -o ]; then : >"$2"; fi
  shift
done
SCRIPT
cat >"$folder/tools/ar" <<'SCRIPT'
#!/bin/sh
for word; do case $word in *.a) printf '!<arch>\n' >"$word" ;; esac; done
SCRIPT
chmod +x "$folder/tools/cc" "$folder/tools/ar"
tools=$(cd "$folder/tools" && pwd)

export CC_aarch64_apple_darwin=$tools/cc AR_aarch64_apple_darwin=$tools/ar
# Of no use to a check, and asked of programs that are on a Mac alone.
export SDKROOT=/ MACOSX_DEPLOYMENT_TARGET=11.0

options=(--locked --target "$target" --target-dir "$folder" --quiet)
# Numbers of C have other widths there: what is a cast that loses nothing on one system is none on the other.
"$cargo" clippy "${options[@]}" --all-targets -- -D warnings -A clippy::cast_lossless
echo "Every target is right for macOS, as far as types and lints tell."
