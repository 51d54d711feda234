# Completions of cfgsync for bash. The program is asked when somebody presses Tab, and not before.

_cfgsync() {
  local kind value
  COMPREPLY=()
  while IFS=$'\t' read -r kind value; do
    case $kind in
      files) compopt -o default 2>/dev/null ;;
      folders) compopt -o dirnames 2>/dev/null ;;
      word | path) COMPREPLY+=("$value") ;;
    esac
  done <<<"$(COMPLETE=bash command cfgsync -- "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null </dev/null)"
  # One folder goes on.
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then compopt -o nospace 2>/dev/null; fi
  return 0
}

# bash 4.4 keeps the order, the newest first. Before 4.0 there is no compopt, and files are offered
# wherever there is nothing else.
complete -o nosort -F _cfgsync cfgsync 2>/dev/null || complete -o default -F _cfgsync cfgsync
