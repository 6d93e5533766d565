# A containerd, a dockerd and registries of our own, all state below one directory. Sourced, never run (needs lib.sh).
# Each start waits until the daemon answers and shows the end of its log when it does not.
#
# DIR/run: sockets and process ids   DIR/state: containerd, docker, registry data   DIR/logs
# shellcheck shell=bash

DAEMON_SECONDS=60 # generous: the first start on a busy machine reads every binary from disk

# start_daemon DIR NAME COMMAND...: in the background, log and process id below DIR.
start_daemon() {
    local dir=$1 name=$2
    shift 2
    mkdir -p "$dir/run" "$dir/logs" "$dir/state"
    setsid "$@" </dev/null >>"$dir/logs/$name.log" 2>&1 &
    echo $! >"$dir/run/$name.pid"
}

# await_daemon DIR NAME COMMAND...: until COMMAND succeeds; gives up as soon as the daemon has ended.
await_daemon() {
    local dir=$1 name=$2 pid
    shift 2
    read -r pid <"$dir/run/$name.pid"
    # shellcheck disable=SC2317 # called by wait_for
    answers_or_ended() { "$@" || gone "$pid"; }
    wait_for "$DAEMON_SECONDS" answers_or_ended "$@" || true
    "$@" >/dev/null 2>&1 && return 0
    say "--- the last lines of $dir/logs/$name.log"
    tail -n 25 "$dir/logs/$name.log" >&2 || true
    if alive "$pid"; then
        die "$name does not answer after $DAEMON_SECONDS s" "see its log above"
    fi
    die "$name ended while it was starting" "see its log above"
}

docker_answers() { curl -sf --max-time 2 --unix-socket "$1" http://docker/_ping; }
registry_answers() { curl -s --max-time 2 -o /dev/null "http://$1/v2/"; }

# overlay2 where the directory's file system can carry it, else the slow vfs.
storage_driver() {
    local probe=$1/overlay-probe
    mkdir -p "$probe"/{lower,upper,work,merged}
    if mount -t overlay overlay -o "lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work" "$probe/merged" 2>/dev/null; then
        umount "$probe/merged"
        echo overlay2
    else
        echo vfs
    fi
    rm -rf "$probe"
}

start_containerd() {
    local dir=$1
    mkdir -p "$dir/run" "$dir/state"
    cat >"$dir/state/containerd.toml" <<TOML
version = 2
root = "$dir/state/containerd"
state = "$dir/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.tracing"]
[grpc]
address = "$dir/run/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "$dir/state/opt"
TOML
    start_daemon "$dir" containerd containerd --config "$dir/state/containerd.toml"
    await_daemon "$dir" containerd test -S "$dir/run/containerd.sock"
}

# start_dockerd DIR CGROUP OPTIONS...: its socket is DIR/docker.sock. Starts containerd as well.
start_dockerd() {
    start_containerd "$1"
    start_dockerd_alone "$@"
}

# The same above a containerd that runs. ADDRESSES is what its networks are made of.
start_dockerd_alone() {
    local dir=$1 cgroup=$2 driver
    shift 2
    driver=$(storage_driver "$dir/state")
    # A config file of its own keeps /etc/docker/daemon.json out of it.
    echo '{}' >"$dir/state/daemon.json"
    start_daemon "$dir" dockerd dockerd --config-file "$dir/state/daemon.json" --data-root "$dir/state/docker" \
        --exec-root "$dir/run/docker" --pidfile "$dir/run/dockerd-own.pid" --host "unix://$dir/docker.sock" \
        --containerd "$dir/run/containerd.sock" --storage-driver "$driver" --cgroup-parent "/$cgroup" \
        --exec-opt native.cgroupdriver=cgroupfs --default-address-pool "base=${ADDRESSES:-10.213.0.0/16},size=24" --shutdown-timeout 5 "$@"
    await_daemon "$dir" dockerd docker_answers "$dir/docker.sock"
}

# start_registry DIR NAME PORT [HTPASSWD-FILE]
start_registry() {
    local dir=$1 name=$2 port=$3 passwords=${4:-}
    mkdir -p "$dir/state/$name"
    cat >"$dir/state/$name.yml" <<YML
version: 0.1
log: { level: warn }
storage:
  filesystem: { rootdirectory: $dir/state/$name }
  delete: { enabled: true }
http: { addr: "127.0.0.1:$port", secret: loopback }
YML
    if [[ -n $passwords ]]; then
        echo "auth: { htpasswd: { realm: landfall, path: $passwords } }" >>"$dir/state/$name.yml"
    fi
    start_daemon "$dir" "$name" docker-registry serve "$dir/state/$name.yml"
    await_daemon "$dir" "$name" registry_answers "127.0.0.1:$port"
}

# Every container of a Docker that is ours alone; stopping it then takes no grace period.
remove_all_containers() {
    local socket=$1 id removals=()
    for id in $(curl -s --max-time 20 --unix-socket "$socket" 'http://docker/containers/json?all=1' | grep -o '"Id":"[0-9a-f]*"' | cut -d'"' -f4); do
        curl -s -o /dev/null --max-time 20 --unix-socket "$socket" -X DELETE "http://docker/containers/$id?force=1&v=1" &
        removals+=($!)
    done
    ((${#removals[@]} == 0)) || wait "${removals[@]}" || true
}

# stop_daemons DIR: everything start_* began below DIR, in an order in which nothing waits for something stopped.
stop_daemons() {
    local dir=$1 file
    stop_pid_file "$dir/run/dockerd.pid" 20
    for file in "$dir"/run/*.pid; do
        case $file in
            */dockerd-own.pid) rm -f "$file" ;;
            *) [[ ! -f $file ]] || stop_pid_file "$file" 10 ;;
        esac
    done
}

# remove_cgroup NAME: the empty directories Docker leaves under its cgroup parent.
remove_cgroup() {
    local top
    for top in "/sys/fs/cgroup/$1" /sys/fs/cgroup/*/"$1"; do
        [[ ! -d $top ]] || find "$top" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
}
