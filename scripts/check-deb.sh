#!/usr/bin/env bash
# Installs the Debian package of `make dist` in a bare Debian with git and zsh, runs the demo there, removes
# it again, and looks at what is left; then runs the demo with the programs of the static archive. Needs
# root, debootstrap and a Debian mirror.
#
#   scripts/check-deb.sh [FOLDER]    a bare Debian that is there already, with git and zsh

set -euo pipefail
cd "$(dirname "$0")/.."

dist=${TARGET:-target}/dist
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
root=${1:-}
package=$(ls "$dist"/cfgsync_*.deb)

if [ -z "$root" ]; then
  root=$(mktemp -d)/root
  trap 'rm -rf "$(dirname "$root")"' EXIT
  debootstrap --variant=minbase --include=git,zsh stable "$root" "$mirror" >/dev/null
fi

inside() { chroot "$root" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin "$@"; }

# Lists every file of the system but what changes by itself.
files() { (cd "$root" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./tmp \) -prune -o -print | sort); }

rm -rf "$root/tmp/check"
mkdir -p "$root/tmp/check/source"
cp "$package" "$root/tmp/check/cfgsync.deb"
git archive HEAD scripts tests/cmd | tar -x -C "$root/tmp/check/source"
files | grep -v '^./var/lib/dpkg\|^./var/log\|^./root/.zcompdump' >"$root/tmp/check/before"

inside dpkg -i /tmp/check/cfgsync.deb
inside cfgsync --version
inside zsh -c 'autoload -Uz compinit && compinit -u && [[ $_comps[cfgsync] = _cfgsync ]]'
inside test -e /usr/share/man/man1/cfgsync-sync.1.gz
inside env PROGRAMS=/usr/bin bash /tmp/check/source/scripts/demo.sh >"$root/tmp/check/demo" 2>&1 || {
  tail -n 20 "$root/tmp/check/demo"
  exit 1
}
tail -n 3 "$root/tmp/check/demo"
inside dpkg --purge cfgsync

# The archive of static programs, where nothing was ever installed.
mkdir "$root/tmp/check/static"
tar -xz -C "$root/tmp/check/static" --strip-components=1 -f "$(ls "$dist"/cfgsync-*-linux-*.tar.gz)"
inside env PROGRAMS=/tmp/check/static/bin bash /tmp/check/source/scripts/demo.sh >"$root/tmp/check/demo" 2>&1 || {
  tail -n 20 "$root/tmp/check/demo"
  exit 1
}
tail -n 1 "$root/tmp/check/demo"

# What a person's shell made in /root is theirs.
files | grep -v '^./var/lib/dpkg\|^./var/log\|^./root/.zcompdump' >"$root/tmp/check/after"
diff "$root/tmp/check/before" "$root/tmp/check/after"
rm -rf "$root/tmp/check"
echo 'The package installs, runs the demo, and leaves nothing behind. The archive runs it without an installation.'
