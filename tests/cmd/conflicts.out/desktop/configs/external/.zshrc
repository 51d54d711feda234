# zsh
export EDITOR=emacs
bindkey -v
