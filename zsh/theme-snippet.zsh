# The light in front of a theme that you do not want to edit: source this file after the theme
# (after oh-my-zsh.sh in .zshrc, after `prompt pure`). A second time changes nothing.
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
# docs/prompts.md has recipes for powerlevel10k, pure, starship, tmux, bash and fish.

setopt prompt_subst  # as oh-my-zsh has it
if [[ $PROMPT != *CFGSYNC_SEGMENT* ]]; then
  case $PROMPT in
    (╭─*) PROMPT="╭─\${CFGSYNC_SEGMENT-}${PROMPT#╭─}" ;;
    (*) PROMPT="\${CFGSYNC_SEGMENT-}$PROMPT" ;;
  esac
fi
