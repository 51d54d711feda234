# What is measured inside a shell: typed at its prompt by the benchmark, answers in microseconds.

# Prints the median of what it is given.
function bench_median() {
  emulate -L zsh
  local -a times=(${(on)@})
  print -rn -- " $times[$#times/2+1]"
}

function bench_nothing() { : }

# Prints what one call takes where nothing changed: of a function that does nothing, of the hook after an
# empty line, of the hook after a command, of what is done once the line editor is idle.
function bench_segment() {
  emulate -L zsh
  local -a nothing hook command idle plugin_load
  local -i round
  local -F start
  for (( round = 0; round < 1000; round++ )); do
    start=$EPOCHREALTIME; bench_nothing; nothing+=($(( (EPOCHREALTIME - start) * 1e6 )))
    _CONFIGSYNC_RAN=1 _CONFIGSYNC_WAITS=0
    start=$EPOCHREALTIME; _configsync_precmd; command+=($(( (EPOCHREALTIME - start) * 1e6 )))
    zle -F $_CONFIGSYNC_IDLE
    _CONFIGSYNC_WAITS=0 _CONFIGSYNC_RAN=0 _CONFIGSYNC_DUE=0
    start=$EPOCHREALTIME; _configsync_precmd; hook+=($(( (EPOCHREALTIME - start) * 1e6 )))
    zle -F $_CONFIGSYNC_IDLE
    start=$EPOCHREALTIME; _configsync_look; idle+=($(( (EPOCHREALTIME - start) * 1e6 )))
  done
  print -rn -- '<took'
  bench_median $nothing; bench_median $hook; bench_median $command; bench_median $idle
  print -r -- '>'
}

# Prints how long a start in the background holds the shell: the plugin's, `( cd d && x & )`.
function bench_start() {
  emulate -L zsh
  local -a ours plain
  local -i round
  local -F start
  commands[cfgsync]=/bin/true
  for (( round = 0; round < 100; round++ )); do
    start=$EPOCHREALTIME; _configsync_start; ours+=($(( (EPOCHREALTIME - start) * 1e6 )))
    zselect -t 1
    _configsync_forget $_CONFIGSYNC_FD
    start=$EPOCHREALTIME; ( cd $bench_folder && /bin/true </dev/null &>/dev/null & )
    plain+=($(( (EPOCHREALTIME - start) * 1e6 )))
    zselect -t 1
  done
  print -rn -- '<took'
  bench_median $ours; bench_median $plain
  print -r -- '>'
}

# Prints what sourcing the plugin takes, and sourcing an empty file.
function bench_load() {
  emulate -L zsh
  local -a ours plain
  local -i round
  local -F start
  for (( round = 0; round < 100; round++ )); do
    configsync_plugin_unload
    start=$EPOCHREALTIME; source $1; ours+=($(( (EPOCHREALTIME - start) * 1e6 )))
    start=$EPOCHREALTIME; source /dev/null; plain+=($(( (EPOCHREALTIME - start) * 1e6 )))
  done
  print -rn -- '<took'
  bench_median $ours; bench_median $plain
  print -r -- '>'
}
