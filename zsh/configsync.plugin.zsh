# configsync: the state of cfgsync in the prompt, and a background sync when one is due.
#
#   CFGSYNC_SEGMENT   the icon for a prompt, with its colour and a trailing space, or empty; used as
#                     '${CFGSYNC_SEGMENT-}' under prompt_subst
#   sync_indicator    prints CFGSYNC_SEGMENT, for themes that want a command
#   sync-configs, sync-status   cfgsync sync, cfgsync status
#
#   CFGSYNC_RECORD    path of the status record, where it is not cfgsync's own place
#   zstyle ':cfgsync:' enabled no         show nothing and start nothing
#   zstyle ':cfgsync:' background no      never start a sync from here
#   zstyle ':cfgsync:' interval SECONDS   start one at most so often (default 60), but for edits
#   zstyle ':cfgsync:' show-counts yes    ↑3 instead of ↑
#   zstyle ':cfgsync:' only-below FOLDER  show the segment in this folder and below it only
#   zstyle ':cfgsync:STATE' icon TEXT     another icon; an empty one hides the state
#   zstyle ':cfgsync:STATE' color COLOR   another colour, as in %F{COLOR}
#   STATE is synced, ahead, behind, syncing, held, failed or paused
#
# Drawing a prompt starts no process. Once it stands and no key came for a moment, the plugin looks whether
# the record holds: after a command it asks cfgsync-prompt, after empty lines only where a watched file is
# newer. What ends elsewhere is heard on a FIFO.

[[ -o interactive ]] || return 0
'builtin' 'zmodload' zsh/datetime zsh/system 2>/dev/null || return 0

# The functions below are parsed here, and these options change what a parser reads.
'builtin' 'typeset' -ga _configsync_options
[[ ! -o aliases ]] || _configsync_options+=(aliases)
[[ ! -o sh_glob ]] || _configsync_options+=(sh_glob)
[[ ! -o no_brace_expand ]] || _configsync_options+=(no_brace_expand)
'builtin' 'setopt' no_aliases no_sh_glob brace_expand

# Runs one sync and shows it.
function sync-configs() {
  command cfgsync sync "$@"
}

# Says what is in sync and what is not.
function sync-status() {
  command cfgsync status "$@"
}

# Prints the segment. '$(sync_indicator)' costs a fork at each prompt, '${CFGSYNC_SEGMENT-}' none.
function sync_indicator() {
  print -rn -- "${CFGSYNC_SEGMENT-}"
}

# Reads the record after a command. After an empty line nothing can have come that the bell does not tell
# of, and all else waits until the prompt stands: a call of a function is a fifth of a prompt. No option of
# zsh changes what the first lines do.
function _configsync_precmd() {
  if (( _CONFIGSYNC_BELL && _CONFIGSYNC_IDLE && ! _CONFIGSYNC_RAN && EPOCHSECONDS < _CONFIGSYNC_UNTIL )); then
    (( _CONFIGSYNC_WAITS )) && return 0
    builtin zle -F $_CONFIGSYNC_IDLE _configsync_idle
    (( _CONFIGSYNC_WAITS = EPOCHREALTIME ))
    return 0
  fi
  emulate -L zsh
  _configsync_refresh
  (( ! _CONFIGSYNC_WAITS && ! ZSH_SUBSHELL )) && [[ -o zle && -t 0 && -z ${ZSH_EXECUTION_STRING-} ]] || return 0
  (( _CONFIGSYNC_IDLE )) || sysopen -r -o cloexec -u _CONFIGSYNC_IDLE /dev/null || return 0
  zle -F $_CONFIGSYNC_IDLE _configsync_idle
  _CONFIGSYNC_WAITS=EPOCHREALTIME
}

# Keeps the segment true: a record that did not change costs one read and one comparison.
function _configsync_refresh() {
  emulate -L zsh
  local record=
  typeset -g _CONFIGSYNC_FILE=${CFGSYNC_RECORD:-${XDG_STATE_HOME:-$HOME/.local/state}/cfgsync/record}
  [[ -f $_CONFIGSYNC_FILE && -r $_CONFIGSYNC_FILE ]] && record=$(<$_CONFIGSYNC_FILE)
  [[ $record != $_CONFIGSYNC_RECORD ]] || (( EPOCHSECONDS >= _CONFIGSYNC_UNTIL )) || return 0
  [[ $record == $_CONFIGSYNC_RECORD ]] || typeset -g _CONFIGSYNC_TRUTH='?' _CONFIGSYNC_PATHS='?'
  typeset -g CFGSYNC_SEGMENT= _CONFIGSYNC_STATE= _CONFIGSYNC_RECORD=$record
  (( _CONFIGSYNC_UNTIL = EPOCHSECONDS + 60 ))
  [[ ! -f $_CONFIGSYNC_FILE ]] || _configsync_read
}

