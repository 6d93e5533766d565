#!/usr/bin/env bash
# Shows Landfall at work on this machine: a registry with a small app, the configuration in examples/config deployed
# behind the embedded proxy, then a new version put in its place while a client counts lost requests.
#
#   deploy/demo.sh         installs what is missing, builds, runs; what it started keeps running afterwards
#   deploy/demo.sh down    removes exactly what it made (safe to run twice)
#
# LANDFALL_BIN       a built binary, instead of `cargo build --release`
# LANDFALL_DEMO_DIR  where everything lives, /tmp/landfall-demo
#
# A Docker that answers (DOCKER_HOST or /var/run/docker.sock) is used and nothing in it is touched but the demo's own
# containers, images and networks. Where none answers, one is started for the demo alone.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/ground/lib.sh
source "$root/tests/ground/lib.sh"
# shellcheck source=tests/ground/packages.sh
source "$root/tests/ground/packages.sh"
# shellcheck source=tests/ground/daemons.sh
source "$root/tests/ground/daemons.sh"
# shellcheck source=deploy/demo-down.sh
source "$root/deploy/demo-down.sh"

dir=$(realpath -m "${LANDFALL_DEMO_DIR:-/tmp/landfall-demo}")
rate=400

bold='' plain=''
[[ ! -t 1 ]] || bold=$'\e[1m' plain=$'\e[0m'
heading() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }

# expect CODE COMMAND...: shows the command and its real output; any other exit code ends the demo.
expect() {
    local wanted=$1 code=0
    shift
    printf '\n$ %s\n' "$*"
    "$@" 2>&1 || code=$?
    [[ $code == "$wanted" ]] || die "\`$*\` ended with $code, not $wanted" "the logs are in $dir/logs"
}
landfall() { "$binary" "$@"; }

# --- the parts ---------------------------------------------------------------------------------------------------

