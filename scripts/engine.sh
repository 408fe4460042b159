#!/usr/bin/env bash
# A private Docker engine, for runs that exercise the container provider where no engine runs.
#
#   eval "$(scripts/engine.sh up DIR)"    installs docker if need be, starts the engine, sets DOCKER_HOST
#   scripts/engine.sh down DIR            stops it with all its containers and removes DIR
#
# It listens on a loopback port only, keeps everything in DIR and touches no firewall rule: the
# published ports of its containers are reached through its proxy, on loopback. It has a bridge of its
# own: two engines on one bridge would give the same addresses away twice.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

usage="usage: engine.sh up DIR | engine.sh down DIR"
[ $# = 2 ] || fail "$usage"

# The processes that name the engine's directory: the engine, its containerd and their shims. (No
# grep -q behind a pipe here: it ends early, and with pipefail the match then counts as none.)
processes() {
    local file
    for file in /proc/[0-9]*/cmdline; do
        if { tr '\0' ' ' <"$file"; } 2>/dev/null | grep -E "^[^ ]*(dockerd|containerd|docker-proxy|runc)[^ ]* .*$1/" >/dev/null; then
            file=${file#/proc/}
            echo "${file%/cmdline}"
        fi
    done
}

free_port() {
    local port
    while port=$((12000 + RANDOM % 20000)); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

# A bridge with a network of its own, both named by the engine's port.
add_bridge() {
    local bridge=qa$1
    ip link add name "$bridge" type bridge
    ip address add "172.$((18 + $1 % 14)).$(($1 / 14 % 256)).1/24" dev "$bridge"
    ip link set "$bridge" up
    echo "$bridge"
}

up() {
    local dir=$1 port pid
    [ "$(id -u)" = 0 ] || fail "starting a docker engine needs root; or start Docker yourself"
    install_packages docker.io busybox-static iproute2
    # Newer Debians have the client in a package of its own.
    command -v docker >/dev/null || install_packages docker-cli
    port=$(free_port)
    add_bridge "$port" >"$dir/bridge"
    setsid dockerd --bridge "$(cat "$dir/bridge")" --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" \
        -H "unix://$dir/socket" -H "tcp://127.0.0.1:$port" --ip 127.0.0.1 \
        --iptables=false --ip-masq=false --log-level warn >"$dir/log" 2>&1 </dev/null &
    pid=$!
    for _ in $(seq 300); do
        if docker -H "tcp://127.0.0.1:$port" version >/dev/null 2>&1; then
            say "engine $(docker -H "tcp://127.0.0.1:$port" version -f '{{.Server.Version}}') is up on port $port"
            echo "export DOCKER_HOST=tcp://127.0.0.1:$port"
            return
        fi
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$dir/log" >&2
    down "$dir"
    fail "the docker engine did not come up; the end of its log is above"
}

down() {
    local dir=$1 left
    if [ -S "$dir/socket" ]; then
        docker -H "unix://$dir/socket" ps -aq 2>/dev/null |
            xargs -r docker -H "unix://$dir/socket" rm -f -v >/dev/null 2>&1 || true
    fi
    # A process id in a file may be another's by now.
    if [ -e "$dir/pid" ] && processes "$dir" | grep -x "$(cat "$dir/pid")" >/dev/null; then
        kill "$(cat "$dir/pid")" 2>/dev/null || true
    fi
    for _ in $(seq 200); do
        left=$(processes "$dir")
        [ -n "$left" ] || break
        sleep 0.1
    done
    # What ignored the request for 20 seconds.
    [ -z "$left" ] || kill -9 $left 2>/dev/null || true
    awk -v dir="$dir/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount -l
    [ ! -s "$dir/bridge" ] || ip link delete "$(cat "$dir/bridge")" 2>/dev/null || true
    rm -rf "$dir"
}

case $1 in
up)
    mkdir -p "$2"
    up "$(realpath "$2")"
    ;;
down)
    [ -d "$2" ] || exit 0
    down "$(realpath "$2")"
    ;;
*) fail "$usage" ;;
esac
