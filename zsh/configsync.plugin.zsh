# configsync: the state of cfgsync in the prompt, and a background sync when one is due.
#
#   CFGSYNC_SEGMENT   the icon for a prompt, with its colour and a trailing space; empty when there
#                     is nothing to show. Use it as '${CFGSYNC_SEGMENT-}' under prompt_subst.
#   sync_indicator    prints CFGSYNC_SEGMENT, for themes that want a command
#   sync-configs      cfgsync sync
#   sync-status       cfgsync status
#
#   CFGSYNC_RECORD    path of the status record, where it is not cfgsync's own place
#   zstyle ':cfgsync:' background no      never start a sync from here
#   zstyle ':cfgsync:' show-counts yes    ↑3 instead of ↑
#   zstyle ':cfgsync:STATE' icon TEXT     another icon; an empty one hides the state
#   zstyle ':cfgsync:STATE' color COLOR   another colour, as in %F{COLOR}
#   STATE is synced, ahead, behind, syncing, held, failed or paused.
#
# Drawing a prompt starts no process. docs/status-record.md says what the record holds and what a
# reader may believe of it.

[[ -o interactive ]] || return 0
'builtin' 'zmodload' zsh/datetime zsh/system 2>/dev/null || return 0

# The functions below are parsed here, and these options change what a parser reads.
'builtin' 'typeset' -ga _configsync_options
_configsync_options=()
[[ ! -o aliases ]] || _configsync_options+=(aliases)
[[ ! -o sh_glob ]] || _configsync_options+=(sh_glob)
[[ ! -o no_brace_expand ]] || _configsync_options+=(no_brace_expand)
'builtin' 'setopt' no_aliases no_sh_glob brace_expand

# Runs one sync and shows it.
function sync-configs() {
  emulate -L zsh
  command cfgsync sync "$@"
}

# Says what is in sync and what is not.
function sync-status() {
  emulate -L zsh
  command cfgsync status "$@"
}

# Prints the segment. '$(sync_indicator)' costs a fork at each prompt, '${CFGSYNC_SEGMENT-}' none.
function sync_indicator() {
  emulate -L zsh
  print -rn -- "$CFGSYNC_SEGMENT"
}

# Keeps the segment true. A record that did not change costs one read and one comparison.
function _configsync_precmd() {
  emulate -L zsh
  local file=${CFGSYNC_RECORD:-${XDG_STATE_HOME:-$HOME/.local/state}/cfgsync/record} record=
  [[ -f $file && -r $file ]] && record=$(<$file)
  [[ $record == $_CONFIGSYNC_RECORD ]] && (( EPOCHSECONDS < _CONFIGSYNC_UNTIL )) && return 0
  typeset -g CFGSYNC_SEGMENT= _CONFIGSYNC_STATE= _CONFIGSYNC_RECORD=$record
  (( _CONFIGSYNC_UNTIL = EPOCHSECONDS + 60 ))
  [[ ! -f $file ]] || _configsync_read $file
}

