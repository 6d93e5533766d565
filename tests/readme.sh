#!/usr/bin/env bash
# Holds the README's sample output to a real run: every line of its `console` blocks must stand in the demo's log,
# ids, digests, times and the width of columns aside.
#
#   tests/readme.sh DEMO_LOG
set -euo pipefail

readme=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/README.md
log=${1:?"name the log of a demo run"}

masked() {
    sed -E -e 's/\x1b\[[0-9;]*m//g' \
        -e 's/Plan [0-9a-f]{6}/Plan ID/' \
        -e 's/\b[0-9a-f]{8,}\b/ID/g' \
        -e 's/\b[0-9]+(\.[0-9]+)? (s|min)\b/TIME/g' \
        -e 's/ +/ /g' -e 's/ $//'
}

real=$(mktemp)
trap 'rm -f "$real"' EXIT
masked <"$log" >"$real"

lines=0 missing=0
while IFS= read -r line; do
    lines=$((lines + 1))
    if ! grep -qxF -e "$line" "$real"; then
        echo "the README shows what the demo did not print: $line" >&2
        missing=$((missing + 1))
    fi
done < <(sed -n '/^```console$/,/^```$/{/^```/!p}' "$readme" | masked)

if ((lines == 0 || missing > 0)); then
    echo "error: $missing of $lines lines of the README's sample output differ from a real run" >&2
    exit 1
fi
echo "all $lines lines of the README's sample output stand in the demo's log"