find_binary() {
    if [[ -n ${LANDFALL_BIN:-} ]]; then
        binary=$(realpath "$LANDFALL_BIN")
        [[ -x $binary ]] && return
        die "LANDFALL_BIN=$LANDFALL_BIN is no program" "leave it out and the demo builds one"
    fi
    have cargo || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    have cargo || die "no cargo found" "install Rust from https://rustup.rs, then run this again"
    heading "Building Landfall"
    (cd "$root" && cargo build --release --locked)
    binary=$(cd "$root" && cargo metadata --format-version 1 --no-deps --offline | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/landfall
}

# The Docker to use: its socket in `docker_socket`, empty when none answers.
find_docker() {
    local host=${DOCKER_HOST:-unix:///var/run/docker.sock}
    [[ $host == unix://* ]] || die "DOCKER_HOST=$host is not on this machine" "unset DOCKER_HOST: containers must reach a registry on 127.0.0.1"
    docker_socket=${host#unix://}
    if ! docker_answers "$docker_socket" >/dev/null 2>&1; then
        # It may be there and only closed to a plain user; and starting one needs root as well.
        LANDFALL_BIN=$binary LANDFALL_DEMO_DIR=$dir rerun_as_root "$root/deploy/demo.sh"
        docker_socket=
    fi
}

start_docker() {
    own_docker=
    if [[ -z $docker_socket ]]; then
        own_docker=yes docker_socket=$dir/docker.sock
    fi
    printf 'docker_socket=%q own_docker=%q\n' "$docker_socket" "$own_docker" >>"$dir/demo.env"
    if [[ -n $own_docker ]]; then
        # Without packet filter rules: the host reaches containers as it is, and nothing stays behind.
        start_dockerd "$dir" landfall-demo --bridge none --iptables=false --ip-masq=false --ip-forward=false
    fi
}

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() { # the first from $1 on that nobody listens on
    local port=$1
    while taken "$port"; do port=$((port + 1)); done
    echo "$port"
}

start_registry_with_app() {
    local version
    registry=127.0.0.1:$(free_port 5000)
    printf 'registry=%q\n' "$registry" >>"$dir/demo.env"
    start_registry "$dir" registry "${registry#*:}"
    "$root/tests/app/build" "$dir/app"
    for version in v1 v2 v3; do
        LANDFALL_TEST_APP=$dir/app "$root/tests/ground/push" "$registry/demo/web:$version" "VERSION=$version" >>"$dir/logs/push.log"
    done
}

start_proxy() {
    proxy=127.0.0.1:$(free_port 8080)
    export LANDFALL_PROXY_SOCKET=$dir/proxy.sock
    start_daemon "$dir" proxy "$binary" proxy --listen "$proxy" --control "$LANDFALL_PROXY_SOCKET" --table "$dir/state/routes.json"
    await_daemon "$dir" proxy test -S "$LANDFALL_PROXY_SOCKET"
    await_daemon "$dir" proxy taken "${proxy#*:}"
}

config_git() { git -C "$dir/config" -c user.name=demo -c user.email=demo@localhost -c commit.gpgsign=false "$@"; }

copy_config() {
    cp -r "$root/examples/config" "$dir/config"
    sed -i "s#127\.0\.0\.1:5000#$registry#g" "$dir"/config/*.yaml
    config_git -c init.defaultBranch=main init -q
    config_git add .
    config_git commit -qm "hello v1"
    mkdir -p "$dir/credentials"
    export LANDFALL_CONFIG=$dir/config LANDFALL_DATA=$dir/data LANDFALL_CREDENTIALS=$dir/credentials
    export LANDFALL_DOCKER=unix://$docker_socket
}

start_parts() {
    local source=used
    install_missing curl git gcc libc.a docker-registry
    find_binary
    # Left over from a run as root: so is this one.
    [[ ! -e $dir || -O $dir ]] || LANDFALL_BIN=$binary LANDFALL_DEMO_DIR=$dir rerun_as_root "$root/deploy/demo.sh"
    find_docker
    [[ -n $docker_socket ]] || install_missing dockerd containerd apparmor_parser
    demo_down
    fits_socket "$dir"
    mkdir -p "$dir"/{logs,run,state}
    : >"$dir/demo.env"
    heading "The parts"
    start_docker
    start_registry_with_app
    copy_config
    start_proxy
    [[ -z $own_docker ]] || source="started for the demo"
    printf '%-10s %s\n' Docker "unix://$docker_socket ($source)" registry "http://$registry with demo/web:v1, v2, v3" \
        proxy "http://$proxy" config "$dir/config"
}

# --- the demo ----------------------------------------------------------------------------------------------------

answered_version() { curl -s --max-time 5 -o /dev/null -D - -H "Host: hello.localhost" "http://$proxy/" | tr -d '\r' | sed -n 's/^[Xx]-[Vv]ersion: //p'; }
answers_version() { [[ $(answered_version) == "$1" ]]; }

# set_tag OLD NEW: in the prod stage, the first that tracks OLD.
set_tag() {
    printf '\n$ sed -i "0,/tag: %s/s//tag: %s/" projects.yaml && git commit -am "hello %s"\n' "$1" "$2" "$2"
    sed -i "0,/tag: $1/s//tag: $2/" "$dir/config/projects.yaml"
    config_git --no-pager diff -U0 | grep '^[-+] '
    config_git commit -qam "hello $2"
}

deploy_first() {
    heading "The configuration, checked without Docker"
    printf '\n$ cat projects.yaml\n'
    sed 1,2d "$dir/config/projects.yaml"
    expect 0 landfall validate
    heading "What would happen, then making it so: v1"
    expect 2 landfall diff
    expect 0 landfall apply
    printf '\n$ curl -H "Host: hello.localhost" http://%s/\n' "$proxy"
    curl -sS -H "Host: hello.localhost" "http://$proxy/"
    expect 0 landfall diff
}

start_load() {
    start_daemon "$dir" load "$dir/app" --load --url "http://$proxy/" --host hello.localhost --rps "$rate" --connections 16 \
        --until "$dir/load.stop" --seconds 300
}

stop_load() {
    local pid
    read -r pid <"$dir/run/load.pid"
    touch "$dir/load.stop"
    wait_for 30 gone "$pid" || die "the client does not end" "see $dir/logs/load.log"
    rm "$dir/run/load.pid"
    result=$(tail -n 1 "$dir/logs/load.log")
}

deploy_second() {
    heading "A new version, under $rate requests per second"
    start_load
    wait_for 10 answers_version v1 || die "v1 does not answer through the proxy" "see $dir/logs/proxy.log"
    set_tag v1 v2
    expect 2 landfall diff
    expect 0 landfall apply
    answers_version v2 || die "the proxy does not answer with v2" "see $dir/logs/proxy.log"
    expect 0 landfall status
    heading "What is recorded"
    expect 0 landfall history
    expect 0 landfall show "$(last_deploy)"
}

# The first row below the heading is the newest.
last_deploy() { landfall history | awk 'NR == 2 { print $1 }'; }
recorded() { [[ $(landfall history | awk 'NR == 2 { print $3, $4 }') == "$*" ]]; }

follow_with_daemon() {
    heading "The daemon does the same when the file is saved"
    printf '\n$ landfall daemon &\n'
    start_daemon "$dir" daemon "$binary" daemon
    set_tag v2 v3
    wait_for 60 answers_version v3 || die "the daemon did not follow to v3" "see $dir/logs/daemon.log"
    wait_for 60 recorded v3 success || die "the deploy of v3 does not end" "see $dir/logs/daemon.log"
    expect 0 landfall status
    stop_load
}

# number KEY [VERSION]: from the client's line of JSON.
number() {
    local text=$result
    [[ -z ${2:-} ]] || text=${text##*\""$2"\":}
    sed -n "s/^[^}]*\"$1\":\([0-9]*\).*/\1/p" <<<"${text%%\}*}"
}

# Nothing lost, nothing closed, every version seen, an old one never after the one that replaced it.
judge() {
    local problems=() problem old new
    for new in v1 v2 v3; do [[ $result == *"\"$new\":"* ]] || problems+=("$new never answered"); done
    (($(number lost) == 0)) || problems+=("requests were lost")
    (($(number unexpected) == 0)) || problems+=("answers other than 200")
    (($(number idle_closed) + $(number announced_closes) == 0)) || problems+=("kept-alive connections were closed")
    (($(number rps) >= 200)) || problems+=("fewer than 200 requests per second")
    for old in v1 v2; do
        new=v$((${old#v} + 1))
        ((${#problems[@]})) || (($(number last_sent_ms $old) <= $(number first_answer_ms $new))) || problems+=("$old answered after $new did")
    done
    printf '\n%s answers from v1, then %s from v2, then %s from v3: %s per second on fresh and kept-alive connections, %s of those closed on us, slowest %s ms\n' \
        "$(number count v1)" "$(number count v2)" "$(number count v3)" "$(number rps)" "$(number idle_closed)" "$(number max_ms)"
    for problem in "${problems[@]}"; do say "problem: $problem"; done
    printf 'requests %s, lost %s\n' "$(number requests)" "$(number lost)"
    ((${#problems[@]} == 0))
}

# Where everything is, for whoever goes on by hand.
tell_what_next() {
    local name
    for name in CONFIG DATA CREDENTIALS DOCKER PROXY_SOCKET; do
        name=LANDFALL_$name
        printf 'export %s=%q\n' "$name" "${!name}"
    done >"$dir/landfall.env"
    printf 'PATH=%q:$PATH\n' "$(dirname "$binary")" >>"$dir/landfall.env"
    printf '\nLook at http://hello.localhost:%s/, or go on by hand: source %s; landfall status\n' "${proxy#*:}" "$dir/landfall.env"
    printf 'The daemon follows %s/projects.yaml. Remove it all: deploy/demo.sh down\n' "$dir/config"
}

case ${1:-up} in
    up) ;;
    down) demo_down; exit ;;
    *) sed -n '5,6s/^# *//p' "${BASH_SOURCE[0]}"; exit 64 ;;
esac
start_parts
trap 'code=$?; ((code == 0)) || say "what was started keeps running; remove it with: deploy/demo.sh down"; exit $code' EXIT
deploy_first
deploy_second
follow_with_daemon
heading "It keeps running"
tell_what_next
judge
