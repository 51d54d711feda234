# zsh
export EDITOR=emacs
bindkey -v
setopt autocd
