# zsh
export EDITOR=vi
bindkey -v
