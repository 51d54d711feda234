#!/bin/sh
# Runs cfgsync with the folder of the case as its home, as on an EC2 machine.
unset CFGSYNC_DIR XDG_CONFIG_HOME XDG_STATE_HOME
export CFGSYNC_MACHINE_KIND="${CFGSYNC_MACHINE_KIND:-ec2}"
HOME=$PWD exec "$CFGSYNC" "$@"
