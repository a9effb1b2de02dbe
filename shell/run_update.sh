#!/bin/bash
# Runs the script of an update medium for POST /cube/version/update, in a systemd unit of its own: the update may well
# restart the daemon that asked for it.
#
# usage: run_update.sh LOG SCRIPT     in the folder of the script
#
#   LOG        what the script prints: the beginning, and the end of what is more than that
#   LOG.err    what it prints on stderr, the same way
#   LOG.code   its exit code, written when it has ended
#
# ABLESTACK_UPDATE_LOG_BYTES   how much of the beginning is kept (default 64 MiB)
set -u

readonly FIRST=${ABLESTACK_UPDATE_LOG_BYTES:-67108864}
readonly LAST=262144

# Takes in everything, so that the script is never stopped by its own output; keeps a bounded part of it.
keep() {
    { head -c "$FIRST"; tail -c "$LAST"; } >"$1"
}

# The code is written by whoever waits for the script itself: what it left running may hold the outputs open for long.
run_script() {
    bash "./$2"
    echo $? >"$1.code.new"
    mv "$1.code.new" "$1.code"
}

main() {
    [[ $# -eq 2 && -f ./$2 ]] || { sed -n '5s/^# //p' "$0" >&2; exit 2; }
    umask 077
    { run_script "$1" "$2" 2>&1 1>&3 3>&- | keep "$1.err" 3>&-; } 3>&1 | keep "$1"
    exit "$(cat "$1.code" 2>/dev/null || echo 1)"
}

main "$@"
