# The sync_indicator segment: the state of the configs repository in a prompt.
#
# In a theme of your own (custom-bira.zsh-theme), put the line below beside the theme's other parts
# and ${sync_indicator} first in its PROMPT. The single quotes matter: zsh looks at the variable at
# each prompt, without starting a process. It carries its colour and its trailing space, and is
# empty when there is nothing to show or the plugin is not loaded.
#
#   local sync_indicator='${CFGSYNC_SEGMENT-}'
#   PROMPT="╭─${sync_indicator}${conda_prompt}${user_host}${current_dir}${rvm_ruby}${vcs_branch}
#   ╰─%B${user_symbol}%b "
#
# In a theme you do not want to edit: source this file after it (after oh-my-zsh.sh in .zshrc).
#
# powerlevel10k, in ~/.p10k.zsh, with cfgsync among the prompt elements:
#   function prompt_cfgsync() { p10k segment -e -c '${CFGSYNC_SEGMENT-}' -t '${CFGSYNC_SEGMENT% }' }
#
# Elsewhere cfgsync-prompt prints the same icon. It is a process of a millisecond.
#   starship   [custom.cfgsync]
#              command = "cfgsync-prompt"
#              when = true
#   tmux       set -ag status-right ' #(cfgsync-prompt)'
#   bash       PS1='$(cfgsync-prompt) '$PS1
#   fish       cfgsync-prompt, in fish_prompt

setopt prompt_subst  # as oh-my-zsh has it
if [[ $PROMPT != *CFGSYNC_SEGMENT* ]]; then
  case $PROMPT in
    (╭─*) PROMPT="╭─\${CFGSYNC_SEGMENT-}${PROMPT#╭─}" ;;
    (*) PROMPT="\${CFGSYNC_SEGMENT-}$PROMPT" ;;
  esac
fi
