#!/usr/bin/env zsh
# Measures what a person waits for: the start of the program, and a sync with nothing to do, the
# latter beside a plain `git fetch` of the same remote. Each pair is measured in turn in one run,
# so that both see the same machine. Prints the head of the table of docs/performance.md and its
# first rows; the programs in tests/bench add theirs. Fails when a promise is broken.
#
#   scripts/bench.sh FOLDER_OF_THE_PROGRAMS

emulate -L zsh -o err_exit -o no_unset -o pipe_fail
zmodload zsh/datetime

typeset -r programs=${1:A}
typeset -r stage=$(mktemp -d ${TMPDIR:-/tmp}/cfgsync-bench.XXXXXX)
trap 'rm -rf $stage' EXIT
trap 'exit 130' INT TERM HUP

# Everything runs as on a machine of its own.
unset -m 'GIT_*' 'CFGSYNC_*' 'XDG_*'
export HOME=$stage/home CFGSYNC_MACHINE_KIND=ec2
path=($programs $path)
typeset -r repository=$HOME/configs

# Makes a machine with two hundred files of its own and twenty marked ones, all in sync.
function prepare() {
  git init --quiet --bare --initial-branch=main $stage/remote.git
  mkdir -p $repository $HOME/.config/app
  local number
  for number in {1..200}; do print -r -- "setting = $number" >$repository/file-$number; done
  for number in {1..20}; do print -r -- "setting = $number" >$HOME/.config/app/$number.conf; done
  cfgsync setup --quiet --no-input $stage/remote.git
  cfgsync mark --quiet --yes $HOME/.config/app
  cfgsync sync --quiet
  cfgsync sync --quiet
}

# Sets `reply` to the median times, in milliseconds, of two commands run in turn.
function compare() {
  local -i rounds=$1 round
  local -F start
  local -a first second
  for (( round = 0; round < rounds; round++ )); do
    start=$EPOCHREALTIME; ${(z)2} >/dev/null 2>&1; first+=($(( (EPOCHREALTIME - start) * 1000 )))
    start=$EPOCHREALTIME; ${(z)3} >/dev/null 2>&1; second+=($(( (EPOCHREALTIME - start) * 1000 )))
  done
  first=(${(on)first}) second=(${(on)second})
  reply=($first[rounds/2+1] $second[rounds/2+1])
}

# Measures a command against another, and checks that it takes at most `limit` times as long.
function check() {
  local what=$1 command=$2 yardstick=$3 limit=$4 rounds=$5
  compare $rounds $command $yardstick
  local -F ratio=$(( reply[1] / reply[2] ))
  local verdict=ok
  (( ratio <= limit )) || { verdict='**more**'; failed=1 }
  printf '| %s | %.2f ms | `%s` | %.2f ms | %.3f |  | %s | %s |\n' \
    $what $reply[1] $yardstick[(w)1] $reply[2] $ratio $limit $verdict
}

integer failed=0
prepare
print -r -- '| what | median | beside | median | ratio | the same twice | at most | |'
print -r -- '| --- | ---: | --- | ---: | ---: | ---: | ---: | --- |'
check '`cfgsync --version`' "$programs/cfgsync --version" /bin/true 2 300
check 'a sync with nothing to do' "$programs/cfgsync sync --quiet" \
  "git -C $repository fetch --quiet origin" 1.5 40
exit failed
