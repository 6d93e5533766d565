# How a ground's directory and namespaces are made and unmade; shared by up, down, enter and with. Sourced (needs lib.sh
# and daemons.sh).
# shellcheck shell=bash

# make_ground DIR: an empty directory of ours with the built app in it.
make_ground() {
    local dir=$1 here
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
    fits_socket "$dir"
    if [[ -n $(ls -A "$dir" 2>/dev/null) ]]; then
        die "$dir is not empty" "take another directory, or end the ground in it: tests/ground/down $dir"
    fi
    mkdir -p "$dir/logs" "$dir/run" "$dir/state"
    chmod 755 "$dir"
    echo "landfall-ground-$$-$RANDOM" >"$dir/cgroup"
    mkfifo "$dir/stop"
    if [[ -n ${LANDFALL_TEST_APP:-} ]]; then
        cp "$LANDFALL_TEST_APP" "$dir/app"
    else
        "$here/../app/build" "$dir/app"
    fi
    # A test that runs as a plain user pushes images too, and keeps the layer beside the app.
    [[ -z ${LANDFALL_GROUND_USER:-} ]] || chown "$LANDFALL_GROUND_USER" "$dir" "$dir/app"
}

# The namespaces: network (so that no other Docker's rules are flushed), mounts and processes (so that everything
# ends with process 1, however it ends). Not `ip netns exec`: that mounts a /sys without cgroup v1.
# shellcheck disable=SC2034 # used by who sources this
isolate=(unshare --net --mount --pid --fork --kill-child --mount-proc)

# remove_ground DIR: after its processes have ended.
remove_ground() {
    local dir=$1
    [[ -f $dir/cgroup ]] || die "$dir is not a ground" "tests/ground/up DIR makes one"
    remove_cgroup "$(cat "$dir/cgroup")"
    rm -rf --one-file-system "$dir"
}
