# Small helpers for the shell scripts around Landfall: messages, waiting for a condition, stopping by process id,
# becoming root. Sourced, never run. Nothing here (or in any script that sources it) matches a process by name.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $1"
    shift
    local hint
    for hint in "$@"; do say "hint: $hint"; done
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Administration tools live in directories that a plain user's PATH lacks on Debian.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

# wait_for SECONDS COMMAND...: polls COMMAND until it succeeds; false after SECONDS.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

alive() {
    local state
    kill -0 "$1" 2>/dev/null || return 1
    # A zombie that its parent has not waited for yet counts as gone.
    state=$(sed -e 's/^.*) //' "/proc/$1/stat" 2>/dev/null) && [[ ${state:0:1} != Z ]]
}

gone() { ! alive "$1"; }

# stop_pid PID SECONDS: SIGTERM, then SIGKILL after SECONDS.
stop_pid() {
    alive "$1" || return 0
    kill -TERM "$1" 2>/dev/null || return 0
    wait_for "$2" gone "$1" || kill -KILL "$1" 2>/dev/null || true
    wait_for 5 gone "$1" || say "warning: process $1 does not end"
}

# stop_pid_file FILE SECONDS: as above, for the id that FILE holds; the file goes away.
stop_pid_file() {
    local pid
    [[ -f $1 ]] || return 0
    read -r pid <"$1" || true
    [[ -z $pid ]] || stop_pid "$pid" "$2"
    rm -f "$1"
}

is_root() { [[ $(id -u) == 0 ]]; }

# as_root COMMAND...: directly, or through sudo.
as_root() {
    if is_root; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "this needs root: $*" "run as root, or install sudo"
    fi
}

# rerun_as_root SCRIPT ARGS...: replaces this process by SCRIPT as root. PATH and HOME stay the caller's, so that
# rustup's cargo is found; LANDFALL_GROUND_USER tells whom to become again for the tests.
rerun_as_root() {
    is_root && return 0
    have sudo || die "a private Docker daemon needs root" "run as root, or install sudo"
    exec sudo --preserve-env env PATH="$PATH" HOME="$HOME" LANDFALL_GROUND_USER="$(id -u):$(id -g)" "$@"
}

# fits_socket DIR: socket paths end at 107 bytes, and the longest below DIR adds some 30.
fits_socket() { ((${#1} <= 70)) || die "the path $1 is too long for the sockets below it" "choose a shorter directory"; }

# unmount_below DIR: deepest first, only what is mounted under DIR.
unmount_below() {
    local target
    while read -r target; do
        umount "$target" 2>/dev/null || umount --lazy "$target" 2>/dev/null || say "warning: $target stays mounted"
    done < <(awk -v dir="$1/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
}
