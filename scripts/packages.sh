# Sourced by the other scripts: packages of Debian, installed without starting their services.

say() { echo "$(basename "$0"): $*" >&2; }

fail() {
    say "$*"
    exit 1
}

# install_packages NAME...: installs those that are not there yet.
install_packages() {
    local missing=() name
    for name in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || fail "not installed: ${missing[*]}; run as root, or: sudo apt-get install ${missing[*]}"
    command -v apt-get >/dev/null || fail "not installed: ${missing[*]}; there is no apt-get here, install them by hand"

    say "installing ${missing[*]}"
    # Without this file the packages would start services on the ports that everyone uses.
    local policy=/usr/sbin/policy-rc.d ours=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        ours=yes
    fi
    local outcome=0
    apt_install "${missing[@]}" || outcome=$?
    [ -z "$ours" ] || rm -f "$policy"
    [ "$outcome" = 0 ] || fail "apt-get could not install ${missing[*]}"
}

# A machine whose package lists are fresh needs no update, and one without lists fails at once.
apt_install() {
    local apt=(apt-get -qq -y -o Dpkg::Use-Pty=0 -o Acquire::Retries=3)
    export DEBIAN_FRONTEND=noninteractive
    "${apt[@]}" install --no-install-recommends "$@" >/dev/null 2>&1 && return
    "${apt[@]}" update >&2 && "${apt[@]}" install --no-install-recommends "$@" >/dev/null
}
