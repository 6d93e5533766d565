# Installs Debian or Ubuntu packages, only those whose commands are missing. Sourced, never run (needs lib.sh).
# shellcheck shell=bash

# The package that brings a command.
package_of() {
    case $1 in
        dockerd) echo docker.io ;;
        containerd) echo containerd ;;
        docker-registry) echo docker-registry ;;
        gcc) echo gcc ;;
        libc.a) echo libc6-dev ;;
        iptables) echo iptables ;;
        unshare | nsenter | setpriv) echo util-linux ;;
        ip) echo iproute2 ;;
        curl) echo curl ;;
        git) echo git ;;
        caddy) echo caddy ;;
        nginx) echo nginx ;;
        fcgiwrap) echo fcgiwrap ;;
        wrk) echo wrk ;;
        ssh) echo openssh-client ;;
        sshd) echo openssh-server ;;
        openssl) echo openssl ;;
        pebble | pebble-challtestsrv) echo pebble ;;
        systemd-analyze) echo systemd ;;
        apparmor_parser) echo apparmor ;;
        *) die "no package is known for $1" ;;
    esac
}

present() {
    case $1 in
        libc.a) have gcc && [[ $(gcc -print-file-name=libc.a) == /* ]] ;;
        # Only where the kernel has AppArmor on does Docker need its parser to load a profile.
        apparmor_parser) have apparmor_parser || [[ $(cat /sys/module/apparmor/parameters/enabled 2>/dev/null) != Y ]] ;;
        *) have "$1" ;;
    esac
}

# install_missing COMMAND...: `libc.a` stands for the static C library.
install_missing() {
    local command packages=() policy=/usr/sbin/policy-rc.d
    for command in "$@"; do
        present "$command" || packages+=("$(package_of "$command")")
    done
    ((${#packages[@]})) || return 0
    have apt-get || die "missing packages: ${packages[*]}" "this is not Debian or Ubuntu: install them by hand and try again"
    is_root || have sudo || die "missing packages: ${packages[*]}" "run as root, install sudo, or: apt-get install ${packages[*]}"
    say "installing ${packages[*]}"
    as_root apt-get update -q >&2 || say "warning: apt-get update did not work; trying with the lists at hand"
    # Their services would start by themselves; nothing here needs those, and a second Docker would be in the way.
    local denied=
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        denied=yes
    fi
    local installed=yes
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}" >&2 || installed=
    [[ -z $denied ]] || as_root rm -f "$policy"
    [[ -n $installed ]] || die "apt-get install ${packages[*]} did not work" "see its output above"
    keep_disabled "${packages[@]}"
    for command in "$@"; do
        present "$command" || die "$command is still missing after installing ${packages[*]}"
    done
}

# Services that came with packages we installed stay off after the next boot too.
keep_disabled() {
    local package units=()
    [[ -d /run/systemd/system ]] || return 0
    for package in "$@"; do
        case $package in
            docker.io) units+=(docker.service docker.socket containerd.service) ;;
            caddy | containerd | docker-registry | nginx) units+=("$package.service") ;;
            fcgiwrap) units+=(fcgiwrap.service fcgiwrap.socket) ;;
            openssh-server) units+=(ssh.service ssh.socket) ;;
        esac
    done
    ((${#units[@]})) || return 0
    as_root systemctl disable --quiet "${units[@]}" 2>/dev/null || true
    say "their services are left off; turn them on with: systemctl enable --now ${units[*]}"
}