# Reads $_CONFIGSYNC_RECORD, the bytes of the file $1. Nothing but the letter and the digits of its
# head is used, and only if the whole has the shape of a record.
function _configsync_read() {
  emulate -L zsh -o extended_glob -o no_multibyte
  local record=$_CONFIGSYNC_RECORD
  if [[ $#record != 128 ||
        $record != 'cfgsync1 '[SABYHFPO](' '[0-9](#c4))(#c4)(' '[0-9](#c10))(#c2)$'   \n'*$'\0end'
     ]]; then
    # Damaged, or of another version: one sync from this shell may write a new one.
    (( _CONFIGSYNC_NEXT )) || _configsync_await $1
    return 0
  fi

  local letter=$record[10]
  local -i ahead=$record[12,15] behind=$record[17,20] pending=$record[22,25] held=$record[27,30]
  local -i due=$record[32,41] deadline=$record[43,52] moment=0
  for moment in $due $(( deadline + 1 )); do  # when the same bytes say something else
    (( EPOCHSECONDS < moment && moment < _CONFIGSYNC_UNTIL )) && (( _CONFIGSYNC_UNTIL = moment ))
  done
  if (( EPOCHSECONDS > deadline )); then
    case $letter in
      (S) letter=O ;;  # too old to be known true
      (Y) letter=F ;;  # the run died
    esac
  fi
  (( EPOCHSECONDS < due )) || [[ $letter == Y ]] || _configsync_await $1

  case $letter in
    (S) _configsync_show synced  green  '✓' ;;
    (A) _configsync_show ahead   yellow '↑' $(( pending ? pending : ahead )) ;;
    (B) _configsync_show behind  cyan   '↓' $behind ;;
    (Y) _configsync_show syncing blue   '%{⚡%2G%}' ;;
    (H) _configsync_show held    red    '✗' $held ;;
    (F) _configsync_show failed  red    '✗' ;;
    (P) _configsync_show paused  yellow '‖' ;;
  esac
}

# Shows the state $1 in the colour $2 with the icon $3 and the count $4, or as the user has it.
function _configsync_show() {
  emulate -L zsh
  local state=$1 color=$2 icon=$3 own=
  zstyle -s ":cfgsync:$state" icon own && icon=$own
  zstyle -s ":cfgsync:$state" color own && color=$own
  (( ${4:-0} )) && zstyle -t ':cfgsync:' show-counts && icon+=$4
  [[ -z $icon ]] || typeset -g CFGSYNC_SEGMENT="%F{$color}$icon%f "
  typeset -g _CONFIGSYNC_STATE=$state
}

# Waits until the line editor is idle to start a sync, at most once a minute, and only for the
# person at this terminal who owns the record $1.
function _configsync_await() {
  emulate -L zsh
  (( ZSH_SUBSHELL == 0 && EPOCHSECONDS >= _CONFIGSYNC_NEXT )) || return 0
  [[ -o zle && -t 0 && -z ${ZSH_EXECUTION_STRING-} && -O $1 ]] || return 0
  zstyle -T ':cfgsync:' background || return 0
  (( _CONFIGSYNC_NEXT = EPOCHSECONDS + 60 ))
  _configsync_forget $_CONFIGSYNC_FD
  sysopen -r -o cloexec -u _CONFIGSYNC_FD /dev/null || return 0
  zle -F $_CONFIGSYNC_FD _configsync_start
}

# Starts one sync: own process group, no terminal, no job. Its standard output is a pipe to here, on
# which nothing is written; that it is closed says that the sync has ended.
function _configsync_start() {
  emulate -L zsh -o no_aliases  # what is in <( ) is parsed when it runs
  _configsync_forget $1
  local cfgsync=${commands[cfgsync]-}
  [[ -x $cfgsync ]] || return 0
  sysopen -r -o cloexec -u _CONFIGSYNC_FD <(
    CFGSYNC_HOLD_STDOUT=1 exec "$cfgsync" sync --background </dev/null 2>/dev/null
  ) || return 0
  zle -F -w $_CONFIGSYNC_FD _configsync_ended
}

# Shows at the standing prompt what a sync did. Not ⚡, which would stand there for too long, and not
# in the middle of other editing: a redraw takes the entries from a completion menu.
function _configsync_ended() {
  emulate -L zsh
  local before=$CFGSYNC_SEGMENT
  _configsync_forget $1
  _configsync_precmd
  [[ $CFGSYNC_SEGMENT != $before && $_CONFIGSYNC_STATE != syncing ]] || return 0
  [[ $CONTEXT == start && $LASTWIDGET != *(complet|menu)* ]] || return 0
  (( PENDING + KEYS_QUEUED_COUNT )) || zle .reset-prompt
}

# Stops waiting for the file descriptor $1, if there is one, and closes it.
function _configsync_forget() {
  emulate -L zsh
  local -i fd=$1
  (( fd )) || return 0
  zle -F $fd
  exec {fd}<&-
  (( fd != _CONFIGSYNC_FD )) || _CONFIGSYNC_FD=0
}

# Takes the plugin out of this shell.
function configsync_plugin_unload() {
  emulate -L zsh
  add-zsh-hook -d precmd _configsync_precmd
  _configsync_forget $_CONFIGSYNC_FD
  zle -D _configsync_ended
  unfunction -m '_configsync_*'
  unfunction sync-configs sync-status sync_indicator configsync_plugin_unload
  unset -m CFGSYNC_SEGMENT '_CONFIGSYNC_*'
}

# Puts the plugin into this shell; a second time changes nothing.
function _configsync_load() {
  emulate -L zsh
  autoload -Uz add-zsh-hook || return 0
  typeset -g CFGSYNC_SEGMENT= _CONFIGSYNC_RECORD= _CONFIGSYNC_STATE=
  typeset -gi _CONFIGSYNC_UNTIL=0
  (( ${+_CONFIGSYNC_FD} )) || typeset -gi _CONFIGSYNC_FD=0 _CONFIGSYNC_NEXT=0
  add-zsh-hook precmd _configsync_precmd
  zle -N _configsync_ended
}
_configsync_load
unfunction _configsync_load

(( ${#_configsync_options[@]} == 0 )) || setopt "${_configsync_options[@]}"
'builtin' 'unset' _configsync_options
