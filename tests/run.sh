#!/usr/bin/env bash
# Runs all tests: installs what is missing, builds, starts a private Docker and registries (tests/ground), runs every
# test inside, tears the ground down, and prints the runner's closing lines last. The exit code is the runner's.
#
#   tests/run.sh [--fast] [--soak] [--bless-faults] [FILTER...] [-- RUNNER-OPTION...]
#
# --fast          only tests that need no Docker (everything but scenario::*); needs no root
# --soak          also the long ones (marked `ignored`, and LANDFALL_TEST_SOAK=1)
# --bless-faults  write what the run says of faults into tests/FAULTS.md, instead of holding the run to it
# FILTER          only tests whose name contains it; a run with one, or with options, has no say on tests/FAULTS.md
#
# LANDFALL_TEST_SUMMARY names a file that gets the closing lines as well.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/ground/lib.sh
source "$root/tests/ground/lib.sh"
# shellcheck source=tests/ground/packages.sh
source "$root/tests/ground/packages.sh"

usage() {
    sed -n '5,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit "$1"
}

fast='' soak='' bless='' filters=() options=()
while (($#)); do
    case $1 in
        --fast) fast=yes ;;
        --soak) soak=yes ;;
        --bless-faults) bless=yes ;;
        -h | --help) usage 0 ;;
        --) shift && options=("$@") && break ;;
        -*) usage 64 >&2 ;;
        *) filters+=("$1") ;;
    esac
    shift
done

# rustup's directory is not on the PATH of every kind of shell.
find_cargo() {
    have cargo || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    have cargo || die "no cargo found" "install Rust from https://rustup.rs, then run this again"
}

# The runner's command line, for both of the runners that may be there.
choose_runner() {
    if cargo nextest --version >/dev/null 2>&1; then
        build=(cargo nextest run --no-run --locked --features faults,planted)
        run=(cargo nextest run --locked --offline --features faults,planted "${options[@]}")
        [[ -z $fast ]] || run+=(-E 'not test(/^scenario::/)')
        [[ -z $soak ]] || run+=(--run-ignored all)
        run+=("${filters[@]}")
    else
        build=(cargo test --no-run --locked --features faults,planted)
        run=(cargo test --locked --offline --features faults,planted "${options[@]}" --)
        [[ -z $fast ]] || run+=(--skip scenario::)
        [[ -z $soak ]] || run+=(--include-ignored)
        run+=("${filters[@]}")
    fi
}

# What the runner itself said last: nextest's summary and failures after it, or cargo's result per binary.
closing_lines() {
    if grep -q 'Summary \[' "$1"; then
        sed -n '/Summary \[/,$p' "$1"
    else
        grep '^test result:' "$1" || true
    fi
}

# Whether all tests that tell of faults were run.
is_whole() { ((${#filters[@]} == 0 && ${#options[@]} == 0)); }
[[ -z $bless ]] || is_whole || die "--bless-faults wants a whole run" "leave out filters and options"

cd "$root"
install_missing caddy gcc libc.a curl fcgiwrap git nginx openssl pebble setpriv ssh sshd systemd-analyze unshare
[[ -n $fast ]] || install_missing dockerd containerd docker-registry iptables ip unshare nsenter apparmor_parser
find_cargo
choose_runner
tests/ground/check
"${build[@]}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tests/app/build "$work/app"
mkdir "$work/faults"
LANDFALL_TEST_CADDY=${LANDFALL_TEST_CADDY:-$(tests/ground/caddy)}
[[ -z $LANDFALL_TEST_CADDY ]] || export LANDFALL_TEST_CADDY
export LANDFALL_TEST_APP=$work/app LANDFALL_TEST_SOAK=${soak:+1} LANDFALL_TEST_FAULTS=$work/faults
around=()
[[ -n $fast ]] || around=(tests/ground/with)
code=0
"${around[@]}" "${run[@]}" 2>&1 | tee "$work/log" || code=${PIPESTATUS[0]}
echo
if ((code == 0)) && is_whole; then
    tests/faults.sh "${bless:+--bless}" "${fast:+--fast}" "${soak:+--soak}" "$work/faults" || code=1
    echo
fi
closing_lines "$work/log" | tee "${LANDFALL_TEST_SUMMARY:-/dev/null}"
exit "$code"
