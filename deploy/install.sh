#!/usr/bin/env bash
# Installs a built landfall and its systemd units, and makes the directories that they read.
#
#   deploy/install.sh              to this host; then reloads systemd, where that is what runs it
#   deploy/install.sh --root DIR   below DIR instead, for packages and tests; systemd is left alone
#
# LANDFALL_BIN names the binary; target/release/landfall otherwise. An existing configuration is never touched, and
# nothing is started or enabled: the last lines say how.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
binary=${LANDFALL_BIN:-$here/../target/release/landfall}

usage() {
    sed -n '4,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit "$1"
}

root=''
case ${1:-} in
    '') ;;
    --root) root=${2:?"--root needs a directory"} ;;
    -h | --help) usage 0 ;;
    *) usage 64 >&2 ;;
esac

if [[ ! -x $binary ]]; then
    echo "error: $binary is no program" >&2
    echo "hint: build it with \`cargo build --release --locked\`, or name one in LANDFALL_BIN" >&2
    exit 1
fi

install -D -m 755 "$binary" "$root/usr/local/bin/landfall"
for unit in landfall.service landfall-proxy.service landfall-proxy.socket landfall-proxy-tls.socket; do
    install -D -m 644 "$here/$unit" "$root/etc/systemd/system/$unit"
done
install -d -m 750 "$root/etc/landfall" "$root/etc/landfall/config"
install -d -m 700 "$root/etc/landfall/credentials"

if [[ -z $root && -d /run/systemd/system ]]; then
    systemctl daemon-reload
fi
cat <<'TEXT'
installed. Next:
  1. put your YAML into /etc/landfall/config and look at it: landfall validate && landfall diff
  2. systemctl enable --now landfall-proxy.socket landfall-proxy-tls.socket landfall-proxy landfall
     (behind another proxy only landfall: landfall-proxy would take its ports 80 and 443)
  3. landfall doctor && landfall status
Over an older version: systemctl restart landfall-proxy (the proxy first), then systemctl restart landfall
TEXT