# Takes the hook from the prompts of the next second at most, while the bell tells of all that may change
# but for edits elsewhere: those are looked at again at the end of it. A command ends it at once.
function _configsync_rest() {
  emulate -L zsh
  local -i at=$precmd_functions[(I)_configsync_precmd]
  # Each module that is loaded makes each fork of the shell longer, and a prompt may have ten.
  (( at && _CONFIGSYNC_BELL && EPOCHSECONDS + 2 < _CONFIGSYNC_UNTIL )) && [[ $PROMPT != *\$\(* ]] || return 0
  precmd_functions[at]=:  # keeps its place, and whoever calls the hooks by name
  (( _CONFIGSYNC_SOON )) || sched +1 '_configsync_soon && :'
  _CONFIGSYNC_RESTS=1 _CONFIGSYNC_SOON=1
}

# Puts the hook back.
function _configsync_wake() {
  emulate -L zsh
  local -i at=$precmd_functions[(I):]
  (( at && _CONFIGSYNC_RESTS )) && precmd_functions[at]=_configsync_precmd
  _CONFIGSYNC_RESTS=0
}

# Remembers that a command ran: what it did is looked at when the line editor is idle.
function _configsync_preexec() {
  _CONFIGSYNC_RAN=1
  (( ! _CONFIGSYNC_RESTS )) || _configsync_wake
}

# Reads $_CONFIGSYNC_RECORD, the bytes of the record. Nothing but the letter and the digits of its
# head is used, and only if the whole has the shape of a record.
function _configsync_read() {
  emulate -L zsh -o extended_glob -o no_multibyte
  local record=$_CONFIGSYNC_RECORD
  zstyle -T ':cfgsync:' enabled || return 0
  if [[ $#record != 128 ||
        $record != 'cfgsync1 '[SABYHFPO](' '[0-9](#c4))(#c4)(' '[0-9](#c10))(#c2)' '[w\ ]$' \n'*$'\0end' ]]; then
    # Damaged, or of another version: one sync from this shell may write a new one.
    (( _CONFIGSYNC_NEXT )) || _configsync_await
    return 0
  fi
  local letter=$record[10]
  local -i ahead=$record[12,15] behind=$record[17,20] pending=$record[22,25] held=$record[27,30]
  local -i due=$record[32,41] deadline=$record[43,52] moment=0
  # An edit waits a moment for the next one, and is then sent.
  [[ $letter$_CONFIGSYNC_TRUTH != [SO]ahead* ]] || due=$(( due < _CONFIGSYNC_EDIT ? due : _CONFIGSYNC_EDIT ))
  for moment in $due $(( deadline + 1 )); do  # when the same bytes say something else
    (( EPOCHSECONDS < moment && moment < _CONFIGSYNC_UNTIL )) && (( _CONFIGSYNC_UNTIL = moment ))
  done
  [[ $letter == Y ]] && { (( EPOCHSECONDS > deadline )) || ! _configsync_pulse } && letter=F  # it died
  (( EPOCHSECONDS < due )) || [[ $letter == Y ]] || _configsync_await
  if [[ $letter == [SO] ]]; then
    case $_CONFIGSYNC_TRUTH in
      (ahead*) letter=A pending=${_CONFIGSYNC_TRUTH#ahead} ;;
      (paused) letter=P ;;
      (\?|synced) (( EPOCHSECONDS <= deadline )) || letter=O ;;  # too old to be known true
      (*) letter=O ;;  # nobody knows
    esac
  fi
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

# Returns whether a sync that says it runs does: as long as it lives it holds the pulse, a FIFO, open.
# Its end closes that and is seen here, however it ends. Without the FIFO the deadline decides.
function _configsync_pulse() {
  emulate -L zsh
  local pulse=${XDG_STATE_HOME:-$HOME/.local/state}/cfgsync/pulse byte=
  (( _CONFIGSYNC_PULSE )) && return 0
  [[ -p $pulse && -O $pulse ]] || return 0
  sysopen -r -o cloexec,nonblock -u _CONFIGSYNC_PULSE $pulse 2>/dev/null || return 0
  sysread -i $_CONFIGSYNC_PULSE byte 2>/dev/null || (( $? != 5 )) || {  # its end
    _configsync_forget $_CONFIGSYNC_PULSE
    return 1
  }
  [[ ! -o zle ]] || zle -F -w $_CONFIGSYNC_PULSE _configsync_ended
}

# Shows the state $1 in the colour $2 with the icon $3 and the count $4, or as the user has it.
function _configsync_show() {
  emulate -L zsh
  local state=$1 color=$2 icon=$3 own=
  if zstyle -s ':cfgsync:' only-below own; then
    _CONFIGSYNC_UNTIL=0 own=${~own}  # a leading ~
    [[ $PWD/ == ${own%/}/* ]] || return 0
  fi
  zstyle -s ":cfgsync:$state" icon own && icon=$own
  zstyle -s ":cfgsync:$state" color own && color=$own
  (( ${4:-0} )) && zstyle -t ':cfgsync:' show-counts && icon+=$4
  [[ -z $icon ]] || typeset -g CFGSYNC_SEGMENT="%F{$color}$icon%f "
  typeset -g _CONFIGSYNC_STATE=$state
}

# Decides to start a sync once the line editor is idle: at most once in an interval, and only for the
# person at this terminal who owns the record.
function _configsync_await() {
  emulate -L zsh
  local -i interval=0
  (( EPOCHSECONDS >= _CONFIGSYNC_NEXT && ! ZSH_SUBSHELL )) || return 0
  [[ -o zle && ( -t 0 || -n ${WIDGET-} ) && -z ${ZSH_EXECUTION_STRING-} ]] || return 0
  [[ -O $_CONFIGSYNC_FILE ]] && zstyle -T ':cfgsync:' background || return 0
  zstyle -s ':cfgsync:' interval interval || interval=60
  (( _CONFIGSYNC_NEXT = EPOCHSECONDS + (interval > 0 ? interval : 60), _CONFIGSYNC_DUE = 1 ))
}

# Rings this shell's own bell: the line editor does not hear of what is opened at a time set for it. Where
# a prompt is next, zsh shows the status of this as that of the last command: it keeps that, as the first
# of two a failure of which is none.
function _configsync_soon() {
  local -i was=$?
  emulate -L zsh
  _CONFIGSYNC_SOON=0 _CONFIGSYNC_UNTIL=0
  _configsync_wake
  (( ! _CONFIGSYNC_BELL )) || syswrite -o $_CONFIGSYNC_BELL .
  return was
}

# The line editor is idle. Whoever reads the terminal is let read the prompt first, and whoever types
# goes first, too: what may take a moment waits until no key has come for 30 ms, but half a second at
# most. Reading nothing tells (5) that a key is there, and leaves it there.
function _configsync_idle() {
  emulate -L zsh
  local nothing=
  sysread -t 0.03 -s 0 -i 0 nothing || (( $? != 5 || EPOCHREALTIME >= _CONFIGSYNC_WAITS + 0.5 )) || return 0
  zle -F $1
  _CONFIGSYNC_WAITS=0
  _configsync_look
  _configsync_rest
}

# Does what may take a moment: hangs up the bell, starts a sync that is due, asks whether the record
# still holds.
function _configsync_look() {
  emulate -L zsh
  local -i ran=$_CONFIGSYNC_RAN
  _CONFIGSYNC_RAN=0
  [[ -f $_CONFIGSYNC_FILE && -O $_CONFIGSYNC_FILE ]] && zstyle -T ':cfgsync:' enabled || return 0
  (( _CONFIGSYNC_BELL )) || _configsync_hang_up_bell
  (( ! _CONFIGSYNC_DUE )) || _configsync_start
  _configsync_verify $ran
  # A run on another machine of the same home rings here for nobody.
  [[ ! -r $_CONFIGSYNC_FILE || $(<$_CONFIGSYNC_FILE) == $_CONFIGSYNC_RECORD ]] || _configsync_soon
}

# Asks whether the record holds, if it says what it depends on: in any case if $1, else only where
# something it depends on is newer. What is newer is asked about once, and then left to the next command.
function _configsync_verify() {
  emulate -L zsh
  local watched=$_CONFIGSYNC_FILE:h/watched file=  # path is zsh's own
  [[ $_CONFIGSYNC_RECORD == 'cfgsync1 '[SO]* && $_CONFIGSYNC_RECORD[54] == w ]] || return 0
  (( ! $1 )) || { _configsync_ask; return 0 }
  if [[ $_CONFIGSYNC_PATHS == '?' ]]; then
    [[ -r $watched ]] && _CONFIGSYNC_PATHS=$(<$watched)
    typeset -ga _configsync_watched
    _configsync_watched=(${(0)_CONFIGSYNC_PATHS})
    _CONFIGSYNC_PATHS=read
  fi
  for file in $_configsync_watched; do
    [[ $file -nt $_CONFIGSYNC_FILE ]] || continue
    _configsync_watched=("${(@)_configsync_watched:#$file}")
    _configsync_ask
    return 0
  done
}

# Asks cfgsync-prompt about the record; the answer comes when it comes.
function _configsync_ask() {
  emulate -L zsh -o no_aliases  # what is in <( ) is parsed when it runs
  local asked=${commands[cfgsync-prompt]-} bell=
  [[ -x $asked ]] || return 0
  (( _CONFIGSYNC_BELL )) || bell=${XDG_STATE_HOME:-$HOME/.local/state}/cfgsync/bells/$$
  _configsync_forget $_CONFIGSYNC_ASK
  typeset -g _CONFIGSYNC_ASKED=$_CONFIGSYNC_RECORD
  sysopen -r -o cloexec -u _CONFIGSYNC_ASK <(
    exec "$asked" word --record "$_CONFIGSYNC_FILE" ${bell:+--bell} ${bell:+"$bell"} </dev/null 2>/dev/null
  ) || return 0
  zle -F -w $_CONFIGSYNC_ASK _configsync_answered
}

# Takes the answer: a word, or nothing where nobody knows. It counts for the record it is about.
function _configsync_answered() {
  emulate -L zsh
  local answer=
  sysread -i $1 answer || answer=
  _configsync_forget $1
  (( _CONFIGSYNC_BELL )) || _configsync_hang_up_bell
  [[ $_CONFIGSYNC_ASKED == $_CONFIGSYNC_RECORD && $answer != $_CONFIGSYNC_TRUTH ]] || return 0
  [[ $answer == (|synced|paused|ahead|ahead\ <1-9999999999>) ]] || return 0
  typeset -g _CONFIGSYNC_TRUTH=$answer _CONFIGSYNC_UNTIL=0
  [[ $answer != ahead* ]] || (( _CONFIGSYNC_NEXT = 0, _CONFIGSYNC_EDIT = EPOCHSECONDS + 5 ))
  _configsync_redraw
  (( _CONFIGSYNC_EDIT <= EPOCHSECONDS )) || sched +6 '_configsync_soon && :'
}

# Opens this shell's bell, on which a run rings that has published: a FIFO that the last run left for
# whoever comes, or one that cfgsync-prompt made.
function _configsync_hang_up_bell() {
  emulate -L zsh
  local bells=${XDG_STATE_HOME:-$HOME/.local/state}/cfgsync/bells spare= files=
  zmodload -e zsh/files && files=loaded
  zmodload -F zsh/files b:zf_mv 2>/dev/null || return 0
  [[ -p $bells/$$ ]] || for spare in $bells/spare.*(Np); do
    zf_mv $spare $bells/$$ 2>/dev/null && break
  done
  [[ -n $files ]] || zmodload -u zsh/files 2>/dev/null  # see _configsync_rest
  [[ -p $bells/$$ && -O $bells/$$ ]] || return 0
  # Opened for both ends, it waits for nobody and never ends.
  sysopen -rw -o cloexec,nonblock -u _CONFIGSYNC_BELL $bells/$$ 2>/dev/null || return 0
  zle -F -w $_CONFIGSYNC_BELL _configsync_rung
}

# Takes this shell's bell down, also one that was made for it and is not hung up yet.
function _configsync_take_down_bell() {
  emulate -L zsh
  (( _CONFIGSYNC_BELL || _CONFIGSYNC_ASK )) && [[ $$ == ${sysparams[pid]} ]] || return 0
  zmodload -F zsh/files b:zf_rm 2>/dev/null || return 0
  zf_rm -f ${XDG_STATE_HOME:-$HOME/.local/state}/cfgsync/bells/$$ 2>/dev/null
}

# A run has published, or the last edit or the last of many empty lines is a moment ago.
function _configsync_rung() {
  emulate -L zsh
  local bytes=
  sysread -i $1 bytes 2>/dev/null || bytes=
  _configsync_redraw
  (( ! _CONFIGSYNC_DUE )) || _configsync_start
  _configsync_verify 0
}

# Starts one sync: own process group, no terminal, no job. Its standard output is a pipe to here, on
# which nothing is written; that it is closed says that the sync has ended.
function _configsync_start() {
  emulate -L zsh -o no_aliases  # what is in <( ) is parsed when it runs
  local cfgsync=${commands[cfgsync]-}
  _CONFIGSYNC_DUE=0
  [[ -x $cfgsync ]] || return 0
  (( ! _CONFIGSYNC_FD )) || _configsync_forget $_CONFIGSYNC_FD
  sysopen -r -o cloexec -u _CONFIGSYNC_FD <(
    CFGSYNC_HOLD_STDOUT=1 exec "$cfgsync" sync --background </dev/null 2>/dev/null
  ) || return 0
  zle -F -w $_CONFIGSYNC_FD _configsync_ended
}

# A sync has ended, however it did.
function _configsync_ended() {
  emulate -L zsh
  _configsync_forget $1
  _CONFIGSYNC_UNTIL=0
  _configsync_redraw
}

# Shows the record as it is now at the standing prompt. Not ⚡, which would stand there for too long,
# and not in the middle of other editing: a redraw takes the entries from a completion menu.
function _configsync_redraw() {
  emulate -L zsh
  local before=$CFGSYNC_SEGMENT
  _configsync_refresh
  [[ $CFGSYNC_SEGMENT != $before && $_CONFIGSYNC_STATE != syncing ]] || return 0
  [[ $CONTEXT == start && $LASTWIDGET != *(complet|menu)* ]] || return 0
  (( PENDING + KEYS_QUEUED_COUNT )) || zle .reset-prompt
}

# Stops waiting for the file descriptor $1, if there is one, and closes it.
function _configsync_forget() {
  emulate -L zsh
  local fd=$1 name=
  (( fd )) || return 0
  zle -F $fd 2>/dev/null
  exec {fd}<&-
  for name in _CONFIGSYNC_{FD,IDLE,ASK,BELL,PULSE}; do
    (( fd != ${(P)name} )) || typeset -gi $name=0
  done
}

# Takes the plugin out of this shell.
function configsync_plugin_unload() {
  emulate -L zsh
  local hook= name=
  _configsync_wake
  for hook name in $_configsync_hooks; do
    set -A $hook ${${(P)hook}:#$name}
    (( ${#${(P)hook}} )) || unset $hook
  done
  _configsync_take_down_bell
  for name in _CONFIGSYNC_{FD,IDLE,ASK,BELL,PULSE}; do _configsync_forget ${(P)name}; done
  (( _CONFIGSYNC_SOON + _CONFIGSYNC_EDIT )) && for name in ${(M)zsh_scheduled_events:#*:_configsync_soon*}; do
    sched -${zsh_scheduled_events[(I)*:_configsync_soon*]}
  done
  zle -D _configsync_ended _configsync_answered _configsync_rung
  unfunction -m '_configsync_*' sync-configs sync-status sync_indicator configsync_plugin_unload
  unset -m CFGSYNC_SEGMENT '_CONFIGSYNC_*' '_configsync_*'
}

# Puts the plugin into this shell; a second time changes nothing.
function _configsync_load() {
  emulate -L zsh
  local hook= name=
  # As add-zsh-hook does; reading its file takes as long as reading this one.
  typeset -ga _configsync_hooks=(precmd_functions _configsync_precmd preexec_functions _configsync_preexec)
  _configsync_hooks+=(zshexit_functions _configsync_take_down_bell)
  typeset -g CFGSYNC_SEGMENT= _CONFIGSYNC_{FILE,RECORD,STATE,ASKED}= _CONFIGSYNC_{TRUTH,PATHS}='?'
  typeset -gi _CONFIGSYNC_{UNTIL,RAN,DUE,EDIT}=0
  typeset -gF _CONFIGSYNC_WAITS=${_CONFIGSYNC_WAITS-0}
  for name in _CONFIGSYNC_{FD,IDLE,ASK,BELL,PULSE,NEXT,SOON,RESTS}; do
    (( ${(P)+name} )) || typeset -gi $name=0
  done
  _configsync_wake
  for hook name in $_configsync_hooks; do
    set -A $hook ${${(P)hook}:#$name} $name
  done
  for name in _configsync_{ended,answered,rung}; do zle -N $name; done
}
_configsync_load
unfunction _configsync_load

(( ${#_configsync_options[@]} == 0 )) || setopt "${_configsync_options[@]}"
'builtin' 'unset' _configsync_options
